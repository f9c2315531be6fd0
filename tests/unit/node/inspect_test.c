#include "node/inspect.h"

#include <sys/stat.h>

#include "base/err.h"
#include "node/logging.h"
#include "tests/unit/output.h"
#include "tests/unit/vectors.h"

static struct output output;
static char folder[64], default_key[128];
static int ask_result;
static unsigned asked;

/* The node of the identity in the documentation: secret 00 01 .. 1f. */
static const uint8_t node_key[KEY_BYTES] = {
    0x8f, 0x40, 0xc5, 0xad, 0xb6, 0x8f, 0x25, 0x62, 0x4a, 0xe5, 0xb2, 0x14, 0xea, 0x76, 0x7a, 0x6e,
    0xc9, 0x4d, 0x82, 0x9d, 0x3d, 0x7b, 0x5e, 0x1a, 0xd1, 0xba, 0x6f, 0x3e, 0x21, 0x38, 0x28, 0x5f};
#define NODE_TEXT                                                                                  \
    "Public key: 8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f\n"               \
    "Address: 430:9364:d8d8:84a9:dd60:de78:c767:d361\n"

static int ask(const struct options *o, uint8_t ret_key[static KEY_BYTES])
{
    asked++;
    assert_int_equal(o->api_addrs.a[0].port, 8989);
    if (ask_result == OK)
        memcpy(ret_key, node_key, KEY_BYTES);
    return ask_result;
}

static struct options options_of(enum command command)
{
    return (struct options){.command = command,
                            .log_level = LOG_LEVEL_INFO,
                            .api_addrs = {.a = {{.host = "127.0.0.1", .port = 8989}}, .count = 1}};
}

static int run(const struct options *o)
{
    asked = 0;
    output_begin(&output);
    logging_setup(o);
    int status = o->command == CMD_INSPECT ? command_inspect(o, ask) : command_generate_keys(o);
    output_end(&output);
    return status;
}

static bool exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

static void write_key(const char *path, const void *bytes, size_t len)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, 0600), 0);
}

/* Every vector: the secret in a file, and the public key as an argument. */
static void test_vectors(void **state)
{
    json_t *root = vectors_load("keys.json"), *keys = json_object_get(root, "keys"), *k;
    struct options o = options_of(CMD_INSPECT);
    size_t i;
    uint8_t secret[KEY_BYTES];
    char text[256], json[256];
    (void)state;
    assert_true(json_array_size(keys) >= 25);
    json_array_foreach(keys, i, k)
    {
        const char *pub = vectors_str(k, "public_key"), *address = vectors_str(k, "address");
        vectors_bytes(k, "private_key", secret, sizeof(secret));
        write_key("vector.key", secret, sizeof(secret));
        snprintf(text, sizeof(text), "Public key: %s\nAddress: %s\n", pub, address);
        snprintf(json, sizeof(json), "{\n  \"publicKey\": \"%s\",\n  \"address\": \"%s\"\n}\n", pub,
                 address);
        o.key_file = "vector.key";
        o.key = NULL;
        o.json = false;
        assert_int_equal(run(&o), 0);
        assert_string_equal(output.out, text);
        o.key_file = NULL;
        o.key = pub;
        o.json = true;
        assert_int_equal(run(&o), 0);
        assert_string_equal(output.out, json);
        assert_string_equal(output.err, "");
    }
    json_decref(root);
}

static void test_argument(void **state)
{
    struct options o = options_of(CMD_INSPECT);
    (void)state;
    o.key = "A47C1d6f2a15b2c670d3a88fbe0aeb301ced12f7bcb4c8e3aa877b20f8559c02";
    assert_int_equal(run(&o), 0);
    assert_string_equal(
        output.out, "Public key: a47c1d6f2a15b2c670d3a88fbe0aeb301ced12f7bcb4c8e3aa877b20f8559c02\n"
                    "Address: 548:c783:d7ce:74a3:9ba1:a0cb:ae21:338d\n");
    /* What the older README of the network shows for this key. */
    o.legacy = true;
    assert_int_equal(run(&o), 0);
    assert_non_null(strstr(output.out, "338d\nLegacy address: "));
    o.json = true;
    assert_int_equal(run(&o), 0);
    assert_non_null(strstr(output.out, "338d\",\n  \"legacyAddress\": \""));
    static const char *const bad[] = {
        "", "47c1d6f2a15b2c670d3a88fbe0aeb301ced12f7bcb4c8e3aa877b20f8559c02",
        "aaa47c1d6f2a15b2c670d3a88fbe0aeb301ced12f7bcb4c8e3aa877b20f8559c02",
        "g47c1d6f2a15b2c670d3a88fbe0aeb301ced12f7bcb4c8e3aa877b20f8559c02"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        o.key = bad[i];
        assert_int_equal(run(&o), 1);
        assert_string_equal(output.out, "");
        assert_int_equal(strncmp(output.err, "Error: ", 7), 0);
    }
    assert_int_equal(asked, 0);
}

static void test_given_file(void **state)
{
    struct options o = options_of(CMD_INSPECT);
    uint8_t zero[40] = {0};
    (void)state;
    o.key_file = "none.key";
    assert_int_equal(run(&o), 1);
    assert_string_equal(output.err, "Error: none.key: no such file\n");
    assert_int_equal(asked, 0); /* a file that was named is not replaced by anything */
    assert_false(exists("none.key"));
    for (size_t len = 0; len < KEY_BYTES; len++) {
        write_key("short.key", zero, len);
        o.key_file = "short.key";
        assert_int_equal(run(&o), 1);
        assert_string_equal(output.err, "Error: short.key: shorter than 32 bytes\n");
    }
    write_key("long.key", zero, sizeof(zero));
    o.key_file = "long.key";
    assert_int_equal(run(&o), 0);
    assert_string_equal(
        output.out, "Public key: 2fe57da347cd62431528daac5fbb290730fff684afc4cfc2ed90995f58cb3b74\n"
                    "Address: 570:75b1:b695:5ed7:541e:e8d8:efbb:b9a0\n");
    assert_non_null(strstr(output.err, "only the first 32 count"));
    assert_non_null(strstr(output.err, "zero bytes"));
    assert_int_equal(chmod("long.key", 0644), 0);
    assert_int_equal(run(&o), 0);
    assert_non_null(strstr(output.err, "can be read by others"));
    o.key_file = "/";
    assert_int_equal(run(&o), 1);
    assert_string_equal(output.out, "");
}

static void test_without_a_key(void **state)
{
    struct options o = options_of(CMD_INSPECT);
    char first[4096];
    struct stat st;
    (void)state;
    assert_false(exists(default_key));
    ask_result = OK;
    assert_int_equal(run(&o), 0);
    assert_string_equal(output.out, NODE_TEXT);
    assert_int_equal(asked, 1);
    assert_false(exists(default_key));

    ask_result = ERR_IO;
    o.no_generate = true;
    assert_int_equal(run(&o), 1);
    assert_string_equal(output.out, "");
    assert_false(exists(default_key));

    o.no_generate = false;
    assert_int_equal(run(&o), 0);
    assert_int_equal(strncmp(output.out, "Public key: ", 12), 0);
    assert_non_null(strstr(output.err, "a new key was made"));
    assert_non_null(strstr(output.err, default_key));
    assert_int_equal(stat(default_key, &st), 0);
    assert_int_equal(st.st_size, KEY_BYTES);
    assert_int_equal(st.st_mode & 07777, 0600);
    strcpy(first, output.out);

    assert_int_equal(run(&o), 0); /* from now on it is there */
    assert_string_equal(output.out, first);
    assert_string_equal(output.err, "");
    assert_int_equal(asked, 0);
    assert_int_equal(unlink(default_key), 0);
}

static void test_key_of_the_working_directory(void **state)
{
    struct options o = options_of(CMD_INSPECT);
    uint8_t secret[KEY_BYTES];
    (void)state;
    for (uint8_t i = 0; i < KEY_BYTES; i++)
        secret[i] = i;
    ask_result = ERR_IO;
    write_key("priv_key.bin", secret, sizeof(secret));
    assert_int_equal(run(&o), 0);
    assert_string_equal(output.out, NODE_TEXT);
    assert_non_null(strstr(output.err, "working directory"));
    assert_int_equal(asked, 0);
    assert_int_equal(unlink("priv_key.bin"), 0);
}

static void test_generate(void **state)
{
    struct options o = options_of(CMD_GENERATE_KEYS);
    uint8_t first[64], second[64], old[64];
    FILE *f;
    (void)state;
    o.key_file = "own.key";
    assert_int_equal(run(&o), 0);
    assert_string_equal(output.out, "");
    f = fopen("own.key", "re");
    assert_non_null(f);
    assert_int_equal(fread(first, 1, sizeof(first), f), KEY_BYTES);
    (void)fclose(f);

    assert_int_equal(run(&o), 0); /* kept, with a warning */
    assert_non_null(strstr(output.err, "--force"));
    f = fopen("own.key", "re");
    assert_non_null(f);
    assert_int_equal(fread(second, 1, sizeof(second), f), KEY_BYTES);
    (void)fclose(f);
    assert_memory_equal(first, second, KEY_BYTES);

    o.force = true;
    assert_int_equal(run(&o), 0);
    f = fopen("own.key", "re");
    assert_non_null(f);
    assert_int_equal(fread(second, 1, sizeof(second), f), KEY_BYTES);
    (void)fclose(f);
    assert_memory_not_equal(first, second, KEY_BYTES);
    f = fopen("own.key.old", "re");
    assert_non_null(f);
    assert_int_equal(fread(old, 1, sizeof(old), f), KEY_BYTES);
    (void)fclose(f);
    assert_memory_equal(first, old, KEY_BYTES);

    o.key_file = "/nonexistent/own.key";
    assert_int_equal(run(&o), 1);
    assert_string_equal(output.err, "Error: /nonexistent/own.key: no such file\n");

    o.key_file = NULL;
    o.force = false;
    assert_int_equal(run(&o), 0);
    assert_true(exists(default_key));
    assert_int_equal(unlink(default_key), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_argument),
        cmocka_unit_test(test_given_file),
        cmocka_unit_test(test_without_a_key),
        cmocka_unit_test(test_key_of_the_working_directory),
        cmocka_unit_test(test_generate),
    };
    char command[96];
    strcpy(folder, "/tmp/mycelium-inspect-XXXXXX");
    if (!mkdtemp(folder) || chdir(folder) != 0)
        return 1;
    snprintf(default_key, sizeof(default_key), "%s/mycelium/priv_key.bin", folder);
    setenv("XDG_DATA_HOME", folder, 1);
    unsetenv("RUST_LOG");
    unsetenv("MYCELIUM_LOG");
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    snprintf(command, sizeof(command), "rm -r %s", folder);
    return system(command) == 0 ? failed : 1;
}
