/* The calls of /bus/v1 around the inbox: messages on lease, and what operators do. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/calls.h"
#include "api/download.h"
#include "api/json_lease.h"
#include "api/query.h"
#include "base/err.h"
#include "base/text.h"

void ask_fetch(struct api *a, const struct asked *q, const struct bus_fetch *f)
{
    int rc = pending_add(a, q, PENDING_FETCH, NULL);

    if (rc == OK)
        rc = bus_fetch(a->conf.bus, f, q->id, instant_now());
    asked_bus(a, q, rc);
}

void call_fetch(struct api *a, const struct asked *q, const struct http_request *r)
{
    struct bus_fetch f = {.session = r->connection};
    struct json_fault fault;

    if (!body_is_json(a, q, r))
        return;
    if (fetch_body_read(r->body, r->body_len, &f, &fault) < 0)
        answer_fault(a, q, &fault);
    else
        ask_fetch(a, q, &f);
}

void ask_settle(struct api *a, const struct asked *q, enum bus_settle_kind kind,
                const struct settle_body *b)
{
    struct pending_more more = {.tokens = b->tokens};
    int rc = pending_add(a, q, PENDING_SETTLE, &more);

    if (rc < 0)
        free(b->tokens);
    else
        rc = bus_settle(a->conf.bus, kind, b->tokens, b->n, b->ms, q->id, instant_now());
    asked_bus(a, q, rc);
}

void call_settle(struct api *a, const struct asked *q, const struct http_request *r,
                 enum bus_settle_kind kind)
{
    struct settle_body b;
    struct json_fault fault;

    if (!body_is_json(a, q, r))
        return;
    if (settle_body_read(r->body, r->body_len, kind, &b, &fault) < 0)
        answer_fault(a, q, &fault);
    else
        ask_settle(a, q, kind, &b);
}

/* --- the inbox ------------------------------------------------------------------------------- */

/* False, answered: no number. */
static bool read_seq(struct api *a, const struct asked *q, const struct match *m, uint64_t *ret)
{
    if (decimal_parse(m->param, m->param_len, INT64_MAX, ret) == OK && *ret > 0)
        return true;
    answer_bad_param(a, q, m, "expected a number from 1");
    return false;
}

void call_inbox(struct api *a, const struct asked *q, const struct http_request *r)
{
    char text[QUERY_TEXT_MAX];
    struct bus_inbox_entry *entries;
    struct bus_inbox_list l;
    struct json_out o = {0};
    uint64_t next = 0;
    size_t n = 0;
    int rc;

    rc = inbox_query_read(r->query, &l, text);
    if (rc < 0) {
        answer_problem(a, q, rc == ERR_MALFORMED ? PROBLEM_BAD_PATTERN : PROBLEM_BAD_REQUEST, text);
        return;
    }
    entries = calloc(l.limit, sizeof(*entries));
    rc = entries ? bus_inbox_list(a->conf.bus, &l, instant_now(), entries, &n, &next) : ERR_NOMEM;
    if (rc < 0) {
        answer_error(a, q, rc);
    } else {
        json_inbox_page(&o, entries, n, next);
        answer_out(a, q, 200, &o);
    }
    free(entries);
}

void call_inbox_entry(struct api *a, const struct asked *q, const struct match *m)
{
    struct bus_inbox_entry e;
    struct json_out o = {0};
    uint64_t seq;
    int rc;

    if (!read_seq(a, q, m, &seq))
        return;
    rc = bus_inbox_get(a->conf.bus, seq, instant_now(), &e);
    if (rc < 0) {
        answer_error(a, q, rc);
        return;
    }
    json_inbox_entry(&o, &e);
    answer_out(a, q, 200, &o);
}

static void answer_range_fault(struct api *a, const struct asked *q, uint64_t len)
{
    char value[48];
    const struct http_header field = {"content-range", value};

    (void)snprintf(value, sizeof(value), "bytes */%" PRIu64, len); /* fits */
    answer_problem_with(a, q, PROBLEM_RANGE, NULL, &field);
}

void call_inbox_payload(struct api *a, const struct asked *q, const struct http_request *r,
                        const struct match *m)
{
    struct pending_more more = {0};
    struct bus_inbox_entry e;
    uint64_t seq;
    int rc;

    if (!read_seq(a, q, m, &seq))
        return;
    rc = bus_inbox_get(a->conf.bus, seq, instant_now(), &e);
    if (rc == OK && e.state < IN_READY)
        rc = ERR_NOENT; /* not before all of it is there */
    if (rc < 0) {
        answer_error(a, q, rc);
        return;
    }
    rc = range_read(r->range, e.len, &more.range);
    if (rc == ERR_INVAL) {
        answer_range_fault(a, q, e.len);
        return;
    }
    more.partial = rc == OK;
    if (downloads_full(a)) {
        a->stats.downloads_refused++;
        answer_problem(a, q, PROBLEM_NOT_READY, "too many large messages are being read");
        return;
    }
    rc = pending_add(a, q, PENDING_PAYLOAD, &more);
    if (rc == OK)
        rc = bus_inbox_body(a->conf.bus, seq, q->id, instant_now());
    asked_bus(a, q, rc);
}

void call_inbox_change(struct api *a, const struct asked *q, const struct match *m, bool drop)
{
    uint64_t seq;
    int rc;

    if (!read_seq(a, q, m, &seq))
        return;
    rc = pending_add(a, q, PENDING_CHANGE, NULL);
    if (rc == OK && drop)
        rc = bus_inbox_drop(a->conf.bus, seq, q->id, instant_now());
    else if (rc == OK)
        rc = bus_inbox_requeue(a->conf.bus, seq, q->id, instant_now());
    asked_bus(a, q, rc == ERR_STATE ? ERR_NOMEM : rc); /* in a moment: not-ready */
}

/* --- answers of the bus ---------------------------------------------------------------------- */

static void answer_payload(struct api *a, const struct asked *q, const struct pending_more *more,
                           const struct bus_out *out)
{
    char value[72];
    const struct http_header fields[] = {{"accept-ranges", "bytes"}, {"content-range", value}};
    uint64_t whole = out->file ? out->file_len : out->body->len;
    struct byte_range r = more->partial ? more->range : (struct byte_range){0, whole};
    struct download_conf c = {
        .file = out->file,
        .range = r,
        .status = more->partial ? 206 : 200,
        .content_type = "application/octet-stream",
        .more = fields,
        .n_more = more->partial ? 2 : 1,
    };

    if (r.from > whole || r.len > whole - r.from) { /* another message than when it was asked */
        answer_problem(a, q, PROBLEM_NOT_FOUND, NULL);
        return;
    }
    (void)snprintf(value, sizeof(value), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, r.from,
                   r.from + r.len - 1, whole); /* fits */
    if (out->file)
        download_begin(a, q, &c);
    else
        answer_bytes(a, q, c.status, out->body->data + r.from, (size_t)r.len, fields, c.n_more);
}

void lease_answer(struct api *a, const struct pending *p, const struct bus_out *out)
{
    const struct asked *q = &p->asked;
    struct json_out o = {0};

    if (out->rc < 0) {
        answer_error(a, q, out->rc);
        return;
    }
    switch (p->kind) {
    case PENDING_FETCH:
        if (out->n_messages == 0) {
            answer_empty(a, q, 204);
            break;
        }
        json_fetched(&o, out->messages, out->n_messages, a->conf.self_key.b);
        answer_out(a, q, 200, &o); /* what does not reach the client comes back by time */
        break;
    case PENDING_SETTLE:
        json_settled(&o, &out->settled, p->more.tokens);
        answer_out(a, q, 200, &o);
        break;
    case PENDING_CHANGE:
        if (out->settled.done > 0)
            answer_empty(a, q, 204);
        else
            answer_error(a, q, ERR_NOENT);
        break;
    case PENDING_PAYLOAD:
        answer_payload(a, q, &p->more, out);
        break;
    case PENDING_TAKE:
    case PENDING_LOOK:
    case PENDING_SEND:
    case PENDING_SEND_WAIT:
    case PENDING_REPLY:
    case PENDING_STATUS:
    case PENDING_RULE:
    case PENDING_PUSH:
    case PENDING_PUSH_WAIT:
    case PENDING_OUT_ENTRY:
    case PENDING_OUT_LIST:
        break; /* not of these calls */
    }
}
