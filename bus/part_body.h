/* part_body.h - the bytes and chunk numbers of an arriving message.
 *
 * Chunks are stored by their offset; their indices are remembered, since the sender's DONE counts
 * chunks and a cut whose offsets contradict its indices is joined by index.
 * Thread: loop. Limit: chunk indices up to ceil(len / 250) - 1, checked by the caller. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/blob.h"
#include "bus/bus.h"
#include "bus/codec.h"
#include "bus/recv_transfer.h"

/* A chunk that fits the message. ERR_NOMEM: not stored. */
MUST_CHECK int part_body_put(struct part *p, const struct msg_packet *c);

/* The whole message, if this count and checksum are right; the caller's reference. NULL: they are
 * not, something is missing, or no memory. */
struct blob *part_body_check(const struct part *p, uint64_t count,
                             const uint8_t sum[static MSG_SUM_BYTES]);

/* What goes to the store: the bytes up to the last one that is there (NULL: no memory), and per
 * chunk index its range as two 32 bit numbers, both zero where the chunk is missing. */
struct blob *part_body_snapshot(const struct part *p);
size_t part_body_got(const struct part *p, uint8_t *ret, size_t cap);
/* What a trailer tells: the first chunk that is missing, and a map of those behind it. Bytes
 * written: as many as the last chunk that is there needs, one at least. */
MUST_CHECK size_t part_body_map(struct part *p, uint64_t *ret_missing,
                                uint8_t ret[static TRAILER_MAP_ALL]);
/* Back from the store: what is not covered by the stored bytes counts as missing. ERR_NOMEM. */
MUST_CHECK int part_body_load(struct part *p, const struct bus_in_row *row);
