/* framer.h - cuts a byte stream into packets, the same one for every transport.
 *
 * Bytes are pushed in pieces of any size; whole packets come out, borrowed until the next call. It
 * always skips exactly the announced length, so a packet that nobody understands never costs the
 * next one. It allocates by what has arrived, never by what was announced.
 *
 *     framer_push(f, bytes, n);                 // borrows bytes until framer_next() says no more
 *     while ((rc = framer_next(f, &frame, &len)) == OK && frame) ...
 *
 * Thread: the link's owner. Protocol: docs/protocol/packets.md, "Framing". */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

struct framer {
    uint8_t *held;   /* beginning of a packet that is not complete yet */
    size_t held_len; /* bytes in held */
    size_t held_cap;
    const uint8_t *in; /* what was pushed and not yet cut */
    size_t in_len;
    size_t last; /* bytes of held that the last frame used */
};

void framer_init(struct framer *f);
void framer_fini(struct framer *f);

/* The previous push must have been drained by framer_next(). */
void framer_push(struct framer *f, const uint8_t *bytes, size_t len);
/* OK with *ret_frame NULL: needs more bytes. ERR_MALFORMED: the stream is not ours (version, type,
 * or a control length above CONTROL_BODY_MAX): close the connection. ERR_NOMEM. */
MUST_CHECK int framer_next(struct framer *f, const uint8_t **ret_frame, size_t *ret_len);
