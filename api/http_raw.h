/* http_raw.h - connections that leave HTTP: after the head of one answer they carry bytes.
 *
 * What WebSocket (ws.h) and event streams stand on. The handler takes a request over instead of
 * answering it; from then on bytes come in, bytes go out, and the limits of http.h that are about
 * requests (idle, body) are not looked at: whoever takes it over keeps its times with tick().
 * What is written is buffered without limit: who writes asks http_raw_blocked() first.
 * Thread: loop. Calls come from the loop, never from inside one of the functions here. */
#pragma once
#include "api/http.h"

struct http_raw_handler {
    /* Bytes of the client. Returns how many were taken; the rest, and all that follows, comes once
     * http_raw_more() was called. NULL: what comes is read over. */
    size_t (*bytes)(void *ctx, const uint8_t *in, size_t len);
    /* Everything that was written has left for the client's system; once after each
     * http_raw_want(). */
    void (*writable)(void *ctx);
    /* About once a second. */
    void (*tick)(void *ctx, usec_t now);
    /* The client went away, or the server is being freed: the id is over. Last call; not after
     * http_raw_close(). */
    void (*closed)(void *ctx);
    void *ctx;
};

/* As many as limits.raw: a request for one more is refused with 503. */
bool http_raw_full(const struct http_server *s);
/* Sends the head of an answer (101: with "connection: upgrade"; else the client sees the end of the
 * answer by the end of the connection) and takes over the request, which must not have a body. The
 * id lives on. False: the client is gone; no call comes, the id is over. */
bool http_raw_begin(struct http_server *s, http_id id, const struct http_response *r,
                    const struct http_raw_handler *h);
/* All of it, now or buffered. False: it cannot be (no memory); closed() follows. */
bool http_raw_write(struct http_server *s, http_id id, const void *bytes, size_t len);
/* What is written between the two leaves with the second, up to 64 KiB. False: something is
 * gathered already, and leaves when that ends. */
bool http_raw_cork(struct http_server *s, http_id id);
void http_raw_uncork(struct http_server *s, http_id id);
/* Part of what was written is still here. */
bool http_raw_blocked(const struct http_server *s, http_id id);
/* Bytes that the client's system has received: do they grow? */
uint64_t http_raw_taken(const struct http_server *s, http_id id);
void http_raw_want(struct http_server *s, http_id id);
void http_raw_more(struct http_server *s, http_id id);
/* No further call comes, the id is over. What was written leaves first; then the connection is shut
 * and read over until the client closes, for at most wait_ms in all. */
void http_raw_close(struct http_server *s, http_id id, uint32_t wait_ms);
