#include "bus/inbox.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "bus/bus_core.h"
#include "bus/codec.h"
#include "bus/timer.h"

int inbox_init(struct bus *b)
{
    list_init(&b->in.all);
    list_init(&b->in.any);
    return hmap_init(&b->in.topics, b->rng);
}

bool inbox_room(const struct bus *b, uint64_t len)
{
    uint64_t coming = b->parts.count + b->out.live_local;
    return b->in.count + coming < b->limits.in_messages &&
           b->in.bytes + b->parts.bytes + len <= b->limits.in_bytes;
}

/* --- messages ----------------------------------------------------------------------------- */

struct in_msg *in_msg_new(const uint8_t *topic, uint8_t topic_len)
{
    struct in_msg *m = calloc(1, sizeof(*m) + topic_len);
    if (!m)
        return NULL;
    m->refs = 1;
    m->op.owner = OP_IN;
    m->topic_len = topic_len;
    if (topic_len > 0)
        memcpy(m->topic, topic, topic_len);
    return m;
}

/* Gives one of several references back. */
static void in_msg_release(struct in_msg *m)
{
    assert(m->refs > 1);
    m->refs--;
}

void in_msg_unref(struct in_msg *m)
{
    if (!m)
        return;
    assert(m->refs > 0);
    if (--m->refs > 0)
        return;
    assert(!list_linked(&m->all) && !m->op.flying);
    blob_unref(m->payload);
    free(m);
}

static void cache(struct bus *b, struct in_msg *m)
{
    if (!m->payload || m->cached)
        return;
    if (b->in.cached + m->len > b->limits.in_cache_bytes) {
        blob_unref(m->payload); /* read back when a client takes it */
        m->payload = NULL;
        return;
    }
    m->cached = true;
    b->in.cached += m->len;
}

static void uncache(struct bus *b, struct in_msg *m)
{
    if (m->cached)
        b->in.cached -= m->len;
    m->cached = false;
}

/* --- topics ------------------------------------------------------------------------------- */

static struct topic_queue *topic_find(struct bus *b, const uint8_t *topic, uint8_t len)
{
    uint64_t hash = hmap_hash(&b->in.topics, topic, len);
    for (struct hnode *h = hmap_first(&b->in.topics, hash); h; h = hmap_next(h, hash)) {
        struct topic_queue *q = container_of(h, struct topic_queue, hash);
        if (q->topic_len == len && memcmp(q->topic, topic, len) == 0)
            return q;
    }
    return NULL;
}

static struct topic_queue *topic_get(struct bus *b, const uint8_t *topic, uint8_t len)
{
    struct topic_queue *q = topic_find(b, topic, len);
    if (q)
        return q;
    q = calloc(1, sizeof(*q) + len);
    if (!q)
        return NULL;
    list_init(&q->messages);
    list_init(&q->waiters);
    q->topic_len = len;
    if (len > 0)
        memcpy(q->topic, topic, len);
    hmap_add(&b->in.topics, &q->hash, hmap_hash(&b->in.topics, topic, len));
    return q;
}

static void topic_settle(struct bus *b, struct topic_queue *q)
{
    if (!list_empty(&q->messages) || !list_empty(&q->waiters))
        return;
    hmap_del(&b->in.topics, &q->hash);
    free(q);
}

/* --- queues ------------------------------------------------------------------------------- */

static void unlink_msg(struct bus *b, struct in_msg *m)
{
    list_del(&m->all);
    list_del(&m->topic_link);
    struct topic_queue *q = m->tq;
    m->tq = NULL;
    if (q)
        topic_settle(b, q);
}

/* Where the entry of this seq belongs; near the end for new ones, near the front for those that
 * come back, because their removal failed. */
static struct list *place_all(struct list *head, uint64_t seq)
{
    struct list *last = head->prev;
    if (last == head || list_entry(last, struct in_msg, all)->seq < seq)
        return head;
    struct list *l = head->next;
    while (list_entry(l, struct in_msg, all)->seq < seq)
        l = l->next;
    return l;
}

static struct list *place_topic(struct list *head, uint64_t seq)
{
    struct list *last = head->prev;
    if (last == head || list_entry(last, struct in_msg, topic_link)->seq < seq)
        return head;
    struct list *l = head->next;
    while (list_entry(l, struct in_msg, topic_link)->seq < seq)
        l = l->next;
    return l;
}

static int link_msg(struct bus *b, struct in_msg *m)
{
    struct topic_queue *q = topic_get(b, m->topic, m->topic_len);
    if (!q)
        return ERR_NOMEM;
    m->tq = q;
    struct list *at = place_all(&b->in.all, m->seq);
    list_add_between(&m->all, at->prev, at);
    at = place_topic(&q->messages, m->seq);
    list_add_between(&m->topic_link, at->prev, at);
    return OK;
}

void inbox_leave(struct bus *b, struct call *call)
{
    if (!call->waits)
        return;
    call->waits = false;
    b->calls.waiting--;
    list_del(&call->wait);
    timer_set(&b->calls.expires, &call->expire, TIMER_IDLE);
    if (call->tq)
        topic_settle(b, call->tq);
    call->tq = NULL;
}

/* --- handing over ------------------------------------------------------------------------- */

static void hand_over(struct bus *b, struct call *call, struct in_msg *m)
{
    m->refs++;
    call->msg = m;
    if (call->kind == CALL_TAKE && call->peek) {
        if (m->payload)
            call->body = blob_ref(m->payload);
        if (call->body) {
            call->last_due = true;
            call_due(&b->calls, call);
        } else {
            op_want(&b->ops, &call->op);
        }
        return;
    }
    unlink_msg(b, m);
    m->taking = true;
    m->taker = call;
    op_want(&b->ops, &m->op);
}

/* Who waits for a message of this topic longest; NULL: nobody. */
static struct call *first_waiter(struct bus *b, const struct topic_queue *q)
{
    struct call *any = list_first(&b->in.any, struct call, wait);
    struct call *own = list_first(&q->waiters, struct call, wait);
    if (!any || !own)
        return any ? any : own;
    return any->ticket < own->ticket ? any : own;
}

/* A caller that waits for this message as the reply to its own. */
static struct call *reply_waiter(struct bus *b, const struct in_msg *m)
{
    if (bus_is_self(b, &m->src) && !m->reply)
        return NULL; /* what was sent to this node itself is no reply to itself */
    return call_reply_find(&b->calls, ip6_node(&m->src), &m->id);
}

/* m is linked: to whom does it go? */
static void offer(struct bus *b, struct in_msg *m)
{
    struct call *call = reply_waiter(b, m);
    if (call) {
        call_reply_del(&b->calls, call);
        timer_set(&b->calls.expires, &call->expire, TIMER_IDLE);
        hand_over(b, call, m);
        return;
    }
    while (!m->taking && (call = first_waiter(b, m->tq))) {
        inbox_leave(b, call); /* the queue stays: m is in it */
        hand_over(b, call, m);
    }
}

int inbox_add(struct bus *b, struct in_msg *m, struct instant now)
{
    (void)now;
    int rc = link_msg(b, m);
    if (rc < 0)
        return rc;
    b->in.count++;
    b->in.bytes += m->len;
    offer(b, m);
    if (!m->taking)
        cache(b, m);
    return OK;
}

static void wait_for(struct bus *b, struct call *call, struct list *queue, usec_t until)
{
    call->waits = true;
    call->ticket = ++b->calls.ticket;
    b->calls.waiting++;
    list_push_back(queue, &call->wait);
    timer_set(&b->calls.expires, &call->expire, until);
}

int inbox_take(struct bus *b, struct call *call, const struct bus_take *t, struct instant now)
{
    struct topic_queue *q = NULL;
    struct in_msg *m;
    call->any_topic = t->any_topic;
    call->peek = t->peek;
    if (t->any_topic) {
        m = list_first(&b->in.all, struct in_msg, all);
    } else {
        q = topic_find(b, t->topic.b, t->topic.len);
        m = q ? list_first(&q->messages, struct in_msg, topic_link) : NULL;
    }
    if (m) {
        hand_over(b, call, m);
        return OK;
    }
    if (t->wait_ms <= 0) {
        call->last_due = true;
        call_due(&b->calls, call);
        return OK;
    }
    if (b->calls.waiting >= b->limits.waiters)
        return ERR_LIMIT;
    if (!t->any_topic) {
        q = topic_get(b, t->topic.b, t->topic.len);
        if (!q)
            return ERR_NOMEM;
        call->tq = q;
    }
    int64_t wait_ms = MIN(t->wait_ms, b->limits.ttl_max_ms);
    wait_for(b, call, q ? &q->waiters : &b->in.any, now.mono + wait_ms * USEC_MS);
    return OK;
}

/* m could not be removed: it can be taken again. */
static void put_back(struct bus *b, struct in_msg *m)
{
    m->taking = false;
    m->taker = NULL;
    if (link_msg(b, m) == OK) {
        offer(b, m);
        if (!m->taking)
            cache(b, m);
        return;
    }
    /* No memory for its queue: it is in the store, and comes back with the next start. */
    b->in.count--;
    b->in.bytes -= m->len;
    uncache(b, m);
    in_msg_unref(m);
}

void inbox_forget(struct bus *b, struct call *call, struct instant now)
{
    (void)now;
    struct in_msg *m = call->msg;
    call->msg = NULL;
    if (!m->taking || m->taker != call) { /* a peek, or an answer that is ready */
        in_msg_unref(m);
        return;
    }
    m->taker = NULL;
    in_msg_release(m); /* the inbox has it still */
    if (!m->op.flying) {
        op_drop(&b->ops, &m->op);
        put_back(b, m);
    }
}

/* --- store -------------------------------------------------------------------------------- */

bool inbox_fill(struct bus *b, struct in_msg *m, struct bus_store_op *op)
{
    (void)b;
    if (!m->taking)
        return false;
    op->kind = BUS_STORE_IN_TAKE;
    op->has_in = true;
    op->in.seq = m->seq;
    op->in.id = m->id;
    op->in.src = m->src;
    op->in.dst = m->dst;
    op->want_body = m->payload == NULL;
    return true;
}

static void tell_sender(struct bus *b, const struct in_msg *m, struct instant now)
{
    if (bus_is_self(b, &m->src)) {
        b->stats.read++;
        bus_note(b, BUS_STORE_OUT_READ, 0, &m->id, &m->dst);
        return;
    }
    bus_control(b, &m->dst, &m->src, msg_read(&m->id));
    b->stats.sent_read++;
    bool ours = kin_get(&b->kins, ip6_node(&m->src), now.mono) == KIN_OURS;
    reads_add(&b->reads, &m->dst, &m->src, &m->id, ours, now.mono);
}

void inbox_stored(struct bus *b, struct in_msg *m, const struct bus_store_result *res,
                  struct instant now)
{
    struct call *call = m->taker;
    int rc = res->rc;
    if (rc == OK && !m->payload && res->body)
        m->payload = blob_ref(res->body);
    if (rc == OK && (!m->payload || m->payload->len != m->len))
        rc = ERR_CORRUPT; /* the row went, but its payload was not what it said */
    bool gone = res->rc == OK || res->rc == ERR_NOENT;
    m->taker = NULL;
    if (call) {
        call->rc = rc;
        call->last_due = true;
        call_due(&b->calls, call);
        if (rc != OK) {
            call->msg = NULL;
            in_msg_release(m); /* the inbox has it still */
        }
    }
    if (!gone) {
        put_back(b, m);
        return;
    }
    b->in.count--;
    b->in.bytes -= m->len;
    uncache(b, m);
    if (rc == OK && call)
        tell_sender(b, m, now);
    in_msg_unref(m);
}

void inbox_fini(struct bus *b)
{
    if (!b->in.topics.slots)
        return;
    list_foreach_safe (l, &b->in.all) {
        struct in_msg *m = list_entry(l, struct in_msg, all);
        list_init(&m->all);
        in_msg_unref(m);
    }
    for (size_t i = 0; i <= b->in.topics.mask; i++) {
        struct hnode *next;
        for (struct hnode *h = b->in.topics.slots[i]; h; h = next) {
            next = h->next;
            free(container_of(h, struct topic_queue, hash));
        }
    }
    hmap_fini(&b->in.topics);
}
