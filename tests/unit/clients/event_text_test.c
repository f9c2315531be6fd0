#include "clients/event_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/unit/unit.h"

static const char stream[] = "retry: 2000\n\n"
                             ": a comment\n"
                             "event: msg\nid: e.7\ndata: {\"a\":1}\n\n"
                             "\n\n: alone\n\n"
                             "data\nid: 8\ndata:second\nevent: two lines\ndata: third\n\n"
                             "data: with cr\r\nid: 9\r\n\r\n"
                             "event: bye\ndata: \n\n"
                             "ident: no\ndatax: no\n\n"
                             "id: last\ndata: cut\n";
static const char expected[] = "msg|{\"a\":1}|e.7\n"
                               "two lines|\nsecond\nthird|8\n"
                               "|with cr|9\n"
                               "bye||\n";

/* Feeds the pieces; what comes out, as text. */
static void run(const char *text, size_t len, size_t piece, char *ret, size_t cap)
{
    struct event_text t = {0};
    struct event e;
    size_t used = 0;
    ret[0] = '\0';
    for (size_t at = 0; at < len; at += piece) {
        assert_int_equal(event_text_feed(&t, text + at, MIN(piece, len - at)), OK);
        while (event_text_next(&t, &e))
            used += (size_t)snprintf(ret + used, cap - used, "%s|%s|%s\n", e.name, e.data, e.id);
    }
    event_text_fini(&t);
}

static void test_pieces_of_every_length(void **state)
{
    char got[512];
    (void)state;
    for (size_t piece = 1; piece < sizeof(stream); piece++) {
        run(stream, sizeof(stream) - 1, piece, got, sizeof(got));
        assert_string_equal(got, expected);
    }
}

/* What is not whole gives nothing, and what was whole before stays. */
static void test_cut_at_every_length(void **state)
{
    char got[512];
    (void)state;
    for (size_t len = 0; len < sizeof(stream); len++) {
        char *copy = malloc(len + 1); /* so that a read beyond is found */
        assert_non_null(copy);
        memcpy(copy, stream, len);
        run(copy, len, len + 1, got, sizeof(got));
        assert_int_equal(strncmp(expected, got, strlen(got)), 0);
        free(copy);
    }
}

static void test_long_fields(void **state)
{
    char text[300], id[200];
    struct event_text t = {0};
    struct event e;
    (void)state;
    memset(id, 'i', sizeof(id) - 1);
    id[sizeof(id) - 1] = '\0';
    int n = snprintf(text, sizeof(text), "id: %s\ndata: d\n\n", id);
    assert_int_equal(event_text_feed(&t, text, (size_t)n), OK);
    assert_true(event_text_next(&t, &e));
    assert_string_equal(e.id, "");
    assert_string_equal(e.data, "d");
    event_text_fini(&t);
}

static void test_limit(void **state)
{
    size_t half = EVENT_TEXT_MAX / 2;
    char *text = malloc(half);
    struct event_text t = {0};
    struct event e;
    (void)state;
    assert_non_null(text);
    memset(text, 'x', half);
    memcpy(text, "data:", 5);
    assert_int_equal(event_text_feed(&t, text, half), OK);
    assert_int_equal(event_text_feed(&t, text, half), OK);
    assert_false(event_text_next(&t, &e));
    assert_int_equal(event_text_feed(&t, "x", 1), ERR_TOOBIG);
    event_text_fini(&t);
    assert_int_equal(event_text_feed(&t, "data: new\n\n", 11), OK);
    assert_true(event_text_next(&t, &e));
    assert_string_equal(e.data, "new");
    event_text_fini(&t);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_of_every_length),
        cmocka_unit_test(test_cut_at_every_length),
        cmocka_unit_test(test_long_fields),
        cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
