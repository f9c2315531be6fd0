/* The half of outbox.h that talks to the store: what it is asked for, and what its answers change.
 */
#include <assert.h>
#include <string.h>

#include "bus/bus_core.h"
#include "bus/idem.h"
#include "bus/out_calls.h"
#include "bus/outbox.h"
#include "bus/send_chunks.h"
#include "bus/send_transfer.h"
#include "bus/streams.h"
#include "bus/timer.h"

void outbox_row(const struct out_msg *m, struct bus_out_row *r)
{
    r->seq = m->seq;
    r->id = m->id;
    r->src = m->src;
    r->dst = m->dst;
    r->reply = m->reply;
    r->state = OUT_QUEUED;
    r->policy = m->policy;
    r->forced = m->forced;
    r->prio = m->prio;
    r->ordered = m->ordered;
    r->many = m->many;
    r->idem.len = m->idem_len;
    memcpy(r->idem.b, out_msg_idem(m), m->idem_len);
    r->created_ms = m->created_ms;
    r->deadline_ms = m->deadline_ms;
    r->final_ms = m->final_ms;
    r->reason = m->reason;
    r->len = m->len;
    memcpy(r->sum, m->sum, sizeof(r->sum));
    r->topic.len = m->topic_len;
    memcpy(r->topic.b, m->topic, m->topic_len);
}

void outbox_row_status(const struct bus_out_row *r, struct bus_status_info *ret)
{
    *ret = (struct bus_status_info){.seq = r->seq,
                                    .id = r->id,
                                    .dst = r->dst,
                                    .state = r->state,
                                    .created_ms = r->created_ms,
                                    .deadline_ms = r->deadline_ms,
                                    .final_ms = out_state_final(r->state) ? r->final_ms : 0,
                                    .len = r->len,
                                    .reply = r->reply,
                                    .in_memory = r->seq >= BUS_SEQ_MEMORY,
                                    .ordered = r->ordered,
                                    .policy = r->policy,
                                    .reason = r->reason,
                                    .prio = r->prio,
                                    .topic = r->topic};
    /* Of before reasons were stored. */
    if (r->reason == OUT_REASON_NONE && r->state == OUT_CANCELLED)
        ret->reason = OUT_REASON_CANCELLED;
    else if (r->reason == OUT_REASON_NONE && r->state == OUT_REFUSED)
        ret->reason = OUT_REASON_REFUSED;
    else if (r->reason == OUT_REASON_NONE && (r->state == OUT_ABORTED || r->state == OUT_UNKNOWN))
        ret->reason = OUT_REASON_DEADLINE;
}

/* A message to this node itself, as the inbox has it. */
void outbox_local_fill(struct bus *b, struct out_msg *m, struct bus_store_op *op)
{
    struct bus_in_row *in = &op->in;
    op->has_in = true;
    in->seq = ++b->in_seq;
    in->state = IN_READY;
    in->src = m->src;
    in->dst = m->dst;
    memcpy(in->src_key, b->self_key, sizeof(in->src_key));
    in->id = m->id;
    in->reply = m->reply;
    in->recv_ms = m->created_ms;
    in->len = m->len;
    memcpy(in->sum, m->sum, sizeof(in->sum));
    in->topic = op->out.topic;
    in->body = m->body;
    in->file = m->file; /* moves: its number goes from the one row to the other */
    m->local_seq = in->seq;
}

bool outbox_fill(struct bus *b, struct out_msg *m, struct bus_store_op *op)
{
    unsigned want = m->store;
    m->store = 0;
    op->has_out = true;
    outbox_row(m, &op->out);
    if (want & OUT_STORE_PUT) {
        m->store_flying = OUT_STORE_PUT;
        op->kind = BUS_STORE_OUT_PUT;
        op->out.body = m->body;
        op->out.file = m->file;
        if (m->local && !m->in_memory) { /* delivered by the commit that accepts it */
            op->out.state = OUT_RECEIVED;
            op->out.body = NULL;
            op->out.final_ms = m->created_ms;
            outbox_local_fill(b, m, op);
        }
    } else if (want & OUT_STORE_FINAL) {
        m->store_flying = OUT_STORE_FINAL;
        op->kind = BUS_STORE_OUT_STATE;
        op->out.state = m->final;
    } else if (want & OUT_STORE_LOCAL) {
        m->store_flying = OUT_STORE_LOCAL;
        op->kind = BUS_STORE_IN_READY;
        outbox_local_fill(b, m, op);
        op->has_out = false;
        memset(&op->out, 0, sizeof(op->out));
    } else if (want & OUT_STORE_DONE) {
        m->store_flying = OUT_STORE_DONE;
        op->kind = BUS_STORE_OUT_STATE;
        op->out.state = OUT_DONE_SENT;
        op->out.final_ms = 0;
    } else if (want & OUT_STORE_ACKED && m->state != OUT_QUEUED) {
        m->store_flying = OUT_STORE_ACKED;
        op->kind = BUS_STORE_OUT_ACKED;
        op->out.acked = b->lent_acked;
        op->out.acked_len = chunks_progress(m, b->lent_acked, sizeof(b->lent_acked));
    } else if (want & OUT_STORE_BODY && m->queued && !m->body) {
        m->store_flying = OUT_STORE_BODY;
        op->kind = BUS_STORE_OUT_BODY;
    } else {
        return false;
    }
    return true;
}

static void count_delivery(struct bus *b, const struct out_msg *m, usec_t now)
{
    b->stats.delivered++;
    histogram_add(&b->stats.delivery,
                  now - (m->deadline_at - (m->deadline_ms - m->created_ms) * USEC_MS));
}

/* The commit is there: the local message is in the inbox. */
static void local_done(struct bus *b, struct out_msg *m, struct instant now)
{
    struct in_msg *in = in_msg_new(m->topic, m->topic_len);
    if (in) {
        in->seq = m->local_seq;
        in->id = m->id;
        in->src = m->src;
        in->dst = m->dst;
        memcpy(in->src_key, b->self_key, sizeof(in->src_key));
        in->reply = m->reply;
        in->recv_ms = m->created_ms;
        in->len = m->len;
        in->payload = blob_ref(m->body);
        in->file = m->file;
        if (inbox_add(b, in, now) != OK)
            in_msg_unref(b, in);
    }
    b->stats.local++;
}

/* Whatever was decided meanwhile: it was delivered. */
static void memory_local_done(struct bus *b, struct out_msg *m, struct instant now)
{
    local_done(b, m, now);
    m->final = OUT_QUEUED;
    m->reason = OUT_REASON_NONE;
    outbox_finish(b, m, OUT_RECEIVED, now);
}

void outbox_accept(struct out_msg *m)
{
    m->accepted = true;
    if (m->local && !m->in_memory)
        out_msg_set(m, OUT_RECEIVED); /* by the same commit */
}

void outbox_begin(struct bus *b, struct out_msg *m, struct instant now)
{
    b->stats.accepted++;
    b->stats.accepted_bytes += m->len;
    changes_note(b, m);
    if (!m->reply)
        asked_note(&b->asked, ip6_node(&m->dst), &m->id, now.mono);
    if (m->state == OUT_RECEIVED) {
        local_done(b, m, now);
        count_delivery(b, m, now.mono);
        outbox_drop_body(b, m);
        outbox_free(b, m, now.mono);
        return;
    }
    timer_set(&b->out.deadlines, &m->deadline, m->deadline_at);
    if (m->local) {
        m->store = OUT_STORE_LOCAL;
        op_want(&b->ops, &m->op);
        return;
    }
    outbox_keep_body(b, m);
    stream_line_up(b, m, now.mono);
}

static void put_done(struct bus *b, struct out_msg *m, const struct bus_store_result *res,
                     struct instant now)
{
    if (res->rc == OK)
        outbox_accept(m);
    idem_answer(b, m, res, now);
    if (m->accepted) {
        outbox_begin(b, m, now);
        return;
    }
    bus_file_drop(b, m->file);
    outbox_drop_body(b, m);
    outbox_free(b, m, now.mono);
}

static void body_done(struct bus *b, struct out_msg *m, const struct bus_store_result *res,
                      struct instant now)
{
    if (!m->queued || m->body)
        return; /* it ended meanwhile, or was read twice */
    bool whole = res->rc == OK && res->body && res->body->len == m->len;
    if (whole && m->prepped) {
        m->body = blob_ref(res->body);
        node_ready(&b->nodes, m->node);
    } else if (res->rc == ERR_NOENT || (res->rc == OK && !whole)) {
        outbox_lost(b, m, now);
    } else if (res->rc != OK) {
        outbox_postpone(b, m, now);
    }
}

static void final_done(struct bus *b, struct out_msg *m, struct instant now)
{
    enum out_state s = m->final;
    out_msg_set(m, s);
    changes_note(b, m);
    if (s == OUT_RECEIVED || s == OUT_READ)
        count_delivery(b, m, now.mono);
    b->stats.read += s == OUT_READ;
    b->stats.aborted += s == OUT_ABORTED;
    b->stats.cancelled += s == OUT_CANCELLED;
    b->stats.unknown += s == OUT_UNKNOWN;
    b->stats.aborted += s == OUT_REFUSED;
    b->stats.refused += s == OUT_REFUSED;
    if (s == OUT_READ)
        outbox_read_stored(b, &m->dst, &m->id, OK, now.mono);
    if (m->read_late && s == OUT_RECEIVED)
        outbox_read_entry(b, NULL, &m->dst, &m->id, now);
    else
        forgets_end(b, m, now.mono);
    if (s == OUT_CANCELLED && m->sent_any) { /* at the deadline it went before */
        bus_control(b, &m->src, &m->dst, msg_abort(&m->id));
        b->stats.sent_abort++;
    }
    out_calls_answer(b, m, OK);
    out_calls_changed(b, &m->id);
    bus_file_drop(b, m->file);
    outbox_free(b, m, now.mono);
}

void outbox_stored(struct bus *b, struct out_msg *m, const struct bus_store_result *res,
                   struct instant now)
{
    unsigned was = m->store_flying;
    m->store_flying = 0;
    if (was == OUT_STORE_PUT) {
        put_done(b, m, res, now);
    } else if (was == OUT_STORE_BODY) {
        body_done(b, m, res, now);
    } else if (was == OUT_STORE_LOCAL && res->rc == OK) {
        memory_local_done(b, m, now);
    } else if (was == OUT_STORE_ACKED) {
        if (m->store) /* what came meanwhile and was not asked for */
            op_want(&b->ops, &m->op);
    } else if (res->rc != OK) {
        if (!m->store) /* else it is asked for anyway, or something that replaces it */
            m->store = was;
        timer_set(&b->out.timers, &m->timer, now.mono + OUTBOX_RETRY);
        out_calls_answer(b, m, res->rc); /* they may ask again */
    } else if (was == OUT_STORE_FINAL) {
        final_done(b, m, now);
    } else {
        m->done_stored = true;
        send_done_stored(b, m, now);
    }
}
