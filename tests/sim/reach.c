#include "reach.h"

#include <stdlib.h>

#include "base/rng.h"

static void *must(void *p)
{
    if (!p)
        abort();
    return p;
}

struct reach reach_measure(struct network *n, size_t samples)
{
    struct reach r = {.samples = samples};
    size_t nodes = network_nodes(n);
    double pairs = 0, beyond = 0, sum = 0;
    int *hops = must(malloc(nodes * sizeof(*hops)));
    for (size_t i = 0; i < samples; i++) {
        network_hops_from(n, (size_t)rng_below(network_rng(n), nodes), hops);
        for (size_t to = 0; to < nodes; to++) {
            if (hops[to] <= 0)
                continue;
            pairs++;
            beyond += hops[to] > REACH_HOPS_MAX;
            sum += hops[to];
            r.hops_max = MAX(r.hops_max, hops[to]);
        }
    }
    free(hops);
    r.beyond = pairs > 0 ? beyond / pairs : 0;
    r.hops_mean = pairs > 0 ? sum / pairs : 0;
    return r;
}

static bool has_route(struct network *n, size_t from, size_t to)
{
    struct ip6 a = router_address(network_router(n, to));
    return router_reachable(network_router(n, from), &a);
}

struct search search_begin(struct network *n)
{
    struct search s = {0};
    for (unsigned tries = 0; tries < 100; tries++) {
        s.from = (size_t)rng_below(network_rng(n), network_nodes(n));
        s.to = (size_t)rng_below(network_rng(n), network_nodes(n));
        if (s.from != s.to && network_router(n, s.from) && network_router(n, s.to) &&
            !has_route(n, s.from, s.to))
            break;
    }
    s.hops = network_hops(n, s.from, s.to);
    network_watch(n, s.from, s.to);
    network_want(n, s.from, s.to);
    return s;
}

void search_end(struct network *n, const struct search *s, struct searches *sum)
{
    struct network_watched w = network_watch_end(n);
    double nodes = (double)network_nodes(n);
    bool within = s->hops >= 0 && s->hops <= REACH_HOPS_MAX;
    bool found = has_route(n, s->from, s->to);
    sum->done++;
    sum->within += within;
    sum->found += found;
    sum->found_within += found && within;
    if (found && w.found != USEC_NEVER) {
        double after = (double)w.found / (double)USEC_SEC;
        sum->found_s += after;
        sum->found_max_s = MAX(sum->found_max_s, after);
    }
    sum->requests += (double)w.requests;
    sum->updates += (double)w.updates;
    sum->other += (double)(w.retractions + w.seqno_requests);
    sum->bytes += (double)w.bytes;
    sum->reached += (double)w.reached / nodes;
    sum->holding += (double)network_routes_to(n, s->to) / nodes;
}
