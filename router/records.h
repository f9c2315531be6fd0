/* records.h - what the routing core keeps: neighbours, destinations, routes, sources, extras.
 *
 * Only core.h includes it. Records are many and small: they live in arenas, never move, and name
 * each other by the 32-bit names of their arena (0: none). */
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
#include "router/constants.h"
#include "router/metric.h"
#include "router/router.h"
#include "router/tlv.h"
#include "router/wheel.h"

/* Deadlines of the few; routes and sources have wheels. */
enum timer_kind { TIMER_DEST, TIMER_NEIGHBOUR };
struct timer {
    struct heap_node node;
    enum timer_kind kind;
};

struct neighbour {
    struct list node; /* in router.neighbours, or router.leaving once gone */
    struct hnode by_id;
    peer_id id;
    bool gone;   /* its link ended; routes over it are being taken down */
    bool silent; /* nothing heard although probed: its routes are kept, not used */
    struct router_link link;

    struct link_cost cost;
    usec_t up_at;
    bool hello_heard;
    bool on_request;     /* it asks for what it wants to be told, as this node does; probing.c */
    uint16_t cost_acted; /* cost at the last selection because of it */
    usec_t cost_acted_at;
    uint16_t hello_seqno;
    usec_t hello_sent, ihu_received;
    usec_t carried_at; /* data went over the link; probing.c for all this */
    usec_t probed_at;  /* first Hello of a link in use since something was heard; 0: none */
    struct hellos {    /* under way, the oldest first */
        usec_t sent[HELLOS_TIMED];
        uint8_t first, len;
        usec_t since; /* there has been one all the time */
    } hellos;
    struct round_trips { /* of the answers since the last sample of the link cost */
        usec_t sampled;  /* when the Hello of that was sent; 0: never */
        usec_t least, most;
        usec_t slow; /* the longest lately; fades by half with each sample */
    } round_trips;

    usec_t hello_at; /* deadlines; timer holds the first of all */
    usec_t ask_at;
    usec_t dump_at;
    struct timer timer;

    uint16_t slot;                    /* in router.slots */
    uint32_t first_route, last_route; /* by route.nb_next and route.nb_prev */
    size_t routes_len;
    size_t reselect_left; /* routes at the front of the list still to be looked at */

    struct bucket requests, new_subnets, seqno_forwards, exchanges, announcements, lost_looks;
    usec_t dumped_at; /* 0: never */
    bool dumping;     /* the whole table is being sent to it */
    bool full;        /* between router_peer_full() and router_peer_ready() */
    uint32_t dump_pos;
    uint32_t parked_inbound;
    uint32_t queries;  /* open ones that it made us begin */
    bool origin_known; /* it has announced its own /64 over this link */
    struct ip6 origin; /* network address of that; all zero before */
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
    uint16_t told_metric; /* what those in told_to were told; infinite: nothing */
    uint8_t holds;        /* callers within each other: a few */
    uint8_t reachable;    /* in a /64: selected routes in the whole of it */
    uint32_t routes;      /* the selected one is first */
    uint32_t sources;
    uint32_t last_source; /* of the last finite route: its key is the owner's */
    uint32_t renew_left; /* renewal is due so many microseconds before the selected route expires */
    /* neighbour_bit() of each neighbour that has a route from us, until it is retracted. More than
     * 32 neighbours share bits, and a bit outlives its neighbour and the life of what it was told:
     * both cost one Update or retraction that nobody needed. */
    uint32_t told_to;
};

/* Next hops that did not deliver; selection.c prefers others. */
struct doubt {
    peer_id peer;
    usec_t at, until; /* the last one */
};
struct doubts {
    uint8_t len;
    struct doubt v[DOUBTS_MAX];
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

    usec_t next_hop_at;    /* since when it has its next hop; 0: nobody looked */
    struct doubts *doubts; /* NULL: none */
    usec_t doubt_asked_at; /* neighbours asked for another way; 0: never */

    /* Of a /64. */
    struct list query; /* in router.queries while a query is open */
    usec_t query_ends;
    usec_t asked_at; /* last request to all */
    peer_id asked_upto;
    uint8_t asked_generation;
    uint8_t query_generation; /* with which the open query went out */
    uint8_t again;            /* generation of a search that is to follow; GENERATION_LIMIT: none */
    peer_id opened_by;        /* whose wish the open query is; 0: this node's */
    peer_id not_asked;        /* who asked first, and so was not asked in turn; 0: all were */
    uint32_t asked_by;        /* neighbour_bit() of those whose search we joined; */
    usec_t asked_by_at;       /* valid for QUERY_LIFE from here; 0: nobody */
    uint32_t lost_by;         /* of asked_by, those of another kind that lost it; */
    uint16_t lost_seqno;      /* the newest that they can have had */
    struct list parked_out, parked_in;
    uint32_t parked_out_len, parked_in_len;
    struct ip6 via; /* until hint_at an open query asks only the neighbour with this origin */

    /* Deadlines; timer holds the first of all. */
    struct timer timer;
    usec_t renew_at; /* armed only while in use; else the next packet looks at dest_renew_due() */
    usec_t retry_at;
    usec_t chase_at; /* neighbours of another kind are asked what they have got */
    usec_t look_at;  /* neighbours are asked whether they know it too */
    usec_t lost_at;
    usec_t tell_at;
    usec_t doubt_at;
    usec_t hint_at;
    uint32_t tell; /* neighbour_bit() of those who are told at tell_at */
    uint8_t retries, chases;
};
