#include "router/metric.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>

static void seqno_order(void **state)
{
    (void)state;
    assert_true(seqno_lt(0, 32767));
    assert_true(seqno_lt(65535, 0));
    assert_true(seqno_lt(3, 30000));
    assert_true(seqno_gt(0, 32769));
    assert_true(seqno_gt(0, 65535));
    assert_true(seqno_gt(6, 60000));
    assert_false(seqno_lt(0, 32768));
    assert_false(seqno_gt(0, 32768));
    assert_false(seqno_lt(32768, 0));
    assert_false(seqno_gt(32768, 0));
    for (unsigned i = 0; i < 65536; i++) {
        assert_false(seqno_lt((uint16_t)i, (uint16_t)i));
        assert_false(seqno_gt((uint16_t)i, (uint16_t)i));
        assert_int_equal(seqno_lt(17, (uint16_t)i), seqno_gt((uint16_t)i, 17));
    }
}

static void metric_arithmetic(void **state)
{
    (void)state;
    assert_int_equal(metric_add(65000, 534), 65534);
    assert_int_equal(metric_add(65000, 535), 65534);
    assert_int_equal(metric_add(65000, 600), 65534);
    assert_int_equal(metric_add(65000, 1000), 65534);
    assert_int_equal(metric_add(65534, 1), 65534);
    assert_int_equal(metric_add(65535, 0), 65535);
    assert_int_equal(metric_add(1, 65535), 65535);
    assert_int_equal(metric_add(65535, 1), 65535);
    assert_int_equal(metric_sub(5, 10), 0);
    assert_int_equal(metric_sub(15, 10), 5);
    assert_int_equal(metric_sub(65535, 10), 65535);
    assert_int_equal(metric_change(5, 65535), 65530);
    assert_int_equal(metric_change(1020, 1010), 10);
}

static void hold_times(void **state)
{
    (void)state;
    assert_int_equal(hold_time(0), 0);
    assert_int_equal(hold_time(1), 35 * USEC_MS);
    assert_int_equal(hold_time(47), 1645 * USEC_MS);
    assert_int_equal(hold_time(100), 3500 * USEC_MS);
    assert_int_equal(hold_time(30000), 1050000 * USEC_MS);
    assert_int_equal(hold_time(65535), 2293725 * USEC_MS);
}

static void assert_series(uint32_t sample, const uint32_t *want, size_t len)
{
    uint32_t v = LINK_COST_INITIAL;
    for (size_t i = 0; i < len; i++) {
        v = link_cost_smooth(v, sample);
        assert_int_equal(v, want[i]);
    }
}

static uint32_t converged(uint32_t sample, unsigned rounds)
{
    uint32_t v = LINK_COST_INITIAL;
    for (unsigned i = 0; i < rounds; i++)
        v = link_cost_smooth(v, sample);
    return v;
}

static void smoothing(void **state)
{
    (void)state;
    static const uint32_t zero[] = {900, 810, 729, 656, 590, 531, 477, 429, 386, 347, 312, 280};
    static const uint32_t hundred[] = {910, 829, 756, 690};
    static const uint32_t two_thousand[] = {1100, 1190, 1271, 1343};
    static const uint32_t most[] = {7453, 13261};
    assert_series(0, zero, ARRAY_LEN(zero));
    assert_series(100, hundred, ARRAY_LEN(hundred));
    assert_series(2000, two_thousand, ARRAY_LEN(two_thousand));
    assert_series(65535, most, ARRAY_LEN(most));
    assert_int_equal(converged(0, 50), 0);
    assert_int_equal(converged(100, 200), 100);
    assert_int_equal(converged(2000, 200), 1991);
    assert_int_equal(converged(65535, 500), 65526);
}

/* Three samples without history, then the smoothing; a stall counts as five seconds. */
static void link_cost(void **state)
{
    (void)state;
    struct link_cost c = {.smoothed = LINK_COST_INITIAL};
    assert_int_equal(link_cost_total(&c, 10), 1010);
    link_cost_sample(&c, 10 * USEC_MS + 999);
    assert_int_equal(link_cost_total(&c, 0), 10);
    link_cost_sample(&c, 90 * USEC_MS);
    assert_int_equal(link_cost_total(&c, 15), 105);
    link_cost_sample(&c, 20 * USEC_MS);
    assert_int_equal(link_cost_total(&c, 0), 20);
    link_cost_sample(&c, 120 * USEC_MS);
    assert_int_equal(link_cost_total(&c, 0), 30);
    link_cost_sample(&c, 3600 * USEC_SEC);
    assert_int_equal(link_cost_total(&c, 0), 527);
    link_cost_sample(&c, -5); /* never: but no wrap either */
    assert_int_equal(link_cost_total(&c, 0), 474);
    assert_int_equal(link_cost_total(&c, 65535), 65534);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seqno_order), cmocka_unit_test(metric_arithmetic),
        cmocka_unit_test(hold_times),  cmocka_unit_test(smoothing),
        cmocka_unit_test(link_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
