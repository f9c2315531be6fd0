#include "router/router.h"

void router_limits_default(struct router_limits *l)
{
    *l = (struct router_limits){
        .routes = 1U << 20,
        .sources = 1U << 20,
        .queries = 4096,
        .seqno_entries = 65536,
        .wait_packets_node = 1000,
        .wait_bytes = 16U << 20,
        .inbound_packets = 10000,
        .new_subnets_per_sec = 1000,
        .announcements_per_sec = 1000,
        .requests_per_sec = 20,
        .stats_addresses = 4096,
        .out_packets = 65536,
    };
}
