/* wheel.h - deadlines of an arena's records: a hierarchical timer wheel, exact to the microsecond.
 *
 * Eleven wheels of 64 places: a place of the first is one microsecond, of the second 64, and so on.
 * An entry stands in the place where its deadline parts from the present; when its turn comes it
 * moves to a finer wheel, a few times in its life, or is due. A later deadline is only written
 * down: the old place finds out. So most renewals touch nothing but their own record.
 *
 * The record holds a struct wheel_node at a fixed offset; a zeroed one is in no wheel.
 * Thread: the owner's. Cost: O(1). */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "router/arena.h"

#define WHEEL_LEVELS 11
#define WHEEL_PLACES 64

struct wheel_node {
    uint32_t when[2]; /* a usec_t; in halves, so that records need no padding */
    uint32_t next;
    uint32_t prev; /* WHEEL_HEAD + place for the first; 0: in no wheel */
};

struct wheel {
    const struct arena *records;
    size_t node_at; /* offset in a record */
    uint64_t time;  /* everything before it has been handled */
    uint64_t taken[WHEEL_LEVELS];
    uint32_t heads[WHEEL_LEVELS * WHEEL_PLACES];
};

void wheel_init(struct wheel *w, const struct arena *records, size_t node_at, usec_t now);
void wheel_set(struct wheel *w, uint32_t name, usec_t when); /* adds it, or changes its deadline */
void wheel_del(struct wheel *w, uint32_t name);              /* fine when not in the wheel */
usec_t wheel_when(const struct wheel_node *n);

/* No entry is due before this, but possibly none is due at it. USEC_NEVER: empty. */
usec_t wheel_next(const struct wheel *w);
/* Handles one entry whose turn comes until now, in the order of time. False: there is none.
 * *ret: its name when it is due, and it is in no wheel any more; 0: it only moved. */
bool wheel_step(struct wheel *w, usec_t now, uint32_t *ret);
