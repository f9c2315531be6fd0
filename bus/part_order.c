/* Which message becomes complete before which: ordered messages of senders that speak our
 * extension.
 *
 * Each names the one before it, so that nothing has to be remembered here but what is under way:
 * the one before is in the store, or on its way into it, or in parts; else nothing behind it is
 * taken. The sender says with a new INIT when the one before is at its end in another way. */
#include <string.h>

#include "bus/bus_core.h"
#include "bus/recv_transfer.h"

static bool is_behind(const struct part *q, const struct part *p)
{
    return memcmp(q->after.b, p->id.b, MSG_ID_BYTES) == 0 && q != p;
}

/* p comes behind that message, or (has false) behind none; it may have its turn now. */
static void come_behind(struct bus *b, struct part *p, bool has, const struct msg_id *after)
{
    p->has_after = has;
    p->after = *after;
    if (!has)
        list_del(&p->behind);
    else if (!list_linked(&p->behind))
        list_push_back(&p->node->behind, &p->behind);
    if (p->held)
        op_want(&b->ops, &p->op);
}

void part_order_learn(struct bus *b, struct part *p, const struct trailer *t)
{
    come_behind(b, p, t->has_after && !p->file, &t->after);
}

bool part_order_known(struct bus *b, const struct node *n, const struct ip6 *src,
                      const struct trailer *t, usec_t now)
{
    return !t->has_after || part_find(b, src, &t->after) ||
           seen_find(&b->seen, n->key, &t->after, now);
}

bool part_order_turn(struct bus *b, const struct part *p, usec_t now, uint64_t *ret_after)
{
    *ret_after = 0;
    if (!p->has_after)
        return true;
    const struct part *before = part_find(b, &p->src, &p->after);
    if (!before)
        return seen_find(&b->seen, p->node->key, &p->after, now) != NULL;
    *ret_after = before->ready_flying ? before->ready_seq : 0;
    return before->ready_flying;
}

void part_order_go(struct bus *b, const struct part *p)
{
    list_foreach (l, &p->node->behind) {
        struct part *q = list_entry(l, struct part, behind);
        if (q->held && is_behind(q, p))
            op_want(&b->ops, &q->op);
    }
}

void part_order_gap(struct bus *b, const struct part *p)
{
    list_foreach_safe (l, &p->node->behind) {
        struct part *q = list_entry(l, struct part, behind);
        if (is_behind(q, p))
            come_behind(b, q, p->has_after, &p->after);
    }
}
