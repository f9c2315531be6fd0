/* table.h - a table as text: cells left-aligned between `|`, a line of `+--+` around every row.
 *
 * The first row is the heading. Columns are as wide as their widest cell, counted in characters. */
#pragma once
#include <stddef.h>
#include <stdio.h>

#include "base/macros.h"

struct table {
    size_t columns;
    char **cells; /* row by row */
    size_t count, cap;
    int rc; /* the first error; later cells are dropped */
};

void table_init(struct table *t, size_t columns);
void table_fini(struct table *t);
/* Copies the text; control characters become `?`, so that a row stays a row. */
void table_cell(struct table *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* ERR_NOMEM of any cell before. Rows that are not full are not shown. */
MUST_CHECK int table_print(const struct table *t, FILE *out);
