/* streams.h - ordered messages: those for one node and topic, one after the other.
 *
 * The first of a stream is the one whose turn it is; the next has its turn when that one is at its
 * end, durably. Owns: the streams, which last as long as something is in them. Thread: loop.
 * Limits: those of the outbox. Protocol: docs/protocol/messages.md, "Ordered messages". */
#pragma once
#include <stdbool.h>

#include "base/clock.h"
#include "base/macros.h"
#include "bus/out_msg.h"

struct bus;

/* m becomes the last of its stream, if it is ordered; its node is known. ERR_NOMEM. */
MUST_CHECK int stream_join(struct bus *b, struct out_msg *m);
/* Out of its stream; who is the first now, and was accepted, waits to be sent. Fine when it is in
 * none. */
void stream_leave(struct bus *b, struct out_msg *m, usec_t now);
/* Has it its turn? True for what is not ordered. */
bool stream_turn(const struct out_msg *m);
