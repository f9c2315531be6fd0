#include "bus/send_chunks.h"

#include <stdlib.h>

#include "base/err.h"

/* Out of the list it is in. */
static void chunk_ground(struct out_msg *m, struct out_chunk *c)
{
    if (c->state == OUT_CHUNK_SENT) {
        m->flying--;
        m->node->inflight--;
    }
    list_del(&c->link);
}

void chunk_lost(struct out_msg *m, struct out_chunk *c)
{
    chunk_ground(m, c);
    c->state = OUT_CHUNK_LOST;
    list_push_back(&m->lost, &c->link);
}

void chunks_reset(struct out_msg *m, enum out_chunk_state s)
{
    for (uint64_t i = 0; m->chunks && i < m->plan.count; i++) {
        chunk_ground(m, &m->chunks[i]);
        m->chunks[i].state = s;
    }
    bool acked = s == OUT_CHUNK_ACKED;
    m->next = m->acked = m->acked_to = acked ? (uint32_t)m->plan.count : 0;
    m->done_valid = false;
}

/* Chunks that a receiver had before we sent them are acknowledged already. */
static void skip_acked(struct out_msg *m)
{
    while (m->next < m->plan.count && m->chunks[m->next].state != OUT_CHUNK_UNSENT)
        m->next++;
}

void chunks_forget(struct out_msg *m, usec_t before)
{
    for (uint64_t i = 0; i < m->plan.count; i++) {
        struct out_chunk *c = &m->chunks[i];
        if (c->state == OUT_CHUNK_UNSENT || c->stamp.sent >= before)
            continue;
        m->acked -= c->state == OUT_CHUNK_ACKED;
        chunk_ground(m, c);
        c->state = OUT_CHUNK_UNSENT;
        m->done_valid = false;
    }
    m->next = m->acked_to = 0;
    skip_acked(m);
}

int chunks_make(struct out_msg *m, uint32_t chunk_max)
{
    struct chunk_plan plan = chunk_plan(m->len, chunk_max);
    struct out_chunk *v = calloc(plan.count ? plan.count : 1, sizeof(*v));
    if (!v)
        return ERR_NOMEM;
    for (uint64_t i = 0; i < plan.count; i++) {
        v[i].msg = m;
        v[i].index = (uint32_t)i;
    }
    chunks_reset(m, OUT_CHUNK_UNSENT);
    free(m->chunks);
    m->chunks = v;
    m->plan = plan;
    return OK;
}

bool chunk_acked(struct out_msg *m, uint64_t index, bool sample, usec_t now)
{
    struct out_chunk *c = &m->chunks[index];
    if (c->state != OUT_CHUNK_SENT && c->state != OUT_CHUNK_LOST)
        return false;
    bool flying = c->state == OUT_CHUNK_SENT;
    chunk_ground(m, c);
    c->state = OUT_CHUNK_ACKED;
    m->acked++;
    if (flying)
        flow_acked(&m->node->flow, &c->stamp, sample && c->sends == 1, m->node->inflight, now);
    return true;
}

/* Is this chunk behind the first missing one there? */
static bool map_has(const struct trailer *t, uint64_t index)
{
    uint64_t bit = index - t->missing - 1;
    return index > t->missing && bit / 8 < wire_left(&t->map) && t->map.p[bit / 8] >> bit % 8 & 1;
}

/* First index that the trailer says nothing of. */
static uint64_t map_end(const struct out_msg *m, const struct trailer *t)
{
    if (t->missing >= m->plan.count)
        return m->plan.count;
    return MIN(t->missing + 1 + wire_left(&t->map) * 8, m->plan.count);
}

uint64_t chunks_acked(struct out_msg *m, const struct trailer *t, usec_t now)
{
    uint64_t n = 0, end = map_end(m, t);
    for (uint64_t i = m->acked_to; i < MIN(t->missing, end); i++)
        n += chunk_acked(m, i, false, now);
    for (uint64_t i = t->missing; i < end; i++)
        if (map_has(t, i))
            n += chunk_acked(m, i, false, now);
    while (m->acked_to < m->plan.count && m->chunks[m->acked_to].state == OUT_CHUNK_ACKED)
        m->acked_to++;
    return n;
}

void chunks_arrived(struct out_msg *m, usec_t now)
{
    for (uint64_t i = m->acked_to; i < m->plan.count; i++)
        (void)chunk_acked(m, i, false, now); /* the commit is in its time: no sample */
}

void chunks_resume(struct out_msg *m, const struct trailer *t, usec_t now)
{
    (void)chunks_acked(m, t, now); /* what is new is seen in the counts */
    uint64_t end = map_end(m, t);
    for (uint64_t i = 0; i < m->plan.count; i++) {
        struct out_chunk *c = &m->chunks[i];
        bool there = i < t->missing || map_has(t, i);
        if (there && c->state == OUT_CHUNK_UNSENT) { /* before a restart of this node */
            c->state = OUT_CHUNK_ACKED;
            m->acked++;
        } else if (!there && c->state == OUT_CHUNK_SENT) {
            chunk_lost(m, c);
        } else if (!there && i < end && c->state == OUT_CHUNK_ACKED) { /* it lost what it had */
            c->state = OUT_CHUNK_LOST;
            list_push_back(&m->lost, &c->link);
            m->acked--;
            m->acked_to = MIN(m->acked_to, c->index);
        }
    }
    m->done_valid = false;
    skip_acked(m);
}

struct out_chunk *chunks_next(struct out_msg *m)
{
    struct out_chunk *c = list_first(&m->lost, struct out_chunk, link);
    skip_acked(m);
    if (!c && m->next < m->plan.count)
        c = &m->chunks[m->next++];
    if (c)
        list_del(&c->link);
    skip_acked(m);
    return c;
}

bool chunks_waiting(const struct out_msg *m)
{
    return !list_empty(&m->lost) || m->next < m->plan.count;
}
