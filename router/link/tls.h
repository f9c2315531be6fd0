/* tls.h - one TLS 1.3 session with a pre-shared key: bytes of the connection in and out, bytes of
 * the stream out and in.
 *
 * Knows no socket and no clock. What it wants to send stands in tls_out_take(); the caller bounds
 * that by not sealing more as long as something is there. TLS_OUT_MAX bounds what the other end can
 * make it say (answers to key updates).
 * Thread: loop. Protocol: docs/protocol/connections.md, "Private networks". */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

#define TLS_RECORD  16384u              /* bytes of the stream that are sealed together, at most */
#define TLS_OUT_MAX ((size_t)64 * 1024) /* bytes to be sent; beyond that the session is over */

enum tls_step {
    TLS_OK,
    TLS_MORE, /* all input is used: more is wanted */
    TLS_END,  /* the session is over; what is in tls_out_take() should still be sent */
};

struct network;
struct tls;

MUST_CHECK int tls_new(struct network *n, bool server, struct tls **ret); /* ERR_NOMEM */
void tls_free(struct tls *t);                                             /* NULL is fine */

/* Bytes came. They are lent until tls_read() or tls_handshake() returns TLS_MORE or TLS_END; then
 * the next may come. */
void tls_input(struct tls *t, const uint8_t *bytes, size_t len);
/* Goes on with the handshake; also without input, to begin it. TLS_OK: it is done. *ret_why, a
 * constant: of TLS_END. */
MUST_CHECK enum tls_step tls_handshake(struct tls *t, const char **ret_why);
/* The next bytes of the stream; TLS_OK: their number, at least 1. */
MUST_CHECK enum tls_step tls_read(struct tls *t, uint8_t *ret, size_t cap, size_t *ret_len,
                                  const char **ret_why);
/* Seals len bytes of the stream, at most TLS_RECORD. ERR_CLOSED, ERR_NOMEM. */
MUST_CHECK int tls_write(struct tls *t, const uint8_t *bytes, size_t len);
size_t tls_out_len(const struct tls *t);
/* All that is to be sent, the caller's to free(); NULL: nothing. */
uint8_t *tls_out_take(struct tls *t, size_t *ret_len);
