#include "api/body_lift.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/push.h"
#include "base/err.h"
#include "tests/unit/unit.h"

/* From a copy without a terminator: for the sanitizers. The rest is terminated here. */
static int lift_text(const char *text, size_t len, struct blob **payload, char **rest)
{
    uint8_t *copy = malloc(len ? len : 1);
    char *got = NULL;
    size_t n = 0;
    int rc;

    assert_non_null(copy);
    memcpy(copy, text, len);
    rc = body_lift(copy, len, payload, &got, &n);
    free(copy);
    if (rc == OK) {
        *rest = strndup(got, n);
        assert_non_null(*rest);
        free(got);
    }
    return rc;
}

static void expect(const char *text, const char *want_payload, const char *want_rest)
{
    struct blob *payload;
    char *rest;

    assert_int_equal(lift_text(text, strlen(text), &payload, &rest), OK);
    assert_int_equal(payload->len, strlen(want_payload));
    assert_memory_equal(payload->data, want_payload, payload->len);
    assert_string_equal(rest, want_rest);
    blob_unref(payload);
    free(rest);
}

static void test_taken(void **state)
{
    (void)state;
    expect("{\"dst\":{\"ip\":\"400::1\"},\"payload\":\"aGVsbG8=\",\"topic\":\"dA==\"}", "hello",
           "{\"dst\":{\"ip\":\"400::1\"},\"payload\":\"\",\"topic\":\"dA==\"}");
    expect("{\"payload\" : \"\\u0061GVsbG8=\"}", "hello", "{\"payload\" : \"\"}");
    expect("{\"a\":{\"payload\":\"xx\"},\"payload\":\"\"}", "",
           "{\"a\":{\"payload\":\"xx\"},\"payload\":\"\"}");
    /* Who parses the rest refuses these. */
    expect("{\"payload\":\"aGVsbG8=\",\"payload\":\"eA==\"}", "hello",
           "{\"payload\":\"\",\"payload\":\"eA==\"}");
    expect("{\"payload\":\"aGVsbG8=\"", "hello", "{\"payload\":\"\"");
}

/* Nothing is taken and nothing is said: the whole body is read by somebody else. */
static void test_not_taken(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "{}",
        "[\"payload\",\"aGVsbG8=\"]",
        "{\"payload\":5}",
        "{\"payload\":[\"aGVsbG8=\"]}",
        "{\"p\\u0061yload\":\"aGVsbG8=\"}",
        "{\"dst\":{\"payload\":\"aGVsbG8=\"}}",
        "{\"payload\":\"aGVsbG8\"}",
        "{\"payload\":\"aGVs bG8=\"}",
        "{\"payload\":\"aGVsb\\u0000G8=\"}",
        "{\"payload\":\"aGVsbG8=\\x\"}",
    };
    struct blob *payload;
    char *rest;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_true(lift_text(texts[i], strlen(texts[i]), &payload, &rest) < 0);
}

/* Cut at every length: it is not taken, or the rest is refused as the whole is. */
static void test_cut(void **state)
{
    (void)state;
    static const char text[] = "{\"payload\":\"aGVsbG8=\",\"dst\":{\"ip\":\"400::1\"}}";
    struct push_dsts dsts = {0};
    struct json_fault fault;
    struct blob *payload = NULL;
    struct bus_send s;
    char *rest = NULL;

    for (size_t len = 0; len < sizeof(text); len++) {
        bool whole = len == sizeof(text) - 1;
        if (lift_text(text, len, &payload, &rest) < 0) {
            assert_false(whole);
            continue;
        }
        assert_int_equal(push_body_read((const uint8_t *)rest, strlen(rest), &s, &dsts, &fault),
                         whole ? OK : ERR_INVAL);
        if (whole)
            blob_unref(s.payload);
        blob_unref(payload);
        free(rest);
    }
}

static void test_longest(void **state)
{
    (void)state;
    /* 87384 characters for 65536 bytes; four more are too many. */
    for (size_t more = 0; more <= 4; more += 4) {
        size_t chars = (MSG_LEN_MAX + 2) / 3 * 4 + more;
        char *text = malloc(chars + 64);
        struct blob *payload;
        char *rest;
        size_t at = 0;

        assert_non_null(text);
        at += (size_t)sprintf(text, "{\"payload\":\"");
        memset(text + at, 'A', chars);
        if (!more)
            memset(text + at + chars - (3 - MSG_LEN_MAX % 3) % 3, '=', (3 - MSG_LEN_MAX % 3) % 3);
        at += chars;
        at += (size_t)sprintf(text + at, "\"}");
        if (more) {
            assert_int_equal(lift_text(text, at, &payload, &rest), ERR_TOOBIG);
        } else {
            assert_int_equal(lift_text(text, at, &payload, &rest), OK);
            assert_int_equal(payload->len, MSG_LEN_MAX);
            assert_string_equal(rest, "{\"payload\":\"\"}");
            blob_unref(payload);
            free(rest);
        }
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taken),
        cmocka_unit_test(test_not_taken),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_longest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
