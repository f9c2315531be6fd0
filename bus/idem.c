#include "bus/idem.h"

#include <string.h>

#include "bus/bus_core.h"
#include "bus/timer.h"

static uint64_t key_hash(const struct bus *b, const void *key, size_t len)
{
    return hmap_hash(&b->out.by_idem, key, len);
}

struct out_msg *idem_find(struct bus *b, const struct idem_key *key, bool in_memory)
{
    if (key->len == 0)
        return NULL;
    uint64_t hash = key_hash(b, key->b, key->len);
    for (struct hnode *h = hmap_first(&b->out.by_idem, hash); h; h = hmap_next(h, hash)) {
        struct out_msg *m = container_of(h, struct out_msg, by_idem);
        if (m->in_memory == in_memory && m->idem_len == key->len &&
            memcmp(out_msg_idem(m), key->b, key->len) == 0)
            return m;
    }
    return NULL;
}

void idem_add(struct bus *b, struct out_msg *m)
{
    if (m->idem_len > 0)
        hmap_add(&b->out.by_idem, &m->by_idem, key_hash(b, out_msg_idem(m), m->idem_len));
}

void idem_del(struct bus *b, struct out_msg *m)
{
    if (m->idem_len > 0)
        hmap_del(&b->out.by_idem, &m->by_idem);
}

/* Were the two asked for in the same words? */
static bool same_content(const struct bus_out_row *a, const struct bus_out_row *b)
{
    bool same_id = !a->reply || memcmp(a->id.b, b->id.b, MSG_ID_BYTES) == 0;
    return ip6_eq(&a->dst, &b->dst) && a->reply == b->reply && same_id && a->policy == b->policy &&
           a->prio == b->prio && a->many == b->many && a->ordered == b->ordered &&
           a->len == b->len && memcmp(a->sum, b->sum, MSG_SUM_BYTES) == 0 &&
           a->topic.len == b->topic.len && memcmp(a->topic.b, b->topic.b, a->topic.len) == 0 &&
           a->deadline_ms - a->created_ms == b->deadline_ms - b->created_ms;
}

bool idem_same(const struct out_msg *m, const struct bus_out_row *row)
{
    struct bus_out_row mine = {.seq = 0};
    outbox_row(m, &mine);
    return same_content(&mine, row);
}

void call_accepted(struct bus *b, struct call *call, int rc, bool replayed, struct instant now)
{
    call->accept_rc = rc;
    call->accept_due = true;
    call->replayed = rc == OK && replayed;
    b->stats.replayed += call->replayed;
    b->stats.key_reused += rc == ERR_EXIST;
    if (rc == OK && call->reply_wait) {
        if (call->by_reply_in) { /* waits for the reply to the message that was sent */
            call_reply_del(&b->calls, call);
            call->id = call->status.id;
            call_reply_add(&b->calls, call);
        }
        timer_set(&b->calls.expires, &call->expire, now.mono + call->reply_wait_ms * USEC_MS);
    }
    if (rc == OK)
        call->id = call->status.id;
    call_due(&b->calls, call);
}

void idem_again(struct bus *b, struct out_msg *first, const struct out_msg *again,
                struct call *call, struct instant now)
{
    struct bus_out_row row = {.seq = 0};
    outbox_row(first, &row);
    call->id = first->id;
    call->same = idem_same(again, &row);
    if (!first->accepted) {
        list_push_back(&first->twins, &call->twin);
        return;
    }
    outbox_status(first, &call->status);
    call_accepted(b, call, call->same ? OK : ERR_EXIST, true, now);
}

void idem_answer(struct bus *b, struct out_msg *m, const struct bus_store_result *res,
                 struct instant now)
{
    /* The seq was used before: the store is not what it was. */
    bool known = res->rc == ERR_EXIST && m->idem_len > 0 && res->out.seq != 0;
    int rc = res->rc == ERR_EXIST && !known ? ERR_CORRUPT : res->rc;
    bool same = true;
    struct bus_status_info st = {.seq = 0};
    if (known) {
        same = idem_same(m, &res->out);
        rc = same ? OK : ERR_EXIST;
        outbox_row_status(&res->out, &st);
    } else if (rc == OK) {
        outbox_status(m, &st);
    }
    struct call *call = m->call;
    m->call = NULL;
    if (call) {
        call->out = NULL;
        call->status = st;
        call_accepted(b, call, rc, known, now);
    }
    while ((call = list_first(&m->twins, struct call, twin))) {
        list_del(&call->twin);
        call->status = st;
        int its_rc = rc;
        if (rc == OK && !call->same)
            its_rc = ERR_EXIST;
        else if (rc == ERR_EXIST && !call->same)
            its_rc = ERR_BUSY; /* it may be what the row has: to be asked again */
        call_accepted(b, call, its_rc, true, now);
    }
}
