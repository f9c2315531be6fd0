/* many.h - one payload to several destinations: one push, one store operation, all or none.
 *
 * Each destination has a message of its own, with an id and a number of its own: the numbers follow
 * each other, the ids are made from the first one, so that a repeated push (idempotency key) can be
 * answered although entries are gone. A group lasts until the store has answered; then the messages
 * are like all others. Owns: until then its messages. Thread: loop. Limits: BUS_DSTS_MAX, those of
 * the outbox. Protocol: docs/protocol/messages.md, "Several destinations". */
#pragma once
#include "bus/bus.h"
#include "bus/ops.h"

struct call;
struct out_msg;

struct many {
    struct op op;
    struct list link;  /* outbox.groups */
    struct call *call; /* NULL: nobody waits */
    struct idem_key idem;
    struct bus_out_copy *copies; /* of the second and the further ones */
    size_t n;
    struct out_msg *m[];
};

/* *ret_at: the destination that an error is about; n: none of them. */
MUST_CHECK int many_send(struct bus *b, const struct bus_send *s, const struct ip6 *dsts, size_t n,
                         struct call *call, struct instant now, size_t *ret_at);
void many_fini(struct bus *b);

bool many_fill(struct bus *b, struct many *g, struct bus_store_op *op);
void many_stored(struct bus *b, struct many *g, const struct bus_store_result *res,
                 struct instant now);
