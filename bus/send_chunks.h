/* send_chunks.h - the chunks of a transfer: what was sent, lost, acknowledged.
 *
 * Keeps the counts of the message and of its node; sends nothing. A record per chunk only where
 * something is under way: see struct out_block. Thread: loop. Limit: SEND_BLOCKS_MAX blocks of one
 * transfer: nothing new is sent further ahead of the first chunk that is not acknowledged.
 * Protocol: docs/protocol/messages.md, "Flow control". */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "bus/node.h"
#include "bus/out_msg.h"
#include "bus/trailer.h"

#define SEND_BLOCKS_MAX 256u /* 65,536 chunks, 5 MiB of records */

/* A table for this cut, everything unsent. ERR_NOMEM: the old one stays. */
MUST_CHECK int chunks_make(struct out_msg *m, uint32_t chunk_max);
void chunks_free(struct out_msg *m);
enum out_chunk_state chunk_state(const struct out_msg *m, uint64_t index);
/* Its record; NULL: it has none, since it was not sent, or all around it are acknowledged. */
struct out_chunk *chunk_at(const struct out_msg *m, uint64_t index);
/* All to UNSENT or ACKED. */
void chunks_reset(struct out_msg *m, enum out_chunk_state s);
/* The receiver has none of those that left before. */
void chunks_forget(struct out_msg *m, usec_t before);
void chunk_lost(struct out_msg *m, struct out_chunk *c);
/* Those that left at `before` or earlier are lost. Returns when the oldest of the others left;
 * USEC_NEVER: there are none. *ret_lost: how many. */
usec_t chunks_overdue(struct out_msg *m, usec_t before, uint32_t *ret_lost);
/* Acknowledged; `sample`: the ACK came at once, its time tells the round trip. False: it was, or it
 * was not sent. */
bool chunk_acked(struct out_msg *m, uint64_t index, bool sample, usec_t now);
/* What the trailer of an ACK says is there. Returns how many of them were not known to be. */
uint64_t chunks_acked(struct out_msg *m, const struct trailer *t, usec_t now);
/* The message has arrived. */
void chunks_arrived(struct out_msg *m, usec_t now);
/* What the receiver says is missing after a silence will be sent again. Where its map ends and it
 * may have more, nothing is sent before it tells: told_to. */
void chunks_resume(struct out_msg *m, const struct trailer *t, usec_t now);
/* The same of the map of a CHUNK ACK that chunks_receded() says the truth of; what is under way is
 * not lost. */
void chunks_told(struct out_msg *m, const struct trailer *t, usec_t now);
/* Did this chunk leave, for the only time, after chunks_noted() noted what was acknowledged? Then
 * the map of its ACK, or a later one, is newer than that: asked before the ACK is looked at. */
bool chunk_is_later(const struct out_msg *m, uint64_t index);
void chunks_noted(struct out_msg *m, usec_t now);
/* t is newer than what was noted, and says less: the receiver lost what it had. */
bool chunks_receded(const struct out_msg *m, const struct trailer *t);
/* Next chunk to be sent: lost ones first; NULL: none, or no memory. It is in no list then. */
struct out_chunk *chunks_next(struct out_msg *m);
bool chunks_waiting(const struct out_msg *m);   /* would it give one? */
uint64_t chunks_first(const struct out_msg *m); /* which; only if it would */

/* For the store: what is acknowledged, of a plain receiver that cannot be asked. cap: at least
 * CHUNKS_PROGRESS_MAX. */
#define CHUNKS_PROGRESS_MAX (8u + 8u * 512)
size_t chunks_progress(const struct out_msg *m, uint8_t *buf, size_t cap);
/* Back from there, after chunks_make(): false: of another cut, or nothing. */
bool chunks_load(struct out_msg *m, const uint8_t *bytes, size_t n);
