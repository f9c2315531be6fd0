/* metric.h - arithmetic of the routing protocol: metrics, sequence numbers, hold times, link cost.
 *
 * Protocol: docs/protocol/packets.md, "Number rules"; docs/protocol/connections.md, "Link cost". */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/macros.h"
#include "router/tlv.h"

#define METRIC_FINITE_MAX 0xfffe

/* Smoothed round trip of a link that nobody has measured yet. */
#define LINK_COST_INITIAL 1000
/* A round trip counts as at most this: one stall must not poison the cost for minutes. */
#define LINK_COST_SAMPLE_MAX 5000
/* So many samples replace the cost, instead of being mixed into the initial value. */
#define LINK_COST_FRESH_SAMPLES 3

static inline uint16_t metric_add(uint16_t a, uint16_t b)
{
    if (a == METRIC_INFINITE || b == METRIC_INFINITE)
        return METRIC_INFINITE;
    return (uint16_t)MIN((unsigned)a + b, METRIC_FINITE_MAX);
}

static inline uint16_t metric_sub(uint16_t a, uint16_t b)
{
    if (a == METRIC_INFINITE)
        return METRIC_INFINITE;
    return a > b ? (uint16_t)(a - b) : 0;
}

/* Infinity counts as a number here. */
static inline uint16_t metric_change(uint16_t a, uint16_t b)
{
    return (uint16_t)abs((int)a - (int)b);
}

/* Modulo 2^16. At a distance of exactly 2^15 neither holds. */
static inline bool seqno_lt(uint16_t a, uint16_t b)
{
    uint16_t d = (uint16_t)(b - a);
    return d != 0 && d < 0x8000;
}

static inline bool seqno_gt(uint16_t a, uint16_t b)
{
    return (uint16_t)(b - a) > 0x8000;
}

/* How long a route lives after an Update with this interval: 3.5 times, in whole milliseconds. */
static inline usec_t hold_time(uint16_t interval_cs)
{
    return (usec_t)interval_cs * 10 * 7 / 2 * USEC_MS;
}

struct link_cost {
    uint32_t smoothed; /* milliseconds */
    uint32_t samples;  /* how many so far; stops counting at LINK_COST_FRESH_SAMPLES */
};

static inline uint32_t link_cost_smooth(uint32_t smoothed, uint32_t sample)
{
    return (smoothed * 9 + sample) / 10;
}

static inline void link_cost_sample(struct link_cost *c, usec_t round_trip)
{
    uint32_t ms = (uint32_t)MAX(MIN(round_trip / USEC_MS, LINK_COST_SAMPLE_MAX), 0);
    if (c->samples < LINK_COST_FRESH_SAMPLES) {
        c->samples++;
        c->smoothed = ms;
    } else {
        c->smoothed = link_cost_smooth(c->smoothed, ms);
    }
}

/* static_cost: the constant of the transport. Saturates below infinity. */
static inline uint16_t link_cost_total(const struct link_cost *c, uint16_t static_cost)
{
    return (uint16_t)MIN(c->smoothed + static_cost, METRIC_FINITE_MAX);
}
