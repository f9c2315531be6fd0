/* Streams over a WebSocket: GET /bus/v1/ws. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/stream_bin.h"
#include "api/stream_core.h"
#include "api/ws.h"
#include "base/err.h"

const char *const ws_bus_protocols[] = {"mycelium.bus.v1.json", "mycelium.bus.v1.bin", NULL};
enum { PROTOCOL_JSON, PROTOCOL_BIN };

struct stream_ws {
    struct ws *ws;
    struct stream *stream;
    bool binary;
    bool bad; /* no memory for a frame: the client must not miss it unnoticed */
};

/* --- to the client ---------------------------------------------------------------------------- */

static void put_frame(struct json_out *o, const struct stream_frame *f)
{
    json_put(o, "{\"op\":\"");
    json_put(o, f->op);
    json_put(o, f->fields->len > 0 ? "\"," : "\"");
    json_put_bytes(o, f->fields->len > 0 ? f->fields->p : "", f->fields->len);
    json_put(o, "}");
}

static void on_frame(void *ctx, const struct stream_frame *f)
{
    static const uint8_t no_length[STREAM_BIN_HEAD];
    struct stream_ws *w = ctx;
    struct json_out o = {0};

    (void)json_room(&o, f->fields->len + 64 + (f->payload ? f->payload->len : 0));
    if (w->binary)
        json_put_bytes(&o, (const char *)no_length, sizeof(no_length));
    put_frame(&o, f);
    if (w->binary && !o.bad)
        stream_bin_head((uint8_t *)o.p, o.len - STREAM_BIN_HEAD);
    if (f->payload)
        json_put_bytes(&o, (const char *)f->payload->data, f->payload->len);
    w->bad = w->bad || o.bad || f->fields->bad;
    if (!w->bad)
        (void)ws_send(w->ws, !w->binary, (const uint8_t *)o.p, o.len); /* false: closed() comes */
    json_out_fini(&o);
}

static bool on_blocked(const void *ctx)
{
    const struct stream_ws *w = ctx;

    return ws_blocked(w->ws);
}

static void on_want(void *ctx)
{
    struct stream_ws *w = ctx;

    ws_want(w->ws);
}

static void on_hold(void *ctx, bool on)
{
    struct stream_ws *w = ctx;

    if (on)
        ws_hold(w->ws);
    else
        ws_more(w->ws);
}

static void on_close(void *ctx, unsigned code, const char *reason)
{
    struct stream_ws *w = ctx;

    ws_close(w->ws, code, reason);
    free(w);
}

static const struct stream_carrier text_carrier = {
    .frame = on_frame,
    .blocked = on_blocked,
    .want = on_want,
    .hold = on_hold,
    .close = on_close,
};
static const struct stream_carrier binary_carrier = {
    .frame = on_frame,
    .blocked = on_blocked,
    .want = on_want,
    .hold = on_hold,
    .close = on_close,
    .raw_payloads = true,
};

/* --- from the client -------------------------------------------------------------------------- */

/* It does not speak what was agreed on. */
static void refuse(struct stream_ws *w, unsigned code, const char *reason)
{
    stream_end(w->stream, BUS_SUB_KEEP);
    on_close(w, code, reason);
}

/* The object in a text; NULL: refused. */
static json_t *read_object(struct stream_ws *w, const uint8_t *text, size_t len)
{
    struct json_fault fault = {0};
    json_t *o = json_body(text, len, &fault);

    if (!o)
        refuse(w,
               fault.status == 413   ? WS_TOO_BIG
               : fault.status == 503 ? WS_INTERNAL
                                     : WS_BAD_DATA,
               fault.status == 413 ? "JSON too long" : "not JSON");
    else if (json_is_object(o))
        return o;
    else
        refuse(w, WS_PROTOCOL, "not an object");
    json_decref(o);
    return NULL;
}

static void on_text(struct stream_ws *w, const uint8_t *bytes, size_t len)
{
    json_t *o = read_object(w, bytes, len);

    if (o)
        stream_request(w->stream, o, NULL);
    json_decref(o);
}

/* Is `len` what there is behind the JSON? */
static bool right_length(const json_t *o, const struct stream_bin *b)
{
    const json_t *v = json_object_get(o, "len");
    double n = json_is_number(v) ? json_number_value(v) : -1;

    if (!v)
        return b->rest_len == 0;
    return n >= 0 && n <= STREAM_FRAME_MAX && floor(n) >= n && (size_t)n == b->rest_len;
}

static void on_binary(struct stream_ws *w, const uint8_t *bytes, size_t len)
{
    struct blob *payload = NULL;
    struct stream_bin b;
    json_t *o;

    if (stream_bin_read(bytes, len, &b) < 0) {
        refuse(w, WS_PROTOCOL, "length of the JSON");
        return;
    }
    o = read_object(w, b.json, b.json_len);
    if (!o)
        return;
    if (!right_length(o, &b)) {
        refuse(w, WS_PROTOCOL, "len");
    } else {
        if (json_object_get(o, "len")) {
            payload = blob_copy(b.rest, b.rest_len);
            (void)json_object_del(o, "len");
        }
        stream_request(w->stream, o, payload); /* without memory, a payload is missing there */
        blob_unref(payload);
    }
    json_decref(o);
}

static void on_message(void *ctx, bool text, const uint8_t *bytes, size_t len)
{
    struct stream_ws *w = ctx;

    if (text == w->binary)
        refuse(w, WS_UNSUPPORTED, text ? "binary frames are spoken" : "text frames are spoken");
    else if (text)
        on_text(w, bytes, len);
    else
        on_binary(w, bytes, len);
}

static void on_writable(void *ctx)
{
    const struct stream_ws *w = ctx;

    stream_writable(w->stream);
}

static void on_tick(void *ctx, usec_t now)
{
    const struct stream_ws *w = ctx;

    (void)now;
    if (w->bad)
        stream_bye(w->stream, WS_INTERNAL, "internal", BUS_SUB_KEEP);
}

static void on_closed(void *ctx, unsigned code)
{
    struct stream_ws *w = ctx;
    bool in_order = code == WS_NORMAL || code == WS_GOING_AWAY || code == WS_NO_STATUS;

    stream_end(w->stream, in_order          ? BUS_SUB_RETURN
                          : code == WS_SLOW ? BUS_SUB_FAIL
                                            : BUS_SUB_KEEP);
    free(w);
}

/* --- the call --------------------------------------------------------------------------------- */

static void begin(struct api *a, const struct asked *q, const struct http_request *r,
                  const struct ws_handshake *h)
{
    static const struct ws_handler handler = {
        .message = on_message, .writable = on_writable, .tick = on_tick, .closed = on_closed};
    struct ws_handler with_ctx = handler;
    struct stream_ws *w = calloc(1, sizeof(*w));
    struct ws_limits limits;

    ws_limits_default(&limits);
    limits.message_bytes = STREAM_FRAME_MAX;
    if (w) {
        w->binary = h->protocol == PROTOCOL_BIN;
        w->stream = stream_new(a, q, w->binary ? &binary_carrier : &text_carrier, w);
    }
    if (!w || !w->stream) {
        free(w);
        answer_error(a, q, ERR_NOMEM);
        return;
    }
    with_ctx.ctx = w;
    w->ws = ws_accept(q->server, r, h, &limits, &with_ctx);
    if (w->ws) {
        stream_welcome(w->stream);
        return;
    }
    stream_end(w->stream, BUS_SUB_RETURN);
    free(w);
}

void call_ws(struct api *a, const struct asked *q, const struct http_request *r)
{
    const struct http_header upgrade = {"upgrade", "websocket"};
    struct ws_handshake h;
    const char *text;
    int rc = ws_handshake_read(r, ws_bus_protocols, &h, &text);

    if (r->method == HTTP_HEAD)
        answer_bad_method(a, q, "GET");
    else if (rc == ERR_STATE)
        answer_problem_with(a, q, PROBLEM_UPGRADE, text, &upgrade);
    else if (rc < 0)
        answer_problem(a, q, PROBLEM_BAD_REQUEST, text);
    else if (http_raw_full(q->server))
        answer_problem(a, q, PROBLEM_NOT_READY, "too many streams");
    else
        begin(a, q, r, &h);
}
