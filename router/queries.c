#include "base/err.h"
#include "router/core.h"

/* Route requests: how a route to an unknown /64 is found, and how one in use is kept.
 * docs/protocol/routing.md, "Route requests and queries".
 *
 * Only /64s inside the overlay are searched. Requesters need no list: a route that is found is
 * announced to every neighbour, and one that is known is sent at once. */

static void send_request(struct router *r, const struct dest *d, const struct neighbour *to,
                         uint8_t generation)
{
    struct tlv t = {
        .type = TLV_ROUTE_REQUEST,
        .route_request = {.generation = generation, .wildcard = false, .subnet = d->home->subnet}};
    output_control(r, to, &t);
}

void query_ask_one(struct router *r, const struct dest *d, const struct neighbour *to)
{
    send_request(r, d, to, 0);
}

/* Was this neighbour asked within the life of a query? Neighbours are numbered in the order in
 * which they came, so one number tells who existed then. */
static bool asked_lately(const struct dest *home, const struct neighbour *nb, uint8_t generation,
                         usec_t now)
{
    return home->asked_at > 0 && now - home->asked_at < QUERY_LIFE &&
           home->asked_generation <= generation && nb->id <= home->asked_upto;
}

static void ask_all(struct router *r, struct dest *home, uint8_t generation,
                    const struct neighbour *except, usec_t now)
{
    bool sent = false;
    list_foreach (pos, &r->neighbours) {
        const struct neighbour *nb = list_entry(pos, struct neighbour, node);
        if ((except && nb == except) || asked_lately(home, nb, generation, now))
            continue;
        send_request(r, home, nb, generation);
        sent = true;
    }
    if (sent || home->asked_at == 0) {
        home->asked_at = MAX(now, 1);
        home->asked_upto = r->last_peer;
        home->asked_generation = generation;
    }
}

bool query_pending(const struct dest *home)
{
    return list_linked(&home->query) || home->lost_at != USEC_NEVER;
}

void query_close(struct router *r, struct dest *home)
{
    if (!list_linked(&home->query))
        return;
    list_del(&home->query);
    home->query_ends = 0;
    r->stats.queries--;
}

static void query_end(struct router *r, struct dest *home)
{
    dest_hold(home);
    query_close(r, home);
    parked_drop(r, home);
    dest_release(r, home);
}

static void query_open(struct router *r, struct dest *home, uint8_t generation,
                       const struct neighbour *except, usec_t now)
{
    if (list_linked(&home->query))
        return;
    if (r->stats.queries >= r->limits.queries && !list_empty(&r->queries)) {
        r->stats.limit_queries++;
        query_end(r, list_entry(r->queries.next, struct dest, query));
    }
    home->lost_at = USEC_NEVER;
    home->query_ends = now + QUERY_LIFE;
    list_push_back(&r->queries, &home->query);
    r->stats.queries++;
    ask_all(r, home, generation, except, now);
}

void queries_expire(struct router *r, usec_t now)
{
    for (unsigned n = 0; n < SLICE && queries_deadline(r) <= now; n++)
        query_end(r, list_entry(r->queries.next, struct dest, query));
}

usec_t queries_deadline(const struct router *r)
{
    const struct dest *home = list_first(&r->queries, struct dest, query);
    return home ? home->query_ends : USEC_NEVER;
}

/* May this neighbour, or this node (NULL), start one more search? */
static bool request_allowed(struct router *r, struct neighbour *from, usec_t now)
{
    uint32_t rate = r->limits.requests_per_sec;
    struct bucket *b = from ? &from->requests : &r->own_requests;
    if (bucket_take(b, rate, rate * REQUESTS_BURST_FACTOR, now))
        return true;
    r->stats.limit_requests++;
    return false;
}

struct dest *query_want(struct router *r, const struct ip6 *a, struct neighbour *from, usec_t now)
{
    if (!ip6_in_overlay(a) || ip6_same_node(a, &r->own.net))
        return NULL;
    struct dest *home = dest_node(r, a);
    if (home && query_pending(home))
        return home;
    if (!request_allowed(r, from, now))
        return NULL;
    struct subnet s = subnet_of_node(a);
    home = dest_get(r, &s);
    if (!home)
        return NULL;
    query_open(r, home, 0, NULL, now);
    dest_release(r, home); /* the query keeps it */
    return home;
}

void query_lost(struct router *r, struct dest *d, usec_t now)
{
    struct dest *home = d->home;
    if (!dest_in_use(d, now) || query_pending(home) || route_usable(home->selected))
        return;
    home->lost_at = now + (usec_t)rng_below(r->rng, (uint64_t)LOST_QUERY_JITTER + 1);
    dest_arm(r, home);
}

void query_start_lost(struct router *r, struct dest *d, usec_t now)
{
    d->lost_at = USEC_NEVER;
    if (!route_usable(d->selected))
        query_open(r, d, 0, NULL, now);
}

/* --- requests of others ---------------------------------------------------------------------- */

static void forward(struct router *r, struct neighbour *from, const struct tlv_route_request *q,
                    usec_t now)
{
    struct subnet s = subnet_of_node(&q->subnet.net);
    const struct dest *known = dest_node(r, &s.net);
    if (q->generation + 1 >= GENERATION_LIMIT || (known && query_pending(known)) ||
        !request_allowed(r, from, now))
        return;
    struct dest *home = dest_get(r, &s);
    if (!home)
        return;
    query_open(r, home, (uint8_t)(q->generation + 1), from, now);
    dest_release(r, home);
}

void route_request_recv(struct router *r, struct neighbour *from, const struct tlv_route_request *q,
                        usec_t now)
{
    if (q->wildcard) {
        r->stats.processed_wildcard_request++;
        dump_start(r, from, now);
        return;
    }
    r->stats.processed_route_request++;
    if (q->subnet.plen < 64 || !ip6_in_overlay(&q->subnet.net))
        return;
    if (ip6_same_node(&q->subnet.net, &r->own.net)) {
        announce_own(r, from);
        return;
    }
    struct dest *d = dest_covering(r, &q->subnet);
    if (d)
        announce_route_to(r, d, from, now); /* nothing to the next hop: it knows better */
    else
        forward(r, from, q, now);
}

/* --- destinations in use ---------------------------------------------------------------------- */

void renewal_plan(struct router *r, struct dest *d, usec_t now)
{
    const struct route *rt = d->selected;
    uint64_t spread = (uint64_t)(rt->life * 3 / 10);
    usec_t left = rt->life / 10 + (usec_t)rng_below(r->rng, spread + 1);
    d->renew_stage = 0;
    d->renew_due = rt->expires - MAX(left, RENEW_LAST_CHANCE);
    d->renew_at = dest_in_use(d, now) ? MAX(d->renew_due, now) : USEC_NEVER;
    dest_arm(r, d);
}

/* The next hop alone is asked first; everybody shortly before the end. */
static void renewal_ask(struct router *r, struct dest *d, usec_t now)
{
    const struct route *rt = d->selected;
    usec_t last_chance = rt->expires - RENEW_LAST_CHANCE;
    if (d->renew_stage == 0 && now < last_chance) {
        query_ask_one(r, d, rt->nb);
        d->renew_stage = 1;
        d->renew_due = d->renew_at = last_chance;
    } else {
        ask_all(r, d->home, 0, NULL, now);
        d->renew_stage = 2;
        d->renew_at = USEC_NEVER;
    }
    dest_arm(r, d);
}

void renewal_tick(struct router *r, struct dest *d, usec_t now)
{
    d->renew_at = USEC_NEVER;
    if (route_usable(d->selected) && d->renew_stage < 2 && dest_in_use(d, now))
        renewal_ask(r, d, now);
}

void dest_used(struct router *r, struct dest *d, usec_t now)
{
    if (d->used_at == 0 || now - d->used_at >= USEC_SEC) { /* not at every packet */
        d->used_at = MAX(now, 1);
        list_del(&d->used);
        list_push_back(&r->used, &d->used);
        if (route_usable(d->selected) && d->renew_stage < 2 && d->renew_at == USEC_NEVER) {
            d->renew_at = MAX(d->renew_due, now);
            dest_arm(r, d);
        }
    }
    if (route_usable(d->selected) && d->renew_stage < 2 && now >= d->renew_due)
        renewal_ask(r, d, now);
}

void query_tell_open(struct router *r, const struct neighbour *to)
{
    list_foreach (pos, &r->queries) {
        struct dest *home = list_entry(pos, struct dest, query);
        query_ask_one(r, home, to);
        home->asked_upto = to->id; /* the newest there is */
    }
}

void used_tell(struct router *r, struct neighbour *to, usec_t now)
{
    unsigned n = 0;
    for (struct list *pos = r->used.prev; pos != &r->used && n < NEW_PEER_DESTS_MAX;
         pos = pos->prev, n++) {
        struct dest *d = list_entry(pos, struct dest, used);
        if (!dest_in_use(d, now))
            break;
        announce_route_to(r, d, to, now);
    }
}

void used_ask(struct router *r, const struct neighbour *to, usec_t now)
{
    unsigned n = 0;
    for (struct list *pos = r->used.prev; pos != &r->used && n < NEW_PEER_DESTS_MAX;
         pos = pos->prev, n++) {
        const struct dest *d = list_entry(pos, struct dest, used);
        if (!dest_in_use(d, now))
            break;
        if ((!route_usable(d->selected) || d->selected->nb != to) &&
            !asked_lately(d->home, to, 0, now))
            query_ask_one(r, d, to);
    }
}
