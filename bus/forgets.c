#include "bus/forgets.h"

#include <stdlib.h>
#include <string.h>

#include "bus/bus_core.h"
#include "bus/codec.h"

struct forget {
    struct list link;
    usec_t at;
    struct ip6 dst;
    struct msg_id id;
    bool reply;
    uint8_t sum[MSG_SUM_BYTES];
};

void forgets_init(struct forgets *f)
{
    list_init(&f->waiting);
    f->count = 0;
}

void forgets_fini(struct forgets *f)
{
    if (!f->waiting.next)
        return;
    list_foreach_safe (l, &f->waiting)
        free(list_entry(l, struct forget, link));
}

void forgets_send(struct bus *b, const struct ip6 *dst, const struct msg_id *id, const uint8_t *sum,
                  usec_t now)
{
    if (b->plain || kin_get(&b->kins, ip6_node(dst), now) != KIN_OURS)
        return;
    b->stats.sent_forget++;
    bus_control(b, &b->self, dst, msg_forget(id, sum));
}

void forgets_end(struct bus *b, const struct out_msg *m, usec_t now)
{
    const uint8_t *sum = m->reply ? m->sum : NULL;
    if (m->final == OUT_READ && m->reply) /* the answer to its READ did not name it */
        forgets_send(b, &m->dst, &m->id, sum, now);
    if (m->final != OUT_RECEIVED || kin_get(&b->kins, m->node->key, now) != KIN_OURS)
        return;
    struct forget *f = b->forgets.count < FORGETS_MAX ? calloc(1, sizeof(*f)) : NULL;
    if (!f) {
        forgets_send(b, &m->dst, &m->id, sum, now);
        return;
    }
    f->at = now + FORGETS_DELAY;
    f->dst = m->dst;
    f->id = m->id;
    f->reply = m->reply;
    memcpy(f->sum, m->sum, sizeof(f->sum));
    list_push_back(&b->forgets.waiting, &f->link);
    b->forgets.count++;
}

void forgets_tick(struct bus *b, usec_t now)
{
    struct forget *f;
    while ((f = list_first(&b->forgets.waiting, struct forget, link)) && f->at <= now) {
        list_del(&f->link);
        b->forgets.count--;
        if (f->reply || !outbox_read_told(b, &f->dst, &f->id))
            forgets_send(b, &f->dst, &f->id, f->reply ? f->sum : NULL, now);
        free(f);
    }
}

usec_t forgets_deadline(const struct forgets *f)
{
    return list_empty(&f->waiting) ? USEC_NEVER
                                   : list_entry(f->waiting.next, struct forget, link)->at;
}
