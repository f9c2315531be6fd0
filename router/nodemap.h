/* nodemap.h - records by the first eight bytes of an address: an open-addressing hash map with
 * linear probing, keyed with a secret from start-up so that remotes cannot aim collisions.
 *
 * A slot is eight bytes: half of the hash and the name of a record in an arena, which begins with
 * the key. Load at most three quarters. The table doubles, and halves below an eighth, a few slots
 * at each change: during that time there are two, and no operation takes long.
 * Thread: the owner's. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "router/arena.h"

#define NODEMAP_KEY_BYTES 8
/* Slots emptied at each change. A table that doubled is full again after 3/4 of the old size. */
#define NODEMAP_PIECE 64

struct nodemap_slot {
    uint32_t hash;
    uint32_t name; /* 0: free; NODEMAP_MOVED: has been here, only in `old` */
};

struct nodemap_table {
    struct nodemap_slot *v;
    size_t cap; /* a power of two */
};

struct nodemap {
    const struct arena *records;
    struct nodemap_table now, old; /* old.v: NULL unless entries still have to move */
    size_t moved;                  /* slots of old that have been emptied */
    size_t count;
    uint32_t longest_probe; /* slots that the longest search for a free one passed, ever */
    uint64_t secret[2];
};

struct rng;
MUST_CHECK int nodemap_init(struct nodemap *n, const struct arena *records, struct rng *r);
void nodemap_fini(struct nodemap *n);

uint32_t nodemap_find(const struct nodemap *n, const uint8_t key[NODEMAP_KEY_BYTES]); /* 0: none */
/* Its key must not be in the map. ERR_NOMEM. */
MUST_CHECK int nodemap_add(struct nodemap *n, uint32_t name);
void nodemap_del(struct nodemap *n, uint32_t name); /* must be in the map */
/* Entries that still have to move do, a few; so that an idle time is not spent with two tables. */
void nodemap_settle(struct nodemap *n);
/* Each name in no order; start with *pos = 0; 0: that was all. Not across changes. */
uint32_t nodemap_each(const struct nodemap *n, size_t *pos);
size_t nodemap_bytes(const struct nodemap *n);

/* The map takes SipHash-1-3, which is enough for a table whose hashes nobody sees. This is the same
 * code with the rounds of SipHash-2-4, for its test. */
uint64_t nodemap_siphash24(const uint64_t secret[2], const uint8_t key[NODEMAP_KEY_BYTES]);
