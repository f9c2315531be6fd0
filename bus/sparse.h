/* sparse.h - bytes of a message that arrive in any order, kept by offset.
 *
 * Memory grows with the data that arrived, in pages, and not with the announced length: a node that
 * announces much and sends little costs little. Holes are undefined.
 * Owns: its pages. Thread: loop. Limit: `len` given at init, itself at most MSG_LEN_MAX. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/blake3.h"
#include "base/macros.h"
#include "bus/message.h"

#define SPARSE_PAGE_BYTES 4096u
#define SPARSE_PAGES      (MSG_LEN_MAX / SPARSE_PAGE_BYTES)

struct sparse {
    uint32_t len;    /* of the message */
    uint32_t extent; /* end of the last byte that is there */
    uint32_t bytes;  /* memory taken by pages */
    uint8_t *pages[SPARSE_PAGES];
};

void sparse_init(struct sparse *s, uint32_t len);
void sparse_fini(struct sparse *s); /* fine on a zeroed one */

/* Copies in; offset + n <= len is the caller's duty. ERR_NOMEM: some of it may be there. */
MUST_CHECK int sparse_put(struct sparse *s, uint32_t offset, const uint8_t *data, uint32_t n);
/* Copies out; bytes of missing pages are zero. */
void sparse_get(const struct sparse *s, uint32_t offset, uint8_t *ret, uint32_t n);
/* Are these bytes there already? */
bool sparse_has(const struct sparse *s, uint32_t offset, const uint8_t *data, uint32_t n);
void sparse_hash(const struct sparse *s, uint8_t sum[static BLAKE3_OUT_LEN]);
