/* listing.h - lists of the API shown as they came or as a table. */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"
#include "clients/call.h"
#include "clients/table.h"

/* Prints the node's answer and a line feed. Returns the exit status. */
MUST_CHECK int listing_body(const struct api_target *t, const struct call_args *a);
/* Writes one row; false: the entry has another shape. */
typedef bool listing_row(struct table *t, json_t *entry, const void *ctx);
/* A table of an array, one row for each entry. Returns the exit status. */
MUST_CHECK int listing_rows(const char *what, json_t *list, const char *const *heads,
                            size_t columns, listing_row *row, const void *ctx);
/* An array of objects, one row each, one column per key; keys NULL: an array of plain values.
 * Returns the exit status. */
MUST_CHECK int listing_table(const char *what, json_t *list, const char *const *heads,
                             const char *const *keys, size_t columns);
