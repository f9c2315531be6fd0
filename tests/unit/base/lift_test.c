#include "base/lift.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/unit/unit.h"

struct lifted {
    int rc;
    bool found;
    char text[512], value[512];
};

static struct lifted lift_as(const char *in, size_t len, size_t step, size_t text_max,
                             const char *mark, size_t min)
{
    struct lifted r = {0};
    struct lift l;
    size_t got = 0;
    if (mark)
        lift_init_deep(&l, "payload", text_max, mark, min);
    else
        lift_init(&l, "payload", text_max);
    for (size_t at = 0; at < len && r.rc == OK; at += step) {
        size_t n = MIN(step, len - at), value_len = 0;
        uint8_t *piece = malloc(n); /* in memory of their own, for the sanitizers */
        char *value = malloc(n + min);
        assert_non_null(piece);
        assert_non_null(value);
        memcpy(piece, in + at, n);
        r.rc = lift_feed(&l, piece, n, value, &value_len);
        if (r.rc == OK) {
            memcpy(r.value + got, value, value_len);
            got += value_len;
        }
        free(piece);
        free(value);
    }
    r.found = l.found;
    if (l.text_len > 0)
        memcpy(r.text, l.text, l.text_len);
    lift_fini(&l);
    return r;
}

static struct lifted lift(const char *in, size_t len, size_t step, size_t text_max)
{
    return lift_as(in, len, step, text_max, NULL, 0);
}

/* In objects at any depth, with a mark; however the text is cut. */
static void test_deep(void **state)
{
    (void)state;
    static const struct {
        const char *in, *text, *value; /* value NULL: none is found */
        size_t min;
    } v[] = {
        {"{\"params\":[{\"payload\":\"aGk=\"}],\"id\":1}",
         "{\"params\":[{\"payload\":\"\\u0000\"}],\"id\":1}", "aGk=", 3},
        {"{\"payload\":\"aGk=\"}", "{\"payload\":\"aGk=\"}", NULL, 4},
        {"[{\"a\":[\"payload\",\"x\"]},{\"b\":{\"payload\":\"y\"}},{\"payload\":\"z\"}]",
         "[{\"a\":[\"payload\",\"x\"]},{\"b\":{\"payload\":\"\\u0000\"}},{\"payload\":\"z\"}]", "y",
         0},
        {"[{\"payload\":\"y\"},{\"payload\":\"long\\/er\"},{\"payload\":\"longest\"}]",
         "[{\"payload\":\"y\"},{\"payload\":\"\\u0000\"},{\"payload\":\"longest\"}]", "long/er", 4},
        {"{\"payload\":[\"x\"],\"b\":\"x\",\"c\":{},\"payload\":\"y\"}",
         "{\"payload\":[\"x\"],\"b\":\"x\",\"c\":{},\"payload\":\"\\u0000\"}", "y", 0},
        {"{\"payload\":{\"a\":1},\"b\":\"x\"}", "{\"payload\":{\"a\":1},\"b\":\"x\"}", NULL, 0},
        {"[\"payload\",\"x\"]", "[\"payload\",\"x\"]", NULL, 0},
        {"{\"payload\":\"\"}", "{\"payload\":\"\"}", NULL, 0},
        {"{\"payload\":\"\\u0041\\\"b\",\"b\":\"payload\"}",
         "{\"payload\":\"\\u0000\",\"b\":\"payload\"}", "A\"b", 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(v); i++)
        for (size_t step = 1; step <= strlen(v[i].in); step++) {
            struct lifted r = lift_as(v[i].in, strlen(v[i].in), step, 400, "\\u0000", v[i].min);
            assert_int_equal(r.rc, OK);
            assert_string_equal(r.text, v[i].text);
            assert_int_equal(r.found, v[i].value != NULL);
            assert_string_equal(r.value, v[i].value ? v[i].value : "");
        }
}

/* Deeper than that nothing is looked at, and what is less deep still is. */
static void test_too_deep(void **state)
{
    char in[1024] = "", want[1024];
    struct lifted r;
    (void)state;
    for (int i = 0; i <= LIFT_DEPTH; i++)
        strcat(in, "{\"a\":");
    strcat(in, "{\"payload\":\"x\"}");
    memcpy(want, in, sizeof(want));
    r = lift_as(in, strlen(in), 7, 500, "m", 0);
    assert_false(r.found);
    assert_string_equal(r.text, want);
    for (int i = 0; i <= LIFT_DEPTH; i++)
        strcat(in, "}");
    in[strlen(in) - 1] = '\0';
    strcat(in, ",\"payload\":\"y\"}");
    r = lift_as(in, strlen(in), 7, 500, "m", 0);
    assert_true(r.found);
    assert_string_equal(r.value, "y");
}

static void test_lift(void **state)
{
    (void)state;
    static const struct {
        const char *in, *text, *value; /* value NULL: none is found */
    } v[] = {
        {"{\"payload\":\"aGk=\"}", "{\"payload\":\"\"}", "aGk="},
        {" { \"a\" : [ 1 , {\"payload\":\"x\"}, \"payload\" ] , \"payload\" : \"y\" , \"b\":{} } ",
         " { \"a\" : [ 1 , {\"payload\":\"x\"}, \"payload\" ] , \"payload\" : \"\" , \"b\":{} } ",
         "y"},
        {"{\"payload\":\"\"}", "{\"payload\":\"\"}", ""},
        {"{\"payload\":\"a\\/b\\u002b\\\"\\\\\\n\\u00e9\"}", "{\"payload\":\"\"}",
         "a/b+\"\\\n\xff"},
        {"{\"payload\":\"a\",\"payload\":\"b\"}", "{\"payload\":\"\",\"payload\":\"b\"}", "a"},
        {"{\"payload\":5,\"topic\":\"payload\"}", "{\"payload\":5,\"topic\":\"payload\"}", NULL},
        {"{\"payload\":{\"payload\":\"x\"}}", "{\"payload\":{\"payload\":\"x\"}}", NULL},
        {"{\"payload\":[\"x\"]}", "{\"payload\":[\"x\"]}", NULL},
        {"[\"payload\",\"x\"]", "[\"payload\",\"x\"]", NULL},
        {"[{\"payload\":\"x\"}]", "[{\"payload\":\"x\"}]", NULL},
        {"\"payload\":\"x\"", "\"payload\":\"x\"", NULL},
        {"{\"payloads\":\"x\",\"pay\":\"y\"}", "{\"payloads\":\"x\",\"pay\":\"y\"}", NULL},
        {"{\"pay\\u006coad\":\"x\"}", "{\"pay\\u006coad\":\"x\"}", NULL},
        {"{\"k\":\"\\\"payload\\\":\",\"payload\":\"x\"}",
         "{\"k\":\"\\\"payload\\\":\",\"payload\":\"\"}", "x"},
        /* what is no JSON goes to the parser as it is */
        {"}}{\"payload\" \"x\"}", "}}{\"payload\" \"x\"}", NULL},
        {"", "", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        size_t len = strlen(v[i].in);
        for (size_t step = 1; step <= len + 1; step++) {
            struct lifted r = lift(v[i].in, len, step, 512);
            assert_int_equal(r.rc, OK);
            assert_string_equal(r.text, v[i].text);
            assert_int_equal(r.found, v[i].value != NULL);
            if (v[i].value)
                assert_string_equal(r.value, v[i].value);
        }
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const v[] = {"{\"payload\":\"a\nb\"}", "{\"payload\":\"a\\xb\"}",
                                    "{\"payload\":\"\\u00g0\"}", "{\"payload\":\"\\u\"}"};
    for (size_t i = 0; i < ARRAY_LEN(v); i++)
        for (size_t step = 1; step <= strlen(v[i]); step++)
            assert_int_equal(lift(v[i], strlen(v[i]), step, 512).rc, ERR_MALFORMED);
    static const char zero[] = "{\"payload\":\"a\0b\"}";
    assert_int_equal(lift(zero, sizeof(zero) - 1, 100, 512).rc, ERR_MALFORMED);
    static const char long_one[] = "{\"payload\":\"0123456789\",\"t\":\"0123456789\"}";
    size_t kept = sizeof(long_one) - 1 - 10;
    assert_int_equal(lift(long_one, sizeof(long_one) - 1, 7, kept).rc, OK);
    assert_int_equal(lift(long_one, sizeof(long_one) - 1, 7, kept - 1).rc, ERR_TOOBIG);
}

/* Cut anywhere, what is left is never whole JSON. */
static void test_cut(void **state)
{
    (void)state;
    static const char in[] =
        "{\"dst\":{\"ip\":\"400::1\"},\"payload\":\"aGVs\\/bG8=\",\"topic\":null}";
    for (size_t len = 0; len < sizeof(in); len++) {
        struct lifted r = lift(in, len, 3, 512);
        json_t *j = json_loads(r.text, 0, NULL);
        assert_int_equal(r.rc, OK);
        assert_int_equal(j != NULL, len == sizeof(in) - 1);
        json_decref(j);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lift),     cmocka_unit_test(test_deep),
        cmocka_unit_test(test_too_deep), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
