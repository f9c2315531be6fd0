#include "network.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/heap.h"
#include "base/list.h"
#include "router/packet.h"
#include "trace.h"

#define RETRANSMIT (200 * USEC_MS)
#define START      (1000 * USEC_SEC) /* of the clock; its zero means nothing */
#define HOPS_MAX   64

struct frame {
    struct list node;
    usec_t arrives;
    struct pkt *pkt;
};

/* One direction of a link. */
struct pipe {
    struct heap_node due; /* arrival of the first frame */
    struct list frames;
    usec_t last; /* arrival of the last one: order is kept */
    size_t link;
    size_t to;
    peer_id from_peer; /* the sender, as the receiver calls it */
};

struct edge {
    struct network_link l;
    peer_id peer[2]; /* what a calls b, what b calls a */
    struct pipe pipe[2];
};

struct node {
    struct identity *id;
    struct rng rng;
    struct router *r;
    struct ip6 address;
    struct heap_node due;
    struct edge **edges; /* that end here */
    size_t edges_len;
};

struct network {
    struct rng rng;
    usec_t now;
    struct heap heap;
    struct node *nodes;
    size_t nodes_len;
    struct edge **edges;
    size_t edges_len;
    struct network_counts counts;
    uint64_t delivered, unsent;
    bool tracing;
    struct trace trace;
};

static void die(const char *why)
{
    (void)fprintf(stderr, "network: %s\n", why);
    abort();
}

static void *must(void *p)
{
    if (!p)
        die("out of memory");
    return p;
}

/* --- trace ---------------------------------------------------------------------------------- */

void network_trace(struct network *n, bool on)
{
    n->tracing = on;
}

const char *network_trace_text(struct network *n)
{
    return trace_text(&n->trace);
}

void network_trace_reset(struct network *n)
{
    trace_reset(&n->trace);
}

const char *network_name(size_t node, char buf[static NETWORK_NAME_MAX])
{
    if (node < 26)
        (void)snprintf(buf, NETWORK_NAME_MAX, "%c", (char)('A' + node));
    else
        (void)snprintf(buf, NETWORK_NAME_MAX, "n%zu", node % 100000);
    return buf;
}

static size_t node_of(const struct network *n, const struct ip6 *a)
{
    size_t i = 0;
    while (i < n->nodes_len && !ip6_same_node(&n->nodes[i].address, a))
        i++;
    return i;
}

static const char *subnet_name(const struct network *n, const struct subnet *s,
                               char buf[static NETWORK_NAME_MAX])
{
    size_t i = node_of(n, &s->net);
    return i < n->nodes_len ? network_name(i, buf) : "?";
}

static const char *origin_name(const struct network *n, const struct router_id *rid,
                               char buf[static NETWORK_NAME_MAX])
{
    for (size_t i = 0; i < n->nodes_len; i++)
        if (memcmp(router_self(n->nodes[i].r)->b, rid->b, KEY_BYTES) == 0)
            return network_name(i, buf);
    return "?";
}

static void add_to_trace(struct network *n, size_t from, size_t to, const struct tlv *t)
{
    char f[NETWORK_NAME_MAX], o[NETWORK_NAME_MAX], s[NETWORK_NAME_MAX], r[NETWORK_NAME_MAX];
    struct trace_names names = {.from = network_name(from, f), .to = network_name(to, o)};
    if (t->type == TLV_UPDATE) {
        names.subnet = subnet_name(n, &t->update.subnet, s);
        names.origin = origin_name(n, &t->update.router_id, r);
    } else if (t->type == TLV_ROUTE_REQUEST) {
        names.subnet = subnet_name(n, &t->route_request.subnet, s);
    } else if (t->type == TLV_SEQNO_REQUEST) {
        names.subnet = subnet_name(n, &t->seqno_request.subnet, s);
        names.origin = origin_name(n, &t->seqno_request.router_id, r);
    }
    trace_tlv(&n->trace, network_now(n), &names, t);
}

static void count_tlv(struct network *n, const struct tlv *t)
{
    switch (t->type) {
    case TLV_HELLO:
        n->counts.hello++;
        return;
    case TLV_IHU:
        n->counts.ihu++;
        return;
    case TLV_UPDATE:
        if (t->update.metric == METRIC_INFINITE)
            n->counts.retraction++;
        else
            n->counts.update++;
        return;
    case TLV_ROUTE_REQUEST:
        n->counts.route_request++;
        return;
    case TLV_SEQNO_REQUEST:
        n->counts.seqno_request++;
        return;
    case TLV_PAD1:
    case TLV_PADN:
        return;
    }
}

static void account(struct network *n, size_t from, size_t to, const struct pkt *p)
{
    struct tlv_iter it;
    struct tlv t;
    n->counts.bytes += p->len;
    if (p->data[1] == OUTER_DATA) {
        n->counts.data++;
        return;
    }
    if (tlv_iter_init(&it, wire_rd_of(p->data, p->len)) < 0 || tlv_next(&it, &t) < 0)
        die("a node sent a packet that is none");
    count_tlv(n, &t);
    if (n->tracing)
        add_to_trace(n, from, to, &t);
}

/* --- life ------------------------------------------------------------------------------------ */

static void rearm(struct network *n, struct node *x)
{
    if (heap_set(&n->heap, &x->due, router_deadline(x->r)) < 0)
        die("out of memory");
}

struct network *network_new(uint64_t seed, size_t nodes)
{
    struct network *n = must(calloc(1, sizeof(*n)));
    rng_init_seeded(&n->rng, seed);
    n->now = START;
    n->nodes = must(calloc(nodes, sizeof(*n->nodes)));
    n->nodes_len = nodes;
    heap_init(&n->heap);
    for (size_t i = 0; i < nodes; i++) {
        struct node *x = &n->nodes[i];
        uint8_t secret[KEY_BYTES];
        rng_bytes(&n->rng, secret, sizeof(secret));
        rng_init_seeded(&x->rng, rng_u64(&n->rng));
        struct router_conf c = {.rng = &x->rng};
        router_limits_default(&c.limits);
        if (identity_new(secret, &x->id) < 0)
            die("no identity");
        c.identity = x->id;
        if (router_new(&c, n->now, &x->r) < 0)
            die("no router");
        x->address = router_address(x->r);
        rearm(n, x);
    }
    return n;
}

static void pipe_clear(struct network *n, struct pipe *p)
{
    list_foreach_safe (pos, &p->frames) {
        struct frame *f = list_entry(pos, struct frame, node);
        list_del(&f->node);
        pkt_free(f->pkt);
        free(f);
    }
    heap_del(&n->heap, &p->due);
}

void network_free(struct network *n)
{
    if (!n)
        return;
    for (size_t i = 0; i < n->edges_len; i++) {
        pipe_clear(n, &n->edges[i]->pipe[0]);
        pipe_clear(n, &n->edges[i]->pipe[1]);
        free(n->edges[i]);
    }
    for (size_t i = 0; i < n->nodes_len; i++) {
        router_free(n->nodes[i].r);
        identity_free(n->nodes[i].id);
        free(n->nodes[i].edges);
    }
    heap_fini(&n->heap);
    free(n->edges);
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

usec_t network_now(const struct network *n)
{
    return n->now - START;
}

/* --- links ------------------------------------------------------------------------------------ */

static struct edge *edge_of(struct network *n, size_t node, peer_id peer, int *ret_side)
{
    const struct node *x = &n->nodes[node];
    for (size_t i = 0; i < x->edges_len; i++) {
        struct edge *e = x->edges[i];
        int side = e->l.a == node ? 0 : 1;
        if (e->l.up && e->peer[side] == peer) {
            *ret_side = side;
            return e;
        }
    }
    return NULL;
}

static void transmit(struct network *n, struct edge *e, int side, struct pkt *pkt)
{
    struct pipe *p = &e->pipe[side];
    account(n, side ? e->l.b : e->l.a, p->to, pkt);
    if (e->l.silent) {
        pkt_free(pkt);
        return;
    }
    struct frame *f = must(malloc(sizeof(*f)));
    f->pkt = pkt;
    f->arrives = n->now + e->l.delay;
    if (rng_below(&n->rng, 1000) < e->l.loss_permille)
        f->arrives += RETRANSMIT;
    f->arrives = MAX(f->arrives, p->last);
    p->last = f->arrives;
    list_push_back(&p->frames, &f->node);
    if (!heap_has(&p->due) && heap_set(&n->heap, &p->due, f->arrives) < 0)
        die("out of memory");
}

static void close_link(struct network *n, struct edge *e);

/* The paths from this node must not come back to it: its next hops are what has changed. An Update
 * can change that to its own destination only. */
static void check_loops(struct network *n, size_t node, const struct pkt *cause)
{
    struct tlv_iter it;
    struct tlv t;
    size_t first = 0, end = n->nodes_len;
    if (cause && cause->data[1] == OUTER_CONTROL &&
        tlv_iter_init(&it, wire_rd_of(cause->data, cause->len)) == OK && tlv_next(&it, &t) == OK &&
        t.type == TLV_UPDATE) {
        first = node_of(n, &t.update.subnet.net);
        end = MIN(first + 1, n->nodes_len);
    } else if (cause) {
        return; /* nothing else that is received moves a route; IHUs act with the next tick */
    }
    for (size_t dst = first; dst < end; dst++)
        if (dst != node)
            (void)network_path(n, node, dst); /* aborts at a loop */
}

/* cause: the packet that was received, NULL for everything else. */
static void drain(struct network *n, size_t node, const struct pkt *cause)
{
    struct node *x = &n->nodes[node];
    struct router_out o;
    while (router_next(x->r, &o)) {
        int side;
        struct edge *e = o.peer ? edge_of(n, node, o.peer, &side) : NULL;
        switch (o.kind) {
        case ROUTER_OUT_FRAME:
            if (e)
                transmit(n, e, side, o.pkt);
            else
                pkt_free(o.pkt); /* its link ended meanwhile */
            break;
        case ROUTER_OUT_LOCAL:
            n->delivered += o.user_type == USER_MESSAGE;
            pkt_free(o.pkt);
            break;
        case ROUTER_OUT_UNSENT:
            n->unsent++;
            pkt_free(o.pkt);
            break;
        case ROUTER_OUT_CLOSE:
            if (e)
                close_link(n, e);
            break;
        case ROUTER_OUT_REACHABLE:
            break;
        }
    }
    rearm(n, x);
    check_loops(n, node, cause);
}

static void close_link(struct network *n, struct edge *e)
{
    e->l.up = false;
    pipe_clear(n, &e->pipe[0]);
    pipe_clear(n, &e->pipe[1]);
    router_peer_down(n->nodes[e->l.a].r, e->peer[0], n->now);
    router_peer_down(n->nodes[e->l.b].r, e->peer[1], n->now);
    drain(n, e->l.a, NULL);
    drain(n, e->l.b, NULL);
}

static void open_link(struct network *n, struct edge *e)
{
    char a[8], b[8];
    struct router_link link = {.static_cost = 10};
    (void)network_name(e->l.a, a);
    (void)network_name(e->l.b, b);
    e->l.up = true;
    e->l.silent = false;
    for (int side = 0; side < 2; side++) {
        size_t from = side ? e->l.b : e->l.a;
        (void)snprintf(link.name, sizeof(link.name), "sim %s-%s", side ? b : a, side ? a : b);
        if (router_peer_up(n->nodes[from].r, &link, n->now, &e->peer[side]) < 0)
            die("out of memory");
    }
    for (int side = 0; side < 2; side++) {
        e->pipe[side].to = side ? e->l.a : e->l.b;
        e->pipe[side].from_peer = e->peer[!side];
        e->pipe[side].last = n->now;
    }
    drain(n, e->l.a, NULL);
    drain(n, e->l.b, NULL);
}

size_t network_link(struct network *n, size_t a, size_t b, usec_t delay)
{
    struct edge *e = must(calloc(1, sizeof(*e)));
    n->edges = must(reallocarray(n->edges, n->edges_len + 1, sizeof(struct edge *)));
    n->edges[n->edges_len] = e;
    for (int side = 0; side < 2; side++) {
        struct node *x = &n->nodes[side ? b : a];
        x->edges = must(reallocarray(x->edges, x->edges_len + 1, sizeof(struct edge *)));
        x->edges[x->edges_len++] = e;
    }
    e->l = (struct network_link){.a = a, .b = b, .delay = delay};
    for (int side = 0; side < 2; side++) {
        list_init(&e->pipe[side].frames);
        e->pipe[side].link = n->edges_len;
    }
    n->edges_len++;
    open_link(n, e);
    return n->edges_len - 1;
}

struct network_link *network_link_at(struct network *n, size_t link)
{
    return &n->edges[link]->l;
}

size_t network_links(const struct network *n)
{
    return n->edges_len;
}

void network_cut(struct network *n, size_t link)
{
    if (n->edges[link]->l.up)
        close_link(n, n->edges[link]);
}

void network_restore(struct network *n, size_t link)
{
    if (!n->edges[link]->l.up)
        open_link(n, n->edges[link]);
}

void network_silence(struct network *n, size_t link)
{
    n->edges[link]->l.silent = true;
    pipe_clear(n, &n->edges[link]->pipe[0]);
    pipe_clear(n, &n->edges[link]->pipe[1]);
}

/* --- time ---------------------------------------------------------------------------------------
 */

static void pipe_event(struct network *n, struct pipe *p)
{
    struct frame *f = list_first(&p->frames, struct frame, node);
    list_del(&f->node);
    const struct frame *next = list_first(&p->frames, struct frame, node);
    if (heap_set(&n->heap, &p->due, next ? next->arrives : USEC_NEVER) < 0)
        die("out of memory");
    size_t to = p->to;
    router_recv(n->nodes[to].r, p->from_peer, wire_rd_of(f->pkt->data, f->pkt->len), n->now);
    drain(n, to, f->pkt);
    pkt_free(f->pkt);
    free(f);
}

static bool is_node(const struct network *n, const struct heap_node *h, size_t *ret)
{
    uintptr_t at = (uintptr_t)h, first = (uintptr_t)n->nodes;
    if (at < first || at >= first + n->nodes_len * sizeof(*n->nodes))
        return false;
    *ret = (at - first) / sizeof(*n->nodes);
    return true;
}

void network_run(struct network *n, usec_t by)
{
    usec_t end = n->now + by;
    struct heap_node *h;
    while ((h = heap_due(&n->heap, end)) != NULL) {
        size_t node;
        n->now = MAX(n->now, h->when);
        if (is_node(n, h, &node)) {
            router_tick(n->nodes[node].r, n->now);
            drain(n, node, NULL);
        } else {
            pipe_event(n, container_of(h, struct pipe, due));
        }
    }
    n->now = end;
}

/* --- traffic and checks --------------------------------------------------------------------------
 */

int network_send(struct network *n, size_t from, size_t to)
{
    struct node *x = &n->nodes[from];
    struct pkt *p = must(pkt_copy("message", 7));
    int rc = router_send(x->r, &x->address, &n->nodes[to].address, USER_MESSAGE, 64, p, n->now);
    drain(n, from, NULL);
    return rc;
}

uint64_t network_delivered(const struct network *n)
{
    return n->delivered;
}

uint64_t network_unsent(const struct network *n)
{
    return n->unsent;
}

static size_t next_node(struct network *n, size_t at, const struct ip6 *dst)
{
    int side;
    peer_id hop = router_next_hop(n->nodes[at].r, dst);
    const struct edge *e = hop ? edge_of(n, at, hop, &side) : NULL;
    return e && !e->l.silent ? e->pipe[side].to : n->nodes_len;
}

int network_path(struct network *n, size_t from, size_t to)
{
    size_t at = from;
    for (int hops = 0; hops < HOPS_MAX; hops++) {
        if (at == to)
            return hops;
        at = next_node(n, at, &n->nodes[to].address);
        if (at == n->nodes_len)
            return -1;
        if (at == from) {
            char a[8], b[8];
            (void)fprintf(stderr, "%.6f: the way from %s to %s comes back\n%s",
                          (double)network_now(n) / (double)USEC_SEC, network_name(from, a),
                          network_name(to, b), network_trace_text(n));
            die("forwarding loop");
        }
    }
    die("forwarding loop elsewhere on the way");
    return -1;
}

int network_hops(struct network *n, size_t from, size_t to)
{
    int *dist = must(malloc(n->nodes_len * sizeof(*dist)));
    size_t *queue = must(malloc(n->nodes_len * sizeof(*queue)));
    size_t head = 0, tail = 0;
    for (size_t i = 0; i < n->nodes_len; i++)
        dist[i] = -1;
    dist[from] = 0;
    queue[tail++] = from;
    while (head < tail) {
        size_t at = queue[head++];
        for (size_t i = 0; i < n->edges_len; i++) {
            const struct network_link *l = &n->edges[i]->l;
            if (!l->up || l->silent || (l->a != at && l->b != at))
                continue;
            size_t next = l->a == at ? l->b : l->a;
            if (dist[next] < 0) {
                dist[next] = dist[at] + 1;
                queue[tail++] = next;
            }
        }
    }
    int hops = dist[to];
    free(dist);
    free(queue);
    return hops;
}

bool network_connected(struct network *n, size_t from, size_t to)
{
    return network_hops(n, from, to) >= 0;
}

const struct network_counts *network_counts(const struct network *n)
{
    return &n->counts;
}

void network_counts_reset(struct network *n)
{
    n->counts = (struct network_counts){0};
}
