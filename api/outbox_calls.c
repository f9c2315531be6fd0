/* The calls of /bus/v1 around sending: the message, and what became of it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/calls.h"
#include "api/json_outbox.h"
#include "api/push.h"
#include "api/query.h"
#include "base/err.h"
#include "base/text.h"

/* --- sending --------------------------------------------------------------------------------- */

/* Is it this media type, with or without parameters? */
static bool media_is(const char *content_type, const char *want)
{
    size_t len = strcspn(content_type, "; \t");

    return len == strlen(want) && strncasecmp(content_type, want, len) == 0;
}

static int push_read(const struct http_request *r, struct bus_send *ret, struct push_dsts *ret_dsts,
                     struct json_fault *fault)
{
    *ret_dsts = (struct push_dsts){0};
    if (media_is(r->content_type, "application/json"))
        return push_body_read(r->body, r->body_len, ret, ret_dsts, fault);
    if (media_is(r->content_type, "application/octet-stream"))
        return push_query_read(r->query, r->body, r->body_len, ret, fault);
    *fault = (struct json_fault){0};
    return json_problem(fault, PROBLEM_UNSUPPORTED_MEDIA_TYPE,
                        "expected application/json or application/octet-stream");
}

/* The bus was asked for several: a refusal names the destination that it is about. */
static void asked_many(struct api *a, const struct asked *q, int rc, size_t at,
                       const struct push_dsts *d)
{
    char which[PUSH_DST_NAME_MAX];

    if (rc == OK || at == d->n) {
        asked_bus(a, q, rc);
        return;
    }
    pending_drop(a, q->id);
    push_dst_name(at, which);
    if (rc == ERR_EXIST)
        answer_problem(a, q, PROBLEM_BAD_DESTINATION, "dsts: this node is given twice");
    else if (rc == ERR_LIMIT)
        answer_problem(a, q, PROBLEM_TOO_MANY, which);
    else if (rc == ERR_PERM)
        answer_problem(a, q, PROBLEM_FORBIDDEN, which);
    else
        answer_error(a, q, rc);
}

static int push_wait_check(const struct bus_send *s, const struct push_dsts *d,
                           struct json_fault *fault)
{
    if (d->n > 0 && (s->index_wait_ms > 0 || s->reply_wait_ms > 0))
        return json_problem(fault, PROBLEM_BAD_REQUEST, "wait: not with dsts");
    return OK;
}

void call_push(struct api *a, const struct asked *q, const struct http_request *r)
{
    struct bus_send s;
    struct push_dsts d;
    struct json_fault fault;
    size_t at = 0;
    int rc;

    if (push_read(r, &s, &d, &fault) < 0) {
        answer_fault(a, q, &fault);
        return;
    }
    if (push_key_read(r->idempotency_key, &s.idem, &fault) < 0 ||
        push_wait_read(r->query, &s, &fault) < 0 || push_wait_check(&s, &d, &fault) < 0) {
        blob_unref(s.payload);
        free(d.v);
        answer_fault(a, q, &fault);
        return;
    }
    struct pending_more more = {.wait_read = s.index == BUS_INDEX_RECEIVED};
    bool waits = s.index_wait_ms > 0 || s.reply_wait_ms > 0;
    rc = pending_add(a, q, waits ? PENDING_PUSH_WAIT : PENDING_PUSH, &more);
    if (rc == OK && d.n > 0)
        rc = bus_send_many(a->conf.bus, &s, d.v, d.n, q->id, instant_now(), &at);
    else if (rc == OK)
        rc = bus_send(a->conf.bus, &s, q->id, instant_now());
    blob_unref(s.payload);
    asked_many(a, q, rc, at, &d);
    free(d.v);
}

/* --- the outbox ------------------------------------------------------------------------------ */

/* False, answered: neither an id nor `~` and a number. */
static bool read_ref(struct api *a, const struct asked *q, const struct match *m,
                     struct bus_out_ref *ret)
{
    *ret = (struct bus_out_ref){0};
    if (*m->param == '~' &&
        decimal_parse(m->param + 1, m->param_len - 1, INT64_MAX, &ret->seq) == OK && ret->seq > 0)
        return true;
    if (m->param_len == (size_t)2 * MSG_ID_BYTES &&
        hex_decode(m->param, m->param_len, ret->id.b, MSG_ID_BYTES) == OK)
        return true;
    answer_bad_param(a, q, m, "expected 16 hex digits, or ~ and a number from 1");
    return false;
}

typedef int out_operation(struct bus *b, const struct bus_out_ref *ref, bus_client client,
                          struct instant now);

static void call_entry(struct api *a, const struct asked *q, const struct match *m,
                       out_operation *ask)
{
    struct bus_out_ref ref;
    int rc;

    if (!read_ref(a, q, m, &ref))
        return;
    rc = pending_add(a, q, PENDING_OUT_ENTRY, NULL);
    if (rc == OK)
        rc = ask(a->conf.bus, &ref, q->id, instant_now());
    asked_bus(a, q, rc);
}

void call_out_entry(struct api *a, const struct asked *q, const struct http_request *r,
                    const struct match *m)
{
    char text[QUERY_TEXT_MAX];
    struct entry_query e;
    struct bus_out_ref ref;
    int rc;

    if (entry_query_read(r->query, &e, text) < 0) {
        answer_problem(a, q, PROBLEM_BAD_REQUEST, text);
        return;
    }
    if (!e.has_index || e.wait_ms == 0) {
        call_entry(a, q, m, bus_out_entry);
        return;
    }
    if (!read_ref(a, q, m, &ref))
        return;
    rc = pending_add(a, q, PENDING_OUT_ENTRY, NULL);
    if (rc == OK)
        rc = bus_out_wait(a->conf.bus, &ref, (uint32_t)e.index, e.wait_ms, q->id, instant_now());
    asked_bus(a, q, rc);
}

void call_out_cancel(struct api *a, const struct asked *q, const struct match *m)
{
    call_entry(a, q, m, bus_out_cancel);
}

void call_out_retry(struct api *a, const struct asked *q, const struct match *m)
{
    call_entry(a, q, m, bus_out_retry);
}

void call_out_list(struct api *a, const struct asked *q, const struct http_request *r)
{
    char text[QUERY_TEXT_MAX];
    struct bus_out_filter f;
    int rc;

    if (outbox_query_read(r->query, &f, text) < 0) {
        answer_problem(a, q, PROBLEM_BAD_REQUEST, text);
        return;
    }
    rc = pending_add(a, q, PENDING_OUT_LIST, NULL);
    if (rc == OK)
        rc = bus_out_list(a->conf.bus, &f, q->id, instant_now());
    asked_bus(a, q, rc);
}

/* --- answers of the bus ---------------------------------------------------------------------- */

static const struct http_header idempotent_replayed = {"idempotent-replayed", "true"};

static void answer_push(struct api *a, const struct asked *q, const struct bus_out *out)
{
    char path[48];
    const struct http_header location = {"location", path};
    struct json_out o = {0};

    if (out->page.n > 0) {
        json_accepted_many(&o, &out->page);
        if (out->replayed)
            answer_out_with(a, q, 200, &o, &idempotent_replayed);
        else
            answer_out(a, q, 201, &o);
        return;
    }
    (void)snprintf(path, sizeof(path), "/bus/v1/outbox/~%" PRIu64, out->status->seq); /* fits */
    json_accepted(&o, out->status);
    answer_out_with(a, q, out->replayed ? 200 : 201, &o,
                    out->replayed ? &idempotent_replayed : &location);
}

/* The point was reached, or not: not yet, or not any more, as its state tells. */
static void answer_wait(struct api *a, const struct pending *p, const struct bus_out *out)
{
    enum out_state s = out->status->state;
    bool received = s == OUT_READ || (s == OUT_RECEIVED && !p->more.wait_read);
    bool reached = out->kind == BUS_OUT_TAKEN ? out->message != NULL : received;
    struct json_out o = {0};

    json_reached(&o, out->status, out->message, a->conf.self_key.b);
    if (p->more.replayed)
        answer_out_with(a, &p->asked, reached ? 200 : 202, &o, &idempotent_replayed);
    else
        answer_out(a, &p->asked, reached ? 200 : 202, &o);
}

static void answer_entry(struct api *a, const struct asked *q, const struct bus_status_info *s)
{
    char number[16];
    const struct http_header index = {"x-mycelium-index", number};
    struct json_out o = {0};

    (void)snprintf(number, sizeof(number), "%" PRIu32, bus_out_index(s->state)); /* fits */
    json_out_entry(&o, s);
    answer_out_with(a, q, 200, &o, &index);
}

void outbox_answer(struct api *a, const struct pending *p, const struct bus_out *out)
{
    const struct asked *q = &p->asked;
    struct json_out o = {0};

    if (out->rc == ERR_EXIST) {
        answer_problem(a, q, PROBLEM_KEY_REUSED, NULL);
    } else if (out->rc == ERR_STATE) {
        answer_problem(a, q, PROBLEM_ALREADY_FINAL, out_state_str(out->status->state));
    } else if (out->rc < 0) {
        answer_error(a, q, out->rc);
    } else if (p->kind == PENDING_PUSH) {
        answer_push(a, q, out);
    } else if (p->kind == PENDING_PUSH_WAIT) {
        answer_wait(a, p, out);
    } else if (p->kind == PENDING_OUT_LIST) {
        json_out_page(&o, &out->page);
        answer_out(a, q, 200, &o);
    } else {
        answer_entry(a, q, out->status);
    }
}
