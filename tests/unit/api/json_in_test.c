#include "api/json_in.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "tests/unit/unit.h"

#define SHAPE  "Failed to deserialize the JSON body into the target type: "
#define SYNTAX "Failed to parse the request body as JSON: "

/* In memory of its own size, for the sanitizers. */
static json_t *parse(const char *text, size_t len, struct json_fault *fault)
{
    uint8_t *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    memcpy(copy, text, len);
    *fault = (struct json_fault){0};
    json_t *v = json_body(copy, len, fault);
    free(copy);
    assert_true((v == NULL) == (fault->status != 0));
    if (!v)
        assert_true(utf8_valid(fault->text, strlen(fault->text)));
    return v;
}

static unsigned status(const char *text, size_t len)
{
    struct json_fault f;
    json_decref(parse(text, len, &f));
    return f.status;
}

static void test_valid(void **state)
{
    (void)state;
    static const char *const good[] = {"0",
                                       " -0 ",
                                       "12.5e+3",
                                       "1E5",
                                       "1e-5",
                                       "18446744073709551616",
                                       "true",
                                       "false",
                                       "null",
                                       "\"\"",
                                       "[]",
                                       "{}",
                                       "[ ]",
                                       "{ }",
                                       "[1,[2,{\"a\":[]}],\"x\"]",
                                       "{\"a\":1,\"b\":{\"a\":null}}",
                                       "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\\uD83D\\uDE00\"",
                                       "\"\xc3\xa4\xf0\x9f\x98\x80\"",
                                       "\t\r\n[\n1 , 2 ]"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        if (status(good[i], strlen(good[i])) != 0)
            fail_msg("refused: %s", good[i]);
        for (size_t len = 0; len < strlen(good[i]); len++) { /* cut: a value or no JSON */
            unsigned s = status(good[i], len);
            assert_true(s == 0 || s == 400);
        }
    }
}

static void test_no_json(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      " ",
                                      "x",
                                      "tru",
                                      "truex",
                                      "nul",
                                      "01",
                                      "-",
                                      "1.",
                                      ".5",
                                      "1e",
                                      "+1",
                                      "\"",
                                      "\"\\",
                                      "\"\\\"",
                                      "\"\\x\"",
                                      "\"\\\xc3\xa4\"",
                                      "\"\\u12\"",
                                      "\"\\u12g4\"",
                                      "\"\\ud800\"",
                                      "\"\\udc00\"",
                                      "\"\\ud800\\u0041\"",
                                      "\"\n\"",
                                      "\"\x01\"",
                                      "\"\xff\"",
                                      "\"\xc3\"",
                                      "\xef\xbb\xbf{}",
                                      "[",
                                      "[1",
                                      "[1,",
                                      "[1,]",
                                      "[,1]",
                                      "[1 2]",
                                      "]",
                                      "{",
                                      "{\"a\"",
                                      "{\"a\":",
                                      "{\"a\":1",
                                      "{\"a\":1,",
                                      "{\"a\":1,}",
                                      "{a:1}",
                                      "{1:1}",
                                      "{\"a\" 1}",
                                      "{,}",
                                      "{\"a\":1 \"b\":2}",
                                      "{\"a\\u0000\":1}",
                                      "1 2",
                                      "{} x",
                                      "[]]"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct json_fault f;
        json_t *v = parse(bad[i], strlen(bad[i]), &f);
        if (v)
            fail_msg("taken: %s", bad[i]);
        assert_int_equal(f.status, 400);
        assert_memory_equal(f.text, SYNTAX, strlen(SYNTAX));
        assert_non_null(strstr(f.text, " at line 1 column "));
    }
    struct json_fault f = {0};
    assert_null(json_body(NULL, 0, &f));
    assert_int_equal(f.status, 400);
}

/* Written as an escape a zero byte is a character like others, as itself it never stands in JSON.
 */
static void test_zero_bytes(void **state)
{
    (void)state;
    static const char whole[] = "{\"a\":[1,true,\"b\"]}";
    struct json_fault f;
    for (size_t at = 0; at <= strlen(whole); at++) {
        char text[sizeof(whole) + 1] = "";
        memcpy(text, whole, at);
        memcpy(text + at + 1, whole + at, strlen(whole) - at);
        assert_int_equal(status(text, sizeof(whole)), 400);
    }
    json_t *v = parse("\"a\\u0000b\"", 10, &f);
    assert_int_equal(json_string_length(v), 3);
    assert_null(json_line(v));
    json_decref(v);
    v = parse("\"a\\nb\"", 6, &f);
    assert_string_equal(json_line(v), "a\nb");
    json_decref(v);
}

static void test_twice(void **state)
{
    (void)state;
    static const char *const twice[] = {"{\"a\":1,\"a\":1}", "{\"a\":1,\"\\u0061\":2}",
                                        "[{\"b\":{\"\":0,\"x\":1,\"\":0}}]"};
    for (size_t i = 0; i < ARRAY_LEN(twice); i++) {
        struct json_fault f;
        assert_null(parse(twice[i], strlen(twice[i]), &f));
        assert_int_equal(f.status, 422);
        assert_memory_equal(f.text, SHAPE "duplicate", strlen(SHAPE "duplicate"));
    }
}

/* `depth` opening brackets and their closing ones. */
static unsigned nested(size_t depth)
{
    char *text = malloc(2 * depth);
    assert_non_null(text);
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    unsigned s = status(text, 2 * depth);
    free(text);
    return s;
}

static void test_limits(void **state)
{
    (void)state;
    assert_int_equal(nested(1000), 0);
    assert_int_equal(nested(5000), 400); /* the library has a limit for the stack's sake */
    assert_int_equal(nested(JSON_BODY_MAX / 2), 400);
    assert_int_equal(nested(JSON_BODY_MAX / 2 + 1), 413);
    char *text = malloc(JSON_BODY_MAX + 1);
    assert_non_null(text);
    memset(text, ' ', JSON_BODY_MAX + 1);
    text[0] = '1';
    assert_int_equal(status(text, JSON_BODY_MAX), 0);
    struct json_fault f;
    assert_null(parse(text, JSON_BODY_MAX + 1, &f));
    assert_int_equal(f.status, 413);
    assert_string_equal(f.text, "Failed to buffer the request body: length limit exceeded");
    free(text);
}

static void *no_memory(size_t len)
{
    (void)len;
    return NULL;
}

static void test_no_memory(void **state)
{
    (void)state;
    json_malloc_t allocate;
    json_free_t release;
    struct json_fault f;
    json_get_alloc_funcs(&allocate, &release);
    json_set_alloc_funcs(no_memory, release);
    json_t *v = parse("{}", 2, &f);
    json_set_alloc_funcs(allocate, release);
    assert_null(v);
    assert_int_equal(f.status, 503);
}

/* The first fault stays. */
static void test_refusals(void **state)
{
    (void)state;
    static const char *const kinds[][2] = {
        {"{}", "map"},     {"[]", "sequence"},  {"\"\"", "string"},   {"5", "number"},
        {"5.5", "number"}, {"true", "boolean"}, {"false", "boolean"}, {"null", "null"},
    };
    struct json_fault f;
    char want[128];
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        json_t *v = parse(kinds[i][0], strlen(kinds[i][0]), &f);
        assert_int_equal(json_wrong_kind(&f, "a.b", v, "a thing"), ERR_INVAL);
        (void)snprintf(want, sizeof(want), SHAPE "a.b: invalid type: %s, expected a thing",
                       kinds[i][1]);
        assert_int_equal(f.status, 422);
        assert_string_equal(f.text, want);
        assert_int_equal(json_missing(&f, "c"), ERR_INVAL);
        assert_int_equal(json_no_json(&f, "d"), ERR_INVAL);
        assert_int_equal(f.status, 422);
        assert_string_equal(f.text, want);
        json_decref(v);
    }
    f.status = 0;
    assert_int_equal(json_missing(&f, "c"), ERR_INVAL);
    assert_string_equal(f.text, SHAPE "missing field `c`");
    char longest[2 * JSON_TEXT_MAX];
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    f.status = 0;
    assert_int_equal(json_wrong_shape(&f, longest, ""), ERR_INVAL);
    assert_int_equal(strlen(f.text), JSON_TEXT_MAX - 1);
}

static void test_content_type(void **state)
{
    (void)state;
    static const char *const good[] = {"application/json", "Application/JSON; charset=latin1",
                                       "application/vnd.x+json; charset=latin1",
                                       "application/x+JSON", "application/json;x"};
    static const char *const bad[] = {"",
                                      "text/plain",
                                      "text/json",
                                      "application/",
                                      "application/jsonx",
                                      "application/+json",
                                      "application/x-json",
                                      "json",
                                      "application/xml+jsonp"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(json_content_type(good[i]));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(json_content_type(bad[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),      cmocka_unit_test(test_no_json),
        cmocka_unit_test(test_zero_bytes), cmocka_unit_test(test_twice),
        cmocka_unit_test(test_limits),     cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_refusals),   cmocka_unit_test(test_content_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
