/* Topic rules as rows of the store, there and back, and rows that are not ours. */
#include "node/rule_rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/unit/unit.h"

static const char key[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

static struct topic_rule *rule(const char *const *sources, size_t n)
{
    static const struct topic topic = {.len = 3, .b = {'a', 0, 0xff}};
    struct topic_rule *r;
    struct topic_source s;
    assert_int_equal(topic_rule_new(&topic, &r), OK);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(topic_source_parse(sources[i], &s), OK);
        assert_int_equal(topic_rule_allow(r, &s), OK);
    }
    return r;
}

static void test_there_and_back(void **state)
{
    (void)state;
    const char *const sources[] = {"400::5/7", "10.0.0.0/8", key, "::1"};
    for (size_t n = 0; n <= ARRAY_LEN(sources); n++) {
        struct topic_rule *r = rule(sources, n), *back;
        struct store_rule row = {.topic_len = 0};
        size_t count = 0;
        assert_int_equal(rule_row_write(r, &row), OK);
        assert_int_equal(rule_row_read(&row, &back), OK);
        const struct topic_source *v = topic_rule_sources(r, &count);
        const struct topic_source *w = topic_rule_sources(back, &count);
        assert_int_equal(count, n);
        for (size_t i = 0; i < n; i++)
            assert_memory_equal(&v[i], &w[i], sizeof(*v));
        assert_int_equal(topic_rule_topic(back)->len, 3);
        assert_memory_equal(topic_rule_topic(back)->b, topic_rule_topic(r)->b, 3);
        blob_unref(row.sources);
        topic_rule_free(r);
        topic_rule_free(back);
    }
}

static void test_forward(void **state)
{
    (void)state;
    struct topic_forward f = {.half_close = true, .reply_ms = 1234};
    struct topic_rule *r = rule(NULL, 0), *back;
    struct store_rule row = {.topic_len = 0};
    char path[TOPIC_FORWARD_PATH_MAX + 1];
    memset(path, '/', sizeof(path));
    assert_int_equal(topic_forward_path(&f, path, sizeof(path)), ERR_INVAL);
    assert_int_equal(topic_forward_path(&f, path, sizeof(path) - 1), OK);
    assert_int_equal(topic_rule_set_forward(r, &f), OK);
    assert_int_equal(rule_row_write(r, &row), OK);
    assert_int_equal(rule_row_read(&row, &back), OK);
    const struct topic_forward *g = topic_rule_forward(back);
    assert_string_equal(g->path, f.path);
    assert_true(g->half_close);
    assert_int_equal(g->reply_ms, 1234);
    topic_rule_free(back);
    row.reply_ms = 0;
    assert_int_equal(rule_row_read(&row, &back), ERR_CORRUPT);
    row.reply_ms = 1234;
    row.socket[5] = '\0';
    assert_int_equal(rule_row_read(&row, &back), ERR_CORRUPT);
    blob_unref(row.sources);
    topic_rule_free(r);
}

static int read_text(const char *text, size_t len)
{
    struct store_rule row = {.sources = blob_copy(text, len)};
    struct topic_rule *r = NULL;
    int rc = rule_row_read(&row, &r);
    assert_int_equal(rc == OK, r != NULL);
    topic_rule_free(r);
    blob_unref(row.sources);
    return rc;
}

static void test_damaged(void **state)
{
    (void)state;
    static const char *const bad[] = {"x\n",         "\n",          "400::/7",
                                      "400::/129\n", "400::/7\n\n", "400::/7\r\n"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(read_text(bad[i], strlen(bad[i])), ERR_CORRUPT);
    assert_int_equal(read_text("::\0001\n", 5), ERR_CORRUPT);
    static const char good[] = "400::5/7\n10.0.0.0/8\n::1/128\n";
    for (size_t n = 0; n < sizeof(good); n++)
        assert_int_equal(read_text(good, n), n == 0 || good[n - 1] == '\n' ? OK : ERR_CORRUPT);
    char *many = malloc((TOPIC_SOURCES_MAX + 1) * 4);
    for (size_t i = 0; i <= TOPIC_SOURCES_MAX; i++)
        memcpy(many + i * 4, "::1\n", 4);
    assert_int_equal(read_text(many, (size_t)TOPIC_SOURCES_MAX * 4), OK);
    assert_int_equal(read_text(many, (size_t)(TOPIC_SOURCES_MAX + 1) * 4), ERR_CORRUPT);
    free(many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_forward),
        cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
