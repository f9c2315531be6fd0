/* scenario.h - one run of the simulator: a network comes up, nodes search, pairs talk, things
 * break, figures come out.
 *
 * Course: nodes join; after SETTLE a quiet time without traffic is measured; some searches are
 * measured one by one; the pairs begin, and a steady time is measured; then events follow each
 * other: something breaks, is measured, is mended, is measured again. The rest of the duration
 * passes in peace. */
#pragma once
#include "base/macros.h"
#include "breaks.h"
#include "pairs.h"
#include "reach.h"
#include "topology.h"
#include "usage.h"

struct scenario_conf {
    size_t nodes;
    uint64_t seed;
    struct topology_conf topology;
    usec_t duration;
    usec_t join; /* the nodes come one by one over this time; 0: all at once */
    size_t pairs, talkers;
    unsigned popular_percent;
    usec_t every; /* each pair exchanges packets */
    unsigned searches;
    enum break_kind kinds[BREAK_KINDS]; /* taken in turn */
    size_t kinds_len;
    unsigned events;  /* of each kind at most; as many as fit the duration happen */
    uint64_t rss_max; /* bytes; the run ends with ERR_LIMIT above it */
    FILE *trace;      /* borrowed; NULL: none */
};

/* Worst of all events, but the medians, which are the median of the events' medians. */
struct scenario_outcome {
    unsigned events;
    struct pairs_result broken, mended;
};

struct scenario_result {
    size_t links, pairs;
    struct reach reach;
    struct searches searches;
    struct scenario_outcome outcomes[BREAK_KINDS];
    uint64_t loops, loops_lasting, ttl_expired;
    size_t loops_every; /* ways are followed to each so-manieth node */
    /* Control bytes. start: by node, until the quiet time; the others by node and second: without
     * traffic, with it, in events, and after the last one. */
    double start_bytes, quiet_bytes, steady_bytes, event_bytes, late_bytes;
    usec_t quiet, steady, late; /* how long they were */
    struct network_counts sent, sent_late;
    double routes_node_max, sources_node_max; /* mean over the nodes, at the worst moment */
    uint32_t routes_most;                     /* of one node */
    uint64_t limit_refusals;                  /* full tables of the routers */
    uint64_t requests_refused; /* too many searches by one neighbour, or of one node */
    uint64_t rss_start, rss_idle, rss_quiet, rss_max; /* bytes: empty, routers without links, ... */
    uint64_t page_tables;                             /* at most */
    struct pairs_stretch stretch;
    uint64_t asked, answered, frames, events_run;
    double virtual_s, wall_s, cpu_s;
    uint64_t hash;
};
/* OK, or ERR_LIMIT: memory; then the result tells how far it went. */
MUST_CHECK int scenario_run(const struct scenario_conf *c, struct scenario_result *ret);

/* Over all kinds of events. */
struct pairs_result scenario_worst(const struct scenario_result *r, bool mended);
unsigned scenario_events(const struct scenario_result *r);
