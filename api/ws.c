/* Bytes go through wslay's event interface, which does not collect messages here: it would allocate
 * a frame by its announced length. What it wants to say (pongs, closes) is in one queue with what
 * we send, and leaves at once; buffering is the connection's. */
#include "api/ws.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <wslay/wslay.h>

#include "base/list.h"
#include "base/text.h"

struct held {
    struct list link;
    bool text;
    size_t len;
    uint8_t bytes[];
};

struct ws {
    struct http_server *server;
    http_id id;
    struct ws_limits limits;
    struct ws_handler handler;
    wslay_event_context_ptr ev;
    const uint8_t *in; /* during bytes() */
    size_t in_len;
    uint8_t *msg; /* of the client, so far */
    size_t msg_len, msg_cap;
    bool control;     /* the frame under way is no part of it */
    struct list held; /* whole messages, of one buffer of the library at most */
    bool holding;
    bool corked;
    unsigned inside; /* the library, or the list above, is being gone through */
    bool over;       /* no more calls; freed when nobody is inside */
    unsigned fail;   /* close with this code when nobody is inside; 0: no */
    usec_t heard, pinged, moved;
    uint64_t taken;
    bool blocked; /* as of the last tick */
};

#define MSG_FIRST 1024 /* bytes; grows up to limits.message_bytes */

void ws_limits_default(struct ws_limits *l)
{
    *l = (struct ws_limits){
        .message_bytes = 1u << 20,
        .ping_ms = 30000,
        .silent_ms = 60000,
        .stalled_ms = 30000,
        .close_ms = 10000,
    };
}

/* --- writing --------------------------------------------------------------------------------- */

static ssize_t on_send(wslay_event_context_ptr ev, const uint8_t *data, size_t len, int flags,
                       void *user)
{
    struct ws *w = user;

    (void)ev;
    (void)flags;
    (void)http_raw_write(w->server, w->id, data, len); /* false: the connection ends, closed() */
    return (ssize_t)len;
}

static void flush(struct ws *w)
{
    bool began = http_raw_cork(w->server, w->id);

    (void)wslay_event_send(w->ev); /* on_send() does not fail, and takes all */
    if (began)
        http_raw_uncork(w->server, w->id);
}

bool ws_send(struct ws *w, bool text, const uint8_t *bytes, size_t len)
{
    struct wslay_event_msg m = {
        .opcode = text ? WSLAY_TEXT_FRAME : WSLAY_BINARY_FRAME, .msg = bytes, .msg_length = len};

    if (w->over || w->fail)
        return false;
    if (wslay_event_queue_msg(w->ev, &m) != 0) {
        w->fail = WS_INTERNAL; /* no memory; seen by the next tick at the latest */
        return false;
    }
    flush(w);
    return true;
}

void ws_cork(struct ws *w)
{
    w->corked = http_raw_cork(w->server, w->id);
}

void ws_uncork(struct ws *w)
{
    if (w->corked)
        http_raw_uncork(w->server, w->id);
    w->corked = false;
}

bool ws_blocked(const struct ws *w)
{
    return http_raw_blocked(w->server, w->id);
}

void ws_want(struct ws *w)
{
    http_raw_want(w->server, w->id);
}

/* --- the end --------------------------------------------------------------------------------- */

static void ws_free(struct ws *w)
{
    list_foreach_safe (l, &w->held)
        free(list_entry(l, struct held, link));
    wslay_event_context_free(w->ev);
    free(w->msg);
    free(w);
}

/* Whatever the library has to say leaves, the connection is closed behind it. */
static void ws_over(struct ws *w)
{
    ws_uncork(w);
    http_raw_close(w->server, w->id, w->limits.close_ms);
    w->over = true;
    if (w->inside == 0)
        ws_free(w);
}

void ws_close(struct ws *w, unsigned code, const char *reason)
{
    if (w->over)
        return;
    /* Fails only when a close is queued already: then that one is said. */
    (void)wslay_event_queue_close(w->ev, (uint16_t)code, (const uint8_t *)reason, strlen(reason));
    flush(w);
    ws_over(w);
}

/* The same, and the handler hears of it. */
static void ws_fail(struct ws *w, unsigned code, const char *reason)
{
    const struct ws_handler h = w->handler;

    ws_close(w, code, reason);
    h.closed(h.ctx, code);
}

/* The library has refused what came, or the client has closed. */
static void ws_refused(struct ws *w, int rc)
{
    const unsigned said = w->fail ? w->fail : WS_PROTOCOL;
    const uint8_t frame[] = {0x88, 2, (uint8_t)(said >> 8), (uint8_t)said};
    const struct ws_handler h = w->handler;
    unsigned code = said;

    if (rc == WSLAY_ERR_NOMEM) {
        ws_fail(w, WS_INTERNAL, "out of memory");
        return;
    }
    if (rc < 0) {
        /* The library would close without a code. */
        (void)http_raw_write(w->server, w->id, frame, sizeof(frame));
    } else {
        flush(w);
        code = wslay_event_get_close_received(w->ev) ? wslay_event_get_status_code_received(w->ev)
                                                     : wslay_event_get_status_code_sent(w->ev);
    }
    ws_over(w);
    h.closed(h.ctx, code);
}

/* --- reading --------------------------------------------------------------------------------- */

static ssize_t on_recv(wslay_event_context_ptr ev, uint8_t *buf, size_t len, int flags, void *user)
{
    struct ws *w = user;
    size_t n = MIN(len, w->in_len);

    (void)flags;
    if (n == 0 || w->holding || w->over || w->fail) {
        wslay_event_set_error(ev, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    memcpy(buf, w->in, n);
    w->in += n;
    w->in_len -= n;
    return (ssize_t)n;
}

static void on_frame(wslay_event_context_ptr ev,
                     const struct wslay_event_on_frame_recv_start_arg *arg, void *user)
{
    struct ws *w = user;

    w->control = wslay_is_ctrl_frame(arg->opcode);
    if (w->control || arg->payload_length <= w->limits.message_bytes - w->msg_len)
        return;
    w->fail = WS_TOO_BIG;
    wslay_event_shutdown_read(ev);
}

static void on_chunk(wslay_event_context_ptr ev,
                     const struct wslay_event_on_frame_recv_chunk_arg *arg, void *user)
{
    struct ws *w = user;
    size_t cap = w->msg_cap ? w->msg_cap : MSG_FIRST;
    uint8_t *grown;

    (void)ev;
    if (w->control || w->fail || w->over || arg->data_length == 0)
        return;
    while (cap < w->msg_len + arg->data_length)
        cap *= 2;
    if (cap != w->msg_cap) {
        grown = realloc(w->msg, cap);
        if (!grown) {
            w->fail = WS_INTERNAL;
            return;
        }
        w->msg = grown;
        w->msg_cap = cap;
    }
    memcpy(w->msg + w->msg_len, arg->data, arg->data_length);
    w->msg_len += arg->data_length;
}

static void hold(struct ws *w, bool text)
{
    struct held *h = malloc(sizeof(*h) + w->msg_len);

    if (!h) {
        w->fail = WS_INTERNAL;
        return;
    }
    memset(&h->link, 0, sizeof(h->link));
    h->text = text;
    h->len = w->msg_len;
    if (h->len > 0)
        memcpy(h->bytes, w->msg, h->len);
    list_push_back(&w->held, &h->link);
}

/* Two things that the library does not see: half a code, and a reason that is no UTF-8, when it
 * came in several reads. */
static void check_close(struct ws *w, const struct wslay_event_on_msg_recv_arg *arg)
{
    if (arg->msg_length == 1)
        w->fail = WS_PROTOCOL;
    else if (arg->msg_length > 2 && !utf8_valid((const char *)arg->msg + 2, arg->msg_length - 2))
        w->fail = WS_BAD_DATA;
}

static void on_message(wslay_event_context_ptr ev, const struct wslay_event_on_msg_recv_arg *arg,
                       void *user)
{
    static const uint8_t nothing[1];
    struct ws *w = user;
    bool text = arg->opcode == WSLAY_TEXT_FRAME;

    (void)ev;
    if (arg->opcode == WSLAY_CONNECTION_CLOSE)
        check_close(w, arg);
    if (wslay_is_ctrl_frame(arg->opcode) || w->fail || w->over)
        return; /* the library answers by itself */
    if (w->holding)
        hold(w, text);
    else
        w->handler.message(w->handler.ctx, text, w->msg ? w->msg : nothing, w->msg_len);
    w->msg_len = 0;
    if (w->msg_cap > MSG_FIRST) { /* most messages are short; one long one holds nothing */
        free(w->msg);
        w->msg = NULL;
        w->msg_cap = 0;
    }
}

static const char *fail_text(unsigned code)
{
    return code == WS_TOO_BIG ? "message too long" : "out of memory";
}

static size_t on_bytes(void *ctx, const uint8_t *in, size_t len)
{
    struct ws *w = ctx;
    size_t used;
    int rc;

    if (w->holding || !list_empty(&w->held))
        return 0;
    w->heard = usec_now();
    w->in = in;
    w->in_len = len;
    w->inside++;
    rc = wslay_event_recv(w->ev);
    w->inside--;
    used = len - w->in_len;
    w->in = NULL;
    w->in_len = 0;
    if (w->over) {
        ws_free(w);
        return len;
    }
    if (w->fail == WS_PROTOCOL || w->fail == WS_BAD_DATA)
        ws_refused(w, WSLAY_ERR_PROTO);
    else if (w->fail)
        ws_fail(w, w->fail, fail_text(w->fail));
    else if (rc != 0 || !wslay_event_get_read_enabled(w->ev))
        ws_refused(w, rc);
    else if (wslay_event_want_write(w->ev))
        flush(w);
    else
        return used;
    return used;
}

void ws_hold(struct ws *w)
{
    w->holding = true;
}

void ws_more(struct ws *w)
{
    w->holding = false;
    if (w->inside > 0 || w->over)
        return; /* whoever is there goes on */
    w->inside++;
    list_foreach_safe (l, &w->held) {
        struct held *h = list_entry(l, struct held, link);
        if (w->holding || w->over)
            break;
        list_del(&h->link);
        w->handler.message(w->handler.ctx, h->text, h->bytes, h->len);
        free(h);
    }
    w->inside--;
    if (w->over)
        ws_free(w);
    else if (!w->holding)
        http_raw_more(w->server, w->id);
}

/* --- time ------------------------------------------------------------------------------------ */

/* False: the connection was closed. */
static bool check_stalled(struct ws *w, usec_t now)
{
    uint64_t taken = http_raw_taken(w->server, w->id);

    w->heard = now; /* it is not read while it takes nothing */
    if (!w->blocked || taken != w->taken) {
        w->blocked = true;
        w->taken = taken;
        w->moved = now;
    }
    if (now - w->moved < (usec_t)w->limits.stalled_ms * USEC_MS)
        return true;
    ws_fail(w, WS_SLOW, "slow");
    return false;
}

/* The same. */
static bool check_silent(struct ws *w, usec_t now)
{
    const struct wslay_event_msg ping = {.opcode = WSLAY_PING};

    w->blocked = false;
    if (w->holding)
        w->heard = now;
    if (now - w->heard >= (usec_t)w->limits.silent_ms * USEC_MS) {
        ws_fail(w, WS_GOING_AWAY, "silent");
        return false;
    }
    if (now - MAX(w->heard, w->pinged) >= (usec_t)w->limits.ping_ms * USEC_MS) {
        w->pinged = now;
        (void)wslay_event_queue_msg(w->ev, &ping); /* no memory: with the next tick */
        flush(w);
    }
    return true;
}

static void on_tick(void *ctx, usec_t now)
{
    struct ws *w = ctx;

    if (w->fail)
        ws_fail(w, w->fail, fail_text(w->fail));
    else if ((http_raw_blocked(w->server, w->id) ? check_stalled(w, now) : check_silent(w, now)) &&
             w->handler.tick)
        w->handler.tick(w->handler.ctx, now);
}

static void on_writable(void *ctx)
{
    struct ws *w = ctx;

    w->handler.writable(w->handler.ctx);
}

static void on_closed(void *ctx)
{
    struct ws *w = ctx;
    const struct ws_handler h = w->handler;

    ws_free(w);
    h.closed(h.ctx, WS_ABNORMAL);
}

struct ws *ws_accept(struct http_server *s, const struct http_request *r,
                     const struct ws_handshake *h, const struct ws_limits *limits,
                     const struct ws_handler *handler)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = on_recv,
        .send_callback = on_send,
        .on_frame_recv_start_callback = on_frame,
        .on_frame_recv_chunk_callback = on_chunk,
        .on_msg_recv_callback = on_message,
    };
    const struct http_header fields[] = {
        {"upgrade", "websocket"},
        {"sec-websocket-accept", h->accept},
        {"sec-websocket-protocol", h->name},
    };
    const struct http_response head = {
        .status = 101, .extra = fields, .extra_count = h->name ? 3 : 2};
    struct ws *w = calloc(1, sizeof(*w));

    if (!w || wslay_event_context_server_init(&w->ev, &callbacks, w) != 0) {
        const struct http_response no_memory = {.status = 503};
        free(w);
        (void)http_answer(s, r->id, &no_memory); /* false: the client is gone, too */
        return NULL;
    }
    wslay_event_config_set_no_buffering(w->ev, 1);
    wslay_event_config_set_max_recv_msg_length(w->ev, limits->message_bytes);
    w->server = s;
    w->id = r->id;
    w->limits = *limits;
    w->handler = *handler;
    w->heard = w->pinged = usec_now();
    list_init(&w->held);
    const struct http_raw_handler raw = {
        .bytes = on_bytes,
        .writable = on_writable,
        .tick = on_tick,
        .closed = on_closed,
        .ctx = w,
    };
    if (http_raw_begin(s, r->id, &head, &raw))
        return w;
    ws_free(w);
    return NULL;
}
