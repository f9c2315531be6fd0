#include "base/hmap.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/rng.h"

#define SLOTS_MIN 16

_Static_assert(sizeof(((struct hmap *)0)->secret) == crypto_shorthash_KEYBYTES, "SipHash key");

int hmap_init(struct hmap *m, struct rng *r)
{
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers is meant */
    struct hnode **slots = calloc(SLOTS_MIN, sizeof(*slots));
    if (!slots)
        return ERR_NOMEM;
    *m = (struct hmap){.slots = slots, .mask = SLOTS_MIN - 1};
    rng_bytes(r, m->secret, sizeof(m->secret));
    return OK;
}

void hmap_fini(struct hmap *m)
{
    free(m->slots);
    *m = (struct hmap){0};
}

uint64_t hmap_hash(const struct hmap *m, const void *key, size_t len)
{
    uint8_t out[crypto_shorthash_BYTES];
    uint64_t v = 0;
    (void)crypto_shorthash(out, key, len, m->secret); /* always 0 */
    for (unsigned i = 0; i < sizeof(out); i++)
        v |= (uint64_t)out[i] << (8 * i);
    return v;
}

static void grow(struct hmap *m)
{
    size_t slots_len = (m->mask + 1) * 2;
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers is meant */
    struct hnode **slots = calloc(slots_len, sizeof(*slots));
    if (!slots)
        return; /* longer chains; tried again at the next addition */
    for (size_t i = 0; i <= m->mask; i++) {
        struct hnode *next;
        for (struct hnode *n = m->slots[i]; n; n = next) {
            struct hnode **slot = &slots[n->hash & (slots_len - 1)];
            next = n->next;
            n->next = *slot;
            *slot = n;
        }
    }
    free(m->slots);
    m->slots = slots;
    m->mask = slots_len - 1;
}

void hmap_add(struct hmap *m, struct hnode *n, uint64_t hash)
{
    if (m->count > m->mask)
        grow(m);
    struct hnode **slot = &m->slots[hash & m->mask];
    n->hash = hash;
    n->next = *slot;
    *slot = n;
    m->count++;
}

void hmap_del(struct hmap *m, struct hnode *n)
{
    struct hnode **at = &m->slots[n->hash & m->mask];
    while (*at && *at != n)
        at = &(*at)->next;
    assert(*at); /* not in this map */
    *at = n->next;
    n->next = NULL;
    m->count--;
}

static struct hnode *with_hash(struct hnode *n, uint64_t hash)
{
    while (n && n->hash != hash)
        n = n->next;
    return n;
}

struct hnode *hmap_first(const struct hmap *m, uint64_t hash)
{
    return with_hash(m->slots[hash & m->mask], hash);
}

struct hnode *hmap_next(const struct hnode *n, uint64_t hash)
{
    return with_hash(n->next, hash);
}

struct hnode *hmap_each(const struct hmap *m, size_t *slot, struct hnode *n)
{
    if (!m->slots)
        return NULL;
    if (n) {
        if (n->next)
            return n->next;
        (*slot)++;
    }
    for (; *slot <= m->mask; (*slot)++)
        if (m->slots[*slot])
            return m->slots[*slot];
    return NULL;
}
