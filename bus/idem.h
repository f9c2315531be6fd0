/* idem.h - idempotency keys: a key names one message for as long as its row is there.
 *
 * Messages in memory are found here; of the others the store tells, which keeps the key unique and
 * hands out the row that has it instead of inserting another one. A second send with a key whose
 * first one is not durable yet waits for it, as its twin. Thread: loop. Limits: those of the
 * outbox; a key has at most IDEM_KEY_MAX bytes.
 * Protocol: docs/protocol/messages.md, "Idempotency keys". */
#pragma once
#include "bus/bus.h"
#include "bus/out_msg.h"

struct call;

/* The living message with this key, of those that the store has or of those that only memory has;
 * NULL: none, or the key is empty. Lends. */
struct out_msg *idem_find(struct bus *b, const struct idem_key *key, bool in_memory);
void idem_add(struct bus *b, struct out_msg *m); /* fine without a key, as below */
void idem_del(struct bus *b, struct out_msg *m);

/* `again` (entered nowhere) has the key of `first`: the call gets the answer now, or as soon as
 * first is durable. */
void idem_again(struct bus *b, struct out_msg *first, const struct out_msg *again,
                struct call *call, struct instant now);
/* Did m ask for what the row has? */
bool idem_same(const struct out_msg *m, const struct bus_out_row *row);
/* The answer to a send: accepted, now or (replayed) before, or not. c->status is filled in when rc
 * is OK. */
void call_accepted(struct bus *b, struct call *c, int rc, bool replayed, struct instant now);
/* The store has answered the insertion of m: so do we, to its call and its twins. */
void idem_answer(struct bus *b, struct out_msg *m, const struct bus_store_result *res,
                 struct instant now);
