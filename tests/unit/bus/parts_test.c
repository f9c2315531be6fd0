/* The small parts of the bus, each on its own: flow, seen, reads, sparse, ops. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/list.h"
#include "base/rng.h"
#include "bus/flow.h"
#include "bus/ops.h"
#include "bus/reads.h"
#include "bus/seen.h"
#include "bus/sparse.h"
#include "tests/unit/unit.h"

/* --- flow --------------------------------------------------------------------------------- */

static void test_flow_timer(void **state)
{
    (void)state;
    struct flow f;
    flow_init(&f);
    assert_int_equal(flow_timer(&f, 0), 500 * USEC_MS);
    assert_int_equal(flow_timer(&f, 1), 1000 * USEC_MS);
    assert_int_equal(flow_timer(&f, 20), 30 * USEC_SEC);
    flow_rtt(&f, 1 * USEC_MS, 1);
    assert_int_equal(flow_timer(&f, 0), 200 * USEC_MS);
    flow_init(&f);
    flow_rtt(&f, 100 * USEC_MS, 1);
    assert_int_equal(flow_timer(&f, 0), 300 * USEC_MS); /* srtt + 4 * srtt / 2 */
    flow_init(&f);
    flow_rtt(&f, 60 * USEC_SEC, 1);
    assert_int_equal(flow_timer(&f, 0), 5 * USEC_SEC);
    flow_rtt(&f, -1, 2); /* a clock that went backwards says nothing */
    assert_int_equal(f.srtt, 60 * USEC_SEC);
}

/* A path with this rate and delay, always something to send: the window fills it and not much more.
 * ACKs come in clumps of one turn of `clump`. Returns the most under way in the last tenth. */
static uint32_t run_path(struct flow *f, double rate, usec_t delay, usec_t clump, usec_t for_time)
{
    enum { MAX_FLIGHT = 8192 };
    static struct flow_stamp flight[MAX_FLIGHT];
    static usec_t back[MAX_FLIGHT];
    usec_t now = USEC_SEC, until = now + for_time, free_at = now;
    uint32_t head = 0, count = 0, most = 0;
    while (now < until) {
        while (count < f->window && count < MAX_FLIGHT && flow_pace(f, now) <= now) {
            uint32_t i = (head + count) % MAX_FLIGHT;
            flow_sent(f, &flight[i], count, true, now);
            free_at = MAX(free_at, now) + (usec_t)(1e6 / rate);
            back[i] = free_at + delay;
            count++;
        }
        if (now > until - for_time / 10)
            most = MAX(most, count);
        now += 100;
        if (now % clump != 0)
            continue;
        for (; count > 0 && back[head] <= now; head = (head + 1) % MAX_FLIGHT) {
            count--;
            flow_acked(f, &flight[head], true, count, now);
        }
    }
    return most;
}

static void test_flow_window(void **state)
{
    (void)state;
    static const struct {
        double rate;
        usec_t delay;
    } paths[] = {
        {1000, 10 * USEC_MS}, {5000, 50 * USEC_MS}, {700, 1 * USEC_MS}, {20, 20 * USEC_MS}};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct flow f;
        flow_init(&f);
        assert_int_equal(f.window, FLOW_WINDOW_START);
        uint32_t most = run_path(&f, paths[i].rate, paths[i].delay, 100, 20 * USEC_SEC);
        double product = paths[i].rate * (double)(paths[i].delay + FLOW_ACK_DELAY) / 1e6;
        print_message("rate %.0f/s delay %d ms: window %u, product %.0f, under way %u, "
                      "delivered %d\n",
                      paths[i].rate, (int)(paths[i].delay / 1000), f.window, product, most,
                      (int)f.delivered);
        assert_true(most <= 2 * product + FLOW_WINDOW_MIN); /* no queue that stays */
        assert_true((double)f.delivered > 0.93 * 20 * paths[i].rate);
        assert_true(f.window >= FLOW_WINDOW_MIN);
        assert_true((double)f.window >= product &&
                    (double)f.window <= 4 * product + 3 * FLOW_WINDOW_MIN);
        assert_false(f.starting);
    }
}

/* ACKs for many chunks at once do not make the path look faster than it is. */
static void test_flow_clumps(void **state)
{
    (void)state;
    struct flow f;
    flow_init(&f);
    f.ack_delay = FLOW_ACK_DELAY_OURS;
    uint32_t most = run_path(&f, 5000, 50 * USEC_MS, 10 * USEC_MS, 20 * USEC_SEC);
    double product = 5000 * 0.060;
    print_message("clumps of 10 ms: window %u, product %.0f, under way %u, delivered %d\n",
                  f.window, product, most, (int)f.delivered);
    assert_true(f.window >= product && f.window <= 3 * product);
    assert_true(most <= 2 * product);
    assert_true((double)f.delivered > 0.93 * 20 * 5000);
}

/* Little to send does not open the window, and a pause is no proof of a slow path. */
static void test_flow_app_limited(void **state)
{
    (void)state;
    struct flow f;
    flow_init(&f);
    for (int i = 0; i < 10000; i++) {
        struct flow_stamp s;
        usec_t now = USEC_SEC * (i + 1);
        flow_sent(&f, &s, 0, false, now);
        assert_true(s.app_limited);
        flow_acked(&f, &s, true, 0, now + 10 * USEC_MS);
    }
    assert_int_equal(f.window, FLOW_WINDOW_START);
    assert_true(f.starting);
}

static void test_flow_lost(void **state)
{
    (void)state;
    struct flow f;
    struct flow_stamp s[40];
    flow_init(&f);
    flow_rtt(&f, 10 * USEC_MS, 1);
    for (uint32_t i = 0; i < 40; i++)
        flow_sent(&f, &s[i], i, true, 1000);
    for (uint32_t i = 1; i <= 16; i++) {
        assert_false(flow_lost(&f, &s[0], 1000 + 20 * USEC_MS));
        flow_acked(&f, &s[i], false, 40 - i, 1000 + 10 * USEC_MS);
    }
    assert_false(flow_lost(&f, &s[0], 1000 + 74 * USEC_MS)); /* its ACK may wait for others */
    assert_true(flow_lost(&f, &s[0], 1000 + 75 * USEC_MS));
    f.ack_delay = 0;
    f.rttvar = 0;
    assert_false(flow_lost(&f, &s[0], 1000 + 12 * USEC_MS)); /* not old enough */
    assert_true(flow_lost(&f, &s[0], 1000 + 13 * USEC_MS));
    f.rttvar = 5 * USEC_MS; /* the path is not that regular */
    assert_false(flow_lost(&f, &s[0], 1000 + 19 * USEC_MS));
    assert_true(flow_lost(&f, &s[0], 1000 + 20 * USEC_MS));
}

/* --- seen --------------------------------------------------------------------------------- */

static int add(struct seen *s, uint64_t node, const struct msg_id *id, bool reply,
               const uint8_t *sum, uint64_t len, usec_t now)
{
    struct bus_seen_row row = {.node = node, .id = *id, .reply = reply, .len = len, .count = 1};
    memcpy(row.sum, sum, sizeof(row.sum));
    return seen_add(s, &row, 600000, now);
}

static void test_seen(void **state)
{
    (void)state;
    struct rng rng;
    struct seen s;
    struct msg_id id = {.b = {1}}, other = {.b = {2}};
    uint8_t a[MSG_SUM_BYTES] = {1}, b[MSG_SUM_BYTES] = {2};
    usec_t now = 77 * USEC_SEC;
    rng_init_seeded(&rng, 1);
    assert_int_equal(seen_init(&s, 1000, &rng, now), OK);
    assert_int_equal(add(&s, 5, &id, false, a, 10, now), OK);
    assert_non_null(seen_find(&s, 5, &id, now));
    assert_null(seen_find(&s, 6, &id, now));
    assert_null(seen_find(&s, 5, &other, now));
    assert_non_null(seen_find_sum(&s, 5, &id, a, now));
    assert_null(seen_find_sum(&s, 5, &id, b, now));
    /* Replies: several with one id, told apart by their checksum, never found without. */
    assert_int_equal(add(&s, 5, &other, true, a, 10, now), OK);
    assert_int_equal(add(&s, 5, &other, true, b, 10, now), OK);
    assert_null(seen_find(&s, 5, &other, now));
    assert_true(seen_find_sum(&s, 5, &other, a, now)->reply);
    assert_true(seen_find_sum(&s, 5, &other, b, now)->reply);
    struct seen_entry *e = seen_find(&s, 5, &id, now);
    assert_true(seen_answer(&s, e, 50 * USEC_MS, now));
    assert_false(seen_answer(&s, e, 50 * USEC_MS, now + 40 * USEC_MS));
    assert_true(seen_answer(&s, e, 50 * USEC_MS, now + 60 * USEC_MS));
    assert_non_null(seen_find(&s, 5, &id, now + 599 * USEC_SEC));
    assert_null(seen_find(&s, 5, &id, now + 603 * USEC_SEC));
    struct instant later = {.mono = now + 603 * USEC_SEC};
    assert_int_equal(seen_expire(&s, NULL, 0, later.mono, later.wall_ms), 0);
    assert_int_equal(s.count, 0);
    seen_fini(&s);
}

static void test_seen_limit(void **state)
{
    (void)state;
    struct rng rng;
    struct seen s;
    uint8_t sum[MSG_SUM_BYTES] = {1};
    rng_init_seeded(&rng, 1);
    assert_int_equal(seen_init(&s, 100, &rng, 0), OK);
    for (unsigned i = 0; i < 100; i++) {
        struct msg_id id = {.b = {(uint8_t)i}};
        assert_true(seen_room(&s, 0, 0));
        assert_int_equal(add(&s, 1, &id, false, sum, 1, 0), OK);
    }
    assert_false(seen_room(&s, 0, 0));
    assert_false(seen_room(&s, 0, 320 * USEC_SEC)); /* too young to go */
    assert_true(seen_room(&s, 0, 335 * USEC_SEC));
    assert_int_equal(s.count, 0);
    /* One id again and again: the newest counts. */
    struct msg_id id = {.b = {7}};
    for (uint8_t i = 0; i < 10; i++) {
        sum[0] = i;
        assert_int_equal(add(&s, 1, &id, false, sum, i, 335 * USEC_SEC), OK);
    }
    assert_int_equal(seen_find(&s, 1, &id, 335 * USEC_SEC)->len, 9);
    assert_int_equal(s.map.count, 1);
    seen_fini(&s);
}

/* --- reads -------------------------------------------------------------------------------- */

static void test_reads(void **state)
{
    (void)state;
    struct reads r;
    struct ip6 src = {.b = {4, 1}}, dst = {.b = {4, 2}}, s, d;
    struct msg_id id = {.b = {3}}, i;
    struct rng reads_rng;
    rng_init_seeded(&reads_rng, 1);
    assert_int_equal(reads_init(&r, &reads_rng), OK);
    assert_int_equal(reads_deadline(&r), USEC_NEVER);
    reads_add(&r, &src, &dst, &id, false, 0);
    assert_int_equal(reads_deadline(&r), USEC_SEC);
    assert_false(reads_next(&r, &s, &d, &i, USEC_SEC - 1));
    assert_true(reads_next(&r, &s, &d, &i, USEC_SEC));
    assert_true(ip6_eq(&s, &src) && ip6_eq(&d, &dst));
    assert_int_equal(reads_deadline(&r), 5 * USEC_SEC);
    assert_true(reads_next(&r, &s, &d, &i, 5 * USEC_SEC));
    assert_int_equal(r.count, 0);
    for (int k = 0; k < READS_MAX + 10; k++)
        reads_add(&r, &src, &dst, &id, false, 0);
    assert_int_equal(r.count, READS_MAX);
    reads_fini(&r);
}

/* --- sparse ------------------------------------------------------------------------------- */

static void test_sparse(void **state)
{
    (void)state;
    struct rng rng;
    rng_init_seeded(&rng, 4);
    for (int round = 0; round < 20; round++) {
        struct sparse s;
        uint32_t len = (uint32_t)rng_below(&rng, MSG_LEN_MAX) + 1;
        uint8_t *twin = calloc(1, len), *copy = malloc(len);
        sparse_init(&s, len);
        for (int k = 0; k < 100; k++) {
            uint32_t at = (uint32_t)rng_below(&rng, len);
            uint32_t n = (uint32_t)rng_below(&rng, MIN(len - at, 3000u)) + 1;
            n = MIN(n, len - at);
            uint8_t data[3001];
            rng_bytes(&rng, data, n);
            memcpy(twin + at, data, n);
            assert_int_equal(sparse_put(&s, at, data, n), OK);
            assert_true(sparse_has(&s, at, data, n));
            data[n - 1] ^= 1;
            assert_false(sparse_has(&s, at, data, n));
        }
        uint8_t a[BLAKE3_OUT_LEN], b[BLAKE3_OUT_LEN];
        sparse_get(&s, 0, copy, len);
        assert_memory_equal(copy, twin, len);
        sparse_hash(&s, a);
        blake3(twin, len, b);
        assert_memory_equal(a, b, sizeof(a));
        assert_true(s.bytes <= len);
        sparse_fini(&s);
        free(twin);
        free(copy);
    }
    /* One byte at the end of a long message costs one page. */
    struct sparse s;
    sparse_init(&s, MSG_LEN_MAX);
    assert_int_equal(sparse_put(&s, MSG_LEN_MAX - 1, (const uint8_t *)"x", 1), OK);
    assert_int_equal(s.bytes, SPARSE_PAGE_BYTES);
    sparse_fini(&s);
}

/* --- ops ---------------------------------------------------------------------------------- */

static void test_ops(void **state)
{
    (void)state;
    struct rng rng;
    struct ops o;
    struct op a = {.owner = OP_OUT}, b = {.owner = OP_PART};
    rng_init_seeded(&rng, 5);
    assert_int_equal(ops_init(&o, &rng), OK);
    op_want(&o, &a);
    op_want(&o, &b);
    op_want(&o, &a); /* once is enough */
    assert_ptr_equal(ops_next(&o), &a);
    uint64_t tag = a.tag;
    assert_ptr_equal(ops_next(&o), &b);
    assert_null(ops_next(&o));
    op_want(&o, &a); /* under way: again afterwards */
    assert_null(ops_next(&o));
    assert_ptr_equal(ops_result(&o, tag), &a);
    assert_null(ops_result(&o, tag));
    assert_ptr_equal(ops_next(&o), &a);
    assert_int_not_equal(a.tag, tag);
    op_drop(&o, &a);
    assert_null(ops_result(&o, a.tag));
    op_drop(&o, &b);
    ops_fini(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flow_timer),  cmocka_unit_test(test_flow_window),
        cmocka_unit_test(test_flow_clumps), cmocka_unit_test(test_flow_app_limited),
        cmocka_unit_test(test_flow_lost),   cmocka_unit_test(test_seen),
        cmocka_unit_test(test_seen_limit),  cmocka_unit_test(test_reads),
        cmocka_unit_test(test_sparse),      cmocka_unit_test(test_ops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
