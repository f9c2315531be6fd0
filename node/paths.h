/* paths.h - where the key file and the state live. Docs: docs/protocol/api.md, "Paths". */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

#define PATH_TEXT_MAX 4096
#define SYSTEM_CONFIG "/etc/mycelium/mycelium.toml"

/* Default key file: `$XDG_DATA_HOME/mycelium/priv_key.bin`, else `$HOME/.local/share/...`, else the
 * home of the user database, else `./mycelium/priv_key.bin`. ERR_TOOBIG. */
MUST_CHECK int path_default_key(char *buf, size_t cap);
/* The configuration file that other releases read when none is given; "" when there is no home. */
MUST_CHECK int path_default_config(char *buf, size_t cap);
/* The configuration file to use when none was given: the default one, or SYSTEM_CONFIG where only
 * that exists; "" where neither does. */
MUST_CHECK int path_config(char *buf, size_t cap);
/* The key file to use when none was given: the default one, or `./priv_key.bin` where only that
 * exists, has 32 bytes or more, belongs to the caller and is not writable for others (*ret_legacy).
 */
MUST_CHECK int path_key(char *buf, size_t cap, bool *ret_legacy);
/* State directory: option, $STATE_DIRECTORY, `<key file>.state` beside a key file that was given,
 * else the folder of the default key file. */
MUST_CHECK int path_state(const char *option, const char *key_option, char *buf, size_t cap);
/* The Unix socket of the API: option ("off": none), else api.sock in $RUNTIME_DIRECTORY; "": none.
 */
MUST_CHECK int path_api_socket(const char *option, char *buf, size_t cap);
/* The folder that a path lies in: "." without a slash. */
MUST_CHECK int path_folder(const char *path, char *buf, size_t cap);
