#include "bus/leases.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "bus/bus_core.h"
#include "bus/client.h"
#include "bus/filter.h"
#include "bus/timer.h"

int leases_init(struct bus *b)
{
    list_init(&b->leases.unmarked);
    return hmap_init(&b->leases.consumers, b->rng);
}

void leases_fini(struct bus *b)
{
    hmap_fini(&b->leases.consumers); /* empty: no message and no call is left */
}

/* --- consumers ---------------------------------------------------------------------------- */

struct consumer *consumer_find(const struct bus *b, const char *name)
{
    size_t len = strlen(name);
    uint64_t hash = hmap_hash(&b->leases.consumers, name, len);
    for (struct hnode *h = hmap_first(&b->leases.consumers, hash); h; h = hmap_next(h, hash)) {
        struct consumer *c = container_of(h, struct consumer, hash);
        if (c->len == len && memcmp(c->name, name, len) == 0)
            return c;
    }
    return NULL;
}

static struct consumer *consumer_get(struct bus *b, const char *name)
{
    struct consumer *c = consumer_find(b, name);
    if (c)
        return c;
    size_t len = strlen(name);
    c = calloc(1, sizeof(*c) + len + 1);
    if (!c)
        return NULL;
    c->len = len;
    memcpy(c->name, name, len + 1);
    list_init(&c->leases);
    list_init(&c->waits);
    hmap_add(&b->leases.consumers, &c->hash, hmap_hash(&b->leases.consumers, name, len));
    return c;
}

static void consumer_settle(struct bus *b, struct consumer *c)
{
    if (!list_empty(&c->leases) || !list_empty(&c->waits))
        return;
    hmap_del(&b->leases.consumers, &c->hash);
    free(c);
}

void lease_detach(struct bus *b, struct in_msg *m)
{
    sub_release(b, m);
    list_del(&m->mark);
    list_del(&m->of_consumer);
    if (m->consumer)
        consumer_settle(b, m->consumer);
    m->consumer = NULL;
    if (!m->forwarding)
        return;
    m->forwarding = false;
    m->tq->forwarding--;
    forward_ready(b, m->tq);
}

/* --- ends of a lease ---------------------------------------------------------------------- */

bool lease_is(const struct in_msg *m, uint32_t generation)
{
    return m->tq && !m->going && m->state == IN_LEASED && m->generation == generation;
}

/* On lease no more: in the queue again, or behind its delay; not offered. */
static void give_back(struct bus *b, struct in_msg *m, int64_t delay_ms, struct instant now)
{
    lease_detach(b, m);
    m->state = IN_READY;
    inbox_recount(b, m);
    m->due_ms = delay_ms > 0 ? now.wall_ms + delay_ms : 0;
    timer_set(&b->in.due, &m->due, delay_ms > 0 ? now.mono + delay_ms * USEC_MS : TIMER_IDLE);
    inbox_arm_expiry(b, m, now);
    if (delay_ms <= 0)
        inbox_link(b, m);
}

void lease_fail(struct bus *b, struct in_msg *m, int64_t delay_ms, bool quiet, struct instant now)
{
    m->tries++;
    m->since_ms = now.wall_ms;
    if (m->tries > b->limits.tries) {
        lease_detach(b, m);
        inbox_die(b, m, now);
        return;
    }
    give_back(b, m, delay_ms, now);
    inbox_changed(b, m);
    if (!quiet && in_msg_queued(m))
        inbox_offer(b, m);
}

static void lease_until(struct bus *b, struct in_msg *m, int64_t lease_ms, struct instant now)
{
    m->due_ms = now.wall_ms + lease_ms;
    timer_set(&b->in.due, &m->due, now.mono + lease_ms * USEC_MS);
}

void lease_return(struct bus *b, struct in_msg *m, struct instant now)
{
    give_back(b, m, 0, now);
    inbox_changed(b, m);
    inbox_offer(b, m);
}

void lease_renew(struct bus *b, struct in_msg *m, int64_t lease_ms, struct instant now)
{
    lease_until(b, m, lease_ms, now);
}

void leases_tick(struct bus *b, struct instant now)
{
    struct heap_node *h;
    struct in_msg *m;
    while ((h = timer_fire(&b->in.due, now.mono))) {
        m = container_of(h, struct in_msg, due);
        if (m->going) {
            timer_set(&b->in.due, h, now.mono + USEC_SEC); /* in case that it stays */
        } else if (m->state == IN_LEASED) {
            b->stats.lease_ends++;
            lease_fail(b, m, 0, false, now);
        } else if (m->state == IN_READY) {
            m->due_ms = 0;
            inbox_link(b, m);
            inbox_offer(b, m);
        }
    }
    while ((m = list_first(&b->leases.unmarked, struct in_msg, mark)) &&
           m->leased_at + LEASE_MARK <= now.mono) {
        list_del(&m->mark);
        inbox_changed(b, m);
    }
}

usec_t leases_deadline(const struct bus *b)
{
    usec_t d = timer_deadline(&b->in.due);
    const struct in_msg *m = list_first(&b->leases.unmarked, struct in_msg, mark);
    return m ? MIN(d, m->leased_at + LEASE_MARK) : d;
}

/* --- fetches ------------------------------------------------------------------------------ */

void fetch_free(struct bus *b, struct fetch *f)
{
    if (!f)
        return;
    list_del(&f->of_consumer);
    if (f->consumer)
        consumer_settle(b, f->consumer);
    free(f->items);
    free(f->messages);
    free(f);
}

int fetch_new(struct bus *b, const struct bus_fetch *f, struct fetch **ret)
{
    struct fetch *n = calloc(1, sizeof(*n));
    if (!n)
        return ERR_NOMEM;
    /* As many as can be there; one for a fetch that waits. */
    size_t cap = MIN((size_t)f->max, b->in.index.len);
    n->cap = (uint32_t)MAX(cap, 1);
    n->filter = f->filter;
    n->socket = f->socket;
    n->max = f->max;
    n->bytes_left = f->max_bytes;
    n->lease_ms = f->lease_ms ? f->lease_ms : b->limits.lease_default_ms;
    n->items = calloc(n->cap, sizeof(*n->items));
    n->messages = calloc(n->cap, sizeof(*n->messages));
    if (!n->items || !n->messages) {
        fetch_free(b, n);
        return ERR_NOMEM;
    }
    if (*f->consumer) {
        n->consumer = consumer_get(b, f->consumer);
        if (!n->consumer) {
            fetch_free(b, n);
            return ERR_NOMEM;
        }
        list_push_back(&n->consumer->waits, &n->of_consumer); /* keeps it, until the end */
    }
    *ret = n;
    return OK;
}

/* Is there room for m in the answer? The first one comes in any case, if its subscription can have
 * it. */
static bool fits(const struct fetch *f, const struct in_msg *m)
{
    if (f->sub && f->n < f->cap && !sub_fits(f->sub, m)) {
        sub_stuck(f->sub);
        return false;
    }
    return f->n < f->cap && f->n < f->max && (f->n == 0 || m->file != 0 || m->len <= f->bytes_left);
}

void fetch_give(struct bus *b, struct call *call, struct in_msg *m)
{
    struct fetch *f = call->fetch;
    struct fetch_item *i = &f->items[f->n++];
    assert(f->n <= f->cap);
    inbox_unlink(m);
    m->state = IN_LEASED;
    m->generation++;
    rng_bytes(b->rng, m->nonce, sizeof(m->nonce));
    inbox_recount(b, m);
    m->consumer = f->consumer;
    list_del(&m->of_consumer); /* of a list of those that were taken over */
    if (f->consumer)
        list_push_back(&f->consumer->leases, &m->of_consumer);
    if (f->sub)
        sub_hold(f->sub, m);
    m->refs++;
    *i = (struct fetch_item){.call = call, .m = m, .generation = m->generation};
    i->op.owner = OP_FETCH;
    if (m->file == 0 && (f->sub || m->len <= f->bytes_left)) { /* a file is no part of the answer */
        f->bytes_left -= MIN(m->len, f->bytes_left);
        i->body = blob_ref(m->payload);
        if (in_msg_unread(m)) {
            f->reading++;
            op_want(&b->ops, &i->op);
        }
    }
}

void fetch_settle(struct bus *b, struct call *call)
{
    if (call->fetch->reading > 0)
        return;
    call->last_due = true;
    call_due(&b->calls, call);
}

/* All topics that match and have messages, by the seq of their first one. */
static int merge_begin(struct bus *b, const struct bus_filter *filter, struct heap *ret)
{
    struct hnode *h = NULL;
    size_t slot = 0;
    heap_init(ret);
    while ((h = hmap_each(&b->in.topics, &slot, h))) {
        struct topic_queue *q = container_of(h, struct topic_queue, hash);
        if (list_empty(&q->messages) || !filter_match(filter, q->topic, q->topic_len))
            continue;
        const struct in_msg *m = list_first(&q->messages, struct in_msg, topic_link);
        int rc = heap_set(ret, &q->merge, (usec_t)m->seq);
        if (rc < 0)
            return rc;
    }
    return OK;
}

static void merge_end(struct heap *h)
{
    while (h->len > 0)
        heap_del(h, h->v[0].node);
    heap_fini(h);
}

/* From several topics, oldest first. */
static int give_merged(struct bus *b, struct call *call)
{
    struct fetch *f = call->fetch;
    struct heap heap;
    struct heap_node *n;
    int rc = merge_begin(b, &f->filter, &heap);
    while (rc == OK && (n = heap_due(&heap, USEC_NEVER))) {
        struct topic_queue *q = container_of(n, struct topic_queue, merge);
        struct in_msg *m = list_first(&q->messages, struct in_msg, topic_link);
        if (!fits(f, m))
            break;
        fetch_give(b, call, m);
        m = list_first(&q->messages, struct in_msg, topic_link);
        if (m)
            rc = heap_set(&heap, n, (usec_t)m->seq);
        else
            heap_del(&heap, n);
    }
    merge_end(&heap);
    return rc;
}

static int give_ready(struct bus *b, struct call *call)
{
    struct fetch *f = call->fetch;
    struct in_msg *m;
    struct topic_queue *q;
    if (f->socket) {
        (void)forward_give(b, call); /* false: it may wait */
        return OK;
    }
    switch (f->filter.kind) {
    case BUS_ANY:
        while ((m = list_first(&b->in.all, struct in_msg, all)) && fits(f, m))
            fetch_give(b, call, m);
        return OK;
    case BUS_TOPIC:
        q = topic_find(b, f->filter.topic.b, f->filter.topic.len);
        while (q && (m = list_first(&q->messages, struct in_msg, topic_link)) && fits(f, m))
            fetch_give(b, call, m);
        return OK;
    case BUS_PREFIX:
    case BUS_PATTERN:
        return give_merged(b, call);
    }
    return OK;
}

static int wait_begin(struct bus *b, struct call *call, int64_t wait_ms, struct instant now)
{
    const struct bus_filter *f = &call->fetch->filter;
    struct list *queue = call->fetch->socket ? &b->forwards.waiters : &b->in.any;
    struct filter_node *several = NULL;
    struct topic_queue *q = NULL;
    int rc = OK;
    if (f->kind == BUS_TOPIC && !call->fetch->socket) {
        q = topic_get(b, f->topic.b, f->topic.len);
        if (!q)
            return ERR_NOMEM;
        queue = &q->waiters;
    } else if (f->kind != BUS_ANY) {
        rc = filter_index_get(&b->in.filtered, f, &several);
        if (rc < 0)
            return rc;
        queue = filter_waiters(several);
    }
    rc = inbox_wait(b, call, queue, wait_ms, now);
    if (rc == OK) {
        call->tq = q;
        call->several = several;
    } else if (q) {
        topic_settle(b, q);
    } else {
        filter_index_settle(&b->in.filtered, several);
    }
    return rc;
}

/* Another connection goes on with this name: what waits there is answered empty, what is on lease
 * there fails. Those messages are in the queue and not offered; they hang in `ret`. */
static void take_over(struct bus *b, struct consumer *c, uint64_t session, const struct fetch *own,
                      struct list *ret, struct instant now)
{
    list_init(ret);
    if (c->session == session)
        return;
    c->session = session;
    list_foreach_safe (l, &c->waits) {
        struct fetch *f = list_entry(l, struct fetch, of_consumer);
        struct call *call = f == own ? NULL : f->call;
        if (!call || !call->waits)
            continue;
        inbox_leave(b, call);
        if (f->sub) {
            sub_taken_over(b, f->sub);
            continue;
        }
        call->last_due = true;
        call_due(&b->calls, call);
    }
    list_foreach_safe (l, &c->leases) {
        struct in_msg *m = list_entry(l, struct in_msg, of_consumer);
        if (m->going)
            continue; /* settled at this moment */
        lease_fail(b, m, 0, true, now);
        if (in_msg_queued(m))
            list_push_back(ret, &m->of_consumer);
    }
}

/* What the new connection did not get itself. */
static void offer_rest(struct bus *b, struct list *rest)
{
    struct in_msg *m;
    while ((m = list_first(rest, struct in_msg, of_consumer))) {
        list_del(&m->of_consumer);
        inbox_offer(b, m);
    }
}

int fetch_begin(struct bus *b, struct call *call, const struct bus_fetch *f, struct instant now)
{
    struct fetch *n = call->fetch;
    struct list rest;
    list_init(&rest);
    n->call = call;
    if (n->consumer)
        take_over(b, n->consumer, f->session, n, &rest, now);
    int rc = give_ready(b, call);
    offer_rest(b, &rest);
    if (n->n == 0 && (rc < 0 || (n->sub && n->sub->stuck)))
        return rc < 0 ? rc : ERR_BUSY;
    if (n->n == 0 && f->wait_ms > 0)
        return wait_begin(b, call, f->wait_ms, now);
    fetch_settle(b, call);
    return OK;
}

void fetch_end(struct bus *b, struct call *call)
{
    struct fetch *f = call->fetch;
    if (!f)
        return;
    for (uint32_t k = 0; k < f->n; k++) {
        struct fetch_item *i = &f->items[k];
        op_drop(&b->ops, &i->op);
        if (!f->answered && lease_is(i->m, i->generation)) {
            give_back(b, i->m, 0, b->next_at);
            inbox_offer(b, i->m);
        }
        blob_unref(i->body);
        in_msg_unref(b, i->m);
    }
    if (f->sub)
        sub_call_end(b, f->sub);
    fetch_free(b, f);
    call->fetch = NULL;
}

size_t fetch_answer(struct bus *b, struct call *call, struct instant now)
{
    struct fetch *f = call->fetch;
    size_t n = 0;
    if (call->rc != OK)
        return 0; /* all of it goes back */
    f->answered = true;
    for (uint32_t k = 0; k < f->n; k++) {
        struct in_msg *m = f->items[k].m;
        if (!lease_is(m, f->items[k].generation))
            continue;
        struct bus_message *r = &f->messages[n++];
        lease_until(b, m, f->lease_ms, now);
        m->leased_at = now.mono;
        m->since_ms = now.wall_ms;
        if (!list_linked(&m->mark))
            list_push_back(&b->leases.unmarked, &m->mark);
        client_message(m, f->items[k].body, r);
        r->token = token_make(b->token_key, m->seq, m->generation, m->nonce, &m->id);
        r->redelivered = m->offers++;
        r->lease_ms = m->due_ms;
        b->stats.leased++;
        b->stats.redelivered += r->redelivered > 0;
    }
    return n;
}

bool fetch_fill(const struct fetch_item *i, struct bus_store_op *op)
{
    op->kind = BUS_STORE_IN_BODY;
    op->in.seq = i->m->seq;
    op->in.id = i->m->id;
    return true;
}

void fetch_stored(struct bus *b, struct fetch_item *i, const struct bus_store_result *res,
                  struct instant now)
{
    struct call *call = i->call;
    struct in_msg *m = i->m;
    if (res->rc == OK && res->body && res->body->len == m->len) {
        i->body = blob_ref(res->body);
    } else if (res->rc == OK || res->rc == ERR_NOENT) {
        if (lease_is(m, i->generation)) { /* nobody will ever get it: for a person to look at */
            lease_detach(b, m);
            inbox_die(b, m, now);
        }
    } else {
        call->rc = res->rc;
    }
    call->fetch->reading--;
    fetch_settle(b, call);
}
