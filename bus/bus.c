/* The table of contents of the bus: construction, what comes in, and bus_next(), which drains the
 * queues of the parts. Calls of clients: client.c. */
#include "bus/bus.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "bus/bus_core.h"
#include "bus/client.h"
#include "bus/codec.h"
#include "bus/many.h"
#include "bus/recv_answer.h"
#include "bus/send_transfer.h"
#include "bus/timer.h"

struct control_packet {
    struct list link;
    struct ip6 src, dst;
    struct pkt *pkt;
};

/* --- construction ------------------------------------------------------------------------- */

int bus_new(const struct bus_conf *c, struct instant now, struct bus **ret)
{
    struct bus *b = calloc(1, sizeof(*b));
    if (!b)
        return ERR_NOMEM;
    b->self = c->self;
    memcpy(b->self_key, c->self_key, sizeof(b->self_key));
    b->limits = c->limits;
    b->rng = c->rng;
    b->plain = c->plain;
    b->next_at = now;
    bus_load_run_ms(b, now.wall_ms, now);
    b->sweep.owner = OP_SWEEP;
    b->sweep_at = now.mono + BUS_SWEEP_FIRST;
    rng_bytes(b->rng, b->token_key, sizeof(b->token_key));
    list_init(&b->control);
    b->seen_drop.owner = OP_SEEN;
    forgets_init(&b->forgets);
    forwards_init(b);
    int rc = nodes_init(&b->nodes, b->rng);
    if (rc == OK)
        rc = reads_init(&b->reads, b->rng);
    if (rc == OK)
        rc = kins_init(&b->kins);
    if (rc == OK)
        rc = ops_init(&b->ops, b->rng);
    if (rc == OK)
        rc = asked_init(&b->asked, b->rng);
    if (rc == OK)
        rc = topics_new(b->rng, &b->topics);
    if (rc == OK)
        rc = rule_changes_init(b);
    if (rc == OK)
        rc = calls_init(&b->calls, b->rng);
    if (rc == OK)
        rc = outbox_init(b);
    if (rc == OK)
        rc = mem_rows_init(b, now);
    if (rc == OK)
        rc = parts_init(b);
    if (rc == OK)
        rc = inbox_init(b);
    if (rc == OK)
        rc = leases_init(b);
    if (rc == OK)
        rc = subs_init(b);
    if (rc == OK)
        rc = taps_init(b);
    if (rc == OK)
        rc = seen_init(&b->seen, c->limits.seen, b->rng, now.mono);
    if (rc < 0) {
        bus_free(b);
        return rc;
    }
    *ret = b;
    return OK;
}

/* Operations whose owner is in no other list: notes. */
static void ops_owners_free(struct bus *b)
{
    struct hnode *h;
    size_t slot = 0;
    while ((h = hmap_each(&b->ops.flying, &slot, NULL))) {
        struct op *op = container_of(h, struct op, hash);
        op_skip(&b->ops, op);
        if (op->owner == OP_NOTE)
            free(container_of(op, struct note, op));
        slot = 0;
    }
    struct op *op;
    while ((op = list_first(&b->ops.wanted, struct op, link))) {
        op_drop(&b->ops, op);
        if (op->owner == OP_NOTE)
            free(container_of(op, struct note, op));
    }
}

const struct bus_limits *bus_limits(const struct bus *b)
{
    return &b->limits;
}

void bus_free(struct bus *b)
{
    if (!b)
        return;
    if (b->calls.by_reply.slots) {
        client_end_all(b);
        outbox_fini(b);
        parts_fini(b);
        inbox_fini(b);
        ops_owners_free(b);
    }
    leases_fini(b);
    subs_fini(b);
    taps_fini(b);
    changes_fini(&b->changes);
    mem_rows_fini(&b->mem);
    calls_fini(&b->calls);
    nodes_fini(&b->nodes);
    seen_fini(&b->seen);
    asked_fini(&b->asked);
    topics_free(b->topics);
    rule_changes_fini(b);
    reads_fini(&b->reads);
    forgets_fini(&b->forgets);
    kins_fini(&b->kins);
    ops_fini(&b->ops);
    list_foreach_safe (l, &b->control) {
        struct control_packet *c = list_entry(l, struct control_packet, link);
        pkt_free(c->pkt);
        free(c);
    }
    blob_unref(b->lent_body);
    free(b);
}

void bus_set_room(struct bus *b, bus_room *room, void *ctx)
{
    b->room = room;
    b->room_ctx = ctx;
}

/* --- start -------------------------------------------------------------------------------- */

int bus_load_out(struct bus *b, const struct bus_out_row *row, struct instant now)
{
    return outbox_load(b, row, now);
}

int bus_load_in(struct bus *b, const struct bus_in_row *row, struct instant now)
{
    b->in_seq = MAX(b->in_seq, row->seq);
    return row->state >= IN_READY ? inbox_load(b, row, now) : parts_load(b, row, now);
}

int bus_load_seen(struct bus *b, const struct bus_seen_row *row, struct instant now)
{
    /* What was dropped for room may come back from the store. */
    (void)seen_room(&b->seen, 0, now.mono);
    return seen_add(&b->seen, row, row->expire_ms - bus_run_ms(b, now), now.mono);
}

int64_t bus_run_ms(const struct bus *b, struct instant now)
{
    return b->run_ms + (now.mono - b->run_from) / USEC_MS;
}

void bus_load_run_ms(struct bus *b, int64_t run_ms, struct instant now)
{
    b->run_ms = run_ms;
    b->run_from = now.mono;
}

void bus_load_key(struct bus *b, const uint8_t key[static BUS_TOKEN_KEY])
{
    memcpy(b->token_key, key, sizeof(b->token_key));
}

void bus_load_end(struct bus *b, uint64_t out_seq, uint64_t in_seq, struct instant now)
{
    (void)now;
    b->out_seq = MAX(b->out_seq, out_seq);
    b->in_seq = MAX(b->in_seq, in_seq);
}

/* --- topic rules -------------------------------------------------------------------------- */

bool bus_admits(struct bus *b, const struct ip6 *src, const uint8_t src_key[static MSG_KEY_BYTES],
                const struct msg_id *id, bool reply, const uint8_t *topic, size_t topic_len)
{
    /* The oldest of what waits in the outbox may have been forgotten. */
    bool answer = reply && (asked_find(&b->asked, ip6_node(src), id) || outbox_knows(b, src, id));
    return answer || topics_admit(b->topics, topic, topic_len, src, src_key);
}

/* --- network ------------------------------------------------------------------------------ */

void bus_control(struct bus *b, const struct ip6 *src, const struct ip6 *dst, struct pkt *pkt)
{
    struct control_packet *c = NULL;
    if (pkt && b->n_control < BUS_CONTROL_MAX)
        c = malloc(sizeof(*c));
    if (!c) { /* as if lost on the way: it is asked for again, or was not needed */
        pkt_free(pkt);
        return;
    }
    *c = (struct control_packet){.src = *src, .dst = *dst, .pkt = pkt};
    list_push_back(&b->control, &c->link);
    b->n_control++;
}

/* An ACK or READ counts only if it comes from the node that the message goes to: the index has the
 * node in its key. */
static void recv_answer(struct bus *b, struct node *n, const struct ip6 *src,
                        const struct msg_packet *p, struct instant now)
{
    struct out_msg *m = outbox_find(b, src, &p->id);
    if (n)
        n->answered_at = now.mono;
    if (!m && p->kind == MSG_KIND_READ) { /* it may overtake the record of the receipt */
        m = outbox_received(b, src, &p->id);
        if (m)
            send_read(b, m, now);
        else if (!bus_is_self(b, src))
            outbox_read_entry(b, n, src, &p->id, now);
        return;
    }
    if (!m) {
        b->stats.ignored++;
        return;
    }
    if (m->state != OUT_QUEUED)
        silence_answered(&b->nodes, n);
    switch (p->kind) {
    case MSG_KIND_INIT_ACK:
        send_init_ack(b, m, p, now);
        break;
    case MSG_KIND_CHUNK_ACK:
        send_chunk_ack(b, m, p, now);
        break;
    case MSG_KIND_DONE_ACK:
        send_done_ack(b, m, p, now);
        break;
    case MSG_KIND_READ:
        send_read(b, m, now);
        break;
    case MSG_KIND_INIT:
    case MSG_KIND_CHUNK:
    case MSG_KIND_DONE:
    case MSG_KIND_ABORT:
    case MSG_KIND_FORGET:
    case MSG_KIND_OTHER:
        break;
    }
}

void bus_recv(struct bus *b, const struct ip6 *src, const struct ip6 *dst,
              const uint8_t src_key[static MSG_KEY_BYTES], struct wire_rd body, struct instant now)
{
    struct msg_packet p;
    if (bus_is_self(b, src) || !bus_is_self(b, dst)) {
        b->stats.ignored++;
        return;
    }
    if (msg_decode(body, &p) != OK) {
        b->stats.malformed++;
        return;
    }
    if (b->plain)
        memset(&p.trailer, 0, sizeof(p.trailer));
    struct node *n = node_find(&b->nodes, src);
    if (n)
        send_heard(b, n, now);
    switch (p.kind) {
    case MSG_KIND_INIT:
        recv_init(b, src, dst, src_key, &p, now);
        break;
    case MSG_KIND_CHUNK:
        recv_chunk(b, src, &p, now);
        break;
    case MSG_KIND_DONE:
        recv_done(b, src, dst, &p, now);
        break;
    case MSG_KIND_ABORT:
        recv_abort(b, src, &p, now);
        break;
    case MSG_KIND_READ:
    case MSG_KIND_INIT_ACK:
    case MSG_KIND_CHUNK_ACK:
    case MSG_KIND_DONE_ACK:
        recv_answer(b, n, src, &p, now);
        break;
    case MSG_KIND_FORGET:
        recv_forget(b, src, &p, now);
        break;
    case MSG_KIND_OTHER:
        b->stats.ignored++;
        break;
    }
}

void bus_route(struct bus *b, const struct ip6 *dst, bool reachable, struct instant now)
{
    struct node *n = node_find(&b->nodes, dst);
    if (n)
        send_route(b, n, reachable, now);
}

void bus_peer_up(struct bus *b, struct instant now)
{
    nodes_want_now(&b->nodes, now.mono);
}

void bus_rerouted(struct bus *b, const struct ip6 *dst, struct instant now)
{
    struct node *n = node_find(&b->nodes, dst);
    if (n)
        send_rerouted(b, n, now);
}

void bus_unblocked(struct bus *b, struct instant now)
{
    (void)now;
    nodes_unblock(&b->nodes);
}

/* --- store -------------------------------------------------------------------------------- */

void bus_note(struct bus *b, enum bus_store_kind kind, uint64_t seq, const struct msg_id *id,
              const struct ip6 *dst)
{
    struct note *note = calloc(1, sizeof(*note));
    if (!note)
        return; /* a READ is told again, a PART expires in the store's own sweep */
    note->op.owner = OP_NOTE;
    note->kind = kind;
    note->seq = seq;
    note->id = *id;
    note->dst = *dst;
    op_want(&b->ops, &note->op);
}

void bus_file_drop(struct bus *b, uint64_t file)
{
    static const struct msg_id none;
    if (file != 0) /* no memory for the note: the next start removes it */
        bus_note(b, BUS_STORE_FILE_DROP, file, &none, &b->self);
}

static void note_fill(const struct note *n, struct bus_store_op *op)
{
    op->kind = n->kind;
    if (n->kind == BUS_STORE_FILE_DROP) {
        op->file.number = n->seq;
        return;
    }
    op->in.seq = n->seq;
    op->in.id = op->out.id = n->id;
    op->in.dst = op->out.dst = n->dst;
}

/* Rows that go before their time: their senders said so. */
static void seen_sweep(struct bus *b, struct instant now)
{
    if (b->n_seen_keys == 0)
        b->n_seen_keys =
            seen_expire(&b->seen, b->seen_keys, BUS_SEEN_DROPS, now.mono, bus_run_ms(b, now));
    if (b->n_seen_keys > 0 && !b->seen_drop.flying)
        op_want(&b->ops, &b->seen_drop);
}

static void note_stored(struct bus *b, struct note *n, int rc, struct instant now)
{
    if (n->kind == BUS_STORE_OUT_READ)
        outbox_read_stored(b, &n->dst, &n->id, rc, now.mono);
    if (rc == OK)
        changes_read(b, &n->dst, &n->id);
    free(n);
}

static bool op_fill(struct bus *b, struct op *op, struct bus_store_op *ret)
{
    switch (op->owner) {
    case OP_OUT:
        return outbox_fill(b, container_of(op, struct out_msg, op), ret);
    case OP_MANY:
        return many_fill(b, container_of(op, struct many, op), ret);
    case OP_PART:
        return part_fill(b, container_of(op, struct part, op), ret);
    case OP_PART_FILE:
        return part_file_fill(b, container_of(op, struct part_file, op), ret);
    case OP_OUT_FILE:
        return send_file_fill(b, container_of(op, struct send_file, op), ret);
    case OP_IN:
        return inbox_fill(b, container_of(op, struct in_msg, op), ret);
    case OP_CALL:
        return client_fill(container_of(op, struct call, op), ret);
    case OP_FETCH:
        return fetch_fill(container_of(op, struct fetch_item, op), ret);
    case OP_NOTE:
        note_fill(container_of(op, struct note, op), ret);
        return true;
    case OP_RULES:
        return rule_changes_fill(b, ret);
    case OP_SEEN:
        ret->kind = BUS_STORE_SEEN_DROP;
        ret->keys = b->seen_keys;
        ret->n_keys = b->n_seen_keys;
        return true;
    case OP_SWEEP:
        ret->kind = BUS_STORE_SWEEP;
        ret->before_ms = b->next_at.wall_ms - b->limits.status_keep_ms;
        return true;
    }
    return false;
}

void bus_stored(struct bus *b, const struct bus_store_result *res, struct instant now)
{
    struct op *op = ops_result(&b->ops, res->tag);
    b->store_flying--;
    if (res->rc != OK && res->rc != ERR_NOENT)
        b->stats.store_errors++;
    if (!op)
        return; /* who asked is gone */
    switch (op->owner) {
    case OP_OUT:
        outbox_stored(b, container_of(op, struct out_msg, op), res, now);
        break;
    case OP_MANY:
        many_stored(b, container_of(op, struct many, op), res, now);
        break;
    case OP_PART:
        part_stored(b, container_of(op, struct part, op), res, now);
        break;
    case OP_PART_FILE:
        part_file_stored(b, container_of(op, struct part_file, op), res, now);
        break;
    case OP_OUT_FILE:
        send_file_stored(b, container_of(op, struct send_file, op), res, now);
        break;
    case OP_IN:
        inbox_stored(b, container_of(op, struct in_msg, op), res, now);
        break;
    case OP_CALL:
        client_stored(b, container_of(op, struct call, op), res, now);
        break;
    case OP_FETCH:
        fetch_stored(b, container_of(op, struct fetch_item, op), res, now);
        break;
    case OP_NOTE:
        note_stored(b, container_of(op, struct note, op), res->rc, now);
        break;
    case OP_RULES:
        rule_changes_stored(b, res->rc, now);
        break;
    case OP_SEEN:
        if (res->rc != OK)
            break; /* the same rows again with the next sweep */
        b->n_seen_keys = 0;
        seen_sweep(b, now);
        break;
    case OP_SWEEP:
        if (res->rc == OK && res->more)
            op_want(&b->ops, &b->sweep);
        break;
    }
}

/* --- driving ------------------------------------------------------------------------------ */

void bus_tick(struct bus *b, struct instant now)
{
    outbox_tick(b, now);
    parts_tick(b, now);
    inbox_tick(b, now);
    client_tick(b, now);
    nodes_tick(&b->nodes, b->rng, now.mono);
    struct ip6 src, dst;
    struct msg_id id;
    while (reads_next(&b->reads, &src, &dst, &id, now.mono)) {
        bus_control(b, &src, &dst, msg_read(&id));
        b->stats.sent_read++;
    }
    forgets_tick(b, now.mono);
    if (now.mono >= b->sweep_at) {
        b->sweep_at = now.mono + BUS_SWEEP_EVERY;
        op_want(&b->ops, &b->sweep);
        nodes_expire(&b->nodes, now.mono);
        nodes_unblock(&b->nodes); /* a link that went away tells nobody that it has room */
        seen_sweep(b, now);
        asked_expire(&b->asked, now.mono);
        mem_rows_sweep(b, now.wall_ms - b->limits.status_keep_ms);
    }
}

usec_t bus_deadline(const struct bus *b)
{
    usec_t d = b->sweep_at;
    d = MIN(d, timer_deadline(&b->out.timers));
    d = MIN(d, timer_deadline(&b->out.deadlines));
    d = MIN(d, parts_deadline(b));
    d = MIN(d, inbox_deadline(b));
    d = MIN(d, timer_deadline(&b->calls.expires));
    d = MIN(d, nodes_deadline(&b->nodes));
    d = MIN(d, forgets_deadline(&b->forgets));
    return MIN(d, reads_deadline(&b->reads));
}

static bool next_store(struct bus *b, struct bus_out *ret)
{
    struct op *op;
    while ((op = ops_next(&b->ops))) {
        memset(&b->store_op, 0, sizeof(b->store_op));
        if (!op_fill(b, op, &b->store_op)) {
            op_skip(&b->ops, op);
            continue;
        }
        b->store_op.tag = op->tag;
        b->store_op.run_ms = bus_run_ms(b, b->next_at);
        b->store_flying++;
        struct bus_store_result res;
        if (mem_rows_run(b, &b->store_op, &res)) {
            bus_stored(b, &res, b->next_at);
            continue;
        }
        ret->kind = BUS_OUT_STORE;
        ret->store = &b->store_op;
        return true;
    }
    return false;
}

static bool next_control(struct bus *b, struct bus_out *ret)
{
    struct control_packet *c = list_first(&b->control, struct control_packet, link);
    if (!c)
        return false;
    list_del(&c->link);
    b->n_control--;
    ret->kind = BUS_OUT_PACKET;
    ret->src = c->src;
    ret->dst = c->dst;
    ret->pkt = c->pkt;
    free(c);
    return true;
}

static bool next_want(struct bus *b, struct bus_out *ret)
{
    struct node *n = nodes_wanting(&b->nodes, b->next_at.mono);
    if (!n)
        return false;
    ret->kind = BUS_OUT_WANT;
    ret->dst = n->addr;
    return true;
}

static bool next_doubt(struct bus *b, struct bus_out *ret)
{
    struct node *n = silence_next(&b->nodes);
    if (!n)
        return false;
    b->stats.doubts++;
    ret->kind = BUS_OUT_DOUBT;
    ret->dst = n->addr;
    return true;
}

/* The store first, since others wait for it; then answers to the network and to clients, which are
 * few and small; then what fills the links. */
bool bus_next(struct bus *b, struct instant now, struct bus_out *ret)
{
    b->next_at = now;
    blob_unref(b->lent_body);
    b->lent_body = NULL;
    client_lent_end(b);
    taps_lent_end(b);
    subs_run(b, now);
    forward_offer(b);
    memset(ret, 0, sizeof(*ret));
    return next_store(b, ret) || next_control(b, ret) || sack_next(b, ret) || client_next(b, ret) ||
           taps_next(b, ret) || changes_next(b, ret) || next_want(b, ret) || next_doubt(b, ret) ||
           send_next(b, ret, now) ||
           next_store(b, ret); /* of what is to be sent, payloads may have to be read */
}

void bus_stats(const struct bus *b, struct bus_stats *ret)
{
    *ret = b->stats;
    ret->out_live = b->out.live;
    ret->out_bytes = b->out.bytes;
    ret->out_memory = b->out.memory;
    ret->out_memory_bytes = b->out.memory_bytes;
    ret->out_memory_ended = b->mem.n_ended;
    ret->out_cached_bytes = b->out.kept_bytes + b->out.read_bytes;
    ret->out_late_bytes = b->out.late_bytes;
    ret->store_flying = b->store_flying;
    ret->in_parts = b->parts.count;
    ret->in_parts_bytes = b->parts.bytes;
    ret->in_files = b->parts.files;
    ret->in_files_bytes = b->parts.file_bytes;
    ret->in_write_bytes = b->parts.write_bytes;
    ret->out_read_bytes = b->out.file_bytes;
    ret->in_ready = b->in.count - b->in.leased - b->in.n_dead;
    ret->in_leased = b->in.leased;
    ret->in_dead = b->in.n_dead;
    ret->in_bytes = b->in.bytes;
    ret->in_cached_bytes = b->in.cached;
    ret->seen = b->seen.count;
    ret->waiters = b->calls.waiting;
    ret->subs = b->subs.count;
    ret->taps = b->taps.count;
    ret->reads_waiting = b->reads.count;
    ret->forgets_waiting = b->forgets.count;
    ret->nodes = b->nodes.map.count;
    ret->out_holds = b->nodes.n_holds;
    ret->sched_looks = b->nodes.looks;
}
