/* http1.h - HTTP/1.0 and 1.1 requests out of a stream of bytes, and the head of an answer.
 *
 * A core: bytes in, requests out, one after the other (pipelining). No socket, no clock.
 * Own reader, because the paths have to arrive as they were sent (an escaped slash is not a slash
 * here) and every refusal has its own status. What is not clear is refused: two lengths, a length
 * beside chunks, folded lines, spaces before a colon, bare line ends inside a line.
 *
 *     while (len > 0) {
 *         e = http1_feed(&p, in, len, &used); in += used; len -= used;
 *         if (e == HTTP1_BODY_NEXT) e = http1_body(&p, collect, stream or discard it, max);
 *         if (e == HTTP1_PIECE) { take(p.body, p.body_len); }
 *         if (e == HTTP1_REQUEST) { handle(&p); http1_next(&p); }
 *         if (e == HTTP1_REFUSED) { answer p.status, p.text; close; }
 *     }
 *
 * Whoever uses it sees the head before the body and says what is to become of it. Bodies that are
 * collected grow with the bytes that came, never by an announced length; streamed ones are not
 * held at all.
 * Protocol: docs/protocol/api.md, "HTTP rules". */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/http.h"
#include "base/macros.h"

#define HTTP1_HEAD_MAX     16384 /* request line and fields, bytes; 414 (line) or 431 above */
#define HTTP1_FIELDS_MAX   100   /* 431 above */
#define HTTP1_CHUNK_LINE   256   /* longest chunk size line with its extensions; 400 above */
#define HTTP1_TRAILERS_MAX 4096  /* bytes behind the last chunk; 431 above */

/* Bytes of bodies that are held, of all readers that share it. */
struct http1_pool {
    uint64_t used, max;
};

enum http1_event {
    HTTP1_MORE,      /* everything was taken, nothing is whole yet */
    HTTP1_BODY_NEXT, /* p->req; a body follows: http1_body() before the next bytes */
    HTTP1_PIECE,     /* streamed: p->body, in the input */
    HTTP1_REQUEST,   /* p->req and p->body until http1_next() (a body may lie in the input).
                        Streamed: p->body is the last piece, which may have no bytes */
    HTTP1_REFUSED,   /* p->status, p->text; answer and close */
};

enum http1_mode {
    HTTP1_COLLECT, /* HTTP1_REQUEST once it is whole */
    HTTP1_STREAM,  /* HTTP1_PIECE.., HTTP1_REQUEST */
    HTTP1_DISCARD, /* read over; then the next request, without an event */
};

enum http1_state {
    HTTP1_HEAD,       /* leaves by: empty line */
    HTTP1_ASKED,      /* a body follows; leaves by: http1_body() */
    HTTP1_BODY,       /* counted; leaves by: last byte */
    HTTP1_CHUNK_SIZE, /* a size line; leaves by: its end */
    HTTP1_CHUNK_DATA, /* leaves by: last byte of the chunk */
    HTTP1_CHUNK_END,  /* the line end behind a chunk */
    HTTP1_TRAILER,    /* lines behind the last chunk; leaves by: empty line */
    HTTP1_DONE,       /* a request is with the caller; leaves by: http1_next() */
    HTTP1_FAILED,     /* final */
};

struct http1_head {
    enum http_method method;
    const char *path, *query,
        *content_type; /* as in struct http_request; live in the head buffer */
    const char *host, *origin, *referer, *user_agent, *sec_fetch_site, *range, *idempotency_key;
    const char *authorization;
    const char *last_event_id, *upgrade, *ws_key, *ws_version, *ws_protocol;
    bool upgrading; /* of the connection */
    bool forwarded;
    bool keep_alive; /* the connection may go on behind the answer */
    bool old;        /* HTTP/1.0: keep-alive has to be said */
    bool chunked, has_length, expect;
    uint64_t length;
};

struct http1 {
    enum http1_state state;
    struct http1_head req;
    enum http1_mode mode;
    const uint8_t *body; /* REQUEST, PIECE: body_len bytes */
    size_t body_len;
    unsigned status;  /* REFUSED */
    const char *text; /* REFUSED: may be NULL (empty body) */
    /* below: private */
    char *head;
    size_t head_len, head_cap, line_start;
    uint32_t lines; /* whole lines of the head */
    uint32_t
        small;     /* bytes of what has no other limit: empty lines in front, size line, trailers */
    uint64_t left; /* of the counted body or of the chunk */
    size_t line_len; /* of a trailer line */
    bool digits, ext, saw_cr;
    uint8_t *store;
    size_t store_cap;
    uint64_t max_body, body_read; /* body_read: bytes of the body so far, in whatever mode */
    struct http1_pool *pool;
};

void http1_init(struct http1 *p, struct http1_pool *pool); /* borrows pool */
void http1_fini(struct http1 *p);

enum http1_event http1_feed(struct http1 *p, const uint8_t *in, size_t len, size_t *ret_used);
/* Behind BODY_NEXT. MORE, or REFUSED: announced longer than max. One that is longer without having
 * said so is refused when it passes max. */
MUST_CHECK enum http1_event http1_body(struct http1 *p, enum http1_mode mode, uint64_t max);
/* Behind REQUEST: ready for the next one. Frees the body. */
void http1_next(struct http1 *p);
/* Has a request begun that is not whole? */
bool http1_begun(const struct http1 *p);

/* The head alone: `head` holds the request line and fields up to and with the empty line, and is
 * changed. 0, or the status of the refusal with its text (may be NULL). */
unsigned http1_parse_head(char *head, size_t len, struct http1_head *ret, const char **ret_text);

/* --- answers --------------------------------------------------------------------------------- */

/* Longest head for `extra`, with the date and a terminating zero that is not counted. */
size_t http1_answer_cap(const struct http_response *r);
/* Writes the head of an answer and returns its length; `http_date` is an HTTP-date. `close` and
 * `old` decide on the connection field. */
size_t http1_answer_head(char *out, size_t cap, const struct http_response *r,
                         const char *http_date, bool close, bool old);
#define HTTP1_DATE_MAX 80
/* "Sun, 06 Nov 1994 08:49:37 GMT" for seconds since 1970. */
void http1_date(int64_t wall_s, char out[static HTTP1_DATE_MAX]);
