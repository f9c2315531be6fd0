/* Subscriptions: the credit is never passed, comes back however a lease ends, and what is given up
 * goes to others. */
#include "bus/subs.h"

#include <string.h>

#include "base/err.h"
#include "tests/unit/bus/rig.h"
#include "tests/unit/unit.h"

#define SUB   1000 /* numbers of clients that the rig does not use itself */
#define OTHER 1001

static void start(struct rig *r, uint64_t seed)
{
    rig_init(r, seed);
    rig_start(r, 1);
}

static struct topic topic_of(const char *text)
{
    struct topic t = {.len = (uint8_t)strlen(text)};
    memcpy(t.b, text, t.len);
    return t;
}

/* A message of node 1 to itself. */
static void deliver(struct rig *r, const char *topic, uint8_t byte, size_t len)
{
    struct bus_send s = {.dst = r->node[1].addr, .topic = topic_of(topic)};
    s.payload = rig_pattern(len);
    s.payload->data[0] = byte;
    assert_int_not_equal(rig_send_ex(r, 1, &s), 0);
    blob_unref(s.payload);
    rig_run(r, 50 * USEC_MS);
}

static struct bus_sub_conf conf_of(uint32_t credit)
{
    return (struct bus_sub_conf){.credit = credit, .credit_bytes = 1 << 20, .session = 1};
}

static void subscribe(struct rig *r, const struct bus_sub_conf *c, bus_client client)
{
    assert_int_equal(bus_subscribe(r->node[1].bus, c, client, rig_instant(r)), OK);
    rig_run(r, 20 * USEC_MS);
}

/* The messages that came to this client so far, with what is looked at. */
struct got {
    size_t n;
    int rc; /* of the last answer */
    struct bus_message v[64];
};

static struct got got(struct rig *r, bus_client client)
{
    struct got g = {0};
    for (size_t i = 0; i < r->node[1].n_answers; i++) {
        const struct rig_answer *a = &r->node[1].answers[i];
        if (a->client != client || a->kind != BUS_OUT_FETCHED)
            continue;
        g.rc = a->rc;
        assert_true(g.n + a->n <= ARRAY_LEN(g.v));
        assert_true(a->n > 0 || a->rc != OK); /* never without a reason */
        for (size_t k = 0; k < a->n; k++)
            g.v[g.n++] = a->messages[k];
    }
    return g;
}

static void expect_got(struct rig *r, bus_client client, const char *bytes)
{
    struct got g = got(r, client);
    assert_int_equal(g.n, strlen(bytes));
    for (size_t i = 0; i < g.n; i++)
        assert_int_equal(g.v[i].payload->data[0], bytes[i]);
}

static void settle(struct rig *r, enum bus_settle_kind kind, const struct bus_token *t, int64_t ms)
{
    bus_client c = rig_settle(r, 1, kind, t, 1, ms);
    rig_run(r, 50 * USEC_MS);
    assert_int_equal(rig_answer(r, 1, c, BUS_OUT_SETTLED)->done, 1);
}

static struct bus_stats stats(struct rig *r)
{
    struct bus_stats st;
    bus_stats(r->node[1].bus, &st);
    return st;
}

static void unsubscribe(struct rig *r, bus_client client, enum bus_sub_end how)
{
    bus_unsubscribe(r->node[1].bus, client, how, rig_instant(r));
    rig_run(r, 20 * USEC_MS);
}

/* --- tests -------------------------------------------------------------------------------- */

/* What is there first and what comes later; each way that a lease can end gives its credit back. */
static void test_credit(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 1);
    for (int i = 0; i < 3; i++)
        deliver(&r, "t", (uint8_t)('a' + i), 10);
    struct bus_sub_conf c = conf_of(2);
    c.lease_ms = 10000;
    subscribe(&r, &c, SUB);
    expect_got(&r, SUB, "ab");
    for (int i = 3; i < 8; i++)
        deliver(&r, "t", (uint8_t)('a' + i), 10);
    expect_got(&r, SUB, "ab");
    struct got g = got(&r, SUB);
    settle(&r, BUS_ACK, &g.v[0].token, 0);
    expect_got(&r, SUB, "abc");
    settle(&r, BUS_TERM, &g.v[1].token, 0);
    expect_got(&r, SUB, "abcd");
    g = got(&r, SUB);
    settle(&r, BUS_NACK, &g.v[2].token, 3600000);
    expect_got(&r, SUB, "abcde");
    settle(&r, BUS_RENEW, &g.v[3].token, 20000); /* still one of two */
    rig_run(&r, 10500 * USEC_MS);                /* e comes again, after its lease */
    expect_got(&r, SUB, "abcdee");
    assert_int_equal(got(&r, SUB).v[5].redelivered, 1);
    bus_client d = 77;
    assert_int_equal(bus_inbox_drop(r.node[1].bus, got(&r, SUB).v[5].seq, d, rig_instant(&r)), OK);
    rig_run(&r, 20 * USEC_MS);
    expect_got(&r, SUB, "abcdeef");
    rig_fini(&r);
}

static void test_credit_changes(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 2);
    struct bus_sub_conf c = conf_of(0);
    subscribe(&r, &c, SUB);
    for (int i = 0; i < 6; i++)
        deliver(&r, "t", (uint8_t)('a' + i), 10);
    expect_got(&r, SUB, "");
    struct bus *b = r.node[1].bus;
    assert_int_equal(bus_sub_credit(b, SUB, 3, 1 << 20), OK);
    rig_run(&r, 20 * USEC_MS);
    expect_got(&r, SUB, "abc");
    assert_int_equal(bus_sub_credit(b, SUB, 1, 1 << 20), OK);
    struct got g = got(&r, SUB);
    settle(&r, BUS_ACK, &g.v[0].token, 0);
    settle(&r, BUS_ACK, &g.v[1].token, 0);
    expect_got(&r, SUB, "abc");
    settle(&r, BUS_ACK, &g.v[2].token, 0);
    expect_got(&r, SUB, "abcd");
    assert_int_equal(bus_sub_credit(b, SUB, BUS_CREDIT_MAX + 1, 1), ERR_INVAL);
    assert_int_equal(bus_sub_credit(b, OTHER, 1, 1), ERR_NOENT);
    rig_fini(&r);
}

/* Bytes: one message is always allowed; what does not fit waits and is not overtaken. */
static void test_bytes(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 3);
    struct bus_sub_conf c = conf_of(10);
    c.credit_bytes = 1000;
    deliver(&r, "t", 'a', 5000);
    deliver(&r, "t", 'b', 600);
    subscribe(&r, &c, SUB);
    expect_got(&r, SUB, "a");
    struct got g = got(&r, SUB);
    settle(&r, BUS_ACK, &g.v[0].token, 0);
    expect_got(&r, SUB, "ab");
    deliver(&r, "t", 'c', 600); /* it waits, and this does not fit */
    deliver(&r, "t", 'd', 10);
    expect_got(&r, SUB, "ab");
    g = got(&r, SUB);
    settle(&r, BUS_ACK, &g.v[1].token, 0);
    expect_got(&r, SUB, "abcd");
    deliver(&r, "t", 'e', 390);
    expect_got(&r, SUB, "abcde");
    deliver(&r, "t", 'f', 1);
    expect_got(&r, SUB, "abcde");
    rig_fini(&r);
}

/* Paused it takes nothing, and what was on its way goes to others. */
static void test_pause(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 4);
    struct bus_sub_conf c = conf_of(10);
    subscribe(&r, &c, SUB);
    bus_sub_pause(r.node[1].bus, SUB, true);
    deliver(&r, "t", 'a', 10);
    expect_got(&r, SUB, "");
    bus_sub_pause(r.node[1].bus, SUB, false);
    rig_run(&r, 20 * USEC_MS);
    expect_got(&r, SUB, "a");
    bus_sub_pause(r.node[1].bus, SUB, true);
    subscribe(&r, &c, OTHER);
    deliver(&r, "t", 'b', 10);
    expect_got(&r, OTHER, "b");
    /* Given to the other one, and not told yet. */
    deliver(&r, "t", 'c', 10);
    expect_got(&r, OTHER, "bc");
    rig_fini(&r);
}

/* Two that compete: who waits longest goes first, and one without credit is passed over. */
static void test_two(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 5);
    struct bus_sub_conf c = conf_of(2), d = conf_of(100);
    subscribe(&r, &c, SUB);
    subscribe(&r, &d, OTHER);
    for (int i = 0; i < 8; i++)
        deliver(&r, "t", (uint8_t)('a' + i), 10);
    expect_got(&r, SUB, "ac");
    expect_got(&r, OTHER, "bdefgh");
    rig_fini(&r);
}

/* Each way to end: given back in order is no try, broken off is one. */
static void test_ends(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 6);
    r.node[1].limits.tries = 2;
    deliver(&r, "t", 'a', 10);
    struct bus_sub_conf c = conf_of(2);
    size_t n = 0;
    for (int i = 0; i < 10; i++) {
        subscribe(&r, &c, SUB);
        assert_int_equal(got(&r, SUB).n, ++n);
        unsubscribe(&r, SUB, BUS_SUB_RETURN);
    }
    assert_int_equal(got(&r, SUB).v[9].redelivered, 9);
    assert_int_equal(stats(&r).in_ready, 1);
    for (int i = 0; i < 6; i++) { /* limits.tries is 5 in the core */
        subscribe(&r, &c, SUB);
        assert_int_equal(got(&r, SUB).n, ++n);
        unsubscribe(&r, SUB, BUS_SUB_FAIL);
    }
    assert_int_equal(stats(&r).in_dead, 1);
    unsubscribe(&r, SUB, BUS_SUB_FAIL); /* there is none: nothing happens */
    rig_fini(&r);
}

/* Under a name: leases stay, the next session gets them first. */
static void test_keep(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 7);
    deliver(&r, "t", 'a', 10);
    deliver(&r, "t", 'b', 10);
    struct bus_sub_conf c = conf_of(2);
    strcpy(c.consumer, "name");
    subscribe(&r, &c, SUB);
    expect_got(&r, SUB, "ab");
    struct got g = got(&r, SUB);
    settle(&r, BUS_ACK, &g.v[0].token, 0);
    assert_int_equal(bus_consumer_leases(r.node[1].bus, "name"), 1);
    unsubscribe(&r, SUB, BUS_SUB_KEEP);
    deliver(&r, "t", 'c', 10);
    struct bus_sub_conf d = conf_of(1);
    subscribe(&r, &d, 2000);
    expect_got(&r, 2000, "c"); /* b is on lease under the name */
    assert_int_equal(bus_consumer_leases(r.node[1].bus, "name"), 1);
    c.session = 2;
    subscribe(&r, &c, OTHER);
    expect_got(&r, OTHER, "b");
    assert_int_equal(got(&r, OTHER).v[0].redelivered, 1);
    assert_int_equal(bus_consumer_leases(r.node[1].bus, "nobody"), 0);
    rig_fini(&r);
}

/* Another session under the same name: the first one is told, whether it waits or not. */
static void test_taken_over(void **state)
{
    (void)state;
    for (uint32_t credit = 1; credit <= 2; credit++) {
        struct rig r;
        start(&r, 8);
        deliver(&r, "t", 'a', 10);
        struct bus_sub_conf c = conf_of(credit); /* 1: waits for credit; 2: for a message */
        strcpy(c.consumer, "name");
        subscribe(&r, &c, SUB);
        expect_got(&r, SUB, "a");
        c.session = 2;
        subscribe(&r, &c, OTHER);
        expect_got(&r, OTHER, "a");
        deliver(&r, "t", 'b', 10);
        assert_int_equal(got(&r, SUB).rc, ERR_STATE);
        assert_int_equal(got(&r, SUB).n, 1);
        expect_got(&r, OTHER, credit == 1 ? "a" : "ab");
        unsubscribe(&r, SUB, BUS_SUB_KEEP);
        assert_int_equal(bus_consumer_leases(r.node[1].bus, "name"), credit == 1 ? 1 : 2);
        rig_fini(&r);
    }
}

static void test_refused(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 9);
    struct bus *b = r.node[1].bus;
    struct bus_sub_conf c = conf_of(BUS_CREDIT_MAX + 1);
    assert_int_equal(bus_subscribe(b, &c, SUB, rig_instant(&r)), ERR_INVAL);
    c = conf_of(1);
    c.lease_ms = 999;
    assert_int_equal(bus_subscribe(b, &c, SUB, rig_instant(&r)), ERR_INVAL);
    c.lease_ms = 0;
    assert_int_equal(bus_subscribe(b, &c, 0, rig_instant(&r)), ERR_INVAL);
    subscribe(&r, &c, SUB);
    assert_int_equal(bus_subscribe(b, &c, SUB, rig_instant(&r)), ERR_BUSY);
    rig_crash(&r, 1); /* frees a bus that has subscriptions */
    r.node[1].limits.waiters = 1;
    rig_start(&r, 1);
    subscribe(&r, &c, SUB);
    assert_int_equal(bus_subscribe(r.node[1].bus, &c, OTHER, rig_instant(&r)), ERR_LIMIT);
    assert_int_equal(stats(&r).waiters, 1);
    assert_int_equal(stats(&r).subs, 1);
    unsubscribe(&r, SUB, BUS_SUB_FAIL);
    assert_int_equal(stats(&r).subs, 0);
    assert_int_equal(stats(&r).waiters, 0);
    rig_fini(&r);
}

/* Many, in and out, with a store that takes its time: the credit is never passed and every message
 * is acknowledged once. */
static void test_churn(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 10);
    r.node[1].commit_max = 30 * USEC_MS;
    struct bus_sub_conf c = conf_of(3);
    c.credit_bytes = 2000;
    c.lease_ms = 3600000;
    subscribe(&r, &c, SUB);
    size_t acked = 0, total = 0;
    for (int round = 0; round < 300; round++) {
        unsigned what = (unsigned)rng_below(&r.rng, 4);
        struct got g = got(&r, SUB);
        assert_true(g.n - acked <= 3);
        if (what < 2 && total < 60) {
            deliver(&r, "t", (uint8_t)total++, 1 + rng_below(&r.rng, 1500));
        } else if (what == 2 && g.n > acked) {
            settle(&r, BUS_ACK, &g.v[acked++].token, 0);
        } else if (what == 3) {
            bus_sub_pause(r.node[1].bus, SUB, true);
            rig_run(&r, (usec_t)rng_below(&r.rng, 10) * USEC_MS);
            bus_sub_pause(r.node[1].bus, SUB, false);
        }
        rig_run(&r, (usec_t)rng_below(&r.rng, 5) * USEC_MS);
    }
    while (acked < total) {
        rig_run(&r, 100 * USEC_MS);
        struct got g = got(&r, SUB);
        assert_true(g.n > acked && g.n - acked <= 3);
        settle(&r, BUS_ACK, &g.v[acked++].token, 0);
    }
    struct got g = got(&r, SUB);
    assert_int_equal(g.n, total);
    for (size_t i = 0; i < total; i++)
        assert_int_equal(g.v[i].payload->data[0], i);
    assert_int_equal(stats(&r).in_leased + stats(&r).in_ready, 0);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_credit),  cmocka_unit_test(test_credit_changes),
        cmocka_unit_test(test_bytes),   cmocka_unit_test(test_pause),
        cmocka_unit_test(test_two),     cmocka_unit_test(test_ends),
        cmocka_unit_test(test_keep),    cmocka_unit_test(test_taken_over),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_churn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
