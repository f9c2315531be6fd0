/* http_client.h - one HTTP request to a node, blocking; for the commands.
 *
 * Proxy variables of the environment are ignored: payloads go to the node and nowhere else.
 * Implemented by http_client_lws.c, the only file here that includes libwebsockets. */
#pragma once
#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "clients/target.h"

struct http_reply {
    unsigned status;
    char *body; /* heap, zero-terminated; freed with http_reply_fini() */
    size_t body_len;
};

/* Fills buf with the next 1 to cap bytes of a body. ERR_*: the request ends with it. */
typedef int http_source(void *ctx, void *buf, size_t cap, size_t *ret_len);
/* Takes the next bytes of an answer with status 200 or 206. ERR_*: the request ends with it. It may
 * make other requests meanwhile. */
typedef int http_sink(void *ctx, unsigned status, const char *bytes, size_t len);

/* What is zero is not asked for. */
struct http_query {
    const char *method;         /* NULL: GET */
    const char *path;           /* with the query; at most 1900 bytes */
    const char *type;           /* of the body; NULL: application/json */
    const char *header, *value; /* one more field: "range:", "bytes=5-" */
    const char *body;
    size_t body_len;
    http_source *source; /* stands in for body: `length` bytes, asked for as the node takes them */
    uint64_t length;
    http_sink *sink; /* takes a good answer in place of http_reply.body */
    void *ctx;       /* of source and sink */
    uint64_t wait_s; /* how long the node may take by our wish; 30 s more are given */
    const volatile sig_atomic_t *stop; /* set by a signal: ends with ERR_STATE, soon */
};
/* ERR_IO: cannot connect; ERR_TIMEOUT; ERR_CLOSED: broke off; ERR_TOOBIG: answer over 128 MiB, or
 * a path that is too long; what source or sink returned. */
MUST_CHECK int http_exchange(const struct api_target *to, const struct http_query *q,
                             struct http_reply *ret);
/* Without anything special. */
MUST_CHECK int http_request(const struct api_target *to, const char *method, const char *path,
                            const char *body, size_t body_len, uint64_t wait_s,
                            struct http_reply *ret);
void http_reply_fini(struct http_reply *r);

/* Seconds without progress before a request is given up; 30, which tests shorten. */
void http_patience_set(unsigned seconds);
