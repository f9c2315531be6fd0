/* option_value.h - the values of options: from a text to their field, and back.
 *
 * One reader for command line, environment and configuration file. */
#pragma once
#include <stdint.h>
#include <stdio.h>

#include "node/option_table.h"

/* The value of this option is about to be given anew: a list is empty from here on. */
void option_value_begin(struct options *o, const struct option_def *d);
/* Sets the field of `d`, or adds to its list. Borrows text for as long as the options live. NULL,
 * or what is wrong with it; an option without a field is only checked. */
const char *option_value_add(struct options *o, const struct option_def *d, const char *text);
/* Does the value of an option that is refused ask for anything? */
bool option_asks(const struct option_def *d, const char *text);
/* Of a number, a size or a span. */
uint64_t option_number(const struct options *o, const struct option_def *d);
void option_number_set(struct options *o, const struct option_def *d, uint64_t n);
/* As the configuration file has it: `"text"`, `5`, `["a", "b"]`. */
void option_value_print(FILE *out, const struct options *o, const struct option_def *d);

/* "1.2.3.4:80", "[::1]:80", "localhost:80", "off". NULL, or what is wrong with the text. */
const char *listen_addr_parse(const char *text, struct listen_addr *ret);
/* "1.2.3.4:80", "[::1]:80", "off" */
#define LISTEN_ADDR_TEXT_MAX 80
const char *listen_addr_str(const struct listen_addr *a, char buf[static LISTEN_ADDR_TEXT_MAX]);
