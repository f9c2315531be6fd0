/* client.h - the calls of clients and their answers, as far as they are not the business of outbox
 * or inbox. Thread: loop. */
#pragma once
#include "bus/bus.h"
#include "bus/calls.h"

bool client_fill(struct call *c, struct bus_store_op *op);
void client_stored(struct bus *b, struct call *c, const struct bus_store_result *res);
void client_tick(struct bus *b, struct instant now); /* waiting times that are over */

/* Next answer; false: none. What it lends is taken back by client_lent_end(). */
bool client_next(struct bus *b, struct bus_out *ret);
void client_lent_end(struct bus *b);
void client_end_all(struct bus *b);
