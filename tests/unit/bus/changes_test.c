/* Changes of the outbox: numbered without holes, in order, and only the last ones are kept. */
#include "bus/changes.h"

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

static struct msg_id send_to(struct rig *r, unsigned to, size_t len)
{
    bus_client c = rig_send(r, 0, &r->node[to].addr, rig_pattern(len), OUT_AT_LEAST_ONCE);
    rig_run(r, 2 * USEC_SEC);
    return rig_answer(r, 0, c, BUS_OUT_ACCEPTED)->id;
}

static size_t news(struct rig *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->node[0].n_answers; i++)
        n += r->node[0].answers[i].kind == BUS_OUT_NEWS;
    return n;
}

/* To oneself, to a neighbour in few packets and in many, taken there; each state once. */
static void test_states(void **state)
{
    (void)state;
    struct rig r;
    struct bus_change c[16];
    uint64_t n;
    start(&r, 1);
    struct bus *b = r.node[0].bus;
    assert_int_equal(bus_changes_last(b), 0);
    assert_int_equal(bus_changes_read(b, 0, c, 16, &n), OK);
    assert_int_equal(n, 0);
    struct msg_id self = send_to(&r, 0, 10), small = send_to(&r, 1, 10);
    struct msg_id large = send_to(&r, 1, 60000);
    assert_int_equal(news(&r), 0); /* nobody watches */
    bus_changes_watch(b, true);
    for (int i = 0; i < 2; i++) {
        (void)rig_take(&r, 1, 0);
        rig_run(&r, USEC_SEC);
    }
    assert_int_equal(news(&r), 2);
    static const struct {
        enum out_state state;
        uint64_t seq, acked;
    } want[] = {
        {OUT_RECEIVED, 1, 10},    {OUT_QUEUED, 2, 0}, {OUT_SENDING, 2, 0},
        {OUT_RECEIVED, 2, 10},    {OUT_QUEUED, 3, 0}, {OUT_SENDING, 3, 0},
        {OUT_RECEIVED, 3, 60000}, {OUT_READ, 2, 10},  {OUT_READ, 3, 60000},
    };
    const struct msg_id *ids[] = {&self, &small, &large};
    assert_int_equal(bus_changes_read(b, 0, c, 16, &n), OK);
    assert_int_equal(n, ARRAY_LEN(want));
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(c[i].index, i + 1);
        assert_int_equal(c[i].state, want[i].state);
        assert_int_equal(c[i].seq, want[i].seq);
        assert_int_equal(c[i].acked_bytes, want[i].acked);
        assert_memory_equal(&c[i].id, ids[want[i].seq - 1], sizeof(c[i].id));
    }
    /* From the middle, in small steps. */
    assert_int_equal(bus_changes_read(b, 5, c, 2, &n), OK);
    assert_int_equal(n, 2);
    assert_int_equal(c[0].index, 6);
    assert_int_equal(bus_changes_read(b, 9, c, 2, &n), OK);
    assert_int_equal(n, 0);
    assert_int_equal(bus_changes_read(b, 10, c, 2, &n), ERR_NOENT); /* of another process */
    rig_fini(&r);
}

static void test_ends(void **state)
{
    (void)state;
    struct rig r;
    struct bus_change c[4];
    uint64_t n;
    start(&r, 2);
    rig_crash(&r, 1);
    struct bus *b = r.node[0].bus;
    struct bus_out_ref ref = {.id = send_to(&r, 1, 10)};
    assert_int_equal(bus_out_cancel(b, &ref, 99, rig_instant(&r)), OK);
    rig_run(&r, USEC_SEC);
    assert_int_equal(bus_changes_read(b, 1, c, 4, &n), OK);
    assert_int_equal(n, 1);
    assert_int_equal(c[0].state, OUT_CANCELLED);
    assert_int_equal(c[0].reason, OUT_REASON_CANCELLED);
    rig_fini(&r);
}

static void test_kept(void **state)
{
    (void)state;
    struct rig r;
    struct bus_change c;
    uint64_t n, last = 0;
    start(&r, 3);
    struct bus *b = r.node[0].bus;
    struct blob *p = rig_pattern(1);
    while (last < BUS_CHANGES_KEPT + 10) {
        struct bus_send s = {.dst = r.node[0].addr, .payload = p, .in_memory = true};
        assert_int_not_equal(rig_send_ex(&r, 0, &s), 0);
        rig_run(&r, USEC_MS);
        last = bus_changes_last(b);
    }
    blob_unref(p);
    uint64_t oldest = last - BUS_CHANGES_KEPT + 1;
    assert_int_equal(bus_changes_read(b, oldest - 1, &c, 1, &n), OK);
    assert_int_equal(c.index, oldest);
    assert_int_equal(bus_changes_read(b, oldest - 2, &c, 1, &n), ERR_NOENT);
    assert_int_equal(n, oldest);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
