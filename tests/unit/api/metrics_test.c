/* The text as Prometheus reads it, and the names that dashboards of the network's other node use.
 */
#include "api/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json_out.h"
#include "tests/unit/unit.h"

static char *text_of(const struct metrics *m)
{
    struct json_out o = {0};
    metrics_write(m, &o);
    assert_false(o.bad);
    char *text = malloc(o.len + 1);
    assert_non_null(text);
    memcpy(text, o.p, o.len);
    text[o.len] = '\0';
    json_out_fini(&o);
    return text;
}

static void expect_line(const char *text, const char *line)
{
    char whole[256];
    (void)snprintf(whole, sizeof(whole), "\n%s\n", line);
    if (!strstr(text, whole))
        fail_msg("no line `%s` in\n%s", line, text);
}

static void test_values(void **state)
{
    (void)state;
    struct metrics m = {0};
    m.router.processed_hello = 7;
    m.router.routed_no_route = UINT64_MAX;
    m.router.routes = 4000000000u;
    m.peers.entries = 3;
    m.peers.dials = 5;
    m.peers.dials_up = 4;
    m.peers.added[PEER_INBOUND] = 2;
    m.bus.refused_rate = 9;
    m.store.commit_usec_max = 1234567;
    m.process.resident_bytes = 1 << 20;
    char *text = text_of(&m);
    expect_line(text, "mycelium_router_processed_tlvs{tlv_type=\"hello\"} 7");
    expect_line(text, "mycelium_router_packets_routed{verdict=\"no_route\"} 18446744073709551615");
    expect_line(text, "mycelium_router_routes 4000000000");
    expect_line(text, "mycelium_peer_manager_known_peers 3");
    expect_line(text, "mycelium_peer_manager_connection_attempts{connection_state=\"started\"} 5");
    expect_line(text, "mycelium_peer_manager_connection_attempts{connection_state=\"finished\"} 4");
    expect_line(text, "mycelium_peer_manager_peers_added{peer_type=\"inbound\"} 2");
    expect_line(text, "mycelium_bus_refused_total{reason=\"rate\"} 9");
    expect_line(text, "mycelium_store_commit_seconds_max 1.234567");
    expect_line(text, "process_resident_memory_bytes 1048576");
    expect_line(text, "# TYPE mycelium_router_processed_tlvs counter");
    expect_line(text, "# TYPE mycelium_bus_outbox_messages gauge");
    free(text);
}

static void test_histogram(void **state)
{
    (void)state;
    struct metrics m = {0};
    histogram_add(&m.bus.delivery, -5);
    histogram_add(&m.bus.delivery, 100); /* a bound belongs to its own place */
    histogram_add(&m.bus.delivery, 101);
    histogram_add(&m.bus.delivery, 3000);
    histogram_add(&m.bus.delivery, INT64_C(7200) * USEC_SEC);
    char *text = text_of(&m);
    expect_line(text, "# TYPE mycelium_bus_delivery_seconds histogram");
    expect_line(text, "mycelium_bus_delivery_seconds_bucket{le=\"0.000100\"} 2");
    expect_line(text, "mycelium_bus_delivery_seconds_bucket{le=\"0.000250\"} 3");
    expect_line(text, "mycelium_bus_delivery_seconds_bucket{le=\"0.005000\"} 4");
    expect_line(text, "mycelium_bus_delivery_seconds_bucket{le=\"600.000000\"} 4");
    expect_line(text, "mycelium_bus_delivery_seconds_bucket{le=\"+Inf\"} 5");
    expect_line(text, "mycelium_bus_delivery_seconds_count 5");
    expect_line(text, "mycelium_bus_delivery_seconds_sum 7200.003201");
    free(text);
}

/* What a family is called up to its labels or its value. */
static size_t name_len(const char *line)
{
    return strcspn(line, "{ \n");
}

/* Every family once, sorted, HELP and TYPE in front of its lines, no line twice. */
static void test_form(void **state)
{
    (void)state;
    struct metrics m = {0};
    char *text = text_of(&m);
    char family[128] = "", last[256] = "";
    for (char *line = text, *end; *line; line = end + 1) {
        end = strchr(line, '\n');
        assert_non_null(end); /* the last line ends too */
        if (strncmp(line, "# HELP ", 7) == 0) {
            char name[128];
            assert_int_equal(sscanf(line + 7, "%127s", name), 1);
            assert_true(strcmp(name, family) > 0);
            (void)snprintf(family, sizeof(family), "%s", name);
            assert_true(line[7 + strlen(name)] == ' ' && end - line > 8 + (long)strlen(name));
            char type[160];
            (void)snprintf(type, sizeof(type), "# TYPE %s ", name);
            assert_memory_equal(end + 1, type, strlen(type));
            last[0] = '\0';
            continue;
        }
        if (line[0] == '#')
            continue;
        assert_true(name_len(line) >= strlen(family));
        assert_memory_equal(line, family, strlen(family));
        *end = '\0';
        char *space = strrchr(line, ' ');
        assert_true(space && space[1] >= '0' && space[1] <= '9');
        *space = '\0';
        if (!strstr(line, "_bucket") && !strstr(line, "_sum") && !strstr(line, "_count"))
            assert_true(strcmp(line, last) > 0); /* labels sorted too: none twice */
        (void)snprintf(last, sizeof(last), "%s", line);
        *space = ' ';
        *end = '\n';
    }
    free(text);
}

static void test_names_of_the_other_node(void **state)
{
    (void)state;
    static const char *const names[] = {
        "peer_manager_connection_attempts{connection_state=\"started\"}",
        "peer_manager_connection_attempts{connection_state=\"finished\"}",
        "peer_manager_known_peers",
        "peer_manager_peers_added{peer_type=\"static\"}",
        "peer_manager_peers_added{peer_type=\"inbound\"}",
        "peer_manager_peers_added{peer_type=\"link_local\"}",
        "router_expired_routes{action=\"removed\"}",
        "router_expired_routes{action=\"retracted\"}",
        "router_incoming_packet_queue{event=\"enqueued\"}",
        "router_incoming_packet_queue{event=\"dequeued\"}",
        "router_incoming_packet_queue{event=\"dropped_query_timeout\"}",
        "router_incoming_packet_queue{event=\"queue_full_global\"}",
        "router_outbound_packet_queue{event=\"queue_full_subnet\"}",
        "router_packets_routed{verdict=\"local\"}",
        "router_packets_routed{verdict=\"forward\"}",
        "router_packets_routed{verdict=\"ttl_expired\"}",
        "router_packets_routed{verdict=\"no_route\"}",
        "router_peer_added",
        "router_peer_removed",
        "router_peer_died",
        "router_processed_tlvs{tlv_type=\"hello\"}",
        "router_processed_tlvs{tlv_type=\"ihu\"}",
        "router_processed_tlvs{tlv_type=\"seqno_request\"}",
        "router_processed_tlvs{tlv_type=\"wildcard_route_request\"}",
        "router_processed_tlvs{tlv_type=\"route_request\"}",
        "router_processed_tlvs{tlv_type=\"update\"}",
        "router_received_tlvs",
        "router_route_selections",
        "router_selected_route_expired",
        "router_seqno_handling{action=\"reply_local\"}",
        "router_seqno_handling{action=\"bump_seqno\"}",
        "router_seqno_handling{action=\"ttl_expired\"}",
        "router_seqno_handling{action=\"forward_feasible\"}",
        "router_seqno_handling{action=\"forward_unfeasible\"}",
        "router_seqno_handling{action=\"unhandled\"}",
        "router_source_key_expired",
        "router_triggered_updates",
        "router_update_denied",
        "router_update_not_interested",
        "router_update_skipped_route_selection",
    };
    struct metrics m = {0};
    char *text = text_of(&m);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char line[160];
        (void)snprintf(line, sizeof(line), "mycelium_%s 0", names[i]);
        expect_line(text, line);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_histogram),
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_names_of_the_other_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
