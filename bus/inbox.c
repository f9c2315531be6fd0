#include "bus/inbox.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "bus/bus_core.h"
#include "bus/client.h"
#include "bus/leases.h"
#include "bus/timer.h"

int inbox_init(struct bus *b)
{
    list_init(&b->in.all);
    list_init(&b->in.any);
    list_init(&b->in.dead);
    heap_init(&b->in.due);
    heap_init(&b->in.expires);
    int rc = filter_index_init(&b->in.filtered, b->rng);
    return rc == OK ? hmap_init(&b->in.topics, b->rng) : rc;
}

struct in_msg *inbox_find(const struct bus *b, uint64_t seq)
{
    return seq_index_get(&b->in.index, seq);
}

/* --- messages ----------------------------------------------------------------------------- */

struct in_msg *in_msg_new(const uint8_t *topic, uint8_t topic_len)
{
    struct in_msg *m = calloc(1, sizeof(*m) + topic_len);
    if (!m)
        return NULL;
    m->refs = 1;
    m->op.owner = OP_IN;
    m->state = IN_READY;
    list_init(&m->waiting);
    m->topic_len = topic_len;
    if (topic_len > 0)
        memcpy(m->topic, topic, topic_len);
    return m;
}

void in_msg_release(struct in_msg *m)
{
    assert(m->refs > 1);
    m->refs--;
}

void in_msg_unref(struct bus *b, struct in_msg *m)
{
    if (!m)
        return;
    assert(m->refs > 0);
    if (--m->refs > 0)
        return;
    assert(!list_linked(&m->all) && !m->op.flying && !m->tq && list_empty(&m->waiting));
    if (m->gone && m->file != 0)
        bus_file_drop(b, m->file);
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

static void step(uint64_t *n, uint64_t by, bool up)
{
    *n = up ? *n + by : *n - by;
}

void inbox_recount(struct bus *b, struct in_msg *m)
{
    bool live = !m->going;
    bool count = live && m->state != IN_DEAD;
    bool leased = live && m->state == IN_LEASED;
    bool dead = live && m->state == IN_DEAD;
    if (count != m->counted) {
        step(&m->tq->count, 1, count);
        step(&m->tq->bytes, m->len, count);
    }
    if (leased != m->counted_leased) {
        step(&m->tq->leased, 1, leased);
        step(&b->in.leased, 1, leased);
    }
    if (dead != m->counted_dead)
        step(&b->in.n_dead, 1, dead);
    m->counted = count;
    m->counted_leased = leased;
    m->counted_dead = dead;
}

/* --- queues ------------------------------------------------------------------------------- */

void inbox_unlink(struct in_msg *m)
{
    list_del(&m->all);
    list_del(&m->topic_link);
}

static struct in_msg *queued_at(const struct bus *b, size_t at)
{
    struct in_msg *m = b->in.index.v[at].what;
    return m && in_msg_queued(m) ? m : NULL;
}

/* Where m belongs in inbox.all: at the end when it is new, else beside the nearest one that is in
 * the queue. */
static struct list *place_all(struct bus *b, const struct in_msg *m)
{
    struct list *head = &b->in.all, *last = head->prev;
    if (last == head || list_entry(last, struct in_msg, all)->seq < m->seq)
        return head;
    const struct seq_index *x = &b->in.index;
    size_t up = seq_index_above(x, m->seq);
    for (size_t down = up; up < x->len || down > 0; up += up<x->len, down -= down> 0) {
        struct in_msg *near = up < x->len ? queued_at(b, up) : NULL;
        if (near)
            return &near->all;
        near = down > 0 ? queued_at(b, down - 1) : NULL;
        if (near)
            return near->all.next;
    }
    return head;
}

/* In the queue of its topic: near the end for new ones, near the front for those that come back. */
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

void inbox_link(struct bus *b, struct in_msg *m)
{
    assert(m->state == IN_READY && !m->going && !list_linked(&m->topic_link));
    struct list *at;
    if (forward_wants(b, m)) {
        at = place_topic(&m->tq->forward, m->seq);
        list_add_between(&m->topic_link, at->prev, at);
        forward_ready(b, m->tq);
        return;
    }
    at = place_all(b, m);
    list_add_between(&m->all, at->prev, at);
    at = place_topic(&m->tq->messages, m->seq);
    list_add_between(&m->topic_link, at->prev, at);
}

int inbox_wait(struct bus *b, struct call *call, struct list *queue, int64_t wait_ms,
               struct instant now)
{
    if (b->calls.waiting >= b->limits.waiters && queue != &b->forwards.waiters)
        return ERR_LIMIT;
    call->waits = true;
    call->ticket = ++b->calls.ticket;
    b->calls.waiting++;
    list_push_back(queue, &call->wait);
    timer_set(&b->calls.expires, &call->expire,
              now.mono + MIN(wait_ms, b->limits.ttl_max_ms) * USEC_MS);
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
    filter_index_settle(&b->in.filtered, call->several);
    call->several = NULL;
}

/* --- handing over ------------------------------------------------------------------------- */

static void hand_over(struct bus *b, struct call *call, struct in_msg *m)
{
    if (call->kind == CALL_FETCH) {
        fetch_give(b, call, m);
        fetch_settle(b, call);
        return;
    }
    if (call->kind == CALL_TAKE && call->max_len > 0 && m->len > call->max_len) {
        call->rc = ERR_TOOBIG;
        call->last_due = true;
        call_due(&b->calls, call);
        return;
    }
    m->refs++;
    call->msg = m;
    if (call->kind == CALL_TAKE && call->peek) {
        call_body(b, call);
        return;
    }
    m->taker = call;
    inbox_go(b, m);
}

/* Who of those that want several topics waits longest for this one? */
static struct call *first_filtered(struct bus *b, const struct topic_queue *q)
{
    struct call *first = NULL;
    struct filter_walk w;
    struct list *same;
    if (b->in.filtered.count == 0)
        return NULL;
    filter_walk_begin(&w, &b->in.filtered, q->topic, q->topic_len);
    while ((same = filter_walk_next(&w))) {
        struct call *c = list_first(same, struct call, wait);
        if (!first || c->ticket < first->ticket)
            first = c;
    }
    return first;
}

/* Who waits for a message of this topic longest; NULL: nobody. */
static struct call *first_waiter(struct bus *b, const struct topic_queue *q)
{
    struct call *const v[] = {list_first(&b->in.any, struct call, wait),
                              list_first(&q->waiters, struct call, wait), first_filtered(b, q)};
    struct call *first = NULL;
    for (size_t i = 0; i < ARRAY_LEN(v); i++)
        if (v[i] && (!first || v[i]->ticket < first->ticket))
            first = v[i];
    return first;
}

/* A caller that waits for this message as the reply to its own. */
static struct call *reply_waiter(struct bus *b, const struct in_msg *m)
{
    if (bus_is_self(b, &m->src) && !m->reply)
        return NULL; /* what was sent to this node itself is no reply to itself */
    return call_reply_find(&b->calls, ip6_node(&m->src), &m->id);
}

void inbox_offer(struct bus *b, struct in_msg *m)
{
    struct call *call = reply_waiter(b, m);
    if (call) {
        call_reply_del(&b->calls, call);
        timer_set(&b->calls.expires, &call->expire, TIMER_IDLE);
        hand_over(b, call, m);
        return;
    }
    while (in_msg_queued(m) && (call = first_waiter(b, m->tq))) {
        inbox_leave(b, call); /* the queue stays: m is in it */
        if (call->fetch && call->fetch->sub && !sub_fits(call->fetch->sub, m)) {
            sub_stuck(call->fetch->sub);
            call_end(b, call, b->next_at);
            continue;
        }
        hand_over(b, call, m);
    }
}

int inbox_take(struct bus *b, struct call *call, const struct bus_take *t, struct instant now)
{
    struct topic_queue *q = NULL;
    struct in_msg *m;
    call->peek = t->peek;
    call->max_len = t->max_len;
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
    if (!t->any_topic) {
        q = topic_get(b, t->topic.b, t->topic.len);
        if (!q)
            return ERR_NOMEM;
    }
    int rc = inbox_wait(b, call, q ? &q->waiters : &b->in.any, t->wait_ms, now);
    if (rc == OK)
        call->tq = q;
    else if (q)
        topic_settle(b, q);
    return rc;
}

/* --- coming and going --------------------------------------------------------------------- */

/* Older ones of a topic make room for newer ones. */
static void push(struct bus *b, struct topic_queue *q)
{
    struct in_msg *oldest;
    while (q->limits.drop_oldest && topic_full(b, q) &&
           ((oldest = list_first(&q->messages, struct in_msg, topic_link)) ||
            (oldest = list_first(&q->forward, struct in_msg, topic_link)))) {
        b->stats.in_pushed++;
        inbox_go(b, oldest);
    }
}

/* In the index, the heaps and the counts. */
static int enter(struct bus *b, struct in_msg *m)
{
    struct topic_queue *q = topic_get(b, m->topic, m->topic_len);
    if (!q)
        return ERR_NOMEM;
    int rc = timer_add(&b->in.due, &m->due);
    if (rc == OK)
        rc = timer_add(&b->in.expires, &m->expire);
    if (rc == OK)
        rc = seq_index_add(&b->in.index, m->seq, m);
    if (rc < 0) {
        heap_del(&b->in.due, &m->due);
        heap_del(&b->in.expires, &m->expire);
        topic_settle(b, q);
        return rc;
    }
    m->tq = q;
    q->refs++;
    b->in.count++;
    b->in.bytes += m->len;
    return OK;
}

int inbox_add(struct bus *b, struct in_msg *m, struct instant now)
{
    int rc = enter(b, m);
    if (rc < 0)
        return rc;
    inbox_recount(b, m);
    inbox_arm_expiry(b, m, now);
    inbox_link(b, m);
    taps_see(b, m);
    inbox_offer(b, m);
    if (!m->going)
        cache(b, m);
    push(b, m->tq);
    return OK;
}

int inbox_load(struct bus *b, const struct bus_in_row *row, struct instant now)
{
    if (row->len > MSG_LEN_CEILING)
        return ERR_CORRUPT;
    struct in_msg *m = in_msg_new(row->topic.b, row->topic.len);
    if (!m)
        return ERR_NOMEM;
    m->seq = row->seq;
    m->id = row->id;
    m->src = row->src;
    m->dst = row->dst;
    memcpy(m->src_key, row->src_key, sizeof(m->src_key));
    m->reply = row->reply;
    m->recv_ms = row->recv_ms;
    m->len = (uint32_t)row->len;
    m->tries = row->tries;
    m->offers = m->generation = row->offers;
    m->since_ms = row->since_ms;
    m->file = row->file;
    if (row->body && row->body->len == m->len)
        m->payload = blob_ref(row->body);
    int rc = enter(b, m);
    if (rc < 0) {
        in_msg_unref(b, m);
        return rc;
    }
    /* A lease does not outlive the bus that gave it. */
    bool failed = row->state == IN_LEASED && ++m->tries > b->limits.tries;
    bool lost = m->len > MSG_LEN_MAX && m->file == 0 && row->state != IN_DEAD;
    if (failed || lost) { /* lost: nobody could be given it */
        inbox_die(b, m, now);
    } else if (row->state == IN_DEAD) {
        m->state = IN_DEAD;
        list_push_back(&b->in.dead, &m->all);
        inbox_recount(b, m);
        inbox_arm_expiry(b, m, now);
    } else {
        inbox_recount(b, m);
        inbox_arm_expiry(b, m, now);
        inbox_link(b, m);
    }
    cache(b, m);
    return OK;
}

void inbox_remove(struct bus *b, struct in_msg *m)
{
    inbox_unlink(m);
    lease_detach(b, m);
    m->going = true;
    inbox_recount(b, m);
    seq_index_del(&b->in.index, m->seq);
    heap_del(&b->in.due, &m->due);
    heap_del(&b->in.expires, &m->expire);
    b->in.count--;
    b->in.bytes -= m->len;
    uncache(b, m);
    op_drop(&b->ops, &m->op);
    struct topic_queue *q = m->tq;
    m->tq = NULL;
    q->refs--;
    topic_settle(b, q);
    in_msg_unref(b, m);
}

void inbox_go(struct bus *b, struct in_msg *m)
{
    assert(!m->going);
    inbox_unlink(m);
    m->going = true;
    inbox_recount(b, m);
    op_want(&b->ops, &m->op);
}

void inbox_put_back(struct bus *b, struct in_msg *m)
{
    m->going = m->acked = false;
    m->taker = NULL;
    inbox_recount(b, m);
    if (m->state == IN_DEAD) {
        list_push_front(&b->in.dead, &m->all);
    } else if (m->state == IN_READY && !timer_armed(&m->due)) {
        inbox_link(b, m);
        inbox_offer(b, m);
    }
    if (!m->going)
        cache(b, m);
}

void inbox_forget(struct bus *b, struct call *call, struct instant now)
{
    (void)now;
    struct in_msg *m = call->msg;
    call->msg = NULL;
    if (!m->going || m->taker != call) { /* a peek, or an answer that is ready */
        in_msg_unref(b, m);
        return;
    }
    m->taker = NULL;
    in_msg_release(m); /* the inbox has it still */
    if (m->flying != IN_OP_TAKE && !m->acked && list_empty(&m->waiting)) {
        if (!m->op.flying)
            op_drop(&b->ops, &m->op);
        inbox_put_back(b, m);
        if (m->version != m->stored_version)
            op_want(&b->ops, &m->op);
    }
}

void inbox_changed(struct bus *b, struct in_msg *m)
{
    m->version++;
    inbox_recount(b, m);
    op_want(&b->ops, &m->op);
}

void inbox_die(struct bus *b, struct in_msg *m, struct instant now)
{
    inbox_unlink(m);
    m->state = IN_DEAD;
    m->since_ms = now.wall_ms;
    list_push_back(&b->in.dead, &m->all);
    timer_set(&b->in.due, &m->due, TIMER_IDLE);
    b->stats.died++;
    inbox_changed(b, m);
    inbox_arm_expiry(b, m, now);
    if (b->in.n_dead > b->limits.dead_messages) {
        b->stats.in_pushed++;
        inbox_go(b, list_first(&b->in.dead, struct in_msg, all));
    }
}

void inbox_requeue(struct bus *b, struct in_msg *m, struct instant now)
{
    if (m->state == IN_LEASED) {
        lease_return(b, m, now);
        return;
    }
    inbox_unlink(m);
    m->state = IN_READY;
    m->due_ms = 0;
    timer_set(&b->in.due, &m->due, TIMER_IDLE);
    inbox_changed(b, m);
    inbox_arm_expiry(b, m, now);
    inbox_link(b, m);
    inbox_offer(b, m);
}

/* --- age ---------------------------------------------------------------------------------- */

void inbox_arm_expiry(struct bus *b, struct in_msg *m, struct instant now)
{
    int64_t keep_ms = m->state == IN_DEAD ? b->limits.dead_keep_ms : m->tq->limits.expire_ms;
    int64_t from_ms = m->state == IN_DEAD ? m->since_ms : m->recv_ms;
    if (keep_ms <= 0) {
        timer_set(&b->in.expires, &m->expire, TIMER_IDLE);
        return;
    }
    usec_t left = MIN(from_ms + keep_ms - now.wall_ms, keep_ms) * USEC_MS;
    timer_set(&b->in.expires, &m->expire, now.mono + MAX(left, 1));
}

void inbox_limits_changed(struct bus *b, struct topic_queue *q, bool age, struct instant now)
{
    for (size_t i = 0; age && i < b->in.index.len; i++) {
        struct in_msg *m = b->in.index.v[i].what;
        if (m && m->tq == q)
            inbox_arm_expiry(b, m, now);
    }
    push(b, q);
}

void inbox_tick(struct bus *b, struct instant now)
{
    struct heap_node *h;
    while ((h = timer_fire(&b->in.expires, now.mono))) {
        struct in_msg *m = container_of(h, struct in_msg, expire);
        if (m->going) {
            timer_set(&b->in.expires, h, now.mono + INBOX_RETRY);
        } else if (m->state == IN_LEASED) { /* the client that has it may finish */
            timer_set(&b->in.expires, h, MAX(m->due.when, now.mono) + 1);
        } else {
            b->stats.in_expired++;
            timer_set(&b->in.expires, h, now.mono + INBOX_RETRY); /* in case that it fails */
            inbox_go(b, m);
        }
    }
    leases_tick(b, now);
}

usec_t inbox_deadline(const struct bus *b)
{
    return MIN(timer_deadline(&b->in.expires), leases_deadline(b));
}

void inbox_fini(struct bus *b)
{
    filter_index_fini(&b->in.filtered);
    if (!b->in.topics.slots)
        return;
    /* From the end: when the index closes its holes, those that are left only move down. */
    for (size_t i = b->in.index.len; i > 0; i = MIN(i - 1, b->in.index.len))
        if (b->in.index.v[i - 1].what)
            inbox_remove(b, b->in.index.v[i - 1].what);
    for (size_t i = 0; i <= b->in.topics.mask; i++) {
        struct hnode *next;
        for (struct hnode *h = b->in.topics.slots[i]; h; h = next) {
            next = h->next;
            free(container_of(h, struct topic_queue, hash));
        }
    }
    hmap_fini(&b->in.topics);
    heap_fini(&b->in.due);
    heap_fini(&b->in.expires);
    seq_index_fini(&b->in.index);
}
