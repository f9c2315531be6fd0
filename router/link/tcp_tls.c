/* The connections of a private network: a session between the stream and the link.
 *
 * A link is LINK_NEW until its handshake is done, and nobody knows of it before. Sealed bytes leave
 * at once as far as the kernel takes them; the rest is with the loop, and nothing more is sealed as
 * long as it is there, so that control packets overtake all but what one write takes. */
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/err.h"

#define LOG_TARGET "router"
#include "router/link/socket.h"
#include "router/link/tcp_priv.h"

#define LOOK_EVERY_MS 1000

/* --- handshakes --------------------------------------------------------------------------- */

void tcp_tls_failed(struct tcp_link *tl, const char *why)
{
    struct tcp *t = tl->t;
    if (tl->base.state != LINK_NEW) {
        link_fail(&tl->base, why);
        return;
    }
    link_close(&tl->base); /* lives until its handle is closed */
    if (tl->attempt.dial) {
        log_remote(LOG_LEVEL_WARN, &t->log_budget, usec_now(), "handshake failed",
                   "link=\"%s\" why=\"%s\"", tl->base.name, why);
        attempt_failed(&tl->attempt, why);
        return;
    }
    t->stats.handshakes_failed++;
    log_remote(LOG_LEVEL_WARN, &t->log_budget, usec_now(), "connection refused",
               "link=\"%s\" why=\"%s\"", tl->base.name, why);
}

void tcp_tls_stop(struct tcp_link *tl)
{
    if (!list_linked(&tl->in_shakes))
        return;
    list_del(&tl->in_shakes);
    tl->t->stats.handshaking--;
}

static void on_shaking(uv_timer_t *h)
{
    struct tcp *t = h->data;
    struct tcp_link *tl;
    while ((tl = list_first(&t->shakes, struct tcp_link, in_shakes)) &&
           tl->shake_by <= uv_now(t->c.loop))
        tcp_tls_failed(tl, "no handshake in time");
    if (!tl)
        (void)uv_timer_stop(h);
}

static void wait_for_handshake(struct tcp_link *tl)
{
    struct tcp *t = tl->t;
    struct tcp_link *oldest = list_first(&t->shakes, struct tcp_link, in_shakes);
    if (oldest && t->stats.handshaking >= TCP_HANDSHAKES_MAX)
        tcp_tls_failed(oldest, "too many handshakes under way");
    t->stats.handshaking++;
    tl->shake_by = uv_now(t->c.loop) + TCP_HANDSHAKE_MS;
    list_push_back(&t->shakes, &tl->in_shakes);
    if (!uv_is_active((uv_handle_t *)&t->shaking)) /* not closing: works */
        (void)uv_timer_start(&t->shaking, on_shaking, LOOK_EVERY_MS, LOOK_EVERY_MS);
}

/* --- sending ------------------------------------------------------------------------------ */

static void send_sealed(struct tcp_link *tl);

static void on_sealed_written(uv_write_t *req, int status)
{
    struct tcp_link *tl = container_of(req, struct tcp_link, write);
    free(tl->sealed);
    tl->sealed = NULL;
    if (tl->base.state != LINK_OPEN && tl->base.state != LINK_NEW)
        return;
    if (status < 0)
        tcp_tls_failed(tl, socket_why(status));
    else if (tl->base.state == LINK_NEW)
        send_sealed(tl);
    else
        link_flush(&tl->base);
}

/* What the session has to say. */
static void send_sealed(struct tcp_link *tl)
{
    size_t len, sent = 0;
    uint8_t *bytes = tl->sealed ? NULL : tls_out_take(tl->tls, &len);
    if (!bytes)
        return;
    uv_buf_t buf = {.base = (char *)bytes, .len = len};
    int rc = uv_try_write((uv_stream_t *)&tl->stream, &buf, 1);
    if (rc > 0)
        sent = (size_t)rc;
    if (rc == UV_EAGAIN || (rc >= 0 && sent < len)) {
        buf = (uv_buf_t){.base = (char *)bytes + sent, .len = len - sent};
        rc = uv_write(&tl->write, (uv_stream_t *)&tl->stream, &buf, 1, on_sealed_written);
        tl->sealed = rc == 0 ? bytes : NULL;
    }
    if (!tl->sealed)
        free(bytes);
    if (rc < 0)
        tcp_tls_failed(tl, socket_why(rc));
}

/* The next packets, in one record. Their number of bytes; 0: the session is over. */
static size_t seal(struct tcp_link *tl)
{
    struct iovec v[TCP_IOVECS];
    uint8_t *buf = tl->t->plain_buf;
    size_t len = 0;
    unsigned n = link_gather(&tl->base, v, TCP_IOVECS, TLS_RECORD);
    for (unsigned i = 0; i < n && len < TLS_RECORD; i++) {
        size_t part = MIN(v[i].iov_len, TLS_RECORD - len);
        memcpy(buf + len, v[i].iov_base, part);
        len += part;
    }
    int rc = tls_write(tl->tls, buf, len);
    if (rc != OK) {
        link_fail(&tl->base, rc == ERR_NOMEM ? "out of memory" : "TLS failed");
        return 0;
    }
    link_sent(&tl->base, len);
    return len;
}

void tcp_tls_flush(struct link *l)
{
    struct tcp_link *tl = container_of(l, struct tcp_link, base);
    size_t budget = TCP_WRITE_BUDGET;
    while (l->state == LINK_OPEN && !tl->sealed && budget > 0 &&
           (l->queued_bytes > 0 || tls_out_len(tl->tls) > 0)) {
        size_t n = 1;
        while (n > 0 && budget > 0 && l->queued_bytes > 0 &&
               tls_out_len(tl->tls) + (size_t)2 * TLS_RECORD <= TLS_OUT_MAX) {
            n = seal(tl);
            budget -= MIN(n, budget);
        }
        if (l->state == LINK_OPEN)
            send_sealed(tl);
    }
    bool unfinished = l->queued_bytes > 0 && !tl->sealed;
    if (l->state == LINK_OPEN && (unfinished || link_drained_due(l)))
        tcp_link_later(tl);
}

/* --- receiving ---------------------------------------------------------------------------- */

static void handshake(struct tcp_link *tl)
{
    const char *why = NULL;
    enum tls_step s = tls_handshake(tl->tls, &why);
    send_sealed(tl);
    if (tl->base.state != LINK_NEW || s == TLS_MORE)
        return;
    if (s == TLS_END) {
        tcp_tls_failed(tl, why);
        return;
    }
    tcp_tls_stop(tl);
    tcp_link_ready(tl);
}

void tcp_tls_input(struct tcp_link *tl, const uint8_t *bytes, size_t len)
{
    enum tls_step s = TLS_OK;
    tls_input(tl->tls, bytes, len);
    if (tl->base.state == LINK_NEW)
        handshake(tl);
    while (tl->base.state == LINK_OPEN && s == TLS_OK) {
        const char *why = NULL;
        size_t n = 0;
        s = tls_read(tl->tls, tl->t->plain_buf, sizeof(tl->t->plain_buf), &n, &why);
        if (s == TLS_OK)
            link_input(&tl->base, tl->t->plain_buf, n);
        else if (s == TLS_END)
            link_fail(&tl->base, why);
    }
    if (tl->base.state == LINK_OPEN)
        send_sealed(tl); /* answers of the session itself */
}

void tcp_tls_begin(struct tcp_link *tl, bool server)
{
    if (tls_new(tl->t->c.network, server, &tl->tls) != OK) {
        tcp_tls_failed(tl, "out of memory");
        return;
    }
    if (server)
        wait_for_handshake(tl);
    tcp_link_read(tl);
    if (tl->base.state == LINK_NEW)
        handshake(tl);
}
