/* router.h - the routing core: Babel's tables and timers, sealing, forwarding, route queries.
 *
 * A value driven from outside: packets, link events and `now` go in, outputs are pulled, a deadline
 * comes out. The daemon, the simulator and the fuzzers drive the same code.
 *
 *     router_recv(r, from, frame, now);
 *     while (router_next(r, &out)) apply(&out);
 *     arm_timer(router_deadline(r));
 *
 * Owns: neighbours' protocol state, routes, sources, queries, waiting packets.
 * Thread: loop. Never: touches a socket, reads a clock, calls back.
 * Protocol: docs/protocol/routing.md. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/ip6.h"
#include "base/pkt.h"
#include "base/rng.h"
#include "base/wire.h"
#include "router/identity.h"
#include "router/seal.h"
#include "router/tlv.h"
#include "router/traffic.h"

struct router;

/* Names one neighbour, that is one live link; never used twice in a process. 0: none. */
typedef uint64_t peer_id;

/* Every table that a remote can make grow. At the limit new entries are refused unless said
 * otherwise; router_stats counts each refusal. Address space is set aside for them from the start,
 * memory taken as they fill. */
struct router_limits {
    uint32_t routes;            /* all subnets, all neighbours together (default 2^20; one that
                                   nobody uses goes, of who has more than its share) */
    uint32_t sources;           /* feasibility distances (2^20; likewise) */
    uint32_t queries;           /* open route queries (4096; the oldest goes of who began most) */
    uint32_t seqno_entries;     /* seqno requests remembered (65536; the oldest goes) */
    uint32_t wait_packets_node; /* waiting for a route, per destination /64 (1000; refuse new) */
    uint32_t wait_bytes;        /* waiting for a route, in all (16 MiB; refuse new) */
    uint32_t
        inbound_packets; /* received, waiting for the sender's key, in all (10000; refuse new) */
    /* Subnets that one neighbour brings though nobody here asked for them (1000, burst ten times as
     * much; ignore). */
    uint32_t new_subnets_per_sec;
    /* Announcements to the others that follow from what one neighbour says (1000, burst twice as
     * much; a second later). */
    uint32_t announcements_per_sec;
    uint32_t requests_per_sec; /* new subnets asked for by one neighbour (20, burst 100; ignore) */
    uint32_t stats_addresses;  /* packet statistics (4096; least recently used goes) */
    uint32_t out_packets;      /* outputs not yet pulled (65536; data refused, control never) */
};
void router_limits_default(struct router_limits *l);

struct router_conf {
    const struct identity *identity; /* borrowed for the router's life */
    struct rng *rng;                 /* likewise; router id suffix, jitter, hash secrets */
    struct router_limits limits;
};
MUST_CHECK int router_new(const struct router_conf *c, usec_t now, struct router **ret);
void router_free(struct router *r);

/* Has a neighbour shown itself to be the node of this address? */
bool router_is_neighbour(const struct router *r, const struct ip6 *addr);
const struct router_id *router_self(const struct router *r); /* lends */
struct ip6 router_address(const struct router *r);

/* --- neighbours --------------------------------------------------------------------------- */

#define LINK_NAME_MAX 128
struct router_link {
    uint16_t static_cost;     /* by transport: docs/protocol/connections.md, "Link cost" */
    char name[LINK_NAME_MAX]; /* shown as next hop: "TCP [::1]:1 <-> [::1]:2" */
};
/* A link came up: announces the own /64 and open queries to it, and sends the first Hello.
 * ERR_NOMEM. ERR_LIMIT: 65535 neighbours, those included whose routes are still being taken down.
 */
MUST_CHECK int router_peer_up(struct router *r, const struct router_link *link, usec_t now,
                              peer_id *ret);
/* A link went away: its routes are lost, alternatives are selected and announced. */
void router_peer_down(struct router *r, peer_id peer, usec_t now);

/* The link of this neighbour has more to write than should wait: a table dump to it pauses, after
 * the piece that may be on its way, until router_peer_ready(). Without this word, dumps go on at
 * their own pace. */
void router_peer_full(struct router *r, peer_id peer, usec_t now);
/* The link of this neighbour has room in its queue again: a table dump goes on. Nothing happens
 * when it was not full. */
void router_peer_ready(struct router *r, peer_id peer, usec_t now);

/* One packet of a neighbour, cut out by the framer; borrows. Malformed or refused content is
 * counted and dropped and never ends the link. */
void router_recv(struct router *r, peer_id from, struct wire_rd frame, usec_t now);

/* --- own packets -------------------------------------------------------------------------- */

/* Seals and routes a packet of this node. p->data is the body without user header; takes p always.
 * OK: on its way, or waiting for a route. ERR_NOROUTE: destination outside 400::/7 or in the own
 * /64. ERR_INVAL: hop limit below 2. ERR_TOOBIG: body above 65503 bytes. ERR_LIMIT: a queue is
 * full, or too many searches. ERR_NOMEM. ERR_CRYPTO: the destination's key is of low order. */
int router_send(struct router *r, const struct ip6 *src, const struct ip6 *dst, enum user_type type,
                uint8_t hop_limit, struct pkt *p, usec_t now);

/* Is there a selected route for this address? The own /64: true. */
bool router_reachable(const struct router *r, const struct ip6 *dst);
/* Starts a route query unless there is a route or an open query (one per /64, token bucket). Counts
 * as use of the destination: its route is renewed, and searched when lost. */
void router_want(struct router *r, const struct ip6 *dst, usec_t now);
/* The same, but the neighbour whose own /64 is `via` is asked first; everybody else only when no
 * route came within CONTACT_GRACE after asking it, or when it has no live link within CONTACT_WAIT.
 * via NULL: everybody at once. */
void router_want_via(struct router *r, const struct ip6 *dst, const struct ip6 *via, usec_t now);
/* What this node sends to dst is not answered any more, although the route stands: another next hop
 * is tried, and a route that would be feasible with a newer seqno is asked for. Fine to repeat;
 * nothing to do when there is no route. */
void router_doubt(struct router *r, const struct ip6 *dst, usec_t now);
/* Key of the node that owns an address (also when its route is lost for the moment). ERR_NOENT. */
MUST_CHECK int router_pubkey(const struct router *r, const struct ip6 *addr, struct pubkey *ret);
/* Next hop of a destination; 0: none. For the caller's back-pressure by link. */
peer_id router_next_hop(const struct router *r, const struct ip6 *dst);

/* --- driving ------------------------------------------------------------------------------ */

void router_tick(struct router *r, usec_t now); /* deadlines due at now; bounded work per call */
usec_t router_deadline(const struct router *r); /* USEC_NEVER when nothing is due */

enum router_out_kind {
    ROUTER_OUT_FRAME, /* send pkt to peer (whole packet with outer header) */
    /* A packet for this node, unsealed. USER_OOB_ICMP: has been checked, and its quote unsealed
     * too: destination of the lost packet 16 | IPv6 header 40 | ICMPv6 type, code, checksum, 4
     * bytes | the lost packet as it was sealed, with user header and body; or nothing, when it was
     * too large. */
    ROUTER_OUT_LOCAL,
    ROUTER_OUT_REACHABLE, /* a route to dst's /64 was found or lost */
    /* The peer is silent (no IHU for 43 s, nothing at all for 15 s on a link in use) and forgotten
     * already: close its link. */
    ROUTER_OUT_CLOSE,
    ROUTER_OUT_UNSENT, /* an own packet waited in vain for a route: what router_send() was given */
};
struct router_out {
    enum router_out_kind kind;
    peer_id peer; /* FRAME, CLOSE */
    bool control; /* FRAME: goes before data */
    struct pkt
        *pkt; /* FRAME, LOCAL, UNSENT: the taker's now. Not FRAME: body without user header */
    uint8_t user_type;     /* LOCAL, UNSENT: enum user_type */
    uint8_t hop_limit;     /* LOCAL: after the decrement; UNSENT: before it */
    struct ip6 src, dst;   /* LOCAL, UNSENT; REACHABLE: dst is the network address of the /64 */
    struct pubkey src_key; /* LOCAL */
    bool reachable;        /* REACHABLE */
};
bool router_next(struct router *r, struct router_out *ret); /* false: nothing to do */

/* --- what the API shows ------------------------------------------------------------------- */

struct route_info {
    struct subnet subnet;
    const char *next_hop; /* lends: for the call of the visitor */
    uint16_t metric;      /* as announced, own link cost not included; 65535 infinite */
    uint16_t seqno;
};
typedef void route_visit(void *ctx, const struct route_info *i);
void router_each_selected(const struct router *r, route_visit *v, void *ctx); /* ascending prefix */
void router_each_fallback(const struct router *r, route_visit *v, void *ctx); /* not selected */

/* Destinations that packets went to lately and that have a route, most recently used first, at most
 * max. */
struct contact_info {
    struct ip6 node; /* network address of its /64 */
    struct ip6
        via; /* likewise of the neighbour that is the next hop; all zero: not announced yet */
};
typedef void contact_visit(void *ctx, const struct contact_info *i);
void router_each_contact(const struct router *r, size_t max, contact_visit *v, void *ctx);

typedef void query_visit(void *ctx, const struct subnet *s, usec_t ends);
void router_each_query(const struct router *r, query_visit *v, void *ctx);

/* Packets and bytes of sealed data by address, over all packets of this node's and of others. */
void router_each_source(const struct router *r, traffic_visit *v, void *ctx);
void router_each_destination(const struct router *r, traffic_visit *v, void *ctx);

/* Counters, all since start; the names follow the metrics of docs/protocol/api.md, "Metrics". */
struct router_stats {
    uint64_t received_tlvs, malformed_tlvs, malformed_packets;
    uint64_t processed_hello, processed_ihu, processed_update, processed_route_request,
        processed_wildcard_request, processed_seqno_request;
    uint64_t update_denied, update_not_interested, update_skipped_selection, triggered_updates;
    uint64_t route_selections, selected_expired, source_expired, route_removed, route_retracted;
    uint64_t seqno_reply_local, seqno_bump, seqno_ttl_expired, seqno_forward_feasible,
        seqno_forward_unfeasible, seqno_unhandled;
    uint64_t routed_local, routed_forward, routed_ttl_expired, routed_no_route;
    uint64_t out_enqueued, out_dequeued, out_timeout, out_full_node, out_full_all;
    uint64_t in_enqueued, in_dequeued, in_timeout, in_full;
    uint64_t unseal_failed, limit_routes, limit_sources, limit_queries, limit_requests, limit_out;
    uint64_t limit_new_subnets, limit_dumps, limit_seqno_requests, limit_exchanges,
        limit_announcements;
    uint64_t evicted_routes, evicted_sources;
    uint64_t seqno_too_far; /* Updates whose seqno no origin can have reached */
    uint64_t peer_added, peer_removed, peer_died;
    uint64_t links_silent, links_heard_again; /* not used for a while, though they are up */
    uint64_t doubts, doubt_switches; /* next hops that did not deliver; another one was tried */
    uint64_t hints_answered, hints_failed; /* searches that asked one neighbour first */
    uint64_t self_links;         /* Updates that came back to us over a link to ourselves */
    uint64_t own_subnet_claimed; /* Updates that call somebody else the origin of our /64 */
    uint32_t routes, sources, queries, peers;
    uint32_t longest_probe; /* of the hash of destinations, ever: some dozens */
};
void router_stats(const struct router *r, struct router_stats *ret);
