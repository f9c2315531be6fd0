/* memory_plan.h - what the limits let the node keep in memory, and how that is made to fit.
 *
 * The table of options says for each limit what one unit of it may cost. Limits that somebody gave
 * stay as they are; the others shrink by one factor, each down to its least value, until the sum is
 * within memory_limit. Not counted: the program, SQLite's caches, what does not grow with use.
 * docs/protocol/api.md, "Memory". */
#pragma once
#include <stdint.h>

#include "base/macros.h"
#include "node/option_table.h"

#define MEMORY_PLAN_WHY_MAX 160

uint64_t memory_plan_sum(const struct options *o); /* bytes */
/* ERR_LIMIT: they cannot be made to fit; *why says what would. */
MUST_CHECK int memory_plan_fit(struct options *o, char why[static MEMORY_PLAN_WHY_MAX]);
