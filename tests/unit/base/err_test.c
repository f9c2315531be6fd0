#include "base/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

static void test_every_code_has_its_text(void **state)
{
    (void)state;
#define X(name, text)                                                                              \
    assert_true(ERR_##name < 0);                                                                   \
    assert_string_equal(err_str(ERR_##name), text);
    ERR_LIST(X)
#undef X
    assert_string_equal(err_str(OK), "ok");
}

static void test_foreign_codes(void **state)
{
    (void)state;
    assert_string_equal(err_str(1), "unknown error");
    assert_string_equal(err_str(-(int)ERR_INDEX_END), "unknown error");
    assert_string_equal(err_str(-1000000), "unknown error");
    assert_string_equal(err_str(INT32_MIN), "unknown error");
    assert_string_equal(err_str(INT32_MAX), "unknown error");
}

static void test_errno(void **state)
{
    (void)state;
    assert_int_equal(err_from_errno(ENOMEM), ERR_NOMEM);
    assert_int_equal(err_from_errno(ENOENT), ERR_NOENT);
    assert_int_equal(err_from_errno(EEXIST), ERR_EXIST);
    assert_int_equal(err_from_errno(ENOSPC), ERR_NOSPACE);
    assert_int_equal(err_from_errno(EDQUOT), ERR_NOSPACE);
    assert_int_equal(err_from_errno(EACCES), ERR_PERM);
    assert_int_equal(err_from_errno(ECONNRESET), ERR_CLOSED);
    assert_int_equal(err_from_errno(ETIMEDOUT), ERR_TIMEOUT);
    assert_int_equal(err_from_errno(EIO), ERR_IO);
    for (int e = 0; e < 4096; e++) /* never OK: a failure stays one */
        assert_true(err_from_errno(e) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_has_its_text),
        cmocka_unit_test(test_foreign_codes),
        cmocka_unit_test(test_errno),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
