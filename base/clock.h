/* clock.h - time as the program uses it.
 *
 * Timers, ages and deadlines run on usec_t: microseconds of a monotonic clock whose zero means
 * nothing. Wall time appears only in stored records and in what users see (`_wall_ms`, `_wall_s`).
 * Cores never read a clock: they get `now` as an argument. */
#pragma once
#include <stdint.h>

typedef int64_t usec_t;

#define USEC_NEVER INT64_MAX
#define USEC_MS    ((usec_t)1000)
#define USEC_SEC   ((usec_t)1000000)

/* One moment on both clocks, read together once per wake-up and passed down. */
struct instant {
    usec_t mono;     /* microseconds, monotonic */
    int64_t wall_ms; /* milliseconds since 1970-01-01 UTC; may jump */
};

struct instant instant_now(void); /* reads both clocks */
usec_t usec_now(void);            /* monotonic only */
