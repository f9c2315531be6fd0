#include "api/json_admin.h"

#include <string.h>

#include "api/json_in.h"
#include "base/err.h"
#include "base/text.h"
#include "tests/unit/api/expect_out.h"
#include "tests/unit/unit.h"

static void test_writer(void **state)
{
    (void)state;
    struct json_out o = {0};
    json_quoted(&o, "a/\"\\\n\x01\xc3\xa4");
    expect_out(&o, "\"a/\\\"\\\\\\u000a\\u0001\xc3\xa4\"");
    json_u64(&o, 0);
    json_put(&o, ",");
    json_u64(&o, UINT64_MAX);
    expect_out(&o, "0,18446744073709551615");
    json_hex(&o, (const uint8_t *)"\x00\xff", 2);
    json_b64(&o, (const uint8_t *)"\xff\xff", 2);
    json_b64(&o, NULL, 0);
    expect_out(&o, "\"00ff\"\"//8=\"\"\"");
    for (int i = 0; i < 10000; i++)
        json_put(&o, "0123456789");
    assert_int_equal(o.len, 100000);
    assert_null(json_room(&o, JSON_OUT_MAX));
    assert_true(o.bad);
    json_put(&o, "x");
    assert_int_equal(o.len, 100000);
    json_out_fini(&o);
}

/* Node A of the test identities: 197 bytes. */
static void test_info(void **state)
{
    (void)state;
    struct json_out o = {0};
    struct pubkey key;
    assert_int_equal(hex_decode("8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f",
                                64, key.b, KEY_BYTES),
                     OK);
    json_info(&o, &key, 1795367275);
    assert_int_equal(o.len, 197);
    expect_out(&o, "{\"nodeSubnet\":\"430:9364:d8d8:84a9::/64\","
                   "\"nodeIp\":\"430:9364:d8d8:84a9:dd60:de78:c767:d361\",\"nodePubkey\":"
                   "\"8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f\","
                   "\"nodeStartTime\":1795367275}");
    json_pubkey(&o, &key);
    expect_out(&o, "{\"publicKey\":"
                   "\"8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f\"}");
}

static void test_peers(void **state)
{
    (void)state;
    struct json_out o = {0};
    struct peer_info p = {
        .type = PEER_STATIC,
        .state = PEER_UP,
        .tx_bytes = 228,
        .rx_bytes = 229,
        .discovered = 1 * USEC_SEC,
        .last_connected = 6 * USEC_SEC,
    };
    const char *why;
    assert_int_equal(endpoint_parse("tcp://127.0.0.1:9651", &p.endpoint, &why), OK);
    json_put(&o, "[");
    json_peer(&o, &p, 105 * USEC_SEC + 999999);
    assert_int_equal(endpoint_parse("vsock://2:9651", &p.endpoint, &why), OK);
    p.type = PEER_INBOUND;
    p.state = PEER_BACKOFF;
    p.last_connected = USEC_NEVER;
    p.discovered = 200 * USEC_SEC;
    json_peer(&o, &p, 105 * USEC_SEC);
    assert_int_equal(endpoint_parse("quic://[::1]:1", &p.endpoint, &why), OK);
    p.type = PEER_DISCOVERED;
    p.state = PEER_DIALING;
    json_peer(&o, &p, 105 * USEC_SEC);
    json_put(&o, "]");
    expect_out(&o,
               "[{\"endpoint\":{\"proto\":\"tcp\",\"addr\":{\"socket\":\"127.0.0.1:9651\"}},"
               "\"type\":\"static\",\"connectionState\":\"alive\",\"txBytes\":228,\"rxBytes\":229,"
               "\"discovered\":104,\"lastConnected\":99},"
               "{\"endpoint\":{\"proto\":\"vsock\",\"addr\":{\"vsock\":{\"cid\":2,\"port\":9651}}},"
               "\"type\":\"inbound\",\"connectionState\":\"dead\",\"txBytes\":228,\"rxBytes\":229,"
               "\"discovered\":0,\"lastConnected\":null},"
               "{\"endpoint\":{\"proto\":\"quic\",\"addr\":{\"socket\":\"[::1]:1\"}},"
               "\"type\":\"linkLocalDiscovery\",\"connectionState\":\"connecting\",\"txBytes\":228,"
               "\"rxBytes\":229,\"discovered\":0,\"lastConnected\":null}]");
}

static void test_routes(void **state)
{
    (void)state;
    struct json_out o = {0};
    struct route_info r = {
        .next_hop = "TCP [::1]:1 <-> [::1]:2",
        .metric = 0,
        .seqno = 65535,
        .subnet = {.plen = 64},
    };
    assert_int_equal(ip6_parse("437:5106:5530:1589::", &r.subnet.net), OK);
    json_put(&o, "[");
    json_route(&o, &r);
    r.metric = METRIC_INFINITE;
    json_route(&o, &r);
    json_put(&o, "]");
    expect_out(&o, "[{\"subnet\":\"437:5106:5530:1589::/64\","
                   "\"nextHop\":\"TCP [::1]:1 <-> [::1]:2\",\"metric\":0,\"seqno\":65535},"
                   "{\"subnet\":\"437:5106:5530:1589::/64\","
                   "\"nextHop\":\"TCP [::1]:1 <-> [::1]:2\",\"metric\":\"infinite\","
                   "\"seqno\":65535}]");
    json_query(&o, &r.subnet, 15 * USEC_SEC - 1, 0);
    expect_out(&o, "{\"subnet\":\"437:5106:5530:1589::/64\",\"expiration\":\"14\"}");
}

static unsigned endpoint_status(const char *text, const char **ret_text)
{
    static struct json_fault f;
    struct endpoint e;
    f.status = 0;
    *ret_text = f.text;
    if (endpoint_body_read((const uint8_t *)text, strlen(text), &e, &f) == OK)
        return 0;
    return f.status;
}

static void test_endpoint_body(void **state)
{
    (void)state;
    const char *text;
    assert_int_equal(endpoint_status("{\"endpoint\":\"tcp://127.0.0.1:1\"}", &text), 0);
    assert_int_equal(endpoint_status("{\"endpoint\":\"127.0.0.1:9651\"}", &text), 400);
    assert_string_equal(text, "missing leading protocol identifier");
    assert_int_equal(endpoint_status("{\"endpoint\":\"foo://1.2.3.4:5\"}", &text), 400);
    assert_string_equal(text, "protocol for endpoint is not supported");
    assert_int_equal(endpoint_status("{\"endpoint\":\"tcp://1.2.3.4:5\",\"endpoint\":5}", &text),
                     422);
    assert_int_equal(endpoint_status("{}", &text), 422);
    assert_int_equal(endpoint_status("{\"endpoint\":5}", &text), 422);
    assert_int_equal(endpoint_status("[\"tcp://127.0.0.1:77\"]", &text), 422);
    assert_int_equal(endpoint_status("{\"endpoint\":\"a\\u0000b\"}", &text), 400);
    assert_int_equal(endpoint_status("{\"endpoint\":", &text), 400);
    assert_int_equal(endpoint_status("x", &text), 400);
    assert_int_equal(endpoint_status("", &text), 400);
    assert_int_equal(endpoint_status("{\"endpoint\":\"tcp://127.0.0.1:1\"} x", &text), 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writer),        cmocka_unit_test(test_info),
        cmocka_unit_test(test_peers),         cmocka_unit_test(test_routes),
        cmocka_unit_test(test_endpoint_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
