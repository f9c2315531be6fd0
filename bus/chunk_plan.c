#include "bus/chunk_plan.h"

#include <assert.h>

struct chunk_plan chunk_plan(uint64_t len, uint32_t chunk_max)
{
    assert(chunk_max > 0);
    /* Not (len + chunk_max - 1) / chunk_max: that wraps for lengths near 2^64. */
    uint64_t count = len / chunk_max + (len % chunk_max != 0);
    return (struct chunk_plan){.len = len, .count = count};
}

/* The first len % count chunks are one byte longer than the others. */
uint64_t chunk_offset(const struct chunk_plan *p, uint64_t index)
{
    assert(index < p->count);
    uint64_t extra = p->len % p->count;
    return index * (p->len / p->count) + (index < extra ? index : extra);
}

uint32_t chunk_size(const struct chunk_plan *p, uint64_t index)
{
    assert(index < p->count);
    return (uint32_t)(p->len / p->count + (index < p->len % p->count));
}
