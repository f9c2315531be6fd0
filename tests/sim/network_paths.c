/* Ways through the simulated network: the selected ones, the true shortest ones, and loops. */
#include <stdlib.h>

#include "base/err.h"
#include "network_core.h"

#define SUSPECTS_MAX 256 /* loops that are looked at again; more are only counted */

void network_loops(struct network *n, enum network_loops what)
{
    n->loops = what;
}

void network_loops_sample(struct network *n, size_t every)
{
    n->loops_every = MAX(every, (size_t)1);
}

/* --- selected ways ---------------------------------------------------------------------------- */

/* NULL: no next hop, or over a link that carries nothing. */
static struct pipe *next_pipe(const struct network *n, size_t at, const struct ip6 *dst)
{
    peer_id hop = network_node_next_hop(&n->nodes[at], dst);
    struct pipe *p = hop ? network_pipe(n, at, hop) : NULL;
    return p && !p->edge->l.silent ? p : NULL;
}

enum way_end { WAY_ARRIVES, WAY_ENDS, WAY_LOOPS };

struct way {
    enum way_end end;
    size_t hops;    /* to the end */
    size_t in_loop; /* a node of it */
};

/* Brent's search for a cycle: a mark moves on after 1, 2, 4, ... steps. */
static struct way follow(const struct network *n, size_t from, size_t to,
                         size_t links[NETWORK_HOPS_MAX])
{
    size_t at = from, mark = from, power = 1, since = 0;
    for (size_t hops = 0;; hops++) {
        if (at == to)
            return (struct way){.end = WAY_ARRIVES, .hops = hops};
        const struct pipe *p = next_pipe(n, at, &n->nodes[to].address);
        if (!p)
            return (struct way){.end = WAY_ENDS, .hops = hops};
        if (links && hops < NETWORK_HOPS_MAX)
            links[hops] = p->edge->number;
        at = p->to;
        if (at == mark || at == from)
            return (struct way){.end = WAY_LOOPS, .hops = hops, .in_loop = at};
        if (++since == power) {
            mark = at;
            power *= 2;
            since = 0;
        }
    }
}

/* How long a packet can live in a loop: until its hop limit is used up. */
static usec_t loop_life(const struct network *n, size_t in_loop, size_t dst)
{
    size_t at = in_loop, len = 0;
    usec_t once = 0;
    do {
        const struct pipe *p = next_pipe(n, at, &n->nodes[dst].address);
        once += p->edge->l.delay;
        at = p->to;
        len++;
    } while (at != in_loop);
    return once * NETWORK_HOPS_MAX / (usec_t)len + 1;
}

static void loop_fatal(struct network *n, size_t from, size_t to)
{
    char a[NETWORK_NAME_MAX], b[NETWORK_NAME_MAX];
    (void)fprintf(stderr, "%.6f: the way from %s to %s comes back\n%s",
                  (double)network_now(n) / (double)USEC_SEC, network_name(from, a),
                  network_name(to, b), network_trace_text(n));
    network_die("forwarding loop");
}

static void note(struct network *n, size_t node, size_t dst, const char *what)
{
    char a[NETWORK_NAME_MAX], b[NETWORK_NAME_MAX], text[80];
    (void)snprintf(text, sizeof(text), "%s on the way from %s to %s", what, network_name(node, a),
                   network_name(dst, b));
    network_trace_note(n, text);
}

static void loop_seen(struct network *n, size_t node, size_t dst, size_t in_loop)
{
    struct suspect *spare = NULL;
    size_t len = 0;
    if (n->loops == NETWORK_LOOPS_FATAL)
        loop_fatal(n, node, dst);
    for (struct suspect *s = n->suspects; s; s = s->next, len++) {
        if (!heap_has(&s->again.due))
            spare = s;
        else if (s->node == node && s->dst == dst)
            return; /* known */
    }
    n->counts.loops++;
    note(n, node, dst, "a loop");
    if (!spare && len >= SUSPECTS_MAX)
        return;
    if (!spare) {
        spare = network_must(calloc(1, sizeof(*spare)));
        spare->again.kind = EVENT_SUSPECT;
        spare->next = n->suspects;
        n->suspects = spare;
    }
    spare->node = node;
    spare->dst = dst;
    network_arm(n, &spare->again, n->now + loop_life(n, in_loop, dst));
}

void network_look_again(struct network *n, struct suspect *s)
{
    heap_del(&n->heap, &s->again.due);
    if (follow(n, s->node, s->dst, NULL).end != WAY_LOOPS)
        return;
    n->counts.loops_lasting++;
    note(n, s->node, s->dst, "a lasting loop");
}

int network_way(struct network *n, size_t from, size_t to, size_t links[static NETWORK_HOPS_MAX])
{
    struct way w = follow(n, from, to, links);
    if (w.end == WAY_LOOPS)
        loop_seen(n, from, to, w.in_loop);
    return w.end == WAY_ARRIVES && w.hops <= NETWORK_HOPS_MAX ? (int)w.hops : -1;
}

int network_path(struct network *n, size_t from, size_t to)
{
    size_t links[NETWORK_HOPS_MAX];
    return network_way(n, from, to, links);
}

void network_check_way(struct network *n, size_t node, size_t dst)
{
    if (node == dst)
        return;
    struct way w = follow(n, node, dst, NULL);
    if (w.end == WAY_LOOPS)
        loop_seen(n, node, dst, w.in_loop);
}

/* The paths from this node must not come back to it: its next hops are what has changed. An Update
 * can change that to its own destination only. */
void network_check_loops(struct network *n, size_t node, const struct pkt *cause)
{
    struct tlv_iter it;
    struct tlv t;
    size_t first = 0, end = n->nodes_len;
    if (cause && cause->data[1] == OUTER_CONTROL &&
        tlv_iter_init(&it, wire_rd_of(cause->data, cause->len)) == OK && tlv_next(&it, &t) == OK &&
        t.type == TLV_UPDATE) {
        first = network_node_of(n, &t.update.subnet.net);
        end = MIN(first + 1, n->nodes_len);
    } else if (cause) {
        return; /* nothing else that is received moves a route; IHUs act with the next tick */
    }
    for (size_t dst = first; dst < end; dst++)
        network_check_way(n, node, dst);
}

/* Each node is coloured with the walk that reached it first: a walk that meets its own colour has
 * found a loop. */
void network_check_graph(struct network *n, size_t to)
{
    uint32_t *colour = network_must(calloc(n->nodes_len, sizeof(*colour)));
    for (size_t start = 0; start < n->nodes_len; start++) {
        uint32_t own = (uint32_t)start + 1;
        size_t at = start;
        while (at != to && colour[at] == 0) {
            colour[at] = own;
            const struct pipe *p = next_pipe(n, at, &n->nodes[to].address);
            if (!p)
                break;
            at = p->to;
            if (at != to && colour[at] == own) {
                loop_seen(n, at, to, at);
                break;
            }
        }
    }
    free(colour);
}

size_t network_routes_to(struct network *n, size_t to)
{
    size_t with = 0;
    for (size_t i = 0; i < n->nodes_len; i++)
        with += i != to && network_node_next_hop(&n->nodes[i], &n->nodes[to].address) != 0;
    return with;
}

/* --- true ways -------------------------------------------------------------------------------- */

static bool usable(const struct edge *e)
{
    return e->l.up && !e->l.silent;
}

static size_t other_end(const struct edge *e, size_t node)
{
    return e->l.a == node ? e->l.b : e->l.a;
}

void network_hops_from(struct network *n, size_t from, int *ret)
{
    size_t *queue = network_must(malloc(n->nodes_len * sizeof(*queue)));
    size_t head = 0, tail = 0;
    for (size_t i = 0; i < n->nodes_len; i++)
        ret[i] = -1;
    ret[from] = 0;
    queue[tail++] = from;
    while (head < tail) {
        size_t at = queue[head++];
        for (size_t i = 0; i < n->nodes[at].edges_len; i++) {
            const struct edge *e = n->nodes[at].edges[i];
            size_t next = other_end(e, at);
            if (!usable(e) || ret[next] >= 0)
                continue;
            ret[next] = ret[at] + 1;
            queue[tail++] = next;
        }
    }
    free(queue);
}

int network_hops(struct network *n, size_t from, size_t to)
{
    int *dist = network_must(malloc(n->nodes_len * sizeof(*dist)));
    network_hops_from(n, from, dist);
    int hops = dist[to];
    free(dist);
    return hops;
}

bool network_connected(struct network *n, size_t from, size_t to)
{
    return network_hops(n, from, to) >= 0;
}

uint32_t network_link_cost(const struct network_link *l)
{
    return (uint32_t)(2 * l->delay / USEC_MS) + NETWORK_STATIC_COST;
}

void network_costs_from(struct network *n, size_t from, uint32_t *ret)
{
    struct heap heap;
    struct heap_node *at = network_must(calloc(n->nodes_len, sizeof(*at))), *h;
    heap_init(&heap);
    for (size_t i = 0; i < n->nodes_len; i++)
        ret[i] = UINT32_MAX;
    ret[from] = 0;
    if (heap_set(&heap, &at[from], 0) < 0)
        network_die("out of memory");
    while ((h = heap_due(&heap, USEC_NEVER)) != NULL) {
        size_t node = (size_t)(h - at);
        heap_del(&heap, h);
        for (size_t i = 0; i < n->nodes[node].edges_len; i++) {
            const struct edge *e = n->nodes[node].edges[i];
            size_t next = other_end(e, node);
            uint32_t cost = ret[node] + network_link_cost(&e->l);
            if (!usable(e) || cost >= ret[next])
                continue;
            ret[next] = cost;
            if (heap_set(&heap, &at[next], (usec_t)cost) < 0)
                network_die("out of memory");
        }
    }
    heap_fini(&heap);
    free(at);
}
