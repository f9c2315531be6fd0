#include "api/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/json_out.h"

enum kind {
    COUNT,  /* counter, u64 */
    LEVEL,  /* gauge, u64 */
    LEVEL4, /* gauge, u32 */
    USECS,  /* gauge, u64 microseconds, shown as seconds */
    TIMES,  /* histogram, struct histogram, in seconds */
};

/* One line; lines of one family follow each other, and the first one has its help. */
struct row {
    const char *family, *help; /* behind "mycelium_", or the whole name of one of `process_` */
    enum kind kind;
    const char *label, *value; /* NULL: none */
    size_t at;
};

/* A field of another size than its kind says does not compile. */
#define WIDTH_COUNT  sizeof(uint64_t)
#define WIDTH_LEVEL  sizeof(uint64_t)
#define WIDTH_LEVEL4 sizeof(uint32_t)
#define WIDTH_USECS  sizeof(uint64_t)
#define WIDTH_TIMES  sizeof(struct histogram)
#define FITS(kind, field)                                                                          \
    sizeof(char[sizeof(((struct metrics *)NULL)->field) == WIDTH_##kind ? 1 : -1])
#define AT(kind, field) (offsetof(struct metrics, field) + 0 * FITS(kind, field))
#define ONE(family, kind, field, help)                                                             \
    {                                                                                              \
        family, help, kind, NULL, NULL, AT(kind, field)                                            \
    }
#define FIRST(family, kind, label, value, field, help)                                             \
    {                                                                                              \
        family, help, kind, label, value, AT(kind, field)                                          \
    }
#define MORE(family, kind, label, value, field)                                                    \
    {                                                                                              \
        family, NULL, kind, label, value, AT(kind, field)                                          \
    }

static const struct row rows[] = {
    ONE("api_answers_lost_total", COUNT, api.answers_lost, "Answers whose client had gone before"),
    FIRST("api_answers_total", COUNT, "code", "2xx", http.answers[2],
          "Answers of the HTTP API by class of their status"),
    MORE("api_answers_total", COUNT, "code", "3xx", http.answers[3]),
    MORE("api_answers_total", COUNT, "code", "4xx", http.answers[4]),
    MORE("api_answers_total", COUNT, "code", "5xx", http.answers[5]),
    ONE("api_body_bytes", LEVEL, http.body_bytes, "Bytes of request bodies held now"),
    ONE("api_connections", LEVEL4, http.open_connections, "Connections of the HTTP API open now"),
    ONE("api_connections_total", COUNT, http.connections, "Connections of the HTTP API"),
    ONE("api_downloads", LEVEL4, api.downloads, "Large messages being read by clients now"),
    ONE("api_downloads_broken_total", COUNT, api.downloads_broken,
        "Large messages that could not be read to their end"),
    ONE("api_file_bytes_total", COUNT, api.download_bytes, "Bytes of large messages read"),
    ONE("api_pending", LEVEL4, api.pending, "Requests that wait for the bus"),
    FIRST("api_rejected_total", COUNT, "reason", "body", api.refused_body,
          "Requests refused, by what was wrong with them"),
    MORE("api_rejected_total", COUNT, "reason", "connections", http.refused_connections),
    MORE("api_rejected_total", COUNT, "reason", "downloads", api.downloads_refused),
    MORE("api_rejected_total", COUNT, "reason", "guard", api.refused_guard),
    MORE("api_rejected_total", COUNT, "reason", "header", http.refused_header),
    MORE("api_rejected_total", COUNT, "reason", "pool", http.refused_body),
    MORE("api_rejected_total", COUNT, "reason", "timeout", http.timeouts),
    MORE("api_rejected_total", COUNT, "reason", "token", api.refused_token),
    MORE("api_rejected_total", COUNT, "reason", "uploads", api.uploads_refused),
    ONE("api_requests_total", COUNT, http.requests, "Requests of the HTTP API"),
    FIRST("api_rpc_answers_total", COUNT, "code", "2xx", rpc_http.answers[2],
          "Answers of the listener of JSON-RPC by class of their status"),
    MORE("api_rpc_answers_total", COUNT, "code", "4xx", rpc_http.answers[4]),
    MORE("api_rpc_answers_total", COUNT, "code", "5xx", rpc_http.answers[5]),
    ONE("api_rpc_calls_total", COUNT, api.rpc_calls, "Calls of JSON-RPC"),
    ONE("api_rpc_connections", LEVEL4, rpc_http.open_connections,
        "Connections to the listener of JSON-RPC open now"),
    ONE("api_rpc_connections_total", COUNT, rpc_http.connections,
        "Connections to the listener of JSON-RPC"),
    ONE("api_rpc_errors_total", COUNT, api.rpc_errors, "Errors that JSON-RPC answered"),
    ONE("api_rpc_open", LEVEL4, api.rpc_open, "Bodies of JSON-RPC under way now"),
    FIRST("api_rpc_rejected_total", COUNT, "reason", "connections", rpc_http.refused_connections,
          "Requests that the listener of JSON-RPC refused, by what was wrong with them"),
    MORE("api_rpc_rejected_total", COUNT, "reason", "header", rpc_http.refused_header),
    MORE("api_rpc_rejected_total", COUNT, "reason", "pool", rpc_http.refused_body),
    MORE("api_rpc_rejected_total", COUNT, "reason", "timeout", rpc_http.timeouts),
    ONE("api_rpc_requests_total", COUNT, rpc_http.requests, "Requests to the listener of JSON-RPC"),
    ONE("api_stream_bytes_total", COUNT, http.raw_out, "Bytes sent on streams"),
    ONE("api_streams", LEVEL4, api.streams, "WebSockets and event streams open now"),
    ONE("api_upload_bytes_total", COUNT, api.upload_bytes, "Bytes of bodies with large messages"),
    ONE("api_uploads", LEVEL4, api.uploads, "Large messages coming from clients now"),

    ONE("bus_accepted_bytes_total", COUNT, bus.accepted_bytes,
        "Payload bytes of messages accepted from clients"),
    ONE("bus_accepted_total", COUNT, bus.accepted, "Messages accepted from clients"),
    FIRST("bus_cache_bytes", LEVEL, "of", "inbox", bus.in_cached_bytes,
          "Payloads held in memory although the store has them"),
    MORE("bus_cache_bytes", LEVEL, "of", "outbox", bus.out_cached_bytes),
    MORE("bus_cache_bytes", LEVEL, "of", "waiting_transfers", bus.out_late_bytes),
    ONE("bus_delivery_seconds", TIMES, bus.delivery,
        "From acceptance of a message to the durable record of its receipt"),
    ONE("bus_doubts_total", COUNT, bus.doubts, "Routes doubted because nothing came back"),
    ONE("bus_duplicates_total", COUNT, bus.duplicates,
        "Repeats of received messages that were acknowledged and not delivered again"),
    ONE("bus_held_topics", LEVEL, bus.out_holds,
        "Topics of other nodes that take nothing at present"),
    FIRST("bus_idempotent_total", COUNT, "result", "key_reused", bus.key_reused,
          "Sends with an idempotency key that was known, by whether the content was the same"),
    MORE("bus_idempotent_total", COUNT, "result", "replayed", bus.replayed),
    ONE("bus_inbox_bytes", LEVEL, bus.in_bytes, "Payload bytes of the inbox"),
    ONE("bus_inbox_expired_total", COUNT, bus.in_expired,
        "Messages of the inbox that went because of their age"),
    FIRST("bus_inbox_messages", LEVEL, "state", "dead", bus.in_dead,
          "Messages of the inbox by state"),
    MORE("bus_inbox_messages", LEVEL, "state", "leased", bus.in_leased),
    MORE("bus_inbox_messages", LEVEL, "state", "ready", bus.in_ready),
    MORE("bus_inbox_messages", LEVEL, "state", "receiving", bus.in_parts),
    ONE("bus_inbox_pushed_total", COUNT, bus.in_pushed,
        "Messages of the inbox that went for newer ones"),
    FIRST("bus_leases_total", COUNT, "result", "acked", bus.acked,
          "Leases of messages by how they ended"),
    MORE("bus_leases_total", COUNT, "result", "died", bus.died),
    MORE("bus_leases_total", COUNT, "result", "ended", bus.lease_ends),
    MORE("bus_leases_total", COUNT, "result", "nacked", bus.nacked),
    ONE("bus_malformed_total", COUNT, bus.malformed, "Message packets that could not be read"),
    ONE("bus_memory_bytes", LEVEL, bus.out_memory_bytes,
        "Payload bytes of living messages that only memory has"),
    FIRST("bus_memory_messages", LEVEL, "state", "ended", bus.out_memory_ended,
          "Messages that only memory has, by whether they live"),
    MORE("bus_memory_messages", LEVEL, "state", "live", bus.out_memory),
    ONE("bus_nodes", LEVEL, bus.nodes, "Nodes with messages under way, or lately"),
    ONE("bus_outbox_bytes", LEVEL, bus.out_bytes, "Payload bytes of messages not at their end"),
    ONE("bus_outbox_messages", LEVEL, bus.out_live, "Accepted messages not at their end"),
    FIRST("bus_packets_sent_total", COUNT, "kind", "abort", bus.sent_abort,
          "Message packets sent, by kind"),
    MORE("bus_packets_sent_total", COUNT, "kind", "ack", bus.sent_ack),
    MORE("bus_packets_sent_total", COUNT, "kind", "chunk", bus.sent_chunk),
    MORE("bus_packets_sent_total", COUNT, "kind", "done", bus.sent_done),
    MORE("bus_packets_sent_total", COUNT, "kind", "forget", bus.sent_forget),
    MORE("bus_packets_sent_total", COUNT, "kind", "init", bus.sent_init),
    MORE("bus_packets_sent_total", COUNT, "kind", "read", bus.sent_read),
    ONE("bus_parts_bytes", LEVEL, bus.in_parts_bytes,
        "Announced bytes of messages that are coming"),
    ONE("bus_received_bytes_total", COUNT, bus.received_bytes,
        "Payload bytes of messages received from other nodes"),
    ONE("bus_received_total", COUNT, bus.received, "Messages received from other nodes"),
    ONE("bus_redelivered_total", COUNT, bus.redelivered,
        "Messages given out on lease that had been given out before"),
    ONE("bus_refused_sends_total", COUNT, bus.refused_sends,
        "Messages of clients refused because of a limit of the outbox"),
    FIRST("bus_refused_total", COUNT, "reason", "limit", bus.refused_limit,
          "Messages of other nodes refused at their beginning, by reason"),
    MORE("bus_refused_total", COUNT, "reason", "order", bus.early),
    MORE("bus_refused_total", COUNT, "reason", "rate", bus.refused_rate),
    MORE("bus_refused_total", COUNT, "reason", "topic", bus.refused_topic),
    ONE("bus_remembered", LEVEL, bus.seen, "Ids of received messages that are remembered"),
    ONE("bus_repeated_chunks_total", COUNT, bus.retransmits, "Chunks sent again"),
    ONE("bus_resumed_total", COUNT, bus.resumed, "Transfers that went on where they stood"),
    FIRST("bus_sent_total", COUNT, "result", "aborted", bus.aborted,
          "Messages at their end by result; read ones count as received too"),
    MORE("bus_sent_total", COUNT, "result", "cancelled", bus.cancelled),
    MORE("bus_sent_total", COUNT, "result", "read", bus.read),
    MORE("bus_sent_total", COUNT, "result", "received", bus.delivered),
    MORE("bus_sent_total", COUNT, "result", "unknown", bus.unknown),
    ONE("bus_store_operations", LEVEL, bus.store_flying, "Store operations without an answer"),
    FIRST("bus_subscribers", LEVEL, "kind", "queue", bus.subs, "Subscriptions of streams now"),
    MORE("bus_subscribers", LEVEL, "kind", "tap", bus.taps),
    ONE("bus_tap_copies_total", COUNT, bus.tap_copies, "Copies of messages for taps"),
    ONE("bus_tap_dropped_total", COUNT, bus.tap_dropped, "Of these: not taken in time"),
    ONE("bus_waiting_clients", LEVEL, bus.waiters, "Clients that wait for a message or a reply"),

    ONE("forward_open", LEVEL, forward.open, "Messages with a forward socket now"),
    ONE("forward_replied_total", COUNT, forward.replied, "Replies of forward sockets"),
    FIRST("forward_returned_total", COUNT, "reason", "connect",
          forward.returned[FORWARD_WHY_connect],
          "Messages that went to the inbox instead of a forward socket, by what failed"),
    MORE("forward_returned_total", COUNT, "reason", "empty", forward.returned[FORWARD_WHY_empty]),
    MORE("forward_returned_total", COUNT, "reason", "no_socket",
         forward.returned[FORWARD_WHY_no_socket]),
    MORE("forward_returned_total", COUNT, "reason", "read", forward.returned[FORWARD_WHY_read]),
    MORE("forward_returned_total", COUNT, "reason", "refused",
         forward.returned[FORWARD_WHY_refused]),
    MORE("forward_returned_total", COUNT, "reason", "store", forward.returned[FORWARD_WHY_store]),
    MORE("forward_returned_total", COUNT, "reason", "timeout",
         forward.returned[FORWARD_WHY_timeout]),
    MORE("forward_returned_total", COUNT, "reason", "too_large",
         forward.returned[FORWARD_WHY_too_large]),
    MORE("forward_returned_total", COUNT, "reason", "too_long",
         forward.returned[FORWARD_WHY_too_long]),
    MORE("forward_returned_total", COUNT, "reason", "write", forward.returned[FORWARD_WHY_write]),
    ONE("forward_taken_total", COUNT, forward.taken, "Messages taken for a forward socket"),

    FIRST("link_beacons_total", COUNT, "result", "heard", discovery.heard,
          "Beacons of local discovery"),
    MORE("link_beacons_total", COUNT, "result", "ignored", discovery.ignored),
    MORE("link_beacons_total", COUNT, "result", "sent", discovery.sent),
    ONE("link_discovery_interfaces", LEVEL4, discovery.interfaces,
        "Interfaces on which peers are looked for"),
    ONE("link_handshakes", LEVEL4, tcp.handshaking,
        "Accepted connections whose TLS handshake is under way"),
    ONE("link_handshakes_failed_total", COUNT, tcp.handshakes_failed,
        "Accepted connections whose TLS handshake failed"),

    FIRST("peer_manager_connection_attempts", COUNT, "connection_state", "finished", peers.dials_up,
          "Outgoing connections, by whether they were begun or came about"),
    MORE("peer_manager_connection_attempts", COUNT, "connection_state", "started", peers.dials),
    ONE("peer_manager_known_peers", LEVEL4, peers.entries, "Peers known now"),
    FIRST("peer_manager_peers_added", COUNT, "peer_type", "inbound", peers.added[PEER_INBOUND],
          "Peers added, by how they became known"),
    MORE("peer_manager_peers_added", COUNT, "peer_type", "link_local",
         peers.added[PEER_DISCOVERED]),
    MORE("peer_manager_peers_added", COUNT, "peer_type", "static", peers.added[PEER_STATIC]),
    ONE("peer_manager_peers_up", LEVEL4, peers.up, "Peers with a link now"),
    ONE("peer_manager_refused_total", COUNT, peers.refused, "Peers refused because there are many"),

    ONE("router_doubt_switches_total", COUNT, router.doubt_switches,
        "Next hops given up because nothing came back"),
    FIRST("router_evicted_total", COUNT, "table", "routes", router.evicted_routes,
          "Entries of full tables that made room"),
    MORE("router_evicted_total", COUNT, "table", "sources", router.evicted_sources),
    FIRST("router_expired_routes", COUNT, "action", "removed", router.route_removed,
          "Routes that ran out of time"),
    MORE("router_expired_routes", COUNT, "action", "retracted", router.route_retracted),
    FIRST("router_incoming_packet_queue", COUNT, "event", "dequeued", router.in_dequeued,
          "Packets that wait for the key of their sender"),
    MORE("router_incoming_packet_queue", COUNT, "event", "dropped_query_timeout",
         router.in_timeout),
    MORE("router_incoming_packet_queue", COUNT, "event", "enqueued", router.in_enqueued),
    MORE("router_incoming_packet_queue", COUNT, "event", "queue_full_global", router.in_full),
    FIRST("router_limit_total", COUNT, "limit", "announcements", router.limit_announcements,
          "What was refused because of a limit"),
    MORE("router_limit_total", COUNT, "limit", "dumps", router.limit_dumps),
    MORE("router_limit_total", COUNT, "limit", "exchanges", router.limit_exchanges),
    MORE("router_limit_total", COUNT, "limit", "new_subnets", router.limit_new_subnets),
    MORE("router_limit_total", COUNT, "limit", "outputs", router.limit_out),
    MORE("router_limit_total", COUNT, "limit", "queries", router.limit_queries),
    MORE("router_limit_total", COUNT, "limit", "requests", router.limit_requests),
    MORE("router_limit_total", COUNT, "limit", "routes", router.limit_routes),
    MORE("router_limit_total", COUNT, "limit", "seqno_requests", router.limit_seqno_requests),
    MORE("router_limit_total", COUNT, "limit", "sources", router.limit_sources),
    ONE("router_links_silent_total", COUNT, router.links_silent,
        "Links not used for a while because nothing came over them"),
    FIRST("router_malformed_total", COUNT, "what", "packets", router.malformed_packets,
          "What neighbours sent and could not be read"),
    MORE("router_malformed_total", COUNT, "what", "tlvs", router.malformed_tlvs),
    FIRST("router_outbound_packet_queue", COUNT, "event", "dequeued", router.out_dequeued,
          "Packets that wait for the route of their destination"),
    MORE("router_outbound_packet_queue", COUNT, "event", "dropped_query_timeout",
         router.out_timeout),
    MORE("router_outbound_packet_queue", COUNT, "event", "enqueued", router.out_enqueued),
    MORE("router_outbound_packet_queue", COUNT, "event", "queue_full_global", router.out_full_all),
    MORE("router_outbound_packet_queue", COUNT, "event", "queue_full_subnet", router.out_full_node),
    FIRST("router_packets_routed", COUNT, "verdict", "forward", router.routed_forward,
          "Data packets by what became of them"),
    MORE("router_packets_routed", COUNT, "verdict", "local", router.routed_local),
    MORE("router_packets_routed", COUNT, "verdict", "no_route", router.routed_no_route),
    MORE("router_packets_routed", COUNT, "verdict", "ttl_expired", router.routed_ttl_expired),
    ONE("router_peer_added", COUNT, router.peer_added, "Neighbours that came"),
    ONE("router_peer_died", COUNT, router.peer_died, "Neighbours that stopped to answer"),
    ONE("router_peer_removed", COUNT, router.peer_removed, "Neighbours that went"),
    FIRST("router_processed_tlvs", COUNT, "tlv_type", "hello", router.processed_hello,
          "TLVs handled, by type"),
    MORE("router_processed_tlvs", COUNT, "tlv_type", "ihu", router.processed_ihu),
    MORE("router_processed_tlvs", COUNT, "tlv_type", "route_request",
         router.processed_route_request),
    MORE("router_processed_tlvs", COUNT, "tlv_type", "seqno_request",
         router.processed_seqno_request),
    MORE("router_processed_tlvs", COUNT, "tlv_type", "update", router.processed_update),
    MORE("router_processed_tlvs", COUNT, "tlv_type", "wildcard_route_request",
         router.processed_wildcard_request),
    ONE("router_queries", LEVEL4, router.queries, "Searches for routes under way"),
    ONE("router_received_tlvs", COUNT, router.received_tlvs, "TLVs received"),
    ONE("router_route_selections", COUNT, router.route_selections,
        "Destinations looked at anew after the loss of a neighbour"),
    ONE("router_routes", LEVEL4, router.routes, "Routes in the table"),
    ONE("router_selected_route_expired", COUNT, router.selected_expired,
        "Selected routes that ran out of time"),
    FIRST("router_seqno_handling", COUNT, "action", "bump_seqno", router.seqno_bump,
          "Seqno requests by what was done"),
    MORE("router_seqno_handling", COUNT, "action", "forward_feasible",
         router.seqno_forward_feasible),
    MORE("router_seqno_handling", COUNT, "action", "forward_unfeasible",
         router.seqno_forward_unfeasible),
    MORE("router_seqno_handling", COUNT, "action", "reply_local", router.seqno_reply_local),
    MORE("router_seqno_handling", COUNT, "action", "ttl_expired", router.seqno_ttl_expired),
    MORE("router_seqno_handling", COUNT, "action", "unhandled", router.seqno_unhandled),
    ONE("router_source_key_expired", COUNT, router.source_expired,
        "Entries of the source table that ran out of time"),
    ONE("router_sources", LEVEL4, router.sources, "Entries of the source table"),
    ONE("router_triggered_updates", COUNT, router.triggered_updates,
        "Updates sent because something changed"),
    ONE("router_unseal_failed_total", COUNT, router.unseal_failed,
        "Packets for this node that were not sealed by their sender's key"),
    ONE("router_update_denied", COUNT, router.update_denied, "Updates refused by a filter"),
    ONE("router_update_not_interested", COUNT, router.update_not_interested,
        "Updates that are infeasible, or retract what is not known"),
    ONE("router_update_skipped_route_selection", COUNT, router.update_skipped_selection,
        "Updates that could not change a selection"),

    ONE("store_batch_max", LEVEL, store.batch_max, "Most operations of one commit, so far"),
    ONE("store_checkpoints_total", COUNT, store.checkpoints,
        "Times that the log was moved into the database"),
    ONE("store_commit_failures_total", COUNT, store.commit_failures, "Commits that failed"),
    ONE("store_commit_seconds", TIMES, store.commit, "Time of one commit, its operations included"),
    ONE("store_commit_seconds_max", USECS, store.commit_usec_max, "Longest commit so far"),
    ONE("store_log_bytes", LEVEL, store.wal_bytes, "Bytes of the write-ahead log"),
    ONE("store_operations_total", COUNT, store.ops, "Operations handed to the store"),
    ONE("store_queue", LEVEL, store.queued, "Operations that wait for a commit"),
    ONE("store_refused_full_total", COUNT, store.refused_full,
        "Operations refused because the disk is nearly full"),
    ONE("store_reopens_total", COUNT, store.reopens, "Times that the database was opened again"),

    ONE("process_cpu_seconds_total", COUNT, process.cpu_s, "Processor time, user and system"),
    ONE("process_max_fds", LEVEL, process.fds_max, "Most file descriptors that may be open"),
    ONE("process_open_fds", LEVEL, process.fds, "File descriptors open now"),
    ONE("process_resident_memory_bytes", LEVEL, process.resident_bytes, "Resident memory"),
    ONE("process_start_time_seconds", LEVEL, process.start_s, "Start of the process, Unix time"),
    ONE("process_threads", LEVEL, process.threads, "Threads of the process"),
    ONE("process_virtual_memory_bytes", LEVEL, process.virtual_bytes, "Virtual memory"),
};

static void write_name(struct json_out *o, const char *family)
{
    if (strncmp(family, "process_", 8) != 0)
        json_put(o, "mycelium_");
    json_put(o, family);
}

static void write_head(struct json_out *o, const struct row *r)
{
    static const char *const types[] = {[COUNT] = "counter",
                                        [LEVEL] = "gauge",
                                        [LEVEL4] = "gauge",
                                        [USECS] = "gauge",
                                        [TIMES] = "histogram"};
    json_put(o, "# HELP ");
    write_name(o, r->family);
    json_put(o, " ");
    json_put(o, r->help);
    json_put(o, "\n# TYPE ");
    write_name(o, r->family);
    json_put(o, " ");
    json_put(o, types[r->kind]);
    json_put(o, "\n");
}

static void write_seconds(struct json_out *o, uint64_t usec)
{
    char text[40];

    (void)snprintf(text, sizeof(text), "%" PRIu64 ".%06" PRIu64, usec / 1000000,
                   usec % 1000000); /* fits: 20 digits and 7 characters at most */
    json_put(o, text);
}

static void write_histogram(struct json_out *o, const struct row *r, const struct histogram *h)
{
    uint64_t sum = 0;

    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++) {
        sum += h->counts[i];
        write_name(o, r->family);
        json_put(o, "_bucket{le=\"");
        if (i < HISTOGRAM_BOUNDS)
            write_seconds(o, (uint64_t)histogram_bounds[i]);
        else
            json_put(o, "+Inf");
        json_put(o, "\"} ");
        json_u64(o, sum);
        json_put(o, "\n");
    }
    write_name(o, r->family);
    json_put(o, "_sum ");
    write_seconds(o, h->usec);
    json_put(o, "\n");
    write_name(o, r->family);
    json_put(o, "_count ");
    json_u64(o, sum);
    json_put(o, "\n");
}

static void write_value(struct json_out *o, const struct row *r, const void *at)
{
    uint64_t wide = 0;
    uint32_t narrow = 0;

    if (r->kind == LEVEL4)
        memcpy(&narrow, at, sizeof(narrow));
    else
        memcpy(&wide, at, sizeof(wide));
    if (r->kind == USECS)
        write_seconds(o, wide);
    else
        json_u64(o, r->kind == LEVEL4 ? narrow : wide);
}

void metrics_write(const struct metrics *m, struct json_out *o)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *r = &rows[i];
        const void *at = (const char *)m + r->at;
        if (r->help)
            write_head(o, r);
        if (r->kind == TIMES) {
            write_histogram(o, r, at);
            continue;
        }
        write_name(o, r->family);
        if (r->label) {
            json_put(o, "{");
            json_put(o, r->label);
            json_put(o, "=\"");
            json_put(o, r->value);
            json_put(o, "\"}");
        }
        json_put(o, " ");
        write_value(o, r, at);
        json_put(o, "\n");
    }
}
