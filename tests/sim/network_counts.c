/* What was said in the simulated network: counts by type, the hash of a run, and the trace. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "network_core.h"

void network_trace(struct network *n, bool on)
{
    n->tracing = on;
}

void network_trace_to(struct network *n, FILE *f)
{
    n->tracing = true;
    n->trace_file = f;
}

const char *network_trace_text(struct network *n)
{
    return trace_text(&n->trace);
}

void network_trace_reset(struct network *n)
{
    trace_reset(&n->trace);
}

static void write_out(struct network *n)
{
    if (!n->trace_file)
        return;
    (void)fputs(trace_text(&n->trace), n->trace_file);
    trace_reset(&n->trace);
}

void network_trace_note(struct network *n, const char *text)
{
    if (!n->tracing)
        return;
    trace_note(&n->trace, network_now(n), text);
    write_out(n);
}

const char *network_name(size_t node, char buf[static NETWORK_NAME_MAX])
{
    if (node < 26)
        (void)snprintf(buf, NETWORK_NAME_MAX, "%c", (char)('A' + node));
    else
        (void)snprintf(buf, NETWORK_NAME_MAX, "n%zu", node % 100000000);
    return buf;
}

static const char *address_name(const struct network *n, const struct ip6 *a,
                                char buf[static NETWORK_NAME_MAX])
{
    size_t i = network_node_of(n, a);
    return i < n->nodes_len ? network_name(i, buf) : "?";
}

static const char *origin_name(const struct network *n, const struct router_id *rid,
                               char buf[static NETWORK_NAME_MAX])
{
    struct pubkey key;
    memcpy(key.b, rid->b, sizeof(key.b));
    struct ip6 a = address_of_key(&key);
    return address_name(n, &a, buf);
}

static void add_to_trace(struct network *n, const struct pipe *p, const struct tlv *t)
{
    char f[NETWORK_NAME_MAX], o[NETWORK_NAME_MAX], s[NETWORK_NAME_MAX], r[NETWORK_NAME_MAX];
    struct trace_names names = {.from = network_name(p->from, f), .to = network_name(p->to, o)};
    if (t->type == TLV_UPDATE) {
        names.subnet = address_name(n, &t->update.subnet.net, s);
        names.origin = origin_name(n, &t->update.router_id, r);
    } else if (t->type == TLV_ROUTE_REQUEST) {
        names.subnet = address_name(n, &t->route_request.subnet.net, s);
    } else if (t->type == TLV_SEQNO_REQUEST) {
        names.subnet = address_name(n, &t->seqno_request.subnet.net, s);
        names.origin = origin_name(n, &t->seqno_request.router_id, r);
    }
    trace_tlv(&n->trace, network_now(n), &names, t);
    write_out(n);
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

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * 0x9e3779b97f4a7c15;
    return h ^ h >> 29;
}

static void add_to_hash(struct network *n, const struct pipe *p, const struct pkt *pkt)
{
    size_t len = pkt->data[1] == OUTER_DATA ? DATA_HEADER_BYTES : pkt->len;
    uint64_t h = mix(n->hash, (uint64_t)n->now), v;
    h = mix(h, (uint64_t)p->from << 32 | p->to);
    for (size_t at = 0; at < len; at += sizeof(v)) {
        v = 0;
        memcpy(&v, pkt->data + at, MIN(sizeof(v), len - at));
        h = mix(h, v);
    }
    n->hash = h;
}

/* --- one destination ------------------------------------------------------------------------- */

void network_watch(struct network *n, size_t from, size_t to)
{
    free(n->watch_reached);
    n->watch_reached = network_must(calloc(n->nodes_len, sizeof(*n->watch_reached)));
    n->watch_from = from;
    n->watch_to = to;
    n->watch_start = n->now;
    n->watched = (struct network_watched){.found = USEC_NEVER};
}

struct network_watched network_watch_end(struct network *n)
{
    free(n->watch_reached);
    n->watch_reached = NULL;
    n->watch_to = n->nodes_len;
    return n->watched;
}

void network_watch_reachable(struct network *n, size_t node, const struct router_out *o)
{
    if (n->watch_to == n->nodes_len || node != n->watch_from || !o->reachable ||
        !ip6_same_node(&o->dst, &n->nodes[n->watch_to].address))
        return;
    n->watched.found = MIN(n->watched.found, n->now - n->watch_start);
}

/* NULL: names none. */
static const struct subnet *subnet_of(const struct tlv *t)
{
    switch (t->type) {
    case TLV_UPDATE:
        return &t->update.subnet;
    case TLV_ROUTE_REQUEST:
        return &t->route_request.subnet;
    case TLV_SEQNO_REQUEST:
        return &t->seqno_request.subnet;
    case TLV_HELLO:
    case TLV_IHU:
    case TLV_PAD1:
    case TLV_PADN:
        return NULL;
    }
    return NULL;
}

static void watch(struct network *n, const struct pipe *p, const struct tlv *t, size_t bytes)
{
    struct network_watched *w = &n->watched;
    const struct subnet *s = subnet_of(t);
    if (!s || !ip6_same_node(&s->net, &n->nodes[n->watch_to].address))
        return;
    w->bytes += bytes;
    if (t->type == TLV_UPDATE && t->update.metric == METRIC_INFINITE)
        w->retractions++;
    else if (t->type == TLV_UPDATE)
        w->updates++;
    else if (t->type == TLV_SEQNO_REQUEST)
        w->seqno_requests++;
    else
        w->requests++;
    if (t->type == TLV_ROUTE_REQUEST && !n->watch_reached[p->to]) {
        n->watch_reached[p->to] = true;
        w->reached++;
    }
}

/* --- all ------------------------------------------------------------------------------------- */

/* The destination of an Update, when its way is to be followed. */
static size_t followed(const struct network *n, const struct tlv *t)
{
    if (n->loops != NETWORK_LOOPS_WATCH || t->type != TLV_UPDATE)
        return n->nodes_len;
    size_t dst = network_node_of(n, &t->update.subnet.net);
    return dst % n->loops_every == 0 ? dst : n->nodes_len;
}

void network_account(struct network *n, const struct pipe *p, const struct pkt *pkt,
                     size_t *ret_dst)
{
    struct tlv_iter it;
    struct tlv t;
    *ret_dst = n->nodes_len;
    n->counts.bytes += pkt->len;
    add_to_hash(n, p, pkt);
    if (pkt->data[1] == OUTER_DATA) {
        n->counts.data++;
        return;
    }
    n->counts.control_bytes += pkt->len;
    if (tlv_iter_init(&it, wire_rd_of(pkt->data, pkt->len)) < 0 || tlv_next(&it, &t) < 0)
        network_die("a node sent a packet that is none");
    count_tlv(n, &t);
    *ret_dst = followed(n, &t);
    if (n->watch_to != n->nodes_len)
        watch(n, p, &t, pkt->len);
    if (n->tracing)
        add_to_trace(n, p, &t);
}

const struct network_counts *network_counts(const struct network *n)
{
    return &n->counts;
}

void network_counts_reset(struct network *n)
{
    n->counts = (struct network_counts){0};
}

uint64_t network_hash(const struct network *n)
{
    return n->hash;
}
