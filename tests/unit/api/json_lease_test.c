#include "api/json_lease.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json_in.h"
#include "api/range.h"
#include "base/err.h"
#include "tests/unit/unit.h"

static int read_fetch(const char *text, size_t len, struct bus_fetch *ret, struct json_fault *f)
{
    uint8_t *copy = malloc(len ? len : 1); /* not terminated: for the sanitizers */
    assert_non_null(copy);
    memcpy(copy, text, len);
    int rc = fetch_body_read(copy, len, ret, f);
    free(copy);
    return rc;
}

static void test_fetch(void **state)
{
    (void)state;
    static const char all[] = "{\"prefix\":\"YS8=\",\"max\":256,\"maxBytes\":67108864,"
                              "\"waitMs\":600000,\"leaseMs\":3600000,\"consumer\":\"A.b_c-9\"}";
    struct bus_fetch f = {.session = 7};
    struct json_fault fault;
    assert_int_equal(read_fetch("{}", 2, &f, &fault), OK);
    assert_int_equal(f.filter.kind, BUS_ANY);
    assert_int_equal(f.max, 1);
    assert_int_equal(f.max_bytes, FETCH_BYTES);
    assert_int_equal(f.wait_ms + f.lease_ms, 0);
    assert_string_equal(f.consumer, "");
    assert_int_equal(f.session, 7);
    assert_int_equal(read_fetch(all, strlen(all), &f, &fault), OK);
    assert_int_equal(f.filter.kind, BUS_PREFIX);
    assert_memory_equal(f.filter.topic.b, "a/", 2);
    assert_int_equal(f.max, 256);
    assert_int_equal(f.max_bytes, 67108864);
    assert_int_equal(f.wait_ms, 600000);
    assert_int_equal(f.lease_ms, 3600000);
    assert_string_equal(f.consumer, "A.b_c-9");
    for (size_t cut = 0; cut < strlen(all); cut++) {
        assert_int_equal(read_fetch(all, cut, &f, &fault), ERR_INVAL);
        assert_int_equal(fault.status, 400);
    }
    static const char topic[] = "{\"topic\":\"\"}", pattern[] = "{\"pattern\":\"a/+\"}";
    assert_int_equal(read_fetch(topic, strlen(topic), &f, &fault), OK);
    assert_int_equal(f.filter.kind, BUS_TOPIC);
    assert_int_equal(f.filter.topic.len, 0);
    assert_int_equal(read_fetch(pattern, strlen(pattern), &f, &fault), OK);
    assert_int_equal(f.filter.kind, BUS_PATTERN);
    assert_memory_equal(f.filter.topic.b, "a/+", 3);
}

static void test_fetch_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum problem problem;
    } v[] = {
        {"[]", PROBLEM_NONE},
        {"{\"max\":0}", PROBLEM_NONE},
        {"{\"max\":257}", PROBLEM_NONE},
        {"{\"max\":1.5}", PROBLEM_NONE},
        {"{\"max\":\"1\"}", PROBLEM_NONE},
        {"{\"max\":1e300}", PROBLEM_NONE},
        {"{\"maxBytes\":0}", PROBLEM_NONE},
        {"{\"maxBytes\":67108865}", PROBLEM_NONE},
        {"{\"waitMs\":-1}", PROBLEM_NONE},
        {"{\"waitMs\":600001}", PROBLEM_NONE},
        {"{\"leaseMs\":999}", PROBLEM_NONE},
        {"{\"leaseMs\":3600001}", PROBLEM_NONE},
        {"{\"consumer\":\"\"}", PROBLEM_NONE},
        {"{\"consumer\":\"a b\"}", PROBLEM_NONE},
        {"{\"consumer\":\"a\\u0000\"}", PROBLEM_NONE},
        {"{\"consumer\":5}", PROBLEM_NONE},
        {"{\"consumer\":"
         "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
         PROBLEM_NONE},
        {"{\"topic\":\"QQ==\",\"prefix\":\"QQ==\"}", PROBLEM_NONE},
        {"{\"topic\":null}", PROBLEM_NONE},
        {"{\"topic\":\"Q\"}", PROBLEM_BAD_BASE64},
        {"{\"prefix\":\"QR==\"}", PROBLEM_BAD_BASE64},
        {"{\"pattern\":\"\"}", PROBLEM_BAD_PATTERN},
        {"{\"pattern\":\"a+\"}", PROBLEM_BAD_PATTERN},
        {"{\"pattern\":\"#/a\"}", PROBLEM_BAD_PATTERN},
        {"{\"pattern\":5}", PROBLEM_NONE},
        {"{\"maxx\":1}", PROBLEM_NONE},
    };
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        struct bus_fetch f = {0};
        struct json_fault fault;
        assert_int_equal(read_fetch(v[i].text, strlen(v[i].text), &f, &fault), ERR_INVAL);
        assert_int_equal(fault.status, 422);
        assert_int_equal(fault.problem, v[i].problem);
        assert_true(*fault.text != '\0');
    }
    char text[512] = "{\"topic\":\""; /* 256 bytes */
    memset(text + strlen(text), 'A', 340);
    strcat(text, "AA==\"}");
    struct bus_fetch f = {0};
    struct json_fault fault;
    assert_int_equal(read_fetch(text, strlen(text), &f, &fault), ERR_INVAL);
    assert_int_equal(fault.problem, PROBLEM_BAD_TOPIC);
}

#define TOKEN "17.3.000102030405060708090a0b"

static int read_settle(const char *text, size_t len, enum bus_settle_kind kind,
                       struct settle_body *ret, struct json_fault *f)
{
    uint8_t *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    memcpy(copy, text, len);
    int rc = settle_body_read(copy, len, kind, ret, f);
    free(copy);
    return rc;
}

static void test_settle(void **state)
{
    (void)state;
    static const char body[] = "{\"tokens\":[\"" TOKEN "\",\"" TOKEN "\"],\"delayMs\":86400000,"
                               "\"leaseMs\":1000,\"other\":[]}";
    static const struct {
        enum bus_settle_kind kind;
        int64_t ms;
    } v[] = {{BUS_ACK, 0}, {BUS_TERM, 0}, {BUS_NACK, 86400000}, {BUS_RENEW, 1000}};
    struct settle_body b;
    struct json_fault fault;
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        assert_int_equal(read_settle(body, strlen(body), v[i].kind, &b, &fault), OK);
        assert_int_equal(b.n, 2);
        assert_int_equal(b.ms, v[i].ms);
        assert_int_equal(b.tokens[1].seq, 17);
        assert_int_equal(b.tokens[1].generation, 3);
        assert_int_equal(b.tokens[1].tag[11], 11);
        free(b.tokens);
    }
    for (size_t cut = 0; cut < strlen(body); cut++)
        assert_int_equal(read_settle(body, cut, BUS_ACK, &b, &fault), ERR_INVAL);
    static const struct {
        const char *text;
        enum bus_settle_kind kind;
        enum problem problem;
    } bad[] = {
        {"5", BUS_ACK, PROBLEM_NONE},
        {"{}", BUS_ACK, PROBLEM_NONE},
        {"{\"tokens\":{}}", BUS_ACK, PROBLEM_NONE},
        {"{\"tokens\":[]}", BUS_ACK, PROBLEM_NONE},
        {"{\"tokens\":[5]}", BUS_ACK, PROBLEM_NONE},
        {"{\"tokens\":[\"\"]}", BUS_ACK, PROBLEM_BAD_TOKEN},
        {"{\"tokens\":[\"" TOKEN "\",\"x\"]}", BUS_ACK, PROBLEM_BAD_TOKEN},
        {"{\"tokens\":[\"" TOKEN "\"],\"delayMs\":86400001}", BUS_NACK, PROBLEM_NONE},
        {"{\"tokens\":[\"" TOKEN "\"],\"leaseMs\":999}", BUS_RENEW, PROBLEM_NONE},
        {"{\"tokens\":[\"" TOKEN "\"],\"leaseMs\":null}", BUS_RENEW, PROBLEM_NONE},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(read_settle(bad[i].text, strlen(bad[i].text), bad[i].kind, &b, &fault),
                         ERR_INVAL);
        assert_int_equal(fault.status, 422);
        assert_int_equal(fault.problem, bad[i].problem);
    }
    /* One more than allowed. */
    size_t cap = 64 + (sizeof(TOKEN) + 3) * (BUS_SETTLE_MAX + 1);
    char *text = malloc(cap), *at = text;
    assert_non_null(text);
    at += sprintf(at, "{\"tokens\":[");
    for (size_t i = 0; i <= BUS_SETTLE_MAX; i++)
        at += sprintf(at, "%s\"" TOKEN "\"", i ? "," : "");
    (void)sprintf(at, "]}");
    assert_int_equal(read_settle(text, strlen(text), BUS_ACK, &b, &fault), ERR_INVAL);
    free(text);
}

static void test_range(void **state)
{
    (void)state;
    static const struct {
        const char *field;
        uint64_t len;
        int rc;
        uint64_t from, n;
    } v[] = {
        {NULL, 10, ERR_NOENT, 0, 0},          {"", 10, ERR_NOENT, 0, 0},
        {"bytes", 10, ERR_NOENT, 0, 0},       {"bytes=", 10, ERR_NOENT, 0, 0},
        {"bytes=-", 10, ERR_NOENT, 0, 0},     {"bytes=x-1", 10, ERR_NOENT, 0, 0},
        {"bytes=1-x", 10, ERR_NOENT, 0, 0},   {"bytes=1-2,4-5", 10, ERR_NOENT, 0, 0},
        {"bytes=5-4", 10, ERR_NOENT, 0, 0},   {"bytes=9223372036854775808-", 10, ERR_NOENT, 0, 0},
        {"lines=1-2", 10, ERR_NOENT, 0, 0},   {"bytes=0-0", 10, OK, 0, 1},
        {"Bytes=3-", 10, OK, 3, 7},           {"bytes=3-9223372036854775807", 10, OK, 3, 7},
        {"bytes=9-9", 10, OK, 9, 1},          {"bytes=-1", 10, OK, 9, 1},
        {"bytes=-10", 10, OK, 0, 10},         {"bytes=-11", 10, OK, 0, 10},
        {"bytes=-0", 10, ERR_INVAL, 0, 0},    {"bytes=10-", 10, ERR_INVAL, 0, 0},
        {"bytes=10-20", 10, ERR_INVAL, 0, 0}, {"bytes=0-", 0, ERR_INVAL, 0, 0},
        {"bytes=-5", 0, ERR_INVAL, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        struct byte_range r = {0, 0};
        assert_int_equal(range_read(v[i].field, v[i].len, &r), v[i].rc);
        assert_int_equal(r.from, v[i].from);
        assert_int_equal(r.len, v[i].n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fetch),
        cmocka_unit_test(test_fetch_refused),
        cmocka_unit_test(test_settle),
        cmocka_unit_test(test_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
