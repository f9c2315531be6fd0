/* ops.h - store operations: wanted, under way, answered.
 *
 * An object that has something to store embeds a struct op and asks with op_want(). What is to be
 * stored is decided when the operation leaves, from the object's state at that time: many changes
 * between two turns of the loop make one operation. One operation per object is under way at a
 * time. Order: first wanted, first out. Thread: loop. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/hmap.h"
#include "base/list.h"

enum op_owner {
    OP_OUT,       /* struct out_msg */
    OP_MANY,      /* struct many */
    OP_PART,      /* struct part */
    OP_PART_FILE, /* struct part_file */
    OP_OUT_FILE,  /* struct send_file */
    OP_IN,        /* struct in_msg */
    OP_CALL,      /* struct call */
    OP_FETCH,     /* struct fetch_item */
    OP_NOTE,      /* struct note */
    OP_RULES,     /* struct rule_changes */
    OP_SEEN,      /* the bus itself: rows of seen that are forgotten */
    OP_SWEEP,     /* the bus itself */
};

struct op {
    struct hnode hash; /* while under way */
    struct list link;  /* while wanted */
    uint64_t tag;
    enum op_owner owner;
    bool flying;
    bool again; /* wanted while under way */
};

struct ops {
    struct hmap flying;
    struct list wanted;
    uint64_t tag;
};

struct rng;
MUST_CHECK int ops_init(struct ops *o, struct rng *r);
void ops_fini(struct ops *o);

void op_want(struct ops *o, struct op *op);
/* The owner goes away: its operation is not wanted any more, and a result finds nobody. */
void op_drop(struct ops *o, struct op *op);
/* Next operation to leave, now under way under op->tag; NULL: none. */
struct op *ops_next(struct ops *o);
/* It turned out that there is nothing to store. */
void op_skip(struct ops *o, struct op *op);
/* A result came: the operation, no longer under way (and wanted again if it was asked for
 * meanwhile); NULL: its owner is gone. */
struct op *ops_result(struct ops *o, uint64_t tag);
