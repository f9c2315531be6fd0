/* send_chunks.h - the chunk table of a transfer: what was sent, lost, acknowledged.
 *
 * Keeps the counts of the message and of its node; sends nothing. Thread: loop.
 * Protocol: docs/protocol/messages.md, "Flow control". */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "bus/node.h"
#include "bus/out_msg.h"
#include "bus/trailer.h"

/* A table for this cut, everything unsent. ERR_NOMEM: the old one stays. */
MUST_CHECK int chunks_make(struct out_msg *m, uint32_t chunk_max);
/* All to UNSENT or ACKED. */
void chunks_reset(struct out_msg *m, enum out_chunk_state s);
/* The receiver has none of those that left before. */
void chunks_forget(struct out_msg *m, usec_t before);
void chunk_lost(struct out_msg *m, struct out_chunk *c);
/* Acknowledged; `sample`: the ACK came at once, its time tells the round trip. False: it was, or it
 * was not sent. */
bool chunk_acked(struct out_msg *m, uint64_t index, bool sample, usec_t now);
/* What the trailer of an ACK says is there. Returns how many of them were not known to be. */
uint64_t chunks_acked(struct out_msg *m, const struct trailer *t, usec_t now);
/* The message has arrived. */
void chunks_arrived(struct out_msg *m, usec_t now);
/* What the receiver says is missing after a silence will be sent again. */
void chunks_resume(struct out_msg *m, const struct trailer *t, usec_t now);
/* Next chunk to be sent: lost ones first; NULL: none. It is in no list then. */
struct out_chunk *chunks_next(struct out_msg *m);
bool chunks_waiting(const struct out_msg *m); /* would it give one? */
