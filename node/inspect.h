/* inspect.h - the commands about keys: inspect and generate-keys.
 *
 * They return the exit status and have told the user why when it is not 0. Standard output carries
 * the result and nothing else. */
#pragma once
#include <stdint.h>

#include "base/macros.h"
#include "node/options.h"
#include "router/identity.h"

/* Asks the node at api for its public key: OK, or an error that says nothing to the user. */
typedef int inspect_ask(const struct options *o, uint8_t ret_key[static KEY_BYTES]);

/* The key to show: the argument; else the key file; and where -k is not given and there is no file,
 * that of the running node; else a new one is made (unless --no-generate). */
MUST_CHECK int command_inspect(const struct options *o, inspect_ask *ask);
MUST_CHECK int command_generate_keys(const struct options *o);
