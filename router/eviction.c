#include "router/core.h"

/* Room in full tables. docs/protocol/routing.md, "Limits".
 *
 * A neighbour that has its fair share of the routes or more pays for its new one with its own
 * oldest that nobody uses; one below its share pays with one of the neighbour that has most. What
 * is in use or being searched stays, and so do neighbours themselves. An unused route goes without
 * a word, as when it runs out: who was told of it and sends a packet makes us search.
 *
 * The work is bounded: so many candidates are looked at, and those that have to stay go to the end
 * of their list, so that others are looked at the next time. */

bool dest_wanted(const struct router *r, const struct dest *d, usec_t now)
{
    const struct dest *home = dest_home(r, d);
    return dest_in_use(r, d, now) || dest_in_use(r, home, now) || query_pending(r, home);
}

static bool route_may_go(const struct router *r, const struct route *rt, const struct dest *keep,
                         usec_t now)
{
    const struct dest *d = route_dest(r, rt), *home = dest_home(r, d);
    const struct neighbour *nb = route_nb(r, rt);
    if (d == keep || d->holds > 0)
        return false;
    if (nb->gone)
        return true;
    if (query_pending(r, home) || (nb->origin_known && ip6_same_node(&d->subnet.net, &nb->origin)))
        return false;
    return dest_selected(r, d) != rt || (!dest_in_use(r, d, now) && !dest_in_use(r, home, now));
}

static void route_evict(struct router *r, struct route *rt, usec_t now)
{
    struct dest *d = route_dest(r, rt);
    r->stats.evicted_routes++;
    if (route_nb(r, rt)->gone) {
        route_link_lost(r, rt, now); /* as it was to go anyway */
        return;
    }
    if (dest_selected(r, d) == rt) {
        rt->metric = METRIC_INFINITE;
        struct route *best = route_best(r, d, NULL);
        dest_select(r, d, best, now);
        if (best)
            (void)announce_route(r, d, d->told_to, now);
    }
    route_remove(r, rt);
}

static struct neighbour *richer(struct neighbour *a, struct neighbour *b)
{
    if (!a || !b)
        return a ? a : b;
    return b->routes_len > a->routes_len ? b : a;
}

/* The neighbour with most routes; of more than EVICT_LOOK, the best of some of them and the last
 * one that was found. */
static struct neighbour *richest(struct router *r)
{
    struct neighbour *best = r->evict_best < r->slots_len ? r->slots[r->evict_best] : NULL;
    for (uint32_t i = 0; i < MIN(EVICT_LOOK, r->slots_len); i++) {
        r->evict_slot = (r->evict_slot + 1) % r->slots_len;
        best = richer(best, r->slots[r->evict_slot]);
    }
    if (best)
        r->evict_best = best->slot;
    return best;
}

static struct neighbour *who_pays(struct router *r, struct neighbour *from)
{
    size_t share = r->stats.routes / MAX(r->slots_len - r->slots_free, 1);
    if (from->routes_len >= MAX(share, 1))
        return from;
    struct neighbour *most = richest(r);
    return most && most->routes_len > from->routes_len ? most : NULL; /* else all have as little */
}

static struct route *find_unused(struct router *r, struct neighbour *nb, const struct dest *keep,
                                 usec_t now)
{
    uint32_t next = nb->first_route;
    for (size_t left = MIN(nb->routes_len, EVICT_LOOK); left > 0; left--) {
        struct route *rt = route_at(r, next);
        next = rt->nb_next;
        if (route_may_go(r, rt, keep, now))
            return rt;
        if (nb->reselect_left == 0) /* else the order says what has been selected anew */
            neighbour_route_to_end(r, nb, rt);
    }
    return NULL;
}

bool route_make_room(struct router *r, const struct dest *d, struct neighbour *from, usec_t now)
{
    if (r->stats.routes < r->limits.routes)
        return true;
    struct neighbour *nb = who_pays(r, from);
    struct route *rt = nb ? find_unused(r, nb, d, now) : NULL;
    if (!rt) {
        r->stats.limit_routes++;
        return false;
    }
    struct dest *other = route_dest(r, rt);
    dest_hold(other);
    route_evict(r, rt, now);
    dest_release(r, other);
    return true;
}

/* --- feasibility distances ---------------------------------------------------------------------
 *
 * They outlive their routes, so that what comes back late is not taken for a way. The one that was
 * announced longest ago is the one that is needed least. */

static struct source *find_routeless(struct router *r, const struct dest *keep, usec_t now)
{
    struct source *oldest = NULL;
    uint32_t words = EVICT_SOURCES_LOOK;
    for (unsigned left = EVICT_SOURCES_LOOK; left > 0 && words > 0; left--) {
        uint32_t name = arena_next(&r->sources, &r->evict_source, &words);
        if (!name) {
            if (r->evict_source >= r->sources.used)
                r->evict_source = 0; /* on from the beginning */
            continue;
        }
        struct source *s = source_at(r, name);
        const struct dest *d = dest_at(r, s->dest);
        if (s->routes > 0 || d == keep || d->holds > 0 || dest_wanted(r, d, now))
            continue;
        if (!oldest || wheel_when(&s->timer) < wheel_when(&oldest->timer))
            oldest = s;
    }
    return oldest;
}

/* A route and its source at once. True: there is one source less. */
static bool evict_with_source(struct router *r, const struct dest *keep, struct neighbour *from,
                              usec_t now)
{
    struct neighbour *nb = who_pays(r, from);
    struct route *rt = nb ? find_unused(r, nb, keep, now) : NULL;
    if (!rt)
        return false;
    struct dest *d = route_dest(r, rt);
    struct source *s = route_source(r, rt);
    uint32_t sources = r->stats.sources;
    bool alone = s->routes == 1;
    dest_hold(d);
    route_evict(r, rt, now);
    if (alone && r->stats.sources == sources)
        source_free(r, s); /* its distance was announced: it did not go by itself */
    dest_release(r, d);
    r->stats.evicted_sources += r->stats.sources < sources;
    return r->stats.sources < sources;
}

bool source_make_room(struct router *r, const struct dest *d, struct neighbour *from, usec_t now)
{
    if (r->stats.sources < r->limits.sources)
        return true;
    struct source *s = find_routeless(r, d, now);
    if (s) {
        struct dest *other = dest_at(r, s->dest);
        dest_hold(other);
        source_free(r, s);
        dest_release(r, other);
        r->stats.evicted_sources++;
        return true;
    }
    for (unsigned tries = 0; tries < EVICT_TRIES; tries++)
        if (evict_with_source(r, d, from, now))
            return true;
    return false;
}
