/* The plain node's links, timers and packets. */
#include "plain.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "plain_core.h"
#include "router/constants.h"

#define CHECK_EVERY  (10 * USEC_SEC) /* for dead peers */
#define ALMOST_ENDED (15 * USEC_SEC) /* a route with less to live is asked for again */
#define HOPS         64

static void *must(void *p)
{
    if (!p) {
        (void)fprintf(stderr, "plain node: out of memory\n");
        abort();
    }
    return p;
}

struct plain *plain_new(const struct identity *id, struct rng *rng, usec_t now)
{
    struct plain *p = must(calloc(1, sizeof(*p)));
    p->id = id;
    p->address = identity_address(id);
    p->own = subnet_of_node(&p->address);
    memcpy(p->self.b, identity_pubkey(id)->b, KEY_BYTES);
    rng_bytes(rng, p->self.b + KEY_BYTES + 2, ROUTER_ID_BYTES - KEY_BYTES - 2);
    if (sealer_new(id, rng, 0, &p->sealer) < 0)
        must(NULL);
    p->bumped_at = now;
    p->hello_at = now + HELLO_EVERY;
    p->own_at = now + OWN_ANNOUNCE_EVERY;
    p->check_at = now + CHECK_EVERY;
    p->sweep_at = now + SEQNO_ENTRY_LIFE;
    return p;
}

void plain_free(struct plain *p)
{
    struct router_out o;
    if (!p)
        return;
    while (plain_next(p, &o))
        pkt_free(o.pkt);
    for (size_t i = 0; i < p->parked_len; i++)
        pkt_free(p->parked[i].pkt);
    sealer_free(p->sealer);
    free(p->out);
    free(p);
}

/* --- outputs --------------------------------------------------------------------------------- */

static void output(struct plain *p, const struct router_out *o)
{
    if (p->out_head == p->out_len)
        p->out_head = p->out_len = 0;
    if (p->out_len == p->out_cap) {
        p->out_cap = p->out_cap ? p->out_cap * 2 : 16;
        p->out = must(reallocarray(p->out, p->out_cap, sizeof(*p->out)));
    }
    p->out[p->out_len++] = *o;
}

bool plain_next(struct plain *p, struct router_out *ret)
{
    if (p->out_head == p->out_len)
        return false;
    *ret = p->out[p->out_head++];
    return true;
}

static void frame(struct plain *p, peer_id to, struct pkt *pkt, bool control)
{
    struct router_out o = {.kind = ROUTER_OUT_FRAME, .peer = to, .control = control, .pkt = pkt};
    output(p, &o);
}

void plain_control(struct plain *p, peer_id to, const struct tlv *t)
{
    frame(p, to, must(tlv_encode(t)), true);
}

/* --- links ----------------------------------------------------------------------------------- */

struct plain_peer *plain_peer(struct plain *p, peer_id id)
{
    for (size_t i = 0; id && i < PEERS_MAX; i++)
        if (p->peers[i].id == id)
            return &p->peers[i];
    return NULL;
}

uint16_t plain_cost(const struct plain_peer *x)
{
    return (uint16_t)(x->smoothed + x->static_cost);
}

peer_id plain_peer_up(struct plain *p, uint16_t static_cost, usec_t now)
{
    struct plain_peer *x = p->peers;
    while (x->id)
        x++;
    assert(x < p->peers + PEERS_MAX);
    *x = (struct plain_peer){.id = ++p->last_peer,
                             .static_cost = static_cost,
                             .smoothed = LINK_COST_INITIAL,
                             .hello_sent = now,
                             .ihu_received = now};
    plain_announce_own(p, x->id, now);
    plain_query_tell(p, x->id);
    return x->id;
}

/* The places of peers are used again: their bits in what was asked go. */
void plain_peer_down(struct plain *p, peer_id peer, usec_t now)
{
    struct plain_peer *x = plain_peer(p, peer);
    if (!x)
        return;
    uint32_t mine = UINT32_C(1) << (x - p->peers);
    for (size_t i = 0; i < p->asked_len; i++) {
        p->asked[i].requesters &= ~mine;
        p->asked[i].targets &= ~mine;
    }
    *x = (struct plain_peer){0};
    plain_peer_lost(p, peer, now);
}

static void check_peers(struct plain *p, usec_t now)
{
    for (size_t i = 0; i < PEERS_MAX; i++) {
        peer_id id = p->peers[i].id;
        if (!id || now - p->peers[i].ihu_received <= PEER_SILENT_MAX)
            continue;
        struct router_out o = {.kind = ROUTER_OUT_CLOSE, .peer = id};
        output(p, &o);
        plain_peer_down(p, id, now);
    }
}

static void say_hello(struct plain *p, usec_t now)
{
    for (size_t i = 0; i < PEERS_MAX; i++) {
        struct plain_peer *x = &p->peers[i];
        struct tlv t = {.type = TLV_HELLO,
                        .hello = {.flags = HELLO_FLAG_UNICAST,
                                  .seqno = x->hello_seqno,
                                  .interval_cs = HELLO_INTERVAL_CS}};
        if (!x->id)
            continue;
        x->hello_seqno++;
        x->hello_sent = now;
        plain_control(p, x->id, &t);
    }
}

/* --- time ------------------------------------------------------------------------------------ */

void plain_tick(struct plain *p, usec_t now)
{
    if (now >= p->hello_at) {
        p->hello_at += HELLO_EVERY;
        say_hello(p, now);
    }
    if (now >= p->own_at) {
        p->own_at += OWN_ANNOUNCE_EVERY;
        plain_announce_own(p, 0, now);
    }
    if (now >= p->check_at) {
        p->check_at += CHECK_EVERY;
        check_peers(p, now);
    }
    plain_routes_tick(p, now);
}

usec_t plain_deadline(const struct plain *p)
{
    usec_t when = MIN(MIN(p->hello_at, p->own_at), p->check_at);
    return MIN(when, plain_routes_deadline(p));
}

/* --- packets --------------------------------------------------------------------------------- */

/* Takes pkt. */
static void park(struct plain *p, enum plain_wait kind, const struct ip6 *net,
                 const struct ip6 *src, struct pkt *pkt)
{
    if (p->parked_len == PARKED_MAX) {
        pkt_free(pkt);
        return;
    }
    p->parked[p->parked_len++] = (struct plain_parked){
        .kind = kind, .net = subnet_of_node(net).net, .src = *src, .pkt = pkt};
}

/* A packet whose destination is known, sealed and with its header; takes pkt. */
static void pass(struct plain *p, struct plain_dest *d, struct pkt *pkt, usec_t now)
{
    const struct plain_route *rt = plain_selected(d);
    if (rt->expires - now < ALMOST_ENDED)
        plain_search(p, d, now);
    frame(p, rt->peer, pkt, false);
}

static void go_own(struct plain *p, struct plain_dest *d, const struct ip6 *dst, struct pkt *pkt,
                   usec_t now)
{
    if (seal_pkt(p->sealer, &d->key, pkt) < 0) {
        pkt_free(pkt);
        return;
    }
    data_encode(pkt, HOPS, &p->address, dst);
    pass(p, d, pkt, now);
}

static void unseal(struct plain *p, const struct plain_dest *d, const struct ip6 *src,
                   struct pkt *pkt)
{
    if (unseal_pkt(p->sealer, &d->key, pkt) < 0) {
        pkt_free(pkt);
        return;
    }
    struct router_out o = {.kind = ROUTER_OUT_LOCAL,
                           .pkt = pkt,
                           .user_type = pkt->data[1],
                           .hop_limit = HOPS,
                           .src = *src,
                           .dst = p->address,
                           .src_key = d->key};
    pkt_pull(pkt, USER_HEADER_BYTES);
    output(p, &o);
}

void plain_parked_go(struct plain *p, const struct plain_dest *found, usec_t now)
{
    struct plain_dest *d = plain_dest(p, &found->net, false);
    size_t len = p->parked_len, kept = 0;
    for (size_t i = 0; i < len; i++) {
        struct plain_parked w = p->parked[i];
        if (!ip6_eq(&w.net, &d->net))
            p->parked[kept++] = w;
        else if (w.kind == WAIT_OWN)
            go_own(p, d, &w.src, w.pkt, now);
        else if (w.kind == WAIT_PASSING)
            pass(p, d, w.pkt, now);
        else
            unseal(p, d, &w.src, w.pkt);
    }
    p->parked_len = kept;
}

void plain_parked_drop(struct plain *p, const struct plain_dest *d)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->parked_len; i++) {
        struct plain_parked w = p->parked[i];
        if (!ip6_eq(&w.net, &d->net) || w.kind == WAIT_KEY)
            p->parked[kept++] = w;
        else
            pkt_free(w.pkt);
    }
    p->parked_len = kept;
}

void plain_send(struct plain *p, const struct ip6 *dst, struct pkt *pkt, usec_t now)
{
    struct plain_dest *d = plain_dest(p, dst, true);
    uint8_t *head = must(pkt_push(pkt, USER_HEADER_BYTES));
    memcpy(head, (const uint8_t[]){1, USER_MESSAGE, 0, 0}, USER_HEADER_BYTES);
    if (plain_selected(d)) {
        go_own(p, d, dst, pkt, now);
        return;
    }
    park(p, WAIT_OWN, dst, dst, pkt);
    if (d->len > 0)
        plain_ask_newer(p, d, now);
    else if (!d->queried)
        plain_search(p, d, now);
}

static void for_us(struct plain *p, const struct ip6 *src, struct pkt *pkt, usec_t now)
{
    struct plain_dest *d = plain_dest(p, src, true);
    if (d->len > 0) {
        unseal(p, d, src, pkt);
        return;
    }
    park(p, WAIT_KEY, src, src, pkt);
    if (!d->queried)
        plain_search(p, d, now);
}

static void data_recv(struct plain *p, struct wire_rd bytes, usec_t now)
{
    struct data_header h;
    struct wire_rd body, whole = bytes;
    if (data_decode(bytes, &h, &body) < 0 || h.hop_limit < 2)
        return;
    if (ip6_same_node(&h.dst, &p->address)) {
        for_us(p, &h.src, must(pkt_copy(body.p, (size_t)(body.end - body.p))), now);
        return;
    }
    struct plain_dest *d = plain_dest(p, &h.dst, true);
    if (d->len > 0 && !d->selected)
        return;
    struct pkt *pkt = must(pkt_copy(whole.p, (size_t)(whole.end - whole.p)));
    struct ip6 src = h.src, dst = h.dst;
    pkt_pull(pkt, DATA_HEADER_BYTES);
    data_encode(pkt, (uint8_t)(h.hop_limit - 1), &src, &dst);
    if (d->selected) {
        pass(p, d, pkt, now);
        return;
    }
    park(p, WAIT_PASSING, &dst, &src, pkt);
    if (!d->queried)
        plain_search(p, d, now);
}

void plain_recv(struct plain *p, peer_id from, struct wire_rd bytes, usec_t now)
{
    struct plain_peer *x = plain_peer(p, from);
    struct tlv_iter it;
    struct tlv t;
    if (!x)
        return;
    if (bytes.p[1] == OUTER_DATA) {
        data_recv(p, bytes, now);
        return;
    }
    if (tlv_iter_init(&it, bytes) < 0 || tlv_next(&it, &t) < 0)
        return;
    switch (t.type) {
    case TLV_HELLO: {
        struct tlv ihu = {.type = TLV_IHU,
                          .ihu = {.rx_cost = plain_cost(x), .interval_cs = IHU_INTERVAL_CS}};
        plain_control(p, from, &ihu);
        return;
    }
    case TLV_IHU: {
        uint32_t sample = (uint32_t)((now - x->hello_sent) / USEC_MS) & 0xffff;
        x->smoothed = link_cost_smooth(x->smoothed, sample);
        x->ihu_received = now;
        return;
    }
    case TLV_UPDATE:
        plain_update(p, from, &t.update, now);
        return;
    case TLV_ROUTE_REQUEST:
        plain_route_request(p, from, &t.route_request, now);
        return;
    case TLV_SEQNO_REQUEST:
        plain_seqno_request(p, from, &t.seqno_request, now);
        return;
    case TLV_PAD1:
    case TLV_PADN:
        return;
    }
}

peer_id plain_next_hop(const struct plain *p, const struct ip6 *dst)
{
    for (size_t i = 0; i < p->dests_len; i++)
        if (ip6_same_node(&p->dests[i].net, dst))
            return p->dests[i].selected ? p->dests[i].v[0].peer : 0;
    return 0;
}
