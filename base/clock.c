#include "base/clock.h"

#include <time.h>

usec_t usec_now(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail with this clock and a valid pointer */
    return (usec_t)ts.tv_sec * USEC_SEC + ts.tv_nsec / 1000;
}

struct instant instant_now(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_REALTIME, &ts);
    return (struct instant){
        .mono = usec_now(),
        .wall_ms = (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000,
    };
}
