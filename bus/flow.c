/* Start: the window grows by one per ACK (doubling per round trip), up to what the rate so far
 * would need, until three rounds bring less than a quarter more. What was put into queues then
 * drains: chunks leave at half the rate until no more are under way than the path holds, for four
 * rounds at most. After that the window is what the best rate of the last ten rounds needs for two
 * and a half times the least round trip of the last ten seconds, and chunks leave at that rate. One
 * round in eight asks for a quarter more: where a tenth more comes of it the next but one asks
 * again, else what that put into queues drains, for a round at most. A delay of a round trip is no
 * sign of a queue: a stream below that repeats a lost packet holds back all that is behind it, and
 * the path is none the slower for it. Loss changes none of this. */
#include "bus/flow.h"

#include <string.h>

#include "base/macros.h"

#define MIN_RTT_LIFE   (10 * USEC_SEC)
#define START_GAIN     1.25
#define START_ROUNDS   3
#define START_WINDOW   2.7
#define START_RTTS     2 /* and QUEUE_RTT: so late is an answer only behind a queue */
#define QUEUE_RTT      (50 * USEC_MS)
#define PROBE_EVERY    8 /* one round in eight asks for more than it gets */
#define PROBE_GAIN     1.25
#define PROBE_WON      1.1 /* so much more came of it: the next one asks again */
#define DRAIN_GAIN     0.5
#define DRAIN_START    4   /* rounds */
#define WINDOW_GAIN    2.5 /* a stream below may hold back all that was sent in a round trip */
#define WINDOW_ACKS    1.5 /* of what ACKs may wait for others */
#define PACE_BURST_MIN 32.0

void flow_init(struct flow *f)
{
    memset(f, 0, sizeof(*f));
    f->starting = true;
    f->ack_delay = FLOW_ACK_DELAY;
    f->window = FLOW_WINDOW_START;
}

void flow_new_path(struct flow *f)
{
    struct flow old = *f;
    flow_init(f);
    f->delivered = old.delivered; /* rounds are counted with it */
    f->delivered_at = old.delivered_at;
    f->first_sent = old.first_sent;
    f->ack_delay = old.ack_delay;
    f->round = old.round;
    f->round_end = old.round_end;
}

usec_t flow_timer(const struct flow *f, unsigned doublings)
{
    usec_t t = FLOW_RTO_START;
    if (f->has_rtt) {
        t = f->srtt + MAX(4 * f->rttvar, f->srtt / 4); /* a queue may grow in one round trip */
        t = MAX(t, FLOW_RTO_MIN);
        t = MIN(t, FLOW_RTO_MAX);
    }
    for (; doublings > 0 && t < FLOW_TIMER_MAX; doublings--)
        t *= 2;
    return MIN(t, FLOW_TIMER_MAX);
}

void flow_rtt(struct flow *f, usec_t sample, usec_t now)
{
    if (sample < 0)
        return;
    if (!f->has_rtt) {
        f->srtt = sample;
        f->rttvar = sample / 2;
        f->has_rtt = true;
    } else { /* RFC 6298 section 2 */
        usec_t diff = f->srtt > sample ? f->srtt - sample : sample - f->srtt;
        f->rttvar = (3 * f->rttvar + diff) / 4;
        f->srtt = (7 * f->srtt + sample) / 8;
    }
    if (f->min_rtt_at == 0 || sample <= f->min_rtt) {
        f->min_rtt = sample;
        f->min_rtt_at = now;
    }
}

/* The least round trip is old: measure it anew. s came back now. */
static void min_rtt_refresh(struct flow *f, const struct flow_stamp *s, bool once, usec_t now)
{
    if (!f->probing && now - f->min_rtt_at > MIN_RTT_LIFE) {
        f->probing = true;
        f->probing_since = now;
    } else if (f->probing && once && s->few && s->sent >= f->probing_since) {
        f->probing = false;
        f->min_rtt = now - s->sent;
        f->min_rtt_at = now;
    }
}

static double rate_best(const struct flow *f)
{
    double best = 0;
    for (unsigned i = 0; i < FLOW_RATE_ROUNDS; i++)
        best = MAX(best, f->rates[i]);
    return best;
}

/* Pacing rate in chunks per second. */
static double pace_rate(const struct flow *f)
{
    double gain = 1.0;
    if (f->draining)
        gain = DRAIN_GAIN;
    else if (f->asking)
        gain = PROBE_GAIN;
    return rate_best(f) * gain;
}

/* Chunks that the path holds, and those that wait for a common ACK. */
static double path_chunks(const struct flow *f)
{
    return rate_best(f) * (double)(f->min_rtt + f->ack_delay) / (double)USEC_SEC;
}

static uint32_t window_chunks(const struct flow *f, double gain, uint32_t least)
{
    double time = gain * (double)f->min_rtt + WINDOW_ACKS * (double)f->ack_delay;
    double window = MAX(rate_best(f) * time / (double)USEC_SEC, (double)least);
    return (uint32_t)MIN(window, (double)FLOW_WINDOW_MAX);
}

static double pace_burst(const struct flow *f, double rate)
{
    double burst = rate * (double)f->ack_delay / (double)USEC_SEC;
    return MAX(burst, PACE_BURST_MIN);
}

usec_t flow_pace(struct flow *f, usec_t now)
{
    if (f->starting)
        return now;
    double rate = pace_rate(f);
    if (rate <= 0)
        return now;
    double tokens = f->pace_tokens + rate * (double)(now - f->pace_at) / (double)USEC_SEC;
    f->pace_tokens = MIN(tokens, pace_burst(f, rate));
    f->pace_at = now;
    if (f->pace_tokens >= 1.0)
        return now;
    return now + 1 + (usec_t)((1.0 - f->pace_tokens) / rate * (double)USEC_SEC);
}

void flow_sent(struct flow *f, struct flow_stamp *s, uint32_t inflight, bool more, usec_t now)
{
    if (inflight == 0) /* after a pause: the idle time is no part of the rate */
        f->delivered_at = f->first_sent = now;
    s->sent = now;
    s->first_sent = f->first_sent;
    s->delivered = f->delivered;
    s->delivered_at = f->delivered_at;
    /* All that were under way may be acknowledged before this one; FLOW_LOSS_LATER more can only be
     * chunks that were sent after it. */
    s->lost_after = f->delivered + inflight + FLOW_LOSS_LATER;
    s->app_limited = (!more && inflight + 1 < f->window) || f->probing;
    s->few = inflight < FLOW_WINDOW_MIN;
    if (!f->starting)
        f->pace_tokens -= 1.0;
}

/* A rate sample of a round that tells something about the path. */
static void rate_add(struct flow *f, double rate)
{
    if (f->rate_round != f->round) {
        f->rate_round = f->round;
        f->rate_pos = (f->rate_pos + 1) % FLOW_RATE_ROUNDS;
        f->rates[f->rate_pos] = 0;
    }
    f->rates[f->rate_pos] = MAX(f->rates[f->rate_pos], rate);
}

static void drain(struct flow *f, unsigned rounds)
{
    f->draining = true;
    f->drain_rounds = rounds;
}

/* After start-up. The answers to a round that asked for more come in the next one: if they bring
 * more, another one asks; else a queue is left. */
static void next_round(struct flow *f)
{
    if (f->draining && --f->drain_rounds == 0)
        f->draining = false;
    if (f->asking) {
        f->asking = false;
        f->judging = true;
        return;
    }
    bool more = f->judging && rate_best(f) >= f->asked_at * PROBE_WON;
    if (f->judging && !more) {
        f->rest_rounds = PROBE_EVERY;
        drain(f, 1);
    }
    f->judging = false;
    if (more || --f->rest_rounds == 0) {
        f->asking = true;
        f->asked_at = rate_best(f);
    }
}

static void start_check(struct flow *f)
{
    double rate = rate_best(f);
    if (rate >= f->full_rate * START_GAIN) {
        f->full_rate = rate;
        f->full_rounds = 0;
    } else if (++f->full_rounds >= START_ROUNDS) {
        f->starting = false;
    }
}

/* Start-up is over when the path is full. */
static void start_end_check(struct flow *f, const struct flow_stamp *s, bool once, bool new_round,
                            usec_t now)
{
    if (!s->app_limited && f->window < window_chunks(f, START_WINDOW, FLOW_WINDOW_START))
        f->window++;
    if (new_round && !s->app_limited)
        start_check(f);
    if (once && now - s->sent > START_RTTS * f->min_rtt + f->ack_delay + QUEUE_RTT)
        f->starting = false;
    if (!f->starting) {
        f->pace_at = now;
        f->rest_rounds = PROBE_EVERY;
        drain(f, DRAIN_START);
    }
}

void flow_acked(struct flow *f, const struct flow_stamp *s, bool once, uint32_t inflight,
                usec_t now)
{
    f->delivered++;
    f->delivered_at = now;
    f->first_sent = MAX(f->first_sent, s->sent);
    bool new_round = s->delivered >= f->round_end;
    if (new_round) {
        f->round++;
        f->round_end = f->delivered;
    }
    if (once)
        flow_rtt(f, now - s->sent, now);
    min_rtt_refresh(f, s, once, now);
    /* ACKs may come in clumps: never faster than the chunks left. */
    usec_t took = MAX(now - s->delivered_at, s->sent - s->first_sent);
    if (took > 0) {
        double rate = (double)(f->delivered - s->delivered) * (double)USEC_SEC / (double)took;
        if (!s->app_limited || rate > rate_best(f))
            rate_add(f, rate);
    }
    if (f->starting) {
        start_end_check(f, s, once, new_round, now);
        return;
    }
    if (new_round)
        next_round(f);
    f->draining = f->draining && inflight > path_chunks(f);
    f->window = f->probing ? FLOW_WINDOW_MIN : window_chunks(f, WINDOW_GAIN, FLOW_WINDOW_MIN);
}

bool flow_lost(const struct flow *f, const struct flow_stamp *s, usec_t now)
{
    /* Others may be acknowledged sooner, because they did not wait for a common ACK. */
    usec_t age = MAX(f->srtt, f->min_rtt + f->ack_delay);
    age += MAX(age / 4, 2 * f->rttvar);
    return f->delivered >= s->lost_after && now - s->sent >= age;
}
