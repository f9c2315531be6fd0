/* scenario.h - one run of the simulator: a network comes up, pairs talk, things break, figures come
 * out.
 *
 * Course: nodes join, WARM later the idle figures are taken, then events follow each other:
 * something breaks, is measured, is mended, is measured again. The rest of the duration passes in
 * peace. */
#pragma once
#include "base/macros.h"
#include "pairs.h"
#include "topology.h"

enum scenario_event {
    SCENARIO_NONE,
    SCENARIO_LINK_CUT,   /* a link in use is reset */
    SCENARIO_NODE_DEATH, /* a node on the way of others ends, and starts anew with empty tables */
    SCENARIO_SILENT_CUT, /* a link in use loses all bytes */
    SCENARIO_PARTITION,  /* all links between two halves are reset */
};
const char *scenario_event_name(enum scenario_event e);
bool scenario_event_parse(const char *name, enum scenario_event *ret);

/* By then, routes that nobody uses have lived their life once.
 * docs/protocol/routing.md, "Constants and timers". */
#define SCENARIO_LATE_AFTER (1200 * USEC_SEC)

struct scenario_conf {
    size_t nodes;
    uint64_t seed;
    struct topology_conf topology;
    usec_t duration;
    usec_t join; /* the nodes come one by one over this time; 0: all at once */
    size_t pairs;
    usec_t every; /* each pair exchanges packets */
    enum scenario_event event;
    unsigned events;  /* at most; as many as fit the duration happen */
    uint64_t rss_max; /* bytes; the run ends with ERR_LIMIT above it */
    FILE *trace;      /* borrowed; NULL: none */
};

struct scenario_result {
    size_t links, pairs;
    unsigned events;
    /* Worst of all events, but the median, which is the median of the events' medians. */
    struct pairs_result broken, mended;
    uint64_t loops, loops_lasting, ttl_expired;
    /* Control, by node and second: before the events, in them, and from SCENARIO_LATE_AFTER to the
     * end of the run; start: in all, by node. */
    double idle_bytes, event_bytes, late_bytes, start_bytes;
    struct network_counts sent, sent_late;
    double routes_node_max, sources_node_max; /* mean over the nodes, at the worst moment */
    uint64_t limit_refusals;                  /* full tables of the routers */
    uint64_t rss_idle, rss_max;               /* bytes: before links came up, and at most */
    struct pairs_stretch stretch;
    uint64_t asked, answered, frames, events_run;
    double virtual_s, wall_s;
    uint64_t hash;
};
/* OK, or ERR_LIMIT: memory; then the result tells how far it went. */
MUST_CHECK int scenario_run(const struct scenario_conf *c, struct scenario_result *ret);
