/* config_file.h - the configuration file: found, read into the options, complained about.
 *
 * TOML; keys are those of option_table, all at the top. A value is looked at where neither command
 * line nor environment said otherwise. Format and search path:
 * docs/protocol/api.md, "Configuration". */
#pragma once
#include "base/macros.h"
#include "node/option_table.h"
#include "node/toml_file.h"

#define CONFIG_FILE_WHY_MAX TOML_FILE_WHY_MAX

/* Sets o->config_path: the file that was asked for, or the first of the search path that exists.
 * On any error *why says what is wrong. */
MUST_CHECK int config_file_find(struct options *o, char why[static CONFIG_FILE_WHY_MAX]);
/* Reads o->config_path into *o, which owns the document from here on. On any error *why is
 * "PATH:LINE: what is wrong" ("PATH: ..." where no line is to blame). */
MUST_CHECK int config_file_read(struct options *o, char why[static CONFIG_FILE_WHY_MAX]);
/* The same from memory; o->config_path is for the messages. */
MUST_CHECK int config_file_parse(struct options *o, const char *text, size_t len,
                                 char why[static CONFIG_FILE_WHY_MAX]);
/* The first key of the file that asks for what this release does not have; NULL: none. */
const struct option_def *config_file_refused(const struct options *o);
/* A warning in the log for each key that has no meaning. */
void config_file_warn(const struct options *o);
