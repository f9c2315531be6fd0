/* timer.h - heap entries that stay in their heap while they wait for nothing.
 *
 * An object enters its timer heaps when it is made, where running out of memory is an ordinary
 * error; after that arming and disarming a timer cannot fail. */
#pragma once
#include <assert.h>

#include "base/err.h"
#include "base/heap.h"

#define TIMER_IDLE (USEC_NEVER - 1)

MUST_CHECK static inline int timer_add(struct heap *h, struct heap_node *n)
{
    return heap_set(h, n, TIMER_IDLE);
}

static inline void timer_set(struct heap *h, struct heap_node *n, usec_t when)
{
    assert(heap_has(n));
    int rc = heap_set(h, n, when < TIMER_IDLE ? when : TIMER_IDLE);
    assert(rc == OK); /* no entry is added */
    (void)rc;
}

static inline bool timer_armed(const struct heap_node *n)
{
    return heap_has(n) && n->when != TIMER_IDLE;
}

static inline usec_t timer_deadline(const struct heap *h)
{
    usec_t when = heap_deadline(h);
    return when == TIMER_IDLE ? USEC_NEVER : when;
}

/* First entry due, disarmed; NULL: none. */
static inline struct heap_node *timer_fire(struct heap *h, usec_t now)
{
    struct heap_node *n = heap_due(h, now < TIMER_IDLE ? now : TIMER_IDLE - 1);
    if (n)
        timer_set(h, n, TIMER_IDLE);
    return n;
}
