#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "router/core.h"

/* Destinations: a hash map of /64s, since these are random below seven fixed bits; longer prefixes
 * hang in a small sorted array on their /64. The order for dumps and the API is made on demand. */

void timer_set(struct router *r, struct timer *t, usec_t when)
{
    if (heap_has(&t->node) && t->node.when <= when)
        return;
    if (heap_set(&r->timers, &t->node, when) < 0)
        return; /* see core.h */
}

static int subnet_cmp(const struct subnet *a, const struct subnet *b)
{
    int c = memcmp(a->net.b, b->net.b, sizeof(a->net.b));
    return c ? c : (int)a->plen - (int)b->plen;
}

struct dest *dest_node(const struct router *r, const struct ip6 *a)
{
    uint64_t hash = hmap_hash(&r->nodes, a->b, 8);
    for (struct hnode *n = hmap_first(&r->nodes, hash); n; n = hmap_next(n, hash)) {
        struct dest *d = container_of(n, struct dest, by_node);
        if (ip6_same_node(&d->subnet.net, a))
            return d;
    }
    return NULL;
}

/* Where a longer prefix is in the array of its /64, or would be. */
static uint32_t longer_at(const struct dest *home, const struct subnet *s)
{
    uint32_t low = 0, high = home->longer_len;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (subnet_cmp(&home->longer[mid]->subnet, s) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct dest *dest_find(const struct router *r, const struct subnet *s)
{
    struct dest *home = dest_node(r, &s->net);
    if (!home || s->plen == 64)
        return home;
    uint32_t i = longer_at(home, s);
    if (i < home->longer_len && subnet_eq(&home->longer[i]->subnet, s))
        return home->longer[i];
    return NULL;
}

static struct dest *dest_new(const struct subnet *s)
{
    struct dest *d = calloc(1, sizeof(*d));
    if (!d)
        return NULL;
    d->subnet = *s;
    d->home = d;
    list_init(&d->routes);
    list_init(&d->sources);
    list_init(&d->seqno_entries);
    list_init(&d->parked_out);
    list_init(&d->parked_in);
    d->told = METRIC_INFINITE;
    d->rid_budget = INT64_MIN / 2; /* full */
    d->timer.kind = TIMER_DEST;
    d->renew_at = d->retry_at = d->lost_at = d->tell_at = USEC_NEVER;
    return d;
}

static struct dest *node_new(struct router *r, const struct subnet *s)
{
    struct dest *d = dest_new(s);
    if (d)
        hmap_add(&r->nodes, &d->by_node, hmap_hash(&r->nodes, s->net.b, 8));
    return d;
}

static struct dest *longer_new(struct dest *home, const struct subnet *s)
{
    if (home->longer_len >= LONGER_PREFIXES_MAX)
        return NULL;
    struct dest **v = reallocarray(home->longer, home->longer_len + 1, sizeof(struct dest *));
    if (!v)
        return NULL;
    home->longer = v;
    struct dest *d = dest_new(s);
    if (!d)
        return NULL;
    d->home = home;
    uint32_t i = longer_at(home, s);
    memmove(v + i + 1, v + i, (home->longer_len - i) * sizeof(struct dest *));
    v[i] = d;
    home->longer_len++;
    return d;
}

struct dest *dest_get(struct router *r, const struct subnet *s)
{
    struct dest *d = dest_find(r, s);
    if (!d) {
        struct subnet around = subnet_of_node(&s->net);
        struct dest *home = dest_find(r, &around);
        if (!home)
            home = node_new(r, &around);
        d = home;
        if (home && s->plen > 64) {
            d = longer_new(home, s);
            if (!d)
                dest_release(r, home);
        }
    }
    if (d)
        dest_hold(d);
    return d;
}

void dest_hold(struct dest *d)
{
    d->holds++;
}

static bool dest_needed(const struct dest *d)
{
    return d->holds > 0 || !list_empty(&d->routes) || !list_empty(&d->sources) ||
           !list_empty(&d->seqno_entries) || !list_empty(&d->parked_out) ||
           !list_empty(&d->parked_in) || list_linked(&d->query) || d->longer_len > 0 ||
           d->lost_at != USEC_NEVER;
}

static void dest_free(struct router *r, struct dest *d)
{
    heap_del(&r->timers, &d->timer.node);
    list_del(&d->used);
    if (d->home == d) {
        hmap_del(&r->nodes, &d->by_node);
    } else {
        struct dest *home = d->home;
        uint32_t i = longer_at(home, &d->subnet);
        assert(i < home->longer_len && home->longer[i] == d);
        home->longer_len--;
        memmove(home->longer + i, home->longer + i + 1,
                (home->longer_len - i) * sizeof(struct dest *));
    }
    free(d->longer);
    free(d);
}

void dest_release(struct router *r, struct dest *d)
{
    if (d->holds > 0)
        d->holds--;
    if (dest_needed(d))
        return;
    struct dest *home = d->home;
    dest_free(r, d);
    if (home != d && !dest_needed(home))
        dest_free(r, home);
}

struct dest *dest_covering(const struct router *r, const struct subnet *s)
{
    struct dest *home = dest_node(r, &s->net);
    struct dest *best = NULL;
    if (!home)
        return NULL;
    if (route_usable(home->selected))
        best = home;
    for (uint32_t i = 0; i < home->longer_len; i++) {
        struct dest *d = home->longer[i];
        if (d->subnet.plen <= s->plen && subnet_contains(&d->subnet, &s->net) &&
            route_usable(d->selected) && (!best || d->subnet.plen > best->subnet.plen))
            best = d;
    }
    return best;
}

struct dest *dest_towards(const struct router *r, const struct ip6 *a)
{
    struct subnet host = {.net = *a, .plen = 128};
    return dest_covering(r, &host);
}

struct source *dest_key_source(const struct router *r, const struct ip6 *a)
{
    struct dest *home = dest_node(r, a);
    if (!home)
        return NULL;
    struct source *best = home->last_source;
    unsigned plen = 64;
    for (uint32_t i = 0; i < home->longer_len; i++) {
        const struct dest *d = home->longer[i];
        if (d->last_source && subnet_contains(&d->subnet, a) && (!best || d->subnet.plen > plen)) {
            best = d->last_source;
            plen = d->subnet.plen;
        }
    }
    return best;
}

struct route *route_of(const struct dest *d, const struct neighbour *nb)
{
    list_foreach (pos, &d->routes) {
        struct route *rt = list_entry(pos, struct route, in_dest);
        if (rt->nb == nb)
            return rt;
    }
    return NULL;
}

struct route *route_add(struct router *r, struct dest *d, struct neighbour *nb, struct source *s)
{
    if (r->stats.routes >= r->limits.routes) {
        r->stats.limit_routes++;
        return NULL;
    }
    struct route *rt = calloc(1, sizeof(*rt));
    if (!rt)
        return NULL;
    rt->timer.kind = TIMER_ROUTE;
    /* Takes its place in the heap; the deadline is set when the route is renewed. */
    if (heap_set(&r->timers, &rt->timer.node, USEC_NEVER - 1) < 0) {
        free(rt);
        return NULL;
    }
    rt->dest = d;
    rt->nb = nb;
    rt->source = s;
    rt->metric = METRIC_INFINITE;
    s->routes++;
    list_push_back(&d->routes, &rt->in_dest);
    list_push_back(&nb->routes, &rt->in_neighbour);
    nb->routes_len++;
    r->stats.routes++;
    return rt;
}

void route_remove(struct router *r, struct route *rt)
{
    assert(rt->dest->selected != rt);
    list_del(&rt->in_dest);
    list_del(&rt->in_neighbour);
    rt->nb->routes_len--;
    heap_del(&r->timers, &rt->timer.node);
    rt->source->routes--;
    source_drop_unused(r, rt->source);
    r->stats.routes--;
    free(rt);
}

void route_renew(struct router *r, struct route *rt, usec_t life, usec_t now)
{
    rt->life = life;
    rt->expires = now + life;
    timer_set(r, &rt->timer, rt->expires);
}

static int dest_cmp(const void *a, const void *b)
{
    const struct dest *const *x = a;
    const struct dest *const *y = b;
    return subnet_cmp(&(*x)->subnet, &(*y)->subnet);
}

const struct dest **dest_sorted(const struct router *r, bool (*want)(const struct dest *d),
                                size_t *ret_len)
{
    const struct dest **v = NULL;
    size_t len = 0, cap = 0, slot = 0;
    for (struct hnode *n = hmap_each(&r->nodes, &slot, NULL); n;
         n = hmap_each(&r->nodes, &slot, n)) {
        const struct dest *home = container_of(n, struct dest, by_node);
        for (uint32_t i = 0; i <= home->longer_len; i++) {
            const struct dest *d = i == 0 ? home : home->longer[i - 1];
            if (!want(d))
                continue;
            if (len == cap) {
                cap = cap ? cap * 2 : 64;
                const struct dest **more = reallocarray(v, cap, sizeof(struct dest *));
                if (!more) {
                    free(v);
                    return NULL;
                }
                v = more;
            }
            v[len++] = d;
        }
    }
    if (len > 1)
        qsort(v, len, sizeof(struct dest *), dest_cmp);
    *ret_len = len;
    return v;
}

static usec_t dest_deadline(const struct dest *d)
{
    usec_t when = d->selected ? d->renew_at : USEC_NEVER;
    when = MIN(when, d->retry_at);
    when = MIN(when, d->lost_at);
    return MIN(when, d->tell_at);
}

void dest_arm(struct router *r, struct dest *d)
{
    usec_t when = dest_deadline(d);
    /* Out of memory costs a repair that other events bring about as well, later. */
    if (when != USEC_NEVER)
        timer_set(r, &d->timer, when);
}

static void dest_destroy(struct router *r, struct dest *d)
{
    d->selected = NULL;
    list_foreach_safe (pos, &d->routes)
        route_remove(r, list_entry(pos, struct route, in_dest));
    list_foreach_safe (pos, &d->sources)
        source_free(r, list_entry(pos, struct source, in_dest));
    seqno_entries_free(r, d);
    query_close(r, d);
    parked_drop(r, d);
    d->lost_at = USEC_NEVER;
    d->holds = 0;
}

void dest_table_free(struct router *r)
{
    size_t slot = 0;
    struct hnode *n;
    if (!r->nodes.slots)
        return;
    while ((n = hmap_each(&r->nodes, &slot, NULL)) != NULL) {
        struct dest *home = container_of(n, struct dest, by_node);
        while (home->longer_len > 0) {
            struct dest *d = home->longer[home->longer_len - 1];
            dest_destroy(r, d);
            dest_free(r, d);
        }
        dest_destroy(r, home);
        dest_free(r, home);
    }
    hmap_fini(&r->nodes);
}
