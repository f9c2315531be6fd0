#include "router/seqno_cache.h"

#include <stdlib.h>
#include <string.h>

struct seqno_entry *seqno_entry_find(const struct extra *x, const struct router_id *rid,
                                     uint16_t seqno)
{
    list_foreach (pos, &x->seqno_entries) {
        struct seqno_entry *e = list_entry(pos, struct seqno_entry, in_dest);
        if (e->seqno == seqno && memcmp(e->rid.b, rid->b, sizeof(rid->b)) == 0)
            return e;
    }
    return NULL;
}

static void entry_free(struct router *r, struct seqno_entry *e)
{
    list_del(&e->in_dest);
    list_del(&e->by_age);
    extra_of(r, e->dest)->seqno_entries_len--;
    r->seqno_entries_len--;
    free(e);
}

struct seqno_entry *seqno_entry_get(struct router *r, struct dest *d, const struct router_id *rid,
                                    uint16_t seqno, usec_t now)
{
    struct extra *x = extra_get(r, d);
    struct seqno_entry *e = x ? seqno_entry_find(x, rid, seqno) : NULL;
    if (e) {
        e->used = now;
        list_del(&e->by_age);
        list_push_back(&r->seqno_entries, &e->by_age);
    }
    if (e || !x)
        return e;
    if (x->seqno_entries_len >= SEQNO_PER_DEST_MAX) {
        entry_free(r, list_entry(x->seqno_entries.next, struct seqno_entry, in_dest));
    } else if (r->seqno_entries_len >= MAX(r->limits.seqno_entries, 1U)) {
        struct seqno_entry *oldest = list_entry(r->seqno_entries.next, struct seqno_entry, by_age);
        struct dest *other = oldest->dest;
        dest_hold(other);
        entry_free(r, oldest);
        dest_release(r, other); /* never d: its caller holds it */
    }
    e = calloc(1, sizeof(*e));
    if (!e)
        return NULL;
    e->dest = d;
    e->rid = *rid;
    e->seqno = seqno;
    e->used = now;
    list_push_back(&x->seqno_entries, &e->in_dest);
    list_push_back(&r->seqno_entries, &e->by_age);
    x->seqno_entries_len++;
    r->seqno_entries_len++;
    return e;
}

void seqno_entries_free(struct router *r, struct dest *d)
{
    struct extra *x = extra_of(r, d);
    if (!x)
        return;
    list_foreach_safe (pos, &x->seqno_entries)
        entry_free(r, list_entry(pos, struct seqno_entry, in_dest));
}

void seqno_entries_expire(struct router *r, usec_t now)
{
    for (unsigned n = 0; n < SLICE && seqno_entries_deadline(r) <= now; n++) {
        struct seqno_entry *e = list_entry(r->seqno_entries.next, struct seqno_entry, by_age);
        struct dest *d = e->dest;
        dest_hold(d);
        entry_free(r, e);
        dest_release(r, d);
    }
}

usec_t seqno_entries_deadline(const struct router *r)
{
    const struct seqno_entry *e = list_first(&r->seqno_entries, struct seqno_entry, by_age);
    return e ? e->used + SEQNO_ENTRY_LIFE : USEC_NEVER;
}

void seqno_peers_add(struct seqno_peers *p, const struct neighbour *nb, usec_t now)
{
    uint8_t at = 0;
    for (uint8_t i = 0; i < p->len; i++) {
        if (p->v[i].peer == nb->id) {
            p->v[i].at = now;
            return;
        }
        if (p->v[i].at < p->v[at].at)
            at = i;
    }
    if (p->len < SEQNO_PEERS_MAX)
        at = p->len++;
    p->v[at] = (struct seqno_peer){.peer = nb->id, .at = now};
}

bool seqno_peers_lately(const struct seqno_peers *p, const struct neighbour *nb, usec_t now)
{
    for (uint8_t i = 0; i < p->len; i++)
        if (p->v[i].peer == nb->id)
            return now - p->v[i].at < SEQNO_REPEAT_GUARD;
    return false;
}

void seqno_peers_del(struct seqno_peers *p, const struct neighbour *nb)
{
    for (uint8_t i = 0; i < p->len; i++) {
        if (p->v[i].peer == nb->id) {
            p->v[i] = p->v[--p->len];
            return;
        }
    }
}
