#include "base/err.h"
#include "router/core.h"

/* Updates that we send. docs/protocol/routing.md, "Sending Updates". One TLV per packet, at once;
 * the transport is reliable. A route goes to neighbours that asked for it, and from then on they
 * are told what becomes of it; others never hear of it. */

static void send_update(struct router *r, const struct neighbour *to, const struct subnet *s,
                        uint16_t seqno, uint16_t metric, const struct router_id *rid)
{
    struct tlv t = {.type = TLV_UPDATE,
                    .update = {.interval_cs = UPDATE_INTERVAL_CS,
                               .seqno = seqno,
                               .metric = metric,
                               .subnet = *s,
                               .router_id = *rid}};
    output_control(r, to, &t);
}

void announce_own(struct router *r, struct neighbour *to)
{
    if (to) {
        send_update(r, to, &r->own, r->seqno, 0, &r->self);
        return;
    }
    list_foreach (pos, &r->neighbours)
        send_update(r, list_entry(pos, struct neighbour, node), &r->own, r->seqno, 0, &r->self);
}

/* Feasibility follows what was announced: a route that nobody hears of promises nothing. */
static void send_route(struct router *r, const struct dest *d, const struct route *rt,
                       const struct neighbour *to, usec_t now)
{
    uint16_t total = route_total(r, rt);
    struct source *s = route_source(r, rt);
    source_announced(r, s, rt->seqno, total, now);
    send_update(r, to, &d->subnet, rt->seqno, total, source_rid(r, s));
}

void announce_route_to(struct router *r, struct dest *d, struct neighbour *to, usec_t now)
{
    const struct route *rt = dest_selected(r, d);
    if (!route_usable(r, rt) || rt->nb == to->slot)
        return;
    send_route(r, d, rt, to, now);
    if (d->told_to == 0)
        d->told_metric = route_total(r, rt);
    d->told_to |= neighbour_bit(to);
}

uint32_t announce_route(struct router *r, struct dest *d, uint32_t to, usec_t now)
{
    const struct route *rt = dest_selected(r, d);
    uint32_t told = 0;
    if (to == 0 || !route_usable(r, rt))
        return 0;
    list_foreach (pos, &r->neighbours) {
        const struct neighbour *nb = list_entry(pos, struct neighbour, node);
        if (nb->slot == rt->nb || !(to & neighbour_bit(nb)))
            continue;
        send_route(r, d, rt, nb, now);
        told |= neighbour_bit(nb);
    }
    if (told == 0)
        return 0;
    r->stats.triggered_updates++;
    if ((d->told_to & ~to) == 0) /* else others still have what they were told before */
        d->told_metric = route_total(r, rt);
    d->told_to |= told;
    struct extra *x = extra_of(r, d);
    if (x) {
        x->tell &= ~told;
        if (x->tell == 0)
            x->tell_at = USEC_NEVER;
    }
    seqno_for_lost(r, d, told, now);
    return told;
}

/* Under our own router id: nobody else speaks for the loss. */
void announce_none(struct router *r, const struct subnet *s, const struct neighbour *to)
{
    send_update(r, to, s, r->seqno, METRIC_INFINITE, &r->self);
}

void announce_retraction(struct router *r, struct dest *d)
{
    uint32_t to = d->told_to;
    d->told_to = 0;
    d->told_metric = METRIC_INFINITE;
    if (to == 0)
        return;
    r->stats.triggered_updates++;
    list_foreach (pos, &r->neighbours) {
        struct neighbour *nb = list_entry(pos, struct neighbour, node);
        if (!(to & neighbour_bit(nb)))
            continue;
        announce_none(r, &d->subnet, nb);
        query_wanted_by(r, d, nb, r->now);
    }
}

/* --- the whole table, for a wildcard request --------------------------------------------------
 *
 * A walk over the arena of destinations, whose records never move: a number is all that has to be
 * remembered of it, and what is sent is the route of the moment. Each piece is bounded in what it
 * sends and in what it looks at; no piece is sent while the link has much to write still. */

void dump_stop(struct neighbour *to)
{
    to->dumping = false;
    to->dump_at = USEC_NEVER;
}

void dump_start(struct router *r, struct neighbour *to, usec_t now)
{
    if (to->dumping || (to->dumped_at > 0 && now - to->dumped_at < DUMP_EVERY)) {
        r->stats.limit_dumps++;
        return;
    }
    to->dumped_at = MAX(now, 1);
    to->dumping = true;
    to->dump_pos = 0;
    dump_continue(r, to, now);
}

void dump_continue(struct router *r, struct neighbour *to, usec_t now)
{
    uint32_t look = DUMP_LOOK / 64, name = 0;
    to->dump_at = USEC_NEVER;
    if (to->full)
        return; /* until router_peer_ready() */
    for (unsigned sent = 0; sent < DUMP_PIECE;) {
        name = arena_next(&r->dests, &to->dump_pos, &look);
        if (!name)
            break;
        struct dest *d = dest_at(r, name);
        if (dest_usable(r, d)) {
            announce_route_to(r, d, to, now);
            sent++;
        }
    }
    if (to->dump_pos >= r->dests.used) {
        dump_stop(to);
        announce_own(r, to);
        return;
    }
    to->dump_at = now + DUMP_PIECE_EVERY;
    neighbour_arm(r, to);
}

void router_peer_full(struct router *r, peer_id peer, usec_t now)
{
    struct neighbour *nb = neighbour_find(r, peer);
    r->now = now;
    if (nb)
        nb->full = true;
}

void router_peer_ready(struct router *r, peer_id peer, usec_t now)
{
    struct neighbour *nb = neighbour_find(r, peer);
    r->now = now;
    if (!nb || !nb->full)
        return;
    nb->full = false;
    if (nb->dumping && nb->dump_at == USEC_NEVER)
        dump_continue(r, nb, now);
}
