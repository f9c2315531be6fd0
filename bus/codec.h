/* codec.h - message packets as bytes: header, the bodies of INIT, CHUNK, DONE, and their ACKs, and
 * what nodes of this program say behind them (trailer.h).
 *
 * Everything here is behind the user header (router/seal.h) and before encryption. Decoders borrow
 * from the packet, never allocate and never look at the state of a transfer.
 * Protocol: docs/protocol/messages.md, "Packets". */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "base/pkt.h"
#include "base/wire.h"
#include "bus/message.h"
#include "bus/trailer.h"

#define MSG_HEADER_BYTES    12
#define MSG_INIT_MIN_BYTES  9
#define MSG_CHUNK_MIN_BYTES 24
#define MSG_DONE_BYTES      40
#define MSG_CHUNK_DATA      1300 /* largest chunk sent; the plan: chunk_plan.h */

enum msg_flag {
    MSG_INIT = 0x8000,
    MSG_DONE = 0x4000,
    MSG_ABORT = 0x2000,
    MSG_CHUNK = 0x1000,
    MSG_READ = 0x0800,
    MSG_REPLY = 0x0400, /* with INIT and its ACK only */
    MSG_ACK = 0x0100,
};

/* What a packet is, in the order in which the flags are looked at. */
enum msg_kind {
    MSG_KIND_INIT,
    MSG_KIND_CHUNK,
    MSG_KIND_DONE,
    MSG_KIND_READ,
    MSG_KIND_ABORT,
    MSG_KIND_INIT_ACK,
    MSG_KIND_CHUNK_ACK,
    MSG_KIND_DONE_ACK,
    MSG_KIND_FORGET, /* READ with ACK */
    MSG_KIND_OTHER,  /* unknown flags: dropped */
};

struct msg_packet {
    enum msg_kind kind;
    struct msg_id id;
    uint32_t
        echo;     /* flags << 16 | reserved bytes, as received: an ACK gives them back (msg_echo) */
    bool reply;   /* INIT */
    uint64_t len; /* INIT: message length */
    struct wire_rd topic;  /* INIT: borrowed */
    uint64_t index;        /* CHUNK, CHUNK ACK */
    uint64_t offset, size; /* CHUNK: size is the announced one */
    const uint8_t *data;   /* CHUNK: min(size, present) bytes, borrowed */
    size_t data_len;
    uint64_t count;             /* DONE; DONE ACK with has_sum */
    uint8_t sum[MSG_SUM_BYTES]; /* DONE; DONE ACK, FORGET with has_sum */
    bool has_sum;               /* DONE ACK, FORGET: their body is there (it need not be) */
    struct trailer trailer;     /* INIT, INIT ACK, CHUNK ACK; borrows */
};

/* body: the packet behind the user header. ERR_MALFORMED: too short for its kind. INIT ACK, DONE
 * ACK, FORGET may have any body; CHUNK ACK needs 8 bytes. A trailer that is not right counts as
 * none. What looks like one behind a CHUNK ACK may be data sent back by a node of an old release:
 * believe it only where the other end is known to speak so. */
MUST_CHECK int msg_decode(struct wire_rd body, struct msg_packet *ret);

/* Builders: a new packet or NULL when out of memory. */
struct pkt *msg_init(const struct msg_id *id, bool reply, uint64_t len, const struct topic *t);
struct pkt *msg_chunk(const struct msg_id *id, uint64_t index, uint64_t offset, const uint8_t *data,
                      size_t len);
struct pkt *msg_done(const struct msg_id *id, uint64_t count,
                     const uint8_t sum[static MSG_SUM_BYTES]);
struct pkt *msg_read(const struct msg_id *id);
struct pkt *msg_abort(const struct msg_id *id);
/* A reply shares its id with others: its checksum is named too; else NULL. */
struct pkt *msg_forget(const struct msg_id *id, const uint8_t *sum);
struct pkt *msg_init_ack(const struct msg_id *id, bool reply, uint64_t len, uint8_t topic_len);
struct pkt *msg_chunk_ack(const struct msg_id *id, uint64_t index, uint64_t offset, uint64_t size);
struct pkt *msg_done_ack(const struct msg_id *id, uint64_t count,
                         const uint8_t sum[static MSG_SUM_BYTES]);
/* An ACK is the packet it answers, turned around: gives a built ACK the flags (with ACK added) and
 * the reserved bytes of that packet. */
void msg_echo(struct pkt *ack, uint32_t echo);
/* An INIT, INIT ACK or CHUNK ACK with a trailer behind it. Takes p (NULL is fine); NULL: no memory.
 */
struct pkt *msg_with_trailer(struct pkt *p, const struct trailer *t);
