/* Which packet leaves next.
 *
 * Nodes take turns in a ring; a node leaves it when it has nothing to send and comes back with the
 * next event, so that no step looks at all nodes or all messages. Within a node: what was begun in
 * one go (burst), then INITs, DONEs and probes, then small messages and large ones by turns: of
 * each kind the chunks of the running transfers, then the next of those that wait. */
#include <string.h>

#include "bus/bus_core.h"
#include "bus/holds.h"
#include "bus/send_chunks.h"
#include "bus/send_transfer.h"
#include "bus/streams.h"
#include "bus/timer.h"

/* --- one packet of a transfer ------------------------------------------------------------- */

/* Does its next INIT speak our extension? Not to a node that is known to be of another program, nor
 * when a living one leaves such INITs unanswered. */
static bool trailer_wanted(const struct bus *b, struct out_msg *m, usec_t now)
{
    enum kin kin = kin_get(&b->kins, m->node->key, now);
    if (b->plain || m->bare || kin == KIN_PLAIN || kin == KIN_MUTE)
        return false;
    m->bare =
        kin == KIN_UNKNOWN && m->mute_inits >= KIN_SILENT && m->node->heard_at >= m->mute_since;
    if (m->bare)
        return false;
    if (m->mute_inits == 0)
        m->mute_since = now;
    if (m->mute_inits < UINT8_MAX)
        m->mute_inits++;
    return true;
}

static struct pkt *init_packet(const struct out_msg *m, usec_t now)
{
    struct topic topic = {.len = m->topic_len};
    memcpy(topic.b, m->topic, m->topic_len);
    struct pkt *p = msg_init(&m->id, m->reply, m->len, &topic);
    if (!m->init_trailer)
        return p;
    const struct out_msg *before = stream_after(m);
    struct trailer t = {.has_life = true,
                        .life_ms = (uint64_t)(MAX(m->deadline_at - now, 0) / USEC_MS),
                        .has_sum = true,
                        .has_count = true,
                        .count = m->plan.count,
                        .has_attempt = true,
                        .attempt = m->inits,
                        .has_features = true,
                        .features = TRAILER_OURS};
    memcpy(t.sum, m->sum, sizeof(t.sum));
    t.has_after = before != NULL;
    if (before)
        t.after = before->id;
    return msg_with_trailer(p, &t);
}

/* Does the receiver know what to do with the one that m comes behind? It did when m began, but it
 * may be of another program by now. */
static bool order_kept(const struct bus *b, const struct out_msg *m, usec_t now)
{
    return !stream_after(m) ||
           (m->init_trailer && (kin_features(&b->kins, m->node->key, now) & TRAILER_ORDER));
}

static struct pkt *emit_init(struct bus *b, struct out_msg *m, usec_t now)
{
    m->packets &= (unsigned)~OUT_SEND_INIT;
    b->stats.retransmits += m->inits > 0;
    m->init_trailer = trailer_wanted(b, m, now);
    if (m->inits < UINT8_MAX)
        m->inits++;
    m->init_before = m->init_at;
    m->init_at = now;
    timer_set(&b->out.timers, &m->timer, now + send_timeout(m));
    if (!order_kept(b, m, now))
        return NULL;
    b->stats.sent_init++;
    return init_packet(m, now);
}

static struct pkt *emit_done(struct bus *b, struct out_msg *m, usec_t now)
{
    m->packets &= (unsigned)~OUT_SEND_DONE;
    b->stats.retransmits += m->dones > 0;
    if (m->dones < UINT8_MAX)
        m->dones++;
    m->done_valid = !chunks_waiting(m);
    m->done_at = now;
    if (m->state == OUT_SENDING && m->acked == m->plan.count) {
        out_msg_set(m, OUT_DONE_SENT);
        m->ask = OUT_ASK_DONE;
        m->dones = 1;
    }
    timer_set(&b->out.timers, &m->timer, now + send_timeout(m));
    b->stats.sent_done++;
    return msg_done(&m->id, m->plan.count, m->sum);
}

static struct pkt *chunk_packet(struct bus *b, const struct out_msg *m, uint64_t index)
{
    uint64_t offset = chunk_offset(&m->plan, index);
    b->stats.sent_chunk++;
    uint32_t size = chunk_size(&m->plan, index);
    if (m->file == 0)
        return msg_chunk(&m->id, index, offset, m->body->data + offset, size);
    uint8_t data[MSG_CHUNK_DATA];
    send_file_get(m->data, offset, data, size);
    return msg_chunk(&m->id, index, offset, data, size);
}

/* Chunk 0 once more, to see whether it is answered; outside of the window and its accounts. */
static struct pkt *emit_probe(struct bus *b, struct out_msg *m, usec_t now)
{
    m->packets &= (unsigned)~OUT_SEND_PROBE;
    b->stats.retransmits++;
    struct out_chunk *c = chunk_at(m, 0);
    if (c)
        c->sends = 2; /* its ACK is no sample of the round trip any more */
    timer_set(&b->out.timers, &m->timer, now + send_timeout(m));
    return chunk_packet(b, m, 0);
}

static bool line_waits(const struct line *l)
{
    return l->waiting > 0 || !list_empty(&l->chunks);
}

/* Is there more to send to the node than the chunk of m that leaves now? */
static bool more_chunks(const struct out_msg *m)
{
    const struct node *n = m->node;
    const struct line *own = out_line(m);
    bool alone = own->chunks.next == own->chunks.prev; /* m itself, or none */
    bool others = false;
    for (size_t i = 0; i < LINES; i++)
        others = others || (&n->lines[i] != own && line_waits(&n->lines[i]));
    return chunks_waiting(m) || !alone || own->waiting > 0 || others;
}

/* Small messages are first, but large ones have their part when they wait. */
static void count_turn(struct node *n, const struct out_msg *m)
{
    if (out_line_kind(m) == LINE_SMALL)
        n->small_run += line_waits(&n->lines[LINE_LARGE]) || line_waits(&n->lines[LINE_FILE]);
    else
        n->small_run -= MIN(n->small_run, SEND_SMALL_TURNS);
    if (out_line_kind(m) != LINE_SMALL) /* the two kinds of large ones take turns */
        n->file_turn = out_line_kind(m) == LINE_LARGE;
}

static struct pkt *emit_chunk(struct bus *b, struct out_msg *m, struct out_chunk *c, usec_t now)
{
    struct node *n = m->node;
    b->stats.retransmits += c->sends > 0;
    if (c->sends < UINT8_MAX)
        c->sends++;
    flow_sent(&n->flow, &c->stamp, n->inflight, more_chunks(m), now);
    c->state = OUT_CHUNK_SENT;
    list_push_back(&n->flying, &c->link);
    n->inflight++;
    m->flying++;
    m->done_valid = false;
    count_turn(n, m);
    if (m->unsent > 0) {
        m->unsent--;
        out_line(m)->unsent--;
    }
    if (!timer_armed(&m->timer))
        timer_set(&b->out.timers, &m->timer, now + send_timeout(m));
    return chunk_packet(b, m, c->index);
}

/* Everything of a message in one go: INIT, chunks, DONE. */
static struct pkt *emit_burst(struct bus *b, struct out_msg *m, usec_t now)
{
    struct pkt *p;
    struct out_chunk *c;
    if (m->packets & OUT_SEND_INIT)
        return emit_init(b, m, now);
    c = chunks_next(m);
    if (c)
        return emit_chunk(b, m, c, now);
    p = emit_done(b, m, now);
    m->node->burst = NULL;
    send_requeue(b, m);
    return p;
}

/* m is first in node->control or in the chunks of its line. */
static struct pkt *emit(struct bus *b, struct out_msg *m, usec_t now)
{
    struct pkt *p = NULL;
    struct out_chunk *c = NULL;
    if (!send_data_ready(b, m)) {
        send_requeue(b, m);
        return NULL;
    }
    if (m->packets & OUT_SEND_INIT)
        p = emit_init(b, m, now);
    else if (m->packets & OUT_SEND_PROBE)
        p = emit_probe(b, m, now);
    else if (m->packets & OUT_SEND_DONE)
        p = emit_done(b, m, now);
    else if ((c = chunks_next(m)))
        p = emit_chunk(b, m, c, now);
    if (!p && !c && chunks_waiting(m)) { /* no memory for its record: in a while */
        list_del(&m->send);
        send_arm(b, m, now + OUTBOX_RETRY);
        return NULL;
    }
    if (c && ++m->turn >= SEND_TURN) { /* behind the others */
        m->turn = 0;
        list_del(&m->send);
    }
    send_requeue(b, m); /* where it belongs now */
    return p;
}

/* --- whose turn it is --------------------------------------------------------------------- */

static bool window_open(struct bus *b, struct node *n, uint32_t chunks, usec_t now)
{
    if (n->inflight > 0 && n->inflight + chunks > n->flow.window)
        return false; /* an ACK or a timer brings the node back */
    usec_t when = flow_pace(&n->flow, now);
    if (when <= now)
        return true;
    timer_set(&b->nodes.paces, &n->pace, when);
    return false;
}

/* May one more of this line start, as far as slots are concerned? */
static bool slot_left(struct bus *b, struct node *n, enum line_kind kind)
{
    uint32_t own = b->limits.out_transfers_node, all = b->limits.out_transfers;
    if (kind != LINE_SMALL) {
        own -= own / SEND_SMALL_SLOTS;
        all -= all / SEND_SMALL_SLOTS;
    }
    if (kind == LINE_FILE)
        own = MIN(own, b->limits.out_files_node);
    if (n->n_active >= b->limits.out_transfers_node || n->lines[kind].n_active >= own)
        return false;
    n->starving = b->nodes.n_active >= all; /* the caller moves it */
    return !n->starving;
}

/* One transfer is enough to ask whether a node is there again. But where it says nothing because
 * its rules refuse a topic, that can last: one of another topic asks now and then, too. */
static bool is_silent(struct bus *b, struct node *n, usec_t now)
{
    if (n->unanswered < SEND_UNANSWERED || n->n_active == 0)
        return false;
    if (n->n_holds == 0 || n->n_holds >= HOLDS_NODE)
        return true;
    usec_t when = n->scout_at + SEND_SCOUTS_EVERY;
    if (now < when)
        timer_set(&b->nodes.paces, &n->pace, when);
    return now < when;
}

/* The next message of the line, started; NULL: there is none, or its time has not come; *ret_wait:
 * it waits for the window, and nothing else may have it. */
static struct out_msg *start_next(struct bus *b, struct node *n, enum line_kind kind,
                                  struct instant now, bool *ret_wait)
{
    if (is_silent(b, n, now.mono))
        return NULL;
    if (now.mono < n->busy_until) {
        timer_set(&b->nodes.paces, &n->pace, n->busy_until);
        return NULL;
    }
    struct out_msg *m = outbox_next(b, n, kind, now.mono);
    if (!m || !slot_left(b, n, kind))
        return NULL;
    uint64_t chunks = send_is_eager(m, now.mono) ? chunk_plan(m->len, MSG_CHUNK_DATA).count : 1;
    *ret_wait = !window_open(b, n, (uint32_t)MAX(chunks, 1), now.mono);
    if (*ret_wait)
        return NULL;
    if (n->unanswered >= SEND_UNANSWERED)
        n->scout_at = now.mono;
    if (send_start(b, m, now) != OK) {
        outbox_postpone(b, m, now);
        return NULL;
    }
    return m;
}

/* Too much for the window: its INIT alone. */
static void choose_whole(struct bus *b, struct out_msg *m, usec_t now)
{
    if (!m->whole)
        return;
    m->whole = false;
    if (window_open(b, m->node, (uint32_t)m->plan.count, now))
        m->node->burst = m;
    else
        m->packets &= (unsigned)~OUT_SEND_DONE;
}

/* The next of a line: chunks of what has begun, and in time before they end the next message. */
static struct out_msg *line_next(struct bus *b, struct node *n, enum line_kind kind,
                                 struct instant now, bool *ret_wait)
{
    struct out_msg *m = list_first(&n->lines[kind].chunks, struct out_msg, send);
    if (!m || n->lines[kind].unsent < (uint64_t)n->flow.window * 2 + SEND_AHEAD) {
        struct out_msg *next = start_next(b, n, kind, now, ret_wait);
        if (next || !m)
            return next;
    }
    *ret_wait = !window_open(b, n, 1, now.mono);
    return *ret_wait ? NULL : m;
}

static struct out_msg *choose(struct bus *b, struct node *n, struct instant now)
{
    bool wait = false;
    if (n->burst)
        return n->burst;
    struct out_msg *m = list_first(&n->control, struct out_msg, send);
    if (m) {
        choose_whole(b, m, now.mono);
        return m;
    }
    enum line_kind large = n->file_turn ? LINE_FILE : LINE_LARGE;
    enum line_kind other = n->file_turn ? LINE_LARGE : LINE_FILE;
    bool first = n->small_run < SEND_SMALL_TURNS; /* the small ones */
    const enum line_kind order[LINES] = {first ? LINE_SMALL : large, first ? large : other,
                                         first ? other : LINE_SMALL};
    for (size_t i = 0; i < LINES && !m && !wait; i++)
        m = line_next(b, n, order[i], now, &wait);
    return m;
}

/* The node leaves the ring: it has nothing to send, or may not. */
static void leave_ring(struct bus *b, struct node *n)
{
    list_del(&n->ring);
    if (n->blocked)
        list_push_back(&b->nodes.blocked, &n->ring);
    else if (n->starving)
        list_push_back(&b->nodes.starved, &n->ring);
    else if (b->nodes.n_active < b->limits.out_transfers)
        nodes_feed(&b->nodes); /* it left a free slot to the next */
}

bool send_next(struct bus *b, struct bus_out *ret, struct instant now)
{
    struct node *n;
    while ((n = list_first(&b->nodes.ring, struct node, ring))) {
        b->nodes.looks++;
        struct out_msg *m = choose(b, n, now);
        if (m && b->room && !b->room(b->room_ctx, &m->dst)) {
            n->blocked = true;
            m = NULL;
        }
        if (!m) {
            leave_ring(b, n);
            continue;
        }
        m->sent_any = true;
        silence_sent(&b->nodes, n, now.mono);
        ret->kind = BUS_OUT_PACKET;
        ret->src = m->src;
        ret->dst = m->dst;
        ret->pkt = n->burst == m ? emit_burst(b, m, now.mono) : emit(b, m, now.mono);
        if (!n->burst && list_linked(&n->ring)) { /* next node's turn */
            list_del(&n->ring);
            list_push_back(&b->nodes.ring, &n->ring);
        }
        if (ret->pkt)
            return true;
        /* No memory for it: as if it was lost on the way, its timer brings it again. */
    }
    return false;
}
