/* inbox.h - complete messages that no client has taken, and the clients that wait for one.
 *
 * Owns: the messages, one queue per topic that has messages or waiters. A message is taken in two
 * steps: out of the queues when it is given to a client, out of memory when its removal is durable.
 * Thread: loop. Limits: in_messages, in_bytes, in_cache_bytes of struct bus_limits.
 * Protocol: docs/protocol/messages.md, "Inbox". */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/blob.h"
#include "base/hmap.h"
#include "base/list.h"
#include "bus/bus.h"
#include "bus/ops.h"

struct call;

struct in_msg {
    struct list all; /* inbox.all, while it can be taken; by seq */
    struct list topic_link;
    struct topic_queue *tq; /* while it can be taken */
    struct op op;
    unsigned refs;      /* the inbox, and each call that has it */
    bool taking;        /* given to a client, removal not durable */
    bool cached;        /* its payload counts in inbox.cached */
    struct call *taker; /* NULL: the client went away meanwhile */
    uint64_t seq;
    struct msg_id id;
    struct ip6 src, dst;
    uint8_t src_key[MSG_KEY_BYTES];
    bool reply;
    int64_t recv_ms;
    uint32_t len;
    struct blob *payload; /* NULL: in the store only */
    uint8_t topic_len;
    uint8_t topic[];
};

struct topic_queue {
    struct hnode hash;
    struct list messages; /* by seq */
    struct list waiters;  /* struct call, by ticket */
    uint8_t topic_len;
    uint8_t topic[];
};

struct inbox {
    struct hmap topics;
    struct list all; /* by seq */
    struct list any; /* struct call that wait for any topic, by ticket */
    uint64_t count, bytes, cached;
};

MUST_CHECK int inbox_init(struct bus *b);
void inbox_fini(struct bus *b);

/* Room for one more message, counting those that are on their way into the inbox? */
bool inbox_room(const struct bus *b, uint64_t len);

/* A message with one reference, in no queue. NULL: no memory. */
struct in_msg *in_msg_new(const uint8_t *topic, uint8_t topic_len);
void in_msg_unref(struct in_msg *m); /* NULL is fine */

/* Takes m, which is durable: goes to who waits for it, or into the queues. ERR_NOMEM: m is still
 * the caller's (and durable: it will be there after a restart). */
MUST_CHECK int inbox_add(struct bus *b, struct in_msg *m, struct instant now);

/* Answers at once, or lets the call wait. ERR_NOMEM. */
MUST_CHECK int inbox_take(struct bus *b, struct call *call, const struct bus_take *t,
                          struct instant now);
/* The call's time is over, or its client is gone: out of the queue it waits in. */
void inbox_leave(struct bus *b, struct call *call);
/* The client is gone while a message was on its way to it. */
void inbox_forget(struct bus *b, struct call *call, struct instant now);

bool inbox_fill(struct bus *b, struct in_msg *m, struct bus_store_op *op);
void inbox_stored(struct bus *b, struct in_msg *m, const struct bus_store_result *res,
                  struct instant now);
