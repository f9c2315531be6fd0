#include "router/tlv.h"

#include <assert.h>

#include "base/err.h"
#include "router/packet.h"

/* Address encodings: docs/protocol/packets.md, "Address encodings". */
enum ae { AE_WILDCARD = 0, AE_IPV4 = 1, AE_IPV6 = 2, AE_LINK_LOCAL = 3 };

#define PLEN_MAX 128

int tlv_iter_init(struct tlv_iter *it, struct wire_rd frame)
{
    uint8_t version = wire_u8(&frame);
    uint8_t type = wire_u8(&frame);
    (void)wire_u16(&frame); /* reserved */
    uint8_t magic = wire_u8(&frame);
    uint8_t babel_version = wire_u8(&frame);
    uint16_t len = wire_u16(&frame);
    if (frame.bad || version != OUTER_VERSION || type != OUTER_CONTROL)
        return ERR_MALFORMED;
    if (magic != BABEL_MAGIC || babel_version != BABEL_VERSION || len != wire_left(&frame))
        return ERR_MALFORMED;
    it->rd = frame;
    return OK;
}

/* The bytes of an IPv6 prefix. One that has bits behind its length is refused, not masked: other
 * nodes of the network would relay it with these bits. */
static int prefix_decode(struct wire_rd *r, uint8_t plen, struct subnet *ret)
{
    struct subnet s = {.plen = plen};
    if (plen > PLEN_MAX)
        return ERR_MALFORMED;
    wire_copy(r, s.net.b, ((size_t)plen + 7) / 8);
    struct ip6 masked = ip6_mask(&s.net, plen);
    if (r->bad || !ip6_eq(&masked, &s.net))
        return ERR_MALFORMED;
    *ret = s;
    return OK;
}

/* Bytes behind the known fields of a TLV are sub-TLVs: none is known, so they are left alone. */

static int hello_decode(struct wire_rd r, struct tlv_hello *ret)
{
    struct tlv_hello h;
    h.flags = wire_u16(&r) & HELLO_FLAG_UNICAST;
    h.seqno = wire_u16(&r);
    h.interval_cs = wire_u16(&r);
    if (r.bad)
        return ERR_MALFORMED;
    *ret = h;
    return OK;
}

static int ihu_decode(struct wire_rd r, struct tlv_ihu *ret)
{
    static const uint8_t address_bytes[] = {
        [AE_WILDCARD] = 0, [AE_IPV4] = 4, [AE_IPV6] = 16, [AE_LINK_LOCAL] = 8};
    struct tlv_ihu i;
    uint8_t ae = wire_u8(&r);
    (void)wire_u8(&r); /* reserved */
    i.rx_cost = wire_u16(&r);
    i.interval_cs = wire_u16(&r);
    if (ae >= ARRAY_LEN(address_bytes))
        return ERR_MALFORMED;
    (void)wire_take(&r, address_bytes[ae]); /* the connection says who is meant */
    if (r.bad)
        return ERR_MALFORMED;
    *ret = i;
    return OK;
}

static int update_decode(struct wire_rd r, struct tlv_update *ret)
{
    struct tlv_update u;
    uint8_t ae = wire_u8(&r);
    (void)wire_u8(&r); /* flags: without effect in this network */
    uint8_t plen = wire_u8(&r);
    (void)wire_u8(&r); /* omitted bytes: no prefix compression here */
    u.interval_cs = wire_u16(&r);
    u.seqno = wire_u16(&r);
    u.metric = wire_u16(&r);
    if (r.bad || ae != AE_IPV6)
        return ERR_MALFORMED;
    int rc = prefix_decode(&r, plen, &u.subnet);
    if (rc < 0)
        return rc;
    wire_copy(&r, u.router_id.b, sizeof(u.router_id.b));
    if (r.bad)
        return ERR_MALFORMED;
    *ret = u;
    return OK;
}

static int route_request_decode(struct wire_rd r, struct tlv_route_request *ret)
{
    struct tlv_route_request q = {0};
    q.generation = wire_u8(&r);
    uint8_t ae = wire_u8(&r);
    uint8_t plen = wire_u8(&r); /* any value with the wildcard */
    q.wildcard = ae == AE_WILDCARD;
    if (r.bad || (!q.wildcard && ae != AE_IPV6))
        return ERR_MALFORMED;
    if (!q.wildcard) {
        int rc = prefix_decode(&r, plen, &q.subnet);
        if (rc < 0)
            return rc;
    }
    *ret = q;
    return OK;
}

static int seqno_request_decode(struct wire_rd r, struct tlv_seqno_request *ret)
{
    struct tlv_seqno_request q;
    uint8_t ae = wire_u8(&r);
    uint8_t plen = wire_u8(&r);
    q.seqno = wire_u16(&r);
    q.hop_count = wire_u8(&r);
    (void)wire_u8(&r); /* reserved */
    wire_copy(&r, q.router_id.b, sizeof(q.router_id.b));
    if (r.bad || ae != AE_IPV6 || q.hop_count == 0)
        return ERR_MALFORMED;
    int rc = prefix_decode(&r, plen, &q.subnet);
    if (rc < 0)
        return rc;
    *ret = q;
    return OK;
}

static int body_decode(uint8_t type, struct wire_rd r, struct tlv *ret)
{
    ret->type = (enum tlv_type)type;
    switch (type) {
    case TLV_HELLO:
        return hello_decode(r, &ret->hello);
    case TLV_IHU:
        return ihu_decode(r, &ret->ihu);
    case TLV_UPDATE:
        return update_decode(r, &ret->update);
    case TLV_ROUTE_REQUEST:
        return route_request_decode(r, &ret->route_request);
    case TLV_SEQNO_REQUEST:
        return seqno_request_decode(r, &ret->seqno_request);
    default:
        return ERR_MALFORMED;
    }
}

int tlv_next(struct tlv_iter *it, struct tlv *ret)
{
    while (wire_left(&it->rd) > 0) {
        uint8_t type = wire_u8(&it->rd);
        if (type == TLV_PAD1)
            continue;
        uint8_t len = wire_u8(&it->rd);
        const uint8_t *body = wire_take(&it->rd, len);
        if (it->rd.bad)
            return ERR_MALFORMED; /* runs over the end: nothing is left for the next call */
        if (type == TLV_PADN)
            continue;
        struct tlv t;
        int rc = body_decode(type, wire_rd_of(body, len), &t);
        if (rc == OK)
            *ret = t;
        return rc;
    }
    return ERR_NOENT;
}

static void prefix_encode(struct wire_wr *w, const struct subnet *s)
{
    struct ip6 net = ip6_mask(&s->net, s->plen);
    wire_put(w, net.b, ((size_t)s->plen + 7) / 8);
}

static void body_encode(struct wire_wr *w, const struct tlv *t)
{
    switch (t->type) {
    case TLV_HELLO:
        wire_put_u16(w, t->hello.flags);
        wire_put_u16(w, t->hello.seqno);
        wire_put_u16(w, t->hello.interval_cs);
        return;
    case TLV_IHU:
        wire_put_u8(w, AE_WILDCARD);
        wire_put_u8(w, 0);
        wire_put_u16(w, t->ihu.rx_cost);
        wire_put_u16(w, t->ihu.interval_cs);
        return;
    case TLV_UPDATE:
        wire_put_u8(w, AE_IPV6);
        wire_put_u8(w, 0); /* flags */
        wire_put_u8(w, t->update.subnet.plen);
        wire_put_u8(w, 0); /* omitted */
        wire_put_u16(w, t->update.interval_cs);
        wire_put_u16(w, t->update.seqno);
        wire_put_u16(w, t->update.metric);
        prefix_encode(w, &t->update.subnet);
        wire_put(w, t->update.router_id.b, ROUTER_ID_BYTES);
        return;
    case TLV_ROUTE_REQUEST:
        wire_put_u8(w, t->route_request.generation);
        wire_put_u8(w, t->route_request.wildcard ? AE_WILDCARD : AE_IPV6);
        wire_put_u8(w, t->route_request.wildcard ? 0 : t->route_request.subnet.plen);
        if (!t->route_request.wildcard)
            prefix_encode(w, &t->route_request.subnet);
        return;
    case TLV_SEQNO_REQUEST:
        wire_put_u8(w, AE_IPV6);
        wire_put_u8(w, t->seqno_request.subnet.plen);
        wire_put_u16(w, t->seqno_request.seqno);
        wire_put_u8(w, t->seqno_request.hop_count);
        wire_put_u8(w, 0);
        wire_put(w, t->seqno_request.router_id.b, ROUTER_ID_BYTES); /* before the prefix */
        prefix_encode(w, &t->seqno_request.subnet);
        return;
    case TLV_PAD1:
    case TLV_PADN:
        break;
    }
    assert(false && "a TLV that is never sent");
}

struct pkt *tlv_encode(const struct tlv *t)
{
    uint8_t body[UINT8_MAX];
    struct wire_wr b = wire_wr_of(body, sizeof(body));
    body_encode(&b, t);
    assert(!b.bad);
    size_t len = wire_len(&b);

    struct pkt *p = pkt_new(BABEL_HEADER_BYTES + 2 + len);
    if (!p)
        return NULL;
    struct wire_wr w = wire_wr_of(p->data, p->len);
    wire_put_u8(&w, OUTER_VERSION);
    wire_put_u8(&w, OUTER_CONTROL);
    wire_put_u16(&w, 0);
    wire_put_u8(&w, BABEL_MAGIC);
    wire_put_u8(&w, BABEL_VERSION);
    wire_put_u16(&w, (uint16_t)(len + 2));
    wire_put_u8(&w, (uint8_t)t->type);
    wire_put_u8(&w, (uint8_t)len);
    wire_put(&w, body, len);
    assert(!w.bad && wire_len(&w) == p->len);
    return p;
}
