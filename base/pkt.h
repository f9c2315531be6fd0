/* pkt.h - one packet in one allocation, with room in front and behind.
 *
 * The layers prepend their headers into the headroom and append into the tailroom, so that a
 * message chunk is copied once on its way from the message to the socket.
 * Ownership: whoever holds the pointer; functions say "takes" when it moves. Thread: any, one
 * owner at a time. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

/* Outer header 4 + data header 36 + user header 4, rounded up. */
#define PKT_HEADROOM 48
/* Tag 16 + nonce 12, rounded up. */
#define PKT_TAILROOM 32
/* Largest packet on a stream: header 40 + body 65535. */
#define PKT_MAX 65575

struct pkt {
    struct pkt *next; /* free for the owner's queue */
    uint8_t *data;    /* first byte */
    uint32_t len;     /* bytes from data */
    uint32_t cap;     /* bytes of mem */
    uint8_t mem[];
};

/* A packet with `len` uninitialised bytes, PKT_HEADROOM before and PKT_TAILROOM after them.
 * NULL when out of memory or len > PKT_MAX. */
struct pkt *pkt_new(size_t len);
struct pkt *pkt_copy(const void *bytes, size_t len); /* borrows bytes */
void pkt_free(struct pkt *p);                        /* NULL is fine */

/* Extend to the front or the back; the new bytes are uninitialised. NULL when the room is used up
 * (our mistake, never the peer's: the sizes are constants). */
MUST_CHECK uint8_t *pkt_push(struct pkt *p, size_t n); /* new first byte */
MUST_CHECK uint8_t *pkt_put(struct pkt *p, size_t n);  /* first of the new bytes at the end */
/* Cut n bytes off the front or the end; n <= len is the caller's duty (asserted). */
void pkt_pull(struct pkt *p, size_t n);
void pkt_trim(struct pkt *p, size_t n);
