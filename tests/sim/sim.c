/* The routing simulator: networks of the real routing core on virtual time. `sim --help`. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "report.h"
#include "scenario.h"

#define SWEEP_DEFAULT "100,1000,10000"
#define JOBS_MAX      16

enum exit_code { EXIT_FINE, EXIT_FOUND, EXIT_USAGE, EXIT_MEMORY };

struct options {
    struct scenario_conf c;
    bool json, twice, pairs_given, searches_given, topology_given;
    double bound_s; /* 0: none */
    const char *sweep;
    size_t jobs;
};

static const char usage[] =
    "sim [options]\n"
    "  --topology NAME   line, ring, grid, star, scale-free (default), geometric, small-world\n"
    "  --nodes N         default 100\n"
    "  --seed N          default 1; equal seeds give equal runs\n"
    "  --duration S      virtual seconds, default 3600\n"
    "  --join S          nodes come one by one over this time; default 0: all at once\n"
    "  --searches N      measured one by one before the traffic; default 20, or one by 180 s\n"
    "  --traffic N       pairs that exchange packets; default: as many as nodes, at most 1000\n"
    "  --talkers N       nodes that these pairs are made of, default 200\n"
    "  --every S         each pair does so, default 5\n"
    "  --popular PERCENT of the pairs ask one of ten nodes, default 20\n"
    "  --event NAME      link-cut, silent-cut, node-death, partition, none; mixed (default): the\n"
    "                    first three in turn\n"
    "  --events N        of each kind at most so many, default 5\n"
    "  --delay MS        mean of a link, one way, default 10 (on a map: by distance)\n"
    "  --loss PERMILLE   frames that arrive 200 ms late, default 0\n"
    "  --bandwidth N     bytes per second of a link and direction, default 0: no limit\n"
    "  --memory MIB      the run ends above it, default 6144\n"
    "  --trace           every control packet but Hello and IHU, on standard output\n"
    "  --json            the report as JSON\n"
    "  --bound S         fails when a pair needs longer to talk again\n"
    "  --twice           runs twice, fails when the two differ\n"
    "  --sweep[=N,N,...] a table over sizes (" SWEEP_DEFAULT "), scale-free and\n"
    "                    small-world; --topology narrows it down\n"
    "  --jobs N          of a sweep at the same time, default 1\n"
    "Status: 0; 1 a loop lasted, a pair stayed silent, or --bound or --twice failed; 2 usage;\n"
    "3 the memory limit was reached.\n";

enum {
    OPT_HELP = 256,
    OPT_TOPOLOGY,
    OPT_NODES,
    OPT_SEED,
    OPT_DURATION,
    OPT_JOIN,
    OPT_SEARCHES,
    OPT_TRAFFIC,
    OPT_TALKERS,
    OPT_EVERY,
    OPT_POPULAR,
    OPT_EVENT,
    OPT_EVENTS,
    OPT_DELAY,
    OPT_LOSS,
    OPT_BANDWIDTH,
    OPT_MEMORY,
    OPT_TRACE,
    OPT_JSON,
    OPT_BOUND,
    OPT_TWICE,
    OPT_SWEEP,
    OPT_JOBS
};

static const struct option long_options[] = {
    {"help", no_argument, NULL, OPT_HELP},
    {"topology", required_argument, NULL, OPT_TOPOLOGY},
    {"nodes", required_argument, NULL, OPT_NODES},
    {"seed", required_argument, NULL, OPT_SEED},
    {"duration", required_argument, NULL, OPT_DURATION},
    {"join", required_argument, NULL, OPT_JOIN},
    {"searches", required_argument, NULL, OPT_SEARCHES},
    {"traffic", required_argument, NULL, OPT_TRAFFIC},
    {"talkers", required_argument, NULL, OPT_TALKERS},
    {"every", required_argument, NULL, OPT_EVERY},
    {"popular", required_argument, NULL, OPT_POPULAR},
    {"event", required_argument, NULL, OPT_EVENT},
    {"events", required_argument, NULL, OPT_EVENTS},
    {"delay", required_argument, NULL, OPT_DELAY},
    {"loss", required_argument, NULL, OPT_LOSS},
    {"bandwidth", required_argument, NULL, OPT_BANDWIDTH},
    {"memory", required_argument, NULL, OPT_MEMORY},
    {"trace", no_argument, NULL, OPT_TRACE},
    {"json", no_argument, NULL, OPT_JSON},
    {"bound", required_argument, NULL, OPT_BOUND},
    {"twice", no_argument, NULL, OPT_TWICE},
    {"sweep", optional_argument, NULL, OPT_SWEEP},
    {"jobs", required_argument, NULL, OPT_JOBS},
    {NULL, 0, NULL, 0},
};

static bool number(const char *text, double min, double max, double *ret)
{
    char *end;
    double v = strtod(text, &end);
    if (end == text || *end || !(v >= min && v <= max))
        return false;
    *ret = v;
    return true;
}

static bool set_number(struct options *o, int option, const char *arg)
{
    struct scenario_conf *c = &o->c;
    double v;
    if (!number(arg, 0, 1e12, &v))
        return false;
    usec_t time = v < 1e9 ? (usec_t)(v * (double)USEC_SEC) : 0;
    switch (option) {
    case OPT_NODES:
        c->nodes = (size_t)v;
        return v >= 2 && v <= 1e6;
    case OPT_DURATION:
        c->duration = time;
        return time > 0;
    case OPT_JOIN:
        c->join = time;
        return v < 1e9;
    case OPT_TRAFFIC:
        c->pairs = (size_t)v;
        o->pairs_given = true;
        return v >= 1 && v <= 1e7;
    case OPT_TALKERS:
        c->talkers = (size_t)v;
        return v >= 2;
    case OPT_SEARCHES:
        c->searches = (unsigned)v;
        o->searches_given = true;
        return v <= 1e4;
    case OPT_EVERY:
        c->every = time;
        return time > 0;
    case OPT_POPULAR:
        c->popular_percent = (unsigned)v;
        return v <= 100;
    case OPT_JOBS:
        o->jobs = (size_t)v;
        return v >= 1 && v <= JOBS_MAX;
    case OPT_EVENTS:
        c->events = (unsigned)v;
        return v <= 100;
    case OPT_DELAY:
        c->topology.delay = time / 1000;
        return time > 0 && v <= 5000;
    case OPT_LOSS:
        c->topology.loss_permille = (unsigned)v;
        return v <= 1000;
    case OPT_BANDWIDTH:
        c->topology.bytes_per_sec = (uint64_t)v;
        return true;
    case OPT_MEMORY:
        c->rss_max = (uint64_t)v * 1024 * 1024;
        return v >= 1;
    case OPT_BOUND:
        o->bound_s = v;
        return true;
    default:
        return false;
    }
}

/* mixed, or one kind. */
static bool set_event(struct scenario_conf *c, const char *name)
{
    if (strcmp(name, "mixed") == 0) {
        c->kinds[0] = BREAK_LINK_CUT;
        c->kinds[1] = BREAK_SILENT_CUT;
        c->kinds[2] = BREAK_NODE_DEATH;
        c->kinds_len = 3;
        return true;
    }
    c->kinds_len = 1;
    if (!break_parse(name, &c->kinds[0]))
        return false;
    if (c->kinds[0] == BREAK_NONE)
        c->kinds_len = 0;
    return true;
}

static bool set(struct options *o, int option, const char *arg)
{
    char *end;
    switch (option) {
    case OPT_TOPOLOGY:
        o->topology_given = true;
        return topology_parse(arg, &o->c.topology.kind);
    case OPT_EVENT:
        return set_event(&o->c, arg);
    case OPT_SEED:
        o->c.seed = strtoull(arg, &end, 0);
        return end != arg && !*end;
    case OPT_TRACE:
        o->c.trace = stdout;
        return true;
    case OPT_JSON:
        o->json = true;
        return true;
    case OPT_TWICE:
        o->twice = true;
        return true;
    case OPT_SWEEP:
        o->sweep = arg ? arg : SWEEP_DEFAULT;
        return true;
    default:
        return arg && set_number(o, option, arg);
    }
}

static int verdict(const struct options *o, const struct scenario_result *r, int rc)
{
    if (rc == ERR_LIMIT)
        return EXIT_MEMORY;
    struct pairs_result broken = scenario_worst(r, false), mended = scenario_worst(r, true);
    if (rc < 0 || r->loops_lasting > 0 || broken.unregained + mended.unregained > 0)
        return EXIT_FOUND;
    if (o->bound_s > 0 && scenario_events(r) == 0 && o->c.kinds_len > 0)
        return EXIT_FOUND; /* a duration too short for what is to be bounded */
    double worst = MAX(broken.all_max_s, mended.all_max_s);
    return o->bound_s > 0 && worst > o->bound_s ? EXIT_FOUND : EXIT_FINE;
}

static int run_one(const struct options *o, bool row)
{
    struct scenario_result r, again;
    int rc = scenario_run(&o->c, &r);
    if (o->json)
        report_json(stdout, &o->c, &r, rc);
    else if (row)
        report_row(stdout, &o->c, &r, rc);
    else
        report_text(stdout, &o->c, &r, rc);
    int found = verdict(o, &r, rc);
    if (!o->twice || found != EXIT_FINE)
        return found;
    if (scenario_run(&o->c, &again) < 0 || again.hash != r.hash) {
        (void)fprintf(stderr, "sim: the second run differs\n");
        return EXIT_FOUND;
    }
    return EXIT_FINE;
}

/* What was not asked for otherwise. */
static void complete(struct options *o)
{
    if (!o->pairs_given)
        o->c.pairs = MIN(o->c.nodes, (size_t)1000);
    if (!o->searches_given)
        o->c.searches = (unsigned)MIN(o->c.duration / (180 * USEC_SEC), 20);
}

/* --- sweep ------------------------------------------------------------------------------------ */

/* A run in a process of its own, so that its memory is measured alone. */
struct job {
    struct options o;
    pid_t pid;
    FILE *out;
};

static void job_start(struct job *j)
{
    (void)fflush(stdout);
    j->out = tmpfile();
    j->pid = j->out ? fork() : -1;
    if (j->pid != 0)
        return;
    int found = EXIT_FOUND;
    if (dup2(fileno(j->out), STDOUT_FILENO) >= 0)
        found = run_one(&j->o, true);
    (void)fflush(stdout);
    _exit(found);
}

static int job_end(struct job *j)
{
    int status, c, found = EXIT_FOUND;
    if (j->pid > 0 && waitpid(j->pid, &status, 0) == j->pid && WIFEXITED(status))
        found = WEXITSTATUS(status);
    if (j->out) {
        rewind(j->out);
        while ((c = fgetc(j->out)) != EOF)
            (void)putchar(c);
        (void)fclose(j->out);
    }
    return found;
}

/* Starts the next ones while the oldest is waited for: their rows come in order. */
static int jobs_run(struct job *v, size_t len, size_t at_once)
{
    int worst = EXIT_FINE;
    size_t started = 0;
    for (size_t i = 0; i < len; i++) {
        while (started < len && started < i + at_once)
            job_start(&v[started++]);
        if (v[i].o.json)
            printf("%s", i == 0 ? "[" : ",\n ");
        int found = job_end(&v[i]);
        worst = MAX(worst, found);
        (void)fflush(stdout);
    }
    if (len > 0 && v[0].o.json)
        printf("]\n");
    return worst;
}

#define SWEEP_MAX 64

static int sweep(struct options *o)
{
    static const enum topology kinds[] = {TOPOLOGY_SCALE_FREE, TOPOLOGY_SMALL_WORLD};
    struct job *jobs = calloc(SWEEP_MAX, sizeof(*jobs));
    size_t len = 0;
    int rc = EXIT_USAGE;
    if (!jobs)
        return EXIT_MEMORY;
    for (const char *at = o->sweep; *at;) {
        char *end;
        o->c.nodes = strtoul(at, &end, 10);
        if (end == at || o->c.nodes < 2 || o->c.nodes > 1000000 || (*end && *end != ','))
            goto out;
        complete(o);
        for (size_t k = 0; k < (o->topology_given ? 1 : ARRAY_LEN(kinds)); k++) {
            if (!o->topology_given)
                o->c.topology.kind = kinds[k];
            if (len == SWEEP_MAX)
                goto out;
            jobs[len++].o = *o;
        }
        at = *end ? end + 1 : end;
    }
    if (!o->json)
        report_row_head(stdout);
    rc = jobs_run(jobs, len, o->jobs);
out:
    free(jobs);
    return rc;
}

int main(int argc, char **argv)
{
    struct options o = {.c = {.nodes = 100,
                              .seed = 1,
                              .topology = {.kind = TOPOLOGY_SCALE_FREE, .delay = 10 * USEC_MS},
                              .duration = 3600 * USEC_SEC,
                              .every = 5 * USEC_SEC,
                              .talkers = 200,
                              .popular_percent = 20,
                              .events = 5,
                              .rss_max = (uint64_t)6144 * 1024 * 1024},
                        .jobs = 1};
    int option, found;
    (void)set_event(&o.c, "mixed"); /* which there is */
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (option == OPT_HELP) {
            (void)fputs(usage, stdout);
            return EXIT_FINE;
        }
        if (option == '?' || !set(&o, option, optarg)) {
            (void)fprintf(stderr, "sim: bad option, see --help\n");
            return EXIT_USAGE;
        }
    }
    if (optind < argc) {
        (void)fprintf(stderr, "sim: no arguments are expected, see --help\n");
        return EXIT_USAGE;
    }
    if (o.sweep) {
        found = sweep(&o);
    } else {
        complete(&o);
        found = run_one(&o, false);
        if (o.json)
            printf("\n");
    }
    return found;
}
