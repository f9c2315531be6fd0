/* leases.h - messages that clients have on lease, and the fetches that give them out.
 *
 * A lease is in memory only. What a restart should know of it (that the message was given out, how
 * often) is stored without anyone waiting for it, for leases that last longer than LEASE_MARK.
 * Owns: the fetches, the named consumers as long as they have something. Thread: loop.
 * Limits: BUS_FETCH_MAX; fetches that wait count in bus_limits.waiters.
 * Protocol: docs/protocol/messages.md, "Leases". */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/hmap.h"
#include "base/list.h"
#include "bus/bus.h"
#include "bus/inbox.h"
#include "bus/ops.h"

struct call;

/* A lease that ends sooner is never stored: most clients are that fast. */
#define LEASE_MARK (100 * USEC_MS)

struct fetch_item {
    struct op op; /* payload to be read */
    struct call *call;
    struct in_msg *m;
    struct blob *body;   /* NULL: not read, or longer than asked for */
    uint32_t generation; /* of the lease; m has another one: it was taken away meanwhile */
};

struct fetch {
    struct call *call;
    struct bus_filter filter;
    uint32_t max;
    uint64_t bytes_left;
    int64_t lease_ms;
    struct consumer *consumer; /* NULL: none */
    struct sub *sub;           /* whose it is; NULL: of a client that asked once */
    struct list of_consumer;   /* while it waits */
    uint32_t reading;          /* items whose payload is not there yet */
    bool answered;             /* the leases are the client's */
    bool socket;               /* of the forwarder */
    uint32_t n, cap;
    struct fetch_item *items;
    struct bus_message *messages; /* cap, for the answer */
};

struct consumer {
    struct hnode hash;
    uint64_t session;
    struct list leases; /* struct in_msg */
    struct list waits;  /* struct fetch */
    size_t len;
    char name[];
};

struct leases {
    struct hmap consumers;
    struct list unmarked; /* struct in_msg, by leased_at */
};

struct consumer *consumer_find(const struct bus *b, const char *name); /* lends; NULL */

MUST_CHECK int leases_init(struct bus *b);
void leases_fini(struct bus *b);

/* call->fetch is set and the caller's. */
MUST_CHECK int fetch_new(struct bus *b, const struct bus_fetch *f, struct fetch **ret);
void fetch_free(struct bus *b, struct fetch *f); /* NULL is fine */
/* Gives out what is there, or lets the call wait. ERR_LIMIT, ERR_NOMEM. ERR_BUSY: what is there
 * does not fit into what its subscription has left. */
MUST_CHECK int fetch_begin(struct bus *b, struct call *call, const struct bus_fetch *f,
                           struct instant now);
/* m, which is in the queues, goes to a call that does not wait (any more). */
void fetch_give(struct bus *b, struct call *call, struct in_msg *m);
/* That was all: it is answered once all payloads are there. */
void fetch_settle(struct bus *b, struct call *call);
/* The call ends: what was not answered goes back as if it had never been given. */
void fetch_end(struct bus *b, struct call *call);
/* The answer leaves now: the leases begin. Fills fetch->messages; how many. */
size_t fetch_answer(struct bus *b, struct call *call, struct instant now);
bool fetch_fill(const struct fetch_item *i, struct bus_store_op *op);
void fetch_stored(struct bus *b, struct fetch_item *i, const struct bus_store_result *res,
                  struct instant now);

bool lease_is(const struct in_msg *m, uint32_t generation); /* Is this one m's present lease? */
void lease_detach(struct bus *b, struct in_msg *m);         /* from its consumer, without more */
/* The lease failed: nack (after delay_ms), its end, or taken over (`quiet`: not offered to those
 * who wait). */
void lease_fail(struct bus *b, struct in_msg *m, int64_t delay_ms, bool quiet, struct instant now);
/* Taken away by an operator: in the queue again, nothing failed. */
void lease_return(struct bus *b, struct in_msg *m, struct instant now);
void lease_renew(struct bus *b, struct in_msg *m, int64_t lease_ms, struct instant now);
void leases_tick(struct bus *b, struct instant now);
usec_t leases_deadline(const struct bus *b);
