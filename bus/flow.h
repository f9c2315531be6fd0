/* flow.h - how much may be under way to one node, and how long to wait for its answers.
 *
 * One controller per destination node, shared by all its messages. The path below is a chain of
 * streams with long queues, where loss says nothing: it uses delay and delivery rate. A value
 * driven by calls; owns nothing. Unit of everything: one chunk. Thread: loop. Time: an argument.
 * Protocol: docs/protocol/messages.md, "Flow control". */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

#define FLOW_WINDOW_START 32
#define FLOW_WINDOW_MIN   16
#define FLOW_WINDOW_MAX   8192
#define FLOW_RTO_START    (500 * USEC_MS) /* before the first sample */
#define FLOW_RTO_MIN      (200 * USEC_MS)
#define FLOW_RTO_MAX      (5 * USEC_SEC)
#define FLOW_TIMER_MAX    (30 * USEC_SEC) /* after doublings */
/* A receiver may hold its ACKs for so long, so that one disk commit covers many chunks. Without
 * this allowance the window would follow the fastest commit ever seen and throttle all others. */
#define FLOW_ACK_DELAY      (50 * USEC_MS)
#define FLOW_ACK_DELAY_OURS (10 * USEC_MS) /* of nodes that acknowledge from memory */
#define FLOW_RATE_ROUNDS    10
#define FLOW_LOSS_LATER     16 /* chunks sent later and acknowledged before one counts as lost */

/* What is remembered of a chunk when it is sent. */
struct flow_stamp {
    usec_t sent;
    usec_t first_sent;   /* when the newest chunk acknowledged at that time was sent */
    usec_t delivered_at; /* when the newest ACK known at that time came */
    uint64_t delivered;  /* ACKs until then */
    uint64_t lost_after; /* lost once the ACK counter is here and the chunk is old enough */
    bool app_limited;    /* sent because there was nothing else to send: says nothing of the path */
    bool few;            /* sent with so few under way that they make no queue */
};

struct flow {
    bool has_rtt;
    usec_t srtt, rttvar;
    usec_t min_rtt, min_rtt_at;
    bool probing; /* the least window for a moment, to see the path without a queue of ours */
    usec_t probing_since;
    usec_t ack_delay;
    uint64_t delivered; /* chunks acknowledged */
    usec_t delivered_at;
    usec_t first_sent;
    uint64_t round, round_end;      /* a round ends when a chunk sent in it is acknowledged */
    double rates[FLOW_RATE_ROUNDS]; /* chunks per second, best of each round that was not app
                                       limited */
    uint64_t rate_round;
    unsigned rate_pos;
    double full_rate; /* start-up: the rate that later rounds must beat by a quarter */
    unsigned full_rounds;
    bool starting;
    bool draining;         /* what was put into the queues of the path leaves it, */
    unsigned drain_rounds; /* for so many rounds at most */
    bool asking, judging;  /* this round asks for more than it gets; the one before did */
    double asked_at;       /* the best rate before that */
    unsigned rest_rounds;  /* until the next one that does */
    uint32_t window;
    double pace_tokens; /* chunks that may leave at once */
    usec_t pace_at;
};

void flow_init(struct flow *f);
/* Another path: what was measured says nothing of it. Nothing may be under way. */
void flow_new_path(struct flow *f);

/* The retransmission timer after `doublings` silent ones, at most FLOW_TIMER_MAX. */
usec_t flow_timer(const struct flow *f, unsigned doublings);
void flow_rtt(struct flow *f, usec_t sample, usec_t now);

/* A chunk leaves; `inflight` are those before it that are not answered, `more`: others wait. */
void flow_sent(struct flow *f, struct flow_stamp *s, uint32_t inflight, bool more, usec_t now);
/* Its ACK came; `once`: it was sent once only, so that the time is a sample; `inflight`: those that
 * are left. */
void flow_acked(struct flow *f, const struct flow_stamp *s, bool once, uint32_t inflight,
                usec_t now);
/* Have enough later chunks been acknowledged to give this one up? */
bool flow_lost(const struct flow *f, const struct flow_stamp *s, usec_t now);

/* When may the next chunk leave, seen from pacing alone? now or before: at once. */
usec_t flow_pace(struct flow *f, usec_t now);
