#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/err.h"

#define LOG_TARGET "router"
#include "router/link/socket.h"
#include "router/link/tcp_priv.h"

static struct tcp *tcp_of(struct dialler *d)
{
    return container_of(d, struct tcp, dialler);
}

static void on_connected(uv_connect_t *req, int status)
{
    struct tcp_link *tl = container_of(req, struct tcp_link, connect);
    if (!tl->attempt.dial)
        return; /* closed meanwhile */
    if (status == 0)
        status = tcp_link_connected(tl);
    if (status == 0) {
        if (tl->t->c.network)
            tcp_tls_begin(tl, false);
        else
            tcp_link_ready(tl);
        return;
    }
    link_close(&tl->base); /* lives until its handle is closed */
    attempt_failed(&tl->attempt, socket_why(status));
}

static struct attempt *attempt_start(struct dialler *d, const struct sockaddr_storage *to,
                                     const char **ret_why)
{
    uv_os_fd_t fd;
    struct tcp *t = tcp_of(d);
    struct tcp_link *tl = tcp_link_new(t);
    if (!tl) {
        *ret_why = socket_why(UV_ENOMEM);
        return NULL;
    }
    int rc =
        uv_tcp_init_ex(t->c.loop, &tl->stream, to->ss_family); /* with a socket, for the mark */
    if (rc < 0) {
        tcp_link_discard(tl);
        *ret_why = socket_why(rc);
        return NULL;
    }
    t->pending++;
    rc = uv_fileno((uv_handle_t *)&tl->stream, &fd);
    if (rc == 0)
        rc = socket_mark(fd, t->c.firewall_mark) < 0 ? -errno : 0;
    if (rc == 0)
        rc = uv_tcp_connect(&tl->connect, &tl->stream, (const struct sockaddr *)to, on_connected);
    if (rc < 0) {
        link_close(&tl->base);
        *ret_why = socket_why(rc);
        return NULL;
    }
    return &tl->attempt;
}

static void attempt_stop(struct attempt *a)
{
    link_close(&container_of(a, struct tcp_link, attempt)->base);
}

static void dial_ended(struct dialler *d, uint64_t dial, struct attempt *won, const char *why)
{
    struct tcp *t = tcp_of(d);
    struct tcp_link *tl = won ? container_of(won, struct tcp_link, attempt) : NULL;
    t->c.dialled(t->c.ctx, dial, tl ? &tl->base : NULL, why);
    if (tl)
        tcp_link_read(tl);
}

static void hold(struct dialler *d)
{
    tcp_of(d)->pending++;
}

static void release(struct dialler *d)
{
    tcp_release(tcp_of(d));
}

const struct dialler_ops tcp_dialler_ops = {
    .start = attempt_start,
    .stop = attempt_stop,
    .ended = dial_ended,
    .hold = hold,
    .release = release,
};

int tcp_dial(struct tcp *t, uint64_t dial, const struct endpoint *e, unsigned timeout_ms)
{
    struct endpoint tcp = *e;
    if (e->proto == PROTO_TLS && t->c.network) /* as tcp is there */
        tcp.proto = PROTO_TCP;
    return dialler_dial(&t->dialler, dial, &tcp, timeout_ms);
}

void tcp_dial_cancel(struct tcp *t, uint64_t dial)
{
    dialler_cancel(&t->dialler, dial);
}
