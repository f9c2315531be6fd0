#include "bus/node.h"

#include <assert.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/rng.h"
#include "bus/holds.h"
#include "bus/timer.h"

/* Time between the wishes for a route. docs/protocol/messages.md, "Routes for waiting messages".
 */
static const usec_t want_gaps[] = {15 * USEC_SEC, 60 * USEC_SEC, 120 * USEC_SEC, 240 * USEC_SEC,
                                   600 * USEC_SEC};
#define WANT_GAP_MIN USEC_SEC /* links and routes may come and go quickly */

int nodes_init(struct nodes *t, struct rng *r)
{
    list_init(&t->idle);
    list_init(&t->ring);
    list_init(&t->blocked);
    list_init(&t->starved);
    list_init(&t->wanting);
    list_init(&t->doubted);
    heap_init(&t->wants);
    heap_init(&t->paces);
    heap_init(&t->doubts);
    heap_init(&t->holds);
    t->n_active = 0;
    t->looks = 0;
    return hmap_init(&t->map, r);
}

static void node_free(struct nodes *t, struct node *n)
{
    assert(n->live == 0 && n->parts == 0);
    holds_free(t, n);
    hmap_del(&t->map, &n->hash);
    heap_del(&t->wants, &n->want);
    heap_del(&t->paces, &n->pace);
    heap_del(&t->doubts, &n->silence.timer);
    list_del(&n->silence.due);
    list_del(&n->idle);
    list_del(&n->ring);
    list_del(&n->wanting);
    free(n);
}

void nodes_fini(struct nodes *t)
{
    if (!t->map.slots)
        return;
    struct node *n;
    while ((n = list_first(&t->idle, struct node, idle)))
        node_free(t, n);
    assert(t->map.count == 0);
    hmap_fini(&t->map);
    heap_fini(&t->wants);
    heap_fini(&t->paces);
    heap_fini(&t->doubts);
    heap_fini(&t->holds);
}

static uint64_t key_hash(const struct nodes *t, uint64_t key)
{
    return hmap_hash(&t->map, &key, sizeof(key));
}

struct node *node_find(struct nodes *t, const struct ip6 *addr)
{
    uint64_t key = ip6_node(addr);
    uint64_t hash = key_hash(t, key);
    for (struct hnode *h = hmap_first(&t->map, hash); h; h = hmap_next(h, hash)) {
        struct node *n = container_of(h, struct node, hash);
        if (n->key == key)
            return n;
    }
    return NULL;
}

struct node *node_get(struct nodes *t, const struct ip6 *addr, usec_t now)
{
    struct node *n = node_find(t, addr);
    if (n)
        return n;
    if (t->map.count >= NODES_MAX) {
        struct node *idle = list_first(&t->idle, struct node, idle);
        if (!idle)
            return NULL;
        node_free(t, idle);
    }
    n = calloc(1, sizeof(*n));
    if (!n)
        return NULL;
    n->key = ip6_node(addr);
    n->addr = *addr;
    list_init(&n->active);
    list_init(&n->late);
    list_init(&n->holds);
    list_init(&n->control);
    for (size_t i = 0; i < LINES; i++) {
        for (int p = 0; p < OUT_PRIOS; p++) {
            list_init(&n->lines[i].queue[p]);
            list_init(&n->lines[i].prep[p]);
        }
        list_init(&n->lines[i].chunks);
    }
    list_init(&n->flying);
    list_init(&n->behind);
    flow_init(&n->flow);
    if (timer_add(&t->wants, &n->want) != OK)
        goto nomem;
    if (timer_add(&t->paces, &n->pace) != OK)
        goto nomem_pace;
    if (timer_add(&t->doubts, &n->silence.timer) != OK)
        goto nomem_doubt;
    hmap_add(&t->map, &n->hash, key_hash(t, n->key));
    node_settle(t, n, now);
    return n;
nomem_doubt:
    heap_del(&t->paces, &n->pace);
nomem_pace:
    heap_del(&t->wants, &n->want);
nomem:
    free(n);
    return NULL;
}

void node_settle(struct nodes *t, struct node *n, usec_t now)
{
    bool idle = n->live == 0 && n->parts == 0;
    if (n->live == 0)
        node_want_stop(t, n);
    if (idle && !list_linked(&n->idle)) {
        n->idle_since = now;
        list_push_back(&t->idle, &n->idle);
    } else if (!idle) {
        list_del(&n->idle);
    }
}

void nodes_expire(struct nodes *t, usec_t now)
{
    struct node *n;
    while ((n = list_first(&t->idle, struct node, idle)) && now - n->idle_since > NODE_IDLE_MAX)
        node_free(t, n);
}

void node_ready(struct nodes *t, struct node *n)
{
    if (n->blocked || !n->reachable)
        return;
    if (n->starving) { /* a transfer that has its slot already may go on */
        n->starving = false;
        list_del(&n->ring);
    }
    if (!list_linked(&n->ring))
        list_push_back(&t->ring, &n->ring);
}

void nodes_unblock(struct nodes *t)
{
    struct node *n;
    while ((n = list_first(&t->blocked, struct node, ring))) {
        list_del(&n->ring);
        n->blocked = false;
        node_ready(t, n);
    }
}

void nodes_feed(struct nodes *t)
{
    struct node *n = list_first(&t->starved, struct node, ring);
    if (n)
        node_ready(t, n);
}

static void want_now(struct nodes *t, struct node *n, usec_t now)
{
    usec_t earliest = n->want_last ? n->want_last + WANT_GAP_MIN : now;
    timer_set(&t->wants, &n->want, MAX(now, earliest));
}

void node_want(struct nodes *t, struct node *n, usec_t now)
{
    if (n->reachable || n->live == 0 || timer_armed(&n->want))
        return;
    n->want_step = 0;
    want_now(t, n, now);
}

void node_retry(struct nodes *t, struct node *n, usec_t now)
{
    if (n->reachable || n->live == 0)
        return;
    n->want_step = 0;
    want_now(t, n, now);
}

void node_want_stop(struct nodes *t, struct node *n)
{
    timer_set(&t->wants, &n->want, TIMER_IDLE);
    list_del(&n->wanting);
}

void nodes_want_now(struct nodes *t, usec_t now)
{
    /* Each change moves an entry in the heap: collected in a list first. */
    struct list due;
    list_init(&due);
    for (size_t i = 0; i < t->wants.len; i++) {
        struct node *n = container_of(t->wants.v[i].node, struct node, want);
        if (timer_armed(&n->want) && !list_linked(&n->wanting))
            list_push_back(&due, &n->wanting);
    }
    struct node *n;
    while ((n = list_first(&due, struct node, wanting))) {
        list_del(&n->wanting);
        n->want_step = 0; /* or links that come and go would make the wishes rare */
        want_now(t, n, now);
    }
}

/* The gap, a quarter of it less to a quarter more. */
static usec_t jittered(usec_t gap, struct rng *r)
{
    return gap - gap / 4 + (usec_t)rng_below(r, (uint64_t)gap / 2);
}

void nodes_tick(struct nodes *t, struct rng *r, usec_t now)
{
    struct heap_node *h;
    while ((h = timer_fire(&t->wants, now))) {
        struct node *n = container_of(h, struct node, want);
        usec_t gap = want_gaps[MIN(n->want_step, ARRAY_LEN(want_gaps) - 1)];
        n->want_step++;
        n->want_last = now;
        timer_set(&t->wants, h, now + jittered(gap, r));
        if (!list_linked(&n->wanting))
            list_push_back(&t->wanting, &n->wanting);
    }
    while ((h = timer_fire(&t->paces, now)))
        node_ready(t, container_of(h, struct node, pace));
    holds_tick(t, now);
    silence_tick(t, now);
}

usec_t nodes_deadline(const struct nodes *t)
{
    usec_t when = MIN(timer_deadline(&t->wants), timer_deadline(&t->paces));
    if (!list_empty(&t->wanting)) /* until the next token */
        when = MIN(when, t->asked.empty_at + USEC_SEC / NODES_WANTS_PER_SEC);
    when = MIN(when, timer_deadline(&t->holds));
    return MIN(when, timer_deadline(&t->doubts));
}

struct node *nodes_wanting(struct nodes *t, usec_t now)
{
    struct node *n = list_first(&t->wanting, struct node, wanting);
    if (!n || !bucket_take(&t->asked, NODES_WANTS_PER_SEC, NODES_WANTS_BURST, now))
        return NULL;
    list_del(&n->wanting);
    return n;
}
