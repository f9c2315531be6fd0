/* settle.h - calls that end what clients and operators have to do with messages of the inbox.
 *
 * One call names up to BUS_SETTLE_MAX messages and is answered when the last of them is durable.
 * Owns: the lists of a call. Thread: loop. Protocol: docs/protocol/messages.md, "Leases". */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "bus/bus.h"

struct call;
struct in_msg;

struct settle_item {
    struct list link; /* in_msg.waiting */
    struct call *call;
    bool state;       /* waits for a state to be stored, not for the removal */
    uint64_t version; /* that state, or a later one */
    size_t at;        /* in the call's list */
};

struct settle {
    size_t n, open, done;
    bool *unknown;
    struct settle_item *items;
};

void settle_end(struct call *call); /* its client is gone, or the answer was taken */
/* The removal of m (gone) or its state came back from the store. */
void settle_stored(struct bus *b, struct in_msg *m, int rc, bool gone);
/* The part that an operator threw away. */
void settle_part_stored(struct bus *b, struct call *call, int rc);
