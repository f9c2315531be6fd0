/* Ordered messages: whatever the network, the stores and the clients do, those of one node and
 * topic come one after the other, and those of others do not wait for them. */
#include "bus/streams.h"

#include <limits.h>
#include <string.h>

#include "base/err.h"
#include "bus/bus_core.h"
#include "tests/unit/bus/rig.h"
#include "tests/unit/unit.h"

static bus_client send_to(struct rig *r, unsigned node, const char *topic, uint8_t byte,
                          struct bus_send s)
{
    s.dst = r->node[node].addr;
    s.ordered = true;
    s.topic.len = (uint8_t)strlen(topic);
    memcpy(s.topic.b, topic, s.topic.len);
    s.payload = rig_pattern(60);
    s.payload->data[0] = byte;
    bus_client c = rig_send_ex(r, 0, &s);
    assert_int_not_equal(c, 0);
    blob_unref(s.payload);
    return c;
}

static bus_client send(struct rig *r, const char *topic, uint8_t byte)
{
    return send_to(r, 1, topic, byte, (struct bus_send){.policy = OUT_AT_LEAST_ONCE});
}

/* The first byte of the next one of this topic; -1: there is none. */
static int take(struct rig *r, unsigned node, const char *topic)
{
    struct bus_take t = {.topic.len = (uint8_t)strlen(topic)};
    memcpy(t.topic.b, topic, t.topic.len);
    bus_client c = rig_take_ex(r, node, &t);
    rig_run(r, 20 * USEC_MS);
    const struct rig_answer *a = rig_answer(r, node, c, BUS_OUT_TAKEN);
    assert_non_null(a);
    return a->has_message ? a->payload->data[0] : -1;
}

/* Lossy links that change the order of packets, both kinds of receivers, kills of both ends. */
static void check_order(uint64_t seed, bool plain, bool kills)
{
    struct rig r;
    rig_init(&r, seed);
    r.node[1].plain = plain;
    r.delay_max = 20 * USEC_MS;
    r.loss_ppm = 50000;
    rig_start(&r, 0);
    rig_start(&r, 1);
    for (uint8_t i = 0; i < 30; i++) {
        send(&r, "a", i);
        send(&r, "b", i);
        rig_run(&r, 5 * USEC_MS);
    }
    for (unsigned i = 0; kills && i < 6; i++) {
        rig_run(&r, 200 * USEC_MS);
        unsigned node = i % 2;
        rig_crash(&r, node);
        rig_start(&r, node);
        bus_route(r.node[node].bus, &r.node[!node].addr, true, rig_instant(&r));
    }
    for (unsigned i = 0; kills && i < 20; i++) { /* and commits that fail */
        r.node[1].store.fail_next = 1;
        rig_run(&r, 50 * USEC_MS);
    }
    rig_run(&r, 100 * USEC_SEC);
    for (int t = 0; t < 2; t++) {
        for (int i = 0; i < 30; i++)
            assert_int_equal(take(&r, 1, t ? "b" : "a"), i);
        assert_int_equal(take(&r, 1, t ? "b" : "a"), -1);
    }
    rig_fini(&r);
}

static void test_order(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 20; seed++) {
        check_order(seed, false, false);
        check_order(seed, true, false);
        check_order(seed, false, true);
    }
}

/* One at a time: while the first is under way the second sends nothing, other streams go on. */
static bool drop_a(struct rig *r, const struct rig_packet *p)
{
    (void)r;
    return p->from == 1 && p->flags & MSG_ACK && ip6_same_node(&p->dst, &r->node[0].addr);
}

static void test_one_at_a_time(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r, 81);
    rig_start(&r, 0);
    rig_start(&r, 1);
    rig_start(&r, 2);
    r.filter = drop_a; /* node 1 cannot answer */
    bus_client first = send_to(&r, 1, "a", 1, (struct bus_send){.ttl_ms = 5000});
    bus_client second = send_to(&r, 1, "a", 2, (struct bus_send){.prio = 3});
    bus_client other = send_to(&r, 2, "a", 3, (struct bus_send){.prio = 0});
    bus_client beside = send(&r, "b", 4);
    rig_run(&r, 3 * USEC_SEC);
    struct msg_id id = rig_answer(&r, 0, second, BUS_OUT_ACCEPTED)->id;
    assert_int_equal(rig_status(&r, 0, &id), OUT_QUEUED);
    id = rig_answer(&r, 0, beside, BUS_OUT_ACCEPTED)->id;
    assert_int_not_equal(rig_status(&r, 0, &id), OUT_QUEUED);
    id = rig_answer(&r, 0, other, BUS_OUT_ACCEPTED)->id;
    assert_int_equal(rig_status(&r, 0, &id), OUT_RECEIVED);
    r.filter = NULL;
    rig_run(&r, 30 * USEC_SEC); /* the first is given up at its deadline, or answered before */
    id = rig_answer(&r, 0, first, BUS_OUT_ACCEPTED)->id;
    assert_true(out_state_final(rig_status(&r, 0, &id)));
    assert_int_equal(take(&r, 1, "a"), 1);
    assert_int_equal(take(&r, 1, "a"), 2);
    rig_fini(&r);
}

/* --- several under way -------------------------------------------------------------------- */

static void meet(struct rig *r, uint64_t seed, usec_t delay)
{
    rig_init(r, seed);
    r->delay_min = r->delay_max = delay;
    rig_start(r, 0);
    rig_start(r, 1);
    send(r, "first", 0); /* they learn what the other one is */
    rig_run(r, USEC_SEC);
    assert_int_equal(take(r, 1, "first"), 0);
}

static struct msg_id id_of(struct rig *r, bus_client c)
{
    return rig_answer(r, 0, c, BUS_OUT_ACCEPTED)->id;
}

/* A stream is as fast as its window, not one message per round trip. */
static void test_window(void **state)
{
    struct rig r;
    (void)state;
    meet(&r, 84, 100 * USEC_MS);
    usec_t before = r.now;
    for (unsigned i = 0; i < 200; i++)
        send(&r, "a", (uint8_t)i);
    struct bus_stats s;
    do {
        rig_run(&r, 10 * USEC_MS);
        bus_stats(r.node[1].bus, &s);
    } while (s.in_ready < 200 && r.now - before < 60 * USEC_SEC);
    assert_int_equal(s.in_ready, 200);
    assert_int_equal(s.early, 0);
    assert_in_range(r.now - before, 200 * USEC_MS, (200 / STREAM_WINDOW + 4) * 200 * USEC_MS);
    for (int i = 0; i < 200; i++)
        assert_int_equal(take(&r, 1, "a"), i);
    rig_fini(&r);
}

/* Not behind a large one, one of another policy, or at a node that does not keep the order. */
static void test_alone(void **state)
{
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        struct rig r;
        meet(&r, 85, 100 * USEC_MS);
        struct bus_send s = {.dst = r.node[1].addr, .ordered = true, .topic = {1, "a"}};
        s.policy = kind == 1 ? OUT_AT_MOST_ONCE : OUT_AT_LEAST_ONCE;
        s.payload = rig_pattern(kind == 0 ? OUT_SMALL_MAX + 1 : 60);
        if (kind == 2)
            kin_set(&r.node[0].bus->kins, ip6_node(&r.node[1].addr), KIN_OURS, TRAILER_SACK, r.now);
        (void)rig_send_ex(&r, 0, &s);
        blob_unref(s.payload);
        bus_client c = send(&r, "a", 2);
        rig_run(&r, 150 * USEC_MS);
        struct msg_id id = id_of(&r, c);
        assert_int_equal(rig_status(&r, 0, &id), OUT_QUEUED);
        rig_run(&r, 10 * USEC_SEC);
        assert_int_equal(rig_status(&r, 0, &id), OUT_RECEIVED);
        rig_fini(&r);
    }
}

/* Packets of the message whose INIT is the nth of topic "a" do not arrive, so many of them. */
struct loss {
    unsigned nth, inits;
    int left;
    struct msg_id id;
};

static bool drop_some(struct rig *r, const struct rig_packet *p)
{
    struct loss *l = r->filter_ctx;
    struct msg_packet m;
    if (p->from != 0 || msg_decode(wire_rd_of(p->bytes, p->len), &m) != OK ||
        m.kind == MSG_KIND_ABORT)
        return false;
    bool of_a = m.kind == MSG_KIND_INIT && wire_left(&m.topic) == 1 && *m.topic.p == 'a';
    if (of_a && ++l->inits == l->nth)
        l->id = m.id;
    return l->inits >= l->nth && memcmp(m.id.b, l->id.b, sizeof(m.id.b)) == 0 && l->left-- > 0;
}

/* One of those under way does not arrive: nothing behind it is shown before its end, at its
 * deadline or by its client; then all of it is. */
static void test_missing(void **state)
{
    (void)state;
    for (int cancel = 0; cancel < 2; cancel++) {
        struct rig r;
        meet(&r, 86, 10 * USEC_MS);
        struct loss loss = {.nth = 2, .left = INT_MAX};
        r.filter = drop_some;
        r.filter_ctx = &loss;
        for (uint8_t i = 0; i < 4; i++)
            send_to(&r, 1, "a", i, (struct bus_send){.ttl_ms = i == 1 && !cancel ? 3000 : 600000});
        rig_run(&r, 2 * USEC_SEC);
        assert_int_equal(take(&r, 1, "a"), 0);
        assert_int_equal(take(&r, 1, "a"), -1);
        struct bus_out_ref ref = {.id = loss.id};
        if (cancel)
            assert_int_equal(bus_out_cancel(r.node[0].bus, &ref, 900, rig_instant(&r)), OK);
        rig_run(&r, cancel ? USEC_SEC : 3 * USEC_SEC);
        assert_int_equal(take(&r, 1, "a"), 2);
        assert_int_equal(take(&r, 1, "a"), 3);
        assert_int_equal(take(&r, 1, "a"), -1);
        rig_fini(&r);
    }
}

/* Its INIT comes late: the others are not taken before it. */
static void test_late(void **state)
{
    struct rig r;
    (void)state;
    meet(&r, 87, 10 * USEC_MS);
    struct loss loss = {.nth = 1, .left = 3}; /* INIT, CHUNK, DONE */
    r.filter = drop_some;
    r.filter_ctx = &loss;
    for (uint8_t i = 0; i < 10; i++)
        send(&r, "a", i);
    rig_run(&r, 10 * USEC_SEC);
    struct bus_stats s;
    bus_stats(r.node[1].bus, &s);
    assert_true(s.early > 0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(take(&r, 1, "a"), i);
    rig_fini(&r);
}

/* A gap ends with the deadline of the missing one, or when it is cancelled; also of one that waits
 * in the middle. */
static void test_gaps(void **state)
{
    (void)state;
    for (int cancel = 0; cancel < 2; cancel++) {
        struct rig r;
        rig_init(&r, 82);
        r.routes = false;
        rig_start(&r, 0);
        rig_start(&r, 1);
        struct bus_send shortly = {.ttl_ms = cancel ? 0 : 1000};
        bus_client gone[] = {send_to(&r, 1, "a", 1, shortly), 0};
        send(&r, "a", 2);
        gone[1] = send_to(&r, 1, "a", 3, shortly);
        send(&r, "a", 4);
        rig_run(&r, 20 * USEC_MS);
        for (size_t i = 0; cancel && i < ARRAY_LEN(gone); i++) {
            struct bus_out_ref ref = {.seq =
                                          rig_answer(&r, 0, gone[i], BUS_OUT_ACCEPTED)->status.seq};
            assert_int_equal(bus_out_cancel(r.node[0].bus, &ref, 900 + i, rig_instant(&r)), OK);
        }
        rig_run(&r, 2 * USEC_SEC);
        bus_route(r.node[0].bus, &r.node[1].addr, true, rig_instant(&r));
        rig_run(&r, USEC_SEC);
        assert_int_equal(take(&r, 1, "a"), 2);
        assert_int_equal(take(&r, 1, "a"), 4);
        assert_int_equal(take(&r, 1, "a"), -1);
        rig_fini(&r);
    }
}

/* The store fails for one that was not accepted: it was never part of the stream. To this node
 * itself: in the order of acceptance. Not with messages in memory. */
static void test_edges(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r, 83);
    rig_start(&r, 0);
    rig_start(&r, 1);
    r.node[0].store.fail_next = 1;
    bus_client c = send(&r, "a", 1);
    send(&r, "a", 2);
    for (uint8_t i = 0; i < 4; i++)
        send_to(&r, 0, "own", i, (struct bus_send){.prio = i % 4});
    rig_run(&r, USEC_SEC);
    assert_int_equal(rig_answer(&r, 0, c, BUS_OUT_ACCEPTED)->rc, ERR_IO);
    assert_int_equal(take(&r, 1, "a"), 2);
    assert_int_equal(take(&r, 1, "a"), -1);
    for (int i = 0; i < 4; i++)
        assert_int_equal(take(&r, 0, "own"), i);
    struct bus_send s = {.dst = r.node[1].addr, .ordered = true, .in_memory = true};
    assert_int_equal(bus_send(r.node[0].bus, &s, 1000, rig_instant(&r)), ERR_INVAL);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),   cmocka_unit_test(test_one_at_a_time),
        cmocka_unit_test(test_window),  cmocka_unit_test(test_alone),
        cmocka_unit_test(test_missing), cmocka_unit_test(test_late),
        cmocka_unit_test(test_gaps),    cmocka_unit_test(test_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
