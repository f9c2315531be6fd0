/* bucket.h - token bucket: `rate` per second, at most `burst` at once. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

struct bucket {
    usec_t empty_at; /* the bucket counts as full once now is `burst / rate` past this */
};

/* Takes one token if there is one. A zeroed bucket is full. */
static inline bool bucket_take(struct bucket *b, uint32_t rate, uint32_t burst, usec_t now)
{
    usec_t cost = USEC_SEC / (rate ? rate : 1);
    usec_t floor = now - cost * (usec_t)burst;
    usec_t at = b->empty_at < floor ? floor : b->empty_at;
    if (at + cost > now)
        return false;
    b->empty_at = at + cost;
    return true;
}

/* Are there so many tokens? */
static inline bool bucket_has(const struct bucket *b, uint32_t tokens, uint32_t rate,
                              uint32_t burst, usec_t now)
{
    usec_t cost = USEC_SEC / (rate ? rate : 1);
    usec_t floor = now - cost * (usec_t)burst;
    usec_t at = b->empty_at < floor ? floor : b->empty_at;
    return at + cost * (usec_t)tokens <= now;
}
