/* Messages that only memory has: nothing of them reaches the sender's store, and apart from that
 * they are messages like others. */
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

static struct bus_stats stats(struct rig *r, unsigned node)
{
    struct bus_stats st;
    bus_stats(r->node[node].bus, &st);
    return st;
}

static bus_client send(struct rig *r, struct bus_send s, uint8_t byte)
{
    s.in_memory = true;
    s.payload = rig_pattern(40);
    s.payload->data[0] = byte;
    bus_client c = rig_send_ex(r, 0, &s);
    blob_unref(s.payload);
    return c;
}

static struct bus_send to(struct rig *r, unsigned node)
{
    return (struct bus_send){.dst = r->node[node].addr};
}

static struct bus_send keyed(struct rig *r, const char *key)
{
    struct bus_send s = to(r, 1);
    s.idem.len = (uint8_t)strlen(key);
    memcpy(s.idem.b, key, s.idem.len);
    return s;
}

static const struct rig_answer *accepted(struct rig *r, bus_client c)
{
    const struct rig_answer *a = rig_answer(r, 0, c, BUS_OUT_ACCEPTED);
    assert_non_null(a);
    return a;
}

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

static const struct rig_answer *ask_seq(struct rig *r, operation *what, uint64_t seq)
{
    return ask(r, what, (struct bus_out_ref){.seq = seq});
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

static bool take(struct rig *r, unsigned node, uint8_t byte)
{
    bus_client c = rig_take(r, node, 0);
    rig_run(r, 20 * USEC_MS);
    const struct rig_answer *a = rig_answer(r, node, c, BUS_OUT_TAKEN);
    return a && a->has_message && a->payload->data[0] == byte;
}

/* --- the way of a message ----------------------------------------------------------------- */

/* Answered before any store operation, delivered, read: the sender's store hears of nothing but
 * questions. The receiver keeps it as every other. */
static void test_way(void **state)
{
    (void)state;
    for (int plain = 0; plain < 2; plain++) {
        struct rig r;
        rig_init(&r, 61);
        r.node[1].plain = plain;
        rig_start(&r, 0);
        rig_start(&r, 1);
        bus_client c = send(&r, to(&r, 1), 7);
        rig_drain(&r, 0);
        const struct bus_status_info st = accepted(&r, c)->status;
        assert_int_equal(accepted(&r, c)->rc, OK);
        assert_true(st.in_memory && st.seq > BUS_SEQ_MEMORY);
        assert_int_equal(r.node[0].store.ops, 0);
        assert_int_equal(stats(&r, 0).out_memory, 1);
        assert_int_equal(stats(&r, 0).out_memory_bytes, 40);
        rig_run(&r, USEC_SEC);
        assert_int_equal(fake_ready_count(&r.node[1].store), 1);
        assert_int_equal(ask_seq(&r, bus_out_entry, st.seq)->status.state, OUT_RECEIVED);
        rig_crash(&r, 1);
        rig_start(&r, 1);
        assert_true(take(&r, 1, 7));
        rig_run(&r, USEC_SEC);
        assert_int_equal(ask_seq(&r, bus_out_entry, st.seq)->status.state, OUT_READ);
        assert_int_equal(rig_status(&r, 0, &st.id), OUT_READ);
        assert_int_equal(stats(&r, 0).out_memory, 0);
        assert_int_equal(stats(&r, 0).out_memory_bytes, 0);
        assert_int_equal(stats(&r, 0).out_memory_ended, 1);
        assert_int_equal(r.node[0].store.ops, r.node[0].store.sweeps);
        rig_run(&r, 700 * USEC_SEC); /* nobody asks any more */
        assert_int_equal(ask_seq(&r, bus_out_entry, st.seq)->rc, ERR_NOENT);
        assert_int_equal(stats(&r, 0).out_memory_ended, 0);
        rig_fini(&r);
    }
}

/* The process ends: the message and its entry are gone, and its number is not given again. */
static void test_lost_with_the_process(void **state)
{
    struct rig r;
    (void)state;
    start(&r, 62);
    r.routes = false;
    bus_client c = send(&r, to(&r, 1), 1);
    rig_run(&r, 20 * USEC_MS);
    uint64_t seq = accepted(&r, c)->status.seq;
    rig_run(&r, USEC_SEC); /* a process lasts longer than that */
    rig_crash(&r, 0);
    rig_start(&r, 0);
    assert_int_equal(ask_seq(&r, bus_out_entry, seq)->rc, ERR_NOENT);
    c = send(&r, to(&r, 1), 2);
    rig_drain(&r, 0);
    assert_true(accepted(&r, c)->status.seq > seq);
    r.routes = true;
    bus_route(r.node[0].bus, &r.node[1].addr, true, rig_instant(&r));
    rig_run(&r, USEC_SEC);
    assert_int_equal(fake_ready_count(&r.node[1].store), 1);
    rig_fini(&r);
}

/* Payloads that wait do not leave memory, whatever the caches hold. */
static void test_payloads_stay(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r, 63);
    r.node[0].limits.out_cache_bytes = 10;
    r.node[0].limits.out_transfers_node = 1;
    r.routes = false;
    rig_start(&r, 0);
    rig_start(&r, 1);
    for (uint8_t i = 0; i < 20; i++)
        assert_int_not_equal(send(&r, to(&r, 1), i), 0);
    rig_run(&r, 20 * USEC_MS);
    bus_route(r.node[0].bus, &r.node[1].addr, true, rig_instant(&r));
    rig_run(&r, 10 * USEC_SEC);
    for (uint8_t i = 0; i < 20; i++)
        assert_true(take(&r, 1, i));
    rig_fini(&r);
}

static void test_at_most_once(void **state)
{
    struct rig r;
    (void)state;
    start(&r, 64);
    struct bus_send s = to(&r, 1);
    s.policy = OUT_AT_MOST_ONCE;
    bus_client c = send(&r, s, 9);
    rig_run(&r, USEC_SEC);
    assert_true(take(&r, 1, 9));
    assert_int_equal(r.node[0].store.ops, r.node[0].store.sweeps);
    assert_int_equal(rig_status(&r, 0, &accepted(&r, c)->id), OUT_READ);
    rig_fini(&r);
}

/* The reply to it comes like any other. */
static void test_reply(void **state)
{
    struct rig r;
    (void)state;
    start(&r, 65);
    struct bus_send s = to(&r, 1);
    s.reply_wait_ms = 5000;
    bus_client c = send(&r, s, 1);
    rig_run(&r, USEC_SEC);
    struct bus_send reply = {
        .dst = r.node[0].addr, .reply = true, .reply_to = accepted(&r, c)->id, .in_memory = true};
    assert_int_not_equal(rig_send_ex(&r, 1, &reply), 0);
    rig_run(&r, USEC_SEC);
    const struct rig_answer *a = rig_answer(&r, 0, c, BUS_OUT_TAKEN);
    assert_true(a && a->has_message && a->reply);
    assert_int_equal(r.node[1].store.puts, 0);
    rig_fini(&r);
}

/* --- to this node itself ------------------------------------------------------------------ */

/* Accepted at once; received when the inbox has it on disk. */
static void test_local(void **state)
{
    struct rig r;
    (void)state;
    start(&r, 66);
    bus_client c = send(&r, to(&r, 0), 3);
    rig_drain(&r, 0);
    assert_int_equal(accepted(&r, c)->rc, OK);
    assert_int_equal(accepted(&r, c)->status.state, OUT_QUEUED);
    assert_int_equal(fake_ready_count(&r.node[0].store), 0);
    rig_run(&r, 20 * USEC_MS);
    assert_int_equal(rig_status(&r, 0, &accepted(&r, c)->id), OUT_RECEIVED);
    assert_int_equal(r.node[0].store.puts, 0);
    rig_crash(&r, 0);
    rig_start(&r, 0);
    assert_true(take(&r, 0, 3));
    c = send(&r, to(&r, 0), 4);
    rig_run(&r, 20 * USEC_MS);
    assert_true(take(&r, 0, 4));
    rig_run(&r, 20 * USEC_MS);
    assert_int_equal(rig_status(&r, 0, &accepted(&r, c)->id), OUT_READ);
    assert_int_equal(stats(&r, 0).local, 1);
    rig_fini(&r);
}

/* The store fails: tried again. Cancelled before: not delivered; too late for that: said so. */
static void test_local_store_fails(void **state)
{
    struct rig r;
    (void)state;
    start(&r, 67);
    r.node[0].store.fail_next = 1;
    bus_client c = send(&r, to(&r, 0), 5);
    rig_run(&r, 20 * USEC_MS);
    assert_int_equal(rig_status(&r, 0, &accepted(&r, c)->id), OUT_QUEUED);
    rig_run(&r, 2 * USEC_SEC);
    assert_int_equal(rig_status(&r, 0, &accepted(&r, c)->id), OUT_RECEIVED);
    assert_true(take(&r, 0, 5));

    r.node[0].store.fail_next = 1;
    c = send(&r, to(&r, 0), 6);
    rig_run(&r, 20 * USEC_MS);
    uint64_t seq = accepted(&r, c)->status.seq;
    assert_int_equal(ask_seq(&r, bus_out_cancel, seq)->status.state, OUT_CANCELLED);
    rig_run(&r, 2 * USEC_SEC);
    assert_false(take(&r, 0, 6));

    c = send(&r, to(&r, 0), 7);
    rig_drain(&r, 0);
    const struct rig_answer *a = ask_seq(&r, bus_out_cancel, accepted(&r, c)->status.seq);
    assert_int_equal(a->rc, ERR_STATE);
    assert_int_equal(a->status.state, OUT_RECEIVED);
    assert_true(take(&r, 0, 7));
    rig_fini(&r);
}

/* --- the outbox --------------------------------------------------------------------------- */

static void test_cancel_retry(void **state)
{
    struct rig r;
    (void)state;
    start(&r, 68);
    r.routes = false;
    bus_client c = send(&r, to(&r, 1), 1);
    bus_client late = send(&r, (struct bus_send){.dst = r.node[1].addr, .ttl_ms = 1000}, 2);
    rig_run(&r, 20 * USEC_MS);
    uint64_t seq = accepted(&r, c)->status.seq;
    assert_int_equal(ask_seq(&r, bus_out_retry, seq)->rc, OK);
    for (int i = 0; i < 2; i++) {
        const struct rig_answer *a = ask_seq(&r, bus_out_cancel, seq);
        assert_int_equal(a->rc, OK);
        assert_int_equal(a->status.state, OUT_CANCELLED);
        assert_int_equal(a->status.reason, OUT_REASON_CANCELLED);
        assert_true(a->status.in_memory);
    }
    assert_int_equal(ask_seq(&r, bus_out_retry, seq)->rc, ERR_STATE);
    rig_run(&r, 2 * USEC_SEC);
    const struct rig_answer *a = ask_seq(&r, bus_out_entry, accepted(&r, late)->status.seq);
    assert_int_equal(a->status.state, OUT_ABORTED);
    assert_int_equal(a->status.reason, OUT_REASON_DEADLINE);
    assert_int_equal(r.node[0].store.puts, 0);
    rig_fini(&r);
}

/* Pages: first those in memory, newest first, then those of the store. */
static void test_list(void **state)
{
    struct rig r;
    (void)state;
    start(&r, 69);
    r.routes = false;
    for (uint8_t i = 0; i < 5; i++) {
        struct bus_send s = to(&r, 1);
        (void)rig_send_ex(&r, 0, &s);
        send(&r, to(&r, i % 2 ? 1 : 2), i);
    }
    rig_run(&r, 20 * USEC_MS);
    struct bus_out_filter f = {.limit = 2};
    uint64_t last = UINT64_MAX;
    size_t memory = 0, stored = 0;
    for (int pages = 0; pages < 10 && (pages == 0 || f.before); pages++) {
        const struct rig_answer *a = list(&r, f);
        assert_int_equal(a->rc, OK);
        assert_true(a->n <= 2);
        for (size_t i = 0; i < a->n; i++) {
            assert_true(a->entries[i].seq < last);
            last = a->entries[i].seq;
            assert_int_equal(a->entries[i].in_memory, last > BUS_SEQ_MEMORY);
            memory += a->entries[i].in_memory;
            stored += !a->entries[i].in_memory;
        }
        f.before = a->next_before;
    }
    assert_int_equal(memory, 5);
    assert_int_equal(stored, 5);
    f = (struct bus_out_filter){.limit = 100, .by_dst = true, .dst = r.node[2].addr};
    assert_int_equal(list(&r, f)->n, 3);
    f = (struct bus_out_filter){.limit = 100, .states = 1u << OUT_CANCELLED};
    assert_int_equal(list(&r, f)->n, 0);
    rig_fini(&r);
}

/* Keys are known as long as the entry, and are not those of the messages on disk. */
static void test_keys(void **state)
{
    struct rig r;
    (void)state;
    start(&r, 70);
    bus_client first = send(&r, keyed(&r, "k"), 1);
    for (int ended = 0; ended < 2; ended++) {
        bus_client again = send(&r, keyed(&r, "k"), 1);
        bus_client other = send(&r, keyed(&r, "k"), 2);
        rig_drain(&r, 0);
        assert_true(accepted(&r, again)->replayed);
        assert_int_equal(accepted(&r, again)->status.seq, accepted(&r, first)->status.seq);
        assert_int_equal(accepted(&r, again)->status.state, ended ? OUT_RECEIVED : OUT_QUEUED);
        assert_int_equal(accepted(&r, other)->rc, ERR_EXIST);
        rig_run(&r, USEC_SEC);
    }
    struct bus_send durable = keyed(&r, "k");
    bus_client c = rig_send_ex(&r, 0, &durable);
    rig_run(&r, USEC_SEC);
    assert_int_equal(accepted(&r, c)->rc, OK);
    assert_false(accepted(&r, c)->replayed);
    assert_int_equal(fake_ready_count(&r.node[1].store), 2);
    rig_fini(&r);
}

/* --- limits ------------------------------------------------------------------------------- */

static void test_limits(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r, 71);
    r.node[0].limits.out_memory_messages = 3;
    r.node[0].limits.out_memory_bytes = 100;
    r.node[0].limits.out_memory_ended = 2;
    r.routes = false;
    rig_start(&r, 0);
    rig_start(&r, 1);
    struct bus_send s = to(&r, 1), empty = {.dst = s.dst, .in_memory = true};
    assert_int_not_equal(send(&r, s, 1), 0);
    assert_int_not_equal(send(&r, s, 2), 0);
    assert_int_equal(bus_send(r.node[0].bus,
                              &(struct bus_send){.dst = s.dst, .payload = NULL, .in_memory = true},
                              1000, rig_instant(&r)),
                     OK);
    assert_int_equal(bus_send(r.node[0].bus, &empty, 1001, rig_instant(&r)), ERR_LIMIT);
    rig_run(&r, 20 * USEC_MS);
    assert_int_equal(ask_seq(&r, bus_out_cancel, accepted(&r, 1000)->status.seq)->rc, OK);
    assert_int_equal(send(&r, s, 3), 0); /* bytes */
    assert_int_equal(stats(&r, 0).refused_sends, 2);
    struct bus_send durable = to(&r, 1);
    assert_int_not_equal(rig_send_ex(&r, 0, &durable), 0);
    bus_route(r.node[0].bus, &r.node[1].addr, true, rig_instant(&r));
    rig_run(&r, 5 * USEC_SEC);
    assert_int_equal(stats(&r, 0).delivered, 3);
    assert_int_equal(stats(&r, 0).out_memory_ended, 2); /* the cancelled one went */
    assert_int_equal(ask_seq(&r, bus_out_entry, accepted(&r, 1000)->status.seq)->rc, ERR_NOENT);
    assert_int_not_equal(send(&r, s, 3), 0);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_way),
        cmocka_unit_test(test_lost_with_the_process),
        cmocka_unit_test(test_payloads_stay),
        cmocka_unit_test(test_at_most_once),
        cmocka_unit_test(test_reply),
        cmocka_unit_test(test_local),
        cmocka_unit_test(test_local_store_fails),
        cmocka_unit_test(test_cancel_retry),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
