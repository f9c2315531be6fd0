#include "api/query.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "bus/bus.h"
#include "tests/unit/unit.h"

static void test_percent(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
        bool plus;
    } v[] = {
        {"", "", true},         {"abc", "abc", true},   {"a%2Fb", "a/b", false},
        {"%2f%2B", "/+", true}, {"a+b", "a b", true},   {"a+b", "a+b", false},
        {"%", "%", true},       {"%4", "%4", true},     {"%zz", "%zz", true},
        {"%252F", "%2F", true}, {"%41%4", "A%4", true},
    };
    char out[16];
    size_t len;
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        assert_int_equal(
            percent_decode(v[i].in, strlen(v[i].in), v[i].plus, out, sizeof(out), &len), OK);
        assert_int_equal(len, strlen(v[i].out));
        assert_memory_equal(out, v[i].out, len);
    }
    assert_int_equal(percent_decode("abcd", 4, false, out, 3, &len), ERR_TOOBIG);
    assert_int_equal(percent_decode("%41%42%43", 9, false, out, 3, &len), OK);
}

static void test_pairs(void **state)
{
    (void)state;
    const char *at = "&&a=1&b&=c&d=e=f&";
    struct query_pair p;
    assert_true(query_next(&at, &p));
    assert_int_equal(p.key_len, 1);
    assert_int_equal(p.key[0], 'a');
    assert_memory_equal(p.value, "1", p.value_len);
    assert_true(query_next(&at, &p));
    assert_int_equal(p.key[0], 'b');
    assert_int_equal(p.value_len, 0);
    assert_true(query_next(&at, &p));
    assert_int_equal(p.key_len, 0);
    assert_true(query_next(&at, &p));
    assert_int_equal(p.value_len, 3);
    assert_memory_equal(p.value, "e=f", 3);
    assert_false(query_next(&at, &p));
}

static void good_take(const char *query, struct take_query want)
{
    struct take_query q;
    char text[QUERY_TEXT_MAX];
    assert_int_equal(take_query_read(query, &q, text), OK);
    assert_int_equal(q.peek, want.peek);
    assert_int_equal(q.timeout_s, want.timeout_s);
    assert_int_equal(q.has_topic, want.has_topic);
    assert_int_equal(q.topic.len, want.topic.len);
    assert_memory_equal(q.topic.b, want.topic.b, want.topic.len);
}

static void test_take(void **state)
{
    (void)state;
    const struct topic test = {.len = 4, .b = "test"};
    const struct topic odd = {.len = 3, .b = {0x7e, 0x7e, 0x7e}};
    good_take("", (struct take_query){0});
    good_take("foo=1&foo=1&=", (struct take_query){0});
    good_take("peek=true", (struct take_query){.peek = true});
    good_take("peek=false&timeout=0", (struct take_query){0});
    good_take("timeout=5", (struct take_query){.timeout_s = 5});
    good_take("timeout=%2B5", (struct take_query){.timeout_s = 5});
    good_take("timeout=18446744073709551615", (struct take_query){.timeout_s = UINT64_MAX});
    good_take("topic=", (struct take_query){.has_topic = true});
    good_take("topic=dGVzdA==", (struct take_query){.has_topic = true, .topic = test});
    good_take("topic=dGVzdA%3D%3D", (struct take_query){.has_topic = true, .topic = test});
    good_take("top%69c=fn5%2B", (struct take_query){.has_topic = true, .topic = odd});
}

static void test_take_refused(void **state)
{
    (void)state;
    static const struct {
        const char *query, *text; /* behind the beginning that all have */
    } v[] = {
        {"peek=1", "peek: "},
        {"peek=", "peek: "},
        {"peek=TRUE", "peek: "},
        {"peek=trueee", "peek: "},
        {"timeout=-1", "timeout: invalid digit found in string"},
        {"timeout=1.5", "timeout: invalid digit found in string"},
        {"timeout=", "timeout: cannot parse integer from empty string"},
        {"timeout=%2B", "timeout: invalid digit found in string"},
        {"timeout=+5", "timeout: invalid digit found in string"}, /* a space */
        {"timeout=18446744073709551616", "timeout: number too large to fit in target type"},
        {"timeout=1&timeout=1", "duplicate field `timeout`"},
        {"peek=true&peek=true", "duplicate field `peek`"},
        {"topic=&topic=", "duplicate field `topic`"},
        {"topic=abc", "topic: Invalid padding"},
        {"topic=a+b", "topic: Invalid "},
        {"topic=fn5+", "topic: Invalid symbol 32, offset 3."},
        {"topic=QR==", "topic: Invalid last symbol 82, offset 1."},
        {"topic=A", "topic: Invalid input length: 1"},
    };
    char text[QUERY_TEXT_MAX], want[QUERY_TEXT_MAX];
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        struct take_query q = {.timeout_s = 77};
        (void)snprintf(want, sizeof(want), "Failed to deserialize query string: %s", v[i].text);
        assert_int_equal(take_query_read(v[i].query, &q, text), ERR_INVAL);
        assert_int_equal(q.timeout_s, 77);
        assert_true(strncmp(text, want, strlen(want)) == 0);
    }
}

static void test_topic_length(void **state)
{
    (void)state;
    uint8_t bytes[256] = {0};
    char query[8 + B64_LEN(256) + 1], text[QUERY_TEXT_MAX];
    struct take_query q;
    memcpy(query, "topic=", 6);
    b64_encode(bytes, 255, query + 6);
    assert_int_equal(take_query_read(query, &q, text), OK);
    assert_int_equal(q.topic.len, 255);
    b64_encode(bytes, 256, query + 6);
    assert_int_equal(take_query_read(query, &q, text), ERR_INVAL);
}

static void test_send(void **state)
{
    (void)state;
    char text[QUERY_TEXT_MAX];
    struct send_query q;
    assert_int_equal(send_query_read("", &q, text), OK);
    assert_false(q.has_reply_timeout);
    assert_int_equal(send_query_read("timeout=x&reply_timeout=0", &q, text), OK);
    assert_true(q.has_reply_timeout);
    assert_int_equal(q.reply_timeout_s, 0);
    assert_int_equal(send_query_read("reply_timeout=10", &q, text), OK);
    assert_int_equal(q.reply_timeout_s, 10);
    assert_int_equal(send_query_read("reply_timeout=x", &q, text), ERR_INVAL);
    assert_int_equal(send_query_read("reply_timeout=1&reply_timeout=1", &q, text), ERR_INVAL);
}

/* Cut anywhere and with any byte changed: never beyond the end (for the sanitizers), never a topic
 * that is too long. */
static void test_cut(void **state)
{
    (void)state;
    static const char whole[] = "peek=true&timeout=%2B5&topic=dGVzdA%3D%3D&reply_timeout=3&x";
    char text[QUERY_TEXT_MAX];
    for (size_t len = 0; len < sizeof(whole); len++) {
        char *cut = strndup(whole, len);
        struct take_query t;
        struct send_query s;
        assert_non_null(cut);
        if (take_query_read(cut, &t, text) < 0)
            assert_true(strlen(text) > 0);
        if (send_query_read(cut, &s, text) < 0)
            assert_true(strlen(text) > 0);
        free(cut);
    }
}

static int read_inbox(const char *query, struct bus_inbox_list *ret)
{
    char text[QUERY_TEXT_MAX] = "";
    int rc = inbox_query_read(query, ret, text);
    assert_int_equal(rc < 0, *text != '\0');
    return rc;
}

static void test_inbox(void **state)
{
    (void)state;
    struct bus_inbox_list l;
    assert_int_equal(read_inbox("", &l), OK);
    assert_true(l.receiving && l.ready && l.leased && l.dead);
    assert_int_equal(l.limit, 100);
    assert_int_equal(l.after, 0);
    assert_int_equal(l.filter.kind, BUS_ANY);
    assert_int_equal(read_inbox("state=dead&limit=1000&after=7&prefix=YS8%3D&foo=1", &l), OK);
    assert_true(!l.receiving && !l.ready && !l.leased && l.dead);
    assert_int_equal(l.limit, 1000);
    assert_int_equal(l.after, 7);
    assert_int_equal(l.filter.kind, BUS_PREFIX);
    assert_int_equal(l.filter.topic.len, 2);
    assert_int_equal(read_inbox("topic=", &l), OK);
    assert_int_equal(l.filter.kind, BUS_TOPIC);
    assert_int_equal(read_inbox("pattern=a%2F%23", &l), OK);
    assert_int_equal(l.filter.kind, BUS_PATTERN);
    assert_memory_equal(l.filter.topic.b, "a/#", 3);
    static const char *const bad[] = {
        "state=",         "state=Ready",     "state=ready&state=dead",    "limit=0",  "limit=1001",
        "limit=x",        "limit=1&limit=2", "after=9223372036854775808", "after=-1", "topic=Q",
        "topic=&prefix=", "topic=&topic=",   "prefix=&pattern=a"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(read_inbox(bad[i], &l), ERR_INVAL);
    static const char *const no_patterns[] = {"pattern=", "pattern=%ff", "pattern=a%2B",
                                              "pattern=%23%2Fa"};
    for (size_t i = 0; i < ARRAY_LEN(no_patterns); i++)
        assert_int_equal(read_inbox(no_patterns[i], &l), ERR_MALFORMED);
    static const char all[] = "state=dead&limit=10&after=7&prefix=YS8%3D";
    for (size_t cut = 0; cut < strlen(all); cut++) { /* reads or says why */
        char text[sizeof(all)];
        memcpy(text, all, cut);
        text[cut] = '\0';
        (void)read_inbox(text, &l);
    }
}

static void test_outbox(void **state)
{
    (void)state;
    char text[QUERY_TEXT_MAX];
    struct bus_out_filter f;
    assert_int_equal(outbox_query_read("", &f, text), OK);
    assert_int_equal(f.limit, 100);
    assert_true(f.states == 0 && !f.by_dst && !f.by_id && f.before == 0);
    static const char all[] =
        "state=pending&dst=400%3A%3A5&id=0102030405060708&limit=1000&before=9223372036854775807";
    assert_int_equal(outbox_query_read(all, &f, text), OK);
    assert_int_equal(f.states, 1u << OUT_QUEUED | 1u << OUT_INIT_SENT);
    assert_true(f.by_dst && f.dst.b[15] == 5);
    assert_true(f.by_id && f.id.b[7] == 8);
    assert_int_equal(f.limit, 1000);
    assert_int_equal(f.before, INT64_MAX);
    for (size_t cut = 0; cut < strlen(all); cut++) { /* reads or says why */
        char part[sizeof(all)];
        memcpy(part, all, cut);
        part[cut] = '\0';
        text[0] = '\0';
        if (outbox_query_read(part, &f, text) < 0)
            assert_true(*text);
    }
    static const char *const bad[] = {
        "state=",     "state=x",  "state=read&state=read",      "dst=1.2.3.4",
        "dst=",       "id=01",    "id=x102030405060708",        "limit=0",
        "limit=1001", "before=0", "before=9223372036854775808", "state=read%00"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(outbox_query_read(bad[i], &f, text), ERR_INVAL);
}

static void test_entry(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        bool has_index;
        uint64_t index;
        int64_t wait_ms; /* below 0: refused */
    } rows[] = {
        {"", false, 0, 30000},
        {"index=0", true, 0, 30000},
        {"index=4294967295&wait=500ms", true, UINT32_MAX, 500},
        {"wait=2m&index=1&other=x", true, 1, 120000},
        {"wait=599s", false, 0, 599000},
        {"wait=600m", false, 0, 600000},
        {"wait=600000s", false, 0, 600000},
        {"wait=0ms", false, 0, 0},
        {"index=", true, 0, -1},
        {"index=4294967296", true, 0, -1},
        {"index=1&index=1", true, 0, -1},
        {"index=-1", true, 0, -1},
        {"wait=", false, 0, -1},
        {"wait=5", false, 0, -1},
        {"wait=s", false, 0, -1},
        {"wait=-5s", false, 0, -1},
        {"wait=5h", false, 0, -1},
        {"wait=5s%00", false, 0, -1},
        {"wait=600001ms", false, 0, -1},
        {"wait=99999999999999999999s", false, 0, -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[QUERY_TEXT_MAX] = "";
        struct entry_query e;
        int rc = entry_query_read(rows[i].query, &e, text);
        assert_int_equal(rc, rows[i].wait_ms < 0 ? ERR_INVAL : OK);
        assert_int_equal(*text != '\0', rc < 0);
        if (rc < 0)
            continue;
        assert_int_equal(e.has_index, rows[i].has_index);
        assert_int_equal(e.index, rows[i].index);
        assert_int_equal(e.wait_ms, rows[i].wait_ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_percent),      cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_take),         cmocka_unit_test(test_take_refused),
        cmocka_unit_test(test_topic_length), cmocka_unit_test(test_send),
        cmocka_unit_test(test_cut),          cmocka_unit_test(test_inbox),
        cmocka_unit_test(test_outbox),       cmocka_unit_test(test_entry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
