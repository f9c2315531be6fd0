/* What the sender's clients may ask for besides sending: priorities, idempotency keys,
 * cancel, retry, lists. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/unit/bus/rig.h"
#include "tests/unit/unit.h"

static void start(struct rig *r, uint64_t seed)
{
    rig_init(r, seed);
    rig_start(r, 0);
    rig_start(r, 1);
}

static struct bus_stats stats(struct rig *r)
{
    struct bus_stats st;
    bus_stats(r->node[0].bus, &st);
    return st;
}

static struct idem_key key_of(const char *text)
{
    struct idem_key k = {.len = (uint8_t)strlen(text)};
    memcpy(k.b, text, k.len);
    return k;
}

/* With a payload of this byte. */
static bus_client send(struct rig *r, struct bus_send s, uint8_t byte)
{
    s.payload = rig_pattern(40);
    s.payload->data[0] = byte;
    bus_client c = rig_send_ex(r, 0, &s);
    blob_unref(s.payload);
    return c;
}

static const struct rig_answer *accepted(struct rig *r, bus_client c)
{
    const struct rig_answer *a = rig_answer(r, 0, c, BUS_OUT_ACCEPTED);
    assert_non_null(a);
    return a;
}

/* --- priority ----------------------------------------------------------------------------- */

static uint8_t take_byte(struct rig *r)
{
    bus_client c = rig_take(r, 1, 0);
    rig_run(r, 20 * USEC_MS);
    struct rig_answer *a = rig_answer(r, 1, c, BUS_OUT_TAKEN);
    assert_true(a && a->has_message);
    return a->payload->data[0];
}

/* One transfer at a time: the order of arrival is the order of starting. `crash`: the order is
 * that of the rows. */
static void check_order(uint32_t cache_bytes, bool crash)
{
    static const uint8_t prios[] = {0, 1, 3, 2, 3, 0, 1, 2};
    static const uint8_t order[] = {2, 4, 3, 7, 1, 6, 0, 5};
    struct rig r;
    rig_init(&r, 11);
    r.node[0].limits.out_transfers_node = 1;
    r.node[0].limits.out_cache_bytes = cache_bytes;
    r.routes = false;
    rig_start(&r, 0);
    rig_start(&r, 1);
    for (uint8_t i = 0; i < ARRAY_LEN(prios); i++)
        assert_int_not_equal(
            send(&r, (struct bus_send){.dst = r.node[1].addr, .prio = prios[i]}, i), 0);
    rig_run(&r, 50 * USEC_MS);
    if (crash) {
        rig_crash(&r, 0);
        rig_start(&r, 0);
    }
    r.routes = true;
    bus_route(r.node[0].bus, &r.node[1].addr, true, rig_instant(&r));
    rig_drain(&r, 0);
    rig_run(&r, 3 * USEC_SEC);
    for (size_t i = 0; i < ARRAY_LEN(order); i++)
        assert_int_equal(take_byte(&r), order[i]);
    rig_fini(&r);
}

static void test_priority(void **state)
{
    (void)state;
    check_order(1 << 20, false);
    check_order(100, false); /* most payloads are read back */
    check_order(1 << 20, true);
    check_order(100, true);
}

/* Those of the lower priority are being read ahead when the higher one comes. */
static void test_priority_overtakes_prepared(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r, 12);
    r.node[0].limits.out_transfers_node = 1;
    rig_start(&r, 0);
    rig_start(&r, 1);
    for (uint8_t i = 0; i < 100; i++)
        send(&r, (struct bus_send){.dst = r.node[1].addr}, i);
    rig_run(&r, 10 * USEC_MS);
    send(&r, (struct bus_send){.dst = r.node[1].addr, .prio = 3}, 200);
    rig_run(&r, 60 * USEC_SEC);
    size_t at = 0;
    while (take_byte(&r) != 200)
        at++;
    assert_true(at < 50);
    rig_fini(&r);
}

static void test_priority_range(void **state)
{
    struct rig r;
    (void)state;
    start(&r, 13);
    assert_int_equal(send(&r, (struct bus_send){.dst = r.node[1].addr, .prio = OUT_PRIOS}, 1), 0);
    struct bus_send s = {.dst = r.node[1].addr, .idem = {.len = IDEM_KEY_MAX + 1}};
    assert_int_equal(send(&r, s, 1), 0);
    rig_fini(&r);
}

/* --- idempotency keys --------------------------------------------------------------------- */

static struct bus_send keyed(struct rig *r, const char *key)
{
    return (struct bus_send){.dst = r->node[1].addr, .idem = key_of(key)};
}

/* While it is in memory: with the same content and with each difference. */
static void test_key_live(void **state)
{
    struct rig r;
    (void)state;
    start(&r, 21);
    r.routes = false;
    bus_client first = send(&r, keyed(&r, "k"), 1);
    rig_run(&r, 20 * USEC_MS);
    assert_false(accepted(&r, first)->replayed);
    bus_client again = send(&r, keyed(&r, "k"), 1);
    rig_drain(&r, 0); /* no store operation is needed */
    assert_true(accepted(&r, again)->replayed);
    assert_int_equal(accepted(&r, again)->rc, OK);
    assert_memory_equal(&accepted(&r, again)->id, &accepted(&r, first)->id, MSG_ID_BYTES);
    assert_int_equal(accepted(&r, again)->status.seq, accepted(&r, first)->status.seq);
    struct bus_send other[6];
    for (size_t i = 0; i < ARRAY_LEN(other); i++)
        other[i] = keyed(&r, "k");
    other[0].dst = r.node[2].addr;
    other[1].topic = (struct topic){.len = 1, .b = {7}};
    other[2].prio = 2;
    other[3].policy = OUT_AT_MOST_ONCE;
    other[4].ttl_ms = 5000;
    other[5].reply = true;
    for (size_t i = 0; i < ARRAY_LEN(other); i++) {
        bus_client c = send(&r, other[i], 1);
        rig_run(&r, 20 * USEC_MS);
        assert_int_equal(accepted(&r, c)->rc, ERR_EXIST);
        assert_false(accepted(&r, c)->replayed);
    }
    bus_client payload = send(&r, keyed(&r, "k"), 2);
    bus_client free_key = send(&r, keyed(&r, "kk"), 1);
    rig_run(&r, 20 * USEC_MS);
    assert_int_equal(accepted(&r, payload)->rc, ERR_EXIST);
    assert_int_equal(accepted(&r, free_key)->rc, OK);
    assert_false(accepted(&r, free_key)->replayed);
    assert_int_equal(stats(&r).accepted, 2);
    assert_int_equal(stats(&r).replayed, 1);
    assert_int_equal(stats(&r).key_reused, 7);
    rig_fini(&r);
}

/* Several at once: the first is not durable when the others come. */
static void test_key_concurrent(void **state)
{
    struct rig r;
    (void)state;
    start(&r, 22);
    bus_client c[5];
    for (size_t i = 0; i < ARRAY_LEN(c); i++)
        c[i] = send(&r, keyed(&r, "k"), i == 3);
    bus_forget_client(r.node[0].bus, c[1]);
    rig_run(&r, 20 * USEC_MS);
    assert_false(accepted(&r, c[0])->replayed);
    assert_null(rig_answer(&r, 0, c[1], BUS_OUT_ACCEPTED));
    for (size_t i = 2; i < ARRAY_LEN(c); i++) {
        assert_int_equal(accepted(&r, c[i])->rc, i == 3 ? ERR_EXIST : OK);
        assert_int_equal(accepted(&r, c[i])->replayed, i != 3);
        if (i != 3)
            assert_memory_equal(&accepted(&r, c[i])->id, &accepted(&r, c[0])->id, MSG_ID_BYTES);
    }
    assert_int_equal(stats(&r).accepted, 1);
    rig_run(&r, USEC_SEC);
    assert_int_equal(fake_ready_count(&r.node[1].store), 1);
    rig_fini(&r);
}

/* The store fails: all of them failed, and the key is free. */
static void test_key_store_failure(void **state)
{
    struct rig r;
    (void)state;
    start(&r, 23);
    r.node[0].store.fail_next = 1;
    bus_client a = send(&r, keyed(&r, "k"), 1);
    bus_client same = send(&r, keyed(&r, "k"), 1);
    bus_client other = send(&r, keyed(&r, "k"), 2);
    rig_run(&r, 20 * USEC_MS);
    assert_int_equal(accepted(&r, a)->rc, ERR_IO);
    assert_int_equal(accepted(&r, same)->rc, ERR_IO);
    assert_int_equal(accepted(&r, other)->rc, ERR_IO);
    assert_int_equal(stats(&r).out_live, 0);
    bus_client later = send(&r, keyed(&r, "k"), 2);
    rig_run(&r, 20 * USEC_MS);
    assert_int_equal(accepted(&r, later)->rc, OK);
    assert_false(accepted(&r, later)->replayed);
    rig_fini(&r);
}

/* Only the store knows of it: it is final, or this process did not send it. */
static void test_key_final_and_restart(void **state)
{
    struct rig r;
    (void)state;
    start(&r, 24);
    struct bus_send own = {.dst = r.node[0].addr, .idem = key_of("local")};
    bus_client first = send(&r, keyed(&r, "far"), 1);
    bus_client local = send(&r, own, 1);
    rig_run(&r, 5 * USEC_SEC);
    assert_int_equal(stats(&r).out_live, 0);
    assert_int_equal(accepted(&r, local)->status.state, OUT_RECEIVED);
    struct msg_id id = accepted(&r, first)->id;
    for (int round = 0; round < 2; round++) {
        bus_client same = send(&r, keyed(&r, "far"), 1);
        bus_client twin = send(&r, keyed(&r, "far"), 1);
        bus_client other = send(&r, keyed(&r, "far"), 2);
        bus_client again = send(&r, own, 1);
        rig_run(&r, 20 * USEC_MS);
        assert_true(accepted(&r, same)->replayed && accepted(&r, twin)->replayed);
        assert_true(accepted(&r, again)->replayed);
        assert_memory_equal(&accepted(&r, same)->id, &id, MSG_ID_BYTES);
        assert_memory_equal(&accepted(&r, twin)->id, &id, MSG_ID_BYTES);
        assert_int_equal(accepted(&r, same)->status.state, OUT_RECEIVED);
        assert_int_equal(accepted(&r, other)->rc, ERR_EXIST);
        assert_int_equal(stats(&r).out_live, 0);
        rig_crash(&r, 0);
        rig_start(&r, 0);
    }
    /* Of other content than the row, and then the row's: nobody knows the one's from the other's.
     */
    bus_client other = send(&r, keyed(&r, "far"), 2);
    bus_client good = send(&r, keyed(&r, "far"), 1);
    rig_run(&r, 20 * USEC_MS);
    assert_int_equal(accepted(&r, other)->rc, ERR_EXIST);
    assert_int_equal(accepted(&r, good)->rc, ERR_BUSY);
    assert_int_equal(fake_ready_count(&r.node[1].store), 1);
    rig_fini(&r);
}

/* A live one of a former process is found in memory. */
static void test_key_loaded(void **state)
{
    struct rig r;
    (void)state;
    start(&r, 25);
    r.routes = false;
    bus_client first = send(&r, keyed(&r, "k"), 1);
    rig_run(&r, 20 * USEC_MS);
    struct msg_id id = accepted(&r, first)->id;
    rig_crash(&r, 0);
    rig_start(&r, 0);
    bus_client again = send(&r, keyed(&r, "k"), 1);
    rig_drain(&r, 0);
    assert_true(accepted(&r, again)->replayed);
    assert_memory_equal(&accepted(&r, again)->id, &id, MSG_ID_BYTES);
    rig_fini(&r);
}

/* A repeated send that waits for the reply gets the reply to the first one. */
static void test_key_reply(void **state)
{
    (void)state;
    for (int restart = 0; restart < 2; restart++) {
        struct rig r;
        start(&r, 26);
        struct bus_send s = keyed(&r, "k");
        s.reply_wait_ms = 10000;
        bus_client first = send(&r, s, 1);
        rig_run(&r, USEC_SEC);
        struct msg_id id = accepted(&r, first)->id;
        bus_forget_client(r.node[0].bus, first);
        if (restart) {
            rig_crash(&r, 0);
            rig_start(&r, 0);
        }
        bus_client again = send(&r, s, 1);
        rig_run(&r, 100 * USEC_MS);
        assert_true(accepted(&r, again)->replayed);
        struct bus_send reply = {.dst = r.node[0].addr, .reply = true, .reply_to = id};
        assert_int_not_equal(rig_send_ex(&r, 1, &reply), 0);
        rig_run(&r, USEC_SEC);
        struct rig_answer *a = rig_answer(&r, 0, again, BUS_OUT_TAKEN);
        assert_true(a && a->has_message && a->reply);
        rig_fini(&r);
    }
}

/* At the limit a known key is still answered. */
static void test_key_at_the_limit(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r, 27);
    r.node[0].limits.out_messages = 1;
    r.routes = false;
    rig_start(&r, 0);
    send(&r, keyed(&r, "k"), 1);
    rig_run(&r, 20 * USEC_MS);
    bus_client again = send(&r, keyed(&r, "k"), 1);
    assert_int_not_equal(again, 0);
    rig_drain(&r, 0);
    assert_true(accepted(&r, again)->replayed);
    assert_int_equal(send(&r, keyed(&r, "l"), 1), 0);
    rig_fini(&r);
}

/* Messages for many absent nodes, all at once: every route is asked for, in turn. */
static void test_wishes_take_turns(void **state)
{
    struct rig r;
    (void)state;
    start(&r, 41);
    r.routes = false;
    for (uint8_t i = 0; i < 150; i++)
        send(&r, (struct bus_send){.dst = {.b = {5, 1, i}}}, i);
    rig_run(&r, 100 * USEC_MS);
    assert_in_range(r.node[0].wants, 45, 52);
    rig_run(&r, 3 * USEC_SEC);
    assert_in_range(r.node[0].wants, 85, 100);
    rig_run(&r, 7 * USEC_SEC); /* before the first of them is asked for again */
    assert_int_equal(r.node[0].wants, 150);
    assert_true(r.node[0].outputs < 1000);
    rig_fini(&r);
}

/* --- the outbox as clients see it --------------------------------------------------------- */

typedef int operation(struct bus *b, const struct bus_out_ref *ref, bus_client client,
                      struct instant now);

static const struct rig_answer *ask(struct rig *r, operation *what, struct bus_out_ref ref)
{
    bus_client c = ++r->node[0].next_client;
    assert_int_equal(what(r->node[0].bus, &ref, c, rig_instant(r)), OK);
    rig_run(r, 20 * USEC_MS);
    const struct rig_answer *a = rig_answer(r, 0, c, BUS_OUT_STATUS);
    assert_non_null(a);
    return a;
}

static struct bus_out_ref sent_ref(struct rig *r, bus_client c, bool by_seq)
{
    const struct rig_answer *a = accepted(r, c);
    return by_seq ? (struct bus_out_ref){.seq = a->status.seq} : (struct bus_out_ref){.id = a->id};
}

/* Nothing was sent yet; twice; and it stays so over a restart. */
static void test_cancel_queued(void **state)
{
    (void)state;
    for (int by_seq = 0; by_seq < 2; by_seq++) {
        struct rig r;
        start(&r, 31);
        r.routes = false;
        bus_client c = send(&r, (struct bus_send){.dst = r.node[1].addr}, 1);
        rig_run(&r, 20 * USEC_MS);
        struct bus_out_ref ref = sent_ref(&r, c, by_seq);
        assert_int_equal(ask(&r, bus_out_entry, ref)->status.state, OUT_QUEUED);
        for (int i = 0; i < 3; i++) {
            const struct rig_answer *a = ask(&r, bus_out_cancel, ref);
            assert_int_equal(a->rc, OK);
            assert_int_equal(a->status.state, OUT_CANCELLED);
            assert_int_equal(a->status.reason, OUT_REASON_CANCELLED);
            assert_int_not_equal(a->status.final_ms, 0);
            assert_int_equal(ask(&r, bus_out_retry, ref)->rc, ERR_STATE);
            if (i == 1) {
                rig_crash(&r, 0);
                rig_start(&r, 0);
            }
        }
        r.routes = true;
        bus_route(r.node[0].bus, &r.node[1].addr, true, rig_instant(&r));
        rig_run(&r, 5 * USEC_SEC);
        assert_int_equal(fake_ready_count(&r.node[1].store), 0);
        assert_int_equal(r.count[13], 0); /* ABORT: nobody knows of it */
        rig_fini(&r);
    }
}

static bool drop_acks(struct rig *r, const struct rig_packet *p)
{
    (void)r;
    return p->from == 1;
}

/* Under way: the end is durable first, then the receiver is told. */
static void test_cancel_under_way(void **state)
{
    struct rig r;
    (void)state;
    start(&r, 32);
    r.filter = drop_acks;
    bus_client c = send(&r, (struct bus_send){.dst = r.node[1].addr}, 1);
    rig_run(&r, 300 * USEC_MS);
    struct bus_out_ref ref = sent_ref(&r, c, false);
    r.node[0].commit_min = r.node[0].commit_max = 50 * USEC_MS;
    bus_client cancel = ++r.node[0].next_client;
    assert_int_equal(bus_out_cancel(r.node[0].bus, &ref, cancel, rig_instant(&r)), OK);
    rig_run(&r, 40 * USEC_MS);
    assert_null(rig_answer(&r, 0, cancel, BUS_OUT_STATUS));
    assert_int_equal(stats(&r).sent_abort, 0);
    rig_run(&r, 40 * USEC_MS);
    assert_int_equal(rig_answer(&r, 0, cancel, BUS_OUT_STATUS)->rc, OK);
    assert_int_equal(stats(&r).sent_abort, 1);
    assert_int_equal(stats(&r).cancelled, 1);
    r.filter = NULL;
    r.node[0].commit_min = r.node[0].commit_max = USEC_MS;
    rig_run(&r, 5 * USEC_SEC);
    assert_int_equal(fake_ready_count(&r.node[1].store), 0);
    assert_int_equal(rig_status(&r, 0, &ref.id), OUT_CANCELLED);
    rig_fini(&r);
}

/* The store fails: the client is told, the message ends all the same once the store works. */
static void test_cancel_store_failure(void **state)
{
    struct rig r;
    (void)state;
    start(&r, 33);
    r.routes = false;
    bus_client c = send(&r, (struct bus_send){.dst = r.node[1].addr}, 1);
    rig_run(&r, 20 * USEC_MS);
    struct bus_out_ref ref = sent_ref(&r, c, false);
    r.node[0].store.fail_next = 1;
    assert_int_equal(ask(&r, bus_out_cancel, ref)->rc, ERR_IO);
    bus_client again = ++r.node[0].next_client;
    assert_int_equal(bus_out_cancel(r.node[0].bus, &ref, again, rig_instant(&r)), OK);
    bus_client gone = ++r.node[0].next_client;
    assert_int_equal(bus_out_cancel(r.node[0].bus, &ref, gone, rig_instant(&r)), OK);
    bus_forget_client(r.node[0].bus, gone);
    rig_run(&r, 2 * USEC_SEC);
    assert_int_equal(rig_answer(&r, 0, again, BUS_OUT_STATUS)->rc, OK);
    assert_null(rig_answer(&r, 0, gone, BUS_OUT_STATUS));
    r.node[0].store.fail_next = 1;
    assert_int_equal(ask(&r, bus_out_entry, ref)->rc, ERR_IO);
    assert_int_equal(ask(&r, bus_out_entry, ref)->rc, OK);
    rig_fini(&r);
}

/* What is final stays what it is; what is not there is not there. */
static void test_cancel_final(void **state)
{
    struct rig r;
    (void)state;
    start(&r, 34);
    bus_client c = send(&r, (struct bus_send){.dst = r.node[1].addr, .prio = 2}, 1);
    rig_run(&r, USEC_SEC);
    for (int by_seq = 0; by_seq < 2; by_seq++) {
        struct bus_out_ref ref = sent_ref(&r, c, by_seq);
        const struct rig_answer *a = ask(&r, bus_out_cancel, ref);
        assert_int_equal(a->rc, ERR_STATE);
        assert_int_equal(a->status.state, OUT_RECEIVED);
        assert_int_equal(a->status.reason, OUT_REASON_NONE);
        assert_int_equal(a->status.prio, 2);
        assert_int_equal(ask(&r, bus_out_retry, ref)->rc, ERR_STATE);
        assert_int_equal(ask(&r, bus_out_entry, ref)->rc, OK);
    }
    static operation *const all[] = {bus_out_entry, bus_out_cancel, bus_out_retry};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        assert_int_equal(ask(&r, all[i], (struct bus_out_ref){.seq = 99})->rc, ERR_NOENT);
        assert_int_equal(ask(&r, all[i], (struct bus_out_ref){.id = {{9}}})->rc, ERR_NOENT);
    }
    bus_client aborted = send(&r, (struct bus_send){.dst = r.node[2].addr, .ttl_ms = 1000}, 1);
    rig_run(&r, 3 * USEC_SEC);
    struct bus_out_ref ref = sent_ref(&r, aborted, false);
    assert_int_equal(ask(&r, bus_out_entry, ref)->status.state, OUT_ABORTED);
    assert_int_equal(ask(&r, bus_out_cancel, ref)->status.reason, OUT_REASON_DEADLINE);
    rig_fini(&r);
}

/* The end by an answer of the receiver is on its way to the store when the client cancels. */
static void test_cancel_too_late(void **state)
{
    struct rig r;
    (void)state;
    start(&r, 35);
    r.delay_min = r.delay_max = 30 * USEC_MS;
    bus_client c = send(&r, (struct bus_send){.dst = r.node[1].addr}, 1);
    rig_run(&r, 20 * USEC_MS);
    r.node[0].commit_min = r.node[0].commit_max = 200 * USEC_MS;
    for (int i = 0; i < 100 && fake_ready_count(&r.node[1].store) == 0; i++)
        rig_run(&r, 10 * USEC_MS);
    rig_run(&r, 60 * USEC_MS); /* the DONE ACK is there */
    assert_int_equal(fake_ready_count(&r.node[1].store), 1);
    struct bus_out_ref ref = sent_ref(&r, c, false);
    bus_client cancel = ++r.node[0].next_client;
    assert_int_equal(bus_out_cancel(r.node[0].bus, &ref, cancel, rig_instant(&r)), OK);
    rig_run(&r, USEC_SEC);
    const struct rig_answer *a = rig_answer(&r, 0, cancel, BUS_OUT_STATUS);
    assert_non_null(a);
    assert_int_equal(a->rc, ERR_STATE);
    assert_int_equal(a->status.state, OUT_RECEIVED);
    rig_fini(&r);
}

/* Two replies with one id: the newest by id, each by its number. */
static void test_cancel_replies(void **state)
{
    struct rig r;
    (void)state;
    start(&r, 36);
    r.routes = false;
    struct bus_send s = {.dst = r.node[1].addr, .reply = true, .reply_to = {{7}}};
    bus_client c[3];
    for (uint8_t i = 0; i < 3; i++)
        c[i] = send(&r, s, i);
    rig_run(&r, 20 * USEC_MS);
    uint64_t seq[3];
    for (int i = 0; i < 3; i++)
        seq[i] = accepted(&r, c[i])->status.seq;
    assert_int_equal(ask(&r, bus_out_cancel, (struct bus_out_ref){.seq = seq[0]})->rc, OK);
    assert_int_equal(ask(&r, bus_out_cancel, (struct bus_out_ref){.id = {{7}}})->status.seq,
                     seq[2]);
    assert_int_equal(ask(&r, bus_out_entry, (struct bus_out_ref){.seq = seq[1]})->status.state,
                     OUT_QUEUED);
    assert_int_equal(stats(&r).out_live, 1);
    bus_route(r.node[0].bus, &r.node[1].addr, true, rig_instant(&r));
    rig_run(&r, USEC_SEC);
    assert_int_equal(fake_ready_count(&r.node[1].store), 1);
    rig_fini(&r);
}

/* Without a route: it is asked for soon, although the next wish is minutes away. */
static void test_retry_route(void **state)
{
    struct rig r;
    (void)state;
    start(&r, 37);
    r.routes = false;
    bus_client c = send(&r, (struct bus_send){.dst = r.node[1].addr}, 1);
    rig_run(&r, 100 * USEC_SEC);
    size_t wants = r.node[0].wants;
    r.routes = true;
    const struct rig_answer *a = ask(&r, bus_out_retry, sent_ref(&r, c, true));
    assert_int_equal(a->rc, OK);
    assert_int_equal(a->status.state, OUT_QUEUED);
    rig_run(&r, 3 * USEC_SEC);
    assert_true(r.node[0].wants > wants);
    assert_int_equal(fake_ready_count(&r.node[1].store), 1);
    rig_fini(&r);
}

static bool drop_all(struct rig *r, const struct rig_packet *p)
{
    (void)r;
    (void)p;
    return true;
}

/* With one: what was not answered leaves again although its timer is long. */
static void test_retry_backoff(void **state)
{
    struct rig r;
    (void)state;
    start(&r, 38);
    r.filter = drop_all;
    bus_client c = send(&r, (struct bus_send){.dst = r.node[1].addr}, 1);
    rig_run(&r, 60 * USEC_SEC);
    r.filter = NULL;
    (void)ask(&r, bus_out_retry, sent_ref(&r, c, false));
    rig_run(&r, 500 * USEC_MS);
    assert_int_equal(fake_ready_count(&r.node[1].store), 1);
    rig_fini(&r);
}

static const struct rig_answer *list(struct rig *r, struct bus_out_filter f)
{
    bus_client c = ++r->node[0].next_client;
    assert_int_equal(bus_out_list(r->node[0].bus, &f, c, rig_instant(r)), OK);
    rig_run(r, 20 * USEC_MS);
    const struct rig_answer *a = rig_answer(r, 0, c, BUS_OUT_ENTRIES);
    assert_non_null(a);
    return a;
}

static void test_list(void **state)
{
    struct rig r;
    (void)state;
    start(&r, 39);
    rig_start(&r, 2);
    r.filter = drop_acks;
    bus_client c[4];
    c[0] = send(&r, (struct bus_send){.dst = r.node[2].addr, .topic = {.len = 1, .b = {7}}}, 1);
    c[1] = send(&r, (struct bus_send){.dst = r.node[1].addr}, 1);
    rig_run(&r, USEC_SEC);
    bus_route(r.node[0].bus, &r.node[1].addr, false, rig_instant(&r));
    r.routes = false;
    c[2] = send(&r, (struct bus_send){.dst = r.node[1].addr}, 1);
    c[3] = send(&r, (struct bus_send){.dst = r.node[1].addr}, 1);
    rig_run(&r, 20 * USEC_MS);
    assert_int_equal(ask(&r, bus_out_cancel, sent_ref(&r, c[3], false))->rc, OK);
    static const enum out_state states[] = {OUT_RECEIVED, OUT_INIT_SENT, OUT_QUEUED, OUT_CANCELLED};
    const struct rig_answer *a = list(&r, (struct bus_out_filter){.limit = 10});
    assert_int_equal(a->n, 4);
    assert_int_equal(a->next_before, 0);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(a->entries[3 - i].seq, accepted(&r, c[i])->status.seq);
        assert_int_equal(a->entries[3 - i].state, states[i]);
    }
    assert_int_equal(a->entries[3].topic.b[0], 7);
    a = list(&r, (struct bus_out_filter){.limit = 3});
    assert_int_equal(a->n, 3);
    a = list(&r, (struct bus_out_filter){.limit = 3, .before = a->next_before});
    assert_int_equal(a->n, 1);
    assert_int_equal(a->next_before, 0);
    a = list(&r, (struct bus_out_filter){.limit = 9, .states = 1u << OUT_QUEUED});
    assert_int_equal(a->n, 1);
    assert_int_equal(a->entries[0].seq, accepted(&r, c[2])->status.seq);
    a = list(&r, (struct bus_out_filter){.limit = 9, .by_dst = true, .dst = r.node[2].addr});
    assert_int_equal(a->n, 1);
    a = list(&r, (struct bus_out_filter){.limit = 9, .by_id = true, .id = accepted(&r, c[1])->id});
    assert_int_equal(a->n, 1);
    r.node[0].store.fail_next = 1;
    assert_int_equal(list(&r, (struct bus_out_filter){.limit = 9})->rc, ERR_IO);
    struct bus_out_filter bad = {.limit = BUS_OUT_LIST_MAX + 1};
    assert_int_equal(bus_out_list(r.node[0].bus, &bad, 999, rig_instant(&r)), ERR_INVAL);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_priority),
        cmocka_unit_test(test_priority_overtakes_prepared),
        cmocka_unit_test(test_priority_range),
        cmocka_unit_test(test_key_live),
        cmocka_unit_test(test_key_concurrent),
        cmocka_unit_test(test_key_store_failure),
        cmocka_unit_test(test_key_final_and_restart),
        cmocka_unit_test(test_key_loaded),
        cmocka_unit_test(test_key_reply),
        cmocka_unit_test(test_key_at_the_limit),
        cmocka_unit_test(test_wishes_take_turns),
        cmocka_unit_test(test_cancel_queued),
        cmocka_unit_test(test_cancel_under_way),
        cmocka_unit_test(test_cancel_store_failure),
        cmocka_unit_test(test_cancel_final),
        cmocka_unit_test(test_cancel_too_late),
        cmocka_unit_test(test_cancel_replies),
        cmocka_unit_test(test_retry_route),
        cmocka_unit_test(test_retry_backoff),
        cmocka_unit_test(test_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
