/* forward_stats.h - what the forwarder (node/forward_uv.h) counts, as metrics show it. */
#pragma once
#include <stdint.h>

/* X(name): why a message went to the inbox instead. */
#define FORWARD_WHY_LIST(X)                                                                        \
    X(no_socket) /* its topic has none any more */                                                 \
    X(too_large)                                                                                   \
    X(connect)                                                                                     \
    X(write)                                                                                       \
    X(timeout)  /* no end of the reply in time */                                                  \
    X(read)     /* the connection broke */                                                         \
    X(empty)    /* closed without a reply */                                                       \
    X(too_long) /* the reply */                                                                    \
    X(refused)  /* the reply: by a limit of the outbox */                                          \
    X(store)    /* it failed at the reply or at the message */

enum forward_why {
#define X(name) FORWARD_WHY_##name,
    FORWARD_WHY_LIST(X)
#undef X
        FORWARD_WHY_END
};

struct forward_stats {
    uint64_t open; /* now */
    uint64_t taken, replied;
    uint64_t returned[FORWARD_WHY_END];
};
