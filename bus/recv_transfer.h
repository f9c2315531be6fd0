/* recv_transfer.h - messages that are arriving.
 *
 * A part begins with an INIT and ends as a message in the inbox, by ABORT, or by age. To a plain
 * sender nothing is acknowledged before what it says is durable: ACKs are held in the part until
 * the store operation that covers them came back. A sender that speaks our extension comes back
 * with INIT when we have forgotten its message: what has not come as a whole is acknowledged from
 * memory, and only the DONE ACK waits for the store.
 * Owns: the parts. Thread: loop. Limits: in_parts_node, in_parts_bytes, PART_ACKS_MAX.
 * Protocol: docs/protocol/durability.md, "Receiver". */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/bucket.h"
#include "base/heap.h"
#include "base/hmap.h"
#include "bus/bus.h"
#include "bus/codec.h"
#include "bus/ops.h"
#include "bus/sparse.h"

/* A sender gives up 300 s after it began. */
#define PART_LIFE_MS 330000
/* One of ours is told so long when a limit is reached. */
#define PART_BUSY_MS 2000
/* Chunks of ours per CHUNK ACK, and how long one waits for others. */
#define PART_SACK_EVERY 16
#define PART_SACK_DELAY (10 * USEC_MS)
/* CHUNK ACKs wait so long for the rest of the message, to share its commit. */
#define PART_HOLD (50 * USEC_MS)
/* Held CHUNK ACKs of one part; further CHUNKs are not stored and come again. */
#define PART_ACKS_MAX 512
/* Repeated INITs are answered once in this time; repeated DONEs of a finished message likewise. */
#define PART_INIT_GAP (20 * USEC_MS)
#define PART_DONE_GAP (50 * USEC_MS)
/* DONEs of one part whose checksum is computed, per second and at once. */
#define PART_DONES_PER_SEC 50
#define PART_DONES_BURST   8

struct held_ack {
    uint64_t index, offset, size; /* as received */
    uint32_t echo;
    uint64_t version; /* durable with this version of the part */
};

struct span {
    uint32_t offset, end; /* end 0: no such chunk yet */
};

struct part {
    struct hnode hash; /* (node, id) */
    struct node *node;
    struct topic_queue *tq; /* its place in the inbox is reserved there */
    struct op op;
    struct heap_node expire, hold;

    uint64_t seq; /* of its row */
    bool row;     /* the store was asked to write it */
    struct msg_id id;
    bool reply;
    struct ip6 src, dst;
    uint8_t src_key[MSG_KEY_BYTES];
    int64_t recv_ms, expire_ms;
    uint32_t len;

    struct part_file *file; /* of a large one: where its bytes are; else: */
    struct sparse data;
    struct span *spans; /* by chunk index */
    uint32_t n_spans, cap_spans;
    uint32_t chunks; /* spans that are there */
    uint64_t sizes;  /* their sum */
    bool full;       /* every byte is there */

    uint64_t version, flying, durable; /* rises with each change; what the store has */
    bool init_held;                    /* an INIT ACK waits for the first commit */
    uint32_t init_echo;
    usec_t init_acked_at;
    struct held_ack *acks;
    uint32_t n_acks, cap_acks;
    usec_t held_since;

    /* Of a sender that speaks our extension. */
    bool ours;
    bool one_by_one;   /* it wants a CHUNK ACK for each chunk */
    bool init_has_sum; /* its INIT named the checksum, */
    uint8_t init_sum[MSG_SUM_BYTES];
    uint64_t init_count;  /* and the number of chunks (0: it did not) */
    bool has_after;       /* it does not become complete before another one of its node: */
    struct msg_id after;  /* that one */
    struct list behind;   /* in node->behind, if it has_after */
    usec_t life_end;      /* when it gives up */
    usec_t heard_at;      /* last packet of it */
    struct list sack;     /* in parts.sacks: a CHUNK ACK is due */
    uint32_t unacked;     /* chunks since the last one */
    struct held_ack last; /* the newest of them */
    uint32_t missing;     /* every chunk before this one is there */

    struct bucket dones; /* DONEs whose checksum is looked at */

    /* Between a right DONE and its commit. */
    bool finishing;
    bool held;         /* until the one that it comes behind is complete */
    bool ready_flying; /* the operation under way is the one that makes it READY */
    uint32_t done_echo;
    uint64_t done_count;
    uint8_t sum[MSG_SUM_BYTES];
    uint64_t ready_seq;
    int64_t seen_ms; /* of the row in seen that goes with it */
    bool seen_ours;
    struct blob *body;

    uint8_t topic_len;
    uint8_t topic[];
};

struct parts {
    struct hmap map;
    struct heap expires, holds;
    struct list sacks;          /* parts whose CHUNK ACK is due */
    uint64_t count, bytes;      /* bytes: announced, of those in memory */
    uint64_t files, file_bytes; /* large ones, announced */
    uint64_t write_bytes;       /* of these in memory */
};

MUST_CHECK int parts_init(struct bus *b);
void parts_fini(struct bus *b);

void recv_init(struct bus *b, const struct ip6 *src, const struct ip6 *dst, const uint8_t *src_key,
               const struct msg_packet *i, struct instant now);
void recv_chunk(struct bus *b, const struct ip6 *src, const struct msg_packet *c,
                struct instant now);
void recv_done(struct bus *b, const struct ip6 *src, const struct ip6 *dst,
               const struct msg_packet *d, struct instant now);
void recv_abort(struct bus *b, const struct ip6 *src, const struct msg_packet *a,
                struct instant now);

/* Its sender will not send this message again. */
void recv_forget(struct bus *b, const struct ip6 *src, const struct msg_packet *f,
                 struct instant now);

/* Between recv_transfer.c and recv_store.c. */
struct part *part_find(struct bus *b, const struct ip6 *src, const struct msg_id *id);
/* Counted and indexed; NULL: no memory. */
struct part *part_new(struct bus *b, struct node *n, const struct msg_id *id, uint32_t len,
                      struct wire_rd topic, usec_t now);
void part_free(struct bus *b, struct part *p, usec_t now);
/* The version is durable: ACKs that waited for it leave. */
void part_acks_release(struct bus *b, struct part *p, uint64_t version, usec_t now);
void part_done_ack(struct bus *b, const struct part *p);
void part_chunk_ack(struct bus *b, const struct part *p, const struct held_ack *a);
/* Its ACK is held. ERR_LIMIT, ERR_NOMEM: the chunk will come again. */
MUST_CHECK int part_ack_hold(struct part *p, const struct msg_packet *c, uint32_t max);
/* Its checksum is right: is it one that was received before? Then its sender learns it, and it is
 * gone. */
bool part_known(struct bus *b, struct part *p, struct instant now);
/* With its row and its file. */
void part_give_up(struct bus *b, struct part *p, usec_t now);

/* --- part_order.c: ordered messages. --- */

/* What INIT says of the one that p comes behind. */
void part_order_learn(struct bus *b, struct part *p, const struct trailer *t);
/* Is it here, at least in part? One that comes behind one that is not here would take the room that
 * that one needs. */
bool part_order_known(struct bus *b, const struct node *n, const struct ip6 *src,
                      const struct trailer *t, usec_t now);
/* May p become complete? *ret_after: behind this row of the inbox, which is under way to the store;
 * 0: anyway. */
bool part_order_turn(struct bus *b, const struct part *p, usec_t now, uint64_t *ret_after);
/* p became complete, or is gone: who comes behind it looks again. */
void part_order_go(struct bus *b, const struct part *p);
/* Its sender gave p up: who came behind it comes behind the one before it. */
void part_order_gap(struct bus *b, const struct part *p);

/* Held ACKs: when do they ask for a commit? */
void part_hold_settle(struct bus *b, struct part *p, usec_t now);

/* By its seq; an operator throws one away: OK, ERR_NOENT, ERR_STATE (the store is making it READY).
 * Then it is forgotten; its row is the caller's to remove. */
struct part *parts_find(const struct bus *b, uint64_t seq); /* lends; NULL: none */
MUST_CHECK int parts_have(const struct bus *b, uint64_t seq);
void parts_take_out(struct bus *b, uint64_t seq, struct instant now);

MUST_CHECK int parts_load(struct bus *b, const struct bus_in_row *row, struct instant now);
bool part_fill(struct bus *b, struct part *p, struct bus_store_op *op);
void part_stored(struct bus *b, struct part *p, const struct bus_store_result *res,
                 struct instant now);
void parts_tick(struct bus *b, struct instant now);
usec_t parts_deadline(const struct bus *b);
