#include "node/config_file.h"

#include <sys/stat.h>

#include "base/err.h"
#include "node/memory_plan.h"
#include "node/option_value.h"
#include "node/options.h"
#include "tests/unit/output.h"

#define WORDS_MAX 32
#define MIB       (UINT64_C(1) << 20)

static struct options options;
static struct output output;
static char folder[64], path[128];

static void file_write(const char *text, size_t len)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

/* Parses `-c FILE` and the words of a line. 0, or the exit status. */
static int parse(const char *file, const char *line)
{
    static char words[4096], flag[] = "-c", name[] = "mycelium";
    static char *argv[WORDS_MAX];
    int argc = 3, status = 77;
    file_write(file, strlen(file));
    argv[0] = name;
    argv[1] = flag;
    argv[2] = path;
    strcpy(words, line);
    for (char *p = words; line[0] && p && argc < WORDS_MAX;) {
        argv[argc++] = p;
        p = strchr(p, ' ');
        if (p)
            *p++ = '\0';
    }
    options_free(&options);
    output_begin(&output);
    int rc = options_parse(argc, argv, &options, &status);
    output_end(&output);
    assert_string_equal(output.out, "");
    return rc == OK ? 0 : status;
}

static void expect_ok(const char *file, const char *line)
{
    int status = parse(file, line);
    if (status != 0)
        fail_msg("'%s' gives %d: %s", file, status, output.err);
    assert_string_equal(output.err, "");
}

/* why: behind "FILE:" */
static void expect_error(const char *file, const char *why)
{
    char whole[512];
    int status = parse(file, "");
    if (status != 1)
        fail_msg("'%s' gives %d", file, status);
    snprintf(whole, sizeof(whole), "Error: %s:%s\n", path, why);
    assert_string_equal(output.err, whole);
}

static void test_every_key(void **state)
{
    (void)state;
    expect_ok("key_file = \"k\"\nstate_dir = \"s\"\nlog_level = \"warn\"\nlog_format = \"plain\"\n"
              "peers = [\"tcp://1.2.3.4:5\", \"tcp://[::1]:6\"]\ntcp_listen_port = 1\n"
              "quic_listen_port = 2\npeer_discovery_port = 3\ndisable_quic = true\n"
              "disable_peer_discovery = true\nno_tun = true\n"
              "peer_discovery_interfaces = [\"a\", \"b\"]\ntun_name = \"t\"\n"
              "api_addr = [\"127.0.0.1:81\", \"[::1]:82\"]\njsonrpc_addr = \"off\"\n"
              "metrics_api_address = \"127.0.0.1:83\"\nfirewall_mark = 7\nupdate_workers = 2\n"
              "topic_config = \"topics\"\napi_hosts = [\"node.lan\"]\n"
              "api_origins = [\"http://a:1\", \"http://b:2\"]\napi_max_body = \"3MiB\"\n"
              "memory_limit = \"2GiB\"\nbus_default_ttl = \"2h\"\nbus_dead_keep = 60\n"
              "bus_max_len_in = 1000000\nrouter_wait_bytes = \"2 MiB\"\n",
              "");
    assert_string_equal(options.config_path, path);
    assert_string_equal(options.key_file, "k");
    assert_string_equal(options.state_dir, "s");
    assert_int_equal(options.log_level, LOG_LEVEL_WARN);
    assert_int_equal(options.log_format, LOG_FORMAT_PLAIN);
    assert_int_equal(options.peers_count, 2);
    assert_int_equal(options.tcp_listen_port, 1);
    assert_int_equal(options.quic_listen_port, 2);
    assert_int_equal(options.peer_discovery_port, 3);
    assert_true(options.disable_quic && options.disable_peer_discovery && options.no_tun);
    assert_int_equal(options.peer_discovery_interfaces.count, 2);
    assert_string_equal(options.tun_name, "t");
    assert_int_equal(options.api_addrs.count, 2);
    assert_string_equal(options.api_addrs.a[1].host, "::1");
    assert_int_equal(options.api_addrs.a[1].port, 82);
    assert_true(options.jsonrpc_addr.off);
    assert_int_equal(options.metrics_addr.port, 83);
    assert_int_equal(options.firewall_mark, 7);
    assert_string_equal(options.topic_config, "topics");
    assert_string_equal(options.api_hosts.w[0], "node.lan");
    assert_null(options.api_hosts.w[1]);
    assert_string_equal(options.api_origins.w[1], "http://b:2");
    assert_int_equal(options.api_max_body, 3 * MIB);
    assert_int_equal(options.memory_limit, 2048 * MIB);
    assert_int_equal(options.bus.ttl_default_ms, 7200000);
    assert_int_equal(options.bus.dead_keep_ms, 60000);
    assert_int_equal(options.bus.len_max, 1000000);
    assert_int_equal(options.router.wait_bytes, 2 * MIB);
}

/* Row 44 of the other node's behaviours: what it takes in a file, and where ours is friendlier. */
static void test_as_the_other_node(void **state)
{
    (void)state;
    expect_ok("", ""); /* peers are not required */
    expect_ok("peers = \"tcp://1.2.3.4:5\"\n", "");
    assert_int_equal(options.peers_count, 1);
    expect_ok("tcp_listen_port = \"9702\"\nno_tun = \"yes\"\ndisable_quic = 1\n", "");
    assert_int_equal(options.tcp_listen_port, 9702);
    assert_true(options.no_tun && options.disable_quic);
    expect_ok("Peers = []\nunknown = 5\n[table]\nx = 1\n", ""); /* warned about in the log */
    expect_error("peers = [\"nonsense\"]\n", "1: `peers`: missing leading protocol identifier");
    expect_error("\napi_addr = \"localhost\"\n", "2: `api_addr`: invalid socket address syntax");
    expect_error("peers = [\n", "2:1: a value is missing");
}

static void test_precedence(void **state)
{
    (void)state;
    /* Row 45: a value that equals the default is given all the same. */
    expect_ok("tcp_listen_port = 9700\n", "-t 9651");
    assert_int_equal(options.tcp_listen_port, 9651);
    expect_ok("tcp_listen_port = 9700\n", "-p 700");
    assert_int_equal(options.tcp_listen_port, 700);
    expect_ok("port = 700\nquic_listen_port = 9\n", "-t 5");
    assert_int_equal(options.tcp_listen_port, 5);
    assert_int_equal(options.quic_listen_port, 9);
    expect_ok("port = 700\n", "");
    assert_int_equal(options.tcp_listen_port, 700);
    assert_int_equal(options.quic_listen_port, 700);
    expect_ok("no_tun = true\n", "--no-tun=false");
    assert_false(options.no_tun);
    expect_ok("peers = [\"tcp://1.2.3.4:5\", \"tcp://1.2.3.4:6\"]\n", "--peers tcp://9.9.9.9:9");
    assert_int_equal(options.peers_count, 1);
    /* What is overridden is not looked at. */
    expect_ok("api_addr = \"nonsense\"\n", "--api-addr 127.0.0.1:1");
    setenv("MYCELIUM_API_ADDR", "127.0.0.1:7", 1);
    expect_ok("api_addr = \"127.0.0.1:6\"\n", "");
    assert_int_equal(options.api_addrs.a[0].port, 7);
    expect_ok("api_addr = \"127.0.0.1:6\"\n", "--api-addr 127.0.0.1:5");
    assert_int_equal(options.api_addrs.a[0].port, 5);
    unsetenv("MYCELIUM_API_ADDR");
    /* Commands ask where the file says. */
    expect_ok("api_addr = \"127.0.0.1:6\"\n", "peers list");
    assert_int_equal(options.api_addrs.a[0].port, 6);
    setenv("STATE_DIRECTORY", "/var/lib/mycelium", 1);
    expect_ok("state_dir = \"s\"\n", "");
    assert_null(options.state_dir);
    expect_ok("state_dir = \"s\"\n", "--state-dir t");
    assert_string_equal(options.state_dir, "t");
    unsetenv("STATE_DIRECTORY");
}

static void test_errors(void **state)
{
    static const struct {
        const char *file, *why;
    } rows[] = {
        {"x", "1:2: = is missing"},
        {"tcp_listen_port = 65536\n", "1: `tcp_listen_port`: number too large"},
        {"tcp_listen_port = -1\n", "1: `tcp_listen_port`: invalid digit found in string"},
        {"tcp_listen_port = 1.5\n", "1: `tcp_listen_port`: a number is expected here"},
        {"tcp_listen_port = [1]\n",
         "1: `tcp_listen_port`: one value is expected here, not an array"},
        {"key_file = 5\n", "1: `key_file`: a text is expected here"},
        {"key_file = \"\"\n", "1: `key_file`: a path is required"},
        {"key_file = \"a\\u0000b\"\n", "1: `key_file`: a zero byte in a text"},
        {"no_tun = \"maybe\"\n", "1: `no_tun`: a flag takes true, false, or no value"},
        {"no_tun = []\n", "1: `no_tun`: one value is expected here, not an array"},
        {"no_tun = {}\n", "1: `no_tun`: true or false is expected here"},
        {"[peers]\n", "1: `peers`: a text is expected here"},
        {"log_level = \"loud\"\n", "1: `log_level`: not one of the words for it"},
        {"api_addr = []\n", "1: `api_addr`: no address; \"off\" switches it off"},
        {"api_addr = [\"off\", \"127.0.0.1:1\"]\n", "1: `api_addr`: `off` stands alone"},
        {"api_hosts = [5]\n", "1: `api_hosts`: a text is expected here"},
        {"api_hosts = [\"\"]\n", "1: `api_hosts`: a value is required"},
        {"api_max_body = \"1KiB\"\n", "1: `api_max_body`: number too small"},
        {"api_max_body = \"5GiB\"\n", "1: `api_max_body`: number too large"},
        {"api_max_body = \"5 parsecs\"\n",
         "1: `api_max_body`: a size is a number, KiB, MiB, GiB or TiB behind it"},
        {"api_max_body = \"99999999999TiB\"\n", "1: `api_max_body`: number too large"},
        {"bus_default_ttl = \"1w\"\n",
         "1: `bus_default_ttl`: a time is a number, ms, s, m, h or d behind it"},
        {"bus_default_ttl = \"31d\"\n", "1: `bus_default_ttl`: number too large"},
        {"bus_default_ttl = 0\n", "1: `bus_default_ttl`: number too small"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        expect_error(rows[i].file, rows[i].why);
}

static void test_refused(void **state)
{
    char expected[256];
    (void)state;
    assert_int_equal(parse("enable_dns = true\n", ""), 1);
    snprintf(expected, sizeof(expected),
             "Error: this release does not support enable_dns, asked for by %s\n", path);
    assert_string_equal(output.err, expected);
    assert_int_equal(parse("cdn_cache = \"c\"\n", ""), 1);
    assert_int_equal(parse("bus_pop = \"safe\"\n", ""), 1);
    assert_int_equal(parse("bus_peek_reads = true\n", ""), 1);
    expect_ok("enable_dns = false\nipc_socket = \"off\"\nbus_pop = \"fast\"\n"
              "bus_peek_reads = false\n",
              "");
    expect_ok("enable_dns = true\n", "--enable-dns=false");
    expect_ok("enable_dns = true\n", "peers list"); /* a command has no part in it */
}

static void test_missing_file(void **state)
{
    static char name[] = "mycelium", flag[] = "-c", missing[] = "/nonexistent/mycelium.toml";
    char *argv[] = {name, flag, missing};
    int status = 77;
    (void)state;
    options_free(&options);
    output_begin(&output);
    assert_int_not_equal(options_parse(3, argv, &options, &status), OK);
    output_end(&output);
    assert_int_equal(status, 1);
    assert_string_equal(output.err,
                        "Error: /nonexistent/mycelium.toml: No such file or directory\n");
    setenv("MYCELIUM_CONFIG", missing, 1);
    output_begin(&output);
    assert_int_not_equal(options_parse(1, argv, &options, &status), OK);
    output_end(&output);
    assert_int_equal(status, 1);
    unsetenv("MYCELIUM_CONFIG");
}

static void test_search_path(void **state)
{
    static char name[] = "mycelium";
    char *argv[] = {name}, where[192];
    int status = 77;
    (void)state;
    snprintf(where, sizeof(where), "%s/mycelium", folder);
    assert_int_equal(mkdir(where, 0700), 0);
    snprintf(where, sizeof(where), "%s/mycelium/mycelium.toml", folder);
    file_write("tcp_listen_port = 77\n", strlen("tcp_listen_port = 77\n"));
    assert_int_equal(rename(path, where), 0);
    setenv("XDG_CONFIG_HOME", folder, 1);
    options_free(&options);
    assert_int_equal(options_parse(1, argv, &options, &status), OK);
    assert_int_equal(options.tcp_listen_port, 77);
    assert_string_equal(options.config_path, where);
    unsetenv("XDG_CONFIG_HOME");
    assert_int_equal(unlink(where), 0);
    snprintf(where, sizeof(where), "%s/mycelium", folder);
    assert_int_equal(rmdir(where), 0);
}

/* A file cut anywhere is read or refused with its line. */
static void test_cut(void **state)
{
    static const char whole[] = "peers = [\"tcp://1.2.3.4:5\", 'tcp://[::1]:6'] # two\n"
                                "no_tun = true\nbus_default_ttl = \"2h\"\n[t]\nx = 1\n";
    char text[sizeof(whole)], why[CONFIG_FILE_WHY_MAX];
    size_t good = 0;
    (void)state;
    for (size_t len = 0; len < sizeof(whole); len++) {
        memcpy(text, whole, len);
        options_free(&options);
        options_default(&options);
        strcpy(options.config_path, "F");
        why[0] = '\0';
        int rc = config_file_parse(&options, text, len, why);
        if (rc != OK && strncmp(why, "F:", 2) != 0)
            fail_msg("cut at %zu: %d, '%s'", len, rc, why);
        good += rc == OK;
    }
    assert_true(good > 5 && good < 40);
    assert_int_equal(options.peers_count, 2);
}

static void test_memory(void **state)
{
    (void)state;
    expect_ok("", "");
    uint64_t whole = memory_plan_sum(&options);
    assert_true(whole <= options.memory_limit); /* the defaults fit */
    assert_int_equal(options.bus.seen, 1000000);

    expect_ok("memory_limit = \"256MiB\"\n", "");
    assert_true(memory_plan_sum(&options) <= 256 * MIB);
    assert_true(memory_plan_sum(&options) > 250 * MIB); /* and not much less */
    assert_true(options.bus.seen < 300000 && options.bus.seen > 150000);
    assert_int_equal(options.bus.out_transfers, 1024); /* costs nothing by itself */

    /* What was given stays. */
    expect_ok("memory_limit = \"256MiB\"\nbus_remembered = 1000000\n", "");
    assert_int_equal(options.bus.seen, 1000000);
    assert_true(memory_plan_sum(&options) <= 256 * MIB);
    assert_true(options.bus.out_messages < 50000);

    assert_int_equal(parse("memory_limit = \"256MiB\"\nbus_remembered = 10000000\n", ""), 1);
    assert_non_null(strstr(output.err, "memory_limit is too small"));
    expect_ok("memory_limit = \"256MiB\"\nbus_remembered = 10000000\n", "peers list");
    expect_ok("memory_limit = \"32MiB\"\n", "");
    assert_true(memory_plan_sum(&options) <= 32 * MIB);
}

/* What --check-config prints is a configuration file that says the same. */
static void test_print(void **state)
{
    static const char file[] =
        "peers = [\"tcp://1.2.3.4:5\"]\napi_hosts = [\"a\\\"b\\\\c\\u0001\"]\n"
        "bus_default_ttl = \"90s\"\napi_max_body = 2097153\n"
        "api_addr = [\"[::1]:5\", \"127.0.0.1:6\"]\nkey_file = \"k\"\n";
    static char text[16384];
    struct options *first = malloc(sizeof(*first));
    (void)state;
    assert_non_null(first);
    expect_ok(file, "");
    FILE *f = fmemopen(text, sizeof(text), "w");
    assert_non_null(f);
    for (size_t i = 0; i < option_count; i++) {
        const struct option_def *d = &option_table[i];
        bool text_kind = d->kind == OPTION_PATH || d->kind == OPTION_TEXT;
        if (!d->key || !d->offset ||
            (text_kind && !*(const char *const *)(const void *)((char *)&options + d->offset)))
            continue;
        fprintf(f, "%s = ", d->key);
        option_value_print(f, &options, d);
        fputc('\n', f);
    }
    assert_int_equal(fclose(f), 0);
    *first = options;
    options.file = NULL;
    expect_ok(text, "");
    assert_int_equal(options.peers_count, 1);
    assert_string_equal(options.api_hosts.w[0], "a\"b\\c\x01");
    assert_int_equal(options.api_max_body, 2097153);
    assert_int_equal(options.api_addrs.count, 2);
    assert_memory_equal(&options.bus, &first->bus, sizeof(options.bus));
    assert_memory_equal(&options.router, &first->router, sizeof(options.router));
    options_free(first);
    free(first);
}

/* No two options share a name, a letter or a key, and what stands in a file has a field. */
static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < option_count; i++) {
        const struct option_def *a = &option_table[i];
        assert_true(a->offset != 0 || a->class == OPTION_REFUSED || a->class == OPTION_TAKEN);
        assert_true((a->kind == OPTION_FLAG) == (a->value == NULL));
        assert_true((a->kind == OPTION_CHOICE) == (a->choices != NULL));
        assert_true(a->class == OPTION_REFUSED || (a->help && *a->help));
        for (size_t k = i + 1; k < option_count; k++) {
            const struct option_def *b = &option_table[k];
            assert_string_not_equal(a->name, b->name);
            if (a->key && b->key)
                assert_string_not_equal(a->key, b->key);
            if (a->letter && (a->where & b->where))
                assert_int_not_equal(a->letter, b->letter);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_key),   cmocka_unit_test(test_as_the_other_node),
        cmocka_unit_test(test_precedence),  cmocka_unit_test(test_errors),
        cmocka_unit_test(test_refused),     cmocka_unit_test(test_missing_file),
        cmocka_unit_test(test_search_path), cmocka_unit_test(test_cut),
        cmocka_unit_test(test_memory),      cmocka_unit_test(test_print),
        cmocka_unit_test(test_table),
    };
    setenv("HOME", "/nonexistent", 1);
    unsetenv("XDG_CONFIG_HOME");
    unsetenv("MYCELIUM_API_ADDR");
    unsetenv("MYCELIUM_CONFIG");
    unsetenv("STATE_DIRECTORY");
    strcpy(folder, "/tmp/mycelium-config-XXXXXX");
    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof(path), "%s/mycelium.toml", folder);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    options_free(&options);
    (void)unlink(path);
    (void)rmdir(folder);
    return failed;
}
