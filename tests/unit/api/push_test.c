#include "api/push.h"

#include <stdlib.h>
#include <string.h>

#include "api/json_in.h"
#include "base/err.h"
#include "tests/unit/unit.h"

#define KEY "bb39b4a3a4efd70f3e05e37887677e02efbda14681d0acd3882bc0f754792c32"

static struct push_dsts dsts; /* of the last one */

static int read_json(const char *text, size_t len, struct bus_send *ret, struct json_fault *f)
{
    uint8_t *copy = malloc(len ? len : 1); /* not terminated: for the sanitizers */
    assert_non_null(copy);
    memcpy(copy, text, len);
    int rc = push_body_read(copy, len, ret, &dsts, f);
    free(copy);
    return rc;
}

/* Several destinations. */
static void test_dsts(void **state)
{
    (void)state;
    static const char all[] =
        "{\"dsts\":[{\"ip\":\"400::5\"},{\"pk\":\"" KEY "\"},{\"ip\":\"400::6\"}],"
        "\"payload\":\"\",\"topicText\":\"t\"}";
    static const struct {
        const char *text;
        const char *part; /* of the fault's text */
    } bad[] = {
        {"{\"dsts\":[{\"ip\":\"400::5\"}],\"payload\":\"\"}", "2 to 1000"},
        {"{\"dsts\":{\"ip\":\"400::5\"},\"payload\":\"\"}", "2 to 1000"},
        {"{\"dsts\":[{\"ip\":\"400::5\"},{\"ip\":\"1.2.3.4\"}],\"payload\":\"\"}", "dsts[1]"},
        {"{\"dsts\":[{\"ip\":\"400::5\"},5],\"payload\":\"\"}", "dsts[1]"},
        {"{\"dsts\":[{\"ip\":\"400::5\"},{\"ip\":\"400::6\"}],\"payload\":\"\","
         "\"replyTo\":\"0102030405060708\"}",
         "replyTo"},
        {"{\"dsts\":[{\"ip\":\"400::5\"},{\"ip\":\"400::6\"}],\"payload\":\"\","
         "\"dst\":{\"ip\":\"400::7\"}}",
         "only one of"},
        {"{\"dst\":{\"ip\":\"400::7\"},\"dsts\":[{\"ip\":\"400::5\"},{\"ip\":\"400::6\"}],"
         "\"payload\":\"\"}",
         "only one of"},
    };
    struct bus_send s;
    struct json_fault f;
    assert_int_equal(read_json(all, strlen(all), &s, &f), OK);
    assert_int_equal(dsts.n, 3);
    assert_int_equal(dsts.v[0].b[15], 5);
    assert_int_equal(dsts.v[2].b[15], 6);
    blob_unref(s.payload);
    free(dsts.v);
    for (size_t cut = 0; cut < strlen(all); cut++)
        assert_int_equal(read_json(all, cut, &s, &f), ERR_INVAL);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(read_json(bad[i].text, strlen(bad[i].text), &s, &f), ERR_INVAL);
        assert_non_null(strstr(f.text, bad[i].part));
        assert_int_equal(f.status, 422);
    }
}

static void test_json(void **state)
{
    (void)state;
    static const char all[] =
        "{\"dst\":{\"ip\":\"400::5\"},\"topicText\":\"a/\\u00e9\",\"payload\":\"aGk=\","
        "\"ttlMs\":2592000000,\"policy\":\"at-most-once\",\"priority\":3,\"durable\":false}";
    static const char few[] = "{\"payload\":\"\",\"dst\":{\"pk\":\"" KEY "\"}}";
    static const char reply[] = "{\"payload\":\"\",\"dst\":{\"ip\":\"400::5\"},"
                                "\"replyTo\":\"0102030405060708\",\"topic\":\"\"}";
    struct bus_send s;
    struct json_fault f;
    assert_int_equal(read_json(all, strlen(all), &s, &f), OK);
    assert_int_equal(s.dst.b[15], 5);
    assert_int_equal(s.topic.len, 4);
    assert_memory_equal(s.topic.b, "a/\xc3\xa9", 4);
    assert_int_equal(s.payload->len, 2);
    assert_int_equal(s.ttl_ms, 2592000000);
    assert_int_equal(s.policy, OUT_AT_MOST_ONCE);
    assert_int_equal(s.prio, 3);
    assert_true(s.in_memory);
    assert_false(s.reply);
    blob_unref(s.payload);
    for (size_t cut = 0; cut < strlen(all); cut++) {
        assert_int_equal(read_json(all, cut, &s, &f), ERR_INVAL);
        assert_int_equal(f.status, 400);
    }
    assert_int_equal(read_json(few, strlen(few), &s, &f), OK);
    assert_int_equal(s.payload->len, 0);
    assert_int_equal(s.prio, OUT_PRIO_DEFAULT);
    assert_int_equal(s.ttl_ms + s.topic.len, 0);
    assert_int_equal(s.policy, OUT_AT_LEAST_ONCE);
    assert_false(s.in_memory);
    blob_unref(s.payload);
    assert_int_equal(read_json(reply, strlen(reply), &s, &f), OK);
    assert_true(s.reply);
    assert_int_equal(s.reply_to.b[7], 8);
    blob_unref(s.payload);
}

#define TO "\"dst\":{\"ip\":\"400::5\"},"

static void test_json_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum problem problem;
        unsigned status;
    } v[] = {
        {"[]", PROBLEM_NONE, 422},
        {"{" TO "\"topic\":\"\"}", PROBLEM_NONE, 422},
        {"{\"payload\":\"\"}", PROBLEM_NONE, 422},
        {"{" TO "\"payload\":\"\",\"priorty\":1}", PROBLEM_NONE, 422},
        {"{" TO "\"payload\":\"\",\"durable\":1}", PROBLEM_NONE, 422},
        {"{" TO "\"payload\":\"\",\"ordered\":0}", PROBLEM_NONE, 422},
        {"{" TO "\"payload\":\"\",\"ordered\":true,\"durable\":false}", PROBLEM_NONE, 422},
        {"{" TO "\"payload\":\"\",\"durable\":\"false\"}", PROBLEM_NONE, 422},
        {"{" TO "\"payload\":\"\",\"priority\":4}", PROBLEM_NONE, 422},
        {"{" TO "\"payload\":\"\",\"priority\":-1}", PROBLEM_NONE, 422},
        {"{" TO "\"payload\":\"\",\"priority\":1.5}", PROBLEM_NONE, 422},
        {"{" TO "\"payload\":\"\",\"priority\":\"1\"}", PROBLEM_NONE, 422},
        {"{" TO "\"payload\":\"\",\"ttlMs\":999}", PROBLEM_NONE, 422},
        {"{" TO "\"payload\":\"\",\"ttlMs\":2592000001}", PROBLEM_NONE, 422},
        {"{" TO "\"payload\":\"\",\"policy\":\"once\"}", PROBLEM_NONE, 422},
        {"{" TO "\"payload\":\"\",\"replyTo\":\"01\"}", PROBLEM_NONE, 422},
        {"{" TO "\"payload\":\"\",\"replyTo\":\"x102030405060708\"}", PROBLEM_NONE, 422},
        {"{" TO "\"payload\":1}", PROBLEM_NONE, 422},
        {"{" TO "\"payload\":\"a\"}", PROBLEM_BAD_BASE64, 422},
        {"{" TO "\"payload\":\"\",\"topic\":\"a\"}", PROBLEM_BAD_BASE64, 422},
        {"{" TO "\"payload\":\"\",\"topic\":null}", PROBLEM_NONE, 422},
        {"{" TO "\"payload\":\"\",\"topic\":\"YQ==\",\"topicText\":\"a\"}", PROBLEM_BAD_TOPIC, 422},
        {"{" TO "\"payload\":\"\",\"topic\":\"YQ==\",\"replyTo\":\"0102030405060708\"}",
         PROBLEM_BAD_TOPIC, 422},
        {"{\"payload\":\"\",\"dst\":{}}", PROBLEM_NONE, 422},
        {"{\"payload\":\"\",\"dst\":\"400::5\"}", PROBLEM_NONE, 422},
        {"{\"payload\":\"\",\"dst\":{\"ip\":\"400::5\",\"pk\":\"" KEY "\"}}", PROBLEM_NONE, 422},
        {"{\"payload\":\"\",\"dst\":{\"ip\":\"1.2.3.4\"}}", PROBLEM_BAD_DESTINATION, 422},
        {"{\"payload\":\"\",\"dst\":{\"ip\":\"fd00::1\"}}", PROBLEM_BAD_DESTINATION, 422},
        {"{\"payload\":\"\",\"dst\":{\"ip\":7}}", PROBLEM_BAD_DESTINATION, 422},
        {"{\"payload\":\"\",\"dst\":{\"ip\":\"" KEY "\"}}", PROBLEM_BAD_DESTINATION, 422},
        {"{\"payload\":\"\",\"dst\":{\"pk\":\"400::5\"}}", PROBLEM_BAD_DESTINATION, 422},
        {"{\"payload\":\"\",\"dst\":{\"pk\":\"z" KEY "\"}}", PROBLEM_BAD_DESTINATION, 422},
    };
    struct bus_send s;
    struct json_fault f;
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        assert_int_equal(read_json(v[i].text, strlen(v[i].text), &s, &f), ERR_INVAL);
        if (f.status != v[i].status || f.problem != v[i].problem)
            fail_msg("%s: %u, %d", v[i].text, f.status, (int)f.problem);
    }
}

/* A topic and a payload of these lengths. */
static int read_long(size_t topic, size_t payload, struct json_fault *f)
{
    size_t cap = topic + payload * 4 / 3 + 200;
    char *text = malloc(cap);
    assert_non_null(text);
    size_t n = (size_t)snprintf(text, cap, "{" TO "\"topicText\":\"");
    memset(text + n, 't', topic);
    n += topic;
    n += (size_t)snprintf(text + n, cap - n, "\",\"payload\":\"");
    memset(text + n, 'A', (payload + 2) / 3 * 4);
    n += (payload + 2) / 3 * 4;
    if (payload % 3)
        memset(text + n - (3 - payload % 3), '=', 3 - payload % 3);
    n += (size_t)snprintf(text + n, cap - n, "\"}");
    struct bus_send s = {.reply = true};
    struct push_dsts none;
    int rc = push_body_read((const uint8_t *)text, n, &s, &none, f);
    free(text);
    if (rc == OK)
        blob_unref(s.payload);
    return rc;
}

static void test_lengths(void **state)
{
    (void)state;
    struct json_fault f;
    assert_int_equal(read_long(MSG_TOPIC_MAX, MSG_LEN_MAX, &f), OK);
    assert_int_equal(read_long(MSG_TOPIC_MAX + 1, 0, &f), ERR_INVAL);
    assert_int_equal(f.problem, PROBLEM_BAD_TOPIC);
    for (size_t more = 1; more < 5; more++) {
        assert_int_equal(read_long(0, MSG_LEN_MAX + more, &f), ERR_INVAL);
        assert_int_equal(f.problem, PROBLEM_TOO_LARGE);
    }
}

static void test_query(void **state)
{
    (void)state;
    static const char all[] =
        "dst=400%3A%3A5&topic=YS8%3D&ttlMs=1000&policy=at-most-once&priority=0"
        "&durable=false&other=1";
    static const char reply[] = "dst=" KEY "&replyTo=0102030405060708&ordered=true";
    struct bus_send s;
    struct json_fault f;
    assert_int_equal(push_query_read(all, (const uint8_t *)"\0x", 2, &s, &f), OK);
    assert_int_equal(s.dst.b[15], 5);
    assert_memory_equal(s.topic.b, "a/", 2);
    assert_int_equal(s.ttl_ms, 1000);
    assert_int_equal(s.policy, OUT_AT_MOST_ONCE);
    assert_int_equal(s.prio, 0);
    assert_true(s.in_memory);
    assert_int_equal(s.payload->len, 2);
    assert_memory_equal(s.payload->data, "\0x", 2);
    blob_unref(s.payload);
    for (size_t cut = 0; cut < strlen(all); cut++) { /* reads or says why */
        char text[sizeof(all)];
        memcpy(text, all, cut);
        text[cut] = '\0';
        if (push_query_read(text, NULL, 0, &s, &f) == OK)
            blob_unref(s.payload);
        else
            assert_true(f.status >= 400 && *f.text);
    }
    assert_int_equal(push_query_read(reply, NULL, 0, &s, &f), OK);
    assert_true(s.reply && s.ordered);
    assert_int_equal(s.prio, OUT_PRIO_DEFAULT);
    blob_unref(s.payload);
    static const char *const bad[] = {"",
                                      "dst=",
                                      "dst=400::5&dst=400::5",
                                      "dst=1.2.3.4",
                                      "dst=400::5%00",
                                      "dst=400::5&topic=Y",
                                      "dst=400::5&topic=YQ==&topicText=a",
                                      "dst=400::5&topicText=%ff",
                                      "dst=400::5&ttlMs=",
                                      "dst=400::5&ttlMs=999",
                                      "dst=400::5&ttlMs=99999999999",
                                      "dst=400::5&priority=4",
                                      "dst=400::5&priority=-1",
                                      "dst=400::5&durable=0",
                                      "dst=400::5&ordered=yes",
                                      "dst=400::5&ordered=true&durable=false",
                                      "dst=400::5&policy=",
                                      "dst=400::5&replyTo=1"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(push_query_read(bad[i], NULL, 0, &s, &f), ERR_INVAL);
    assert_int_equal(push_query_read(all, (const uint8_t *)"", MSG_LEN_MAX + 1, &s, &f), ERR_INVAL);
    assert_int_equal(f.problem, PROBLEM_TOO_LARGE);
}

static void test_key(void **state)
{
    (void)state;
    char text[IDEM_KEY_MAX + 2];
    struct idem_key k;
    struct json_fault f = {0};
    memset(text, '~', sizeof(text));
    assert_int_equal(push_key_read(NULL, &k, &f), OK);
    assert_int_equal(k.len, 0);
    for (size_t len = 0; len < sizeof(text); len++) {
        text[len] = '\0';
        bool fits = len >= 1 && len <= IDEM_KEY_MAX;
        f = (struct json_fault){0};
        assert_int_equal(push_key_read(text, &k, &f), fits ? OK : ERR_INVAL);
        assert_int_equal(f.status, fits ? 0 : 400);
        assert_int_equal(k.len, fits ? len : 0);
        text[len] = '~';
    }
    assert_int_equal(push_key_read("a b", &k, &f), ERR_INVAL);
    assert_int_equal(push_key_read("a\x7f", &k, &f), ERR_INVAL);
    assert_int_equal(push_key_read("\xc3\xa9", &k, &f), ERR_INVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),         cmocka_unit_test(test_dsts),
        cmocka_unit_test(test_json_refused), cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_query),        cmocka_unit_test(test_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
