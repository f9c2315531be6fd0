#include "report.h"

#include <inttypes.h>

#include "base/err.h"

#define KIB 1024.0
#define MIB (1024.0 * 1024.0)

static double kib_by_node(const struct scenario_conf *c, const struct scenario_result *r)
{
    return r->rss_max > r->rss_idle ? (double)(r->rss_max - r->rss_idle) / KIB / (double)c->nodes
                                    : 0;
}

static double answered(const struct scenario_result *r)
{
    return r->asked ? (double)r->answered / (double)r->asked * 100 : 0;
}

static double rate(const struct scenario_result *r)
{
    return r->wall_s > 0 ? (double)r->events_run / r->wall_s : 0;
}

static const char *ended(int rc)
{
    return rc == OK ? "complete" : rc == ERR_LIMIT ? "memory limit" : err_str(rc);
}

static void text_pairs(FILE *f, const char *what, const struct pairs_result *p)
{
    (void)fprintf(f,
                  "%-22s broken ways: median %.3f s, p99 %.3f s, worst %.3f s; any pair: %.3f s\n"
                  "%22s at most %zu of the pairs broken, %zu cut off, %zu not regained\n",
                  what, p->median_s, p->p99_s, p->max_s, p->all_max_s, "", p->broken, p->cut_off,
                  p->unregained);
}

void report_text(FILE *f, const struct scenario_conf *c, const struct scenario_result *r, int rc)
{
    (void)fprintf(f, "%-22s %s, %zu nodes, %zu links, %zu pairs, seed %" PRIu64 "\n", "network",
                  topology_name(c->topology.kind), c->nodes, r->links, r->pairs, c->seed);
    (void)fprintf(f, "%-22s %s, %.0f of %.0f s of virtual time\n", "run", ended(rc), r->virtual_s,
                  (double)c->duration / (double)USEC_SEC);
    (void)fprintf(f, "%-22s %u x %s\n", "events", r->events, scenario_event_name(c->event));
    if (r->events > 0) {
        text_pairs(f, "exchange after event", &r->broken);
        text_pairs(f, "... after its mending", &r->mended);
    }
    (void)fprintf(f,
                  "%-22s %" PRIu64 " seen, %" PRIu64 " lasting, %" PRIu64 " packets out of hops\n",
                  "loops", r->loops, r->loops_lasting, r->ttl_expired);
    (void)fprintf(
        f, "%-22s %.1f B/s idle, %.1f B/s in events, %.1f B/s late; %.0f B in all to start\n",
        "control, by node", r->idle_bytes, r->event_bytes, r->late_bytes, r->start_bytes);
    (void)fprintf(f,
                  "%-22s %.0f KiB resident, %.0f routes, %.0f sources at most; %" PRIu64
                  " refused by limits\n",
                  "memory, by node", kib_by_node(c, r), r->routes_node_max, r->sources_node_max,
                  r->limit_refusals);
    (void)fprintf(f, "%-22s mean %.3f, p99 %.3f, worst %.3f (%zu ways)\n", "path stretch",
                  r->stretch.mean, r->stretch.p99, r->stretch.max, r->stretch.ways);
    (void)fprintf(f, "%-22s %" PRIu64 " of %" PRIu64 " answered (%.2f %%)\n", "exchanges",
                  r->answered, r->asked, answered(r));
    (void)fprintf(f, "%-22s %.2f s, %.0f MiB at most, %" PRIu64 " events, %.0f events/s\n",
                  "cost of the run", r->wall_s, (double)r->rss_max / MIB, r->events_run, rate(r));
    (void)fprintf(f, "%-22s %016" PRIx64 "\n", "trace hash", r->hash);
}

static void json_pairs(FILE *f, const char *name, const struct pairs_result *p)
{
    (void)fprintf(f,
                  "\"%s\": {\"median_s\": %.4f, \"p99_s\": %.4f, \"worst_s\": %.4f, "
                  "\"any_pair_worst_s\": %.4f, \"broken\": %zu, \"cut_off\": %zu, "
                  "\"unregained\": %zu}, ",
                  name, p->median_s, p->p99_s, p->max_s, p->all_max_s, p->broken, p->cut_off,
                  p->unregained);
}

static void json_sent(FILE *f, const char *name, const struct network_counts *k)
{
    (void)fprintf(f,
                  "\"%s\": {\"hello\": %" PRIu64 ", \"ihu\": %" PRIu64 ", \"update\": %" PRIu64
                  ", \"retraction\": %" PRIu64 ", \"route_request\": %" PRIu64
                  ", \"seqno_request\": %" PRIu64 ", \"data\": %" PRIu64 "}, ",
                  name, k->hello, k->ihu, k->update, k->retraction, k->route_request,
                  k->seqno_request, k->data);
}

void report_json(FILE *f, const struct scenario_conf *c, const struct scenario_result *r, int rc)
{
    (void)fprintf(f,
                  "{\"topology\": \"%s\", \"nodes\": %zu, \"links\": %zu, \"pairs\": %zu, "
                  "\"seed\": %" PRIu64 ", \"event\": \"%s\", \"events\": %u, \"end\": \"%s\", "
                  "\"duration_s\": %.3f, \"virtual_s\": %.3f, \"join_s\": %.3f, ",
                  topology_name(c->topology.kind), c->nodes, r->links, r->pairs, c->seed,
                  scenario_event_name(c->event), r->events, ended(rc),
                  (double)c->duration / (double)USEC_SEC, r->virtual_s,
                  (double)c->join / (double)USEC_SEC);
    json_pairs(f, "after_event", &r->broken);
    json_pairs(f, "after_mending", &r->mended);
    (void)fprintf(f,
                  "\"loops_seen\": %" PRIu64 ", \"loops_lasting\": %" PRIu64
                  ", \"hops_expired\": %" PRIu64 ", \"control_idle_bytes_per_node_s\": %.3f, "
                  "\"control_event_bytes_per_node_s\": %.3f, \"control_start_bytes_per_node\": "
                  "%.0f, ",
                  r->loops, r->loops_lasting, r->ttl_expired, r->idle_bytes, r->event_bytes,
                  r->start_bytes);
    json_sent(f, "sent", &r->sent);
    json_sent(f, "sent_late", &r->sent_late);
    (void)fprintf(f, "\"control_late_bytes_per_node_s\": %.3f, ", r->late_bytes);
    (void)fprintf(f,
                  "\"rss_max_bytes\": %" PRIu64 ", \"rss_kib_per_node\": %.1f, "
                  "\"routes_per_node\": %.1f, \"sources_per_node\": %.1f, \"limit_refusals\": "
                  "%" PRIu64 ", ",
                  r->rss_max, kib_by_node(c, r), r->routes_node_max, r->sources_node_max,
                  r->limit_refusals);
    (void)fprintf(f,
                  "\"stretch_mean\": %.4f, \"stretch_p99\": %.4f, \"stretch_worst\": %.4f, "
                  "\"asked\": %" PRIu64 ", \"answered\": %" PRIu64 ", \"wall_s\": %.3f, "
                  "\"frames\": %" PRIu64 ", \"sim_events\": %" PRIu64
                  ", \"sim_events_per_s\": %.0f, \"hash\": \"%016" PRIx64 "\"}",
                  r->stretch.mean, r->stretch.p99, r->stretch.max, r->asked, r->answered, r->wall_s,
                  r->frames, r->events_run, rate(r), r->hash);
}

void report_row_head(FILE *f)
{
    (void)fprintf(
        f,
        "| topology | nodes | links | event | median s | worst s | not regained | loops "
        "seen / lasting | idle B/s | event B/s | late B/s | start KiB | routes | KiB | stretch mean / "
        "worst | wall s | events/s |\n"
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n");
}

void report_row(FILE *f, const struct scenario_conf *c, const struct scenario_result *r, int rc)
{
    (void)fprintf(f, "| %s | %zu | %zu | %s | ", topology_name(c->topology.kind), c->nodes,
                  r->links, scenario_event_name(c->event));
    if (rc < 0)
        (void)fprintf(f, "%s at %.3f s | | | | | | | | ", ended(rc), r->virtual_s);
    else
        (void)fprintf(
            f, "%.3f | %.3f | %zu | %" PRIu64 " / %" PRIu64 " | %.1f | %.1f | %.1f | %.0f | ",
            r->broken.median_s, r->broken.max_s, r->broken.unregained + r->mended.unregained,
            r->loops, r->loops_lasting, r->idle_bytes, r->event_bytes, r->late_bytes,
            r->start_bytes / KIB);
    (void)fprintf(f, "%.0f | %.0f | %.2f / %.2f | %.1f | %.0f |\n", r->routes_node_max,
                  kib_by_node(c, r), r->stretch.mean, r->stretch.max, r->wall_s, rate(r));
    (void)fflush(f);
}
