/* out_msg.h - one message on its way to another node, from acceptance to its end.
 *
 * The object only; what happens to it: outbox.h (index, limits, store), send_transfer.h (packets).
 * Owns: its payload reference, its chunk table, what it has of its file. Thread: loop. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/blob.h"
#include "base/heap.h"
#include "base/hmap.h"
#include "base/list.h"
#include "bus/chunk_plan.h"
#include "bus/flow.h"
#include "bus/message.h"
#include "bus/node.h"
#include "bus/ops.h"

enum out_chunk_state { OUT_CHUNK_UNSENT, OUT_CHUNK_SENT, OUT_CHUNK_LOST, OUT_CHUNK_ACKED };

struct out_chunk {
    struct list link; /* SENT: node->flying; LOST: msg->lost */
    struct out_msg *msg;
    struct flow_stamp stamp;
    uint32_t index;
    uint8_t sends;
    enum out_chunk_state state;
};

/* Records of neighbouring chunks: made when the first of them is sent, gone when all of them are
 * acknowledged, so that a long message has only those of what is under way. */
#define OUT_BLOCK_CHUNKS 256u
struct out_block {
    uint32_t n, open; /* chunks; those that are not acknowledged */
    struct out_chunk v[];
};

/* What a transfer in OUT_DONE_SENT is doing about the missing answer. */
enum out_ask {
    OUT_ASK_DONE,  /* DONE again;                              leaves by: answer, SEND_DONES silent
                    */
    OUT_ASK_PROBE, /* chunk 0 again: does it know the message? leaves by: answer, SEND_PROBES silent
                    */
    OUT_ASK_WAIT,  /* a moment for READ;                       leaves by: READ, timer -> INIT */
    OUT_ASK_LATE,  /* at-most-once: DONE, more and more rarely; leaves by: answer, deadline */
};

/* Packets that a transfer wants to send besides its chunks, in this order. */
enum out_packet { OUT_SEND_INIT = 1, OUT_SEND_PROBE = 2, OUT_SEND_DONE = 4 };

/* What the store should do for it; the highest one goes first. */
enum out_store {
    OUT_STORE_PUT = 1,
    OUT_STORE_BODY = 2,
    OUT_STORE_DONE = 4,
    OUT_STORE_LOCAL = 8, /* in memory, to this node: into the inbox */
    OUT_STORE_FINAL = 16,
    OUT_STORE_ACKED = 32 /* how far it has come; nobody waits for that */
};

struct stream;

enum out_kept {
    OUT_KEPT_NOT,   /* payload in no cache: none in memory, or its transfer runs */
    OUT_KEPT_CACHE, /* since it was accepted */
    OUT_KEPT_READ,  /* read back ahead of its turn */
};

struct out_msg {
    struct hnode by_key;  /* (node, id): only the one whose turn it is */
    struct hnode by_id;   /* id: only the newest with this id */
    struct hnode by_idem; /* idempotency key, if it has one */
    struct list twins;    /* calls that wait for the store: until it is durable, those with the same
                             key; then those that cancel it, until its end is */
    struct out_msg *id_older, *id_newer;
    struct list followers; /* others with the same (node, id), in order, through link */
    struct list link;      /* in its line, node->active, late, or followers of another */
    struct list send;      /* node->control or the chunks of its line */
    bool in_control;       /* which of them */
    struct heap_node timer, deadline;
    struct op op;
    unsigned store, store_flying; /* enum out_store */
    struct node *node;
    struct topic_queue *coming; /* to this node: its place in the inbox; NULL: none */
    struct call *call;          /* waits for acceptance; NULL: nobody */

    uint64_t seq;
    struct msg_id id;
    struct ip6 src, dst;
    uint8_t sum[MSG_SUM_BYTES];
    uint32_t len;
    bool reply, loaded, local;
    bool in_memory; /* its row is in mem_rows.h, its payload always here */
    bool accepted;  /* durable */
    bool forced;    /* however large it is for its receiver */
    bool shared;    /* others with its (node, id) ended lately: answers to them may still come */
    bool indexed;   /* in by_id */
    bool queued;    /* in the queue of its line or, prepped, in its prep */
    bool prepped;
    bool ordered;
    uint32_t many;         /* as in its row */
    struct stream *stream; /* streams.h; NULL: in none */
    struct list in_stream;
    bool lined_up; /* it had its turn in the stream */
    enum out_state state;
    enum out_state final;   /* what it becomes once that is durable; OUT_QUEUED: nothing yet */
    enum out_reason reason; /* of `final`; NONE: the usual one */
    bool read_late;         /* READ came after `final` was on its way to the store */
    enum out_policy policy;
    uint8_t prio;
    int64_t created_ms, deadline_ms, final_ms; /* wall */
    usec_t deadline_at;
    struct blob *body; /* NULL: only in the store */
    uint64_t file;     /* instead: where the payload is; 0: none */
    enum out_kept kept;

    /* The transfer; see send_transfer.c. */
    struct send_file *data;    /* what is in memory of its file */
    struct out_block **blocks; /* of plan.count chunks: NULL: none was sent; OUT_BLOCK_ACKED; or
                                  NULL as a whole */
    struct out_block *only;    /* where blocks points to when there is one */
    uint32_t n_blocks;
    struct chunk_plan plan;
    struct list lost;
    uint32_t n_lost;
    uint32_t told_to; /* chunks before it are known to the receiver, or known not to be: no further
                         for now */
    uint32_t next;    /* first chunk never sent since the last INIT */
    uint32_t acked, flying; /* chunks acknowledged; sent and not answered */
    uint32_t turn;          /* chunks sent in its turn */
    uint32_t unsent;        /* those that count in line.unsent */
    uint32_t acked_to;      /* those before it are acknowledged, */
    uint32_t noted_to;      /* and were at */
    usec_t noted_at;
    unsigned packets; /* enum out_packet */
    enum out_ask ask;
    uint8_t doublings, silent, restarts, inits, dones, probes, rounds;
    uint8_t mute_inits; /* INITs with a trailer since the last answer, */
    usec_t mute_since;  /* and when the first of them left */
    bool init_trailer;  /* the last INIT had one */
    bool bare;          /* INITs go without: they were not answered */
    bool busy;          /* the receiver asked to wait: until its timer */
    bool eager, eager_again;
    bool whole;       /* all its packets in one go when its turn comes, if the window allows */
    bool done_valid;  /* a DONE left after every chunk */
    bool done_stored; /* at-most-once: DONE_SENT is durable */
    bool hold;        /* its INIT counts in node->inflight */
    bool slot;        /* counts in node->n_active */
    bool late;        /* in node->late: counts in outbox.late_bytes */
    bool late_init;   /* asks a node that may have the message: slow INITs */
    bool sent_any;
    bool resumes;          /* chunk 0 asks a plain receiver whether it still has what was sent */
    uint32_t stored_acked; /* as of the last OUT_STORE_ACKED, */
    usec_t stored_at;      /* and when */
    struct blob *progress; /* of before a restart */
    uint64_t local_seq;    /* of the inbox row of a message to this node */
    usec_t init_at, init_before; /* the last INIT, the one before */
    usec_t done_at;

    uint8_t topic_len, idem_len;
    uint8_t topic[]; /* idem_len bytes of the idempotency key behind it */
};

/* Messages up to this size are small ones: they leave in one go where that is allowed. */
#define OUT_SMALL_MAX (16u * 1024)

/* Does a store operation decide what happens next? */
static inline bool out_msg_storing(const struct out_msg *m)
{
    return (m->store | m->store_flying) & ~(unsigned)OUT_STORE_ACKED;
}

static inline enum line_kind out_line_kind(const struct out_msg *m)
{
    if (m->len > MSG_LEN_MAX)
        return LINE_FILE;
    return m->len <= OUT_SMALL_MAX ? LINE_SMALL : LINE_LARGE;
}

static inline struct line *out_line(const struct out_msg *m)
{
    return &m->node->lines[out_line_kind(m)];
}

/* What its payload takes of the memory for payloads. */
static inline uint64_t out_msg_memory(const struct out_msg *m)
{
    return m->file != 0 ? 0 : m->len;
}

static inline const uint8_t *out_msg_idem(const struct out_msg *m)
{
    return m->topic + m->topic_len;
}

/* Zeroed but for topic and key; NULL: no memory. */
struct out_msg *out_msg_new(const struct topic *topic, const struct idem_key *idem);
void out_msg_free(struct out_msg *m); /* must be in no list, map or heap; NULL is fine */

/* The one place where the state changes; checks that the move is one of those in message.h. */
void out_msg_set(struct out_msg *m, enum out_state s);
