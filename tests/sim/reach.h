/* reach.h - how far a search gets: hops between random nodes, and single searches that are
 * measured.
 *
 * A request is passed on over a bounded number of hops, so pairs farther apart than that find each
 * other only when somebody nearer has a route. docs/protocol/routing.md, "Constants and timers". */
#pragma once
#include <stddef.h>

#include "network.h"

#define REACH_HOPS_MAX 16

/* Of the ordered pairs of connected nodes, over a sample of first nodes. */
struct reach {
    double beyond;    /* share of the pairs more than REACH_HOPS_MAX apart */
    double hops_mean; /* on the shortest ways */
    int hops_max;
    size_t samples;
};
struct reach reach_measure(struct network *n, size_t samples);

/* Searches that have been measured, each for a node that nobody had asked for. */
struct searches {
    size_t done, within; /* within: REACH_HOPS_MAX apart at most */
    size_t found, found_within;
    double found_s, found_max_s; /* sums, here and below: divide by done or found */
    double requests, updates, other, bytes;
    double reached; /* nodes that were asked, as shares of all */
    double holding; /* nodes that have a route at the end, likewise */
};

struct search {
    size_t from, to;
    int hops; /* -1: not connected */
};
/* Two random nodes begin: `from` has no route to `to`, if there are such. */
struct search search_begin(struct network *n);
/* After some time: adds what was seen. */
void search_end(struct network *n, const struct search *s, struct searches *sum);
