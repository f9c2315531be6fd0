#include "router/identity.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/unit/unit.h"
#include "tests/unit/vectors.h"

static json_t *root;

static int open_vectors(void **state)
{
    (void)state;
    root = vectors_load("keys.json");
    return 0;
}

static int close_vectors(void **state)
{
    (void)state;
    json_decref(root);
    return 0;
}

static struct identity *identity_of(const char *hex)
{
    uint8_t secret[KEY_BYTES];
    struct identity *id = NULL;
    assert_int_equal(hex_decode(hex, strlen(hex), secret, sizeof(secret)), OK);
    assert_int_equal(identity_new(secret, &id), OK);
    return id;
}

/* The identity of a key with this name, from the list of keys. */
static struct identity *identity_named(const char *name)
{
    size_t i;
    json_t *k;
    json_array_foreach(json_object_get(root, "keys"), i, k)
    {
        if (strcmp(vectors_str(k, "name"), name) == 0)
            return identity_of(vectors_str(k, "private_key"));
    }
    fail_msg("no key %s", name);
    return NULL;
}

static void expect_address(struct ip6 a, const char *text)
{
    char buf[IP6_STR_MAX];
    assert_string_equal(ip6_str(&a, buf), text);
}

static void test_keys(void **state)
{
    (void)state;
    size_t i;
    json_t *k, *keys = json_object_get(root, "keys");
    assert_int_equal(json_array_size(keys), 25);
    json_array_foreach(keys, i, k)
    {
        uint8_t pub[KEY_BYTES], bytes[16];
        char buf[SUBNET_STR_MAX];
        struct identity *id = identity_of(vectors_str(k, "private_key"));
        vectors_bytes(k, "public_key", pub, sizeof(pub));
        vectors_bytes(k, "address_bytes", bytes, sizeof(bytes));
        assert_memory_equal(identity_pubkey(id)->b, pub, sizeof(pub));
        struct ip6 a = identity_address(id);
        assert_memory_equal(a.b, bytes, sizeof(bytes));
        expect_address(a, vectors_str(k, "address"));
        expect_address(address_of_key(identity_pubkey(id)), vectors_str(k, "address"));
        struct subnet s = subnet_of_node(&a);
        assert_string_equal(subnet_str(&s, buf), vectors_str(k, "subnet"));
        assert_true(ip6_in_overlay(&a));
        identity_free(id);
    }
}

static void test_clamped_bits_do_not_count(void **state)
{
    (void)state;
    struct identity *a = identity_named("k00"), *b = identity_named("k02");
    assert_memory_equal(identity_pubkey(a)->b, identity_pubkey(b)->b, KEY_BYTES);
    identity_free(a);
    identity_free(b);
}

static void test_legacy_addresses(void **state)
{
    (void)state;
    size_t i;
    json_t *k, *list = json_object_get(root, "public_key_to_address");
    assert_int_equal(json_array_size(list), 3);
    json_array_foreach(list, i, k)
    {
        struct pubkey pub;
        vectors_bytes(k, "public_key", pub.b, sizeof(pub.b));
        expect_address(address_of_key(&pub), vectors_str(k, "address"));
        expect_address(legacy_address_of_key(&pub), vectors_str(k, "stale_readme_address"));
    }
}

static void test_pairs_from_both_sides(void **state)
{
    (void)state;
    size_t i;
    json_t *p, *pairs = json_object_get(root, "pairs");
    assert_int_equal(json_array_size(pairs), 20);
    json_array_foreach(pairs, i, p)
    {
        uint8_t expect[KEY_BYTES], ab[KEY_BYTES], ba[KEY_BYTES];
        struct identity *a = identity_named(vectors_str(p, "a"));
        struct identity *b = identity_named(vectors_str(p, "b"));
        vectors_bytes(p, "shared_secret", expect, sizeof(expect));
        assert_int_equal(identity_exchange(a, identity_pubkey(b), ab), OK);
        assert_int_equal(identity_exchange(b, identity_pubkey(a), ba), OK);
        assert_memory_equal(ab, expect, sizeof(expect));
        assert_memory_equal(ba, expect, sizeof(expect));
        identity_free(a);
        identity_free(b);
    }
}

static void test_corner_keys(void **state)
{
    (void)state;
    size_t i, refused = 0;
    json_t *k, *list = json_object_get(root, "corner_public_keys");
    struct identity *k06 = identity_named("k06");
    assert_int_equal(json_array_size(list), 6);
    json_array_foreach(list, i, k)
    {
        struct pubkey pub;
        uint8_t expect[KEY_BYTES], secret[KEY_BYTES];
        vectors_bytes(k, "public_key", pub.b, sizeof(pub.b));
        vectors_bytes(k, "shared_secret_with_k06", expect, sizeof(expect));
        expect_address(address_of_key(&pub), vectors_str(k, "address"));
        memset(secret, 0x77, sizeof(secret));
        int rc = identity_exchange(k06, &pub, secret);
        if (strncmp(vectors_str(k, "name"), "low-order", 9) == 0) {
            assert_int_equal(rc, ERR_CRYPTO);
            for (size_t n = 0; n < sizeof(secret); n++)
                assert_int_equal(secret[n], 0x77); /* written on success only */
            refused++;
        } else {
            assert_int_equal(rc, OK);
            assert_memory_equal(secret, expect, sizeof(expect));
        }
    }
    assert_int_equal(refused, 5);
    identity_free(k06);
}

static char folder[64];

static const char *at(const char *name)
{
    static char path[4][128];
    static unsigned turn;
    char *p = path[turn++ % 4];
    (void)snprintf(p, sizeof(path[0]), "%s/%s", folder, name);
    return p;
}

static int make_folder(void **state)
{
    (void)state;
    (void)strcpy(folder, "mycelium-identity-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char cmd[128];
    (void)snprintf(cmd, sizeof(cmd), "rm -rf %s", folder);
    return system(cmd); /* NOLINT(concurrency-mt-unsafe): one thread */
}

static void test_key_files(void **state)
{
    (void)state;
    size_t i;
    json_t *f, *list = json_object_get(root, "key_files");
    assert_int_equal(json_array_size(list), 5);
    json_array_foreach(list, i, f)
    {
        size_t len;
        uint8_t *bytes = vectors_hex(f, "file_hex", &len), pub[KEY_BYTES];
        struct identity *id = NULL;
        unsigned warn = 0x5555;
        assert_int_equal(len, json_integer_value(json_object_get(f, "size")));
        assert_int_equal(file_write_atomic(at("key"), bytes, len, 0600), OK);
        free(bytes);
        int rc = identity_load(at("key"), &id, &warn);
        if (len < KEY_BYTES) {
            assert_int_equal(rc, ERR_MALFORMED);
            assert_null(id);
            assert_int_equal(warn, 0x5555);
            continue;
        }
        assert_int_equal(rc, OK);
        assert_int_equal(warn, len == 32   ? 0
                               : len == 33 ? KEY_WARN_LONG
                                           : KEY_WARN_LONG | KEY_WARN_HEX);
        vectors_bytes(f, "public_key", pub, sizeof(pub));
        assert_memory_equal(identity_pubkey(id)->b, pub, sizeof(pub));
        if (vectors_str(f, "address"))
            expect_address(identity_address(id), vectors_str(f, "address"));
        identity_free(id);
    }
}

static void test_key_file_warnings(void **state)
{
    (void)state;
    struct identity *id = NULL;
    unsigned warn = 0;
    uint8_t zero[KEY_BYTES] = {0};
    char text[2 * KEY_BYTES + 2];
    assert_int_equal(file_write_atomic(at("key"), zero, sizeof(zero), 0640), OK);
    assert_int_equal(identity_load(at("key"), &id, &warn), OK);
    assert_int_equal(warn, KEY_WARN_ZERO | KEY_WARN_READABLE);
    identity_free(id);

    (void)hex_encode(zero, sizeof(zero), text);
    text[sizeof(text) - 2] = '\n'; /* as an editor leaves it */
    assert_int_equal(file_write_atomic(at("key"), text, 2 * KEY_BYTES + 1, 0600), OK);
    assert_int_equal(identity_load(at("key"), &id, &warn), OK);
    assert_int_equal(warn, KEY_WARN_LONG | KEY_WARN_HEX);
    identity_free(id);

    text[5] = 'x';
    assert_int_equal(file_write_atomic(at("key"), text, 2 * KEY_BYTES + 1, 0604), OK);
    assert_int_equal(identity_load(at("key"), &id, NULL), OK); /* not interested */
    identity_free(id);
    assert_int_equal(identity_load(at("key"), &id, &warn), OK);
    assert_int_equal(warn, KEY_WARN_LONG | KEY_WARN_READABLE);
    identity_free(id);
}

static void test_no_key_file(void **state)
{
    (void)state;
    struct identity *id = NULL;
    unsigned warn = 0;
    assert_int_equal(identity_load(at("none"), &id, &warn), ERR_NOENT);
    assert_int_equal(identity_load(folder, &id, &warn), ERR_IO);
    assert_null(id);
}

/* Is this the file that holds the key of id? */
static bool holds(const char *path, const struct identity *id)
{
    struct identity *loaded = NULL;
    unsigned warn = 0;
    assert_int_equal(identity_load(path, &loaded, &warn), OK);
    assert_int_equal(warn, 0);
    bool same = memcmp(identity_pubkey(loaded)->b, identity_pubkey(id)->b, KEY_BYTES) == 0;
    identity_free(loaded);
    return same;
}

static void test_save(void **state)
{
    (void)state;
    struct identity *a = NULL, *b = NULL;
    struct stat st;
    assert_int_equal(identity_generate(&a), OK);
    assert_int_equal(identity_generate(&b), OK);
    assert_memory_not_equal(identity_pubkey(a)->b, identity_pubkey(b)->b, KEY_BYTES);

    assert_int_equal(identity_save(a, at("key"), false), OK);
    assert_int_equal(stat(at("key"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_size, KEY_BYTES);
    assert_int_equal(identity_save(b, at("key"), false), ERR_EXIST);
    assert_true(holds(at("key"), a));
    assert_int_equal(access(at("key.old"), F_OK), -1);

    assert_int_equal(identity_save(b, at("key"), true), OK);
    assert_true(holds(at("key"), b));
    assert_true(holds(at("key.old"), a));
    assert_int_equal(identity_save(a, at("key"), true), OK);
    assert_true(holds(at("key"), a));
    assert_true(holds(at("key.old"), b));

    assert_int_equal(identity_save(a, at("fresh"), true), OK); /* nothing to keep */
    assert_true(holds(at("fresh"), a));
    assert_int_equal(access(at("fresh.old"), F_OK), -1);
    assert_int_equal(identity_save(a, at("no/folder"), true), ERR_NOENT);
    identity_free(a);
    identity_free(b);
    identity_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_clamped_bits_do_not_count),
        cmocka_unit_test(test_legacy_addresses),
        cmocka_unit_test(test_pairs_from_both_sides),
        cmocka_unit_test(test_corner_keys),
        cmocka_unit_test_setup_teardown(test_key_files, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_key_file_warnings, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_no_key_file, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_save, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, open_vectors, close_vectors);
}
