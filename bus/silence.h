/* silence.h - is a route trusted that brings no answers?
 *
 * Only the ends see whether a route delivers: it may stand while a link on the way swallows all. A
 * node that gets packets of transfers and answers none is doubted, again and again and then rarely;
 * what to do about its route is for others to know (BUS_OUT_DOUBT). Only answers about messages
 * under way count: what the node sends by itself may come over another way, and says nothing of
 * this one.
 *
 *   quiet    nothing unanswered;       leaves by: a packet of a transfer -> waiting
 *   waiting  since the first of them;  leaves by: time -> a doubt, and waiting for the next one;
 *            an answer, no transfer left, no route, other path -> quiet
 *
 * Owns: struct silence in struct node, the timers. Thread: loop. Protocol:
 * docs/protocol/messages.md, "Doubts". */
#pragma once
#include <stdbool.h>

#include "base/clock.h"
#include "base/heap.h"
#include "base/list.h"

#define SILENCE_MIN     (1500 * USEC_MS) /* at least; or */
#define SILENCE_RTTS    4                /* so many smoothed round trips, if that is longer */
#define SILENCE_PACKETS 2                /* one may be lost */
#define DOUBT_EVERY     (2 * USEC_SEC)
#define DOUBTS_QUICK    5 /* in a row, then */
#define DOUBT_RARELY    (60 * USEC_SEC)
/* A node that never answered is doubted only when the silence began so soon after its route. */
#define DOUBT_ROUTE_NEW (60 * USEC_SEC)

struct silence {
    struct heap_node timer;
    struct list due;  /* nodes->doubted */
    usec_t since;     /* first unanswered packet; 0: none */
    unsigned packets; /* unanswered, up to SILENCE_PACKETS */
    unsigned count;   /* doubts in a row, up to DOUBTS_QUICK; an answer ends the row */
    usec_t last;      /* doubt */
    usec_t route_at;  /* when its route, or another path, was found */
    bool answered;    /* ever */
};

struct node;
struct nodes;

/* A packet of a transfer leaves for n. */
void silence_sent(struct nodes *t, struct node *n, usec_t now);
/* n answered: an ACK or READ of a message under way. */
void silence_answered(struct nodes *t, struct node *n);
/* Nothing is waited for: no transfer is left, or no route. */
void silence_rest(struct nodes *t, struct node *n);
/* The route is new, or leads over another neighbour. */
void silence_new_path(struct nodes *t, struct node *n, usec_t now);
/* Is n in its first doubts? Then a quick answer to the question whether it hears us is worth a
 * packet. */
bool silence_is_fresh(const struct node *n);

void silence_tick(struct nodes *t, usec_t now);
/* Next node to be doubted; NULL: none. */
struct node *silence_next(struct nodes *t);
