/* rng.h - random bytes through one door.
 *
 * The daemon hands its cores the system generator; simulations and tests hand them a seeded one, so
 * that a run can be repeated from its printed seed. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct rng {
    void (*fill)(struct rng *r, void *buf, size_t len);
    uint64_t state[4]; /* used by the seeded generator only */
};

void rng_init_system(struct rng *r);                /* libsodium's generator; cannot fail */
void rng_init_seeded(struct rng *r, uint64_t seed); /* xoshiro256**: tests and simulation only */

void rng_bytes(struct rng *r, void *buf, size_t len);
uint64_t rng_u64(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t bound); /* 0 <= result < bound; bound > 0 */
