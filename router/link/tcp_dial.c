#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/err.h"

#define LOG_TARGET "router"
#include "router/link/tcp_priv.h"

/* Theory of operation
 *
 * A dial has a list of addresses: the one of a numeric endpoint, or what the resolver found, the
 * two families alternating (RFC 8305, section 4). It starts an attempt at the first, and one more
 * whenever an attempt fails or TCP_DIAL_STAGGER_MS have passed; the first that connects becomes the
 * link, the others are closed. One timer serves both the next attempt and the end.
 *
 * dial_end() is the only way out. The memory goes when the timer is closed and the lookup, which
 * cannot always be stopped, has come back; attempts live on their own. */

struct dial {
    struct list in_tcp;
    struct tcp *t;
    uint64_t id;
    uv_timer_t timer;
    uv_getaddrinfo_t lookup;
    bool looking, ended;
    unsigned pins;                 /* timer, lookup */
    uint64_t deadline_ms, next_ms; /* on the clock of the loop */
    struct sockaddr_storage addr[TCP_DIAL_ADDRESSES_MAX];
    unsigned count, next;
    struct list attempts;
    const char *why; /* the last failure */
};

static void on_timer(uv_timer_t *timer);

static void unpin(struct dial *d)
{
    struct tcp *t = d->t;
    if (--d->pins == 0)
        free(d);
    tcp_release(t);
}

static void on_timer_closed(uv_handle_t *h)
{
    unpin(container_of((uv_timer_t *)h, struct dial, timer));
}

/* Everything but the event. */
static void dial_stop(struct dial *d)
{
    d->ended = true;
    list_del(&d->in_tcp);
    d->t->stats.dialling--;
    if (d->looking)
        (void)uv_cancel((uv_req_t *)&d->lookup); /* when it runs already, it comes back by itself */
    while (!list_empty(&d->attempts)) {
        struct tcp_link *tl = list_first(&d->attempts, struct tcp_link, in_group);
        list_del(&tl->in_group);
        tl->dial = NULL;
        link_close(&tl->base);
    }
    uv_close((uv_handle_t *)&d->timer, on_timer_closed);
}

/* tl: the open link, no longer among the attempts; NULL: it failed. */
static void dial_end(struct dial *d, struct tcp_link *tl, const char *why)
{
    struct tcp *t = d->t;
    uint64_t id = d->id;
    dial_stop(d);
    if (!tl)
        t->stats.dials_failed++;
    t->c.dialled(t->c.ctx, id, tl ? &tl->base : NULL, tl ? NULL : why);
    if (tl)
        tcp_link_read(tl);
}

static void dial_step(struct dial *d);

static void on_connected(uv_connect_t *req, int status)
{
    struct tcp_link *tl = container_of(req, struct tcp_link, connect);
    struct dial *d = tl->dial;
    if (!d)
        return; /* closed meanwhile */
    list_del(&tl->in_group);
    tl->dial = NULL;
    if (status == 0)
        status = tcp_link_open(tl);
    if (status == 0) {
        dial_end(d, tl, NULL);
        return;
    }
    link_close(&tl->base);
    d->why = tcp_why(status);
    d->next_ms = uv_now(d->t->c.loop);
    dial_step(d);
}

/* 0: under way. */
static int attempt(struct dial *d, const struct sockaddr_storage *to)
{
    uv_os_fd_t fd;
    struct tcp *t = d->t;
    struct tcp_link *tl = tcp_link_new(t);
    if (!tl)
        return UV_ENOMEM;
    int rc =
        uv_tcp_init_ex(t->c.loop, &tl->stream, to->ss_family); /* with a socket, for the mark */
    if (rc < 0) {
        tcp_link_discard(tl);
        return rc;
    }
    t->pending++;
    rc = uv_fileno((uv_handle_t *)&tl->stream, &fd);
    if (rc == 0)
        rc = tcp_mark(t, fd);
    if (rc == 0)
        rc = uv_tcp_connect(&tl->connect, &tl->stream, (const struct sockaddr *)to, on_connected);
    if (rc < 0) {
        link_close(&tl->base);
        return rc;
    }
    tl->dial = d;
    list_push_back(&d->attempts, &tl->in_group);
    return 0;
}

/* Starts what is due, and arms the timer for what is next. */
static void dial_step(struct dial *d)
{
    uint64_t now = uv_now(d->t->c.loop);
    while (d->next < d->count && d->next_ms <= now) {
        int rc = attempt(d, &d->addr[d->next++]);
        if (rc < 0)
            d->why = tcp_why(rc);
        else
            d->next_ms = now + TCP_DIAL_STAGGER_MS;
    }
    if (!d->looking && d->next == d->count && list_empty(&d->attempts)) {
        dial_end(d, NULL, d->why);
        return;
    }
    uint64_t due = d->next < d->count ? MIN(d->deadline_ms, d->next_ms) : d->deadline_ms;
    (void)uv_timer_start(&d->timer, on_timer, due > now ? due - now : 0,
                         0); /* not closing: works */
}

static void on_timer(uv_timer_t *timer)
{
    struct dial *d = container_of(timer, struct dial, timer);
    if (uv_now(d->t->c.loop) >= d->deadline_ms)
        dial_end(d, NULL, "timed out");
    else
        dial_step(d);
}

unsigned tcp_dial_order(const struct addrinfo *found, uint16_t port, struct sockaddr_storage *ret,
                        unsigned max)
{
    const struct addrinfo *at[2] = {found, found};
    int family[2];
    unsigned count = 0;
    family[0] = found && found->ai_family == AF_INET ? AF_INET : AF_INET6;
    family[1] = family[0] == AF_INET ? AF_INET6 : AF_INET;
    for (unsigned side = 0; count < max && (at[0] || at[1]); side ^= 1) {
        while (at[side] && at[side]->ai_family != family[side])
            at[side] = at[side]->ai_next;
        if (!at[side])
            continue;
        struct sockaddr_storage *to = &ret[count++];
        memset(to, 0, sizeof(*to));
        if (family[side] == AF_INET) {
            struct sockaddr_in sin;
            memcpy(&sin, at[side]->ai_addr, sizeof(sin));
            sin.sin_port = htons(port);
            memcpy(to, &sin, sizeof(sin));
        } else {
            struct sockaddr_in6 sin6;
            memcpy(&sin6, at[side]->ai_addr, sizeof(sin6));
            sin6.sin6_port = htons(port);
            memcpy(to, &sin6, sizeof(sin6));
        }
        at[side] = at[side]->ai_next;
    }
    return count;
}

static void on_looked_up(uv_getaddrinfo_t *req, int status, struct addrinfo *found)
{
    struct dial *d = container_of(req, struct dial, lookup);
    uint16_t port = (uint16_t)(uintptr_t)req->data;
    d->looking = false;
    if (!d->ended) {
        if (status == 0)
            d->count = tcp_dial_order(found, port, d->addr, TCP_DIAL_ADDRESSES_MAX);
        d->why = status == 0 || status == UV_EAI_NONAME ? "host not found" : "name lookup failed";
        d->next_ms = uv_now(d->t->c.loop);
        dial_step(d);
    }
    uv_freeaddrinfo(found); /* NULL is fine */
    unpin(d);
}

static int look_up(struct dial *d, const struct endpoint *e)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    d->lookup.data = (void *)(uintptr_t)e->port;
    int rc = uv_getaddrinfo(d->t->c.loop, &d->lookup, on_looked_up, e->host, NULL, &hints);
    if (rc < 0)
        return rc == UV_ENOMEM ? ERR_NOMEM : ERR_IO;
    d->looking = true;
    d->pins++;
    d->t->pending++;
    return OK;
}

static int dial_new(struct tcp *t, uint64_t id, unsigned timeout_ms, struct dial **ret)
{
    if (t->stats.dialling >= TCP_DIALS_MAX)
        return ERR_LIMIT;
    struct dial *d = calloc(1, sizeof(*d));
    if (!d)
        return ERR_NOMEM;
    d->t = t;
    d->id = id;
    d->why = "no address";
    list_init(&d->attempts);
    (void)uv_timer_init(t->c.loop, &d->timer); /* always 0 */
    d->pins = 1;
    t->pending++;
    list_push_back(&t->dials, &d->in_tcp);
    t->stats.dials++;
    t->stats.dialling++;
    uv_update_time(t->c.loop); /* the loop's clock is that of its last wake-up */
    d->next_ms = uv_now(t->c.loop);
    d->deadline_ms = d->next_ms + timeout_ms;
    *ret = d;
    return OK;
}

int tcp_dial_list(struct tcp *t, uint64_t dial, const struct sockaddr_storage *to, unsigned count,
                  unsigned timeout_ms)
{
    struct dial *d;
    int rc = dial_new(t, dial, timeout_ms, &d);
    if (rc < 0)
        return rc;
    d->count = MIN(count, (unsigned)TCP_DIAL_ADDRESSES_MAX);
    memcpy(d->addr, to, d->count * sizeof(*to));
    /* By the timer, so that no failure comes back inside the call. */
    (void)uv_timer_start(&d->timer, on_timer, 0, 0);
    return OK;
}

int tcp_dial(struct tcp *t, uint64_t dial, const struct endpoint *e, unsigned timeout_ms)
{
    struct dial *d;
    if (e->proto != PROTO_TCP || (!e->host[0] && e->addr.ss_family == AF_UNSPEC))
        return ERR_UNSUPPORTED;
    if (!e->host[0])
        return tcp_dial_list(t, dial, &e->addr, 1, timeout_ms);
    int rc = dial_new(t, dial, timeout_ms, &d);
    if (rc < 0)
        return rc;
    rc = look_up(d, e);
    if (rc < 0) {
        dial_stop(d);
        return rc;
    }
    (void)uv_timer_start(&d->timer, on_timer, timeout_ms, 0);
    return OK;
}

void tcp_dial_cancel(struct tcp *t, uint64_t dial)
{
    list_foreach_safe (n, &t->dials) {
        struct dial *d = list_entry(n, struct dial, in_tcp);
        if (d->id == dial)
            dial_stop(d);
    }
}

void tcp_dials_cancel(struct tcp *t)
{
    list_foreach_safe (n, &t->dials)
        dial_stop(list_entry(n, struct dial, in_tcp));
}
