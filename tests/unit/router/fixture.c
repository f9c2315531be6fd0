#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "router/core.h"
#include "router/packet.h"

#define FX_START (1000 * USEC_SEC)

/* Key 01 02 .. 20, 21 .. 40, 41 .. 60; suffix 0000 and six bytes from a1, b1, c1. */
const struct router_id fx_x = {{1,  2,  3,  4,  5,  6,  7,    8,    9,    10,   11,   12,  13, 14,
                                15, 16, 17, 18, 19, 20, 21,   22,   23,   24,   25,   26,  27, 28,
                                29, 30, 31, 32, 0,  0,  0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6}};
const struct router_id fx_y = {{33, 34, 35, 36, 37, 38, 39,   40,   41,   42,   43,   44,  45, 46,
                                47, 48, 49, 50, 51, 52, 53,   54,   55,   56,   57,   58,  59, 60,
                                61, 62, 63, 64, 0,  0,  0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6}};
const struct router_id fx_z = {{65, 66, 67, 68, 69, 70, 71,   72,   73,   74,   75,   76,  77, 78,
                                79, 80, 81, 82, 83, 84, 85,   86,   87,   88,   89,   90,  91, 92,
                                93, 94, 95, 96, 0,  0,  0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6}};

/* SHA-256 of "mycelium test key 05": k05 of tests/vectors/keys.json. */
static const char own_secret[] = "0a6a6bf8abeb77ba5990243925e92c12d7ef3ed2a68ecf52cc7fe2ea4e5609e1";

struct subnet fx_subnet_of(const struct router_id *rid)
{
    struct pubkey key;
    memcpy(key.b, rid->b, sizeof(key.b));
    struct ip6 a = address_of_key(&key);
    return subnet_of_node(&a);
}

struct router_id fx_router_id(uint8_t seed)
{
    struct router_id rid = {{0}};
    for (size_t i = 0; i < KEY_BYTES; i++)
        rid.b[i] = (uint8_t)((size_t)seed * 7 + i * 3 + 1);
    rid.b[ROUTER_ID_BYTES - 1] = seed;
    return rid;
}

struct subnet fx_own(const struct fx *f)
{
    struct ip6 a = router_address(f->r);
    return subnet_of_node(&a);
}

static void drain(struct fx *f)
{
    struct router_out o;
    while (router_next(f->r, &o)) {
        if (o.kind != ROUTER_OUT_FRAME) {
            assert_true(f->events_len < FX_CAPTURE);
            f->events[f->events_len++] = o;
            continue;
        }
        assert_true(f->frames_len < FX_FRAMES);
        assert_non_null(o.pkt);
        bool hello =
            o.pkt->len == 16 && o.pkt->data[1] == OUTER_CONTROL && o.pkt->data[8] == TLV_HELLO;
        f->frames[f->frames_len++] = (struct fx_frame){.peer = o.peer, .pkt = o.pkt};
        if (hello && f->auto_ihu)
            fx_ihu(f, o.peer);
    }
}

void fx_init(struct fx *f, const struct router_limits *limits)
{
    uint8_t secret[KEY_BYTES];
    memset(f, 0, sizeof(*f));
    assert_int_equal(hex_decode(own_secret, strlen(own_secret), secret, sizeof(secret)), OK);
    assert_int_equal(identity_new(secret, &f->id), OK);
    rng_init_seeded(&f->rng, 4711);
    f->now = FX_START;
    struct router_conf c = {.identity = f->id, .rng = &f->rng};
    router_limits_default(&c.limits);
    if (limits)
        c.limits = *limits;
    assert_int_equal(router_new(&c, f->now, &f->r), OK);
}

void fx_forget(struct fx *f)
{
    for (size_t i = 0; i < f->frames_len; i++)
        pkt_free(f->frames[i].pkt);
    for (size_t i = 0; i < f->events_len; i++)
        pkt_free(f->events[i].pkt);
    f->frames_len = f->events_len = 0;
}

void fx_fini(struct fx *f)
{
    fx_forget(f);
    router_free(f->r);
    identity_free(f->id);
}

peer_id fx_up_foreign(struct fx *f)
{
    static unsigned n;
    struct router_link link = {.static_cost = 10};
    peer_id p;
    (void)snprintf(link.name, sizeof(link.name), "TCP [::1]:%u <-> [::1]:9651", 40000 + n++ % 1000);
    assert_int_equal(router_peer_up(f->r, &link, f->now, &p), OK);
    drain(f);
    return p;
}

peer_id fx_up(struct fx *f)
{
    peer_id p = fx_up_foreign(f);
    struct neighbour *nb = neighbour_find(f->r, p);
    nb->hello_heard = nb->on_request = true;
    return p;
}

peer_id fx_up_quiet(struct fx *f)
{
    peer_id p = fx_up(f);
    fx_forget(f);
    return p;
}

void fx_down(struct fx *f, peer_id p)
{
    router_peer_down(f->r, p, f->now);
    drain(f);
}

void fx_bytes(struct fx *f, peer_id from, const void *bytes, size_t len)
{
    /* Exactly as long as the packet, so that a sanitizer sees a read behind it. */
    uint8_t *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    if (len)
        memcpy(copy, bytes, len);
    router_recv(f->r, from, wire_rd_of(copy, len), f->now);
    free(copy);
    drain(f);
}

void fx_hex(struct fx *f, peer_id from, const char *hex)
{
    uint8_t buf[4096];
    size_t len = strlen(hex) / 2;
    assert_true(len <= sizeof(buf));
    assert_int_equal(hex_decode(hex, strlen(hex), buf, len), OK);
    fx_bytes(f, from, buf, len);
}

void fx_tlv(struct fx *f, peer_id from, const struct tlv *t)
{
    struct pkt *p = tlv_encode(t);
    assert_non_null(p);
    fx_bytes(f, from, p->data, p->len);
    pkt_free(p);
}

void fx_hello_seqno(struct fx *f, peer_id from, uint16_t seqno)
{
    fx_tlv(f, from, &(struct tlv){.type = TLV_HELLO, .hello = {HELLO_FLAG_UNICAST, seqno, 2000}});
}

void fx_hello(struct fx *f, peer_id from)
{
    fx_hello_seqno(f, from, 0);
}

void fx_ihu(struct fx *f, peer_id from)
{
    fx_tlv(f, from, &(struct tlv){.type = TLV_IHU, .ihu = {.rx_cost = 77, .interval_cs = 6000}});
}

void fx_update_interval(struct fx *f, peer_id from, const struct router_id *rid, uint16_t metric,
                        uint16_t seqno, uint16_t interval_cs)
{
    struct tlv t = {.type = TLV_UPDATE,
                    .update = {.interval_cs = interval_cs,
                               .seqno = seqno,
                               .metric = metric,
                               .subnet = fx_subnet_of(rid),
                               .router_id = *rid}};
    fx_tlv(f, from, &t);
}

void fx_update(struct fx *f, peer_id from, const struct router_id *rid, uint16_t metric,
               uint16_t seqno)
{
    fx_update_interval(f, from, rid, metric, seqno, 30000);
}

void fx_route_request(struct fx *f, peer_id from, const struct subnet *s, uint8_t generation)
{
    struct tlv t = {.type = TLV_ROUTE_REQUEST,
                    .route_request = {.generation = generation, .wildcard = !s}};
    if (s)
        t.route_request.subnet = *s;
    fx_tlv(f, from, &t);
}

void fx_want(struct fx *f, peer_id from, const struct router_id *rid)
{
    struct subnet s = fx_subnet_of(rid);
    fx_route_request(f, from, &s, 0);
    fx_forget(f);
}

void fx_seqno_request(struct fx *f, peer_id from, const struct router_id *rid, uint16_t seqno,
                      uint8_t hops)
{
    struct tlv t = {
        .type = TLV_SEQNO_REQUEST,
        .seqno_request = {
            .seqno = seqno, .hop_count = hops, .subnet = fx_subnet_of(rid), .router_id = *rid}};
    fx_tlv(f, from, &t);
}

void fx_advance(struct fx *f, usec_t by)
{
    usec_t end = f->now + by;
    drain(f);
    for (unsigned turns = 0; router_deadline(f->r) <= end; turns++) {
        f->now = MAX(f->now, router_deadline(f->r));
        router_tick(f->r, f->now);
        drain(f);
        assert_true(turns < 1000000); /* a deadline that is never worked off */
    }
    f->now = end;
}

struct pkt *fx_take(struct fx *f, peer_id to)
{
    for (size_t i = 0; i < f->frames_len; i++) {
        if (f->frames[i].peer != to)
            continue;
        struct pkt *p = f->frames[i].pkt;
        f->frames_len--;
        memmove(f->frames + i, f->frames + i + 1, (f->frames_len - i) * sizeof(f->frames[0]));
        return p;
    }
    return NULL;
}

size_t fx_count(const struct fx *f, peer_id to)
{
    size_t n = 0;
    for (size_t i = 0; i < f->frames_len; i++)
        n += f->frames[i].peer == to;
    return n;
}

bool fx_event(struct fx *f, enum router_out_kind kind, struct router_out *ret)
{
    for (size_t i = 0; i < f->events_len; i++) {
        if (f->events[i].kind != kind)
            continue;
        *ret = f->events[i];
        f->events_len--;
        memmove(f->events + i, f->events + i + 1, (f->events_len - i) * sizeof(f->events[0]));
        return true;
    }
    return false;
}

static void print_frame(const char *what, const struct pkt *p)
{
    char hex[512];
    size_t n = MIN(p->len, sizeof(hex) / 2 - 1);
    print_error("%s %s%s\n", what, hex_encode(p->data, n, hex), n < p->len ? "..." : "");
}

void fx_expect_hex(struct fx *f, peer_id to, const char *hex)
{
    char got[8192];
    struct pkt *p = fx_take(f, to);
    if (!p) {
        fail_msg("nothing was sent, expected %s", hex);
        return;
    }
    assert_true(p->len < sizeof(got) / 2);
    hex_encode(p->data, p->len, got);
    pkt_free(p);
    assert_string_equal(got, hex);
}

static void expect_tlv(struct fx *f, peer_id to, const struct tlv *t)
{
    char hex[1024];
    struct pkt *p = tlv_encode(t);
    assert_non_null(p);
    hex_encode(p->data, p->len, hex);
    pkt_free(p);
    fx_expect_hex(f, to, hex);
}

void fx_expect_hello(struct fx *f, peer_id to, uint16_t nth)
{
    uint16_t seqno = (uint16_t)(HELLO_SEQNO_FIRST + nth);
    expect_tlv(f, to, &(struct tlv){.type = TLV_HELLO, .hello = {HELLO_FLAG_UNICAST, seqno, 2000}});
}

void fx_expect_ihu(struct fx *f, peer_id to, uint16_t cost)
{
    expect_tlv(f, to, &(struct tlv){.type = TLV_IHU, .ihu = {cost, 6000}});
}

static void expect_update(struct fx *f, peer_id to, const struct subnet *s,
                          const struct router_id *rid, uint16_t metric, uint16_t seqno)
{
    expect_tlv(f, to,
               &(struct tlv){.type = TLV_UPDATE,
                             .update = {.interval_cs = 30000,
                                        .seqno = seqno,
                                        .metric = metric,
                                        .subnet = *s,
                                        .router_id = *rid}});
}

void fx_expect_update(struct fx *f, peer_id to, const struct router_id *rid, uint16_t metric,
                      uint16_t seqno)
{
    struct subnet s = fx_subnet_of(rid);
    expect_update(f, to, &s, rid, metric, seqno);
}

void fx_expect_own(struct fx *f, peer_id to, uint16_t seqno)
{
    struct subnet s = fx_own(f);
    expect_update(f, to, &s, router_self(f->r), 0, seqno);
}

void fx_expect_retraction(struct fx *f, peer_id to, const struct subnet *s, uint16_t seqno)
{
    expect_update(f, to, s, router_self(f->r), METRIC_INFINITE, seqno);
}

void fx_expect_route_request(struct fx *f, peer_id to, const struct subnet *s, uint8_t generation)
{
    expect_tlv(f, to,
               &(struct tlv){.type = TLV_ROUTE_REQUEST,
                             .route_request = {.generation = generation, .subnet = *s}});
}

void fx_expect_seqno_request(struct fx *f, peer_id to, const struct router_id *rid, uint16_t seqno,
                             uint8_t hops)
{
    expect_tlv(f, to,
               &(struct tlv){.type = TLV_SEQNO_REQUEST,
                             .seqno_request = {.seqno = seqno,
                                               .hop_count = hops,
                                               .subnet = fx_subnet_of(rid),
                                               .router_id = *rid}});
}

void fx_expect_none(struct fx *f, peer_id to)
{
    struct pkt *p = fx_take(f, to);
    if (!p)
        return;
    print_frame("not expected:", p);
    pkt_free(p);
    fail();
}

void fx_expect_silence(struct fx *f)
{
    for (size_t i = 0; i < f->frames_len; i++)
        print_frame("not expected:", f->frames[i].pkt);
    assert_int_equal(f->frames_len, 0);
}

struct router_stats fx_stats(const struct fx *f)
{
    struct router_stats s;
    router_stats(f->r, &s);
    return s;
}

bool fx_reachable(const struct fx *f, const struct subnet *s)
{
    struct ip6 a = s->net;
    a.b[15] = 1;
    return router_reachable(f->r, &a);
}
