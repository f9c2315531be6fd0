/* bus_streams.h - what streams to clients need of the bus: subscriptions, taps, changes.
 *
 * A subscription takes messages on lease for as long as it lasts, as one fetch behind the other
 * would: never more than its credit unsettled. A tap gets a copy of what becomes complete and takes
 * nothing. Changes are the last things that happened to entries of the outbox, numbered.
 * Part of bus.h: pulled with bus_next(), thread loop, owned by the bus.
 * Protocol: docs/protocol/streams.md, "Subscriptions", "Taps", "Changes of the outbox". */
#pragma once
#include "bus/bus.h"

/* --- subscriptions ---------------------------------------------------------------------------- */

#define BUS_CREDIT_MAX 1024 /* messages of one subscription on lease */

struct bus_sub_conf {
    struct bus_filter filter;
    uint32_t credit;       /* messages on lease at a time, to BUS_CREDIT_MAX; 0: none for now */
    uint64_t credit_bytes; /* .. and bytes of their payloads; one message may always be more */
    int64_t lease_ms;      /* as in struct bus_fetch */
    char consumer[BUS_CONSUMER_MAX + 1]; /* likewise */
    uint64_t session;                    /* likewise */
};
/* Answers are BUS_OUT_FETCHED with this number, each with messages, as often as there are some and
 * credit for them. Payloads of files do not come along and cost no bytes of credit. With an rc it
 * is over: ERR_STATE: somebody else goes on under its consumer's name; others as of bus_fetch(). At
 * once: ERR_INVAL, ERR_BUSY, ERR_LIMIT, ERR_NOMEM. */
MUST_CHECK int bus_subscribe(struct bus *b, const struct bus_sub_conf *c, bus_client client,
                             struct instant now);
/* ERR_NOENT, ERR_INVAL. Less than is on lease: nothing comes before enough is settled. */
MUST_CHECK int bus_sub_credit(struct bus *b, bus_client client, uint32_t credit,
                              uint64_t credit_bytes);
/* Paused: nothing is given out or read for it, also what was on its way; others may have it. */
void bus_sub_pause(struct bus *b, bus_client client, bool paused);
/* What is to become of the leases when a subscription ends. */
enum bus_sub_end {
    BUS_SUB_RETURN, /* given up in order: ready again */
    BUS_SUB_FAIL,   /* the client broke off: ready again, one try more */
    BUS_SUB_KEEP    /* with a consumer's name: they last until their time or its next session */
};
/* Fine when there is none. */
void bus_unsubscribe(struct bus *b, bus_client client, enum bus_sub_end how, struct instant now);
/* Messages on lease under this name. */
uint32_t bus_consumer_leases(const struct bus *b, const char *name);
/* Tokens of those up to and with `seq`, in the order in which they were given out; none if that is
 * not one of them. At most cap; how many. */
size_t bus_consumer_tokens(const struct bus *b, const char *name, uint64_t seq,
                           struct bus_token *ret, size_t cap);

/* --- taps ------------------------------------------------------------------------------------- */

/* Copies that wait for their tap to take them; beyond it the oldest go. */
#define BUS_TAP_MESSAGES 256
#define BUS_TAP_BYTES    (1u << 20)
#define BUS_TAPS_MAX     4096 /* ERR_LIMIT */

/* Copies come as BUS_OUT_TAPPED: message without a lease, and `dropped`: how many before it went
 * because the tap did not take them. ERR_INVAL, ERR_EXIST, ERR_LIMIT, ERR_NOMEM. */
MUST_CHECK int bus_tap(struct bus *b, const struct bus_filter *f, bus_client client);
void bus_tap_pause(struct bus *b, bus_client client, bool paused);
void bus_untap(struct bus *b, bus_client client); /* fine when there is none */

/* --- changes of the outbox -------------------------------------------------------------------- */

#define BUS_CHANGES_KEPT 4096

struct bus_change {
    uint64_t index; /* 1.. of this process, without holes */
    uint64_t seq;   /* 0: not known (READ, long after RECEIVED) */
    struct msg_id id;
    enum out_state state;
    enum out_reason reason;
    uint64_t acked_bytes; /* of its payload, that the receiver has */
};
/* Index of the newest; 0: none yet. */
uint64_t bus_changes_last(const struct bus *b);
/* Those above `after`, oldest first; *ret_n of them, at most cap. ERR_NOENT: they are not kept any
 * more, or never were: *ret_n is the oldest index that is. */
MUST_CHECK int bus_changes_read(const struct bus *b, uint64_t after, struct bus_change *ret,
                                size_t cap, uint64_t *ret_n);
/* On: BUS_OUT_NEWS comes after changes, once for all that were not read about yet. */
void bus_changes_watch(struct bus *b, bool on);
