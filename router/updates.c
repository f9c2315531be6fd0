#include <string.h>

#include "base/err.h"
#include "router/core.h"

/* Updates received and what follows from them. docs/protocol/routing.md, "Receiving an Update"
 * and "Loss of a neighbour". */

/* What a destination had before an event: the after-effects compare with it. */
struct before {
    bool had;
    const struct source *source;
};

static struct before before_of(const struct dest *d)
{
    return (struct before){.had = d->selected != NULL,
                           .source = d->selected ? d->selected->source : NULL};
}

/* A neighbour that retracts may have no other route: ours is sent to it, a little later, because in
 * the middle of a wave of retractions ours is about to go as well. */
static void tell_later(struct router *r, struct dest *d, const struct neighbour *nb, usec_t now)
{
    if (!d->selected || d->selected->nb == nb)
        return;
    for (uint8_t i = 0; i < d->tell_len && i < TELL_MAX; i++)
        if (d->tell[i] == nb->id)
            return;
    if (d->tell_len < TELL_MAX)
        d->tell[d->tell_len] = nb->id;
    if (d->tell_len <= TELL_MAX)
        d->tell_len++;
    if (d->tell_at == USEC_NEVER)
        d->tell_at = now + TELL_DELAY + (usec_t)rng_below(r->rng, (uint64_t)TELL_DELAY);
    dest_arm(r, d);
}

void tell_tick(struct router *r, struct dest *d, usec_t now)
{
    uint8_t len = d->tell_len;
    d->tell_at = USEC_NEVER;
    d->tell_len = 0;
    if (!route_usable(d->selected))
        return;
    if (len > TELL_MAX) {
        announce_route(r, d, now);
        return;
    }
    for (uint8_t i = 0; i < len; i++) {
        struct neighbour *nb = neighbour_find(r, d->tell[i]);
        if (nb)
            announce_route_to(r, d, nb, now);
    }
}

/* After-effects: what the neighbours and the waiting packets get to know. u: the Update that led
 * here, NULL: none. True when all neighbours were told. */
static bool follow_up(struct router *r, struct dest *d, struct before before,
                      const struct tlv_update *u, usec_t now)
{
    const struct route *sel = d->selected;
    if (!sel) {
        if (!before.had)
            return false;
        announce_retraction(r, d, now);
        query_lost(r, d, now);
        return true;
    }
    bool big = metric_change(d->told, route_total(sel)) > METRIC_BIG_CHANGE;
    bool tell_all = !before.had || sel->source != before.source || big;
    if (tell_all)
        announce_route(r, d, now);
    if (u)
        seqno_answer(r, d, u, tell_all, now);
    if (!before.had)
        parked_flush(r, d->home, now);
    return tell_all;
}

/* keep: the selected route, or NULL when it may not stay. */
static bool select_again(struct router *r, struct dest *d, struct before before, struct route *keep,
                         const struct tlv_update *u, usec_t now)
{
    struct route *best = route_best(d, keep);
    r->stats.route_selections++;
    if (!best && before.had)
        seqno_ask_all(r, d, now);
    dest_select(r, d, best, now);
    return follow_up(r, d, before, u, now);
}

static usec_t life_of(const struct tlv_update *u)
{
    uint16_t interval_cs = u->interval_cs;
    if (interval_cs < INTERVAL_FLOOR_CS)
        interval_cs = INTERVAL_INSTEAD_CS;
    return hold_time(interval_cs);
}

/* A restarted neighbour comes with a new router id, however often it is restarted: its first own
 * announcement over a link needs no token. */
static bool first_of_origin(struct neighbour *from, const struct tlv_update *u)
{
    bool first = u->metric == 0 && !from->origin_known;
    from->origin_known = from->origin_known || first;
    return first;
}

/* From a neighbour without an entry in the list, or to a destination without a list. */
static void update_first(struct router *r, struct dest *d, struct neighbour *from,
                         const struct tlv_update *u, usec_t now)
{
    struct before before = before_of(d);
    const struct source *known = source_find(d, &u->router_id);
    if (!source_feasible(known, u->seqno, u->metric)) {
        r->stats.update_not_interested++;
        if (!d->selected)
            seqno_ask(r, d, known, from, now);
        return;
    }
    if (u->metric == METRIC_INFINITE) {
        r->stats.update_not_interested++;
        tell_later(r, d, from, now);
        return;
    }
    struct source *s = source_get(r, d, &u->router_id, !first_of_origin(from, u), now);
    if (!s || s->refused) {
        r->stats.update_denied++;
        return;
    }
    struct route *rt = route_add(r, d, from, s);
    if (!rt) {
        source_drop_unused(r, s);
        return;
    }
    seqno_target_forget(d, from);
    rt->metric = u->metric;
    rt->seqno = u->seqno;
    route_renew(r, rt, life_of(u), now);
    if (!d->selected)
        d->last_source = s;
    (void)select_again(r, d, before, d->selected, u, now);
}

static void route_take_source(struct router *r, struct route *rt, struct source *s)
{
    struct source *old = rt->source;
    if (old == s)
        return;
    s->routes++;
    rt->source = s;
    old->routes--;
    source_drop_unused(r, old);
}

/* The entry keeps the router id and seqno of its last finite Update: the retracting node's own say
 * nothing about the destination. */
static void retraction_again(struct router *r, struct dest *d, struct route *rt,
                             const struct tlv_update *u, usec_t now)
{
    struct before before = before_of(d);
    bool told = false;
    if (rt->metric == METRIC_INFINITE)
        return; /* it goes when it was to go */
    rt->metric = METRIC_INFINITE;
    r->stats.route_retracted++;
    route_renew(r, rt, RETRACTED_HOLD, now);
    if (d->selected == rt)
        told = select_again(r, d, before, NULL, u, now);
    if (!told)
        tell_later(r, d, rt->nb, now);
}

/* From a neighbour with an entry. */
static void update_again(struct router *r, struct dest *d, struct route *rt,
                         const struct tlv_update *u, usec_t now)
{
    struct before before = before_of(d);
    const struct source *known = source_find(d, &u->router_id);
    bool feasible = source_feasible(known, u->seqno, u->metric);
    bool selected = d->selected == rt;

    if (u->metric == METRIC_INFINITE) {
        retraction_again(r, d, rt, u, now);
        return;
    }
    if (selected && !feasible && rt->source == known) {
        seqno_ask(r, d, known, rt->nb, now); /* nothing else changes, not even its expiry */
        return;
    }
    struct source *s = source_get(r, d, &u->router_id, !first_of_origin(rt->nb, u), now);
    if (!s || s->refused) {
        r->stats.update_denied++;
        return;
    }
    if (rt->metric == METRIC_INFINITE)
        seqno_target_forget(d, rt->nb);
    route_take_source(r, rt, s);
    rt->metric = u->metric;
    rt->seqno = u->seqno;
    if (feasible) {
        route_renew(r, rt, life_of(u), now);
    } else if (!selected) {
        r->stats.update_skipped_selection++;
        if (!d->selected)
            seqno_ask(r, d, s, rt->nb, now);
        return;
    }
    if (!d->selected)
        d->last_source = s;
    else if (selected && feasible)
        renewal_plan(r, d, now);
    if (selected && !feasible)
        seqno_ask(r, d, s, rt->nb, now);
    (void)select_again(r, d, before, selected && !feasible ? NULL : d->selected, u, now);
}

/* A router id that is known here has passed them before. */
static bool update_allowed(const struct router *r, const struct tlv_update *u)
{
    if (u->subnet.plen < 64 || !ip6_in_overlay(&u->subnet.net))
        return false;
    if (u->metric == METRIC_INFINITE)
        return true;
    const struct dest *d = dest_find(r, &u->subnet);
    if (d && source_find(d, &u->router_id))
        return true;
    struct pubkey key;
    memcpy(key.b, u->router_id.b, sizeof(key.b));
    struct ip6 address = address_of_key(&key);
    return subnet_contains(&u->subnet, &address);
}

/* The own /64 from outside: never used. It is worth a look when somebody claims to be its origin.
 */
static void own_subnet_heard(struct router *r, const struct tlv_update *u)
{
    bool ours = memcmp(u->router_id.b, r->self.b, sizeof(r->self.b)) == 0;
    if (u->metric == METRIC_INFINITE)
        return;
    if (ours && u->metric == 0)
        r->stats.self_links++; /* only the origin says 0: this link leads to ourselves */
    else if (!ours)
        r->stats.own_subnet_claimed++;
}

void update_recv(struct router *r, struct neighbour *from, const struct tlv_update *u, usec_t now)
{
    r->stats.processed_update++;
    if (!update_allowed(r, u)) {
        r->stats.update_denied++;
        return;
    }
    if (ip6_same_node(&u->subnet.net, &r->own.net)) {
        own_subnet_heard(r, u);
        return;
    }
    if (u->metric == METRIC_INFINITE && !dest_find(r, &u->subnet)) {
        r->stats.update_not_interested++;
        return;
    }
    struct dest *d = dest_get(r, &u->subnet);
    if (!d) {
        r->stats.limit_routes++;
        return;
    }
    struct route *rt = route_of(d, from);
    if (d->selected && d->selected->nb->gone)
        route_link_lost(r, d->selected, now);
    if (rt)
        update_again(r, d, rt, u, now);
    else
        update_first(r, d, from, u, now);
    dest_release(r, d);
}

/* The selected route has gone: the next best, which is announced also when it is no different, or
 * none. */
static void select_after_loss(struct router *r, struct dest *d, usec_t now)
{
    struct route *best = route_best(d, NULL);
    r->stats.route_selections++;
    if (!best)
        seqno_ask_all(r, d, now);
    dest_select(r, d, best, now);
    if (best) {
        announce_route(r, d, now);
    } else {
        announce_retraction(r, d, now);
        query_lost(r, d, now);
    }
}

void route_tick(struct router *r, struct route *rt, usec_t now)
{
    struct dest *d = rt->dest;
    if (rt->expires > now) {
        timer_set(r, &rt->timer, rt->expires); /* its place in the heap has just become free */
        return;
    }
    dest_hold(d);
    if (d->selected != rt) {
        r->stats.route_removed++;
        route_remove(r, rt);
    } else {
        r->stats.selected_expired++;
        rt->metric = METRIC_INFINITE;
        route_renew(r, rt, RETRACTED_HOLD, now);
        select_after_loss(r, d, now);
    }
    dest_release(r, d);
}

void route_link_lost(struct router *r, struct route *rt, usec_t now)
{
    struct dest *d = rt->dest;
    dest_hold(d);
    if (d->selected == rt) {
        rt->metric = METRIC_INFINITE;
        select_after_loss(r, d, now);
    }
    route_remove(r, rt);
    dest_release(r, d);
}

void source_refuse(struct router *r, struct source *s, usec_t now)
{
    struct dest *d = s->dest;
    dest_hold(d);
    s->refused = true;
    if (d->selected && d->selected->source == s)
        select_after_loss(r, d, now);
    list_foreach_safe (pos, &d->routes) {
        struct route *rt = list_entry(pos, struct route, in_dest);
        if (rt->source == s && s->routes > 1)
            route_remove(r, rt);
        else if (rt->source == s) {
            route_remove(r, rt); /* the last one: s may be gone now */
            break;
        }
    }
    dest_release(r, d);
}

void dest_reselect(struct router *r, struct dest *d, usec_t now)
{
    struct before before = before_of(d);
    struct route *best = route_best(d, d->selected);
    if (!best)
        return; /* the selected one stays until its neighbour or its expiry says otherwise */
    r->stats.route_selections++;
    if (best != d->selected)
        dest_select(r, d, best, now);
    (void)follow_up(r, d, before, NULL, now);
}
