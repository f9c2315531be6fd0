#include "pairs.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/heap.h"
#include "base/rng.h"

#define CHECK_AFTER (2 * USEC_SEC)
#define NOTE_AFTER  (5 * USEC_SEC) /* in the trace */

struct pair {
    struct heap_node due;
    uint32_t a, b;
    bool waiting, cut_off, broken;
    usec_t regained; /* after the event */
    uint16_t way_len;
    uint32_t *way; /* of both directions, before the event */
};

struct pairs {
    struct network *n;
    struct pair *v;
    size_t len;
    usec_t every;
    struct heap heap;
    struct pairs_counts counts;
    usec_t event; /* the probing began; USEC_NEVER: none */
    size_t waiting;
    bool checked; /* who is cut off is known */
};

/* What a packet of a pair says. */
struct says {
    uint32_t pair;
    uint16_t answer;
    uint16_t probe;
    usec_t asked;
};

static void *must(void *p)
{
    if (!p)
        abort();
    return p;
}

static void arm(struct pairs *p, struct pair *x, usec_t when)
{
    if (heap_set(&p->heap, &x->due, when) < 0)
        abort();
}

static void say(struct pairs *p, size_t from, size_t to, struct says s)
{
    (void)network_send_bytes(p->n, from, to, &s, sizeof(s)); /* a full queue loses packets */
}

static void ask(struct pairs *p, struct pair *x, bool probe)
{
    p->counts.asked += !probe;
    say(p, x->a, x->b,
        (struct says){.pair = (uint32_t)(x - p->v), .probe = probe, .asked = network_now(p->n)});
}

static void note(struct pairs *p, const struct pair *x, const char *what)
{
    char text[80], a[NETWORK_NAME_MAX], b[NETWORK_NAME_MAX];
    (void)snprintf(text, sizeof(text), "%s and %s %s", network_name(x->a, a), network_name(x->b, b),
                   what);
    network_trace_note(p->n, text);
}

static void answered(struct pairs *p, struct pair *x, struct says s)
{
    p->counts.answered += !s.probe;
    if (!x->waiting || s.asked < p->event)
        return;
    x->waiting = false;
    x->regained = network_now(p->n) - p->event;
    if (x->regained > NOTE_AFTER)
        note(p, x, "talk again");
    if (!x->cut_off)
        p->waiting--;
}

static void on_local(void *ctx, size_t node, const struct router_out *o)
{
    struct pairs *p = ctx;
    struct says s;
    if (o->user_type != USER_MESSAGE || o->pkt->len != sizeof(s))
        return;
    memcpy(&s, o->pkt->data, sizeof(s));
    struct pair *x = &p->v[s.pair];
    if (s.answer) {
        answered(p, x, s);
        return;
    }
    s.answer = true;
    say(p, node, x->a, s);
}

/* --- choosing --------------------------------------------------------------------------------- */

static bool within_reach(const int *hops, size_t b)
{
    return hops[b] > 0 && hops[b] <= REACH_HOPS_MAX;
}

/* Of these, each with the same chance. a: nobody is. */
static size_t one_within_reach(struct network *n, size_t a, const int *hops, const size_t *of,
                               size_t len)
{
    size_t found = a, seen = 0;
    for (unsigned tries = 0; tries < 16; tries++) { /* usually enough */
        size_t i = (size_t)rng_below(network_rng(n), len), b = of ? of[i] : i;
        if (within_reach(hops, b))
            return b;
    }
    for (size_t i = 0; i < len; i++) {
        size_t b = of ? of[i] : i;
        if (within_reach(hops, b) && rng_below(network_rng(n), ++seen) == 0)
            found = b;
    }
    return found;
}

static size_t choose_other(struct network *n, size_t a, const int *hops, const size_t *talkers,
                           const struct pairs_conf *c)
{
    size_t popular = MIN(c->talkers, PAIRS_POPULAR);
    size_t b = talkers[rng_below(network_rng(n), popular)];
    if (rng_below(network_rng(n), 100) < c->popular_percent && within_reach(hops, b))
        return b;
    b = one_within_reach(n, a, hops, talkers, c->talkers);
    return b != a ? b : one_within_reach(n, a, hops, NULL, network_nodes(n));
}

/* Different ones: the first of a shuffled row of all. */
static size_t *choose_talkers(struct network *n, size_t len)
{
    size_t nodes = network_nodes(n), *v = must(malloc(nodes * sizeof(*v)));
    for (size_t i = 0; i < nodes; i++)
        v[i] = i;
    for (size_t i = 0; i < len; i++) {
        size_t k = i + (size_t)rng_below(network_rng(n), nodes - i), other = v[k];
        v[k] = v[i];
        v[i] = other;
    }
    return v;
}

struct pairs *pairs_new(struct network *n, const struct pairs_conf *c)
{
    struct pairs *p = must(calloc(1, sizeof(*p)));
    size_t *talkers = choose_talkers(n, c->talkers);
    int *hops = must(malloc(network_nodes(n) * sizeof(*hops)));
    *p = (struct pairs){.n = n, .every = c->every, .event = USEC_NEVER};
    p->v = must(calloc(c->len, sizeof(*p->v)));
    heap_init(&p->heap);
    for (size_t tries = 0; p->len < c->len && tries < c->len * 4; tries++) {
        struct pair *x = &p->v[p->len];
        x->a = (uint32_t)talkers[rng_below(network_rng(n), c->talkers)];
        network_hops_from(n, x->a, hops);
        x->b = (uint32_t)choose_other(n, x->a, hops, talkers, c);
        if (x->a == x->b)
            continue;
        arm(p, x, c->start + (usec_t)rng_below(network_rng(n), (uint64_t)c->ramp));
        p->len++;
    }
    free(talkers);
    free(hops);
    network_on_local(n, on_local, p);
    return p;
}

void pairs_free(struct pairs *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->len; i++)
        free(p->v[i].way);
    heap_fini(&p->heap);
    free(p->v);
    free(p);
}

size_t pairs_len(const struct pairs *p)
{
    return p->len;
}

void pairs_get(const struct pairs *p, size_t i, size_t *ret_a, size_t *ret_b)
{
    *ret_a = p->v[i].a;
    *ret_b = p->v[i].b;
}

struct pairs_counts pairs_counts(const struct pairs *p)
{
    return p->counts;
}

/* --- time ------------------------------------------------------------------------------------- */

usec_t pairs_deadline(const struct pairs *p)
{
    return heap_deadline(&p->heap);
}

/* Only those are searched that have no answer after CHECK_AFTER. */
static void check(struct pairs *p)
{
    int *hops = must(malloc(network_nodes(p->n) * sizeof(*hops)));
    for (size_t i = 0; i < p->len; i++) {
        struct pair *x = &p->v[i];
        if (!x->waiting || x->cut_off)
            continue;
        network_hops_from(p->n, x->a, hops);
        x->cut_off = hops[x->b] < 0 || hops[x->b] > REACH_HOPS_MAX;
        if (x->cut_off)
            p->waiting--;
    }
    free(hops);
    p->checked = true;
}

void pairs_tick(struct pairs *p)
{
    struct heap_node *h;
    usec_t now = network_now(p->n);
    while ((h = heap_due(&p->heap, now)) != NULL) {
        struct pair *x = container_of(h, struct pair, due);
        bool probing = x->waiting && !x->cut_off;
        ask(p, x, probing);
        arm(p, x, now + (probing ? PAIRS_PROBE_EVERY : p->every));
    }
    if (p->event != USEC_NEVER && !p->checked && p->waiting > 0 && now >= p->event + CHECK_AFTER)
        check(p);
}

/* --- after an event --------------------------------------------------------------------------- */

void pairs_before(struct pairs *p)
{
    size_t links[NETWORK_HOPS_MAX];
    for (size_t i = 0; i < p->len; i++) {
        struct pair *x = &p->v[i];
        x->way_len = 0;
        for (int side = 0; side < 2; side++) {
            int hops = network_way(p->n, side ? x->b : x->a, side ? x->a : x->b, links);
            if (hops <= 0)
                continue;
            x->way = must(reallocarray(x->way, (size_t)(x->way_len + hops), sizeof(*x->way)));
            for (int k = 0; k < hops; k++)
                x->way[x->way_len++] = (uint32_t)links[k];
        }
    }
}

static bool way_broken(const struct pairs *p, const struct pair *x)
{
    for (size_t i = 0; i < x->way_len; i++) {
        const struct network_link *l = network_link_at(p->n, x->way[i]);
        if (!l->up || l->silent)
            return true;
    }
    return x->way_len == 0;
}

void pairs_probe(struct pairs *p)
{
    p->event = network_now(p->n);
    p->waiting = p->len;
    p->checked = false;
    for (size_t i = 0; i < p->len; i++) {
        struct pair *x = &p->v[i];
        x->waiting = true;
        x->regained = USEC_NEVER;
        x->broken = way_broken(p, x);
        x->cut_off = !network_router(p->n, x->a) || !network_router(p->n, x->b);
        if (x->cut_off)
            p->waiting--;
        arm(p, x, p->event);
    }
}

size_t pairs_waiting(const struct pairs *p)
{
    return p->waiting;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(const double *sorted, size_t len, double q)
{
    return len ? sorted[(size_t)(q * (double)(len - 1) + 0.5)] : 0;
}

struct pairs_result pairs_result(struct pairs *p)
{
    struct pairs_result r = {0};
    double *times = must(malloc((p->len + 1) * sizeof(*times)));
    size_t len = 0;
    if (!p->checked)
        check(p);
    for (size_t i = 0; i < p->len; i++) {
        struct pair *x = &p->v[i];
        double s = (double)x->regained / (double)USEC_SEC;
        r.cut_off += x->cut_off;
        if (x->waiting && !x->cut_off) {
            r.unregained++;
            note(p, x, "did not talk again");
        }
        r.broken += x->broken && !x->cut_off;
        if (!x->waiting && x->broken)
            times[len++] = s;
        if (!x->waiting)
            r.all_max_s = MAX(r.all_max_s, s);
        x->waiting = false;
        arm(p, x, network_now(p->n) + (usec_t)rng_below(network_rng(p->n), (uint64_t)p->every));
    }
    qsort(times, len, sizeof(*times), by_value);
    r.median_s = quantile(times, len, 0.5);
    r.p99_s = quantile(times, len, 0.99);
    r.max_s = quantile(times, len, 1);
    free(times);
    p->event = USEC_NEVER;
    return r;
}

/* --- stretch ---------------------------------------------------------------------------------- */

struct pairs_stretch pairs_stretch(struct pairs *p, size_t most)
{
    struct pairs_stretch s = {0};
    size_t len = MIN(p->len, most), links[NETWORK_HOPS_MAX];
    uint32_t *costs = must(malloc(network_nodes(p->n) * sizeof(*costs)));
    double *v = must(malloc((2 * len + 1) * sizeof(*v)));
    for (size_t i = 0; i < 2 * len; i++) {
        const struct pair *x = &p->v[i / 2];
        size_t from = i % 2 ? x->b : x->a, to = i % 2 ? x->a : x->b;
        int hops = network_way(p->n, from, to, links);
        uint32_t cost = 0;
        if (hops <= 0)
            continue;
        for (int k = 0; k < hops; k++)
            cost += network_link_cost(network_link_at(p->n, links[k]));
        network_costs_from(p->n, from, costs);
        v[s.ways] = (double)cost / (double)costs[to];
        s.mean += v[s.ways++];
    }
    qsort(v, s.ways, sizeof(*v), by_value);
    s.mean = s.ways ? s.mean / (double)s.ways : 0;
    s.p99 = quantile(v, s.ways, 0.99);
    s.max = quantile(v, s.ways, 1);
    free(v);
    free(costs);
    return s;
}
