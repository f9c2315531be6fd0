/* One transfer at a time is in one of the states of message.h. What keeps it going:
 *
 *   INIT_SENT  INIT left, or everything (eager). Silence: eager, first time: chunk 0 and DONE
 * again, not INIT, which would reset a receiver that did get it. Else INIT again. SENDING    chunks
 * leave within the node's window; lost ones again. Five silent timers: the receiver forgot the
 * message (it was restarted): INIT again. Five of these: large packets may not get through: smaller
 * chunks. DONE_SENT  DONE three times; then chunk 0 as a probe. An ACK of it says that the receiver
 * still waits for something: all chunks again. Silence says that it is complete there and the DONE
 * ACK was lost, or that it was forgotten: only INIT can tell (at-least-once).
 *
 * ACKs name only the id. A reply has the id of another message, so copies of answers to an earlier
 * reply may arrive in its transfer: see send_done_ack() and send_read(). */
#include "bus/send_transfer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "bus/bus_core.h"
#include "bus/timer.h"

#define DOUBLINGS_MAX        10
#define SCOUT_WAIT_DOUBLINGS 2 /* of the timer of its last DONE */

/* --- lists and timers --------------------------------------------------------------------- */

void send_requeue(struct bus *b, struct out_msg *m)
{
    struct node *n = m->node;
    if (n->burst != m) {
        list_del(&m->send);
        if (m->packets)
            list_push_back(&n->control, &m->send);
        else if (m->state == OUT_SENDING && (!list_empty(&m->lost) || m->next < m->plan.count))
            list_push_back(&n->chunks, &m->send);
        else
            return;
    }
    node_ready(&b->nodes, n);
}

/* While the route of a silent node is fresh in doubt, one of its transfers keeps asking, so that
 * another path is noticed soon; the others wait for its success. */
static bool is_scout(const struct out_msg *m)
{
    return m->node->active.next == &m->link && silence_is_fresh(m->node);
}

usec_t send_timeout(const struct out_msg *m)
{
    const struct flow *f = &m->node->flow;
    if (m->state != OUT_INIT_SENT || !m->late_init) {
        usec_t t = flow_timer(f, m->doublings);
        return is_scout(m) ? MIN(t, MAX(flow_timer(f, 0), SEND_BRISK)) : t;
    }
    usec_t t = SEND_LATE_INIT << MIN(m->doublings, 5);
    return MIN(t, FLOW_TIMER_MAX);
}

static void arm(struct bus *b, struct out_msg *m, usec_t when)
{
    timer_set(&b->out.timers, &m->timer, when);
}

static void doubled(struct out_msg *m)
{
    if (m->doublings < DOUBLINGS_MAX)
        m->doublings++;
}

static void hold_end(struct out_msg *m)
{
    if (m->hold)
        m->node->inflight--;
    m->hold = false;
}

static void slot_free(struct bus *b, struct out_msg *m)
{
    m->slot = false;
    m->node->n_active--;
    b->nodes.n_active--;
    nodes_feed(&b->nodes);
    node_ready(&b->nodes, m->node);
}

/* It waits for something that may never come: others may start, as long as the payloads of those
 * that wait so do not become too many. */
static void slot_end(struct bus *b, struct out_msg *m)
{
    if (!m->slot || b->out.late_bytes + m->len > b->limits.out_cache_bytes)
        return;
    list_del(&m->link);
    list_push_back(&m->node->late, &m->link);
    m->late = true;
    b->out.late_bytes += m->len;
    slot_free(b, m);
}

/* --- start and stop ----------------------------------------------------------------------- */

bool send_is_eager(const struct out_msg *m, usec_t now)
{
    const struct node *n = m->node;
    return m->len <= SEND_EAGER_MAX && m->policy == OUT_AT_LEAST_ONCE && !m->loaded &&
           n->answered_at != 0 && now - n->answered_at <= NODE_FRESH && n->unanswered == 0;
}

int send_start(struct bus *b, struct out_msg *m, struct instant now)
{
    struct node *n = m->node;
    int rc = out_chunks_make(m, MSG_CHUNK_DATA);
    if (rc < 0)
        return rc;
    outbox_started(b, m);
    list_push_back(&n->active, &m->link);
    m->slot = true;
    n->n_active++;
    b->nodes.n_active++;
    if (m->done_stored) { /* before a restart: the receiver may have it */
        out_chunks_reset(m, OUT_CHUNK_ACKED);
        out_msg_set(m, OUT_DONE_SENT);
        m->ask = m->plan.count > 0 ? OUT_ASK_PROBE : OUT_ASK_LATE;
        m->packets = m->plan.count > 0 ? OUT_SEND_PROBE : OUT_SEND_DONE;
        m->probes = 1;
    } else {
        out_msg_set(m, OUT_INIT_SENT);
        m->packets = OUT_SEND_INIT;
        m->eager = send_is_eager(m, now.mono);
        if (m->eager) {
            m->packets |= OUT_SEND_DONE;
            n->burst = m;
        } else {
            m->hold = true;
            n->inflight++;
        }
    }
    send_requeue(b, m);
    return OK;
}

void send_stop(struct bus *b, struct out_msg *m)
{
    struct node *n = m->node;
    if (m->state == OUT_QUEUED)
        return;
    if (n->burst == m)
        n->burst = NULL;
    out_chunks_reset(m, OUT_CHUNK_ACKED);
    hold_end(m);
    list_del(&m->send);
    list_del(&m->link);
    if (m->late)
        b->out.late_bytes -= m->len;
    m->late = false;
    if (m->slot)
        slot_free(b, m);
    m->packets = 0;
    if (list_empty(&n->active) && list_empty(&n->late))
        silence_rest(&b->nodes, n);
    node_ready(&b->nodes, n);
}

/* From the beginning: INIT, and nothing counts as sent. */
static void restart(struct bus *b, struct out_msg *m)
{
    if (m->node->burst == m)
        m->node->burst = NULL;
    uint32_t chunk_max = m->restarts >= SEND_RESTARTS ? SEND_CHUNK_SMALL : MSG_CHUNK_DATA;
    if (chunk_plan(m->len, chunk_max).count == m->plan.count || out_chunks_make(m, chunk_max) != OK)
        out_chunks_reset(m, OUT_CHUNK_UNSENT);
    hold_end(m);
    out_msg_set(m, OUT_INIT_SENT);
    m->packets = OUT_SEND_INIT;
    m->whole = false;
    m->dones = m->silent = 0;
    send_requeue(b, m);
}

/* --- progress ----------------------------------------------------------------------------- */

static void done_wait(struct bus *b, struct out_msg *m, enum out_ask ask)
{
    if (m->state != OUT_DONE_SENT)
        out_msg_set(m, OUT_DONE_SENT);
    m->ask = ask;
    arm(b, m, TIMER_IDLE);
}

static void all_acked(struct bus *b, struct out_msg *m, struct instant now)
{
    if (m->policy == OUT_AT_MOST_ONCE && !m->done_stored) {
        arm(b, m, TIMER_IDLE);
        m->store |= OUT_STORE_DONE;
        op_want(&b->ops, &m->op);
        return;
    }
    if (m->done_valid) { /* it left right behind the chunks */
        done_wait(b, m, OUT_ASK_DONE);
        m->dones = 1;
        arm(b, m, now.mono + send_timeout(m));
        return;
    }
    m->dones = 0;
    m->packets |= OUT_SEND_DONE;
    send_requeue(b, m);
}

void send_done_stored(struct bus *b, struct out_msg *m, struct instant now)
{
    if (m->state == OUT_SENDING && m->acked == m->plan.count)
        all_acked(b, m, now);
}

static void enter_sending(struct bus *b, struct out_msg *m, struct instant now)
{
    out_msg_set(m, OUT_SENDING);
    hold_end(m);
    m->packets &= (unsigned)~OUT_SEND_INIT;
    m->late_init = false;
    arm(b, m, m->flying > 0 ? now.mono + send_timeout(m) : TIMER_IDLE);
    if (m->acked == m->plan.count)
        all_acked(b, m, now);
    else
        send_requeue(b, m);
}

static void answered(struct out_msg *m, struct instant now)
{
    m->node->answered_at = now.mono;
    m->doublings = m->silent = 0;
}

/* Of two INITs, nobody knows which one was answered. But where the round trip is longer than the
 * first timer every packet is sent twice, and without this there would never be a sample. */
static void init_sample(struct out_msg *m, usec_t now)
{
    struct flow *f = &m->node->flow;
    if (m->inits == 1)
        flow_rtt(f, now - m->init_at, now);
    else if (!f->has_rtt && now - m->init_before <= FLOW_RTO_MAX)
        flow_rtt(f, now - m->init_before, now);
}

void send_init_ack(struct bus *b, struct out_msg *m, struct instant now)
{
    if (m->state != OUT_INIT_SENT || m->inits == 0)
        return;
    init_sample(m, now.mono);
    answered(m, now);
    enter_sending(b, m, now);
}

/* The receiver still has the message open: something did not arrive. */
static void probe_answered(struct bus *b, struct out_msg *m)
{
    bool init_allowed = m->policy == OUT_AT_LEAST_ONCE;
    m->probes = m->dones = 0;
    if (++m->rounds > SEND_ROUNDS && init_allowed) {
        m->rounds = 0;
        restart(b, m);
        return;
    }
    m->packets = 0;
    out_chunks_reset(m, OUT_CHUNK_UNSENT);
    out_msg_set(m, OUT_SENDING);
    arm(b, m, TIMER_IDLE);
    send_requeue(b, m);
}

/* The oldest chunks that enough later ones overtook are sent again before their timer. */
static void find_lost(struct bus *b, struct node *n, struct instant now)
{
    struct out_chunk *c;
    while ((c = list_first(&n->flying, struct out_chunk, link)) &&
           flow_lost(&n->flow, &c->stamp, now.mono)) {
        out_chunk_lost(c->msg, c);
        send_requeue(b, c->msg);
    }
}

void send_chunk_ack(struct bus *b, struct out_msg *m, uint64_t index, struct instant now)
{
    struct node *n = m->node;
    if (m->state == OUT_QUEUED || index >= m->plan.count)
        return;
    struct out_chunk *c = &m->chunks[index];
    if (m->state == OUT_DONE_SENT) {
        if (m->ask != OUT_ASK_DONE) {
            answered(m, now);
            probe_answered(b, m);
        }
        return;
    }
    bool counts = c->state == OUT_CHUNK_SENT || c->state == OUT_CHUNK_LOST;
    if (counts) {
        bool flying = c->state == OUT_CHUNK_SENT;
        out_chunk_ground(m, c);
        c->state = OUT_CHUNK_ACKED;
        m->acked++;
        answered(m, now);
        if (flying)
            flow_acked(&n->flow, &c->stamp, c->sends == 1, now.mono);
    }
    if (m->state == OUT_INIT_SENT) {
        if (m->inits > 0) {
            answered(m, now);
            enter_sending(b, m, now);
        }
    } else if (counts) {
        if (m->acked == m->plan.count)
            all_acked(b, m, now);
        else
            arm(b, m, m->flying > 0 ? now.mono + send_timeout(m) : TIMER_IDLE);
    }
    find_lost(b, n, now);
    node_ready(&b->nodes, n);
}

void send_done_ack(struct bus *b, struct out_msg *m, const struct msg_packet *p, struct instant now)
{
    if (m->state == OUT_QUEUED && !m->loaded) /* what was loaded may have travelled before */
        return;
    /* A copy of the answer to an earlier reply with this id must not end this one. */
    if (m->shared && !(p->has_sum && memcmp(p->sum, m->sum, MSG_SUM_BYTES) == 0))
        return;
    answered(m, now);
    outbox_finish(b, m, OUT_RECEIVED, now);
}

/* READ says that the message is there, in whatever state we are. But where an earlier reply had the
 * same id, the READ may be that one's: there only the DONE ACK, which names the content, is
 * believed. */
void send_read(struct bus *b, struct out_msg *m, struct instant now)
{
    bool not_sent = m->state == OUT_QUEUED && !m->loaded;
    if (m->final == OUT_QUEUED && (not_sent || m->shared))
        return;
    m->node->answered_at = now.mono;
    outbox_finish(b, m, OUT_READ, now);
}

/* --- silence ------------------------------------------------------------------------------ */

static void init_timer(struct bus *b, struct out_msg *m)
{
    hold_end(m);
    doubled(m);
    if (m->eager && !m->eager_again) {
        m->eager_again = true;
        m->packets = OUT_SEND_DONE | (m->plan.count > 0 ? (unsigned)OUT_SEND_PROBE : 0);
        send_requeue(b, m);
    } else {
        restart(b, m);
    }
}

static void sending_timer(struct bus *b, struct out_msg *m, struct instant now)
{
    usec_t age = send_timeout(m);
    usec_t oldest = TIMER_IDLE;
    bool lost = false;
    for (uint64_t i = 0; i < m->plan.count; i++) {
        struct out_chunk *c = &m->chunks[i];
        if (c->state != OUT_CHUNK_SENT)
            continue;
        if (now.mono - c->stamp.sent >= age) {
            out_chunk_lost(m, c);
            lost = true;
        } else {
            oldest = MIN(oldest, c->stamp.sent + age);
        }
    }
    if (!lost) {
        arm(b, m, oldest);
        send_requeue(b, m);
        return;
    }
    doubled(m);
    if (++m->silent < SEND_SILENT) {
        arm(b, m, oldest);
        send_requeue(b, m);
    } else if (m->done_stored) { /* at-most-once: no INIT any more */
        out_chunks_reset(m, OUT_CHUNK_ACKED);
        done_wait(b, m, OUT_ASK_LATE);
        m->packets = OUT_SEND_DONE;
        slot_end(b, m);
        send_requeue(b, m);
    } else {
        if (m->restarts < SEND_RESTARTS)
            m->restarts++;
        restart(b, m);
    }
}

static void probe_over(struct bus *b, struct out_msg *m, struct instant now)
{
    m->doublings = 0;
    if (m->policy == OUT_AT_MOST_ONCE) {
        m->ask = OUT_ASK_LATE;
        m->packets = OUT_SEND_DONE;
        slot_end(b, m);
        send_requeue(b, m);
    } else {
        m->ask = OUT_ASK_WAIT;
        arm(b, m, now.mono + (is_scout(m) ? SEND_READ_WAIT / 2 : SEND_READ_WAIT));
    }
}

static void done_timer(struct bus *b, struct out_msg *m, struct instant now)
{
    switch (m->ask) {
    case OUT_ASK_DONE:
        doubled(m);
        if (m->dones < SEND_DONES) {
            m->packets = OUT_SEND_DONE;
            break;
        }
        m->doublings = 0;
        m->probes = 0;
        if (m->plan.count == 0) {
            probe_over(b, m, now);
            return;
        }
        m->ask = OUT_ASK_PROBE;
        m->packets = OUT_SEND_PROBE;
        m->probes = 1;
        break;
    case OUT_ASK_PROBE:
        doubled(m);
        if (m->probes >= SEND_PROBES) {
            probe_over(b, m, now);
            return;
        }
        m->probes++;
        m->packets = OUT_SEND_PROBE;
        break;
    case OUT_ASK_WAIT:
        if (is_scout(m) && m->dones == SEND_DONES) { /* in the middle of the moment */
            m->doublings = SCOUT_WAIT_DOUBLINGS;
            m->packets = OUT_SEND_DONE;
            break;
        }
        m->late_init = true;
        m->doublings = 0;
        slot_end(b, m);
        restart(b, m);
        return;
    case OUT_ASK_LATE:
        doubled(m);
        m->packets = OUT_SEND_DONE;
        break;
    }
    send_requeue(b, m);
}

void send_timer(struct bus *b, struct out_msg *m, struct instant now)
{
    struct node *n = m->node;
    if (!n->reachable)
        return;                     /* send_route() wakes it */
    if (n->blocked || m->packets) { /* what it would send again has not left yet */
        arm(b, m, now.mono + send_timeout(m));
        return;
    }
    if (n->unanswered == 0 || now.mono - n->unanswered_at >= flow_timer(&n->flow, 0)) {
        n->unanswered++;
        n->unanswered_at = now.mono;
    }
    switch (m->state) {
    case OUT_INIT_SENT:
        init_timer(b, m);
        break;
    case OUT_SENDING:
        sending_timer(b, m, now);
        break;
    case OUT_DONE_SENT:
        done_timer(b, m, now);
        break;
    case OUT_QUEUED:
    case OUT_RECEIVED:
    case OUT_READ:
    case OUT_ABORTED:
    case OUT_CANCELLED:
    case OUT_UNKNOWN:
        break;
    }
}

/* --- routes ------------------------------------------------------------------------------- */

/* After a silence: what waits for a long timer asks now. The receiver may have been restarted
 * meanwhile and know nothing of what it had: INIT again at the second silent timer from here. */
static void ask_now(struct bus *b, struct node *n, struct instant now)
{
    list_foreach (l, &n->active) {
        struct out_msg *m = list_entry(l, struct out_msg, link);
        if (m->store || m->store_flying)
            continue;
        m->doublings = 0;
        if (m->state == OUT_SENDING)
            m->silent = MAX(m->silent, SEND_SILENT - 2);
        arm(b, m, now.mono);
    }
}

void send_heard(struct bus *b, struct node *n, struct instant now)
{
    bool was_silent = n->unanswered >= SEND_UNANSWERED;
    n->unanswered = 0;
    if (!was_silent)
        return;
    ask_now(b, n, now);
    node_ready(&b->nodes, n);
}

static void new_path(struct bus *b, struct node *n, struct instant now)
{
    if (n->blocked) { /* by the link of another route */
        n->blocked = false;
        list_del(&n->ring);
    }
    n->unanswered = 0;
    silence_new_path(&b->nodes, n, now.mono);
}

void send_route(struct bus *b, struct node *n, bool reachable, struct instant now)
{
    if (n->reachable == reachable)
        return;
    n->reachable = reachable;
    if (!reachable) {
        silence_rest(&b->nodes, n);
        if (!n->blocked)
            list_del(&n->ring);
        n->starving = false;
        node_want(&b->nodes, n, now.mono);
        return;
    }
    node_want_stop(&b->nodes, n);
    new_path(b, n, now);
    ask_now(b, n, now);
    list_foreach (l, &n->late) { /* their timers may have ended without a route */
        struct out_msg *m = list_entry(l, struct out_msg, link);
        if (!timer_armed(&m->timer))
            arm(b, m, now.mono + send_timeout(m));
    }
    node_ready(&b->nodes, n);
}

/* What it sent went into the void: INIT, or what it was about, once more. */
static void again(struct bus *b, struct out_msg *m, struct instant now)
{
    m->doublings = 0;
    arm(b, m, TIMER_IDLE); /* the packet sets it */
    if (m->state == OUT_INIT_SENT && !(m->packets & OUT_SEND_INIT)) {
        restart(b, m);
        if (send_is_eager(m, now.mono)) { /* its answers may have to find another way, too */
            m->packets |= OUT_SEND_DONE;
            m->eager = m->whole = true;
            m->eager_again = false;
        }
    } else if (m->state == OUT_SENDING) {
        m->silent = MAX(m->silent, SEND_SILENT - 2); /* as in ask_now() */
    } else if (m->state == OUT_DONE_SENT) {
        if (m->ask != OUT_ASK_LATE)
            m->ask = OUT_ASK_DONE;
        m->dones = m->probes = 0;
        m->packets = OUT_SEND_DONE;
    }
    send_requeue(b, m);
}

void send_rerouted(struct bus *b, struct node *n, struct instant now)
{
    struct out_chunk *c;
    if (!n->reachable)
        return;
    new_path(b, n, now);
    while ((c = list_first(&n->flying, struct out_chunk, link))) {
        out_chunk_lost(c->msg, c);
        send_requeue(b, c->msg);
    }
    flow_new_path(&n->flow);
    list_foreach (l, &n->active) {
        struct out_msg *m = list_entry(l, struct out_msg, link);
        b->stats.rerouted++;
        if (!m->store && !m->store_flying)
            again(b, m, now);
    }
    node_ready(&b->nodes, n);
}
