#include "api/problem.h"

#include <jansson.h>
#include <string.h>

#include "base/err.h"
#include "tests/unit/unit.h"

/* Each problem, with and without detail, is the JSON that was promised. */
static void test_write(void **state)
{
    (void)state;
    for (int p = PROBLEM_NONE; p < PROBLEM_END; p++) {
        struct json_out o = {0};
        json_error_t e;
        problem_write(&o, (enum problem)p, p % 2 ? "say \"why\"\n" : NULL);
        assert_false(o.bad);
        json_t *v = json_loadb(o.p, o.len, 0, &e);
        assert_non_null(v);
        assert_string_equal(json_string_value(json_object_get(v, "type")), "about:blank");
        assert_true(json_string_length(json_object_get(v, "title")) > 0);
        assert_int_equal(json_integer_value(json_object_get(v, "status")),
                         problem_status((enum problem)p));
        assert_string_equal(json_string_value(json_object_get(v, "code")),
                            problem_code((enum problem)p));
        if (p % 2)
            assert_string_equal(json_string_value(json_object_get(v, "detail")), "say \"why\"\n");
        else
            assert_null(json_object_get(v, "detail"));
        json_decref(v);
        json_out_fini(&o);
    }
}

static void test_by_status(void **state)
{
    (void)state;
    static const unsigned v[] = {400, 401, 403, 404, 405, 409, 413, 415,
                                 416, 422, 429, 500, 501, 503, 507};
    for (size_t i = 0; i < ARRAY_LEN(v); i++)
        assert_int_equal(problem_status(problem_of_status(v[i])), v[i]);
    assert_string_equal(problem_code(problem_of_status(403)), "forbidden");
    assert_string_equal(problem_code(problem_of_status(422)), "bad-request");
    assert_string_equal(problem_code(problem_of_status(429)), "too-many");
    assert_string_equal(problem_code(problem_of_status(503)), "not-ready");
    assert_int_equal(problem_of_status(418), PROBLEM_INTERNAL);
}

static void test_by_error(void **state)
{
    (void)state;
    assert_int_equal(problem_of_error(ERR_NOENT), PROBLEM_NOT_FOUND);
    assert_int_equal(problem_of_error(ERR_LIMIT), PROBLEM_TOO_MANY);
    assert_int_equal(problem_of_error(ERR_NOSPACE), PROBLEM_STORE_FULL);
    assert_int_equal(problem_of_error(ERR_IO), PROBLEM_STORE_FAILED);
    assert_int_equal(problem_of_error(ERR_PERM), PROBLEM_FORBIDDEN);
    assert_int_equal(problem_of_error(ERR_CRYPTO), PROBLEM_INTERNAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_by_status),
        cmocka_unit_test(test_by_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
