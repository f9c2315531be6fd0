/* Messages that a socket is to have before clients. The forwarder is the test. */
#include "bus/forward.h"

#include <string.h>

#include "base/err.h"
#include "bus/topic_rules.h"
#include "tests/unit/bus/rig.h"
#include "tests/unit/unit.h"

static struct topic topic_of(const char *text)
{
    struct topic t = {.len = (uint8_t)strlen(text)};
    memcpy(t.b, text, t.len);
    return t;
}

static void set_socket(struct rig *r, const char *topic, bool on)
{
    struct topic_change c = {.kind = on ? TOPIC_FORWARD : TOPIC_UNFORWARD,
                             .topic = topic_of(topic)};
    c.forward = (struct topic_forward){.path = "/x", .reply_ms = TOPIC_REPLY_MS};
    assert_int_equal(rig_change(r, 1, &c), OK);
}

static void start(struct rig *r, uint64_t seed)
{
    rig_init(r, seed);
    rig_start(r, 0);
    rig_start(r, 1);
    rig_rule(r, 1, "s", "400::/7");
    set_socket(r, "s", true);
}

static void send(struct rig *r, const char *topic, uint8_t byte)
{
    struct bus_send s = {.dst = r->node[1].addr, .topic = topic_of(topic)};
    size_t before = r->node[1].store.readies;
    s.payload = rig_pattern(10);
    s.payload->data[0] = byte;
    assert_int_not_equal(rig_send_ex(r, 0, &s), 0);
    blob_unref(s.payload);
    rig_run(r, 300 * USEC_MS);
    assert_int_equal(r->node[1].store.readies, before + 1);
}

/* For the next one, as the forwarder asks. */
static bus_client ask(struct rig *r, int64_t wait_ms)
{
    struct bus_fetch f = {.socket = true, .max = 1, .max_bytes = 1 << 16, .wait_ms = wait_ms};
    f.lease_ms = BUS_LEASE_MAX_MS;
    bus_client c = rig_fetch(r, 1, &f);
    rig_run(r, 20 * USEC_MS);
    return c;
}

/* First byte of what it got, with the token; -1: nothing. */
static int got(struct rig *r, bus_client c, struct bus_token *ret)
{
    struct rig_answer *a = rig_answer(r, 1, c, BUS_OUT_FETCHED);
    if (!a || a->n == 0)
        return -1;
    *ret = a->messages[0].token;
    return a->messages[0].payload->data[0];
}

static int next(struct rig *r, struct bus_token *ret)
{
    return got(r, ask(r, 0), ret);
}

static void settle(struct rig *r, enum bus_settle_kind kind, const struct bus_token *t)
{
    bus_client c = rig_settle(r, 1, kind, t, 1, 0);
    rig_run(r, 100 * USEC_MS);
    struct rig_answer *a = rig_answer(r, 1, c, BUS_OUT_SETTLED);
    assert_true(a && a->rc == OK && a->done == 1);
}

/* First byte of what a client gets, -1: nothing. */
static int client(struct rig *r)
{
    bus_client c = rig_take(r, 1, 0);
    rig_run(r, 100 * USEC_MS);
    struct rig_answer *a = rig_answer(r, 1, c, BUS_OUT_TAKEN);
    return a && a->has_message ? a->payload->data[0] : -1;
}

static void test_socket_first(void **state)
{
    (void)state;
    struct rig r;
    struct bus_token t;
    start(&r, 1);
    bus_client taker = rig_take(&r, 1, 600000); /* waits longest, and gets nothing of it */
    bus_client c = ask(&r, 600000);
    send(&r, "s", 1);
    assert_null(rig_answer(&r, 1, taker, BUS_OUT_TAKEN));
    assert_int_equal(got(&r, c, &t), 1);
    settle(&r, BUS_ACK, &t);
    assert_int_equal(r.count[11], 1); /* READ */
    send(&r, "s", 2);
    send(&r, "other", 3);
    assert_non_null(rig_answer(&r, 1, taker, BUS_OUT_TAKEN)); /* of the other topic */
    assert_int_equal(client(&r), -1);
    assert_int_equal(next(&r, &t), 2);
    assert_int_equal(next(&r, &t), -1);
    rig_fini(&r);
}

/* What it gives back is for clients, once, also after a crash. */
static void test_given_back(void **state)
{
    (void)state;
    struct rig r;
    struct bus_token t;
    start(&r, 2);
    send(&r, "s", 1);
    send(&r, "s", 2);
    assert_int_equal(next(&r, &t), 1);
    settle(&r, BUS_NACK, &t);
    assert_int_equal(next(&r, &t), 2);
    rig_run(&r, 300 * USEC_MS); /* the store knows now that it was given out */
    rig_crash(&r, 1);
    rig_start(&r, 1);
    assert_int_equal(next(&r, &t), -1);
    assert_int_equal(client(&r), 1);
    assert_int_equal(client(&r), 2);
    assert_int_equal(client(&r), -1);
    /* What it never had goes to it after a restart. */
    send(&r, "s", 3);
    rig_crash(&r, 1);
    rig_start(&r, 1);
    assert_int_equal(client(&r), -1);
    assert_int_equal(next(&r, &t), 3);
    /* The forwarder is gone before its answer: as if nothing had been. */
    send(&r, "s", 4);
    struct bus_fetch f = {.socket = true, .max = 1, .max_bytes = 100};
    bus_client c = rig_fetch(&r, 1, &f);
    bus_forget_client(r.node[1].bus, c);
    assert_int_equal(client(&r), -1);
    assert_int_equal(next(&r, &t), 4);
    rig_fini(&r);
}

static void test_rule_changes(void **state)
{
    (void)state;
    struct rig r;
    struct bus_token t;
    start(&r, 3);
    rig_rule(&r, 1, "w", "400::/7");
    for (uint8_t i = 1; i <= 3; i++)
        send(&r, "w", i);
    assert_int_equal(next(&r, &t), -1);
    set_socket(&r, "w", true); /* what waits goes to it */
    assert_int_equal(client(&r), -1);
    assert_int_equal(next(&r, &t), 1);
    set_socket(&r, "w", false); /* what is left goes to clients */
    assert_int_equal(next(&r, &t), -1);
    assert_int_equal(client(&r), 2);
    set_socket(&r, "w", true);
    assert_int_equal(next(&r, &t), 3);
    struct topic_change c = {.kind = TOPIC_FORWARD, .topic = topic_of("none")};
    assert_int_equal(rig_change(&r, 1, &c), ERR_NOENT);
    rig_fini(&r);
}

/* So many of one topic at a time, in the order of seq; topics take turns. */
static void test_limits(void **state)
{
    (void)state;
    struct rig r;
    struct bus_token t[8], other;
    rig_init(&r, 4);
    r.node[1].limits.forwards_topic = 2;
    rig_start(&r, 0);
    rig_start(&r, 1);
    rig_rule(&r, 1, "s", "400::/7");
    rig_rule(&r, 1, "u", "400::/7");
    set_socket(&r, "s", true);
    set_socket(&r, "u", true);
    for (uint8_t i = 1; i <= 4; i++)
        send(&r, "s", i);
    send(&r, "u", 9);
    assert_int_equal(next(&r, &t[0]), 1);
    assert_int_equal(next(&r, &other), 9);
    assert_int_equal(next(&r, &t[1]), 2);
    bus_client c = ask(&r, 600000);
    assert_int_equal(got(&r, c, &t[2]), -1);
    settle(&r, BUS_ACK, &t[0]);
    assert_int_equal(got(&r, c, &t[2]), 3);
    settle(&r, BUS_NACK, &t[1]);
    assert_int_equal(next(&r, &t[3]), 4);
    assert_int_equal(client(&r), 2);
    rig_fini(&r);
}

/* Replies are for clients, whatever the rule of the empty topic says. */
static void test_replies(void **state)
{
    (void)state;
    struct rig r;
    struct bus_token t;
    start(&r, 5);
    rig_rule(&r, 1, "", "400::/7");
    set_socket(&r, "", true);
    struct bus_send s = {.dst = r.node[1].addr, .reply = true, .payload = rig_pattern(10)};
    assert_int_not_equal(rig_send_ex(&r, 0, &s), 0);
    blob_unref(s.payload);
    rig_run(&r, 300 * USEC_MS);
    assert_int_equal(next(&r, &t), -1);
    assert_true(client(&r) >= 0);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_socket_first), cmocka_unit_test(test_given_back),
        cmocka_unit_test(test_rule_changes), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_replies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
