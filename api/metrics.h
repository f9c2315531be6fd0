/* metrics.h - the counters of a node as Prometheus text.
 *
 * Values in, text out: who has the cores fills the struct, a table says what each number is called.
 * The names of the network's other node mean the same here; what that one does not count has names
 * of its own. Families come sorted by name, each with HELP and TYPE.
 * Protocol: docs/protocol/api.md, "Metrics". */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "api/api.h"
#include "api/forward_stats.h"
#include "api/http.h"
#include "bus/bus.h"
#include "router/link/discovery.h"
#include "router/link/tcp.h"
#include "router/peers.h"
#include "router/router.h"
#include "storage/store.h"

struct json_out;

/* What the system tells of the process; what cannot be had is 0. */
struct process_usage {
    uint64_t cpu_s; /* whole seconds, user and system */
    uint64_t fds, fds_max;
    uint64_t resident_bytes, virtual_bytes;
    uint64_t start_s; /* Unix time */
    uint64_t threads;
};

struct metrics {
    struct router_stats router;
    struct peers_stats peers;
    struct tcp_stats tcp;
    struct discovery_stats discovery;
    struct bus_stats bus;
    struct store_stats store;
    struct api_stats api;
    struct http_stats http, rpc_http; /* rpc_http: the listener of JSON-RPC */
    struct forward_stats forward;
    struct process_usage process;
};

/* Appends the text; o->bad when there was no memory. */
void metrics_write(const struct metrics *m, struct json_out *o);

#define METRICS_CONTENT_TYPE "text/plain; charset=utf-8"
