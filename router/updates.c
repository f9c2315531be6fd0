#include <string.h>

#include "base/err.h"
#include "router/core.h"

/* Updates received and what follows from them. docs/protocol/routing.md, "Receiving an Update"
 * and "Loss of a neighbour". */

/* What a destination had before an event: the after-effects compare with it. */
struct before {
    bool had;
    uint16_t seqno;
    uint32_t source;
};

static struct before before_of(const struct router *r, const struct dest *d)
{
    const struct route *sel = dest_selected(r, d);
    return (struct before){
        .had = sel != NULL, .seqno = sel ? sel->seqno : 0, .source = sel ? sel->source : 0};
}

/* A neighbour that retracts may have no other route: ours is sent to it, a little later, because in
 * the middle of a wave of retractions ours is about to go as well. */
static void tell_later(struct router *r, struct dest *d, const struct neighbour *nb, usec_t now)
{
    const struct route *sel = dest_selected(r, d);
    struct extra *x = sel && sel->nb != nb->slot ? extra_get(r, d) : NULL;
    if (!x)
        return;
    x->tell |= neighbour_bit(nb);
    if (x->tell_at == USEC_NEVER)
        x->tell_at = now + TELL_DELAY + (usec_t)rng_below(r->rng, (uint64_t)TELL_DELAY);
    extra_arm(r, x);
}

void tell_tick(struct router *r, struct dest *d, usec_t now)
{
    struct extra *x = extra_of(r, d);
    uint32_t tell = x->tell;
    x->tell_at = USEC_NEVER;
    x->tell = 0;
    (void)announce_route(r, d, tell, now);
}

/* May they be told now, after a word of this neighbour? Else they are told later what is true then:
 * whoever changes its mind all the time is passed on as often as anybody can use. */
static bool tell_now(struct router *r, struct dest *d, struct neighbour *nb, uint32_t to,
                     usec_t now)
{
    uint32_t rate = r->limits.announcements_per_sec;
    struct extra *x;
    if (r->stats.peers < 2 || /* there is nobody else */
        bucket_take(&nb->announcements, rate, rate * ANNOUNCEMENTS_BURST_FACTOR, now) ||
        (x = extra_get(r, d)) == NULL)
        return true;
    r->stats.limit_announcements++;
    x->tell |= to;
    x->tell_at = MIN(x->tell_at, now + ANNOUNCE_LATER);
    extra_arm(r, x);
    return false;
}

/* Neighbours that lead where ours leads, but by a way so much longer that they would take ours: the
 * next hop before a repair, when the shorter way is there again. A newer seqno is news for them
 * too: with the older one they may not use it. Only of what is in use. */
static uint32_t who_gains(const struct router *r, const struct dest *d, usec_t now)
{
    const struct route *sel = dest_selected(r, d);
    uint32_t who = 0;
    if (!dest_in_use(r, d, now) || route_doubted(r, d, sel) > 0)
        return 0;
    route_foreach(r, rt, d)
    {
        uint16_t over_us = metric_add(route_total(r, sel), neighbour_cost(route_nb(r, rt)));
        if (rt != sel && route_usable(r, rt) &&
            over_us < metric_sub(rt->metric, METRIC_IMPROVEMENT))
            who |= neighbour_bit(route_nb(r, rt));
    }
    return who;
}

/* After-effects: what the neighbours and the waiting packets get to know. u: the Update that led
 * here, NULL: none. Returns neighbour_bit() of those who were told our route.
 *
 * Better figures of a doubted next hop are not passed on: they would draw neighbours with another
 * way to us, and a newer seqno that was asked for to find one would allow it to nobody else. */
static uint32_t follow_up(struct router *r, struct dest *d, struct before before,
                          const struct tlv_update *u, usec_t now)
{
    const struct route *sel = dest_selected(r, d);
    if (!sel) {
        if (before.had) {
            announce_retraction(r, d);
            query_lost(r, d, now);
        }
        return 0;
    }
    bool big = metric_change(d->told_metric, route_total(r, sel)) > METRIC_BIG_CHANGE;
    uint32_t told = 0, to = query_asked_by(r, d, now);
    if (!before.had || sel->source != before.source || (big && route_doubted(r, d, sel) == 0))
        to |= d->told_to | who_gains(r, d, now);
    else if (sel->seqno != before.seqno)
        to = (to & ~d->told_to) | who_gains(r, d, now);
    else
        to &= ~d->told_to; /* they asked, and nobody but the next hop knew the way */
    if (sel->seqno != before.seqno)
        to |= seqno_waiting(r, d, now);
    if (to && tell_now(r, d, route_nb(r, sel), to, now))
        told = announce_route(r, d, to, now);
    if (u)
        seqno_answer(r, d, u, told, now);
    if (!before.had)
        parked_flush(r, dest_home(r, d), now);
    return told;
}

/* keep: the selected route, or NULL when it may not stay. */
static uint32_t select_again(struct router *r, struct dest *d, struct before before,
                             struct route *keep, const struct tlv_update *u, usec_t now)
{
    struct route *best = route_best(r, d, keep);
    r->stats.route_selections++;
    if (!best && before.had)
        seqno_ask_all(r, d, now);
    dest_select(r, d, best, now);
    return follow_up(r, d, before, u, now);
}

/* Its hold time is the life of the route. Only one that is used and renewed may live longer than
 * routes do by themselves. */
static uint16_t interval_of(const struct router *r, const struct dest *d,
                            const struct tlv_update *u, bool renewed, usec_t now)
{
    if (u->interval_cs < INTERVAL_FLOOR_CS)
        return INTERVAL_INSTEAD_CS;
    if (renewed && dest_in_use(r, d, now))
        return u->interval_cs;
    return MIN(u->interval_cs, UPDATE_INTERVAL_CS);
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
    struct before before = before_of(r, d);
    const struct source *known = source_find(r, d, &u->router_id);
    if (!source_feasible(known, u->seqno, u->metric)) {
        r->stats.update_not_interested++;
        if (dest_wants_way(r, d))
            seqno_ask(r, d, known, from, now);
        return;
    }
    if (u->metric == METRIC_INFINITE) {
        r->stats.update_not_interested++;
        tell_later(r, d, from, now);
        query_lost_at(r, d, from, now);
        return;
    }
    struct source *s = source_get(r, d, from, &u->router_id, !first_of_origin(from, u), now);
    if (!s || s->refused) {
        r->stats.update_denied++;
        return;
    }
    struct route *rt = route_add(r, d, from, s);
    if (!rt) {
        source_drop_unused(r, s);
        return;
    }
    seqno_peer_forget(r, d, from);
    rt->metric = u->metric;
    rt->seqno = u->seqno;
    route_renew(r, rt, interval_of(r, d, u, false, now), now);
    if (!d->selected)
        d->last_source = rt->source;
    (void)select_again(r, d, before, dest_selected(r, d), u, now);
}

static void route_take_source(struct router *r, struct route *rt, struct source *s)
{
    struct source *old = route_source(r, rt);
    if (old == s)
        return;
    s->routes++;
    rt->source = arena_name(&r->sources, s);
    old->routes--;
    source_drop_unused(r, old);
}

/* The entry keeps the router id and seqno of its last finite Update: the retracting node's own say
 * nothing about the destination. */
static void retraction_again(struct router *r, struct dest *d, struct route *rt,
                             const struct tlv_update *u, usec_t now)
{
    struct before before = before_of(r, d);
    uint32_t told = 0;
    if (rt->metric == METRIC_INFINITE)
        return; /* it goes when it was to go */
    rt->metric = METRIC_INFINITE;
    r->stats.route_retracted++;
    route_hold(r, rt, now);
    query_wanted_by(r, d, route_nb(r, rt), now); /* before it is told of another one */
    if (dest_selected(r, d) == rt)
        told = select_again(r, d, before, NULL, u, now);
    if (!(told & neighbour_bit(route_nb(r, rt))))
        tell_later(r, d, route_nb(r, rt), now);
    query_lost_at(r, d, route_nb(r, rt), now);
}

/* From a neighbour with an entry. */
static void update_again(struct router *r, struct dest *d, struct route *rt,
                         const struct tlv_update *u, usec_t now)
{
    struct before before = before_of(r, d);
    const struct source *known = source_find(r, d, &u->router_id);
    bool feasible = source_feasible(known, u->seqno, u->metric);
    bool selected = dest_selected(r, d) == rt;
    struct neighbour *from = route_nb(r, rt);

    if (u->metric == METRIC_INFINITE) {
        retraction_again(r, d, rt, u, now);
        return;
    }
    if (selected && !feasible && route_source(r, rt) == known) {
        seqno_ask(r, d, known, from, now); /* nothing else changes, not even its expiry */
        return;
    }
    struct source *s = source_get(r, d, from, &u->router_id, !first_of_origin(from, u), now);
    if (!s || s->refused) {
        r->stats.update_denied++;
        return;
    }
    if (rt->metric == METRIC_INFINITE)
        seqno_peer_forget(r, d, from);
    route_take_source(r, rt, s);
    rt->metric = u->metric;
    rt->seqno = u->seqno;
    if (feasible) {
        route_renew(r, rt, interval_of(r, d, u, true, now), now);
    } else if (!selected) {
        r->stats.update_skipped_selection++;
        if (dest_wants_way(r, d))
            seqno_ask(r, d, s, from, now);
        return;
    }
    if (!d->selected)
        d->last_source = rt->source;
    else if (selected && feasible)
        renewal_plan(r, d, now);
    if (selected && !feasible)
        seqno_ask(r, d, s, from, now);
    (void)select_again(r, d, before, selected && !feasible ? NULL : dest_selected(r, d), u, now);
}

static bool key_fits(const struct tlv_update *u)
{
    struct pubkey key;
    memcpy(key.b, u->router_id.b, sizeof(key.b));
    struct ip6 address = address_of_key(&key);
    return subnet_contains(&u->subnet, &address);
}

/* May this neighbour bring one more subnet that nobody here asked for? Its own /64, the first time,
 * and what is wanted here need no token. d: what is known of the subnet, may be NULL. */
static bool new_subnet_allowed(struct router *r, struct neighbour *from, const struct dest *d,
                               const struct tlv_update *u, usec_t now)
{
    uint32_t rate = r->limits.new_subnets_per_sec;
    const struct dest *home = d ? d : dest_node(r, &u->subnet.net);
    if ((d && d->routes) || (home && dest_wanted(r, home, now)) ||
        (u->metric == 0 && !from->origin_known) ||
        bucket_take(&from->new_subnets, rate, rate * NEW_SUBNETS_BURST_FACTOR, now))
        return true;
    r->stats.limit_new_subnets++;
    return false;
}

/* Nothing is signed: a seqno from far ahead would make every true one look old. When no other way
 * is known there is nothing to lose by it. */
static bool seqno_too_far(const struct router *r, const struct dest *d, const struct source *known,
                          const struct tlv_update *u)
{
    if (!known->announced || !seqno_gt(u->seqno, known->seqno) ||
        (uint16_t)(u->seqno - known->seqno) <= SEQNO_STEP_MAX)
        return false;
    route_foreach(r, rt, d) if (route_usable(r, rt)) return true;
    return false;
}

/* Whether an Update goes on to the tables, what costs least first. A router id that is known here
 * has shown its key before. */
static bool update_allowed(struct router *r, struct neighbour *from, const struct tlv_update *u,
                           usec_t now)
{
    const struct dest *d = dest_find(r, &u->subnet);
    if (u->metric == METRIC_INFINITE) {
        bool use = d || !from->on_request; /* what one of another kind lost is looked for */
        r->stats.update_not_interested += !use;
        return use;
    }
    if (!new_subnet_allowed(r, from, d, u, now))
        return false;
    const struct source *known = d ? source_find(r, d, &u->router_id) : NULL;
    if (!known && !key_fits(u)) {
        r->stats.update_denied++;
        return false;
    }
    if (known && seqno_too_far(r, d, known, u)) {
        r->stats.seqno_too_far++;
        return false;
    }
    return true;
}

/* The own /64 from outside: never used. It is worth a look when somebody claims to be its origin.
 */
static void own_subnet_heard(struct router *r, const struct tlv_update *u)
{
    bool ours = memcmp(u->router_id.b, r->self.b, sizeof(r->self.b)) == 0;
    if (u->metric == METRIC_INFINITE)
        return;
    if (memcmp(u->router_id.b, r->self.b, KEY_BYTES) != 0) {
        r->stats.update_denied++; /* no other key has this /64 */
        return;
    }
    if (ours && u->metric == 0)
        r->stats.self_links++; /* only the origin says 0: this link leads to ourselves */
    else if (!ours)
        r->stats.own_subnet_claimed++;
}

/* The first own announcement over a link says who its neighbour is. */
static void origin_learn(struct router *r, struct neighbour *from, const struct tlv_update *u,
                         usec_t now)
{
    if (u->metric != 0 || ip6_in_overlay(&from->origin))
        return;
    from->origin = subnet_of_node(&u->subnet.net).net;
    hint_origin(r, from, now);
}

void update_recv(struct router *r, struct neighbour *from, const struct tlv_update *u, usec_t now)
{
    r->stats.processed_update++;
    if (u->subnet.plen < 64 || !ip6_in_overlay(&u->subnet.net)) {
        r->stats.update_denied++;
        return;
    }
    if (ip6_same_node(&u->subnet.net, &r->own.net)) {
        own_subnet_heard(r, u);
        return;
    }
    if (!update_allowed(r, from, u, now))
        return;
    struct dest *d = dest_get(r, &u->subnet);
    if (!d) {
        r->stats.limit_routes++;
        return;
    }
    struct route *rt = route_of(r, d, from);
    if (d->selected && !dest_usable(r, d))
        dest_mend(r, d, now);
    if (rt)
        update_again(r, d, rt, u, now);
    else
        update_first(r, d, from, u, now);
    origin_learn(r, from, u, now);
    dest_release(r, d);
}

/* The selected route has gone: the next best, which is announced also when it is no different, or
 * none. */
static void select_after_loss(struct router *r, struct dest *d, usec_t now)
{
    struct route *best = route_best(r, d, NULL);
    r->stats.route_selections++;
    if (!best)
        seqno_ask_all(r, d, now);
    dest_select(r, d, best, now);
    if (best) {
        (void)announce_route(r, d, d->told_to | query_asked_by(r, d, now), now);
    } else {
        announce_retraction(r, d);
        query_lost(r, d, now);
    }
}

/* The selected route ran out and nothing has gone that way for long: it ends without a word, here
 * and in the same way at all who know of it. Whoever was told and wants it again sends or asks, and
 * then it is searched. */
static void route_ends_unused(struct router *r, struct dest *d, struct route *rt, usec_t now)
{
    struct before before = before_of(r, d);
    rt->metric = METRIC_INFINITE;
    struct route *best = route_best(r, d, NULL);
    r->stats.route_selections++;
    dest_select(r, d, best, now);
    if (best)
        (void)follow_up(r, d, before, NULL, now);
    r->stats.route_removed++;
    route_remove(r, rt);
}

void route_expired(struct router *r, struct route *rt, usec_t now)
{
    struct dest *d = route_dest(r, rt);
    dest_hold(d);
    if (dest_selected(r, d) != rt) {
        r->stats.route_removed++;
        route_remove(r, rt);
    } else if (!dest_in_use(r, d, now)) {
        r->stats.selected_expired++;
        route_ends_unused(r, d, rt, now);
    } else {
        r->stats.selected_expired++;
        rt->metric = METRIC_INFINITE;
        route_hold(r, rt, now);
        select_after_loss(r, d, now);
    }
    dest_release(r, d);
}

void route_link_lost(struct router *r, struct route *rt, usec_t now)
{
    struct dest *d = route_dest(r, rt);
    dest_hold(d);
    if (dest_selected(r, d) == rt) {
        rt->metric = METRIC_INFINITE;
        select_after_loss(r, d, now);
    }
    route_remove(r, rt);
    dest_release(r, d);
}

void dest_mend(struct router *r, struct dest *d, usec_t now)
{
    struct route *rt = dest_selected(r, d);
    if (route_nb(r, rt)->gone) {
        route_link_lost(r, rt, now);
        return;
    }
    dest_hold(d);
    select_after_loss(r, d, now); /* the route is kept: the neighbour may be heard again */
    dest_release(r, d);
}

void source_refuse(struct router *r, struct source *s, usec_t now)
{
    struct dest *d = dest_at(r, s->dest);
    uint32_t name = arena_name(&r->sources, s), next;
    dest_hold(d);
    s->refused = true;
    const struct route *sel = dest_selected(r, d);
    if (sel && sel->source == name)
        select_after_loss(r, d, now);
    for (struct route *rt = route_at(r, d->routes); rt; rt = route_at(r, next)) {
        bool last = s->routes == 1; /* s may go with it */
        next = rt->next;
        if (rt->source != name)
            continue;
        route_remove(r, rt);
        if (last)
            break;
    }
    dest_release(r, d);
}

void dest_reselect(struct router *r, struct dest *d, usec_t now)
{
    struct before before = before_of(r, d);
    struct route *best = route_best(r, d, dest_selected(r, d));
    if (!best)
        return; /* the selected one stays until its neighbour or its expiry says otherwise */
    r->stats.route_selections++;
    if (best != dest_selected(r, d))
        dest_select(r, d, best, now);
    (void)follow_up(r, d, before, NULL, now);
}
