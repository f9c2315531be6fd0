/* blake3.h - BLAKE3 in plain hash mode (no key, no context), 32-byte output.
 *
 * Own portable implementation of the public specification, checked against its official vectors
 * (tests/unit/base/blake3_test.c); Debian 12 packages no C library for it. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define BLAKE3_OUT_LEN 32

struct blake3 {
    uint32_t cv_stack[54][8]; /* chaining values of finished subtrees */
    uint32_t cv[8];           /* of the chunk in progress */
    uint64_t chunk;           /* its number */
    uint8_t block[64];
    uint8_t block_len;
    uint8_t blocks_done; /* in this chunk */
    uint8_t depth;       /* entries on cv_stack */
};

void blake3_init(struct blake3 *h);
void blake3_update(struct blake3 *h, const void *bytes, size_t len);
void blake3_final(const struct blake3 *h, uint8_t out[static BLAKE3_OUT_LEN]); /* h stays usable */
void blake3(const void *bytes, size_t len, uint8_t out[static BLAKE3_OUT_LEN]);
