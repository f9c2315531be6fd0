/* story.h - a long sequence of operations whose effects can be told from the database afterwards.
 *
 * Message i goes out as seq i + 1 and comes in as PART 2i + 1 and then READY 2i + 2; one message
 * later it is on lease, three messages later it is final and taken. Each half moves through stages,
 * one operation each. What came back with OK must be there whatever happened since; what was never
 * submitted must not; everything that one operation changes must be there as a whole. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/store.h"

#define STORY_MAX   20000
#define STORY_STEPS 6 /* operations per message */

enum story_out { STORY_OUT_NONE, STORY_OUT_PUT, STORY_OUT_FINAL };
enum story_in { STORY_IN_NONE, STORY_IN_PART, STORY_IN_READY, STORY_IN_LEASED, STORY_IN_TAKEN };

struct story_msg {
    uint8_t out_sent, out_acked, in_sent, in_acked;
};

struct story {
    struct story_msg m[STORY_MAX];
    uint64_t next; /* number of the next operation */
    uint64_t body_bytes;
};

struct store_op *story_next(struct story *st); /* its tag: its number */
/* The operation with this number came back with OK. */
void story_acked(struct story *st, uint64_t tag);
/* Checks what a take or read brought. 0, or 1 after a line on standard error. */
int story_body(const struct story *st, const struct store_op *op);

/* How far a store may be from the acknowledged stages. */
enum story_slack {
    STORY_EXACT, /* not at all */
    STORY_ABOVE, /* up to what was submitted: a crash, or an error at the very end */
};
/* Opens the store and looks; starts it and asks for what only shows in a query. Returns the number
 * of violations, each with a line on standard error. */
int story_check(const struct story *st, const char *dir, enum story_slack slack);
