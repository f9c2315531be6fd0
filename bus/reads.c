#include "bus/reads.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/list.h"

/* After the packet before. */
static const usec_t gaps[] = {1 * USEC_SEC, 4 * USEC_SEC};

struct read_again {
    struct heap_node due;
    struct ip6 src, dst;
    struct msg_id id;
    unsigned copies; /* sent after the first */
};

void reads_init(struct reads *r)
{
    heap_init(&r->due);
    r->count = 0;
}

static void drop(struct reads *r, struct read_again *a)
{
    heap_del(&r->due, &a->due);
    r->count--;
    free(a);
}

void reads_fini(struct reads *r)
{
    struct heap_node *n;
    while ((n = heap_due(&r->due, USEC_NEVER)))
        drop(r, container_of(n, struct read_again, due));
    heap_fini(&r->due);
}

void reads_add(struct reads *r, const struct ip6 *src, const struct ip6 *dst,
               const struct msg_id *id, usec_t now)
{
    if (r->count >= READS_MAX)
        return;
    struct read_again *a = calloc(1, sizeof(*a));
    if (!a)
        return; /* told once is enough for a status */
    a->src = *src;
    a->dst = *dst;
    a->id = *id;
    if (heap_set(&r->due, &a->due, now + gaps[0]) != OK) {
        free(a);
        return;
    }
    r->count++;
}

bool reads_next(struct reads *r, struct ip6 *src, struct ip6 *dst, struct msg_id *id, usec_t now)
{
    struct heap_node *n = heap_due(&r->due, now);
    if (!n)
        return false;
    struct read_again *a = container_of(n, struct read_again, due);
    *src = a->src;
    *dst = a->dst;
    *id = a->id;
    a->copies++;
    if (a->copies >= ARRAY_LEN(gaps) || heap_set(&r->due, n, now + gaps[a->copies]) != OK)
        drop(r, a);
    return true;
}

usec_t reads_deadline(const struct reads *r)
{
    return heap_deadline(&r->due);
}
