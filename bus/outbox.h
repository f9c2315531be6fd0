/* outbox.h - messages accepted from clients and not yet at their end.
 *
 * Index, limits, what the store is asked for, payloads in memory, messages that wait for another
 * with the same id. How a message travels: send_transfer.h. Owns: every struct out_msg. A message
 * leaves memory when its final state is durable. Thread: loop. Limits: out_* of struct bus_limits.
 * Protocol: docs/protocol/durability.md, "Sender". */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "bus/bus.h"
#include "bus/out_msg.h"

struct call;
struct node;

/* Payloads of one line and priority of a node that are read back ahead of their turn. */
#define OUTBOX_READ_AHEAD 256
/* After a failed store operation, or without memory for a transfer. */
#define OUTBOX_RETRY (1 * USEC_SEC)
/* READs remembered so that their copies cost no store operation. */
#define OUTBOX_READS 16384
/* Ended messages remembered by (node, id), so that a later one with the same pair knows of it. */
#define OUTBOX_ENDED 65536

struct outbox {
    struct hmap by_key, by_id, by_idem;
    struct hmap streams; /* struct stream */
    struct list groups;  /* struct many */
    struct heap timers, deadlines;
    uint64_t live, bytes;            /* accepted and not final */
    uint64_t live_local;             /* of these: to this node, on their way to the store */
    uint64_t memory, memory_bytes;   /* of these: only in memory */
    uint64_t kept_bytes, read_bytes; /* payloads in memory: since acceptance; read ahead */
    uint64_t file_bytes;             /* of files, in memory */
    uint64_t late_bytes;             /* of transfers that wait without a slot */
    uint64_t *reads;                 /* OUTBOX_READS keys, the lowest bit: it is durable */
    uint64_t *ended;                 /* OUTBOX_ENDED keys */
};

MUST_CHECK int outbox_init(struct bus *b);
void outbox_fini(struct bus *b);

MUST_CHECK int outbox_send(struct bus *b, const struct bus_send *s, struct call *call,
                           struct instant now);
/* Between outbox.c, out_store.c, out_calls.c and many.c. A message for s->dst, entered and counted,
 * that nobody has asked the store for; `like` has the same payload, or is NULL. */
MUST_CHECK int outbox_make(struct bus *b, const struct bus_send *s, const struct out_msg *like,
                           struct instant now, struct out_msg **ret);
void outbox_local_fill(struct bus *b, struct out_msg *m, struct bus_store_op *op);
/* It is durable: first the one, and when its clients were told the other. */
void outbox_accept(struct out_msg *m);
void outbox_begin(struct bus *b, struct out_msg *m, struct instant now);
/* The entry of a row, which memory may know better. */
void outbox_entry(struct bus *b, const struct bus_out_row *row, struct bus_status_info *ret);
MUST_CHECK int outbox_load(struct bus *b, const struct bus_out_row *row, struct instant now);
/* Its back-off is forgotten. */
void outbox_retry(struct bus *b, struct out_msg *m, struct instant now);
void outbox_status(const struct out_msg *m, struct bus_status_info *ret);

/* The next message of the line whose turn it is to be started, payload in memory; NULL: none, or
 * its payload is being read, or the node is asked again at once. */
struct out_msg *outbox_next(struct bus *b, struct node *n, enum line_kind kind, usec_t now);
/* The topic of m takes nothing until then: see holds.h. ERR_LIMIT, ERR_NOMEM. */
MUST_CHECK int outbox_hold(struct bus *b, const struct out_msg *m, usec_t until);
/* It was started: out of the queue, its payload no longer counts as waiting. */
void outbox_started(struct bus *b, struct out_msg *m);
/* Back to the end of the queue: it cannot be started now. */
void outbox_postpone(struct bus *b, struct out_msg *m, struct instant now);
/* The end, as far as the network is concerned: state is final. */
void outbox_finish(struct bus *b, struct out_msg *m, enum out_state state, struct instant now);
/* The same: its payload is not in the store any more. */
void outbox_lost(struct bus *b, struct out_msg *m, struct instant now);

/* --- out_index.c --- */

/* The message with this (node, id) whose turn it is; NULL: none. */
struct out_msg *outbox_find(struct bus *b, const struct ip6 *node, const struct msg_id *id);
struct out_msg *outbox_find_key(struct bus *b, uint64_t node, const struct msg_id *id);
/* The newest live one with this id. */
struct out_msg *outbox_newest(struct bus *b, const struct msg_id *id);
/* The newest live one with this id, and this seq unless that is 0, that was accepted. */
struct out_msg *outbox_accepted(struct bus *b, uint64_t seq, const struct msg_id *id);
/* The oldest to this node with this id that is received, which is not durable yet. */
struct out_msg *outbox_received(struct bus *b, const struct ip6 *node, const struct msg_id *id);
/* Of (node, id), with the secret of the index. */
uint64_t outbox_key_hash(const struct bus *b, uint64_t node, const struct msg_id *id);
/* Is a message with this id live or lately ended, to this node? */
bool outbox_knows(struct bus *b, const struct ip6 *node, const struct msg_id *id);
void outbox_id_add(struct bus *b, struct out_msg *m);
void outbox_id_del(struct bus *b, struct out_msg *m); /* fine when it is not there */
/* m becomes the one with its (node, id) whose turn it is, or is it no more. */
void outbox_turn_begin(struct bus *b, struct out_msg *m);
void outbox_turn_end(struct bus *b, struct out_msg *m);

/* --- out_read.c --- */

/* READ came for a message that is not live: its entry may become READ. */
void outbox_read_entry(struct bus *b, struct node *n, const struct ip6 *dst,
                       const struct msg_id *id, struct instant now);

/* That is durable, or failed: who told READ hears FORGET. */
void outbox_read_stored(struct bus *b, const struct ip6 *dst, const struct msg_id *id, int rc,
                        usec_t now);
/* Has the READ of this message been recorded lately? */
bool outbox_read_told(struct bus *b, const struct ip6 *dst, const struct msg_id *id);

/* Between outbox.c, out_store.c and idem.c. */
void outbox_row(const struct out_msg *m, struct bus_out_row *ret); /* without the body */
void outbox_row_status(const struct bus_out_row *r, struct bus_status_info *ret);
void outbox_line_up(struct bus *b, struct out_msg *m, usec_t now); /* durable: waits for its turn */
void outbox_keep_body(struct bus *b,
                      struct out_msg *m); /* in memory while it waits, if there is room */
void outbox_drop_body(struct bus *b, struct out_msg *m);
void outbox_free(struct bus *b, struct out_msg *m, usec_t now); /* in no line any more */

bool outbox_fill(struct bus *b, struct out_msg *m, struct bus_store_op *op);
void outbox_stored(struct bus *b, struct out_msg *m, const struct bus_store_result *res,
                   struct instant now);
void outbox_tick(struct bus *b, struct instant now);
