/* node.h - the running daemon: the loop, and the cores and adapters connected to it.
 *
 * node.c is the table of contents of the running program. */
#pragma once
#include "base/macros.h"
#include "node/options.h"

/* Runs until SIGINT or SIGTERM. Returns the exit status; has told the user why when it is not 0. */
MUST_CHECK int node_run(const struct options *o);
