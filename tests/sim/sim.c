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

#define SWEEP_DEFAULT "100,300,1000"

enum exit_code { EXIT_FINE, EXIT_FOUND, EXIT_USAGE, EXIT_MEMORY };

struct options {
    struct scenario_conf c;
    bool json, twice, pairs_given, topology_given, event_given;
    double bound_s; /* 0: none */
    const char *sweep;
};

static const char usage[] =
    "sim [options]\n"
    "  --topology NAME   line, ring, grid, star, scale-free (default), geometric\n"
    "  --nodes N         default 100\n"
    "  --seed N          default 1; equal seeds give equal runs\n"
    "  --duration S      virtual seconds, default 3600\n"
    "  --join S          nodes come one by one over this time; default 0: all at once\n"
    "  --traffic N       pairs that exchange packets; default: as many as nodes\n"
    "  --every S         each pair does so, default 30\n"
    "  --event NAME      link-cut (default), node-death, silent-cut, partition, none\n"
    "  --events N        at most so many, default 5\n"
    "  --delay MS        mean of a link, one way, default 10 (geometric: by distance)\n"
    "  --loss PERMILLE   frames that arrive 200 ms late, default 0\n"
    "  --bandwidth N     bytes per second of a link and direction, default 0: no limit\n"
    "  --memory MIB      the run ends above it, default 6144\n"
    "  --trace           every control packet but Hello and IHU, on standard output\n"
    "  --json            the report as JSON\n"
    "  --bound S         fails when a pair needs longer to talk again\n"
    "  --twice           runs twice, fails when the two differ\n"
    "  --sweep[=N,N,...] a table over sizes (" SWEEP_DEFAULT
    "), scale-free and geometric, link-cut\n"
    "                    and node-death; --topology, --event narrow it down\n"
    "Status: 0; 1 a loop lasted, a pair stayed silent, or --bound or --twice failed; 2 usage;\n"
    "3 the memory limit was reached.\n";

enum {
    OPT_HELP = 256,
    OPT_TOPOLOGY,
    OPT_NODES,
    OPT_SEED,
    OPT_DURATION,
    OPT_JOIN,
    OPT_TRAFFIC,
    OPT_EVERY,
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
    OPT_SWEEP
};

static const struct option long_options[] = {
    {"help", no_argument, NULL, OPT_HELP},
    {"topology", required_argument, NULL, OPT_TOPOLOGY},
    {"nodes", required_argument, NULL, OPT_NODES},
    {"seed", required_argument, NULL, OPT_SEED},
    {"duration", required_argument, NULL, OPT_DURATION},
    {"join", required_argument, NULL, OPT_JOIN},
    {"traffic", required_argument, NULL, OPT_TRAFFIC},
    {"every", required_argument, NULL, OPT_EVERY},
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
    case OPT_EVERY:
        c->every = time;
        return time > 0;
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

static bool set(struct options *o, int option, const char *arg)
{
    char *end;
    switch (option) {
    case OPT_TOPOLOGY:
        o->topology_given = true;
        return topology_parse(arg, &o->c.topology.kind);
    case OPT_EVENT:
        o->event_given = true;
        return scenario_event_parse(arg, &o->c.event);
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
    if (rc < 0 || r->loops_lasting > 0 || r->broken.unregained + r->mended.unregained > 0)
        return EXIT_FOUND;
    if (o->bound_s > 0 && r->events == 0 && o->c.event != SCENARIO_NONE)
        return EXIT_FOUND; /* a duration too short for what is to be bounded */
    double worst = MAX(r->broken.all_max_s, r->mended.all_max_s);
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

/* --- sweep ------------------------------------------------------------------------------------ */

/* In a process of its own, so that its memory is measured alone. */
static int run_apart(const struct options *o)
{
    int status;
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid < 0)
        return EXIT_FOUND;
    if (pid == 0) {
        int found = run_one(o, true);
        (void)fflush(stdout);
        _exit(found);
    }
    if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
        return EXIT_FOUND;
    return WEXITSTATUS(status);
}

static int sweep_size(struct options o, bool *first)
{
    static const enum topology kinds[] = {TOPOLOGY_SCALE_FREE, TOPOLOGY_GEOMETRIC};
    static const enum scenario_event events[] = {SCENARIO_LINK_CUT, SCENARIO_NODE_DEATH};
    int worst = EXIT_FINE;
    if (!o.pairs_given)
        o.c.pairs = o.c.nodes;
    for (size_t k = 0; k < (o.topology_given ? 1 : ARRAY_LEN(kinds)); k++) {
        for (size_t e = 0; e < (o.event_given ? 1 : ARRAY_LEN(events)); e++) {
            if (!o.topology_given)
                o.c.topology.kind = kinds[k];
            if (!o.event_given)
                o.c.event = events[e];
            if (o.json)
                printf("%s", *first ? "[" : ",\n ");
            *first = false;
            int found = run_apart(&o);
            worst = MAX(worst, found);
        }
    }
    return worst;
}

static int sweep(struct options *o)
{
    int worst = EXIT_FINE;
    bool first = true;
    if (!o->json)
        report_row_head(stdout);
    for (const char *at = o->sweep; *at;) {
        char *end;
        o->c.nodes = strtoul(at, &end, 10);
        if (end == at || o->c.nodes < 2 || o->c.nodes > 1000000 || (*end && *end != ','))
            return EXIT_USAGE;
        int found = sweep_size(*o, &first);
        worst = MAX(worst, found);
        at = *end ? end + 1 : end;
    }
    if (o->json)
        printf("]\n");
    return worst;
}

int main(int argc, char **argv)
{
    struct options o = {.c = {.nodes = 100,
                              .seed = 1,
                              .topology = {.kind = TOPOLOGY_SCALE_FREE, .delay = 10 * USEC_MS},
                              .duration = 3600 * USEC_SEC,
                              .every = 30 * USEC_SEC,
                              .event = SCENARIO_LINK_CUT,
                              .events = 5,
                              .rss_max = (uint64_t)6144 * 1024 * 1024}};
    int option, found;
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
        if (!o.pairs_given)
            o.c.pairs = o.c.nodes;
        found = run_one(&o, false);
        if (o.json)
            printf("\n");
    }
    return found;
}
