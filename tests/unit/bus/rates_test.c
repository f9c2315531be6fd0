/* Two of ours over links that lose, delay and throttle: how many packets, how long, how much work.
 */
#include "bus/chunk_plan.h"
#include "tests/unit/bus/rig.h"
#include "tests/unit/unit.h"

enum { BIT_INIT = 15, BIT_DONE = 14, BIT_CHUNK = 12 };

static void pair(struct rig *r, uint64_t seed)
{
    rig_init(r, seed);
    rig_start(r, 0);
    rig_start(r, 1);
}

static size_t received(struct rig *r, unsigned node)
{
    struct bus_stats st;
    bus_stats(r->node[node].bus, &st);
    return st.received;
}

static bool drop_chunk_5(struct rig *r, const struct rig_packet *p)
{
    bool *dropped = (bool *)r->filter_ctx;
    if (*dropped || p->flags != MSG_CHUNK || p->bytes[MSG_HEADER_BYTES + 7] != 5)
        return false;
    *dropped = true;
    return true;
}

static void test_one_chunk_lost(void **state)
{
    (void)state;
    struct rig r;
    bool dropped = false;
    pair(&r, 14);
    r.filter = drop_chunk_5;
    r.filter_ctx = &dropped;
    (void)rig_send(&r, 0, &r.node[1].addr, rig_pattern(30 * 1300), OUT_AT_LEAST_ONCE);
    rig_run(&r, 5 * USEC_SEC);
    assert_true(dropped);
    assert_int_equal(received(&r, 1), 1);
    assert_int_equal(r.count[BIT_INIT], 1);
    assert_int_equal(r.count[BIT_CHUNK], 31);
    assert_int_equal(r.count[BIT_DONE], 1);
    rig_fini(&r);
}

static void test_long_way(void **state)
{
    (void)state;
    struct rig r;
    pair(&r, 15);
    r.delay_min = r.delay_max = 150 * USEC_MS;
    (void)rig_send(&r, 0, &r.node[1].addr, rig_pattern(13000), OUT_AT_LEAST_ONCE);
    rig_run(&r, 5 * USEC_SEC);
    assert_int_equal(received(&r, 1), 1);
    assert_int_equal(r.count[BIT_INIT], 1);
    assert_int_equal(r.count[BIT_CHUNK], 10);
    assert_int_equal(r.count[BIT_DONE], 1);
    /* The node is known now: everything in one go, one way and one commit later it is there. */
    usec_t began = r.now;
    (void)rig_send(&r, 0, &r.node[1].addr, rig_pattern(13000), OUT_AT_LEAST_ONCE);
    rig_run(&r, 160 * USEC_MS);
    assert_int_equal(received(&r, 1), 2);
    assert_true(r.now - began < 200 * USEC_MS);
    assert_int_equal(r.node[1].store.readies, 2);
    rig_run(&r, 5 * USEC_SEC);
    assert_int_equal(r.count[BIT_INIT], 2);
    assert_int_equal(r.count[BIT_CHUNK], 20);
    assert_int_equal(r.count[BIT_DONE], 2);
    rig_fini(&r);
}

static void test_slow_link(void **state)
{
    (void)state;
    struct rig r;
    pair(&r, 16);
    r.link_bytes_per_s = 1000000;
    usec_t began = r.now;
    for (int i = 0; i < 16; i++)
        (void)rig_send(&r, 0, &r.node[1].addr, rig_pattern(62500), OUT_AT_LEAST_ONCE);
    while (received(&r, 1) < 16 && r.now - began < 10 * USEC_SEC)
        rig_run(&r, 10 * USEC_MS);
    usec_t took = r.now - began;
    size_t need = 16 * chunk_plan(62500, 1300).count;
    print_message("1 MB over 1 MB/s: %d ms, %zu chunks for %zu\n", (int)(took / 1000),
                  r.count[BIT_CHUNK], need);
    assert_int_equal(received(&r, 1), 16);
    assert_true(took < 1400 * USEC_MS);
    assert_true(r.count[BIT_CHUNK] * 100 <= need * 105);
    rig_fini(&r);
}

static void test_500_at_once(void **state)
{
    (void)state;
    struct rig r;
    pair(&r, 17);
    for (int i = 0; i < 500; i++)
        (void)rig_send(&r, 0, &r.node[1].addr, rig_pattern(1024), OUT_AT_LEAST_ONCE);
    rig_run(&r, 10 * USEC_SEC);
    assert_int_equal(received(&r, 1), 500);
    assert_true(r.count[BIT_INIT] <= 510);
    assert_true(r.count[BIT_CHUNK] <= 510);
    assert_true(r.count[BIT_DONE] <= 510);
    print_message("500 at once: %zu INIT, %zu CHUNK, %zu DONE, %zu writes of parts, %zu commits\n",
                  r.count[BIT_INIT], r.count[BIT_CHUNK], r.count[BIT_DONE],
                  r.node[1].store.part_writes, r.node[1].store.commits);
    /* Small messages in one go cost one store operation; those before the first answer three. */
    assert_true(r.node[1].store.part_writes <= 64);
    rig_fini(&r);
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
        cmocka_unit_test(test_one_chunk_lost), cmocka_unit_test(test_long_way),
        cmocka_unit_test(test_slow_link),      cmocka_unit_test(test_500_at_once),
        cmocka_unit_test(test_few_slots),      cmocka_unit_test(test_flat_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
