/* traffic.h - packets and bytes by overlay address, for the API's packet statistics.
 *
 * Owns: its entries. Bounded: at the limit the least recently counted address goes. Thread: loop.
 */
#pragma once
#include <stdint.h>

#include "base/hmap.h"
#include "base/ip6.h"
#include "base/list.h"
#include "base/macros.h"
#include "base/rng.h"

struct traffic {
    struct hmap by_addr;
    struct list recent; /* counted last: at the end */
    uint32_t max;
};

MUST_CHECK int traffic_init(struct traffic *t, struct rng *rng, uint32_t max);
void traffic_fini(struct traffic *t); /* fine on zeroed */

/* Best effort: without memory a new address is not counted. */
void traffic_count(struct traffic *t, const struct ip6 *addr, uint64_t bytes);

typedef void traffic_visit(void *ctx, const struct ip6 *addr, uint64_t packets, uint64_t bytes);
void traffic_each(const struct traffic *t, traffic_visit *v, void *ctx); /* least recent first */
