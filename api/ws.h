/* ws.h - WebSocket (RFC 6455), the server's side: the handshake, then whole messages.
 *
 * Framing, masks, fragments and UTF-8 are checked by the wslay library; what is left here is the
 * handshake, the limit of a message, pings, and the end of a connection. A client's message grows
 * with the bytes that came, never by an announced length. No extensions.
 * Thread: loop. Owns: struct ws, until closed() was called or ws_close() returned.
 * Protocol: docs/protocol/streams.md, "WebSocket". */
#pragma once
#include "api/http_raw.h"

struct ws;

enum ws_code {
    WS_NORMAL = 1000,
    WS_GOING_AWAY = 1001, /* the node stops */
    WS_PROTOCOL = 1002,
    WS_UNSUPPORTED = 1003, /* text where binary is spoken, or the other way */
    WS_NO_STATUS = 1005,   /* only in closed(): the client gave none */
    WS_ABNORMAL = 1006,    /* only in closed(): the connection broke */
    WS_BAD_DATA = 1007,
    WS_NOT_ALLOWED = 1008,
    WS_TOO_BIG = 1009,
    WS_INTERNAL = 1011,
    WS_TRY_LATER = 1013,  /* a limit is reached */
    WS_SLOW = 4001,       /* ours: the client did not take what was sent */
    WS_TAKEN_OVER = 4002, /* ours: another connection goes on under the same name */
    WS_REVOKED = 4003     /* ours: the token that it was opened with may no longer do so */
};

/* --- handshake ------------------------------------------------------------------------------- */

#define WS_ACCEPT_MAX 29 /* Sec-WebSocket-Accept, with its zero */
struct ws_handshake {
    int protocol; /* index of the chosen sub-protocol; -1: the client asked for none */
    char accept[WS_ACCEPT_MAX];
    const char *name; /* of the chosen one, lent from `protocols`; NULL: none */
};
/* `protocols` are those that are spoken, ends with NULL; the first of the client's list that is one
 * of them is chosen. ERR_STATE: no upgrade was asked for (426). ERR_INVAL: not a WebSocket
 * handshake, or none of the client's sub-protocols is spoken (400); *ret_text says why. */
MUST_CHECK int ws_handshake_read(const struct http_request *r, const char *const *protocols,
                                 struct ws_handshake *ret, const char **ret_text);

/* --- messages -------------------------------------------------------------------------------- */

struct ws_limits {
    size_t message_bytes; /* of one message of the client; 1009 above */
    uint32_t ping_ms;     /* 30,000: without a byte of the client: a ping */
    uint32_t silent_ms;   /* 60,000: without a byte of the client: closed */
    uint32_t stalled_ms;  /* 30,000: it takes nothing of what was written: closed, 4001 */
    uint32_t close_ms;    /* 10,000: for the client to take what was written before a close */
};
void ws_limits_default(struct ws_limits *l);

struct ws_handler {
    /* One whole message; text is UTF-8. Borrows bytes. The handler may call ws_close(). */
    void (*message)(void *ctx, bool text, const uint8_t *bytes, size_t len);
    /* What was sent has left; once after each ws_want(). */
    void (*writable)(void *ctx);
    /* About once a second; NULL: not needed. */
    void (*tick)(void *ctx, usec_t now);
    /* It is over, with this code, and w is freed. Last call; not after ws_close(). */
    void (*closed)(void *ctx, unsigned code);
    void *ctx;
};

/* Answers r with 101 and takes its connection over. Borrows limits for the call. NULL: the client
 * is gone, or no memory (then it was answered with 503); no call comes. */
struct ws *ws_accept(struct http_server *s, const struct http_request *r,
                     const struct ws_handshake *h, const struct ws_limits *limits,
                     const struct ws_handler *handler);
/* One message, now or buffered; borrows bytes. Whoever sends without being asked looks at
 * ws_blocked() before. False: not any more; closed() comes. */
bool ws_send(struct ws *w, bool text, const uint8_t *bytes, size_t len);
/* Several messages in one write: what is sent between the two leaves with the second. */
void ws_cork(struct ws *w);
void ws_uncork(struct ws *w);
/* What was sent has not left yet. The client is not read meanwhile. */
bool ws_blocked(const struct ws *w);
void ws_want(struct ws *w); /* writable() follows, when nothing is blocked */
/* No message() for now (but those of one read that are here come later); ws_more(): go on. */
void ws_hold(struct ws *w);
void ws_more(struct ws *w);
/* Says so, lets what was sent leave, and closes. Frees w (inside message(): when it returns). No
 * further call comes. */
void ws_close(struct ws *w, unsigned code, const char *reason);
