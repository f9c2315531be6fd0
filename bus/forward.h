/* forward.h - messages that a socket is to have before clients: those of a topic whose rule names
 * one.
 *
 * They are READY as any other message, but stand in a queue of their own that no client takes from.
 * One caller, the forwarder, fetches from it with bus_fetch(.socket); what it could not hand over
 * it gives back with BUS_NACK, and then clients may have it.
 * Whether a message goes there is decided by the rule of its topic at the moment and by whether it
 * was ever given out: a message that was offered before is not offered to a socket. So a change of
 * the rule takes what waits with it, and nothing is forwarded twice but by a crash.
 * Replies never go there: two nodes that answer each other's answers would not stop.
 *
 * Owns: the order of topics. Thread: loop. Limit: bus_limits.forwards_topic on lease at a time.
 * Protocol: docs/protocol/messages.md, "Forward sockets". */
#pragma once
#include <stdbool.h>

#include "base/list.h"
#include "bus/bus.h"

struct call;
struct in_msg;
struct topic_queue;

struct forwards {
    struct list topics;  /* struct topic_queue with something to be fetched now, in turn */
    struct list waiters; /* struct call: the forwarder */
};

void forwards_init(struct bus *b);
/* Is this message, which is READY, for a socket? */
bool forward_wants(const struct bus *b, const struct in_msg *m);
/* What stands in q's queue, or how much of it is on lease, changed. */
void forward_ready(struct bus *b, struct topic_queue *q);
/* Gives the call the next one; false: there is none. */
bool forward_give(struct bus *b, struct call *call);
/* Answers the forwarder, if it waits and there is something. */
void forward_offer(struct bus *b);
/* The rule of one topic, or of any (NULL), is another one: what waits changes its queue. */
void forward_rules_changed(struct bus *b, const struct topic *topic);
