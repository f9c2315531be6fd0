#include "base/clock.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/unit/unit.h"

static void test_mono_advances(void **state)
{
    (void)state;
    usec_t a = usec_now();
    struct timespec pause = {.tv_nsec = 2000000};
    (void)nanosleep(&pause, NULL);
    usec_t b = usec_now();
    assert_true(b - a >= 2 * USEC_MS);
    assert_true(b - a < 60 * USEC_SEC);
}

static void test_instant_is_now(void **state)
{
    (void)state;
    int64_t before = (int64_t)time(NULL) * 1000;
    usec_t mono = usec_now();
    struct instant i = instant_now();
    assert_in_range(i.wall_ms, before - 1000, before + 60000);
    assert_in_range(i.mono, mono, mono + 60 * USEC_SEC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mono_advances),
        cmocka_unit_test(test_instant_is_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
