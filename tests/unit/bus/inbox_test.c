/* Clients: taking, waiting, peeking, going away; replies; messages to the own node; status. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/unit/bus/rig.h"
#include "tests/unit/unit.h"

static void pair(struct rig *r, uint64_t seed)
{
    rig_init(r, seed);
    rig_start(r, 0);
    rig_start(r, 1);
}

static struct topic topic_of(const char *text)
{
    struct topic t = {.len = (uint8_t)strlen(text)};
    memcpy(t.b, text, t.len);
    return t;
}

/* A message with this topic and first byte from node 0 to node 1; waits until it is there. */
static struct msg_id deliver(struct rig *r, const char *topic, uint8_t byte, size_t len)
{
    struct bus_send s = {.dst = r->node[1].addr, .topic = topic_of(topic)};
    s.payload = rig_pattern(len);
    s.payload->data[0] = byte;
    bus_client c = rig_send_ex(r, 0, &s);
    blob_unref(s.payload);
    assert_int_not_equal(c, 0);
    rig_run(r, 300 * USEC_MS);
    struct rig_answer *a = rig_answer(r, 0, c, BUS_OUT_ACCEPTED);
    assert_non_null(a);
    assert_int_equal(a->rc, OK);
    return a->id;
}

static struct rig_answer *taken(struct rig *r, unsigned node, bus_client c)
{
    rig_run(r, 20 * USEC_MS);
    return rig_answer(r, node, c, BUS_OUT_TAKEN);
}

static bus_client take(struct rig *r, const char *topic, int64_t wait_ms, bool peek)
{
    struct bus_take t = {.any_topic = topic == NULL, .wait_ms = wait_ms, .peek = peek};
    if (topic)
        t.topic = topic_of(topic);
    return rig_take_ex(r, 1, &t);
}

static void expect_first(struct rig *r, bus_client c, uint8_t byte)
{
    struct rig_answer *a = taken(r, 1, c);
    assert_non_null(a);
    assert_true(a->has_message);
    assert_int_equal(a->payload->data[0], byte);
}

static void test_topics(void **state)
{
    (void)state;
    struct rig r;
    pair(&r, 1);
    deliver(&r, "a", 1, 10);
    deliver(&r, "b", 2, 10);
    deliver(&r, "", 3, 10);
    deliver(&r, "b", 4, 10);
    deliver(&r, "bb", 5, 10);
    bus_client none = take(&r, "c", 0, false);
    struct rig_answer *a = taken(&r, 1, none);
    assert_non_null(a);
    assert_false(a->has_message);
    assert_int_equal(a->rc, OK);
    expect_first(&r, take(&r, "b", 0, true), 2); /* a peek leaves it there */
    expect_first(&r, take(&r, "b", 0, false), 2);
    expect_first(&r, take(&r, "b", 0, false), 4);
    expect_first(&r, take(&r, "", 0, false), 3);
    expect_first(&r, take(&r, NULL, 0, false), 1);
    expect_first(&r, take(&r, NULL, 0, false), 5);
    struct bus_stats st;
    bus_stats(r.node[1].bus, &st);
    assert_int_equal(st.in_ready, 0);
    rig_fini(&r);
}

/* A message that is too long for who asks stays for others, also when it comes while he waits. */
static void test_max_len(void **state)
{
    (void)state;
    struct rig r;
    struct bus_take small = {.any_topic = true, .max_len = 9};
    pair(&r, 3);
    deliver(&r, "a", 1, 10);
    struct rig_answer *a = taken(&r, 1, rig_take_ex(&r, 1, &small));
    assert_non_null(a);
    assert_int_equal(a->rc, ERR_TOOBIG);
    assert_false(a->has_message);
    small.max_len = 10;
    expect_first(&r, rig_take_ex(&r, 1, &small), 1);
    small.max_len = 9;
    small.wait_ms = 60000;
    bus_client first = rig_take_ex(&r, 1, &small), second = take(&r, "a", 60000, false);
    deliver(&r, "a", 2, 10);
    a = taken(&r, 1, first);
    assert_non_null(a);
    assert_int_equal(a->rc, ERR_TOOBIG);
    expect_first(&r, second, 2);
    struct bus_stats st;
    bus_stats(r.node[1].bus, &st);
    assert_int_equal(st.waiters, 0);
    rig_fini(&r);
}

static void test_waiters(void **state)
{
    (void)state;
    struct rig r;
    pair(&r, 2);
    bus_client late = take(&r, "x", 100, false);
    rig_run(&r, 150 * USEC_MS);
    struct rig_answer *a = rig_answer(&r, 1, late, BUS_OUT_TAKEN);
    assert_non_null(a);
    assert_false(a->has_message);
    /* First come, first served; who waits for any topic stands in the same line; a peek takes
     * nothing away. */
    bus_client peek = take(&r, "x", 60000, true);
    bus_client any = take(&r, NULL, 60000, false);
    bus_client own = take(&r, "x", 60000, false);
    bus_client other = take(&r, "y", 60000, false);
    struct bus_stats st;
    bus_stats(r.node[1].bus, &st);
    assert_int_equal(st.waiters, 4);
    deliver(&r, "x", 1, 10);
    expect_first(&r, peek, 1);
    expect_first(&r, any, 1);
    assert_null(rig_answer(&r, 1, own, BUS_OUT_TAKEN));
    deliver(&r, "x", 2, 10);
    expect_first(&r, own, 2);
    assert_null(rig_answer(&r, 1, other, BUS_OUT_TAKEN));
    bus_forget_client(r.node[1].bus, other);
    deliver(&r, "y", 3, 10);
    assert_null(rig_answer(&r, 1, other, BUS_OUT_TAKEN));
    expect_first(&r, take(&r, "y", 0, false), 3);
    bus_stats(r.node[1].bus, &st);
    assert_int_equal(st.waiters, 0);
    /* A client has one call at a time. */
    struct bus_take t = {.any_topic = true, .wait_ms = 1000};
    assert_int_equal(bus_take(r.node[1].bus, &t, 999, rig_instant(&r)), OK);
    assert_int_equal(bus_take(r.node[1].bus, &t, 999, rig_instant(&r)), ERR_BUSY);
    rig_fini(&r);
}

/* Who goes away before its removal was asked of the store gets nothing and the message stays. */
static void test_forget(void **state)
{
    (void)state;
    struct rig r;
    pair(&r, 3);
    deliver(&r, "", 7, 10);
    bus_client gone = take(&r, NULL, 0, false);
    bus_forget_client(r.node[1].bus, gone);
    expect_first(&r, take(&r, NULL, 0, false), 7);
    deliver(&r, "", 8, 10);
    gone = take(&r, NULL, 0, false);
    rig_drain(&r, 1); /* the store has it now */
    bus_forget_client(r.node[1].bus, gone);
    bus_client next = take(&r, NULL, 0, false);
    struct rig_answer *a = taken(&r, 1, next);
    assert_non_null(a);
    assert_false(a->has_message);
    assert_int_equal(fake_ready_count(&r.node[1].store), 0);
    rig_fini(&r);
}

static void test_store_failure(void **state)
{
    (void)state;
    struct rig r;
    pair(&r, 4);
    deliver(&r, "", 1, 10);
    r.node[1].store.fail_next = 1;
    bus_client c = take(&r, NULL, 0, false);
    struct rig_answer *a = taken(&r, 1, c);
    assert_non_null(a);
    assert_int_equal(a->rc, ERR_IO);
    assert_false(a->has_message);
    expect_first(&r, take(&r, NULL, 0, false), 1);
    /* One that went to a waiting client at once, and came back: its payload counts. */
    struct bus_stats st;
    (void)take(&r, NULL, 5000, false);
    (void)rig_send(&r, 0, &r.node[1].addr, rig_pattern(10), OUT_AT_LEAST_ONCE);
    size_t readies = r.node[1].store.readies;
    while (r.node[1].store.readies == readies)
        rig_run(&r, USEC_MS);
    r.node[1].store.fail_next = 1;
    rig_run(&r, USEC_SEC);
    bus_stats(r.node[1].bus, &st);
    assert_int_equal(st.in_bytes, 10);
    assert_int_equal(st.in_cached_bytes, 10);
    r.node[0].store.fail_next = 1;
    bus_client s = rig_send(&r, 0, &r.node[1].addr, rig_pattern(5), OUT_AT_LEAST_ONCE);
    rig_run(&r, 100 * USEC_MS);
    a = rig_answer(&r, 0, s, BUS_OUT_ACCEPTED);
    assert_non_null(a);
    assert_int_equal(a->rc, ERR_IO);
    assert_int_equal(r.node[1].store.readies, 2);
    bus_stats(r.node[0].bus, &st);
    assert_int_equal(st.out_live, 0);
    rig_fini(&r);
}

/* Payloads beyond the caches are dropped and read back, in both directions and for a peek. */
static void test_no_cache(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r, 5);
    r.node[0].limits.out_cache_bytes = r.node[1].limits.in_cache_bytes = 0;
    r.routes = false;
    rig_start(&r, 0);
    rig_start(&r, 1);
    for (uint8_t i = 0; i < 200; i++) {
        struct blob *b = rig_pattern(3000);
        b->data[0] = i;
        (void)rig_send(&r, 0, &r.node[1].addr, b, OUT_AT_LEAST_ONCE);
    }
    rig_run(&r, USEC_SEC);
    struct bus_stats st;
    bus_stats(r.node[0].bus, &st);
    assert_int_equal(st.out_cached_bytes, 0);
    bus_route(r.node[0].bus, &r.node[1].addr, true, rig_instant(&r));
    rig_run(&r, 20 * USEC_SEC);
    bus_stats(r.node[1].bus, &st);
    assert_int_equal(st.in_ready, 200);
    assert_int_equal(st.in_cached_bytes, 0);
    bool seen[200] = {false};
    bus_client peek = take(&r, NULL, 0, true);
    struct rig_answer *first = taken(&r, 1, peek);
    assert_true(first && first->has_message && first->payload->len == 3000);
    for (unsigned i = 0; i < 200; i++) {
        bus_client c = take(&r, NULL, 0, false);
        struct rig_answer *a = taken(&r, 1, c);
        assert_true(a && a->has_message && a->payload->len == 3000);
        assert_false(seen[a->payload->data[0]]);
        seen[a->payload->data[0]] = true;
    }
    rig_fini(&r);
}

static void test_read_copies(void **state)
{
    (void)state;
    struct rig r;
    pair(&r, 6);
    r.node[0].plain = true;
    bus_free(r.node[0].bus);
    rig_start(&r, 0);
    struct msg_id id = deliver(&r, "", 1, 10);
    assert_int_equal(rig_status(&r, 0, &id), OUT_RECEIVED);
    size_t before = r.count[11];
    expect_first(&r, take(&r, NULL, 0, false), 1);
    assert_int_equal(rig_status(&r, 0, &id), OUT_READ);
    assert_int_equal(r.count[11] - before, 1);
    rig_run(&r, 1100 * USEC_MS);
    assert_int_equal(r.count[11] - before, 2);
    rig_run(&r, 10 * USEC_SEC);
    assert_int_equal(r.count[11] - before, 3);
    rig_fini(&r);
}

/* --- replies ------------------------------------------------------------------------------ */

static bus_client ask(struct rig *r, unsigned from, const struct ip6 *dst, int64_t wait_ms)
{
    struct bus_send s = {.dst = *dst, .reply_wait_ms = wait_ms};
    s.payload = rig_pattern(20);
    bus_client c = rig_send_ex(r, from, &s);
    blob_unref(s.payload);
    assert_int_not_equal(c, 0);
    return c;
}

static bus_client reply(struct rig *r, unsigned from, const struct rig_answer *to, uint8_t byte)
{
    struct bus_send s = {.dst = to->src, .reply = true, .reply_to = to->id};
    s.payload = rig_pattern(30);
    s.payload->data[0] = byte;
    bus_client c = rig_send_ex(r, from, &s);
    blob_unref(s.payload);
    assert_int_not_equal(c, 0);
    return c;
}

static void test_reply(void **state)
{
    (void)state;
    struct rig r;
    pair(&r, 7);
    bus_client asker = ask(&r, 0, &r.node[1].addr, 10000);
    rig_run(&r, 100 * USEC_MS);
    assert_non_null(rig_answer(&r, 0, asker, BUS_OUT_ACCEPTED));
    bus_client c = take(&r, NULL, 0, false);
    struct rig_answer *q = taken(&r, 1, c);
    struct rig_answer question = *q;
    (void)reply(&r, 1, &question, 42);
    rig_run(&r, 200 * USEC_MS);
    struct rig_answer *a = rig_answer(&r, 0, asker, BUS_OUT_TAKEN);
    assert_non_null(a);
    assert_true(a->has_message && a->reply);
    assert_int_equal(a->payload->data[0], 42);
    assert_memory_equal(a->id.b, question.id.b, sizeof(a->id.b));
    assert_int_equal(fake_ready_count(&r.node[0].store), 0);
    rig_run(&r, 100 * USEC_MS);
    assert_int_equal(rig_status(&r, 1, &question.id), OUT_READ); /* taken like any message */
    /* Nobody waits any more: a second reply with the same id goes to the inbox, as does the third.
     */
    (void)reply(&r, 1, &question, 43);
    (void)reply(&r, 1, &question, 44);
    rig_run(&r, 500 * USEC_MS);
    for (uint8_t i = 43; i <= 44; i++) {
        bus_client t = rig_take(&r, 0, 0);
        a = taken(&r, 0, t);
        assert_true(a && a->has_message && a->reply);
        assert_int_equal(a->payload->data[0], i);
    }
    rig_fini(&r);
}

static void test_reply_timeout(void **state)
{
    (void)state;
    struct rig r;
    pair(&r, 8);
    bus_client asker = ask(&r, 0, &r.node[1].addr, 500);
    rig_run(&r, 2 * USEC_SEC);
    struct rig_answer *a = rig_answer(&r, 0, asker, BUS_OUT_TAKEN);
    assert_non_null(a);
    assert_false(a->has_message);
    assert_int_equal(a->rc, OK);
    struct rig_answer *accepted = rig_answer(&r, 0, asker, BUS_OUT_ACCEPTED);
    assert_memory_equal(a->id.b, accepted->id.b, sizeof(a->id.b));
    bus_client c = take(&r, NULL, 0, false);
    struct rig_answer question = *taken(&r, 1, c);
    (void)reply(&r, 1, &question, 9);
    rig_run(&r, 500 * USEC_MS);
    bus_client late = rig_take(&r, 0, 0);
    a = taken(&r, 0, late);
    assert_true(a && a->has_message && a->reply);
    /* One who went away gets nothing; the reply is there for the next. */
    asker = ask(&r, 0, &r.node[1].addr, 5000);
    rig_run(&r, 100 * USEC_MS);
    bus_forget_client(r.node[0].bus, asker);
    c = take(&r, NULL, 0, false);
    question = *taken(&r, 1, c);
    (void)reply(&r, 1, &question, 10);
    rig_run(&r, 500 * USEC_MS);
    assert_null(rig_answer(&r, 0, asker, BUS_OUT_TAKEN));
    late = rig_take(&r, 0, 0);
    a = taken(&r, 0, late);
    assert_true(a && a->has_message);
    struct bus_stats st;
    bus_stats(r.node[0].bus, &st);
    assert_int_equal(st.waiters, 0);
    rig_fini(&r);
}

/* Many replies to one message, over a bad link: each arrives once, in whatever order. */
static void test_many_replies(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct rig r;
        unsigned seen[50] = {0};
        pair(&r, seed);
        struct rig_answer to = {.src = r.node[1].addr, .id = {.b = {1, 2, 3}}};
        r.loss_ppm = 100000;
        r.dup_ppm = 100000;
        r.delay_max = 30 * USEC_MS;
        for (uint8_t i = 0; i < 50; i++)
            (void)reply(&r, 0, &to, i);
        for (int i = 0; i < 2000; i++) {
            bus_client c = rig_take(&r, 1, 100);
            rig_run(&r, 110 * USEC_MS);
            struct rig_answer *a = rig_answer(&r, 1, c, BUS_OUT_TAKEN);
            if (a && a->has_message)
                seen[a->payload->data[0]]++;
        }
        for (unsigned i = 0; i < 50; i++)
            if (seen[i] != 1)
                fail_msg("reply %u arrived %u times, seed %d", i, seen[i], (int)seed);
        rig_fini(&r);
    }
}

/* --- the own node ------------------------------------------------------------------------- */

static void test_local(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r, 9);
    rig_start(&r, 0);
    struct ip6 self = r.node[0].addr;
    self.b[15] ^= 0x55; /* another address of the own /64 */
    bus_client asker = ask(&r, 0, &self, 5000);
    rig_run(&r, 20 * USEC_MS);
    struct rig_answer *a = rig_answer(&r, 0, asker, BUS_OUT_ACCEPTED);
    assert_true(a && a->rc == OK);
    struct msg_id id = a->id;
    assert_int_equal(rig_status(&r, 0, &id), OUT_RECEIVED);
    assert_null(rig_answer(&r, 0, asker, BUS_OUT_TAKEN)); /* its own message is no reply */
    bus_client c = rig_take(&r, 0, 0);
    struct rig_answer question = *taken(&r, 0, c);
    assert_true(question.has_message && ip6_eq(&question.dst, &self));
    assert_int_equal(rig_status(&r, 0, &id), OUT_READ);
    (void)reply(&r, 0, &question, 77);
    rig_run(&r, 50 * USEC_MS);
    a = rig_answer(&r, 0, asker, BUS_OUT_TAKEN);
    assert_true(a && a->has_message && a->payload->data[0] == 77);
    rig_run(&r, 10 * USEC_SEC);
    assert_int_equal(r.node[0].wants, 0);
    assert_true(list_empty(&r.log)); /* no packet left */
    rig_fini(&r);
}

/* --- limits and status -------------------------------------------------------------------- */

static void test_limits(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r, 10);
    r.node[0].limits.out_messages_node = 3;
    r.node[0].limits.out_bytes = 20000;
    r.node[0].limits.waiters = 1;
    r.node[1].limits.in_messages = 2;
    rig_start(&r, 0);
    rig_start(&r, 1);
    struct bus *b = r.node[0].bus;
    struct instant now = rig_instant(&r);
    struct blob *big = blob_new(MSG_LEN_MAX + 1);
    struct bus_send s = {.dst = r.node[1].addr, .payload = big};
    assert_int_equal(bus_send(b, &s, 100, now), ERR_TOOBIG);
    blob_unref(big);
    s.payload = rig_pattern(100);
    s.dst.b[0] = 0x20;
    assert_int_equal(bus_send(b, &s, 100, now), ERR_INVAL);
    s.dst = r.node[1].addr;
    s.ttl_ms = r.node[0].limits.ttl_max_ms + 1;
    assert_int_equal(bus_send(b, &s, 100, now), ERR_INVAL);
    s.ttl_ms = 0;
    for (bus_client c = 100; c < 103; c++)
        assert_int_equal(bus_send(b, &s, c, now), OK);
    assert_int_equal(bus_send(b, &s, 103, now), ERR_LIMIT);
    s.dst = r.node[2].addr;
    blob_unref(s.payload);
    s.payload = rig_pattern(19900);
    assert_int_equal(bus_send(b, &s, 103, now), ERR_NOSPACE);
    blob_unref(s.payload);
    struct bus_take t = {.any_topic = true, .wait_ms = 1000};
    assert_int_equal(bus_take(b, &t, 200, now), OK);
    assert_int_equal(bus_take(b, &t, 201, now), ERR_LIMIT);
    /* The receiver's inbox is full: the third message waits, and arrives when there is room. */
    rig_run(&r, 5 * USEC_SEC);
    assert_int_equal(r.node[1].store.readies, 2);
    bus_client c = rig_take(&r, 1, 0);
    assert_true(taken(&r, 1, c)->has_message);
    rig_run(&r, 60 * USEC_SEC);
    assert_int_equal(r.node[1].store.readies, 3);
    rig_fini(&r);
}

static void test_status(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r, 11);
    r.routes = false;
    rig_start(&r, 0);
    rig_start(&r, 1);
    bus_client c = rig_send(&r, 0, &r.node[1].addr, rig_pattern(5000), OUT_AT_LEAST_ONCE);
    rig_run(&r, 10 * USEC_MS);
    struct msg_id id = rig_answer(&r, 0, c, BUS_OUT_ACCEPTED)->id;
    assert_int_equal(rig_status(&r, 0, &id), OUT_QUEUED);
    struct msg_id unknown = {.b = {9}};
    bus_client q = ++r.node[0].next_client;
    assert_int_equal(bus_status(r.node[0].bus, &unknown, q, rig_instant(&r)), OK);
    rig_run(&r, 10 * USEC_MS);
    assert_int_equal(rig_answer(&r, 0, q, BUS_OUT_STATUS)->rc, ERR_NOENT);
    rig_run(&r, 301 * USEC_SEC);
    assert_int_equal(rig_status(&r, 0, &id), OUT_ABORTED);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_topics),        cmocka_unit_test(test_max_len),
        cmocka_unit_test(test_waiters),       cmocka_unit_test(test_forget),
        cmocka_unit_test(test_store_failure), cmocka_unit_test(test_no_cache),
        cmocka_unit_test(test_read_copies),   cmocka_unit_test(test_reply),
        cmocka_unit_test(test_reply_timeout), cmocka_unit_test(test_many_replies),
        cmocka_unit_test(test_local),         cmocka_unit_test(test_limits),
        cmocka_unit_test(test_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
