/* inbox.h - complete messages that no client has settled, and the clients that wait for one.
 *
 * A message is in `index` as long as it is here, and in the two queues (all, topic) while a client
 * can take it: READY, with no delay and with no removal under way. It leaves in two steps: out of
 * the queues when it is given to a client, out of memory when its removal is durable.
 * Owns: the messages. Thread: loop. Limits: in_messages, in_bytes, in_cache_bytes, dead_messages of
 * struct bus_limits, and those of topics.h. Protocol: docs/protocol/messages.md, "Inbox". */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/blob.h"
#include "base/heap.h"
#include "base/hmap.h"
#include "base/list.h"
#include "bus/bus.h"
#include "bus/filter_index.h"
#include "bus/ops.h"
#include "bus/seq_index.h"
#include "bus/token.h"
#include "bus/topics.h"

struct call;
struct consumer;
struct sub;

/* What did not work is tried again after this. */
#define INBOX_RETRY (10 * USEC_SEC)

enum in_op { IN_OP_NONE, IN_OP_TAKE, IN_OP_STATE };

struct in_msg {
    struct list all;        /* inbox.all, while clients can take it; by seq */
    struct list topic_link; /* tq->messages, or tq->forward */
    struct topic_queue *tq; /* as long as it is in the inbox */
    struct op op;
    unsigned refs;       /* the inbox, and each call that has it */
    enum in_state state; /* READY, LEASED, DEAD */
    bool going;          /* its removal was asked for */
    bool forwarding;     /* on lease for a socket: counts in tq->forwarding */
    bool acked;          /* by a client that had it on lease: READ is told when it is gone */
    enum in_op flying;
    bool cached;         /* its payload counts in inbox.cached */
    struct call *taker;  /* pop: who gets it; NULL: the client went away meanwhile */
    struct list waiting; /* struct settle_item: for its removal, or for its state */
    uint64_t version;    /* of what IN_STATE stores; rises with each change */
    uint64_t flying_version, stored_version;

    uint32_t tries, offers; /* of struct bus_in_row */
    int64_t since_ms;
    /* The last lease; `due`: LEASED: its end; READY: end of a delay. */
    uint32_t generation;
    uint8_t nonce[TOKEN_NONCE];
    struct heap_node due;
    int64_t due_ms; /* wall */
    usec_t leased_at;
    struct list mark; /* leases.unmarked: on lease, and the store does not know */
    struct consumer *consumer;
    struct list of_consumer;
    struct sub *sub; /* the subscription that has it */
    struct list of_sub;
    struct heap_node expire; /* READY: age; DEAD: age */

    uint64_t seq;
    struct msg_id id;
    struct ip6 src, dst;
    uint8_t src_key[MSG_KEY_BYTES];
    bool reply;
    bool counted, counted_leased, counted_dead; /* where it counts now */
    int64_t recv_ms;
    uint32_t len;
    struct blob *payload; /* NULL: in the store only */
    uint64_t file;        /* instead, of a large one; 0: none */
    bool gone;            /* its row is not there any more: the file goes with the last reference */
    uint8_t topic_len;
    uint8_t topic[];
};

struct inbox {
    struct hmap topics;
    struct seq_index index;       /* struct in_msg */
    struct list all;              /* by seq */
    struct list any;              /* struct call that wait for any topic, by ticket */
    struct filter_index filtered; /* struct call that wait for more than one topic, by ticket */
    struct list dead;             /* by the time of their death; through `all` */
    struct heap due, expires;
    uint64_t count, bytes, cached;
    uint64_t leased, n_dead;
    uint64_t coming_bytes; /* of topic_reserve() */
    uint32_t configured;   /* topics with limits of their own */
};

MUST_CHECK int inbox_init(struct bus *b);
void inbox_fini(struct bus *b);

/* A message with one reference, in no queue. NULL: no memory. */
struct in_msg *in_msg_new(const uint8_t *topic, uint8_t topic_len);
void in_msg_unref(struct bus *b, struct in_msg *m); /* NULL is fine */
void in_msg_release(struct in_msg *m);              /* one of several references */

/* Takes m, which is durable: goes to who waits for it, or into the queues. ERR_NOMEM: m is still
 * the caller's (and durable: it will be there after a restart). */
MUST_CHECK int inbox_add(struct bus *b, struct in_msg *m, struct instant now);
MUST_CHECK int inbox_load(struct bus *b, const struct bus_in_row *row, struct instant now);

/* Answers at once, or lets the call wait. ERR_NOMEM, ERR_LIMIT. */
MUST_CHECK int inbox_take(struct bus *b, struct call *call, const struct bus_take *t,
                          struct instant now);
/* Lets a call wait in a queue for at most wait_ms. ERR_LIMIT: too many wait. */
MUST_CHECK int inbox_wait(struct bus *b, struct call *call, struct list *queue, int64_t wait_ms,
                          struct instant now);
/* The call's time is over, or its client is gone: out of the queue it waits in. */
void inbox_leave(struct bus *b, struct call *call);
/* The client is gone while a message was on its way to it. */
void inbox_forget(struct bus *b, struct call *call, struct instant now);

struct in_msg *inbox_find(const struct bus *b, uint64_t seq); /* lends; NULL */
/* Must its payload be read from the store before it is handed over? */
static inline bool in_msg_unread(const struct in_msg *m)
{
    return !m->payload && m->len <= MSG_LEN_MAX;
}
static inline bool in_msg_queued(const struct in_msg *m)
{
    return m->state == IN_READY && list_linked(&m->all);
}
/* Out of the queues, into them (READY only), and then to who waits for it. */
void inbox_unlink(struct in_msg *m);
void inbox_link(struct bus *b, struct in_msg *m);
void inbox_offer(struct bus *b, struct in_msg *m);
/* Its removal is to be stored. */
void inbox_go(struct bus *b, struct in_msg *m);
/* It could not be removed, or need not be: what it was before. */
void inbox_put_back(struct bus *b, struct in_msg *m);
/* Its row is not there any more. */
void inbox_remove(struct bus *b, struct in_msg *m);
/* Its state or its numbers changed: counted anew, and stored; nobody waits for that. */
void inbox_changed(struct bus *b, struct in_msg *m);
void inbox_recount(struct bus *b, struct in_msg *m);
/* In no queue and no lease: is put aside. */
void inbox_die(struct bus *b, struct in_msg *m, struct instant now);
/* DEAD, on lease, or behind a delay: can be taken now. */
void inbox_requeue(struct bus *b, struct in_msg *m, struct instant now);
/* When does it go by itself? After each change of its state or of the limits. */
void inbox_arm_expiry(struct bus *b, struct in_msg *m, struct instant now);
/* Of one topic; age: this one of them, which needs a look at every message. */
void inbox_limits_changed(struct bus *b, struct topic_queue *q, bool age, struct instant now);

bool inbox_fill(struct bus *b, struct in_msg *m, struct bus_store_op *op);
void inbox_stored(struct bus *b, struct in_msg *m, const struct bus_store_result *res,
                  struct instant now);
void inbox_tick(struct bus *b, struct instant now);
usec_t inbox_deadline(const struct bus *b);
