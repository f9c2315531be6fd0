/* The calls around sending from request to answer, with a real bus whose store keeps its rows in an
 * array, or fails when told so. There are no routes, but to oneself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/err.h"
#include "tests/unit/api/no_pieces.h"
#include "tests/unit/api/no_raw.h"
#include "tests/unit/unit.h"

#define ROWS_MAX 16

static struct {
    struct api *api;
    struct peers *peers;
    struct bus *bus;
    struct rng rng;
    http_id next_id;
    int store_rc;
    struct bus_out_row rows[ROWS_MAX];
    size_t n_rows;
    /* the last answer */
    http_id answered;
    unsigned status;
    char type[64], fields[256], body[4096];
} t;

bool http_answer(struct http_server *s, http_id id, const struct http_response *r)
{
    (void)s;
    t.answered = id;
    t.status = r->status;
    (void)snprintf(t.type, sizeof(t.type), "%s", r->content_type ? r->content_type : "");
    t.fields[0] = '\0';
    for (size_t i = 0; i < r->extra_count; i++) {
        size_t n = strlen(t.fields);
        (void)snprintf(t.fields + n, sizeof(t.fields) - n, "%s: %s\n", r->extra[i].name,
                       r->extra[i].value);
    }
    (void)snprintf(t.body, sizeof(t.body), "%.*s", (int)(r->content_type ? r->body_len : 0),
                   r->content_type ? (const char *)r->body : "");
    return true;
}

static void kick(void *ctx)
{
    (void)ctx;
}

/* --- the store ------------------------------------------------------------------------------- */

static const struct bus_out_row *row_of(const struct bus_store_op *op)
{
    for (size_t i = t.n_rows; i-- > 0;) {
        const struct bus_out_row *r = &t.rows[i];
        bool key = op->kind == BUS_STORE_OUT_PUT && op->out.idem.len > 0 &&
                   r->idem.len == op->out.idem.len &&
                   memcmp(r->idem.b, op->out.idem.b, r->idem.len) == 0;
        bool seq = op->kind != BUS_STORE_OUT_PUT && op->kind != BUS_STORE_OUT_FIND &&
                   r->seq == op->out.seq;
        bool id = op->kind == BUS_STORE_OUT_FIND && memcmp(&r->id, &op->out.id, MSG_ID_BYTES) == 0;
        if (key || seq || id)
            return r;
    }
    return NULL;
}

static void store_list(const struct bus_store_op *op, struct bus_store_result *res)
{
    static struct bus_out_row page[ROWS_MAX];
    const struct bus_out_filter *f = &op->filter;
    for (size_t i = t.n_rows; i-- > 0;) {
        const struct bus_out_row *r = &t.rows[i];
        if ((f->before && r->seq >= f->before) || (f->states && !(f->states >> r->state & 1)))
            continue;
        if (res->n_rows == f->limit) {
            res->next_before = page[res->n_rows - 1].seq;
            break;
        }
        page[res->n_rows++] = *r;
    }
    res->rows = page;
}

static void store_do(const struct bus_store_op *op)
{
    struct bus_store_result res = {.tag = op->tag, .rc = t.store_rc};
    const struct bus_out_row *row = row_of(op);
    if (res.rc == OK && op->kind == BUS_STORE_OUT_PUT && !row) {
        assert_true(t.n_rows < ROWS_MAX);
        t.rows[t.n_rows] = op->out;
        t.rows[t.n_rows++].body = NULL;
    } else if (res.rc == OK && op->kind == BUS_STORE_OUT_PUT) {
        res.rc = ERR_EXIST;
        res.out = *row;
    } else if (res.rc == OK && op->kind == BUS_STORE_OUT_STATE) {
        assert_non_null(row);
        t.rows[row - t.rows].state = op->out.state;
        t.rows[row - t.rows].final_ms = op->out.final_ms;
        t.rows[row - t.rows].reason = op->out.reason;
    } else if (res.rc == OK && op->kind == BUS_STORE_OUT_LIST) {
        store_list(op, &res);
    } else if (res.rc == OK && (op->kind == BUS_STORE_OUT_GET || op->kind == BUS_STORE_OUT_FIND)) {
        res.rc = row ? OK : ERR_NOENT;
        if (row)
            res.out = *row;
    }
    bus_stored(t.bus, &res, instant_now());
}

static void drain(void)
{
    struct bus_out out;
    while (bus_next(t.bus, instant_now(), &out)) {
        if (out.kind == BUS_OUT_STORE)
            store_do(out.store);
        else if (out.kind != BUS_OUT_PACKET && out.kind != BUS_OUT_WANT)
            api_bus_answer(t.api, &out);
    }
}

/* --- requests -------------------------------------------------------------------------------- */

static void ask_full(enum http_method method, const char *target, const char *type, const char *key,
                     const char *body, unsigned status)
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
        .content_type = type,
        .idempotency_key = key,
        .loopback = true,
        .local_addr = "127.0.0.1",
        .local_port = 8989,
        .body = (const uint8_t *)body,
        .body_len = strlen(body),
    };
    struct http_handler h = api_handler(t.api);
    t.answered = 0;
    h.request(h.ctx, &r);
    drain();
    if (t.status != status)
        print_message("%s: %u %s\n", target, t.status, t.body);
    assert_int_equal(t.answered, r.id);
    assert_int_equal(t.status, status);
}

static void ask(enum http_method method, const char *target, unsigned status)
{
    ask_full(method, target, "", NULL, "", status);
}

static void push(const char *json, const char *key, unsigned status)
{
    ask_full(HTTP_POST, "/messages", "application/json", key, json, status);
}

static void code(const char *want)
{
    char end[64];
    (void)snprintf(end, sizeof(end), "\"code\":\"%s\"}", want);
    assert_string_equal(t.type, "application/problem+json");
    assert_non_null(strstr(t.body, end));
}

static void has(const char *text)
{
    if (!strstr(t.body, text))
        fail_msg("no %s in %s", text, t.body);
}

static const struct ip6 self = {.b = {4, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};

static int setup(void **state)
{
    (void)state;
    memset(&t, 0, sizeof(t));
    rng_init_seeded(&t.rng, 1);
    struct bus_conf bc = {.self = self, .rng = &t.rng};
    bus_limits_default(&bc.limits);
    bc.limits.out_messages = 4;
    assert_int_equal(bus_new(&bc, instant_now(), &t.bus), OK);
    assert_int_equal(peers_new(&t.rng, &t.peers), OK);
    struct api_conf c = {.bus = t.bus, .peers = t.peers, .kick = kick};
    assert_int_equal(api_new(&c, &t.api), OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    api_free(t.api);
    bus_free(t.bus);
    peers_free(t.peers);
    return 0;
}

/* --- tests ----------------------------------------------------------------------------------- */

#define FAR   "\"dst\":{\"ip\":\"401::5\"},\"payload\":\"aGk=\""
#define LOCAL "\"dst\":{\"ip\":\"401:203:405:607:809:a0b:c0d:e0f\"},\"payload\":\"\""

static void test_push(void **state)
{
    (void)state;
    push("{" FAR ",\"priority\":3}", NULL, 201);
    assert_string_equal(t.type, "application/json");
    assert_string_equal(t.fields, "location: /bus/v1/outbox/~1\n");
    assert_memory_equal(t.body, "{\"id\":\"", 7);
    has(",\"seq\":1,\"state\":\"pending\",\"createdMs\":");
    assert_int_equal(t.rows[0].prio, 3);
    push("{" LOCAL "}", NULL, 201);
    has("\"state\":\"received\"");
    ask_full(HTTP_POST, "/messages?dst=401::5&topicText=a&ttlMs=5000",
             "application/octet-stream; x=y", NULL, "bytes", 201);
    assert_int_equal(t.rows[2].len, 5);
    assert_int_equal(t.rows[2].deadline_ms - t.rows[2].created_ms, 5000);
    ask(HTTP_GET, "/outbox/~3", 200);
    has("{\"seq\":3,\"id\":\"");
    has("\"reply\":false,\"dst\":\"401::5\",\"topic\":\"YQ==\",\"state\":\"pending\",");
    has("\"len\":5,\"policy\":\"at-least-once\",\"priority\":1,\"durable\":true,\"route\":false}");
}

static void push_waiting(const char *query, const char *json, unsigned status)
{
    char target[64];
    (void)snprintf(target, sizeof(target), "/messages?%s", query);
    ask_full(HTTP_POST, target, "application/json", NULL, json, status);
}

/* What waits for nothing that takes time; and what cannot be waited for. */
static void test_wait(void **state)
{
    (void)state;
    push_waiting("wait=received&waitMs=1000", "{" LOCAL "}", 200);
    assert_string_equal(t.type, "application/json");
    has("\"seq\":1,\"state\":\"received\"");
    push_waiting("wait=accepted&waitMs=1000", "{" LOCAL "}", 201);
    push_waiting("wait=never", "{" LOCAL "}", 400);
    push_waiting("wait=", "{" LOCAL "}", 400);
    push_waiting("waitMs=600001", "{" LOCAL "}", 400);
    push_waiting("waitMs=-1", "{" LOCAL "}", 400);
    push_waiting("wait=reply", "{" LOCAL ",\"replyTo\":\"0102030405060708\"}", 400);
    push_waiting("wait=read",
                 "{\"dsts\":[{\"ip\":\"401::5\"},{\"ip\":\"402::5\"}],\"payload\":\"\"}", 400);
    ask(HTTP_GET, "/outbox/~1?index=1", 200);
    assert_string_equal(t.fields, "x-mycelium-index: 2\n");
    has("\"state\":\"received\",\"index\":2,");
    ask(HTTP_GET, "/outbox/~9?index=1&wait=1m", 404);
    ask(HTTP_GET, "/outbox/~1?index=-1", 400);
    ask(HTTP_GET, "/outbox/~1?index=2&wait=5", 400);
    ask(HTTP_GET, "/outbox/~1?index=2&wait=0s", 200);
}

static void test_push_many(void **state)
{
    (void)state;
    push("{\"dsts\":[{\"ip\":\"401::5\"},{\"ip\":\"402::5\"}],\"payload\":\"aGk=\"}", "k", 201);
    assert_string_equal(t.fields, "");
    assert_memory_equal(t.body, "{\"results\":[{\"id\":\"", 19);
    has("\"seq\":1,\"state\":\"pending\"");
    has("\"seq\":2,\"state\":\"pending\"");
    assert_int_equal(t.n_rows, 1); /* one operation */
    push("{\"dsts\":[{\"ip\":\"401::5\"},{\"ip\":\"20::5\"}],\"payload\":\"\"}", NULL, 422);
    has("dsts[1]");
    push(
        "{\"dsts\":[{\"ip\":\"401:203:405:607::\"},{\"ip\":\"401:203:405:607::1\"}],\"payload\":\"\"}",
        NULL, 422);
    has("bad-destination");
}

/* Answered at once, without the store. */
static void test_push_in_memory(void **state)
{
    (void)state;
    push("{" FAR ",\"durable\":false}", NULL, 201);
    assert_memory_equal(t.fields, "location: /bus/v1/outbox/~", 26);
    assert_int_equal(t.n_rows, 0);
    char path[sizeof(t.fields)];
    strcpy(path, t.fields + strlen("location: /bus/v1"));
    path[strcspn(path, "\n")] = '\0';
    ask(HTTP_GET, path, 200);
    has("\"durable\":false,\"route\":false}");
    ask(HTTP_DELETE, path, 200);
    has("\"state\":\"cancelled\"");
    assert_int_equal(t.n_rows, 0);
}

static void test_push_refused(void **state)
{
    (void)state;
    static const char *const types[] = {"", "text/plain", "application/cloudevents+json",
                                        "application/jsonx"};
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        ask_full(HTTP_POST, "/messages", types[i], NULL, "{}", 415);
        code("unsupported-media-type");
    }
    push("{", NULL, 400);
    code("bad-request");
    push("{" FAR ",\"more\":1}", NULL, 422);
    code("bad-request");
    push("{" FAR "}", "", 400);
    code("bad-request");
    ask_full(HTTP_POST, "/messages", "application/octet-stream", NULL, "x", 422);
    code("bad-request");
    ask_full(HTTP_POST, "/messages?dst=9::1", "application/octet-stream", NULL, "x", 422);
    code("bad-destination");
    t.store_rc = ERR_IO;
    push("{" FAR "}", NULL, 503);
    code("store-failed");
    assert_string_equal(t.fields, "retry-after: 1\n");
    t.store_rc = ERR_NOSPACE;
    push("{" FAR "}", NULL, 507);
    code("store-full");
    t.store_rc = OK;
    for (int i = 0; i < 4; i++)
        push("{" FAR "}", NULL, 201);
    push("{" FAR "}", NULL, 429);
    code("too-many");
    assert_string_equal(t.fields, "retry-after: 1\n");
}

static void test_key(void **state)
{
    (void)state;
    static char first[sizeof(t.body)];
    push("{" FAR "}", "k-1", 201);
    (void)snprintf(first, sizeof(first), "%s", t.body);
    for (int i = 0; i < 2; i++) {
        push("{" FAR "}", "k-1", 200);
        assert_string_equal(t.fields, "idempotent-replayed: true\n");
        assert_string_equal(t.body, first);
        push("{" FAR ",\"priority\":2}", "k-1", 409);
        code("key-reused");
    }
    push("{" FAR "}", "k-2", 201);
    push("{" LOCAL "}", "k-3", 201);
    push("{" LOCAL "}", "k-3", 200); /* final, only in the store */
    has("\"state\":\"received\"");
    push("{" FAR "}", "k-3", 409);
}

static void test_cancel_and_retry(void **state)
{
    (void)state;
    char path[64];
    push("{" FAR "}", NULL, 201);
    (void)snprintf(path, sizeof(path), "/outbox/%.16s", strchr(t.body, ':') + 2);
    ask(HTTP_GET, path, 200);
    ask_full(HTTP_POST, "/outbox/~1/retry", "", NULL, "", 200);
    has("\"state\":\"pending\"");
    t.store_rc = ERR_IO;
    ask(HTTP_GET, "/outbox/~1", 503);
    code("store-failed");
    t.store_rc = OK;
    ask(HTTP_DELETE, path, 200);
    has("\"state\":\"cancelled\",\"reason\":\"cancelled\",");
    has("\"finalMs\":");
    assert_null(strstr(t.body, "\"route\""));
    ask(HTTP_DELETE, "/outbox/~1", 200);
    ask(HTTP_GET, path, 200);
    has("\"reason\":\"cancelled\"");
    ask(HTTP_POST, "/outbox/~1/retry", 409);
    code("already-final");
    push("{" LOCAL "}", NULL, 201);
    ask(HTTP_DELETE, "/outbox/~2", 409);
    code("already-final");
    has("\"detail\":\"received\"");
    static const char *const none[] = {"/outbox/~99", "/outbox/0011223344556677"};
    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        ask(HTTP_GET, none[i], 404);
        code("not-found");
        ask(HTTP_DELETE, none[i], 404);
    }
    static const char *const bad[] = {"/outbox/~",
                                      "/outbox/~0",
                                      "/outbox/~x",
                                      "/outbox/1",
                                      "/outbox/~9223372036854775808",
                                      "/outbox/x011223344556677"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        ask(HTTP_GET, bad[i], 400);
        code("bad-request");
    }
}

static void test_list(void **state)
{
    (void)state;
    ask(HTTP_GET, "/outbox", 200);
    assert_string_equal(t.body, "{\"entries\":[]}");
    for (int i = 0; i < 3; i++)
        push("{" FAR "}", NULL, 201);
    push("{" LOCAL "}", NULL, 201);
    ask(HTTP_GET, "/outbox?limit=3", 200);
    assert_memory_equal(t.body, "{\"entries\":[{\"seq\":4,", 21);
    has("},{\"seq\":3,");
    has("}],\"nextBefore\":2}");
    ask(HTTP_GET, "/outbox?limit=3&before=2", 200);
    assert_memory_equal(t.body, "{\"entries\":[{\"seq\":1,", 21);
    has("}]}");
    ask(HTTP_GET, "/outbox?state=received", 200);
    assert_memory_equal(t.body, "{\"entries\":[{\"seq\":4,", 21);
    ask(HTTP_GET, "/outbox?state=sending", 200);
    assert_string_equal(t.body, "{\"entries\":[]}");
    ask(HTTP_GET, "/outbox?state=done", 400);
    code("bad-request");
    t.store_rc = ERR_IO;
    ask(HTTP_GET, "/outbox", 503);
    code("store-failed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_push, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(test_push_many, setup, teardown),
        cmocka_unit_test_setup_teardown(test_push_in_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_push_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel_and_retry, setup, teardown),
        cmocka_unit_test_setup_teardown(test_list, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
