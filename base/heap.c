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

static void place(struct heap *h, size_t i, struct heap_node *n)
{
    h->v[i] = n;
    n->pos = i + 1;
}

static void sift_up(struct heap *h, size_t i, struct heap_node *n)
{
    while (i > 0 && n->when < h->v[(i - 1) / 2]->when) {
        place(h, i, h->v[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    place(h, i, n);
}

static void sift_down(struct heap *h, size_t i, struct heap_node *n)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= h->len)
            break;
        if (child + 1 < h->len && h->v[child + 1]->when < h->v[child]->when)
            child++;
        if (n->when <= h->v[child]->when)
            break;
        place(h, i, h->v[child]);
        i = child;
    }
    place(h, i, n);
}

/* n belongs at i or somewhere above or below it. */
static void settle(struct heap *h, size_t i, struct heap_node *n)
{
    if (i > 0 && n->when < h->v[(i - 1) / 2]->when)
        sift_up(h, i, n);
    else
        sift_down(h, i, n);
}

static int reserve(struct heap *h, size_t len)
{
    if (len <= h->cap)
        return OK;
    size_t cap = h->cap ? h->cap * 2 : 16;
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers is meant */
    struct heap_node **v = reallocarray(h->v, cap, sizeof(*v));
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
        assert(h->v[n->pos - 1] == n); /* in another heap */
        n->when = when;
        settle(h, n->pos - 1, n);
        return OK;
    }
    int rc = reserve(h, h->len + 1);
    if (rc < 0)
        return rc;
    n->when = when;
    h->len++;
    sift_up(h, h->len - 1, n);
    return OK;
}

void heap_del(struct heap *h, struct heap_node *n)
{
    if (!heap_has(n))
        return;
    size_t i = n->pos - 1;
    assert(i < h->len && h->v[i] == n); /* in another heap */
    struct heap_node *last = h->v[--h->len];
    n->pos = 0;
    if (last != n)
        settle(h, i, last);
}

struct heap_node *heap_due(const struct heap *h, usec_t now)
{
    return h->len > 0 && h->v[0]->when <= now ? h->v[0] : NULL;
}

usec_t heap_deadline(const struct heap *h)
{
    return h->len > 0 ? h->v[0]->when : USEC_NEVER;
}
