/* chunk_plan.h - how a message is cut: evenly, so that every chunk is one that every receiver of
 * the network takes. Protocol: docs/protocol/messages.md, "Chunks". */
#pragma once
#include <stdint.h>

struct chunk_plan {
    uint64_t len;   /* of the message */
    uint64_t count; /* chunks; 0 for an empty message */
};

/* count = ceil(len / chunk_max); chunk_max is MSG_CHUNK_DATA unless large packets vanish. */
struct chunk_plan chunk_plan(uint64_t len, uint32_t chunk_max);
uint64_t chunk_offset(const struct chunk_plan *p, uint64_t index);
uint32_t chunk_size(const struct chunk_plan *p, uint64_t index);
