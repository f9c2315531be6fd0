/* A script of events for one router: links that come and go, packets as bytes or made of few values
 * so that they meet, time that passes. Whatever comes in, what goes out is what every node of the
 * network understands, and the tables stay within their limits. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "router/packet.h"
#include "router/router.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PEERS 6
#define IDS   6

struct script {
    struct wire_rd rd;
    struct router *r;
    usec_t now;
    peer_id peers[PEERS];
    struct ip6 own;
    uint32_t routes_max;
};

/* Real keys so that their prefixes pass the filters; the last one is of low order. */
static struct router_id ids[IDS];
static struct ip6 addresses[IDS];
static struct identity *self;

static void make_ids(void)
{
    if (self)
        return;
    for (uint8_t i = 0; i < IDS; i++) {
        struct identity *id;
        struct pubkey key = {{0}};
        uint8_t secret[KEY_BYTES] = {i, 42};
        if (i < IDS - 1) {
            if (identity_new(secret, &id) < 0)
                abort();
            key = *identity_pubkey(id);
            if (i == 0)
                self = id;
            else
                identity_free(id);
        }
        memcpy(ids[i].b, key.b, KEY_BYTES);
        addresses[i] = address_of_key(&key);
    }
}

/* docs/protocol/packets.md, "Control packets". */
static void check_prefix(const struct subnet *s)
{
    assert(s->plen >= 64 && s->plen <= 128 && ip6_in_overlay(&s->net));
}

static void check_frame(const struct pkt *p)
{
    struct tlv_iter it;
    struct tlv t, more;
    struct data_header h;
    struct wire_rd body;
    assert(p->len >= OUTER_BYTES && p->data[0] == OUTER_VERSION);
    assert(p->data[2] == 0 && p->data[3] == 0);
    if (p->data[1] == OUTER_DATA) {
        assert(data_decode(wire_rd_of(p->data, p->len), &h, &body) == OK);
        assert(p->data[4] == 0 && h.hop_limit >= 1);
        return;
    }
    assert(tlv_iter_init(&it, wire_rd_of(p->data, p->len)) == OK);
    assert(tlv_next(&it, &t) == OK);
    assert(p->len == BABEL_HEADER_BYTES + 2 + (size_t)p->data[BABEL_HEADER_BYTES + 1]);
    assert(tlv_next(&it, &more) == ERR_NOENT);
    if (t.type == TLV_UPDATE) {
        check_prefix(&t.update.subnet);
        assert(t.update.interval_cs == 30000);
    } else if (t.type == TLV_ROUTE_REQUEST) {
        check_prefix(&t.route_request.subnet);
        assert(!t.route_request.wildcard && t.route_request.subnet.plen == 64);
        assert(t.route_request.generation < 16);
    } else if (t.type == TLV_SEQNO_REQUEST) {
        check_prefix(&t.seqno_request.subnet);
        assert(t.seqno_request.hop_count > 0);
    }
}

static void drain(struct script *s)
{
    struct router_out o;
    while (router_next(s->r, &o)) {
        if (o.kind == ROUTER_OUT_FRAME)
            check_frame(o.pkt);
        pkt_free(o.pkt);
    }
}

static struct subnet any_subnet(struct script *s, size_t id)
{
    static const uint8_t plens[] = {64, 64, 64, 65, 66, 96, 127, 128};
    uint8_t plen = plens[wire_u8(&s->rd) % ARRAY_LEN(plens)];
    return (struct subnet){.net = ip6_mask(&addresses[id], plen), .plen = plen};
}

static struct tlv any_tlv(struct script *s)
{
    static const uint16_t metrics[] = {0, 1, 10, 20, 1000, 65534, METRIC_INFINITE, METRIC_INFINITE};
    static const uint16_t intervals[] = {0, 1, 47, 400, 30000, 65535};
    static const enum tlv_type types[] = {TLV_HELLO,        TLV_IHU,    TLV_UPDATE,
                                          TLV_UPDATE,       TLV_UPDATE, TLV_ROUTE_REQUEST,
                                          TLV_SEQNO_REQUEST};
    struct tlv t = {.type = types[wire_u8(&s->rd) % ARRAY_LEN(types)]};
    size_t id = wire_u8(&s->rd) % IDS;
    struct router_id rid = ids[id];
    if (wire_u8(&s->rd) % 4 == 0)
        rid = *router_self(s->r);
    else
        rid.b[ROUTER_ID_BYTES - 1] = wire_u8(&s->rd) % 16;
    if (t.type == TLV_UPDATE) {
        t.update.subnet = any_subnet(s, id);
        t.update.router_id = rid;
        t.update.metric = metrics[wire_u8(&s->rd) % ARRAY_LEN(metrics)];
        t.update.seqno = (uint16_t)(wire_u8(&s->rd) % 10 * (wire_u8(&s->rd) % 8 ? 1 : 3000));
        t.update.interval_cs = intervals[wire_u8(&s->rd) % ARRAY_LEN(intervals)];
    } else if (t.type == TLV_ROUTE_REQUEST) {
        t.route_request.subnet = any_subnet(s, id);
        t.route_request.generation = wire_u8(&s->rd);
        t.route_request.wildcard = wire_u8(&s->rd) % 8 == 0;
    } else if (t.type == TLV_SEQNO_REQUEST) {
        t.seqno_request.subnet = any_subnet(s, id);
        t.seqno_request.router_id = rid;
        t.seqno_request.seqno = wire_u8(&s->rd) % 8;
        t.seqno_request.hop_count = (uint8_t)(1 + wire_u8(&s->rd) % 64);
    }
    return t;
}

static void recv_bytes(struct script *s, peer_id from, const uint8_t *bytes, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1); /* exactly as long, for the sanitizer */
    if (!copy)
        abort();
    if (len > 0)
        memcpy(copy, bytes, len);
    router_recv(s->r, from, wire_rd_of(copy, len), s->now);
    free(copy);
}

static void recv_packet(struct script *s, peer_id from, struct pkt *p)
{
    if (!p)
        abort();
    recv_bytes(s, from, p->data, p->len);
    pkt_free(p);
}

static struct pkt *any_data(struct script *s)
{
    const struct ip6 *src = &addresses[wire_u8(&s->rd) % IDS];
    const struct ip6 *dst = &addresses[wire_u8(&s->rd) % IDS];
    struct pkt *p = pkt_new(wire_u8(&s->rd));
    if (!p)
        abort();
    memset(p->data, 1, p->len);
    data_encode(p, wire_u8(&s->rd) % 4, src, dst);
    return p;
}

static void pass_time(struct script *s)
{
    static const usec_t steps[] = {0,
                                   1,
                                   USEC_MS,
                                   100 * USEC_MS,
                                   USEC_SEC,
                                   5 * USEC_SEC,
                                   20 * USEC_SEC,
                                   100 * USEC_SEC,
                                   2000 * USEC_SEC};
    s->now += steps[wire_u8(&s->rd) % ARRAY_LEN(steps)];
    for (int i = 0; i < 10000 && router_deadline(s->r) <= s->now; i++) {
        router_tick(s->r, s->now);
        drain(s);
    }
    assert(router_deadline(s->r) > s->now);
}

static void no_route(void *ctx, const struct route_info *i)
{
    (void)ctx;
    check_prefix(&i->subnet);
    assert(i->next_hop[0] == 'n');
}

static void contact(void *ctx, const struct contact_info *i)
{
    unsigned *left = ctx;
    assert(*left > 0 && ip6_in_overlay(&i->node));
    (*left)--;
}

static void look(const struct script *s)
{
    struct router_stats st;
    struct pubkey key;
    router_stats(s->r, &st);
    assert(st.routes <= s->routes_max && st.sources <= s->routes_max);
    assert(st.queries <= 4 && st.peers <= PEERS);
    router_each_selected(s->r, no_route, NULL);
    router_each_fallback(s->r, no_route, NULL);
    unsigned most = 3;
    router_each_contact(s->r, most, contact, &most);
    for (size_t i = 0; i < IDS; i++) {
        bool way = router_next_hop(s->r, &addresses[i]) != 0;
        assert(!way || router_reachable(s->r, &addresses[i]));
        assert(!way || router_pubkey(s->r, &addresses[i], &key) == OK);
    }
}

static void event(struct script *s)
{
    uint8_t op = wire_u8(&s->rd), who = wire_u8(&s->rd) % PEERS, n;
    struct router_link link = {.static_cost = 10, .name = "n"};
    const struct ip6 *dst = &addresses[op % IDS];
    struct tlv t;
    switch (op % 15) {
    case 0:
        if (!s->peers[who] && router_peer_up(s->r, &link, s->now, &s->peers[who]) < 0)
            abort();
        return;
    case 1:
        router_peer_down(s->r, s->peers[who], s->now);
        s->peers[who] = 0;
        return;
    case 2:
        pass_time(s);
        return;
    case 3:
        (void)router_send(s->r, &s->own, dst, USER_MESSAGE, 64, pkt_new(who), s->now);
        return;
    case 4:
        n = wire_u8(&s->rd);
        n = (uint8_t)MIN(n, wire_left(&s->rd));
        recv_bytes(s, s->peers[who], wire_take(&s->rd, n), n);
        return;
    case 5:
        recv_packet(s, s->peers[who], any_data(s));
        return;
    case 6:
        router_want(s->r, dst, s->now);
        return;
    case 7:
        look(s);
        return;
    case 8:
        router_doubt(s->r, dst, s->now);
        return;
    case 9:
        router_want_via(s->r, dst, &addresses[who % IDS], s->now);
        return;
    case 10:
        router_peer_full(s->r, s->peers[who], s->now);
        return;
    case 11:
        router_peer_ready(s->r, s->peers[who], s->now);
        return;
    default:
        t = any_tlv(s);
        recv_packet(s, s->peers[who], tlv_encode(&t));
        return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rng rng;
    struct script s = {.rd = wire_rd_of(data, size), .now = 1000 * USEC_SEC};
    make_ids();
    rng_init_seeded(&rng, 7);
    struct router_conf c = {.identity = self, .rng = &rng};
    router_limits_default(&c.limits);
    /* Tables that are full soon, or never. */
    s.routes_max = wire_u8(&s.rd) % 2 ? 64 : 3;
    c.limits.routes = c.limits.sources = s.routes_max;
    c.limits.new_subnets_per_sec = 2;
    c.limits.queries = 4;
    c.limits.stats_addresses = 8;
    if (router_new(&c, s.now, &s.r) < 0)
        abort();
    s.own = router_address(s.r);
    while (wire_left(&s.rd) > 0) {
        event(&s);
        drain(&s);
    }
    look(&s);
    router_free(s.r);
    return 0;
}
