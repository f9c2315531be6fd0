#include <stdlib.h>

#include "base/err.h"
#include "router/core.h"

/* Route requests: how a route to an unknown /64 is found, and how one in use is kept.
 * docs/protocol/routing.md, "Route requests and queries".
 *
 * Only /64s inside the overlay are searched. Who asks for a known route is told at once; who asks
 * for one that is being searched is remembered and told when it is found. */

static void asker_mark(struct extra *x, uint32_t before, const struct neighbour *nb, usec_t now)
{
    x->asked_by = before | neighbour_bit(nb);
    x->asked_by_at = MAX(now, 1);
}

static void send_request(struct router *r, const struct dest *d, const struct neighbour *to,
                         uint8_t generation)
{
    struct extra *x = extra_of(r, dest_home(r, d));
    if (x && !to->on_request && generation < GENERATION_LIMIT - 1)
        asker_mark(x, query_asked_by(r, d, r->now), to, r->now); /* it searches now, too */
    struct tlv t = {.type = TLV_ROUTE_REQUEST,
                    .route_request = {.generation = generation,
                                      .wildcard = false,
                                      .subnet = dest_home(r, d)->subnet}};
    output_control(r, to, &t);
}

void query_ask_one(struct router *r, const struct dest *d, const struct neighbour *to)
{
    send_request(r, d, to, 0);
}

void query_ask_near(struct router *r, const struct dest *d, const struct neighbour *to)
{
    send_request(r, d, to, GENERATION_LIMIT - 1);
}

/* Was this neighbour asked within the life of a query? Neighbours are numbered in the order in
 * which they came, so one number tells who existed then. */
static bool asked_lately(const struct extra *x, const struct neighbour *nb, uint8_t generation,
                         usec_t now)
{
    return x->asked_at > 0 && now - x->asked_at < QUERY_LIFE && x->asked_generation <= generation &&
           nb->id <= x->asked_upto;
}

void query_ask_all(struct router *r, struct dest *home, uint8_t generation,
                   const struct neighbour *except, usec_t now)
{
    struct extra *x = extra_get(r, home);
    bool sent = false;
    if (!x)
        return;
    list_foreach (pos, &r->neighbours) {
        const struct neighbour *nb = list_entry(pos, struct neighbour, node);
        if ((except && nb == except) || asked_lately(x, nb, generation, now))
            continue;
        send_request(r, home, nb, generation);
        sent = true;
    }
    if (sent || !home->asked) {
        home->asked = true;
        x->asked_at = MAX(now, 1);
        x->asked_upto = r->last_peer;
        x->asked_generation = generation;
    }
}

static bool query_open_at(const struct router *r, const struct dest *home)
{
    return list_linked(&dest_extra(r, home)->query);
}

/* Asks who is next to us, and nobody further away. */
static bool only_near(const struct router *r, const struct dest *home)
{
    return query_open_at(r, home) && dest_extra(r, home)->query_generation == GENERATION_LIMIT - 1;
}

bool query_pending(const struct router *r, const struct dest *home)
{
    return (query_open_at(r, home) && !only_near(r, home)) ||
           dest_extra(r, home)->lost_at != USEC_NEVER;
}

/* Hundreds of absent nodes that are searched again and again must not keep a new one waiting. */
static bool leaves_enough(const struct router *r, const struct ip6 *a, usec_t now)
{
    uint64_t node = ip6_node(a);
    uint32_t rate = r->limits.requests_per_sec, burst = rate * REQUESTS_BURST_FACTOR;
    return !r->vain || r->vain[node % VAIN_PLACES] != node ||
           bucket_has(&r->own_requests, burst / 2 + 1, rate, burst, now);
}

static void vain_note(struct router *r, const struct dest *home)
{
    uint64_t node = ip6_node(&home->subnet.net);
    if (!r->vain)
        r->vain = calloc(VAIN_PLACES, sizeof(*r->vain));
    if (r->vain)
        r->vain[node % VAIN_PLACES] = node;
}

/* May this neighbour, or this node (NULL), start one more search for the /64 of a? */
static bool request_allowed(struct router *r, struct neighbour *from, const struct ip6 *a,
                            usec_t now)
{
    uint32_t rate = r->limits.requests_per_sec;
    struct bucket *b = from ? &from->requests : &r->own_requests;
    if ((from || leaves_enough(r, a, now)) &&
        bucket_take(b, rate, rate * REQUESTS_BURST_FACTOR, now))
        return true;
    r->stats.limit_requests++;
    return false;
}

/* A search that began long ago may have passed by who knows the way by now: what is wanted late is
 * searched again when this one ends. from: as above. */
static void want_again(struct router *r, struct dest *home, struct neighbour *from,
                       unsigned generation, usec_t now)
{
    struct extra *x = extra_of(r, home);
    if (!x || !list_linked(&x->query) || now < x->query_ends - QUERY_LIFE + QUERY_LATE ||
        generation >= x->again || !request_allowed(r, from, &home->subnet.net, now))
        return;
    x->again = (uint8_t)generation;
}

/* Somebody else than the one who made us search (this node: NULL) wants the route as well: the
 * first may find it where we can not, and would not tell us. */
static void ask_first_asker(struct router *r, struct dest *home, const struct neighbour *wants)
{
    struct extra *x = extra_of(r, home);
    if (!x || x->not_asked == 0 || (wants && wants->id == x->not_asked))
        return;
    const struct neighbour *first = neighbour_find(r, x->not_asked);
    x->not_asked = 0;
    if (first)
        send_request(r, home, first, x->query_generation);
}

static void asked_by_add(struct router *r, struct dest *home, const struct neighbour *nb,
                         usec_t now)
{
    struct extra *x = extra_get(r, home);
    if (!x)
        return;
    asker_mark(x, query_asked_by(r, home, now), nb, now); /* the earlier ones live on */
    ask_first_asker(r, home, nb);
}

uint32_t query_asked_by(const struct router *r, const struct dest *d, usec_t now)
{
    const struct extra *x = dest_extra(r, dest_home(r, d));
    return x->asked_by_at > 0 && now - x->asked_by_at < QUERY_LIFE ? x->asked_by : 0;
}

/* How many of the open ones this neighbour began; NULL: this node, and neighbours that have gone.
 */
static uint32_t *queries_of(struct router *r, struct neighbour *nb)
{
    return nb ? &nb->queries : &r->own_queries;
}

void query_close(struct router *r, struct dest *home)
{
    struct extra *x = extra_of(r, home);
    if (!x || !list_linked(&x->query))
        return;
    list_del(&x->query);
    *queries_of(r, neighbour_find(r, x->opened_by)) -= 1;
    hint_end(r, home);
    x->query_ends = 0;
    x->not_asked = 0;
    x->again = GENERATION_LIMIT;
    r->stats.queries--;
}

/* In vain: those who still have a route from us, one that ended here while it was not used, are to
 * look elsewhere. */
static void query_end(struct router *r, struct dest *home)
{
    const struct extra *x = dest_extra(r, home);
    dest_hold(home);
    query_close(r, home);
    parked_drop(r, home);
    for (uint32_t i = 0; i <= x->longer_len; i++) {
        struct dest *d = i == 0 ? home : dest_at(r, x->longer[i - 1]);
        if (!d->selected)
            announce_retraction(r, d);
    }
    dest_release(r, home);
}

static struct dest *first_query(const struct router *r)
{
    return extra_dest(r, list_entry(r->queries.next, struct extra, query));
}

/* For one more: the oldest goes of those whose neighbour has gone, else of who began most. */
static void query_make_room(struct router *r)
{
    struct neighbour *most = NULL;
    struct dest *oldest = NULL;
    list_foreach (pos, &r->neighbours) {
        struct neighbour *nb = list_entry(pos, struct neighbour, node);
        if (nb->queries > *queries_of(r, most) || (!most && nb->queries == r->own_queries))
            most = nb;
    }
    list_foreach (at, &r->queries) {
        const struct extra *x = list_entry(at, struct extra, query);
        const struct neighbour *opener = neighbour_find(r, x->opened_by);
        bool nobodys = x->opened_by != 0 && !opener;
        if (nobodys || (!oldest && opener == most))
            oldest = extra_dest(r, x);
        if (nobodys)
            break;
    }
    if (!oldest)
        return;
    r->stats.limit_queries++;
    query_end(r, oldest);
}

/* opener: whose wish it is, NULL: ours. via: see query_want_via(); NULL: all are asked. */
static void query_open(struct router *r, struct dest *home, uint8_t generation,
                       struct neighbour *opener, const struct neighbour *except,
                       const struct ip6 *via, usec_t now)
{
    struct extra *x = extra_get(r, home);
    if (!x || (list_linked(&x->query) && !only_near(r, home)))
        return;
    if (list_linked(&x->query))
        query_close(r, home); /* who asked is still known */
    if (r->stats.queries >= r->limits.queries)
        query_make_room(r);
    x->lost_at = USEC_NEVER;
    x->query_ends = now + QUERY_LIFE;
    list_push_back(&r->queries, &x->query);
    r->stats.queries++;
    x->query_generation = generation;
    x->opened_by = opener ? opener->id : 0;
    *queries_of(r, opener) += 1;
    x->not_asked = except ? except->id : 0;
    if (via)
        hint_start(r, home, via, now);
    else
        query_ask_all(r, home, generation, except, now);
}

void queries_expire(struct router *r, usec_t now)
{
    for (unsigned n = 0; n < SLICE && queries_deadline(r) <= now; n++) {
        struct dest *home = first_query(r);
        uint8_t again = dest_extra(r, home)->again;
        struct neighbour *opener = neighbour_find(r, dest_extra(r, home)->opened_by);
        if (dest_extra(r, home)->opened_by == 0)
            vain_note(r, home);
        dest_hold(home);
        query_end(r, home);
        if (again < GENERATION_LIMIT)
            query_open(r, home, again, opener, NULL, NULL, now);
        dest_release(r, home);
    }
}

usec_t queries_deadline(const struct router *r)
{
    const struct extra *x = list_first(&r->queries, struct extra, query);
    return x ? x->query_ends : USEC_NEVER;
}

static struct dest *want(struct router *r, const struct ip6 *a, struct neighbour *from,
                         const struct ip6 *via, usec_t now)
{
    if (!ip6_in_overlay(a) || ip6_same_node(a, &r->own.net))
        return NULL;
    struct dest *home = dest_node(r, a);
    if (home && query_pending(r, home)) {
        ask_first_asker(r, home, from);
        want_again(r, home, from, 0, now);
        return home;
    }
    if (!request_allowed(r, from, a, now))
        return NULL;
    struct subnet s = subnet_of_node(a);
    home = dest_get(r, &s);
    if (!home)
        return NULL;
    query_open(r, home, 0, from, NULL, via, now);
    bool open = query_open_at(r, home);
    dest_release(r, home); /* the query keeps it */
    return open ? home : NULL;
}

struct dest *query_want(struct router *r, const struct ip6 *a, struct neighbour *from, usec_t now)
{
    return want(r, a, from, NULL, now);
}

struct dest *query_want_via(struct router *r, const struct ip6 *a, const struct ip6 *via,
                            usec_t now)
{
    return want(r, a, NULL, via, now);
}

void query_lost(struct router *r, struct dest *d, usec_t now)
{
    struct dest *home = dest_home(r, d);
    if (!dest_in_use(r, d, now) || query_pending(r, home) || dest_usable(r, home))
        return;
    struct extra *x = extra_get(r, home);
    if (!x)
        return;
    x->lost_at = now + (usec_t)rng_below(r->rng, (uint64_t)LOST_QUERY_JITTER + 1);
    extra_arm(r, x);
}

void query_start_lost(struct router *r, struct dest *d, usec_t now)
{
    extra_of(r, d)->lost_at = USEC_NEVER;
    if (!dest_usable(r, d))
        query_open(r, d, 0, NULL, NULL, NULL, now);
}

/* --- for neighbours of another kind -----------------------------------------------------------
 *
 * Such a node keeps what was retracted for RETRACTED_HOLD, and meanwhile neither searches nor
 * passes a search on; who asks it is not heard. It takes what it is told. */

static void lost_mark(struct router *r, struct dest *d, const struct neighbour *nb, usec_t now)
{
    struct extra *x = extra_get(r, d);
    if (!x)
        return;
    uint32_t asked_by = query_asked_by(r, d, now);
    uint16_t seqno = seqno_newest(r, d);
    x->lost_by &= asked_by;
    if (x->lost_by == 0 || seqno_gt(seqno, x->lost_seqno))
        x->lost_seqno = seqno;
    x->lost_by |= neighbour_bit(nb);
    asker_mark(x, asked_by, nb, now);
}

static bool lost_allowed(const struct dest *d, struct neighbour *nb, usec_t now)
{
    return !nb->on_request && d->subnet.plen == 64 &&
           bucket_take(&nb->lost_looks, LOST_LOOKS_PER_SEC, LOST_LOOKS_BURST, now);
}

void query_wanted_by(struct router *r, struct dest *d, struct neighbour *nb, usec_t now)
{
    if (lost_allowed(d, nb, now))
        lost_mark(r, d, nb, now);
}

/* It asks for what it was told, so it cannot use that; and for a minute it may not ask us for a
 * newer seqno, when we have asked it for the same one. */
static void query_told_in_vain(struct router *r, struct dest *d, struct neighbour *nb, usec_t now)
{
    query_wanted_by(r, d, nb, now);
    seqno_for_lost(r, d, neighbour_bit(nb), now);
}

/* Who knows the way answers, nobody passes the question on: a node that hears of every loss in the
 * network must not make a search of each. */
void query_lost_at(struct router *r, struct dest *d, struct neighbour *nb, usec_t now)
{
    if (!lost_allowed(d, nb, now))
        return;
    if (!d->selected && !query_open_at(r, d) && r->stats.queries < r->limits.queries / 2)
        query_open(r, d, GENERATION_LIMIT - 1, nb, nb, NULL, now);
    lost_mark(r, d, nb, now);
}

/* --- requests of others ---------------------------------------------------------------------- */

static void forward(struct router *r, struct neighbour *from, const struct tlv_route_request *q,
                    usec_t now)
{
    struct subnet s = subnet_of_node(&q->subnet.net);
    struct dest *home = dest_node(r, &s.net);
    if (home && query_pending(r, home)) {
        asked_by_add(r, home, from, now);
        want_again(r, home, from, q->generation + 1U, now);
        return;
    }
    if (q->generation + 1 >= GENERATION_LIMIT || !request_allowed(r, from, &s.net, now))
        return;
    home = dest_get(r, &s);
    if (!home)
        return;
    query_open(r, home, (uint8_t)(q->generation + 1), from, from, NULL, now);
    asked_by_add(r, home, from, now);
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
    if (!d) {
        forward(r, from, q, now);
        return;
    }
    bool again = (d->told_to & neighbour_bit(from)) && dest_next_hop(r, d) != from;
    announce_route_to(r, d, from, now); /* nothing to the next hop: it knows better */
    if (again)
        query_told_in_vain(r, d, from, now);
}

/* --- destinations in use ---------------------------------------------------------------------- */

static usec_t renew_due(const struct router *r, const struct dest *d)
{
    return route_expires(dest_selected(r, d)) - (usec_t)d->renew_left;
}

void renewal_plan(struct router *r, struct dest *d, usec_t now)
{
    const struct route *rt = dest_selected(r, d);
    struct extra *x = extra_of(r, d);
    usec_t life = hold_time(rt->interval_cs);
    uint64_t spread = (uint64_t)(life * 3 / 10);
    usec_t left = life / 10 + (usec_t)rng_below(r->rng, spread + 1);
    d->renew_stage = 0;
    d->renew_left = (uint32_t)MAX(left, RENEW_LAST_CHANCE); /* less than an hour: it fits */
    if (x) {
        x->renew_at = dest_in_use(r, d, now) ? MAX(renew_due(r, d), now) : USEC_NEVER;
        extra_arm(r, x);
    }
}

/* Neighbours beside the next hop are asked for their routes to what is in use: the way that was
 * found first need not be the best, and another one is at hand when it is lost. The request is
 * answered by who knows the destination, and is too old for the others to pass it on. */
static void look_around(struct router *r, const struct dest *d, bool for_new)
{
    list_foreach (pos, &r->neighbours) {
        const struct neighbour *nb = list_entry(pos, struct neighbour, node);
        if (nb->slot != d->next_hop && !(for_new && route_of(r, d, nb)))
            send_request(r, d, nb, GENERATION_LIMIT - 1);
    }
}

void look_tick(struct router *r, struct dest *d, usec_t now)
{
    extra_of(r, d)->look_at = USEC_NEVER;
    if (dest_usable(r, d) && dest_in_use(r, d, now))
        look_around(r, d, true);
}

/* The next hop is asked first, and others for what they have; everybody shortly before the end. */
static void renewal_ask(struct router *r, struct dest *d, struct extra *x, usec_t now)
{
    const struct route *rt = dest_selected(r, d);
    usec_t last_chance = route_expires(rt) - RENEW_LAST_CHANCE;
    if (d->renew_stage == 0 && now < last_chance) {
        query_ask_one(r, d, route_nb(r, rt));
        look_around(r, d, false);
        d->renew_stage = 1;
        d->renew_left = RENEW_LAST_CHANCE;
        x->renew_at = last_chance;
    } else {
        query_ask_all(r, dest_home(r, d), 0, NULL, now);
        d->renew_stage = 2;
        x->renew_at = USEC_NEVER;
    }
    extra_arm(r, x);
}

void renewal_tick(struct router *r, struct dest *d, usec_t now)
{
    struct extra *x = extra_of(r, d);
    x->renew_at = USEC_NEVER;
    if (dest_usable(r, d) && d->renew_stage < 2 && dest_in_use(r, d, now))
        renewal_ask(r, d, x, now);
}

void dest_used(struct router *r, struct dest *d, usec_t now)
{
    struct extra *x = extra_get(r, d);
    if (!x)
        return;                                            /* no memory: it is not kept alive */
    if (x->used_at == 0 || now - x->used_at >= USEC_SEC) { /* not at every packet */
        if (!dest_in_use(r, d, now)) {
            x->look_at = now + LOOK_DELAY + (usec_t)rng_below(r->rng, (uint64_t)LOOK_DELAY);
            extra_arm(r, x);
        }
        x->used_at = MAX(now, 1);
        list_del(&x->used);
        list_push_back(&r->used, &x->used);
        if (dest_usable(r, d) && d->renew_stage < 2 && x->renew_at == USEC_NEVER) {
            x->renew_at = MAX(renew_due(r, d), now);
            extra_arm(r, x);
        }
    }
    if (dest_usable(r, d) && d->renew_stage < 2 && now >= renew_due(r, d))
        renewal_ask(r, d, x, now);
}

void query_tell_open(struct router *r, const struct neighbour *to)
{
    list_foreach (pos, &r->queries) {
        struct extra *x = list_entry(pos, struct extra, query);
        if (x->hint_at != USEC_NEVER)
            continue; /* its turn comes with everybody's, unless it is who is waited for */
        send_request(r, extra_dest(r, x), to,
                     only_near(r, extra_dest(r, x)) ? GENERATION_LIMIT - 1 : 0);
        x->asked_upto = to->id; /* the newest there is */
    }
}

void used_tell(struct router *r, struct neighbour *to, usec_t now)
{
    unsigned n = 0;
    for (struct list *pos = r->used.prev; pos != &r->used && n < NEW_PEER_DESTS_MAX;
         pos = pos->prev, n++) {
        struct dest *d = extra_dest(r, list_entry(pos, struct extra, used));
        if (!dest_in_use(r, d, now))
            break;
        announce_route_to(r, d, to, now);
    }
}

void used_ask(struct router *r, const struct neighbour *to, usec_t now)
{
    unsigned n = 0;
    for (struct list *pos = r->used.prev; pos != &r->used && n < NEW_PEER_DESTS_MAX;
         pos = pos->prev, n++) {
        const struct dest *d = extra_dest(r, list_entry(pos, struct extra, used));
        if (!dest_in_use(r, d, now))
            break;
        const struct route *rt = dest_selected(r, d);
        /* It has been asked since it came when a search was open then or has begun meanwhile. */
        if ((!route_usable(r, rt) || rt->nb != to->slot) && !hint_pending(r, dest_home(r, d)) &&
            dest_extra(r, dest_home(r, d))->asked_upto < to->id)
            send_request(r, d, to, route_usable(r, rt) ? GENERATION_LIMIT - 1 : 0);
    }
}
