/* network.h - a network of routers in one process, on virtual time.
 *
 * Nodes are numbered from 0 and named A, B, ... in the trace; links are reliable streams with a
 * delay, with losses that show as further delay (as TCP makes them), and can be cut or fall silent.
 * Everything random comes from one seed, so that a run can be repeated. After every event the paths
 * of the node that changed are followed: a forwarding loop ends the run. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "router/router.h"

struct network;
struct network *network_new(uint64_t seed, size_t nodes); /* ends the program when out of memory */
void network_free(struct network *n);

/* Its name in the trace. */
#define NETWORK_NAME_MAX 8
const char *network_name(size_t node, char buf[static NETWORK_NAME_MAX]);

struct rng *network_rng(struct network *n); /* lends; for the scenario's own choices */
struct router *network_router(struct network *n, size_t node); /* lends */
usec_t network_now(const struct network *n);                   /* since the start */

struct network_link {
    size_t a, b;
    usec_t delay;           /* one way */
    unsigned loss_permille; /* frames that arrive 200 ms late, and hold up what follows */
    bool up, silent;
};
/* A link between two nodes, up at once. Returns its number. */
size_t network_link(struct network *n, size_t a, size_t b, usec_t delay);
struct network_link *network_link_at(struct network *n, size_t link); /* lends */
size_t network_links(const struct network *n);
/* Reset: both ends notice at once, what was under way is lost. */
void network_cut(struct network *n, size_t link);
void network_restore(struct network *n, size_t link);
/* All bytes vanish, both ends believe the link to be up; the routers have to find out. */
void network_silence(struct network *n, size_t link);

void network_run(struct network *n, usec_t by);

/* Sends one message of this node; counts as delivered when it comes out at the other end. */
int network_send(struct network *n, size_t from, size_t to);
uint64_t network_delivered(const struct network *n);
uint64_t network_unsent(const struct network *n);

/* Hops on the way, following the selected routes over links that work; -1: no way. */
int network_path(struct network *n, size_t from, size_t to);
bool network_connected(struct network *n, size_t from, size_t to); /* is there a way at all? */
int network_hops(struct network *n, size_t from, size_t to);       /* on the shortest; -1: none */

/* Frames that were sent since the last reset, by type. */
struct network_counts {
    uint64_t hello, ihu, update, retraction, route_request, seqno_request, data, bytes;
};
const struct network_counts *network_counts(const struct network *n); /* lends */
void network_counts_reset(struct network *n);

/* Trace of control packets other than Hello and IHU, one line each:
 * "   95.202 B>A U(C,1010,0,C)" (subnet, metric, seqno, origin), "R(C,1)" (subnet, generation),
 * "S(C,3,64,C)" (subnet, seqno, hops, origin); retractions have metric inf. */
void network_trace(struct network *n, bool on);
const char *network_trace_text(struct network *n); /* lends: until the next event */
void network_trace_reset(struct network *n);
