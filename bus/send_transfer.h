/* send_transfer.h - how a message is brought to its destination.
 *
 * Start, end, and what a timer means for a transfer: send_transfer.c. What an answer means:
 * send_answer.c. Which packet leaves next: send_packets.c. Its chunks: send_chunks.h. State in
 * struct out_msg and struct node; window and timer in struct flow. Works with every receiver of the
 * network. Thread: loop. Limits: out_transfers_node, out_transfers, the window. Protocol:
 * docs/protocol/durability.md, "Sender". */
#pragma once
#include <stdbool.h>

#include "bus/bus.h"
#include "bus/codec.h"
#include "bus/node.h"
#include "bus/out_msg.h"

/* Chunks of one message in its turn: messages end one after the other and not all at once, and a
 * node of this program acknowledges them together. */
#define SEND_TURN 64
/* The next message begins when less than so many chunks, and two windows, of those that have begun
 * are unsent: the answer to its INIT is there when its turn comes. */
#define SEND_AHEAD 256
/* Chunks of small messages for one of large ones, when both wait. */
#define SEND_SMALL_TURNS 3
/* Of the transfer slots, 1 in so many is kept for small messages. */
#define SEND_SMALL_SLOTS 4
#define SEND_SILENT      5 /* timers without an ACK, then INIT again */
#define SEND_SILENT_OURS 2 /* likewise, to a node that keeps what it has at INIT */
#define SEND_RESTARTS    5 /* such INITs, then smaller chunks */
#define SEND_CHUNK_SMALL 1000
#define SEND_DONES       3 /* silent DONEs, then the probe */
#define SEND_PROBES      3 /* silent probes, then the message is there or lost */
#define SEND_ROUNDS      3 /* all chunks again after an answered probe, then INIT */
#define SEND_READ_WAIT   (2 * USEC_SEC)
#define SEND_LATE_INIT   (1 * USEC_SEC) /* first gap of INITs to a node that may have the message */
#define SEND_BRISK       (1 * USEC_SEC) /* longest timer of the one that asks for all of a node */
#define SEND_UNANSWERED  3 /* timers of a node without a packet from it, then nothing new starts */

/* A silent node with held topics: so rarely a message of another topic asks. */
#define SEND_SCOUTS_EVERY (2 * USEC_SEC)

/* A node that is busy says for how long; within these. */
#define SEND_BUSY_MIN (1 * USEC_SEC)
#define SEND_BUSY_MAX (30 * USEC_SEC)

/* Any packet came from the node. */
void send_heard(struct bus *b, struct node *n, struct instant now);
void send_init_ack(struct bus *b, struct out_msg *m, const struct msg_packet *p,
                   struct instant now);
void send_chunk_ack(struct bus *b, struct out_msg *m, const struct msg_packet *p,
                    struct instant now);
void send_done_ack(struct bus *b, struct out_msg *m, const struct msg_packet *p,
                   struct instant now);
void send_read(struct bus *b, struct out_msg *m, struct instant now);
/* The message's timer ended. */
void send_timer(struct bus *b, struct out_msg *m, struct instant now);
/* At-most-once: state DONE_SENT is durable, the DONE may leave. */
void send_done_stored(struct bus *b, struct out_msg *m, struct instant now);
/* The node's route was found or lost. */
void send_route(struct bus *b, struct node *n, bool reachable, struct instant now);
/* Its route leads over another neighbour now. */
void send_rerouted(struct bus *b, struct node *n, struct instant now);
/* Its timer ends now; without a route, one is asked for. */
void send_retry(struct bus *b, struct out_msg *m, struct instant now);
/* Starts a message whose payload is in memory. ERR_NOMEM: nothing changed. */
MUST_CHECK int send_start(struct bus *b, struct out_msg *m, struct instant now);
/* May its INIT, chunks and DONE leave in one go? */
bool send_is_eager(const struct out_msg *m, usec_t now);
/* Ends the transfer: out of all lists of its node. Fine when it was not started. */
void send_stop(struct bus *b, struct out_msg *m);

/* Next packet for any node; false: nothing may leave now. */
bool send_next(struct bus *b, struct bus_out *ret, struct instant now);
/* m has packets or chunks to send, or has none any more: into the list of its node where it
 * belongs. */
void send_requeue(struct bus *b, struct out_msg *m);
/* Is the data of its next packet in memory? Else it is being read. */
bool send_data_ready(struct bus *b, struct out_msg *m);
/* The timer that follows a packet of m. */
usec_t send_timeout(const struct out_msg *m);
/* Does the receiver speak our extension, as far as we know? */
bool send_to_ours(const struct bus *b, const struct out_msg *m, struct instant now);

/* Between the files named above. */
void send_arm(struct bus *b, struct out_msg *m, usec_t when);
/* Its INIT has its answer, or none is expected any more. */
void send_hold_end(struct out_msg *m);
/* It waits for something that may never come: others may start, as long as the payloads of those
 * that wait so do not become too many. */
void send_slot_end(struct bus *b, struct out_msg *m);
/* From the beginning: INIT. keep: what is acknowledged stays so until the answer tells; else
 * nothing counts as sent. */
void send_restart(struct bus *b, struct out_msg *m, bool keep);
/* At-most-once, and its DONE may have been heard: only DONE, more and more rarely. */
void send_late(struct bus *b, struct out_msg *m);
