#include "bus/filter_index.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "bus/filter.h"

enum node_kind {
    NODE_TOPIC,  /* exactly these bytes */
    NODE_PREFIX, /* these bytes first */
    NODE_LEVEL,  /* of a pattern: this level below its parent */
    NODE_ONE,    /* '+' */
    NODE_REST,   /* '#' */
};

struct filter_node {
    struct hnode hash; /* TOPIC, PREFIX, LEVEL */
    struct list waiters;
    struct filter_node *parent;     /* of a pattern's levels */
    struct filter_node *one, *rest; /* below it */
    size_t levels;                  /* LEVEL below it */
    enum node_kind kind;
    uint8_t len;
    uint8_t b[];
};

static uint64_t node_hash(const struct filter_index *x, enum node_kind kind,
                          const struct filter_node *parent, const uint8_t *b, size_t len)
{
    const uintptr_t above = (uintptr_t)parent;
    uint8_t key[1 + sizeof(above) + MSG_TOPIC_MAX];
    key[0] = (uint8_t)kind;
    memcpy(key + 1, &above, sizeof(above));
    if (len > 0)
        memcpy(key + 1 + sizeof(above), b, len);
    return hmap_hash(&x->nodes, key, 1 + sizeof(above) + len);
}

static struct filter_node *node_find(const struct filter_index *x, enum node_kind kind,
                                     const struct filter_node *parent, const uint8_t *b, size_t len)
{
    uint64_t hash = node_hash(x, kind, parent, b, len);
    for (struct hnode *h = hmap_first(&x->nodes, hash); h; h = hmap_next(h, hash)) {
        struct filter_node *n = container_of(h, struct filter_node, hash);
        if (n->kind == kind && n->parent == parent && n->len == len &&
            (len == 0 || memcmp(n->b, b, len) == 0))
            return n;
    }
    return NULL;
}

/* --- life --------------------------------------------------------------------------------- */

static struct filter_node *node_alloc(enum node_kind kind, struct filter_node *parent,
                                      const uint8_t *b, size_t len)
{
    struct filter_node *n = calloc(1, sizeof(*n) + len);
    if (!n)
        return NULL;
    list_init(&n->waiters);
    n->kind = kind;
    n->parent = parent;
    n->len = (uint8_t)len;
    if (len > 0)
        memcpy(n->b, b, len);
    return n;
}

int filter_index_init(struct filter_index *x, struct rng *r)
{
    memset(x, 0, sizeof(*x));
    x->root = node_alloc(NODE_LEVEL, NULL, NULL, 0);
    if (!x->root)
        return ERR_NOMEM;
    return hmap_init(&x->nodes, r);
}

void filter_index_fini(struct filter_index *x)
{
    assert(x->count == 0);
    free(x->root);
    x->root = NULL;
    hmap_fini(&x->nodes);
}

/* In the tables where lookups find it. */
static void node_enter(struct filter_index *x, struct filter_node *n)
{
    x->count++;
    switch (n->kind) {
    case NODE_TOPIC:
        x->topics++;
        break;
    case NODE_PREFIX:
        if (x->prefixes[n->len]++ == 0)
            x->lens[n->len / 64] |= UINT64_C(1) << (n->len % 64);
        break;
    case NODE_LEVEL:
        n->parent->levels++;
        break;
    case NODE_ONE:
        n->parent->one = n;
        return;
    case NODE_REST:
        n->parent->rest = n;
        return;
    }
    hmap_add(&x->nodes, &n->hash, node_hash(x, n->kind, n->parent, n->b, n->len));
}

static void node_leave(struct filter_index *x, struct filter_node *n)
{
    x->count--;
    switch (n->kind) {
    case NODE_TOPIC:
        x->topics--;
        break;
    case NODE_PREFIX:
        if (--x->prefixes[n->len] == 0)
            x->lens[n->len / 64] &= ~(UINT64_C(1) << (n->len % 64));
        break;
    case NODE_LEVEL:
        n->parent->levels--;
        break;
    case NODE_ONE:
        n->parent->one = NULL;
        return;
    case NODE_REST:
        n->parent->rest = NULL;
        return;
    }
    hmap_del(&x->nodes, &n->hash);
}

static struct filter_node *node_known(const struct filter_index *x, enum node_kind kind,
                                      const struct filter_node *parent, const uint8_t *b,
                                      size_t len)
{
    if (kind == NODE_ONE)
        return parent->one;
    if (kind == NODE_REST)
        return parent->rest;
    return node_find(x, kind, parent, b, len);
}

static int node_get(struct filter_index *x, enum node_kind kind, struct filter_node *parent,
                    const uint8_t *b, size_t len, struct filter_node **ret)
{
    struct filter_node *n = node_known(x, kind, parent, b, len);
    if (!n) {
        if (x->count >= FILTER_NODES_MAX)
            return ERR_LIMIT;
        n = node_alloc(kind, parent, b, len);
        if (!n)
            return ERR_NOMEM;
        node_enter(x, n);
    }
    *ret = n;
    return OK;
}

void filter_index_settle(struct filter_index *x, struct filter_node *n)
{
    while (n && n != x->root && list_empty(&n->waiters) && n->levels == 0 && !n->one && !n->rest) {
        struct filter_node *parent = n->parent;
        node_leave(x, n);
        free(n);
        n = parent;
    }
}

static enum node_kind level_kind(const uint8_t *b, size_t len)
{
    if (len == 1 && *b == '+')
        return NODE_ONE;
    return len == 1 && *b == '#' ? NODE_REST : NODE_LEVEL;
}

static int pattern_get(struct filter_index *x, const struct topic *p, struct filter_node **ret)
{
    struct filter_node *n = x->root;
    for (size_t at = 0; at <= p->len;) {
        size_t end = level_end(p->b, p->len, at);
        int rc = node_get(x, level_kind(p->b + at, end - at), n, p->b + at, end - at, &n);
        if (rc < 0) {
            filter_index_settle(x, n);
            return rc;
        }
        at = end + 1;
    }
    *ret = n;
    return OK;
}

int filter_index_get(struct filter_index *x, const struct bus_filter *f, struct filter_node **ret)
{
    int rc = filter_check(f);
    if (rc < 0)
        return rc;
    switch (f->kind) {
    case BUS_ANY:
        return node_get(x, NODE_PREFIX, NULL, NULL, 0, ret);
    case BUS_TOPIC:
        return node_get(x, NODE_TOPIC, NULL, f->topic.b, f->topic.len, ret);
    case BUS_PREFIX:
        return node_get(x, NODE_PREFIX, NULL, f->topic.b, f->topic.len, ret);
    case BUS_PATTERN:
        break;
    }
    return pattern_get(x, &f->topic, ret);
}

struct list *filter_waiters(struct filter_node *n)
{
    return &n->waiters;
}

/* --- walks -------------------------------------------------------------------------------- */

void filter_walk_begin(struct filter_walk *w, const struct filter_index *x, const uint8_t *topic,
                       size_t len)
{
    w->x = x;
    w->topic = topic;
    w->len = len;
    w->prefix = 0;
    w->topic_done = x->topics == 0;
    w->steps[0] = (struct filter_step){.node = x->root};
    w->depth = 1;
}

/* The shortest prefix length in use from `from` on; above MSG_TOPIC_MAX: none. */
static size_t next_len(const struct filter_index *x, size_t from)
{
    for (; from <= MSG_TOPIC_MAX; from = (from / 64 + 1) * 64) {
        uint64_t bits = x->lens[from / 64] >> (from % 64);
        if (bits)
            return from + (size_t)__builtin_ctzll(bits);
    }
    return from;
}

static void step_push(struct filter_walk *w, struct filter_node *n, size_t at)
{
    if (n)
        w->steps[w->depth++] = (struct filter_step){.node = n, .at = at};
}

/* The branches below a node for the level of the topic that begins at `at`. */
static void step_into(struct filter_walk *w, struct filter_node *n, size_t at)
{
    size_t end = level_end(w->topic, w->len, at);
    if (n->levels > 0)
        step_push(w, node_find(w->x, NODE_LEVEL, n, w->topic + at, end - at), end + 1);
    step_push(w, n->one, end + 1);
}

static struct list *pattern_next(struct filter_walk *w)
{
    while (w->depth > 0) {
        struct filter_step *s = &w->steps[w->depth - 1];
        struct filter_node *n = s->node;
        if (!s->rest_done) {
            s->rest_done = true;
            if (n->rest && !list_empty(&n->rest->waiters))
                return &n->rest->waiters;
        }
        size_t at = s->at;
        w->depth--;
        if (at <= w->len)
            step_into(w, n, at);
        else if (!list_empty(&n->waiters))
            return &n->waiters;
    }
    return NULL;
}

struct list *filter_walk_next(struct filter_walk *w)
{
    struct filter_node *n;
    if (!w->topic_done) {
        w->topic_done = true;
        n = node_find(w->x, NODE_TOPIC, NULL, w->topic, w->len);
        if (n && !list_empty(&n->waiters))
            return &n->waiters;
    }
    while ((w->prefix = next_len(w->x, w->prefix)) <= w->len) {
        n = node_find(w->x, NODE_PREFIX, NULL, w->topic, w->prefix++);
        if (n && !list_empty(&n->waiters))
            return &n->waiters;
    }
    return pattern_next(w);
}
