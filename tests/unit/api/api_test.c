/* The calls from request to answer, with a bus, a router and an HTTP server that only write down
 * what they are asked. Peers are the real ones. */
#include "api/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json_in.h"
#include "api/metrics.h"
#include "base/err.h"
#include "base/text.h"
#include "bus/topic_rules.h"
#include "tests/unit/api/no_pieces.h"
#include "tests/unit/api/no_raw.h"
#include "tests/unit/api/no_streams.h"
#include "tests/unit/unit.h"

static const struct ip6 somewhere = {{0x20, 1}};

static struct {
    struct api *api;
    struct peers *peers;
    struct topics *topics;
    struct rng rng;
    http_id next_id;
    /* the last answer, by http_answer() */
    http_id answered;
    unsigned status;
    char type[64], body[4096], fields[512];
    size_t body_len;
    /* what the bus was asked */
    struct bus_send send;
    struct bus_take take;
    struct msg_id status_id;
    struct topic_change change;
    unsigned changes;
    char payload[64];
    bus_client client, forgotten;
    int rc; /* its answer at once */
    unsigned kicks;
    int store_rc;
    bool known; /* does the router know the key? */
} t;

/* --- the others ------------------------------------------------------------------------------ */

bool http_answer(struct http_server *s, http_id id, const struct http_response *r)
{
    (void)s;
    assert_int_equal(t.answered, 0); /* one answer for each request */
    t.answered = id;
    t.status = r->status;
    t.fields[0] = '\0';
    for (size_t i = 0; i < r->extra_count; i++) {
        size_t n = strlen(t.fields);
        (void)snprintf(t.fields + n, sizeof(t.fields) - n, "%s: %s\n", r->extra[i].name,
                       r->extra[i].value);
    }
    (void)snprintf(t.type, sizeof(t.type), "%s", r->content_type ? r->content_type : "");
    t.body_len = r->content_type ? r->body_len : 0;
    assert_true(t.body_len < sizeof(t.body));
    if (t.body_len > 0)
        memcpy(t.body, r->body, t.body_len);
    t.body[t.body_len] = '\0';
    return true;
}

int bus_send(struct bus *b, const struct bus_send *m, bus_client client, struct instant now)
{
    (void)b;
    (void)now;
    t.send = *m;
    t.send.payload = NULL; /* borrowed */
    (void)snprintf(t.payload, sizeof(t.payload), "%.*s", (int)m->payload->len,
                   (const char *)m->payload->data);
    t.client = client;
    return t.rc;
}

int bus_take(struct bus *b, const struct bus_take *w, bus_client client, struct instant now)
{
    (void)b;
    (void)now;
    t.take = *w;
    t.client = client;
    return t.rc;
}

int bus_status(struct bus *b, const struct msg_id *id, bus_client client, struct instant now)
{
    (void)b;
    (void)now;
    t.status_id = *id;
    t.client = client;
    return t.rc;
}

/* Of the calls of /bus/v1, which have a test of their own with a real bus. */
int bus_fetch(struct bus *b, const struct bus_fetch *f, bus_client client, struct instant now)
{
    (void)b;
    (void)f;
    (void)client;
    (void)now;
    return ERR_UNSUPPORTED;
}

int bus_send_many(struct bus *b, const struct bus_send *m, const struct ip6 *dsts, size_t n,
                  bus_client client, struct instant now, size_t *ret_at)
{
    (void)b;
    (void)m;
    (void)dsts;
    (void)client;
    (void)now;
    *ret_at = n;
    return ERR_UNSUPPORTED;
}

int bus_out_wait(struct bus *b, const struct bus_out_ref *ref, uint32_t index, int64_t wait_ms,
                 bus_client client, struct instant now)
{
    (void)b;
    (void)ref;
    (void)index;
    (void)wait_ms;
    (void)client;
    (void)now;
    return ERR_UNSUPPORTED;
}

int bus_settle(struct bus *b, enum bus_settle_kind kind, const struct bus_token *tokens, size_t n,
               int64_t ms, bus_client client, struct instant now)
{
    (void)b;
    (void)kind;
    (void)tokens;
    (void)n;
    (void)ms;
    (void)client;
    (void)now;
    return ERR_UNSUPPORTED;
}

int bus_inbox_list(const struct bus *b, const struct bus_inbox_list *l, struct instant now,
                   struct bus_inbox_entry *ret, size_t *ret_n, uint64_t *ret_next)
{
    (void)b;
    (void)l;
    (void)now;
    (void)ret;
    (void)ret_n;
    (void)ret_next;
    return ERR_UNSUPPORTED;
}

int bus_inbox_get(const struct bus *b, uint64_t seq, struct instant now,
                  struct bus_inbox_entry *ret)
{
    (void)b;
    (void)seq;
    (void)now;
    (void)ret;
    return ERR_UNSUPPORTED;
}

#define UNUSED_CALL(name)                                                                          \
    int name(struct bus *b, uint64_t seq, bus_client client, struct instant now)                   \
    {                                                                                              \
        (void)b;                                                                                   \
        (void)seq;                                                                                 \
        (void)client;                                                                              \
        (void)now;                                                                                 \
        return ERR_UNSUPPORTED;                                                                    \
    }
UNUSED_CALL(bus_inbox_body)
UNUSED_CALL(bus_inbox_drop)
UNUSED_CALL(bus_inbox_requeue)

#define UNUSED_REF(name)                                                                           \
    int name(struct bus *b, const struct bus_out_ref *ref, bus_client client, struct instant now)  \
    {                                                                                              \
        (void)b;                                                                                   \
        (void)ref;                                                                                 \
        (void)client;                                                                              \
        (void)now;                                                                                 \
        return ERR_UNSUPPORTED;                                                                    \
    }
UNUSED_REF(bus_out_entry)
UNUSED_REF(bus_out_cancel)
UNUSED_REF(bus_out_retry)

int bus_out_list(struct bus *b, const struct bus_out_filter *f, bus_client client,
                 struct instant now)
{
    (void)b;
    (void)f;
    (void)client;
    (void)now;
    return ERR_UNSUPPORTED;
}

void bus_forget_client(struct bus *b, bus_client client)
{
    (void)b;
    t.forgotten = client;
}

void bus_stats(const struct bus *b, struct bus_stats *ret)
{
    (void)b;
    *ret = (struct bus_stats){
        .out_live = 3, .out_bytes = 30, .out_memory = 1, .in_ready = 2, .in_dead = 1, .waiters = 4};
}

const struct bus_limits *bus_limits(const struct bus *b)
{
    static const struct bus_limits l = {.len_max = 1000, .tries = 5};
    (void)b;
    return &l;
}

const struct topics *bus_topics(const struct bus *b)
{
    (void)b;
    return t.topics;
}

int bus_topic_change(struct bus *b, const struct topic_change *c, bus_client client,
                     struct instant now)
{
    (void)b;
    (void)now;
    t.change = *c;
    t.changes++;
    t.client = client;
    return t.rc;
}

int router_pubkey(const struct router *r, const struct ip6 *addr, struct pubkey *ret)
{
    (void)r;
    (void)addr;
    memset(ret->b, 0x11, sizeof(ret->b));
    return t.known ? OK : ERR_NOENT;
}

void router_each_selected(const struct router *r, route_visit *v, void *ctx)
{
    const struct route_info i = {
        .subnet = {.net = {{4}}, .plen = 64}, .next_hop = "A", .metric = 7};
    (void)r;
    v(ctx, &i);
    v(ctx, &i);
}

void router_each_fallback(const struct router *r, route_visit *v, void *ctx)
{
    (void)r;
    (void)v;
    (void)ctx;
}

void router_each_query(const struct router *r, query_visit *v, void *ctx)
{
    const struct subnet s = {.net = {{4}}, .plen = 64};
    (void)r;
    v(ctx, &s, usec_now() + 10 * USEC_SEC + USEC_SEC / 2);
}

void router_each_source(const struct router *r, traffic_visit *v, void *ctx)
{
    (void)r;
    v(ctx, &(struct ip6){{4, 1}}, 2, 300);
    v(ctx, &(struct ip6){{5}}, 1, 40);
}

void router_each_destination(const struct router *r, traffic_visit *v, void *ctx)
{
    (void)r;
    v(ctx, &(struct ip6){{4, 1}}, 3, 340);
}

/* The numbers of a node, for /readyz. */
static void metrics(void *ctx, struct metrics *ret)
{
    (void)ctx;
    ret->store.rc = t.store_rc;
    ret->peers.up = 2;
}

static void kick(void *ctx)
{
    (void)ctx;
    t.kicks++;
}

/* --- asking ---------------------------------------------------------------------------------- */

static http_id ask_request(struct http_request *r)
{
    struct http_handler h = api_handler(t.api);
    r->id = ++t.next_id;
    t.answered = 0;
    t.status = 0;
    h.request(h.ctx, r);
    return r->id;
}

static http_id ask_as(enum http_method method, const char *target, const char *type,
                      const char *body)
{
    char path[512];
    const char *mark = strchr(target, '?');
    (void)snprintf(path, sizeof(path), "/api/v1%.*s",
                   (int)(mark ? mark - target : (ptrdiff_t)strlen(target)), target);
    struct http_request r = {
        .method = method,
        .path = path,
        .query = mark ? mark + 1 : "",
        .content_type = type,
        .loopback = true,
        .local_addr = "127.0.0.1",
        .peer = &somewhere,
        .local_port = 8989,
        .body = (const uint8_t *)body,
        .body_len = strlen(body),
    };
    return ask_request(&r);
}

static http_id ask(enum http_method method, const char *target, const char *body)
{
    return ask_as(method, target, "application/json", body);
}

static void expect(unsigned status, const char *body)
{
    assert_int_equal(t.answered, t.next_id);
    assert_int_equal(t.status, status);
    assert_string_equal(t.body, body);
    if (*body == '\0')
        assert_string_equal(t.type, "");
    else
        assert_string_equal(t.type, *body == '{' || *body == '[' ? "application/json"
                                                                 : "text/plain; charset=utf-8");
}

static void expect_begin(unsigned status, const char *begin)
{
    assert_int_equal(t.answered, t.next_id);
    assert_int_equal(t.status, status);
    assert_true(strncmp(t.body, begin, strlen(begin)) == 0);
}

static void bus_says(struct bus_out out)
{
    out.client = t.client;
    api_bus_answer(t.api, &out);
}

static uint32_t pending(void)
{
    struct api_stats s;
    api_stats(t.api, &s);
    return s.pending;
}

static const char *const origins[] = {"https://panel.example", NULL};

static int setup(void **state)
{
    (void)state;
    struct api_conf c = {
        .origins = origins,
        .start_wall_s = 1795367275,
        .kick = kick,
        .metrics = metrics,
    };
    memset(&t, 0, sizeof(t));
    rng_init_seeded(&t.rng, 1);
    assert_int_equal(peers_new(&t.rng, &t.peers), OK);
    assert_int_equal(topics_new(&t.rng, &t.topics), OK);
    assert_int_equal(hex_decode("8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f",
                                64, c.self_key.b, KEY_BYTES),
                     OK);
    c.peers = t.peers;
    assert_int_equal(api_new(&c, &t.api), OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    api_free(t.api);
    peers_free(t.peers);
    topics_free(t.topics);
    return 0;
}

/* --- tests ----------------------------------------------------------------------------------- */

#define MESSAGE "{\"dst\":{\"ip\":\"437::1\"},\"topic\":\"dGVzdA==\",\"payload\":\"aGVsbG8=\"}"
static const struct msg_id some_id = {{0xb7, 0x13, 0x83, 0x3c, 0x2f, 0x94, 0x78, 0xce}};

static void test_info(void **state)
{
    (void)state;
    ask(HTTP_GET, "/admin", "");
    assert_int_equal(t.status, 200);
    assert_int_equal(t.body_len, 197);
    ask(HTTP_HEAD, "/admin", "");
    assert_int_equal(t.status, 200);
    ask(HTTP_POST, "/admin", "");
    expect(405, "");
    assert_string_equal(t.fields, "allow: GET,HEAD\n");
    ask(HTTP_OPTIONS, "/admin/peers", "");
    expect(405, "");
    assert_string_equal(t.fields, "allow: GET,HEAD,POST\n");
    ask(HTTP_GET, "/admin/", "");
    expect(404, "");
}

/* Refusals of /bus/v1 are problems, whoever refuses. */
static void expect_problem(struct http_request r, unsigned status, const char *code)
{
    char want[64];
    r.query = r.content_type = "";
    r.local_addr = "127.0.0.1";
    r.local_port = 8989;
    ask_request(&r);
    assert_int_equal(t.answered, t.next_id);
    assert_int_equal(t.status, status);
    assert_string_equal(t.type, "application/problem+json");
    (void)snprintf(want, sizeof(want), "\"code\":\"%s\"}", code);
    assert_non_null(strstr(t.body, want));
}

static void test_problems(void **state)
{
    (void)state;
    struct http_request r = {.path = "/bus/v1/nothing", .loopback = true, .peer = &somewhere};
    expect_problem(r, 404, "not-found");
    r.path = "/bus/v1";
    r.host = "evil.example";
    expect_problem(r, 403, "host-not-allowed");
    r.host = "localhost";
    r.origin = "http://evil.example";
    expect_problem(r, 403, "origin-not-allowed");
    r.host = r.origin = NULL;
    r.loopback = false;
    expect_problem(r, 401, "unauthorized");
    assert_string_equal(t.fields, "www-authenticate: Bearer realm=\"mycelium\"\n");
    r.loopback = true;
    api_stop(t.api);
    expect_problem(r, 503, "not-ready");
    assert_string_equal(t.fields, "retry-after: 1\n");
}

static void test_peers(void **state)
{
    (void)state;
    ask(HTTP_GET, "/admin/peers", "");
    expect(200, "[]");
    ask(HTTP_POST, "/admin/peers", "{\"endpoint\":\"tcp://127.0.0.1:1\"}");
    expect(204, "");
    assert_int_equal(t.kicks, 1);
    ask(HTTP_POST, "/admin/peers", "{\"endpoint\":\"tcp://127.0.0.1:1\"}");
    expect(409, "A peer identified by that endpoint already exists");
    ask(HTTP_GET, "/admin/peers", "");
    expect_begin(200, "[{\"endpoint\":{\"proto\":\"tcp\",\"addr\":{\"socket\":\"127.0.0.1:1\"}},"
                      "\"type\":\"static\",\"connectionState\":\"");
    ask(HTTP_POST, "/admin/peers", "{\"endpoint\":\"127.0.0.1:9651\"}");
    expect(400, "missing leading protocol identifier");
    ask(HTTP_POST, "/admin/peers", "{}");
    assert_int_equal(t.status, 422);
    ask(HTTP_POST, "/admin/peers", "");
    assert_int_equal(t.status, 400);
    ask_as(HTTP_POST, "/admin/peers", "text/plain", "{\"endpoint\":\"tcp://127.0.0.1:2\"}");
    expect(415, "Expected request with `Content-Type: application/json`");
    ask_as(HTTP_POST, "/admin/peers", "", "{}");
    expect(415, "Expected request with `Content-Type: application/json`");
    ask(HTTP_DELETE, "/admin/peers/tcp%3A%2F%2F127.0.0.1%3A1", "");
    expect(204, "");
    ask(HTTP_DELETE, "/admin/peers/tcp%3A%2F%2F127.0.0.1%3A1", "");
    expect(404, "A peer identified by that endpoint does not exist");
    ask(HTTP_DELETE, "/admin/peers/tcp://127.0.0.1:1", "");
    expect(404, "");
    ask(HTTP_DELETE, "/admin/peers/foo", "");
    expect(400, "missing leading protocol identifier");
    ask(HTTP_DELETE, "/admin/peers/%ff", "");
    expect(400, "Invalid URL: Invalid UTF-8 in `endpoint`");
}

static void test_routes(void **state)
{
    (void)state;
    ask(HTTP_GET, "/admin/routes/selected", "");
    expect(200, "[{\"subnet\":\"400::/64\",\"nextHop\":\"A\",\"metric\":7,\"seqno\":0},"
                "{\"subnet\":\"400::/64\",\"nextHop\":\"A\",\"metric\":7,\"seqno\":0}]");
    ask(HTTP_GET, "/admin/routes/fallback", "");
    expect(200, "[]");
    ask(HTTP_GET, "/admin/routes/queried", "");
    expect(200, "[{\"subnet\":\"400::/64\",\"expiration\":\"10\"}]");
}

static void put_rule(const char *topic, const char *const *sources, size_t n)
{
    struct topic name = {.len = (uint8_t)strlen(topic)};
    struct topic_rule *r;
    struct topic_source s;
    memcpy(name.b, topic, name.len);
    assert_int_equal(topic_rule_new(&name, &r), OK);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(topic_source_parse(sources[i], &s), OK);
        assert_int_equal(topic_rule_allow(r, &s), OK);
    }
    topics_put(t.topics, r);
}

/* The bus was asked for this change; it says rc, and then the client is answered. */
static void expect_change(enum topic_change_kind kind, const char *topic, int rc, unsigned status,
                          const char *body)
{
    assert_int_equal(t.changes, 1);
    t.changes = 0;
    assert_int_equal(t.answered, 0);
    assert_int_equal(t.change.kind, kind);
    assert_int_equal(t.change.topic.len, strlen(topic));
    assert_memory_equal(t.change.topic.b, topic, strlen(topic));
    bus_says((struct bus_out){.kind = BUS_OUT_CHANGED, .rc = rc});
    expect(status, body);
}

static void test_topics(void **state)
{
    (void)state;
    ask(HTTP_GET, "/messages/topics/default", "");
    expect(200, "{\"accept\":true}");
    ask(HTTP_PUT, "/messages/topics/default", "{\"accept\":false}");
    expect_change(TOPIC_DEFAULT, "", OK, 204, "");
    assert_false(t.change.accept);
    topics_set_accept(t.topics, false);
    ask(HTTP_GET, "/messages/topics/default", "");
    expect(200, "{\"accept\":false}");
    ask(HTTP_GET, "/messages/topics", "");
    expect(200, "[]");
    ask(HTTP_POST, "/messages/topics", "[116,101,115,116]");
    expect_change(TOPIC_ADD, "test", OK, 201, "");
    ask(HTTP_POST, "/messages/topics", "\"dGVzdA==\"");
    expect_change(TOPIC_ADD, "test", ERR_LIMIT, 429, "too many topic rules: a limit is reached");
    ask(HTTP_POST, "/messages/topics", "[]");
    expect_change(TOPIC_ADD, "", ERR_NOSPACE, 507, "no space left for messages");
    put_rule("test", NULL, 0);
    ask(HTTP_GET, "/messages/topics", "");
    expect(200, "[\"dGVzdA==\"]");
    ask(HTTP_DELETE, "/messages/topics/", "");
    expect_change(TOPIC_REMOVE, "", OK, 204, "");
    ask(HTTP_DELETE, "/messages/topics/dGVzdA==", "");
    expect_change(TOPIC_REMOVE, "test", ERR_IO, 503, err_str(ERR_IO));
    t.rc = ERR_NOMEM;
    ask(HTTP_DELETE, "/messages/topics/dGVzdA==", "");
    expect(503, err_str(ERR_NOMEM));
    assert_int_equal(pending(), 0);
}

static void test_topics_refused(void **state)
{
    (void)state;
    static const struct {
        const char *path, *body;
        unsigned status;
        enum http_method method;
    } v[] = {
        {"/messages/topics/default", "{\"accept\":1}", 422, HTTP_PUT},
        {"/messages/topics/default", "{}", 422, HTTP_PUT},
        {"/messages/topics/default", "[true]", 422, HTTP_PUT},
        {"/messages/topics/default", "", 400, HTTP_PUT},
        {"/messages/topics", "[256]", 422, HTTP_POST},
        {"/messages/topics", "[-1]", 422, HTTP_POST},
        {"/messages/topics", "[1.5]", 422, HTTP_POST},
        {"/messages/topics", "[1e300]", 422, HTTP_POST},
        {"/messages/topics", "[\"a\"]", 422, HTTP_POST},
        {"/messages/topics", "\"dGVzdA\"", 422, HTTP_POST},
        {"/messages/topics", "5", 422, HTTP_POST},
        {"/messages/topics/dGVzdA==/sources", "{}", 422, HTTP_POST},
        {"/messages/topics/dGVzdA==/sources", "[\"400::/7\"]", 422, HTTP_POST},
        {"/messages/topics/dGVzdA==/sources", "{\"subnet\":7}", 422, HTTP_POST},
        {"/messages/topics/dGVzdA==/sources", "x", 400, HTTP_POST},
    };
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        ask(v[i].method, v[i].path, v[i].body);
        if (t.status != v[i].status || !*t.body)
            fail_msg("%s: %u %s", v[i].body, t.status, t.body);
    }
    ask_as(HTTP_PUT, "/messages/topics/default", "text/plain", "{\"accept\":true}");
    assert_int_equal(t.status, 415);
    ask(HTTP_DELETE, "/messages/topics/a", "");
    expect(400, "");
    ask(HTTP_GET, "/messages/topics/a/sources", "");
    expect(400, "");
    ask(HTTP_POST, "/messages/topics/a/sources", "{\"subnet\":\"400::/7\"}");
    expect(400, "");
    ask(HTTP_POST, "/messages/topics/dGVzdA==/sources", "{\"subnet\":\"1.2.3.4/33\"}");
    expect(400, "");
    ask(HTTP_DELETE, "/messages/topics/dGVzdA==/sources/x", "");
    expect(400, "");
    assert_int_equal(t.changes, 0);
}

static void test_topic_too_long(void **state)
{
    (void)state;
    char body[1100] = "[";
    for (size_t i = 0; i < 255; i++)
        memcpy(body + 1 + 2 * i, "7,", 2);
    memcpy(body + 1 + 2 * 255, "7]", 3);
    ask(HTTP_POST, "/messages/topics", body);
    expect(400, "a topic has at most 255 bytes");
    memcpy(body + 2 * 255, "]", 2);
    ask(HTTP_POST, "/messages/topics", body);
    assert_int_equal(t.change.topic.len, 255);
    bus_says((struct bus_out){.kind = BUS_OUT_CHANGED, .rc = OK});
    expect(201, "");
    (void)snprintf(body, sizeof(body), "/messages/topics/");
    for (size_t i = 0; i < 86; i++) /* 258 bytes */
        strcat(body, "AAAA");
    ask(HTTP_DELETE, body, "");
    expect(400, "");
}

static void test_topic_sources(void **state)
{
    (void)state;
    static const char *const sources[] = {
        "10.1.2.3/24", "::1", "1111111111111111111111111111111111111111111111111111111111111111"};
    char text[TOPIC_SOURCE_STR_MAX], path[200];
    ask(HTTP_GET, "/messages/topics/dGVzdA==/sources", "");
    expect(404, "");
    put_rule("test", sources, ARRAY_LEN(sources));
    ask(HTTP_GET, "/messages/topics/dGVzdA==/sources", "");
    expect(200, "[\"10.1.2.3/24\",\"::1/128\","
                "\"1111111111111111111111111111111111111111111111111111111111111111\"]");
    for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
        (void)snprintf(path, sizeof(path), "{\"subnet\":\"%s\"}", sources[i]);
        ask(HTTP_POST, "/messages/topics/dGVzdA==/sources", path);
        expect_change(TOPIC_ALLOW, "test", OK, 201, "");
        assert_true(
            strncmp(topic_source_str(&t.change.source, text), sources[i], strlen(sources[i])) == 0);
    }
    ask(HTTP_DELETE, "/messages/topics/dGVzdA==/sources/10.1.2.0%2F24", "");
    expect_change(TOPIC_DENY, "test", OK, 204, "");
    assert_string_equal(topic_source_str(&t.change.source, text), "10.1.2.0/24");
    (void)snprintf(path, sizeof(path), "/messages/topics//sources/%s", sources[2]);
    ask(HTTP_DELETE, path, "");
    expect_change(TOPIC_DENY, "", OK, 204, "");
    assert_string_equal(topic_source_str(&t.change.source, text), sources[2]);
}

static void test_topic_forward(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        unsigned status;
    } bad[] = {
        {"{}", 422},
        {"[\"/x\"]", 422},
        {"{\"socketPath\":5}", 422},
        {"{\"socketPath\":\"/x\",\"socket_path\":\"/x\"}", 422},
        {"{\"socketPath\":\"\"}", 400},
        {"{\"socketPath\":\"/x\\u0000\"}", 400},
        {"{\"socketPath\":\"/x\",\"halfClose\":1}", 422},
        {"{\"socketPath\":\"/x\",\"replyTimeoutMs\":999}", 422},
        {"{\"socketPath\":\"/x\",\"replyTimeoutMs\":3000001}", 422},
        {"{\"socketPath\":\"/x\",\"replyTimeoutMs\":\"5\"}", 422},
    };
    static const char all[] = "{\"socketPath\":\"/x\",\"halfClose\":true,\"replyTimeoutMs\":5000}";
    char cut[sizeof(all)];
    ask(HTTP_GET, "/messages/topics/dGVzdA==/forward", "");
    expect_begin(200, "null");
    put_rule("test", NULL, 0);
    ask(HTTP_GET, "/messages/topics/dGVzdA==/forward", "");
    expect_begin(200, "null");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        ask(HTTP_PUT, "/messages/topics/dGVzdA==/forward", bad[i].body);
        assert_int_equal(t.status, bad[i].status);
    }
    for (size_t n = 0; n < sizeof(all) - 1; n++) {
        memcpy(cut, all, n);
        cut[n] = '\0';
        ask(HTTP_PUT, "/messages/topics/dGVzdA==/forward", cut);
        assert_int_equal(t.status, 400);
    }
    assert_int_equal(t.changes, 0);
    ask(HTTP_PUT, "/messages/topics/dGVzdA==/forward", all);
    expect_change(TOPIC_FORWARD, "test", OK, 204, "");
    assert_string_equal(t.change.forward.path, "/x");
    assert_true(t.change.forward.half_close);
    assert_int_equal(t.change.forward.reply_ms, 5000);
    ask(HTTP_PUT, "/messages/topics/dGVzdA==/forward", "{\"socket_path\":\"/y\"}");
    expect_change(TOPIC_FORWARD, "test", ERR_NOENT, 404, "there is no rule for this topic");
    assert_false(t.change.forward.half_close);
    assert_int_equal(t.change.forward.reply_ms, TOPIC_REPLY_MS);
    ask(HTTP_DELETE, "/messages/topics//forward", "");
    expect_change(TOPIC_UNFORWARD, "", OK, 204, "");
    ask(HTTP_GET, "/messages/topics/Q/forward", "");
    expect(400, "");
}

static void test_packets(void **state)
{
    (void)state;
    ask(HTTP_GET, "/admin/stats/packets", "");
    expect(200, "{\"bySource\":[{\"ip\":\"401::\",\"packetCount\":2,\"byteCount\":300},"
                "{\"ip\":\"500::\",\"packetCount\":1,\"byteCount\":40}],"
                "\"byDestination\":[{\"ip\":\"401::\",\"packetCount\":3,\"byteCount\":340}]}");
}

static void test_pubkey(void **state)
{
    (void)state;
    ask(HTTP_GET, "/pubkey/437:5106:5530:1589::1", "");
    expect(404, "");
    t.known = true;
    ask(HTTP_GET, "/pubkey/437:5106:5530:1589::1", "");
    expect(200, "{\"publicKey\":"
                "\"1111111111111111111111111111111111111111111111111111111111111111\"}");
    ask(HTTP_GET, "/pubkey/430:9364:d8d8:84a9::5", "");
    expect(200, "{\"publicKey\":"
                "\"8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f\"}");
    ask(HTTP_GET, "/pubkey/zz", "");
    expect(400, "Invalid URL: Cannot parse `ip` with value `zz`: invalid IP address syntax");
    ask(HTTP_GET, "/pubkey/1.2.3.4", "");
    expect(404, "");
}

static void test_send(void **state)
{
    (void)state;
    ask(HTTP_POST, "/messages?foo=1", MESSAGE);
    assert_int_equal(t.answered, 0); /* not before it is durable */
    assert_int_equal(pending(), 1);
    assert_int_equal(t.kicks, 1);
    assert_string_equal(t.payload, "hello");
    assert_int_equal(t.send.topic.len, 4);
    assert_int_equal(t.send.dst.b[1], 0x37);
    assert_int_equal(t.send.reply_wait_ms, 0);
    assert_false(t.send.reply);
    bus_says((struct bus_out){.kind = BUS_OUT_ACCEPTED, .rc = OK, .id = some_id});
    expect(201, "{\"id\":\"b713833c2f9478ce\"}");
    assert_int_equal(pending(), 0);
    t.answered = 0;
    bus_says((struct bus_out){.kind = BUS_OUT_ACCEPTED, .rc = OK, .id = some_id});
    assert_int_equal(t.answered, 0); /* nobody waits any more */

    ask(HTTP_POST, "/messages", MESSAGE);
    bus_says((struct bus_out){.kind = BUS_OUT_ACCEPTED, .rc = ERR_IO});
    expect_begin(503, "");
    assert_string_equal(t.fields, "retry-after: 1\n");
    ask(HTTP_POST, "/messages", MESSAGE);
    bus_says((struct bus_out){.kind = BUS_OUT_ACCEPTED, .rc = ERR_NOSPACE});
    assert_int_equal(t.status, 507);
}

static void test_send_refused(void **state)
{
    (void)state;
    static const struct {
        int rc;
        unsigned status;
    } v[] = {{ERR_LIMIT, 429}, {ERR_NOSPACE, 507}, {ERR_TOOBIG, 413},
             {ERR_INVAL, 400}, {ERR_PERM, 403},    {ERR_NOMEM, 503}};
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        t.rc = v[i].rc;
        ask(HTTP_POST, "/messages", MESSAGE);
        assert_int_equal(t.answered, t.next_id);
        assert_int_equal(t.status, v[i].status);
        assert_int_equal(pending(), 0);
    }
    t.client = 0;
    ask(HTTP_POST, "/messages?reply_timeout=x", "also bad"); /* the query goes before the body */
    expect_begin(400, "Failed to deserialize query string: reply_timeout: ");
    ask_as(HTTP_POST, "/messages", "text/plain", MESSAGE);
    assert_int_equal(t.status, 415);
    ask(HTTP_POST, "/messages", "{}");
    assert_int_equal(t.status, 422);
    ask(HTTP_POST, "/messages", "{\"dst\":{\"ip\":\"1.2.3.4\"},\"payload\":\"\"}");
    expect_begin(400, "dst.ip: ");
    assert_int_equal(t.client, 0); /* the bus saw none of them */
    struct api_stats s;
    api_stats(t.api, &s);
    assert_int_equal(s.refused_body, 2);
}

static void test_send_and_wait(void **state)
{
    (void)state;
    struct blob *payload = blob_copy("x", 1);
    struct bus_message reply = {.id = some_id, .payload = payload, .reply = true};
    ask(HTTP_POST, "/messages?reply_timeout=2", MESSAGE);
    assert_int_equal(t.send.reply_wait_ms, 2000);
    bus_says((struct bus_out){.kind = BUS_OUT_ACCEPTED, .rc = OK, .id = some_id});
    assert_int_equal(t.answered, 0);
    bus_says((struct bus_out){.kind = BUS_OUT_TAKEN, .id = some_id, .message = &reply});
    expect_begin(200, "{\"id\":\"b713833c2f9478ce\",\"srcIp\":");

    ask(HTTP_POST, "/messages?reply_timeout=0", MESSAGE);
    assert_true(t.send.reply_wait_ms > 0);
    bus_says((struct bus_out){.kind = BUS_OUT_ACCEPTED, .rc = OK, .id = some_id});
    bus_says((struct bus_out){.kind = BUS_OUT_TAKEN, .id = some_id});
    expect(408, "{\"id\":\"b713833c2f9478ce\"}");

    ask(HTTP_POST, "/messages?reply_timeout=2", MESSAGE);
    bus_says((struct bus_out){.kind = BUS_OUT_ACCEPTED, .rc = ERR_IO});
    assert_int_equal(t.status, 503);
    assert_int_equal(pending(), 0);
    blob_unref(payload);
}

static void test_take(void **state)
{
    (void)state;
    struct blob *payload = blob_copy("hello", 5);
    struct bus_message m = {.id = some_id, .payload = payload};
    ask(HTTP_GET, "/messages", "");
    assert_true(t.take.any_topic);
    assert_false(t.take.peek);
    assert_int_equal(t.take.wait_ms, 0);
    bus_says((struct bus_out){.kind = BUS_OUT_TAKEN, .message = &m});
    expect_begin(200, "{\"id\":\"b713833c2f9478ce\"");
    assert_non_null(strstr(t.body, ",\"dstPk\":\"8f40c5ad"));
    ask(HTTP_GET, "/messages?peek=true&timeout=5&topic=", "");
    assert_false(t.take.any_topic);
    assert_int_equal(t.take.topic.len, 0);
    assert_true(t.take.peek);
    assert_int_equal(t.take.wait_ms, 5000);
    bus_says((struct bus_out){.kind = BUS_OUT_TAKEN});
    expect(204, "");
    ask(HTTP_GET, "/messages?timeout=18446744073709551615", "");
    assert_true(t.take.wait_ms > 0);
    bus_says((struct bus_out){.kind = BUS_OUT_TAKEN, .rc = ERR_IO});
    assert_int_equal(t.status, 503);
    ask(HTTP_GET, "/messages?peek=1", "");
    assert_int_equal(t.status, 400);
    /* HEAD looks and never takes */
    ask(HTTP_HEAD, "/messages?timeout=5", "");
    assert_true(t.take.peek);
    assert_int_equal(t.take.wait_ms, 0);
    bus_says((struct bus_out){.kind = BUS_OUT_TAKEN, .message = &m});
    expect(200, "");
    ask(HTTP_HEAD, "/messages", "");
    bus_says((struct bus_out){.kind = BUS_OUT_TAKEN});
    expect(204, "");
    t.rc = ERR_LIMIT;
    ask(HTTP_GET, "/messages?timeout=5", "");
    assert_int_equal(t.status, 429);
    blob_unref(payload);
}

static void test_reply(void **state)
{
    (void)state;
    ask(HTTP_POST, "/messages/reply/0011223344556677", MESSAGE);
    assert_true(t.send.reply);
    assert_memory_equal(t.send.reply_to.b, "\x00\x11\x22\x33\x44\x55\x66\x77", 8);
    assert_int_equal(t.answered, 0);
    bus_says((struct bus_out){.kind = BUS_OUT_ACCEPTED, .rc = OK, .id = some_id});
    expect(204, "");
    ask(HTTP_POST, "/messages/reply/00", "bad");
    expect(400, "Invalid URL: Cannot parse `id` with value `00`: Message ID is 16 characters long");
    ask(HTTP_POST, "/messages/reply/0011223344556677", "{}");
    assert_int_equal(t.status, 422);
}

static void test_status(void **state)
{
    (void)state;
    struct bus_status_info s = {.state = OUT_RECEIVED, .created_ms = 1000, .deadline_ms = 2000};
    ask(HTTP_GET, "/messages/status/B713833C2F9478CE", "");
    assert_memory_equal(t.status_id.b, some_id.b, 8);
    bus_says((struct bus_out){.kind = BUS_OUT_STATUS, .status = &s});
    expect(200,
           "{\"dst\":\"::\",\"state\":\"received\",\"created\":1,\"deadline\":2,\"msgLen\":0}");
    ask(HTTP_GET, "/messages/status/0000000000000000", "");
    bus_says((struct bus_out){.kind = BUS_OUT_STATUS, .rc = ERR_NOENT});
    expect(404, "");
    ask(HTTP_GET, "/messages/status/zz00000000000000", "");
    assert_int_equal(t.status, 400);
    ask(HTTP_GET, "/messages/status/0000000000000000", "");
    bus_says((struct bus_out){.kind = BUS_OUT_STATUS, .rc = ERR_IO});
    assert_int_equal(t.status, 503);
}

static void test_gone(void **state)
{
    (void)state;
    struct http_handler h = api_handler(t.api);
    http_id id = ask(HTTP_GET, "/messages?timeout=5", "");
    assert_int_equal(pending(), 1);
    h.gone(h.ctx, id);
    assert_int_equal(t.forgotten, t.client);
    assert_int_equal(pending(), 0);
    bus_says((struct bus_out){.kind = BUS_OUT_TAKEN});
    assert_int_equal(t.answered, 0);
    ask(HTTP_GET, "/messages?timeout=5", ""); /* still waiting when everything ends */
}

static void test_guard(void **state)
{
    (void)state;
    struct http_request r = {
        .method = HTTP_GET,
        .path = "/api/v1/messages",
        .query = "",
        .content_type = "",
        .host = "evil.example",
        .loopback = true,
        .local_addr = "127.0.0.1",
        .peer = &somewhere,
    };
    ask_request(&r);
    expect(403, "host not allowed");
    assert_int_equal(t.client, 0); /* nothing was taken */
    r.host = "localhost:8989";
    r.origin = "http://evil.example";
    ask_request(&r);
    expect(403, "origin not allowed");
    r.loopback = false;
    ask_request(&r);
    assert_int_equal(t.status, 401);
    assert_string_equal(t.fields, "www-authenticate: Bearer realm=\"mycelium\"\n");
    struct api_stats s;
    api_stats(t.api, &s);
    assert_int_equal(s.refused_guard, 2);
    assert_int_equal(s.refused_token, 1);
}

/* What the head of a request with a body is told: 0 and how much of it may come, or a status. */
static unsigned by_head(const char *path, const char *type, const char *host, uint64_t length,
                        uint64_t *ret_max)
{
    struct http_handler h = api_handler(t.api);
    const struct http_request r = {
        .id = ++t.next_id,
        .method = HTTP_POST,
        .path = path,
        .query = "",
        .content_type = type,
        .host = host,
        .loopback = true,
        .local_addr = "127.0.0.1",
        .peer = &somewhere,
        .local_port = 8989,
        .length = length,
    };
    t.answered = 0;
    struct http_want w = h.head(h.ctx, &r);
    *ret_max = w.max;
    assert_true((w.kind == HTTP_BODY_NONE) == (t.answered == r.id));
    return w.kind == HTTP_BODY_NONE ? t.status : 0;
}

static void test_by_head(void **state)
{
    (void)state;
    static const char json[] = "application/json";
    uint64_t max = 0;
    assert_int_equal(by_head("/api/v1/admin/peers", json, NULL, 10, &max), 0);
    assert_int_equal(max, JSON_BODY_MAX);
    assert_int_equal(by_head("/api/v1/admin/peers", json, NULL, JSON_BODY_MAX, &max), 0);
    assert_int_equal(by_head("/api/v1/admin/peers", json, NULL, JSON_BODY_MAX + 1, &max), 413);
    assert_string_equal(t.body, JSON_TOO_LONG);
    assert_int_equal(by_head("/bus/v1/messages/ack", json, NULL, JSON_BODY_MAX + 1, &max), 413);
    assert_string_equal(t.type, "application/problem+json");
    assert_int_equal(by_head("/api/v1/admin/peers", json, NULL, HTTP_LENGTH_UNKNOWN, &max), 0);
    assert_int_equal(by_head("/api/v1/admin/peers", "text/plain", NULL, 10, &max), 415);
    assert_int_equal(by_head("/bus/v1/messages/fetch", "", NULL, 10, &max), 415);
    assert_int_equal(by_head("/api/v1/admin/peers", json, "evil.example", 10, &max), 403);
    assert_int_equal(by_head("/api/v1/nothing", json, NULL, 10, &max), 404);
    assert_int_equal(by_head("/api/v1/admin", json, NULL, 10, &max), 405);
    api_stop(t.api);
    assert_int_equal(by_head("/api/v1/messages", json, NULL, 10, &max), 503);
}

static void test_cors(void **state)
{
    (void)state;
    struct http_request r = {
        .method = HTTP_OPTIONS,
        .path = "/api/v1/messages",
        .query = "",
        .content_type = "",
        .host = "localhost:8989",
        .origin = "https://panel.example",
        .loopback = true,
        .local_addr = "127.0.0.1",
        .peer = &somewhere,
    };
    ask_request(&r);
    expect(204, "");
    assert_non_null(strstr(t.fields, "access-control-allow-origin: https://panel.example\n"));
    assert_non_null(strstr(t.fields, "access-control-allow-methods: "));
    r.method = HTTP_GET;
    r.path = "/api/v1/admin";
    ask_request(&r);
    assert_int_equal(t.status, 200);
    assert_string_equal(t.fields,
                        "access-control-allow-origin: https://panel.example\n"
                        "access-control-expose-headers: location, retry-after, content-range, "
                        "x-mycelium-index, idempotent-replayed\n"
                        "vary: origin\n");
    r.origin = "http://localhost:8989"; /* its own: needs no permission, and OPTIONS stays 405 */
    r.method = HTTP_OPTIONS;
    ask_request(&r);
    expect(405, "");
}

static void look(const char *path, const char *query)
{
    struct http_request r = {
        .method = HTTP_GET,
        .path = path,
        .query = query,
        .content_type = "",
        .loopback = true,
        .local_addr = "127.0.0.1",
        .local_port = 8989,
    };
    ask_request(&r);
}

#define UP   "{\"status\":\"ok\"}"
#define DOWN "{\"status\":\"unavailable\"}"

static void test_health(void **state)
{
    (void)state;
    look("/livez", "");
    expect(200, UP);
    look("/readyz", "");
    expect(200, UP);
    look("/healthz", "peers=2&other=x");
    expect(200, UP);
    look("/readyz", "peers=3");
    expect(503, DOWN);
    look("/readyz", "verbose=true&peers=1");
    expect(200,
           "{\"status\":\"ok\",\"checks\":{\"store\":\"ok\",\"loop\":\"ok\",\"peers\":\"2\"}}");
    t.store_rc = ERR_NOSPACE;
    look("/readyz", "");
    expect(503, DOWN);
    look("/livez", "");
    expect(200, UP);
    t.store_rc = OK;
    look("/readyz", "peers=x");
    expect_begin(400, "peers: ");
    look("/readyz", "verbose=1");
    expect_begin(400, "peers: ");
    api_stop(t.api);
    look("/readyz", "");
    expect(503, DOWN);
    look("/livez", "");
    expect(200, UP);
}

static void test_about(void **state)
{
    struct http_request post = {.method = HTTP_POST,
                                .path = "/version",
                                .query = "",
                                .content_type = "",
                                .loopback = true,
                                .local_addr = "127.0.0.1"};
    (void)state;
    look("/version", "");
    expect(200, "{\"name\":\"mycelium\",\"version\":\"" MYCELIUM_VERSION
                "\",\"compatible\":\"0.7.10\"}");
    ask_request(&post);
    expect(405, "");
    assert_string_equal(t.fields, "allow: GET,HEAD\n");
    look("/version/", "");
    expect(404, "");
    look("/bus/v1", "");
    expect_begin(200, "{\"version\":1,\"epoch\":\"");
    assert_non_null(strstr(t.body, "\",\"subprotocols\":[\"mycelium.bus.v1.json\","
                                   "\"mycelium.bus.v1.bin\"],\"limits\":{\"lenMax\":1000,"));
    look("/bus/v1/stats", "");
    expect_begin(
        200, "{\"outbox\":{\"messages\":3,\"bytes\":30,\"inMemory\":1},\"inbox\":{\"messages\":3,"
             "\"bytes\":0,\"byState\":{\"receiving\":0,\"ready\":2,\"leased\":0,\"dead\":1}},"
             "\"waiting\":4,\"limits\":{");
}

static void test_stopping(void **state)
{
    (void)state;
    http_id waiting = ask(HTTP_POST, "/messages", MESSAGE);
    bus_client client = t.client;
    api_stop(t.api);
    ask(HTTP_GET, "/admin", "");
    expect(503, "stopping");
    t.answered = 0;
    t.client = client; /* what was accepted before is still answered */
    bus_says((struct bus_out){.kind = BUS_OUT_ACCEPTED, .rc = OK, .id = some_id});
    assert_int_equal(t.answered, waiting);
    assert_int_equal(t.status, 201);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_info),           TEST(test_problems),       TEST(test_peers),
        TEST(test_routes),         TEST(test_packets),        TEST(test_pubkey),
        TEST(test_send),           TEST(test_send_refused),   TEST(test_send_and_wait),
        TEST(test_take),           TEST(test_reply),          TEST(test_status),
        TEST(test_gone),           TEST(test_guard),          TEST(test_cors),
        TEST(test_topic_forward),  TEST(test_stopping),       TEST(test_topics),
        TEST(test_topics_refused), TEST(test_topic_too_long), TEST(test_topic_sources),
        TEST(test_by_head),        TEST(test_health),         TEST(test_about),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
