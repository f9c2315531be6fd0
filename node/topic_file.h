/* topic_file.h - the file of --topic-config: topic rules as a person writes them.
 *
 * Read at the start, where any error ends the program, and again at SIGHUP, where an error leaves
 * the old rules. Format: docs/protocol/messages.md, "Topic file". */
#pragma once
#include <stddef.h>

#include "base/macros.h"
#include "base/rng.h"
#include "bus/topic_rules.h"
#include "node/toml_file.h"

#define TOPIC_FILE_WHY_MAX TOML_FILE_WHY_MAX

/* A new table. On any error *why is "PATH:LINE: what is wrong" ("PATH: ..." where no line is to
 * blame). Keys that have no meaning are logged as warnings. */
MUST_CHECK int topic_file_read(const char *path, struct rng *rng, struct topics **ret,
                               char why[static TOPIC_FILE_WHY_MAX]);
/* The same from memory; path is for the messages. */
MUST_CHECK int topic_file_parse(const char *path, const char *text, size_t len, struct rng *rng,
                                struct topics **ret, char why[static TOPIC_FILE_WHY_MAX]);
