/* The calls of /bus/v1 about what was sent: what became of it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/calls.h"
#include "api/download.h"
#include "api/json_outbox.h"
#include "api/query.h"
#include "base/err.h"
#include "base/text.h"

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

static void answer_large_reply(struct api *a, const struct pending *p, const struct bus_out *out)
{
    struct download_conf c = {
        .file = out->message->file,
        .range = {0, out->message->len},
        .status = 200,
        .content_type = "application/json",
        .more = &idempotent_replayed,
        .n_more = p->more.replayed,
        .tail = "\"}}",
    };

    json_reached_begin(&c.head, out->status, out->message, a->conf.self_key.b);
    json_put(&c.head, "\"");
    download_begin(a, &p->asked, &c);
}

/* The point was reached, or not: not yet, or not any more, as its state tells. */
static void answer_wait(struct api *a, const struct pending *p, const struct bus_out *out)
{
    enum out_state s = out->status->state;
    bool received = s == OUT_READ || (s == OUT_RECEIVED && !p->more.wait_read);
    bool reached = out->kind == BUS_OUT_TAKEN ? out->message != NULL : received;
    struct json_out o = {0};

    if (out->message && out->message->file) {
        answer_large_reply(a, p, out);
        return;
    }
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
