#include "clients/escape.h"

#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "tests/unit/unit.h"

static void test_url(void **state)
{
    char buf[64], small[4];
    (void)state;
    assert_true(url_escape("azAZ09-._~", buf, sizeof(buf)));
    assert_string_equal(buf, "azAZ09-._~");
    assert_true(url_escape("fn5+/=", buf, sizeof(buf)));
    assert_string_equal(buf, "fn5%2B%2F%3D");
    assert_true(url_escape("tcp://[::1]:9651", buf, sizeof(buf)));
    assert_string_equal(buf, "tcp%3A%2F%2F%5B%3A%3A1%5D%3A9651");
    assert_true(url_escape("\xff \x01", buf, sizeof(buf)));
    assert_string_equal(buf, "%FF%20%01");
    assert_true(url_escape("", buf, sizeof(buf)));
    assert_string_equal(buf, "");
    assert_true(url_escape("/", small, sizeof(small)));
    assert_string_equal(small, "%2F");
    assert_false(url_escape("//", small, sizeof(small)));
}

/* Every room from none to enough: either it fits, or nothing is written beyond. */
static void test_url_room(void **state)
{
    const char *text = "a/b/";
    (void)state;
    for (size_t cap = 0; cap < 16; cap++) {
        char *buf = malloc(cap + 1);
        assert_non_null(buf);
        buf[cap] = 'X';
        if (url_escape(text, buf, cap))
            assert_string_equal(buf, "a%2Fb%2F");
        assert_int_equal(buf[cap], 'X');
        free(buf);
    }
}

static void test_utf8(void **state)
{
    static const struct {
        const char *text;
        bool valid;
    } rows[] = {
        {"", true},
        {"abc", true},
        {"\xc3\xbc", true},
        {"\xe2\x82\xac", true},
        {"\xf0\x9f\x98\x80", true},
        {"\xf4\x8f\xbf\xbf", true},
        {"\xed\x9f\xbf", true},
        {"\xee\x80\x80", true},
        {"\x80", false}, /* continues nothing */
        {"\xc3", false}, /* cut */
        {"\xe2\x82", false},
        {"\xf0\x9f\x98", false},
        {"\xc0\x80", false}, /* longer than needed */
        {"\xc1\xbf", false},
        {"\xe0\x9f\xbf", false},
        {"\xf0\x8f\xbf\xbf", false},
        {"\xed\xa0\x80", false},     /* surrogate */
        {"\xf4\x90\x80\x80", false}, /* beyond U+10FFFF */
        {"\xf5\x80\x80\x80", false},
        {"\xff", false},
        {"a\xc3\x28", false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(utf8_valid(rows[i].text, strlen(rows[i].text)), rows[i].valid);
    assert_true(utf8_valid("\0", 1));
}

static void expect_json(const char *text, size_t len, const char *expected)
{
    char *buf = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&buf, &n);
    assert_non_null(f);
    json_string_write(f, text, len);
    assert_int_equal(fclose(f), 0);
    assert_string_equal(buf, expected);
    free(buf);
}

static void test_json(void **state)
{
    (void)state;
    expect_json("", 0, "\"\"");
    expect_json("a/b \xc3\xbc\x7f", 7, "\"a/b \xc3\xbc\x7f\"");
    expect_json("\"\\\b\f\n\r\t", 7, "\"\\\"\\\\\\b\\f\\n\\r\\t\"");
    expect_json("\0\x01\x1f", 3, "\"\\u0000\\u0001\\u001f\"");
    expect_json("x\ny", 3, "\"x\\ny\"");
}

static void test_printable(void **state)
{
    char text[] = "a\x1b[0m\r\n\x7f\xc3\xbc";
    (void)state;
    assert_string_equal(text_make_printable(text), "a?[0m???\xc3\xbc");
}

static void test_query(void **state)
{
    char buf[64] = "/x";
    (void)state;
    assert_true(url_query_add(buf, sizeof(buf), "a", NULL));
    assert_string_equal(buf, "/x");
    assert_true(url_query_add(buf, sizeof(buf), "a", "1&2"));
    assert_true(url_query_add(buf, sizeof(buf), "b", ""));
    assert_string_equal(buf, "/x?a=1%262&b=");
    /* Every room from what is there on: nothing is written beyond. */
    for (size_t cap = 3; cap < 16; cap++) {
        char *room = calloc(1, cap);
        assert_non_null(room);
        memcpy(room, "/x", 3);
        if (url_query_add(room, cap, "k", "vv"))
            assert_string_equal(room, "/x?k=vv");
        else
            assert_true(cap < sizeof("/x?k=vv") + 3); /* room for the longest form is asked for */
        free(room);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_url),  cmocka_unit_test(test_query), cmocka_unit_test(test_url_room),
        cmocka_unit_test(test_utf8), cmocka_unit_test(test_json),  cmocka_unit_test(test_printable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
