/* One push to several destinations: all or none, each with an entry of its own. */
#include <string.h>

#include "base/err.h"
#include "tests/unit/bus/rig.h"
#include "tests/unit/unit.h"

static void start(struct rig *r, uint64_t seed)
{
    rig_init(r, seed);
    for (unsigned i = 0; i < RIG_NODES; i++)
        rig_start(r, i);
}

static struct bus_stats stats(struct rig *r)
{
    struct bus_stats st;
    bus_stats(r->node[0].bus, &st);
    return st;
}

/* 0: refused with rc, because of the destination *at. */
static bus_client send_many(struct rig *r, struct bus_send s, const struct ip6 *dsts, size_t n,
                            uint8_t byte, int *rc, size_t *at)
{
    bus_client c = ++r->node[0].next_client;
    s.payload = rig_pattern(500);
    s.payload->data[0] = byte;
    *rc = bus_send_many(r->node[0].bus, &s, dsts, n, c, rig_instant(r), at);
    blob_unref(s.payload);
    return *rc == OK ? c : 0;
}

static bus_client send(struct rig *r, struct bus_send s, const struct ip6 *dsts, size_t n,
                       uint8_t byte)
{
    int rc;
    size_t at;
    bus_client c = send_many(r, s, dsts, n, byte, &rc, &at);
    assert_int_equal(rc, OK);
    return c;
}

static const struct rig_answer *accepted(struct rig *r, bus_client c)
{
    const struct rig_answer *a = rig_answer(r, 0, c, BUS_OUT_ACCEPTED);
    assert_non_null(a);
    return a;
}

static struct idem_key key_of(const char *text)
{
    struct idem_key k = {.len = (uint8_t)strlen(text)};
    memcpy(k.b, text, k.len);
    return k;
}

static bool take(struct rig *r, unsigned node, uint8_t byte)
{
    bus_client c = rig_take(r, node, 0);
    rig_run(r, 20 * USEC_MS);
    const struct rig_answer *a = rig_answer(r, node, c, BUS_OUT_TAKEN);
    return a && a->has_message && a->payload->len == 500 && a->payload->data[0] == byte;
}

/* To two others and this node itself; on disk and in memory. */
static void test_all(void **state)
{
    (void)state;
    for (int memory = 0; memory < 2; memory++) {
        for (unsigned self_at = 0; self_at < 3; self_at++) {
            struct rig r;
            start(&r, 91 + self_at);
            struct ip6 d[3];
            for (unsigned i = 0; i < 3; i++)
                d[i] = r.node[(i + 3 - self_at) % 3].addr;
            bus_client c = send(&r, (struct bus_send){.in_memory = memory}, d, 3, 7);
            rig_run(&r, 20 * USEC_MS);
            const struct rig_answer *a = accepted(&r, c);
            assert_int_equal(a->rc, OK);
            assert_int_equal(a->n, 3);
            for (size_t i = 0; i < 3; i++) {
                assert_true(ip6_eq(&a->entries[i].dst, &d[i]));
                assert_int_equal(a->entries[i].seq, a->entries[0].seq + i);
                assert_int_equal(a->entries[i].state,
                                 i == self_at && !memory ? OUT_RECEIVED : OUT_QUEUED);
            }
            assert_int_equal(r.node[0].store.puts, memory ? 0 : 1);
            rig_run(&r, 3 * USEC_SEC);
            for (unsigned i = 0; i < 3; i++) {
                assert_true(take(&r, i, 7));
                assert_false(take(&r, i, 7));
                rig_run(&r, USEC_SEC);
                struct msg_id id = accepted(&r, c)->entries[(i + self_at) % 3].id;
                assert_int_equal(rig_status(&r, 0, &id), OUT_READ);
            }
            assert_int_equal(stats(&r).accepted, 3);
            assert_int_equal(stats(&r).out_live, 0);
            rig_fini(&r);
        }
    }
}

/* Cancelled one by one, and over a restart of the sender. */
static void test_apart(void **state)
{
    struct rig r;
    (void)state;
    start(&r, 95);
    r.routes = false;
    const struct ip6 d[] = {r.node[1].addr, r.node[2].addr, {.b = {5, 9}}};
    bus_client c = send(&r, (struct bus_send){.ordered = true}, d, 3, 1);
    rig_run(&r, 20 * USEC_MS);
    struct bus_out_ref ref = {.seq = accepted(&r, c)->entries[0].seq};
    assert_int_equal(bus_out_cancel(r.node[0].bus, &ref, 700, rig_instant(&r)), OK);
    rig_run(&r, 20 * USEC_MS);
    rig_crash(&r, 0);
    rig_start(&r, 0);
    r.routes = true;
    bus_peer_up(r.node[0].bus, rig_instant(&r));
    rig_run(&r, 3 * USEC_SEC);
    assert_false(take(&r, 1, 1));
    assert_true(take(&r, 2, 1));
    rig_fini(&r);
}

/* The store fails, or its answer never comes: none of them. */
static void test_none(void **state)
{
    struct rig r;
    (void)state;
    start(&r, 96);
    const struct ip6 d[] = {r.node[1].addr, r.node[0].addr, r.node[2].addr};
    r.node[0].store.fail_next = 1;
    bus_client c = send(&r, (struct bus_send){.dst = d[0]}, d, 3, 1);
    rig_run(&r, USEC_SEC);
    assert_int_equal(accepted(&r, c)->rc, ERR_IO);
    assert_int_equal(stats(&r).out_live, 0);
    c = send(&r, (struct bus_send){.dst = d[0]}, d, 3, 2);
    bus_forget_client(r.node[0].bus, c); /* it is sent all the same */
    rig_run(&r, USEC_SEC);
    assert_null(rig_answer(&r, 0, c, BUS_OUT_ACCEPTED));
    for (unsigned i = 0; i < 3; i++)
        assert_true(take(&r, i, 2));
    c = send(&r, (struct bus_send){.dst = d[0]}, d, 3, 3); /* and the node ends */
    rig_drain(&r, 0);
    rig_fini(&r);
}

/* A refusal names the destination, and nothing of the others stays. */
static void test_refused(void **state)
{
    struct rig r;
    int rc;
    size_t at;
    (void)state;
    rig_init(&r, 97);
    r.node[0].limits.out_messages_node = 1;
    r.routes = false;
    rig_start(&r, 0);
    struct ip6 d[] = {r.node[1].addr, r.node[2].addr, r.node[1].addr, {.b = {0x20}}};
    struct bus_send s = {.policy = OUT_AT_LEAST_ONCE};
    send_many(&r, s, d, 4, 1, &rc, &at);
    assert_int_equal(rc, ERR_INVAL); /* outside of the network */
    assert_int_equal(at, 3);
    send_many(&r, s, d, 3, 1, &rc, &at);
    assert_int_equal(rc, ERR_LIMIT); /* the second one for node 1 */
    assert_int_equal(at, 2);
    assert_int_equal(stats(&r).out_live, 0);
    assert_int_equal(stats(&r).refused_sends, 1);
    d[0] = d[2] = r.node[0].addr;
    send_many(&r, s, d, 3, 1, &rc, &at);
    assert_int_equal(rc, ERR_EXIST);
    assert_int_equal(at, 2);
    static struct ip6 many[BUS_DSTS_MAX + 1];
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = (struct ip6){.b = {4, (uint8_t)(i >> 8), (uint8_t)i, 1}};
    send_many(&r, s, many, 1, 1, &rc, &at);
    assert_int_equal(rc, ERR_INVAL);
    send_many(&r, s, many, BUS_DSTS_MAX + 1, 1, &rc, &at);
    assert_int_equal(rc, ERR_INVAL);
    assert_int_equal(at, BUS_DSTS_MAX + 1);
    s.reply = true;
    send_many(&r, s, d + 1, 2, 1, &rc, &at);
    assert_int_equal(rc, ERR_INVAL);
    assert_int_equal(r.node[0].store.ops, 0);
    send(&r, (struct bus_send){.ttl_ms = 1000}, many, BUS_DSTS_MAX, 1);
    rig_run(&r, 500 * USEC_MS);
    assert_int_equal(stats(&r).out_live, BUS_DSTS_MAX);
    assert_int_equal(r.node[0].store.puts, 1);
    rig_run(&r, 5 * USEC_SEC);
    assert_int_equal(stats(&r).aborted, BUS_DSTS_MAX);
    rig_fini(&r);
}

/* The key is one of the whole push: same destinations in the same order, else it was used. */
static void check_key(bool memory, bool restart)
{
    struct rig r;
    start(&r, 98);
    struct ip6 d[] = {r.node[1].addr, r.node[2].addr, r.node[0].addr};
    struct ip6 other[] = {r.node[1].addr, r.node[0].addr, r.node[2].addr};
    struct bus_send s = {.idem = key_of("k"), .in_memory = memory, .dst = d[0]};
    bus_client first = send(&r, s, d, 3, 1);
    bus_client twin = send(&r, s, d, 3, 1);
    for (int round = 0; round < 3; round++) {
        rig_run(&r, round == 0 ? 20 * USEC_MS : 3 * USEC_SEC);
        bus_client again = send(&r, s, d, 3, 1);
        bus_client content = send(&r, s, d, 3, 2);
        bus_client order = send(&r, s, other, 3, 1);
        bus_client fewer = send(&r, s, d, 2, 1);
        bus_client single = rig_send_ex(&r, 0, &s);
        rig_run(&r, 20 * USEC_MS);
        const bus_client same[] = {twin, again};
        for (size_t i = 0; i < 2; i++) {
            const struct rig_answer *a = accepted(&r, same[i]);
            assert_int_equal(a->rc, OK);
            assert_true(a->replayed);
            assert_int_equal(a->n, 3);
            for (size_t k = 0; k < 3; k++) {
                const struct bus_status_info *was = &accepted(&r, first)->entries[k];
                assert_int_equal(a->entries[k].seq, was->seq);
                assert_memory_equal(&a->entries[k].id, &was->id, MSG_ID_BYTES);
                if (round > 0 && i == 1)
                    assert_int_equal(a->entries[k].state, OUT_RECEIVED);
            }
        }
        assert_int_equal(accepted(&r, content)->rc, ERR_EXIST);
        assert_int_equal(accepted(&r, order)->rc, ERR_EXIST);
        assert_int_equal(accepted(&r, fewer)->rc, ERR_EXIST);
        assert_int_equal(accepted(&r, single)->rc, ERR_EXIST);
        if (restart && round == 1) {
            rig_crash(&r, 0);
            rig_start(&r, 0);
        }
    }
    for (unsigned i = 0; i < 3; i++) {
        assert_true(take(&r, i, 1));
        assert_false(take(&r, i, 1));
    }
    rig_fini(&r);
}

static void test_key(void **state)
{
    (void)state;
    check_key(false, false);
    check_key(false, true);
    check_key(true, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all),     cmocka_unit_test(test_apart), cmocka_unit_test(test_none),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
