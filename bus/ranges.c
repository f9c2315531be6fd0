#include "bus/ranges.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/wire.h"

void ranges_fini(struct ranges *r)
{
    free(r->v);
    *r = (struct ranges){.v = NULL};
}

void ranges_clear(struct ranges *r)
{
    r->n = 0;
}

/* The first run that ends behind `offset`. */
static uint32_t find(const struct ranges *r, uint32_t offset)
{
    uint32_t low = 0, high = r->n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (r->v[mid].end > offset)
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

/* Two neighbours, the left one first: both orders agree, and no gap is only in one of them. */
static bool in_order(const struct range *a, const struct range *b)
{
    return a->end <= b->offset && a->last < b->first &&
           (a->end == b->offset) == (a->last + 1 == b->first);
}

static bool joined(const struct range *a, const struct range *b)
{
    return a->end == b->offset;
}

enum ranges_fit ranges_check(const struct ranges *r, const struct range *x)
{
    uint32_t at = find(r, x->offset);
    const struct range *prev = at > 0 ? &r->v[at - 1] : NULL;
    const struct range *next = at < r->n ? &r->v[at] : NULL;
    if ((x->offset == 0) != (x->first == 0))
        return RANGES_OTHER;
    if (next && next->offset <= x->offset && x->end <= next->end && next->first <= x->first &&
        x->last <= next->last)
        return RANGES_KNOWN;
    if ((prev && !in_order(prev, x)) || (next && !in_order(x, next)))
        return RANGES_OTHER;
    bool alone = (!prev || !joined(prev, x)) && (!next || !joined(x, next));
    return alone && r->n == RANGES_MAX ? RANGES_FULL : RANGES_NEW;
}

static int reserve(struct ranges *r, uint32_t n)
{
    if (n <= r->cap)
        return OK;
    uint32_t cap = r->cap ? r->cap * 2 : 4;
    cap = MAX(cap, n);
    struct range *v = reallocarray(r->v, cap, sizeof(*v));
    if (!v)
        return ERR_NOMEM;
    r->v = v;
    r->cap = cap;
    return OK;
}

int ranges_add(struct ranges *r, const struct range *x)
{
    assert(ranges_check(r, x) == RANGES_NEW);
    uint32_t at = find(r, x->offset);
    bool left = at > 0 && joined(&r->v[at - 1], x);
    bool right = at < r->n && joined(x, &r->v[at]);
    if (!left && !right) {
        int rc = reserve(r, r->n + 1);
        if (rc < 0)
            return rc;
        memmove(r->v + at + 1, r->v + at, (r->n - at) * sizeof(*r->v));
        r->v[at] = *x;
        r->n++;
        return OK;
    }
    if (left) {
        r->v[at - 1].end = x->end;
        r->v[at - 1].last = x->last;
    } else {
        r->v[at].offset = x->offset;
        r->v[at].first = x->first;
    }
    if (left && right) {
        r->v[at - 1].end = r->v[at].end;
        r->v[at - 1].last = r->v[at].last;
        r->n--;
        memmove(r->v + at, r->v + at + 1, (r->n - at) * sizeof(*r->v));
    }
    return OK;
}

int ranges_copy(struct ranges *to, const struct ranges *from)
{
    int rc = reserve(to, from->n);
    if (rc < 0)
        return rc;
    if (from->n > 0)
        memcpy(to->v, from->v, from->n * sizeof(*to->v));
    to->n = from->n;
    return OK;
}

static bool begins(const struct ranges *r)
{
    return r->n > 0 && r->v[0].first == 0;
}

uint32_t ranges_solid(const struct ranges *r)
{
    return begins(r) ? r->v[0].end : 0;
}

uint32_t ranges_missing(const struct ranges *r)
{
    return begins(r) ? r->v[0].last + 1 : 0;
}

uint64_t ranges_bytes(const struct ranges *r)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < r->n; i++)
        n += r->v[i].end - r->v[i].offset;
    return n;
}

size_t ranges_map(const struct ranges *r, uint8_t *map, size_t cap)
{
    uint32_t missing = ranges_missing(r);
    size_t bytes = 1;
    memset(map, 0, cap);
    for (uint32_t i = begins(r); i < r->n; i++) {
        uint64_t bit = r->v[i].first - missing - 1;
        uint64_t end = r->v[i].last - missing; /* one behind the last */
        if (bit / 8 >= cap) {
            bytes = cap; /* there is more than it tells */
            break;
        }
        for (end = MIN(end, cap * 8); bit < end; bit++) {
            map[bit / 8] = (uint8_t)(map[bit / 8] | 1u << bit % 8);
            bytes = (size_t)(bit / 8 + 1);
        }
    }
    return bytes;
}

size_t ranges_encode(const struct ranges *r, uint8_t *buf, size_t cap)
{
    struct wire_wr w = wire_wr_of(buf, cap);
    for (uint32_t i = 0; i < r->n; i++) {
        wire_put_u32(&w, r->v[i].offset);
        wire_put_u32(&w, r->v[i].end);
        wire_put_u32(&w, r->v[i].first);
        wire_put_u32(&w, r->v[i].last);
    }
    assert(!w.bad);
    return wire_len(&w);
}

int ranges_decode(struct ranges *r, const uint8_t *bytes, size_t n, uint32_t len)
{
    struct wire_rd rd = wire_rd_of(bytes, n);
    r->n = 0;
    while (wire_left(&rd) >= RANGES_ENTRY) {
        struct range x;
        x.offset = wire_u32(&rd);
        x.end = wire_u32(&rd);
        x.first = wire_u32(&rd);
        x.last = wire_u32(&rd);
        bool right = x.offset < x.end && x.end <= len && x.first <= x.last &&
                     ranges_check(r, &x) == RANGES_NEW;
        if (!right) {
            r->n = 0;
            return OK;
        }
        int rc = ranges_add(r, &x);
        if (rc < 0)
            return rc;
    }
    return OK;
}
