/* state_log.c - what the node looks like just now, for a person: lines in the log at SIGUSR1. */
#include <inttypes.h>

#include "node/glue.h"

#define LOG_TARGET "node"

/* Of each list; the numbers of all follow. */
#define SHOWN_MAX 100

struct shown {
    size_t count;
};

static void show_peer(void *ctx, const struct peer_info *i)
{
    static const char *const states[] = {"idle", "dialing", "up", "backoff"};
    static const char *const types[] = {"static", "inbound", "discovered"};
    struct shown *s = ctx;
    char text[ENDPOINT_STR_MAX];
    if (s->count++ < SHOWN_MAX)
        log_info("peer", "endpoint=%s type=%s state=%s tx=%" PRIu64 " rx=%" PRIu64,
                 endpoint_str(&i->endpoint, text), types[i->type], states[i->state], i->tx_bytes,
                 i->rx_bytes);
}

static void show_route(void *ctx, const struct route_info *i)
{
    struct shown *s = ctx;
    char text[SUBNET_STR_MAX];
    if (s->count++ < SHOWN_MAX)
        log_info("route", "subnet=%s next_hop=\"%s\" metric=%u seqno=%u",
                 subnet_str(&i->subnet, text), i->next_hop, i->metric, i->seqno);
}

static void show_query(void *ctx, const struct subnet *subnet, usec_t ends)
{
    struct shown *s = ctx;
    char text[SUBNET_STR_MAX];
    usec_t now = usec_now();
    if (s->count++ < SHOWN_MAX)
        log_info("query", "subnet=%s ends_ms=%" PRIu64, subnet_str(subnet, text),
                 (uint64_t)(ends > now ? (ends - now) / USEC_MS : 0));
}

static void show_lists(const struct node *n)
{
    struct shown peers = {0}, routes = {0}, queries = {0};
    peers_each(n->peers, show_peer, &peers);
    router_each_selected(n->router, show_route, &routes);
    router_each_query(n->router, show_query, &queries);
    log_info("listed above", "peers=%zu routes=%zu queries=%zu most=%d", peers.count, routes.count,
             queries.count, SHOWN_MAX);
}

void state_log(struct node *n)
{
    show_lists(n);
    struct router_stats r;
    struct bus_stats b;
    struct forward_stats w;
    struct store_stats s;
    struct contacts_stats c;
    struct spool_stats f;
    spool_stats(n->spool, &f);
    router_stats(n->router, &r);
    bus_stats(n->bus, &b);
    forwarder_stats(n->forwarder, &w);
    store_stats(n->store, &s);
    contacts_stats(n->contacts, &c);
    log_info("routing",
             "peers=%" PRIu32 " routes=%" PRIu32 " sources=%" PRIu32 " queries=%" PRIu32
             " forwarded=%" PRIu64 " local=%" PRIu64 " no_route=%" PRIu64,
             r.peers, r.routes, r.sources, r.queries, r.routed_forward, r.routed_local,
             r.routed_no_route);
    log_info("routing limits",
             "denied=%" PRIu64 " new_subnets=%" PRIu64 " evicted_routes=%" PRIu64
             " evicted_sources=%" PRIu64 " routes=%" PRIu64 " sources=%" PRIu64 " requests=%" PRIu64
             " queries=%" PRIu64 " dumps=%" PRIu64 " seqno_requests=%" PRIu64
             " seqno_too_far=%" PRIu64 " exchanges=%" PRIu64 " announcements=%" PRIu64
             " outputs=%" PRIu64 " longest_probe=%" PRIu32,
             r.update_denied, r.limit_new_subnets, r.evicted_routes, r.evicted_sources,
             r.limit_routes, r.limit_sources, r.limit_requests, r.limit_queries, r.limit_dumps,
             r.limit_seqno_requests, r.seqno_too_far, r.limit_exchanges, r.limit_announcements,
             r.limit_out, r.longest_probe);
    links_log_state(n);
    log_info("repair",
             "silent=%" PRIu64 " heard_again=%" PRIu64 " died=%" PRIu64 " doubts=%" PRIu64
             " doubt_switches=%" PRIu64 " hints_answered=%" PRIu64 " hints_failed=%" PRIu64,
             r.links_silent, r.links_heard_again, r.peer_died, r.doubts, r.doubt_switches,
             r.hints_answered, r.hints_failed);
    log_info("bus",
             "outbox=%" PRIu64 " outbox_bytes=%" PRIu64 " inbox=%" PRIu64 " inbox_bytes=%" PRIu64
             " leased=%" PRIu64 " dead=%" PRIu64 " parts=%" PRIu64 " accepted=%" PRIu64
             " delivered=%" PRIu64 " received=%" PRIu64 " duplicates=%" PRIu64
             " refused_topic=%" PRIu64 " memory=%" PRIu64 " memory_bytes=%" PRIu64
             " memory_ended=%" PRIu64 " refused_sends=%" PRIu64,
             b.out_live, b.out_bytes, b.in_ready, b.in_bytes, b.in_leased, b.in_dead, b.in_parts,
             b.accepted, b.delivered, b.received, b.duplicates, b.refused_topic, b.out_memory,
             b.out_memory_bytes, b.out_memory_ended, b.refused_sends);
    log_info("bus packets",
             "init=%" PRIu64 " chunk=%" PRIu64 " done=%" PRIu64 " ack=%" PRIu64 " read=%" PRIu64
             " abort=%" PRIu64 " repeated=%" PRIu64 " doubts=%" PRIu64 " rerouted=%" PRIu64,
             b.sent_init, b.sent_chunk, b.sent_done, b.sent_ack, b.sent_read, b.sent_abort,
             b.retransmits, b.doubts, b.rerouted);
    log_info("bus extension",
             "acks_for_many=%" PRIu64 " forget_sent=%" PRIu64 " forget_heard=%" PRIu64
             " remembered=%" PRIu64 " resumed=%" PRIu64 " known_there=%" PRIu64
             " busy_told=%" PRIu64 " busy_heard=%" PRIu64 " refused_told=%" PRIu64
             " refused_heard=%" PRIu64 " early=%" PRIu64,
             b.sent_sack, b.sent_forget, b.forgotten, b.seen, b.resumed, b.known_there, b.told_busy,
             b.waited_busy, b.told_refused, b.refused, b.early);
    log_info(
        "forwarding",
        "open=%" PRIu64 " taken=%" PRIu64 " replied=%" PRIu64 " connect=%" PRIu64 " write=%" PRIu64
        " timeout=%" PRIu64 " read=%" PRIu64 " empty=%" PRIu64 " too_long=%" PRIu64
        " too_large=%" PRIu64 " refused=%" PRIu64 " store=%" PRIu64 " no_socket=%" PRIu64,
        w.open, w.taken, w.replied, w.returned[FORWARD_WHY_connect], w.returned[FORWARD_WHY_write],
        w.returned[FORWARD_WHY_timeout], w.returned[FORWARD_WHY_read],
        w.returned[FORWARD_WHY_empty], w.returned[FORWARD_WHY_too_long],
        w.returned[FORWARD_WHY_too_large], w.returned[FORWARD_WHY_refused],
        w.returned[FORWARD_WHY_store], w.returned[FORWARD_WHY_no_socket]);
    log_info("store",
             "ops=%" PRIu64 " commits=%" PRIu64 " queued=%" PRIu64 " failures=%" PRIu64
             " wal_bytes=%" PRIu64,
             s.ops, s.commits, s.queued, s.commit_failures, s.wal_bytes);
    log_info("large messages",
             "files=%" PRIu64 " written=%" PRIu64 " read=%" PRIu64 " syncs=%" PRIu64
             " sync_usec_max=%" PRIu64 " coming=%" PRIu64 " coming_bytes=%" PRIu64
             " write_bytes=%" PRIu64 " read_bytes=%" PRIu64 " write_full=%" PRIu64
             " too_large=%" PRIu64 " failures=%" PRIu64 " refused_full=%" PRIu64
             " refused_busy=%" PRIu64,
             f.files, f.written, f.read, f.syncs, f.sync_usec_max, b.in_files, b.in_files_bytes,
             b.in_write_bytes, b.out_read_bytes, b.in_write_full, b.out_too_large, f.failures,
             f.refused_full, f.refused_busy);
    log_info("contacts",
             "known=%" PRIu64 " asked=%" PRIu64 " written=%" PRIu64 " failed=%" PRIu64
             " ignored=%" PRIu64 " evicted=%" PRIu64,
             c.known, c.asked, c.written, c.failed, c.ignored, c.evicted);
}
