#include "report.h"

#include <inttypes.h>

#include "base/err.h"

#define KIB 1024.0
#define MIB (1024.0 * 1024.0)

static double kib_by_node(const struct scenario_conf *c, uint64_t now, uint64_t before)
{
    return now > before ? (double)(now - before) / KIB / (double)c->nodes : 0;
}

static double share(double part, double of)
{
    return of > 0 ? part / of : 0;
}

static double rate(const struct scenario_result *r)
{
    return r->cpu_s > 0 ? (double)r->events_run / r->cpu_s : 0;
}

static const char *ended(int rc)
{
    return rc == OK ? "complete" : rc == ERR_LIMIT ? "memory limit" : err_str(rc);
}

static void text_pairs(FILE *f, const char *what, const char *kind, const struct pairs_result *p)
{
    (void)fprintf(f,
                  "%-10s %-11s broken ways: median %.3f s, p99 %.3f s, worst %.3f s; any pair: "
                  "%.3f s\n"
                  "%22s at most %zu of the pairs broken, %zu cut off, %zu not regained\n",
                  what, kind, p->median_s, p->p99_s, p->max_s, p->all_max_s, "", p->broken,
                  p->cut_off, p->unregained);
}

static void text_searches(FILE *f, const struct scenario_result *r)
{
    const struct searches *s = &r->searches;
    double done = (double)s->done;
    (void)fprintf(f, "%-22s %.1f on average, %d at most; %.2f %% of the pairs more than %d apart\n",
                  "hops", r->reach.hops_mean, r->reach.hops_max, r->reach.beyond * 100,
                  REACH_HOPS_MAX);
    if (s->done == 0)
        return;
    (void)fprintf(f,
                  "%-22s %zu, %zu within %d hops; found %zu, of those within %zu; mean %.3f s, "
                  "worst %.3f s\n"
                  "%22s each: %.0f requests, %.0f updates, %.0f others, %.0f bytes; %.1f %% of the "
                  "nodes asked, %.1f %% hold a route\n",
                  "searches", s->done, s->within, REACH_HOPS_MAX, s->found, s->found_within,
                  share(s->found_s, (double)s->found), s->found_max_s, "", s->requests / done,
                  s->updates / done, s->other / done, s->bytes / done, s->reached / done * 100,
                  s->holding / done * 100);
}

void report_text(FILE *f, const struct scenario_conf *c, const struct scenario_result *r, int rc)
{
    (void)fprintf(f, "%-22s %s, %zu nodes, %zu links, %zu pairs, seed %" PRIu64 "\n", "network",
                  topology_name(c->topology.kind), c->nodes, r->links, r->pairs, c->seed);
    (void)fprintf(f, "%-22s %s, %.0f of %.0f s of virtual time, %u events\n", "run", ended(rc),
                  r->virtual_s, (double)c->duration / (double)USEC_SEC, scenario_events(r));
    text_searches(f, r);
    for (size_t k = 0; k < BREAK_KINDS; k++) {
        if (r->outcomes[k].events == 0)
            continue;
        text_pairs(f, "after", break_name((enum break_kind)k), &r->outcomes[k].broken);
        text_pairs(f, "... mended", "", &r->outcomes[k].mended);
    }
    (void)fprintf(f,
                  "%-22s %" PRIu64 " seen, %" PRIu64 " lasting (ways to every %zu. node); %" PRIu64
                  " packets out of hops\n",
                  "loops", r->loops, r->loops_lasting, r->loops_every, r->ttl_expired);
    (void)fprintf(f,
                  "%-22s B/s: %.1f quiet, %.1f with traffic, %.1f in events, %.1f late; %.0f B to "
                  "start\n",
                  "control, by node", r->quiet_bytes, r->steady_bytes, r->event_bytes,
                  r->late_bytes, r->start_bytes);
    (void)fprintf(f,
                  "%-22s %.0f KiB idle, %.0f quiet, %.0f at most, and %.0f of page tables\n"
                  "%22s %.0f routes, %.0f sources; %u routes of one; refused: %" PRIu64
                  " by tables, %" PRIu64 " searches\n",
                  "memory, by node", kib_by_node(c, r->rss_idle, r->rss_start),
                  kib_by_node(c, r->rss_quiet, r->rss_start),
                  kib_by_node(c, r->rss_max, r->rss_start), kib_by_node(c, r->page_tables, 0), "",
                  r->routes_node_max, r->sources_node_max, r->routes_most, r->limit_refusals,
                  r->requests_refused);
    (void)fprintf(f, "%-22s mean %.3f, p99 %.3f, worst %.3f (%zu ways)\n", "path stretch",
                  r->stretch.mean, r->stretch.p99, r->stretch.max, r->stretch.ways);
    (void)fprintf(f, "%-22s %" PRIu64 " of %" PRIu64 " answered (%.2f %%)\n", "exchanges",
                  r->answered, r->asked, share((double)r->answered, (double)r->asked) * 100);
    (void)fprintf(f,
                  "%-22s %.2f s, %.2f s of processor, %.0f MiB at most, %" PRIu64
                  " events, %.0f by processor second\n",
                  "cost of the run", r->wall_s, r->cpu_s, (double)r->rss_max / MIB, r->events_run,
                  rate(r));
    (void)fprintf(f, "%-22s %016" PRIx64 "\n", "trace hash", r->hash);
}

static void json_pairs(FILE *f, const char *name, const struct pairs_result *p)
{
    (void)fprintf(f,
                  "\"%s\": {\"median_s\": %.4f, \"p99_s\": %.4f, \"worst_s\": %.4f, "
                  "\"any_pair_worst_s\": %.4f, \"broken\": %zu, \"cut_off\": %zu, "
                  "\"unregained\": %zu}",
                  name, p->median_s, p->p99_s, p->max_s, p->all_max_s, p->broken, p->cut_off,
                  p->unregained);
}

static void json_outcomes(FILE *f, const struct scenario_result *r)
{
    const char *comma = "";
    (void)fprintf(f, "\"events\": {");
    for (size_t k = 0; k < BREAK_KINDS; k++) {
        const struct scenario_outcome *o = &r->outcomes[k];
        if (o->events == 0)
            continue;
        (void)fprintf(f, "%s\"%s\": {\"events\": %u, ", comma, break_name((enum break_kind)k),
                      o->events);
        json_pairs(f, "broken", &o->broken);
        (void)fprintf(f, ", ");
        json_pairs(f, "mended", &o->mended);
        (void)fprintf(f, "}");
        comma = ", ";
    }
    (void)fprintf(f, "}, ");
}

static void json_sent(FILE *f, const char *name, const struct network_counts *k)
{
    (void)fprintf(f,
                  "\"%s\": {\"hello\": %" PRIu64 ", \"ihu\": %" PRIu64 ", \"update\": %" PRIu64
                  ", \"retraction\": %" PRIu64 ", \"route_request\": %" PRIu64
                  ", \"seqno_request\": %" PRIu64 ", \"data\": %" PRIu64
                  ", \"control_bytes\": %" PRIu64 "}, ",
                  name, k->hello, k->ihu, k->update, k->retraction, k->route_request,
                  k->seqno_request, k->data, k->control_bytes);
}

static void json_searches(FILE *f, const struct scenario_result *r)
{
    const struct searches *s = &r->searches;
    double done = s->done ? (double)s->done : 1;
    (void)fprintf(f,
                  "\"hops_mean\": %.3f, \"hops_max\": %d, \"share_beyond_reach\": %.5f, "
                  "\"searches\": {\"done\": %zu, \"within_reach\": %zu, \"found\": %zu, "
                  "\"found_within_reach\": %zu, \"mean_s\": %.4f, \"worst_s\": %.4f, "
                  "\"requests\": %.1f, \"updates\": %.1f, \"others\": %.1f, \"bytes\": %.0f, "
                  "\"share_asked\": %.4f, \"share_holding\": %.4f}, ",
                  r->reach.hops_mean, r->reach.hops_max, r->reach.beyond, s->done, s->within,
                  s->found, s->found_within, share(s->found_s, (double)s->found), s->found_max_s,
                  s->requests / done, s->updates / done, s->other / done, s->bytes / done,
                  s->reached / done, s->holding / done);
}

void report_json(FILE *f, const struct scenario_conf *c, const struct scenario_result *r, int rc)
{
    (void)fprintf(f,
                  "{\"topology\": \"%s\", \"nodes\": %zu, \"links\": %zu, \"pairs\": %zu, "
                  "\"talkers\": %zu, \"every_s\": %.3f, \"seed\": %" PRIu64 ", \"end\": \"%s\", "
                  "\"duration_s\": %.3f, \"virtual_s\": %.3f, \"join_s\": %.3f, ",
                  topology_name(c->topology.kind), c->nodes, r->links, r->pairs,
                  MIN(c->talkers, c->nodes), (double)c->every / (double)USEC_SEC, c->seed,
                  ended(rc), (double)c->duration / (double)USEC_SEC, r->virtual_s,
                  (double)c->join / (double)USEC_SEC);
    json_searches(f, r);
    json_outcomes(f, r);
    (void)fprintf(f,
                  "\"loops_seen\": %" PRIu64 ", \"loops_lasting\": %" PRIu64
                  ", \"loops_every\": %zu, \"hops_expired\": %" PRIu64
                  ", \"control_bytes_per_node_s\": {\"quiet\": %.3f, \"steady\": %.3f, "
                  "\"event\": %.3f, \"late\": %.3f}, \"control_start_bytes_per_node\": %.0f, ",
                  r->loops, r->loops_lasting, r->loops_every, r->ttl_expired, r->quiet_bytes,
                  r->steady_bytes, r->event_bytes, r->late_bytes, r->start_bytes);
    json_sent(f, "sent", &r->sent);
    json_sent(f, "sent_late", &r->sent_late);
    (void)fprintf(
        f,
        "\"late_s\": %.3f, \"rss_max_bytes\": %" PRIu64
        ", \"kib_per_node\": {\"idle\": %.2f, \"quiet\": %.2f, \"max\": %.2f, "
        "\"page_tables\": %.2f}, \"routes_per_node\": %.1f, \"sources_per_node\": %.1f, "
        "\"routes_of_one\": %u, \"limit_refusals\": %" PRIu64 ", \"searches_refused\": %" PRIu64
        ", ",
        (double)r->late / (double)USEC_SEC, r->rss_max, kib_by_node(c, r->rss_idle, r->rss_start),
        kib_by_node(c, r->rss_quiet, r->rss_start), kib_by_node(c, r->rss_max, r->rss_start),
        kib_by_node(c, r->page_tables, 0), r->routes_node_max, r->sources_node_max, r->routes_most,
        r->limit_refusals, r->requests_refused);
    (void)fprintf(f,
                  "\"stretch_mean\": %.4f, \"stretch_p99\": %.4f, \"stretch_worst\": %.4f, "
                  "\"stretch_ways\": %zu, \"asked\": %" PRIu64 ", \"answered\": %" PRIu64
                  ", \"wall_s\": %.3f, \"cpu_s\": %.3f, \"frames\": %" PRIu64
                  ", \"sim_events\": %" PRIu64
                  ", \"sim_events_per_s\": %.0f, \"hash\": \"%016" PRIx64 "\"}",
                  r->stretch.mean, r->stretch.p99, r->stretch.max, r->stretch.ways, r->asked,
                  r->answered, r->wall_s, r->cpu_s, r->frames, r->events_run, rate(r), r->hash);
}

void report_row_head(FILE *f)
{
    (void)fprintf(
        f,
        "| topology | nodes | links | worst s: cut / silence / death | mended | not "
        "regained | loops seen / lasting | B/s: quiet / steady / events / late | KiB by "
        "search | routes: mean / one | KiB | stretch mean / worst | wall / cpu s | events by cpu s |\n"
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n");
}

void report_row(FILE *f, const struct scenario_conf *c, const struct scenario_result *r, int rc)
{
    struct pairs_result broken = scenario_worst(r, false), mended = scenario_worst(r, true);
    (void)fprintf(f, "| %s | %zu | %zu | ", topology_name(c->topology.kind), c->nodes, r->links);
    if (rc < 0)
        (void)fprintf(f, "%s at %.3f s | | | ", ended(rc), r->virtual_s);
    else
        (void)fprintf(
            f, "%.3f / %.3f / %.3f | %.3f | %zu | ", r->outcomes[BREAK_LINK_CUT].broken.max_s,
            r->outcomes[BREAK_SILENT_CUT].broken.max_s, r->outcomes[BREAK_NODE_DEATH].broken.max_s,
            mended.max_s, broken.unregained + mended.unregained);
    (void)fprintf(f, "%" PRIu64 " / %" PRIu64 " | %.1f / %.1f / %.1f / %.1f | %.0f | ", r->loops,
                  r->loops_lasting, r->quiet_bytes, r->steady_bytes, r->event_bytes, r->late_bytes,
                  share(r->searches.bytes, (double)r->searches.done) / KIB);
    (void)fprintf(f, "%.0f / %u | %.0f | %.3f / %.2f | %.1f / %.1f | %.0f |\n", r->routes_node_max,
                  r->routes_most, kib_by_node(c, r->rss_max, r->rss_start), r->stretch.mean,
                  r->stretch.max, r->wall_s, r->cpu_s, rate(r));
    (void)fflush(f);
}
