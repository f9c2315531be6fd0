/* What waits for what. A version counts the changes of a part. INIT makes version 1; each new chunk
 * one more; a store operation covers the version it left with. The INIT ACK waits for any commit, a
 * CHUNK ACK for one that covers its chunk, the DONE ACK for the one that makes the message READY.
 * That one covers everything before it, so that INIT, CHUNK and DONE of one turn of the loop cost
 * one. */
#include "bus/recv_transfer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "bus/bus_core.h"
#include "bus/part_body.h"
#include "bus/timer.h"

int parts_init(struct bus *b)
{
    heap_init(&b->parts.expires);
    heap_init(&b->parts.holds);
    return hmap_init(&b->parts.map, b->rng);
}

static uint64_t key_hash(const struct bus *b, uint64_t node, const struct msg_id *id)
{
    uint8_t key[8 + MSG_ID_BYTES];
    memcpy(key, &node, 8);
    memcpy(key + 8, id->b, MSG_ID_BYTES);
    return hmap_hash(&b->parts.map, key, sizeof(key));
}

static struct part *part_find(struct bus *b, const struct ip6 *src, const struct msg_id *id)
{
    uint64_t node = ip6_node(src);
    uint64_t hash = key_hash(b, node, id);
    for (struct hnode *h = hmap_first(&b->parts.map, hash); h; h = hmap_next(h, hash)) {
        struct part *p = container_of(h, struct part, hash);
        if (p->node->key == node && memcmp(p->id.b, id->b, MSG_ID_BYTES) == 0)
            return p;
    }
    return NULL;
}

/* --- life --------------------------------------------------------------------------------- */

static void part_free(struct bus *b, struct part *p, usec_t now)
{
    op_drop(&b->ops, &p->op);
    hmap_del(&b->parts.map, &p->hash);
    heap_del(&b->parts.expires, &p->expire);
    heap_del(&b->parts.holds, &p->hold);
    b->parts.count--;
    b->parts.bytes -= p->len;
    p->node->parts--;
    node_settle(&b->nodes, p->node, now);
    sparse_fini(&p->data);
    blob_unref(p->body);
    free(p->spans);
    free(p->acks);
    free(p);
}

static void part_drop(struct bus *b, struct part *p, usec_t now)
{
    if (p->row)
        bus_note(b, BUS_STORE_IN_DROP, p->seq, &p->id, &p->dst);
    part_free(b, p, now);
}

void parts_fini(struct bus *b)
{
    if (!b->parts.map.slots)
        return;
    while (b->parts.expires.len > 0)
        part_free(b, container_of(b->parts.expires.v[0].node, struct part, expire), 0);
    hmap_fini(&b->parts.map);
    heap_fini(&b->parts.expires);
    heap_fini(&b->parts.holds);
}

/* Counted and indexed; NULL: no memory. */
static struct part *part_new(struct bus *b, struct node *n, const struct msg_id *id, uint32_t len,
                             struct wire_rd topic, usec_t now)
{
    size_t topic_len = wire_left(&topic);
    struct part *p = calloc(1, sizeof(*p) + topic_len);
    if (!p)
        return NULL;
    if (timer_add(&b->parts.expires, &p->expire) != OK ||
        timer_add(&b->parts.holds, &p->hold) != OK) {
        heap_del(&b->parts.expires, &p->expire);
        free(p);
        return NULL;
    }
    p->op.owner = OP_PART;
    p->node = n;
    p->id = *id;
    p->len = len;
    p->full = len == 0;
    p->version = 1;
    sparse_init(&p->data, len);
    p->topic_len = (uint8_t)topic_len;
    wire_copy(&topic, p->topic, topic_len);
    hmap_add(&b->parts.map, &p->hash, key_hash(b, n->key, id));
    b->parts.count++;
    b->parts.bytes += len;
    n->parts++;
    node_settle(&b->nodes, n, now);
    return p;
}

/* --- INIT --------------------------------------------------------------------------------- */

static void send_ack(struct bus *b, const struct ip6 *src, const struct ip6 *dst, struct pkt *ack,
                     uint32_t echo)
{
    if (ack)
        msg_echo(ack, echo);
    b->stats.sent_ack++;
    bus_control(b, src, dst, ack);
}

static void init_ack(struct bus *b, struct part *p, usec_t now)
{
    p->init_held = false;
    p->init_acked_at = now;
    send_ack(b, &p->dst, &p->src, msg_init_ack(&p->id, p->reply, p->len, p->topic_len),
             p->init_echo);
}

static bool same_init(const struct part *p, const struct msg_packet *i)
{
    return p->len == i->len && p->reply == i->reply && p->topic_len == wire_left(&i->topic) &&
           (p->topic_len == 0 || memcmp(p->topic, i->topic.p, p->topic_len) == 0);
}

/* A message that is here as a whole: the sender learns it without sending it again. */
static bool answer_seen(struct bus *b, const struct ip6 *src, const struct ip6 *dst,
                        const struct msg_packet *i, usec_t now)
{
    struct seen_entry *e = i->reply ? NULL : seen_find(&b->seen, ip6_node(src), &i->id, now);
    if (!e || e->len != i->len)
        return false;
    b->stats.duplicates++;
    if (!seen_answer(&b->seen, e, PART_INIT_GAP, now))
        return true;
    uint8_t topic_len = (uint8_t)wire_left(&i->topic);
    send_ack(b, dst, src, msg_init_ack(&i->id, i->reply, i->len, topic_len), i->echo);
    send_ack(b, dst, src, msg_done_ack(&i->id, e->count, e->sum), (uint32_t)MSG_DONE << 16);
    return true;
}

static bool part_allowed(struct bus *b, const struct node *n, uint64_t len, usec_t now)
{
    return b->store_flying < BUS_STORE_MAX && n->parts < b->limits.in_parts_node &&
           b->parts.bytes + len <= b->limits.in_parts_bytes && inbox_room(b, len) &&
           seen_room(&b->seen, b->parts.count, now);
}

static void init_again(struct bus *b, struct part *p, const struct msg_packet *i, usec_t now)
{
    p->init_echo = i->echo;
    if (p->durable == 0 || p->finishing) {
        p->init_held = true;
        op_want(&b->ops, &p->op); /* it may have failed before */
    } else if (now - p->init_acked_at >= PART_INIT_GAP) {
        init_ack(b, p, now);
    }
}

void recv_init(struct bus *b, const struct ip6 *src, const struct ip6 *dst, const uint8_t *src_key,
               const struct msg_packet *i, struct instant now)
{
    if (i->len > MSG_LEN_MAX) {
        b->stats.refused_limit++;
        return;
    }
    struct node *n = node_get(&b->nodes, src, now.mono);
    if (!n) {
        b->stats.refused_limit++;
        return;
    }
    if (!bucket_take(&n->inits, b->limits.init_per_sec, b->limits.init_per_sec, now.mono)) {
        b->stats.refused_rate++;
        return;
    }
    struct part *p = part_find(b, src, &i->id);
    if (p && same_init(p, i)) {
        init_again(b, p, i, now.mono);
        return;
    }
    if (p && p->ready_flying) {
        b->stats.ignored++; /* the other message with this id is being stored */
        return;
    }
    if (p)
        part_drop(b, p, now.mono);
    if (answer_seen(b, src, dst, i, now.mono))
        return;
    if (!part_allowed(b, n, i->len, now.mono) ||
        !(p = part_new(b, n, &i->id, (uint32_t)i->len, i->topic, now.mono))) {
        b->stats.refused_limit++;
        return;
    }
    p->seq = ++b->in_seq;
    p->reply = i->reply;
    p->src = *src;
    p->dst = *dst;
    memcpy(p->src_key, src_key, sizeof(p->src_key));
    p->recv_ms = now.wall_ms;
    p->expire_ms = now.wall_ms + PART_LIFE_MS;
    timer_set(&b->parts.expires, &p->expire, now.mono + PART_LIFE_MS * USEC_MS);
    p->init_held = true;
    p->init_echo = i->echo;
    op_want(&b->ops, &p->op);
}

/* --- CHUNK -------------------------------------------------------------------------------- */

static void chunk_ack(struct bus *b, const struct part *p, const struct held_ack *a)
{
    send_ack(b, &p->dst, &p->src, msg_chunk_ack(&p->id, a->index, a->offset, a->size), a->echo);
}

/* Can this chunk belong to the message? docs/protocol/messages.md, "Chunks". */
static bool chunk_fits(const struct part *p, const struct msg_packet *c)
{
    uint64_t max = p->len == 0 ? 0 : ((uint64_t)p->len + 249) / 250 - 1;
    return c->data_len > 0 && c->index <= max && c->offset <= p->len &&
           c->data_len <= p->len - c->offset;
}

static bool chunk_known(const struct part *p, const struct msg_packet *c)
{
    if (c->index >= p->n_spans)
        return false;
    const struct span *s = &p->spans[c->index];
    return s->end != 0 && s->offset == c->offset && s->end == c->offset + c->data_len &&
           sparse_has(&p->data, s->offset, c->data, (uint32_t)c->data_len);
}

static int ack_hold(struct part *p, const struct msg_packet *c)
{
    if (p->n_acks == PART_ACKS_MAX)
        return ERR_LIMIT;
    if (p->n_acks == p->cap_acks) {
        uint32_t cap = p->cap_acks ? p->cap_acks * 2 : 4;
        struct held_ack *v = reallocarray(p->acks, cap, sizeof(*v));
        if (!v)
            return ERR_NOMEM;
        p->acks = v;
        p->cap_acks = cap;
    }
    p->acks[p->n_acks++] = (struct held_ack){.index = c->index,
                                             .offset = c->offset,
                                             .size = c->size,
                                             .echo = c->echo,
                                             .version = p->version};
    return OK;
}

/* Held ACKs: when do they ask for a commit? */
static void hold_settle(struct bus *b, struct part *p, usec_t now)
{
    if (p->n_acks == 0)
        timer_set(&b->parts.holds, &p->hold, TIMER_IDLE);
    else if (p->full || now - p->held_since >= PART_HOLD)
        op_want(&b->ops, &p->op);
    else
        timer_set(&b->parts.holds, &p->hold, p->held_since + PART_HOLD);
}

void recv_chunk(struct bus *b, const struct ip6 *src, const struct msg_packet *c,
                struct instant now)
{
    struct part *p = part_find(b, src, &c->id);
    if (!p || !chunk_fits(p, c)) {
        b->stats.ignored++;
        return;
    }
    bool known = chunk_known(p, c);
    if (known && p->version == p->durable && !p->finishing) {
        struct held_ack a = {
            .index = c->index, .offset = c->offset, .size = c->size, .echo = c->echo};
        chunk_ack(b, p, &a);
        return;
    }
    if (!known && (p->finishing || part_body_put(p, c) != OK)) {
        b->stats.ignored++;
        return;
    }
    if (ack_hold(p, c) != OK) {
        b->stats.refused_limit++;
        return;
    }
    if (p->n_acks == 1)
        p->held_since = now.mono;
    if (!p->finishing)
        hold_settle(b, p, now.mono);
}

/* --- DONE, ABORT -------------------------------------------------------------------------- */

static void acks_release(struct bus *b, struct part *p, uint64_t version, usec_t now)
{
    uint32_t n = 0;
    if (p->init_held)
        init_ack(b, p, now);
    while (n < p->n_acks && p->acks[n].version <= version)
        chunk_ack(b, p, &p->acks[n++]);
    p->n_acks -= n;
    if (n > 0 && p->n_acks > 0)
        memmove(p->acks, p->acks + n, p->n_acks * sizeof(*p->acks));
    if (n > 0)
        p->held_since = now; /* the rest came while that commit was under way */
}

static void done_ack(struct bus *b, const struct part *p)
{
    send_ack(b, &p->dst, &p->src, msg_done_ack(&p->id, p->done_count, p->sum), p->done_echo);
}

void recv_done(struct bus *b, const struct ip6 *src, const struct ip6 *dst,
               const struct msg_packet *d, struct instant now)
{
    struct part *p = part_find(b, src, &d->id);
    struct seen_entry *e = seen_find_sum(&b->seen, ip6_node(src), &d->id, d->sum, now.mono);
    if (!p) {
        if (!e) {
            b->stats.ignored++;
            return;
        }
        b->stats.duplicates++;
        if (seen_answer(&b->seen, e, PART_DONE_GAP, now.mono))
            send_ack(b, dst, src, msg_done_ack(&d->id, d->count, d->sum), d->echo);
        return;
    }
    if (p->finishing) {
        if (memcmp(p->sum, d->sum, sizeof(p->sum)) == 0)
            p->done_echo = d->echo;
        return;
    }
    if (!bucket_take(&p->dones, PART_DONES_PER_SEC, PART_DONES_BURST, now.mono)) {
        b->stats.refused_rate++;
        return;
    }
    struct blob *body = part_body_check(p, d->count, d->sum);
    if (!body) {
        b->stats.ignored++;
        return;
    }
    p->body = body;
    p->done_echo = d->echo;
    p->done_count = d->count;
    memcpy(p->sum, d->sum, sizeof(p->sum));
    if (e && e->reply == p->reply) { /* a reply that was transferred again: known and durable */
        b->stats.duplicates++;
        acks_release(b, p, p->version, now.mono);
        done_ack(b, p);
        part_drop(b, p, now.mono);
        return;
    }
    p->finishing = true;
    timer_set(&b->parts.holds, &p->hold, TIMER_IDLE);
    op_want(&b->ops, &p->op);
}

void recv_abort(struct bus *b, const struct ip6 *src, const struct msg_packet *a,
                struct instant now)
{
    struct part *p = part_find(b, src, &a->id);
    if (p && !p->ready_flying)
        part_drop(b, p, now.mono);
    else
        b->stats.ignored++;
}

/* --- store -------------------------------------------------------------------------------- */

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

static void ready_fill(struct bus *b, struct part *p, struct bus_store_op *op)
{
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
    op->seen = (struct bus_seen_row){.node = p->node->key,
                                     .id = p->id,
                                     .reply = p->reply,
                                     .len = p->len,
                                     .count = p->done_count,
                                     .expire_ms = p->recv_ms + SEEN_LIFE_MS};
    memcpy(op->seen.sum, p->sum, sizeof(op->seen.sum));
}

bool part_fill(struct bus *b, struct part *p, struct bus_store_op *op)
{
    if (!p->finishing && p->version == p->durable)
        return false;
    op->has_in = true;
    row_fill(p, &op->in);
    p->flying = p->version;
    if (p->finishing) {
        ready_fill(b, p, op);
        return true;
    }
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
    acks_release(b, p, UINT64_MAX, now.mono);
    done_ack(b, p);
    b->stats.received++;
    if (seen_add(&b->seen, p->node->key, &p->id, p->reply, p->sum, p->len, (uint32_t)p->done_count,
                 SEEN_LIFE_MS, now.mono) != OK)
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
        if (inbox_add(b, m, now) != OK)
            in_msg_unref(m); /* no memory: it is in the store, and comes with the next start */
    }
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
        blob_unref(p->body);
        p->body = NULL;
        forget_held(b, p);
        return;
    }
    if (res->rc != OK) {
        if (!p->finishing) /* else the operation that follows covers all of it */
            forget_held(b, p);
        return;
    }
    p->durable = p->flying;
    acks_release(b, p, p->durable, now.mono);
    if (!p->finishing)
        hold_settle(b, p, now.mono);
}

int parts_load(struct bus *b, const struct bus_in_row *row, struct instant now)
{
    int64_t left_ms = MIN(row->expire_ms - now.wall_ms, (int64_t)PART_LIFE_MS);
    if (row->len > MSG_LEN_MAX || left_ms <= 0 || part_find(b, &row->src, &row->id)) {
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
    int rc = part_body_load(p, row);
    if (rc < 0) {
        part_free(b, p, now.mono);
        return rc;
    }
    p->durable = p->version;
    timer_set(&b->parts.expires, &p->expire, now.mono + left_ms * USEC_MS);
    b->in_seq = MAX(b->in_seq, row->seq);
    return OK;
}

/* --- time --------------------------------------------------------------------------------- */

void parts_tick(struct bus *b, struct instant now)
{
    struct heap_node *h;
    while ((h = timer_fire(&b->parts.holds, now.mono)))
        op_want(&b->ops, &container_of(h, struct part, hold)->op);
    while ((h = timer_fire(&b->parts.expires, now.mono))) {
        struct part *p = container_of(h, struct part, expire);
        if (p->finishing) /* its end is on the way to the store */
            timer_set(&b->parts.expires, h, now.mono + USEC_SEC);
        else
            part_drop(b, p, now.mono);
    }
}

usec_t parts_deadline(const struct bus *b)
{
    return MIN(timer_deadline(&b->parts.expires), timer_deadline(&b->parts.holds));
}
