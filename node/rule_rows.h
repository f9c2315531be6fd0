/* rule_rows.h - topic rules as rows of the store, and back: a source is a line of text, so that the
 * database can be read by people.
 * Owns: nothing. Thread: loop. */
#pragma once
#include "base/macros.h"
#include "bus/topic_rules.h"
#include "storage/store.h"

/* Fills ret; its sources are the caller's. ERR_NOMEM. */
MUST_CHECK int rule_row_write(const struct topic_rule *r, struct store_rule *ret);
/* ERR_CORRUPT: not of our making. ERR_NOMEM. */
MUST_CHECK int rule_row_read(const struct store_rule *row, struct topic_rule **ret);
