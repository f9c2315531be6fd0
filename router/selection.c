#include "router/core.h"

/* docs/protocol/routing.md, "Selection". */

/* Before all, a route is as good as its neighbour is trusted; of doubted ones, the one that was
 * doubted longest ago has its turn. */
static bool better(const struct router *r, const struct dest *d, const struct route *a,
                   const struct route *b)
{
    usec_t a_doubted = route_doubted(r, d, a), b_doubted = route_doubted(r, d, b);
    if (a_doubted != b_doubted)
        return a_doubted < b_doubted;
    return route_total(r, a) < route_total(r, b);
}

struct route *route_best(const struct router *r, const struct dest *d, struct route *keep)
{
    struct route *best = NULL;
    route_foreach(r, rt, d)
    {
        const struct source *s = route_source(r, rt);
        if (route_usable(r, rt) && !s->refused && source_feasible(s, rt->seqno, rt->metric) &&
            (!best || better(r, d, rt, best)))
            best = rt;
    }
    if (!best || !route_usable(r, keep) || keep == best ||
        route_doubted(r, d, best) != route_doubted(r, d, keep))
        return best;
    /* Two routes of about the same length must not take turns; but nothing beats the origin. */
    if (route_total(r, best) < metric_sub(route_total(r, keep), METRIC_IMPROVEMENT) ||
        best->metric == 0)
        return best;
    return keep;
}

static void reachable_changed(struct router *r, const struct dest *home)
{
    struct router_out o = {
        .kind = ROUTER_OUT_REACHABLE, .dst = home->subnet.net, .reachable = home->reachable > 0};
    (void)output_local(r, &o, false); /* not droppable: fails only without memory */
}

void dest_select(struct router *r, struct dest *d, struct route *rt, usec_t now)
{
    struct dest *home = dest_home(r, d);
    struct extra *x = extra_of(r, d);
    const struct route *was = dest_selected(r, d);
    bool had = d->selected;
    if (rt && was && was->nb != rt->nb && route_usable(r, was) && route_doubted(r, d, was) > 0)
        r->stats.doubt_switches++;
    d->selected = rt != NULL;
    if (!rt) {
        if (had && --home->reachable == 0)
            reachable_changed(r, home);
        return;
    }
    if (x && (!had || d->next_hop != rt->nb))
        x->next_hop_at = MAX(now, 1);
    d->next_hop = rt->nb;
    d->last_source = rt->source;
    route_to_front(r, d, rt);
    /* One that stays goes on with its plan: when its next hop does not renew it, the answers of
     * others must not make us ask again at once. */
    if (rt != was)
        renewal_plan(r, d, now);
    if (had)
        return;
    if (x) {
        x->retry_at = x->lost_at = USEC_NEVER;
        x->retries = 0;
        x->asked_at = 0; /* who answers once does not remember us: a later search asks anew */
    }
    if (home == d)
        query_close(r, d);
    if (home->reachable++ == 0)
        reachable_changed(r, home);
}
