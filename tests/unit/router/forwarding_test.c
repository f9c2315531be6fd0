/* Data packets through one router: the recorded cases of tests/vectors/data-packets.json (the
 * router runs with key k05, its neighbour is k06 and has a route to k07), and what waits. */
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "fixture.h"
#include "router/core.h"
#include "router/oob_icmp.h"

struct world {
    struct fx f;
    struct identity *k06, *k07;
    struct sealer *s06, *s07;
    struct ip6 a05, a06, a07;
    struct pubkey key05;
    peer_id a; /* k06 */
    peer_id b; /* somebody else */
};

static json_t *vectors(const char *name)
{
    char path[512];
    json_error_t err;
    (void)snprintf(path, sizeof(path), "%s/%s", TEST_VECTORS, name);
    json_t *j = json_load_file(path, 0, &err);
    if (!j)
        fail_msg("%s: %s", path, err.text);
    return j;
}

static const char *text(const json_t *j, const char *key)
{
    const char *s = json_string_value(json_object_get(j, key));
    if (!s)
        fail_msg("no %s in %s", key, json_string_value(json_object_get(j, "name")));
    return s;
}

static size_t hex_of(const json_t *j, const char *key, uint8_t *buf, size_t cap)
{
    const char *s = text(j, key);
    size_t len = strlen(s) / 2;
    assert_true(len <= cap);
    assert_int_equal(hex_decode(s, strlen(s), buf, len), OK);
    return len;
}

static struct identity *identity_of(const json_t *keys, const char *name)
{
    size_t i;
    json_t *k;
    uint8_t secret[KEY_BYTES];
    struct identity *id;
    json_array_foreach(json_object_get(keys, "keys"), i, k)
    {
        if (strcmp(text(k, "name"), name) != 0)
            continue;
        assert_int_equal(hex_of(k, "private_key", secret, sizeof(secret)), sizeof(secret));
        assert_int_equal(identity_new(secret, &id), OK);
        return id;
    }
    fail_msg("no key %s", name);
    return NULL;
}

static struct router_id id_of(const struct identity *id)
{
    struct router_id rid = {{0}};
    memcpy(rid.b, identity_pubkey(id)->b, KEY_BYTES);
    return rid;
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    json_t *keys = vectors("keys.json");
    fx_init(&w->f, NULL);
    w->k06 = identity_of(keys, "k06");
    w->k07 = identity_of(keys, "k07");
    json_decref(keys);
    assert_int_equal(sealer_new(w->k06, &w->f.rng, 0, &w->s06), OK);
    assert_int_equal(sealer_new(w->k07, &w->f.rng, 0, &w->s07), OK);
    w->a05 = router_address(w->f.r);
    w->a06 = identity_address(w->k06);
    w->a07 = identity_address(w->k07);
    w->key05 = *identity_pubkey(w->f.id);
    w->a = fx_up(&w->f);
    w->b = fx_up(&w->f);
    struct router_id r06 = id_of(w->k06), r07 = id_of(w->k07);
    fx_update(&w->f, w->a, &r06, 0, 0);
    fx_update(&w->f, w->a, &r07, 20, 0);
    fx_forget(&w->f);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    fx_fini(&w->f);
    sealer_free(w->s06);
    sealer_free(w->s07);
    identity_free(w->k06);
    identity_free(w->k07);
    free(w);
    return 0;
}

/* --- recorded cases -----------------------------------------------------------------------------
 */

static void sum16(uint32_t *sum, const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        *sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
}

/* The large cases hold only hashes: IPv6 + UDP 40000 -> 7, payload byte i = 7 i + 3. */
static struct pkt *large_case(struct world *w, const json_t *c)
{
    size_t len = (size_t)json_integer_value(json_object_get(c, "body_len"));
    struct pkt *p = pkt_new(len);
    uint8_t *b = p->data, nonce[SEAL_NONCE_BYTES];
    uint32_t udp_len = (uint32_t)len - 40, sum = udp_len + 17;
    memset(b, 0, 48);
    b[0] = 0x60;
    b[4] = (uint8_t)(udp_len >> 8);
    b[5] = (uint8_t)udp_len;
    b[6] = 17;
    b[7] = 64;
    memcpy(b + 8, w->a06.b, 16);
    memcpy(b + 24, w->a05.b, 16);
    b[40] = 40000 >> 8;
    b[41] = 40000 & 0xff;
    b[43] = 7;
    b[44] = b[4];
    b[45] = b[5];
    for (size_t i = 48; i < len; i++)
        b[i] = (uint8_t)(7 * (i - 48) + 3);
    sum16(&sum, b + 8, len - 8);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    b[46] = (uint8_t)(~sum >> 8);
    b[47] = (uint8_t)~sum;
    memcpy(pkt_push(p, USER_HEADER_BYTES), "\x01\x00\x00\x00", 4);
    hex_of(c, "nonce", nonce, sizeof(nonce));
    assert_int_equal(seal_pkt_nonce(w->s06, &w->key05, p, nonce), OK);
    data_encode(p, (uint8_t)json_integer_value(json_object_get(c, "hop_limit_on_wire")), &w->a06,
                &w->a05);
    uint8_t sha[crypto_hash_sha256_BYTES];
    char hex[2 * crypto_hash_sha256_BYTES + 1];
    crypto_hash_sha256(sha, p->data, p->len);
    assert_string_equal(hex_encode(sha, sizeof(sha), hex), text(c, "wire_sha256"));
    return p;
}

static void expect_reply(struct world *w, const json_t *c)
{
    uint8_t want[2048];
    size_t want_len = hex_of(c, "reply_plaintext", want, sizeof(want));
    struct pkt *p = fx_take(&w->f, w->a);
    struct data_header h;
    struct wire_rd body;
    struct ip6 own_net = fx_own(&w->f).net;
    assert_non_null(p);
    assert_int_equal(data_decode(wire_rd_of(p->data, p->len), &h, &body), OK);
    assert_int_equal(h.hop_limit, 63);
    assert_true(ip6_eq(&h.src, &own_net));
    assert_true(ip6_eq(&h.dst, &w->a06));
    pkt_pull(p, DATA_HEADER_BYTES);
    assert_int_equal(unseal_pkt(w->s06, &w->key05, p), OK);
    assert_int_equal(p->len, want_len);
    assert_memory_equal(p->data, want, want_len);
    pkt_free(p);
}

/* Out-of-band ICMP comes out with what the lost packet said. */
static void expect_oob(struct world *w, const json_t *c, const json_t *original)
{
    uint8_t body[2048], quote[512];
    struct router_out o;
    (void)hex_of(c, "body", body, sizeof(body));
    size_t quote_len = hex_of(original, "plaintext", quote, sizeof(quote));
    assert_true(fx_event(&w->f, ROUTER_OUT_LOCAL, &o));
    assert_int_equal(o.user_type, USER_OOB_ICMP);
    assert_int_equal(o.hop_limit, 62);
    assert_int_equal(o.pkt->len, OOB_ICMP_HEADER_BYTES + quote_len);
    assert_memory_equal(o.pkt->data, body, OOB_ICMP_HEADER_BYTES);
    assert_memory_equal(o.pkt->data + OOB_ICMP_HEADER_BYTES, quote, quote_len);
    pkt_free(o.pkt);
}

static void expect_local(struct world *w, const json_t *c, const struct pkt *large)
{
    uint8_t body[2048];
    char str[IP6_STR_MAX];
    struct router_out o;
    assert_true(fx_event(&w->f, ROUTER_OUT_LOCAL, &o));
    if (!large) {
        size_t len = hex_of(c, "body", body, sizeof(body));
        assert_int_equal(o.pkt->len, len);
        assert_memory_equal(o.pkt->data, body, len);
    }
    assert_int_equal(o.pkt->len, json_integer_value(json_object_get(c, "body_len")));
    assert_int_equal(o.user_type, strtoul(text(c, "user_header") + 2, NULL, 16) >> 16);
    assert_int_equal(o.hop_limit, json_integer_value(json_object_get(c, "hop_limit_on_wire")) - 1);
    assert_string_equal(ip6_str(&o.src, str), text(c, "outer_src"));
    assert_string_equal(ip6_str(&o.dst, str), text(c, "outer_dst"));
    assert_memory_equal(o.src_key.b, identity_pubkey(w->k06)->b, KEY_BYTES);
    pkt_free(o.pkt);
}

enum outcome { LOCAL, REPLY, OOB, BARE_OOB, DROPPED };

static enum outcome outcome_of(const json_t *c)
{
    const char *name = text(c, "name"), *expect = text(c, "expect");
    if (json_object_get(c, "reply_plaintext"))
        return REPLY;
    if (strcmp(name, "oob-empty-quote") == 0)
        return BARE_OOB; /* an error without quote is still an error */
    if (strncmp(name, "oob-", 4) == 0)
        return strstr(expect, "rebuild") ? OOB : DROPPED;
    /* What an L3 packet has to look like inside is the tunnel's business, not the router's. */
    if (strncmp(name, "inner-", 6) == 0 || strcmp(name, "l3-39") == 0)
        return LOCAL;
    return strncmp(expect, "dropped", 7) == 0 ? DROPPED : LOCAL;
}

static void recorded_cases(void **state)
{
    struct world *w = *state;
    json_t *j = vectors("data-packets.json"), *c;
    size_t i, n = 0;
    json_array_foreach(json_object_get(j, "cases"), i, c)
    {
        struct pkt *large = json_object_get(c, "wire") ? NULL : large_case(w, c);
        struct router_out o;
        if (large)
            fx_bytes(&w->f, w->a, large->data, large->len);
        else
            fx_hex(&w->f, w->a, text(c, "wire"));
        switch (outcome_of(c)) {
        case LOCAL:
            expect_local(w, c, large);
            break;
        case REPLY:
            expect_reply(w, c);
            break;
        case OOB:
            expect_oob(w, c, json_object_get(j, "quoted_original"));
            break;
        case BARE_OOB:
            assert_true(fx_event(&w->f, ROUTER_OUT_LOCAL, &o));
            assert_int_equal(o.pkt->len, OOB_ICMP_HEADER_BYTES);
            pkt_free(o.pkt);
            break;
        case DROPPED:
            break;
        }
        fx_expect_silence(&w->f);
        if (w->f.events_len > 0)
            fail_msg("%s: more than expected", text(c, "name"));
        pkt_free(large);
        n++;
    }
    assert_int_equal(n, 38);
    json_decref(j);
}

/* --- passing ------------------------------------------------------------------------------------
 */

static struct pkt *packet(const struct ip6 *src, const struct ip6 *dst, uint8_t hop_limit,
                          size_t len)
{
    struct pkt *p = pkt_new(len);
    assert_non_null(p);
    memset(p->data, 0x5a, len);
    data_encode(p, hop_limit, src, dst);
    return p;
}

static void pass(struct world *w, peer_id from, const struct ip6 *src, const struct ip6 *dst,
                 uint8_t hop_limit, size_t len)
{
    struct pkt *p = packet(src, dst, hop_limit, len);
    fx_bytes(&w->f, from, p->data, p->len);
    pkt_free(p);
}

static void expect_data(struct world *w, peer_id to, const struct ip6 *dst, uint8_t hop_limit,
                        size_t len)
{
    struct pkt *p = fx_take(&w->f, to);
    struct data_header h;
    struct wire_rd body;
    assert_non_null(p);
    assert_int_equal(data_decode(wire_rd_of(p->data, p->len), &h, &body), OK);
    assert_true(ip6_eq(&h.dst, dst));
    assert_int_equal(h.hop_limit, hop_limit);
    assert_int_equal(h.len, len);
    pkt_free(p);
}

static void passing(void **state)
{
    struct world *w = *state;
    static const size_t lens[] = {4, 0, 65535};
    for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
        pass(w, w->b, &w->a06, &w->a07, 64, lens[i]);
        expect_data(w, w->a, &w->a07, 63, lens[i]);
    }
    pass(w, w->b, &w->a06, &w->a07, 2, 4);
    expect_data(w, w->a, &w->a07, 1, 4);

    /* Reserved bytes are cleared on the way. */
    struct pkt *p = packet(&w->a06, &w->a07, 5, 3);
    p->data[2] = p->data[3] = p->data[4] = 0xff;
    fx_bytes(&w->f, w->b, p->data, p->len);
    p->data[2] = p->data[3] = p->data[4] = 0;
    p->data[7] = 4;
    struct pkt *out = fx_take(&w->f, w->a);
    assert_non_null(out);
    assert_memory_equal(out->data, p->data, p->len);
    pkt_free(out);
    pkt_free(p);
    fx_expect_silence(&w->f);
}

static void expect_error(struct world *w, peer_id to, enum oob_icmp_type type,
                         const struct ip6 *lost, size_t quote_len)
{
    struct pkt *p = fx_take(&w->f, to);
    struct oob_icmp o;
    struct ip6 own_net = fx_own(&w->f).net;
    assert_non_null(p);
    assert_int_equal(p->data[1], OUTER_DATA);
    pkt_pull(p, DATA_HEADER_BYTES);
    assert_int_equal(unseal_pkt(w->s06, &w->key05, p), OK);
    assert_int_equal(p->data[1], USER_OOB_ICMP);
    pkt_pull(p, USER_HEADER_BYTES);
    assert_int_equal(oob_icmp_decode(wire_rd_of(p->data, p->len), &o), OK);
    assert_int_equal(o.type, type);
    assert_true(ip6_eq(&o.lost_dst, lost));
    assert_true(ip6_eq(&o.src, &own_net));
    assert_int_equal(o.quote_len, quote_len);
    pkt_free(p);
}

static void no_way(void **state)
{
    struct world *w = *state;
    struct ip6 far = {{0x20, 0x01}};
    pass(w, w->b, &w->a06, &w->a07, 1, 40); /* time exceeded goes to the source, over its route */
    expect_error(w, w->a, OOB_TIME_EXCEEDED, &w->a07, 40);
    pass(w, w->b, &w->a06, &far, 9, 2000);
    expect_error(w, w->a, OOB_UNREACHABLE, &far, 0);
    struct router_id r07 = id_of(w->k07);
    fx_update(&w->f, w->a, &r07, METRIC_INFINITE, 0); /* not in use: not searched */
    fx_forget(&w->f);
    pass(w, w->b, &w->a06, &w->a07, 9, 8);
    expect_error(w, w->a, OOB_UNREACHABLE, &w->a07, 8);
    fx_expect_silence(&w->f);
    for (unsigned i = 0; i < 1000; i++) /* errors are rationed */
        pass(w, w->b, &w->a06, &far, 9, 2);
    assert_int_equal(fx_count(&w->f, w->a), OOB_ICMP_BURST - 3);
}

/* One hop is taken, whether a packet waits or not. */
static void waiting_for_a_route(void **state)
{
    struct world *w = *state;
    struct subnet x = fx_subnet_of(&fx_x);
    struct ip6 dst = x.net;
    dst.b[15] = 1;
    pass(w, w->b, &w->a06, &dst, 64, 1);
    pass(w, w->b, &w->a06, &dst, 64, 2);
    struct pkt *own = pkt_copy("own", 3);
    assert_int_equal(router_send(w->f.r, &w->a05, &dst, USER_L3, 64, own, w->f.now), OK);
    fx_advance(&w->f, 0);
    fx_expect_route_request(&w->f, w->a, &x, 0);
    fx_expect_route_request(&w->f, w->b, &x, 0);
    fx_expect_silence(&w->f);
    fx_update(&w->f, w->a, &fx_x, 0, 0);
    expect_data(w, w->a, &dst, 63, 1);
    expect_data(w, w->a, &dst, 63, 2);
    expect_data(w, w->a, &dst, 63, 3 + 4 + 28);
    fx_expect_silence(&w->f); /* b has asked for no route */
    pass(w, w->b, &w->a06, &dst, 64, 7);
    expect_data(w, w->a, &dst, 63, 7);
    assert_int_equal(fx_stats(&w->f).out_enqueued, 3);
    assert_int_equal(fx_stats(&w->f).out_dequeued, 3);
}

/* Packets of others that waited in vain vanish. */
static void waiting_in_vain(void **state)
{
    struct world *w = *state;
    struct ip6 dst = fx_subnet_of(&fx_x).net;
    pass(w, w->b, &w->a06, &dst, 64, 1);
    fx_forget(&w->f);
    fx_advance(&w->f, 15 * USEC_SEC);
    fx_expect_silence(&w->f);
    assert_int_equal(w->f.events_len, 0);
    assert_int_equal(fx_stats(&w->f).out_timeout, 1);
    assert_int_equal(w->f.r->parked_bytes, 0);
}

static void full_queues(void **state)
{
    struct world *w = *state;
    struct ip6 dst = fx_subnet_of(&fx_x).net, other = fx_subnet_of(&fx_y).net;
    uint32_t max = w->f.r->limits.wait_packets_node;
    for (uint32_t i = 0; i < max; i++)
        pass(w, w->b, &w->a06, &dst, 64, 10);
    fx_forget(&w->f);
    pass(w, w->b, &w->a06, &dst, 64, 10);
    expect_error(w, w->a, OOB_UNREACHABLE, &dst, 10);
    int rc = router_send(w->f.r, &w->a05, &dst, USER_L3, 64, pkt_copy("x", 1), w->f.now);
    assert_int_equal(rc, ERR_LIMIT);
    w->f.r->limits.wait_bytes = 50 * max + 100;
    pass(w, w->b, &w->a06, &other, 64, 40);
    fx_forget(&w->f);
    pass(w, w->b, &w->a06, &other, 64, 40);
    expect_error(w, w->a, OOB_UNREACHABLE, &other, 40);
    assert_int_equal(fx_stats(&w->f).out_full_node, 2);
    assert_int_equal(fx_stats(&w->f).out_full_all, 1);
}

/* --- arriving
 * ------------------------------------------------------------------------------------- */

static void arrive(struct world *w, struct sealer *s, const struct ip6 *src, const char *body)
{
    struct pkt *p = pkt_copy(body, strlen(body));
    assert_non_null(p);
    memcpy(pkt_push(p, USER_HEADER_BYTES), "\x01\x01\x00\x00", 4);
    assert_int_equal(seal_pkt(s, &w->key05, p), OK);
    data_encode(p, 60, src, &w->a05);
    fx_bytes(&w->f, w->b, p->data, p->len);
    pkt_free(p);
}

/* From a source whose key is not known: it is searched, the packets wait. */
static void waiting_for_a_key(void **state)
{
    struct world *w = *state;
    struct router_out o;
    struct identity *id;
    struct sealer *s;
    uint8_t secret[KEY_BYTES] = {7};
    assert_int_equal(identity_new(secret, &id), OK);
    assert_int_equal(sealer_new(id, &w->f.rng, 0, &s), OK);
    struct router_id rid = id_of(id);
    struct subnet net = fx_subnet_of(&rid);
    struct ip6 src = identity_address(id);
    arrive(w, s, &src, "one");
    arrive(w, s, &src, "two");
    fx_expect_route_request(&w->f, w->a, &net, 0);
    fx_expect_route_request(&w->f, w->b, &net, 0);
    fx_expect_silence(&w->f);
    for (unsigned i = 0; i < 2 * PARKED_INBOUND_NODE_MAX; i++)
        arrive(w, s, &src, "more");
    assert_int_equal(fx_stats(&w->f).in_enqueued, PARKED_INBOUND_NODE_MAX);
    assert_int_equal(fx_stats(&w->f).in_full, PARKED_INBOUND_NODE_MAX + 2);
    fx_update(&w->f, w->b, &rid, 3, 0);
    for (unsigned i = 0; i < PARKED_INBOUND_NODE_MAX; i++) {
        assert_true(fx_event(&w->f, ROUTER_OUT_LOCAL, &o));
        if (i < 2)
            assert_memory_equal(o.pkt->data, i ? "two" : "one", 3);
        assert_int_equal(o.hop_limit, 59);
        assert_memory_equal(o.src_key.b, rid.b, KEY_BYTES);
        pkt_free(o.pkt);
    }
    assert_false(fx_event(&w->f, ROUTER_OUT_LOCAL, &o));
    assert_int_equal(w->f.r->parked_inbound, 0);

    /* The key stays good when the route has gone. */
    fx_update(&w->f, w->b, &rid, METRIC_INFINITE, 0);
    arrive(w, s, &src, "late");
    assert_true(fx_event(&w->f, ROUTER_OUT_LOCAL, &o));
    pkt_free(o.pkt);
    sealer_free(s);
    identity_free(id);
}

static void unknown_source_ages(void **state)
{
    struct world *w = *state;
    struct ip6 src = {{4, 1}};
    arrive(w, w->s06, &src, "from nowhere");
    fx_forget(&w->f);
    fx_advance(&w->f, 15 * USEC_SEC);
    assert_int_equal(fx_stats(&w->f).in_timeout, 1);
    assert_int_equal(w->f.r->parked_inbound, 0);
    fx_expect_silence(&w->f);
    src = w->a05; /* nobody else sends from our /64 */
    arrive(w, w->s06, &src, "spoofed");
    fx_expect_silence(&w->f);
    assert_int_equal(w->f.events_len, 0);
    assert_int_equal(fx_stats(&w->f).unseal_failed, 1);
}

/* Everybody could compute the secret shared with such a key: its route is refused at first use. */
static void low_order_key(void **state)
{
    struct world *w = *state;
    struct router_id zero = {{0}};
    struct subnet s = fx_subnet_of(&zero);
    fx_want(&w->f, w->b, &zero);
    fx_update(&w->f, w->a, &zero, 0, 0);
    fx_update(&w->f, w->b, &zero, 0, 0);
    assert_true(fx_reachable(&w->f, &s));
    fx_forget(&w->f);
    int rc = router_send(w->f.r, &w->a05, &s.net, USER_L3, 64, pkt_copy("x", 1), w->f.now);
    assert_int_equal(rc, ERR_CRYPTO);
    fx_advance(&w->f, 0);
    fx_expect_retraction(&w->f, w->b, &s, 0);
    assert_false(fx_reachable(&w->f, &s));
    fx_update(&w->f, w->a, &zero, 0, 1);
    assert_false(fx_reachable(&w->f, &s));
    fx_expect_silence(&w->f);

    /* The same when the first use is a packet that comes from there. */
    struct router_id one = {{1}};
    struct subnet s1 = fx_subnet_of(&one);
    fx_update(&w->f, w->a, &one, 0, 0);
    assert_true(fx_reachable(&w->f, &s1));
    arrive(w, w->s06, &s1.net, "forged");
    assert_false(fx_reachable(&w->f, &s1));
    fx_update(&w->f, w->a, &one, 0, 1); /* remembered, though nobody was told a route */
    assert_false(fx_reachable(&w->f, &s1));
}

static void output_limit(void **state)
{
    struct world *w = *state;
    w->f.r->limits.out_packets = 5;
    for (int i = 0; i < 9; i++) {
        int rc = router_send(w->f.r, &w->a05, &w->a07, USER_L3, 64, pkt_copy("x", 1), w->f.now);
        assert_int_equal(rc, i < 5 ? OK : ERR_LIMIT);
    }
    fx_hello(&w->f, w->a); /* control is never refused */
    assert_int_equal(fx_count(&w->f, w->a), 6);
    assert_int_equal(fx_stats(&w->f).limit_out, 4);
}

static void sum_packets(void *ctx, const struct ip6 *addr, uint64_t packets, uint64_t bytes)
{
    uint64_t *sum = ctx;
    (void)addr;
    sum[0] += packets;
    sum[1] += bytes;
}

static void statistics(void **state)
{
    struct world *w = *state;
    uint64_t src[2] = {0}, dst[2] = {0};
    pass(w, w->b, &w->a06, &w->a07, 64, 100);
    pass(w, w->b, &w->a06, &w->a07, 64, 50);
    int rc = router_send(w->f.r, &w->a05, &w->a07, USER_L3, 64, pkt_copy("12345678", 8), w->f.now);
    assert_int_equal(rc, OK);
    router_each_source(w->f.r, sum_packets, src);
    router_each_destination(w->f.r, sum_packets, dst);
    assert_int_equal(src[0], 3);
    assert_int_equal(src[1], 150 + 8 + 4 + 28);
    assert_int_equal(dst[0], 3);
    assert_int_equal(dst[1], src[1]);
    fx_advance(&w->f, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(recorded_cases),
        T(passing),
        T(no_way),
        T(waiting_for_a_route),
        T(waiting_in_vain),
        T(full_queues),
        T(waiting_for_a_key),
        T(unknown_source_ages),
        T(low_order_key),
        T(output_limit),
        T(statistics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
