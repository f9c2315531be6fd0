#include "scenario.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/rng.h"

#define SETTLE (60 * USEC_SEC) /* after the last node has joined */
#define WINDOW_MIN                                                                                 \
    (30 * USEC_SEC) /* of the quiet and the steady time: a twelfth of the duration                 \
                     */
#define WINDOW_MAX     (300 * USEC_SEC)
#define SEARCH_TIME    (5 * USEC_SEC)
#define PAIRS_PER_SEC  5               /* begin to talk; each makes two searches */
#define EVENT_BYTES_IN (10 * USEC_SEC) /* after something broke */
#define BROKEN_MAX     (30 * USEC_SEC)
/* A neighbour without IHU is given up after 43 s at most, seen with its next timer. */
#define SILENT_BROKEN_MAX (75 * USEC_SEC)
#define MENDED_MAX        (30 * USEC_SEC)
#define RESTART_AFTER     (1 * USEC_SEC)
#define SAMPLE_EVERY      (10 * USEC_SEC)
#define EVENTS_AT_ONCE    32768 /* then memory is looked at */
/* Work for the report that would grow faster than the network: samples of about this size. */
#define GRAPH_NODES_MAX 640000 /* next-hop graphs checked at a time, times nodes */
#define GRAPH_DESTS     64
#define STRETCH_NODES   4000000 /* Dijkstras, times nodes */
#define STRETCH_PAIRS   1000
#define FOLLOW_NODES    100 /* ways are followed to this many nodes whenever they change */
#define REACH_SAMPLES   50
#define EVENTS_MAX      100 /* of each kind */

struct run {
    const struct scenario_conf *c;
    struct scenario_result *res;
    struct network *n;
    struct pairs *p;
    struct breaks b;
    usec_t sampled;
    double medians[BREAK_KINDS][2][EVENTS_MAX]; /* broken, mended; of events that broke a way */
    size_t medians_len[BREAK_KINDS][2];
    uint64_t event_bytes;
    usec_t event_time;
};

static void *must(void *p)
{
    if (!p)
        abort();
    return p;
}

/* --- resources -------------------------------------------------------------------------------- */

static void sample(struct run *x)
{
    struct scenario_result *res = x->res;
    struct router_stats s;
    uint64_t routes = 0, sources = 0, expired = 0, refused = 0, requests = 0;
    size_t nodes = network_nodes(x->n);
    for (size_t i = 0; i < nodes; i++) {
        if (!network_router(x->n, i))
            continue;
        router_stats(network_router(x->n, i), &s);
        routes += s.routes;
        sources += s.sources;
        expired += s.routed_ttl_expired;
        refused += s.limit_routes + s.limit_sources + s.limit_queries + s.limit_out;
        requests += s.limit_requests;
        res->routes_most = MAX(res->routes_most, s.routes);
    }
    res->routes_node_max = MAX(res->routes_node_max, (double)routes / (double)nodes);
    res->sources_node_max = MAX(res->sources_node_max, (double)sources / (double)nodes);
    res->ttl_expired = MAX(res->ttl_expired, expired);
    res->limit_refusals = MAX(res->limit_refusals, refused);
    res->requests_refused = MAX(res->requests_refused, requests);
    res->page_tables = MAX(res->page_tables, usage_now().page_tables);
    x->sampled = network_now(x->n);
}

/* --- time ------------------------------------------------------------------------------------- */

static int run_until(struct run *x, usec_t until)
{
    for (;;) {
        usec_t next = MIN(until, x->sampled + SAMPLE_EVERY);
        if (x->p)
            next = MIN(next, MAX(pairs_deadline(x->p), network_now(x->n)));
        while (!network_run_some(x->n, next, EVENTS_AT_ONCE)) {
            uint64_t rss = usage_now().resident;
            x->res->rss_max = MAX(x->res->rss_max, rss);
            if (rss > x->c->rss_max)
                return ERR_LIMIT;
        }
        if (network_now(x->n) >= x->sampled + SAMPLE_EVERY)
            sample(x);
        if (x->p && network_now(x->n) >= pairs_deadline(x->p))
            pairs_tick(x->p);
        else if (network_now(x->n) >= until)
            return OK;
    }
}

struct joining {
    size_t link, node; /* the later one of both ends */
};

static int by_node(const void *a, const void *b)
{
    const struct joining *x = a, *y = b;
    if (x->node != y->node)
        return x->node < y->node ? -1 : 1;
    return x->link < y->link ? -1 : x->link > y->link;
}

static int join(struct run *x)
{
    size_t links = network_links(x->n);
    struct joining *v = must(malloc((links + 1) * sizeof(*v)));
    int rc = OK;
    for (size_t i = 0; i < links; i++) {
        const struct network_link *l = network_link_at(x->n, i);
        v[i] = (struct joining){.link = i, .node = MAX(l->a, l->b)};
    }
    qsort(v, links, sizeof(*v), by_node);
    for (size_t i = 0; i < links && rc == OK; i++) {
        rc = run_until(x, (usec_t)((double)x->c->join * (double)v[i].node / (double)x->c->nodes));
        network_restore(x->n, v[i].link);
    }
    free(v);
    return rc == OK ? run_until(x, x->c->join) : rc;
}

/* --- searches --------------------------------------------------------------------------------- */

static int search(struct run *x)
{
    struct search s = search_begin(x->n);
    int rc = run_until(x, network_now(x->n) + SEARCH_TIME);
    search_end(x->n, &s, &x->res->searches);
    return rc;
}

/* --- events ----------------------------------------------------------------------------------- */

static void check_graphs(struct run *x)
{
    size_t a, b, most = MIN(GRAPH_DESTS, GRAPH_NODES_MAX / x->c->nodes + 1);
    for (size_t i = 0; i < MIN(pairs_len(x->p), most); i++) {
        pairs_get(x->p, i, &a, &b);
        if (network_router(x->n, b))
            network_check_graph(x->n, b);
    }
}

static void keep_worst(struct pairs_result *worst, const struct pairs_result *r)
{
    worst->broken = MAX(worst->broken, r->broken);
    worst->cut_off = MAX(worst->cut_off, r->cut_off);
    worst->unregained += r->unregained;
    worst->p99_s = MAX(worst->p99_s, r->p99_s);
    worst->max_s = MAX(worst->max_s, r->max_s);
    worst->all_max_s = MAX(worst->all_max_s, r->all_max_s);
}

static void keep(struct run *x, bool mended, const struct pairs_result *r)
{
    enum break_kind k = x->b.kind;
    struct scenario_outcome *o = &x->res->outcomes[k];
    if (r->broken > 0)
        x->medians[k][mended][x->medians_len[k][mended]++] = r->median_s;
    keep_worst(mended ? &o->mended : &o->broken, r);
}

/* Probes until all pairs have talked again, `most` at the longest. */
static int probe(struct run *x, usec_t most, struct pairs_result *ret)
{
    usec_t start = network_now(x->n);
    int rc = OK;
    pairs_probe(x->p);
    for (usec_t at = PAIRS_PROBE_EVERY; rc == OK && at <= most && pairs_waiting(x->p) > 0;
         at += PAIRS_PROBE_EVERY) {
        rc = run_until(x, start + at);
        if (at == PAIRS_PROBE_EVERY || at == 5 * PAIRS_PROBE_EVERY)
            check_graphs(x);
    }
    *ret = pairs_result(x->p);
    if (rc == OK)
        rc = run_until(x, MAX(network_now(x->n), start + EVENT_BYTES_IN));
    check_graphs(x);
    return rc;
}

static usec_t broken_max(enum break_kind k)
{
    return k == BREAK_SILENT_CUT ? SILENT_BROKEN_MAX : BROKEN_MAX;
}

static usec_t event_time(enum break_kind k)
{
    return broken_max(k) + MENDED_MAX + EVENT_BYTES_IN;
}

static int event(struct run *x, enum break_kind kind)
{
    struct pairs_result r;
    usec_t start = network_now(x->n);
    uint64_t bytes = network_counts(x->n)->control_bytes;
    pairs_before(x->p);
    breaks_happen(&x->b, kind);
    int rc = probe(x, broken_max(kind), &r);
    keep(x, false, &r);
    x->event_bytes += network_counts(x->n)->control_bytes - bytes;
    x->event_time += network_now(x->n) - start;
    if (rc == OK)
        rc = run_until(x, network_now(x->n) + RESTART_AFTER);
    if (rc < 0)
        return rc;
    pairs_before(x->p);
    breaks_mend(&x->b);
    rc = probe(x, MENDED_MAX, &r);
    keep(x, true, &r);
    x->res->outcomes[kind].events++;
    return rc == OK ? run_until(x, MAX(network_now(x->n), start + event_time(kind))) : rc;
}

/* As many as fit, in turn. */
static int events(struct run *x)
{
    const struct scenario_conf *c = x->c;
    int rc = OK;
    for (size_t i = 0; i < c->kinds_len * MIN(c->events, EVENTS_MAX) && rc == OK; i++) {
        enum break_kind kind = c->kinds[i % c->kinds_len];
        if (network_now(x->n) + event_time(kind) > c->duration)
            break;
        rc = event(x, kind);
    }
    return rc;
}

/* --- the run ---------------------------------------------------------------------------------- */

static double by_node_second(struct run *x, uint64_t bytes, usec_t time)
{
    return time > 0 ? (double)bytes * (double)USEC_SEC / (double)time / (double)x->c->nodes : 0;
}

/* Runs for some time; *ret: control bytes in it, by node and second. */
static int measure(struct run *x, usec_t time, double *ret)
{
    uint64_t before = network_counts(x->n)->control_bytes;
    int rc = run_until(x, network_now(x->n) + time);
    *ret = by_node_second(x, network_counts(x->n)->control_bytes - before, time);
    return rc;
}

static struct network_counts counts_since(const struct network_counts *k,
                                          const struct network_counts *before)
{
    return (struct network_counts){
        .hello = k->hello - before->hello,
        .ihu = k->ihu - before->ihu,
        .update = k->update - before->update,
        .retraction = k->retraction - before->retraction,
        .route_request = k->route_request - before->route_request,
        .seqno_request = k->seqno_request - before->seqno_request,
        .data = k->data - before->data,
        .bytes = k->bytes - before->bytes,
        .control_bytes = k->control_bytes - before->control_bytes,
    };
}

/* From the start to the moment in which the pairs begin. */
static int begin(struct run *x)
{
    struct scenario_result *r = x->res;
    int rc = join(x);
    if (rc == OK)
        rc = run_until(x, x->c->join + SETTLE);
    r->start_bytes = (double)network_counts(x->n)->control_bytes / (double)x->c->nodes;
    r->reach = reach_measure(x->n, REACH_SAMPLES);
    r->quiet = r->steady = MIN(MAX(x->c->duration / 12, WINDOW_MIN), WINDOW_MAX);
    if (rc == OK)
        rc = measure(x, r->quiet, &r->quiet_bytes);
    r->rss_quiet = usage_now().resident;
    for (unsigned i = 0; i < x->c->searches && rc == OK; i++)
        rc = search(x);
    return rc;
}

static int course(struct run *x)
{
    struct scenario_result *r = x->res;
    const struct network_counts *k = network_counts(x->n);
    int rc = begin(x);
    if (rc < 0)
        return rc;
    struct pairs_conf pc = {.len = x->c->pairs,
                            .talkers = MIN(x->c->talkers, x->c->nodes),
                            .popular_percent = x->c->popular_percent,
                            .start = network_now(x->n),
                            .ramp = (usec_t)x->c->pairs * USEC_SEC / PAIRS_PER_SEC,
                            .every = x->c->every};
    x->p = pairs_new(x->n, &pc);
    breaks_init(&x->b, x->n, x->p);
    r->pairs = pairs_len(x->p);
    if (r->pairs == 0)
        return ERR_INVAL;
    rc = run_until(x, pc.start + pc.ramp + pc.every);
    if (rc == OK)
        rc = measure(x, r->steady, &r->steady_bytes);
    check_graphs(x);
    r->stretch = pairs_stretch(x->p, MIN(STRETCH_PAIRS, STRETCH_NODES / x->c->nodes + 1));
    if (rc == OK)
        rc = events(x);
    if (rc < 0)
        return rc;
    struct network_counts before = *k;
    r->late = MAX(x->c->duration - network_now(x->n), 0);
    rc = measure(x, r->late, &r->late_bytes);
    r->sent_late = counts_since(k, &before);
    check_graphs(x);
    return rc;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, size_t len)
{
    qsort(v, len, sizeof(*v), by_value);
    return len ? v[len / 2] : 0;
}

static void collect(struct run *x)
{
    struct scenario_result *r = x->res;
    const struct network_counts *k = network_counts(x->n);
    struct pairs_counts pc = x->p ? pairs_counts(x->p) : (struct pairs_counts){0};
    sample(x);
    for (size_t i = 0; i < BREAK_KINDS; i++) {
        r->outcomes[i].broken.median_s = median(x->medians[i][0], x->medians_len[i][0]);
        r->outcomes[i].mended.median_s = median(x->medians[i][1], x->medians_len[i][1]);
    }
    r->loops = k->loops;
    r->loops_lasting = k->loops_lasting;
    r->event_bytes = by_node_second(x, x->event_bytes, x->event_time);
    r->asked = pc.asked;
    r->answered = pc.answered;
    r->sent = *k;
    r->frames = k->hello + k->ihu + k->update + k->retraction + k->route_request +
                k->seqno_request + k->data;
    r->events_run = k->events;
    r->virtual_s = (double)network_now(x->n) / (double)USEC_SEC;
    r->hash = network_hash(x->n);
    r->rss_max = MAX(r->rss_max, usage_resident_max());
}

int scenario_run(const struct scenario_conf *c, struct scenario_result *ret)
{
    struct run *x = must(calloc(1, sizeof(*x)));
    usec_t start = usec_now();
    double cpu = usage_cpu_s();
    *ret = (struct scenario_result){.rss_start = usage_now().resident};
    *x = (struct run){.c = c, .res = ret, .n = network_new(c->seed, c->nodes)};
    ret->rss_idle = usage_now().resident;
    network_loops(x->n, NETWORK_LOOPS_WATCH);
    ret->loops_every = (c->nodes + FOLLOW_NODES - 1) / FOLLOW_NODES;
    network_loops_sample(x->n, ret->loops_every);
    if (c->trace)
        network_trace_to(x->n, c->trace);
    topology_build(x->n, &c->topology);
    ret->links = network_links(x->n);
    int rc = course(x);
    collect(x);
    ret->cpu_s = usage_cpu_s() - cpu;
    ret->wall_s = (double)(usec_now() - start) / (double)USEC_SEC;
    breaks_fini(&x->b);
    pairs_free(x->p);
    network_free(x->n);
    free(x);
    return rc;
}

struct pairs_result scenario_worst(const struct scenario_result *r, bool mended)
{
    struct pairs_result worst = {0};
    for (size_t i = 0; i < BREAK_KINDS; i++)
        keep_worst(&worst, mended ? &r->outcomes[i].mended : &r->outcomes[i].broken);
    return worst;
}

unsigned scenario_events(const struct scenario_result *r)
{
    unsigned events = 0;
    for (size_t i = 0; i < BREAK_KINDS; i++)
        events += r->outcomes[i].events;
    return events;
}
