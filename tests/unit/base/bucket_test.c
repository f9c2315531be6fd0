#include "base/bucket.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

static unsigned take_all(struct bucket *b, uint32_t rate, uint32_t burst, usec_t now)
{
    unsigned n = 0;
    while (n < 1000 && bucket_take(b, rate, burst, now))
        n++;
    return n;
}

static void test_burst_then_rate(void **state)
{
    (void)state;
    struct bucket b = {0};
    usec_t now = 1000 * USEC_SEC;
    assert_int_equal(take_all(&b, 10, 25, now), 25);
    assert_false(bucket_take(&b, 10, 25, now + 99 * USEC_MS));
    assert_true(bucket_take(&b, 10, 25, now + 100 * USEC_MS));
    assert_false(bucket_take(&b, 10, 25, now + 100 * USEC_MS));
    assert_int_equal(take_all(&b, 10, 25, now + USEC_SEC), 9);
    assert_int_equal(take_all(&b, 10, 25, now + 100 * USEC_SEC), 25); /* never above the burst */
}

static void test_rate_zero_does_not_divide(void **state)
{
    (void)state;
    struct bucket b = {0};
    assert_int_equal(take_all(&b, 0, 3, 100 * USEC_SEC), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_burst_then_rate),
        cmocka_unit_test(test_rate_zero_does_not_divide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
