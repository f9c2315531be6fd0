/* escape.h - text on its way into URLs, JSON and terminals. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/text.h"

/* Everything but unreserved characters as %XX, so that it is one path segment or query value.
 * Appends nothing and returns false when it does not fit with its zero byte. */
bool url_escape(const char *text, char *buf, size_t cap);

/* Adds `?key=value`, or `&key=value` behind a query, to the path in buf. value NULL: nothing.
 * false: it does not fit; what stands in buf then is of no use. */
bool url_query_add(char *buf, size_t cap, const char *key, const char *value);

/* A JSON string with its quotes. Text is UTF-8; only `"`, `\` and control characters are escaped.
 */
void json_string_write(FILE *out, const char *text, size_t len);

/* Standard alphabet with padding, no quotes. */
void base64_write(FILE *out, const char *bytes, size_t len);

/* Control characters become `?`: what a node answers cannot drive the terminal. Returns text. */
char *text_make_printable(char *text);
