#include "api/about.h"

#include <string.h>

#include "api/metrics.h"
#include "api/query.h"
#include "api/stream.h"
#include "base/err.h"
#include "base/text.h"

#define JSON "application/json"

/* --- health ---------------------------------------------------------------------------------- */

struct health_query {
    uint64_t peers; /* that have to be connected */
    bool verbose;
};

static bool word_is(const char *text, size_t len, const char *want)
{
    return strlen(want) == len && memcmp(text, want, len) == 0;
}

/* False: a value is none. */
static bool health_query_read(const char *query, struct health_query *ret)
{
    struct query_pair p;
    bool ok = true;

    *ret = (struct health_query){0};
    while (ok && query_next(&query, &p)) {
        if (word_is(p.key, p.key_len, "peers")) {
            ok = decimal_parse(p.value, p.value_len, UINT32_MAX, &ret->peers) == OK;
        } else if (word_is(p.key, p.key_len, "verbose")) {
            ret->verbose = word_is(p.value, p.value_len, "true");
            ok = ret->verbose || word_is(p.value, p.value_len, "false");
        }
    }
    return ok;
}

static void put_check(struct json_out *o, const char *name, const char *text, bool first)
{
    json_put(o, first ? "\"" : ",\"");
    json_put(o, name);
    json_put(o, "\":");
    json_quoted(o, text);
}

static void put_checks(struct json_out *o, struct api *a, const struct metrics *m)
{
    struct json_out peers = {0};

    json_put(o, ",\"checks\":{");
    put_check(o, "store", m->store.rc == OK ? "ok" : err_str(m->store.rc), true);
    put_check(o, "loop", a->stopping ? "stopping" : "ok", false);
    json_u64(&peers, m->peers.up);
    json_put_bytes(&peers, "", 1);
    if (peers.bad)
        o->bad = true;
    else
        put_check(o, "peers", peers.p, false);
    json_out_fini(&peers);
    json_put(o, "}");
}

static void ready(struct api *a, const struct asked *q, const char *query)
{
    struct health_query h;
    struct json_out o = {0};
    struct metrics m = {0};
    bool ok;

    if (!health_query_read(query, &h)) {
        answer_text(a, q, 400, "peers: expected a number; verbose: expected true or false");
        return;
    }
    if (h.verbose && !asked_may(a, q, SCOPE_READ))
        return;
    a->conf.metrics(a->conf.ctx, &m);
    ok = !a->stopping && m.store.rc == OK && m.peers.up >= h.peers;
    json_put(&o, ok ? "{\"status\":\"ok\"" : "{\"status\":\"unavailable\"");
    if (h.verbose)
        put_checks(&o, a, &m);
    json_put(&o, "}");
    answer_out(a, q, ok ? 200 : 503, &o);
}

static void alive(struct api *a, const struct asked *q, const char *query)
{
    static const char text[] = "{\"status\":\"ok\"}";

    (void)query;
    answer_json(a, q, 200, text, sizeof(text) - 1);
}

/* --- version, descriptions ------------------------------------------------------------------- */

static void version(struct api *a, const struct asked *q, const char *query)
{
    static const char text[] = "{\"name\":\"mycelium\",\"version\":\"" MYCELIUM_VERSION
                               "\",\"compatible\":\"" ABOUT_COMPATIBLE "\"}";

    (void)query;
    answer_json(a, q, 200, text, sizeof(text) - 1);
}

static void describe(struct api *a, const struct asked *q, const char *type,
                     const unsigned char *bytes, size_t len)
{
    struct json_out o = {0};

    json_put_bytes(&o, (const char *)bytes, len);
    answer_typed(a, q, 200, type, &o);
}

static void openapi_as_json(struct api *a, const struct asked *q, const char *query)
{
    (void)query;
    describe(a, q, JSON, openapi_json, openapi_json_len);
}

static void openapi_as_yaml(struct api *a, const struct asked *q, const char *query)
{
    (void)query;
    describe(a, q, "application/yaml", openapi_yaml, openapi_yaml_len);
}

static void openrpc_as_json(struct api *a, const struct asked *q, const char *query)
{
    (void)query;
    describe(a, q, JSON, openrpc_json, openrpc_json_len);
}

/* --- paths ----------------------------------------------------------------------------------- */

static const struct about {
    const char *path;
    void (*answer)(struct api *a, const struct asked *q, const char *query);
} abouts[] = {
    {"/livez", alive},
    {"/readyz", ready},
    {"/healthz", ready},
    {"/version", version},
    {"/openapi.json", openapi_as_json},
    {"/openapi.yaml", openapi_as_yaml},
    {"/openrpc.json", openrpc_as_json},
};

static const struct about *find(const char *path)
{
    for (size_t i = 0; i < ARRAY_LEN(abouts); i++)
        if (strcmp(path, abouts[i].path) == 0)
            return &abouts[i];
    return NULL;
}

bool about_has(const char *path)
{
    return find(path) != NULL;
}

void about_request(struct api *a, const struct asked *q, const struct http_request *r)
{
    if (r->method == HTTP_GET || r->method == HTTP_HEAD)
        find(r->path)->answer(a, q, r->query);
    else if (r->method == HTTP_OPTIONS && q->origin)
        answer_preflight(a, q);
    else
        answer_bad_method(a, q, "GET,HEAD");
}

/* --- the bus --------------------------------------------------------------------------------- */

static void put_number(struct json_out *o, const char *name, uint64_t n, bool first)
{
    json_put(o, first ? "\"" : ",\"");
    json_put(o, name);
    json_put(o, "\":");
    json_u64(o, n);
}

/* What clients may have to know; the file of configuration has the rest. */
static void put_limits(struct json_out *o, const struct api *a)
{
    const struct bus_limits *l = bus_limits(a->conf.bus);

    json_put(o, "\"limits\":{");
    put_number(o, "lenMax", l->len_max, true);
    put_number(o, "lenPlainMax", l->len_plain_max, false);
    put_number(o, "outboxMessages", l->out_messages, false);
    put_number(o, "outboxBytes", l->out_bytes, false);
    put_number(o, "outboxMessagesNode", l->out_messages_node, false);
    put_number(o, "outboxBytesNode", l->out_bytes_node, false);
    put_number(o, "inboxMessages", l->in_messages, false);
    put_number(o, "inboxBytes", l->in_bytes, false);
    put_number(o, "tries", l->tries, false);
    put_number(o, "ttlDefaultMs", (uint64_t)l->ttl_default_ms, false);
    put_number(o, "ttlMaxMs", (uint64_t)l->ttl_max_ms, false);
    put_number(o, "leaseDefaultMs", (uint64_t)l->lease_default_ms, false);
    put_number(o, "waiters", l->waiters, false);
    json_put(o, "}");
}

void call_bus_info(struct api *a, const struct asked *q)
{
    struct json_out o = {0};

    json_put(&o, "{\"version\":1,\"epoch\":");
    json_quoted(&o, streams_epoch(a));
    json_put(&o, ",\"subprotocols\":[");
    for (size_t i = 0; ws_bus_protocols[i]; i++) {
        json_put(&o, i ? "," : "");
        json_quoted(&o, ws_bus_protocols[i]);
    }
    json_put(&o, "],");
    put_limits(&o, a);
    json_put(&o, "}");
    answer_out(a, q, 200, &o);
}

void call_bus_stats(struct api *a, const struct asked *q)
{
    struct json_out o = {0};
    struct bus_stats s;

    bus_stats(a->conf.bus, &s);
    json_put(&o, "{\"outbox\":{");
    put_number(&o, "messages", s.out_live, true);
    put_number(&o, "bytes", s.out_bytes, false);
    put_number(&o, "inMemory", s.out_memory, false);
    json_put(&o, "},\"inbox\":{");
    put_number(&o, "messages", s.in_parts + s.in_ready + s.in_leased + s.in_dead, true);
    put_number(&o, "bytes", s.in_bytes, false);
    json_put(&o, ",\"byState\":{");
    put_number(&o, "receiving", s.in_parts, true);
    put_number(&o, "ready", s.in_ready, false);
    put_number(&o, "leased", s.in_leased, false);
    put_number(&o, "dead", s.in_dead, false);
    json_put(&o, "}},");
    put_number(&o, "waiting", s.waiters, true);
    json_put(&o, ",");
    put_limits(&o, a);
    json_put(&o, "}");
    answer_out(a, q, 200, &o);
}
