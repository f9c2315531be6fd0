#include "router/link/dial.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/err.h"

/* Theory of operation
 *
 * A dial has a list of addresses: the one of a numeric endpoint, or what the resolver found, the
 * two families alternating (RFC 8305, section 4). It starts an attempt at the first, and one more
 * whenever an attempt fails or DIAL_STAGGER_MS have passed; the first that connects becomes the
 * link, the others are closed. One timer serves both the next attempt and the end.
 *
 * dial_end() is the only way out. The memory goes when the timer is closed and the lookup, which
 * cannot always be stopped, has come back; attempts live on their own. */

struct dial {
    struct list in_dialler;
    struct dialler *d;
    uint64_t id;
    uv_timer_t timer;
    uv_getaddrinfo_t lookup;
    bool looking, ended;
    unsigned pins;                 /* timer, lookup */
    uint64_t deadline_ms, next_ms; /* on the clock of the loop */
    struct sockaddr_storage addr[DIAL_ADDRESSES_MAX];
    unsigned count, next;
    struct list attempts;
    const char *why; /* the last failure */
};

static void on_timer(uv_timer_t *timer);

static void unpin(struct dial *dl)
{
    struct dialler *d = dl->d;
    if (--dl->pins == 0)
        free(dl);
    d->ops->release(d);
}

static void on_timer_closed(uv_handle_t *h)
{
    unpin(container_of((uv_timer_t *)h, struct dial, timer));
}

static void leave(struct attempt *a)
{
    list_del(&a->in_dial);
    a->dial = NULL;
}

/* Everything but the event. */
static void dial_stop(struct dial *dl)
{
    dl->ended = true;
    list_del(&dl->in_dialler);
    dl->d->dialling--;
    if (dl->looking)
        (void)uv_cancel(
            (uv_req_t *)&dl->lookup); /* when it runs already, it comes back by itself */
    while (!list_empty(&dl->attempts)) {
        struct attempt *a = list_first(&dl->attempts, struct attempt, in_dial);
        leave(a);
        dl->d->ops->stop(a);
    }
    uv_close((uv_handle_t *)&dl->timer, on_timer_closed);
}

/* won: no longer among the attempts; NULL: it failed. */
static void dial_end(struct dial *dl, struct attempt *won, const char *why)
{
    struct dialler *d = dl->d;
    uint64_t id = dl->id;
    dial_stop(dl);
    if (!won)
        d->failed++;
    d->ops->ended(d, id, won, won ? NULL : why);
}

/* Starts what is due, and arms the timer for what is next. */
static void dial_step(struct dial *dl)
{
    uint64_t now = uv_now(dl->d->loop);
    while (dl->next < dl->count && dl->next_ms <= now) {
        struct attempt *a = dl->d->ops->start(dl->d, &dl->addr[dl->next++], &dl->why);
        if (!a)
            continue;
        a->dial = dl;
        list_push_back(&dl->attempts, &a->in_dial);
        dl->next_ms = now + DIAL_STAGGER_MS;
    }
    if (!dl->looking && dl->next == dl->count && list_empty(&dl->attempts)) {
        dial_end(dl, NULL, dl->why);
        return;
    }
    uint64_t due = dl->next < dl->count ? MIN(dl->deadline_ms, dl->next_ms) : dl->deadline_ms;
    (void)uv_timer_start(&dl->timer, on_timer, due > now ? due - now : 0,
                         0); /* not closing: works */
}

static void on_timer(uv_timer_t *timer)
{
    struct dial *dl = container_of(timer, struct dial, timer);
    if (uv_now(dl->d->loop) >= dl->deadline_ms)
        dial_end(dl, NULL, "timed out");
    else
        dial_step(dl);
}

void attempt_opened(struct attempt *a)
{
    struct dial *dl = a->dial;
    leave(a);
    dial_end(dl, a, NULL);
}

void attempt_failed(struct attempt *a, const char *why)
{
    struct dial *dl = a->dial;
    leave(a);
    dl->why = why;
    dl->next_ms = uv_now(dl->d->loop);
    dial_step(dl);
}

unsigned dial_order(const struct addrinfo *found, uint16_t port, struct sockaddr_storage *ret,
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
    struct dial *dl = container_of(req, struct dial, lookup);
    uint16_t port = (uint16_t)(uintptr_t)req->data;
    dl->looking = false;
    if (!dl->ended) {
        if (status == 0)
            dl->count = dial_order(found, port, dl->addr, DIAL_ADDRESSES_MAX);
        dl->why = status == 0 || status == UV_EAI_NONAME ? "host not found" : "name lookup failed";
        dl->next_ms = uv_now(dl->d->loop);
        dial_step(dl);
    }
    uv_freeaddrinfo(found); /* NULL is fine */
    unpin(dl);
}

static int look_up(struct dial *dl, const struct endpoint *e)
{
    /* One entry for each address, whatever the transport. */
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    dl->lookup.data = (void *)(uintptr_t)e->port;
    int rc = uv_getaddrinfo(dl->d->loop, &dl->lookup, on_looked_up, e->host, NULL, &hints);
    if (rc < 0)
        return rc == UV_ENOMEM ? ERR_NOMEM : ERR_IO;
    dl->looking = true;
    dl->pins++;
    dl->d->ops->hold(dl->d);
    return OK;
}

void dialler_init(struct dialler *d, const struct dialler_ops *ops, struct uv_loop_s *loop,
                  enum endpoint_proto proto)
{
    *d = (struct dialler){.ops = ops, .loop = loop, .proto = proto};
    list_init(&d->dials);
}

static int dial_new(struct dialler *d, uint64_t id, unsigned timeout_ms, struct dial **ret)
{
    if (d->dialling >= DIALS_MAX)
        return ERR_LIMIT;
    struct dial *dl = calloc(1, sizeof(*dl));
    if (!dl)
        return ERR_NOMEM;
    dl->d = d;
    dl->id = id;
    dl->why = "no address";
    list_init(&dl->attempts);
    (void)uv_timer_init(d->loop, &dl->timer); /* always 0 */
    dl->pins = 1;
    d->ops->hold(d);
    list_push_back(&d->dials, &dl->in_dialler);
    d->count++;
    d->dialling++;
    uv_update_time(d->loop); /* the loop's clock is that of its last wake-up */
    dl->next_ms = uv_now(d->loop);
    dl->deadline_ms = dl->next_ms + timeout_ms;
    *ret = dl;
    return OK;
}

int dialler_dial_list(struct dialler *d, uint64_t dial, const struct sockaddr_storage *to,
                      unsigned count, unsigned timeout_ms)
{
    struct dial *dl;
    int rc = dial_new(d, dial, timeout_ms, &dl);
    if (rc < 0)
        return rc;
    dl->count = MIN(count, (unsigned)DIAL_ADDRESSES_MAX);
    memcpy(dl->addr, to, dl->count * sizeof(*to));
    /* By the timer, so that no failure comes back inside the call. */
    (void)uv_timer_start(&dl->timer, on_timer, 0, 0);
    return OK;
}

int dialler_dial(struct dialler *d, uint64_t dial, const struct endpoint *e, unsigned timeout_ms)
{
    struct dial *dl;
    if (e->proto != d->proto || (!e->host[0] && e->addr.ss_family == AF_UNSPEC))
        return ERR_UNSUPPORTED;
    if (!e->host[0])
        return dialler_dial_list(d, dial, &e->addr, 1, timeout_ms);
    int rc = dial_new(d, dial, timeout_ms, &dl);
    if (rc < 0)
        return rc;
    rc = look_up(dl, e);
    if (rc < 0) {
        dial_stop(dl);
        return rc;
    }
    (void)uv_timer_start(&dl->timer, on_timer, timeout_ms, 0);
    return OK;
}

void dialler_cancel(struct dialler *d, uint64_t dial)
{
    list_foreach_safe (n, &d->dials) {
        struct dial *dl = list_entry(n, struct dial, in_dialler);
        if (dl->id == dial)
            dial_stop(dl);
    }
}

void dialler_cancel_all(struct dialler *d)
{
    list_foreach_safe (n, &d->dials)
        dial_stop(list_entry(n, struct dial, in_dialler));
}
