#include "clients/units.h"

#include "base/macros.h"
#include "tests/unit/unit.h"

static void test_bytes(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } rows[] = {
        {0, "0.00 B"},
        {1, "1.00 B"},
        {1023, "1023.00 B"},
        {1024, "1.00 KiB"},
        {1536, "1.50 KiB"},
        {1048575, "1024.00 KiB"},
        {1048576, "1.00 MiB"},
        {35170964, "33.54 MiB"},
        {UINT64_C(1) << 30, "1.00 GiB"},
        {UINT64_C(1) << 40, "1.00 TiB"},
        {UINT64_C(1) << 50, "1.00 PiB"},
        {UINT64_C(1) << 60, "1.00 EiB"},
        {UINT64_MAX, "16.00 EiB"},
    };
    char buf[UNITS_TEXT_MAX];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_string_equal(bytes_text(rows[i].bytes, buf), rows[i].text);
}

static void test_durations(void **state)
{
    static const struct {
        uint64_t seconds;
        const char *text;
    } rows[] = {
        {0, "0s"},
        {59, "59s"},
        {60, "1m 0s"},
        {61, "1m 1s"},
        {453, "7m 33s"},
        {554, "9m 14s"},
        {3599, "59m 59s"},
        {3600, "1h 0m 0s"},
        {86399, "23h 59m 59s"},
        {86400, "1d 0h 0m 0s"},
        {90000, "1d 1h 0m 0s"},
        {5184000, "60d 0h 0m 0s"},
        {UINT64_MAX, "213503982334601d 7h 0m 15s"},
    };
    char buf[UNITS_TEXT_MAX];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_string_equal(duration_text(rows[i].seconds, buf), rows[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_durations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
