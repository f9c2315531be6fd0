#include "bus/send_chunks.h"

#include <assert.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/wire.h"

/* All chunks of a block are acknowledged. */
static struct out_block block_acked;
#define OUT_BLOCK_ACKED (&block_acked)

static uint32_t block_size(const struct out_msg *m, uint32_t b)
{
    uint64_t begin = (uint64_t)b * OUT_BLOCK_CHUNKS;
    return (uint32_t)MIN(m->plan.count - begin, (uint64_t)OUT_BLOCK_CHUNKS);
}

static bool has_records(const struct out_msg *m, uint32_t b)
{
    return m->blocks[b] && m->blocks[b] != OUT_BLOCK_ACKED;
}

/* With records; NULL: no memory. */
static struct out_block *block_open(struct out_msg *m, uint32_t b)
{
    if (has_records(m, b))
        return m->blocks[b];
    uint32_t n = block_size(m, b);
    bool acked = m->blocks[b] == OUT_BLOCK_ACKED;
    struct out_block *k = calloc(1, sizeof(*k) + n * sizeof(k->v[0]));
    if (!k)
        return NULL;
    k->n = n;
    k->open = acked ? 0 : n;
    for (uint32_t i = 0; i < n; i++) {
        k->v[i].msg = m;
        k->v[i].index = b * OUT_BLOCK_CHUNKS + i;
        k->v[i].state = acked ? OUT_CHUNK_ACKED : OUT_CHUNK_UNSENT;
    }
    m->blocks[b] = k;
    return k;
}

struct out_chunk *chunk_at(const struct out_msg *m, uint64_t index)
{
    uint32_t b = (uint32_t)(index / OUT_BLOCK_CHUNKS);
    return m->blocks && has_records(m, b) ? &m->blocks[b]->v[index % OUT_BLOCK_CHUNKS] : NULL;
}

enum out_chunk_state chunk_state(const struct out_msg *m, uint64_t index)
{
    const struct out_chunk *c = chunk_at(m, index);
    if (c)
        return c->state;
    return m->blocks[index / OUT_BLOCK_CHUNKS] ? OUT_CHUNK_ACKED : OUT_CHUNK_UNSENT;
}

/* Out of the list it is in. */
static void chunk_ground(struct out_msg *m, struct out_chunk *c)
{
    if (c->state == OUT_CHUNK_SENT) {
        m->flying--;
        m->node->inflight--;
    }
    m->n_lost -= c->state == OUT_CHUNK_LOST;
    list_del(&c->link);
}

void chunk_lost(struct out_msg *m, struct out_chunk *c)
{
    chunk_ground(m, c);
    c->state = OUT_CHUNK_LOST;
    m->n_lost++;
    list_push_back(&m->lost, &c->link);
}

/* Its records go; it is as s says. */
static void block_close(struct out_msg *m, uint32_t b, enum out_chunk_state s)
{
    if (has_records(m, b)) {
        for (uint32_t i = 0; i < m->blocks[b]->n; i++)
            chunk_ground(m, &m->blocks[b]->v[i]);
        free(m->blocks[b]);
    }
    m->blocks[b] = s == OUT_CHUNK_ACKED ? OUT_BLOCK_ACKED : NULL;
}

void chunks_reset(struct out_msg *m, enum out_chunk_state s)
{
    if (m->n_blocks == 1 && has_records(m, 0)) { /* kept: what was sent once stays known so */
        struct out_block *k = m->blocks[0];
        for (uint32_t i = 0; i < k->n; i++) {
            chunk_ground(m, &k->v[i]);
            k->v[i].state = s;
        }
        k->open = s == OUT_CHUNK_ACKED ? 0 : k->n;
    }
    for (uint32_t b = 0; m->n_blocks > 1 && b < m->n_blocks; b++)
        block_close(m, b, s);
    bool acked = s == OUT_CHUNK_ACKED;
    m->next = m->acked = m->acked_to = acked ? (uint32_t)m->plan.count : 0;
    m->told_to = (uint32_t)m->plan.count;
    m->noted_to = 0;
    m->done_valid = false;
}

void chunks_free(struct out_msg *m)
{
    for (uint32_t b = 0; m->blocks && b < m->n_blocks; b++)
        block_close(m, b, OUT_CHUNK_UNSENT);
    if (m->blocks != &m->only)
        free(m->blocks);
    m->blocks = NULL;
    m->n_blocks = 0;
}

int chunks_make(struct out_msg *m, uint32_t chunk_max)
{
    struct chunk_plan plan = chunk_plan(m->len, chunk_max);
    uint32_t n = (uint32_t)((plan.count + OUT_BLOCK_CHUNKS - 1) / OUT_BLOCK_CHUNKS);
    struct out_block **v = &m->only;
    if (n > 1 && !(v = calloc(n, sizeof(struct out_block *))))
        return ERR_NOMEM;
    chunks_reset(m, OUT_CHUNK_UNSENT);
    chunks_free(m);
    m->only = NULL;
    m->blocks = v;
    m->n_blocks = n;
    m->plan = plan;
    m->told_to = (uint32_t)plan.count;
    if (n == 1 && !block_open(m, 0)) {
        chunks_free(m);
        return ERR_NOMEM;
    }
    return OK;
}

/* From `at` on, the first chunk that is not in this state; whole blocks at a time. */
static uint32_t skip(const struct out_msg *m, uint32_t at, bool acked)
{
    while (at < m->plan.count) {
        uint32_t b = at / OUT_BLOCK_CHUNKS;
        if (has_records(m, b)) {
            enum out_chunk_state s = m->blocks[b]->v[at % OUT_BLOCK_CHUNKS].state;
            if (acked ? s != OUT_CHUNK_ACKED : s == OUT_CHUNK_UNSENT)
                return at;
            at++;
        } else if (m->blocks[b] == OUT_BLOCK_ACKED) {
            at = b * OUT_BLOCK_CHUNKS + block_size(m, b);
        } else {
            return at;
        }
    }
    return at;
}

/* Chunks that a receiver had before we sent them are acknowledged already. */
static void skip_acked(struct out_msg *m)
{
    m->next = skip(m, m->next, false);
}

void chunks_forget(struct out_msg *m, usec_t before)
{
    for (uint32_t b = 0; b < m->n_blocks; b++) {
        if (m->blocks[b] == OUT_BLOCK_ACKED) {
            m->acked -= block_size(m, b);
            m->blocks[b] = NULL;
            m->done_valid = false;
        }
        for (uint32_t i = 0; has_records(m, b) && i < m->blocks[b]->n; i++) {
            struct out_chunk *c = &m->blocks[b]->v[i];
            if (c->state == OUT_CHUNK_UNSENT || c->stamp.sent >= before)
                continue;
            m->acked -= c->state == OUT_CHUNK_ACKED;
            m->blocks[b]->open += c->state == OUT_CHUNK_ACKED;
            chunk_ground(m, c);
            c->state = OUT_CHUNK_UNSENT;
            m->done_valid = false;
        }
    }
    m->next = m->acked_to = m->noted_to = 0;
    m->told_to = (uint32_t)m->plan.count;
    skip_acked(m);
}

usec_t chunks_overdue(struct out_msg *m, usec_t before, uint32_t *ret_lost)
{
    usec_t oldest = USEC_NEVER;
    *ret_lost = 0;
    for (uint32_t b = 0; m->flying > 0 && b < m->n_blocks; b++) {
        for (uint32_t i = 0; has_records(m, b) && i < m->blocks[b]->n; i++) {
            struct out_chunk *c = &m->blocks[b]->v[i];
            if (c->state != OUT_CHUNK_SENT)
                continue;
            if (c->stamp.sent > before) {
                oldest = MIN(oldest, c->stamp.sent);
                continue;
            }
            chunk_lost(m, c);
            ++*ret_lost;
        }
    }
    return oldest;
}

/* c is there; its block may go with it, if it is not the only one. */
static void chunk_settled(struct out_msg *m, struct out_chunk *c)
{
    uint32_t b = c->index / OUT_BLOCK_CHUNKS;
    chunk_ground(m, c);
    c->state = OUT_CHUNK_ACKED;
    m->acked++;
    if (--m->blocks[b]->open == 0 && m->n_blocks > 1)
        block_close(m, b, OUT_CHUNK_ACKED);
}

static void advance(struct out_msg *m)
{
    m->acked_to = skip(m, m->acked_to, true);
}

/* Without looking further: see advance(). */
static bool ack_one(struct out_msg *m, uint64_t index, bool sample, usec_t now)
{
    struct out_chunk *c = chunk_at(m, index);
    if (!c || (c->state != OUT_CHUNK_SENT && c->state != OUT_CHUNK_LOST))
        return false;
    bool flying = c->state == OUT_CHUNK_SENT, once = c->sends == 1;
    struct flow_stamp stamp = c->stamp;
    chunk_settled(m, c);
    if (flying)
        flow_acked(&m->node->flow, &stamp, sample && once, m->node->inflight, now);
    return true;
}

bool chunk_acked(struct out_msg *m, uint64_t index, bool sample, usec_t now)
{
    bool counts = ack_one(m, index, sample, now);
    advance(m);
    return counts;
}

/* It is there, sent or not. */
static uint64_t there_one(struct out_msg *m, uint64_t index, usec_t now)
{
    if (ack_one(m, index, false, now))
        return 1;
    if (chunk_state(m, index) != OUT_CHUNK_UNSENT)
        return 0;
    struct out_block *k = block_open(m, (uint32_t)(index / OUT_BLOCK_CHUNKS));
    if (!k)
        return 0; /* it is sent once more */
    chunk_settled(m, &k->v[index % OUT_BLOCK_CHUNKS]);
    return 1;
}

/* The same of many in a row. */
static uint64_t there_range(struct out_msg *m, uint64_t from, uint64_t to, usec_t now)
{
    uint64_t n = 0;
    while (from < to) {
        uint32_t b = (uint32_t)(from / OUT_BLOCK_CHUNKS);
        uint64_t end = (uint64_t)b * OUT_BLOCK_CHUNKS + block_size(m, b);
        bool whole = from % OUT_BLOCK_CHUNKS == 0 && end <= to;
        if (whole && !m->blocks[b]) {
            m->blocks[b] = OUT_BLOCK_ACKED;
            m->acked += block_size(m, b);
            n += block_size(m, b);
            from = end;
        } else if (m->blocks[b] == OUT_BLOCK_ACKED) {
            from = end;
        } else {
            n += there_one(m, from++, now);
        }
    }
    return n;
}

/* Is this chunk behind the first missing one there? */
static bool map_has(const struct trailer *t, uint64_t index)
{
    uint64_t bit = index - t->missing - 1;
    return index > t->missing && trailer_map_bit(t, bit);
}

/* First index that the trailer says nothing of. */
static uint64_t map_end(const struct out_msg *m, const struct trailer *t)
{
    if (t->missing >= m->plan.count)
        return m->plan.count;
    return MIN(t->missing + 1 + trailer_map_len(t) * 8, m->plan.count);
}

uint64_t chunks_acked(struct out_msg *m, const struct trailer *t, usec_t now)
{
    uint64_t end = map_end(m, t);
    uint64_t n = there_range(m, m->acked_to, MIN(t->missing, end), now);
    for (uint64_t i = t->missing; i < end; i++)
        if (map_has(t, i))
            n += there_one(m, i, now);
    advance(m);
    skip_acked(m);
    if (m->told_to < m->plan.count) {
        bool more = trailer_map_len(t) == TRAILER_MAP_ALL;
        m->told_to = more ? MAX(m->told_to, (uint32_t)end) : (uint32_t)m->plan.count;
    }
    return n;
}

void chunks_arrived(struct out_msg *m, usec_t now)
{
    for (uint64_t i = m->acked_to; m->flying + m->n_lost > 0 && i < m->plan.count; i++)
        (void)ack_one(m, i, false, now); /* the commit is in its time: no sample */
    advance(m);
}

/* The receiver lost what it had. */
static void unacked(struct out_msg *m, uint64_t index)
{
    struct out_block *k = block_open(m, (uint32_t)(index / OUT_BLOCK_CHUNKS));
    if (!k)
        return; /* asked for again by the next INIT */
    struct out_chunk *c = &k->v[index % OUT_BLOCK_CHUNKS];
    k->open++;
    c->state = OUT_CHUNK_SENT; /* as chunk_lost() wants it */
    m->flying++;
    m->node->inflight++;
    chunk_lost(m, c);
    m->acked--;
    m->acked_to = MIN(m->acked_to, c->index);
}

void chunks_told(struct out_msg *m, const struct trailer *t, usec_t now)
{
    uint64_t end = map_end(m, t);
    m->told_to = 0;                /* the map tells (and it is not the end) */
    (void)chunks_acked(m, t, now); /* what is new is seen in the counts */
    if (trailer_map_len(t) < TRAILER_MAP_ALL)
        end = m->plan.count; /* nothing is there behind a map that ends before */
    for (uint64_t i = t->missing; i < end; i++)
        if (!map_has(t, i) && chunk_state(m, i) == OUT_CHUNK_ACKED)
            unacked(m, i);
    m->noted_to = 0;
    m->noted_at = now;
    m->done_valid = false;
    skip_acked(m);
}

void chunks_resume(struct out_msg *m, const struct trailer *t, usec_t now)
{
    uint32_t lost;
    chunks_told(m, t, now);
    (void)chunks_overdue(m, USEC_NEVER, &lost); /* what was under way before the silence */
}

bool chunk_is_later(const struct out_msg *m, uint64_t index)
{
    const struct out_chunk *c = chunk_at(m, index);
    return c && c->sends == 1 && c->stamp.sent > m->noted_at;
}

void chunks_noted(struct out_msg *m, usec_t now)
{
    m->noted_to = m->acked_to;
    m->noted_at = now;
}

bool chunks_receded(const struct out_msg *m, const struct trailer *t)
{
    return t->missing < m->noted_to;
}

/* Nothing new behind this. */
static uint64_t limit(const struct out_msg *m)
{
    uint64_t blocks = m->acked_to / OUT_BLOCK_CHUNKS + UINT64_C(1) * SEND_BLOCKS_MAX;
    return MIN(MIN(m->plan.count, (uint64_t)m->told_to), blocks * OUT_BLOCK_CHUNKS);
}

bool chunks_waiting(const struct out_msg *m)
{
    return !list_empty(&m->lost) || m->next < limit(m);
}

uint64_t chunks_first(const struct out_msg *m)
{
    const struct out_chunk *c = list_first(&m->lost, struct out_chunk, link);
    return c ? c->index : m->next;
}

struct out_chunk *chunks_next(struct out_msg *m)
{
    struct out_chunk *c = list_first(&m->lost, struct out_chunk, link);
    if (!c && m->next < limit(m)) {
        struct out_block *k = block_open(m, m->next / OUT_BLOCK_CHUNKS);
        if (!k)
            return NULL;
        c = &k->v[m->next++ % OUT_BLOCK_CHUNKS];
        skip_acked(m);
    }
    if (c)
        list_del(&c->link);
    return c;
}

/* --- progress ----------------------------------------------------------------------------- */

size_t chunks_progress(const struct out_msg *m, uint8_t *buf, size_t cap)
{
    struct wire_wr w = wire_wr_of(buf, cap);
    wire_put_u64(&w, m->plan.count);
    uint32_t end = (uint32_t)m->plan.count;
    for (uint32_t at = 0; at < end && wire_len(&w) + 8 <= cap;) {
        uint32_t to = skip(m, at, true);
        if (to > at) {
            wire_put_u32(&w, at);
            wire_put_u32(&w, to);
        }
        at = to;
        while (at < end && chunk_state(m, at) != OUT_CHUNK_ACKED) {
            bool unsent = !m->blocks[at / OUT_BLOCK_CHUNKS];
            at += unsent ? block_size(m, at / OUT_BLOCK_CHUNKS) - at % OUT_BLOCK_CHUNKS : 1;
        }
    }
    assert(!w.bad);
    return wire_len(&w);
}

bool chunks_load(struct out_msg *m, const uint8_t *bytes, size_t n)
{
    struct wire_rd r = wire_rd_of(bytes, n);
    if (wire_u64(&r) != m->plan.count || r.bad)
        return false;
    while (wire_left(&r) >= 8) {
        uint32_t from = wire_u32(&r);
        uint32_t to = wire_u32(&r);
        if (from >= to || to > m->plan.count)
            break;
        (void)there_range(m, from, to, 0);
    }
    advance(m);
    skip_acked(m);
    return m->acked > 0;
}
