#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/err.h"

#define LOG_TARGET "router"
#include "router/link/socket.h"
#include "router/link/tcp_priv.h"

/* Unsent bytes that the kernel takes for one connection: what it holds, no control packet can
 * overtake any more. */
#define TCP_UNSENT_BYTES (128 * 1024)

#define COST_IPV6 10
#define COST_IPV4 15

/* --- writing ------------------------------------------------------------------------------ */

static void on_later(uv_idle_t *h)
{
    struct tcp *t = h->data;
    struct list turn;
    list_init(&turn);
    (void)uv_idle_stop(h); /* always 0 */
    while (!list_empty(&t->later_links)) {
        struct list *n = t->later_links.next;
        list_del(n);
        list_push_back(&turn, n);
    }
    while (!list_empty(&turn)) { /* a callback may close any link, which takes it out of here */
        struct tcp_link *tl = list_first(&turn, struct tcp_link, in_later);
        list_del(&tl->in_later);
        link_tell_drained(&tl->base);
        link_flush(&tl->base);
    }
}

void tcp_link_later(struct tcp_link *tl)
{
    if (list_linked(&tl->in_later))
        return;
    list_push_back(&tl->t->later_links, &tl->in_later);
    (void)uv_idle_start(&tl->t->later, on_later); /* fails only without a callback */
}

static void on_written(uv_write_t *req, int status)
{
    struct tcp_link *tl = container_of(req, struct tcp_link, write);
    size_t n = tl->writing_bytes;
    tl->writing_bytes = 0;
    if (tl->base.state != LINK_OPEN)
        return;
    if (status < 0) {
        link_fail(&tl->base, socket_why(status));
        return;
    }
    link_sent(&tl->base, n);
    link_flush(&tl->base);
}

/* The kernel takes nothing more for the moment. One packet is handed to the loop, to learn when
 * that changes; all others stay where control packets can pass them. */
static void write_when_possible(struct tcp_link *tl)
{
    struct iovec v = link_pin(&tl->base);
    uv_buf_t buf = {.base = v.iov_base, .len = v.iov_len};
    int rc = uv_write(&tl->write, (uv_stream_t *)&tl->stream, &buf, 1, on_written);
    if (rc < 0)
        link_fail(&tl->base, socket_why(rc));
    else
        tl->writing_bytes = v.iov_len;
}

static void tcp_link_flush(struct link *l)
{
    struct tcp_link *tl = container_of(l, struct tcp_link, base);
    size_t budget = TCP_WRITE_BUDGET;
    while (l->state == LINK_OPEN && tl->writing_bytes == 0 && l->queued_bytes > 0 && budget > 0) {
        struct iovec v[TCP_IOVECS];
        uv_buf_t bufs[TCP_IOVECS];
        size_t bytes = 0;
        unsigned n = link_gather(l, v, TCP_IOVECS, budget);
        for (unsigned i = 0; i < n; i++) {
            bufs[i] = (uv_buf_t){.base = v[i].iov_base, .len = v[i].iov_len};
            bytes += v[i].iov_len;
        }
        int rc = uv_try_write((uv_stream_t *)&tl->stream, bufs, n);
        if (rc < 0 && rc != UV_EAGAIN) {
            link_fail(l, socket_why(rc));
            return;
        }
        size_t sent = rc > 0 ? (size_t)rc : 0;
        link_sent(l, sent);
        budget -= MIN(sent, budget);
        if (sent < bytes)
            write_when_possible(tl);
    }
    bool unfinished = l->queued_bytes > 0 && tl->writing_bytes == 0;
    if (l->state == LINK_OPEN && (unfinished || link_drained_due(l)))
        tcp_link_later(tl);
}

/* --- reading ------------------------------------------------------------------------------ */

/* An empty buffer ends this wake-up; the loop comes back to the socket in its next turn. */
static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    struct tcp_link *tl = container_of((uv_tcp_t *)h, struct tcp_link, stream);
    (void)suggested;
    buf->base = (char *)tl->t->read_buf;
    buf->len = MIN(tl->read_left, sizeof(tl->t->read_buf));
}

static void on_read(uv_stream_t *s, ssize_t nread, const uv_buf_t *buf)
{
    struct tcp_link *tl = container_of((uv_tcp_t *)s, struct tcp_link, stream);
    if (nread < 0 && nread != UV_ENOBUFS) {
        const char *why = nread == UV_EOF ? "closed by the peer" : socket_why((int)nread);
        if (tl->tls)
            tcp_tls_failed(tl, why);
        else
            link_fail(&tl->base, why);
        return;
    }
    if (nread == UV_ENOBUFS) { /* the budget is used up */
        tl->read_left = TCP_READ_BUDGET;
        return;
    }
    uint64_t packets = tl->base.rx_packets;
    bool wake_up_ends = (size_t)nread < buf->len;
    if (nread > 0 && tl->tls)
        tcp_tls_input(tl, (const uint8_t *)buf->base, (size_t)nread);
    else if (nread > 0)
        link_input(&tl->base, (const uint8_t *)buf->base, (size_t)nread);
    size_t cost = (size_t)nread + (size_t)(tl->base.rx_packets - packets) * TCP_READ_PACKET;
    tl->read_left = wake_up_ends ? TCP_READ_BUDGET : tl->read_left - MIN(cost, tl->read_left);
}

void tcp_link_read(struct tcp_link *tl)
{
    bool due = tl->base.state == LINK_OPEN || (tl->tls && tl->base.state == LINK_NEW);
    if (!due || tl->reading)
        return;
    tl->read_left = TCP_READ_BUDGET;
    int rc = uv_read_start((uv_stream_t *)&tl->stream, on_alloc, on_read);
    tl->reading = rc == 0;
    if (rc < 0 && tl->tls)
        tcp_tls_failed(tl, socket_why(rc));
    else if (rc < 0)
        link_fail(&tl->base, socket_why(rc));
}

/* --- life --------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *h)
{
    struct tcp_link *tl = container_of((uv_tcp_t *)h, struct tcp_link, stream);
    struct tcp *t = tl->t;
    list_del(&tl->in_links);
    link_gone(&tl->base);
    tls_free(tl->tls);
    free(tl);
    tcp_release(t);
}

static void tcp_link_close(struct link *l)
{
    struct tcp_link *tl = container_of(l, struct tcp_link, base);
    if (tl->opened)
        tl->t->stats.links--;
    list_del(&tl->in_later);
    tcp_tls_stop(tl);
    uv_close((uv_handle_t *)&tl->stream, on_closed);
}

struct tcp_link *tcp_link_new(struct tcp *t)
{
    static const struct link_ops plain = {.flush = tcp_link_flush, .close = tcp_link_close};
    static const struct link_ops secure = {.flush = tcp_tls_flush, .close = tcp_link_close};
    struct tcp_link *tl = calloc(1, sizeof(*tl));
    if (!tl)
        return NULL;
    link_init(&tl->base, t->c.network ? &secure : &plain, &t->c.events, t->c.ctx);
    tl->t = t;
    return tl;
}

void tcp_link_discard(struct tcp_link *tl)
{
    tl->base.state = LINK_CLOSED;
    link_gone(&tl->base);
    free(tl);
}

int tcp_link_connected(struct tcp_link *tl)
{
    struct link *l = &tl->base;
    struct sockaddr_storage local;
    char a[SOCKADDR_STR_MAX], b[SOCKADDR_STR_MAX];
    int len = sizeof(local), unsent = TCP_UNSENT_BYTES;
    uv_os_fd_t fd;

    int rc = uv_tcp_getsockname(&tl->stream, (struct sockaddr *)&local, &len);
    if (rc < 0)
        return rc;
    len = sizeof(l->remote);
    rc = uv_tcp_getpeername(&tl->stream, (struct sockaddr *)&l->remote, &len);
    if (rc < 0)
        return rc;
    (void)sockaddr_str((struct sockaddr *)&local, a, sizeof(a));
    (void)sockaddr_str((struct sockaddr *)&l->remote, b, sizeof(b));
    if (strcmp(a, b) == 0) /* a dial to a free local port can be given that port as its own */
        return UV_ECONNREFUSED;
    (void)snprintf(l->name, sizeof(l->name), "%s %s <-> %s", tl->t->c.network ? "TLS" : "TCP", a,
                   b);
    l->static_cost = socket_is_ipv4(&l->remote) ? COST_IPV4 : COST_IPV6;
    /* Neither option is needed to work: without them packets only wait longer. */
    (void)uv_tcp_nodelay(&tl->stream, 1);
    if (uv_fileno((uv_handle_t *)&tl->stream, &fd) == 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
    tl->opened = true;
    tl->t->stats.links++;
    list_push_back(&tl->t->links, &tl->in_links);
    return 0;
}

void tcp_link_ready(struct tcp_link *tl)
{
    link_open(&tl->base);
    if (tl->attempt.dial)
        attempt_opened(&tl->attempt);
    else
        tcp_accepted(tl);
}
