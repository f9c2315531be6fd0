#include "router/core.h"

/* docs/protocol/routing.md, "Selection". */

struct route *route_best(const struct dest *d, struct route *keep)
{
    struct route *best = NULL;
    list_foreach (pos, &d->routes) {
        struct route *rt = list_entry(pos, struct route, in_dest);
        if (route_usable(rt) && !rt->source->refused &&
            source_feasible(rt->source, rt->seqno, rt->metric) &&
            (!best || route_total(rt) < route_total(best)))
            best = rt;
    }
    if (!best || !route_usable(keep) || keep == best)
        return best;
    /* Two routes of about the same length must not take turns; but nothing beats the origin. */
    if (route_total(best) < metric_sub(route_total(keep), METRIC_IMPROVEMENT) || best->metric == 0)
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
    struct dest *home = d->home;
    bool had = d->selected != NULL;
    d->selected = rt;
    if (!rt) {
        if (had && --home->reachable == 0)
            reachable_changed(r, home);
        return;
    }
    d->last_source = rt->source;
    list_del(&rt->in_dest);
    list_push_front(&d->routes, &rt->in_dest);
    renewal_plan(r, d, now);
    if (had)
        return;
    d->retry_at = d->lost_at = USEC_NEVER;
    d->retries = 0;
    if (home == d)
        query_close(r, d);
    if (home->reachable++ == 0)
        reachable_changed(r, home);
}
