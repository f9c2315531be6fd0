/* out_calls.h - what clients ask of messages that they sent: status, cancel, retry, lists.
 *
 * A message in memory is asked for there, another one of the store. Thread: loop. Limits:
 * BUS_OUT_LIST_MAX. Protocol: docs/protocol/messages.md, "Outbox". */
#pragma once
#include "bus/bus.h"
#include "bus/calls.h"

struct out_msg;

bool out_call_fill(struct call *c, struct bus_store_op *op);
void out_call_stored(struct bus *b, struct call *c, const struct bus_store_result *res,
                     struct instant now);
/* A send with index_wait_ms was accepted: it becomes one that waits. */
void out_call_watch(struct bus *b, struct call *c, struct instant now);
/* Its time is over. */
void out_call_expire(struct bus *b, struct call *c);
/* An entry with this id changed, durably: those that wait for that look at it again. */
void out_calls_changed(struct bus *b, const struct msg_id *id);
/* The store answered what the end of m asked for: its calls get theirs, state or error. */
void out_calls_answer(struct bus *b, struct out_msg *m, int rc);
