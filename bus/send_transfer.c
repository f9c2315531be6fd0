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
#include "bus/holds.h"
#include "bus/send_chunks.h"
#include "bus/streams.h"
#include "bus/timer.h"

#define DOUBLINGS_MAX        10
#define SCOUT_WAIT_DOUBLINGS 2 /* of the timer of its last DONE */

/* --- lists and timers --------------------------------------------------------------------- */

/* Who is in the right list keeps its place there. */
static void line_up(struct out_msg *m, struct list *list)
{
    bool control = list == &m->node->control;
    if (list_linked(&m->send) && list && m->in_control == control)
        return;
    list_del(&m->send);
    m->in_control = control;
    if (list)
        list_push_back(list, &m->send);
}

/* Is the data of this chunk in memory? Else it is being read, and send_requeue() follows. */
static bool data_ready(struct bus *b, struct out_msg *m, uint64_t index, bool next)
{
    return m->file == 0 ||
           send_file_ready(b, m, chunk_offset(&m->plan, index), chunk_size(&m->plan, index), next);
}

bool send_data_ready(struct bus *b, struct out_msg *m)
{
    if (m->packets & OUT_SEND_INIT)
        return true;
    if (m->packets & OUT_SEND_PROBE)
        return data_ready(b, m, 0, false);
    if (m->packets || !chunks_waiting(m))
        return true;
    return data_ready(b, m, chunks_first(m), list_empty(&m->lost));
}

void send_requeue(struct bus *b, struct out_msg *m)
{
    struct node *n = m->node;
    if (n->burst != m) {
        struct list *list = NULL;
        if (m->packets)
            list = send_data_ready(b, m) ? &n->control : NULL;
        else if (m->state == OUT_SENDING && chunks_waiting(m) && send_data_ready(b, m))
            list = &out_line(m)->chunks;
        line_up(m, list);
        if (!list)
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

void send_arm(struct bus *b, struct out_msg *m, usec_t when)
{
    timer_set(&b->out.timers, &m->timer, when);
}

static void doubled(struct out_msg *m)
{
    if (m->doublings < DOUBLINGS_MAX)
        m->doublings++;
}

void send_hold_end(struct out_msg *m)
{
    if (m->hold)
        m->node->inflight--;
    m->hold = false;
}

static void slot_free(struct bus *b, struct out_msg *m)
{
    m->slot = false;
    out_line(m)->n_active--;
    m->node->n_active--;
    b->nodes.n_active--;
    nodes_feed(&b->nodes);
    node_ready(&b->nodes, m->node);
}

void send_slot_end(struct bus *b, struct out_msg *m)
{
    if (!m->slot || b->out.late_bytes + out_msg_memory(m) > b->limits.out_cache_bytes)
        return;
    list_del(&m->link);
    list_push_back(&m->node->late, &m->link);
    m->late = true;
    b->out.late_bytes += out_msg_memory(m);
    slot_free(b, m);
}

/* --- start and stop ----------------------------------------------------------------------- */

bool send_to_ours(const struct bus *b, const struct out_msg *m, struct instant now)
{
    return kin_get(&b->kins, m->node->key, now.mono) == KIN_OURS;
}

bool send_is_eager(const struct out_msg *m, usec_t now)
{
    const struct node *n = m->node;
    return m->len <= OUT_SMALL_MAX && m->policy == OUT_AT_LEAST_ONCE && !m->loaded &&
           n->answered_at != 0 && now - n->answered_at <= NODE_FRESH && n->unanswered == 0;
}

/* Was its transfer to a plain receiver under way before a restart? Then INIT would throw away what
 * is there; such progress is stored of no other. */
static bool resume_plain(struct bus *b, struct out_msg *m, struct instant now)
{
    bool known = m->progress && !send_to_ours(b, m, now) &&
                 chunks_load(m, m->progress->data, m->progress->len);
    blob_unref(m->progress);
    m->progress = NULL;
    return known;
}

int send_start(struct bus *b, struct out_msg *m, struct instant now)
{
    struct node *n = m->node;
    int rc = chunks_make(m, MSG_CHUNK_DATA);
    if (rc == OK && m->file != 0)
        rc = send_file_new(b, m);
    if (rc < 0) {
        chunks_free(m);
        return rc;
    }
    outbox_started(b, m);
    list_push_back(&n->active, &m->link);
    m->slot = true;
    m->unsent = (uint32_t)m->plan.count;
    out_line(m)->unsent += m->unsent;
    out_line(m)->n_active++;
    n->n_active++;
    b->nodes.n_active++;
    if (m->done_stored && !send_to_ours(b, m, now)) { /* before a restart: it may have it */
        chunks_reset(m, OUT_CHUNK_ACKED);
        out_msg_set(m, OUT_DONE_SENT);
        m->ask = m->plan.count > 0 ? OUT_ASK_PROBE : OUT_ASK_DONE;
        m->packets = m->plan.count > 0 ? OUT_SEND_PROBE : OUT_SEND_DONE;
        m->probes = 1;
    } else if (resume_plain(b, m, now)) {
        out_msg_set(m, OUT_INIT_SENT);
        m->packets = OUT_SEND_PROBE;
        m->resumes = true;
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
    stream_go(b, m, now.mono);
    return OK;
}

void send_stop(struct bus *b, struct out_msg *m)
{
    struct node *n = m->node;
    if (m->state == OUT_QUEUED)
        return;
    if (n->burst == m)
        n->burst = NULL;
    chunks_reset(m, OUT_CHUNK_ACKED);
    send_file_free(b, m);
    out_line(m)->unsent -= m->unsent;
    m->unsent = 0;
    send_hold_end(m);
    list_del(&m->send);
    list_del(&m->link);
    if (m->late)
        b->out.late_bytes -= out_msg_memory(m);
    m->late = false;
    if (m->slot)
        slot_free(b, m);
    m->packets = 0;
    hold_asker_gone(&b->nodes, m);
    if (list_empty(&n->active) && list_empty(&n->late))
        silence_rest(&b->nodes, n);
    node_ready(&b->nodes, n);
}

void send_restart(struct bus *b, struct out_msg *m, bool keep)
{
    if (m->node->burst == m)
        m->node->burst = NULL;
    uint32_t chunk_max = m->restarts >= SEND_RESTARTS ? SEND_CHUNK_SMALL : MSG_CHUNK_DATA;
    bool same = chunk_plan(m->len, chunk_max).count == m->plan.count;
    if (same ? !keep : chunks_make(m, chunk_max) != OK)
        chunks_reset(m, OUT_CHUNK_UNSENT);
    send_hold_end(m);
    out_msg_set(m, OUT_INIT_SENT);
    m->packets = OUT_SEND_INIT;
    m->whole = false;
    m->dones = m->silent = 0;
    send_requeue(b, m);
}

/* --- silence ------------------------------------------------------------------------------ */

/* At-most-once with a DONE that may have been heard: only a node that speaks our extension may be
 * asked with INIT. */
static bool may_be_ours(const struct bus *b, const struct out_msg *m, struct instant now)
{
    bool silent = m->mute_inits >= KIN_SILENT && m->node->heard_at >= m->mute_since;
    enum kin kin = kin_get(&b->kins, m->node->key, now.mono);
    return !b->plain && (kin == KIN_OURS || (kin == KIN_UNKNOWN && !m->bare && !silent));
}

/* A plain receiver refuses a topic by silence; one of ours takes no ordered message before the one
 * that it comes behind. While the node lives, who asks for that needs no slot. */
static void check_mute(struct bus *b, struct out_msg *m, struct instant now)
{
    if (m->doublings < SEND_UNANSWERED)
        return;
    if (send_to_ours(b, m, now)) {
        if (stream_after(m) && m->node->unanswered == 0)
            send_slot_end(b, m);
        return;
    }
    if (outbox_hold(b, m, now.mono + send_timeout(m)) == OK && m->node->unanswered == 0)
        send_slot_end(b, m);
}

static void init_timer(struct bus *b, struct out_msg *m, struct instant now)
{
    send_hold_end(m);
    if (m->resumes && m->probes < SEND_PROBES) {
        m->probes++;
        doubled(m);
        m->packets = OUT_SEND_PROBE;
        send_requeue(b, m);
        return;
    }
    if (m->resumes) { /* it knows nothing of it any more */
        m->resumes = false;
        m->doublings = 0;
        send_restart(b, m, false);
        return;
    }
    if (m->busy) { /* it was told to wait */
        m->busy = false;
        send_restart(b, m, false);
        return;
    }
    doubled(m);
    check_mute(b, m, now);
    if (m->done_stored && !may_be_ours(b, m, now)) {
        send_late(b, m);
    } else if (m->done_stored || send_to_ours(b, m, now)) {
        send_restart(b, m, true); /* what has arrived is kept, and told */
    } else if (m->eager && !m->eager_again) {
        m->eager_again = true;
        m->packets = OUT_SEND_DONE | (m->plan.count > 0 ? (unsigned)OUT_SEND_PROBE : 0);
        send_requeue(b, m);
    } else {
        send_restart(b, m, false);
    }
}

static void sending_timer(struct bus *b, struct out_msg *m, struct instant now)
{
    usec_t age = send_timeout(m);
    uint32_t lost = 0;
    usec_t oldest = chunks_overdue(m, now.mono - age, &lost);
    oldest = oldest == USEC_NEVER ? TIMER_IDLE : oldest + age;
    if (lost == 0) {
        send_arm(b, m, oldest);
        send_requeue(b, m);
        return;
    }
    doubled(m);
    bool ours = send_to_ours(b, m, now);
    if (++m->silent < (ours ? SEND_SILENT_OURS : SEND_SILENT)) {
        send_arm(b, m, oldest);
        send_requeue(b, m);
    } else if (m->done_stored && !ours) { /* at-most-once: no INIT any more */
        send_late(b, m);
    } else {
        if (m->restarts < SEND_RESTARTS)
            m->restarts++;
        send_restart(b, m, ours);
    }
}

static void probe_over(struct bus *b, struct out_msg *m, struct instant now)
{
    m->doublings = 0;
    if (m->policy == OUT_AT_MOST_ONCE) {
        if (may_be_ours(b, m, now))
            send_restart(b, m, true); /* it would tell */
        else
            send_late(b, m);
    } else {
        m->ask = OUT_ASK_WAIT;
        send_arm(b, m, now.mono + (is_scout(m) ? SEND_READ_WAIT / 2 : SEND_READ_WAIT));
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
        if (send_to_ours(b, m, now)) {
            send_restart(b, m, true); /* the answer tells */
            return;
        }
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
        send_slot_end(b, m);
        send_restart(b, m, false);
        return;
    case OUT_ASK_LATE:
        if (send_to_ours(b, m, now)) {
            send_restart(b, m, true);
            return;
        }
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
        send_arm(b, m, now.mono + send_timeout(m));
        return;
    }
    usec_t silent_since = MAX(n->heard_at, n->unanswered_at);
    if (!m->busy && now.mono - silent_since >= flow_timer(&n->flow, 0)) {
        n->unanswered++;
        n->unanswered_at = now.mono;
    }
    switch (m->state) {
    case OUT_INIT_SENT:
        init_timer(b, m, now);
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
    case OUT_REFUSED:
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
        if (out_msg_storing(m) || m->busy)
            continue;
        m->doublings = 0;
        if (m->state == OUT_SENDING)
            m->silent = MAX(m->silent, SEND_SILENT - 2);
        send_arm(b, m, now.mono);
    }
}

void send_heard(struct bus *b, struct node *n, struct instant now)
{
    bool was_silent = n->unanswered >= SEND_UNANSWERED;
    n->heard_at = now.mono;
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
    holds_end(&b->nodes, n);
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
            send_arm(b, m, now.mono + send_timeout(m));
    }
    node_ready(&b->nodes, n);
}

/* What it sent went into the void: INIT, or what it was about, once more. */
static void again(struct bus *b, struct out_msg *m, struct instant now)
{
    m->doublings = 0;
    send_arm(b, m, TIMER_IDLE); /* the packet sets it */
    if (m->state == OUT_INIT_SENT && !(m->packets & OUT_SEND_INIT)) {
        send_restart(b, m, send_to_ours(b, m, now));
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

void send_retry(struct bus *b, struct out_msg *m, struct instant now)
{
    struct node *n = m->node;
    if (!n->reachable) {
        node_retry(&b->nodes, n, now.mono);
        return;
    }
    n->unanswered = 0;
    if (m->state != OUT_QUEUED && !out_msg_storing(m)) {
        m->doublings = 0;
        send_arm(b, m, now.mono);
    }
    node_ready(&b->nodes, n);
}

void send_rerouted(struct bus *b, struct node *n, struct instant now)
{
    struct out_chunk *c;
    if (!n->reachable)
        return;
    new_path(b, n, now);
    while ((c = list_first(&n->flying, struct out_chunk, link))) {
        chunk_lost(c->msg, c);
        send_requeue(b, c->msg);
    }
    flow_new_path(&n->flow);
    list_foreach (l, &n->active) {
        struct out_msg *m = list_entry(l, struct out_msg, link);
        b->stats.rerouted++;
        if (!out_msg_storing(m) && !m->busy)
            again(b, m, now);
    }
    node_ready(&b->nodes, n);
}
