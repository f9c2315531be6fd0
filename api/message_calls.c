#include <string.h>

#include "api/calls.h"
#include "api/download.h"
#include "api/json_message.h"
#include "api/query.h"
#include "base/err.h"
#include "base/text.h"

/* Longest wait for a message or a reply; a longer wish means this. */
#define WAIT_MAX_MS ((int64_t)30 * 24 * 3600 * 1000)

int64_t call_wait_ms(uint64_t seconds)
{
    return seconds < (uint64_t)WAIT_MAX_MS / 1000 ? (int64_t)seconds * 1000 : WAIT_MAX_MS;
}

void ask_take(struct api *a, const struct asked *q, const struct take_query *query, bool look,
              uint64_t max_len)
{
    struct bus_take t = {
        .any_topic = !query->has_topic,
        .topic = query->topic,
        .peek = query->peek || look,
        .wait_ms = look ? 0 : call_wait_ms(query->timeout_s),
        .max_len = max_len,
    };
    int rc;

    if (!look && downloads_full(a)) {
        a->stats.downloads_refused++;
        answer_text(a, q, 503, "too many large messages are being taken");
        return;
    }
    rc = pending_add(a, q, look ? PENDING_LOOK : PENDING_TAKE, NULL);
    if (rc == OK)
        rc = bus_take(a->conf.bus, &t, q->id, instant_now());
    asked_bus(a, q, rc);
}

void call_take(struct api *a, const struct asked *q, const struct http_request *r, bool look)
{
    char text[QUERY_TEXT_MAX];
    struct take_query query;

    if (take_query_read(r->query, &query, text) < 0)
        answer_text(a, q, 400, text);
    else
        ask_take(a, q, &query, look, 0);
}

void ask_status(struct api *a, const struct asked *q, const struct msg_id *id)
{
    int rc = pending_add(a, q, PENDING_STATUS, NULL);

    if (rc == OK)
        rc = bus_status(a->conf.bus, id, q->id, instant_now());
    asked_bus(a, q, rc);
}

void call_status(struct api *a, const struct asked *q, const struct match *m)
{
    struct msg_id id;

    if (read_msg_id(a, q, m, &id))
        ask_status(a, q, &id);
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

    if (m->file) {
        download_message(a, q, m);
        return;
    }
    json_message(&o, m, a->conf.self_key.b);
    answer_out(a, q, 200, &o);
}

/* The store failed: this one may be tried again. No space keeps its own status, as does a message
 * that is longer than was asked for. */
static void answer_store(struct api *a, const struct asked *q, int rc)
{
    if (rc == ERR_NOSPACE || rc == ERR_TOOBIG)
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
