/* toml.h - a TOML document as a small tree: what a person writes into a configuration file.
 *
 * TOML 1.0 without dates and times, which are refused by name. Keys and strings are UTF-8 and may
 * hold zero bytes (as \u0000). Everything is read at once and never changed; tables and arrays keep
 * the order of the text. An error says line and column, both from 1, columns in bytes.
 *
 * Owns: the document owns every value; what the getters return is lent until toml_free().
 * Thread: any, one at a time. Never: reads a file. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

/* A document above one of these is refused. */
#define TOML_TEXT_MAX   ((size_t)1 << 20) /* bytes */
#define TOML_DEPTH_MAX  32                /* tables and arrays inside each other */
#define TOML_VALUES_MAX 65536             /* in all */
#define TOML_KEYS_MAX   4096              /* of one table */

struct toml;
struct toml_value;

enum toml_kind { TOML_TABLE, TOML_ARRAY, TOML_STRING, TOML_INTEGER, TOML_REAL, TOML_BOOL };

struct toml_error {
    unsigned line, column;
    char text[96];
};

/* ERR_MALFORMED, ERR_TOOBIG, ERR_LIMIT: *err says where and why. ERR_NOMEM. */
MUST_CHECK int toml_parse(const char *text, size_t len, struct toml **ret, struct toml_error *err);
void toml_free(struct toml *t); /* NULL is fine */

const struct toml_value *toml_root(const struct toml *t); /* a table */

enum toml_kind toml_kind(const struct toml_value *v);
const char *toml_kind_str(enum toml_kind k); /* "a table", ... */
/* Where the value's key stands; of an element of an array, where itself does. */
unsigned toml_line(const struct toml_value *v);
unsigned toml_column(const struct toml_value *v);
/* Bytes with a zero byte behind them; NULL: an element of an array, or the root. */
const char *toml_key(const struct toml_value *v, size_t *ret_len);

/* The values of a table or an array, in the order of the text. NULL: no more, or neither of both.
 */
const struct toml_value *toml_first(const struct toml_value *v);
const struct toml_value *toml_next(const struct toml_value *v);
size_t toml_count(const struct toml_value *v);

/* NULL: no such key, or not a table. */
const struct toml_value *toml_get(const struct toml_value *table, const char *key);
/* "a.b.c": one toml_get() for each part. */
const struct toml_value *toml_path(const struct toml_value *table, const char *path);

/* Bytes with a zero byte behind them; NULL: no string. */
const char *toml_string(const struct toml_value *v, size_t *ret_len);
/* False, *ret not written: another kind. An integer is no real. */
bool toml_integer(const struct toml_value *v, int64_t *ret);
bool toml_real(const struct toml_value *v, double *ret);
bool toml_bool(const struct toml_value *v, bool *ret);
