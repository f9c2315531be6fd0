/* network.h - the secret that makes a private network: its name and its key.
 *
 * Who has both can connect; the name is sent in clear, the key never. One for all sessions of a
 * node (tls.h), alive as long as any of them. Thread: loop. Protocol: docs/protocol/connections.md,
 * "Private networks". */
#pragma once
#include <stdint.h>

#include "base/macros.h"

#define NETWORK_NAME_MIN  2u /* bytes of UTF-8 */
#define NETWORK_NAME_MAX  64u
#define NETWORK_KEY_BYTES 32u

struct network;

/* ERR_INVAL: the length of the name, or it is no UTF-8. ERR_NOMEM. Both are copied. */
MUST_CHECK int network_new(const char *name, const uint8_t key[static NETWORK_KEY_BYTES],
                           struct network **ret);
void network_free(struct network *n); /* wipes the key; NULL is fine */

/* Reads the first NETWORK_KEY_BYTES of a file, raw. ERR_NOENT, ERR_PERM, ERR_IO; ERR_MALFORMED: it
 * is shorter. *ret_warnings: */
enum network_key_warning {
    NETWORK_KEY_LONG = 1,     /* the rest is ignored */
    NETWORK_KEY_READABLE = 2, /* by group or others */
};
MUST_CHECK int network_key_read(const char *path, uint8_t ret[static NETWORK_KEY_BYTES],
                                unsigned *ret_warnings);
