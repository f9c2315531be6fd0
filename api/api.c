#include "api/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/about.h"
#include "api/calls.h"
#include "api/download.h"
#include "api/json_admin.h"
#include "api/proxy_calls.h"
#include "api/rpc_http.h"
#include "api/rpc_ws.h"
#include "api/stream.h"
#include "api/tokens.h"
#include "api/upload.h"
#include "base/err.h"
#include "base/rng.h"
#include "base/text.h"
#include "storage/spool.h"

/* --- requests that wait ---------------------------------------------------------------------- */

static struct pending *pending_find(struct api *a, http_id id)
{
    uint64_t hash = hmap_hash(&a->pending, &id, sizeof(id));

    for (struct hnode *n = hmap_first(&a->pending, hash); n; n = hmap_next(n, hash)) {
        struct pending *p = container_of(n, struct pending, node);
        if (p->asked.id == id)
            return p;
    }
    return NULL;
}

int pending_add(struct api *a, const struct asked *q, enum pending_kind kind,
                const struct pending_more *more)
{
    struct pending *p = calloc(1, sizeof(*p));

    if (!p)
        return ERR_NOMEM;
    p->asked = *q;
    p->kind = kind;
    if (more)
        p->more = *more;
    hmap_add(&a->pending, &p->node, hmap_hash(&a->pending, &q->id, sizeof(q->id)));
    a->stats.pending++;
    return OK;
}

static void pending_remove(struct api *a, struct pending *p)
{
    hmap_del(&a->pending, &p->node);
    a->stats.pending--;
    free(p->more.tokens);
    free(p);
}

void pending_drop(struct api *a, http_id id)
{
    struct pending *p = pending_find(a, id);

    if (p)
        pending_remove(a, p);
}

void api_bus_answer(struct api *a, const struct bus_out *out)
{
    struct pending *p;
    struct pending found;

    if (streams_bus_answer(a, out))
        return;
    p = pending_find(a, out->client);
    if (!p)
        return; /* the client went away */
    bool waits = p->kind == PENDING_SEND_WAIT || p->kind == PENDING_PUSH_WAIT;
    if (waits && out->kind == BUS_OUT_ACCEPTED && out->rc == OK) {
        p->more.replayed = out->replayed;
        return; /* accepted; now what it waits for */
    }
    found = *p;
    p->more.tokens = NULL; /* found's now */
    pending_remove(a, p);
    if (found.kind >= PENDING_PUSH)
        outbox_answer(a, &found, out);
    else if (found.kind == PENDING_RULE)
        topic_answer(a, &found, out);
    else if (found.kind >= PENDING_FETCH)
        lease_answer(a, &found, out);
    else
        message_answer(a, &found.asked, found.kind, out);
    free(found.more.tokens);
}

void asked_bus(struct api *a, const struct asked *q, int rc)
{
    if (rc < 0) {
        pending_drop(a, q->id);
        answer_error(a, q, rc);
        return;
    }
    a->conf.kick(a->conf.ctx);
}

/* --- requests -------------------------------------------------------------------------------- */

static void dispatch(struct api *a, const struct asked *q, const struct http_request *r,
                     const struct match *m)
{
    switch (m->call) {
    case CALL_INFO:
        answer_json(a, q, 200, a->info.p, a->info.len);
        break;
    case CALL_PEERS:
        call_peers(a, q);
        break;
    case CALL_PEER_ADD:
        call_peer_add(a, q, r);
        break;
    case CALL_PEER_DELETE:
        call_peer_delete(a, q, m);
        break;
    case CALL_ROUTES_SELECTED:
    case CALL_ROUTES_FALLBACK:
    case CALL_ROUTES_QUERIED:
        call_routes(a, q, m->call);
        break;
    case CALL_PACKETS:
        call_packets(a, q);
        break;
    case CALL_PROXIES:
        call_proxies(a, q);
        break;
    case CALL_PROXY_CONNECT:
        call_proxy_connect(a, q, r);
        break;
    case CALL_PROXY_DISCONNECT:
    case CALL_PROXY_PROBE:
    case CALL_PROXY_PROBE_STOP:
        call_proxy_nothing(a, q);
        break;
    case CALL_PUBKEY:
        call_pubkey(a, q, m);
        break;
    case CALL_TAKE:
        call_take(a, q, r, false);
        break;
    case CALL_LOOK:
        call_take(a, q, r, true);
        break;
    case CALL_SEND:
    case CALL_REPLY:
    case CALL_PUSH:
        call_sending(a, q, r, m);
        break;
    case CALL_STATUS:
        call_status(a, q, m);
        break;
    case CALL_BUS_INFO:
        call_bus_info(a, q);
        break;
    case CALL_BUS_STATS:
        call_bus_stats(a, q);
        break;
    case CALL_FETCH_LEASES:
        call_fetch(a, q, r);
        break;
    case CALL_ACK:
        call_settle(a, q, r, BUS_ACK);
        break;
    case CALL_NACK:
        call_settle(a, q, r, BUS_NACK);
        break;
    case CALL_RENEW:
        call_settle(a, q, r, BUS_RENEW);
        break;
    case CALL_TERM:
        call_settle(a, q, r, BUS_TERM);
        break;
    case CALL_INBOX:
        call_inbox(a, q, r);
        break;
    case CALL_INBOX_ENTRY:
        call_inbox_entry(a, q, m);
        break;
    case CALL_INBOX_PAYLOAD:
        call_inbox_payload(a, q, r, m);
        break;
    case CALL_INBOX_DROP:
        call_inbox_change(a, q, m, true);
        break;
    case CALL_INBOX_REQUEUE:
        call_inbox_change(a, q, m, false);
        break;
    case CALL_OUTBOX:
        call_out_list(a, q, r);
        break;
    case CALL_OUT_GET:
        call_out_entry(a, q, r, m);
        break;
    case CALL_OUT_DELETE:
        call_out_cancel(a, q, m);
        break;
    case CALL_OUT_AGAIN:
        call_out_retry(a, q, m);
        break;
    case CALL_TOPIC_DEFAULT:
        call_topic_default(a, q);
        break;
    case CALL_TOPIC_DEFAULT_SET:
        call_topic_default_set(a, q, r);
        break;
    case CALL_TOPICS:
        call_topics(a, q);
        break;
    case CALL_TOPIC_ADD:
        call_topic_add(a, q, r);
        break;
    case CALL_TOPIC_REMOVE:
        call_topic_remove(a, q, m);
        break;
    case CALL_TOPIC_SOURCES:
        call_topic_sources(a, q, m);
        break;
    case CALL_TOPIC_SOURCE_ADD:
        call_topic_source_add(a, q, r, m);
        break;
    case CALL_TOPIC_SOURCE_REMOVE:
        call_topic_source_remove(a, q, m);
        break;
    case CALL_TOPIC_FORWARD:
        call_topic_forward(a, q, m);
        break;
    case CALL_TOPIC_FORWARD_SET:
        call_topic_forward_set(a, q, r, m);
        break;
    case CALL_TOPIC_FORWARD_REMOVE:
        call_topic_forward_remove(a, q, m);
        break;
    case CALL_WS:
        call_ws(a, q, r);
        break;
    case CALL_EVENTS:
        call_events(a, q, r);
        break;
    case CALL_OUT_EVENTS:
        call_out_events(a, q, r);
        break;
    }
}

static bool is_metrics(const struct http_request *r)
{
    return strcmp(r->path, "/metrics") == 0;
}

static bool is_rpc(const struct http_request *r)
{
    return strcmp(r->path, RPC_PATH) == 0;
}

static void metrics_request(struct api *a, const struct asked *q, const struct http_request *r)
{
    if (r->method == HTTP_GET || r->method == HTTP_HEAD)
        call_metrics(a, q);
    else
        answer_bad_method(a, q, "GET,HEAD");
}

/* False, answered: no call, or not one that it may make. */
static bool find_call(struct api *a, const struct http_request *r, const struct asked *q,
                      struct match *m)
{
    char text[96];

    switch (table_match(r->method, r->path, m)) {
    case OK:
        return true;
    case ERR_UNSUPPORTED:
        if (r->method == HTTP_OPTIONS && q->origin)
            answer_preflight(a, q);
        else
            answer_bad_method(a, q, m->allow);
        return false;
    case ERR_INVAL:
        (void)snprintf(text, sizeof(text), "Invalid URL: Invalid UTF-8 in `%s`", m->param_name);
        if (q->problems) /* not cut: the name is ours */
            answer_problem(a, q, PROBLEM_BAD_REQUEST, text);
        else
            answer_text(a, q, 400, text);
        return false;
    default:
        if (q->problems)
            answer_problem(a, q, PROBLEM_NOT_FOUND, "no such path");
        else
            answer_empty(a, q, 404);
        return false;
    }
}

/* May it be asked at all? False, answered: no. */
static bool pass(struct api *a, const struct http_request *r, struct asked *q)
{
    struct guard_verdict v = guard_check(&a->guard, r, usec_now());

    *q = (struct asked){.server = r->server,
                        .id = r->id,
                        .origin = v.origin,
                        .scopes = v.scopes,
                        .token = v.token,
                        .problems = path_is_bus(r->path)};
    if (v.status) {
        answer_guard(a, q, &v);
        return false;
    }
    if (a->stopping && !about_has(r->path)) {
        if (q->problems)
            answer_problem(a, q, PROBLEM_NOT_READY, "stopping");
        else
            answer_text(a, q, 503, "stopping");
        return false;
    }
    return true;
}

/* Which call is it, and may it be made? False, answered: no. */
static bool admit(struct api *a, const struct http_request *r, struct asked *q, struct match *m)
{
    if (about_has(r->path)) {
        about_request(a, q, r);
        return false;
    }
    if (a->conf.metrics_here && is_metrics(r)) {
        if (asked_may(a, q, SCOPE_READ))
            metrics_request(a, q, r);
        return false;
    }
    return find_call(a, r, q, m) && asked_may(a, q, m->scope);
}

/* What can be refused by its head is refused before its body was sent. */
static struct http_want on_head(void *ctx, const struct http_request *r)
{
    const struct http_want none = {.kind = HTTP_BODY_NONE};
    struct api *a = ctx;
    struct json_fault fault = {0};
    struct asked q;
    struct match m;

    if (!pass(a, r, &q))
        return none;
    if (is_rpc(r))
        return rpc_http_head(a, &q, r);
    if (!admit(a, r, &q, &m))
        return none;
    if (upload_wanted(r, m.call))
        return upload_begin(a, &q, r, &m);
    if (call_wants_json(m.call) && !body_is_json(a, &q, r))
        return none;
    if (r->length == HTTP_LENGTH_UNKNOWN || r->length <= JSON_BODY_MAX)
        return (struct http_want){HTTP_BODY_WHOLE, JSON_BODY_MAX};
    (void)json_refuse(&fault, 413, JSON_TOO_LONG);
    answer_fault(a, &q, &fault);
    return none;
}

static void on_request(void *ctx, const struct http_request *r)
{
    struct api *a = ctx;
    struct asked q;
    struct match m;

    if (!pass(a, r, &q))
        return;
    if (is_rpc(r))
        rpc_http_request(a, &q, r);
    else if (admit(a, r, &q, &m))
        dispatch(a, &q, r, &m);
}

static struct http_want on_rpc_head(void *ctx, const struct http_request *r)
{
    struct asked q;

    if (!pass(ctx, r, &q))
        return (struct http_want){.kind = HTTP_BODY_NONE};
    return rpc_http_head(ctx, &q, r);
}

static void on_rpc_request(void *ctx, const struct http_request *r)
{
    struct asked q;

    if (pass(ctx, r, &q))
        rpc_http_request(ctx, &q, r);
}

static void on_metrics_request(void *ctx, const struct http_request *r)
{
    struct api *a = ctx;
    struct guard_verdict v = guard_check(&a->guard, r, usec_now());
    struct asked q = {.server = r->server, .id = r->id, .origin = v.origin, .scopes = v.scopes};

    if (v.status)
        answer_guard(a, &q, &v);
    else if (!is_metrics(r))
        answer_empty(a, &q, 404);
    else if (asked_may(a, &q, SCOPE_READ))
        metrics_request(a, &q, r);
}

static void on_metrics_gone(void *ctx, http_id id)
{
    (void)ctx;
    (void)id; /* nothing here waits */
}

static void on_gone(void *ctx, http_id id)
{
    struct api *a = ctx;

    pending_drop(a, id);
    rpc_gone(a, id);
    upload_gone(a, id);
    download_gone(a, id);
    bus_forget_client(a->conf.bus, id);
    a->conf.kick(a->conf.ctx);
}

static bool on_piece(void *ctx, http_id id, const uint8_t *bytes, size_t len)
{
    return upload_piece(ctx, id, bytes, len);
}

static void on_end(void *ctx, http_id id)
{
    upload_end(ctx, id);
}

static void on_drained(void *ctx, http_id id)
{
    download_drained(ctx, id);
}

/* --- public ---------------------------------------------------------------------------------- */

int api_new(const struct api_conf *c, struct api **ret)
{
    struct api *a = calloc(1, sizeof(*a));
    struct rng rng;
    int rc;

    if (!a)
        return ERR_NOMEM;
    list_init(&a->rpcs);
    list_init(&a->rpc_sockets);
    rng_init_system(&rng);
    rc = hmap_init(&a->pending, &rng);
    if (rc == OK)
        rc = hmap_init(&a->uploads, &rng);
    if (rc == OK)
        rc = hmap_init(&a->downloads, &rng);
    if (rc == OK)
        rc = streams_init(a, &rng);
    if (rc < 0) {
        hmap_fini(&a->downloads);
        hmap_fini(&a->pending);
        hmap_fini(&a->uploads);
        free(a);
        return rc;
    }
    a->conf = *c;
    a->guard.hosts = c->hosts;
    a->guard.origins = c->origins;
    a->guard.auth = c->auth;
    json_info(&a->info, &c->self_key, c->start_wall_s);
    if (a->info.bad) {
        api_free(a);
        return ERR_NOMEM;
    }
    *ret = a;
    return OK;
}

void api_free(struct api *a)
{
    size_t slot;
    struct hnode *n;

    if (!a)
        return;
    while (slot = 0, (n = hmap_each(&a->pending, &slot, NULL)) != NULL)
        pending_remove(a, container_of(n, struct pending, node));
    hmap_fini(&a->pending);
    rpcs_free(a);
    uploads_free(a);
    downloads_free(a);
    streams_fini(a);
    json_out_fini(&a->info);
    free(a);
}

void api_set_tokens(struct api *a, const struct tokens *t)
{
    a->guard.tokens = t;
    streams_recheck(a);
    rpc_ws_recheck(a);
}

bool asked_recheck(const struct api *a, struct asked *q)
{
    unsigned scopes = q->scopes;

    if (!q->token)
        return true;
    q->scopes = a->guard.tokens ? tokens_scopes_of(a->guard.tokens, q->token) : 0;
    return (q->scopes & scopes) == scopes;
}

struct http_handler api_handler(struct api *a)
{
    return (struct http_handler){
        .head = on_head,
        .request = on_request,
        .piece = on_piece,
        .end = on_end,
        .drained = on_drained,
        .gone = on_gone,
        .ctx = a,
    };
}

struct http_handler api_rpc_handler(struct api *a)
{
    struct http_handler h = api_handler(a);

    h.head = on_rpc_head;
    h.request = on_rpc_request;
    return h;
}

struct http_handler api_metrics_handler(struct api *a)
{
    return (struct http_handler){.request = on_metrics_request, .gone = on_metrics_gone, .ctx = a};
}

void to_spool(struct api *a, struct spool_op *op)
{
    op->user = a->conf.spool_user;
    if (a->stopping)
        spool_op_free(op); /* it may be closed by now */
    else
        spool_submit(a->conf.spool, op);
}

void drop_file(struct api *a, uint64_t file)
{
    struct spool_op *op = spool_op_new(SPOOL_DROP, file);

    if (!op)
        return; /* no row names it: it goes at the next start */
    op->quiet = true;
    to_spool(a, op);
}

void api_spooled(struct api *a, const struct spool_op *op)
{
    if (a->stopping)
        return; /* nothing is begun any more */
    if (!upload_spooled(a, op))
        (void)download_spooled(a, op); /* false: the client has gone */
}

void api_stop(struct api *a)
{
    a->stopping = true;
    streams_stop(a);
    rpc_ws_stop(a);
}

void api_stats(const struct api *a, struct api_stats *ret)
{
    *ret = a->stats;
}
