/* filter_index.h - who of many waits for a topic, without asking each of them.
 *
 * Equal filters share one entry, in whose list the owner hangs those that have it, in whatever
 * order it wants. filter_walk_next() gives the entries that mean a topic: one lookup for the topic
 * itself, one for each length of prefix that is in use (at most 256), and of the patterns, which
 * stand in a tree of levels, only the branches that the topic's levels lead to. So the work depends
 * on the entries that match and on the branching beside them, not on how many there are.
 *
 * For clients that wait, the owner looks at the head of each list; for subscriptions that all get
 * their copy, at all of each list.
 *
 * Owns: the entries. One lives from filter_index_get() until filter_index_settle() finds its list
 * empty. Thread: loop. Limit: FILTER_NODES_MAX. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hmap.h"
#include "base/list.h"
#include "bus/bus.h"
#include "bus/pattern.h"

/* Entries and levels of patterns, some 100 bytes each: what a thousand clients with patterns of
 * sixty levels would need. */
#define FILTER_NODES_MAX 65536u

struct filter_node; /* one entry, or a level on the way to one */

struct filter_index {
    struct hmap nodes;
    struct filter_node *root; /* of the patterns */
    size_t count;             /* nodes besides the root */
    size_t topics;            /* entries that are one topic */
    uint64_t lens[4];         /* bit n: a prefix of n bytes is there */
    uint32_t prefixes[MSG_TOPIC_MAX + 1];
};

struct rng;
MUST_CHECK int filter_index_init(struct filter_index *x, struct rng *r); /* ERR_NOMEM */
void filter_index_fini(struct filter_index *x); /* of a zeroed one, too; all lists must be empty */

/* The entry of a filter, made if there is none. ERR_INVAL: filter_check(). ERR_LIMIT, ERR_NOMEM. */
MUST_CHECK int filter_index_get(struct filter_index *x, const struct bus_filter *f,
                                struct filter_node **ret);
struct list *filter_waiters(struct filter_node *n); /* lends; the owner's to fill */
/* Something left the list, or did not come: n goes when it is empty. NULL is fine. */
void filter_index_settle(struct filter_index *x, struct filter_node *n);

/* The index must not change during a walk. The topic is borrowed until its end. */
struct filter_walk {
    const struct filter_index *x;
    const uint8_t *topic;
    size_t len, prefix; /* prefix: the next length to be looked for */
    bool topic_done;
    size_t depth;
    struct filter_step {
        struct filter_node *node; /* its level is matched */
        size_t at;                /* where the next level begins; len + 1: there is none */
        bool rest_done;
    } steps[PATTERN_MAX + 2]; /* one branch waits at each level */
};
void filter_walk_begin(struct filter_walk *w, const struct filter_index *x, const uint8_t *topic,
                       size_t len);
/* Each entry whose list is not empty once, in no order; NULL: no more. */
struct list *filter_walk_next(struct filter_walk *w);
