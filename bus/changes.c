#include "bus/changes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "bus/bus_core.h"

struct changes_ring {
    struct {
        struct bus_change change;
        uint64_t node; /* of its destination */
    } v[BUS_CHANGES_KEPT];
    uint64_t by_id[CHANGES_SLOTS]; /* index of the last change of an id */
};

void changes_fini(struct changes *c)
{
    free(c->ring);
    c->ring = NULL;
}

static uint64_t *slot_of(struct changes *c, const struct msg_id *id)
{
    uint64_t n;
    static_assert(sizeof(n) == MSG_ID_BYTES, "an id is a number, and made at random by us");
    memcpy(&n, id->b, sizeof(n));
    return &c->ring->by_id[n % CHANGES_SLOTS];
}

static bool kept(const struct changes *c, uint64_t index)
{
    return index > 0 && index <= c->last && c->last - index < BUS_CHANGES_KEPT;
}

static void add(struct bus *b, const struct bus_change *what, uint64_t node)
{
    struct changes *c = &b->changes;
    if (!c->ring)
        c->ring = calloc(1, sizeof(*c->ring));
    if (!c->ring)
        return; /* no memory: followers see nothing, as if nothing was there to see */
    uint64_t index = ++c->last;
    size_t at = index % BUS_CHANGES_KEPT;
    c->ring->v[at].change = *what;
    c->ring->v[at].change.index = index;
    c->ring->v[at].node = node;
    *slot_of(c, &what->id) = index;
}

void changes_note(struct bus *b, const struct out_msg *m)
{
    bool there = m->state == OUT_RECEIVED || m->state == OUT_READ;
    uint64_t acked = m->plan.count > 0 ? (uint64_t)m->len * m->acked / m->plan.count : 0;
    const struct bus_change c = {
        .seq = m->seq,
        .id = m->id,
        .state = m->state,
        .reason = m->reason,
        .acked_bytes = there ? m->len : acked,
    };
    add(b, &c, ip6_node(&m->dst));
}

void changes_read(struct bus *b, const struct ip6 *dst, const struct msg_id *id)
{
    struct bus_change c = {.id = *id, .state = OUT_READ};
    uint64_t before = b->changes.ring ? *slot_of(&b->changes, id) : 0;
    if (kept(&b->changes, before)) {
        size_t at = before % BUS_CHANGES_KEPT;
        const struct bus_change *o = &b->changes.ring->v[at].change;
        if (memcmp(&o->id, id, sizeof(*id)) == 0 && b->changes.ring->v[at].node == ip6_node(dst)) {
            c.seq = o->seq;
            c.acked_bytes = o->acked_bytes;
        }
    }
    add(b, &c, ip6_node(dst));
}

bool changes_next(struct bus *b, struct bus_out *ret)
{
    struct changes *c = &b->changes;
    if (!c->watched || c->told == c->last)
        return false;
    c->told = c->last;
    ret->kind = BUS_OUT_NEWS;
    return true;
}

uint64_t bus_changes_last(const struct bus *b)
{
    return b->changes.last;
}

int bus_changes_read(const struct bus *b, uint64_t after, struct bus_change *ret, size_t cap,
                     uint64_t *ret_n)
{
    const struct changes *c = &b->changes;
    uint64_t n = 0;
    if (after > c->last || (after < c->last && !kept(c, after + 1))) {
        *ret_n = c->last < BUS_CHANGES_KEPT ? 1 : c->last - BUS_CHANGES_KEPT + 1;
        return ERR_NOENT;
    }
    while (n < cap && after + n < c->last) {
        ret[n] = c->ring->v[(after + n + 1) % BUS_CHANGES_KEPT].change;
        n++;
    }
    *ret_n = n;
    return OK;
}

void bus_changes_watch(struct bus *b, bool on)
{
    b->changes.watched = on;
    b->changes.told = b->changes.last;
}
