/* recv_answer.h - what a receiver says to INITs and CHUNKs: the plain ACKs, and the trailers that
 * nodes of this program get instead. Which of them and when: recv_transfer.c. Thread: loop.
 * Protocol: docs/protocol/messages.md, "Extension". */
#pragma once
#include <stdbool.h>

#include "bus/bus.h"
#include "bus/codec.h"
#include "bus/recv_transfer.h"

/* An ACK: turned around, counted, queued. Takes ack; NULL: no memory, as if it was lost. */
void answer_ack(struct bus *b, const struct ip6 *from, const struct ip6 *to, struct pkt *ack,
                uint32_t echo);
/* INIT ACK of a part: plain, or with its status and what is there. */
void answer_init(struct bus *b, struct part *p, enum trailer_status status, usec_t now);
/* To an INIT that makes no part. A plain sender hears nothing, but of what is complete. `to` is
 * what the INIT went to. */
void answer_complete(struct bus *b, const struct ip6 *from, const struct ip6 *to,
                     const struct msg_packet *i);
void answer_busy(struct bus *b, const struct ip6 *from, const struct ip6 *to,
                 const struct msg_packet *i, bool topic_only);
/* To the INIT of a part that cannot be kept. */
void answer_part_busy(struct bus *b, const struct part *p);
void answer_refused(struct bus *b, const struct ip6 *from, const struct ip6 *to,
                    const struct msg_packet *i);

/* A chunk of one of ours arrived: it counts in the next CHUNK ACK for many. */
void sack_note(struct bus *b, struct part *p, const struct msg_packet *c, bool at_once, usec_t now);
void sack_now(struct bus *b, struct part *p); /* its time has come */
void sack_stop(struct bus *b, struct part *p);
/* The next CHUNK ACK that is due; false: none. */
bool sack_next(struct bus *b, struct bus_out *ret);
