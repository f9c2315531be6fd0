#include "bus/part_body.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/blake3.h"
#include "base/err.h"
#include "bus/recv_file.h"

#define INDEX_MAX (MSG_LEN_MAX / 250 + 1)

static int compare_spans(const void *va, const void *vb)
{
    const struct span *a = (const struct span *)va;
    const struct span *b = (const struct span *)vb;
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

/* Do the ranges of the chunks leave no hole? */
static bool covered(const struct part *p)
{
    struct span v[INDEX_MAX];
    size_t n = 0;
    for (uint32_t i = 0; i < p->n_spans; i++)
        if (p->spans[i].end != 0)
            v[n++] = p->spans[i];
    qsort(v, n, sizeof(*v), compare_spans);
    uint32_t end = 0;
    for (size_t i = 0; i < n && v[i].offset <= end; i++)
        end = MAX(end, v[i].end);
    return end >= p->len;
}

static int spans_reserve(struct part *p, uint32_t n)
{
    if (n <= p->cap_spans)
        return OK;
    uint32_t cap = MAX(n, MIN(p->cap_spans * 2, (uint32_t)INDEX_MAX));
    struct span *v = reallocarray(p->spans, cap, sizeof(*v));
    if (!v)
        return ERR_NOMEM;
    memset(v + p->cap_spans, 0, (cap - p->cap_spans) * sizeof(*v));
    p->spans = v;
    p->cap_spans = cap;
    return OK;
}

static int put(struct part *p, uint32_t index, uint32_t offset, const uint8_t *data, uint32_t n)
{
    assert(index < INDEX_MAX && n > 0);
    int rc = spans_reserve(p, index + 1);
    if (rc == OK)
        rc = sparse_put(&p->data, offset, data, n);
    if (rc < 0)
        return rc;
    struct span *s = &p->spans[index];
    if (s->end != 0) {
        p->sizes -= s->end - s->offset; /* another cut: the later one counts */
        p->chunks--;
    }
    *s = (struct span){.offset = offset, .end = offset + n};
    p->sizes += n;
    p->chunks++;
    p->n_spans = MAX(p->n_spans, index + 1);
    if (!p->full && p->sizes >= p->len)
        p->full = covered(p);
    return OK;
}

int part_body_put(struct part *p, const struct msg_packet *c)
{
    int rc = put(p, (uint32_t)c->index, (uint32_t)c->offset, c->data, (uint32_t)c->data_len);
    if (rc == OK)
        p->version++;
    return rc;
}

/* Chunks 0 .. count-1 are there, and they are either all that came or as long as the message: after
 * a change of the cut, chunks of the old one may stand behind those of the new one. */
static bool count_right(const struct part *p, uint64_t count, bool *ret_sizes_fit)
{
    if (count > p->n_spans || count > p->chunks)
        return false;
    uint64_t sizes = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (p->spans[i].end == 0)
            return false;
        sizes += p->spans[i].end - p->spans[i].offset;
    }
    *ret_sizes_fit = sizes == p->len;
    return count == p->chunks || *ret_sizes_fit;
}

static struct blob *join_by_index(const struct part *p, uint64_t count)
{
    struct blob *body = blob_new(p->len);
    uint32_t at = 0;
    for (uint32_t i = 0; body && i < count; i++) {
        const struct span *s = &p->spans[i];
        sparse_get(&p->data, s->offset, body->data + at, s->end - s->offset);
        at += s->end - s->offset;
    }
    return body;
}

struct blob *part_body_check(const struct part *p, uint64_t count,
                             const uint8_t sum[static MSG_SUM_BYTES])
{
    uint8_t have[MSG_SUM_BYTES];
    bool sizes_fit = false;
    if (!count_right(p, count, &sizes_fit))
        return NULL;
    if (p->full) {
        sparse_hash(&p->data, have);
        if (memcmp(have, sum, sizeof(have)) == 0) {
            struct blob *body = blob_new(p->len);
            if (body)
                sparse_get(&p->data, 0, body->data, p->len);
            return body;
        }
    }
    if (!sizes_fit)
        return NULL;
    struct blob *body = join_by_index(p, count);
    if (body) {
        blake3(body->data, body->len, have);
        if (memcmp(have, sum, sizeof(have)) != 0) {
            blob_unref(body);
            body = NULL;
        }
    }
    return body;
}

struct blob *part_body_snapshot(const struct part *p)
{
    struct blob *body = blob_new(p->data.extent);
    if (body)
        sparse_get(&p->data, 0, body->data, p->data.extent);
    return body;
}

size_t part_body_got(const struct part *p, uint8_t *ret, size_t cap)
{
    struct wire_wr w = wire_wr_of(ret, cap);
    for (uint32_t i = 0; i < p->n_spans; i++) {
        wire_put_u32(&w, p->spans[i].offset);
        wire_put_u32(&w, p->spans[i].end);
    }
    assert(!w.bad);
    return wire_len(&w);
}

size_t part_body_map(struct part *p, uint64_t *ret_missing, uint8_t ret[static TRAILER_MAP_ALL])
{
    size_t bytes = 1;
    if (p->file) {
        *ret_missing = ranges_missing(&p->file->written);
        return ranges_map(&p->file->written, ret, TRAILER_MAP_ALL);
    }
    while (p->missing < p->n_spans && p->spans[p->missing].end != 0)
        p->missing++;
    memset(ret, 0, TRAILER_MAP_MAX);
    for (uint32_t i = p->missing + 1; i < p->n_spans; i++) {
        uint32_t bit = i - p->missing - 1;
        if (bit / 8 >= TRAILER_MAP_MAX)
            break; /* it is told when the first missing one has come */
        if (p->spans[i].end == 0)
            continue;
        ret[bit / 8] = (uint8_t)(ret[bit / 8] | 1u << bit % 8);
        bytes = bit / 8 + 1;
    }
    *ret_missing = p->missing;
    return bytes;
}

int part_body_load(struct part *p, const struct bus_in_row *row)
{
    struct wire_rd r = wire_rd_of(row->got, row->got_len);
    uint32_t have = row->body ? row->body->len : 0;
    have = MIN(have, p->len);
    uint32_t indices = MIN((p->len + 249) / 250, (uint32_t)INDEX_MAX);
    for (uint32_t i = 0; i < indices && wire_left(&r) >= 8; i++) {
        uint32_t offset = wire_u32(&r);
        uint32_t end = wire_u32(&r);
        if (end <= offset || end > have)
            continue;
        int rc = put(p, i, offset, row->body->data + offset, end - offset);
        if (rc < 0)
            return rc;
    }
    return OK;
}
