/* http_listen.h - a listening stream socket on the loop, and the server's slow clock.
 *
 * Accepting is ours, not the HTTP library's, so that the reason of a failed bind reaches the caller
 * and a limit is answered instead of leaving clients in the backlog.
 * Thread: loop. Owns: its libuv handles, until the close callback ran. */
#pragma once
#include <stdint.h>
#include <sys/socket.h>

#include "base/macros.h"

struct uv_loop_s;
struct http_listen;

struct http_listen_conf {
    struct uv_loop_s *loop;
    const char *addr; /* numeric */
    uint16_t port;
    uint32_t tick_ms;
    void (*accepted)(void *ctx, int fd, const struct sockaddr *peer); /* takes fd: non-blocking */
    void (*tick)(void *ctx);
    void (*closed)(void *ctx); /* last call */
    void *ctx;
};
/* ERR_INVAL: not a numeric address; ERR_IO with errno. */
MUST_CHECK int http_listen_new(const struct http_listen_conf *c, struct http_listen **ret);
uint16_t http_listen_port(const struct http_listen *l);
/* No more accepted() and tick(); closed() follows from the loop. */
void http_listen_close(struct http_listen *l);
