/* network.h - a network of routers in one process, on virtual time.
 *
 * Nodes are numbered from 0 and named A, B, ... in the trace; links are reliable streams with a
 * delay, a bandwidth, and losses that show as further delay (as TCP makes them). They can be cut or
 * fall silent, and nodes can die and come back. Everything random comes from one seed, so that a
 * run can be repeated. An event costs O(log of what is under way), whatever the number of nodes.
 * Bytes that a router hands up go to network_on_local(), where a scenario answers them. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "router/router.h"

/* Limits of a router that the address space of its tables follows: about ten megabytes each. */
#define NETWORK_ROUTES_MAX        32768
#define NETWORK_SOURCES_MAX       8192
#define NETWORK_QUERIES_MAX       1024
#define NETWORK_SEQNO_ENTRIES_MAX 1024

struct network;
struct network *network_new(uint64_t seed, size_t nodes); /* ends the program when out of memory */
/* The same, where each node with `plain` set follows the plain rules (plain.h). Such nodes can make
 * loops: NETWORK_LOOPS_WATCH. */
struct network *network_new_mixed(uint64_t seed, size_t nodes, const bool *plain);
void network_free(struct network *n);

/* Its name in the trace. */
#define NETWORK_NAME_MAX 12
const char *network_name(size_t node, char buf[static NETWORK_NAME_MAX]);

struct rng *network_rng(struct network *n); /* lends; for the scenario's own choices */
/* Lends; NULL: it is dead, or a plain one. */
struct router *network_router(struct network *n, size_t node);
size_t network_nodes(const struct network *n);
usec_t network_now(const struct network *n); /* since the start */

/* --- links and nodes -------------------------------------------------------------------------- */

/* Data that would wait longer than this for a link's bandwidth is dropped; control never is. */
#define NETWORK_BACKLOG_MAX (1 * USEC_SEC)
/* The constant part of each link's cost: TCP over IPv6. */
#define NETWORK_STATIC_COST 10

struct network_link {
    size_t a, b;
    usec_t delay;           /* one way */
    uint64_t bytes_per_sec; /* each way; 0: no limit */
    unsigned loss_permille; /* frames that arrive 200 ms late, and hold up what follows */
    bool up, silent;
};
/* A link between two nodes, not up yet. Returns its number. */
size_t network_link_add(struct network *n, size_t a, size_t b, usec_t delay);
/* The same, up at once. */
size_t network_link(struct network *n, size_t a, size_t b, usec_t delay);
struct network_link *network_link_at(struct network *n, size_t link); /* lends */
size_t network_links(const struct network *n);
size_t network_degree(const struct network *n, size_t node); /* links, up or not */
/* Reset: both ends notice at once, what was under way is lost. */
void network_cut(struct network *n, size_t link);
/* Up again, when both ends live. */
void network_restore(struct network *n, size_t link);
/* Nothing arrives any more, both ends believe the link to be up; the routers have to find out. */
void network_silence(struct network *n, size_t link);
/* Everything that was sent meanwhile arrives, as TCP does it; unless it has been closed. */
void network_resume(struct network *n, size_t link);

/* The process ends: its tables are lost, its neighbours see their links reset. */
void network_kill(struct network *n, size_t node);
/* It is started anew with the same key; the links that ended with it come back. */
void network_revive(struct network *n, size_t node);

/* A black hole: the node takes part in everything, but the data that it should pass on vanishes. */
void network_swallow(struct network *n, size_t node, bool on);

/* --- time and packets ------------------------------------------------------------------------- */

void network_run(struct network *n, usec_t by);
/* The same, to a moment, but returns after about so many events: false when there is more to do. */
bool network_run_some(struct network *n, usec_t until, uint64_t events);

/* Sends one packet of this node; counts as delivered when it comes out at the other end. */
int network_send(struct network *n, size_t from, size_t to);
int network_send_bytes(struct network *n, size_t from, size_t to, const void *bytes, size_t len);
void network_doubt(struct network *n, size_t from, size_t to); /* router_doubt() of the sender */
/* router_want() of the sender: a search, unless there is a route. */
void network_want(struct network *n, size_t from, size_t to);
uint64_t network_delivered(const struct network *n);
uint64_t network_unsent(const struct network *n);

/* A packet that `from` puts on its link by itself, past its router; takes p. */
void network_inject(struct network *n, size_t link, size_t from, struct pkt *p);

/* What comes out for a node; borrows o and its packet. It may send. */
typedef void network_local(void *ctx, size_t node, const struct router_out *o);
void network_on_local(struct network *n, network_local *fn, void *ctx);

/* --- ways ------------------------------------------------------------------------------------- */

/* What a forwarding loop means. FATAL (the default): ends the program; after every event all paths
 * of the node that changed are followed, O(nodes). WATCH: the paths of which a node tells others
 * are followed; a loop is counted, and counted as lasting when it is still there after the time in
 * which a packet uses up its hop limit in it. */
enum network_loops { NETWORK_LOOPS_FATAL, NETWORK_LOOPS_WATCH };
void network_loops(struct network *n, enum network_loops what);
/* WATCH follows the paths to every n-th node only; default: to each. */
void network_loops_sample(struct network *n, size_t every);

#define NETWORK_HOPS_MAX 64
/* Hops on the way, following the selected routes over links that work; -1: no way, a loop, or more
 * than NETWORK_HOPS_MAX. */
int network_path(struct network *n, size_t from, size_t to);
/* The links of that way, at most NETWORK_HOPS_MAX; its length as above. */
int network_way(struct network *n, size_t from, size_t to, size_t links[static NETWORK_HOPS_MAX]);
bool network_connected(struct network *n, size_t from, size_t to); /* is there a way at all? */
int network_hops(struct network *n, size_t from, size_t to);       /* on the shortest; -1: none */
/* To all nodes; -1: none. */
void network_hops_from(struct network *n, size_t from, int *ret);

/* Cost that the link would have once measured: round trip in ms and the constant. */
uint32_t network_link_cost(const struct network_link *l);
/* True least costs from one node to all (Dijkstra); UINT32_MAX: no way. */
void network_costs_from(struct network *n, size_t from, uint32_t *ret);

/* Follows the selected routes of all nodes towards one: a loop in that graph counts as above. */
void network_check_graph(struct network *n, size_t to);

/* --- counts ----------------------------------------------------------------------------------- */

/* Frames that were sent since the last reset, by type. */
struct network_counts {
    uint64_t hello, ihu, update, retraction, route_request, seqno_request, data;
    uint64_t bytes, control_bytes;
    uint64_t backlog_dropped;
    uint64_t events;
    uint64_t loops, loops_lasting; /* NETWORK_LOOPS_WATCH */
};
const struct network_counts *network_counts(const struct network *n); /* lends */
void network_counts_reset(struct network *n);

/* What is said about the /64 of one node from now on, and when another finds a route to it. */
struct network_watched {
    uint64_t requests, updates, retractions, seqno_requests, bytes;
    size_t reached; /* nodes that were sent a request */
    usec_t found;   /* `from` has a route, so long after; USEC_NEVER: not yet */
};
void network_watch(struct network *n, size_t from, size_t to);
/* Ends the watching, which costs a little. */
struct network_watched network_watch_end(struct network *n);
/* Nodes that have a route to this one. */
size_t network_routes_to(struct network *n, size_t to);

/* Of all that was sent since the start, and when: equal runs have equal hashes. */
uint64_t network_hash(const struct network *n);

/* Trace of control packets other than Hello and IHU, one line each:
 * "   95.202 B>A U(C,1010,0,C)" (subnet, metric, seqno, origin), "R(C,1)" (subnet, generation),
 * "S(C,3,64,C)" (subnet, seqno, hops, origin); retractions have metric inf. */
void network_trace(struct network *n, bool on);
void network_trace_to(struct network *n, FILE *f); /* writes it there instead of keeping it */
/* A line of the scenario's own. */
void network_trace_note(struct network *n, const char *text);
const char *network_trace_text(struct network *n); /* lends: until the next event */
void network_trace_reset(struct network *n);
