/* The half of recv_transfer.h that talks to the store: what it is asked for, and what its answers
 * set free. */
#include <assert.h>
#include <string.h>

#include "bus/bus_core.h"
#include "bus/part_body.h"
#include "bus/recv_transfer.h"
#include "bus/timer.h"

static void row_fill(const struct part *p, struct bus_in_row *r)
{
    r->seq = p->seq;
    r->src = p->src;
    r->dst = p->dst;
    memcpy(r->src_key, p->src_key, sizeof(r->src_key));
    r->id = p->id;
    r->reply = p->reply;
    r->recv_ms = p->recv_ms;
    r->len = p->len;
    r->topic.len = p->topic_len;
    memcpy(r->topic.b, p->topic, p->topic_len);
}

/* How long must this one be known? */
static int64_t seen_life_ms(const struct part *p, usec_t now)
{
    return p->ours ? MAX(p->life_end - now, 0) / USEC_MS + SEEN_AFTER_MS : SEEN_LIFE_MS;
}

static void seen_fill(const struct bus *b, const struct part *p, struct bus_seen_row *r,
                      struct instant now)
{
    r->seq = p->ready_seq;
    r->node = p->node->key;
    r->id = p->id;
    r->reply = p->reply;
    r->ours = p->ours;
    memcpy(r->sum, p->sum, sizeof(r->sum));
    r->len = p->len;
    r->count = p->done_count;
    r->expire_ms = bus_run_ms(b, now) + seen_life_ms(p, now.mono);
}

static bool ready_fill(struct bus *b, struct part *p, struct bus_store_op *op)
{
    p->held = !part_order_turn(b, p, b->next_at.mono, &op->after_seq);
    if (p->held)
        return false;
    op->kind = BUS_STORE_IN_READY;
    op->part_seq = p->row ? p->seq : 0;
    p->ready_flying = true;
    p->ready_seq = ++b->in_seq;
    p->recv_ms = b->next_at.wall_ms;
    op->in.seq = p->ready_seq;
    op->in.state = IN_READY;
    op->in.recv_ms = p->recv_ms;
    memcpy(op->in.sum, p->sum, sizeof(op->in.sum));
    op->in.body = p->body;
    op->in.file = p->file ? p->file->number : 0;
    op->has_seen = true;
    seen_fill(b, p, &op->seen, b->next_at);
    p->seen_ms = op->seen.expire_ms;
    p->seen_ours = op->seen.ours;
    part_order_go(b, p); /* what comes behind it may be part of the same commit */
    return true;
}

bool part_fill(struct bus *b, struct part *p, struct bus_store_op *op)
{
    bool ready = p->finishing && (!p->file || p->file->summed);
    if (!ready && !p->file && p->version == p->durable)
        return false;
    op->has_in = true;
    row_fill(p, &op->in);
    if (ready) {
        p->flying = p->version;
        return ready_fill(b, p, op);
    }
    if (p->file) {
        op->kind = BUS_STORE_IN_PART;
        op->in.file = p->file->number;
        return part_file_fill_row(b, p, &op->in);
    }
    p->flying = p->version;
    b->lent_body = part_body_snapshot(p);
    if (!b->lent_body)
        return false; /* nothing is acknowledged, everything comes again */
    op->kind = BUS_STORE_IN_PART;
    op->in.state = p->full ? IN_PART_FULL : IN_PART;
    op->in.expire_ms = p->expire_ms;
    op->in.body = b->lent_body;
    op->in.got = b->lent_got;
    op->in.got_len = part_body_got(p, b->lent_got, sizeof(b->lent_got));
    op->in.chunks_seen = p->n_spans;
    p->row = true;
    return true;
}

/* The message is durable and complete: the sender learns it, then the clients. */
static void complete(struct bus *b, struct part *p, struct instant now)
{
    part_acks_release(b, p, UINT64_MAX, now.mono);
    part_done_ack(b, p);
    b->stats.received++;
    b->stats.received_bytes += p->len;
    struct bus_seen_row seen;
    seen_fill(b, p, &seen, now);
    seen.expire_ms = p->seen_ms; /* its name in the store */
    seen.ours = p->seen_ours;
    if (seen_add(&b->seen, &seen, seen.expire_ms - bus_run_ms(b, now), now.mono) != OK)
        b->stats.store_errors++; /* no memory: known again after the next start */
    struct in_msg *m = in_msg_new(p->topic, p->topic_len);
    if (m) {
        m->seq = p->ready_seq;
        m->id = p->id;
        m->src = p->src;
        m->dst = p->dst;
        memcpy(m->src_key, p->src_key, sizeof(m->src_key));
        m->reply = p->reply;
        m->recv_ms = p->recv_ms;
        m->len = p->len;
        m->payload = blob_ref(p->body);
        m->file = p->file ? p->file->number : 0;
        if (inbox_add(b, m, now) != OK)
            in_msg_unref(b, m); /* no memory: it is in the store, and comes with the next start */
    }
    part_file_free(b, p, true);
    part_free(b, p, now.mono);
}

/* The store failed: nothing of what was held is acknowledged, the sender comes again. */
static void forget_held(struct bus *b, struct part *p)
{
    p->n_acks = 0;
    p->init_held = false;
    timer_set(&b->parts.holds, &p->hold, TIMER_IDLE);
}

void part_stored(struct bus *b, struct part *p, const struct bus_store_result *res,
                 struct instant now)
{
    if (p->ready_flying) {
        p->ready_flying = false;
        if (res->rc == OK) {
            complete(b, p, now);
            return;
        }
        p->finishing = false;
        if (p->file)
            p->file->summed = false;
        blob_unref(p->body);
        p->body = NULL;
        forget_held(b, p);
        return;
    }
    if (res->rc != OK) {
        if (p->file)
            part_file_row_failed(p);
        if (!p->finishing) /* else the operation that follows covers all of it */
            forget_held(b, p);
        return;
    }
    p->durable = p->flying;
    part_acks_release(b, p, p->durable, now.mono);
    if (!p->finishing && !p->ours && p->file)
        part_file_hold_settle(b, p, now.mono);
    else if (!p->finishing && !p->ours)
        part_hold_settle(b, p, now.mono);
}

int parts_load(struct bus *b, const struct bus_in_row *row, struct instant now)
{
    int64_t left_ms = MIN(row->expire_ms - bus_run_ms(b, now), (int64_t)PART_LIFE_MS);
    bool lost = row->len > MSG_LEN_MAX && row->file == 0;
    if (lost || row->len > MSG_LEN_CEILING || left_ms <= 0 || part_find(b, &row->src, &row->id)) {
        bus_file_drop(b, row->file);
        bus_note(b, BUS_STORE_IN_DROP, row->seq, &row->id, &row->dst);
        return OK;
    }
    struct node *n = node_get(&b->nodes, &row->src, now.mono);
    struct wire_rd topic = wire_rd_of(row->topic.b, row->topic.len);
    struct part *p = n ? part_new(b, n, &row->id, (uint32_t)row->len, topic, now.mono) : NULL;
    if (!p)
        return ERR_NOMEM;
    p->seq = row->seq;
    p->row = true;
    p->reply = row->reply;
    p->src = row->src;
    p->dst = row->dst;
    memcpy(p->src_key, row->src_key, sizeof(p->src_key));
    p->recv_ms = row->recv_ms;
    p->expire_ms = row->expire_ms;
    p->heard_at = now.mono;
    int rc = p->file ? part_file_load(p, row) : part_body_load(p, row);
    if (rc < 0) {
        part_free(b, p, now.mono);
        return rc;
    }
    p->durable = p->version;
    if (p->ours) /* it does not end before its sender, as long as that one is heard */
        left_ms = MIN(row->expire_ms - bus_run_ms(b, now), b->limits.ttl_max_ms);
    p->life_end = now.mono + left_ms * USEC_MS;
    usec_t look_at = now.mono + PART_LIFE_MS * USEC_MS; /* has it been heard? */
    timer_set(&b->parts.expires, &p->expire, MIN(p->life_end, look_at));
    b->in_seq = MAX(b->in_seq, row->seq);
    return OK;
}
