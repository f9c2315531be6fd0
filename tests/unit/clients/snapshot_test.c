#include "clients/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

static const char text[] = "# HELP a_total what\n"
                           "# TYPE a_total counter\n"
                           "a_total 3\n"
                           "a_total_more 100\n"
                           "by{of=\"x\"} 1\n"
                           "by{of=\"y\"} 2.5e2\n"
                           "below -4\n"
                           "odd{of\n"
                           "next{of=\"z\"} 9\n"
                           "last 7";

static void test_sums(void **state)
{
    (void)state;
    assert_int_equal(metrics_sum(text, "a_total"), 3);
    assert_int_equal(metrics_sum(text, "by"), 251);
    assert_int_equal(metrics_sum(text, "by{of=\"y\"}"), 250);
    assert_int_equal(metrics_sum(text, "last"), 7);
    assert_int_equal(metrics_sum(text, "below"), 0);
    assert_int_equal(metrics_sum(text, "a"), 0);
    assert_int_equal(metrics_sum("", "a"), 0);
}

/* Nothing beyond the end is looked at, and no value is made up. */
static void test_cut_at_every_length(void **state)
{
    (void)state;
    for (size_t len = 0; len < sizeof(text); len++) {
        char *cut = malloc(len + 1);
        assert_non_null(cut);
        memcpy(cut, text, len);
        cut[len] = '\0';
        assert_true(metrics_sum(cut, "a_total") == 3 ||
                    len < (size_t)(strstr(text, "3\n") + 1 - text));
        assert_true(metrics_sum(cut, "by") <= 251);
        assert_int_equal(metrics_sum(cut, "odd"), 0);
        free(cut);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_cut_at_every_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
