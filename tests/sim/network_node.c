/* A node of the simulated network: a router of ours, or one by the plain rules. */
#include "base/err.h"
#include "network_core.h"

static void start_router(struct network *n, struct node *x)
{
    struct router_conf c = {.identity = x->id, .rng = &x->rng};
    router_limits_default(&c.limits);
    c.limits.routes = NETWORK_ROUTES_MAX;
    c.limits.sources = NETWORK_SOURCES_MAX;
    c.limits.queries = NETWORK_QUERIES_MAX;
    c.limits.seqno_entries = NETWORK_SEQNO_ENTRIES_MAX;
    if (router_new(&c, n->now, &x->r) < 0)
        network_die("no router");
}

void network_node_start(struct network *n, struct node *x)
{
    if (x->is_plain)
        x->plain = plain_new(x->id, &x->rng, n->now);
    else
        start_router(n, x);
    network_arm(n, &x->tick, network_node_deadline(x));
}

void network_node_stop(struct node *x)
{
    router_free(x->r);
    plain_free(x->plain);
    x->r = NULL;
    x->plain = NULL;
}

bool network_node_lives(const struct node *x)
{
    return x->r || x->plain;
}

peer_id network_node_peer_up(struct network *n, struct node *x, const struct router_link *link)
{
    peer_id peer;
    if (x->plain)
        return plain_peer_up(x->plain, link->static_cost, n->now);
    if (router_peer_up(x->r, link, n->now, &peer) < 0)
        network_die("out of memory");
    return peer;
}

void network_node_peer_down(struct network *n, struct node *x, peer_id peer)
{
    if (x->plain)
        plain_peer_down(x->plain, peer, n->now);
    else
        router_peer_down(x->r, peer, n->now);
}

void network_node_recv(struct network *n, struct node *x, peer_id from, struct wire_rd frame)
{
    if (x->plain)
        plain_recv(x->plain, from, frame, n->now);
    else
        router_recv(x->r, from, frame, n->now);
}

int network_node_send(struct network *n, struct node *x, const struct ip6 *dst, struct pkt *p)
{
    if (!x->plain)
        return router_send(x->r, &x->address, dst, USER_MESSAGE, NETWORK_HOPS_MAX, p, n->now);
    plain_send(x->plain, dst, p, n->now);
    return OK;
}

void network_node_tick(struct network *n, struct node *x)
{
    if (x->plain)
        plain_tick(x->plain, n->now);
    else
        router_tick(x->r, n->now);
}

bool network_node_next(struct node *x, struct router_out *ret)
{
    return x->plain ? plain_next(x->plain, ret) : router_next(x->r, ret);
}

usec_t network_node_deadline(const struct node *x)
{
    return x->plain ? plain_deadline(x->plain) : router_deadline(x->r);
}

peer_id network_node_next_hop(const struct node *x, const struct ip6 *dst)
{
    if (x->plain)
        return plain_next_hop(x->plain, dst);
    return x->r ? router_next_hop(x->r, dst) : 0;
}
