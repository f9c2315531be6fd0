#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "router/core.h"

_Static_assert(offsetof(struct dest, subnet.net.b) == 0, "key of router.nodes");
/* What a route costs: these, half of a slot more or less, and extras where there are any. */
_Static_assert(sizeof(struct dest) == 48 && sizeof(struct route) == 44 &&
                   sizeof(struct source) == 36 && sizeof(struct rid) == 44,
               "no padding");

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
    return dest_at(r, nodemap_find(&r->nodes, a->b));
}

/* Where a longer prefix is in the array of its /64, or would be. */
static uint32_t longer_at(const struct router *r, const struct extra *x, const struct subnet *s)
{
    uint32_t low = 0, high = x->longer_len;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        const struct dest *d = dest_at(r, x->longer[mid]);
        assert(d); /* only live ones stand in the array */
        if (subnet_cmp(&d->subnet, s) < 0)
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
    const struct extra *x = dest_extra(r, home);
    uint32_t i = longer_at(r, x, s);
    if (i >= x->longer_len)
        return NULL;
    struct dest *d = dest_at(r, x->longer[i]);
    return subnet_eq(&d->subnet, s) ? d : NULL;
}

static struct dest *dest_new(struct router *r, const struct subnet *s)
{
    uint32_t name = arena_new(&r->dests);
    struct dest *d = dest_at(r, name);
    if (!d)
        return NULL;
    d->subnet = *s;
    d->told_metric = METRIC_INFINITE;
    return d;
}

static struct dest *node_new(struct router *r, const struct subnet *s)
{
    struct dest *d = dest_new(r, s);
    uint32_t name = d ? arena_name(&r->dests, d) : 0;
    if (d && nodemap_add(&r->nodes, name) < 0) {
        arena_free(&r->dests, name);
        return NULL;
    }
    return d;
}

static struct dest *longer_new(struct router *r, struct dest *home, const struct subnet *s)
{
    struct extra *x = extra_get(r, home);
    if (!x || x->longer_len >= LONGER_PREFIXES_MAX)
        return NULL;
    uint32_t *v = reallocarray(x->longer, x->longer_len + 1, sizeof(*v));
    if (!v)
        return NULL;
    x->longer = v;
    struct dest *d = dest_new(r, s);
    if (!d)
        return NULL;
    uint32_t i = longer_at(r, x, s);
    memmove(v + i + 1, v + i, (x->longer_len - i) * sizeof(*v));
    v[i] = arena_name(&r->dests, d);
    x->longer_len++;
    return d;
}

struct dest *dest_get(struct router *r, const struct subnet *s)
{
    struct dest *d = dest_find(r, s);
    nodemap_settle(&r->nodes);
    if (!d) {
        struct subnet around = subnet_of_node(&s->net);
        struct dest *home = dest_find(r, &around);
        if (!home)
            home = node_new(r, &around);
        d = home;
        if (home && s->plen > 64) {
            d = longer_new(r, home, s);
            if (!d)
                dest_release(r, home);
        }
    }
    if (d)
        dest_hold(d);
    return d;
}

_Static_assert(LONGER_PREFIXES_MAX < UINT8_MAX, "dest.reachable counts them");

void dest_hold(struct dest *d)
{
    assert(d->holds < UINT8_MAX);
    d->holds++;
}

static bool dest_needed(const struct router *r, const struct dest *d)
{
    const struct extra *x = dest_extra(r, d);
    return d->holds > 0 || d->routes || d->sources || !list_empty(&x->seqno_entries) ||
           !list_empty(&x->parked_out) || !list_empty(&x->parked_in) || list_linked(&x->query) ||
           x->longer_len > 0 || x->lost_at != USEC_NEVER;
}

static void longer_del(struct router *r, struct dest *home, const struct dest *d)
{
    struct extra *x = extra_of(r, home);
    uint32_t i = longer_at(r, x, &d->subnet);
    assert(i < x->longer_len && dest_at(r, x->longer[i]) == d);
    x->longer_len--;
    memmove(x->longer + i, x->longer + i + 1, (x->longer_len - i) * sizeof(*x->longer));
}

static void dest_free(struct router *r, struct dest *d)
{
    uint32_t name = arena_name(&r->dests, d);
    extra_free(r, d);
    if (d->subnet.plen == 64)
        nodemap_del(&r->nodes, name);
    else
        longer_del(r, dest_home(r, d), d);
    arena_free(&r->dests, name);
}

void dest_release(struct router *r, struct dest *d)
{
    if (d->holds > 0)
        d->holds--;
    if (dest_needed(r, d)) {
        if (d->holds == 0)
            extra_trim(r, d, r->now);
        return;
    }
    struct dest *home = dest_home(r, d);
    dest_free(r, d);
    if (home != d && !dest_needed(r, home))
        dest_free(r, home);
}

struct dest *dest_covering(const struct router *r, const struct subnet *s)
{
    struct dest *home = dest_node(r, &s->net);
    struct dest *best = NULL;
    if (!home)
        return NULL;
    if (dest_usable(r, home))
        best = home;
    if (!home->extra)
        return best;
    const struct extra *x = dest_extra(r, home);
    for (uint32_t i = 0; i < x->longer_len; i++) {
        struct dest *d = dest_at(r, x->longer[i]);
        if (d->subnet.plen <= s->plen && subnet_contains(&d->subnet, &s->net) &&
            dest_usable(r, d) && (!best || d->subnet.plen > best->subnet.plen))
            best = d;
    }
    return best;
}

struct dest *dest_towards(const struct router *r, const struct ip6 *a)
{
    struct dest *home = dest_node(r, a);
    if (home && !home->extra)
        return dest_usable(r, home) ? home : NULL;
    struct subnet host = {.net = *a, .plen = 128};
    return home ? dest_covering(r, &host) : NULL;
}

struct source *dest_key_source(const struct router *r, const struct ip6 *a)
{
    struct dest *home = dest_node(r, a);
    if (!home)
        return NULL;
    uint32_t best = home->last_source;
    unsigned plen = 64;
    const struct extra *x = dest_extra(r, home);
    for (uint32_t i = 0; i < x->longer_len; i++) {
        const struct dest *d = dest_at(r, x->longer[i]);
        if (d->last_source && subnet_contains(&d->subnet, a) && (!best || d->subnet.plen > plen)) {
            best = d->last_source;
            plen = d->subnet.plen;
        }
    }
    return source_at(r, best);
}

/* --- routes ---------------------------------------------------------------------------------- */

struct route *route_of(const struct router *r, const struct dest *d, const struct neighbour *nb)
{
    route_foreach(r, rt, d) if (rt->nb == nb->slot) return rt;
    return NULL;
}

/* The field that names this route in the list of its destination. */
static uint32_t *route_link(const struct router *r, struct dest *d, uint32_t name)
{
    uint32_t *at = &d->routes;
    while (*at != name)
        at = &route_at(r, *at)->next;
    return at;
}

static void neighbour_route_add(struct router *r, struct neighbour *nb, struct route *rt)
{
    uint32_t name = arena_name(&r->routes, rt);
    rt->nb_next = 0;
    rt->nb_prev = nb->last_route;
    if (nb->last_route)
        route_at(r, nb->last_route)->nb_next = name;
    else
        nb->first_route = name;
    nb->last_route = name;
    nb->routes_len++;
}

static void neighbour_route_del(struct router *r, struct neighbour *nb, const struct route *rt)
{
    if (rt->nb_prev)
        route_at(r, rt->nb_prev)->nb_next = rt->nb_next;
    else
        nb->first_route = rt->nb_next;
    if (rt->nb_next)
        route_at(r, rt->nb_next)->nb_prev = rt->nb_prev;
    else
        nb->last_route = rt->nb_prev;
    nb->routes_len--;
}

void neighbour_route_to_end(struct router *r, struct neighbour *nb, struct route *rt)
{
    neighbour_route_del(r, nb, rt);
    neighbour_route_add(r, nb, rt);
}

struct route *route_add(struct router *r, struct dest *d, struct neighbour *nb, struct source *s)
{
    uint32_t name = 0;
    if (s->routes < UINT16_MAX && route_make_room(r, d, nb, r->now))
        name = arena_new(&r->routes);
    struct route *rt = route_at(r, name);
    if (!rt)
        return NULL;
    rt->dest = arena_name(&r->dests, d);
    rt->nb = nb->slot;
    rt->source = arena_name(&r->sources, s);
    rt->metric = METRIC_INFINITE;
    s->routes++;
    *route_link(r, d, 0) = name; /* at the end */
    neighbour_route_add(r, nb, rt);
    r->stats.routes++;
    return rt;
}

void route_remove(struct router *r, struct route *rt)
{
    uint32_t name = arena_name(&r->routes, rt);
    struct dest *d = route_dest(r, rt);
    struct source *s = route_source(r, rt);
    assert(dest_selected(r, d) != rt);
    *route_link(r, d, name) = rt->next;
    neighbour_route_del(r, route_nb(r, rt), rt);
    wheel_del(&r->route_wheel, name);
    s->routes--;
    source_drop_unused(r, s);
    r->stats.routes--;
    arena_free(&r->routes, name);
}

void route_to_front(struct router *r, struct dest *d, struct route *rt)
{
    uint32_t name = arena_name(&r->routes, rt);
    *route_link(r, d, name) = rt->next;
    rt->next = d->routes;
    d->routes = name;
}

void route_renew(struct router *r, struct route *rt, uint16_t interval_cs, usec_t now)
{
    rt->interval_cs = interval_cs;
    wheel_set(&r->route_wheel, arena_name(&r->routes, rt), now + hold_time(interval_cs));
}

void route_hold(struct router *r, struct route *rt, usec_t now)
{
    wheel_set(&r->route_wheel, arena_name(&r->routes, rt), now + RETRACTED_HOLD);
}

/* --- the whole table ---------------------------------------------------------------------------
 */

static int dest_cmp(const void *a, const void *b)
{
    const struct dest *const *x = a;
    const struct dest *const *y = b;
    return subnet_cmp(&(*x)->subnet, &(*y)->subnet);
}

const struct dest **dest_sorted(const struct router *r,
                                bool (*want)(const struct router *r, const struct dest *d),
                                size_t *ret_len)
{
    const struct dest **v = NULL;
    size_t len = 0, cap = 0, pos = 0;
    const struct dest *home;
    while ((home = dest_at(r, nodemap_each(&r->nodes, &pos))) != NULL) {
        const struct extra *x = dest_extra(r, home);
        for (uint32_t i = 0; i <= x->longer_len; i++) {
            const struct dest *d = i == 0 ? home : dest_at(r, x->longer[i - 1]);
            if (!want(r, d))
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

/* Everything that lives hangs on a source, a search, a seqno request or packets that wait for a
 * search; a longer prefix has its /64 besides. */
static uint32_t dests_max(const struct router_limits *l)
{
    uint64_t n = (uint64_t)l->sources + l->queries + l->seqno_entries + SLICE;
    return (uint32_t)MIN(2 * n, ARENA_RECORDS_MAX);
}

int dest_table_init(struct router *r, usec_t now)
{
    int rc;
    if ((rc = arena_init(&r->dests, sizeof(struct dest), dests_max(&r->limits))) < 0 ||
        (rc = arena_init(&r->routes, sizeof(struct route), r->limits.routes)) < 0 ||
        (rc = arena_init(&r->sources, sizeof(struct source), r->limits.sources)) < 0 ||
        (rc = arena_init(&r->rids, sizeof(struct rid), r->limits.sources)) < 0 ||
        (rc = extras_init(r)) < 0 || (rc = nodemap_init(&r->nodes, &r->dests, r->rng)) < 0)
        return rc;
    wheel_init(&r->route_wheel, &r->routes, offsetof(struct route, timer), now);
    wheel_init(&r->source_wheel, &r->sources, offsetof(struct source, timer), now);
    return OK;
}

/* What has memory outside of the arenas. */
static void extra_empty(struct router *r, struct dest *d)
{
    seqno_entries_free(r, d);
    query_close(r, d);
    parked_drop(r, d);
    extra_free(r, d);
}

static void extras_empty(struct router *r)
{
    size_t pos = 0;
    struct dest *home;
    while ((home = dest_at(r, nodemap_each(&r->nodes, &pos))) != NULL) {
        const struct extra *x = dest_extra(r, home);
        for (uint32_t i = 0; i < x->longer_len; i++)
            extra_empty(r, dest_at(r, x->longer[i]));
        extra_empty(r, home);
    }
}

void dest_table_free(struct router *r)
{
    if (r->nodes.now.v)
        extras_empty(r);
    nodemap_fini(&r->nodes);
    arena_fini(&r->dests);
    arena_fini(&r->routes);
    arena_fini(&r->sources);
    arena_fini(&r->rids);
    arena_fini(&r->extras);
}
