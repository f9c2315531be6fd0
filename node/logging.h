/* logging.h - the log as options and environment ask for it.
 *
 * The node logs to standard output, commands to standard error. Levels: --silent, --debug, and over
 * both MYCELIUM_LOG or RUST_LOG (docs/protocol/api.md, "Command line"). */
#pragma once
#include <stdbool.h>

#include "base/log.h"
#include "base/macros.h"
#include "node/options.h"

void logging_setup(const struct options *o);

/* Warnings about what was asked for and is not there; for the node, behind logging_setup(). */
void logging_unserved(const struct options *o);

/* The most verbose level that a filter names for us: "warn", or "mycelium::router=debug,info" with
 * targets of others ignored. False when a part cannot be understood: *level stays. A filter that
 * says nothing about us leaves *level alone. */
bool log_filter_parse(const char *text, enum log_level *level);
