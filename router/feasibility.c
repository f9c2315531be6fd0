#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "router/core.h"

/* The source table: for each (subnet, router id) the best distance that we have announced. A route
 * that is not better than this could lead back to us. Written only when an Update is sent. Without
 * that an entry outlives its last route when its key has been used, or must not be.
 * docs/protocol/routing.md, "Source table"; RFC 8966 section 3.5.1.
 *
 * Our own router id has no entries: nobody can bring us a route with it, except for our own /64,
 * which is refused before. */

static bool rid_eq(const struct router *r, const struct source *s, const struct router_id *id)
{
    return memcmp(source_rid(r, s)->b, id->b, sizeof(id->b)) == 0;
}

struct source *source_find(const struct router *r, const struct dest *d,
                           const struct router_id *rid)
{
    for (struct source *s = source_at(r, d->sources); s; s = source_at(r, s->next))
        if (rid_eq(r, s, rid))
            return s;
    return NULL;
}

/* --- router ids ------------------------------------------------------------------------------ */

/* One that another prefix of the same /64 has: a router id names a key, and by that the only /64 it
 * may announce. 0: none. */
static uint32_t rid_find(const struct router *r, const struct dest *d, const struct router_id *id)
{
    const struct dest *home = dest_home(r, d);
    const struct extra *x = dest_extra(r, home);
    const struct source *s = source_find(r, home, id);
    for (uint32_t i = 0; !s && i < x->longer_len; i++)
        s = source_find(r, dest_at(r, x->longer[i]), id);
    return s ? s->rid : 0;
}

/* 0: no memory. */
static uint32_t rid_get(struct router *r, const struct dest *d, const struct router_id *id)
{
    uint32_t name = rid_find(r, d, id);
    struct rid *rid;
    if (!name) {
        name = arena_new(&r->rids);
        if (!name)
            return 0;
        rid = arena_at(&r->rids, name);
        rid->id = *id;
    }
    rid = arena_at(&r->rids, name);
    rid->refs++;
    return name;
}

static void rid_put(struct router *r, uint32_t name)
{
    struct rid *rid = arena_at(&r->rids, name);
    if (--rid->refs == 0)
        arena_free(&r->rids, name);
}

/* --- sources --------------------------------------------------------------------------------- */

static struct source *oldest_unused(const struct router *r, const struct dest *d)
{
    struct source *oldest = NULL;
    for (struct source *s = source_at(r, d->sources); s; s = source_at(r, s->next))
        if (s->routes == 0 && !s->refused &&
            (!oldest || wheel_when(&s->timer) < wheel_when(&oldest->timer)))
            oldest = s;
    return oldest;
}

/* The field that names this source in the list of its destination; 0: its end. */
static uint32_t *source_link(const struct router *r, struct dest *d, uint32_t name,
                             unsigned *ret_before)
{
    uint32_t *at = &d->sources;
    for (*ret_before = 0; *at != name; (*ret_before)++)
        at = &source_at(r, *at)->next;
    return at;
}

/* A further router id of a destination: every one is an origin of its own, whose routes go through
 * the whole network, and anybody can make them up. */
static bool room_for_rid(struct router *r, struct dest *d, unsigned len, bool paced, usec_t now)
{
    usec_t floor = now - (RIDS_BURST - 1) * RID_EVERY;
    usec_t at = MAX(dest_extra(r, d)->rid_budget, floor);
    struct extra *x = paced && at <= now ? extra_get(r, d) : NULL;
    if (paced && !x)
        return false;
    if (len >= RIDS_PER_DEST) {
        struct source *s = oldest_unused(r, d);
        if (!s)
            return false;
        source_free(r, s);
    }
    if (x)
        x->rid_budget = at + RID_EVERY;
    return true;
}

struct source *source_get(struct router *r, struct dest *d, struct neighbour *from,
                          const struct router_id *rid, bool paced, usec_t now)
{
    unsigned len;
    struct source *s = source_find(r, d, rid);
    if (s)
        return s;
    (void)source_link(r, d, 0, &len);
    if ((len > 0 && !room_for_rid(r, d, len, paced, now)) || !source_make_room(r, d, from, now)) {
        r->stats.limit_sources++;
        return NULL;
    }
    uint32_t name = arena_new(&r->sources);
    if (!name)
        return NULL;
    s = source_at(r, name);
    s->rid = rid_get(r, d, rid);
    if (!s->rid) {
        arena_free(&r->sources, name);
        return NULL;
    }
    s->dest = arena_name(&r->dests, d);
    *source_link(r, d, 0, &len) = name;
    r->stats.sources++;
    return s;
}

void source_free(struct router *r, struct source *s)
{
    uint32_t name = arena_name(&r->sources, s);
    struct dest *d = dest_at(r, s->dest);
    unsigned before;
    assert(s->routes == 0);
    if (d->last_source == name)
        d->last_source = d->routes ? route_at(r, d->routes)->source : 0;
    wheel_del(&r->source_wheel, name);
    *source_link(r, d, name, &before) = s->next;
    rid_put(r, s->rid);
    r->stats.sources--;
    arena_free(&r->sources, name);
}

void source_drop_unused(struct router *r, struct source *s)
{
    if (s->routes > 0 || s->announced)
        return;
    if (s->key_checked || s->refused)
        wheel_set(&r->source_wheel, arena_name(&r->sources, s), r->now + SOURCE_LIFE);
    else
        source_free(r, s);
}

bool source_feasible(const struct source *s, uint16_t seqno, uint16_t metric)
{
    if (metric == METRIC_INFINITE || !s || !s->announced)
        return true;
    return seqno_gt(seqno, s->seqno) || (seqno == s->seqno && metric < s->metric);
}

void source_announced(struct router *r, struct source *s, uint16_t seqno, uint16_t metric,
                      usec_t now)
{
    if (!s->announced || seqno_gt(seqno, s->seqno) || (seqno == s->seqno && metric < s->metric)) {
        s->seqno = seqno;
        s->metric = metric;
    }
    s->announced = true;
    wheel_set(&r->source_wheel, arena_name(&r->sources, s), now + SOURCE_LIFE);
}

void source_expired(struct router *r, struct source *s)
{
    struct dest *d = dest_at(r, s->dest);
    dest_hold(d);
    s->announced = false;
    s->refused = false;
    r->stats.source_expired++;
    if (s->routes == 0)
        source_free(r, s);
    dest_release(r, d);
}
