/* Clients that wait until an entry of the outbox has come so far. */
#include <string.h>

#include "base/err.h"
#include "tests/unit/bus/rig.h"
#include "tests/unit/unit.h"

static void start(struct rig *r, uint64_t seed, uint32_t waiters)
{
    rig_init(r, seed);
    r->node[0].limits.waiters = waiters;
    rig_start(r, 0);
    rig_start(r, 1);
}

static uint64_t waiters(struct rig *r)
{
    struct bus_stats st;
    bus_stats(r->node[0].bus, &st);
    return st.waiters;
}

static bus_client send(struct rig *r, unsigned to, struct bus_send s)
{
    s.dst = r->node[to].addr;
    bus_client c = rig_send_ex(r, 0, &s);
    assert_int_not_equal(c, 0);
    return c;
}

static int wait_for(struct rig *r, struct bus_out_ref ref, uint32_t index, int64_t ms,
                    bus_client *ret)
{
    *ret = ++r->node[0].next_client;
    return bus_out_wait(r->node[0].bus, &ref, index, ms, *ret, rig_instant(r));
}

static bool answered(struct rig *r, bus_client c)
{
    return rig_answer(r, 0, c, BUS_OUT_STATUS) != NULL;
}

static enum out_state state_of(struct rig *r, bus_client c)
{
    const struct rig_answer *a = rig_answer(r, 0, c, BUS_OUT_STATUS);
    assert_non_null(a);
    assert_int_equal(a->rc, OK);
    return a->status.state;
}

static void take(struct rig *r, unsigned node)
{
    bus_client c = rig_take(r, node, 0);
    rig_run(r, 50 * USEC_MS);
    assert_true(rig_answer(r, node, c, BUS_OUT_TAKEN)->has_message);
}

/* By number and by id, on disk and in memory, to another node and to this one. */
static void test_entry(void **state)
{
    (void)state;
    for (int memory = 0; memory < 2; memory++) {
        for (int by_id = 0; by_id < 2; by_id++) {
            struct rig r;
            bus_client received, read, again, late;
            start(&r, 101, 10);
            r.routes = false;
            bus_client c = send(&r, 1, (struct bus_send){.in_memory = memory});
            rig_run(&r, 20 * USEC_MS);
            const struct rig_answer *a = rig_answer(&r, 0, c, BUS_OUT_ACCEPTED);
            struct bus_out_ref ref = {.seq = by_id ? 0 : a->status.seq, .id = a->id};
            assert_int_equal(wait_for(&r, ref, 0, 1000, &again), OK);
            assert_int_equal(wait_for(&r, ref, BUS_INDEX_LIVES, 60000, &received), OK);
            assert_int_equal(wait_for(&r, ref, BUS_INDEX_RECEIVED, 60000, &read), OK);
            rig_run(&r, 100 * USEC_MS);
            assert_int_equal(state_of(&r, again), OUT_QUEUED); /* it is beyond that */
            assert_false(answered(&r, received) || answered(&r, read));
            assert_int_equal(waiters(&r), 2);
            bus_route(r.node[0].bus, &r.node[1].addr, true, rig_instant(&r));
            rig_run(&r, USEC_SEC);
            assert_int_equal(state_of(&r, received), OUT_RECEIVED);
            assert_false(answered(&r, read));
            take(&r, 1);
            rig_run(&r, USEC_SEC);
            assert_int_equal(state_of(&r, read), OUT_READ);
            assert_int_equal(wait_for(&r, ref, BUS_INDEX_LAST, 1000, &late), OK);
            rig_run(&r, 900 * USEC_MS);
            assert_false(answered(&r, late));
            rig_run(&r, 200 * USEC_MS); /* and a sixteenth */
            assert_int_equal(state_of(&r, late), OUT_READ);
            assert_int_equal(waiters(&r), 0);
            rig_fini(&r);
        }
    }
}

/* The end of another kind ends it too; what is not there does not wait. */
static void test_ends(void **state)
{
    struct rig r;
    bus_client first, second, none;
    (void)state;
    start(&r, 102, 10);
    r.routes = false;
    bus_client c = send(&r, 1, (struct bus_send){.ttl_ms = 1000});
    bus_client d = send(&r, 1, (struct bus_send){.ttl_ms = 0});
    rig_run(&r, 20 * USEC_MS);
    struct bus_out_ref ref = {.seq = rig_answer(&r, 0, c, BUS_OUT_ACCEPTED)->status.seq};
    struct bus_out_ref other = {.seq = rig_answer(&r, 0, d, BUS_OUT_ACCEPTED)->status.seq};
    struct bus_out_ref unknown = {.seq = 999};
    assert_int_equal(wait_for(&r, ref, BUS_INDEX_RECEIVED, 60000, &first), OK);
    assert_int_equal(wait_for(&r, other, BUS_INDEX_LIVES, 60000, &second), OK);
    assert_int_equal(wait_for(&r, unknown, BUS_INDEX_LIVES, 60000, &none), OK);
    rig_run(&r, 2 * USEC_SEC);
    assert_int_equal(state_of(&r, first), OUT_ABORTED);
    assert_int_equal(rig_answer(&r, 0, none, BUS_OUT_STATUS)->rc, ERR_NOENT);
    assert_int_equal(bus_out_cancel(r.node[0].bus, &other, 900, rig_instant(&r)), OK);
    rig_run(&r, 20 * USEC_MS);
    assert_int_equal(state_of(&r, second), OUT_CANCELLED);
    assert_int_equal(wait_for(&r, other, BUS_INDEX_LAST, 60000, &second), OK);
    rig_run(&r, 20 * USEC_MS);
    bus_forget_client(r.node[0].bus, second);
    assert_int_equal(waiters(&r), 0);
    rig_fini(&r);
}

/* A send that waits: accepted first, then how far it came. */
static void test_send(void **state)
{
    (void)state;
    for (unsigned to = 0; to < 2; to++) {
        struct rig r;
        start(&r, 103, 10);
        struct bus_send s = {.index_wait_ms = 5000, .index = BUS_INDEX_LIVES};
        bus_client received = send(&r, to, s);
        s.index = BUS_INDEX_RECEIVED;
        bus_client read = send(&r, to, s);
        s.idem = (struct idem_key){.len = 1, .b = {'k'}};
        bus_client keyed = send(&r, to, s);
        bus_client twin = send(&r, to, s);
        rig_run(&r, USEC_SEC);
        assert_int_equal(rig_answer(&r, 0, received, BUS_OUT_ACCEPTED)->rc, OK);
        assert_int_equal(state_of(&r, received), OUT_RECEIVED);
        assert_false(answered(&r, read) || answered(&r, keyed) || answered(&r, twin));
        take(&r, to);
        take(&r, to);
        rig_run(&r, USEC_SEC);
        assert_int_equal(state_of(&r, read), OUT_READ);
        rig_run(&r, 5 * USEC_SEC);
        assert_int_equal(state_of(&r, keyed), OUT_RECEIVED); /* nobody took it */
        assert_int_equal(state_of(&r, twin), OUT_RECEIVED);
        assert_int_equal(waiters(&r), 0);
        rig_fini(&r);
    }
}

static void test_limit(void **state)
{
    struct rig r;
    bus_client c;
    (void)state;
    start(&r, 104, 1);
    r.routes = false;
    struct bus_send s = {.index_wait_ms = 5000, .index = BUS_INDEX_LIVES};
    bus_client first = send(&r, 1, s);
    s.dst = r.node[1].addr;
    assert_int_equal(bus_send(r.node[0].bus, &s, 1000, rig_instant(&r)), ERR_LIMIT);
    assert_int_equal(wait_for(&r, (struct bus_out_ref){.seq = 1}, 1, 1000, &c), ERR_LIMIT);
    s.reply_wait_ms = 1000;
    assert_int_equal(bus_send(r.node[0].bus, &s, 1001, rig_instant(&r)), ERR_INVAL);
    assert_int_equal(wait_for(&r, (struct bus_out_ref){.seq = 1}, 1, 0, &c), ERR_INVAL);
    bus_forget_client(r.node[0].bus, first);
    rig_run(&r, 20 * USEC_MS);
    assert_int_equal(wait_for(&r, (struct bus_out_ref){.seq = 1}, 1, 1000, &c), OK);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entry),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_send),
        cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
