#include "clients/topic_text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "tests/unit/unit.h"

static void test_text(void **state)
{
    (void)state;
    static const struct {
        const char *text, *base64;
    } same[] = {{"", ""},
                {"test", "dGVzdA=="},
                {"a/b", "YS9i"},
                {"b\303\244r", "YsOkcg=="},
                {"base64:AP8=", "AP8="},
                {"base64:CQ==", "CQ=="},
                {"base64:YmFzZTY0Ong=", "YmFzZTY0Ong="}};
    char out[TOPIC_TEXT_MAX];
    for (size_t i = 0; i < ARRAY_LEN(same); i++) {
        assert_int_equal(topic_base64(same[i].text, out), OK);
        assert_string_equal(out, same[i].base64);
        assert_true(topic_text(same[i].base64, out));
        assert_string_equal(out, same[i].text);
    }
}

/* Every topic that there is comes back from how it is shown; also the longest. */
static void test_every_byte(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 255; len++) {
        uint8_t bytes[255];
        char base64[TOPIC_TEXT_MAX], text[TOPIC_TEXT_MAX], back[TOPIC_TEXT_MAX];
        for (size_t i = 0; i < len; i++)
            bytes[i] = (uint8_t)(len % 2 ? 'a' + i % 26 : i + len);
        base64[b64_encode(bytes, len, base64)] = 0;
        assert_true(topic_text(base64, text));
        assert_int_equal(topic_base64(text, back), OK);
        assert_string_equal(back, base64);
    }
}

static void test_bad(void **state)
{
    (void)state;
    char out[TOPIC_TEXT_MAX], longest[300];
    assert_int_equal(topic_base64("base64:A", out), ERR_INVAL);
    assert_int_equal(topic_base64("base64:AB==", out), ERR_INVAL);
    assert_int_equal(topic_base64("base64:AP8", out), ERR_INVAL);
    memset(longest, 'x', 256);
    longest[256] = 0;
    assert_int_equal(topic_base64(longest, out), ERR_TOOBIG);
    longest[255] = 0;
    assert_int_equal(topic_base64(longest, out), OK);
    assert_false(topic_text("A", out));
    assert_false(topic_text(NULL, out));
    char base64[360];
    uint8_t bytes[256] = {0};
    base64[b64_encode(bytes, sizeof(bytes), base64)] = 0;
    assert_false(topic_text(base64, out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
