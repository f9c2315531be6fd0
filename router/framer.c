#include "router/framer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "router/packet.h"

/* The two packet types say their length at different places, but within the first eight bytes. */
#define LEN_KNOWN_BYTES 8

/* A buffer of this size is kept between packets, a larger one is freed: most connections are quiet.
 */
#define HELD_KEEP_BYTES 4096
#define HELD_FIRST_CAP  256

_Static_assert(PKT_MAX == DATA_HEADER_BYTES + UINT16_MAX, "the largest frame is a data packet");
_Static_assert(BABEL_HEADER_BYTES + CONTROL_BODY_MAX <= PKT_MAX, "control packets are smaller");

void framer_init(struct framer *f)
{
    *f = (struct framer){0};
}

void framer_fini(struct framer *f)
{
    free(f->held);
    *f = (struct framer){0};
}

void framer_push(struct framer *f, const uint8_t *bytes, size_t len)
{
    assert(f->in_len == 0); /* not drained */
    f->in = bytes;
    f->in_len = len;
}

/* Bytes of the frame that begins at p, or LEN_KNOWN_BYTES while that is not known. A stream that is
 * not ours is refused at its first wrong byte. */
static int frame_len(const uint8_t *p, size_t len, size_t *ret)
{
    if (len > 0 && p[0] != OUTER_VERSION)
        return ERR_MALFORMED;
    if (len > 1 && p[1] != OUTER_DATA && p[1] != OUTER_CONTROL)
        return ERR_MALFORMED;
    if (len < LEN_KNOWN_BYTES) {
        *ret = LEN_KNOWN_BYTES;
        return OK;
    }
    struct wire_rd r = wire_rd_of(p, len);
    if (p[1] == OUTER_DATA) {
        (void)wire_take(&r, 5);
        *ret = DATA_HEADER_BYTES + (size_t)wire_u16(&r);
        return OK;
    }
    (void)wire_take(&r, 6);
    size_t body = wire_u16(&r);
    if (body > CONTROL_BODY_MAX)
        return ERR_MALFORMED;
    *ret = BABEL_HEADER_BYTES + body;
    return OK;
}

/* Moves n bytes from the input to the held ones. Grows by what is there, not by what was announced.
 */
static int hold(struct framer *f, size_t n)
{
    size_t need = f->held_len + n;
    if (need > f->held_cap) {
        size_t cap = MAX(MAX(f->held_cap * 2, need), (size_t)HELD_FIRST_CAP);
        uint8_t *held = realloc(f->held, cap);
        if (!held)
            return ERR_NOMEM;
        f->held = held;
        f->held_cap = cap;
    }
    memcpy(f->held + f->held_len, f->in, n);
    f->held_len = need;
    f->in += n;
    f->in_len -= n;
    return OK;
}

/* The frame lent by the last call is no longer needed. */
static void drop_last(struct framer *f)
{
    if (f->last == 0)
        return;
    assert(f->last == f->held_len); /* nothing is held behind a frame that was completed */
    f->last = 0;
    f->held_len = 0;
    if (f->held_cap > HELD_KEEP_BYTES) {
        free(f->held);
        f->held = NULL;
        f->held_cap = 0;
    }
}

/* Whole frame in the input: no copy. */
static int next_from_input(struct framer *f, const uint8_t **ret_frame, size_t *ret_len)
{
    size_t total;
    int rc = frame_len(f->in, f->in_len, &total);
    if (rc < 0)
        return rc;
    if (f->in_len < total) {
        *ret_frame = NULL;
        *ret_len = 0;
        return f->in_len > 0 ? hold(f, f->in_len) : OK;
    }
    /* At least LEN_KNOWN_BYTES are there, so this was the real length. */
    *ret_frame = f->in;
    *ret_len = total;
    f->in += total;
    f->in_len -= total;
    return OK;
}

int framer_next(struct framer *f, const uint8_t **ret_frame, size_t *ret_len)
{
    drop_last(f);
    if (f->held_len == 0)
        return next_from_input(f, ret_frame, ret_len);
    for (;;) {
        size_t total;
        int rc = frame_len(f->held, f->held_len, &total);
        if (rc < 0)
            return rc;
        if (f->held_len >= LEN_KNOWN_BYTES && f->held_len == total) {
            f->last = total;
            *ret_frame = f->held;
            *ret_len = total;
            return OK;
        }
        if (f->in_len == 0) {
            *ret_frame = NULL;
            *ret_len = 0;
            return OK;
        }
        rc = hold(f, MIN(total - f->held_len, f->in_len));
        if (rc < 0)
            return rc;
    }
}
