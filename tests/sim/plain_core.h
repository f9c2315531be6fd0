/* plain_core.h - what the files of the plain node share; everyone else uses plain.h. */
#pragma once
#include <string.h>

#include "plain.h"
#include "router/metric.h"
#include "router/packet.h"

#define PEERS_MAX   16
#define DESTS_MAX   64
#define SOURCES_MAX 512
#define ASKED_MAX   512
#define TIMERS_MAX  64   /* more are not started */
#define PARKED_MAX  1000 /* more are dropped */

struct plain_peer {
    peer_id id; /* 0: free */
    uint16_t static_cost;
    uint32_t smoothed; /* milliseconds */
    uint16_t hello_seqno;
    usec_t hello_sent, ihu_received;
};

struct plain_route {
    peer_id peer;
    struct router_id rid;
    uint16_t seqno, metric;
    usec_t expires;
};

/* A /64 that was heard of. Without routes and without a search it counts as unknown. */
struct plain_dest {
    struct ip6 net;
    size_t len;
    struct plain_route v[PEERS_MAX];
    bool selected; /* the first of them */
    struct pubkey key;
    bool queried;
    /* Each wish for it starts one, and whichever runs out ends the search that there is then. */
    usec_t timers[TIMERS_MAX];
    size_t timers_len;
    usec_t asked_at; /* last request to all; 0: never */
    uint8_t asked_generation;
    peer_id asked_upto;
};

struct plain_source {
    struct ip6 net;
    struct router_id rid;
    uint16_t seqno, metric;
    usec_t expires;
};

/* Seqno requests that were sent: whose (nobody's: our own), and to whom. */
struct plain_asked {
    struct ip6 net;
    struct router_id rid;
    uint16_t seqno;
    usec_t first, last;
    uint32_t requesters, targets; /* bits of places in plain.peers */
};

struct plain {
    const struct identity *id;
    struct sealer *sealer;
    struct router_id self;
    struct ip6 address;
    struct subnet own;
    uint16_t seqno;
    usec_t bumped_at;
    peer_id last_peer;
    struct plain_peer peers[PEERS_MAX];
    struct plain_dest dests[DESTS_MAX];
    size_t dests_len;
    struct plain_source sources[SOURCES_MAX];
    size_t sources_len;
    struct plain_asked asked[ASKED_MAX];
    size_t asked_len;
    /* Waiting: own plaintexts, whole packets of others, and sealed data for us. The pkt's list is
     * in the order of arrival. */
    struct plain_parked {
        enum plain_wait { WAIT_OWN, WAIT_PASSING, WAIT_KEY } kind;
        struct ip6 net; /* what has to be known */
        struct ip6 src;
        struct pkt *pkt;
    } parked[PARKED_MAX];
    size_t parked_len;
    usec_t hello_at, own_at, check_at, sweep_at;
    struct router_out *out;
    size_t out_len, out_cap, out_head;
};

/* plain.c */
struct plain_peer *plain_peer(struct plain *p, peer_id id); /* NULL: gone */
uint16_t plain_cost(const struct plain_peer *x);
void plain_control(struct plain *p, peer_id to, const struct tlv *t);
void plain_parked_go(struct plain *p, const struct plain_dest *d, usec_t now);
void plain_parked_drop(struct plain *p, const struct plain_dest *d);

/* plain_routes.c */
struct plain_dest *plain_dest(struct plain *p, const struct ip6 *a, bool make); /* NULL: unknown */
struct plain_route *plain_selected(struct plain_dest *d);                       /* NULL: none */
void plain_update(struct plain *p, peer_id from, const struct tlv_update *u, usec_t now);
void plain_route_request(struct plain *p, peer_id from, const struct tlv_route_request *q,
                         usec_t now);
void plain_seqno_request(struct plain *p, peer_id from, const struct tlv_seqno_request *q,
                         usec_t now);
void plain_search(struct plain *p, struct plain_dest *d, usec_t now);
/* For what its first route names, to all in the list. */
void plain_ask_newer(struct plain *p, struct plain_dest *d, usec_t now);
void plain_announce_own(struct plain *p, peer_id to, usec_t now); /* 0: to all */
void plain_query_tell(struct plain *p, peer_id to);               /* open searches, to a new peer */
void plain_peer_lost(struct plain *p, peer_id peer, usec_t now);
void plain_routes_tick(struct plain *p, usec_t now);
usec_t plain_routes_deadline(const struct plain *p);
