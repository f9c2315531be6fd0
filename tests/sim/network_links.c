/* Links of the simulated network: pipes, what is under way in them, coming and going. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "network_core.h"

#define RETRANSMIT (200 * USEC_MS)
#define BLOCK_LEN  1024

struct pipe *network_pipe(const struct network *n, size_t from, peer_id peer)
{
    const struct node *x = &n->nodes[from];
    return peer < x->by_peer_len ? x->by_peer[peer] : NULL;
}

/* A router numbers its neighbours from 1 on. */
static void peer_index(struct network *n, struct pipe *p)
{
    struct node *x = &n->nodes[p->from];
    if (p->peer >= x->by_peer_cap) {
        x->by_peer_cap = MAX(x->by_peer_cap * 2, (size_t)p->peer + 4);
        /* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers is meant */
        x->by_peer = network_must(reallocarray(x->by_peer, x->by_peer_cap, sizeof(*x->by_peer)));
    }
    while (x->by_peer_len <= p->peer)
        x->by_peer[x->by_peer_len++] = NULL;
    x->by_peer[p->peer] = p;
}

/* --- frames ----------------------------------------------------------------------------------- */

/* Frames are made in blocks and used again, so that the packet is the only allocation of a packet.
 */
struct frame_block {
    struct frame_block *next;
    struct frame frames[BLOCK_LEN];
};

static struct frame *frame_take(struct network *n)
{
    if (!n->spare_frames) {
        struct frame_block *b = network_must(malloc(sizeof(*b)));
        b->next = n->frame_blocks;
        n->frame_blocks = b;
        for (size_t i = 0; i < BLOCK_LEN; i++)
            b->frames[i].next = i + 1 < BLOCK_LEN ? &b->frames[i + 1] : NULL;
        n->spare_frames = b->frames;
    }
    struct frame *f = n->spare_frames;
    n->spare_frames = f->next;
    return f;
}

static void frame_free(struct network *n, struct frame *f)
{
    pkt_free(f->pkt);
    f->next = n->spare_frames;
    n->spare_frames = f;
}

/* --- pipes ------------------------------------------------------------------------------------ */

static void pipe_clear(struct network *n, struct pipe *p)
{
    while (p->first) {
        struct frame *f = p->first;
        p->first = f->next;
        frame_free(n, f);
    }
    p->tail = &p->first;
    heap_del(&n->heap, &p->arrival.due);
}

/* When the last byte of a packet has left; USEC_NEVER: too much waits already. */
static usec_t departure(struct network *n, struct pipe *p, const struct pkt *pkt)
{
    uint64_t rate = p->edge->l.bytes_per_sec;
    if (rate == 0)
        return n->now;
    usec_t start = MAX(n->now, p->idle_at);
    if (pkt->data[1] == OUTER_DATA && start - n->now > NETWORK_BACKLOG_MAX)
        return USEC_NEVER;
    p->idle_at = start + (usec_t)(((uint64_t)pkt->len * (uint64_t)USEC_SEC + rate - 1) / rate);
    return p->idle_at;
}

void network_transmit(struct network *n, struct pipe *p, struct pkt *pkt)
{
    const struct network_link *l = &p->edge->l;
    usec_t leaves = departure(n, p, pkt);
    if (leaves == USEC_NEVER) {
        n->counts.backlog_dropped++;
        pkt_free(pkt);
        return;
    }
    struct frame *f = frame_take(n);
    f->pkt = pkt;
    f->arrives = leaves + l->delay;
    if (l->loss_permille && rng_below(&n->rng, 1000) < l->loss_permille)
        f->arrives += RETRANSMIT;
    f->arrives = MAX(f->arrives, p->last);
    p->last = f->arrives;
    f->next = NULL;
    *p->tail = f;
    p->tail = &f->next;
    if (p->first == f && !l->silent)
        network_arm(n, &p->arrival, f->arrives);
}

/* A data packet that is not for the node itself. */
static bool swallowed(const struct network *n, size_t node, const struct pkt *pkt)
{
    struct data_header h;
    struct wire_rd body;
    return n->nodes[node].swallows && pkt->data[1] == OUTER_DATA &&
           data_decode(wire_rd_of(pkt->data, pkt->len), &h, &body) == OK &&
           !ip6_same_node(&h.dst, &n->nodes[node].address);
}

void network_inject(struct network *n, size_t link, size_t from, struct pkt *p)
{
    struct edge *e = n->edges[link];
    if (e->l.up)
        network_transmit(n, &e->pipe[e->l.a == from ? 0 : 1], p);
    else
        pkt_free(p);
}

void network_arrive(struct network *n, struct pipe *p)
{
    struct frame *f = p->first;
    size_t to = p->to;
    p->first = f->next;
    if (!p->first)
        p->tail = &p->first;
    network_arm(n, &p->arrival, p->first ? p->first->arrives : USEC_NEVER);
    if (!swallowed(n, to, f->pkt)) {
        network_node_recv(n, &n->nodes[to], p->from_peer, wire_rd_of(f->pkt->data, f->pkt->len));
        network_drain(n, to, f->pkt);
    }
    frame_free(n, f);
}

/* --- coming and going ------------------------------------------------------------------------- */

void network_close(struct network *n, struct edge *e)
{
    if (!e->l.up)
        return;
    e->l.up = false;
    for (int side = 0; side < 2; side++) {
        pipe_clear(n, &e->pipe[side]);
        n->nodes[e->pipe[side].from].by_peer[e->pipe[side].peer] = NULL;
        network_node_peer_down(n, &n->nodes[e->pipe[side].from], e->pipe[side].peer);
    }
    network_drain(n, e->l.a, NULL);
    network_drain(n, e->l.b, NULL);
}

static void open_pipe(struct network *n, struct pipe *p)
{
    struct router_link link = {.static_cost = NETWORK_STATIC_COST};
    char from[NETWORK_NAME_MAX], to[NETWORK_NAME_MAX];
    (void)snprintf(link.name, sizeof(link.name), "sim %s-%s", network_name(p->from, from),
                   network_name(p->to, to));
    p->peer = network_node_peer_up(n, &n->nodes[p->from], &link);
    peer_index(n, p);
    p->last = n->now;
    p->idle_at = n->now;
}

void network_restore(struct network *n, size_t link)
{
    struct edge *e = n->edges[link];
    if (e->l.up || !network_node_lives(&n->nodes[e->l.a]) || !network_node_lives(&n->nodes[e->l.b]))
        return;
    e->l.up = true;
    e->l.silent = false;
    e->died = false;
    for (int side = 0; side < 2; side++)
        open_pipe(n, &e->pipe[side]);
    for (int side = 0; side < 2; side++)
        e->pipe[side].from_peer = e->pipe[!side].peer;
    network_drain(n, e->l.a, NULL);
    network_drain(n, e->l.b, NULL);
}

static void edge_push(struct edge ***v, size_t *len, size_t *cap, struct edge *e)
{
    if (*len == *cap) {
        *cap = *cap ? *cap * 2 : 4;
        /* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers is meant */
        *v = network_must(reallocarray(*v, *cap, sizeof(**v)));
    }
    (*v)[(*len)++] = e;
}

size_t network_link_add(struct network *n, size_t a, size_t b, usec_t delay)
{
    struct edge *e = network_must(calloc(1, sizeof(*e)));
    size_t ends[2] = {a, b};
    e->number = n->edges_len;
    e->l = (struct network_link){.a = a, .b = b, .delay = delay};
    for (int side = 0; side < 2; side++) {
        struct node *x = &n->nodes[ends[side]];
        struct pipe *p = &e->pipe[side];
        p->arrival.kind = EVENT_PIPE;
        p->tail = &p->first;
        p->edge = e;
        p->from = ends[side];
        p->to = ends[!side];
        edge_push(&x->edges, &x->edges_len, &x->edges_cap, e);
    }
    edge_push(&n->edges, &n->edges_len, &n->edges_cap, e);
    return e->number;
}

size_t network_link(struct network *n, size_t a, size_t b, usec_t delay)
{
    size_t link = network_link_add(n, a, b, delay);
    network_restore(n, link);
    return link;
}

struct network_link *network_link_at(struct network *n, size_t link)
{
    return &n->edges[link]->l;
}

size_t network_links(const struct network *n)
{
    return n->edges_len;
}

size_t network_degree(const struct network *n, size_t node)
{
    return n->nodes[node].edges_len;
}

void network_cut(struct network *n, size_t link)
{
    network_close(n, n->edges[link]);
}

void network_silence(struct network *n, size_t link)
{
    struct edge *e = n->edges[link];
    e->l.silent = true;
    for (int side = 0; side < 2; side++)
        heap_del(&n->heap, &e->pipe[side].arrival.due);
}

void network_resume(struct network *n, size_t link)
{
    struct edge *e = n->edges[link];
    e->l.silent = false;
    for (int side = 0; side < 2; side++) {
        struct pipe *p = &e->pipe[side];
        for (struct frame *f = p->first; f; f = f->next)
            p->last = f->arrives = MAX(f->arrives, n->now + e->l.delay);
        if (p->first)
            network_arm(n, &p->arrival, p->first->arrives);
    }
}

void network_links_free(struct network *n)
{
    for (size_t i = 0; i < n->edges_len; i++) {
        pipe_clear(n, &n->edges[i]->pipe[0]);
        pipe_clear(n, &n->edges[i]->pipe[1]);
        free(n->edges[i]);
    }
    free(n->edges);
    while (n->frame_blocks) {
        struct frame_block *b = n->frame_blocks;
        n->frame_blocks = b->next;
        free(b);
    }
}
