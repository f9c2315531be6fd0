#include "router/tlv.h"

#include "router/packet.h"
#include "tests/unit/unit.h"
#include "tests/unit/vectors.h"

#define KEY_A "79a117339e82376d51dd5593945f7c56ffe824a080a77655d99bf8c0bd1c775b"
#define ID_A  KEY_A "0000b71c881910af"
#define ID_2  "fd4e5d9be55a35e6357016b719825b3016e96747b68320b53a6718f413aeb61f0000000000000000"
#define ID_3  "bac8858d822d38890494fcf841cfdebe65e3b3e259f88deef4d45ca6fecb11180000000000000000"

static uint8_t *bytes_of(const char *hex, size_t *ret_len)
{
    size_t len = strlen(hex) / 2;
    uint8_t *b = malloc(len ? len : 1); /* exact, so that a sanitizer sees a step too far */
    assert_non_null(b);
    assert_int_equal(hex_decode(hex, strlen(hex), b, len), OK);
    *ret_len = len;
    return b;
}

static struct subnet subnet(const char *text, uint8_t plen)
{
    struct subnet s = {.plen = plen};
    assert_int_equal(ip6_parse(text, &s.net), OK);
    return s;
}

static struct router_id router_id(const char *hex)
{
    struct router_id id;
    assert_int_equal(hex_decode(hex, strlen(hex), id.b, sizeof(id.b)), OK);
    return id;
}

/* Results of walking a packet: one character for each TLV, 'x' for ERR_MALFORMED; "!" for a packet
 * that is refused as a whole. The last good one is in *ret. */
static const char *walk(const uint8_t *frame, size_t len, struct tlv *ret)
{
    static char out[2048];
    static const char letter[] = "????hi??urs"; /* by type */
    size_t n = 0;
    struct tlv_iter it;
    int rc;
    uint8_t *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    memcpy(copy, frame, len);
    if (tlv_iter_init(&it, wire_rd_of(copy, len)) != OK) {
        free(copy);
        return "!";
    }
    while ((rc = tlv_next(&it, ret)) != ERR_NOENT) {
        assert_true(rc == OK || rc == ERR_MALFORMED);
        assert_true(n < sizeof(out) - 1);
        out[n++] = 'x';
        if (rc == OK) {
            assert_true(ret->type < sizeof(letter) - 1);
            out[n - 1] = letter[ret->type];
        }
    }
    assert_int_equal(tlv_next(&it, ret), ERR_NOENT); /* the end stays the end */
    free(copy);
    out[n] = '\0';
    return out;
}

/* The same for a packet with this body in hex. */
static const char *walk_body(const char *hex, struct tlv *ret)
{
    size_t len;
    uint8_t *body = bytes_of(hex, &len), frame[2048];
    struct wire_wr w = wire_wr_of(frame, sizeof(frame));
    wire_put_u32(&w, 0x01010000);
    wire_put_u16(&w, 0x2a03);
    wire_put_u16(&w, (uint16_t)len);
    wire_put(&w, body, len);
    assert_false(w.bad);
    free(body);
    return walk(frame, wire_len(&w), ret);
}

static void expect_equal(const struct tlv *a, const struct tlv *b)
{
    assert_int_equal(a->type, b->type);
    switch (a->type) {
    case TLV_HELLO:
        assert_int_equal(a->hello.flags, b->hello.flags);
        assert_int_equal(a->hello.seqno, b->hello.seqno);
        assert_int_equal(a->hello.interval_cs, b->hello.interval_cs);
        return;
    case TLV_IHU:
        assert_int_equal(a->ihu.rx_cost, b->ihu.rx_cost);
        assert_int_equal(a->ihu.interval_cs, b->ihu.interval_cs);
        return;
    case TLV_UPDATE:
        assert_int_equal(a->update.interval_cs, b->update.interval_cs);
        assert_int_equal(a->update.seqno, b->update.seqno);
        assert_int_equal(a->update.metric, b->update.metric);
        assert_true(subnet_eq(&a->update.subnet, &b->update.subnet));
        assert_memory_equal(a->update.router_id.b, b->update.router_id.b, ROUTER_ID_BYTES);
        return;
    case TLV_ROUTE_REQUEST:
        assert_int_equal(a->route_request.generation, b->route_request.generation);
        assert_int_equal(a->route_request.wildcard, b->route_request.wildcard);
        assert_true(subnet_eq(&a->route_request.subnet, &b->route_request.subnet));
        return;
    case TLV_SEQNO_REQUEST:
        assert_int_equal(a->seqno_request.seqno, b->seqno_request.seqno);
        assert_int_equal(a->seqno_request.hop_count, b->seqno_request.hop_count);
        assert_true(subnet_eq(&a->seqno_request.subnet, &b->seqno_request.subnet));
        assert_memory_equal(a->seqno_request.router_id.b, b->seqno_request.router_id.b,
                            ROUTER_ID_BYTES);
        return;
    case TLV_PAD1:
    case TLV_PADN:
        break;
    }
    fail_msg("type %d", (int)a->type);
}

/* docs/protocol/packets.md, "Vectors": packets of running nodes. */
static const char hello_0[] = "010100002a03000804068000000007d0";
static const char hello_2[] = "010100002a03000804068000000207d0";
static const char ihu_1010[] = "010100002a0300080506000003f21770";
static const char update_own[] = "010100002a03003c083a0200400075300000000005c711d0b6c53031" ID_A;
static const char update_own_1[] = "010100002a03003c083a0200400075300001000005c711d0b6c53031" ID_A;
static const char update_relayed[] =
    "010100002a03003c083a020040007530000003f204da509bbef25f56" ID_2;
static const char retraction[] = "010100002a03003c083a0200400075300000ffff04da509bbef25f56" ID_A;
static const char request[] = "010100002a03000d090b00024004a9cb26db6a2373";
static const char request_15[] = "010100002a03000d090b0f024005ead9592820a86c";
static const char wildcard[] = "010100002a0300050903000000";
static const char seqno_64[] = "010100002a0300380a36024000014000" ID_3 "05ea406b052c99c7";
static const char seqno_63[] = "010100002a0300380a36024000013f00" ID_3 "05ea406b052c99c7";

static const char *const vectors[] = {hello_0,      hello_2,        ihu_1010,   update_own,
                                      update_own_1, update_relayed, retraction, request,
                                      request_15,   wildcard,       seqno_64,   seqno_63};

/* Decodes to the value, and the value encodes to the same bytes. */
static void expect_both_ways(const char *hex, const struct tlv *value)
{
    size_t len;
    struct tlv t;
    uint8_t *frame = bytes_of(hex, &len);
    assert_int_equal(strlen(walk(frame, len, &t)), 1);
    expect_equal(&t, value);
    struct pkt *p = tlv_encode(value);
    assert_non_null(p);
    assert_int_equal(p->len, len);
    assert_memory_equal(p->data, frame, len);
    pkt_free(p);
    free(frame);
}

static void test_vectors(void **state)
{
    (void)state;
    struct tlv t = {.type = TLV_HELLO, .hello = {.flags = 0x8000, .seqno = 0, .interval_cs = 2000}};
    expect_both_ways(hello_0, &t);
    t.hello.seqno = 2;
    expect_both_ways(hello_2, &t);

    t = (struct tlv){.type = TLV_IHU, .ihu = {.rx_cost = 1010, .interval_cs = 6000}};
    expect_both_ways(ihu_1010, &t);

    t = (struct tlv){.type = TLV_UPDATE,
                     .update = {.interval_cs = 30000,
                                .seqno = 0,
                                .metric = 0,
                                .subnet = subnet("5c7:11d0:b6c5:3031::", 64),
                                .router_id = router_id(ID_A)}};
    expect_both_ways(update_own, &t);
    t.update.seqno = 1;
    expect_both_ways(update_own_1, &t);
    t.update.seqno = 0;
    t.update.subnet = subnet("4da:509b:bef2:5f56::", 64);
    t.update.metric = METRIC_INFINITE;
    expect_both_ways(retraction, &t);
    t.update.metric = 1010;
    t.update.router_id = router_id(ID_2);
    expect_both_ways(update_relayed, &t);

    t = (struct tlv){.type = TLV_ROUTE_REQUEST,
                     .route_request = {.subnet = subnet("4a9:cb26:db6a:2373::", 64)}};
    expect_both_ways(request, &t);
    t.route_request.generation = 15;
    t.route_request.subnet = subnet("5ea:d959:2820:a86c::", 64);
    expect_both_ways(request_15, &t);
    t = (struct tlv){.type = TLV_ROUTE_REQUEST, .route_request = {.wildcard = true}};
    expect_both_ways(wildcard, &t);

    t = (struct tlv){.type = TLV_SEQNO_REQUEST,
                     .seqno_request = {.seqno = 1,
                                       .hop_count = 64,
                                       .subnet = subnet("5ea:406b:52c:99c7::", 64),
                                       .router_id = router_id(ID_3)}};
    expect_both_ways(seqno_64, &t);
    t.seqno_request.hop_count = 63;
    expect_both_ways(seqno_63, &t);
}

#define ONES_40                                                                                    \
    "0101010101010101010101010101010101010101"                                                     \
    "0101010101010101010101010101010101010101"
#define TWOS_40                                                                                    \
    "0202020202020202020202020202020202020202"                                                     \
    "0202020202020202020202020202020202020202"

static void test_foreign_bodies(void **state)
{
    (void)state;
    struct tlv t;
    assert_string_equal(walk_body("050a"
                                  "01000019019001010101",
                                  &t),
                        "i"); /* IPv4 address */
    assert_int_equal(t.ihu.rx_cost, 25);
    assert_int_equal(t.ihu.interval_cs, 400);
    assert_string_equal(walk_body("050e"
                                  "03000102002a0708090a0b0c0d0e",
                                  &t),
                        "i"); /* link local */
    assert_int_equal(t.ihu.rx_cost, 258);
    assert_int_equal(t.ihu.interval_cs, 42);
    assert_string_equal(walk_body("083a"
                                  "02c0400001900011001902000019001a001b" ONES_40,
                                  &t),
                        "u"); /* flags */
    assert_int_equal(t.update.interval_cs, 400);
    assert_int_equal(t.update.seqno, 17);
    assert_int_equal(t.update.metric, 25);
    struct subnet s = subnet("200:19:1a:1b::", 64);
    assert_true(subnet_eq(&t.update.subnet, &s));
    assert_string_equal(walk_body("0835"
                                  "01001700025800aa01000a6504" TWOS_40,
                                  &t),
                        "x"); /* IPv4 */
    assert_string_equal(walk_body("0406"
                                  "890000640190",
                                  &t),
                        "h");
    assert_int_equal(t.hello.flags, HELLO_FLAG_UNICAST);
    assert_int_equal(t.hello.seqno, 100);
    assert_int_equal(t.hello.interval_cs, 400);
}

/* A packet that ends early is refused; so is a TLV that is shorter than its fields, at each length.
 */
static void test_every_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        size_t len;
        struct tlv t;
        uint8_t *frame = bytes_of(vectors[i], &len);
        for (size_t cut = 0; cut < len; cut++)
            assert_string_equal(walk(frame, cut, &t), "!");
        for (size_t cut = BABEL_HEADER_BYTES; cut < len; cut++) {
            frame[7] = (uint8_t)(cut - BABEL_HEADER_BYTES); /* the length says so, too */
            assert_string_equal(walk(frame, cut, &t), cut == BABEL_HEADER_BYTES ? "" : "x");
            if (cut >= BABEL_HEADER_BYTES + 2) {
                uint8_t tlv_len = frame[9];
                frame[9] = (uint8_t)(cut - BABEL_HEADER_BYTES - 2); /* and the TLV's */
                assert_string_equal(walk(frame, cut, &t), "x");
                frame[9] = tlv_len;
            }
        }
        free(frame);
    }
}

static void test_bad_packet_headers(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint8_t value;
    } v[] = {{0, 0}, {0, 2}, {1, 0}, {1, 2}, {4, 43}, {5, 2}, {5, 4}, {6, 1}, {7, 7}, {7, 9}};
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        size_t len;
        struct tlv t;
        uint8_t *frame = bytes_of(hello_0, &len);
        frame[v[i].at] = v[i].value;
        assert_string_equal(walk(frame, len, &t), "!");
        free(frame);
    }
    size_t len;
    struct tlv t;
    uint8_t *frame = bytes_of(hello_0, &len);
    frame[2] = frame[3] = 0xff; /* reserved: not looked at */
    assert_string_equal(walk(frame, len, &t), "h");
    free(frame);
}

#define HELLO    "04068000000007d0"
#define DIRTY_63 "090b00023f0400000000000001" /* the bit behind the 63 is set */

/* docs/protocol/packets.md, "What bad input gets": each of it in front of a good Hello. */
static void test_walk_goes_on(void **state)
{
    (void)state;
    static const struct {
        const char *hex, *expect;
    } v[] = {
        {"", ""},
        {"00", ""},
        {"0000000000", ""},
        {"00" HELLO, "h"},
        {"0100" HELLO, "h"},
        {"0103000000" HELLO, "h"},
        {"0103ffffff" HELLO "00", "h"},
        {HELLO HELLO, "hh"},
        {HELLO "0506000003f21770", "hi"},
        {"6300" HELLO, "xh"},
        {"6303010203" HELLO, "xh"},
        {"0406800000" HELLO, "hx"},   /* eats three bytes of what follows */
        {"0404800000ff" HELLO, "xh"}, /* Hello too short */
        {"0400" HELLO, "xh"},
        {"04088000000007d0ffff" HELLO, "hh"}, /* sub-TLV */
        {"0508000003f217700000" HELLO, "ih"},
        {"0506040003f21770" HELLO, "xh"}, /* AE 4 */
        {"0506010003f21770" HELLO, "xh"}, /* AE 1 without its address */
        {"0505000003f217" HELLO, "xh"},
        {"083200000000000100000000" ONES_40 HELLO, "xh"}, /* Update for ::/0, AE 0 */
        {"083202000000000100000000" ONES_40 HELLO, "uh"}, /* the same as AE 2: filters decide */
        {"0903000000" HELLO, "rh"},                       /* wildcard */
        {"0903000040" HELLO, "rh"},                       /* wildcard with a length */
        {"09070001180a0b0c00" HELLO, "xh"},               /* IPv4 */
        {"090b0003400400000000000000" HELLO, "xh"},       /* link local */
        {"090b0004400400000000000000" HELLO, "xh"},
        {DIRTY_63 HELLO, "xh"},
        {"090b00023f0400000000000002" HELLO, "rh"},
        {"090bff02400400000000000001" HELLO, "rh"}, /* generation: the caller's matter */
        {"09020002" HELLO, "xh"},
        {"09140002810400000000000000000000000000000000" HELLO, "xh"}, /* length 129 */
        {"091300028004000000000000000000000000000001" HELLO, "rh"},
        {"0903000200" HELLO, "rh"},                                  /* ::/0 */
        {"0a36024000010000" ONES_40 "0400000000000000" HELLO, "xh"}, /* hop count 0 */
        {"0a360240000101ff" ONES_40 "0400000000000000" HELLO, "sh"},
        {"0a36014000010100" ONES_40 "0400000000000000" HELLO, "xh"},
        {"0a36023f00010100" ONES_40 "0400000000000001" HELLO, "xh"},
        {"0aff" HELLO, "x"},
        {"04", "x"},
        {"01", "x"},
        {"01ff00", "x"},
        {"0106", "x"},
    };
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        struct tlv t;
        const char *got = walk_body(v[i].hex, &t);
        if (strcmp(got, v[i].expect) != 0)
            fail_msg("%s: %s instead of %s", v[i].hex, got, v[i].expect);
    }
}

/* Each prefix length of each TLV that has one, both ways; then each bit behind it. */
static void test_prefix_lengths(void **state)
{
    (void)state;
    struct ip6 ones;
    memset(ones.b, 0xff, sizeof(ones.b));
    for (unsigned plen = 0; plen <= 128; plen++) {
        struct subnet s = {.net = ip6_mask(&ones, plen), .plen = (uint8_t)plen};
        struct tlv t[3] = {
            {.type = TLV_UPDATE, .update = {.subnet = s, .router_id = router_id(ID_2)}},
            {.type = TLV_ROUTE_REQUEST, .route_request = {.subnet = s}},
            {.type = TLV_SEQNO_REQUEST,
             .seqno_request = {.hop_count = 1, .subnet = s, .router_id = router_id(ID_3)}},
        };
        static const size_t prefix_at[3] = {20, 13, 56}, fixed[3] = {60, 13, 56};
        for (size_t i = 0; i < 3; i++) {
            struct tlv back;
            struct pkt *p = tlv_encode(&t[i]);
            assert_non_null(p);
            assert_int_equal(p->len, fixed[i] + (plen + 7) / 8);
            assert_int_equal(strlen(walk(p->data, p->len, &back)), 1);
            expect_equal(&back, &t[i]);
            for (unsigned bit = plen; bit % 8 != 0; bit++) {
                uint8_t *b = &p->data[prefix_at[i] + bit / 8];
                *b = (uint8_t)(*b | 0x80 >> bit % 8);
                assert_string_equal(walk(p->data, p->len, &back), "x");
                *b = (uint8_t)(*b & ~(0x80 >> bit % 8));
            }
            pkt_free(p);
        }
    }
}

/* Nothing leaves with bits behind the prefix, whatever the caller left in the address. */
static void test_encode_masks(void **state)
{
    (void)state;
    struct tlv t = {.type = TLV_ROUTE_REQUEST}, back;
    memset(t.route_request.subnet.net.b, 0xff, 16);
    t.route_request.subnet.plen = 63;
    struct pkt *p = tlv_encode(&t);
    assert_non_null(p);
    assert_int_equal(p->data[p->len - 1], 0xfe);
    assert_string_equal(walk(p->data, p->len, &back), "r");
    pkt_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),      cmocka_unit_test(test_foreign_bodies),
        cmocka_unit_test(test_every_cut),    cmocka_unit_test(test_bad_packet_headers),
        cmocka_unit_test(test_walk_goes_on), cmocka_unit_test(test_prefix_lengths),
        cmocka_unit_test(test_encode_masks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
