#include "api/json_rd.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

/* Is this one JSON value? In memory of its own size, for the sanitizers. */
static bool valid(const char *text, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    memcpy(copy, text, len);
    struct json_rd r = json_rd_of(copy, len);
    json_rd_skip(&r);
    json_rd_end(&r);
    bool ok = r.fault == NULL;
    free(copy);
    return ok;
}

static void test_valid(void **state)
{
    (void)state;
    static const char *const good[] = {"0",
                                       " -0 ",
                                       "12.5e+3",
                                       "1E5",
                                       "1e-5",
                                       "true",
                                       "false",
                                       "null",
                                       "\"\"",
                                       "[]",
                                       "{}",
                                       "[ ]",
                                       "{ }",
                                       "[1,[2,{\"a\":[]}],\"x\"]",
                                       "{\"a\":1,\"a\":{\"b\":null}}",
                                       "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\\uD83D\\uDE00\"",
                                       "\"\xc3\xa4\xf0\x9f\x98\x80\"",
                                       "\t\r\n[\n1 , 2 ]"};
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
                                      "\"\\u12\"",
                                      "\"\\u12g4\"",
                                      "\"\\ud800\"",
                                      "\"\\udc00\"",
                                      "\"\\ud800\\u0041\"",
                                      "\"\n\"",
                                      "\"\x01\"",
                                      "\"\xff\"",
                                      "\"\xc3\"",
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
                                      "1 2",
                                      "{} x",
                                      "[]]"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        if (!valid(good[i], strlen(good[i])))
            fail_msg("refused: %s", good[i]);
        for (size_t len = 1; len < strlen(good[i]); len++) /* cut: must end, somehow */
            (void)valid(good[i], len);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (valid(bad[i], strlen(bad[i])))
            fail_msg("taken: %s", bad[i]);
    assert_false(valid("\"a\0b\"", 5));
    assert_false(valid("1\0", 2));
}

static void test_depth(void **state)
{
    (void)state;
    char text[2 * JSON_DEPTH_MAX];
    for (size_t depth = JSON_DEPTH_MAX - 2; depth <= JSON_DEPTH_MAX; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        assert_int_equal(valid(text, 2 * depth), depth < JSON_DEPTH_MAX);
    }
    static char deep[1000000];
    memset(deep, '[', sizeof(deep));
    assert_false(valid(deep, sizeof(deep)));
}

static void expect_text(const char *json, const char *want, size_t want_len, bool own)
{
    struct json_rd r = json_rd_of((const uint8_t *)json, strlen(json));
    struct json_text t;
    assert_int_equal(json_rd_kind(&r), JSON_KIND_STRING);
    assert_true(json_rd_text(&r, &t));
    assert_int_equal(t.len, want_len);
    assert_memory_equal(t.p, want, want_len);
    assert_int_equal(t.own != NULL, own);
    json_text_fini(&t);
}

static void test_text(void **state)
{
    (void)state;
    expect_text("\"abc\"", "abc", 3, false);
    expect_text("\"\"", "", 0, false);
    expect_text("\"a\\u0000b\\/\\n\"", "a\0b/\n", 5, true);
    expect_text("\"\\u00e4\\u20ac\\ud83d\\ude00\\u007f\"",
                "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\x7f", 10, true);
    struct json_text t = {.p = "a\0b", .len = 3};
    char out[8];
    assert_false(json_text_copy(&t, out, sizeof(out)));
    t.len = 1;
    assert_true(json_text_copy(&t, out, 2));
    assert_string_equal(out, "a");
    assert_false(json_text_copy(&t, out, 1));
    assert_true(json_text_is(&t, "a"));
    assert_false(json_text_is(&t, "ab"));
}

static void test_object(void **state)
{
    (void)state;
    static const char json[] = " { \"a\" : \"1\" , \"b\\n\" : [ {} ] } ";
    struct json_rd r = json_rd_of((const uint8_t *)json, sizeof(json) - 1);
    struct json_text key, value;
    bool first = json_rd_open(&r);
    assert_true(json_rd_key(&r, &first, &key));
    assert_true(json_text_is(&key, "a"));
    json_text_fini(&key);
    assert_true(json_rd_text(&r, &value));
    assert_true(json_text_is(&value, "1"));
    json_text_fini(&value);
    assert_true(json_rd_key(&r, &first, &key));
    assert_true(json_text_is(&key, "b\n"));
    json_text_fini(&key);
    assert_false(json_rd_text(&r, &value)); /* it is a list; the fault sticks */
    assert_non_null(r.fault);
    assert_false(json_rd_key(&r, &first, &key));
    assert_int_equal(json_rd_kind(&r), JSON_KIND_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
