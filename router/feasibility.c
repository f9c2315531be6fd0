#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "router/core.h"

/* The source table: for each (subnet, router id) the best distance that we have announced. A route
 * that is not better than this could lead back to us. Written only when an Update is sent.
 * docs/protocol/routing.md, "Source table"; RFC 8966 section 3.5.1.
 *
 * Our own router id has no entries: nobody can bring us a route with it, except for our own /64,
 * which is refused before. */

struct source *source_find(const struct dest *d, const struct router_id *rid)
{
    list_foreach (pos, &d->sources) {
        struct source *s = list_entry(pos, struct source, in_dest);
        if (memcmp(s->rid.b, rid->b, sizeof(rid->b)) == 0)
            return s;
    }
    return NULL;
}

static struct source *oldest_unused(const struct dest *d)
{
    struct source *oldest = NULL;
    list_foreach (pos, &d->sources) {
        struct source *s = list_entry(pos, struct source, in_dest);
        if (s->routes == 0 && !s->refused && (!oldest || s->expires < oldest->expires))
            oldest = s;
    }
    return oldest;
}

/* A further router id of a destination: every one is an origin of its own, whose routes go through
 * the whole network, and anybody can make them up. */
static bool room_for_rid(struct router *r, struct dest *d, bool paced, usec_t now)
{
    usec_t floor = now - (RIDS_BURST - 1) * RID_EVERY;
    usec_t at = MAX(d->rid_budget, floor);
    if (paced && at > now)
        return false;
    if (d->sources_len >= RIDS_PER_DEST) {
        struct source *s = oldest_unused(d);
        if (!s)
            return false;
        source_free(r, s);
    }
    if (paced)
        d->rid_budget = at + RID_EVERY;
    return true;
}

struct source *source_get(struct router *r, struct dest *d, const struct router_id *rid, bool paced,
                          usec_t now)
{
    struct source *s = source_find(d, rid);
    if (s)
        return s;
    if (r->stats.sources >= r->limits.sources ||
        (d->sources_len > 0 && !room_for_rid(r, d, paced, now))) {
        r->stats.limit_sources++;
        return NULL;
    }
    s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->timer.kind = TIMER_SOURCE;
    s->dest = d;
    s->rid = *rid;
    list_push_back(&d->sources, &s->in_dest);
    d->sources_len++;
    r->stats.sources++;
    return s;
}

void source_free(struct router *r, struct source *s)
{
    struct dest *d = s->dest;
    assert(s->routes == 0);
    if (d->last_source == s) {
        const struct route *rt = list_first(&d->routes, struct route, in_dest);
        d->last_source = rt ? rt->source : NULL;
    }
    heap_del(&r->timers, &s->timer.node);
    list_del(&s->in_dest);
    d->sources_len--;
    r->stats.sources--;
    free(s);
}

void source_drop_unused(struct router *r, struct source *s)
{
    if (s->routes == 0 && !s->announced)
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
    s->expires = now + SOURCE_LIFE;
    /* Without memory for its deadline it stays until the destination goes: safe, only longer. */
    timer_set(r, &s->timer, s->expires);
}

void source_tick(struct router *r, struct source *s, usec_t now)
{
    if (s->expires > now) {
        timer_set(r, &s->timer, s->expires); /* its place in the heap has just become free */
        return;
    }
    struct dest *d = s->dest;
    dest_hold(d);
    s->announced = false;
    s->refused = false;
    r->stats.source_expired++;
    source_drop_unused(r, s);
    dest_release(r, d);
}
