/* token_commands.h - `token new|list|revoke`: the tokens of the API, in their file.
 *
 * Each returns the exit status and has written one line to standard error when it is not 0. A node
 * that runs takes the change at SIGHUP. */
#pragma once
#include "base/macros.h"
#include "node/options.h"

MUST_CHECK int command_token_new(const struct options *o);
MUST_CHECK int command_token_list(const struct options *o);
MUST_CHECK int command_token_revoke(const struct options *o);

/* The token that a command shows to a node: of the file that was asked for, of MYCELIUM_API_TOKEN,
 * of the file of the configuration. NULL: none. The status is 1, told, when the file that was asked
 * for cannot be used, else 0. Lends until the program ends. */
MUST_CHECK int command_token(const struct options *o, const char **ret);
