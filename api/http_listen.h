/* http_listen.h - a listening stream socket on the loop, and the server's slow clock.
 *
 * Accepting is ours, not the HTTP library's, so that the reason of a failed bind reaches the caller
 * and a limit is answered instead of leaving clients in the backlog.
 * Thread: loop. Owns: its libuv handles, until the close callback ran. */
#pragma once
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/macros.h"

struct uv_loop_s;
struct http_listen;

struct http_listen_conf {
    struct uv_loop_s *loop;
    const char *addr; /* numeric; NULL: a Unix socket */
    uint16_t port;
    const char *path; /* of the Unix socket; borrowed for the call */
    gid_t group;      /* that it belongs to; (gid_t)-1: as the system does */
    uint32_t tick_ms;
    void (*accepted)(void *ctx, int fd, const struct sockaddr *peer); /* takes fd: non-blocking */
    void (*tick)(void *ctx);
    void (*closed)(void *ctx); /* last call */
    void *ctx;
};
/* ERR_INVAL: not a numeric address, or a path too long; ERR_IO with errno. A Unix socket has mode
 * 0660 from the first moment; one that nobody listens on any more is replaced, another file never.
 */
MUST_CHECK int http_listen_new(const struct http_listen_conf *c, struct http_listen **ret);
uint16_t http_listen_port(const struct http_listen *l); /* 0: a Unix socket */
/* No more accepted() and tick(); closed() follows from the loop. The file of a Unix socket goes. */
void http_listen_close(struct http_listen *l);
