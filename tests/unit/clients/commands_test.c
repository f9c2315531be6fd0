/* The commands against prepared answers: what they ask, print and return. */
#include "clients/commands.h"

#include <sys/stat.h>

#include "base/err.h"
#include "base/text.h"
#include "tests/unit/clients/fake_node.h"
#include "tests/unit/output.h"

#define PEERS                                                                                      \
    "[{\"endpoint\":{\"proto\":\"quic\",\"addr\":{\"socket\":\"[::1]:4\"}},\"type\":\"static\","   \
    "\"connectionState\":\"connecting\",\"txBytes\":0,\"rxBytes\":0,\"discovered\":453,"           \
    "\"lastConnected\":null},"                                                                     \
    "{\"endpoint\":{\"proto\":\"tcp\",\"addr\":{\"socket\":\"[::ffff:127.0.0.1]:42294\"}},"        \
    "\"type\":\"inbound\",\"connectionState\":\"alive\",\"txBytes\":35170964,\"rxBytes\":2705326," \
    "\"discovered\":554,\"lastConnected\":554}]"

static struct fake_node node;
static struct output output;

static const char *answer_of(const char *status, const char *body)
{
    static char text[65536];
    snprintf(text, sizeof(text), "HTTP/1.1 %s\r\ncontent-length: %zu\r\n\r\n%s", status,
             strlen(body), body);
    return text;
}

static void begin(const char *status, const char *body)
{
    static const char *answers[1];
    answers[0] = answer_of(status, body);
    fake_node_start(&node, answers, 1, false);
    output_begin(&output);
}

static void end(void)
{
    output_end(&output);
    fake_node_stop(&node);
}

static void expect_request(const char *line)
{
    char whole[1024];
    snprintf(whole, sizeof(whole), "%s HTTP/1.1\r\n", line);
    assert_int_equal(strncmp(node.request, whole, strlen(whole)), 0);
}

static const char *request_body(void)
{
    const char *p = strstr(node.request, "\r\n\r\n");
    return p ? p + 4 : "";
}

static void test_peers_table(void **state)
{
    (void)state;
    begin("200 OK", PEERS);
    int status = command_peers_list(&node.target, false);
    end();
    assert_int_equal(status, 0);
    expect_request("GET /api/v1/admin/peers");
    assert_string_equal(output.err, "");
    assert_string_equal(
        output.out,
        "+----------+--------------------------+---------+------------+----------+-----------+-----"
        "-------+-----------------+\n"
        "| Protocol | Socket                   | Type    | Connection | Rx total | Tx total  | "
        "Discovered | Last connection |\n"
        "+----------+--------------------------+---------+------------+----------+-----------+-----"
        "-------+-----------------+\n"
        "| Quic     | [::1]:4                  | Static  | Connecting | 0.00 B   | 0.00 B    | 7m "
        "33s     | Never connected |\n"
        "+----------+--------------------------+---------+------------+----------+-----------+-----"
        "-------+-----------------+\n"
        "| Tcp      | [::ffff:127.0.0.1]:42294 | Inbound | Alive      | 2.58 MiB | 33.54 MiB | 9m "
        "14s     | 9m 14s          |\n"
        "+----------+--------------------------+---------+------------+----------+-----------+-----"
        "-------+-----------------+\n");
}

static void test_peers_json(void **state)
{
    (void)state;
    begin("200 OK", "[{\"endpoint\":{\"proto\":\"vsock\",\"addr\":{\"vsock\":{\"cid\":2,\"port\":"
                    "9651}}},\"type\":\"static\",\"connectionState\":\"dead\",\"txBytes\":0,"
                    "\"rxBytes\":0,\"discovered\":0,\"lastConnected\":null}]");
    int status = command_peers_list(&node.target, true);
    end();
    assert_int_equal(status, 0);
    assert_string_equal(output.out, "[\n"
                                    "  {\n"
                                    "    \"endpoint\": {\n"
                                    "      \"proto\": \"vsock\",\n"
                                    "      \"addr\": {\n"
                                    "        \"vsock\": {\n"
                                    "          \"cid\": 2,\n"
                                    "          \"port\": 9651\n"
                                    "        }\n"
                                    "      }\n"
                                    "    },\n"
                                    "    \"type\": \"static\",\n"
                                    "    \"connectionState\": \"dead\",\n"
                                    "    \"txBytes\": 0,\n"
                                    "    \"rxBytes\": 0,\n"
                                    "    \"discovered\": 0,\n"
                                    "    \"lastConnected\": null\n"
                                    "  }\n"
                                    "]\n");
    begin("200 OK", "[]");
    status = command_peers_list(&node.target, true);
    end();
    assert_int_equal(status, 0);
    assert_string_equal(output.out, "[]\n");
}

/* Other shapes end with one line and status 1, never with half a table. */
static void test_peers_odd_answers(void **state)
{
    static const char *const bodies[] = {
        "",
        "[",
        "{}",
        "[5]",
        "[{}]",
        "[{\"endpoint\":{\"proto\":\"tcp\",\"addr\":{\"socket\":5}},\"type\":\"static\","
        "\"connectionState\":\"alive\",\"txBytes\":0,\"rxBytes\":0,\"discovered\":0,"
        "\"lastConnected\":null}]",
        "[{\"endpoint\":{\"proto\":\"tcp\",\"addr\":{\"socket\":\"x\"}},\"type\":\"static\","
        "\"connectionState\":\"alive\",\"txBytes\":-1,\"rxBytes\":0,\"discovered\":0,"
        "\"lastConnected\":null}]",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        begin("200 OK", bodies[i]);
        int status = command_peers_list(&node.target, false);
        end();
        assert_int_equal(status, 1);
        assert_string_equal(output.out, "");
        assert_string_equal(output.err,
                            "Error: cannot list the peers: the node's answer has an unexpected "
                            "form\n");
    }
}

/* The answer cut at every length is refused or shown, and nothing else. */
static void test_peers_cut_answers(void **state)
{
    char body[sizeof(PEERS)];
    (void)state;
    for (size_t len = 0; len < sizeof(PEERS) - 1; len += 7) {
        memcpy(body, PEERS, len);
        body[len] = '\0';
        begin("200 OK", body);
        int status = command_peers_list(&node.target, false);
        end();
        assert_int_equal(status, 1);
    }
}

static void test_peers_add_and_remove(void **state)
{
    static char *const one[] = {(char *)(uintptr_t) "tcp://127.0.0.1:1"};
    static char *const odd[] = {(char *)(uintptr_t) "x\"\x1b"};
    (void)state;
    begin("204 No Content", "");
    int status = command_peers_add(&node.target, one, 1);
    end();
    assert_int_equal(status, 0);
    expect_request("POST /api/v1/admin/peers");
    assert_string_equal(request_body(), "{\"endpoint\":\"tcp://127.0.0.1:1\"}");
    assert_string_equal(output.out, "");

    begin("204 No Content", "");
    status = command_peers_remove(&node.target, one, 1);
    end();
    assert_int_equal(status, 0);
    expect_request("DELETE /api/v1/admin/peers/tcp%3A%2F%2F127.0.0.1%3A1");

    begin("409 Conflict", "A peer identified by that endpoint already exists");
    status = command_peers_add(&node.target, one, 1);
    end();
    assert_int_equal(status, 1);
    assert_string_equal(output.err, "Error: cannot add the peer tcp://127.0.0.1:1: 409 A peer "
                                    "identified by that endpoint already exists\n");

    begin("400 Bad", "bad\n\x1b[2J");
    status = command_peers_add(&node.target, odd, 1);
    end();
    assert_int_equal(status, 1);
    assert_string_equal(request_body(), "{\"endpoint\":\"x\\\"\\u001b\"}");
    assert_string_equal(output.err, "Error: cannot add the peer x\"?: 400 bad??[2J\n");

    assert_int_equal(command_peers_add(&node.target, one, 0), 0); /* nothing to do */
    assert_int_equal(command_peers_remove(&node.target, one, 0), 0);
}

static void test_routes(void **state)
{
    (void)state;
    begin("200 OK", "[{\"subnet\":\"437:5106:5530:1589::/64\",\"nextHop\":\"TCP a <-> b\","
                    "\"metric\":0,\"seqno\":0},{\"subnet\":\"400::/64\",\"nextHop\":\"QUIC -> c\","
                    "\"metric\":\"infinite\",\"seqno\":65535}]");
    int status = command_routes(&node.target, ROUTES_SELECTED, false);
    end();
    assert_int_equal(status, 0);
    expect_request("GET /api/v1/admin/routes/selected");
    assert_string_equal(output.out,
                        "+-------------------------+-------------+----------+--------+\n"
                        "| Subnet                  | Next Hop    | Metric   | Seq No |\n"
                        "+-------------------------+-------------+----------+--------+\n"
                        "| 437:5106:5530:1589::/64 | TCP a <-> b | 0        | 0      |\n"
                        "+-------------------------+-------------+----------+--------+\n"
                        "| 400::/64                | QUIC -> c   | infinite | 65535  |\n"
                        "+-------------------------+-------------+----------+--------+\n");
}

static void test_routes_queried(void **state)
{
    (void)state;
    begin("200 OK", "[{\"subnet\":\"400::/64\",\"expiration\":\"14\"}]");
    int status = command_routes(&node.target, ROUTES_QUERIED, false);
    end();
    assert_int_equal(status, 0);
    expect_request("GET /api/v1/admin/routes/queried");
    assert_string_equal(output.out, "+----------+------------------+\n"
                                    "| Subnet   | Query expiration |\n"
                                    "+----------+------------------+\n"
                                    "| 400::/64 | 14               |\n"
                                    "+----------+------------------+\n");
    begin("200 OK", "[ {\"any\": 1.50}]");
    status = command_routes(&node.target, ROUTES_FALLBACK, true);
    end();
    assert_int_equal(status, 0);
    expect_request("GET /api/v1/admin/routes/fallback");
    assert_string_equal(output.out, "[ {\"any\": 1.50}]\n"); /* as it came */
}

static void test_stats(void **state)
{
    (void)state;
    begin("200 OK", "{\"bySource\":[{\"ip\":\"437::1\",\"packetCount\":51,\"byteCount\":3179}],"
                    "\"byDestination\":[]}");
    int status = command_stats_packets(&node.target, false);
    end();
    assert_int_equal(status, 0);
    assert_string_equal(output.out, "Statistics by Source IP:\n"
                                    "+-----------+---------+-------+\n"
                                    "| Source IP | Packets | Bytes |\n"
                                    "+-----------+---------+-------+\n"
                                    "| 437::1    | 51      | 3179  |\n"
                                    "+-----------+---------+-------+\n"
                                    "\n"
                                    "Statistics by Destination IP:\n"
                                    "+----------------+---------+-------+\n"
                                    "| Destination IP | Packets | Bytes |\n"
                                    "+----------------+---------+-------+\n");
}

static void test_proxies(void **state)
{
    (void)state;
    begin("200 OK", "[\"437::1\"]");
    int status = command_proxy_list(&node.target, false);
    end();
    assert_int_equal(status, 0);
    assert_string_equal(output.out, "+--------------+\n"
                                    "| IPv6 Address |\n"
                                    "+--------------+\n"
                                    "| 437::1       |\n"
                                    "+--------------+\n");
    begin("200 OK", "\"127.0.0.1:9651\"");
    status = command_proxy_connect(&node.target, "127.0.0.1:9651", false);
    end();
    assert_int_equal(status, 0);
    assert_string_equal(request_body(), "{\"remote\":\"127.0.0.1:9651\"}");
    assert_string_equal(output.out, "127.0.0.1:9651\n");
    begin("404 Not Found", "");
    status = command_proxy_connect(&node.target, NULL, true);
    end();
    assert_int_equal(status, 1);
    assert_string_equal(request_body(), "{\"remote\":null}");
    assert_string_equal(output.err, "Error: cannot connect to a proxy: 404 not found\n");
    begin("204 N", "");
    status = command_proxy_probe(&node.target, false);
    end();
    assert_int_equal(status, 0);
    expect_request("DELETE /api/v1/admin/proxy/probe");
}

#define DST     "437:5106:5530:1589:7c53:fa73:c63e:1ddb"
#define FROM_TO "\"srcIp\":\"430::1\",\"srcPk\":\"8f40\",\"dstIp\":\"437::1\",\"dstPk\":\"3580\""

static void test_send(void **state)
{
    const struct send_args a = {.destination = DST, .message = "hello", .topic = "test"};
    (void)state;
    begin("201 Created", "{\"id\":\"b713833c2f9478ce\"}");
    int status = command_message_send(&node.target, &a);
    end();
    assert_int_equal(status, 0);
    expect_request("POST /api/v1/messages");
    assert_string_equal(request_body(), "{\"dst\":{\"ip\":\"" DST
                                        "\"},\"topic\":\"dGVzdA==\",\"payload\":\"aGVsbG8=\"}");
    assert_string_equal(output.out, "{\"id\":\"b713833c2f9478ce\"}\n");
}

static void test_send_to_key(void **state)
{
    const char *key = "358072D6365880d1aeea329adf9121383851ed21a28e3b75e965d0d2cd166254";
    const struct send_args a = {.destination = key, .message = "", .reply_to = "00/1"};
    char body[200];
    (void)state;
    begin("204 No Content", "");
    int status = command_message_send(&node.target, &a);
    end();
    assert_int_equal(status, 0);
    expect_request("POST /api/v1/messages/reply/00%2F1");
    snprintf(body, sizeof(body), "{\"dst\":{\"pk\":\"%s\"},\"payload\":\"\"}", key);
    assert_string_equal(request_body(), body);
    assert_string_equal(output.out, "");
}

static void test_send_and_wait(void **state)
{
    struct send_args a = {.destination = DST, .message = "q", .wait = true};
    (void)state;
    begin("200 OK", "{\"id\":\"b713833c2f9478ce\"," FROM_TO ",\"payload\":\"YQ==\"}");
    int status = command_message_send(&node.target, &a);
    end();
    assert_int_equal(status, 0);
    expect_request("POST /api/v1/messages?reply_timeout=31536000");
    assert_string_equal(output.out,
                        "{\"id\":\"b713833c2f9478ce\"," FROM_TO ",\"payload\":\"a\"}\n");
    a.has_timeout = true;
    a.timeout_s = 2;
    begin("408 Request Timeout", "{\"id\":\"b713833c2f9478ce\"}");
    status = command_message_send(&node.target, &a);
    end();
    assert_int_equal(status, 0); /* it is on its way all the same */
    expect_request("POST /api/v1/messages?reply_timeout=2");
    assert_string_equal(output.out, "{\"id\":\"b713833c2f9478ce\"}\n");
}

static void test_send_refusals(void **state)
{
    const struct send_args a = {.destination = DST, .message = "x"};
    (void)state;
    begin("422 U", "Failed to deserialize the JSON body into the target type: payload");
    int status = command_message_send(&node.target, &a);
    end();
    assert_int_equal(status, 1);
    assert_string_equal(output.out, "");
    assert_string_equal(output.err, "Error: cannot send the message: 422 Failed to deserialize the "
                                    "JSON body into the target type: payload\n");
    begin("408 T", "{\"id\":\"b713833c2f9478ce\"}"); /* not asked for */
    status = command_message_send(&node.target, &a);
    end();
    assert_int_equal(status, 1);
    begin("201 Created", "{}");
    status = command_message_send(&node.target, &a);
    end();
    assert_int_equal(status, 1);
}

/* What is wrong before the node is asked. */
static void test_send_usage(void **state)
{
    static char topic[257];
    memset(topic, 't', 256);
    const struct send_args rows[] = {
        {.destination = "1.2.3.4", .message = "x"},
        {.destination = "200::1", .message = "x"},
        {.destination = "600::1", .message = "x"},
        {.destination = "zz", .message = "x"},
        {.destination = "", .message = "x"},
        {.destination = "g58072d6365880d1aeea329adf9121383851ed21a28e3b75e965d0d2cd166254",
         .message = "x"},
        {.destination = DST},
        {.destination = DST, .message = "x", .wait = true, .reply_to = "0011223344556677"},
        {.destination = DST, .message = "x", .topic = topic},
        {.destination = DST, .msg_path = "/nonexistent/file"},
    };
    const struct api_target nobody = {.host = "127.0.0.1", .port = 1};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        output_begin(&output);
        int status = command_message_send(&nobody, &rows[i]);
        output_end(&output);
        assert_int_equal(status, 1);
        assert_string_equal(output.out, "");
        assert_int_equal(strncmp(output.err, "Error: cannot ", 14), 0);
        assert_null(strstr(output.err, "no connection"));
    }
}

static void write_file(const char *path, const char *bytes, size_t len)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

static void test_send_file(void **state)
{
    char path[] = "/tmp/mycelium-message-XXXXXX";
    int fd = mkstemp(path);
    const struct send_args a = {.destination = DST, .message = "not this", .msg_path = path};
    (void)state;
    assert_true(fd >= 0);
    close(fd);
    write_file(path, "\0\xff\xfe", 3);
    begin("201 Created", "{\"id\":\"00\"}");
    int status = command_message_send(&node.target, &a);
    end();
    unlink(path);
    assert_int_equal(status, 0);
    assert_non_null(strstr(request_body(), "\"payload\":\"AP/+\""));
}

/* Larger than one piece of the base64 writer, and not a multiple of three. */
static void test_send_long(void **state)
{
    static char text[10001];
    const struct send_args a = {.destination = DST, .message = text};
    char back[10004];
    size_t len = 0;
    (void)state;
    for (size_t i = 0; i < 10000; i++)
        text[i] = (char)('a' + i % 26);
    begin("201 Created", "{\"id\":\"00\"}");
    int status = command_message_send(&node.target, &a);
    end();
    assert_int_equal(status, 0);
    const char *p = strstr(request_body(), "\"payload\":\"");
    assert_non_null(p);
    p += strlen("\"payload\":\"");
    assert_int_equal(b64_decode(p, strcspn(p, "\""), back, sizeof(back), &len, NULL), OK);
    assert_int_equal(len, 10000);
    assert_memory_equal(back, text, 10000);
}

static void test_receive(void **state)
{
    struct receive_args a = {.topic = "~~~"};
    (void)state;
    begin("200 OK", "{\"id\":\"fc36f07bab368a2d\"," FROM_TO
                    ",\"topic\":\"ZXhhbXBsZS50b3BpYw==\",\"payload\":\"dGhpcyBpcyBhIG1lc3NhZ2U="
                    "\"}");
    int status = command_message_receive(&node.target, &a);
    end();
    assert_int_equal(status, 0);
    expect_request("GET /api/v1/messages?timeout=31536000&topic=fn5%2B");
    assert_string_equal(output.out, "{\"id\":\"fc36f07bab368a2d\"," FROM_TO
                                    ",\"topic\":\"example.topic\",\"payload\":\"this is a "
                                    "message\"}\n");
    a = (struct receive_args){.has_timeout = true, .timeout_s = 1};
    begin("204 No Content", "");
    status = command_message_receive(&node.target, &a);
    end();
    assert_int_equal(status, 0);
    expect_request("GET /api/v1/messages?timeout=1");
    assert_string_equal(output.out, "");
}

static void test_receive_binary(void **state)
{
    struct receive_args a = {.has_timeout = true};
    const char *body = "{\"id\":\"00\"," FROM_TO ",\"topic\":\"/w==\",\"payload\":\"AP/+\"}";
    (void)state;
    begin("200 OK", body);
    int status = command_message_receive(&node.target, &a);
    end();
    assert_int_equal(status, 0);
    assert_string_equal(output.out,
                        "{\"id\":\"00\"," FROM_TO ",\"topic\":\"/w==\",\"payload\":\"AP/+\","
                        "\"encoding\":\"base64\",\"topicEncoding\":\"base64\"}\n");
    a.raw = true;
    begin("200 OK", body);
    status = command_message_receive(&node.target, &a);
    end();
    assert_int_equal(status, 0);
    assert_memory_equal(output.out, "\0\xff\xfe\n", 5);
}

static void test_receive_file(void **state)
{
    char dir[] = "/tmp/mycelium-receive-XXXXXX", path[64], got[64];
    struct stat st;
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/m", dir);
    struct receive_args a = {.msg_path = path, .has_timeout = true};

    begin("204 No Content", "");
    int status = command_message_receive(&node.target, &a);
    end();
    assert_int_equal(status, 0);
    assert_int_not_equal(stat(path, &st), 0); /* nothing came, nothing stays */

    write_file(path, "something longer than the message", 33);
    begin("200 OK", "{\"id\":\"00\"," FROM_TO ",\"payload\":\"YWI=\"}");
    status = command_message_receive(&node.target, &a);
    end();
    assert_int_equal(status, 0);
    assert_string_equal(output.out, "{\"id\":\"00\"," FROM_TO "}\n");
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    assert_int_equal(fread(got, 1, sizeof(got), f), 2);
    assert_memory_equal(got, "ab", 2);
    (void)fclose(f);

    a.raw = true;
    begin("200 OK", "{\"id\":\"00\"," FROM_TO ",\"payload\":\"YWI=\"}");
    status = command_message_receive(&node.target, &a);
    end();
    assert_int_equal(status, 0);
    assert_string_equal(output.out, "");

    /* A path that cannot be written is told before a message is taken. */
    const struct receive_args bad = {.msg_path = "/nonexistent/m", .has_timeout = true};
    const struct api_target nobody = {.host = "127.0.0.1", .port = 1};
    output_begin(&output);
    status = command_message_receive(&nobody, &bad);
    output_end(&output);
    assert_int_equal(status, 1);
    assert_string_equal(output.err,
                        "Error: cannot write the message: /nonexistent/m: No such file or "
                        "directory\n");
    unlink(path);
    rmdir(dir);
}

/* A payload that did not reach its file is shown, for it is nowhere else any more. */
static void test_receive_full_device(void **state)
{
    const struct receive_args a = {.msg_path = "/dev/full", .raw = true, .has_timeout = true};
    (void)state;
    begin("200 OK", "{\"id\":\"00\"," FROM_TO ",\"payload\":\"YWI=\"}");
    int status = command_message_receive(&node.target, &a);
    end();
    assert_int_equal(status, 1);
    assert_string_equal(output.out, "{\"id\":\"00\"," FROM_TO ",\"payload\":\"ab\"}\n");
}

static void test_receive_odd_answers(void **state)
{
    static const char *const bodies[] = {
        "{}",
        "[]",
        "{\"id\":\"00\"," FROM_TO "}",
        "{\"id\":\"00\"," FROM_TO ",\"payload\":5}",
        "{\"id\":\"00\"," FROM_TO ",\"payload\":\"A\"}",
        "{\"id\":\"00\"," FROM_TO ",\"payload\":\"AB==\"}",
        "{\"id\":\"00\"," FROM_TO ",\"topic\":7,\"payload\":\"\"}",
        "{\"id\":7," FROM_TO ",\"payload\":\"\"}",
    };
    const struct receive_args a = {.has_timeout = true};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        begin("200 OK", bodies[i]);
        int status = command_message_receive(&node.target, &a);
        end();
        assert_int_equal(status, 1);
        assert_string_equal(output.out, "");
    }
}

static void test_no_node(void **state)
{
    const struct api_target nobody = {.host = "127.0.0.1", .port = 1};
    (void)state;
    output_begin(&output);
    int status = command_peers_list(&nobody, false);
    output_end(&output);
    assert_int_equal(status, 1);
    assert_string_equal(output.err, "Error: cannot list the peers: node at http://127.0.0.1:1: no "
                                    "connection; is it running?\n");
}

static void test_node_key(void **state)
{
    uint8_t key[32] = {0};
    (void)state;
    begin("200 OK", "{\"nodeSubnet\":\"400::/64\",\"nodePubkey\":"
                    "\"358072d6365880d1aeea329adf9121383851ed21a28e3b75e965d0d2cd166254\"}");
    int rc = node_pubkey_ask(&node.target, key);
    end();
    assert_int_equal(rc, OK);
    assert_int_equal(key[0], 0x35);
    assert_int_equal(key[31], 0x54);
    begin("200 OK", "{\"nodePubkey\":\"3580\"}");
    rc = node_pubkey_ask(&node.target, key);
    end();
    assert_int_equal(rc, ERR_MALFORMED);
    begin("404 N", "");
    rc = node_pubkey_ask(&node.target, key);
    end();
    assert_int_equal(rc, ERR_MALFORMED);
    assert_string_equal(output.err, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_peers_table),
        cmocka_unit_test(test_peers_json),
        cmocka_unit_test(test_peers_odd_answers),
        cmocka_unit_test(test_peers_cut_answers),
        cmocka_unit_test(test_peers_add_and_remove),
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_routes_queried),
        cmocka_unit_test(test_stats),
        cmocka_unit_test(test_proxies),
        cmocka_unit_test(test_send),
        cmocka_unit_test(test_send_to_key),
        cmocka_unit_test(test_send_and_wait),
        cmocka_unit_test(test_send_refusals),
        cmocka_unit_test(test_send_usage),
        cmocka_unit_test(test_send_file),
        cmocka_unit_test(test_send_long),
        cmocka_unit_test(test_receive),
        cmocka_unit_test(test_receive_binary),
        cmocka_unit_test(test_receive_file),
        cmocka_unit_test(test_receive_full_device),
        cmocka_unit_test(test_receive_odd_answers),
        cmocka_unit_test(test_no_node),
        cmocka_unit_test(test_node_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
