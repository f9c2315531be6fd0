#include "base/blake3.h"

#include <stdlib.h>

#include "base/rng.h"
#include "tests/unit/unit.h"
#include "tests/unit/vectors.h"

#define INPUT_MAX 102400

/* The official test vectors: byte i of the input is i mod 251. */
static const struct {
    size_t len;
    const char *hex;
} official[] = {
    {0, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"},
    {1, "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213"},
    {2, "7b7015bb92cf0b318037702a6cdd81dee41224f734684c2c122cd6359cb1ee63"},
    {3, "e1be4d7a8ab5560aa4199eea339849ba8e293d55ca0a81006726d184519e647f"},
    {4, "f30f5ab28fe047904037f77b6da4fea1e27241c5d132638d8bedce9d40494f32"},
    {5, "b40b44dfd97e7a84a996a91af8b85188c66c126940ba7aad2e7ae6b385402aa2"},
    {6, "06c4e8ffb6872fad96f9aaca5eee1553eb62aed0ad7198cef42e87f6a616c844"},
    {7, "3f8770f387faad08faa9d8414e9f449ac68e6ff0417f673f602a646a891419fe"},
    {8, "2351207d04fc16ade43ccab08600939c7c1fa70a5c0aaca76063d04c3228eaeb"},
    {63, "e9bc37a594daad83be9470df7f7b3798297c3d834ce80ba85d6e207627b7db7b"},
    {64, "4eed7141ea4a5cd4b788606bd23f46e212af9cacebacdc7d1f4c6dc7f2511b98"},
    {65, "de1e5fa0be70df6d2be8fffd0e99ceaa8eb6e8c93a63f2d8d1c30ecb6b263dee"},
    {127, "d81293fda863f008c09e92fc382a81f5a0b4a1251cba1634016a0f86a6bd640d"},
    {128, "f17e570564b26578c33bb7f44643f539624b05df1a76c81f30acd548c44b45ef"},
    {129, "683aaae9f3c5ba37eaaf072aed0f9e30bac0865137bae68b1fde4ca2aebdcb12"},
    {1023, "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11"},
    {1024, "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7"},
    {1025, "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444"},
    {2048, "e776b6028c7cd22a4d0ba182a8bf62205d2ef576467e838ed6f2529b85fba24a"},
    {2049, "5f4d72f40d7a5f82b15ca2b2e44b1de3c2ef86c426c95c1af0b6879522563030"},
    {3072, "b98cb0ff3623be03326b373de6b9095218513e64f1ee2edd2525c7ad1e5cffd2"},
    {3073, "7124b49501012f81cc7f11ca069ec9226cecb8a2c850cfe644e327d22d3e1cd3"},
    {4096, "015094013f57a5277b59d8475c0501042c0b642e531b0a1c8f58d2163229e969"},
    {4097, "9b4052b38f1c5fc8b1f9ff7ac7b27cd242487b3d890d15c96a1c25b8aa0fb995"},
    {5120, "9cadc15fed8b5d854562b26a9536d9707cadeda9b143978f319ab34230535833"},
    {5121, "628bd2cb2004694adaab7bbd778a25df25c47b9d4155a55f8fbd79f2fe154cff"},
    {6144, "3e2e5b74e048f3add6d21faab3f83aa44d3b2278afb83b80b3c35164ebeca205"},
    {6145, "f1323a8631446cc50536a9f705ee5cb619424d46887f3c376c695b70e0f0507f"},
    {7168, "61da957ec2499a95d6b8023e2b0e604ec7f6b50e80a9678b89d2628e99ada77a"},
    {7169, "a003fc7a51754a9b3c7fae0367ab3d782dccf28855a03d435f8cfe74605e7817"},
    {8192, "aae792484c8efe4f19e2ca7d371d8c467ffb10748d8a5a1ae579948f718a2a63"},
    {8193, "bab6c09cb8ce8cf459261398d2e7aef35700bf488116ceb94a36d0f5f1b7bc3b"},
    {16384, "f875d6646de28985646f34ee13be9a576fd515f76b5b0a26bb324735041ddde4"},
    {31744, "62b6960e1a44bcc1eb1a611a8d6235b6b4b78f32e7abc4fb4c6cdcce94895c47"},
    {102400, "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085"},
};

static uint8_t *pattern(size_t len, unsigned factor, unsigned offset, unsigned mod)
{
    uint8_t *p = malloc(len + 1);
    assert_non_null(p);
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)((factor * i + offset) % mod);
    return p;
}

static void check(const uint8_t *in, size_t len, const char *hex)
{
    uint8_t out[BLAKE3_OUT_LEN];
    char text[2 * BLAKE3_OUT_LEN + 1];
    blake3(in, len, out);
    assert_string_equal(hex_encode(out, sizeof(out), text), hex);
}

static void test_official(void **state)
{
    (void)state;
    uint8_t *in = pattern(INPUT_MAX, 1, 0, 251);
    for (size_t i = 0; i < ARRAY_LEN(official); i++)
        check(in, official[i].len, official[i].hex);
    free(in);
}

/* Every length from 0 to 8999, as one digest over all digests; the value was computed with another
 * implementation. */
static void test_every_length(void **state)
{
    (void)state;
    uint8_t *in = pattern(9000, 1, 0, 251), out[BLAKE3_OUT_LEN];
    char text[2 * BLAKE3_OUT_LEN + 1];
    struct blake3 all;
    blake3_init(&all);
    for (size_t len = 0; len < 9000; len++) {
        blake3(in, len, out);
        blake3_update(&all, out, sizeof(out));
    }
    blake3_final(&all, out);
    assert_string_equal(hex_encode(out, sizeof(out), text),
                        "c5aaaa89f4ea4219416b1e23d4679b1925a447648713eb47664206311946b700");
    free(in);
}

static void test_message_checksums(void **state)
{
    (void)state;
    json_t *root = vectors_load("messages.json");
    const json_t *list = json_object_get(root, "payload_checksums_computed");
    assert_true(json_array_size(list) >= 10);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);
        size_t len = (size_t)json_integer_value(json_object_get(v, "len"));
        uint8_t *in = pattern(len, 7, 3, 256);
        check(in, len, vectors_str(v, "blake3"));
        free(in);
    }
    json_decref(root);
}

static void test_pieces(void **state)
{
    (void)state;
    struct rng r;
    uint8_t *in = pattern(INPUT_MAX, 1, 0, 251), whole[BLAKE3_OUT_LEN], out[BLAKE3_OUT_LEN];
    rng_init_seeded(&r, 3);
    for (int round = 0; round < 200; round++) {
        size_t len = (size_t)rng_below(&r, 20000), most = 1 + (size_t)rng_below(&r, 3000), at = 0;
        struct blake3 h;
        blake3_init(&h);
        while (at < len) {
            size_t n = (size_t)rng_below(&r, most + 1);
            n = MIN(n, len - at);
            blake3_update(&h, in + at, n);
            at += n;
            if (round % 10 == 0) { /* asked half way, goes on */
                blake3_final(&h, out);
                blake3(in, at, whole);
                assert_memory_equal(out, whole, sizeof(out));
            }
        }
        blake3_final(&h, out);
        blake3(in, len, whole);
        assert_memory_equal(out, whole, sizeof(out));
    }
    free(in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_official),
        cmocka_unit_test(test_every_length),
        cmocka_unit_test(test_message_checksums),
        cmocka_unit_test(test_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
