/* rule_changes.h - changes of the topic rules that clients ask for, and what the store keeps of
 * them.
 *
 * One change at a time: when its turn comes, the new rule is built from the present one, stored as
 * a whole, and put into force when it is durable; then the client is answered. So no change is lost
 * between two, and none is answered or in force that a restart would forget.
 * The rules in force are those of the topic file and, for other topics, those of `kept`.
 *
 * Owns: the changes, `kept`. Thread: loop. Limit: one change per client's call; the limits of the
 * rules. Protocol: docs/protocol/messages.md, "Topics". */
#pragma once
#include <stdbool.h>

#include "base/list.h"
#include "bus/bus.h"
#include "bus/ops.h"
#include "bus/topic_rules.h"

struct call;
struct rule_change;

struct rule_changes {
    struct op op;
    struct list waiting;        /* struct rule_change, first come first served */
    struct rule_change *flying; /* asked of the store; NULL: none */
    struct topics *kept;        /* as the store has them */
};

MUST_CHECK int rule_changes_init(struct bus *b);
void rule_changes_fini(struct bus *b);

bool rule_changes_fill(struct bus *b, struct bus_store_op *op);
void rule_changes_stored(struct bus *b, int rc, struct instant now);
void rule_change_end(struct bus *b, struct call *call); /* its client is gone, or was answered */
