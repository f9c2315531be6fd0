/* pairs.h - who talks to whom in a simulated network, and how long it takes until they can again.
 *
 * Each pair exchanges packets: one asks, the other answers. Questions and answers go through the
 * routers as any packet does. Owns the network's local hook. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "network.h"
#include "reach.h"

struct pairs_conf {
    size_t len;
    size_t talkers; /* nodes that pairs are made of; others only where none of them is in reach */
    unsigned popular_percent; /* so many pairs ask one of PAIRS_POPULAR talkers */
    usec_t start, ramp;       /* the first exchanges come in this time */
    usec_t every;             /* then each pair has one */
};
#define PAIRS_POPULAR 10

struct pairs;
/* Random pairs of different nodes within reach of each other (REACH_HOPS_MAX), with all links of
 * the network taken as they are now. Ends the program when out of memory. borrows n. */
struct pairs *pairs_new(struct network *n, const struct pairs_conf *c);
void pairs_free(struct pairs *p);
size_t pairs_len(const struct pairs *p);
void pairs_get(const struct pairs *p, size_t i, size_t *ret_a, size_t *ret_b);

/* The next moment in which a pair asks, and asking then. */
usec_t pairs_deadline(const struct pairs *p);
void pairs_tick(struct pairs *p);

/* The probing below not counted. */
struct pairs_counts {
    uint64_t asked, answered;
};
struct pairs_counts pairs_counts(const struct pairs *p);

/* --- after an event --------------------------------------------------------------------------- */

/* Before the event: remembers the ways of all pairs. */
void pairs_before(struct pairs *p);
/* From the event on, every pair asks at once and then every PAIRS_PROBE_EVERY until an answer to
 * such a question has come. */
#define PAIRS_PROBE_EVERY (100 * USEC_MS)
void pairs_probe(struct pairs *p);
size_t pairs_waiting(const struct pairs *p); /* that have no answer yet and are connected */
/* Ends the probing. */
struct pairs_result {
    size_t broken;     /* their way of before had lost a link */
    size_t cut_off;    /* of the pairs: dead, not connected, or more than REACH_HOPS_MAX apart */
    size_t unregained; /* connected, and without an answer */
    double median_s, p99_s, max_s; /* from the event to the answer; of the broken ones */
    double all_max_s;              /* of all */
};
struct pairs_result pairs_result(struct pairs *p);

/* Cost of the way that is used against the least one, over both directions of pairs that have one;
 * at most `most` pairs are looked at. */
struct pairs_stretch {
    double mean, p99, max;
    size_t ways;
};
struct pairs_stretch pairs_stretch(struct pairs *p, size_t most);
