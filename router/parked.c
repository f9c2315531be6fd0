#include <stdlib.h>

#include "base/err.h"
#include "router/core.h"

/* Packets that wait under a /64 while it is being searched: never longer than the search, so age
 * has a limit without a clock of its own. docs/protocol/routing.md, "Data packets and queues". */

static void parked_unlink(struct router *r, struct extra *x, struct parked *w)
{
    list_del(&w->node);
    if (w->kind != PARKED_INBOUND) {
        x->parked_out_len--;
        r->parked_bytes -= w->pkt->len;
        return;
    }
    x->parked_in_len--;
    r->parked_inbound--;
    struct neighbour *nb = neighbour_find(r, w->from);
    if (nb)
        nb->parked_inbound--;
}

static int out_add(struct router *r, struct extra *x, struct parked *w)
{
    if (x->parked_out_len >= r->limits.wait_packets_node) {
        r->stats.out_full_node++;
        return ERR_LIMIT;
    }
    if (r->parked_bytes + w->pkt->len > r->limits.wait_bytes) {
        r->stats.out_full_all++;
        return ERR_LIMIT;
    }
    list_push_back(&x->parked_out, &w->node);
    x->parked_out_len++;
    r->parked_bytes += w->pkt->len;
    r->stats.out_enqueued++;
    return OK;
}

static int in_add(struct router *r, struct extra *x, struct parked *w)
{
    struct neighbour *nb = neighbour_find(r, w->from);
    if (!nb || x->parked_in_len >= PARKED_INBOUND_NODE_MAX ||
        nb->parked_inbound >= PARKED_INBOUND_PEER_MAX ||
        r->parked_inbound >= r->limits.inbound_packets) {
        r->stats.in_full++;
        return ERR_LIMIT;
    }
    list_push_back(&x->parked_in, &w->node);
    x->parked_in_len++;
    r->parked_inbound++;
    nb->parked_inbound++;
    r->stats.in_enqueued++;
    return OK;
}

int parked_add(struct router *r, struct dest *home, const struct parked *from)
{
    struct extra *x = extra_get(r, home);
    struct parked *w = x ? malloc(sizeof(*w)) : NULL;
    if (!w)
        return ERR_NOMEM;
    *w = *from;
    int rc = w->kind == PARKED_INBOUND ? in_add(r, x, w) : out_add(r, x, w);
    if (rc < 0)
        free(w);
    return rc;
}

/* Sending one does not touch the others: nothing that it leads to parks a packet here or ends the
 * search, which is over already. */
static void flush_list(struct router *r, struct extra *x, struct list *waiting, usec_t now)
{
    list_foreach_safe (pos, waiting) {
        struct parked *w = list_entry(pos, struct parked, node);
        if (!parked_ready(r, w))
            continue; /* a longer prefix was found, not around this address */
        parked_unlink(r, x, w);
        if (w->kind == PARKED_INBOUND)
            r->stats.in_dequeued++;
        else
            r->stats.out_dequeued++;
        parked_go(r, w, now);
        free(w);
    }
}

void parked_flush(struct router *r, struct dest *home, usec_t now)
{
    struct extra *x = extra_of(r, home);
    if (!x)
        return;
    dest_hold(home);
    flush_list(r, x, &x->parked_out, now);
    flush_list(r, x, &x->parked_in, now);
    dest_release(r, home);
}

/* Packets of this node go back to whoever wants to tell its sender. */
static void give_back(struct router *r, struct parked *w)
{
    struct router_out o = {.kind = ROUTER_OUT_UNSENT,
                           .pkt = w->pkt,
                           .user_type = w->user_type,
                           .hop_limit = w->hop_limit,
                           .src = w->src,
                           .dst = w->dst};
    pkt_pull(w->pkt, USER_HEADER_BYTES);
    (void)output_local(r, &o, true); /* a full queue drops it */
}

void parked_drop(struct router *r, struct dest *home)
{
    struct extra *x = extra_of(r, home);
    if (!x)
        return;
    list_foreach_safe (pos, &x->parked_out) {
        struct parked *w = list_entry(pos, struct parked, node);
        parked_unlink(r, x, w);
        r->stats.out_timeout++;
        if (w->kind == PARKED_OWN)
            give_back(r, w);
        else
            pkt_free(w->pkt);
        free(w);
    }
    list_foreach_safe (pos_in, &x->parked_in) {
        struct parked *w = list_entry(pos_in, struct parked, node);
        parked_unlink(r, x, w);
        r->stats.in_timeout++;
        pkt_free(w->pkt);
        free(w);
    }
}
