#include "router/link/tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/err.h"

#define LOG_TARGET "router"
#include "router/link/socket.h"
#include "router/link/tcp_priv.h"

/* --- shared ------------------------------------------------------------------------------- */

void tcp_release(struct tcp *t)
{
    if (--t->pending == 0 && t->freed)
        free(t);
}

/* --- listener ----------------------------------------------------------------------------- */

static void on_listener(uv_poll_t *h, int status, int events);

static void on_pause_over(uv_timer_t *h)
{
    struct tcp *t = h->data;
    (void)uv_poll_start(&t->listener, UV_READABLE, on_listener); /* not closing: works */
}

static void listener_rest(struct tcp *t, int error)
{
    t->stats.accept_pauses++;
    log_remote(LOG_LEVEL_WARN, &t->log_budget, usec_now(), "accepting connections pauses",
               "why=\"%s\" ms=%d", socket_why(error), TCP_ACCEPT_PAUSE_MS);
    (void)uv_poll_stop(&t->listener);
    (void)uv_timer_start(&t->pause, on_pause_over, TCP_ACCEPT_PAUSE_MS, 0);
}

/* Takes fd always. */
static void accepted(struct tcp *t, int fd)
{
    struct tcp_link *tl = tcp_link_new(t);
    if (!tl || uv_tcp_init(t->c.loop, &tl->stream) < 0) {
        if (tl)
            tcp_link_discard(tl);
        (void)close(fd);
        return;
    }
    t->pending++;
    int rc = uv_tcp_open(&tl->stream, fd);
    if (rc < 0) {
        (void)close(fd);
        link_close(&tl->base);
        return;
    }
    if (tcp_link_connected(tl) < 0) { /* reset already */
        link_close(&tl->base);
        return;
    }
    t->stats.accepted++;
    if (t->c.network)
        tcp_tls_begin(tl, true);
    else
        tcp_link_ready(tl);
}

void tcp_accepted(struct tcp_link *tl)
{
    struct tcp *t = tl->t;
    struct endpoint from =
        endpoint_of(t->c.network ? PROTO_TLS : PROTO_TCP, link_remote(&tl->base));
    t->c.accepted(t->c.ctx, &tl->base, &from);
    tcp_link_read(tl);
}

static void on_listener(uv_poll_t *h, int status, int events)
{
    struct tcp *t = h->data;
    (void)status; /* accept4() tells */
    (void)events;
    for (unsigned i = 0; i < TCP_ACCEPT_BATCH && !t->freed; i++) {
        int fd = accept4(t->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            accepted(t, fd);
            continue;
        }
        if (errno == EAGAIN)
            return;
        t->stats.accept_errors++;
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            listener_rest(t, errno);
            return;
        }
        /* Else the fault of one connection, such as ECONNABORTED: on to the next. */
    }
}

/* A bound and listening socket, or -1 with errno. */
static int listen_on(const struct tcp *t, const struct sockaddr *a, socklen_t len)
{
    int one = 1, zero = 0, rc;
    int fd = socket(a->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    rc = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (rc == 0 && a->sa_family == AF_INET6)
        rc = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
    if (rc == 0)
        rc = socket_mark(fd, t->c.firewall_mark);
    if (rc == 0)
        rc = bind(fd, a, len);
    if (rc == 0)
        rc = listen(fd, TCP_BACKLOG);
    return rc == 0 ? fd : socket_give_up(fd);
}

static int listen_dual(const struct tcp *t)
{
    struct sockaddr_in6 any6 = {.sin6_family = AF_INET6, .sin6_port = htons(t->c.listen_port)};
    struct sockaddr_in any4 = {.sin_family = AF_INET, .sin_port = htons(t->c.listen_port)};
    int fd = listen_on(t, (struct sockaddr *)&any6, sizeof(any6));
    if (fd < 0 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL))
        fd = listen_on(t, (struct sockaddr *)&any4, sizeof(any4));
    return fd;
}

static int listener_start(struct tcp *t)
{
    t->listen_fd = listen_dual(t);
    if (t->listen_fd < 0 || socket_port(t->listen_fd, &t->port) < 0)
        return ERR_IO;
    int rc = uv_poll_init(t->c.loop, &t->listener, t->listen_fd);
    if (rc < 0) {
        errno = -rc;
        return ERR_IO;
    }
    t->pending++;
    t->listener.data = t;
    (void)uv_poll_start(&t->listener, UV_READABLE, on_listener); /* just made: works */
    return OK;
}

/* --- life --------------------------------------------------------------------------------- */

static void on_handle_closed(uv_handle_t *h)
{
    tcp_release(h->data);
}

int tcp_new(const struct tcp_conf *c, struct tcp **ret)
{
    int rc = ERR_NOMEM;
    struct tcp *t = calloc(1, sizeof(*t));
    if (!t)
        return ERR_NOMEM;
    t->c = *c;
    t->listen_fd = -1;
    t->log_budget = (struct log_budget)LOG_BUDGET_INIT;
    list_init(&t->links);
    list_init(&t->shakes);
    dialler_init(&t->dialler, &tcp_dialler_ops, c->loop, PROTO_TCP);
    list_init(&t->later_links);
    if (!c->dial_only) {
        rc = listener_start(t);
        if (rc < 0) {
            int keep = errno;
            if (t->listen_fd >= 0)
                (void)close(t->listen_fd);
            free(t);
            errno = keep;
            return rc;
        }
    }
    (void)uv_timer_init(c->loop, &t->pause); /* all of them always 0 */
    (void)uv_timer_init(c->loop, &t->shaking);
    (void)uv_idle_init(c->loop, &t->later);
    t->pause.data = t->shaking.data = t->later.data = t;
    t->pending += 3;
    *ret = t;
    return OK;
}

uint16_t tcp_port(const struct tcp *t)
{
    return t->port;
}

void tcp_free(struct tcp *t)
{
    if (!t)
        return;
    t->freed = true;
    dialler_cancel_all(&t->dialler);
    list_foreach (n, &t->links)
        link_close(
            &list_entry(n, struct tcp_link, in_links)->base); /* leaves the list when freed */
    if (t->listen_fd >= 0) {
        uv_close((uv_handle_t *)&t->listener, on_handle_closed);
        (void)close(t->listen_fd);
        t->listen_fd = -1;
    }
    uv_close((uv_handle_t *)&t->pause, on_handle_closed);
    uv_close((uv_handle_t *)&t->shaking, on_handle_closed);
    uv_close((uv_handle_t *)&t->later, on_handle_closed);
}

struct tcp_stats tcp_stats(const struct tcp *t)
{
    struct tcp_stats s = t->stats;
    s.dials = t->dialler.count;
    s.dials_failed = t->dialler.failed;
    s.dialling = t->dialler.dialling;
    return s;
}
