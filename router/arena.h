/* arena.h - records of one size with 32-bit names: half a pointer, and no malloc for each.
 *
 * The address space for `max` records is set aside at once and opened as it is needed: a record
 * never moves, and its name and its address lead to each other by arithmetic. A small arena
 * (ARENA_SMALL_BYTES) is one plain mapping, open at once: mappings are counted by the system, and
 * it joins those of many small arenas into one. Memory is taken by the page as records are first
 * used. Freed records are used again first; memory goes back to the system with the arena. Under
 * AddressSanitizer a freed record is poisoned.
 *
 * A bit for each name tells whether its record is in use, so that all of them can be walked in
 * pieces while others come and go (arena_next()). Name 0 is no record: its place exists and is
 * zeroed, for those who want it to hold defaults. Thread: the owner's. Cost: O(1), no system call
 * but for every eighth of the size; none at all in a small arena. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

struct arena {
    uint8_t *base;
    uint64_t *used_bits; /* one for each name */
    size_t record;       /* bytes; a multiple of 4 */
    size_t open;         /* bytes that can be used so far */
    uint32_t max;        /* records */
    uint32_t used;       /* names below this have been given out */
    uint32_t free;       /* first of those that came back */
    uint32_t live;
};

#define ARENA_RECORDS_MAX (1U << 30)
#define ARENA_SMALL_BYTES ((size_t)8 << 20) /* of all its records, rounded up to 64 KiB */

MUST_CHECK int arena_init(struct arena *a, size_t record, uint32_t max); /* ERR_NOMEM */
void arena_fini(struct arena *a); /* with all records; fine when zeroed or done before */

uint32_t arena_new(struct arena *a); /* zeroed; 0: `max` are in use, or no memory */
void arena_free(struct arena *a, uint32_t name);
size_t arena_bytes(const struct arena *a); /* memory touched so far */

/* A walk over all records, for which they may come and go: start with *pos = 0. Returns the next
 * that is in use, or 0 at the end, where *pos has reached a->used, or when *budget, which counts
 * down by one for each 64 names, is used up. A record made during the walk may be met or not. */
uint32_t arena_next(const struct arena *a, uint32_t *pos, uint32_t *budget);

static inline void *arena_at(const struct arena *a, uint32_t name)
{
    return a->base + (size_t)name * a->record;
}

static inline bool arena_in_use(const struct arena *a, uint32_t name)
{
    return (a->used_bits[name / 64] >> name % 64 & 1) != 0;
}

static inline uint32_t arena_name(const struct arena *a, const void *record)
{
    return (uint32_t)((size_t)((const uint8_t *)record - a->base) / a->record);
}
