/* streams.h - ordered messages: those for one node and topic, one after the other.
 *
 * The first of a stream is the one whose turn it is; the next has its turn when that one is at its
 * end, durably. At a receiver of ours, which keeps the order by itself, small ones follow while
 * those before them are under way: each names the one that it comes behind (trailer.h). Owns: the
 * streams, which last as long as something is in them. Thread: loop. Limits: those of the outbox,
 * STREAM_WINDOW. Protocol: docs/protocol/messages.md, "Ordered messages". */
#pragma once
#include <stdbool.h>

#include "base/clock.h"
#include "base/macros.h"
#include "bus/out_msg.h"

/* Messages of a stream under way at one time. Each has a transfer slot of its node. */
#define STREAM_WINDOW 32u

struct bus;

/* m becomes the last of its stream, if it is ordered; its node is known. ERR_NOMEM. */
MUST_CHECK int stream_join(struct bus *b, struct out_msg *m);
/* Out of its stream, at its end or because it was never accepted; who comes behind it goes on. Fine
 * when it is in none. */
void stream_leave(struct bus *b, struct out_msg *m, usec_t now);
/* m is durable: it lines up to be sent, in a stream when it has its turn. */
void stream_line_up(struct bus *b, struct out_msg *m, usec_t now);
/* m began: who has its turn now lines up. Fine when it is in none. */
void stream_go(struct bus *b, const struct out_msg *m, usec_t now);
/* The one that m must not overtake, now; NULL: none. */
const struct out_msg *stream_after(const struct out_msg *m);
