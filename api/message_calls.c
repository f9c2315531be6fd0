#include <string.h>

#include "api/calls.h"
#include "api/json_message.h"
#include "api/query.h"
#include "base/err.h"
#include "base/text.h"

/* Longest wait for a message or a reply; a longer wish means this. */
#define WAIT_MAX_MS ((int64_t)30 * 24 * 3600 * 1000)

static int64_t wait_ms(uint64_t seconds)
{
    return seconds < (uint64_t)WAIT_MAX_MS / 1000 ? (int64_t)seconds * 1000 : WAIT_MAX_MS;
}

void call_take(struct api *a, const struct asked *q, const struct http_request *r, bool look)
{
    char text[QUERY_TEXT_MAX];
    struct take_query query;
    struct bus_take t;
    int rc;

    if (take_query_read(r->query, &query, text) < 0) {
        answer_text(a, q, 400, text);
        return;
    }
    t = (struct bus_take){
        .any_topic = !query.has_topic,
        .topic = query.topic,
        .peek = query.peek || look,
        .wait_ms = look ? 0 : wait_ms(query.timeout_s),
    };
    rc = pending_add(a, q, look ? PENDING_LOOK : PENDING_TAKE, NULL);
    if (rc == OK)
        rc = bus_take(a->conf.bus, &t, q->id, instant_now());
    asked_bus(a, q, rc);
}

/* Hands a message to the bus; takes the payload of b. */
static void hand_over(struct api *a, const struct asked *q, struct bus_send *m, struct send_body *b,
                      enum pending_kind kind)
{
    int rc = pending_add(a, q, kind, NULL);

    m->dst = b->dst;
    m->topic = b->topic;
    m->payload = b->payload;
    m->policy = OUT_AT_LEAST_ONCE;
    m->prio = OUT_PRIO_DEFAULT;
    if (rc == OK)
        rc = bus_send(a->conf.bus, m, q->id, instant_now());
    send_body_fini(b);
    asked_bus(a, q, rc);
}

/* False, answered: not a message. */
static bool read_body(struct api *a, const struct asked *q, const struct http_request *r,
                      struct send_body *ret)
{
    struct json_fault fault;

    if (!body_is_json(a, q, r))
        return false;
    if (send_body_read(r->body, r->body_len, ret, &fault) == OK)
        return true;
    answer_fault(a, q, &fault);
    return false;
}

void call_send(struct api *a, const struct asked *q, const struct http_request *r)
{
    char text[QUERY_TEXT_MAX];
    struct send_query query;
    struct send_body b;
    struct bus_send m = {0};

    if (send_query_read(r->query, &query, text) < 0) {
        answer_text(a, q, 400, text);
        return;
    }
    if (!read_body(a, q, r, &b))
        return;
    if (query.has_reply_timeout) /* zero waits too, as short as can be */
        m.reply_wait_ms = MAX(wait_ms(query.reply_timeout_s), 1);
    hand_over(a, q, &m, &b, query.has_reply_timeout ? PENDING_SEND_WAIT : PENDING_SEND);
}

static bool read_id(struct api *a, const struct asked *q, const struct match *m, struct msg_id *ret)
{
    const char *why = "Message ID is 16 characters long";

    if (m->param_len == (size_t)2 * MSG_ID_BYTES) {
        if (hex_decode(m->param, m->param_len, ret->b, MSG_ID_BYTES) == OK)
            return true;
        why = "MessageId is not valid hex";
    }
    answer_bad_param(a, q, m, why);
    return false;
}

void call_reply(struct api *a, const struct asked *q, const struct http_request *r,
                const struct match *m)
{
    struct bus_send s = {.reply = true};
    struct send_body b;

    if (!read_id(a, q, m, &s.reply_to) || !read_body(a, q, r, &b))
        return;
    hand_over(a, q, &s, &b, PENDING_REPLY);
}

void call_status(struct api *a, const struct asked *q, const struct match *m)
{
    struct msg_id id;
    int rc;

    if (!read_id(a, q, m, &id))
        return;
    rc = pending_add(a, q, PENDING_STATUS, NULL);
    if (rc == OK)
        rc = bus_status(a->conf.bus, &id, q->id, instant_now());
    asked_bus(a, q, rc);
}

/* --- answers of the bus ---------------------------------------------------------------------- */

static void answer_id(struct api *a, const struct asked *q, unsigned status,
                      const struct msg_id *id)
{
    struct json_out o = {0};

    json_id(&o, id);
    answer_out(a, q, status, &o);
}

static void answer_message(struct api *a, const struct asked *q, const struct bus_message *m)
{
    struct json_out o = {0};

    json_message(&o, m, a->conf.self_key.b);
    answer_out(a, q, 200, &o);
}

/* The store failed: this one may be tried again. ERR_NOSPACE keeps its own status. */
static void answer_store(struct api *a, const struct asked *q, int rc)
{
    if (rc == ERR_NOSPACE)
        answer_error(a, q, rc);
    else
        answer_text(a, q, 503, "the message could not be stored");
}

void message_answer(struct api *a, const struct asked *q, enum pending_kind kind,
                    const struct bus_out *out)
{
    struct json_out o = {0};

    if (kind == PENDING_STATUS && out->rc == ERR_NOENT) {
        answer_empty(a, q, 404);
        return;
    }
    if (out->rc < 0) {
        answer_store(a, q, out->rc);
        return;
    }
    switch (kind) {
    case PENDING_TAKE:
        if (out->message)
            answer_message(a, q, out->message);
        else
            answer_empty(a, q, 204);
        break;
    case PENDING_LOOK:
        answer_empty(a, q, out->message ? 200 : 204);
        break;
    case PENDING_SEND:
        answer_id(a, q, 201, &out->id);
        break;
    case PENDING_SEND_WAIT:
        if (out->message)
            answer_message(a, q, out->message);
        else
            answer_id(a, q, 408, &out->id);
        break;
    case PENDING_REPLY:
        answer_empty(a, q, 204);
        break;
    case PENDING_STATUS:
        json_status(&o, out->status);
        answer_out(a, q, 200, &o);
        break;
    case PENDING_RULE:
    case PENDING_FETCH:
    case PENDING_SETTLE:
    case PENDING_CHANGE:
    case PENDING_PAYLOAD:
    case PENDING_PUSH:
    case PENDING_PUSH_WAIT:
    case PENDING_OUT_ENTRY:
    case PENDING_OUT_LIST:
        break; /* not of these calls */
    }
}
