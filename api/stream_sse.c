/* Streams as server-sent events: GET /bus/v1/events and /bus/v1/outbox/events. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/http_raw.h"
#include "api/json_lease.h"
#include "api/query.h"
#include "api/stream_core.h"
#include "api/ws.h"
#include "base/err.h"
#include "base/text.h"

#define COMMENT_EVERY (15 * USEC_SEC)
#define STALLED_AFTER (30 * USEC_SEC)
#define CLOSE_MS      2000

struct stream_sse {
    struct http_server *server;
    http_id id;
    struct api *api;
    struct stream *stream;
    bool bad;     /* no memory for an event */
    bool blocked; /* as of the last tick */
    usec_t said, moved;
    uint64_t taken;
};

/* --- to the client ---------------------------------------------------------------------------- */

static void say_bytes(struct stream_sse *e, const void *bytes, size_t len)
{
    e->said = usec_now();
    (void)http_raw_write(e->server, e->id, bytes, len); /* false: closed() comes */
}

static void on_frame(void *ctx, const struct stream_frame *f)
{
    struct stream_sse *e = ctx;
    struct json_out o = {0};

    (void)json_room(&o, f->fields->len + 128);
    json_put(&o, "event: ");
    json_put(&o, f->op);
    if (f->id > 0) {
        json_put(&o, "\nid: ");
        json_put(&o, streams_epoch(e->api));
        json_put(&o, ".");
        json_u64(&o, f->id);
    }
    json_put(&o, "\ndata: {");
    json_put_bytes(&o, f->fields->len > 0 ? f->fields->p : "", f->fields->len);
    json_put(&o, "}\n\n");
    e->bad = e->bad || o.bad || f->fields->bad;
    if (!e->bad)
        say_bytes(e, o.p, o.len);
    json_out_fini(&o);
}

static bool on_blocked(const void *ctx)
{
    const struct stream_sse *e = ctx;

    return http_raw_blocked(e->server, e->id);
}

static void on_want(void *ctx)
{
    struct stream_sse *e = ctx;

    http_raw_want(e->server, e->id);
}

static void on_close(void *ctx, unsigned code, const char *reason)
{
    struct stream_sse *e = ctx;

    (void)code;
    (void)reason;
    http_raw_close(e->server, e->id, CLOSE_MS);
    free(e);
}

static const struct stream_carrier carrier = {
    .frame = on_frame, .blocked = on_blocked, .want = on_want, .close = on_close};

/* --- from its connection ---------------------------------------------------------------------- */

static void on_writable(void *ctx)
{
    const struct stream_sse *e = ctx;

    stream_writable(e->stream);
}

static bool stalled(struct stream_sse *e, usec_t now)
{
    uint64_t taken = http_raw_taken(e->server, e->id);
    bool blocked = on_blocked(e);

    if (!blocked || !e->blocked || taken != e->taken)
        e->moved = now;
    e->blocked = blocked;
    e->taken = taken;
    return now - e->moved >= STALLED_AFTER;
}

static void on_tick(void *ctx, usec_t now)
{
    static const char comment[] = ":\n\n";
    struct stream_sse *e = ctx;

    if (e->bad)
        stream_bye(e->stream, WS_INTERNAL, "internal", BUS_SUB_KEEP);
    else if (stalled(e, now))
        stream_bye(e->stream, WS_SLOW, "slow", BUS_SUB_FAIL);
    else if (!e->blocked && now - e->said >= COMMENT_EVERY)
        say_bytes(e, comment, sizeof(comment) - 1);
}

static void on_closed(void *ctx)
{
    struct stream_sse *e = ctx;

    stream_end(e->stream, BUS_SUB_KEEP);
    free(e);
}

/* --- the query -------------------------------------------------------------------------------- */

static const char *const texts[] = {"topic", "prefix", "pattern", "mode", "ack", "consumer"};
static const char *const numbers[] = {"credit", "creditBytes", "leaseMs", "index"};

/* NULL: it is none of these. */
static const char *key_of(const struct query_pair *p, const char *const *keys, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strlen(keys[i]) == p->key_len && memcmp(keys[i], p->key, p->key_len) == 0)
            return keys[i];
    return NULL;
}

static int read_pair(const struct query_pair *p, json_t *o, struct json_fault *fault)
{
    const char *text = key_of(p, texts, ARRAY_LEN(texts));
    const char *number = key_of(p, numbers, ARRAY_LEN(numbers));
    const char *key = text ? text : number;
    char v[QUERY_VALUE_MAX + 1];
    json_t *value = NULL;
    uint64_t n = 0;
    size_t len = 0;

    if (!key)
        return OK;
    if (json_object_get(o, key))
        return json_problem(fault, PROBLEM_BAD_REQUEST, "a key is given twice");
    if (percent_decode(p->value, p->value_len, true, v, QUERY_VALUE_MAX, &len) < 0)
        return json_problem(fault, PROBLEM_BAD_REQUEST, "a value is too long");
    if (text)
        value = json_stringn(v, len);
    else if (decimal_parse(v, len, UINT64_C(1) << 53, &n) == OK)
        value = json_real((double)n);
    if (!value)
        return json_problem(fault, PROBLEM_BAD_REQUEST,
                            text ? "a value is not UTF-8" : "a value is no number");
    return json_object_set_new(o, key, value) < 0 ? ERR_NOMEM : OK;
}

/* As the fields of a `sub`, so that there is one reader. NULL: no memory, or *fault. */
static json_t *read_query(const char *query, struct json_fault *fault)
{
    json_t *o = json_object();
    struct query_pair p;

    while (o && query_next(&query, &p)) {
        if (read_pair(&p, o, fault) == OK)
            continue;
        json_decref(o);
        o = NULL;
    }
    return o;
}

/* EPOCH.NUMBER of this process. */
static bool read_event_id(const struct api *a, const char *text, uint64_t *ret)
{
    size_t len = strlen(streams_epoch(a));

    return text && strncmp(text, streams_epoch(a), len) == 0 && text[len] == '.' &&
           decimal_parse(text + len + 1, strlen(text + len + 1), INT64_MAX, ret) == OK;
}

/* --- the calls -------------------------------------------------------------------------------- */

/* The head of the answer. False: the client is gone, and e is freed. */
static bool begin(struct stream_sse *e, const struct asked *q)
{
    static const char retry[] = "retry: 2000\n\n";
    const struct http_header cors[] = {{"access-control-allow-origin", q->origin},
                                       {"vary", "origin"}};
    const struct http_response head = {.status = 200,
                                       .content_type = "text/event-stream",
                                       .extra = cors,
                                       .extra_count = q->origin ? 2 : 0};
    const struct http_raw_handler h = {
        .writable = on_writable, .tick = on_tick, .closed = on_closed, .ctx = e};

    if (!http_raw_begin(e->server, e->id, &head, &h)) {
        stream_end(e->stream, BUS_SUB_RETURN);
        free(e);
        return false;
    }
    say_bytes(e, retry, sizeof(retry) - 1);
    return true;
}

/* NULL: refused. */
static struct stream_sse *sse_new(struct api *a, const struct asked *q,
                                  const struct http_request *r)
{
    struct stream_sse *e;

    if (r->method == HTTP_HEAD) {
        answer_bad_method(a, q, "GET");
        return NULL;
    }
    if (http_raw_full(q->server)) {
        answer_problem(a, q, PROBLEM_NOT_READY, "too many streams");
        return NULL;
    }
    e = calloc(1, sizeof(*e));
    if (e) {
        e->server = q->server;
        e->id = q->id;
        e->api = a;
        e->stream = stream_new(a, q, &carrier, e);
    }
    if (!e || !e->stream) {
        free(e);
        answer_error(a, q, ERR_NOMEM);
        return NULL;
    }
    return e;
}

/* Consumer, what is settled by the id, and the subscription. */
static int subscribe(struct stream_sse *e, const struct http_request *r, json_t *o,
                     struct json_fault *fault)
{
    const json_t *name = json_object_get(o, "consumer"), *ack = json_object_get(o, "ack");
    const char *how = ack ? json_line(ack) : "manual";
    char consumer[BUS_CONSUMER_MAX + 1] = "";
    bool by_id = how && strcmp(how, "last-event-id") == 0;
    uint64_t seq;

    if (!by_id && !(how && strcmp(how, "manual") == 0))
        return json_problem(fault, PROBLEM_BAD_REQUEST, "ack: expected manual or last-event-id");
    if (name && json_consumer(fault, name, consumer) < 0)
        return ERR_INVAL;
    if (by_id && !*consumer)
        return json_problem(fault, PROBLEM_BAD_REQUEST, "ack=last-event-id needs a consumer");
    if (*consumer)
        (void)stream_consumer(e->stream, consumer);
    if (by_id && read_event_id(e->api, r->last_event_id, &seq))
        stream_settle(e->stream, seq);
    if (!json_object_get(o, "topic") && !json_object_get(o, "prefix") &&
        !json_object_get(o, "pattern") && json_object_set_new(o, "all", json_true()) < 0)
        return ERR_NOMEM;
    return stream_subscribe(e->stream, o, fault);
}

void call_events(struct api *a, const struct asked *q, const struct http_request *r)
{
    struct stream_sse *e = sse_new(a, q, r);
    struct json_fault fault = {0};
    json_t *o = e ? read_query(r->query, &fault) : NULL;
    int rc;

    if (!e)
        return;
    rc = o ? subscribe(e, r, o, &fault) : ERR_NOMEM;
    json_decref(o);
    if (rc == OK) {
        if (begin(e, q))
            a->conf.kick(a->conf.ctx);
        return;
    }
    stream_end(e->stream, BUS_SUB_RETURN);
    free(e);
    if (fault.status)
        answer_fault(a, q, &fault);
    else
        answer_error(a, q, rc);
}

void call_out_events(struct api *a, const struct asked *q, const struct http_request *r)
{
    struct stream_sse *e = sse_new(a, q, r);
    struct json_fault fault = {0};
    json_t *o = e ? read_query(r->query, &fault) : NULL;
    uint64_t index = 0;
    const json_t *v;
    bool from;

    if (!e)
        return;
    if (!o) {
        stream_end(e->stream, BUS_SUB_RETURN);
        free(e);
        if (fault.status)
            answer_fault(a, q, &fault);
        else
            answer_error(a, q, ERR_NOMEM);
        return;
    }
    v = json_object_get(o, "index");
    from = v || r->last_event_id;
    if (v)
        index = (uint64_t)json_number_value(v);
    else if (r->last_event_id && !read_event_id(a, r->last_event_id, &index))
        index = UINT64_MAX; /* of another process */
    json_decref(o);
    if (!begin(e, q))
        return;
    if (!from)
        index = bus_changes_last(a->conf.bus);
    if (!stream_watch(e->stream, index))
        stream_watch_live(e->stream);
    a->conf.kick(a->conf.ctx);
}
