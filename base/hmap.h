/* hmap.h - intrusive hash map, chained, keyed with a secret so that remotes cannot aim collisions.
 *
 * The entry embeds a struct hnode; the caller hashes its key with hmap_hash() and compares keys
 * itself. Doubles when the load passes 1. Growth failure is no error: the chains get longer. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

struct hnode {
    struct hnode *next;
    uint64_t hash;
};

struct hmap {
    struct hnode **slots;
    size_t mask;  /* number of slots - 1 */
    size_t count; /* entries */
    uint8_t secret[16];
};

struct rng;
MUST_CHECK int hmap_init(struct hmap *m, struct rng *r); /* ERR_NOMEM */
void hmap_fini(struct hmap *m);                          /* frees the slots, not the entries */

/* SipHash-2-4 of a key under the map's secret. */
uint64_t hmap_hash(const struct hmap *m, const void *key, size_t len);

void hmap_add(struct hmap *m, struct hnode *n, uint64_t hash);
void hmap_del(struct hmap *m, struct hnode *n); /* n must be in m */

/* Candidates with this hash: for (n = hmap_first(m, h); n; n = hmap_next(n, h)). */
struct hnode *hmap_first(const struct hmap *m, uint64_t hash);
struct hnode *hmap_next(const struct hnode *n, uint64_t hash);

/* All entries in no order: start with *slot = 0 and n = NULL. The entry returned may be removed
 * before the next call only through hmap_each_safe's caller pattern: collect first, then remove. */
struct hnode *hmap_each(const struct hmap *m, size_t *slot, struct hnode *n);
