#include <stdlib.h>

#include "router/core.h"

/* Next hops that do not deliver. Routes say what a neighbour announces, the sender knows what
 * arrives: where it hears nothing from the other end, another neighbour gets its turn. Doubt orders
 * the feasible routes and changes nothing else: what is feasible, and what others are told of the
 * selected route. docs/protocol/routing.md, "Doubted next hops". */

static const struct doubt *doubt_find(const struct extra *x, peer_id peer)
{
    for (uint8_t i = 0; x->doubts && i < x->doubts->len; i++)
        if (x->doubts->v[i].peer == peer)
            return &x->doubts->v[i];
    return NULL;
}

usec_t route_doubted(const struct router *r, const struct dest *d, const struct route *rt)
{
    const struct extra *x = dest_extra(r, d);
    const struct doubt *u = x->doubts ? doubt_find(x, route_nb(r, rt)->id) : NULL;
    return u && r->now < u->until ? u->at : 0;
}

bool dest_wants_way(const struct router *r, const struct dest *d)
{
    return !d->selected || route_doubted(r, d, dest_selected(r, d)) > 0;
}

static usec_t span(const struct doubt *u)
{
    return u->until - u->at;
}

/* The place of this neighbour, zeroed when it is a new one. NULL: no memory. */
static struct doubt *doubt_get(struct extra *x, peer_id peer)
{
    if (!x->doubts)
        x->doubts = calloc(1, sizeof(*x->doubts));
    struct doubts *all = x->doubts;
    if (!all)
        return NULL;
    uint8_t at = 0;
    for (uint8_t i = 0; i < all->len; i++) {
        if (all->v[i].peer == peer)
            return &all->v[i];
        if (all->v[i].until < all->v[at].until)
            at = i;
    }
    if (all->len < DOUBTS_MAX)
        at = all->len++;
    all->v[at] = (struct doubt){.peer = peer};
    return &all->v[at];
}

/* When the next one ends or is forgotten. */
static void plan(struct router *r, struct extra *x, usec_t now)
{
    x->doubt_at = USEC_NEVER;
    for (uint8_t i = 0; x->doubts && i < x->doubts->len; i++) {
        const struct doubt *u = &x->doubts->v[i];
        x->doubt_at = MIN(x->doubt_at, now < u->until ? u->until : u->until + span(u));
    }
    extra_arm(r, x);
}

static void forget(struct extra *x, usec_t now)
{
    struct doubts *all = x->doubts;
    for (uint8_t i = 0; all && i < all->len;) {
        if (now >= all->v[i].until + span(&all->v[i]))
            all->v[i] = all->v[--all->len];
        else
            i++;
    }
    if (all && all->len == 0) {
        free(all);
        x->doubts = NULL;
    }
}

/* Who is trusted again has its turn when its route is the best; what we know of that is old. */
static void ask_trusted(struct router *r, const struct dest *d, const struct extra *x, usec_t now)
{
    for (uint8_t i = 0; x->doubts && i < x->doubts->len; i++) {
        const struct doubt *u = &x->doubts->v[i];
        const struct neighbour *nb = neighbour_find(r, u->peer);
        if (nb && neighbour_usable(nb) && now >= u->until && now - u->until < DOUBT_SETTLE &&
            dest_in_use(r, d, now))
            query_ask_one(r, d, nb);
    }
}

void doubt_tick(struct router *r, struct dest *d, usec_t now)
{
    struct extra *x = extra_of(r, d);
    ask_trusted(r, d, x, now);
    forget(x, now);
    plan(r, x, now);
    if (dest_usable(r, d))
        dest_reselect(r, d, now);
}

/* Nobody but doubted neighbours has a feasible route: who has another one gets it a newer seqno,
 * and everybody may have come by one. */
static void ask_for_ways(struct router *r, struct dest *d, struct extra *x, usec_t now)
{
    if (x->doubt_asked_at > 0 && now - x->doubt_asked_at < DOUBT_ASK_EVERY)
        return;
    x->doubt_asked_at = MAX(now, 1);
    route_foreach(r, rt, d)
    {
        struct source *s = route_source(r, rt);
        if (route_usable(r, rt) && !s->refused && !source_feasible(s, rt->seqno, rt->metric))
            seqno_ask(r, d, s, route_nb(r, rt), now);
    }
    list_foreach (pos, &r->neighbours) {
        const struct neighbour *nb = list_entry(pos, struct neighbour, node);
        if (nb != dest_next_hop(r, d) && neighbour_usable(nb))
            query_ask_one(r, d, nb);
    }
}

/* The selected next hop is doubted, longer each time. */
static bool next_hop_doubted(struct router *r, struct dest *d, struct extra *x, usec_t now)
{
    struct doubt *u = doubt_get(x, dest_next_hop(r, d)->id);
    if (!u || (u->at > 0 && now - u->at < DOUBT_SETTLE))
        return false;
    usec_t last = span(u);
    u->at = MAX(now, 1);
    u->until = u->at + (last > 0 ? MIN(2 * last, DOUBT_FOR_MAX) : DOUBT_FOR);
    r->stats.doubts++;
    return true;
}

void router_doubt(struct router *r, const struct ip6 *dst, usec_t now)
{
    r->now = now;
    struct dest *d = dest_towards(r, dst);
    struct extra *x = d ? extra_get(r, d) : NULL;
    if (!x || (x->next_hop_at > 0 && now - x->next_hop_at < DOUBT_SETTLE))
        return;
    dest_hold(d);
    forget(x, now);
    if (next_hop_doubted(r, d, x, now)) {
        plan(r, x, now);
        dest_reselect(r, d, now);
        if (dest_wants_way(r, d))
            ask_for_ways(r, d, x, now);
    }
    dest_release(r, d);
}
