/* http_client.h - one HTTP request to a node, blocking; for the commands.
 *
 * Proxy variables of the environment are ignored: payloads go to the node and nowhere else.
 * Implemented by http_client_lws.c, the only file here that includes libwebsockets. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "clients/target.h"

struct http_reply {
    unsigned status;
    char *body; /* heap, zero-terminated; freed with http_reply_fini() */
    size_t body_len;
};

/* method "GET", "POST", "DELETE"; body NULL: none, sent as application/json. wait_s: how long the
 * server may take by the caller's wish; 30 s more are given. ERR_IO: cannot connect; ERR_TIMEOUT;
 * ERR_CLOSED: broke off; ERR_TOOBIG: answer over 128 MiB. */
MUST_CHECK int http_request(const struct api_target *to, const char *method, const char *path,
                            const char *body, size_t body_len, uint64_t wait_s,
                            struct http_reply *ret);
void http_reply_fini(struct http_reply *r);

/* Seconds without progress before a request is given up; 30, which tests shorten. */
void http_patience_set(unsigned seconds);
