#include <sodium.h>
#include <string.h>

#include "base/err.h"
#include "router/core.h"
#include "router/oob_icmp.h"

/* Data packets. docs/protocol/packets.md, "Data packets", and docs/protocol/routing.md, "Data
 * packets and queues". A packet that arrives with a hop limit below 2 ends here, also at its
 * destination. */

#define USER_VERSION 1
#define HOP_LIMIT_AT 7
#define RESERVED_AT  4

static bool is_own(const struct router *r, const struct ip6 *a)
{
    return ip6_same_node(a, &r->own.net);
}

struct dest *way_to(struct router *r, const struct ip6 *dst, usec_t now)
{
    struct dest *d = dest_towards(r, dst);
    if (d)
        return d;
    struct dest *home = dest_node(r, dst);
    if (!home || !home->selected || dest_usable(r, home))
        return NULL;
    dest_hold(home);
    dest_mend(r, home, now);
    bool found = home->selected;
    dest_release(r, home);
    return found ? dest_towards(r, dst) : NULL;
}

static void count(struct router *r, const struct ip6 *src, const struct ip6 *dst, size_t raw_len)
{
    traffic_count(&r->by_src, src, raw_len);
    traffic_count(&r->by_dst, dst, raw_len);
}

/* Seals p (plaintext with user header) and sends it over the selected route of d; takes p. */
static int send_sealed(struct router *r, struct dest *d, const struct ip6 *src,
                       const struct ip6 *dst, uint8_t hop_limit, struct pkt *p, usec_t now)
{
    struct route *rt = dest_selected(r, d);
    struct source *s = route_source(r, rt);
    int rc = seal_pkt(r->sealer, source_key(r, s), p);
    if (rc < 0) {
        pkt_free(p);
        if (rc == ERR_CRYPTO)
            source_refuse(r, s, now);
        return rc;
    }
    s->key_checked = true;
    count(r, src, dst, p->len);
    data_encode(p, hop_limit, src, dst);
    dest_used(r, d, now);
    r->stats.routed_forward++;
    return output_data(r, route_nb(r, rt), p);
}

/* --- out-of-band ICMP --------------------------------------------------------------------------
 */

/* Tells the source of a packet that it ends here. Silent when the source is not reachable. */
static void report_lost(struct router *r, struct neighbour *from, const struct data_header *h,
                        struct wire_rd body, enum oob_icmp_type type, usec_t now)
{
    if (is_own(r, &h->src) || !ip6_in_overlay(&h->src) ||
        !bucket_take(&r->oob_icmp, OOB_ICMP_PER_SEC, OOB_ICMP_BURST, now))
        return;
    struct dest *d = way_to(r, &h->src, now);
    if (!d) {
        (void)query_want(r, &h->src, from, now); /* for the next error; this one is dropped */
        return;
    }
    struct oob_icmp o = {.lost_dst = h->dst,
                         .type = (uint8_t)type,
                         .src = r->own.net,
                         .dst = h->src,
                         .quote = body.p,
                         .quote_len = wire_left(&body)};
    struct pkt *p = oob_icmp_encode(&o);
    uint8_t *user = p ? pkt_push(p, USER_HEADER_BYTES) : NULL;
    if (!user) {
        pkt_free(p);
        return;
    }
    memcpy(user, (uint8_t[]){USER_VERSION, USER_OOB_ICMP, 0, 0}, USER_HEADER_BYTES);
    (void)send_sealed(r, d, &r->own.net, &h->src, MESSAGE_HOPS - 1, p, now); /* best effort */
}

/* May the shared secret with this node be computed, if it has to be? */
static bool exchange_allowed(struct router *r, const struct source *s, struct bucket *b, usec_t now)
{
    if (sealer_knows(r->sealer, source_key(r, s)) ||
        bucket_take(b, EXCHANGES_PER_SEC, EXCHANGES_BURST, now))
        return true;
    r->stats.limit_exchanges++;
    return false;
}

/* Replaces the quote by what it says. Only the router has the keys. */
static int oob_unquote(struct router *r, struct pkt *p, usec_t now)
{
    struct oob_icmp o;
    int rc = oob_icmp_decode(wire_rd_of(p->data, p->len), &o);
    if (rc < 0)
        return rc;
    size_t at = OOB_ICMP_HEADER_BYTES;
    if (o.quote_len == 0) {
        pkt_trim(p, p->len - at);
        return OK;
    }
    const struct source *s = dest_key_source(r, &o.lost_dst);
    if (!s)
        return ERR_NOENT;
    if (!exchange_allowed(r, s, &r->quotes, now))
        return ERR_LIMIT;
    struct pkt *quote = pkt_copy(o.quote, o.quote_len);
    if (!quote)
        return ERR_NOMEM;
    rc = unseal_pkt(r->sealer, source_key(r, s), quote);
    if (rc == OK) {
        memcpy(p->data + at, quote->data, quote->len);
        pkt_trim(p, p->len - at - quote->len);
    }
    pkt_free(quote);
    return rc;
}

/* --- packets for this node ---------------------------------------------------------------------
 */

/* A key of low order opens nothing: its route is of no use to anybody. Looked at once. */
static void check_key(struct router *r, struct source *s, usec_t now)
{
    uint8_t secret[KEY_BYTES];
    if (s->key_checked)
        return;
    int rc = identity_exchange(r->identity, source_key(r, s), secret);
    sodium_memzero(secret, sizeof(secret));
    if (rc == OK)
        s->key_checked = true;
    else
        source_refuse(r, s, now);
}

/* p: raw data; taken. hop_limit: after the decrement. */
static void deliver(struct router *r, struct source *s, const struct ip6 *src,
                    const struct ip6 *dst, uint8_t hop_limit, struct pkt *p, usec_t now)
{
    struct router_out o = {
        .kind = ROUTER_OUT_LOCAL, .pkt = p, .hop_limit = hop_limit, .src = *src, .dst = *dst};
    o.src_key = *source_key(r, s);
    if (unseal_pkt(r->sealer, &o.src_key, p) < 0) {
        r->stats.unseal_failed++;
        check_key(r, s, now);
        goto drop;
    }
    s->key_checked = true;
    o.user_type = p->data[1];
    if (p->data[0] != USER_VERSION || o.user_type > USER_OOB_ICMP)
        goto drop;
    pkt_pull(p, USER_HEADER_BYTES);
    if (o.user_type == USER_OOB_ICMP && oob_unquote(r, p, now) < 0)
        goto drop;
    r->stats.routed_local++;
    dest_used(r, dest_at(r, s->dest),
              now);                  /* its key is needed, and most likely an answer goes there */
    (void)output_local(r, &o, true); /* takes p; counts a refusal */
    return;
drop:
    pkt_free(p);
}

static void recv_local(struct router *r, struct neighbour *from, const struct data_header *h,
                       struct wire_rd body, usec_t now)
{
    struct source *s = dest_key_source(r, &h->src);
    if (is_own(r, &h->src) || h->len < USER_HEADER_BYTES + SEAL_OVERHEAD) {
        r->stats.unseal_failed++;
        return;
    }
    if (s && !exchange_allowed(r, s, &from->exchanges, now))
        return;
    struct dest *home = s ? NULL : query_want(r, &h->src, from, now);
    if (!s && !home)
        return;
    struct pkt *p = pkt_copy(body.p, h->len);
    if (!p)
        return;
    if (s) {
        deliver(r, s, &h->src, &h->dst, h->hop_limit, p, now);
        return;
    }
    struct parked w = {.kind = PARKED_INBOUND,
                       .from = from->id,
                       .hop_limit = h->hop_limit,
                       .src = h->src,
                       .dst = h->dst,
                       .pkt = p};
    if (parked_add(r, home, &w) < 0)
        pkt_free(p);
}

/* --- packets that pass -------------------------------------------------------------------------
 */

static void pass_on(struct router *r, struct dest *d, peer_id from, struct pkt *p, usec_t now)
{
    if (dest_next_hop(r, d)->id != from) /* nobody makes use of a route by sending packets back */
        dest_used(r, d, now);
    r->stats.routed_forward++;
    (void)output_data(r, dest_next_hop(r, d), p); /* takes p; counts a refusal */
}

/* The packet with its new hop limit and without what stood in reserved fields. */
static struct pkt *passing_copy(const struct data_header *h, struct wire_rd frame)
{
    struct pkt *p = pkt_copy(frame.p, wire_left(&frame));
    if (!p)
        return NULL;
    p->data[2] = p->data[3] = 0;
    p->data[RESERVED_AT] = 0;
    p->data[HOP_LIMIT_AT] = h->hop_limit;
    return p;
}

/* Lost a moment ago: the neighbours know and send no more. */
static bool just_retracted(const struct router *r, const struct dest *home)
{
    route_foreach(r, rt, home) if (rt->metric != METRIC_INFINITE) return false;
    return home->routes && !query_pending(r, home);
}

/* Waits while its destination is being searched. */
static int park_passing(struct router *r, struct neighbour *from, const struct data_header *h,
                        struct wire_rd frame, usec_t now)
{
    struct dest *home = dest_node(r, &h->dst);
    home = home && just_retracted(r, home) ? NULL : query_want(r, &h->dst, from, now);
    if (!home)
        return ERR_NOROUTE;
    struct pkt *p = passing_copy(h, frame);
    if (!p)
        return ERR_NOMEM;
    struct parked w = {.kind = PARKED_PASSING,
                       .from = from->id,
                       .hop_limit = h->hop_limit,
                       .src = h->src,
                       .dst = h->dst,
                       .pkt = p};
    int rc = parked_add(r, home, &w);
    if (rc < 0)
        pkt_free(p);
    return rc;
}

void data_recv(struct router *r, struct neighbour *from, struct wire_rd frame, usec_t now)
{
    struct data_header h;
    struct wire_rd body;
    if (data_decode(frame, &h, &body) < 0 || !ip6_in_overlay(&h.src)) {
        r->stats.malformed_packets++;
        return;
    }
    count(r, &h.src, &h.dst, h.len);
    if (!from->on_request)
        neighbour_carries(r, from, now); /* it does not look whether the link is alive */
    if (h.hop_limit < 2) {
        r->stats.routed_ttl_expired++;
        report_lost(r, from, &h, body, OOB_TIME_EXCEEDED, now);
        return;
    }
    h.hop_limit--;
    if (is_own(r, &h.dst)) {
        recv_local(r, from, &h, body, now);
        return;
    }
    struct dest *d = way_to(r, &h.dst, now);
    if (d) {
        struct pkt *p = passing_copy(&h, frame);
        if (p)
            pass_on(r, d, from->id, p, now);
        return;
    }
    if (park_passing(r, from, &h, frame, now) < 0) {
        r->stats.routed_no_route++;
        report_lost(r, from, &h, body, OOB_UNREACHABLE, now);
    }
}

/* --- own packets -------------------------------------------------------------------------------
 */

static int park_own(struct router *r, const struct parked *w, usec_t now)
{
    struct dest *home = query_want(r, &w->dst, NULL, now);
    if (!home)
        return ERR_LIMIT;
    int rc = parked_add(r, home, w);
    if (rc < 0)
        return rc;
    dest_used(r, home, now); /* though nothing has gone there yet */
    if (home->routes && dest_extra(r, home)->retry_at == USEC_NEVER)
        seqno_ask_all(r, home, now);
    return OK;
}

int router_send(struct router *r, const struct ip6 *src, const struct ip6 *dst, enum user_type type,
                uint8_t hop_limit, struct pkt *p, usec_t now)
{
    int rc = OK;
    r->now = now;
    if (!ip6_in_overlay(dst) || is_own(r, dst))
        rc = ERR_NOROUTE;
    else if (hop_limit < 2)
        rc = ERR_INVAL;
    else if (p->len > UINT16_MAX - USER_HEADER_BYTES - SEAL_OVERHEAD)
        rc = ERR_TOOBIG;
    uint8_t *user = rc == OK ? pkt_push(p, USER_HEADER_BYTES) : NULL;
    if (rc == OK && !user)
        rc = ERR_TOOBIG; /* headroom used up by something else */
    if (rc < 0)
        goto out;
    memcpy(user, (uint8_t[]){USER_VERSION, (uint8_t)type, 0, 0}, USER_HEADER_BYTES);
    struct dest *d = way_to(r, dst, now);
    if (d)
        return send_sealed(r, d, src, dst, (uint8_t)(hop_limit - 1), p, now);
    struct parked w = {.kind = PARKED_OWN,
                       .hop_limit = hop_limit,
                       .user_type = (uint8_t)type,
                       .src = *src,
                       .dst = *dst,
                       .pkt = p};
    rc = park_own(r, &w, now);
    if (rc == OK)
        return OK;
out:
    pkt_free(p);
    return rc;
}

/* --- what waited ---------------------------------------------------------------------------------
 */

bool parked_ready(const struct router *r, const struct parked *w)
{
    if (w->kind == PARKED_INBOUND)
        return dest_key_source(r, &w->src) != NULL;
    return dest_towards(r, &w->dst) != NULL;
}

void parked_go(struct router *r, struct parked *w, usec_t now)
{
    struct dest *d;
    switch (w->kind) {
    case PARKED_OWN:
        d = dest_towards(r, &w->dst);
        (void)send_sealed(r, d, &w->src, &w->dst, (uint8_t)(w->hop_limit - 1), w->pkt, now);
        return; /* an error has been counted where it arose */
    case PARKED_PASSING:
        pass_on(r, dest_towards(r, &w->dst), w->from, w->pkt, now);
        return;
    case PARKED_INBOUND:
        deliver(r, dest_key_source(r, &w->src), &w->src, &w->dst, w->hop_limit, w->pkt, now);
        return;
    }
}
