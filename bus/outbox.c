#include "bus/outbox.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/blake3.h"
#include "base/rng.h"
#include "bus/bus_core.h"
#include "bus/holds.h"
#include "bus/idem.h"
#include "bus/many.h"
#include "bus/send_chunks.h"
#include "bus/send_transfer.h"
#include "bus/streams.h"
#include "bus/timer.h"

int outbox_init(struct bus *b)
{
    struct outbox *o = &b->out;
    heap_init(&o->timers);
    heap_init(&o->deadlines);
    list_init(&o->groups);
    o->reads = calloc(OUTBOX_READS, sizeof(*o->reads));
    o->ended = calloc(OUTBOX_ENDED, sizeof(*o->ended));
    if (!o->reads || !o->ended)
        return ERR_NOMEM;
    int rc = hmap_init(&o->by_key, b->rng);
    if (rc == OK)
        rc = hmap_init(&o->by_id, b->rng);
    if (rc == OK)
        rc = hmap_init(&o->by_idem, b->rng);
    if (rc == OK)
        rc = hmap_init(&o->streams, b->rng);
    return rc;
}

/* --- waiting ------------------------------------------------------------------------------ */

/* m, whose turn it is, waits to be started. */
static void enqueue(struct bus *b, struct out_msg *m, usec_t now)
{
    struct line *l = out_line(m);
    list_push_back(&l->queue[m->prio], &m->link);
    l->waiting++;
    m->queued = true;
    node_want(&b->nodes, m->node, now);
    node_ready(&b->nodes, m->node);
}

void outbox_line_up(struct bus *b, struct out_msg *m, usec_t now)
{
    struct out_msg *first = outbox_find_key(b, m->node->key, &m->id);
    if (first) {
        list_push_back(&first->followers, &m->link);
        return;
    }
    outbox_turn_begin(b, m);
    enqueue(b, m, now);
}

/* m leaves the index: who waited behind it has its turn. */
static void step_aside(struct bus *b, struct out_msg *m, usec_t now)
{
    if (outbox_find_key(b, m->node->key, &m->id) != m) {
        list_del(&m->link); /* among the followers, or not lined up yet */
        return;
    }
    outbox_turn_end(b, m);
    struct out_msg *next = list_first(&m->followers, struct out_msg, link);
    if (!next)
        return;
    list_del(&next->link);
    if (!list_empty(&m->followers)) { /* the others follow the next one now */
        struct list *head = &next->followers;
        *head = m->followers;
        head->next->prev = head;
        head->prev->next = head;
        list_init(&m->followers);
    }
    outbox_turn_begin(b, next);
    enqueue(b, next, now);
}

/* --- payloads in memory ------------------------------------------------------------------- */

static void body_uncount(struct bus *b, struct out_msg *m)
{
    if (m->kept == OUT_KEPT_CACHE)
        b->out.kept_bytes -= out_msg_memory(m);
    else if (m->kept == OUT_KEPT_READ)
        b->out.read_bytes -= out_msg_memory(m);
    m->kept = OUT_KEPT_NOT;
}

void outbox_drop_body(struct bus *b, struct out_msg *m)
{
    body_uncount(b, m);
    blob_unref(m->body);
    m->body = NULL;
}

/* Keeps the payload of an accepted message if there is room, or if it is about to leave. */
void outbox_keep_body(struct bus *b, struct out_msg *m)
{
    if (m->in_memory)
        return; /* there is no other place for it */
    bool soon = m->node->reachable && out_line(m)->waiting == 0;
    if (!soon && b->out.kept_bytes + out_msg_memory(m) > b->limits.out_cache_bytes) {
        outbox_drop_body(b, m);
        return;
    }
    m->kept = OUT_KEPT_CACHE;
    b->out.kept_bytes += out_msg_memory(m);
}

/* Moves the first waiting messages of a priority to `prep` and has missing payloads read; those of
 * held topics out of the way, *moves of them at most. */
static void read_ahead(struct bus *b, struct line *l, int prio, uint32_t *moves)
{
    while (*moves > 0 && l->n_prep[prio] < OUTBOX_READ_AHEAD) {
        struct out_msg *m = list_first(&l->queue[prio], struct out_msg, link);
        if (!m)
            return;
        if (hold_take(m)) {
            --*moves;
            continue;
        }
        bool room = b->out.read_bytes + m->len <= b->limits.out_cache_bytes;
        if (!m->body && m->file == 0 && !room && l->n_prep[prio] > 0)
            return; /* always one, so that every node gets on */
        list_del(&m->link);
        list_push_back(&l->prep[prio], &m->link);
        l->n_prep[prio]++;
        m->prepped = true;
        if (m->body || m->file != 0)
            continue;
        m->kept = OUT_KEPT_READ;
        b->out.read_bytes += m->len;
        m->store |= OUT_STORE_BODY;
        op_want(&b->ops, &m->op);
    }
}

/* Out of the line of its node; fine when it is not there. Who stood behind it may be ready. */
static void dequeue(struct bus *b, struct out_msg *m)
{
    if (!m->queued)
        return;
    if (m->prepped)
        out_line(m)->n_prep[m->prio]--;
    out_line(m)->waiting--;
    list_del(&m->link);
    m->queued = m->prepped = false;
    node_ready(&b->nodes, m->node);
}

struct out_msg *outbox_next(struct bus *b, struct node *n, enum line_kind kind, usec_t now)
{
    struct line *l = &n->lines[kind];
    uint32_t moves = HOLD_MOVES_MAX;
    for (int prio = OUT_PRIOS - 1; prio >= 0; prio--) {
        if (l->n_prep[prio] < OUTBOX_READ_AHEAD / 2)
            read_ahead(b, l, prio, &moves);
        struct out_msg *m = list_first(&l->prep[prio], struct out_msg, link);
        if (m) /* a lower one does not overtake it while its payload is read */
            return m->body || m->file != 0 ? m : NULL;
        if (moves == 0) {
            timer_set(&b->nodes.paces, &n->pace, now);
            return NULL;
        }
    }
    return NULL;
}

/* What stands in `prep` of a topic that is held since now. What was read for it would be in the way
 * of others. */
static void hold_prepped(struct bus *b, struct line *l, int prio)
{
    list_foreach_safe (link, &l->prep[prio]) {
        struct out_msg *m = list_entry(link, struct out_msg, link);
        if (!hold_take(m))
            continue;
        l->n_prep[prio]--;
        m->prepped = false;
        if (m->kept == OUT_KEPT_READ)
            outbox_drop_body(b, m);
    }
}

int outbox_hold(struct bus *b, const struct out_msg *m, usec_t until)
{
    bool begun = false;
    int rc = hold_topic(&b->nodes, m, until, &begun);
    for (size_t i = 0; begun && i < LINES; i++) {
        for (int prio = 0; prio < OUT_PRIOS; prio++)
            hold_prepped(b, &m->node->lines[i], prio);
    }
    return rc;
}

void outbox_started(struct bus *b, struct out_msg *m)
{
    dequeue(b, m);
    body_uncount(b, m);
}

void outbox_postpone(struct bus *b, struct out_msg *m, struct instant now)
{
    dequeue(b, m);
    body_uncount(b, m);
    if (m->body)
        outbox_keep_body(b, m);
    timer_set(&b->out.timers, &m->timer, now.mono + OUTBOX_RETRY);
}

/* --- accepting ---------------------------------------------------------------------------- */

static void uncount(struct bus *b, struct out_msg *m, usec_t now)
{
    m->node->live--;
    m->node->live_bytes -= m->len;
    b->out.live--;
    b->out.live_local -= m->local;
    b->out.memory -= m->in_memory;
    b->out.memory_bytes -= m->in_memory ? m->len : 0;
    topic_release(b, m->coming, m->len);
    m->coming = NULL;
    b->out.bytes -= m->len;
    node_settle(&b->nodes, m->node, now);
}

static void count(struct bus *b, struct out_msg *m, usec_t now)
{
    m->node->live++;
    m->node->live_bytes += m->len;
    b->out.live++;
    b->out.live_local += m->local;
    b->out.memory += m->in_memory;
    b->out.memory_bytes += m->in_memory ? m->len : 0;
    if (m->local)
        m->coming = topic_reserve(b, m->topic, m->topic_len, m->len);
    b->out.bytes += m->len;
    node_settle(&b->nodes, m->node, now);
}

void outbox_free(struct bus *b, struct out_msg *m, usec_t now)
{
    stream_leave(b, m, now);
    outbox_id_del(b, m);
    idem_del(b, m);
    heap_del(&b->out.timers, &m->timer);
    heap_del(&b->out.deadlines, &m->deadline);
    op_drop(&b->ops, &m->op);
    uncount(b, m, now);
    send_file_free(b, m);
    chunks_free(m);
    out_msg_free(m);
}

void outbox_fini(struct bus *b)
{
    struct outbox *o = &b->out;
    if (o->by_id.slots) {
        many_fini(b);
        /* Every message is in the deadline heap as long as it lives. */
        while (o->deadlines.len > 0) {
            struct out_msg *m = container_of(o->deadlines.v[0].node, struct out_msg, deadline);
            send_stop(b, m);
            dequeue(b, m);
            list_del(&m->link);
            if (outbox_find_key(b, m->node->key, &m->id) == m)
                hmap_del(&o->by_key, &m->by_key);
            struct out_msg *f;
            while ((f = list_first(&m->followers, struct out_msg, link)))
                list_del(&f->link);
            body_uncount(b, m);
            outbox_free(b, m, 0);
        }
    }
    hmap_fini(&o->by_key);
    hmap_fini(&o->by_id);
    hmap_fini(&o->by_idem);
    hmap_fini(&o->streams);
    heap_fini(&o->timers);
    heap_fini(&o->deadlines);
    free(o->reads);
    free(o->ended);
}

static int check_limits(struct bus *b, const struct node *n, const struct bus_send *s)
{
    const struct topic none = {.len = 0}, *topic = s->reply ? &none : &s->topic;
    const struct bus_limits *l = &b->limits;
    uint64_t len = s->payload ? s->payload->len : s->file.len;
    if (s->in_memory && (b->out.memory >= l->out_memory_messages ||
                         b->out.memory_bytes + len > l->out_memory_bytes))
        return ERR_LIMIT;
    if (n->live >= l->out_messages_node || n->live_bytes + len > l->out_bytes_node ||
        b->out.live >= l->out_messages)
        return ERR_LIMIT;
    if (b->out.bytes + len > l->out_bytes)
        return ERR_NOSPACE;
    if (n->key == ip6_node(&b->self) && !inbox_room(b, topic->b, topic->len, len, NULL))
        return ERR_LIMIT;
    return OK;
}

/* In the heaps and counted; on error it is the caller's still. */
static int msg_enter(struct bus *b, struct out_msg *m, struct node *n, usec_t now)
{
    int rc = timer_add(&b->out.timers, &m->timer);
    if (rc == OK)
        rc = timer_add(&b->out.deadlines, &m->deadline);
    if (rc < 0) {
        heap_del(&b->out.timers, &m->timer);
        return rc;
    }
    m->node = n;
    rc = stream_join(b, m);
    if (rc < 0) {
        heap_del(&b->out.timers, &m->timer);
        heap_del(&b->out.deadlines, &m->deadline);
        return rc;
    }
    count(b, m, now);
    outbox_id_add(b, m);
    idem_add(b, m);
    return OK;
}

static void id_choose(struct bus *b, struct msg_id *id)
{
    do
        rng_bytes(b->rng, id->b, MSG_ID_BYTES);
    while (outbox_newest(b, id));
}

/* The message that s asks for (`like`: with the same payload), not entered anywhere; NULL: no
 * memory. */
static struct out_msg *msg_make(struct bus *b, const struct bus_send *s, const struct out_msg *like,
                                struct instant now)
{
    const struct topic none = {.len = 0};
    struct out_msg *m = out_msg_new(s->reply ? &none : &s->topic, &s->idem);
    bool large = s->file.number != 0;
    struct blob *body = s->payload || large ? blob_ref(s->payload) : blob_new(0);
    if (!m || (!body && !large)) {
        out_msg_free(m);
        blob_unref(body);
        return NULL;
    }
    m->body = body;
    m->file = s->file.number;
    m->forced = s->force;
    m->len = large ? (uint32_t)s->file.len : body->len;
    m->src = b->self;
    m->dst = s->dst;
    m->reply = s->reply;
    m->policy = s->policy;
    m->prio = s->prio;
    m->in_memory = s->in_memory;
    m->ordered = s->ordered;
    m->local = bus_is_self(b, &s->dst);
    int64_t ttl_ms = s->ttl_ms ? s->ttl_ms : b->limits.ttl_default_ms;
    m->created_ms = now.wall_ms;
    m->deadline_ms = now.wall_ms + ttl_ms;
    m->deadline_at = now.mono + ttl_ms * USEC_MS;
    if (large)
        memcpy(m->sum, s->file.sum, sizeof(m->sum));
    else if (like)
        memcpy(m->sum, like->sum, sizeof(m->sum));
    else
        blake3(body->data, body->len, m->sum);
    if (s->reply)
        m->id = s->reply_to;
    else
        id_choose(b, &m->id);
    return m;
}

int outbox_make(struct bus *b, const struct bus_send *s, const struct out_msg *like,
                struct instant now, struct out_msg **ret)
{
    struct node *n = node_get(&b->nodes, &s->dst, now.mono);
    int rc = n ? check_limits(b, n, s) : ERR_LIMIT;
    b->stats.refused_sends += rc < 0;
    if (rc < 0)
        return rc;
    struct out_msg *m = msg_make(b, s, like, now);
    rc = m ? msg_enter(b, m, n, now.mono) : ERR_NOMEM;
    if (rc < 0)
        out_msg_free(m);
    else
        *ret = m;
    return rc;
}

int outbox_send(struct bus *b, const struct bus_send *s, struct call *call, struct instant now)
{
    struct out_msg *first = idem_find(b, &s->idem, s->in_memory), *m;
    if (first) {
        m = msg_make(b, s, NULL, now);
        if (!m)
            return ERR_NOMEM;
        idem_again(b, first, m, call, now);
        bus_file_drop(b, m->file);
        out_msg_free(m);
        return OK;
    }
    int rc = outbox_make(b, s, NULL, now, &m);
    if (rc < 0)
        return rc;
    m->seq = m->in_memory ? ++b->mem.seq : ++b->out_seq;
    m->call = call;
    call->out = m;
    call->id = m->id;
    m->store = OUT_STORE_PUT;
    op_want(&b->ops, &m->op);
    return OK;
}

int outbox_load(struct bus *b, const struct bus_out_row *row, struct instant now)
{
    if (out_state_final(row->state))
        return OK; /* nothing to do for it */
    if (row->len > MSG_LEN_CEILING || row->prio >= OUT_PRIOS || row->idem.len > IDEM_KEY_MAX)
        return ERR_CORRUPT;
    struct node *n = node_get(&b->nodes, &row->dst, now.mono);
    struct out_msg *m = n ? out_msg_new(&row->topic, &row->idem) : NULL;
    if (!m)
        return ERR_NOMEM;
    m->seq = row->seq;
    m->id = row->id;
    m->src = row->src;
    m->dst = row->dst;
    m->reply = row->reply;
    m->policy = row->policy;
    m->prio = row->prio;
    m->ordered = row->ordered;
    m->many = row->many;
    m->accepted = true;
    m->len = (uint32_t)row->len;
    memcpy(m->sum, row->sum, sizeof(m->sum));
    m->loaded = true;
    m->done_stored = row->state == OUT_DONE_SENT;
    m->created_ms = row->created_ms;
    m->deadline_ms = row->deadline_ms;
    int rc = msg_enter(b, m, n, now.mono);
    if (rc < 0) {
        out_msg_free(m);
        return rc;
    }
    /* The wall clock may have been set while we were away. */
    int64_t left_ms = MIN(row->deadline_ms - now.wall_ms, row->deadline_ms - row->created_ms);
    m->deadline_at = now.mono + MAX(left_ms, 0) * USEC_MS;
    timer_set(&b->out.deadlines, &m->deadline, m->deadline_at);
    if (row->body && row->body->len == m->len) {
        m->body = blob_ref(row->body);
        outbox_keep_body(b, m);
    }
    m->file = row->file;
    m->forced = row->forced;
    if (row->acked_len > 0)
        m->progress = blob_copy(row->acked, row->acked_len); /* no memory: from the beginning */
    b->out_seq = MAX(b->out_seq, m->seq);
    if (!m->reply)
        asked_note(&b->asked, n->key, &m->id, now.mono);
    stream_line_up(b, m, now.mono);
    if (m->len > MSG_LEN_MAX && m->file == 0)
        outbox_lost(b, m, now);
    return OK;
}

/* --- the end ------------------------------------------------------------------------------ */

void outbox_finish(struct bus *b, struct out_msg *m, enum out_state state, struct instant now)
{
    assert(out_state_final(state));
    if (m->final != OUT_QUEUED) {
        if (m->final == OUT_RECEIVED && state == OUT_READ) {
            if (m->store_flying & OUT_STORE_FINAL)
                m->read_late = true;
            else
                m->final = OUT_READ;
        }
        return;
    }
    send_stop(b, m);
    dequeue(b, m);
    step_aside(b, m, now.mono);
    outbox_drop_body(b, m);
    chunks_free(m);
    m->final = state;
    if (state == OUT_CANCELLED)
        m->reason = OUT_REASON_CANCELLED;
    else if (state == OUT_REFUSED)
        m->reason = OUT_REASON_REFUSED;
    else if ((state == OUT_ABORTED || state == OUT_UNKNOWN) && m->reason == OUT_REASON_NONE)
        m->reason = OUT_REASON_DEADLINE;
    m->final_ms = now.wall_ms;
    m->store = OUT_STORE_FINAL;
    timer_set(&b->out.timers, &m->timer, TIMER_IDLE);
    timer_set(&b->out.deadlines, &m->deadline, TIMER_IDLE);
    op_want(&b->ops, &m->op);
}

void outbox_lost(struct bus *b, struct out_msg *m, struct instant now)
{
    m->reason = OUT_REASON_LOST;
    outbox_finish(b, m, OUT_ABORTED, now);
}

void outbox_retry(struct bus *b, struct out_msg *m, struct instant now)
{
    bool postponed = m->state == OUT_QUEUED && !m->queued && timer_armed(&m->timer);
    if (postponed && !out_msg_storing(m))
        timer_set(&b->out.timers, &m->timer, now.mono);
    send_retry(b, m, now);
}

static void deadline_pass(struct bus *b, struct out_msg *m, struct instant now)
{
    bool maybe = m->policy == OUT_AT_MOST_ONCE && m->done_stored;
    if (m->sent_any)
        bus_control(b, &m->src, &m->dst, msg_abort(&m->id));
    if (m->sent_any)
        b->stats.sent_abort++;
    outbox_finish(b, m, maybe ? OUT_UNKNOWN : OUT_ABORTED, now);
}

void outbox_tick(struct bus *b, struct instant now)
{
    struct heap_node *h;
    while ((h = timer_fire(&b->out.deadlines, now.mono)))
        deadline_pass(b, container_of(h, struct out_msg, deadline), now);
    while ((h = timer_fire(&b->out.timers, now.mono))) {
        struct out_msg *m = container_of(h, struct out_msg, timer);
        if (m->final != OUT_QUEUED || m->store & ~(unsigned)OUT_STORE_ACKED)
            op_want(&b->ops, &m->op); /* the store failed before */
        else if (m->state == OUT_QUEUED)
            enqueue(b, m, now.mono);
        else
            send_timer(b, m, now);
    }
}

void outbox_status(const struct out_msg *m, struct bus_status_info *ret)
{
    *ret = (struct bus_status_info){.seq = m->seq,
                                    .id = m->id,
                                    .dst = m->dst,
                                    .state = m->state,
                                    .created_ms = m->created_ms,
                                    .deadline_ms = m->deadline_ms,
                                    .final_ms = out_state_final(m->state) ? m->final_ms : 0,
                                    .len = m->len,
                                    .reply = m->reply,
                                    .in_memory = m->in_memory,
                                    .ordered = m->ordered,
                                    .route = !out_state_final(m->state) && m->node->reachable,
                                    .policy = m->policy,
                                    .prio = m->prio};
    if (out_state_final(m->state))
        ret->reason = m->reason;
    ret->topic.len = m->topic_len;
    memcpy(ret->topic.b, m->topic, m->topic_len);
    if (m->state != OUT_SENDING && m->state != OUT_DONE_SENT)
        return;
    ret->chunks_acked = m->acked;
    ret->chunks_sent = (uint64_t)m->flying + m->n_lost;
    ret->chunks_pending = m->plan.count - m->acked - ret->chunks_sent;
}
