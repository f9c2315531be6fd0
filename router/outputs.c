#include <stdlib.h>

#include "base/err.h"
#include "router/core.h"

/* A ring of outputs, grown by doubling. Control and events are never refused: each of them answers
 * something that was let in before. Data is, above router_limits.out_packets. */

#define RING_MIN 16

static int push(struct router *r, const struct router_out *o)
{
    struct outputs *q = &r->out;
    if (q->len == q->cap) {
        size_t cap = q->cap ? q->cap * 2 : RING_MIN;
        struct router_out *v = reallocarray(NULL, cap, sizeof(*v));
        if (!v)
            return ERR_NOMEM;
        for (size_t i = 0; i < q->len; i++)
            v[i] = q->v[(q->head + i) & (q->cap - 1)];
        free(q->v);
        q->v = v;
        q->cap = cap;
        q->head = 0;
    }
    q->v[(q->head + q->len) & (q->cap - 1)] = *o;
    q->len++;
    return OK;
}

bool router_next(struct router *r, struct router_out *ret)
{
    struct outputs *q = &r->out;
    if (q->len == 0)
        return false;
    *ret = q->v[q->head];
    q->head = (q->head + 1) & (q->cap - 1);
    q->len--;
    return true;
}

void output_control(struct router *r, const struct neighbour *to, const struct tlv *t)
{
    struct router_out o = {
        .kind = ROUTER_OUT_FRAME, .peer = to->id, .control = true, .pkt = tlv_encode(t)};
    if (!o.pkt || push(r, &o) < 0) {
        pkt_free(o.pkt);
        r->stats.limit_out++; /* no memory: as good as lost, and repaired like that */
    }
}

static int push_data(struct router *r, const struct router_out *o)
{
    int rc = r->out.len >= r->limits.out_packets ? ERR_LIMIT : push(r, o);
    if (rc < 0) {
        r->stats.limit_out++;
        pkt_free(o->pkt);
    }
    return rc;
}

int output_data(struct router *r, struct neighbour *to, struct pkt *p)
{
    struct router_out o = {.kind = ROUTER_OUT_FRAME, .peer = to->id, .control = false, .pkt = p};
    neighbour_carries(r, to, r->now);
    return push_data(r, &o);
}

int output_local(struct router *r, const struct router_out *o, bool droppable)
{
    return droppable ? push_data(r, o) : push(r, o);
}

void outputs_free(struct router *r)
{
    struct router_out o;
    while (router_next(r, &o))
        pkt_free(o.pkt);
    free(r->out.v);
}
