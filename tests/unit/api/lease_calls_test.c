/* The calls around the inbox from request to answer, with a real bus whose store answers at once,
 * or fails when told so. Messages come in as messages to oneself. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/calls.h"
#include "base/err.h"
#include "base/text.h"
#include "tests/unit/api/no_pieces.h"
#include "tests/unit/api/no_raw.h"
#include "tests/unit/unit.h"

static struct {
    struct api *api;
    struct peers *peers;
    struct bus *bus;
    struct rng rng;
    http_id next_id;
    uint64_t connection;
    int store_rc;
    unsigned answers;
    /* the last answer */
    http_id answered;
    unsigned status;
    char type[64], fields[256];
    char *body;
    size_t len;
} t;

bool http_answer(struct http_server *s, http_id id, const struct http_response *r)
{
    (void)s;
    t.answers++;
    t.answered = id;
    t.status = r->status;
    (void)snprintf(t.type, sizeof(t.type), "%s", r->content_type ? r->content_type : "");
    t.fields[0] = '\0';
    for (size_t i = 0; i < r->extra_count; i++) {
        size_t n = strlen(t.fields);
        (void)snprintf(t.fields + n, sizeof(t.fields) - n, "%s: %s\n", r->extra[i].name,
                       r->extra[i].value);
    }
    free(t.body);
    t.len = r->content_type ? r->body_len : 0;
    t.body = calloc(1, t.len + 1);
    assert_non_null(t.body);
    if (t.len > 0)
        memcpy(t.body, r->body, t.len);
    return true;
}

static void kick(void *ctx)
{
    (void)ctx;
}

/* The bus until it is quiet; its store does what it is asked. */
static void drain(void)
{
    struct bus_out out;
    struct instant now = instant_now();
    while (bus_next(t.bus, now, &out)) {
        if (out.kind == BUS_OUT_STORE) {
            struct bus_store_result res = {.tag = out.store->tag, .rc = t.store_rc};
            bus_stored(t.bus, &res, now);
        } else if (out.kind != BUS_OUT_PACKET && out.kind != BUS_OUT_WANT) {
            api_bus_answer(t.api, &out);
        }
    }
}

static http_id ask_full(enum http_method method, const char *target, const char *body,
                        const char *range)
{
    char path[512];
    const char *mark = strchr(target, '?');
    (void)snprintf(path, sizeof(path), "/bus/v1%.*s",
                   (int)(mark ? mark - target : (ptrdiff_t)strlen(target)), target);
    struct http_request r = {
        .id = ++t.next_id,
        .method = method,
        .path = path,
        .query = mark ? mark + 1 : "",
        .content_type = "application/json",
        .loopback = true,
        .local_addr = "127.0.0.1",
        .local_port = 8989,
        .connection = t.connection,
        .range = range,
        .body = (const uint8_t *)body,
        .body_len = strlen(body),
    };
    struct http_handler h = api_handler(t.api);
    t.answered = 0;
    h.request(h.ctx, &r);
    drain();
    return r.id;
}

static void ask(enum http_method method, const char *target, const char *body, unsigned status)
{
    http_id id = ask_full(method, target, body, NULL);
    if (t.status != status)
        print_message("%u %s\n", t.status, t.body);
    assert_int_equal(t.answered, id);
    assert_int_equal(t.status, status);
}

static void ask_bad(enum http_method method, const char *target, const char *body, unsigned status,
                    const char *code)
{
    char want[64];
    ask(method, target, body, status);
    (void)snprintf(want, sizeof(want), "\"code\":\"%s\"}", code);
    assert_string_equal(t.type, "application/problem+json");
    assert_non_null(strstr(t.body, want));
}

static const struct ip6 self = {.b = {4, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};

static void message(const char *topic, const char *text)
{
    struct bus_send s = {.dst = self, .topic.len = (uint8_t)strlen(topic)};
    memcpy(s.topic.b, topic, s.topic.len);
    s.payload = blob_copy(text, strlen(text));
    assert_non_null(s.payload);
    assert_int_equal(bus_send(t.bus, &s, UINT64_MAX, instant_now()), OK);
    blob_unref(s.payload);
    drain();
}

/* A part of the last answer; the caller's. */
static json_t *answer(void)
{
    json_error_t e;
    json_t *v = json_loadb(t.body, t.len, 0, &e);
    assert_non_null(v);
    return v;
}

/* The token of message `at` of a fetch. */
static void token(size_t at, char ret[static BUS_TOKEN_STR_MAX])
{
    json_t *v = answer();
    const char *text = json_string_value(
        json_object_get(json_array_get(json_object_get(v, "messages"), at), "token"));
    assert_non_null(text);
    (void)snprintf(ret, BUS_TOKEN_STR_MAX, "%s", text);
    json_decref(v);
}

static void settle(const char *call, const char *token_text, const char *more, const char *want)
{
    char target[32], body[200];
    (void)snprintf(target, sizeof(target), "/messages/%s", call);
    (void)snprintf(body, sizeof(body), "{\"tokens\":[\"%s\"]%s}", token_text, more);
    ask(HTTP_POST, target, body, 200);
    assert_string_equal(t.body, want);
}

static int setup(void **state)
{
    (void)state;
    memset(&t, 0, sizeof(t));
    rng_init_seeded(&t.rng, 1);
    struct bus_conf bc = {.self = self, .rng = &t.rng};
    bus_limits_default(&bc.limits);
    bc.limits.tries = 1;
    assert_int_equal(bus_new(&bc, instant_now(), &t.bus), OK);
    assert_int_equal(peers_new(&t.rng, &t.peers), OK);
    struct api_conf c = {.bus = t.bus, .peers = t.peers, .kick = kick};
    assert_int_equal(api_new(&c, &t.api), OK);
    t.connection = 1;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    api_free(t.api);
    bus_free(t.bus);
    peers_free(t.peers);
    free(t.body);
    return 0;
}

/* --- tests ----------------------------------------------------------------------------------- */

#define DONE "{\"done\":1,\"unknown\":[]}"

static void test_fetch(void **state)
{
    (void)state;
    char tok[BUS_TOKEN_STR_MAX], want[200];
    ask(HTTP_POST, "/messages/fetch", "{}", 204);
    assert_int_equal(t.len, 0);
    message("test", "hello");
    message("", "");
    ask(HTTP_POST, "/messages/fetch", "{\"max\":10}", 200);
    assert_string_equal(t.type, "application/json");
    json_t *v = answer(), *m = json_array_get(json_object_get(v, "messages"), 0);
    assert_int_equal(json_array_size(json_object_get(v, "messages")), 2);
    static const char *const keys[] = {
        "id",  "srcIp", "srcPk", "dstIp",       "dstPk",      "topic",        "payload",
        "seq", "token", "reply", "redelivered", "receivedMs", "leaseUntilMs", "len"};
    size_t n = 0;
    for (void *i = json_object_iter(m); i; i = json_object_iter_next(m, i), n++)
        assert_string_equal(json_object_iter_key(i), keys[n]);
    assert_int_equal(n, ARRAY_LEN(keys));
    assert_string_equal(json_string_value(json_object_get(m, "payload")), "aGVsbG8=");
    assert_string_equal(json_string_value(json_object_get(m, "topic")), "dGVzdA==");
    assert_int_equal(json_integer_value(json_object_get(m, "redelivered")), 0);
    assert_int_equal(json_integer_value(json_object_get(m, "leaseUntilMs")) -
                             json_integer_value(json_object_get(m, "receivedMs")) <
                         29000,
                     0);
    m = json_array_get(json_object_get(v, "messages"), 1);
    assert_null(json_object_get(m, "topic"));
    assert_string_equal(json_string_value(json_object_get(m, "payload")), "");
    json_decref(v);
    token(0, tok);
    settle("renew", tok, ",\"leaseMs\":60000", DONE);
    settle("nack", tok, ",\"delayMs\":0", DONE);
    (void)snprintf(want, sizeof(want), "{\"done\":0,\"unknown\":[\"%s\"]}", tok);
    settle("nack", tok, "", want);
    settle("renew", tok, "", want);
    ask(HTTP_POST, "/messages/fetch", "{\"topic\":\"dGVzdA==\",\"maxBytes\":2}", 200);
    v = answer();
    m = json_array_get(json_object_get(v, "messages"), 0);
    assert_null(json_object_get(m, "payload"));
    (void)snprintf(want, sizeof(want), "/bus/v1/inbox/%lld/payload",
                   (long long)json_integer_value(json_object_get(m, "seq")));
    assert_string_equal(json_string_value(json_object_get(m, "payloadHref")), want);
    assert_int_equal(json_integer_value(json_object_get(m, "redelivered")), 1);
    json_decref(v);
    settle("ack", tok, "", DONE); /* the older token */
    (void)snprintf(want, sizeof(want), "{\"done\":0,\"unknown\":[\"%s\"]}", tok);
    settle("ack", tok, "", want);
}

static void test_fetch_waits(void **state)
{
    (void)state;
    http_id first = ask_full(HTTP_POST, "/messages/fetch",
                             "{\"waitMs\":60000,\"prefix\":\"dA==\",\"consumer\":\"me\"}", NULL);
    assert_int_equal(t.answered, 0);
    message("other", "1");
    assert_int_equal(t.answered, 0);
    message("t/1", "2");
    assert_int_equal(t.answered, first);
    assert_int_equal(t.status, 200);
    /* Who leaves gets nothing on lease. */
    http_id second =
        ask_full(HTTP_POST, "/messages/fetch", "{\"waitMs\":60000,\"prefix\":\"dA==\"}", NULL);
    struct http_handler h = api_handler(t.api);
    h.gone(h.ctx, second);
    message("t/2", "3");
    assert_int_equal(t.answered, 0);
    ask(HTTP_GET, "/inbox?state=ready&prefix=dA%3D%3D", "", 200);
    assert_non_null(strstr(t.body, "\"redelivered\":0"));
    /* The same name over another connection has the lease now. */
    t.connection = 2;
    ask(HTTP_POST, "/messages/fetch", "{\"consumer\":\"me\",\"max\":5,\"topic\":\"dC8x\"}", 200);
    assert_non_null(strstr(t.body, "\"redelivered\":1"));
}

static void test_store_fails(void **state)
{
    (void)state;
    char tok[BUS_TOKEN_STR_MAX], body[100];
    message("", "x");
    ask(HTTP_POST, "/messages/fetch", "{}", 200);
    token(0, tok);
    (void)snprintf(body, sizeof(body), "{\"tokens\":[\"%s\"]}", tok);
    t.store_rc = ERR_IO;
    ask_bad(HTTP_POST, "/messages/ack", body, 503, "store-failed");
    assert_string_equal(t.fields, "retry-after: 1\n");
    t.store_rc = ERR_NOSPACE;
    ask_bad(HTTP_POST, "/messages/term", body, 507, "store-full");
    t.store_rc = OK;
    settle("ack", tok, "", DONE);
}

static void test_inbox(void **state)
{
    (void)state;
    char tok[BUS_TOKEN_STR_MAX], path[64];
    ask(HTTP_GET, "/inbox", "", 200);
    assert_string_equal(t.body, "{\"entries\":[]}");
    message("a", "0123456789");
    message("ab", "y");
    message("b", "z");
    ask(HTTP_GET, "/inbox?limit=2", "", 200);
    json_t *v = answer(), *entries = json_object_get(v, "entries");
    assert_int_equal(json_array_size(entries), 2);
    long long seq = json_integer_value(json_object_get(json_array_get(entries, 0), "seq"));
    long long next = json_integer_value(json_object_get(v, "nextAfter"));
    json_decref(v);
    (void)snprintf(path, sizeof(path), "/inbox?limit=2&after=%lld", next);
    ask(HTTP_GET, path, "", 200);
    assert_non_null(strstr(t.body, "\"topic\":\"Yg==\""));
    assert_null(strstr(t.body, "nextAfter"));
    assert_null(strstr(t.body, "payload"));
    (void)snprintf(path, sizeof(path), "/inbox/%lld", seq);
    ask(HTTP_GET, path, "", 200);
    assert_non_null(strstr(t.body, "\"state\":\"ready\",\"reply\":false,\"receivedMs\":"));
    /* Put aside, looked at, requeued. */
    ask(HTTP_POST, "/messages/fetch", "{\"topic\":\"YQ==\",\"consumer\":\"c.1\"}", 200);
    token(0, tok);
    ask(HTTP_GET, path, "", 200);
    assert_non_null(strstr(t.body, "\"state\":\"leased\""));
    assert_non_null(strstr(t.body, "\"consumer\":\"c.1\",\"redelivered\":0,\"len\":10}"));
    settle("term", tok, "", DONE);
    ask(HTTP_GET, "/inbox?state=dead", "", 200);
    assert_non_null(strstr(t.body, "\"state\":\"dead\""));
    assert_non_null(strstr(t.body, "\"expireMs\":"));
    (void)snprintf(path, sizeof(path), "/inbox/%lld/requeue", seq);
    ask(HTTP_POST, path, "", 204);
    ask(HTTP_GET, "/inbox?state=dead", "", 200);
    assert_string_equal(t.body, "{\"entries\":[]}");
    (void)snprintf(path, sizeof(path), "/inbox/%lld", seq);
    ask(HTTP_DELETE, path, "", 204);
    ask_bad(HTTP_DELETE, path, "", 404, "not-found");
    ask_bad(HTTP_GET, path, "", 404, "not-found");
    (void)snprintf(path, sizeof(path), "/inbox/%lld/requeue", seq);
    ask_bad(HTTP_POST, path, "", 404, "not-found");
    ask_bad(HTTP_GET, "/inbox/0", "", 400, "bad-request");
    ask_bad(HTTP_GET, "/inbox/x", "", 400, "bad-request");
    ask_bad(HTTP_GET, "/inbox/9223372036854775808", "", 400, "bad-request");
    ask_bad(HTTP_GET, "/inbox?limit=0", "", 400, "bad-request");
    ask_bad(HTTP_GET, "/inbox?state=gone", "", 400, "bad-request");
    ask_bad(HTTP_GET, "/inbox?pattern=a%23", "", 422, "bad-pattern");
    ask(HTTP_GET, "/inbox?pattern=%23", "", 200);
    ask_bad(HTTP_POST, "/inbox", "{}", 405, "bad-request");
    assert_string_equal(t.fields, "allow: GET,HEAD\n");
}

static void expect_range(const char *path, const char *range, unsigned status, const char *body,
                         const char *fields)
{
    (void)ask_full(HTTP_GET, path, "", range);
    assert_int_equal(t.status, status);
    if (status < 400) {
        assert_string_equal(t.type, "application/octet-stream");
        assert_string_equal(t.body, body);
    }
    assert_string_equal(t.fields, fields);
}

static void test_payload(void **state)
{
    (void)state;
    message("", "0123456789");
    message("", "");
    static const char path[] = "/inbox/1/payload", empty[] = "/inbox/2/payload";
    static const char all[] = "accept-ranges: bytes\n";
    expect_range(path, NULL, 200, "0123456789", all);
    expect_range(path, "bytes=2-4", 206, "234",
                 "accept-ranges: bytes\ncontent-range: bytes 2-4/10\n");
    expect_range(path, "bytes=7-", 206, "789",
                 "accept-ranges: bytes\ncontent-range: bytes 7-9/10\n");
    expect_range(path, "bytes=-3", 206, "789",
                 "accept-ranges: bytes\ncontent-range: bytes 7-9/10\n");
    expect_range(path, "bytes=10-", 416, "", "content-range: bytes */10\n");
    expect_range(path, "bytes=0-1,3-4", 200, "0123456789", all);
    expect_range(empty, NULL, 200, "", all);
    expect_range(empty, "bytes=0-", 416, "", "content-range: bytes */0\n");
    ask_bad(HTTP_GET, "/inbox/3/payload", "", 404, "not-found");
    ask(HTTP_HEAD, path, "", 200);
    /* Nobody was told that it was read, and it is still there. */
    ask(HTTP_GET, "/inbox/1", "", 200);
    assert_non_null(strstr(t.body, "\"redelivered\":0"));
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *call, *body, *code;
        unsigned status;
    } v[] = {
        {"fetch", "", "bad-request", 400},
        {"fetch", "[]", "bad-request", 422},
        {"fetch", "{\"pattern\":\"a/#b\"}", "bad-pattern", 422},
        {"fetch", "{\"max\":0}", "bad-request", 422},
        {"fetch", "{\"topic\":\"x\"}", "bad-base64", 422},
        {"ack", "{}", "bad-request", 422},
        {"ack", "{\"tokens\":[]}", "bad-request", 422},
        {"ack", "{\"tokens\":[\"x\"]}", "bad-token", 422},
        {"nack", "{\"tokens\":[\"1.1.000000000000000000000000\"],\"delayMs\":-1}", "bad-request",
         422},
        {"renew", "{\"tokens\":[\"1.1.000000000000000000000000\"],\"leaseMs\":1}", "bad-request",
         422},
        {"term", "{\"tokens\":\"x\"}", "bad-request", 422},
    };
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        char target[32];
        (void)snprintf(target, sizeof(target), "/messages/%s", v[i].call);
        ask_bad(HTTP_POST, target, v[i].body, v[i].status, v[i].code);
    }
    settle("ack", "1.1.000000000000000000000000", "",
           "{\"done\":0,\"unknown\":[\"1.1.000000000000000000000000\"]}");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_fetch), TEST(test_fetch_waits), TEST(test_store_fails),
        TEST(test_inbox), TEST(test_payload),     TEST(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
