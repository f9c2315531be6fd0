#include "bus/holds.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "bus/out_msg.h"
#include "bus/timer.h"

struct hold {
    struct list link;       /* node->holds */
    struct heap_node timer; /* nodes->holds */
    struct node *node;
    const struct out_msg *asker;           /* who prolonged it last */
    struct list waiting[LINES][OUT_PRIOS]; /* out of the queues of these lines, in order */
    uint8_t topic_len;
    uint8_t topic[];
};

static struct hold *hold_find(const struct out_msg *m)
{
    list_foreach (l, &m->node->holds) {
        struct hold *h = list_entry(l, struct hold, link);
        if (h->topic_len == m->topic_len && memcmp(h->topic, m->topic, m->topic_len) == 0)
            return h;
    }
    return NULL;
}

static int hold_new(struct nodes *t, const struct out_msg *m, struct hold **ret)
{
    struct node *n = m->node;
    if (n->n_holds >= HOLDS_NODE)
        return ERR_LIMIT;
    struct hold *h = calloc(1, sizeof(*h) + m->topic_len);
    if (!h || timer_add(&t->holds, &h->timer) != OK) {
        free(h);
        return ERR_NOMEM;
    }
    for (size_t kind = 0; kind < LINES; kind++) {
        for (size_t prio = 0; prio < OUT_PRIOS; prio++)
            list_init(&h->waiting[kind][prio]);
    }
    h->node = n;
    h->topic_len = m->topic_len;
    memcpy(h->topic, m->topic, m->topic_len);
    list_push_back(&n->holds, &h->link);
    n->n_holds++;
    t->n_holds++;
    *ret = h;
    return OK;
}

static void hold_free(struct nodes *t, struct hold *h)
{
    h->node->n_holds--;
    t->n_holds--;
    list_del(&h->link);
    heap_del(&t->holds, &h->timer);
    free(h);
}

static void hold_end(struct nodes *t, struct hold *h)
{
    struct node *n = h->node;
    for (size_t kind = 0; kind < LINES; kind++) {
        for (size_t prio = 0; prio < OUT_PRIOS; prio++)
            list_move_front(&n->lines[kind].queue[prio], &h->waiting[kind][prio]);
    }
    hold_free(t, h);
    node_ready(t, n);
}

int hold_topic(struct nodes *t, const struct out_msg *m, usec_t until, bool *ret_begun)
{
    struct hold *h = hold_find(m);
    *ret_begun = false;
    if (!h) {
        int rc = hold_new(t, m, &h);
        if (rc < 0)
            return rc;
        *ret_begun = true;
    }
    h->asker = m;
    until += HOLD_MARGIN;
    timer_set(&t->holds, &h->timer, *ret_begun ? until : MAX(until, h->timer.when));
    return OK;
}

bool hold_take(struct out_msg *m)
{
    assert(m->queued);
    struct hold *h = m->node->n_holds > 0 ? hold_find(m) : NULL;
    if (!h)
        return false;
    list_del(&m->link);
    list_push_back(&h->waiting[out_line_kind(m)][m->prio], &m->link);
    return true;
}

void hold_answered(struct nodes *t, const struct out_msg *m)
{
    struct hold *h = m->node->n_holds > 0 ? hold_find(m) : NULL;
    if (h)
        hold_end(t, h);
}

void hold_asker_gone(struct nodes *t, const struct out_msg *m)
{
    struct hold *h = m->node->n_holds > 0 ? hold_find(m) : NULL;
    if (h && h->asker == m)
        hold_end(t, h);
}

void holds_end(struct nodes *t, struct node *n)
{
    struct hold *h;
    while ((h = list_first(&n->holds, struct hold, link)))
        hold_end(t, h);
}

void holds_tick(struct nodes *t, usec_t now)
{
    struct heap_node *h;
    while ((h = timer_fire(&t->holds, now)))
        hold_end(t, container_of(h, struct hold, timer));
}

void holds_free(struct nodes *t, struct node *n)
{
    struct hold *h;
    while ((h = list_first(&n->holds, struct hold, link)))
        hold_free(t, h);
}
