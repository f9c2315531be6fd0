#include "router/nodemap.h"

#include <assert.h>
#include <endian.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/rng.h"

#define CAP_MIN       64
#define NODEMAP_MOVED UINT32_MAX
static inline uint64_t rotl(uint64_t v, unsigned by)
{
    return v << by | v >> (64 - by);
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] = rotl(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] = rotl(v[2], 32);
}

static inline void sip_rounds(uint64_t v[4], unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        sip_round(v);
}

/* SipHash with `each` rounds for each word and `last` rounds at the end. */
static inline uint64_t sip_hash(const uint64_t secret[2], const uint8_t key[NODEMAP_KEY_BYTES],
                                unsigned each, unsigned last)
{
    const uint64_t length = (uint64_t)NODEMAP_KEY_BYTES << 56;
    uint64_t v[4] = {
        secret[0] ^ UINT64_C(0x736f6d6570736575), secret[1] ^ UINT64_C(0x646f72616e646f6d),
        secret[0] ^ UINT64_C(0x6c7967656e657261), secret[1] ^ UINT64_C(0x7465646279746573)};
    uint64_t m;
    memcpy(&m, key, sizeof(m));
    m = le64toh(m);
    v[3] ^= m;
    sip_rounds(v, each);
    v[0] ^= m;
    v[3] ^= length;
    sip_rounds(v, each);
    v[0] ^= length;
    v[2] ^= 0xff;
    sip_rounds(v, last);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t nodemap_siphash24(const uint64_t secret[2], const uint8_t key[NODEMAP_KEY_BYTES])
{
    return sip_hash(secret, key, 2, 4);
}

static inline uint32_t hash_of(const struct nodemap *n, const uint8_t *key)
{
    return (uint32_t)sip_hash(n->secret, key, 1, 3);
}

static int table_init(struct nodemap_table *t, size_t cap)
{
    *t = (struct nodemap_table){.v = calloc(cap, sizeof(struct nodemap_slot)), .cap = cap};
    return t->v ? OK : ERR_NOMEM;
}

static void table_fini(struct nodemap_table *t)
{
    free(t->v);
    *t = (struct nodemap_table){0};
}

int nodemap_init(struct nodemap *n, const struct arena *records, struct rng *r)
{
    uint8_t secret[16];
    *n = (struct nodemap){.records = records};
    rng_bytes(r, secret, sizeof(secret));
    memcpy(n->secret, secret, sizeof(secret));
    n->secret[0] = le64toh(n->secret[0]);
    n->secret[1] = le64toh(n->secret[1]);
    return table_init(&n->now, CAP_MIN);
}

void nodemap_fini(struct nodemap *n)
{
    table_fini(&n->now);
    table_fini(&n->old);
    *n = (struct nodemap){0};
}

static inline const uint8_t *key_of(const struct nodemap *n, uint32_t name)
{
    return arena_at(n->records, name);
}

/* --- one table ------------------------------------------------------------------------------- */

static struct nodemap_slot *slot_find(const struct nodemap *n, const struct nodemap_table *t,
                                      uint32_t hash, const uint8_t *key)
{
    size_t mask = t->cap - 1;
    for (size_t i = hash & mask; t->v[i].name != 0; i = (i + 1) & mask) {
        struct nodemap_slot *s = &t->v[i];
        if (s->hash == hash && s->name != NODEMAP_MOVED &&
            memcmp(key_of(n, s->name), key, NODEMAP_KEY_BYTES) == 0)
            return s;
    }
    return NULL;
}

static void slot_add(struct nodemap *n, struct nodemap_slot add)
{
    struct nodemap_table *t = &n->now;
    size_t mask = t->cap - 1, i = add.hash & mask;
    uint32_t passed = 0;
    for (; t->v[i].name != 0; passed++)
        i = (i + 1) & mask;
    t->v[i] = add;
    n->longest_probe = MAX(n->longest_probe, passed);
}

/* Closes the gap: what was pushed past it moves back. */
static void slot_del(struct nodemap_table *t, struct nodemap_slot *s)
{
    size_t mask = t->cap - 1, gap = (size_t)(s - t->v);
    for (size_t i = (gap + 1) & mask; t->v[i].name != 0; i = (i + 1) & mask) {
        size_t home = t->v[i].hash & mask;
        if (((i - home) & mask) < ((i - gap) & mask))
            continue; /* its home lies behind the gap */
        t->v[gap] = t->v[i];
        gap = i;
    }
    t->v[gap] = (struct nodemap_slot){0};
}

/* --- growth and shrinking -------------------------------------------------------------------- */

static void move_some(struct nodemap *n, size_t slots)
{
    if (!n->old.v)
        return;
    for (; slots > 0 && n->moved < n->old.cap; slots--, n->moved++) {
        struct nodemap_slot *s = &n->old.v[n->moved];
        if (s->name == 0 || s->name == NODEMAP_MOVED)
            continue;
        slot_add(n, *s);
        s->name = NODEMAP_MOVED; /* others behind it are still found */
    }
    if (n->moved == n->old.cap)
        table_fini(&n->old);
}

static void resize(struct nodemap *n, size_t cap)
{
    struct nodemap_table t;
    move_some(n, SIZE_MAX); /* by count it is through long ago */
    if (table_init(&t, cap) < 0)
        return; /* fuller, until nodemap_add() finds no place; tried again at the next change */
    n->old = n->now;
    n->now = t;
    n->moved = 0;
}

/* --- the map --------------------------------------------------------------------------------- */

uint32_t nodemap_find(const struct nodemap *n, const uint8_t key[NODEMAP_KEY_BYTES])
{
    uint32_t hash = hash_of(n, key);
    const struct nodemap_slot *s = slot_find(n, &n->now, hash, key);
    if (!s && n->old.v)
        s = slot_find(n, &n->old, hash, key);
    return s ? s->name : 0;
}

int nodemap_add(struct nodemap *n, uint32_t name)
{
    move_some(n, NODEMAP_PIECE);
    if (n->count >= n->now.cap / 4 * 3)
        resize(n, n->now.cap * 2);
    if (n->count >= n->now.cap - 1)
        return ERR_NOMEM; /* one free slot ends every search */
    uint32_t hash = hash_of(n, key_of(n, name));
    slot_add(n, (struct nodemap_slot){.hash = hash, .name = name});
    n->count++;
    return OK;
}

void nodemap_del(struct nodemap *n, uint32_t name)
{
    const uint8_t *key = key_of(n, name);
    uint32_t hash = hash_of(n, key);
    struct nodemap_slot *s = slot_find(n, &n->now, hash, key);
    if (s) {
        slot_del(&n->now, s);
    } else {
        s = n->old.v ? slot_find(n, &n->old, hash, key) : NULL;
        assert(s);
        s->name = NODEMAP_MOVED;
    }
    n->count--;
    move_some(n, NODEMAP_PIECE);
    if (!n->old.v && n->now.cap > CAP_MIN && n->count < n->now.cap / 8)
        resize(n, n->now.cap / 2);
}

void nodemap_settle(struct nodemap *n)
{
    move_some(n, NODEMAP_PIECE);
}

uint32_t nodemap_each(const struct nodemap *n, size_t *pos)
{
    while (*pos < n->now.cap + n->old.cap) {
        size_t i = (*pos)++;
        uint32_t name = i < n->now.cap ? n->now.v[i].name : n->old.v[i - n->now.cap].name;
        if (name != 0 && name != NODEMAP_MOVED)
            return name;
    }
    return 0;
}

size_t nodemap_bytes(const struct nodemap *n)
{
    return (n->now.cap + n->old.cap) * sizeof(struct nodemap_slot);
}
