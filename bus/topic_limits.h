/* topic_limits.h - what a topic may hold on this node.
 * Protocol: docs/protocol/messages.md, "Limits of the inbox". */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* What is 0 is as in struct bus_limits. */
struct bus_topic_limits {
    uint32_t max_msgs;
    uint64_t max_bytes;
    int64_t expire_ms; /* READY messages go when they are so old, from completion; 0: never */
    bool drop_oldest;  /* at the limit the oldest READY one goes, instead of the new one staying out
                        */
};
#define BUS_EXPIRE_MAX_MS (INT64_C(3660) * 24 * 3600 * 1000)
