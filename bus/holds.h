/* holds.h - topics of a node that take nothing at present: their messages wait beside the lines, so
 * that those of other topics pass.
 *
 *   busy   the receiver said so (one of ours, whose topic is full)
 *   mute   a plain receiver leaves several INITs of it unanswered: its rules may refuse the topic,
 *          which it does by silence
 *
 * Who found that out goes on asking, at its own timers, and prolongs the hold each time. The hold
 * ends when a message of the topic is answered, when who asked is at its end, or when nobody
 * prolonged it: then all its messages go back to the front of their lines. They are moved here when
 * their turn comes, not before, so that a hold costs nothing by itself.
 *
 * Owns: the holds; the messages in them are outbox.c's. Thread: loop. Limits: HOLDS_NODE per node;
 * beyond it a full topic stops the whole node, as a full node does. Protocol:
 * docs/protocol/messages.md, "Topics that take nothing". */
#pragma once
#include <stdbool.h>

#include "base/clock.h"
#include "bus/node.h"

#define HOLDS_NODE 64u
/* Behind the timer of who asks, so that its answer comes before the end. */
#define HOLD_MARGIN (2 * USEC_SEC)
/* Messages moved in one look at a line; then the node's next turn goes on with it. */
#define HOLD_MOVES_MAX 1024u

struct out_msg;

/* m's topic takes nothing until then. ERR_LIMIT: HOLDS_NODE. ERR_NOMEM. */
MUST_CHECK int hold_topic(struct nodes *t, const struct out_msg *m, usec_t until, bool *ret_begun);
/* Moves m, which waits in its line, if its topic is held. */
bool hold_take(struct out_msg *m);
/* A message of m's topic was answered. */
void hold_answered(struct nodes *t, const struct out_msg *m);

/* m's transfer is over: the next one asks, if it was m who asked. */
void hold_asker_gone(struct nodes *t, const struct out_msg *m);
/* The node has a new path. */
void holds_end(struct nodes *t, struct node *n);

/* Between node.c and holds.c. */
void holds_tick(struct nodes *t, usec_t now);
void holds_free(struct nodes *t, struct node *n); /* nothing may be in them */
