#include "bus/bus.h"

void bus_limits_default(struct bus_limits *l)
{
    *l = (struct bus_limits){
        .out_messages_node = 100000,
        .out_bytes_node = UINT64_C(1) << 30,
        .out_messages = 200000,
        .out_bytes = UINT64_C(10) << 30,
        .out_transfers_node = 256,
        .out_transfers = 1024,
        .out_cache_bytes = UINT64_C(16) << 20,
        .in_parts_node = 256,
        .in_parts_bytes = UINT64_C(64) << 20,
        .in_messages = 200000,
        .in_bytes = UINT64_C(10) << 30,
        .in_topic_messages = 100000,
        .in_topic_bytes = UINT64_C(1) << 30,
        .topics = 4096,
        .tries = 5,
        .dead_messages = 10000,
        .dead_keep_ms = INT64_C(7) * 24 * 3600 * 1000,
        .lease_default_ms = 30000,
        .in_cache_bytes = UINT64_C(16) << 20,
        .seen = 1000000,
        .init_per_sec = 20000,
        .waiters = 4096,
        .ttl_default_ms = 300000,
        .ttl_max_ms = INT64_C(30) * 24 * 3600 * 1000,
        .status_keep_ms = 600000,
    };
}
