/* histogram.h - durations by size: how many took at most so long.
 *
 * One ladder of bounds for all, so that figures of different places can be laid beside each other.
 * Thread: its owner's. */
#pragma once
#include <stdint.h>

#include "base/clock.h"

#define HISTOGRAM_BOUNDS 17

/* Upper bounds in microseconds, inclusive. */
extern const usec_t histogram_bounds[HISTOGRAM_BOUNDS];

struct histogram {
    uint64_t counts[HISTOGRAM_BOUNDS + 1]; /* each in one place only; the last: longer than all */
    uint64_t usec;                         /* sum of all */
};

/* A negative duration counts as none. */
void histogram_add(struct histogram *h, usec_t took);
