#include "scenario.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/err.h"
#include "base/rng.h"

#define WARM           (90 * USEC_SEC) /* after the last node has joined */
#define TALK_AFTER     (10 * USEC_SEC) /* likewise */
#define IDLE_MIN       (30 * USEC_SEC)
#define IDLE_MAX       (300 * USEC_SEC)
#define EVENT_BYTES_IN (10 * USEC_SEC) /* after something broke */
#define BROKEN_MAX     (30 * USEC_SEC)
/* A neighbour without IHU is given up after 43 s at most, seen with its next timer. */
#define SILENT_BROKEN_MAX (75 * USEC_SEC)
#define MENDED_MAX        (30 * USEC_SEC)
#define RESTART_AFTER     (1 * USEC_SEC)
#define SAMPLE_EVERY      (10 * USEC_SEC)
#define EVENTS_AT_ONCE    32768 /* then memory is looked at */
#define GRAPH_DESTS       64    /* next-hop graphs that are checked at a time */
#define STRETCH_PAIRS     1000
#define EVENTS_MAX        100

static const char *const names[] = {
    [SCENARIO_NONE] = "none",
    [SCENARIO_LINK_CUT] = "link-cut",
    [SCENARIO_NODE_DEATH] = "node-death",
    [SCENARIO_SILENT_CUT] = "silent-cut",
    [SCENARIO_PARTITION] = "partition",
};

const char *scenario_event_name(enum scenario_event e)
{
    return names[e];
}

bool scenario_event_parse(const char *name, enum scenario_event *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(names[i], name) == 0) {
            *ret = (enum scenario_event)i;
            return true;
        }
    }
    return false;
}

struct run {
    const struct scenario_conf *c;
    struct scenario_result *res;
    struct network *n;
    struct pairs *p;
    usec_t sampled;
    double medians[2][EVENTS_MAX]; /* broken, mended; of events that broke a way */
    size_t medians_len[2];
    uint64_t event_bytes;
    usec_t event_time;
    /* What the event changed. */
    size_t *cut, cut_len;
    size_t node;
};

static void *must(void *p)
{
    if (!p)
        abort();
    return p;
}

/* --- resources -------------------------------------------------------------------------------- */

static uint64_t rss_now(void)
{
    unsigned long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f)
        return 0;
    if (fscanf(f, "%lu %lu", &size, &resident) != 2) /* NOLINT(cert-err34-c): the kernel's text */
        resident = 0;
    (void)fclose(f);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void sample(struct run *x)
{
    struct router_stats s;
    uint64_t routes = 0, sources = 0, expired = 0, refused = 0;
    size_t nodes = network_nodes(x->n);
    for (size_t i = 0; i < nodes; i++) {
        if (!network_router(x->n, i))
            continue;
        router_stats(network_router(x->n, i), &s);
        routes += s.routes;
        sources += s.sources;
        expired += s.routed_ttl_expired;
        refused += s.limit_routes + s.limit_sources + s.limit_queries + s.limit_out;
    }
    x->res->routes_node_max = MAX(x->res->routes_node_max, (double)routes / (double)nodes);
    x->res->sources_node_max = MAX(x->res->sources_node_max, (double)sources / (double)nodes);
    x->res->ttl_expired = MAX(x->res->ttl_expired, expired);
    x->res->limit_refusals = MAX(x->res->limit_refusals, refused);
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
            uint64_t rss = rss_now();
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

static void check_graphs(struct run *x)
{
    size_t a, b, len = MIN(pairs_len(x->p), GRAPH_DESTS);
    for (size_t i = 0; i < len; i++) {
        pairs_get(x->p, i, &a, &b);
        if (network_router(x->n, b))
            network_check_graph(x->n, b);
    }
}

/* --- events ----------------------------------------------------------------------------------- */

static size_t below(struct run *x, size_t bound)
{
    return (size_t)rng_below(network_rng(x->n), bound);
}

static void say(struct run *x, const char *what, size_t a, size_t b)
{
    char text[80], from[NETWORK_NAME_MAX], to[NETWORK_NAME_MAX];
    (void)snprintf(text, sizeof(text), "%s %s %s", what, network_name(a, from),
                   a == b ? "" : network_name(b, to));
    network_trace_note(x->n, text);
}

/* On the way of a random pair; the number of links when no pair has a way. */
static size_t link_in_use(struct run *x)
{
    size_t a, b, links[NETWORK_HOPS_MAX];
    for (unsigned tries = 0; tries < 100; tries++) {
        pairs_get(x->p, below(x, pairs_len(x->p)), &a, &b);
        int hops = network_way(x->n, a, b, links);
        if (hops > 0)
            return links[below(x, (size_t)hops)];
    }
    return network_links(x->n);
}

/* Preferably one that is not an end of its pair. */
static size_t node_in_use(struct run *x)
{
    size_t a, b, links[NETWORK_HOPS_MAX];
    for (unsigned tries = 0; tries < 100; tries++) {
        pairs_get(x->p, below(x, pairs_len(x->p)), &a, &b);
        int hops = network_way(x->n, a, b, links);
        if (hops < 2)
            continue;
        const struct network_link *l = network_link_at(x->n, links[below(x, (size_t)hops - 1)]);
        return l->a == a || l->a == b ? l->b : l->a;
    }
    return below(x, network_nodes(x->n));
}

/* The half that is nearer to a random node, by hops, against the rest. */
static void partition(struct run *x)
{
    size_t nodes = network_nodes(x->n), first = below(x, nodes), reached = 0;
    int *hops = must(malloc(nodes * sizeof(*hops))), depth = 0;
    network_hops_from(x->n, first, hops);
    for (; reached < nodes / 2 && depth < (int)nodes; depth++)
        for (size_t i = 0; i < nodes; i++)
            reached += hops[i] == depth;
    for (size_t i = 0; i < network_links(x->n); i++) {
        const struct network_link *l = network_link_at(x->n, i);
        if (l->up && (hops[l->a] < depth) != (hops[l->b] < depth))
            x->cut[x->cut_len++] = i;
    }
    free(hops);
    for (size_t i = 0; i < x->cut_len; i++)
        network_cut(x->n, x->cut[i]);
    say(x, "partition around", first, first);
}

static void destroy(struct run *x)
{
    x->cut_len = 0;
    if (x->c->event == SCENARIO_NODE_DEATH) {
        x->node = node_in_use(x);
        say(x, "death of", x->node, x->node);
        network_kill(x->n, x->node);
        return;
    }
    if (x->c->event == SCENARIO_PARTITION) {
        partition(x);
        return;
    }
    size_t link = link_in_use(x);
    if (link == network_links(x->n))
        return;
    const struct network_link *l = network_link_at(x->n, link);
    x->cut[x->cut_len++] = link;
    say(x, x->c->event == SCENARIO_SILENT_CUT ? "silence between" : "cut between", l->a, l->b);
    if (x->c->event == SCENARIO_SILENT_CUT)
        network_silence(x->n, link);
    else
        network_cut(x->n, link);
}

static void mend(struct run *x)
{
    network_trace_note(x->n, "mended");
    if (x->c->event == SCENARIO_NODE_DEATH)
        network_revive(x->n, x->node);
    for (size_t i = 0; i < x->cut_len; i++) {
        network_cut(x->n, x->cut[i]); /* a silent one that nobody has given up */
        network_restore(x->n, x->cut[i]);
    }
}

static void keep_worst(struct run *x, bool mended, const struct pairs_result *r)
{
    struct pairs_result *worst = mended ? &x->res->mended : &x->res->broken;
    if (r->broken > 0)
        x->medians[mended][x->medians_len[mended]++] = r->median_s;
    worst->broken = MAX(worst->broken, r->broken);
    worst->cut_off = MAX(worst->cut_off, r->cut_off);
    worst->unregained += r->unregained;
    worst->p99_s = MAX(worst->p99_s, r->p99_s);
    worst->max_s = MAX(worst->max_s, r->max_s);
    worst->all_max_s = MAX(worst->all_max_s, r->all_max_s);
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

static usec_t broken_max(const struct scenario_conf *c)
{
    return c->event == SCENARIO_SILENT_CUT ? SILENT_BROKEN_MAX : BROKEN_MAX;
}

static usec_t event_time(const struct scenario_conf *c)
{
    return broken_max(c) + MENDED_MAX + EVENT_BYTES_IN;
}

static int event(struct run *x)
{
    struct pairs_result r;
    usec_t start = network_now(x->n);
    uint64_t bytes = network_counts(x->n)->control_bytes;
    pairs_before(x->p);
    destroy(x);
    int rc = probe(x, broken_max(x->c), &r);
    keep_worst(x, false, &r);
    x->event_bytes += network_counts(x->n)->control_bytes - bytes;
    x->event_time += network_now(x->n) - start;
    if (rc == OK)
        rc = run_until(x, network_now(x->n) + RESTART_AFTER);
    if (rc < 0)
        return rc;
    pairs_before(x->p);
    mend(x);
    rc = probe(x, MENDED_MAX, &r);
    keep_worst(x, true, &r);
    return rc == OK ? run_until(x, MAX(network_now(x->n), start + event_time(x->c))) : rc;
}

/* --- the run ---------------------------------------------------------------------------------- */

static double by_node_second(struct run *x, uint64_t bytes, usec_t time)
{
    return time > 0 ? (double)bytes * (double)USEC_SEC / (double)time / (double)x->c->nodes : 0;
}

/* How many events fit, and how long it is idle before them. */
static unsigned plan(const struct scenario_conf *c, usec_t *ret_idle)
{
    usec_t left = c->duration - c->join - WARM - IDLE_MIN;
    usec_t fit = left > 0 && c->event != SCENARIO_NONE ? left / event_time(c) : 0;
    unsigned events = (unsigned)MIN(fit, (usec_t)MIN(c->events, EVENTS_MAX));
    left += IDLE_MIN - (usec_t)events * event_time(c);
    *ret_idle = MAX(MIN(left, IDLE_MAX), 0);
    return events;
}

/* The rest of the duration. */
static int late(struct run *x)
{
    const struct network_counts *k = network_counts(x->n);
    usec_t end = MAX(x->c->duration, network_now(x->n));
    int rc = run_until(x, MIN(MAX(network_now(x->n), x->c->join + SCENARIO_LATE_AFTER), end));
    if (rc < 0)
        return rc;
    struct network_counts before = *k;
    usec_t start = network_now(x->n);
    rc = run_until(x, end);
    x->res->late_bytes =
        by_node_second(x, k->control_bytes - before.control_bytes, network_now(x->n) - start);
    x->res->sent_late = (struct network_counts){
        .hello = k->hello - before.hello,
        .ihu = k->ihu - before.ihu,
        .update = k->update - before.update,
        .retraction = k->retraction - before.retraction,
        .route_request = k->route_request - before.route_request,
        .seqno_request = k->seqno_request - before.seqno_request,
        .data = k->data - before.data,
        .bytes = k->bytes - before.bytes,
        .control_bytes = k->control_bytes - before.control_bytes,
    };
    check_graphs(x);
    return rc;
}

static int course(struct run *x)
{
    const struct network_counts *k = network_counts(x->n);
    usec_t idle, talk = x->c->join + TALK_AFTER;
    unsigned events = plan(x->c, &idle);
    uint64_t bytes;
    int rc = join(x);
    if (rc < 0)
        return rc;
    x->p = pairs_new(x->n, x->c->pairs, talk, x->c->every);
    x->res->pairs = pairs_len(x->p);
    if (x->res->pairs == 0)
        return ERR_INVAL;
    rc = run_until(x, MIN(x->c->join + WARM, x->c->duration));
    if (rc < 0)
        return rc;
    sample(x);
    check_graphs(x);
    x->res->start_bytes = (double)k->control_bytes / (double)x->c->nodes;
    bytes = k->control_bytes;
    rc = run_until(x, network_now(x->n) + idle);
    x->res->idle_bytes = by_node_second(x, k->control_bytes - bytes, idle);
    x->res->stretch = pairs_stretch(x->p, STRETCH_PAIRS);
    for (unsigned i = 0; i < events && rc == OK; i++) {
        rc = event(x);
        x->res->events = i + 1;
    }
    return rc == OK ? late(x) : rc;
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
    struct rusage ru = {0};
    sample(x);
    r->broken.median_s = median(x->medians[0], x->medians_len[0]);
    r->mended.median_s = median(x->medians[1], x->medians_len[1]);
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
    if (getrusage(RUSAGE_SELF, &ru) == 0)
        r->rss_max = MAX(r->rss_max, (uint64_t)ru.ru_maxrss * 1024);
}

int scenario_run(const struct scenario_conf *c, struct scenario_result *ret)
{
    struct run x = {.c = c, .res = ret};
    usec_t start = usec_now();
    *ret = (struct scenario_result){0};
    x.n = network_new(c->seed, c->nodes);
    network_loops(x.n, NETWORK_LOOPS_WATCH);
    if (c->trace)
        network_trace_to(x.n, c->trace);
    topology_build(x.n, &c->topology);
    ret->links = network_links(x.n);
    ret->rss_idle = rss_now();
    x.cut = must(calloc(ret->links + 1, sizeof(*x.cut)));
    int rc = course(&x);
    collect(&x);
    ret->wall_s = (double)(usec_now() - start) / (double)USEC_SEC;
    pairs_free(x.p);
    network_free(x.n);
    free(x.cut);
    return rc;
}
