/* core.h - what the files of the routing core share: its state and the calls between them.
 * Nobody else includes it.
 *
 *   table.c        destinations and routes: lookups, order, lifetime
 *   extras.c       what few destinations need: searches, waiting packets, use, deadlines
 *   feasibility.c  source table: what we announced, and which routes it allows
 *   selection.c    which route of a destination is used
 *   updates.c      Updates received, expiry, loss of a neighbour, and what follows from them
 *   announcements.c  Updates sent, table dumps
 *   seqnos.c       seqno requests, received and own
 *   queries.c      route requests, received and own; renewal of routes in use
 *   neighbours.c   Hello, IHU, link cost, coming and going of links
 *   forwarding.c   data packets: own, passing, arriving
 *   parked.c       packets waiting for a route or for a key
 *   outputs.c      what router_next() hands out
 *
 * Records are many and small: they live in arenas, never move, and name each other by the 32-bit
 * names of their arena (0: none). Functions take and return addresses; what a record names is
 * looked up with dest_home(), route_dest() and the like.
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
#include "router/metric.h"
#include "router/nodemap.h"
#include "router/packet.h"
#include "router/router.h"
#include "router/seal.h"
#include "router/tlv.h"
#include "router/traffic.h"
#include "router/wheel.h"

/* --- constants of the protocol: docs/protocol/routing.md, "Constants and timers" ------------- */

#define HELLO_EVERY          (20 * USEC_SEC)
#define HELLO_INTERVAL_CS    2000
#define IHU_INTERVAL_CS      6000
#define OWN_ANNOUNCE_EVERY   (300 * USEC_SEC)
#define UPDATE_INTERVAL_CS   30000
#define PEER_SILENT_MAX      (43 * USEC_SEC)
#define RETRACTED_HOLD       (6 * USEC_SEC)
#define SOURCE_LIFE          (1800 * USEC_SEC)
#define QUERY_LIFE           (15 * USEC_SEC)
#define GENERATION_LIMIT     16
#define SEQNO_HOPS           64
#define SEQNO_ENTRY_LIFE     (60 * USEC_SEC)
#define SEQNO_REPEAT_GUARD   (4 * USEC_SEC)
#define SEQNO_BUMP_HOLD_DOWN (4 * USEC_SEC)
#define METRIC_BIG_CHANGE    10 /* announced when passed */
#define METRIC_IMPROVEMENT   10 /* switched for when passed */
#define MESSAGE_HOPS         64

/* --- our own choices ------------------------------------------------------------------------ */

/* An interval below a second is no promise to repeat anything: it counts as ten. */
#define INTERVAL_FLOOR_CS   100
#define INTERVAL_INSTEAD_CS 1000

/* A destination is in use when a packet went there so recently. */
#define USED_FOR (300 * USEC_SEC)
/* What a new neighbour is told and asked at once about destinations in use. */
#define NEW_PEER_DESTS_MAX 1000
/* It is asked only after it has worked off what it was told, so that it does not search for what we
 * have just told it. */
#define NEW_PEER_ASK_AFTER (300 * USEC_MS)

/* Search for a destination in use that lost its last route: after 0 to this, so that the wave of
 * retractions passes first. */
#define LOST_QUERY_JITTER (200 * USEC_MS)
/* A neighbour that retracts is told our other route after this and 0 to this more. */
#define TELL_DELAY (50 * USEC_MS)
#define TELL_MAX   4 /* neighbours remembered by destination; more: all are told */

#define SEQNO_RETRY_FIRST (2 * USEC_SEC) /* then doubled */
#define SEQNO_RETRIES     3

/* A route in use that was not renewed: its next hop is asked at a random 60 to 90 % of its life,
 * everybody when this much is left. */
#define RENEW_LAST_CHANCE (15 * USEC_SEC)

/* Destinations in use are selected anew when a link's cost moved by more than METRIC_BIG_CHANGE and
 * by more than a fifth, at most this often for each link. */
#define RESELECT_EVERY (60 * USEC_SEC)

#define DUMP_EVERY       (60 * USEC_SEC) /* whole tables for one neighbour */
#define DUMP_PIECE       256             /* Updates, then a pause */
#define DUMP_PIECE_EVERY (20 * USEC_MS)

/* One origin key may come with this many router ids by destination (restarts draw new ones), new
 * ones at most RIDS_BURST at once and one more each RID_EVERY. Only ids without a route make room.
 */
#define RIDS_PER_DEST 8
#define RIDS_BURST    4
#define RID_EVERY     (10 * USEC_SEC)

#define LONGER_PREFIXES_MAX 128   /* /65 to /128 inside one /64 */
#define SEQNO_ENTRIES_MAX   65536 /* the oldest goes */
#define SEQNO_PER_DEST_MAX  16    /* likewise */
#define SEQNO_PEERS_MAX     8     /* requesters and targets by entry */

#define PARKED_INBOUND_NODE_MAX 100 /* packets of one source /64 that wait for its key */
#define PARKED_INBOUND_PEER_MAX 1000
#define OOB_ICMP_PER_SEC        100
#define OOB_ICMP_BURST          200

#define REQUESTS_BURST_FACTOR 5 /* burst of router_limits.requests_per_sec */

/* Routes or deadlines handled by one call of router_tick() or router_peer_down(), and entries of
 * the wheels that only move. */
#define SLICE       256
#define SLICE_MOVES 4096

/* Neighbours with routes; more links are refused. */
#define NEIGHBOURS_MAX UINT16_MAX

/* --- state ---------------------------------------------------------------------------------- */

/* Deadlines of the few; routes and sources have wheels. */
enum timer_kind { TIMER_DEST, TIMER_NEIGHBOUR };
struct timer {
    struct heap_node node;
    enum timer_kind kind;
};

struct dump; /* announcements.c */

struct neighbour {
    struct list node; /* in router.neighbours, or router.leaving once gone */
    struct hnode by_id;
    peer_id id;
    bool gone; /* its link ended; routes over it are being taken down */
    struct router_link link;

    struct link_cost cost;
    uint16_t cost_acted; /* cost at the last selection because of it */
    usec_t cost_acted_at;
    uint16_t hello_seqno;
    unsigned hellos_unanswered;
    usec_t hello_sent, ihu_received;

    usec_t hello_at; /* deadlines; timer holds the first of all */
    usec_t ask_at;
    usec_t dump_at;
    struct timer timer;

    uint16_t slot;                    /* in router.slots */
    uint32_t first_route, last_route; /* by route.nb_next and route.nb_prev */
    size_t routes_len;
    size_t reselect_left; /* routes at the front of the list still to be looked at */

    struct bucket requests;
    usec_t dumped_at; /* 0: never */
    struct dump *dump;
    size_t dump_pos;
    uint32_t parked_inbound;
    bool origin_known; /* it has announced its own /64 over this link */
};

/* A router id, shared by the sources that name it. */
struct rid {
    struct router_id id;
    uint32_t refs;
};

/* (subnet, router id) with what we announced of it: RFC 8966 calls it the source table. */
struct source {
    uint32_t next; /* in its dest */
    uint32_t dest;
    uint32_t rid;
    uint16_t routes; /* that name it */
    uint16_t seqno, metric;
    bool announced : 1;      /* seqno and metric are valid: the feasibility distance */
    bool key_checked : 1;    /* an exchange with its key has worked */
    bool refused : 1;        /* its key has low order */
    struct wheel_node timer; /* the feasibility distance expires */
};

struct route {
    uint32_t next;             /* in its dest */
    uint32_t nb_prev, nb_next; /* in its neighbour */
    uint32_t dest;
    uint32_t source; /* after a retraction still the one before it */
    uint16_t nb;     /* slot of the neighbour */
    uint16_t metric; /* as announced to us */
    uint16_t seqno;
    uint16_t interval_cs;    /* from the last renewal to expiry: hold_time() of this */
    struct wheel_node timer; /* expiry */
};

/* Begins with the key of router.nodes; what every lookup needs stands close to it. */
struct dest {
    struct subnet subnet;
    bool selected : 1;       /* the first of routes is, with a finite metric */
    uint8_t renew_stage : 2; /* 0: nothing asked, 1: next hop asked, 2: all asked */
    bool asked : 1;          /* ever, also when its extra has been given back since */
    uint16_t next_hop;       /* slot of the neighbour of the selected route */
    uint32_t extra;
    uint16_t told;     /* metric last announced to all; infinite: none */
    uint8_t holds;     /* callers within each other: a few */
    uint8_t reachable; /* in a /64: selected routes in the whole of it */
    uint32_t home;     /* the /64 around it, itself for a /64 */
    uint32_t routes;   /* the selected one is first */
    uint32_t sources;
    uint32_t last_source; /* of the last finite route: its key is the owner's */
    uint32_t renew_left; /* renewal is due so many microseconds before the selected route expires */
};

/* What most destinations do without. Made when it is first needed, given back by dest_release()
 * and dest_tick() when it says nothing any more. */
struct extra {
    uint32_t dest;

    uint32_t *longer; /* of a /64: the longer prefixes inside it, ascending */
    uint32_t longer_len;
    usec_t rid_budget; /* for new router ids; the bucket is full RIDS_BURST * RID_EVERY later */
    struct list seqno_entries;
    uint32_t seqno_entries_len;

    usec_t used_at;   /* a packet went there; 0: never */
    struct list used; /* in router.used */

    /* Of a /64. */
    struct list query; /* in router.queries while a query is open */
    usec_t query_ends;
    usec_t asked_at; /* last request to all */
    peer_id asked_upto;
    uint8_t asked_generation;
    struct list parked_out, parked_in;
    uint32_t parked_out_len, parked_in_len;

    /* Deadlines; timer holds the first of all. */
    struct timer timer;
    usec_t renew_at; /* armed only while in use; else the next packet looks at dest_renew_due() */
    usec_t retry_at;
    usec_t lost_at;
    usec_t tell_at;
    uint8_t retries;
    uint8_t tell_len; /* above TELL_MAX: all */
    peer_id tell[TELL_MAX];
};

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
    usec_t bumped_at;
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

    struct nodemap nodes; /* struct dest of each /64 */
    struct arena dests, routes, sources, rids, extras;
    struct wheel route_wheel, source_wheel;
    struct heap timers;  /* of extras and neighbours */
    struct list used;    /* struct extra, least recently used first */
    struct list queries; /* struct extra, oldest first */
    struct list seqno_entries;
    uint32_t seqno_entries_len;
    struct dump *dump; /* the last one made, while somebody uses it */

    uint64_t parked_bytes;
    uint32_t parked_inbound;
    struct bucket own_requests, oob_icmp;
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

static inline struct dest *dest_home(const struct router *r, const struct dest *d)
{
    return arena_at(&r->dests, d->home);
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

static inline bool route_usable(const struct router *r, const struct route *rt)
{
    return rt && rt->metric != METRIC_INFINITE && !route_nb(r, rt)->gone;
}

static inline struct neighbour *dest_next_hop(const struct router *r, const struct dest *d)
{
    return d->selected ? r->slots[d->next_hop] : NULL;
}

static inline bool dest_usable(const struct router *r, const struct dest *d)
{
    return d->selected && !r->slots[d->next_hop]->gone;
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
struct source *source_get(struct router *r, struct dest *d, const struct router_id *rid, bool paced,
                          usec_t now);
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
/* The key of s turned out to be of low order: its routes go, and none comes back. */
void source_refuse(struct router *r, struct source *s, usec_t now);
/* Neighbours that retracted are told our route. */
void tell_tick(struct router *r, struct dest *d, usec_t now);
/* Selection after a change of link cost. */
void dest_reselect(struct router *r, struct dest *d, usec_t now);

/* --- announcements.c ------------------------------------------------------------------------ */

void announce_own(struct router *r, struct neighbour *to); /* NULL: all */
/* The selected route, to all but its next hop. */
void announce_route(struct router *r, struct dest *d, usec_t now);
/* The same to one neighbour, unless it is the next hop. */
void announce_route_to(struct router *r, struct dest *d, struct neighbour *to, usec_t now);
void announce_retraction(struct router *r, struct dest *d, usec_t now); /* to all */
void dump_start(struct router *r, struct neighbour *to, usec_t now);
void dump_continue(struct router *r, struct neighbour *to, usec_t now);
void dump_stop(struct router *r, struct neighbour *to);

/* --- seqnos.c ------------------------------------------------------------------------------- */

/* After an Update: the selected route goes to those who asked for its seqno or an older one, unless
 * it has just been announced to all. */
void seqno_answer(struct router *r, struct dest *d, const struct tlv_update *u, bool all_told,
                  usec_t now);
/* This neighbour has a route again: what it was asked before died with the one it had. */
void seqno_target_forget(const struct router *r, const struct dest *d, const struct neighbour *nb);
void seqno_request_recv(struct router *r, struct neighbour *from, const struct tlv_seqno_request *q,
                        usec_t now);
/* Asks for a newer seqno than what we announced: one neighbour, or each in the list with a finite
 * route that was not asked a moment ago. */
void seqno_ask(struct router *r, struct dest *d, const struct source *s, struct neighbour *to,
               usec_t now);
void seqno_ask_all(struct router *r, struct dest *d, usec_t now);
void seqno_retry(struct router *r, struct dest *d, usec_t now);
void seqno_entries_expire(struct router *r, usec_t now);
usec_t seqno_entries_deadline(const struct router *r);
void seqno_entries_free(struct router *r, struct dest *d);

/* --- queries.c ------------------------------------------------------------------------------ */

void route_request_recv(struct router *r, struct neighbour *from, const struct tlv_route_request *q,
                        usec_t now);
/* Makes sure that the /64 of an address is being searched. `from`: whose packet it is, NULL: ours.
 * NULL: refused (outside the overlay, token bucket, memory). */
struct dest *query_want(struct router *r, const struct ip6 *a, struct neighbour *from, usec_t now);
bool query_pending(const struct router *r, const struct dest *home); /* open, or soon */
void query_lost(struct router *r, struct dest *d, usec_t now);       /* lost its last route */
void query_start_lost(struct router *r, struct dest *d, usec_t now);
void query_close(struct router *r, struct dest *home);
void queries_expire(struct router *r, usec_t now);
usec_t queries_deadline(const struct router *r);
void query_ask_one(struct router *r, const struct dest *d, const struct neighbour *to);
/* Open queries, and what is in use, for a new neighbour. */
void query_tell_open(struct router *r, const struct neighbour *to);
void used_tell(struct router *r, struct neighbour *to, usec_t now);
void used_ask(struct router *r, const struct neighbour *to, usec_t now);
/* A packet went to this destination. */
void dest_used(struct router *r, struct dest *d, usec_t now);
/* The selected route was renewed or changed: when its next renewal is asked for. */
void renewal_plan(struct router *r, struct dest *d, usec_t now);
void renewal_tick(struct router *r, struct dest *d, usec_t now);

/* --- neighbours.c --------------------------------------------------------------------------- */

struct neighbour *neighbour_find(const struct router *r, peer_id id); /* not those that are gone */
void hello_recv(struct router *r, struct neighbour *from);
void ihu_recv(struct router *r, struct neighbour *from, usec_t now);
void neighbour_tick(struct router *r, struct neighbour *nb, usec_t now);
void neighbour_arm(struct router *r, struct neighbour *nb);
/* Work that was cut into slices: departed neighbours, selection after a change of cost. */
void neighbours_slice(struct router *r, size_t budget, usec_t now);
void neighbours_free(struct router *r);

/* --- forwarding.c --------------------------------------------------------------------------- */

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
int output_data(struct router *r, const struct neighbour *to, struct pkt *p);
/* For the node itself; takes o->pkt always. */
int output_local(struct router *r, const struct router_out *o, bool droppable);
void outputs_free(struct router *r);
