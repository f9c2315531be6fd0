#include "api/json_message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json_in.h"
#include "base/err.h"
#include "base/text.h"
#include "tests/unit/api/expect_out.h"
#include "tests/unit/unit.h"

#define SHAPE  "Failed to deserialize the JSON body into the target type: "
#define SYNTAX "Failed to parse the request body as JSON: "

static int read_text(const char *text, struct send_body *ret, struct json_fault *fault)
{
    size_t len = strlen(text);
    uint8_t *copy = malloc(len ? len : 1); /* not terminated: for the sanitizers */
    assert_non_null(copy);
    memcpy(copy, text, len);
    int rc = send_body_read(copy, len, ret, fault);
    free(copy);
    return rc;
}

static void test_good(void **state)
{
    (void)state;
    struct send_body b;
    struct json_fault f;
    struct ip6 want;
    assert_int_equal(ip6_parse("437:5106:5530:1589:7c53:fa73:c63e:1ddb", &want), OK);
    assert_int_equal(read_text("{\"dst\":{\"ip\":\"437:5106:5530:1589:7c53:fa73:c63e:1ddb\"},"
                               "\"topic\":\"dGVzdA==\",\"payload\":\"aGVsbG8=\"}",
                               &b, &f),
                     OK);
    assert_true(ip6_eq(&b.dst, &want));
    assert_int_equal(b.topic.len, 4);
    assert_memory_equal(b.topic.b, "test", 4);
    assert_int_equal(b.payload->len, 5);
    assert_memory_equal(b.payload->data, "hello", 5);
    send_body_fini(&b);
    /* a key in upper case, no topic, a key that nobody knows, an escaped slash, an empty payload */
    assert_int_equal(
        read_text("{\"x\":[{}],\"payload\":\"\\/w==\",\"topic\":null,\"dst\":{\"pk\":\""
                  "358072D6365880D1AEEA329ADF9121383851ED21A28E3B75E965D0D2CD166254\"}}",
                  &b, &f),
        OK);
    assert_true(ip6_eq(&b.dst, &want));
    assert_int_equal(b.topic.len, 0);
    assert_int_equal(b.payload->len, 1);
    assert_int_equal(b.payload->data[0], 0xff);
    send_body_fini(&b);
    assert_int_equal(
        read_text("{\"dst\":{\"ip\":\"400::1\"},\"topic\":\"\",\"payload\":\"\"}", &b, &f), OK);
    assert_int_equal(b.payload->len, 0);
    send_body_fini(&b);
}

static void refused(const char *text, unsigned status, const char *begin)
{
    struct send_body b = {0};
    struct json_fault f = {0};
    assert_int_equal(read_text(text, &b, &f), ERR_INVAL);
    assert_null(b.payload);
    assert_int_equal(f.status, status);
    if (strncmp(f.text, begin, strlen(begin)) != 0)
        fail_msg("%s: \"%s\" is not \"%s...\"", text, f.text, begin);
}

static void test_refused(void **state)
{
    (void)state;
    refused("", 400, SYNTAX);
    refused("x", 400, SYNTAX);
    refused("{\"dst\":", 400, SYNTAX);
    refused("{} x", 400, SYNTAX);
    refused("{\"dst\":{\"ip\":\"400::1\"},\"payload\":\"\",\"payload\":\"\"}", 422,
            SHAPE "duplicate object key near '\"payload\"'");
    refused("{\"dst\":{\"ip\":\"\xff\"},\"payload\":\"\"}", 400, SYNTAX);
    refused("{\"dst\":{\"ip\":\"400::1\",\"ip\":\"400::1\"},\"payload\":\"\"}", 422, SHAPE);
    refused("5", 422, SHAPE);
    refused("[]", 422, SHAPE);
    refused("null", 422, SHAPE);
    refused("{}", 422, SHAPE "missing field `dst`");
    refused("{\"dst\":{\"ip\":\"400::1\"}}", 422, SHAPE "missing field `payload`");
    refused("{\"dst\":5,\"payload\":\"\"}", 422, SHAPE "dst: ");
    refused("{\"dst\":{},\"payload\":\"\"}", 400, SYNTAX "dst: expected value");
    refused("{\"dst\":{\"ip\":\"400::1\",\"pk\":\"\"},\"payload\":\"\"}", 400,
            SYNTAX "dst: expected value");
    refused("{\"dst\":{\"host\":\"x\"},\"payload\":\"\"}", 422,
            SHAPE "dst: unknown variant `host`, expected `ip` or `pk`");
    refused("{\"dst\":{\"ip\":5},\"payload\":\"\"}", 422, SHAPE "dst.ip: ");
    refused("{\"dst\":{\"ip\":\"zz\"},\"payload\":\"\"}", 422,
            SHAPE "dst.ip: invalid IP address syntax");
    refused("{\"dst\":{\"pk\":\"00\"},\"payload\":\"\"}", 422,
            SHAPE "dst.pk: Public key is 64 characters long");
    refused(
        "{\"dst\":{\"pk\":"
        "\"zz8072d6365880d1aeea329adf9121383851ed21a28e3b75e965d0d2cd166254\"},\"payload\":\"\"}",
        422, SHAPE "dst.pk: PublicKey is not valid hex");
    refused("{\"dst\":{\"ip\":\"400::1\\u0000\"},\"payload\":\"\"}", 422,
            SHAPE "dst.ip: invalid IP address syntax");
    refused("{\"payload\":5,\"dst\":{}}", 422, SHAPE "payload: ");
    refused("{\"dst\":{},\"payload\":5}", 400, SYNTAX "dst: ");
    refused("{\"dst\":{\"host\":\"x\",\"ip\":\"400::1\"},\"payload\":\"\"}", 422,
            SHAPE "dst: unknown");
    refused("{\"dst\":{\"ip\":5,\"pk\":\"\"},\"payload\":\"\"}", 422, SHAPE "dst.ip: ");
    refused("{\"dst\":{\"ip\":\"1.2.3.4\"},\"payload\":\"\"}", 400, "dst.ip: ");
    refused("{\"dst\":{\"ip\":\"::1.2.3.4\"},\"payload\":\"\"}", 400, "dst.ip: ");
    refused("{\"dst\":{\"ip\":\"::ffff:1.2.3.4\"},\"payload\":\"\"}", 400, "dst.ip: ");
    refused("{\"dst\":{\"ip\":\"600::1\"},\"payload\":\"\"}", 400, "dst.ip: ");
}

static void test_base64(void **state)
{
    (void)state;
    static const char *const v[][2] = {
        {"\"AB==\"", "payload: Invalid last symbol 66, offset 1."},
        {"\"AA\"", "payload: Invalid padding"},
        {"\"A_-=\"", "payload: Invalid symbol 95, offset 1."},
        {"\"A\"", "payload: Invalid input length: 1"},
        {"\"AAA\\u0000\"", "payload: Invalid symbol 0, offset 3."},
        {"null", "payload: invalid type: null, expected a string"},
        {"5", "payload: invalid type: number, expected a string"},
    };
    char text[128], want[160];
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        (void)snprintf(text, sizeof(text), "{\"dst\":{\"ip\":\"400::1\"},\"payload\":%s}", v[i][0]);
        (void)snprintf(want, sizeof(want), SHAPE "%s", v[i][1]);
        refused(text, 422, want);
    }
    refused("{\"dst\":{\"ip\":\"400::1\"},\"topic\":\"AB==\",\"payload\":\"\"}", 422,
            SHAPE "topic: Invalid last symbol 66, offset 1.");
    refused("{\"dst\":{\"ip\":\"400::1\"},\"topic\":[],\"payload\":\"\"}", 422, SHAPE "topic: ");
}

/* A message with a topic of topic_len and a payload of len bytes. */
static char *with_lengths(size_t topic_len, size_t len)
{
    size_t cap = 128 + B64_LEN(topic_len) + B64_LEN(len);
    uint8_t *bytes = calloc(1, MAX(topic_len, len) + 1);
    char *text = malloc(cap);
    assert_non_null(bytes);
    assert_non_null(text);
    size_t n = (size_t)snprintf(text, cap, "{\"dst\":{\"ip\":\"400::1\"},\"topic\":\"");
    n += b64_encode(bytes, topic_len, text + n);
    n += (size_t)snprintf(text + n, cap - n, "\",\"payload\":\"");
    n += b64_encode(bytes, len, text + n);
    (void)snprintf(text + n, cap - n, "\"}");
    free(bytes);
    return text;
}

static void test_lengths(void **state)
{
    (void)state;
    static const struct {
        size_t topic, payload;
        unsigned status;
    } v[] = {{255, 0, 0},
             {256, 0, 400},
             {257, 0, 400},
             {5000, 0, 400},
             {0, MSG_LEN_MAX - 1, 0},
             {0, MSG_LEN_MAX, 0},
             {0, MSG_LEN_MAX + 1, 413},
             {0, MSG_LEN_MAX + 2, 413},
             {0, MSG_LEN_MAX + 3, 413},
             {0, 3 * MSG_LEN_MAX, 413},
             {0, JSON_BODY_MAX, 413}};
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        char *text = with_lengths(v[i].topic, v[i].payload);
        struct send_body b = {0};
        struct json_fault f = {0};
        int rc = read_text(text, &b, &f);
        assert_int_equal(f.status, v[i].status);
        if (rc == OK) {
            assert_int_equal(b.topic.len, v[i].topic);
            assert_int_equal(b.payload->len, v[i].payload);
        } else if (v[i].status == 400) {
            assert_string_equal(f.text, "");
        } else {
            assert_true(strstr(f.text, "65536") || strcmp(f.text, JSON_TOO_LONG) == 0);
        }
        send_body_fini(&b);
        free(text);
    }
}

/* Each character of the longest message as an escape: the longest body that can be one. */
static void test_escaped(void **state)
{
    (void)state;
    char *plain = with_lengths(MSG_TOPIC_MAX, MSG_LEN_MAX);
    char *text = malloc(6 * strlen(plain) + 1), *at = text;
    bool inside = false;
    assert_non_null(text);
    for (const char *p = plain; *p; p++) {
        if (*p == '"')
            inside = !inside;
        if (*p != '"' && inside)
            at += sprintf(at, "\\u%04x", (unsigned char)*p);
        else
            *at++ = *p;
    }
    *at = '\0';
    struct send_body b;
    struct json_fault f;
    assert_int_equal(read_text(text, &b, &f), OK);
    assert_int_equal(b.topic.len, MSG_TOPIC_MAX);
    assert_int_equal(b.payload->len, MSG_LEN_MAX);
    send_body_fini(&b);
    free(plain);
    free(text);
}

static void test_cut(void **state)
{
    (void)state;
    static const char whole[] = "{\"dst\":{\"ip\":\"400::1\"},\"topic\":\"dGVzdA==\","
                                "\"payload\":\"aGVsbG8=\"}";
    for (size_t len = 0; len < sizeof(whole) - 1; len++) {
        char *cut = strndup(whole, len);
        assert_non_null(cut);
        refused(cut, 400, SYNTAX);
        free(cut);
    }
}

static void test_message(void **state)
{
    (void)state;
    static const uint8_t key[MSG_KEY_BYTES] = {0x35, 0x80};
    struct json_out o = {0};
    struct blob *payload = blob_copy("hello", 5);
    struct bus_message m = {
        .id = {{0xb7, 0x13, 0x83, 0x3c, 0x2f, 0x94, 0x78, 0xce}},
        .src_key = {0x8f, 0x40},
        .topic = {.len = 4, .b = "test"},
        .payload = payload,
    };
    assert_int_equal(ip6_parse("430::1", &m.src), OK);
    assert_int_equal(ip6_parse("437::2", &m.dst), OK);
    json_message(&o, &m, key);
    expect_out(
        &o,
        "{\"id\":\"b713833c2f9478ce\",\"srcIp\":\"430::1\",\"srcPk\":"
        "\"8f40000000000000000000000000000000000000000000000000000000000000\",\"dstIp\":\"437::2\","
        "\"dstPk\":\"3580000000000000000000000000000000000000000000000000000000000000\","
        "\"topic\":\"dGVzdA==\",\"payload\":\"aGVsbG8=\"}");
    m.topic.len = 0;
    m.payload = NULL;
    json_message(&o, &m, key);
    assert_null(memmem(o.p, o.len, "topic", 5));
    assert_non_null(memmem(o.p, o.len, ",\"payload\":\"\"}", 14));
    json_out_fini(&o);
    json_id(&o, &m.id);
    expect_out(&o, "{\"id\":\"b713833c2f9478ce\"}");
    blob_unref(payload);
}

static void test_status(void **state)
{
    (void)state;
    static const struct {
        enum out_state state;
        const char *text;
    } v[] = {
        {OUT_QUEUED, "\"pending\""},
        {OUT_INIT_SENT, "\"pending\""},
        {OUT_SENDING, "{\"sending\":{\"pending\":1,\"sent\":2,\"acked\":3}}"},
        {OUT_DONE_SENT, "{\"sending\":{\"pending\":1,\"sent\":2,\"acked\":3}}"},
        {OUT_RECEIVED, "\"received\""},
        {OUT_READ, "\"read\""},
        {OUT_ABORTED, "\"aborted\""},
        {OUT_CANCELLED, "\"aborted\""},
        {OUT_UNKNOWN, "\"aborted\""},
        {OUT_REFUSED, "\"aborted\""},
    };
    struct bus_status_info s = {
        .chunks_pending = 1,
        .chunks_sent = 2,
        .chunks_acked = 3,
        .created_ms = 1795367445999,
        .deadline_ms = 1795367745999,
        .len = 2,
    };
    char want[256];
    assert_int_equal(ip6_parse("437::2", &s.dst), OK);
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        struct json_out o = {0};
        s.state = v[i].state;
        json_status(&o, &s);
        (void)snprintf(want, sizeof(want),
                       "{\"dst\":\"437::2\",\"state\":%s,\"created\":1795367445,"
                       "\"deadline\":1795367745,\"msgLen\":2}",
                       v[i].text);
        expect_out(&o, want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),    cmocka_unit_test(test_refused),
        cmocka_unit_test(test_base64),  cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_cut),     cmocka_unit_test(test_escaped),
        cmocka_unit_test(test_message), cmocka_unit_test(test_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
