#include "router/seal.h"

#include <sodium.h>

#include "base/wire.h"
#include "router/framer.h"
#include "router/packet.h"
#include "tests/unit/unit.h"
#include "tests/unit/vectors.h"

static json_t *packets, *keys;
static struct rng rng;

static int open_vectors(void **state)
{
    (void)state;
    packets = vectors_load("data-packets.json");
    keys = vectors_load("keys.json");
    rng_init_system(&rng);
    return 0;
}

static int close_vectors(void **state)
{
    (void)state;
    json_decref(packets);
    json_decref(keys);
    return 0;
}

static struct identity *identity_named(const char *name)
{
    size_t i;
    json_t *k;
    json_array_foreach(json_object_get(keys, "keys"), i, k)
    {
        uint8_t secret[KEY_BYTES];
        struct identity *id = NULL;
        if (strcmp(vectors_str(k, "name"), name) != 0)
            continue;
        vectors_bytes(k, "private_key", secret, sizeof(secret));
        assert_int_equal(identity_new(secret, &id), OK);
        return id;
    }
    fail_msg("no key %s", name);
    return NULL;
}

/* The two ends of one vector. */
struct ends {
    struct identity *from_id, *to_id;
    struct sealer *from, *to;
    const struct pubkey *from_key, *to_key;
};

static void ends_open(struct ends *e, const char *from, const char *to)
{
    e->from_id = identity_named(from);
    e->to_id = identity_named(to);
    e->from_key = identity_pubkey(e->from_id);
    e->to_key = identity_pubkey(e->to_id);
    assert_int_equal(sealer_new(e->from_id, &rng, 0, &e->from), OK);
    assert_int_equal(sealer_new(e->to_id, &rng, 0, &e->to), OK);
}

static void ends_close(struct ends *e)
{
    sealer_free(e->from);
    sealer_free(e->to);
    identity_free(e->from_id);
    identity_free(e->to_id);
}

static struct pkt *pkt_of_hex(const json_t *v, const char *key)
{
    size_t len;
    uint8_t *bytes = vectors_hex(v, key, &len);
    struct pkt *p = pkt_copy(bytes, len);
    assert_non_null(p);
    free(bytes);
    return p;
}

static void expect_bytes(const struct pkt *p, const json_t *v, const char *key)
{
    size_t len;
    uint8_t *bytes = vectors_hex(v, key, &len);
    assert_int_equal(p->len, len);
    assert_memory_equal(p->data, bytes, len);
    free(bytes);
}

static void expect_sha256(const void *bytes, size_t len, const json_t *v, const char *key)
{
    uint8_t hash[crypto_hash_sha256_BYTES];
    char text[2 * sizeof(hash) + 1];
    (void)crypto_hash_sha256(hash, bytes, len);
    assert_string_equal(hex_encode(hash, sizeof(hash), text), vectors_str(v, key));
}

static void test_pair_packets(void **state)
{
    (void)state;
    size_t i;
    json_t *v, *list = json_object_get(packets, "pair_packets");
    assert_int_equal(json_array_size(list), 20);
    json_array_foreach(list, i, v)
    {
        struct ends e;
        uint8_t nonce[SEAL_NONCE_BYTES], wire[DATA_HEADER_BYTES];
        struct data_header h;
        struct wire_rd body;
        vectors_bytes(v, "nonce", nonce, sizeof(nonce));
        ends_open(&e, vectors_str(v, "sender"), vectors_str(v, "receiver"));
        struct pkt *p = pkt_of_hex(v, "plaintext");
        assert_int_equal(seal_pkt_nonce(e.from, e.to_key, p, nonce), OK);
        expect_bytes(p, v, "raw_data");

        /* and the packet around it */
        size_t len;
        uint8_t *expect = vectors_hex(v, "wire", &len);
        memcpy(wire, expect, sizeof(wire));
        assert_int_equal(data_decode(wire_rd_of(expect, len), &h, &body), OK);
        free(expect);
        data_encode(p, h.hop_limit, &h.src, &h.dst);
        expect_bytes(p, v, "wire");
        assert_memory_equal(p->data, wire, sizeof(wire));
        pkt_pull(p, DATA_HEADER_BYTES);

        assert_int_equal(unseal_pkt(e.to, e.from_key, p), OK);
        expect_bytes(p, v, "plaintext");
        pkt_free(p);
        ends_close(&e);
    }
}

/* The user header and body of a case as one packet; large ones are made from their pattern. */
static struct pkt *plaintext_of(const json_t *v)
{
    uint8_t head[USER_HEADER_BYTES];
    vectors_bytes(v, "user_header", head, sizeof(head));
    size_t len = (size_t)json_integer_value(json_object_get(v, "body_len"));
    struct pkt *p = pkt_new(len);
    assert_non_null(p);
    if (vectors_str(v, "body")) {
        vectors_bytes(v, "body", p->data, len);
    } else { /* IPv6, UDP from 40000 to 7, byte i of the payload (7 i + 3) mod 256 */
        struct ip6 src, dst;
        assert_int_equal(ip6_parse(vectors_str(v, "outer_src"), &src), OK);
        assert_int_equal(ip6_parse(vectors_str(v, "outer_dst"), &dst), OK);
        struct wire_wr w = wire_wr_of(p->data, len);
        wire_put_u32(&w, 0x60000000);
        wire_put_u16(&w, (uint16_t)(len - 40));
        wire_put_u8(&w, 17);
        wire_put_u8(&w, 64);
        wire_put(&w, src.b, 16);
        wire_put(&w, dst.b, 16);
        wire_put_u16(&w, 40000);
        wire_put_u16(&w, 7);
        wire_put_u16(&w, (uint16_t)(len - 40));
        wire_put_u16(&w, 0);
        for (size_t i = 0; i < len - 48; i++)
            wire_put_u8(&w, (uint8_t)(7 * i + 3));
        assert_false(w.bad);
        uint64_t sum = 17 + len - 40; /* pseudo header, then the segment as 16-bit words */
        for (size_t i = 8; i < len; i++)
            sum += (uint64_t)p->data[i] << (i % 2 ? 0 : 8);
        while (sum > 0xffff)
            sum = (sum >> 16) + (sum & 0xffff);
        p->data[46] = (uint8_t)(~sum >> 8);
        p->data[47] = (uint8_t)~sum;
        expect_sha256(p->data, len, v, "body_sha256");
    }
    uint8_t *front = pkt_push(p, sizeof(head));
    assert_non_null(front);
    memcpy(front, head, sizeof(head));
    return p;
}

/* The cases whose raw data is not what its plaintext seals to. */
static bool is_tampered(const char *name)
{
    return strncmp(name, "bad-", 4) == 0 || strncmp(name, "raw-", 4) == 0;
}

static void test_cases(void **state)
{
    (void)state;
    size_t i, good = 0, refused = 0;
    json_t *v, *list = json_object_get(packets, "cases");
    assert_int_equal(json_array_size(list), 38);
    json_array_foreach(list, i, v)
    {
        struct ends e;
        uint8_t nonce[SEAL_NONCE_BYTES];
        ends_open(&e, vectors_str(v, "sender"), vectors_str(v, "receiver"));
        vectors_bytes(v, "nonce", nonce, sizeof(nonce));
        if (is_tampered(vectors_str(v, "name"))) {
            struct pkt *p = pkt_of_hex(v, "raw_data");
            assert_int_equal(unseal_pkt(e.to, e.from_key, p), ERR_CRYPTO);
            assert_int_equal(sealer_stats(e.to).refused, 1);
            pkt_free(p);
            refused++;
        } else {
            struct pkt *p = plaintext_of(v);
            struct pkt *plain = pkt_copy(p->data, p->len);
            assert_non_null(plain);
            assert_int_equal(seal_pkt_nonce(e.from, e.to_key, p, nonce), OK);
            if (vectors_str(v, "raw_data"))
                expect_bytes(p, v, "raw_data");
            else
                expect_sha256(p->data, p->len, v, "raw_data_sha256");
            assert_int_equal(unseal_pkt(e.to, e.from_key, p), OK);
            assert_int_equal(p->len, plain->len);
            assert_memory_equal(p->data, plain->data, plain->len);
            pkt_free(plain);
            pkt_free(p);
            good++;
        }
        ends_close(&e);
    }
    assert_int_equal(good, 33);
    assert_int_equal(refused, 5);
}

static void test_captured_packets(void **state)
{
    (void)state;
    size_t i;
    json_t *v, *list = json_object_get(packets, "captured_from_reference");
    assert_int_equal(json_array_size(list), 3);
    json_array_foreach(list, i, v)
    {
        struct ends e;
        ends_open(&e, vectors_str(v, "sender"), vectors_str(v, "receiver"));
        struct pkt *p = pkt_of_hex(v, "raw_data");
        assert_int_equal(unseal_pkt(e.to, e.from_key, p), OK);
        expect_bytes(p, v, "plaintext");
        pkt_free(p);
        ends_close(&e);
    }
}

/* One node of a captured session. */
struct node {
    struct identity *id;
    struct sealer *sealer;
};

static struct node *node_of(struct node *n, size_t len, const struct ip6 *address)
{
    for (size_t i = 0; i < len; i++) {
        struct ip6 own = identity_address(n[i].id);
        if (ip6_same_node(&own, address))
            return &n[i];
    }
    fail_msg("address of no node");
    return NULL;
}

/* Every data packet of the captured sessions opens with the key of its destination. */
static size_t unseal_capture(const char *file)
{
    struct node n[3] = {0};
    struct framer f[6] = {0};
    const char *stream_key[6] = {0}, *stream_link[6] = {0};
    size_t len = 0, opened = 0, i;
    json_t *root = vectors_load(file), *v;
    json_array_foreach(json_object_get(root, "nodes"), i, v)
    {
        uint8_t secret[KEY_BYTES], pub[KEY_BYTES];
        vectors_bytes(v, "privateKey", secret, sizeof(secret));
        vectors_bytes(v, "nodePubkey", pub, sizeof(pub));
        assert_int_equal(identity_new(secret, &n[len].id), OK);
        assert_memory_equal(identity_pubkey(n[len].id)->b, pub, sizeof(pub));
        assert_int_equal(sealer_new(n[len].id, &rng, 0, &n[len].sealer), OK);
        len++;
    }
    json_array_foreach(json_object_get(root, "stream"), i, v)
    {
        size_t k = 0, bytes_len, frame_len;
        const uint8_t *frame;
        while (stream_key[k] && (strcmp(stream_key[k], vectors_str(v, "from")) != 0 ||
                                 strcmp(stream_link[k], vectors_str(v, "link")) != 0))
            k++;
        stream_key[k] = vectors_str(v, "from");
        stream_link[k] = vectors_str(v, "link");
        uint8_t *bytes = vectors_hex(v, "hex", &bytes_len);
        framer_push(&f[k], bytes, bytes_len);
        while (framer_next(&f[k], &frame, &frame_len) == OK && frame) {
            struct data_header h;
            struct wire_rd body;
            if (frame[1] != OUTER_DATA)
                continue;
            assert_int_equal(data_decode(wire_rd_of(frame, frame_len), &h, &body), OK);
            struct pkt *p = pkt_copy(body.p, h.len);
            assert_non_null(p);
            const struct node *src = node_of(n, len, &h.src), *dst = node_of(n, len, &h.dst);
            assert_int_equal(unseal_pkt(dst->sealer, identity_pubkey(src->id), p), OK);
            assert_int_equal(p->data[0], 1);
            assert_int_equal(p->data[1], USER_MESSAGE);
            pkt_free(p);
            opened++;
        }
        free(bytes);
    }
    for (i = 0; i < 6; i++)
        framer_fini(&f[i]);
    for (i = 0; i < len; i++) {
        assert_true(sealer_stats(n[i].sealer).exchanges <= 2); /* one for each other node */
        sealer_free(n[i].sealer);
        identity_free(n[i].id);
    }
    json_decref(root);
    return opened;
}

static void test_captured_sessions(void **state)
{
    (void)state;
    assert_int_equal(unseal_capture("captures/two-nodes-message.json"), 18);
    assert_int_equal(unseal_capture("captures/three-nodes-chain.json"), 14);
}

static void test_every_cut_and_every_flip(void **state)
{
    (void)state;
    struct ends e;
    ends_open(&e, "k05", "k06");
    struct pkt *whole = pkt_copy("\1\1\0\0body of it", 14);
    assert_non_null(whole);
    assert_int_equal(seal_pkt(e.from, e.to_key, whole), OK);
    assert_int_equal(whole->len, 14 + SEAL_OVERHEAD);
    for (size_t cut = 0; cut < whole->len; cut++) {
        struct pkt *p = pkt_copy(whole->data, cut);
        assert_non_null(p);
        assert_int_equal(unseal_pkt(e.to, e.from_key, p), ERR_CRYPTO);
        pkt_free(p);
    }
    for (size_t bit = 0; bit < 8 * (size_t)whole->len; bit++) {
        struct pkt *p = pkt_copy(whole->data, whole->len);
        assert_non_null(p);
        p->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(unseal_pkt(e.to, e.from_key, p), ERR_CRYPTO);
        pkt_free(p);
    }
    assert_int_equal(unseal_pkt(e.to, e.from_key, whole), OK);
    assert_memory_equal(whole->data, "\1\1\0\0body of it", 14);
    pkt_free(whole);
    ends_close(&e);
}

static void test_refused(void **state)
{
    (void)state;
    struct ends e;
    struct pubkey low = {{0}}; /* low order: everybody could compute the secret */
    ends_open(&e, "k05", "k06");
    struct pkt *p = pkt_copy("\1\1\0\0", 4);
    assert_non_null(p);
    assert_int_equal(seal_pkt(e.from, &low, p), ERR_CRYPTO);
    assert_int_equal(p->len, 4);
    assert_int_equal(sealer_stats(e.from).cached, 0);
    assert_int_equal(seal_pkt(e.from, e.to_key, p), OK);
    assert_int_equal(unseal_pkt(e.to, &low, p), ERR_CRYPTO);
    assert_int_equal(unseal_pkt(e.to, e.to_key, p), ERR_CRYPTO); /* another key */
    pkt_free(p);

    p = pkt_new(UINT16_MAX - SEAL_OVERHEAD + 1); /* raw data would not fit a data packet */
    assert_non_null(p);
    assert_int_equal(seal_pkt(e.from, e.to_key, p), ERR_TOOBIG);
    pkt_free(p);
    p = pkt_new(4);
    assert_non_null(p);
    assert_non_null(pkt_put(p, 8)); /* tailroom used by somebody else */
    assert_int_equal(seal_pkt(e.from, e.to_key, p), ERR_TOOBIG);
    assert_int_equal(p->len, 12);
    pkt_free(p);
    ends_close(&e);
}

static void test_cache(void **state)
{
    (void)state;
    struct identity *own = identity_named("k05");
    struct identity *other[4];
    struct sealer *s = NULL;
    static const char *const names[] = {"k06", "k07", "k08", "k09"};
    for (size_t i = 0; i < 4; i++)
        other[i] = identity_named(names[i]);
    assert_int_equal(sealer_new(own, &rng, 3, &s), OK);
    /* index of the remote, exchanges so far: the least recently used leaves */
    static const unsigned use[][2] = {{0, 1}, {1, 2}, {2, 3}, {0, 3}, {3, 4},
                                      {0, 4}, {2, 4}, {1, 5}, {3, 6}, {2, 6}};
    for (size_t i = 0; i < sizeof(use) / sizeof(use[0]); i++) {
        struct pkt *p = pkt_copy("\1\1\0\0", 4);
        assert_non_null(p);
        assert_int_equal(seal_pkt(s, identity_pubkey(other[use[i][0]]), p), OK);
        assert_int_equal(sealer_stats(s).exchanges, use[i][1]);
        assert_true(sealer_stats(s).cached <= 3);
        pkt_free(p);
    }
    assert_int_equal(sealer_stats(s).sealed, 10);
    sealer_free(s);
    sealer_free(NULL);
    for (size_t i = 0; i < 4; i++)
        identity_free(other[i]);
    identity_free(own);
}

static void next_nonce(struct sealer *s, const struct pubkey *to, uint8_t nonce[SEAL_NONCE_BYTES])
{
    struct pkt *p = pkt_copy("\1\1\0\0", 4);
    assert_non_null(p);
    assert_int_equal(seal_pkt(s, to, p), OK);
    memcpy(nonce, p->data + p->len - SEAL_NONCE_BYTES, SEAL_NONCE_BYTES);
    pkt_free(p);
}

static int compare_nonces(const void *a, const void *b)
{
    return memcmp(a, b, SEAL_NONCE_BYTES);
}

#define STARTS 20
#define EACH   5000
#define COUNT  ((size_t)STARTS * EACH)

static void test_nonces_differ(void **state)
{
    (void)state;
    struct identity *own = identity_named("k05"), *other = identity_named("k06");
    static uint8_t n[COUNT][SEAL_NONCE_BYTES];
    for (size_t start = 0; start < STARTS; start++) {
        struct sealer *s = NULL;
        assert_int_equal(sealer_new(own, &rng, 0, &s), OK);
        for (size_t i = 0; i < EACH; i++)
            next_nonce(s, identity_pubkey(other), n[start * EACH + i]);
        sealer_free(s);
    }
    qsort(n, COUNT, SEAL_NONCE_BYTES, compare_nonces);
    for (size_t i = 1; i < COUNT; i++)
        assert_true(compare_nonces(n[i - 1], n[i]) != 0);
    identity_free(own);
    identity_free(other);
}

static void test_nonce_counter_wraps(void **state)
{
    (void)state;
    struct ends e;
    uint8_t first[SEAL_NONCE_BYTES], n[3][SEAL_NONCE_BYTES];
    ends_open(&e, "k05", "k06");
    next_nonce(e.from, e.to_key, first);
    assert_memory_equal(first + 8, "\0\0\0\0", 4);
    sealer_skip_nonces(e.from, (uint64_t)UINT32_MAX - 2);
    for (size_t i = 0; i < 3; i++)
        next_nonce(e.from, e.to_key, n[i]);
    assert_memory_equal(n[0], first, 8);
    assert_memory_equal(n[0] + 8, "\xff\xff\xff\xfe", 4);
    assert_memory_equal(n[1], first, 8);
    assert_memory_equal(n[1] + 8, "\xff\xff\xff\xff", 4);
    assert_memory_not_equal(n[2], first, 8); /* a new prefix */
    assert_memory_equal(n[2] + 8, "\0\0\0\0", 4);
    ends_close(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pair_packets),
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_captured_packets),
        cmocka_unit_test(test_captured_sessions),
        cmocka_unit_test(test_every_cut_and_every_flip),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_cache),
        cmocka_unit_test(test_nonces_differ),
        cmocka_unit_test(test_nonce_counter_wraps),
    };
    return cmocka_run_group_tests(tests, open_vectors, close_vectors);
}
