#include "base/rng.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static void fill_system(struct rng *r, void *buf, size_t len)
{
    (void)r;
    randombytes_buf(buf, len);
}

void rng_init_system(struct rng *r)
{
    if (sodium_init() < 0)
        abort(); /* no random source: nothing that we do would be safe */
    *r = (struct rng){.fill = fill_system};
}

static uint64_t rotl(uint64_t x, unsigned k)
{
    return x << k | x >> (64 - k);
}

/* xoshiro256** 1.0 */
static uint64_t seeded_next(struct rng *r)
{
    uint64_t *s = r->state;
    uint64_t result = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

/* Little endian on every machine, so that a seed means the same run everywhere. */
static void fill_seeded(struct rng *r, void *buf, size_t len)
{
    uint8_t *p = buf;
    for (size_t i = 0; i < len;) {
        uint64_t v = seeded_next(r);
        for (unsigned k = 0; k < 8 && i < len; k++, i++)
            p[i] = (uint8_t)(v >> (8 * k));
    }
}

void rng_init_seeded(struct rng *r, uint64_t seed)
{
    *r = (struct rng){.fill = fill_seeded};
    for (int i = 0; i < 4; i++) { /* splitmix64, as the generator's authors advise */
        seed += 0x9e3779b97f4a7c15u;
        uint64_t z = seed;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        r->state[i] = z ^ (z >> 31);
    }
}

void rng_bytes(struct rng *r, void *buf, size_t len)
{
    if (len > 0)
        r->fill(r, buf, len);
}

uint64_t rng_u64(struct rng *r)
{
    uint8_t b[8];
    uint64_t v = 0;
    r->fill(r, b, sizeof(b));
    for (unsigned i = 0; i < 8; i++)
        v |= (uint64_t)b[i] << (8 * i);
    return v;
}

uint64_t rng_below(struct rng *r, uint64_t bound)
{
    assert(bound > 0);
    uint64_t skip =
        (0 - bound) % bound; /* 2^64 mod bound: the values that would come up more often */
    uint64_t v;
    do
        v = rng_u64(r);
    while (v < skip);
    return v % bound;
}
