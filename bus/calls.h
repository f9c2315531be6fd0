/* calls.h - calls of clients under way: who waits for what, and the answers that are ready.
 *
 * A struct call lives from the client's call until its last answer was taken with bus_next(), or
 * until the client went away. Owns: its entries and, through them, a reference to the message that
 * is handed over. Thread: loop. Limit: bus_limits.waiters for those that wait. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/heap.h"
#include "base/hmap.h"
#include "base/list.h"
#include "bus/bus.h"
#include "bus/ops.h"

enum call_kind {
    CALL_SEND,
    CALL_TAKE,
    CALL_STATUS,
    CALL_FETCH,
    CALL_SETTLE,
    CALL_BODY,
    CALL_OUT,
    CALL_OUT_LIST,
    CALL_RULE
};

/* CALL_OUT */
enum out_call { OUT_CALL_ENTRY, OUT_CALL_CANCEL, OUT_CALL_RETRY, OUT_CALL_WAIT };

struct call {
    struct hnode by_client;
    bus_client client;
    enum call_kind kind;
    struct list due; /* calls.due, when an answer is ready */
    bool accept_due; /* SEND: BUS_OUT_ACCEPTED */
    bool last_due;   /* TAKEN, STATUS, FETCHED, .. (SEND without reply: none); then it ends */
    int accept_rc, rc;
    struct msg_id id; /* SEND, STATUS */

    /* CALL_SEND */
    struct out_msg *out; /* until it is durable */
    struct many *group;  /* likewise; then `entries` has theirs */
    struct list twin;    /* in out_msg.twins */
    bool same;           /* its content is the same as that one's */
    bool replayed;
    bool reply_wait;
    struct hnode by_reply; /* while a reply is waited for: (node, id) */
    bool by_reply_in;
    uint64_t node;
    int64_t reply_wait_ms;

    /* CALL_TAKE, CALL_FETCH, and CALL_SEND with reply_wait */
    bool peek, waits;
    uint64_t max_len;            /* of CALL_TAKE; 0: any */
    struct list wait;            /* inbox.any, an entry of inbox.filtered, or topic_queue.waiters */
    struct topic_queue *tq;      /* waits for one topic */
    struct filter_node *several; /* waits for more than one: its entry of inbox.filtered */
    uint64_t ticket;             /* order of waiting */
    struct heap_node expire;
    struct in_msg *msg; /* TAKE: reference: handed over, or its removal is under way. BODY */
    struct blob *body;  /* of a peek, and of CALL_BODY: read for it */

    struct fetch *fetch;        /* CALL_FETCH */
    struct settle *settle;      /* CALL_SETTLE */
    uint64_t part_seq;          /* of the part that it throws away */
    struct rule_change *change; /* CALL_RULE: until it is durable */

    /* CALL_OUT, CALL_OUT_LIST */
    enum out_call ask;
    uint64_t seq; /* 0: by id */
    /* OUT_CALL_WAIT, and SEND that becomes one */
    struct hnode by_watch; /* while it waits for a change of an entry with this id */
    bool watching, watch_over;
    uint32_t index;
    int64_t watch_ms;
    struct bus_out_filter filter;
    struct bus_status_info *entries;
    size_t n_entries;
    uint64_t next_before;

    struct op op; /* payload to be read; STATUS: to be found; SETTLE: part to be removed */
    struct bus_status_info status;
};

struct calls {
    struct hmap by_client, by_reply, by_watch;
    struct list due;
    struct heap expires;
    uint64_t ticket;
    uint32_t waiting; /* in queues of the inbox, for a reply, or for a change of an entry */
};

struct rng;
MUST_CHECK int calls_init(struct calls *c, struct rng *r);
void calls_fini(struct calls *c); /* must be empty */

/* NULL: no memory, or the client has a call under way. */
struct call *call_new(struct calls *c, bus_client client, enum call_kind kind);
struct call *call_find(const struct calls *c, bus_client client);
/* In no list but `due`, without message; frees it. */
void call_free(struct calls *c, struct call *call);
/* An answer is ready. */
void call_due(struct calls *c, struct call *call);

void call_reply_add(struct calls *c, struct call *call);
void call_reply_del(struct calls *c, struct call *call); /* fine when it is not there */
/* It waits for a change of an entry with its id, or does no more (fine when it did not). */
void call_watch_add(struct calls *c, struct call *call);
void call_watch_del(struct calls *c, struct call *call);
/* One of those that wait for a change of an entry with this id; NULL: none. */
struct call *call_watch_find(const struct calls *c, const struct msg_id *id);
/* Who waits for a message with this id from this node; NULL: nobody. */
struct call *call_reply_find(const struct calls *c, uint64_t node, const struct msg_id *id);
