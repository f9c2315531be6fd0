/* changes.h - the last changes of the outbox, numbered, for those that follow them.
 *
 * Accepted, sending, and the last states; what is durable, once it is.
 * Owns: its ring. Thread: loop. Limit: BUS_CHANGES_KEPT; the oldest go.
 * Protocol: docs/protocol/streams.md, "Changes of the outbox". */
#pragma once
#include "bus/bus_streams.h"

struct out_msg;

#define CHANGES_SLOTS 8192 /* by id, so that a late READ finds the number of its message */

struct changes {
    uint64_t last; /* index of the newest */
    uint64_t told; /* of the last NEWS */
    bool watched;
    struct changes_ring *ring; /* NULL: none yet */
};

void changes_fini(struct changes *c);
void changes_note(struct bus *b, const struct out_msg *m); /* its state is another one */
/* The RECEIVED entry with this id to this node is READ. */
void changes_read(struct bus *b, const struct ip6 *dst, const struct msg_id *id);
bool changes_next(struct bus *b, struct bus_out *ret);
