#include "api/http_listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "base/err.h"

#define ACCEPT_BUDGET 64 /* connections per wake-up */
#define BACKLOG       512

struct http_listen {
    struct http_listen_conf conf;
    uv_poll_t poll;
    uv_timer_t timer;
    int fd;
    unsigned open_handles;
    uint16_t port;
    char *path; /* NULL: no Unix socket */
    dev_t dev;  /* .. and which file it was */
    ino_t ino;
    bool paused; /* no descriptors left: again with the next tick */
};

static int address_of(const char *text, uint16_t port, struct sockaddr_storage *ss, socklen_t *len)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)ss;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)ss;

    memset(ss, 0, sizeof(*ss));
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        *len = sizeof(*v4);
        return OK;
    }
    if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        *len = sizeof(*v6);
        return OK;
    }
    return ERR_INVAL;
}

static int listen_socket(const char *addr, uint16_t port, int *ret_fd, uint16_t *ret_port)
{
    struct sockaddr_storage ss;
    socklen_t len;
    int one = 1, saved;
    int rc = address_of(addr, port, &ss, &len);
    int fd = -1;

    if (rc < 0)
        goto out;
    rc = ERR_IO;
    fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        goto out;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0)
        goto out;
    if (bind(fd, (struct sockaddr *)&ss, len) < 0 || listen(fd, BACKLOG) < 0)
        goto out;
    len = sizeof(ss);
    if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
        goto out;
    *ret_port = ntohs(ss.ss_family == AF_INET ? ((struct sockaddr_in *)(void *)&ss)->sin_port
                                              : ((struct sockaddr_in6 *)(void *)&ss)->sin6_port);
    *ret_fd = fd;
    return OK;
out:
    saved = errno;
    if (fd >= 0)
        close(fd);
    errno = saved;
    return rc;
}

/* Does anyone listen there? */
static bool is_alive(const struct sockaddr_un *at, socklen_t len)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool alive;

    if (fd < 0)
        return true; /* cannot be known: leave it alone */
    alive = connect(fd, (const struct sockaddr *)at, len) == 0 || errno != ECONNREFUSED;
    close(fd);
    return alive;
}

static int bind_path(int fd, const struct sockaddr_un *at, socklen_t len)
{
    struct stat st;

    if (bind(fd, (const struct sockaddr *)at, len) == 0)
        return 0;
    if (errno != EADDRINUSE)
        return -1;
    if (lstat(at->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode) || is_alive(at, len)) {
        errno = EADDRINUSE;
        return -1;
    }
    /* Left over from a process that was killed. */
    if (unlink(at->sun_path) < 0)
        return -1;
    return bind(fd, (const struct sockaddr *)at, len);
}

static int listen_path(struct http_listen *l, const char *path, gid_t group)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct stat st;
    size_t n = strlen(path);
    bool bound = false;
    int saved;

    if (n == 0 || n >= sizeof(at.sun_path))
        return ERR_INVAL;
    memcpy(at.sun_path, path, n);
    l->path = strdup(path);
    l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (!l->path || l->fd < 0)
        goto failed;
    /* The file is made with the mode of the socket, less the umask; then the umask does not count.
     * So it is never open to more than it is to be. */
    if (fchmod(l->fd, 0660) < 0 || bind_path(l->fd, &at, sizeof(at)) < 0)
        goto failed;
    bound = true;
    if ((group != (gid_t)-1 && chown(path, (uid_t)-1, group) < 0) || chmod(path, 0660) < 0 ||
        lstat(path, &st) < 0 || listen(l->fd, BACKLOG) < 0)
        goto failed;
    l->dev = st.st_dev;
    l->ino = st.st_ino;
    return OK;
failed:
    saved = errno;
    if (bound)
        (void)unlink(path); /* best effort: the first error is the one to report */
    if (l->fd >= 0)
        close(l->fd);
    free(l->path);
    errno = saved;
    return saved == ENOMEM ? ERR_NOMEM : ERR_IO;
}

/* Only our own: somebody else may have put another one there. */
static void unlink_path(const struct http_listen *l)
{
    struct stat st;

    if (l->path && lstat(l->path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino)
        (void)unlink(l->path); /* what stays is found left over at the next start */
}

static void on_readable(uv_poll_t *h, int status, int events)
{
    struct http_listen *l = h->data;
    int one = 1;

    (void)status; /* accept4() says the same */
    (void)events;
    for (int i = 0; i < ACCEPT_BUDGET; i++) {
        struct sockaddr_storage ss;
        socklen_t len = sizeof(ss);
        int fd = accept4(l->fd, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            if (errno != EAGAIN) { /* no descriptors: not again and again without a pause */
                l->paused = true;
                (void)uv_poll_stop(&l->poll); /* cannot fail on a live handle */
            }
            return;
        }
        /* Answers are written whole: waiting for more only delays them. */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* a delay at worst */
        l->conf.accepted(l->conf.ctx, fd, (struct sockaddr *)&ss);
    }
}

static void on_tick(uv_timer_t *h)
{
    struct http_listen *l = h->data;

    if (l->paused && uv_poll_start(&l->poll, UV_READABLE, on_readable) == 0)
        l->paused = false;
    l->conf.tick(l->conf.ctx);
}

static void on_closed(uv_handle_t *h)
{
    struct http_listen *l = h->data;

    if (--l->open_handles > 0)
        return;
    l->conf.closed(l->conf.ctx);
    free(l->path);
    free(l);
}

int http_listen_new(const struct http_listen_conf *c, struct http_listen **ret)
{
    struct http_listen *l = calloc(1, sizeof(*l));
    int rc;

    if (!l)
        return ERR_NOMEM;
    l->conf = *c;
    rc = c->addr ? listen_socket(c->addr, c->port, &l->fd, &l->port)
                 : listen_path(l, c->path, c->group);
    if (rc < 0) {
        int saved = errno;
        free(l);
        errno = saved;
        return rc;
    }
    l->conf.addr = l->conf.path = NULL; /* were borrowed for the call */
    if (uv_poll_init(c->loop, &l->poll, l->fd) != 0) {
        unlink_path(l);
        close(l->fd);
        free(l->path);
        free(l);
        return ERR_NOMEM;
    }
    l->poll.data = l->timer.data = l;
    (void)uv_timer_init(c->loop, &l->timer); /* cannot fail */
    l->open_handles = 2;
    if (uv_poll_start(&l->poll, UV_READABLE, on_readable) != 0)
        l->paused = true; /* tried again with each tick */
    (void)uv_timer_start(&l->timer, on_tick, c->tick_ms, c->tick_ms); /* cannot fail */
    *ret = l;
    return OK;
}

uint16_t http_listen_port(const struct http_listen *l)
{
    return l->port;
}

void http_listen_close(struct http_listen *l)
{
    unlink_path(l);
    uv_close((uv_handle_t *)&l->poll, on_closed);
    uv_close((uv_handle_t *)&l->timer, on_closed);
    close(l->fd);
}
