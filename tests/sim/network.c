#include "network.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "network_core.h"

#define START             (1000 * USEC_SEC) /* of the clock; its zero means nothing */
#define ROUTER_HEAD_BYTES 640               /* of a router: most of what each call touches */

void network_die(const char *why)
{
    (void)fprintf(stderr, "network: %s\n", why);
    abort();
}

void *network_must(void *p)
{
    if (!p)
        network_die("out of memory");
    return p;
}

void network_arm(struct network *n, struct event *e, usec_t when)
{
    if (heap_set(&n->heap, &e->due, when) < 0)
        network_die("out of memory");
}

/* --- addresses ---------------------------------------------------------------------------------
 * Addresses are hashes themselves: their first bits index the table. */

static void index_node(struct network *n, size_t node)
{
    size_t i = ip6_node(&n->nodes[node].address) & n->by_address_mask;
    while (n->by_address[i]) /* half of the slots stay free */
        i = (i + 1) & n->by_address_mask;
    n->by_address[i] = (uint32_t)node + 1;
}

size_t network_node_of(const struct network *n, const struct ip6 *a)
{
    size_t i = ip6_node(a) & n->by_address_mask;
    for (; n->by_address[i]; i = (i + 1) & n->by_address_mask)
        if (ip6_same_node(&n->nodes[n->by_address[i] - 1].address, a))
            return n->by_address[i] - 1;
    return n->nodes_len;
}

/* --- life ------------------------------------------------------------------------------------ */

struct network *network_new(uint64_t seed, size_t nodes)
{
    return network_new_mixed(seed, nodes, NULL);
}

struct network *network_new_mixed(uint64_t seed, size_t nodes, const bool *plain)
{
    struct network *n = network_must(calloc(1, sizeof(*n)));
    rng_init_seeded(&n->rng, seed);
    n->now = START;
    n->nodes = network_must(calloc(nodes, sizeof(*n->nodes)));
    n->nodes_len = n->watch_to = nodes;
    n->loops_every = 1;
    n->by_address_mask = 15;
    while (n->by_address_mask < nodes * 2)
        n->by_address_mask = n->by_address_mask * 2 + 1;
    n->by_address = network_must(calloc(n->by_address_mask + 1, sizeof(*n->by_address)));
    heap_init(&n->heap);
    for (size_t i = 0; i < nodes; i++) {
        struct node *x = &n->nodes[i];
        uint8_t secret[KEY_BYTES];
        rng_bytes(&n->rng, secret, sizeof(secret));
        rng_init_seeded(&x->rng, rng_u64(&n->rng));
        if (identity_new(secret, &x->id) < 0)
            network_die("no identity");
        x->tick.kind = EVENT_NODE;
        x->address = identity_address(x->id);
        x->is_plain = plain && plain[i];
        index_node(n, i);
        network_node_start(n, x);
    }
    return n;
}

void network_free(struct network *n)
{
    if (!n)
        return;
    network_links_free(n);
    for (size_t i = 0; i < n->nodes_len; i++) {
        network_node_stop(&n->nodes[i]);
        identity_free(n->nodes[i].id);
        free(n->nodes[i].edges);
        free(n->nodes[i].by_peer);
    }
    for (struct suspect *s = n->suspects, *next; s; s = next) {
        next = s->next;
        free(s);
    }
    heap_fini(&n->heap);
    free(n->watch_reached);
    free(n->by_address);
    free(n->nodes);
    trace_fini(&n->trace);
    free(n);
}

struct rng *network_rng(struct network *n)
{
    return &n->rng;
}

struct router *network_router(struct network *n, size_t node)
{
    return n->nodes[node].r;
}

size_t network_nodes(const struct network *n)
{
    return n->nodes_len;
}

usec_t network_now(const struct network *n)
{
    return n->now - START;
}

void network_kill(struct network *n, size_t node)
{
    struct node *x = &n->nodes[node];
    if (!network_node_lives(x))
        return;
    for (size_t i = 0; i < x->edges_len; i++) {
        x->edges[i]->died = x->edges[i]->died || x->edges[i]->l.up;
        if (x->edges[i]->l.up)
            network_close(n, x->edges[i]);
    }
    heap_del(&n->heap, &x->tick.due);
    network_node_stop(x);
    x->by_peer_len = 0; /* the next one counts from 1 */
}

void network_revive(struct network *n, size_t node)
{
    struct node *x = &n->nodes[node];
    if (network_node_lives(x))
        return;
    network_node_start(n, x);
    for (size_t i = 0; i < x->edges_len; i++)
        if (x->edges[i]->died)
            network_restore(n, x->edges[i]->number);
}

void network_swallow(struct network *n, size_t node, bool on)
{
    n->nodes[node].swallows = on;
}

/* --- time ------------------------------------------------------------------------------------- */

/* cause: the packet that was received, NULL for everything else. */
void network_drain(struct network *n, size_t node, const struct pkt *cause)
{
    struct node *x = &n->nodes[node];
    size_t dst, told = n->nodes_len;
    struct router_out o;
    while (network_node_next(x, &o)) {
        struct pipe *p = o.peer ? network_pipe(n, node, o.peer) : NULL;
        switch (o.kind) {
        case ROUTER_OUT_FRAME:
            if (!p) {
                pkt_free(o.pkt); /* its link ended meanwhile */
                break;
            }
            network_account(n, p, o.pkt, &dst);
            network_transmit(n, p, o.pkt);
            if (dst != n->nodes_len && dst != told)
                network_check_way(n, node, dst);
            told = dst;
            break;
        case ROUTER_OUT_LOCAL:
            n->delivered += o.user_type == USER_MESSAGE;
            if (n->local)
                n->local(n->local_ctx, node, &o);
            pkt_free(o.pkt);
            break;
        case ROUTER_OUT_UNSENT:
            n->unsent++;
            pkt_free(o.pkt);
            break;
        case ROUTER_OUT_CLOSE:
            if (p)
                network_close(n, p->edge);
            break;
        case ROUTER_OUT_REACHABLE:
            if (node == n->watch_from)
                network_watch_reachable(n, node, &o);
            break;
        }
    }
    network_arm(n, &x->tick, network_node_deadline(x));
    if (n->loops == NETWORK_LOOPS_FATAL)
        network_check_loops(n, node, cause);
}

static void tick(struct network *n, struct node *x)
{
    network_node_tick(n, x);
    network_drain(n, (size_t)(x - n->nodes), NULL);
}

/* What the next event will touch is fetched while this one is handled: in a large network each of
 * them waits for memory otherwise. The four below the first are likely to be next. */
static void look_ahead(const struct network *n)
{
    const struct heap *h = &n->heap;
    size_t next = 1;
    for (size_t i = 1; i < MIN((size_t)5, h->len); i++) {
        __builtin_prefetch(h->v[i].node);
        __builtin_prefetch((const char *)h->v[i].node + 64);
        if (h->v[i].when < h->v[next].when)
            next = i;
    }
    if (next >= h->len)
        return;
    struct event *e = container_of(h->v[next].node, struct event, due);
    const struct node *x = NULL;
    if (e->kind == EVENT_PIPE) {
        const struct pipe *p = container_of(e, struct pipe, arrival);
        x = &n->nodes[p->to];
        if (p->first) {
            __builtin_prefetch(p->first->pkt);
            __builtin_prefetch((const char *)p->first->pkt + 64);
        }
    } else if (e->kind == EVENT_NODE) {
        x = container_of(e, struct node, tick);
    }
    for (size_t at = 0; x && x->r && at < ROUTER_HEAD_BYTES; at += 64)
        __builtin_prefetch((const char *)x->r + at);
}

bool network_run_some(struct network *n, usec_t until, uint64_t events)
{
    usec_t end = until + START;
    struct heap_node *h;
    while ((h = heap_due(&n->heap, end)) != NULL) {
        struct event *e = container_of(h, struct event, due);
        if (events-- == 0)
            return false;
        n->now = MAX(n->now, h->when);
        n->counts.events++;
        look_ahead(n);
        switch (e->kind) {
        case EVENT_NODE:
            tick(n, container_of(e, struct node, tick));
            break;
        case EVENT_PIPE:
            network_arrive(n, container_of(e, struct pipe, arrival));
            break;
        case EVENT_SUSPECT:
            network_look_again(n, container_of(e, struct suspect, again));
            break;
        }
    }
    n->now = MAX(n->now, end);
    return true;
}

void network_run(struct network *n, usec_t by)
{
    (void)network_run_some(n, network_now(n) + by, UINT64_MAX); /* never that many */
}

/* --- packets ---------------------------------------------------------------------------------- */

int network_send_bytes(struct network *n, size_t from, size_t to, const void *bytes, size_t len)
{
    struct node *x = &n->nodes[from];
    if (!network_node_lives(x))
        return ERR_NOENT;
    int rc = network_node_send(n, x, &n->nodes[to].address, network_must(pkt_copy(bytes, len)));
    /* Its outputs leave with an event of this very moment: who sends may be in the middle of one.
     */
    network_arm(n, &x->tick, n->now);
    return rc;
}

int network_send(struct network *n, size_t from, size_t to)
{
    int rc = network_send_bytes(n, from, to, "message", 7);
    if (network_node_lives(&n->nodes[from]))
        network_drain(n, from, NULL);
    return rc;
}

void network_doubt(struct network *n, size_t from, size_t to)
{
    struct node *x = &n->nodes[from];
    if (!x->r)
        return;
    router_doubt(x->r, &n->nodes[to].address, n->now);
    network_arm(n, &x->tick, n->now);
}

void network_want(struct network *n, size_t from, size_t to)
{
    struct node *x = &n->nodes[from];
    if (!x->r)
        return;
    router_want(x->r, &n->nodes[to].address, n->now);
    network_arm(n, &x->tick, n->now);
}

uint64_t network_delivered(const struct network *n)
{
    return n->delivered;
}

uint64_t network_unsent(const struct network *n)
{
    return n->unsent;
}

void network_on_local(struct network *n, network_local *fn, void *ctx)
{
    n->local = fn;
    n->local_ctx = ctx;
}
