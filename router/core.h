/* core.h - what the files of the routing core share: its state and the calls between them.
 * Nobody else includes it.
 *
 *   table.c        destinations and routes: lookups, order, lifetime
 *   eviction.c     room in full tables
 *   extras.c       what few destinations need: searches, waiting packets, use, deadlines
 *   feasibility.c  source table: what we announced, and which routes it allows
 *   selection.c    which route of a destination is used
 *   updates.c      Updates received, expiry, loss of a neighbour, and what follows from them
 *   announcements.c  Updates sent, table dumps
 *   seqno_cache.c  seqno requests of the last minute
 *   seqnos.c       seqno requests, received and own
 *   queries.c      route requests, received and own; renewal of routes in use
 *   neighbours.c   coming and going of links
 *   probing.c      Hello, IHU, link cost; silent neighbours
 *   doubts.c       next hops that do not deliver
 *   contacts.c     searches that ask one neighbour first; who is talked to
 *   forwarding.c   data packets: own, passing, arriving
 *   parked.c       packets waiting for a route or for a key
 *   outputs.c      what router_next() hands out
 *
 * Records are many and small: they live in arenas, never move, and name each other by the 32-bit
 * names of their arena (0: none). Functions take and return addresses; what a record names is
 * looked up with dest_selected(), route_dest() and the like.
 *
 * Lifetime: a dest lives while something hangs on it; dest_release() frees it when nothing does,
 * and whoever keeps using one across calls that may release it holds it (dest_hold). Routes belong
 * to a dest and a neighbour, sources to a dest. Protocol: docs/protocol/routing.md. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bucket.h"
#include "base/clock.h"
#include "base/heap.h"
#include "base/hmap.h"
#include "base/ip6.h"
#include "base/list.h"
#include "base/macros.h"
#include "base/pkt.h"
#include "router/arena.h"
#include "router/constants.h"
#include "router/metric.h"
#include "router/nodemap.h"
#include "router/packet.h"
#include "router/records.h"
#include "router/router.h"
#include "router/seal.h"
#include "router/tlv.h"
#include "router/traffic.h"
#include "router/wheel.h"

/* --- state ---------------------------------------------------------------------------------- */

struct outputs {
    struct router_out *v;
    size_t cap, head, len; /* cap: a power of two */
};

struct router {
    const struct identity *identity;
    struct rng *rng;
    struct router_limits limits;
    struct sealer *sealer;
    struct router_id self;
    struct ip6 address;
    struct subnet own;

    uint16_t seqno;
    usec_t bump_budget; /* full when SEQNO_BUMPS_BURST * SEQNO_BUMP_EVERY ago */
    usec_t announce_at;
    usec_t now; /* of the last call */

    struct list neighbours; /* in order of connection */
    struct list leaving;
    uint32_t reselecting; /* neighbours with reselect_left */
    struct hmap by_id;
    peer_id last_peer;
    struct neighbour **slots; /* what routes name; NULL: free */
    uint32_t slots_len;
    uint32_t slots_free; /* how many below slots_len */
    /* Where eviction goes on looking. */
    uint32_t evict_slot, evict_best; /* slots */
    uint32_t evict_source;           /* name */

    struct nodemap nodes; /* struct dest of each /64 */
    struct arena dests, routes, sources, rids, extras;
    struct wheel route_wheel, source_wheel;
    struct heap timers;  /* of extras and neighbours */
    struct list used;    /* struct extra, least recently used first */
    struct list queries; /* struct extra, oldest first */
    uint32_t own_queries;
    uint64_t *vain; /* ip6_node() of own searches that found nothing; NULL: none yet */
    struct list seqno_entries;
    uint32_t seqno_entries_len;

    uint64_t parked_bytes;
    uint32_t parked_inbound;
    struct bucket own_requests, oob_icmp, quotes;
    struct traffic by_src, by_dst;
    struct outputs out;
    struct router_stats stats; /* with the numbers of routes, sources, queries, peers */
};

/* Makes a timer due at `when` at the latest; a handler that comes early sets it again. Out of
 * memory leaves it as it was, which can happen only to one that is not in the heap: who must not
 * miss its deadline takes a place with heap_set() when it is made. */
void timer_set(struct router *r, struct timer *t, usec_t when);

/* --- names to records ------------------------------------------------------------------------ */

static inline struct dest *dest_at(const struct router *r, uint32_t name)
{
    return name ? arena_at(&r->dests, name) : NULL;
}

static inline struct route *route_at(const struct router *r, uint32_t name)
{
    return name ? arena_at(&r->routes, name) : NULL;
}

static inline struct source *source_at(const struct router *r, uint32_t name)
{
    return name ? arena_at(&r->sources, name) : NULL;
}

static inline struct route *dest_selected(const struct router *r, const struct dest *d)
{
    return d->selected ? arena_at(&r->routes, d->routes) : NULL;
}

/* Never NULL: who has none shares one that says nothing. To write, extra_get(). */
static inline const struct extra *dest_extra(const struct router *r, const struct dest *d)
{
    return arena_at(&r->extras, d->extra);
}

static inline struct dest *route_dest(const struct router *r, const struct route *rt)
{
    return arena_at(&r->dests, rt->dest);
}

static inline struct neighbour *route_nb(const struct router *r, const struct route *rt)
{
    return r->slots[rt->nb];
}

static inline struct source *route_source(const struct router *r, const struct route *rt)
{
    return arena_at(&r->sources, rt->source);
}

static inline usec_t route_expires(const struct route *rt)
{
    return wheel_when(&rt->timer);
}

static inline const struct router_id *source_rid(const struct router *r, const struct source *s)
{
    const struct rid *rid = arena_at(&r->rids, s->rid);
    return &rid->id;
}

/* for each route of a destination */
#define route_foreach(r, rt, d)                                                                    \
    for (struct route *rt = route_at(r, (d)->routes); rt; rt = route_at(r, rt->next))

/* --- table.c -------------------------------------------------------------------------------- */

struct dest *dest_find(const struct router *r, const struct subnet *s);
struct dest *dest_node(const struct router *r, const struct ip6 *a); /* the /64 around a, or NULL */
/* The /64 around this one, itself for a /64. */
static inline struct dest *dest_home(const struct router *r, const struct dest *d)
{
    if (d->subnet.plen > 64)
        return dest_node(r, &d->subnet.net);
    return (void *)(r->dests.base + ((const uint8_t *)d - r->dests.base));
}
/* Found or made, held. NULL: out of memory, or LONGER_PREFIXES_MAX. */
struct dest *dest_get(struct router *r, const struct subnet *s);
void dest_hold(struct dest *d);
void dest_release(struct router *r, struct dest *d); /* frees it when nothing hangs on it */

/* Longest match with a selected route over a live link. */
struct dest *dest_towards(const struct router *r, const struct ip6 *a);
/* The same for a whole subnet: its own list or the longest around it. */
struct dest *dest_covering(const struct router *r, const struct subnet *s);
/* The source whose key seals and unseals for an address: longest match, also without a route. */
struct source *dest_key_source(const struct router *r, const struct ip6 *a);

struct route *route_of(const struct router *r, const struct dest *d, const struct neighbour *nb);
struct route *route_add(struct router *r, struct dest *d, struct neighbour *nb, struct source *s);
void route_remove(struct router *r, struct route *rt); /* not selected; leaves the dest alone */
/* Moves expiry to the hold time of this interval. */
void route_renew(struct router *r, struct route *rt, uint16_t interval_cs, usec_t now);
void route_hold(struct router *r, struct route *rt, usec_t now); /* retracted */
void route_to_front(struct router *r, struct dest *d, struct route *rt);
void neighbour_route_to_end(struct router *r, struct neighbour *nb, struct route *rt);

static inline uint16_t neighbour_cost(const struct neighbour *nb)
{
    return link_cost_total(&nb->cost, nb->link.static_cost);
}

static inline uint16_t route_total(const struct router *r, const struct route *rt)
{
    return metric_add(rt->metric, neighbour_cost(route_nb(r, rt)));
}

static inline bool neighbour_usable(const struct neighbour *nb)
{
    return !nb->gone && !nb->silent;
}

static inline bool route_usable(const struct router *r, const struct route *rt)
{
    return rt && rt->metric != METRIC_INFINITE && neighbour_usable(route_nb(r, rt));
}

/* In dest.told_to and its like. */
static inline uint32_t neighbour_bit(const struct neighbour *nb)
{
    return UINT32_C(1) << (nb->slot % 32);
}

static inline struct neighbour *dest_next_hop(const struct router *r, const struct dest *d)
{
    return d->selected ? r->slots[d->next_hop] : NULL;
}

static inline bool dest_usable(const struct router *r, const struct dest *d)
{
    return d->selected && neighbour_usable(r->slots[d->next_hop]);
}

/* Every destination that `want` accepts, ascending; *ret_len of them. NULL: none or out of memory.
 * The caller frees the array. */
const struct dest **dest_sorted(const struct router *r,
                                bool (*want)(const struct router *r, const struct dest *d),
                                size_t *ret_len);
MUST_CHECK int dest_table_init(struct router *r, usec_t now); /* ERR_NOMEM */
void dest_table_free(struct router *r);                       /* at the end: everything */

/* --- extras.c ------------------------------------------------------------------------------- */

MUST_CHECK int extras_init(struct router *r);                         /* ERR_NOMEM */
struct extra *extra_of(const struct router *r, const struct dest *d); /* NULL: has none */
struct extra *extra_get(struct router *r, struct dest *d);     /* or made; NULL: out of memory */
void extra_trim(struct router *r, struct dest *d, usec_t now); /* gives it back when it is idle */
void extra_free(struct router *r, struct dest *d);
void extra_arm(struct router *r, struct extra *x); /* after changing one of its deadlines */
void extra_tick(struct router *r, struct extra *x, usec_t now);

static inline struct dest *extra_dest(const struct router *r, const struct extra *x)
{
    return arena_at(&r->dests, x->dest);
}

static inline bool dest_in_use(const struct router *r, const struct dest *d, usec_t now)
{
    const struct extra *x = dest_extra(r, d);
    return x->used_at > 0 && now - x->used_at < USED_FOR;
}

/* --- feasibility.c -------------------------------------------------------------------------- */

struct source *source_find(const struct router *r, const struct dest *d,
                           const struct router_id *rid);
/* Found or made. NULL: too many router ids (`paced`: also too many lately) or sources, or out of
 * memory. */
struct source *source_get(struct router *r, struct dest *d, struct neighbour *from,
                          const struct router_id *rid, bool paced, usec_t now);
void source_drop_unused(struct router *r, struct source *s);
void source_free(struct router *r, struct source *s);
/* May a route with these values be used without risk of a loop? s may be NULL (unknown). */
bool source_feasible(const struct source *s, uint16_t seqno, uint16_t metric);
void source_announced(struct router *r, struct source *s, uint16_t seqno, uint16_t metric,
                      usec_t now);
void source_expired(struct router *r, struct source *s);

static inline const struct pubkey *source_key(const struct router *r, const struct source *s)
{
    return (const struct pubkey *)(const void *)source_rid(r, s)->b; /* its first bytes */
}

/* --- eviction.c ----------------------------------------------------------------------------- */

/* In use, or being searched, as the /64 around it: what comes for it is taken. */
bool dest_wanted(const struct router *r, const struct dest *d, usec_t now);
/* For one more of a neighbour's routes, or sources, of d: true when there is room, or was made by
 * letting go of one that nobody uses, of another destination. */
bool route_make_room(struct router *r, const struct dest *d, struct neighbour *from, usec_t now);
bool source_make_room(struct router *r, const struct dest *d, struct neighbour *from, usec_t now);

/* --- selection.c ---------------------------------------------------------------------------- */

/* The route to use, with hysteresis in favour of `keep` (may be NULL). NULL: none. */
struct route *route_best(const struct router *r, const struct dest *d, struct route *keep);
/* Makes rt the selected route (NULL: none), with the outputs that the rest of the node waits for.
 */
void dest_select(struct router *r, struct dest *d, struct route *rt, usec_t now);

/* --- updates.c ------------------------------------------------------------------------------ */

void update_recv(struct router *r, struct neighbour *from, const struct tlv_update *u, usec_t now);
void route_expired(struct router *r, struct route *rt, usec_t now);
/* The link under this route ended; removes it. */
void route_link_lost(struct router *r, struct route *rt, usec_t now);
/* The neighbour of the selected route has gone or is silent: another way, or none. */
void dest_mend(struct router *r, struct dest *d, usec_t now);
/* The key of s turned out to be of low order: its routes go, and none comes back. */
void source_refuse(struct router *r, struct source *s, usec_t now);
/* Neighbours that retracted are told our route. */
void tell_tick(struct router *r, struct dest *d, usec_t now);
/* Selection when something else than a route has changed: a link's cost, a doubt. */
void dest_reselect(struct router *r, struct dest *d, usec_t now);

/* --- announcements.c ------------------------------------------------------------------------ */

void announce_own(struct router *r, struct neighbour *to); /* NULL: all */
/* The selected route, to the neighbours whose neighbour_bit() is in `to`, but not to its next hop.
 * Returns the bits of those who got it. */
uint32_t announce_route(struct router *r, struct dest *d, uint32_t to, usec_t now);
/* The same to one neighbour. */
void announce_route_to(struct router *r, struct dest *d, struct neighbour *to, usec_t now);
/* To those who were told a route. */
void announce_retraction(struct router *r, struct dest *d);
/* To one neighbour, about something that we have no route to. */
void announce_none(struct router *r, const struct subnet *s, const struct neighbour *to);
void dump_start(struct router *r, struct neighbour *to, usec_t now);
void dump_continue(struct router *r, struct neighbour *to, usec_t now);
void dump_stop(struct neighbour *to);

/* --- seqno_cache.c -------------------------------------------------------------------------- */

void seqno_entries_expire(struct router *r, usec_t now);
usec_t seqno_entries_deadline(const struct router *r);
void seqno_entries_free(struct router *r, struct dest *d);

/* --- seqnos.c ------------------------------------------------------------------------------- */

/* After an Update: the selected route goes to those who asked for its seqno or an older one, but
 * not to those in `told`, who have just got it. */
void seqno_answer(struct router *r, struct dest *d, const struct tlv_update *u, uint32_t told,
                  usec_t now);
/* This neighbour has a route again: what it was asked before died with the one it had, and what it
 * asked for itself it does not need any more. */
void seqno_peer_forget(const struct router *r, const struct dest *d, const struct neighbour *nb);
void seqno_request_recv(struct router *r, struct neighbour *from, const struct tlv_seqno_request *q,
                        usec_t now);
/* Asks for a newer seqno than what we announced: one neighbour, or each in the list with a finite
 * route that was not asked a moment ago. */
void seqno_ask(struct router *r, struct dest *d, const struct source *s, struct neighbour *to,
               usec_t now);
void seqno_ask_all(struct router *r, struct dest *d, usec_t now);
void seqno_retry(struct router *r, struct dest *d, usec_t now);
void seqno_chase(struct router *r, struct dest *d, usec_t now);
/* The newest that is known here of the origin of the last finite route; 0: none. */
uint16_t seqno_newest(const struct router *r, const struct dest *d);
/* Those of these who lost the route a while ago, and cannot use ours because they had a better one
 * with the same seqno, get a newer one: they do not always ask for it. */
void seqno_for_lost(struct router *r, struct dest *d, uint32_t told, usec_t now);
/* neighbour_bit() of those who asked for a newer seqno than the selected route has. */
uint32_t seqno_waiting(const struct router *r, const struct dest *d, usec_t now);

/* --- queries.c ------------------------------------------------------------------------------ */

void route_request_recv(struct router *r, struct neighbour *from, const struct tlv_route_request *q,
                        usec_t now);
/* Makes sure that the /64 of an address is being searched. `from`: whose packet it is, NULL: ours.
 * NULL: refused (outside the overlay, token bucket, memory). */
struct dest *query_want(struct router *r, const struct ip6 *a, struct neighbour *from, usec_t now);
/* The same, asking first the neighbour whose /64 is `via` (NULL: all at once). */
struct dest *query_want_via(struct router *r, const struct ip6 *a, const struct ip6 *via,
                            usec_t now);
void query_ask_all(struct router *r, struct dest *home, uint8_t generation,
                   const struct neighbour *except, usec_t now);
bool query_pending(const struct router *r, const struct dest *home); /* open, or soon */
/* neighbour_bit() of those who asked for it lately and could not be answered at once. */
uint32_t query_asked_by(const struct router *r, const struct dest *d, usec_t now);
void query_lost(struct router *r, struct dest *d, usec_t now); /* lost its last route */
/* A neighbour of another kind was told that a route is lost, and for some seconds cannot search
 * another one: it is told what we find. */
void query_wanted_by(struct router *r, struct dest *d, struct neighbour *nb, usec_t now);
/* The same, after it has said so itself; when we have no route either, our neighbours are asked. */
void query_lost_at(struct router *r, struct dest *d, struct neighbour *nb, usec_t now);
void query_start_lost(struct router *r, struct dest *d, usec_t now);
void query_close(struct router *r, struct dest *home);
void queries_expire(struct router *r, usec_t now);
usec_t queries_deadline(const struct router *r);
void query_ask_one(struct router *r, const struct dest *d, const struct neighbour *to);
/* The same, but it does not pass it on. */
void query_ask_near(struct router *r, const struct dest *d, const struct neighbour *to);
/* Open queries, and what is in use, for a new neighbour. */
void query_tell_open(struct router *r, const struct neighbour *to);
void used_tell(struct router *r, struct neighbour *to, usec_t now);
void used_ask(struct router *r, const struct neighbour *to, usec_t now);
/* A packet went to this destination. */
void dest_used(struct router *r, struct dest *d, usec_t now);
/* It began to be used: neighbours are asked whether they have a route too. */
void look_tick(struct router *r, struct dest *d, usec_t now);
/* The selected route was renewed or changed: when its next renewal is asked for. */
void renewal_plan(struct router *r, struct dest *d, usec_t now);
void renewal_tick(struct router *r, struct dest *d, usec_t now);

/* --- neighbours.c --------------------------------------------------------------------------- */

struct neighbour *neighbour_find(const struct router *r, peer_id id); /* not those that are gone */
/* The destinations in use of its routes are looked at anew, in slices. */
void neighbour_reselect(struct router *r, struct neighbour *nb);
void neighbour_tick(struct router *r, struct neighbour *nb, usec_t now);
void neighbour_arm(struct router *r, struct neighbour *nb);
/* Work that was cut into slices: departed neighbours, neighbour_reselect(). */
void neighbours_slice(struct router *r, size_t budget, usec_t now);
void neighbours_free(struct router *r);

/* --- probing.c ------------------------------------------------------------------------------ */

void hello_send(struct router *r, struct neighbour *nb, usec_t now); /* and plans the next */
void hello_recv(struct router *r, struct neighbour *from, const struct tlv_hello *h);
void ihu_recv(struct router *r, struct neighbour *from, usec_t now);
void neighbour_carries(struct router *r, struct neighbour *nb, usec_t now); /* data goes over it */
void neighbour_heard(struct router *r, struct neighbour *nb, usec_t now);   /* a frame of it came */
/* True: it has been silent for so long that its link is to be closed. */
bool probing_tick(struct router *r, struct neighbour *nb, usec_t now);
usec_t probing_deadline(const struct neighbour *nb);

/* --- doubts.c ------------------------------------------------------------------------------- */

/* When the neighbour of this route was doubted as next hop of d; 0: it is trusted. */
usec_t route_doubted(const struct router *r, const struct dest *d, const struct route *rt);
/* Would it be good to hear of other ways? There is none, or a doubted one. */
bool dest_wants_way(const struct router *r, const struct dest *d);
void doubt_tick(struct router *r, struct dest *d, usec_t now);

/* --- contacts.c ----------------------------------------------------------------------------- */

/* Asks the neighbour that is hinted at, instead of all, for a query that has just been opened. */
void hint_start(struct router *r, struct dest *home, const struct ip6 *via, usec_t now);
bool hint_pending(const struct router *r, const struct dest *home);
void hint_tick(struct router *r, struct dest *home, usec_t now); /* it was asked long enough ago */
void hint_end(struct router *r, struct dest *home); /* with its query; fine when there is none */
/* This neighbour can be asked, and is known by its /64: searches wait for it. */
void hint_origin(struct router *r, struct neighbour *nb, usec_t now);

/* --- forwarding.c --------------------------------------------------------------------------- */

/* dest_towards(), after mending a table in which a dying link still holds the selected route. */
struct dest *way_to(struct router *r, const struct ip6 *dst, usec_t now);

void data_recv(struct router *r, struct neighbour *from, struct wire_rd frame, usec_t now);

/* --- parked.c ------------------------------------------------------------------------------- */

enum parked_kind {
    PARKED_OWN,     /* plaintext with user header, from router_send() */
    PARKED_PASSING, /* a whole packet of a neighbour, hop limit taken down already */
    PARKED_INBOUND, /* raw data for this node from a source whose key is not known */
};
struct parked {
    struct list node;
    enum parked_kind kind;
    peer_id from; /* whose link it came over; 0: own */
    uint8_t hop_limit;
    uint8_t user_type;
    struct ip6 src, dst;
    struct pkt *pkt;
};
/* Takes w->pkt on OK and copies *w. home: the /64 of the destination, or of the source for
 * PARKED_INBOUND, with an open query. ERR_LIMIT, ERR_NOMEM. */
MUST_CHECK int parked_add(struct router *r, struct dest *home, const struct parked *w);
/* Sends and delivers what can go now; the rest stays. */
void parked_flush(struct router *r, struct dest *home, usec_t now);
/* The query ended: own packets go back to their sender, the others vanish. */
void parked_drop(struct router *r, struct dest *home);
/* Both in forwarding.c: is there a way now, or the key? Sends or delivers; takes w->pkt. */
bool parked_ready(const struct router *r, const struct parked *w);
void parked_go(struct router *r, struct parked *w, usec_t now);

/* --- outputs.c ------------------------------------------------------------------------------ */

void output_control(struct router *r, const struct neighbour *to, const struct tlv *t);
/* Takes p always. ERR_LIMIT: too many outputs wait. */
int output_data(struct router *r, struct neighbour *to, struct pkt *p);
/* For the node itself; takes o->pkt always. */
int output_local(struct router *r, const struct router_out *o, bool droppable);
void outputs_free(struct router *r);
