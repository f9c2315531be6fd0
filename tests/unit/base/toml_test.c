#include "base/toml.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/unit/unit.h"

static struct toml *read_text(const char *text)
{
    struct toml *t = NULL;
    struct toml_error e;
    if (toml_parse(text, strlen(text), &t, &e) != OK)
        fail_msg("%u:%u: %s in: %s", e.line, e.column, e.text, text);
    return t;
}

static const struct toml_value *find(const struct toml *t, const char *path)
{
    const struct toml_value *v = toml_path(toml_root(t), path);
    if (!v)
        fail_msg("no %s", path);
    return v;
}

static void check_string(const struct toml *t, const char *path, const char *want)
{
    size_t len = 0;
    const char *text = toml_string(find(t, path), &len);
    assert_non_null(text);
    assert_string_equal(text, want);
    assert_int_equal(len, strlen(want));
}

static void expect_integer(const char *text, int64_t want)
{
    char line[128];
    int64_t n;
    (void)snprintf(line, sizeof(line), "n = %s", text);
    struct toml *t = read_text(line);
    assert_true(toml_integer(find(t, "n"), &n));
    assert_true(n == want);
    toml_free(t);
}

static void expect_real(const char *text, double want)
{
    char line[128];
    double d;
    (void)snprintf(line, sizeof(line), "n = %s", text);
    struct toml *t = read_text(line);
    assert_true(toml_real(find(t, "n"), &d));
    assert_true(isnan(want) ? isnan(d) : d == want);
    toml_free(t);
}

static const char whole[] = "# what is read\n"
                            "title = \"TOML \\u00e9\\t\\\"x\\\"\"\r\n"
                            "path = 'C:\\no'\n"
                            "multi = \"\"\"\none\n  two \\\n   three\"\"\"\"\"\n"
                            "raw = '''\na\\b'''\n"
                            "yes = true\n no=false # behind\n"
                            "site.\"google.com\".on = true\n"
                            "list = [ 1, # one\n 2,\n [\"a\", 'b'], {x = 1, y.z = 2}, ]\n"
                            "empty = {}\n"
                            "[a.b]\n"
                            "c = 1\n"
                            "[a]\n"
                            "d.e = 2\n"
                            "d.f = 3\n"
                            "[a.d.g]\n"
                            "h = 4\n"
                            "[ \"x y\" . 'z' ]\n"
                            "[[points]]\n"
                            "x = 1\n"
                            "[points.sub]\n"
                            "y = 2\n"
                            "[[points]]\n"
                            "x = 3\n"
                            "[end]\n"
                            "1234 = \"bare\"\n"
                            "\"\" = 5";

static void test_whole(void **state)
{
    (void)state;
    struct toml *t = read_text(whole);
    bool b;
    int64_t n;
    check_string(t, "title", "TOML \xc3\xa9\t\"x\"");
    check_string(t, "path", "C:\\no");
    check_string(t, "multi", "one\n  two three\"\"");
    check_string(t, "raw", "a\\b");
    assert_true(toml_bool(find(t, "yes"), &b) && b);
    assert_true(toml_bool(find(t, "no"), &b) && !b);
    assert_int_equal(toml_line(find(t, "no")), 11);
    assert_int_equal(toml_column(find(t, "no")), 2);
    assert_true(toml_bool(toml_get(toml_get(find(t, "site"), "google.com"), "on"), &b) && b);
    assert_int_equal(toml_count(find(t, "list")), 4);
    const struct toml_value *v = toml_first(find(t, "list"));
    assert_true(toml_integer(v, &n) && n == 1);
    v = toml_next(toml_next(toml_next(v)));
    assert_int_equal(toml_kind(v), TOML_TABLE);
    assert_true(toml_integer(toml_path(v, "y.z"), &n) && n == 2);
    assert_null(toml_next(v));
    assert_int_equal(toml_count(find(t, "empty")), 0);
    assert_true(toml_integer(find(t, "a.b.c"), &n) && n == 1);
    assert_true(toml_integer(find(t, "a.d.f"), &n) && n == 3);
    assert_true(toml_integer(find(t, "a.d.g.h"), &n) && n == 4);
    assert_int_equal(toml_kind(find(t, "x y.z")), TOML_TABLE);
    v = find(t, "points");
    assert_int_equal(toml_count(v), 2);
    assert_true(toml_integer(toml_path(toml_first(v), "sub.y"), &n) && n == 2);
    assert_true(toml_integer(toml_get(toml_next(toml_first(v)), "x"), &n) && n == 3);
    check_string(t, "end.1234", "bare");
    assert_true(toml_integer(toml_get(find(t, "end"), ""), &n) && n == 5);
    /* other kinds, other places */
    assert_null(toml_get(find(t, "title"), "x"));
    assert_null(toml_path(toml_root(t), "title.x"));
    assert_null(toml_path(toml_root(t), "nothing"));
    assert_false(toml_integer(find(t, "title"), &n));
    assert_null(toml_first(find(t, "title")));
    toml_free(t);
}

static void test_numbers(void **state)
{
    (void)state;
    expect_integer("+99", 99);
    expect_integer("-17", -17);
    expect_integer("-0", 0);
    expect_integer("1_000_000", 1000000);
    expect_integer("0xDEAD_beef", 0xdeadbeef);
    expect_integer("0o755", 0755);
    expect_integer("0b1101", 13);
    expect_integer("9223372036854775807", INT64_MAX);
    expect_integer("-9223372036854775808", INT64_MIN);
    expect_real("+1.0", 1.0);
    expect_real("-0.01", -0.01);
    expect_real("5e+22", 5e22);
    expect_real("6.626e-3", 6.626e-3);
    expect_real("224_617.445_991", 224617.445991);
    expect_real("-inf", -INFINITY);
    expect_real("nan", NAN);
}

static void test_zero_byte(void **state)
{
    (void)state;
    struct toml *t = read_text("\"a\\u0000b\" = \"\\U00000000\"");
    size_t len = 0;
    const struct toml_value *v = toml_first(toml_root(t));
    assert_memory_equal(toml_key(v, &len), "a\0b", 4);
    assert_int_equal(len, 3);
    assert_memory_equal(toml_string(v, &len), "\0", 2);
    assert_int_equal(len, 1);
    toml_free(t);
}

static void test_faults(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned line, column;
    } v[] = {
        {"a", 1, 2},
        {"a =", 1, 4},
        {"a = 1 b = 2", 1, 7},
        {"= 1", 1, 1},
        {"a = 1\na = 2", 2, 1},
        {"a = \"x\n\"", 1, 7},
        {"a = \"\\x\"", 1, 7},
        {"a = \"\\uD800\"", 1, 12},
        {"a = \"\\u12g4\"", 1, 10},
        {"a = 'x\x01'", 1, 7},
        {"a = 1 # \x7f", 1, 9},
        {"a = 1\r", 1, 6},
        {"\n\na = 01", 3, 5},
        {"a = 1__0", 1, 5},
        {"a = _1", 1, 5},
        {"a = 1.", 1, 5},
        {"a = .5", 1, 5},
        {"a = 1e", 1, 5},
        {"a = 0x", 1, 5},
        {"a = +0x1", 1, 5},
        {"a = 9223372036854775808", 1, 5},
        {"a = 0xffffffffffffffff", 1, 5},
        {"a = yes", 1, 5},
        {"a = 1979-05-27T07:32:00Z", 1, 5},
        {"a = 07:32:00", 1, 5},
        {"a = [1 2]", 1, 8},
        {"a = [,]", 1, 6},
        {"a = {b = 1,}", 1, 12},
        {"a = {b = 1\n}", 1, 11},
        {"a = {b = 1, b = 2}", 1, 13},
        {"a = {}\n[a.b]", 2, 2},
        {"a = {b.c = 1}\na.d = 2", 2, 1},
        {"[a]\n[a]", 2, 2},
        {"[a", 1, 3},
        {"[[a]", 1, 4},
        {"[]", 1, 2},
        {"[a]\n[[a]]", 2, 3},
        {"a = []\n[[a]]", 2, 3},
        {"[[a]]\n[a]", 2, 2},
        {"a.b = 1\n[a]", 2, 2},
        {"[a.b]\nc = 1\n[a]\nb.d = 2", 4, 1},
        {"a = 1\na.b = 2", 2, 1},
        {"a = \"\"\"x", 1, 9},
        {"a = \"\"\"x\"\"\"\"\"\"", 1, 14},
        {"\xff = 1", 1, 1},
        {"ab = 1\nc = '\xc3'", 2, 6},
    };
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        struct toml *t = NULL;
        struct toml_error e = {0};
        if (toml_parse(v[i].text, strlen(v[i].text), &t, &e) != ERR_MALFORMED)
            fail_msg("taken: %s", v[i].text);
        assert_null(t);
        if (e.line != v[i].line || e.column != v[i].column)
            fail_msg("%u:%u: %s in: %s", e.line, e.column, e.text, v[i].text);
    }
}

static void test_date_is_named(void **state)
{
    (void)state;
    struct toml *t;
    struct toml_error e;
    assert_int_equal(toml_parse("a = 1979-05-27", 14, &t, &e), ERR_MALFORMED);
    assert_string_equal(e.text, "dates and times are not supported");
}

/* Every beginning is read or refused, never beyond its end. */
static void test_cut(void **state)
{
    (void)state;
    size_t taken = 0;
    for (size_t n = 0; n <= strlen(whole); n++) {
        char *cut = malloc(n + 1); /* one byte spare, for n = 0; the sanitizer sees the rest */
        struct toml *t = NULL;
        struct toml_error e = {0};
        memcpy(cut, whole, n);
        cut[n] = '"';
        if (toml_parse(cut, n, &t, &e) == OK)
            taken++;
        else
            assert_true(e.line > 0 && e.column > 0 && e.text[0]);
        toml_free(t);
        free(cut);
    }
    assert_true(taken > 20 && taken < strlen(whole));
}

static void test_limits(void **state)
{
    (void)state;
    enum { BIG = TOML_TEXT_MAX + 1 };
    char *text = malloc(BIG);
    struct toml *t = NULL;
    struct toml_error e;
    memset(text, ' ', BIG);
    assert_int_equal(toml_parse(text, BIG, &t, &e), ERR_TOOBIG);
    assert_int_equal(toml_parse(text, BIG - 1, &t, &e), OK);
    toml_free(t);
    t = NULL;
    /* deep, as arrays and as keys */
    memset(text, '[', 1000);
    memcpy(text, "a=", 2);
    assert_int_equal(toml_parse(text, 1000, &t, &e), ERR_LIMIT);
    for (size_t i = 0; i < 1000; i += 2)
        memcpy(text + i, "a.", 2);
    memcpy(text + 998, "=1", 2);
    text[997] = 'a';
    assert_int_equal(toml_parse(text, 1000, &t, &e), ERR_LIMIT);
    /* many keys in one table, many values in all */
    size_t len = 0;
    for (unsigned i = 0; i <= TOML_KEYS_MAX; i++)
        len += (size_t)snprintf(text + len, BIG - len, "k%u=1\n", i);
    assert_int_equal(toml_parse(text, len, &t, &e), ERR_LIMIT);
    assert_int_equal(e.line, TOML_KEYS_MAX + 1);
    len -= strlen("k4096=1\n");
    assert_int_equal(toml_parse(text, len, &t, &e), OK);
    assert_int_equal(toml_count(toml_root(t)), TOML_KEYS_MAX);
    toml_free(t);
    t = NULL;
    memcpy(text, "a=[", 3);
    for (len = 3; len < 2 * TOML_VALUES_MAX + 3; len += 2)
        memcpy(text + len, "1,", 2);
    text[len++] = ']';
    assert_int_equal(toml_parse(text, len, &t, &e), ERR_LIMIT);
    free(text);
    assert_null(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),         cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_zero_byte),     cmocka_unit_test(test_faults),
        cmocka_unit_test(test_date_is_named), cmocka_unit_test(test_cut),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
