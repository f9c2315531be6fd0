/* check_config.h - `--check-config`: everything a start would read, read; what would hold, printed.
 */
#pragma once
#include "base/macros.h"
#include "node/options.h"

/* Standard output: the configuration as a file, each value with its source. What cannot be used is
 * told on standard error. Changes nothing, listens nowhere. Returns the exit status. */
MUST_CHECK int check_config(const struct options *o);
