#include "api/sending.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/body_lift.h"
#include "api/json_message.h"
#include "api/query.h"
#include "base/err.h"
#include "base/text.h"

/* Is it this media type, with or without parameters? */
static bool media_is(const char *content_type, const char *want)
{
    size_t len = strcspn(content_type, "; \t");

    return len == strlen(want) && strncasecmp(content_type, want, len) == 0;
}

bool read_msg_id(struct api *a, const struct asked *q, const struct match *m, struct msg_id *ret)
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

void sending_fini(struct sending *x)
{
    blob_unref(x->s.payload);
    free(x->dsts.v);
    *x = (struct sending){0};
}

/* --- by its head ----------------------------------------------------------------------------- */

static bool begin_api(struct api *a, const struct asked *q, const struct http_request *r,
                      const struct match *m, struct sending *x)
{
    char text[QUERY_TEXT_MAX];
    struct send_query query = {0};

    x->form = SEND_API_JSON;
    x->s = (struct bus_send){.policy = OUT_AT_LEAST_ONCE, .prio = OUT_PRIO_DEFAULT};
    if (m->call == CALL_REPLY) {
        x->kind = PENDING_REPLY;
        x->s.reply = true;
        return read_msg_id(a, q, m, &x->s.reply_to) && body_is_json(a, q, r);
    }
    if (send_query_read(r->query, &query, text) < 0) {
        answer_text(a, q, 400, text);
        return false;
    }
    x->kind = query.has_reply_timeout ? PENDING_SEND_WAIT : PENDING_SEND;
    if (query.has_reply_timeout) /* zero waits too, as short as can be */
        x->s.reply_wait_ms = MAX(call_wait_ms(query.reply_timeout_s), 1);
    return body_is_json(a, q, r);
}

static int begin_bus(const struct http_request *r, struct sending *x, struct json_fault *fault)
{
    struct idem_key key;
    int rc = OK;

    x->kind = PENDING_PUSH;
    if (media_is(r->content_type, "application/json")) {
        x->form = SEND_BUS_JSON;
    } else if (media_is(r->content_type, "application/octet-stream")) {
        x->form = SEND_BUS_BYTES;
        rc = push_query_read(r->query, NULL, 0, &x->s, fault);
    } else {
        rc = json_problem(fault, PROBLEM_UNSUPPORTED_MEDIA_TYPE,
                          "expected application/json or application/octet-stream");
    }
    if (rc == OK)
        rc = push_key_read(r->idempotency_key, &key, fault);
    if (rc == OK)
        rc = push_wait_read(r->query, &x->s, fault);
    if (rc < 0)
        return rc;
    x->s.idem = key;
    if (x->s.index_wait_ms > 0 || x->s.reply_wait_ms > 0)
        x->kind = PENDING_PUSH_WAIT;
    return OK;
}

bool sending_begin(struct api *a, const struct asked *q, const struct http_request *r,
                   const struct match *m, struct sending *ret)
{
    struct json_fault fault = {0};

    *ret = (struct sending){0};
    if (m->call != CALL_PUSH)
        return begin_api(a, q, r, m, ret);
    if (begin_bus(r, ret, &fault) == OK)
        return true;
    answer_fault(a, q, &fault);
    return false;
}

/* --- with its body --------------------------------------------------------------------------- */

int sending_read_json(struct sending *x, json_t *v, struct json_fault *fault)
{
    struct bus_send s;
    int rc = push_json_read(v, NULL, &s, &x->dsts, fault);

    if (rc < 0)
        return rc;
    s.idem = x->s.idem;
    s.index = x->s.index;
    s.index_wait_ms = x->s.index_wait_ms;
    s.reply_wait_ms = x->s.reply_wait_ms;
    x->s = s;
    if (x->dsts.n > 0 && x->kind == PENDING_PUSH_WAIT)
        rc = json_problem(fault, PROBLEM_BAD_REQUEST, "wait: not with dsts");
    else if (s.reply && s.reply_wait_ms > 0)
        rc = json_problem(fault, PROBLEM_BAD_REQUEST, "wait=reply: a reply has none");
    if (rc < 0)
        sending_fini(x);
    return rc;
}

static int read_bus_json(struct sending *x, const uint8_t *json, size_t len,
                         struct json_fault *fault)
{
    json_t *body;
    int rc;

    *fault = (struct json_fault){0};
    body = json_body(json, len, fault);
    if (!body)
        return ERR_INVAL;
    rc = sending_read_json(x, body, fault);
    json_decref(body);
    return rc;
}

/* The message as the body says it; what the head said stays. */
static int read_json(struct sending *x, const uint8_t *json, size_t len, struct json_fault *fault)
{
    struct send_body b;
    int rc;

    if (x->form == SEND_BUS_JSON)
        return read_bus_json(x, json, len, fault);
    rc = send_body_read(json, len, &b, fault);
    if (rc < 0)
        return rc;
    x->s.dst = b.dst;
    x->s.topic = b.topic;
    x->s.payload = b.payload;
    return OK;
}

int sending_rest(struct sending *x, bool large, const uint8_t *json, size_t len,
                 struct json_fault *fault)
{
    int rc = read_json(x, json, len, fault);

    if (rc < 0)
        return rc;
    blob_unref(x->s.payload);
    x->s.payload = NULL;
    if (large && x->dsts.n > 0)
        return json_wrong_shape(fault, "dsts", "only with payloads of up to 65536 bytes");
    return OK;
}

/* As read_json(), with less to parse. False: nothing was read. */
static bool read_lifted(struct sending *x, const uint8_t *json, size_t len)
{
    const struct sending before = *x;
    struct json_fault fault = {0};
    struct blob *payload = NULL;
    char *rest = NULL;
    size_t rest_len = 0;
    int rc;

    if (len < BODY_LIFT_FROM || body_lift(json, len, &payload, &rest, &rest_len) < 0)
        return false;
    rc = sending_rest(x, false, (const uint8_t *)rest, rest_len, &fault);
    free(rest);
    if (rc < 0) {
        blob_unref(payload);
        *x = before;
        return false;
    }
    x->s.payload = payload;
    return true;
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

bool sending_hand_over(struct api *a, const struct asked *q, struct sending *x)
{
    const struct pending_more more = {.wait_read = x->s.index == BUS_INDEX_RECEIVED};
    int rc = pending_add(a, q, x->kind, &more);
    size_t at = x->dsts.n;

    if (rc == OK && x->dsts.n > 0)
        rc = bus_send_many(a->conf.bus, &x->s, x->dsts.v, x->dsts.n, q->id, instant_now(), &at);
    else if (rc == OK)
        rc = bus_send(a->conf.bus, &x->s, q->id, instant_now());
    asked_many(a, q, rc, at, &x->dsts);
    sending_fini(x);
    return rc == OK;
}

void sending_whole(struct api *a, const struct asked *q, struct sending *x, const uint8_t *body,
                   size_t len)
{
    struct json_fault fault = {0};
    int rc = OK;

    if (x->form != SEND_BUS_BYTES) {
        if (!read_lifted(x, body, len))
            rc = read_json(x, body, len, &fault);
    } else {
        x->s.payload = blob_copy(body, len);
        if (!x->s.payload)
            rc = json_refuse(&fault, 503, "out of memory");
    }
    if (rc < 0) {
        answer_fault(a, q, &fault);
        return;
    }
    (void)sending_hand_over(a, q, x); /* false: answered */
}

void call_sending(struct api *a, const struct asked *q, const struct http_request *r,
                  const struct match *m)
{
    struct sending x;

    if (sending_begin(a, q, r, m, &x))
        sending_whole(a, q, &x, r->body, r->body_len);
}
