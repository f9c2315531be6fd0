#include "node/options.h"

#include "base/err.h"
#include "node/option_value.h"
#include "tests/unit/output.h"

#define HINT      "\n\nFor more information, try '--help'.\n"
#define WORDS_MAX 400

static struct options options;
static struct output output;
static char *argv_seen[WORDS_MAX];

/* Parses the words of a line, split at single spaces. Returns OK, or the exit status. */
static int parse(const char *line)
{
    static char words[65536];
    int argc = 1, status = 77;
    assert_true(strlen(line) < sizeof(words));
    strcpy(words, line);
    argv_seen[0] = (char *)(uintptr_t) "mycelium";
    for (char *p = words; line[0] && p && argc < WORDS_MAX;) {
        argv_seen[argc++] = p;
        p = strchr(p, ' ');
        if (p)
            *p++ = '\0';
    }
    output_begin(&output);
    int rc = options_parse(argc, argv_seen, &options, &status);
    output_end(&output);
    assert_int_equal(rc == OK, status == 77);
    return rc == OK ? 0 : status == 0 ? -1 : status;
}

static void expect_ok(const char *line, enum command command)
{
    int status = parse(line);
    if (status != 0)
        fail_msg("\"%s\" gives %d: %s", line, status, output.err);
    assert_int_equal(options.command, command);
    assert_string_equal(output.out, "");
    assert_string_equal(output.err, "");
}

static void expect_usage_error(const char *line, const char *text)
{
    char whole[512];
    int status = parse(line);
    if (status != 2)
        fail_msg("\"%s\" gives %d", line, status);
    snprintf(whole, sizeof(whole), "error: %s" HINT, text);
    assert_string_equal(output.err, whole);
    assert_string_equal(output.out, "");
}

static void test_defaults(void **state)
{
    (void)state;
    expect_ok("", CMD_NODE);
    assert_null(options.key_file);
    assert_null(options.state_dir);
    assert_false(options.debug || options.silent || options.no_tun || options.json);
    assert_int_equal(options.log_format, LOG_FORMAT_COMPACT);
    assert_int_equal(options.peers_count, 0);
    assert_int_equal(options.tcp_listen_port, 9651);
    assert_string_equal(options.api_addrs.a[0].host, "127.0.0.1");
    assert_int_equal(options.api_addrs.a[0].port, 8989);
    assert_int_equal(options.api_addrs.count, 1);
    assert_int_equal(options.firewall_mark, 0);
    assert_int_equal(options.unserved, UNSERVED_QUIC | UNSERVED_TUNNEL);
}

static void test_ways_to_give_a_value(void **state)
{
    static const char *const lines[] = {
        "--key-file f",
        "--key-file=f",
        "-k f",
        "-kf",
        "-k=f",
        "-dk f",
        "-dkf",
        "-dk=f",
        "-d -k f",
        "-k f -d",
        "-k f --debug",
        "--debug -k f",
        "--debug=true -k f",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        expect_ok(lines[i], CMD_NODE);
        assert_string_equal(options.key_file, "f");
        assert_int_equal(options.debug, strchr(lines[i], 'd') != NULL);
    }
    expect_ok("-k -", CMD_NODE);
    assert_string_equal(options.key_file, "-");
    expect_ok("-k==", CMD_NODE);
    assert_string_equal(options.key_file, "=");
    expect_ok("--key-file=a=b", CMD_NODE);
    assert_string_equal(options.key_file, "a=b");
}

static void test_node_options(void **state)
{
    (void)state;
    expect_ok("--silent --log-format plain -t 1 -q 2 --api-addr [::1]:80 --no-tun --firewall-mark "
              "4294967295 --state-dir /s --tun-name utun9 --update-workers 3",
              CMD_NODE);
    assert_true(options.silent);
    assert_true(options.no_tun);
    assert_int_equal(options.log_format, LOG_FORMAT_PLAIN);
    assert_int_equal(options.tcp_listen_port, 1);
    assert_int_equal(options.quic_listen_port, 2);
    assert_string_equal(options.api_addrs.a[0].host, "::1");
    assert_int_equal(options.api_addrs.a[0].port, 80);
    assert_int_equal(options.firewall_mark, UINT32_MAX);
    assert_string_equal(options.state_dir, "/s");
    assert_string_equal(options.tun_name, "utun9");
    expect_ok("--log-format=logfmt --silent=false", CMD_NODE);
    assert_int_equal(options.log_format, LOG_FORMAT_LOGFMT);
    assert_false(options.silent);
    expect_ok("-t +5", CMD_NODE);
    assert_int_equal(options.tcp_listen_port, 5);
}

static void test_port(void **state)
{
    (void)state;
    expect_ok("-p 700", CMD_NODE);
    assert_int_equal(options.tcp_listen_port, 700);
    assert_int_equal(options.quic_listen_port, 700);
    expect_ok("-t 9651 --port 700", CMD_NODE);
    assert_int_equal(options.tcp_listen_port, 9651);
    assert_int_equal(options.quic_listen_port, 700);
    expect_ok("-p 700 -q 9", CMD_NODE);
    assert_int_equal(options.tcp_listen_port, 700);
    assert_int_equal(options.quic_listen_port, 9);
}

static void test_peers(void **state)
{
    char text[ENDPOINT_STR_MAX];
    (void)state;
    expect_ok("--peers tcp://83.231.240.31:9651 quic://185.206.122.71:9651", CMD_NODE);
    assert_int_equal(options.peers_count, 2);
    assert_string_equal(endpoint_str(&options.peers[1], text), "quic://185.206.122.71:9651");
    assert_true(options.unserved & UNSERVED_PEERS);
    expect_ok("--peers tcp://1.2.3.4:1 tcp://1.2.3.4:2 -d --peers tcp://1.2.3.4:3", CMD_NODE);
    assert_int_equal(options.peers_count, 3);
    assert_false(options.unserved & UNSERVED_PEERS);
    assert_true(options.debug);
    expect_ok("--peers=tcp://1.2.3.4:1 inspect", CMD_INSPECT); /* `=` takes one value */
    assert_int_equal(options.peers_count, 1);
    expect_ok("--peers tcp://1.2.3.4:1 --debug peers list", CMD_PEERS_LIST);
    expect_usage_error("--peers tcp://1.2.3.4:1 peers list",
                       "invalid value 'peers' for '--peers <ENDPOINT>': missing leading protocol "
                       "identifier");
    expect_usage_error("--peers",
                       "a value is required for '--peers <ENDPOINT>' but none was supplied");
    expect_usage_error("--peers --debug",
                       "a value is required for '--peers <ENDPOINT>' but none was supplied");
}

static void test_many_peers(void **state)
{
    char line[OPTIONS_PEERS_MAX * 20 + 64] = "--peers";
    size_t used = strlen(line);
    (void)state;
    for (int i = 0; i < OPTIONS_PEERS_MAX; i++)
        used += (size_t)snprintf(line + used, sizeof(line) - used, " tcp://1.2.3.4:%d", i + 1);
    expect_ok(line, CMD_NODE);
    assert_int_equal(options.peers_count, OPTIONS_PEERS_MAX);
    snprintf(line + used, sizeof(line) - used, " tcp://1.2.3.4:999");
    expect_usage_error(line,
                       "invalid value 'tcp://1.2.3.4:999' for '--peers <ENDPOINT>': more than 256 "
                       "peers");
}

static void test_commands(void **state)
{
    static const struct {
        const char *line;
        enum command command;
    } rows[] = {
        {"inspect", CMD_INSPECT},
        {"generate-keys", CMD_GENERATE_KEYS},
        {"message send 400::1 hello", CMD_MESSAGE_SEND},
        {"message receive", CMD_MESSAGE_RECEIVE},
        {"peers list", CMD_PEERS_LIST},
        {"peers add", CMD_PEERS_ADD},
        {"peers remove", CMD_PEERS_REMOVE},
        {"routes selected", CMD_ROUTES_SELECTED},
        {"routes fallback", CMD_ROUTES_FALLBACK},
        {"routes queried", CMD_ROUTES_QUERIED},
        {"stats packets", CMD_STATS_PACKETS},
        {"proxy list", CMD_PROXY_LIST},
        {"proxy connect", CMD_PROXY_CONNECT},
        {"proxy disconnect", CMD_PROXY_DISCONNECT},
        {"proxy probe start", CMD_PROXY_PROBE_START},
        {"proxy probe stop", CMD_PROXY_PROBE_STOP},
        {"token new", CMD_TOKEN_NEW},
        {"token list", CMD_TOKEN_LIST},
    };
    char line[128];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        expect_ok(rows[i].line, rows[i].command);
        assert_int_equal(options.unserved, 0);
        /* The key file goes in front, between and behind. */
        snprintf(line, sizeof(line), "-d -k a %s -k b", rows[i].line);
        expect_ok(line, rows[i].command);
        assert_string_equal(options.key_file, "b");
        assert_true(options.debug);
        /* Without its last word a group shows its help as an error. */
        if (!strchr(rows[i].line, ' ') || rows[i].command == CMD_MESSAGE_SEND)
            continue;
        snprintf(line, sizeof(line), "%s", rows[i].line);
        *strrchr(line, ' ') = '\0';
        assert_int_equal(parse(line), 2);
        assert_string_equal(output.out, "");
        assert_non_null(strstr(output.err, "Usage: mycelium "));
    }
    expect_ok("peers -k x list", CMD_PEERS_LIST);
    assert_string_equal(options.key_file, "x");
}

static void test_message_options(void **state)
{
    (void)state;
    expect_ok("-t 700 message send -wt topic --timeout 5 --msg-path f --reply-to 00 400::1 hi",
              CMD_MESSAGE_SEND);
    assert_int_equal(options.tcp_listen_port, 700); /* -t means the port in front of it */
    assert_string_equal(options.topic, "topic");
    assert_true(options.wait);
    assert_true(options.has_timeout);
    assert_int_equal(options.timeout_s, 5);
    assert_string_equal(options.msg_path, "f");
    assert_string_equal(options.reply_to, "00");
    assert_string_equal(options.destination, "400::1");
    assert_string_equal(options.message, "hi");
    expect_ok("message send 400::1 --topic= -- -hello", CMD_MESSAGE_SEND);
    assert_string_equal(options.topic, "");
    assert_string_equal(options.message, "-hello");
    assert_false(options.has_timeout);
    expect_ok("message send 400::1 -w hi", CMD_MESSAGE_SEND);
    assert_string_equal(options.message, "hi");
    expect_ok("message receive --raw --timeout 18446744073709551615", CMD_MESSAGE_RECEIVE);
    assert_true(options.raw);
    assert_true(options.timeout_s == UINT64_MAX);
}

static void test_endpoint_words(void **state)
{
    (void)state;
    expect_ok("peers add a -k f b -- -c c", CMD_PEERS_ADD);
    assert_int_equal(options.args_count, 4);
    assert_string_equal(options.args[0], "a");
    assert_string_equal(options.args[1], "b");
    assert_string_equal(options.args[2], "-c");
    assert_string_equal(options.args[3], "c");
    assert_string_equal(options.key_file, "f");
    expect_ok("peers remove", CMD_PEERS_REMOVE);
    assert_int_equal(options.args_count, 0);
}

static void test_tokens(void **state)
{
    (void)state;
    expect_ok("token --state-dir s new read send --note x --token-file f", CMD_TOKEN_NEW);
    assert_int_equal(options.args_count, 2);
    assert_string_equal(options.args[1], "send");
    assert_string_equal(options.note, "x");
    assert_string_equal(options.token_file, "f");
    assert_string_equal(options.state_dir, "s");
    expect_ok("token revoke abcdef", CMD_TOKEN_REVOKE);
    assert_string_equal(options.token, "abcdef");
    expect_ok("--api-auth always --api-socket /s --api-host a --api-host b", CMD_NODE);
    assert_int_equal(options.api_auth, GUARD_ALWAYS);
    assert_string_equal(options.api_socket, "/s");
    assert_int_equal(options.api_hosts.count, 2);
    expect_ok("peers --api-socket /s list", CMD_PEERS_LIST);
    assert_string_equal(options.api_socket, "/s");
    assert_int_equal(parse("--api-tls-cert c"), 1);
    expect_ok("--api-tls-cert c peers list", CMD_PEERS_LIST);
    assert_int_equal(parse("token -h"), -1);
    assert_null(strstr(output.out, "--api-addr"));
    assert_non_null(strstr(output.out, "--state-dir"));
}

static void test_inspect_options(void **state)
{
    (void)state;
    expect_ok("inspect --json --legacy --no-generate abc", CMD_INSPECT);
    assert_true(options.json && options.legacy && options.no_generate);
    assert_string_equal(options.key, "abc");
    expect_ok("generate-keys --force", CMD_GENERATE_KEYS);
    assert_true(options.force);
}

static void test_api_addr(void **state)
{
    (void)state;
    expect_ok("--api-addr 127.0.0.1:1 --api-addr [::1]:2", CMD_NODE);
    assert_int_equal(options.api_addrs.count, 2);
    assert_int_equal(options.api_addrs.a[1].port, 2);
    expect_usage_error("--api-addr 127.0.0.1:1 --api-addr off",
                       "invalid value 'off' for '--api-addr <ADDRESS>': `off` stands alone");
    expect_usage_error(
        "--api-addr off --api-addr 127.0.0.1:1",
        "invalid value '127.0.0.1:1' for '--api-addr <ADDRESS>': `off` stands alone");
    expect_ok("peers list --api-addr localhost:81", CMD_PEERS_LIST);
    assert_string_equal(options.api_addrs.a[0].host, "127.0.0.1");
    assert_int_equal(options.api_addrs.a[0].port, 81);
    expect_ok("--api-addr 127.0.0.1:1 peers --api-addr 127.0.0.1:2 list --api-addr 127.0.0.1:3",
              CMD_PEERS_LIST);
    assert_int_equal(options.api_addrs.a[0].port, 3);
    expect_ok("--api-server-addr 127.0.0.1:8 inspect", CMD_INSPECT);
    assert_int_equal(options.api_addrs.a[0].port, 8);
    expect_ok("--api-addr off", CMD_NODE);
    assert_true(options.api_addrs.a[0].off);
    setenv("MYCELIUM_API_ADDR", "[::1]:9", 1);
    expect_ok("peers list", CMD_PEERS_LIST);
    assert_string_equal(options.api_addrs.a[0].host, "::1");
    expect_ok("--api-addr 127.0.0.1:8989 peers list", CMD_PEERS_LIST);
    assert_string_equal(options.api_addrs.a[0].host, "127.0.0.1");
    setenv("MYCELIUM_API_ADDR", "nowhere", 1);
    expect_usage_error("peers list",
                       "invalid value 'nowhere' for MYCELIUM_API_ADDR: invalid socket "
                       "address syntax");
    unsetenv("MYCELIUM_API_ADDR");
}

static void test_listen_addresses(void **state)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
    } good[] = {
        {"127.0.0.1:8989", "127.0.0.1", 8989}, {"[::1]:8989", "::1", 8989},
        {"0.0.0.0:0", "0.0.0.0", 0},           {"[::]:65535", "::", 65535},
        {"localhost:080", "127.0.0.1", 80},    {"[fe80::1%2]:9", "fe80::1%2", 9},
    };
    static const char *const bad[] = {
        "",
        ":",
        ":80",
        "127.0.0.1",
        "127.0.0.1:",
        "::1:80",
        "[::1]",
        "[::1]80",
        "[::1:80",
        "[]:80",
        "[",
        "]:80",
        "127.0.0.01:1",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "1.2.3:4",
        "host:80",
        "[1.2.3.4]:80",
        "127.0.0.1:+80",
        "[fe80::1%]:9",
        "[::1] :80",
        "[fe80::1%eth0]:9",
        "[:]:80",
        " 127.0.0.1:80",
        "[1111111111111111111111111111111111111111111111111111111111111111111111111]:80",
    };
    struct listen_addr a;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_null(listen_addr_parse(good[i].text, &a));
        assert_string_equal(a.host, good[i].host);
        assert_int_equal(a.port, good[i].port);
        assert_false(a.off);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        a.port = 4711;
        if (!listen_addr_parse(bad[i], &a))
            fail_msg("taken: %s", bad[i]);
        assert_int_equal(a.port, 4711); /* written on success only */
    }
}

/* An address cut at every length is refused until its first digit of the port. */
static void test_listen_addresses_cut(void **state)
{
    const char *whole = "[2001:db8::7]:65535";
    char text[32];
    struct listen_addr a;
    (void)state;
    for (size_t len = 0; len <= strlen(whole); len++) {
        memcpy(text, whole, len);
        text[len] = '\0';
        assert_int_equal(listen_addr_parse(text, &a) == NULL, len > strlen("[2001:db8::7]:"));
    }
}

static void test_usage_errors(void **state)
{
    static const struct {
        const char *line, *text;
    } rows[] = {
        {"--nothing", "unexpected argument '--nothing' found"},
        {"--nothing=5", "unexpected argument '--nothing' found"},
        {"--peer tcp://1.2.3.4:1", "unexpected argument '--peer' found"}, /* no abbreviations */
        {"-x", "unexpected argument '-x' found"},
        {"-dx", "unexpected argument '-x' found"},
        {"nothing", "unrecognized subcommand 'nothing'"},
        {"peers nothing", "unrecognized subcommand 'nothing'"},
        {"-- inspect", "unrecognized subcommand 'inspect'"},
        {"help nothing", "unrecognized subcommand 'nothing'"},
        {"-k", "a value is required for '--key-file <FILE>' but none was supplied"},
        {"--key-file", "a value is required for '--key-file <FILE>' but none was supplied"},
        {"-k -d", "a value is required for '--key-file <FILE>' but none was supplied"},
        {"-k --", "a value is required for '--key-file <FILE>' but none was supplied"},
        {"--key-file=", "invalid value '' for '--key-file <FILE>': a path is required"},
        {"-k a -k b", "the argument '--key-file <FILE>' cannot be used multiple times"},
        {"-k a inspect -k b -k c",
         "the argument '--key-file <FILE>' cannot be used multiple times"},
        {"-d --debug", "the argument '--debug' cannot be used multiple times"},
        {"-dd", "the argument '--debug' cannot be used multiple times"},
        {"--silent=yes",
         "invalid value 'yes' for '--silent': a flag takes true, false, or no value"},
        {"-d=true", "unexpected argument '-=' found"},
        {"-t 65536", "invalid value '65536' for '--tcp-listen-port <PORT>': number too large"},
        {"-t x", "invalid value 'x' for '--tcp-listen-port <PORT>': invalid digit found in string"},
        {"-t -1", "a value is required for '--tcp-listen-port <PORT>' but none was supplied"},
        {"-t=-1",
         "invalid value '-1' for '--tcp-listen-port <PORT>': invalid digit found in string"},
        {"--firewall-mark 4294967296",
         "invalid value '4294967296' for '--firewall-mark <MARK>': number too large"},
        {"--log-format json", "invalid value 'json' for '--log-format <FORMAT>': not one of the "
                              "words for it"},
        {"--api-addr 8989",
         "invalid value '8989' for '--api-addr <ADDRESS>': invalid socket address "
         "syntax"},
        {"--peers tcp://1.2.3.4",
         "invalid value 'tcp://1.2.3.4' for '--peers <ENDPOINT>': failed to "
         "parse address: invalid socket address syntax"},
        {"peers list --silent", "unexpected argument '--silent' found"},
        {"peers list --peers tcp://1.2.3.4:1", "unexpected argument '--peers' found"},
        {"peers --json list", "unexpected argument '--json' found"},
        {"peers list -V", "unexpected argument '-V' found"},
        {"peers list x", "unexpected argument 'x' found"},
        {"inspect a b", "unexpected argument 'b' found"},
        {"--json inspect", "unexpected argument '--json' found"},
        {"generate-keys --api-addr 127.0.0.1:1", "unexpected argument '--api-addr' found"},
        {"message send", "the following required arguments were not provided:\n  <DESTINATION>"},
        {"message send a b c", "unexpected argument 'c' found"},
        {"message send a -hello", "unexpected argument '-h' found"},
        {"message receive --timeout 18446744073709551616",
         "invalid value '18446744073709551616' for '--timeout <SECONDS>': number too large"},
        {"message receive --timeout 1.5",
         "invalid value '1.5' for '--timeout <SECONDS>': invalid digit found in string"},
        {"--metrics-api-address x",
         "invalid value 'x' for '--metrics-api-address <ADDRESS>': invalid socket address syntax"},
        {"token --api-addr 127.0.0.1:1 list", "unexpected argument '--api-addr' found"},
        {"token revoke", "the following required arguments were not provided:\n  <TOKEN>"},
        {"--api-auth never",
         "invalid value 'never' for '--api-auth <WHO>': not one of the words for it"},
        {"--enable-dns --nothing", "unexpected argument '--nothing' found"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (strcmp(rows[i].line, "message send a -hello") == 0)
            assert_int_equal(parse(rows[i].line), -1); /* -h asks for help */
        else
            expect_usage_error(rows[i].line, rows[i].text);
}

static void test_refused(void **state)
{
    static const char *const lines[] = {"--vsock-listen-port 1", "--ipc-socket s",
                                        "--persist-peers",       "--cdn-cache d",
                                        "--enable-dns",          "-d --enable-dns -t 5"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        assert_int_equal(parse(lines[i]), 1);
        assert_string_equal(output.out, "");
        assert_int_equal(strncmp(output.err, "Error: this release does not support --", 39), 0);
        assert_ptr_equal(strchr(output.err, '\n'), output.err + strlen(output.err) - 1);
    }
    expect_ok("--enable-dns=false --ipc-socket off --persist-peers=false", CMD_NODE);
}

/* Both or none, and only of the daemon. */
static void test_private(void **state)
{
    (void)state;
    expect_ok("--network-name lab --network-key-file f --peers tls://1.2.3.4:5", CMD_NODE);
    assert_string_equal(options.network_name, "lab");
    assert_string_equal(options.network_key_file, "f");
    assert_int_equal(options.unserved & (UNSERVED_QUIC | UNSERVED_PEERS), 0);
    expect_ok("--peers tls://1.2.3.4:5", CMD_NODE);
    assert_true(options.unserved & UNSERVED_PEERS);
    static const char *const lines[] = {"--network-name lab", "--network-key-file f",
                                        "--network-name l --network-key-file f"};
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        assert_int_equal(parse(lines[i]), 1);
        assert_non_null(strstr(output.err, "network"));
    }
    expect_ok("--network-name lab peers list", CMD_PEERS_LIST);
}

static void test_unserved(void **state)
{
    (void)state;
    expect_ok("--disable-quic --disable-peer-discovery --jsonrpc-addr off --no-tun", CMD_NODE);
    assert_int_equal(options.unserved, 0);
    expect_ok("--quic-listen-port 1 --peer-discovery-port 2 --peer-discovery-interface a "
              "--peer-discovery-interface b --tun-name t --jsonrpc-addr 127.0.0.1:5",
              CMD_NODE);
    assert_int_equal(options.unserved, UNSERVED_QUIC | UNSERVED_TUNNEL);
}

static void test_help(void **state)
{
    static const struct {
        const char *line, *part;
    } rows[] = {
        {"-h", "Usage: mycelium [OPTIONS] [COMMAND]\n"},
        {"--help", "Examples:\n"},
        {"help", "Examples:\n"},
        {"-dh", "Usage: mycelium [OPTIONS] [COMMAND]\n"},
        {"peers -h", "Usage: mycelium peers [OPTIONS] <COMMAND>\n"},
        {"help peers", "Usage: mycelium peers [OPTIONS] <COMMAND>\n"},
        {"peers help add", "Usage: mycelium peers add [OPTIONS] [ENDPOINT]...\n"},
        {"help proxy probe start", "Usage: mycelium proxy probe start [OPTIONS]\n"},
        {"message send --help", "Usage: mycelium message send [OPTIONS] <DESTINATION> [MESSAGE]\n"},
        {"message send -h", "-t, --topic <TOPIC>"},
        {"inspect -h", "Usage: mycelium inspect [OPTIONS] [KEY]\n"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(parse(rows[i].line), -1);
        assert_string_equal(output.err, "");
        assert_non_null(strstr(output.out, rows[i].part));
    }
    assert_int_equal(parse("--help"), -1);
    assert_null(strstr(output.out, "api-server-addr")); /* known, not shown */
    assert_null(strstr(output.out, "--enable-dns"));
    assert_int_equal(parse("-V"), -1);
    assert_string_equal(output.out, "mycelium " MYCELIUM_VERSION " (compatible with 0.7.10)\n");
    assert_int_equal(parse("--version"), -1);
    assert_string_equal(output.out, "mycelium " MYCELIUM_VERSION " (compatible with 0.7.10)\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_ways_to_give_a_value),
        cmocka_unit_test(test_node_options),
        cmocka_unit_test(test_port),
        cmocka_unit_test(test_peers),
        cmocka_unit_test(test_many_peers),
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_message_options),
        cmocka_unit_test(test_endpoint_words),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_inspect_options),
        cmocka_unit_test(test_api_addr),
        cmocka_unit_test(test_listen_addresses),
        cmocka_unit_test(test_listen_addresses_cut),
        cmocka_unit_test(test_usage_errors),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_private),
        cmocka_unit_test(test_unserved),
        cmocka_unit_test(test_help),
    };
    setenv("HOME", "/nonexistent", 1);
    unsetenv("XDG_CONFIG_HOME");
    unsetenv("MYCELIUM_API_ADDR");
    unsetenv("MYCELIUM_CONFIG");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
