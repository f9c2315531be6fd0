/* node.h - what the bus knows of another node: its route, its window, its turn to send.
 *
 * A node is a /64. It is made by the first message to it or the first INIT from it, and forgotten
 * some minutes after the last. Owns: nothing but itself; the lists are of messages that outbox.c
 * owns. Thread: loop. Limits: NODES_MAX; the fan-out limits of struct bus_limits. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/bucket.h"
#include "base/heap.h"
#include "base/hmap.h"
#include "base/ip6.h"
#include "base/list.h"
#include "bus/flow.h"
#include "bus/message.h"
#include "bus/silence.h"

/* Nodes remembered; when all of them have messages under way, INITs of others are not answered and
 * messages to others are refused. */
#define NODES_MAX     65536u
#define NODE_IDLE_MAX (600 * USEC_SEC)
/* A node that answered so recently gets small messages in one go. */
#define NODE_FRESH (60 * USEC_SEC)
/* Routes asked for per second, and at once: below what a neighbour searches for us, so that no wish
 * is lost; the others wait for their turn. */
#define NODES_WANTS_PER_SEC 15u
#define NODES_WANTS_BURST   50u
/* READ packets per second that may cost a store operation. */
#define NODE_READS_PER_SEC 5000u

struct out_msg;

/* Small messages and large ones wait in lines of their own and take turns, so that a small one does
 * not wait for all that is before it. */
enum line_kind { LINE_SMALL, LINE_LARGE, LINE_FILE, LINES };

struct line {
    struct list queue[OUT_PRIOS]; /* waiting, by priority, in order of acceptance */
    struct list prep[OUT_PRIOS];  /* the first of them: payload in memory or being read */
    uint32_t n_prep[OUT_PRIOS];
    uint32_t waiting;   /* in queue and prep */
    struct list chunks; /* transfers with chunks to send, in turn */
    uint32_t n_active;  /* transfers */
    uint64_t unsent;    /* chunks of these that have not been sent once */
};

struct node {
    struct hnode hash;
    struct list idle; /* when nothing is under way */
    usec_t idle_since;
    uint64_t key;
    struct ip6 addr; /* some address of it: where routes are asked for */

    /* Outgoing. Every live message is in a line, active or late, or follows one that is. */
    struct line lines[LINES];
    struct list active; /* transfers; at most out_transfers_node */
    struct list late;   /* transfers that wait for what may never come, without a slot */
    struct list holds;  /* topics that take nothing at present: holds.h */
    uint32_t n_holds;
    usec_t scout_at;       /* when a message of another topic was started into its silence */
    struct list control;   /* transfers with an INIT, a DONE or a probe to send */
    struct list flying;    /* chunks sent and not answered, oldest first */
    struct out_msg *burst; /* transfer whose packets leave one after the other */
    uint32_t small_run;    /* chunks of small messages since large ones had their turn */
    bool file_turn;        /* of the large ones, those in files have the next turn */
    uint32_t live, n_active;
    uint32_t inflight; /* chunks under way, and INITs that ask for the first answer */
    uint64_t live_bytes;
    bool reachable;   /* the router has a route */
    bool blocked;     /* the link's queue is full */
    bool starving;    /* all transfer slots of the bus are taken */
    struct list ring; /* nodes with something to send; or the blocked ones, or those without slot */
    struct heap_node pace;
    struct flow flow;
    usec_t answered_at; /* last ACK or READ; 0: never */
    usec_t heard_at;    /* any packet */
    usec_t busy_until;  /* it asked not to be sent anything new */
    unsigned
        unanswered; /* timers in a row without a packet from there; those of one time count once */
    usec_t unanswered_at;
    struct silence silence;

    /* Wish for a route. */
    struct heap_node want;
    struct list wanting;
    unsigned want_step;
    usec_t want_last;

    /* Incoming. */
    uint32_t parts;
    struct list behind; /* of them: those that come behind another message */
    uint32_t in_files;  /* of them: large ones */
    uint64_t in_file_bytes;
    struct bucket inits, reads;
};

struct nodes {
    struct hmap map;
    struct list idle;    /* longest first */
    struct list ring;    /* to be looked at for packets to send */
    struct list blocked; /* until bus_unblocked() */
    struct list starved; /* until a transfer slot is free */
    struct list wanting; /* routes to ask for as soon as the bucket allows, longest waiting first */
    struct bucket asked;
    struct list doubted; /* routes to be doubted now */
    struct heap wants, paces, doubts, holds;
    uint32_t n_holds;
    uint32_t n_active; /* transfers of all nodes */
    uint64_t looks;    /* turns taken in the ring: the cost of scheduling, for tests */
};

struct rng;
MUST_CHECK int nodes_init(struct nodes *t, struct rng *r);
void nodes_fini(struct nodes *t); /* nothing may be under way */

struct node *node_find(struct nodes *t, const struct ip6 *addr); /* NULL: unknown. Lends. */
/* Makes it when unknown; NULL: NODES_MAX or no memory. Lends: until it has been idle. */
struct node *node_get(struct nodes *t, const struct ip6 *addr, usec_t now);
/* To be called when live or parts changed. */
void node_settle(struct nodes *t, struct node *n, usec_t now);
void nodes_expire(struct nodes *t, usec_t now);

/* It may have something to send. */
void node_ready(struct nodes *t, struct node *n);
/* The nodes that waited for room in a link go back to the ring. */
void nodes_unblock(struct nodes *t);
/* A transfer slot is free: the node that waits longest for one goes back to the ring. */
void nodes_feed(struct nodes *t);

/* It has messages and no route: ask soon, and again and again, more and more rarely. */
void node_want(struct nodes *t, struct node *n, usec_t now);
/* Ask as soon as it may be, whatever was asked before. */
void node_retry(struct nodes *t, struct node *n, usec_t now);
void node_want_stop(struct nodes *t, struct node *n);
/* A link came up: ask for all routes that are wished for. */
void nodes_want_now(struct nodes *t, usec_t now);
/* Timers. */
void nodes_tick(struct nodes *t, struct rng *r, usec_t now);
usec_t nodes_deadline(const struct nodes *t);
/* Next node whose route is to be asked for now; NULL: none. */
struct node *nodes_wanting(struct nodes *t, usec_t now);
