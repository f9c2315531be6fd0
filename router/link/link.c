#include "router/link/link.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"
#include "router/link/link_ops.h"

/* --- queue -------------------------------------------------------------------------------- */

static void queue_init(struct link_queue *q)
{
    q->head = NULL;
    q->tail = &q->head;
}

static void queue_push(struct link_queue *q, struct pkt *p)
{
    p->next = NULL;
    *q->tail = p;
    q->tail = &p->next;
}

static struct pkt *queue_pop(struct link_queue *q)
{
    struct pkt *p = q->head;
    if (!p)
        return NULL;
    q->head = p->next;
    if (!q->head)
        q->tail = &q->head;
    p->next = NULL;
    return p;
}

static unsigned gather_queue(const struct link_queue *q, struct iovec *v, unsigned max,
                             size_t max_bytes, size_t *bytes)
{
    unsigned n = 0;
    for (struct pkt *p = q->head; p && n < max && *bytes < max_bytes; p = p->next) {
        v[n++] = (struct iovec){.iov_base = p->data, .iov_len = p->len};
        *bytes += p->len;
    }
    return n;
}

unsigned link_gather(const struct link *l, struct iovec *v, unsigned max, size_t max_bytes)
{
    unsigned n = 0;
    size_t bytes = 0;
    if (l->pinned && max > 0) {
        bytes = l->pinned->len - l->pinned_at;
        v[n++] = (struct iovec){.iov_base = l->pinned->data + l->pinned_at, .iov_len = bytes};
    }
    n += gather_queue(&l->control, v + n, max - n, max_bytes, &bytes);
    n += gather_queue(&l->data, v + n, max - n, max_bytes, &bytes);
    return n;
}

struct iovec link_pin(struct link *l)
{
    if (!l->pinned) {
        l->pinned = queue_pop(l->control.head ? &l->control : &l->data);
        l->pinned_at = 0;
    }
    assert(l->pinned); /* nothing queued */
    return (struct iovec){.iov_base = l->pinned->data + l->pinned_at,
                          .iov_len = l->pinned->len - l->pinned_at};
}

void link_sent(struct link *l, size_t n)
{
    l->tx += n;
    while (n > 0) {
        size_t left = link_pin(l).iov_len;
        size_t take = MIN(n, left);
        l->pinned_at += take;
        l->queued_bytes -= take;
        n -= take;
        if (take < left)
            break;
        pkt_free(l->pinned);
        l->pinned = NULL;
    }
}

struct pkt *link_pop(struct link *l, bool control)
{
    struct pkt *p = queue_pop(control ? &l->control : &l->data);
    if (p)
        l->queued_bytes -= p->len;
    return p;
}

static void queue_clear(struct link *l)
{
    struct pkt *p;
    pkt_free(l->pinned);
    l->pinned = NULL;
    while ((p = queue_pop(&l->control)) != NULL)
        pkt_free(p);
    while ((p = queue_pop(&l->data)) != NULL)
        pkt_free(p);
    l->queued_bytes = 0;
}

bool link_drained_due(const struct link *l)
{
    return l->state == LINK_OPEN && l->over_soft && l->queued_bytes < LINK_QUEUE_SOFT / 2;
}

void link_tell_drained(struct link *l)
{
    if (!link_drained_due(l))
        return;
    l->over_soft = false;
    l->events->drained(l->events_ctx, l);
}

/* --- life --------------------------------------------------------------------------------- */

void link_init(struct link *l, const struct link_ops *ops, const struct link_events *events,
               void *ctx)
{
    memset(l, 0, sizeof(*l));
    l->ops = ops;
    l->events = events;
    l->events_ctx = ctx;
    l->state = LINK_NEW;
    l->remote.ss_family = AF_UNSPEC;
    queue_init(&l->control);
    queue_init(&l->data);
    framer_init(&l->framer);
}

void link_open(struct link *l)
{
    assert(l->state == LINK_NEW);
    l->state = LINK_OPEN;
}

void link_fail(struct link *l, const char *why)
{
    if (l->state != LINK_OPEN)
        return;
    l->state = LINK_BROKEN;
    l->why = why;
    l->ops->close(l);
}

void link_close(struct link *l)
{
    enum link_state was = l->state;
    l->state = LINK_CLOSED;
    if (was == LINK_NEW || was == LINK_OPEN)
        l->ops->close(l);
}

void link_gone(struct link *l)
{
    assert(l->state == LINK_BROKEN || l->state == LINK_CLOSED);
    if (l->state == LINK_BROKEN) {
        l->state = LINK_CLOSED; /* link_close() inside down() is harmless */
        l->events->down(l->events_ctx, l, l->why);
    }
    queue_clear(l);
    framer_fini(&l->framer);
}

/* --- receiving ---------------------------------------------------------------------------- */

void link_input(struct link *l, const uint8_t *bytes, size_t len)
{
    if (l->state != LINK_OPEN)
        return;
    l->rx += len;
    framer_push(&l->framer, bytes, len);
    while (l->state == LINK_OPEN) { /* the owner may close it at any packet */
        const uint8_t *frame;
        size_t frame_len;
        int rc = framer_next(&l->framer, &frame, &frame_len);
        if (rc < 0) {
            link_fail(l, rc == ERR_NOMEM ? "out of memory" : "malformed stream");
            return;
        }
        if (!frame)
            return;
        l->rx_packets++;
        l->events->frame(l->events_ctx, l, frame, frame_len);
    }
}

void link_input_frame(struct link *l, const uint8_t *frame, size_t len)
{
    if (l->state != LINK_OPEN)
        return;
    l->rx += len;
    l->rx_packets++;
    l->events->frame(l->events_ctx, l, frame, len);
}

/* --- the owner's side --------------------------------------------------------------------- */

int link_send(struct link *l, struct pkt *p, bool control)
{
    size_t limit = control ? 2 * LINK_QUEUE_MAX : LINK_QUEUE_MAX;
    if (l->state != LINK_OPEN)
        return ERR_CLOSED;
    if (p->len == 0)
        return ERR_INVAL;
    if (l->queued_bytes + p->len > limit) {
        l->over_soft = true;
        if (control)
            link_fail(l, "send queue full");
        return ERR_LIMIT;
    }
    queue_push(control ? &l->control : &l->data, p);
    l->queued_bytes += p->len;
    if (l->queued_bytes > LINK_QUEUE_SOFT)
        l->over_soft = true;
    return OK;
}

void link_flush(struct link *l)
{
    if (l->state == LINK_OPEN)
        l->ops->flush(l);
}

void link_want_drained(struct link *l)
{
    l->over_soft = true;
}

size_t link_queued_bytes(const struct link *l)
{
    return l->queued_bytes;
}

const char *link_name(const struct link *l)
{
    return l->name;
}

const struct sockaddr *link_remote(const struct link *l)
{
    return (const struct sockaddr *)&l->remote;
}

uint16_t link_static_cost(const struct link *l)
{
    return l->static_cost;
}

void link_set_user(struct link *l, void *user)
{
    l->user = user;
}

void *link_user(const struct link *l)
{
    return l->user;
}

void link_take_traffic(struct link *l, uint64_t *ret_rx, uint64_t *ret_tx)
{
    *ret_rx = l->rx;
    *ret_tx = l->tx;
    l->rx = l->tx = 0;
}
