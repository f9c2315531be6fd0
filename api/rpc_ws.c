#include "api/rpc_ws.h"

#include <stdlib.h>

#include "api/rpc_http.h"
#include "api/ws.h"
#include "base/err.h"

struct rpc_ws {
    struct list link; /* of api->rpc_sockets */
    struct api *api;
    struct ws *ws;
    struct asked asked; /* who opened it */
    uint64_t connection;
    unsigned open; /* bodies under way */
    bool held;
    bool reading; /* inside on_message() */
};

bool rpc_ws_wanted(const struct http_request *r)
{
    return r->method == HTTP_GET && r->upgrade;
}

static void refuse(struct rpc_ws *w, int code)
{
    struct json_out o = {0};

    w->api->stats.rpc_errors++;
    rpc_error(&o, NULL, code, NULL, NULL);
    if (!o.bad)
        (void)ws_send(w->ws, true, (uint8_t *)o.p, o.len); /* false: closed() comes */
    json_out_fini(&o);
}

/* The node stops, and everything that was asked is answered. Frees w. */
static void close_stopping(struct rpc_ws *w)
{
    list_del(&w->link);
    ws_close(w->ws, WS_GOING_AWAY, "shutdown");
    free(w);
}

static bool is_done(const struct rpc_ws *w)
{
    return w->api->stopping && w->open == 0 && !w->reading;
}

static void on_message(void *ctx, bool text, const uint8_t *bytes, size_t len)
{
    struct rpc_ws *w = ctx;
    const struct rpc_from from = {.http = w->asked, .ws = w, .connection = w->connection};

    (void)text; /* both are taken */
    if (!rpc_body_begins(bytes, len)) {
        refuse(w, RPC_NO_JSON);
        return;
    }
    w->open++;
    w->reading = true;
    rpc_start(w->api, &from, bytes, len, NULL);
    w->reading = false;
    if (is_done(w)) {
        close_stopping(w);
        return;
    }
    if (w->open >= RPC_WS_OPEN && !w->held) {
        w->held = true;
        ws_hold(w->ws);
    }
}

void rpc_ws_answer(struct rpc_ws *w, const struct json_out *answer)
{
    w->open--;
    if (answer->bad)
        refuse(w, RPC_INTERNAL);
    else if (answer->len > 0)
        (void)ws_send(w->ws, true, (uint8_t *)answer->p, answer->len); /* as above */
    if (is_done(w)) {
        close_stopping(w);
        return;
    }
    if (w->held && w->open < RPC_WS_OPEN) {
        w->held = false;
        ws_more(w->ws);
    }
}

static void on_writable(void *ctx)
{
    (void)ctx; /* never asked for: answers are sent when they are there */
}

static void on_closed(void *ctx, unsigned code)
{
    struct rpc_ws *w = ctx;

    (void)code;
    list_del(&w->link);
    rpc_ws_gone(w->api, w);
    free(w);
}

void rpc_ws_request(struct api *a, const struct asked *q, const struct http_request *r)
{
    struct http_request any = *r;
    struct ws_handshake h;
    struct ws_limits limits;
    const char *const none[] = {NULL}, *why = "";
    struct rpc_ws *w;

    any.ws_protocol = NULL; /* whatever is asked for is not looked at */
    if (ws_handshake_read(&any, none, &h, &why) < 0) {
        answer_text(a, q, 400, why);
        return;
    }
    if (http_raw_full(q->server)) {
        answer_text(a, q, 503, "too many streams");
        return;
    }
    w = calloc(1, sizeof(*w));
    if (!w) {
        answer_error(a, q, ERR_NOMEM);
        return;
    }
    const struct ws_handler handler = {
        .message = on_message, .writable = on_writable, .closed = on_closed, .ctx = w};
    *w = (struct rpc_ws){.api = a, .asked = *q, .connection = r->connection};
    w->asked.id = 0; /* it is over with the handshake */
    w->asked.origin = NULL;
    ws_limits_default(&limits);
    limits.message_bytes = JSON_BODY_MAX;
    w->ws = ws_accept(q->server, r, &h, &limits, &handler);
    if (w->ws)
        list_push_back(&a->rpc_sockets, &w->link);
    else
        free(w);
}

void rpc_ws_stop(struct api *a)
{
    list_foreach_safe (l, &a->rpc_sockets) {
        struct rpc_ws *w = list_entry(l, struct rpc_ws, link);
        if (is_done(w))
            close_stopping(w);
    }
}

void rpc_ws_recheck(struct api *a)
{
    list_foreach_safe (l, &a->rpc_sockets) {
        struct rpc_ws *w = list_entry(l, struct rpc_ws, link);
        if (asked_recheck(a, &w->asked))
            continue;
        list_del(&w->link);
        ws_close(w->ws, WS_REVOKED, "token-revoked");
        rpc_ws_gone(a, w); /* what is under way has nobody to be told to */
        free(w);
    }
}
