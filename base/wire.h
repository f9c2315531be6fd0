/* wire.h - reading and writing bytes, the one place where a bound is checked.
 *
 * A reader or writer is a small value. The first access beyond the end makes it `bad`, and every
 * later access has no effect: a decoder reads like the layout and checks once, at the end.
 * Integers are big endian. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct wire_rd {
    const uint8_t *p, *end;
    bool bad;
};

struct wire_wr {
    uint8_t *start, *p, *end;
    bool bad;
};

static inline struct wire_rd wire_rd_of(const void *buf, size_t len)
{
    const uint8_t *p = (const uint8_t *)buf;
    return (struct wire_rd){.p = p, .end = p ? p + len : p, .bad = false};
}

static inline size_t wire_left(const struct wire_rd *r)
{
    return r->bad ? 0 : (size_t)(r->end - r->p);
}

/* The next n bytes, borrowed from the buffer; NULL and bad if there are fewer. */
static inline const uint8_t *wire_take(struct wire_rd *r, uint64_t n)
{
    r->bad = r->bad || n > (uint64_t)(r->end - r->p);
    if (r->bad)
        return NULL;
    const uint8_t *p = r->p;
    if (n > 0) /* an empty reader may have no buffer at all, and NULL + 0 is not defined */
        r->p += n;
    return p;
}

static inline uint64_t wire_uint(struct wire_rd *r, unsigned bytes)
{
    const uint8_t *p = wire_take(r, bytes);
    uint64_t v = 0;
    for (unsigned i = 0; p && i < bytes; i++)
        v = v << 8 | p[i];
    return v;
}

static inline uint8_t wire_u8(struct wire_rd *r)
{
    return (uint8_t)wire_uint(r, 1);
}

static inline uint16_t wire_u16(struct wire_rd *r)
{
    return (uint16_t)wire_uint(r, 2);
}

static inline uint32_t wire_u32(struct wire_rd *r)
{
    return (uint32_t)wire_uint(r, 4);
}

static inline uint64_t wire_u64(struct wire_rd *r)
{
    return wire_uint(r, 8);
}

/* Copies n bytes out; leaves dst alone when there are fewer. */
static inline void wire_copy(struct wire_rd *r, void *dst, size_t n)
{
    const uint8_t *p = wire_take(r, n);
    if (p && n > 0)
        memcpy(dst, p, n);
}

/* Everything that is left, as a reader of its own. */
static inline struct wire_rd wire_rest(struct wire_rd *r)
{
    size_t n = wire_left(r);
    return wire_rd_of(wire_take(r, n), n);
}

static inline void wire_skip_rest(struct wire_rd *r)
{
    (void)wire_take(r, wire_left(r)); /* cannot be short */
}

/* No error, and nothing left over. */
static inline bool wire_done(const struct wire_rd *r)
{
    return !r->bad && r->p == r->end;
}

static inline struct wire_wr wire_wr_of(void *buf, size_t cap)
{
    uint8_t *p = (uint8_t *)buf;
    return (struct wire_wr){.start = p, .p = p, .end = p ? p + cap : p, .bad = false};
}

/* Room for n bytes to be filled by the caller; NULL and bad if there is less. */
static inline uint8_t *wire_room(struct wire_wr *w, size_t n)
{
    w->bad = w->bad || n > (size_t)(w->end - w->p);
    if (w->bad)
        return NULL;
    uint8_t *p = w->p;
    if (n > 0)
        w->p += n;
    return p;
}

static inline void wire_put_uint(struct wire_wr *w, uint64_t v, unsigned bytes)
{
    uint8_t *p = wire_room(w, bytes);
    for (unsigned i = 0; p && i < bytes; i++)
        p[i] = (uint8_t)(v >> (8 * (bytes - 1 - i)));
}

static inline void wire_put_u8(struct wire_wr *w, uint8_t v)
{
    wire_put_uint(w, v, 1);
}

static inline void wire_put_u16(struct wire_wr *w, uint16_t v)
{
    wire_put_uint(w, v, 2);
}

static inline void wire_put_u32(struct wire_wr *w, uint32_t v)
{
    wire_put_uint(w, v, 4);
}

static inline void wire_put_u64(struct wire_wr *w, uint64_t v)
{
    wire_put_uint(w, v, 8);
}

static inline void wire_put(struct wire_wr *w, const void *src, size_t n)
{
    uint8_t *p = wire_room(w, n);
    if (p && n > 0)
        memcpy(p, src, n);
}

/* Bytes written so far. */
static inline size_t wire_len(const struct wire_wr *w)
{
    return (size_t)(w->p - w->start);
}
