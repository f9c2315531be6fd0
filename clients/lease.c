#include "clients/lease.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "clients/call.h"
#include "clients/progress.h"

#define FETCH_WHAT "fetch the payload"
#define TRIES      5 /* without a byte more between them */

int lease_read(const struct api_target *t, json_t *json, struct lease *ret)
{
    struct lease l = {.target = t, .renewed = usec_now()};
    int reply = 0;
    if (json && json_object_get(json, "payloadHref")) {
        l.large = true;
        if (json_object_set_new(json, "payload", json_string("")) != 0) {
            json_decref(json);
            return ERR_NOMEM;
        }
    }
    int rc = message_read(json, &l.m);
    if (rc != OK)
        return rc;
    l.token = json_string_value(json_object_get(json, "token"));
    l.redelivered = json_integer_value(json_object_get(json, "redelivered"));
    if (json_unpack(json, "{s:I,s:I,s:b}", "seq", &l.seq, "len", &l.len, "reply", &reply) != 0 ||
        l.seq < 0 || l.len < 0) {
        message_fini(&l.m);
        return ERR_MALFORMED;
    }
    l.reply = reply != 0;
    *ret = l;
    return OK;
}

void lease_fini(struct lease *l)
{
    message_fini(&l->m);
}

/* --- settled ---------------------------------------------------------------------------------- */

/* The body of a call that names tokens; NULL: out of memory. */
static char *tokens_body(json_t *tokens, const char *key, uint64_t value)
{
    json_t *o = json_pack("{s:O}", "tokens", tokens);
    if (o && key && json_object_set_new(o, key, json_integer((json_int_t)value)) != 0) {
        json_decref(o);
        return NULL;
    }
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    return text;
}

int lease_settle(const struct api_target *t, enum lease_end how, json_t *tokens, uint64_t delay_ms)
{
    bool ack = how == LEASE_ACK;
    if (json_array_size(tokens) == 0)
        return 0;
    char *body = tokens_body(tokens, ack ? NULL : "delayMs", delay_ms);
    if (!body)
        return command_fail("cannot settle a message: %s", err_str(ERR_NOMEM));
    const struct call_args a = {
        .method = "POST",
        .base = CALL_BUS,
        .path = ack ? "/messages/ack" : "/messages/nack",
        .body = body,
        .body_len = strlen(body),
        .what = ack ? "acknowledge the message, which may come again" : "give the message back",
    };
    int status = api_call_plain(t, &a);
    free(body);
    return status;
}

int lease_settle_one(struct lease *l, enum lease_end how, uint64_t delay_ms)
{
    if (!l->token)
        return 0;
    json_t *tokens = json_pack("[s]", l->token);
    int status = tokens ? lease_settle(l->target, how, tokens, delay_ms)
                        : command_fail("cannot settle a message: %s", err_str(ERR_NOMEM));
    json_decref(tokens);
    return status;
}

void lease_keep(struct lease *l)
{
    struct http_reply r = {0};
    if (!l->token || usec_now() - l->renewed < LEASE_RENEW_S * USEC_SEC)
        return;
    l->renewed = usec_now();
    json_t *tokens = json_pack("[s]", l->token);
    char *body = tokens ? tokens_body(tokens, "leaseMs", LEASE_MS) : NULL;
    json_decref(tokens);
    if (body &&
        http_request(l->target, "POST", "/bus/v1/messages/renew", body, strlen(body), 0, &r) == OK)
        http_reply_fini(&r);
    free(body);
}

/* --- its payload ------------------------------------------------------------------------------ */

struct fetch {
    struct lease *lease;
    lease_take *take;
    void *ctx;
    uint64_t done;
    int status; /* of take */
    struct progress progress;
};

static int on_bytes(void *ctx, unsigned status, const char *bytes, size_t len)
{
    struct fetch *f = ctx;
    /* Behind what is there already only the rest may come. */
    if ((f->done > 0 && status != 206) || len > (uint64_t)f->lease->len - f->done)
        return ERR_MALFORMED;
    f->status = f->take(f->ctx, bytes, len);
    if (f->status != 0)
        return ERR_INVAL;
    f->done += len;
    progress_at(&f->progress, f->done);
    lease_keep(f->lease);
    return OK;
}

/* One piece from one connection: ERR_* of http_exchange(). */
static int fetch_some(struct fetch *f, unsigned *ret_status)
{
    char path[80], range[40];
    struct http_reply r = {0};
    snprintf(path, sizeof(path), "/bus/v1/inbox/%" JSON_INTEGER_FORMAT "/payload", f->lease->seq);
    snprintf(range, sizeof(range), "bytes=%" PRIu64 "-", f->done);
    const struct http_query q = {
        .path = path, .header = "range:", .value = range, .sink = on_bytes, .ctx = f};
    int rc = http_exchange(f->lease->target, &q, &r);
    *ret_status = r.status;
    http_reply_fini(&r);
    return rc;
}

int lease_payload(struct lease *l, lease_take *take, void *ctx)
{
    struct fetch f = {.lease = l, .take = take, .ctx = ctx};
    unsigned tries = 0, status = 0;
    int rc = OK;
    if (!l->large)
        return take(ctx, l->m.payload, l->m.payload_len);
    progress_begin(&f.progress, (uint64_t)l->len);
    while (f.done < (uint64_t)l->len && tries < TRIES) {
        uint64_t before = f.done;
        rc = fetch_some(&f, &status);
        if (f.status != 0 || rc == ERR_MALFORMED || (rc == OK && status != 200 && status != 206))
            break;
        tries = f.done > before ? 0 : tries + 1;
    }
    progress_end(&f.progress);
    if (f.status != 0 || f.done == (uint64_t)l->len)
        return f.status;
    if (rc == OK && status != 200 && status != 206)
        return command_fail("cannot " FETCH_WHAT ": the node answers %u", status);
    return command_fail("cannot " FETCH_WHAT ": %s", err_str(rc == OK ? ERR_CLOSED : rc));
}

static int to_message(void *ctx, const char *bytes, size_t len)
{
    struct message *m = ctx;
    char *grown = realloc(m->payload, m->payload_len + len);
    if (!grown)
        return command_fail("cannot " FETCH_WHAT ": %s", err_str(ERR_NOMEM));
    memcpy(grown + m->payload_len, bytes, len);
    m->payload = grown;
    m->payload_len += len;
    return 0;
}

int lease_payload_whole(struct lease *l)
{
    return l->large ? lease_payload(l, to_message, &l->m) : 0; /* else it is there */
}
