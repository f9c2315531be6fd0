/* plain.h - a node by the plain rules of the network: what a neighbour of another program does, as
 * far as a network of few nodes can see it.
 *
 * It answers what it is asked when it can, and else keeps silent: it drops requests and packets for
 * a subnet whose routes are all retracted (6 s), passes the same seqno request on once a minute,
 * forgets who asked while it searches, says Hello every 20 s and finds a silent link after 43 s.
 * With it a network mixes both kinds of nodes without any other program.
 *
 * Driven as a router (router/router.h), and with its outputs. Only /64s, no errors to senders.
 * Limits are asserted: networks of some dozen nodes. Thread: one owner. */
#pragma once
#include "router/router.h"

struct plain;
/* Borrows both for its life. Ends the program when out of memory. */
struct plain *plain_new(const struct identity *id, struct rng *rng, usec_t now);
void plain_free(struct plain *p);

peer_id plain_peer_up(struct plain *p, uint16_t static_cost, usec_t now);
void plain_peer_down(struct plain *p, peer_id peer, usec_t now);
void plain_recv(struct plain *p, peer_id from, struct wire_rd frame, usec_t now);
/* A packet of its own; takes pkt, whose data is the body without user header. */
void plain_send(struct plain *p, const struct ip6 *dst, struct pkt *pkt, usec_t now);
void plain_tick(struct plain *p, usec_t now);
usec_t plain_deadline(const struct plain *p);
bool plain_next(struct plain *p, struct router_out *ret); /* FRAME, LOCAL and CLOSE */
peer_id plain_next_hop(const struct plain *p, const struct ip6 *dst);
