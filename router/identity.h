/* identity.h - a node's key pair and what follows from a public key: address, subnet, router id.
 *
 * Owns: the secret key, in locked memory, wiped by identity_free().
 * Never: logs or prints a secret. Protocol: docs/protocol/addresses.md. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ip6.h"
#include "base/macros.h"

#define KEY_BYTES       32
#define ROUTER_ID_BYTES 40

struct pubkey {
    uint8_t b[KEY_BYTES];
};

/* Public key 32, zone 2 (zero), 6 random bytes drawn at each start. */
struct router_id {
    uint8_t b[ROUTER_ID_BYTES];
};

/* First 16 bytes of BLAKE3(key); first byte 0x04 or 0x05 by the parity of its one bits. */
struct ip6 address_of_key(const struct pubkey *key);
/* The same with BLAKE2b-128: what releases before 0.5.0 derived. For `inspect --legacy` only. */
struct ip6 legacy_address_of_key(const struct pubkey *key);

struct identity; /* opaque: holds the secret key */

/* From 32 raw bytes (borrows; the caller wipes its copy). */
MUST_CHECK int identity_new(const uint8_t secret[static KEY_BYTES], struct identity **ret);
MUST_CHECK int identity_generate(struct identity **ret);
void identity_free(struct identity *id); /* wipes; NULL is fine */

const struct pubkey *identity_pubkey(const struct identity *id); /* lends */
struct ip6 identity_address(const struct identity *id);

/* Raw X25519 with another public key. ERR_CRYPTO for low-order keys (all-zero result). */
MUST_CHECK int identity_exchange(const struct identity *id, const struct pubkey *other,
                                 uint8_t ret_secret[static KEY_BYTES]);

/* Key file: the 32 raw bytes; longer files count by their first 32 bytes. ERR_NOENT when missing,
 * ERR_TOOBIG never (warned about), ERR_MALFORMED when shorter. `*ret_warn` (may be NULL) gets a bit
 * set of enum key_warning for the caller to show. */
enum key_warning {
    KEY_WARN_LONG = 1,     /* more than 32 bytes: the rest is ignored */
    KEY_WARN_ZERO = 2,     /* all bytes zero */
    KEY_WARN_HEX = 4,      /* 64 hex digits: text taken as raw bytes */
    KEY_WARN_READABLE = 8, /* group or others may read it */
};
MUST_CHECK int identity_load(const char *path, struct identity **ret, unsigned *ret_warn);
/* Writes the key atomically, mode 0600. ERR_EXIST when the file is there and !replace; with replace
 * the old file is kept beside it as `<path>.old`. */
MUST_CHECK int identity_save(const struct identity *id, const char *path, bool replace);
