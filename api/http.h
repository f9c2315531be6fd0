/* http.h - the HTTP server as the routes see it: requests in, answers out, nothing of the library.
 *
 * Implemented by http_lws.c, the only file here that includes libwebsockets. A request is a handle
 * that stays valid until it was answered or `gone` was called for it, so that an answer may come
 * much later (durable before answered, long polls) without holding anything up.
 *
 * Bodies of any length pass through a connection in pieces, in both directions, with as much memory
 * as one piece: a request's while the handler takes them (else the socket is not read), an answer's
 * while the client does (else the handler is not asked for the next one).
 * Thread: loop. Protocol: docs/protocol/api.md, "HTTP rules". */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/macros.h"

struct ip6;
struct uv_loop_s;
struct http_server;

/* Names one request; never used twice, among all servers of the process. 0: none. */
typedef uint64_t http_id;

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_OTHER
};

struct http_request {
    struct http_server *server; /* that it came in by: for the answer */
    http_id id;
    enum http_method method;
    const char *path;         /* still percent-encoded, without query; borrowed for the call */
    const char *query;        /* behind '?', still encoded; "" if none */
    const char *content_type; /* "" if none */
    const char *host, *origin, *referer, *user_agent, *sec_fetch_site;   /* NULL: header missing */
    const char *range, *idempotency_key, *last_event_id, *authorization; /* NULL: header missing */
    /* Upgrade, and Sec-WebSocket-...; NULL: header missing */
    const char *upgrade, *ws_key, *ws_version, *ws_protocol;
    bool upgrading;         /* "connection: upgrade" is there */
    bool old;               /* HTTP/1.0 */
    uint64_t connection;    /* names the connection that it came over; not used twice */
    bool forwarded;         /* Forwarded, X-Forwarded-For or Via is there: a proxy is in front */
    bool loopback;          /* the remote address is a loopback address */
    bool local;             /* it came over a Unix socket */
    bool tls;               /* .. over TLS */
    const struct ip6 *peer; /* remote address; all zero over a Unix socket */
    const char *local_addr; /* numeric, without port: the address the request came in on */
    uint16_t local_port;
    uint64_t length;     /* of the body, as announced; HTTP_LENGTH_UNKNOWN: it comes in chunks */
    const uint8_t *body; /* request(): the whole */
    size_t body_len;
};
#define HTTP_LENGTH_UNKNOWN UINT64_MAX

/* What is to become of the body of a request. */
enum http_body {
    HTTP_BODY_WHOLE,  /* collected: request() follows, with an id of its own */
    HTTP_BODY_PIECES, /* piece() follows, until end() */
    HTTP_BODY_NONE,   /* the request was answered: it is not wanted */
};
struct http_want {
    enum http_body kind;
    uint64_t max; /* WHOLE, PIECES: 413 above; one that says its length is not taken at all */
};

struct http_handler {
    /* The head of a request that has a body; the client that waits for "100 Continue" has not been
     * told to go on. NULL: all are collected, up to http_conf.max_body. A connection on which a
     * request is answered before its body was read goes on only when that is short. */
    struct http_want (*head)(void *ctx, const struct http_request *r);
    /* One whole request. The handler answers now or later with http_answer(). */
    void (*request)(void *ctx, const struct http_request *r);
    /* PIECES: some bytes, which are taken in any case. False: no more before http_more(). The
     * handler may answer before the end: then no more come. */
    bool (*piece)(void *ctx, http_id id, const uint8_t *bytes, size_t len);
    void (*end)(void *ctx, http_id id); /* of the body; also when piece() had enough */
    /* An answer in pieces: what was given is taken, the next one may come, now or later. */
    void (*drained)(void *ctx, http_id id);
    /* The client went away before the (whole) answer, or did not go on in time. */
    void (*gone)(void *ctx, http_id id);
    void *ctx;
};

/* What clients can make grow or hold, per server. The defaults are those of http_limits_default().
 */
struct http_limits {
    uint32_t connections; /* 2048, by address listened on; more: 503 with retry-after, connection
                             closed */
    uint32_t connections_peer; /* 64: without a finished request, from one address that is not
                                  loopback; more: closed */
    uint32_t raw; /* 1024: connections that were taken over (http_raw.h); more: 503 by the routes */
    uint64_t body_bytes; /* 16 MiB: bodies being collected, all connections; more: 503 */
    uint32_t head_ms;    /* 10,000: from the first byte of a request to its empty line; 408 */
    uint32_t body_ms;   /* 30,000: without a byte of the body; 408. Also without a byte of an answer
                           being taken; closed */
    uint32_t idle_ms;   /* 75,000: without a request; closed */
    uint32_t linger_ms; /* 2,000: reading on behind a refusal, so that it arrives */
};
void http_limits_default(struct http_limits *l);

/* Files in PEM. The certificate's may go on with those that signed it. */
struct http_tls {
    const char *cert, *key;
};

struct http_conf {
    struct uv_loop_s *loop;
    const struct http_tls *tls; /* every address but Unix sockets speaks TLS; borrowed for the
                                   server's life; NULL: none does */
    const char *addr; /* numeric, e.g. "127.0.0.1" or "::1"; NULL: see http_server_listen() */
    uint16_t port;    /* 0: the system chooses (tests) */
    size_t max_body;  /* bytes, without handler.head: 413 above */
    struct http_handler handler;
    const struct http_limits *limits; /* borrowed for the call; NULL: defaults */
};
/* ERR_IO with errno set: the address is taken, ... ERR_INVAL: not a numeric address.
 * ERR_UNSUPPORTED: the library's plug-in for libuv is not installed. */
MUST_CHECK int http_server_new(const struct http_conf *c, struct http_server **ret);
uint16_t http_server_port(const struct http_server *s); /* of the first address */

#define HTTP_PORTS_MAX 10
/* One more address of the same server, with the same handler and limits. Errors as above, and
 * ERR_LIMIT. *ret_port: where it listens. */
MUST_CHECK int http_server_listen(struct http_server *s, const char *addr, uint16_t port,
                                  uint16_t *ret_port);
/* The same at the path of a Unix socket, with mode 0660 and this group ((gid_t)-1: as the system
 * does). */
MUST_CHECK int http_server_listen_path(struct http_server *s, const char *path, gid_t group);
/* The files of http_conf.tls again, for connections from here on. ERR_INVAL: they cannot be used,
 * and what was read before stays. tls_files_check() says why before. */
MUST_CHECK int http_server_tls_again(struct http_server *s);
/* Open requests are dropped; no more calls to the handler, except closed() of what was taken over
 * (http_raw.h), which may not write any more. Not from inside the handler. The loop
 * has to run on until its handles are closed. */
void http_server_free(struct http_server *s);

struct http_header {
    const char *name, *value; /* lower-case name */
};
struct http_response {
    unsigned status;
    const char *content_type; /* NULL: no body */
    const void *body;         /* borrowed (copied) */
    size_t body_len;          /* HTTP_BODY_TO_END: to the end of the connection (http_raw.h) */
    const struct http_header *extra;
    size_t extra_count;
};
#define HTTP_BODY_TO_END SIZE_MAX
/* Sends the answer; the id is over. False: the client is gone already. */
bool http_answer(struct http_server *s, http_id id, const struct http_response *r);

/* --- bodies in pieces ------------------------------------------------------------------------ */

#define HTTP_PIECE_MAX 65536 /* bytes of one piece of an answer */

/* piece() said no: it can take bytes again. Not from inside piece(). */
void http_more(struct http_server *s, http_id id);
/* Sends the head of an answer of r->body_len bytes that come with http_answer_piece(), the first
 * one when drained() was called. r->body is not looked at. False: the id is over (HEAD, no bytes,
 * the client is gone). */
bool http_answer_begin(struct http_server *s, http_id id, const struct http_response *r);
/* The next 1 to HTTP_PIECE_MAX bytes, once after each drained(); no more than were announced. With
 * the last one, or when the client is gone, the id is over: false. */
bool http_answer_piece(struct http_server *s, http_id id, const void *bytes, size_t len);
/* The rest cannot be had: cuts the connection, so that the client sees it. The id is over. */
void http_answer_break(struct http_server *s, http_id id);

struct http_stats {
    uint64_t connections, requests, answers[6]; /* by first digit of the status */
    uint64_t refused_body, refused_header, refused_connections;
    uint64_t timeouts;              /* 408, idle connections closed, answers not taken */
    uint64_t pieces_in, pieces_out; /* bytes of bodies in pieces */
    uint64_t broken;                /* answers in pieces that did not come to their end */
    uint64_t raw_out;               /* bytes to connections that were taken over */
    uint64_t body_bytes;            /* being collected now */
    uint32_t open_connections, open_requests;
    uint32_t raw; /* of these: taken over */
};
void http_stats(const struct http_server *s, struct http_stats *ret);
