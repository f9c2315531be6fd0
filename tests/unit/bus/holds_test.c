/* Topics that take nothing: what waits for one of them holds up nobody else. */
#include "bus/holds.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "bus/bus_core.h"
#include "tests/unit/bus/rig.h"
#include "tests/unit/unit.h"

enum { BIT_INIT = 15 };

static struct bus_stats stats(struct rig *r, unsigned node)
{
    struct bus_stats s;
    bus_stats(r->node[node].bus, &s);
    return s;
}

static struct topic topic_of(const char *text)
{
    struct topic t = {.len = (uint8_t)strlen(text)};
    memcpy(t.b, text, t.len);
    return t;
}

static bus_client send(struct rig *r, const char *topic, uint32_t number, struct bus_send s)
{
    s.dst = r->node[1].addr;
    s.topic = topic_of(topic);
    s.payload = rig_pattern(60);
    memcpy(s.payload->data, &number, sizeof(number));
    bus_client c = rig_send_ex(r, 0, &s);
    assert_int_not_equal(c, 0);
    blob_unref(s.payload);
    return c;
}

static void send_many(struct rig *r, const char *topic, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        (void)send(r, topic, i, (struct bus_send){.ttl_ms = 3600 * 1000});
}

/* The number of the next one of this topic; UINT32_MAX: there is none. */
static uint32_t take(struct rig *r, const char *topic)
{
    struct bus_take t = {.topic = topic_of(topic)};
    bus_client c = rig_take_ex(r, 1, &t);
    rig_run(r, 20 * USEC_MS);
    const struct rig_answer *a = rig_answer(r, 1, c, BUS_OUT_TAKEN);
    assert_non_null(a);
    uint32_t number = UINT32_MAX;
    if (a->has_message)
        memcpy(&number, a->payload->data, sizeof(number));
    return number;
}

static void start(struct rig *r, uint64_t seed, bool plain, uint32_t topic_max)
{
    rig_init(r, seed);
    r->node[1].plain = plain;
    r->node[1].limits.in_topic_messages = topic_max;
    rig_start(r, 0);
    rig_start(r, 1);
}

/* However many wait for the full topic, the others arrive; and so do they, once there is room, in
 * order of acceptance where nothing is lost. Also with payloads that have to be read from the
 * store, and after a restart. */
static void test_full_topic(void **state)
{
    (void)state;
    for (int k = 0; k < 3; k++) {
        struct rig r;
        start(&r, 1, false, 5);
        if (k == 1)
            r.node[0].limits.out_cache_bytes = 60 * 200;
        rig_crash(&r, 0);
        rig_start(&r, 0);
        send_many(&r, "full", 3000);
        rig_run(&r, 10 * USEC_SEC);
        assert_int_equal(stats(&r, 1).in_ready, 5);
        if (k == 2) {
            rig_crash(&r, 0);
            rig_start(&r, 0);
            bus_route(r.node[0].bus, &r.node[1].addr, true, rig_instant(&r));
            rig_run(&r, 10 * USEC_SEC);
        }
        assert_true(stats(&r, 0).waited_busy > 0);
        send_many(&r, "other", 5);
        rig_run(&r, 2 * USEC_SEC);
        assert_int_equal(stats(&r, 1).in_ready, 10);
        for (uint32_t i = 0; i < 5; i++)
            assert_int_equal(take(&r, "other"), i);
        r.node[1].limits.in_topic_messages = 5000;
        rig_crash(&r, 1);
        rig_start(&r, 1);
        rig_run(&r, 120 * USEC_SEC);
        assert_int_equal(stats(&r, 1).in_ready, 3000);
        assert_int_equal(stats(&r, 0).out_live, 0);
        assert_int_equal(r.node[0].bus->nodes.n_holds, 0);
        rig_fini(&r);
    }
}

/* Several full ones, and one more that is not. */
static void test_full_topics(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 2, false, 5);
    const char *const topics[] = {"a", "bb", "ccc", ""};
    for (size_t i = 0; i < ARRAY_LEN(topics); i++)
        send_many(&r, topics[i], 300);
    rig_run(&r, 5 * USEC_SEC);
    assert_int_equal(stats(&r, 1).in_ready, 20);
    assert_int_equal(r.node[0].bus->nodes.n_holds, 4);
    send_many(&r, "dddd", 3);
    rig_run(&r, 2 * USEC_SEC);
    assert_int_equal(stats(&r, 1).in_ready, 23);
    rig_fini(&r); /* with messages in the holds */
}

/* A plain receiver says nothing about a topic that it refuses. `alive`: it answers others. */
static void check_refused(bool alive, uint32_t n)
{
    struct rig r;
    start(&r, 3, true, 10000);
    rig_rule(&r, 1, "no", "fd00::/8");
    if (alive) {
        send_many(&r, "yes", 1);
        rig_run(&r, USEC_SEC);
        assert_int_equal(stats(&r, 1).in_ready, 1);
    }
    send_many(&r, "no", n);
    rig_run(&r, 30 * USEC_SEC);
    send_many(&r, "yes", 400);
    rig_run(&r, 20 * USEC_SEC);
    assert_int_equal(stats(&r, 1).in_ready, 400 + alive);
    assert_int_equal(stats(&r, 0).out_live, n);
    size_t before = r.count[BIT_INIT];
    rig_run(&r, 300 * USEC_SEC);
    size_t asked = r.count[BIT_INIT] - before;
    print_message("%u refused ones: %zu INITs in 300 s\n", n, asked);
    assert_true(asked < 256 * 300 / 20); /* at growing gaps up to 30 s, by those that had a slot */
    rig_rule(&r, 1, "no", "::/0");
    rig_run(&r, 120 * USEC_SEC);
    assert_int_equal(stats(&r, 0).out_live, 0);
    assert_int_equal(stats(&r, 1).in_ready, 400 + alive + n);
    rig_fini(&r);
}

static void test_refused_topic(void **state)
{
    (void)state;
    check_refused(true, 3);
    check_refused(true, 2000);
    check_refused(false, 1);
    check_refused(false, 2000);
}

/* What waits in a hold ends as anything else does: by its deadline, by its client. */
static void test_ends_in_a_hold(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 4, false, 5);
    send_many(&r, "full", 500);
    rig_run(&r, 5 * USEC_SEC);
    bus_client late = send(&r, "full", 1, (struct bus_send){.ttl_ms = 4000});
    bus_client unwanted = send(&r, "full", 2, (struct bus_send){.ttl_ms = 3600 * 1000});
    rig_run(&r, 100 * USEC_MS);
    struct msg_id late_id = rig_answer(&r, 0, late, BUS_OUT_ACCEPTED)->id;
    struct msg_id unwanted_id = rig_answer(&r, 0, unwanted, BUS_OUT_ACCEPTED)->id;
    assert_int_equal(rig_status(&r, 0, &late_id), OUT_QUEUED);
    const struct bus_out_ref ref = {.id = unwanted_id};
    assert_int_equal(bus_out_cancel(r.node[0].bus, &ref, ++r.node[0].next_client, rig_instant(&r)),
                     OK);
    rig_drain(&r, 0);
    rig_run(&r, 5 * USEC_SEC);
    assert_int_equal(rig_status(&r, 0, &late_id), OUT_ABORTED);
    assert_int_equal(rig_status(&r, 0, &unwanted_id), OUT_CANCELLED);
    assert_int_equal(stats(&r, 0).out_live, 495);
    rig_fini(&r);
}

/* The one that asks ends: the next one of its topic asks at once, or it might never. */
static void test_asker_ends(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 5, true, 5);
    rig_rule(&r, 1, "no", "fd00::/8");
    (void)send(&r, "no", 0, (struct bus_send){.ttl_ms = 60000});
    rig_run(&r, 59 * USEC_SEC);
    assert_int_equal(r.node[0].bus->nodes.n_holds, 1);
    (void)send(&r, "no", 1, (struct bus_send){.ttl_ms = 10000});
    rig_rule(&r, 1, "no", "::/0");
    rig_run(&r, 2500 * USEC_MS);
    assert_int_equal(stats(&r, 0).out_live, 0);
    assert_int_equal(r.node[0].bus->nodes.n_holds, 0);
    rig_fini(&r);
}

/* More full topics than are held: then the node as a whole waits. */
static void test_too_many(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 6, false, 1);
    for (int i = 0; i < 80; i++) {
        char topic[8];
        snprintf(topic, sizeof(topic), "t%d", i);
        send_many(&r, topic, 3);
    }
    rig_run(&r, 200 * USEC_SEC);
    assert_int_equal(stats(&r, 1).in_ready, 80);
    assert_int_equal(r.node[0].bus->nodes.n_holds, HOLDS_NODE);
    r.node[1].limits.in_topic_messages = 100;
    rig_crash(&r, 1);
    rig_start(&r, 1);
    rig_run(&r, 200 * USEC_SEC);
    assert_int_equal(stats(&r, 1).in_ready, 240);
    assert_int_equal(stats(&r, 0).out_live, 0);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full_topic),    cmocka_unit_test(test_full_topics),
        cmocka_unit_test(test_refused_topic), cmocka_unit_test(test_ends_in_a_hold),
        cmocka_unit_test(test_asker_ends),    cmocka_unit_test(test_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
