#include "base/heap.h"

#include <assert.h>
#include <stdlib.h>

#include "base/err.h"

void heap_init(struct heap *h)
{
    *h = (struct heap){0};
}

void heap_fini(struct heap *h)
{
    free(h->v);
    *h = (struct heap){0};
}

#define BRANCHES 4

static void place(struct heap *h, size_t i, struct heap_slot s)
{
    h->v[i] = s;
    s.node->pos = i + 1;
}

static void sift_up(struct heap *h, size_t i, struct heap_slot s)
{
    while (i > 0 && s.when < h->v[(i - 1) / BRANCHES].when) {
        place(h, i, h->v[(i - 1) / BRANCHES]);
        i = (i - 1) / BRANCHES;
    }
    place(h, i, s);
}

static void sift_down(struct heap *h, size_t i, struct heap_slot s)
{
    for (;;) {
        size_t child = BRANCHES * i + 1, end = MIN(child + BRANCHES, h->len), first = child;
        if (child >= h->len)
            break;
        for (child++; child < end; child++)
            if (h->v[child].when < h->v[first].when)
                first = child;
        if (s.when <= h->v[first].when)
            break;
        place(h, i, h->v[first]);
        i = first;
    }
    place(h, i, s);
}

/* The slot belongs at i or somewhere above or below it. */
static void settle(struct heap *h, size_t i, struct heap_slot s)
{
    if (i > 0 && s.when < h->v[(i - 1) / BRANCHES].when)
        sift_up(h, i, s);
    else
        sift_down(h, i, s);
}

static int reserve(struct heap *h, size_t len)
{
    if (len <= h->cap)
        return OK;
    size_t cap = h->cap ? h->cap * 2 : 16;
    struct heap_slot *v = reallocarray(h->v, cap, sizeof(*v));
    if (!v)
        return ERR_NOMEM;
    h->v = v;
    h->cap = cap;
    return OK;
}

int heap_set(struct heap *h, struct heap_node *n, usec_t when)
{
    if (when == USEC_NEVER) {
        heap_del(h, n);
        return OK;
    }
    if (heap_has(n)) {
        assert(h->v[n->pos - 1].node == n); /* in another heap */
        if (n->when == when)
            return OK;
        n->when = when;
        settle(h, n->pos - 1, (struct heap_slot){.when = when, .node = n});
        return OK;
    }
    int rc = reserve(h, h->len + 1);
    if (rc < 0)
        return rc;
    n->when = when;
    h->len++;
    sift_up(h, h->len - 1, (struct heap_slot){.when = when, .node = n});
    return OK;
}

void heap_del(struct heap *h, struct heap_node *n)
{
    if (!heap_has(n))
        return;
    size_t i = n->pos - 1;
    assert(i < h->len && h->v[i].node == n); /* in another heap */
    struct heap_slot last = h->v[--h->len];
    n->pos = 0;
    if (last.node != n)
        settle(h, i, last);
}

struct heap_node *heap_due(const struct heap *h, usec_t now)
{
    return h->len > 0 && h->v[0].when <= now ? h->v[0].node : NULL;
}

usec_t heap_deadline(const struct heap *h)
{
    return h->len > 0 ? h->v[0].when : USEC_NEVER;
}
