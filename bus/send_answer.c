/* What the answers of a receiver mean for a transfer.
 *
 * INIT ACKs of nodes that speak our extension bring a status and a map of what is there, their
 * CHUNK ACKs a map; others say only that they have heard. ACKs name only the id. A reply has the id
 * of another message, so copies of answers to an earlier reply may arrive in its transfer: see
 * send_done_ack() and send_read(). */
#include <assert.h>
#include <string.h>

#include "base/rng.h"
#include "bus/bus_core.h"
#include "bus/holds.h"
#include "bus/send_chunks.h"
#include "bus/send_transfer.h"
#include "bus/timer.h"

/* Chunks acknowledged between two notes of it: 1 in so many of the message, within these. */
#define PROGRESS_SHARE 256u
#define PROGRESS_MIN   200u
#define PROGRESS_MAX   3200u /* 4 MiB */

/* --- progress ----------------------------------------------------------------------------- */

static void done_wait(struct bus *b, struct out_msg *m, enum out_ask ask)
{
    if (m->state != OUT_DONE_SENT)
        out_msg_set(m, OUT_DONE_SENT);
    m->ask = ask;
    send_arm(b, m, TIMER_IDLE);
}

void send_late(struct bus *b, struct out_msg *m)
{
    chunks_reset(m, OUT_CHUNK_ACKED);
    done_wait(b, m, OUT_ASK_LATE);
    m->packets = OUT_SEND_DONE;
    send_slot_end(b, m);
    send_requeue(b, m);
}

static void all_acked(struct bus *b, struct out_msg *m, struct instant now)
{
    if (m->policy == OUT_AT_MOST_ONCE && !m->done_stored) {
        send_arm(b, m, TIMER_IDLE);
        m->store |= OUT_STORE_DONE;
        op_want(&b->ops, &m->op);
        return;
    }
    if (m->done_valid) { /* it left right behind the chunks */
        done_wait(b, m, OUT_ASK_DONE);
        m->dones = 1;
        send_arm(b, m, now.mono + send_timeout(m));
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
    changes_note(b, m);
    send_hold_end(m);
    m->packets &= ~(unsigned)(OUT_SEND_INIT | OUT_SEND_PROBE);
    m->late_init = m->busy = false;
    m->node->busy_until = 0;
    hold_answered(&b->nodes, m);
    send_arm(b, m, m->flying > 0 ? now.mono + send_timeout(m) : TIMER_IDLE);
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

/* --- INIT ACK ----------------------------------------------------------------------------- */

/* What the answer to its INIT shows the node to be. */
static void learn(struct bus *b, struct out_msg *m, const struct msg_packet *p, usec_t now)
{
    uint64_t node = m->node->key;
    m->mute_inits = 0;
    if (p->trailer.there)
        kin_set(&b->kins, node, KIN_OURS, p->trailer.features, now);
    else if (m->init_trailer)
        kin_set(&b->kins, node, KIN_PLAIN, 0, now);
    else if (m->bare)
        kin_set(&b->kins, node, KIN_MUTE, 0, now);
    m->node->flow.ack_delay = p->trailer.there ? FLOW_ACK_DELAY_OURS : FLOW_ACK_DELAY;
}

/* Begun at a node that says nothing of what it has. */
static void begun_plain(struct bus *b, struct out_msg *m, struct instant now)
{
    if (m->len > b->limits.len_plain_max && !m->forced) {
        bus_control(b, &m->src, &m->dst, msg_abort(&m->id));
        b->stats.sent_abort++;
        b->stats.out_too_large++;
        m->reason = OUT_REASON_TOO_LARGE;
        outbox_finish(b, m, OUT_ABORTED, now);
        return;
    }
    chunks_forget(m, m->init_at); /* a second INIT makes it forget what came before */
    if (m->done_stored) {         /* it may have been delivered by then: at-most-once */
        send_hold_end(m);
        bus_control(b, &m->src, &m->dst, msg_abort(&m->id)); /* of what the INIT began */
        b->stats.sent_abort++;
        send_late(b, m);
        return;
    }
    enter_sending(b, m, now);
}

/* It has the message; where others share its id the DONE ACK must say so too. */
static void known_there(struct bus *b, struct out_msg *m, struct instant now)
{
    b->stats.known_there++;
    if (!m->shared) {
        outbox_finish(b, m, OUT_RECEIVED, now);
    } else if (m->state == OUT_INIT_SENT) {
        chunks_reset(m, OUT_CHUNK_ACKED);
        enter_sending(b, m, now);
    }
}

/* A limit of the receiver is reached: nothing new starts there for a while, or nothing of this
 * topic. */
static void wait_busy(struct bus *b, struct out_msg *m, const struct trailer *t, usec_t now)
{
    struct node *n = m->node;
    usec_t wait = (t->has_wait ? (usec_t)t->wait_ms * USEC_MS : SEND_BUSY_MIN);
    wait = MAX(MIN(wait, SEND_BUSY_MAX), SEND_BUSY_MIN);
    wait += (usec_t)rng_below(b->rng, (uint64_t)wait / 4); /* not all at one time */
    if (n->burst == m)
        n->burst = NULL;
    b->stats.waited_busy++;
    send_hold_end(m);
    chunks_reset(m, OUT_CHUNK_UNSENT);
    m->packets = 0;
    m->busy = true;
    if (!t->topic_only || outbox_hold(b, m, now + wait) != OK)
        n->busy_until = now + wait;
    send_slot_end(b, m);
    send_requeue(b, m);
    send_arm(b, m, now + wait);
}

static void begun_ours(struct bus *b, struct out_msg *m, const struct trailer *t,
                       struct instant now)
{
    if (t->status == TRAILER_RESUMED && t->has_map) {
        b->stats.resumed++;
        chunks_resume(m, t, now.mono);
    } else {
        chunks_forget(m, m->init_at);
    }
    enter_sending(b, m, now);
}

static void init_answered(struct bus *b, struct out_msg *m, const struct trailer *t,
                          struct instant now)
{
    switch (t->has_status ? t->status : TRAILER_NEW) {
    case TRAILER_NEW:
    case TRAILER_RESUMED:
        begun_ours(b, m, t, now);
        break;
    case TRAILER_BUSY:
        wait_busy(b, m, t, now.mono);
        break;
    default: /* of a later release: as if nothing had come */
        break;
    }
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

void send_init_ack(struct bus *b, struct out_msg *m, const struct msg_packet *p, struct instant now)
{
    const struct trailer *t = &p->trailer;
    if (m->state == OUT_QUEUED || m->inits == 0)
        return;
    learn(b, m, p, now.mono);
    if (m->state == OUT_INIT_SENT)
        init_sample(m, now.mono);
    answered(m, now);
    if (t->there && t->has_status && t->status == TRAILER_COMPLETE)
        known_there(b, m, now);
    else if (t->there && t->has_status && t->status == TRAILER_REFUSED)
        outbox_finish(b, m, OUT_REFUSED, now);
    else if (m->state != OUT_INIT_SENT)
        return; /* the copy of an answer that came */
    else if (t->there)
        init_answered(b, m, t, now);
    else
        begun_plain(b, m, now);
}

/* --- CHUNK ACK ---------------------------------------------------------------------------- */

/* The receiver still has the message open: something did not arrive. */
static void probe_answered(struct bus *b, struct out_msg *m)
{
    bool init_allowed = m->policy == OUT_AT_LEAST_ONCE;
    m->probes = m->dones = 0;
    if (++m->rounds > SEND_ROUNDS && init_allowed) {
        m->rounds = 0;
        send_restart(b, m, false);
        return;
    }
    m->packets = 0;
    chunks_reset(m, OUT_CHUNK_UNSENT);
    out_msg_set(m, OUT_SENDING);
    send_arm(b, m, TIMER_IDLE);
    send_requeue(b, m);
}

/* The oldest chunks that enough later ones overtook are sent again before their timer. */
static void find_lost(struct bus *b, struct node *n, struct instant now)
{
    struct out_chunk *c;
    while ((c = list_first(&n->flying, struct out_chunk, link)) &&
           flow_lost(&n->flow, &c->stamp, now.mono)) {
        chunk_lost(c->msg, c);
        send_requeue(b, c->msg);
    }
}

/* A plain receiver cannot be asked what it has: what it acknowledged is noted, so that a restart of
 * this node repeats little. */
static void note_progress(struct bus *b, struct out_msg *m, usec_t now)
{
    uint32_t share = (uint32_t)(m->plan.count / PROGRESS_SHARE);
    uint32_t step = MAX(PROGRESS_MIN, MIN(share, PROGRESS_MAX));
    if (m->acked < m->stored_acked) /* it began anew */
        m->stored_acked = 0;
    bool due = now - m->stored_at >= USEC_SEC || m->acked - m->stored_acked >= step;
    if (!due || (m->store | m->store_flying))
        return;
    m->stored_acked = m->acked;
    m->stored_at = now;
    m->store |= OUT_STORE_ACKED;
    op_want(&b->ops, &m->op);
}

/* A receiver that was restarted and back before its silence was noticed knows its message, but not
 * what it had not stored yet: that is sent again. */
static void check_receded(struct bus *b, struct out_msg *m, const struct trailer *t, usec_t now)
{
    if (!chunks_receded(m, t)) {
        chunks_noted(m, now);
        return;
    }
    b->stats.resumed++;
    chunks_told(m, t, now);
    m->dones = 0;
}

static void go_on(struct bus *b, struct out_msg *m, struct instant now)
{
    if (m->flying == 0 && !chunks_waiting(m) && !m->packets) {
        send_restart(b, m, true); /* what is missing is behind the map: the next one tells */
        return;
    }
    send_arm(b, m, m->flying > 0 ? now.mono + send_timeout(m) : TIMER_IDLE);
    if (m->file == 0)
        return;
    send_requeue(b, m); /* it may have waited for this one */
    if (!send_to_ours(b, m, now))
        note_progress(b, m, now.mono);
}

void send_chunk_ack(struct bus *b, struct out_msg *m, const struct msg_packet *p,
                    struct instant now)
{
    struct node *n = m->node;
    if (m->state == OUT_QUEUED || p->index >= m->plan.count)
        return;
    if (m->state == OUT_DONE_SENT) {
        if (m->ask != OUT_ASK_DONE) {
            answered(m, now);
            probe_answered(b, m);
        }
        return;
    }
    bool mapped = p->trailer.has_map && send_to_ours(b, m, now);
    bool later = mapped && chunk_is_later(m, p->index);
    bool counts = chunk_acked(m, p->index, true, now.mono);
    bool resumed = m->resumes && m->state == OUT_INIT_SENT;
    if (mapped)
        counts |= chunks_acked(m, &p->trailer, now.mono) > 0;
    if (later && m->state == OUT_SENDING)
        check_receded(b, m, &p->trailer, now.mono);
    if (counts)
        answered(m, now);
    if (m->state == OUT_INIT_SENT) {
        if (m->inits > 0 || resumed) {
            b->stats.resumed += resumed;
            m->resumes = false;
            answered(m, now);
            enter_sending(b, m, now);
        }
    } else if (counts) {
        if (m->acked == m->plan.count)
            all_acked(b, m, now);
        else
            go_on(b, m, now);
    }
    find_lost(b, n, now);
    node_ready(&b->nodes, n);
}

/* --- DONE ACK, READ ----------------------------------------------------------------------- */

void send_done_ack(struct bus *b, struct out_msg *m, const struct msg_packet *p, struct instant now)
{
    if (m->state == OUT_QUEUED && !m->loaded) /* what was loaded may have travelled before */
        return;
    /* A copy of the answer to an earlier reply with this id must not end this one. */
    if (m->shared && !(p->has_sum && memcmp(p->sum, m->sum, MSG_SUM_BYTES) == 0))
        return;
    answered(m, now);
    hold_answered(&b->nodes, m);
    if (m->state != OUT_QUEUED) /* it speaks for chunks whose ACKs were not sent any more */
        chunks_arrived(m, now.mono);
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
