#include "api/api.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/calls.h"
#include "api/download.h"
#include "api/json_admin.h"
#include "api/upload.h"
#include "base/err.h"
#include "base/rng.h"
#include "base/text.h"
#include "storage/spool.h"

/* --- answers --------------------------------------------------------------------------------- */

#define EXTRA_MAX 6

static void add_field(struct http_header *fields, size_t *count, const char *name,
                      const char *value)
{
    assert(*count < EXTRA_MAX);
    fields[(*count)++] = (struct http_header){name, value};
}

/* The fields besides those that the server adds to any answer; returns their number. */
static size_t fields_of(const struct asked *q, unsigned status, const struct http_header *more,
                        size_t n_more, struct http_header fields[static EXTRA_MAX])
{
    size_t n = 0;

    if (status == 429 || status == 503 || status == 507)
        add_field(fields, &n, "retry-after", "1");
    for (size_t i = 0; i < n_more; i++)
        add_field(fields, &n, more[i].name, more[i].value);
    if (q->origin) {
        add_field(fields, &n, "access-control-allow-origin", q->origin);
        add_field(fields, &n, "vary", "origin");
    }
    return n;
}

bool answer_begin(struct api *a, const struct asked *q, unsigned status, const char *content_type,
                  uint64_t len, const struct http_header *more, size_t n_more)
{
    struct http_header fields[EXTRA_MAX];
    struct http_response r = {
        .status = status,
        .content_type = content_type,
        .body_len = (size_t)len,
        .extra = fields,
        .extra_count = fields_of(q, status, more, n_more, fields),
    };

    return http_answer_begin(a->server, q->id, &r);
}

static void answer(struct api *a, const struct asked *q, unsigned status, const char *content_type,
                   const void *body, size_t len, const struct http_header *more, size_t n_more)
{
    struct http_header fields[EXTRA_MAX];
    struct http_response r = {
        .status = status,
        .content_type = content_type,
        .body = body,
        .body_len = len,
        .extra = fields,
        .extra_count = fields_of(q, status, more, n_more, fields),
    };

    /* False: the client went away a moment ago, and nobody waits for this answer. */
    (void)http_answer(q->metrics ? a->metrics_server : a->server, q->id, &r);
}

void answer_empty(struct api *a, const struct asked *q, unsigned status)
{
    answer(a, q, status, NULL, NULL, 0, NULL, 0);
}

void answer_text(struct api *a, const struct asked *q, unsigned status, const char *text)
{
    answer(a, q, status, "text/plain; charset=utf-8", text, strlen(text), NULL, 0);
}

void answer_json(struct api *a, const struct asked *q, unsigned status, const void *json,
                 size_t len)
{
    answer(a, q, status, "application/json", json, len, NULL, 0);
}

void answer_bytes(struct api *a, const struct asked *q, unsigned status, const void *bytes,
                  size_t len, const struct http_header *more, size_t n_more)
{
    answer(a, q, status, "application/octet-stream", bytes, len, more, n_more);
}

static void answer_built(struct api *a, const struct asked *q, unsigned status,
                         const char *content_type, struct json_out *o,
                         const struct http_header *more)
{
    if (o->bad)
        answer_error(a, q, ERR_NOMEM);
    else
        answer(a, q, status, content_type, o->p, o->len, more, more != NULL);
    json_out_fini(o);
}

void answer_out_with(struct api *a, const struct asked *q, unsigned status, struct json_out *o,
                     const struct http_header *more)
{
    answer_built(a, q, status, "application/json", o, more);
}

void answer_typed(struct api *a, const struct asked *q, unsigned status, const char *content_type,
                  struct json_out *o)
{
    answer_built(a, q, status, content_type, o, NULL);
}

void answer_bad_method(struct api *a, const struct asked *q, const char *allow)
{
    const struct http_header field = {"allow", allow};

    if (q->problems)
        answer_problem_with(a, q, PROBLEM_BAD_METHOD, NULL, &field);
    else
        answer(a, q, 405, NULL, NULL, 0, &field, 1);
}

void answer_out(struct api *a, const struct asked *q, unsigned status, struct json_out *o)
{
    answer_out_with(a, q, status, o, NULL);
}

void answer_problem_with(struct api *a, const struct asked *q, enum problem p, const char *detail,
                         const struct http_header *more)
{
    struct json_out o = {0};

    problem_write(&o, p, detail);
    if (o.bad) /* no memory for the words: the status has to do */
        answer(a, q, problem_status(p), NULL, NULL, 0, more, more != NULL);
    else
        answer(a, q, problem_status(p), PROBLEM_CONTENT_TYPE, o.p, o.len, more, more != NULL);
    json_out_fini(&o);
}

void answer_problem(struct api *a, const struct asked *q, enum problem p, const char *detail)
{
    answer_problem_with(a, q, p, detail, NULL);
}

void answer_fault(struct api *a, const struct asked *q, const struct json_fault *f)
{
    a->stats.refused_body++;
    if (q->problems)
        answer_problem(a, q, f->problem ? f->problem : problem_of_status(f->status), f->text);
    else if (*f->text)
        answer_text(a, q, f->status, f->text);
    else
        answer_empty(a, q, f->status);
}

void answer_error(struct api *a, const struct asked *q, int rc)
{
    if (q->problems) {
        answer_problem(a, q, problem_of_error(rc), err_str(rc));
        return;
    }
    switch (rc) {
    case ERR_LIMIT:
        answer_text(a, q, 429, "too many messages: a limit is reached");
        break;
    case ERR_NOSPACE:
        answer_text(a, q, 507, "no space left for messages");
        break;
    case ERR_TOOBIG:
        answer_text(a, q, 413, "the message is longer than allowed");
        break;
    case ERR_PERM:
        answer_text(a, q, 403, "the topic rules of this node refuse the message");
        break;
    case ERR_INVAL:
        answer_text(a, q, 400, "the message cannot be sent to this destination");
        break;
    default:
        answer_text(a, q, 503, err_str(rc));
        break;
    }
}

void answer_bad_param(struct api *a, const struct asked *q, const struct match *m, const char *why)
{
    char text[PARAM_MAX + 128];

    (void)snprintf(text, sizeof(text), "Invalid URL: Cannot parse `%s` with value `%s`: %s",
                   m->param_name, m->param, why); /* may be cut: for people */
    if (q->problems)
        answer_problem(a, q, PROBLEM_BAD_REQUEST, utf8_valid(text, strlen(text)) ? text : why);
    else
        answer_text(a, q, 400, text);
}

bool body_is_json(struct api *a, const struct asked *q, const struct http_request *r)
{
    static const char text[] = "Expected request with `Content-Type: application/json`";

    if (json_content_type(r->content_type))
        return true;
    if (q->problems)
        answer_problem(a, q, PROBLEM_UNSUPPORTED_MEDIA_TYPE, text);
    else
        answer_text(a, q, 415, text);
    return false;
}

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
    struct pending *p = pending_find(a, out->client);
    struct pending found;

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
    }
}

/* A browser asks whether a page of another origin may ask: only those of the configuration may. */
static void answer_preflight(struct api *a, const struct asked *q)
{
    const struct http_header fields[] = {
        {"access-control-allow-origin", q->origin},
        {"access-control-allow-methods", "GET, HEAD, POST, PUT, DELETE"},
        {"access-control-allow-headers", "content-type, authorization"},
        {"vary", "origin"},
    };
    struct http_response r = {.status = 204, .extra = fields, .extra_count = ARRAY_LEN(fields)};

    (void)http_answer(a->server, q->id, &r); /* false: the client went away */
}

static void refuse(struct api *a, const struct asked *q, const struct guard_verdict *v)
{
    const struct http_header bearer = {"www-authenticate", "Bearer realm=\"mycelium\""};

    if (v->status == 401)
        a->stats.refused_token++;
    else
        a->stats.refused_guard++;
    if (q->problems)
        answer_problem_with(a, q, v->problem, v->text, v->status == 401 ? &bearer : NULL);
    else
        answer(a, q, v->status, "text/plain; charset=utf-8", v->text, strlen(v->text), &bearer,
               v->status == 401);
}

static bool is_metrics(const struct http_request *r)
{
    return strcmp(r->path, "/metrics") == 0;
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

/* Which call is it, and may it be made? False, answered: no. */
static bool admit(struct api *a, const struct http_request *r, struct asked *q, struct match *m)
{
    struct guard_verdict v = guard_check(&a->guard, r);

    *q = (struct asked){.id = r->id, .origin = v.origin, .problems = path_is_bus(r->path)};
    if (v.status) {
        refuse(a, q, &v);
        return false;
    }
    if (a->stopping) {
        if (q->problems)
            answer_problem(a, q, PROBLEM_NOT_READY, "stopping");
        else
            answer_text(a, q, 503, "stopping");
        return false;
    }
    if (a->conf.metrics_here && is_metrics(r)) {
        metrics_request(a, q, r);
        return false;
    }
    return find_call(a, r, q, m);
}

/* What can be refused by its head is refused before its body was sent. */
static struct http_want on_head(void *ctx, const struct http_request *r)
{
    const struct http_want none = {.kind = HTTP_BODY_NONE};
    struct api *a = ctx;
    struct json_fault fault = {0};
    struct asked q;
    struct match m;

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

    if (admit(a, r, &q, &m))
        dispatch(a, &q, r, &m);
}

static void on_metrics_request(void *ctx, const struct http_request *r)
{
    struct api *a = ctx;
    struct guard_verdict v = guard_check(&a->guard, r);
    struct asked q = {.id = r->id, .origin = v.origin, .metrics = true};

    if (v.status)
        refuse(a, &q, &v);
    else if (is_metrics(r))
        metrics_request(a, &q, r);
    else
        answer_empty(a, &q, 404);
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
    rng_init_system(&rng);
    rc = hmap_init(&a->pending, &rng);
    if (rc == OK)
        rc = hmap_init(&a->uploads, &rng);
    if (rc == OK)
        rc = hmap_init(&a->downloads, &rng);
    if (rc < 0) {
        hmap_fini(&a->pending);
        hmap_fini(&a->uploads);
        free(a);
        return rc;
    }
    a->conf = *c;
    a->guard = (struct guard_conf){.hosts = c->hosts, .origins = c->origins};
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
    uploads_free(a);
    downloads_free(a);
    json_out_fini(&a->info);
    free(a);
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

void api_attach(struct api *a, struct http_server *s)
{
    a->server = s;
}

struct http_handler api_metrics_handler(struct api *a)
{
    return (struct http_handler){.request = on_metrics_request, .gone = on_metrics_gone, .ctx = a};
}

void api_attach_metrics(struct api *a, struct http_server *s)
{
    a->metrics_server = s;
}

void to_spool(struct api *a, struct spool_op *op)
{
    op->user = a->conf.spool_user;
    if (a->stopping)
        spool_op_free(op); /* it may be closed by now */
    else
        spool_submit(a->conf.spool, op);
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
}

void api_stats(const struct api *a, struct api_stats *ret)
{
    *ret = a->stats;
}
