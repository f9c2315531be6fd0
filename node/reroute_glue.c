/* reroute_glue.c - the bus doubts a route, the router looks for another next hop, and as soon as it
 * has one the bus sends again what was not answered.
 *
 * The router may have another next hop at once, or only after it asked for one: doubted routes are
 * watched for a while. Limit: REROUTE_WATCHED; the oldest is not watched any more, and what waits
 * there goes on with its timers. docs/protocol/messages.md, "Doubts". */
#include <string.h>

#include "node/glue.h"

static bool next_hop_changed(struct node *n, const struct reroute_watch *w, struct instant now)
{
    peer_id hop = router_next_hop(n->router, &w->dst);
    if (hop == w->hop)
        return false;
    if (hop != 0) /* else the bus is told that the route is lost, and when there is one */
        bus_rerouted(n->bus, &w->dst, now);
    return true;
}

void reroute_doubt(struct node *n, const struct ip6 *dst, struct instant now)
{
    struct reroute_watch w = {
        .dst = *dst, .hop = router_next_hop(n->router, dst), .until = now.mono + REROUTE_WATCH_FOR};
    router_doubt(n->router, dst, now.mono);
    if (next_hop_changed(n, &w, now))
        return;
    size_t i = 0;
    while (i < n->watched && !ip6_same_node(&n->watch[i].dst, dst))
        i++;
    if (i == REROUTE_WATCHED) { /* the first in the list is the one that was doubted first */
        memmove(&n->watch[0], &n->watch[1], (REROUTE_WATCHED - 1) * sizeof(w));
        i--;
    }
    n->watched = MAX(n->watched, i + 1);
    n->watch[i] = w;
}

void reroute_look(struct node *n, struct instant now)
{
    size_t kept = 0;
    for (size_t i = 0; i < n->watched; i++) {
        struct reroute_watch w = n->watch[i];
        if (!next_hop_changed(n, &w, now) && now.mono < w.until)
            n->watch[kept++] = w;
    }
    n->watched = kept;
}
