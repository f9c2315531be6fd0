/* How much work a message is, when many wait. */
#include "tests/unit/bus/rig.h"
#include "tests/unit/unit.h"

static size_t received(struct rig *r, unsigned node)
{
    struct bus_stats st;
    bus_stats(r->node[node].bus, &st);
    return st.received;
}

/* One transfer slot for all: the nodes take turns. */
static void test_few_slots(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r, 19);
    r.node[0].limits.out_transfers = 1;
    r.loss_ppm = 20000;
    for (unsigned i = 0; i < 3; i++)
        rig_start(&r, i);
    for (int i = 0; i < 100; i++)
        (void)rig_send(&r, 0, &r.node[1 + i % 2].addr, rig_pattern(2000), OUT_AT_LEAST_ONCE);
    rig_run(&r, 3 * USEC_SEC);
    assert_true(received(&r, 1) > 5 && received(&r, 2) > 5);
    rig_run(&r, 120 * USEC_SEC);
    assert_int_equal(received(&r, 1), 50);
    assert_int_equal(received(&r, 2), 50);
    rig_fini(&r);
}

/* Work per message, counted in turns of the scheduler and outputs, does not grow with the queue. */
static double cost_of(size_t messages, usec_t *ret_took)
{
    struct rig r;
    struct bus_stats st;
    rig_init(&r, 18);
    r.node[0].limits.out_cache_bytes = 1 << 20;
    r.node[1].limits.init_per_sec = 1000000;
    rig_start(&r, 0);
    rig_start(&r, 1);
    struct blob *body = rig_pattern(100);
    usec_t began = r.now;
    for (size_t i = 0; i < messages; i++) {
        struct bus_send s = {.dst = r.node[1].addr, .payload = body};
        assert_int_not_equal(rig_send_ex(&r, 0, &s), 0);
    }
    while (received(&r, 1) < messages && r.now - began < 200 * USEC_SEC)
        rig_run(&r, 10 * USEC_MS);
    *ret_took = r.now - began;
    rig_run(&r, USEC_SEC);
    assert_int_equal(received(&r, 1), messages);
    bus_stats(r.node[0].bus, &st);
    assert_int_equal(st.out_live, 0);
    assert_int_equal(st.retransmits, 0);
    double looks = (double)st.sched_looks / (double)messages;
    double outputs = (double)(r.node[0].outputs + r.node[1].outputs) / (double)messages;
    print_message("%zu queued: %.2f turns, %.2f outputs each, %d ms of virtual time\n", messages,
                  looks, outputs, (int)(*ret_took / 1000));
    blob_unref(body);
    rig_fini(&r);
    return looks + outputs;
}

static void test_flat_cost(void **state)
{
    (void)state;
    usec_t took_few, took_many;
    double few = cost_of(1000, &took_few);
    double many = cost_of(50000, &took_many);
    assert_true(many < few * 1.2);
    assert_true(took_many < took_few * 50 * 12 / 10);
    assert_true(took_many < 15 * USEC_SEC); /* thousands per second with commits of 1 to 3 ms */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few_slots),
        cmocka_unit_test(test_flat_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
