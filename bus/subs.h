/* subs.h - subscriptions: fetches that follow each other, within a credit.
 *
 * While a subscription has credit and is not paused, a fetch waits for it under its number; what it
 * has on lease hangs in `held` until the lease ends, however that comes about, and that gives the
 * credit back. Owns: its entries. Thread: loop. Limits: BUS_CREDIT_MAX; those that wait count in
 * bus_limits.waiters. Protocol: docs/protocol/streams.md, "Subscriptions". */
#pragma once
#include "base/hmap.h"
#include "base/list.h"
#include "bus/bus_streams.h"

struct call;
struct in_msg;

struct sub {
    struct hnode by_client;
    bus_client client;
    struct bus_sub_conf conf;
    struct list due; /* subs.due: a fetch is to be begun */
    struct call *call;
    struct list held; /* struct in_msg, through of_sub */
    uint32_t n_held;
    uint64_t held_bytes;
    bool paused;
    bool stuck;   /* what is there does not fit: until something is settled */
    bool ran;     /* its session is its consumer's */
    bool over;    /* it was told an error */
    bool failing; /* .. or is to be */
    int rc;
};

struct subs {
    struct hmap by_client;
    struct list due;
    uint32_t count;
};

MUST_CHECK int subs_init(struct bus *b);
void subs_fini(struct bus *b); /* after inbox and calls */

/* m is given to s, or is not on lease to its subscription any more (fine when it never was). */
void sub_hold(struct sub *s, struct in_msg *m);
void sub_release(struct bus *b, struct in_msg *m);
/* Has s room for m beside what it holds? */
bool sub_fits(const struct sub *s, const struct in_msg *m);
/* Its fetch is at its end. */
void sub_call_end(struct bus *b, struct sub *s);
/* m does not fit, and nothing that comes later goes before it. */
void sub_stuck(struct sub *s);
/* Another session has the name of its consumer. */
void sub_taken_over(struct bus *b, struct sub *s);
/* Begins what is due. */
void subs_run(struct bus *b, struct instant now);
