/* ranges.h - which chunks of a large message are there, as runs of neighbours.
 *
 * A message of 1 GiB has 825,000 chunks, which arrive nearly in order: what is there is a few runs,
 * each from one offset to another and from one chunk index to another. Only cuts are taken in which
 * the chunks stand in the order of their indices; all that the network's senders make are.
 * Owns: its array. Thread: loop. Limit: RANGES_MAX runs; a chunk that would make one more is not
 * taken and comes again. Protocol: docs/protocol/messages.md, "Large messages". */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

#define RANGES_MAX   4096u
#define RANGES_ENTRY 16u /* bytes of one in the store: offset, end, first, last, 32 bits each */

struct range {
    uint32_t offset, end;
    uint32_t first, last; /* chunk indices */
};

struct ranges {
    struct range *v; /* by offset and by index */
    uint32_t n, cap;
};

enum ranges_fit {
    RANGES_NEW,   /* nothing of it is there, and there is place for it */
    RANGES_KNOWN, /* all of it is there */
    RANGES_OTHER, /* it contradicts what is there: of another cut */
    RANGES_FULL,  /* it would be one run too many */
};

void ranges_fini(struct ranges *r);
void ranges_clear(struct ranges *r);
enum ranges_fit ranges_check(const struct ranges *r, const struct range *x);
/* Only what is RANGES_NEW. ERR_NOMEM. */
MUST_CHECK int ranges_add(struct ranges *r, const struct range *x);
MUST_CHECK int ranges_copy(struct ranges *to, const struct ranges *from); /* ERR_NOMEM */

/* All bytes from 0 to this, and all chunks from 0 to ranges_missing(), are there. */
uint32_t ranges_solid(const struct ranges *r);
uint32_t ranges_missing(const struct ranges *r); /* index of the first chunk that is not there */
uint64_t ranges_bytes(const struct ranges *r);
/* Bit 0 of byte 0 is the chunk behind the first missing one. Bytes written: as many as the last
 * chunk that is there needs, one at least; all of them where there is more behind the map. */
MUST_CHECK size_t ranges_map(const struct ranges *r, uint8_t *map, size_t cap);

/* For the store. buf: RANGES_ENTRY bytes for each. */
size_t ranges_encode(const struct ranges *r, uint8_t *buf, size_t cap);
/* What contradicts itself, or does not fit len, gives none. ERR_NOMEM. */
MUST_CHECK int ranges_decode(struct ranges *r, const uint8_t *bytes, size_t n, uint32_t len);
