/* seal.h - end-to-end encryption of data packets: AES-256-GCM under the X25519 secret of two nodes.
 *
 * Plaintext: user header 4 (version 1, type, 0, 0) + body. Raw data: ciphertext | tag 16 |
 * nonce 12. Owns: a bounded cache (least recently used out) of shared secrets and open cipher
 * handles, keyed by the other node's public key, so that a key change can never use an old secret.
 * Nonce: 8 random bytes per start and per 2^32 packets, then a 32-bit counter; never repeats.
 * Thread: one owner. Never: keeps plaintext. Protocol: docs/protocol/addresses.md, "Sealing". */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "base/pkt.h"
#include "base/rng.h"
#include "router/identity.h"

#define SEAL_TAG_BYTES   16
#define SEAL_NONCE_BYTES 12
#define SEAL_OVERHEAD    (SEAL_TAG_BYTES + SEAL_NONCE_BYTES)
/* Cached remotes: 32 bytes of secret and about 750 of cipher state each. */
#define SEAL_CACHE_MAX 4096

enum user_type { USER_L3 = 0, USER_MESSAGE = 1, USER_OOB_ICMP = 2 };
#define USER_HEADER_BYTES 4

struct sealer;
/* id and rng are borrowed for the life of the sealer. cache_max 0: SEAL_CACHE_MAX. */
MUST_CHECK int sealer_new(const struct identity *id, struct rng *rng, size_t cache_max,
                          struct sealer **ret);
void sealer_free(struct sealer *s);

/* p->data is the plaintext with its user header (4 bytes at least: asserted); on OK it is the raw
 * data (28 bytes longer, uses the tailroom). ERR_CRYPTO: low-order key. ERR_TOOBIG: does not fit
 * the length field of a data packet, or no tailroom. Errors leave p as it was. */
MUST_CHECK int seal_pkt(struct sealer *s, const struct pubkey *to, struct pkt *p);
/* p->data is the raw data; on OK the plaintext with its user header. ERR_CRYPTO: too short, wrong
 * key or tampered; p's bytes are then undefined. */
MUST_CHECK int unseal_pkt(struct sealer *s, const struct pubkey *from, struct pkt *p);

/* Is this remote in the cache, so that its packets cost no X25519? */
bool sealer_knows(const struct sealer *s, const struct pubkey *key);

/* With a given nonce: for test vectors only. */
MUST_CHECK int seal_pkt_nonce(struct sealer *s, const struct pubkey *to, struct pkt *p,
                              const uint8_t nonce[static SEAL_NONCE_BYTES]);

/* As if n packets had been sealed: for tests of what happens after 2^32 of them. */
void sealer_skip_nonces(struct sealer *s, uint64_t n);

struct seal_stats {
    uint64_t sealed, unsealed, refused; /* packets */
    uint64_t exchanges;                 /* X25519 computed */
    size_t cached;                      /* remotes in the cache */
};
struct seal_stats sealer_stats(const struct sealer *s);
