/* client.h - the calls of clients and their answers, as far as they are not the business of outbox
 * or inbox. Thread: loop. */
#pragma once
#include "bus/bus.h"
#include "bus/calls.h"
#include "bus/inbox.h"

/* ERR_BUSY: the client has a call under way. ERR_INVAL, ERR_NOMEM. */
MUST_CHECK int call_begin(struct bus *b, bus_client client, enum call_kind kind, struct call **ret);
/* Out of everything and freed. */
void call_end(struct bus *b, struct call *c, struct instant now);
/* What clients see of m; body is lent, and may be NULL. */
void client_message(const struct in_msg *m, struct blob *body, struct bus_message *ret);

/* The payload of c->msg is what it waits for: at hand, in a file, or to be read. */
void call_body(struct bus *b, struct call *c);

bool client_fill(struct call *c, struct bus_store_op *op);
void client_stored(struct bus *b, struct call *c, const struct bus_store_result *res,
                   struct instant now);
void client_tick(struct bus *b, struct instant now); /* waiting times that are over */

/* Next answer; false: none. What it lends is taken back by client_lent_end(). */
bool client_next(struct bus *b, struct bus_out *ret);
void client_lent_end(struct bus *b);
void client_end_all(struct bus *b);
