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
#include "bus/recv_answer.h"
#include "bus/timer.h"

int parts_init(struct bus *b)
{
    heap_init(&b->parts.expires);
    heap_init(&b->parts.holds);
    list_init(&b->parts.sacks);
    return hmap_init(&b->parts.map, b->rng);
}

static uint64_t key_hash(const struct bus *b, uint64_t node, const struct msg_id *id)
{
    uint8_t key[8 + MSG_ID_BYTES];
    memcpy(key, &node, 8);
    memcpy(key + 8, id->b, MSG_ID_BYTES);
    return hmap_hash(&b->parts.map, key, sizeof(key));
}

struct part *part_find(struct bus *b, const struct ip6 *src, const struct msg_id *id)
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

void part_free(struct bus *b, struct part *p, usec_t now)
{
    op_drop(&b->ops, &p->op);
    hmap_del(&b->parts.map, &p->hash);
    heap_del(&b->parts.expires, &p->expire);
    heap_del(&b->parts.holds, &p->hold);
    list_del(&p->sack);
    list_del(&p->behind);
    part_order_go(b, p);
    b->parts.count--;
    if (p->len <= MSG_LEN_MAX)
        b->parts.bytes -= p->len;
    part_file_free(b, p, false);
    p->node->parts--;
    topic_release(b, p->tq, p->len);
    node_settle(&b->nodes, p->node, now);
    sparse_fini(&p->data);
    blob_unref(p->body);
    free(p->spans);
    free(p->acks);
    free(p);
}

void part_give_up(struct bus *b, struct part *p, usec_t now)
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

struct part *part_new(struct bus *b, struct node *n, const struct msg_id *id, uint32_t len,
                      struct wire_rd topic, usec_t now)
{
    size_t topic_len = wire_left(&topic);
    struct part *p = calloc(1, sizeof(*p) + topic_len);
    if (!p)
        return NULL;
    p->topic_len = (uint8_t)topic_len;
    wire_copy(&topic, p->topic, topic_len);
    p->tq = topic_reserve(b, p->topic, p->topic_len, len);
    p->node = n;
    p->len = len;
    bool large = len > MSG_LEN_MAX;
    if (!p->tq || timer_add(&b->parts.expires, &p->expire) != OK ||
        timer_add(&b->parts.holds, &p->hold) != OK || (large && part_file_new(b, p) != OK)) {
        heap_del(&b->parts.holds, &p->hold);
        heap_del(&b->parts.expires, &p->expire);
        topic_release(b, p->tq, len);
        free(p);
        return NULL;
    }
    p->op.owner = OP_PART;
    p->id = *id;
    p->full = len == 0;
    p->version = 1;
    if (!large)
        sparse_init(&p->data, len);
    hmap_add(&b->parts.map, &p->hash, key_hash(b, n->key, id));
    b->parts.count++;
    b->parts.bytes += large ? 0 : len;
    n->parts++;
    node_settle(&b->nodes, n, now);
    return p;
}

/* --- INIT --------------------------------------------------------------------------------- */

static bool same_init(const struct part *p, const struct msg_packet *i)
{
    const struct trailer *t = &i->trailer;
    if (p->len != i->len || p->reply != i->reply || p->topic_len != wire_left(&i->topic) ||
        (p->topic_len > 0 && memcmp(p->topic, i->topic.p, p->topic_len) != 0))
        return false;
    if (!p->ours || !t->there)
        return true;
    /* One of ours says more: another message with this id, or the same one cut anew. */
    if (p->init_has_sum && t->has_sum && memcmp(p->init_sum, t->sum, sizeof(t->sum)) != 0)
        return false;
    return p->init_count == 0 || !t->has_count || p->init_count == t->count;
}

/* A plain sender gives up 300 s after it began. One of ours says when, and begins again with INIT
 * if we forget its message before: a message that nobody sends any more takes no room. */
static usec_t part_end(const struct part *p)
{
    return p->ours ? MIN(p->life_end, p->heard_at + PART_LIFE_MS * USEC_MS) : p->life_end;
}

/* What this INIT tells of its sender. */
static void part_learn(struct bus *b, struct part *p, const struct msg_packet *i, usec_t now)
{
    const struct trailer *t = &i->trailer;
    p->init_echo = i->echo;
    p->heard_at = now;
    if (p->ours != t->there) { /* it was loaded from the store, or its sender changed its mind */
        sack_stop(b, p);
        p->n_acks = 0;
        p->life_end = now + PART_LIFE_MS * USEC_MS;
        p->ours = t->there;
    }
    part_order_learn(b, p, t);
    if (!p->ours)
        return;
    p->one_by_one = !(t->features & TRAILER_SACK);
    p->init_has_sum = t->has_sum;
    memcpy(p->init_sum, t->sum, sizeof(p->init_sum));
    p->init_count = t->has_count ? t->count : 0;
    if (t->has_life)
        p->life_end = now + (int64_t)MIN(t->life_ms, (uint64_t)b->limits.ttl_max_ms) * USEC_MS;
    timer_set(&b->parts.expires, &p->expire, part_end(p));
}

/* A message that is here as a whole: the sender learns it without sending it again. A plain one is
 * not asked what a reply contains: it is transferred again and compared at its end. */
static bool answer_seen(struct bus *b, const struct ip6 *src, const struct ip6 *dst,
                        const struct msg_packet *i, usec_t now)
{
    const struct trailer *t = &i->trailer;
    struct seen_entry *e;
    if (t->there && t->has_sum)
        e = seen_find_sum(&b->seen, ip6_node(src), &i->id, t->sum, now);
    else
        e = i->reply ? NULL : seen_find(&b->seen, ip6_node(src), &i->id, now);
    if (!e || e->len != i->len || e->reply != i->reply)
        return false;
    b->stats.duplicates++;
    if (!seen_answer(&b->seen, e, PART_INIT_GAP, now))
        return true;
    answer_complete(b, dst, src, i);
    if (!t->there)
        answer_ack(b, dst, src, msg_done_ack(&i->id, e->count, e->sum), (uint32_t)MSG_DONE << 16);
    return true;
}

/* *ret_topic_only: another topic might be. */
static bool part_allowed(struct bus *b, const struct node *n, const struct msg_packet *i,
                         usec_t now, bool *ret_topic_only)
{
    uint64_t len = i->len;
    uint8_t topic_len = (uint8_t)wire_left(&i->topic);
    return b->store_flying < BUS_STORE_MAX && n->parts < b->limits.in_parts_node &&
           (len > MSG_LEN_MAX ? part_file_allowed(b, n, len, !i->trailer.there)
                              : b->parts.bytes + len <= b->limits.in_parts_bytes) &&
           seen_room(&b->seen, b->parts.count, now) &&
           inbox_room(b, i->topic.p, topic_len, len, ret_topic_only);
}

static void init_again(struct bus *b, struct part *p, const struct msg_packet *i, usec_t now)
{
    part_learn(b, p, i, now);
    if (p->file) {
        part_file_init_again(b, p, now);
    } else if (p->ours) {
        if (!p->finishing && now - p->init_acked_at >= PART_INIT_GAP)
            answer_init(b, p, TRAILER_RESUMED, now);
    } else if (p->durable == 0 || p->finishing) {
        p->init_held = true;
        op_want(&b->ops, &p->op); /* it may have failed before */
    } else if (now - p->init_acked_at >= PART_INIT_GAP) {
        answer_init(b, p, TRAILER_RESUMED, now);
    }
}

static void init_first(struct bus *b, struct part *p, const struct ip6 *src, const struct ip6 *dst,
                       const uint8_t *src_key, const struct msg_packet *i, struct instant now)
{
    p->seq = ++b->in_seq;
    p->reply = i->reply;
    p->src = *src;
    p->dst = *dst;
    memcpy(p->src_key, src_key, sizeof(p->src_key));
    p->recv_ms = now.wall_ms;
    p->expire_ms = bus_run_ms(b, now) + PART_LIFE_MS;
    p->life_end = now.mono + PART_LIFE_MS * USEC_MS;
    timer_set(&b->parts.expires, &p->expire, p->life_end);
    part_learn(b, p, i, now.mono);
    if (p->file) {
        op_want(&b->ops, &p->file->op);
    } else if (p->ours) {
        answer_init(b, p, TRAILER_NEW, now.mono);
    } else {
        p->init_held = true;
        op_want(&b->ops, &p->op);
    }
}

void recv_init(struct bus *b, const struct ip6 *src, const struct ip6 *dst, const uint8_t *src_key,
               const struct msg_packet *i, struct instant now)
{
    struct node *n = node_get(&b->nodes, src, now.mono);
    if (!n) {
        b->stats.refused_limit++;
        return;
    }
    if (!bucket_take(&n->inits, b->limits.init_per_sec, b->limits.init_per_sec, now.mono)) {
        b->stats.refused_rate++;
        return;
    }
    if (i->trailer.there)
        kin_set(&b->kins, n->key, KIN_OURS, i->trailer.features, now.mono);
    if (i->len > MIN(b->limits.len_max, MSG_LEN_CEILING)) {
        b->stats.refused_limit++;
        answer_refused(b, dst, src, i);
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
        part_give_up(b, p, now.mono);
    if (answer_seen(b, src, dst, i, now.mono))
        return;
    if (!bus_admits(b, src, src_key, &i->id, i->reply, i->topic.p, wire_left(&i->topic))) {
        b->stats.refused_topic++;
        answer_refused(b, dst, src, i);
        return;
    }
    if (!part_order_known(b, n, src, &i->trailer, now.mono)) {
        b->stats.early++;
        return;
    }
    bool topic_only = false;
    if (!part_allowed(b, n, i, now.mono, &topic_only) ||
        !(p = part_new(b, n, &i->id, (uint32_t)i->len, i->topic, now.mono))) {
        answer_busy(b, dst, src, i, topic_only);
        return;
    }
    init_first(b, p, src, dst, src_key, i, now);
}

/* --- CHUNK -------------------------------------------------------------------------------- */

void part_chunk_ack(struct bus *b, const struct part *p, const struct held_ack *a)
{
    answer_ack(b, &p->dst, &p->src, msg_chunk_ack(&p->id, a->index, a->offset, a->size), a->echo);
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

int part_ack_hold(struct part *p, const struct msg_packet *c, uint32_t max)
{
    if (p->n_acks >= max)
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

void part_hold_settle(struct bus *b, struct part *p, usec_t now)
{
    if (p->n_acks == 0)
        timer_set(&b->parts.holds, &p->hold, TIMER_IDLE);
    else if (p->full || now - p->held_since >= PART_HOLD)
        op_want(&b->ops, &p->op);
    else
        timer_set(&b->parts.holds, &p->hold, p->held_since + PART_HOLD);
}

/* One of ours: from memory, many at once. Nothing is stored before the message is complete. */
static void chunk_of_ours(struct bus *b, struct part *p, const struct msg_packet *c, bool known,
                          usec_t now)
{
    p->heard_at = now;
    if (p->finishing)
        return; /* the DONE ACK says it */
    if (!known && part_body_put(p, c) != OK) {
        b->stats.ignored++;
        return;
    }
    if (p->one_by_one) {
        struct held_ack a = {
            .index = c->index, .offset = c->offset, .size = c->size, .echo = c->echo};
        part_chunk_ack(b, p, &a);
    } else {
        sack_note(b, p, c, known || p->full, now);
    }
}

void recv_chunk(struct bus *b, const struct ip6 *src, const struct msg_packet *c,
                struct instant now)
{
    struct part *p = part_find(b, src, &c->id);
    if (!p || !chunk_fits(p, c)) {
        b->stats.ignored++;
        return;
    }
    if (p->file) {
        part_file_chunk(b, p, c, now.mono);
        return;
    }
    bool known = chunk_known(p, c);
    if (p->ours) {
        chunk_of_ours(b, p, c, known, now.mono);
        return;
    }
    if (known && p->version == p->durable && !p->finishing) {
        struct held_ack a = {
            .index = c->index, .offset = c->offset, .size = c->size, .echo = c->echo};
        part_chunk_ack(b, p, &a);
        return;
    }
    if (!known && (p->finishing || part_body_put(p, c) != OK)) {
        b->stats.ignored++;
        return;
    }
    if (part_ack_hold(p, c, PART_ACKS_MAX) != OK) {
        b->stats.refused_limit++;
        return;
    }
    if (p->n_acks == 1)
        p->held_since = now.mono;
    if (!p->finishing)
        part_hold_settle(b, p, now.mono);
}

/* --- DONE, ABORT -------------------------------------------------------------------------- */

void part_acks_release(struct bus *b, struct part *p, uint64_t version, usec_t now)
{
    uint32_t n = 0;
    if (p->init_held)
        answer_init(b, p, TRAILER_RESUMED, now);
    while (n < p->n_acks && p->acks[n].version <= version)
        part_chunk_ack(b, p, &p->acks[n++]);
    p->n_acks -= n;
    if (n > 0 && p->n_acks > 0)
        memmove(p->acks, p->acks + n, p->n_acks * sizeof(*p->acks));
    if (n > 0)
        p->held_since = now; /* the rest came while that commit was under way */
}

void part_done_ack(struct bus *b, const struct part *p)
{
    answer_ack(b, &p->dst, &p->src, msg_done_ack(&p->id, p->done_count, p->sum), p->done_echo);
}

bool part_known(struct bus *b, struct part *p, struct instant now)
{
    const struct seen_entry *e = seen_find_sum(&b->seen, p->node->key, &p->id, p->sum, now.mono);
    if (!e || e->reply != p->reply)
        return false;
    b->stats.duplicates++; /* a reply that was transferred again: known and durable */
    part_acks_release(b, p, p->version, now.mono);
    part_done_ack(b, p);
    part_give_up(b, p, now.mono);
    return true;
}

void recv_done(struct bus *b, const struct ip6 *src, const struct ip6 *dst,
               const struct msg_packet *d, struct instant now)
{
    struct part *p = part_find(b, src, &d->id);
    if (!p) {
        struct seen_entry *e = seen_find_sum(&b->seen, ip6_node(src), &d->id, d->sum, now.mono);
        if (!e) {
            b->stats.ignored++;
            return;
        }
        b->stats.duplicates++;
        if (seen_answer(&b->seen, e, PART_DONE_GAP, now.mono))
            answer_ack(b, dst, src, msg_done_ack(&d->id, d->count, d->sum), d->echo);
        return;
    }
    p->heard_at = now.mono;
    if (p->finishing) {
        if (memcmp(p->sum, d->sum, sizeof(p->sum)) == 0)
            p->done_echo = d->echo;
        return;
    }
    if (!bucket_take(&p->dones, PART_DONES_PER_SEC, PART_DONES_BURST, now.mono)) {
        b->stats.refused_rate++;
        return;
    }
    struct blob *body = p->file ? NULL : part_body_check(p, d->count, d->sum);
    if (p->file ? !part_file_complete(p, d->count) : !body) {
        if (p->ours && p->unacked > 0)
            sack_now(b, p); /* what is missing */
        b->stats.ignored++;
        return;
    }
    p->body = body;
    p->done_echo = d->echo;
    p->done_count = d->count;
    memcpy(p->sum, d->sum, sizeof(p->sum));
    if (!p->file && part_known(b, p, now))
        return;
    p->finishing = true;
    if (p->ours)
        sack_stop(b, p);
    else
        timer_set(&b->parts.holds, &p->hold, TIMER_IDLE);
    op_want(&b->ops, p->file ? &p->file->op : &p->op);
}

void recv_abort(struct bus *b, const struct ip6 *src, const struct msg_packet *a,
                struct instant now)
{
    struct part *p = part_find(b, src, &a->id);
    if (!p || p->ready_flying) {
        b->stats.ignored++;
        return;
    }
    part_order_gap(b, p);
    part_give_up(b, p, now.mono);
}

void recv_forget(struct bus *b, const struct ip6 *src, const struct msg_packet *f,
                 struct instant now)
{
    uint64_t node = ip6_node(src);
    bool known = seen_forget(&b->seen, node, &f->id, f->has_sum ? f->sum : NULL, now.mono);
    if (!f->has_sum) /* a reply is not known by its id */
        known = reads_forget(&b->reads, node, &f->id) || known;
    if (known)
        b->stats.forgotten++;
    else
        b->stats.ignored++;
}

struct part *parts_find(const struct bus *b, uint64_t seq)
{
    struct hnode *h = NULL;
    size_t slot = 0;
    while ((h = hmap_each(&b->parts.map, &slot, h)))
        if (container_of(h, struct part, hash)->seq == seq)
            return container_of(h, struct part, hash);
    return NULL;
}

int parts_have(const struct bus *b, uint64_t seq)
{
    const struct part *p = parts_find(b, seq);
    if (!p)
        return ERR_NOENT;
    return p->ready_flying ? ERR_STATE : OK;
}

void parts_take_out(struct bus *b, uint64_t seq, struct instant now)
{
    part_free(b, parts_find(b, seq), now.mono);
}

/* --- time --------------------------------------------------------------------------------- */

void parts_tick(struct bus *b, struct instant now)
{
    struct heap_node *h;
    while ((h = timer_fire(&b->parts.holds, now.mono))) {
        struct part *p = container_of(h, struct part, hold);
        if (p->ours)
            sack_now(b, p);
        else if (p->file)
            part_file_hold_over(b, p);
        else
            op_want(&b->ops, &p->op);
    }
    while ((h = timer_fire(&b->parts.expires, now.mono))) {
        struct part *p = container_of(h, struct part, expire);
        usec_t end = part_end(p);
        if (p->finishing && !p->held) { /* its end is on the way to the store */
            timer_set(&b->parts.expires, h, now.mono + USEC_SEC);
        } else if (end > now.mono) {
            timer_set(&b->parts.expires, h, end);
        } else {
            if (now.mono >= p->life_end)
                part_order_gap(b, p);
            part_give_up(b, p, now.mono);
        }
    }
}

usec_t parts_deadline(const struct bus *b)
{
    return MIN(timer_deadline(&b->parts.expires), timer_deadline(&b->parts.holds));
}
