/* heap.h - heap of deadlines, intrusive: four below each, and each deadline once more in the array,
 * so that finding the first of the four reads one or two lines of the cache and no entry.
 *
 * Thread: the owner's. Cost: O(log n) for each change, O(1) to read the first deadline. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/macros.h"

struct heap_node {
    usec_t when;
    size_t pos; /* index + 1; 0: not in a heap */
};

struct heap_slot {
    usec_t when; /* the node's */
    struct heap_node *node;
};

struct heap {
    struct heap_slot *v;
    size_t len, cap;
};

void heap_init(struct heap *h);
void heap_fini(struct heap *h); /* frees the array, not the entries */

/* Inserts, or moves an entry that is in the heap already. ERR_NOMEM leaves an entry that was in the
 * heap where it was. USEC_NEVER removes. */
MUST_CHECK int heap_set(struct heap *h, struct heap_node *n, usec_t when);
void heap_del(struct heap *h, struct heap_node *n); /* fine when not in the heap */

static inline bool heap_has(const struct heap_node *n)
{
    return n->pos != 0;
}

/* First entry whose time has come, left in the heap; NULL when there is none. */
struct heap_node *heap_due(const struct heap *h, usec_t now);
usec_t heap_deadline(const struct heap *h); /* USEC_NEVER when empty */
