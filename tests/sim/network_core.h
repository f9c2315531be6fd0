/* network_core.h - what the files of the simulated network share; everyone else uses network.h. */
#pragma once
#include "base/heap.h"
#include "network.h"
#include "plain.h"
#include "router/packet.h"
#include "router/tlv.h"
#include "trace.h"

enum event_kind { EVENT_NODE, EVENT_PIPE, EVENT_SUSPECT };

struct event {
    struct heap_node due;
    enum event_kind kind;
};

/* One packet under way. Kept in a list of spare ones afterwards. */
struct frame {
    struct frame *next;
    usec_t arrives;
    struct pkt *pkt;
};

/* One direction of a link. */
struct pipe {
    struct event arrival; /* of the first frame */
    struct frame *first, **tail;
    usec_t last;    /* arrival of the last one: order is kept */
    usec_t idle_at; /* the last byte has left; for the bandwidth */
    struct edge *edge;
    size_t from, to;
    peer_id peer;      /* the receiver, as the sender calls it */
    peer_id from_peer; /* the sender, as the receiver calls it */
};

struct edge {
    struct network_link l;
    size_t number;
    bool died;           /* ended with a node, and comes back with it */
    struct pipe pipe[2]; /* a to b, b to a */
};

struct node {
    struct event tick;
    struct identity *id;
    struct rng rng;
    bool is_plain;
    struct router *r;    /* NULL: dead */
    struct plain *plain; /* likewise, of a plain one */
    bool swallows;       /* data of others */
    struct ip6 address;
    struct edge **edges; /* that end here */
    size_t edges_len, edges_cap;
    struct pipe **by_peer; /* from here, by the number of the neighbour; NULL: its link has ended */
    size_t by_peer_len, by_peer_cap;
};

/* A loop that was seen, to be looked at again. */
struct suspect {
    struct event again;
    size_t node, dst;
    struct suspect *next;
};

struct network {
    struct rng rng;
    usec_t now;
    struct heap heap;
    struct node *nodes;
    size_t nodes_len;
    uint32_t *by_address; /* node + 1 by the first 64 bits of its address, open addressing */
    size_t by_address_mask;
    struct edge **edges;
    size_t edges_len, edges_cap;
    struct frame *spare_frames;
    struct frame_block *frame_blocks;
    struct network_counts counts;
    uint64_t delivered, unsent, hash;
    network_local *local;
    void *local_ctx;
    struct network_watched watched;
    size_t watch_from, watch_to; /* watch_to = nodes_len: nothing is watched */
    usec_t watch_start;
    bool *watch_reached; /* by node, while something is */
    enum network_loops loops;
    size_t loops_every;
    struct suspect *suspects; /* waiting and done ones; few */
    bool tracing;
    FILE *trace_file;
    struct trace trace;
};

/* network.c */
_Noreturn void network_die(const char *why);
void *network_must(void *p);
void network_arm(struct network *n, struct event *e, usec_t when);
void network_drain(struct network *n, size_t node, const struct pkt *cause);
size_t network_node_of(const struct network *n, const struct ip6 *a); /* nodes_len: unknown */

/* network_node.c: the core of a node, of either kind */
void network_node_start(struct network *n, struct node *x);
void network_node_stop(struct node *x); /* fine when it is dead */
bool network_node_lives(const struct node *x);
peer_id network_node_peer_up(struct network *n, struct node *x, const struct router_link *link);
void network_node_peer_down(struct network *n, struct node *x, peer_id peer);
void network_node_recv(struct network *n, struct node *x, peer_id from, struct wire_rd frame);
int network_node_send(struct network *n, struct node *x, const struct ip6 *dst, struct pkt *p);
void network_node_tick(struct network *n, struct node *x);
bool network_node_next(struct node *x, struct router_out *ret);
usec_t network_node_deadline(const struct node *x);
peer_id network_node_next_hop(const struct node *x, const struct ip6 *dst); /* 0: dead, none */

/* network_links.c */
struct pipe *network_pipe(const struct network *n, size_t from, peer_id peer); /* NULL: none */
void network_transmit(struct network *n, struct pipe *p, struct pkt *pkt);
void network_close(struct network *n, struct edge *e);
void network_arrive(struct network *n, struct pipe *p);
void network_links_free(struct network *n);

/* network_counts.c; ret_dst: of an Update whose way is followed, else nodes_len */
void network_account(struct network *n, const struct pipe *p, const struct pkt *pkt,
                     size_t *ret_dst);
void network_watch_reachable(struct network *n, size_t node, const struct router_out *o);

/* network_paths.c */
void network_check_loops(struct network *n, size_t node, const struct pkt *cause);
void network_check_way(struct network *n, size_t node, size_t dst);
void network_look_again(struct network *n, struct suspect *s);
