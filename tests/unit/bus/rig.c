#include "tests/unit/bus/rig.h"

#include <stdlib.h>
#include <string.h>

#include "base/blake3.h"
#include "base/err.h"
#include "bus/ranges.h"
#include "tests/unit/unit.h"

void rig_init(struct rig *r, uint64_t seed)
{
    memset(r, 0, sizeof(*r));
    r->now = 1000 * USEC_SEC;
    r->seed = seed;
    rng_init_seeded(&r->rng, seed);
    list_init(&r->flying);
    list_init(&r->log);
    r->routes = true;
    r->delay_min = r->delay_max = 1 * USEC_MS;
    for (unsigned i = 0; i < RIG_NODES; i++) {
        struct rig_node *n = &r->node[i];
        n->addr = (struct ip6){.b = {0x04, (uint8_t)i, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}};
        memset(n->key, (int)i + 1, sizeof(n->key));
        bus_limits_default(&n->limits);
        fake_store_init(&n->store);
        fake_spool_init(&n->spool);
        n->store.spool = &n->spool;
        n->commit_min = 1 * USEC_MS;
        n->commit_max = 3 * USEC_MS;
    }
}

struct instant rig_instant(const struct rig *r)
{
    return (struct instant){.mono = r->now,
                            .wall_ms = INT64_C(1700000000000) + r->wall_jump_ms + r->now / 1000};
}

void rig_start(struct rig *r, unsigned node)
{
    struct rig_node *n = &r->node[node];
    struct bus_conf c = {.self = n->addr, .limits = n->limits, .rng = &r->rng, .plain = n->plain};
    memcpy(c.self_key, n->key, sizeof(c.self_key));
    assert_int_equal(bus_new(&c, rig_instant(r), &n->bus), OK);
    bus_load_key(n->bus, n->key); /* the store's, over all starts */
    fake_store_load(&n->store, n->bus, rig_instant(r));
    fake_store_orphans(&n->store);
}

void rig_crash(struct rig *r, unsigned node)
{
    struct rig_node *n = &r->node[node];
    bus_free(n->bus);
    n->bus = NULL;
    fake_store_crash(&n->store, (size_t)rng_below(&r->rng, 8));
    fake_spool_crash(&n->spool, n->power_cuts);
}

static void packets_free(struct list *l)
{
    struct rig_packet *p;
    while ((p = list_first(l, struct rig_packet, link))) {
        list_del(&p->link);
        free(p);
    }
}

void rig_fini(struct rig *r)
{
    packets_free(&r->flying);
    packets_free(&r->log);
    for (unsigned i = 0; i < RIG_NODES; i++) {
        struct rig_node *n = &r->node[i];
        bus_free(n->bus);
        fake_store_fini(&n->store);
        fake_spool_fini(&n->spool);
        for (size_t k = 0; k < n->n_answers; k++) {
            struct rig_answer *a = &n->answers[k];
            blob_unref(a->payload);
            for (size_t j = 0; a->messages && j < a->n; j++)
                blob_unref(a->messages[j].payload);
            free(a->messages);
            free(a->unknown);
            free(a->entries);
        }
        free(n->answers);
    }
}

static int node_of(const struct rig *r, const struct ip6 *a)
{
    for (int i = 0; i < RIG_NODES; i++)
        if (ip6_same_node(&r->node[i].addr, a))
            return i;
    return -1;
}

/* --- what must be durable before a packet leaves ------------------------------------------ */

static void check_chunk_ack(const struct rig_node *n, const struct rig_packet *p,
                            const struct msg_id *id)
{
    if (fake_seen_has(&n->store, id, ip6_node(&p->dst)))
        return;
    const struct fake_in *in = fake_in_find(&n->store, id, ip6_node(&p->dst), false);
    assert_non_null(in);
    struct wire_rd r = wire_rd_of(p->bytes + MSG_HEADER_BYTES, 24);
    uint64_t index = wire_u64(&r);
    uint64_t offset = wire_u64(&r);
    if (in->row.file != 0) {
        struct ranges have = {.v = NULL};
        uint64_t size = wire_u64(&r);
        struct range x = {(uint32_t)offset, (uint32_t)(offset + size), (uint32_t)index,
                          (uint32_t)index};
        assert_int_equal(ranges_decode(&have, in->got, in->row.got_len, (uint32_t)in->row.len), OK);
        assert_int_equal(ranges_check(&have, &x), RANGES_KNOWN);
        ranges_fini(&have);
        return;
    }
    struct wire_rd got = wire_rd_of(in->got, in->row.got_len);
    (void)wire_take(&got, index * 8);
    assert_int_equal(wire_u32(&got), offset);
    assert_true(wire_u32(&got) > offset);
    assert_false(got.bad);
}

/* Was it accepted as one that only memory has? */
static bool in_memory(const struct rig_node *n, const struct msg_id *id)
{
    for (size_t i = n->n_answers; i > 0; i--) {
        const struct rig_answer *a = &n->answers[i - 1];
        if (a->kind != BUS_OUT_ACCEPTED || !a->status.in_memory)
            continue;
        if (memcmp(a->id.b, id->b, MSG_ID_BYTES) == 0)
            return true;
        for (size_t k = 0; k < a->n; k++)
            if (memcmp(a->entries[k].id.b, id->b, MSG_ID_BYTES) == 0)
                return true;
    }
    return false;
}

/* What leaves for a message that is sent: accepted, so in the store unless it was not to be. */
static void check_sent(const struct rig_node *n, const struct fake_out *out,
                       const struct msg_packet *m)
{
    bool once = out && out->row.policy == OUT_AT_MOST_ONCE;
    assert_true(out || in_memory(n, &m->id));
    assert_false(m->kind == MSG_KIND_DONE && once && out->row.state == OUT_QUEUED);
}

static void check_packet(struct rig *r, const struct rig_node *n, const struct rig_packet *p)
{
    struct msg_packet m;
    uint64_t peer = ip6_node(&p->dst);
    assert_int_equal(msg_decode(wire_rd_of(p->bytes, p->len), &m), OK);
    const struct fake_out *out = fake_out_find(&n->store, &m.id, peer);
    r->checks++;
    assert_false(n->plain && (m.trailer.there || m.kind == MSG_KIND_FORGET));
    switch (m.kind) {
    case MSG_KIND_INIT:
    case MSG_KIND_CHUNK:
    case MSG_KIND_DONE:
    case MSG_KIND_ABORT:
        check_sent(n, out, &m);
        break;
    case MSG_KIND_INIT_ACK:
        if (m.trailer.there) {
            bool complete = m.trailer.status == TRAILER_COMPLETE;
            assert_true(!complete || fake_seen_has(&n->store, &m.id, peer));
            break; /* the rest is said from memory */
        }
        assert_true(fake_seen_has(&n->store, &m.id, peer) ||
                    fake_in_find(&n->store, &m.id, peer, false));
        break;
    case MSG_KIND_CHUNK_ACK:
        if (!m.trailer.there && !n->memory_acks)
            check_chunk_ack(n, p, &m.id);
        break;
    case MSG_KIND_DONE_ACK:
        assert_true(fake_seen_has(&n->store, &m.id, peer));
        break;
    case MSG_KIND_READ: { /* taken, and its removal durable (of replies others may be there) */
        const struct fake_in *in = fake_in_find(&n->store, &m.id, peer, true);
        assert_true(!in || in->row.reply);
        break;
    }
    case MSG_KIND_FORGET: /* it is over here (of replies the newest row may be another one's) */
        assert_true(!out || out->row.reply || out->row.state == OUT_RECEIVED ||
                    out->row.state == OUT_READ);
        break;
    case MSG_KIND_OTHER:
        fail_msg("a packet of unknown kind left");
        break;
    }
}

/* --- links -------------------------------------------------------------------------------- */

static struct rig_packet *packet_copy(const struct rig_packet *p)
{
    struct rig_packet *c = malloc(sizeof(*c) + p->len);
    memcpy(c, p, sizeof(*c) + p->len);
    memset(&c->link, 0, sizeof(c->link));
    return c;
}

static void fly(struct rig *r, struct rig_packet *p)
{
    usec_t spread = r->delay_max - r->delay_min;
    usec_t start = r->now;
    if (r->link_bytes_per_s) {
        usec_t *free_at = &r->link_free[p->from];
        start = MAX(*free_at, r->now);
        start += (usec_t)((p->len + 72) * 1000000 / r->link_bytes_per_s);
        *free_at = start;
    }
    p->at = start + r->delay_min + (usec_t)rng_below(&r->rng, (uint64_t)spread + 1);
    if (r->stream_loss_ppm > 0) {
        while (rng_below(&r->rng, 1000000) < r->stream_loss_ppm)
            p->at += 2 * r->delay_max + 10 * USEC_MS;
        p->at = r->stream_at[p->from] = MAX(p->at, r->stream_at[p->from]);
    }
    struct list *l = r->flying.prev;
    while (l != &r->flying && list_entry(l, struct rig_packet, link)->at > p->at)
        l = l->prev;
    list_add_between(&p->link, l, l->next);
}

static void transmit(struct rig *r, unsigned from, const struct bus_out *out)
{
    struct rig_packet *p = malloc(sizeof(*p) + out->pkt->len);
    memset(p, 0, sizeof(*p));
    p->from = from;
    p->src = out->src;
    p->dst = out->dst;
    p->len = out->pkt->len;
    p->at = r->now;
    memcpy(p->bytes, out->pkt->data, p->len);
    pkt_free(out->pkt);
    p->flags = (uint16_t)(p->bytes[8] << 8 | p->bytes[9]);
    assert_true(ip6_same_node(&p->src, &r->node[from].addr));
    check_packet(r, &r->node[from], p);
    if (!(p->flags & MSG_ACK))
        for (unsigned bit = 15; bit > 0; bit--)
            if (p->flags >> bit & 1) {
                r->count[bit]++;
                break;
            }
    int to = node_of(r, &p->dst);
    if (to < 0 || r->log_all)
        list_push_back(&r->log, &packet_copy(p)->link);
    bool lost =
        to < 0 || (r->filter && r->filter(r, p)) || rng_below(&r->rng, 1000000) < r->loss_ppm;
    if (lost) {
        free(p);
        return;
    }
    if (rng_below(&r->rng, 1000000) < r->dup_ppm)
        fly(r, packet_copy(p));
    fly(r, p);
}

/* --- driving ------------------------------------------------------------------------------ */

static void record(struct rig *r, struct rig_node *n, const struct bus_out *out)
{
    if (n->n_answers == n->cap_answers) {
        n->cap_answers = n->cap_answers ? n->cap_answers * 2 : 64;
        n->answers = reallocarray(n->answers, n->cap_answers, sizeof(*n->answers));
        assert_non_null(n->answers);
    }
    struct rig_answer *a = &n->answers[n->n_answers++];
    memset(a, 0, sizeof(*a));
    a->client = out->client;
    a->kind = out->kind;
    a->rc = out->rc;
    a->id = out->id;
    if (out->kind == BUS_OUT_ACCEPTED && out->rc == OK && !out->status->in_memory)
        assert_non_null(fake_out_find(&n->store, &out->id, 0));
    if (out->status)
        a->status = *out->status;
    a->replayed = out->replayed;
    a->dropped = out->dropped;
    if ((out->kind == BUS_OUT_ENTRIES || out->kind == BUS_OUT_ACCEPTED) && out->rc == OK) {
        a->n = out->page.n;
        a->entries = calloc(a->n + 1, sizeof(*a->entries));
        for (size_t i = 0; i < a->n; i++)
            a->entries[i] = out->page.entries[i];
        a->next_before = out->page.next_before;
    }
    if (out->message) {
        a->has_message = true;
        a->id = out->message->id;
        a->reply = out->message->reply;
        a->src = out->message->src;
        a->dst = out->message->dst;
        a->topic = out->message->topic;
        a->seq = out->message->seq;
        a->payload = blob_ref(out->message->payload);
        a->file = out->message->file;
        a->len = out->message->len;
    }
    if (out->body)
        a->payload = blob_ref(out->body);
    if (out->kind == BUS_OUT_BODY && out->file != 0) {
        a->file = out->file;
        a->len = out->file_len;
    }
    if (a->file != 0) { /* who pins it now can read it */
        struct fake_file *f = fake_file_find(&n->spool, a->file);
        assert_non_null(f);
        assert_true(f->size >= a->len);
    }
    if (out->n_messages > 0) {
        a->n = out->n_messages;
        a->messages = calloc(a->n, sizeof(*a->messages));
        assert_non_null(a->messages);
        for (size_t i = 0; i < a->n; i++) {
            a->messages[i] = out->messages[i];
            (void)blob_ref(a->messages[i].payload);
        }
    }
    if (out->settled.n > 0) {
        a->n = out->settled.n;
        a->done = out->settled.done;
        a->unknown = calloc(a->n, sizeof(*a->unknown));
        assert_non_null(a->unknown);
        memcpy(a->unknown, out->settled.unknown, a->n * sizeof(*a->unknown));
    }
    (void)r;
}

void rig_drain(struct rig *r, unsigned node)
{
    struct rig_node *n = &r->node[node];
    struct bus_out out;
    while (n->bus && bus_next(n->bus, rig_instant(r), &out)) {
        n->outputs++;
        switch (out.kind) {
        case BUS_OUT_PACKET:
            transmit(r, node, &out);
            break;
        case BUS_OUT_WANT:
            if (n->wants < 64)
                n->want_at[n->wants] = r->now;
            n->wants++;
            if (r->routes)
                bus_route(n->bus, &out.dst, true, rig_instant(r));
            break;
        case BUS_OUT_DOUBT:
            if (n->doubts < 64)
                n->doubt_at[n->doubts] = r->now;
            n->doubts++;
            if (r->doubted && r->doubted(r, node, &out.dst))
                bus_rerouted(n->bus, &out.dst, rig_instant(r));
            break;
        case BUS_OUT_STORE: {
            usec_t spread = n->commit_max - n->commit_min;
            usec_t took = n->commit_min + (usec_t)rng_below(&r->rng, (uint64_t)spread + 1);
            if (out.store->kind >= BUS_STORE_FILE_CREATE)
                fake_spool_add(&n->spool, out.store, r->now);
            else
                fake_store_add(&n->store, out.store, r->now + took);
            break;
        }
        case BUS_OUT_ACCEPTED:
        case BUS_OUT_TAKEN:
        case BUS_OUT_STATUS:
        case BUS_OUT_ENTRIES:
        case BUS_OUT_FETCHED:
        case BUS_OUT_SETTLED:
        case BUS_OUT_BODY:
        case BUS_OUT_CHANGED:
        case BUS_OUT_TAPPED:
        case BUS_OUT_NEWS:
            record(r, n, &out);
            break;
        }
    }
}

static void deliver(struct rig *r)
{
    struct rig_packet *p;
    while ((p = list_first(&r->flying, struct rig_packet, link)) && p->at <= r->now) {
        list_del(&p->link);
        struct rig_node *to = &r->node[node_of(r, &p->dst)];
        if (to->bus)
            bus_recv(to->bus, &p->src, &p->dst, r->node[p->from].key, wire_rd_of(p->bytes, p->len),
                     rig_instant(r));
        free(p);
    }
}

static usec_t next_event(struct rig *r)
{
    usec_t t = USEC_NEVER;
    struct rig_packet *p = list_first(&r->flying, struct rig_packet, link);
    if (p)
        t = p->at;
    for (unsigned i = 0; i < RIG_NODES; i++) {
        if (!r->node[i].bus)
            continue;
        t = MIN(t, fake_store_deadline(&r->node[i].store));
        t = MIN(t, fake_spool_deadline(&r->node[i].spool));
        t = MIN(t, bus_deadline(r->node[i].bus));
    }
    return t;
}

static void step(struct rig *r)
{
    deliver(r);
    for (unsigned i = 0; i < RIG_NODES; i++) {
        struct rig_node *n = &r->node[i];
        struct bus_store_result res;
        if (!n->bus)
            continue;
        fake_spool_run(&n->spool, r->now);
        while (fake_spool_result(&n->spool, &res))
            bus_stored(n->bus, &res, rig_instant(r));
        fake_store_commit(&n->store, r->now);
        while (fake_store_result(&n->store, &res))
            bus_stored(n->bus, &res, rig_instant(r));
        bus_tick(n->bus, rig_instant(r));
        rig_drain(r, i);
    }
}

void rig_run(struct rig *r, usec_t for_time)
{
    usec_t until = r->now + for_time;
    size_t stuck = 0;
    for (unsigned i = 0; i < RIG_NODES; i++)
        rig_drain(r, i);
    for (;;) {
        usec_t t = next_event(r);
        if (t > until)
            break;
        assert_true(t > r->now || ++stuck < 10000); /* time must go on */
        if (t > r->now)
            stuck = 0;
        r->now = MAX(r->now, t);
        step(r);
    }
    r->now = until;
}

/* --- clients ------------------------------------------------------------------------------ */

bus_client rig_send_ex(struct rig *r, unsigned from, struct bus_send *s)
{
    struct rig_node *n = &r->node[from];
    bus_client c = ++n->next_client;
    int rc = bus_send(n->bus, s, c, rig_instant(r));
    return rc == OK ? c : 0;
}

/* Takes the payload. */
bus_client rig_send(struct rig *r, unsigned from, const struct ip6 *dst, struct blob *payload,
                    enum out_policy policy)
{
    struct bus_send s = {.dst = *dst, .payload = payload, .policy = policy};
    bus_client c = rig_send_ex(r, from, &s);
    blob_unref(payload);
    return c;
}

bus_client rig_send_file(struct rig *r, unsigned from, const struct ip6 *dst, uint64_t len,
                         enum out_policy policy)
{
    struct rig_node *n = &r->node[from];
    struct bus_send s = {.dst = *dst, .policy = policy, .ttl_ms = 3600 * 1000, .force = true};
    uint8_t *bytes = malloc(len);
    uint64_t state = rng_u64(&r->rng) | 1;
    assert_non_null(bytes);
    for (uint64_t i = 0; i < len; i++) {
        state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
        bytes[i] = (uint8_t)(state >> 56);
    }
    s.file.number = (rng_u64(&r->rng) & INT64_MAX) | 1;
    s.file.len = len;
    blake3(bytes, len, s.file.sum);
    fake_file_make(&n->spool, s.file.number, bytes, len);
    return rig_send_ex(r, from, &s);
}

bus_client rig_take_ex(struct rig *r, unsigned node, const struct bus_take *t)
{
    struct rig_node *n = &r->node[node];
    bus_client c = ++n->next_client;
    assert_int_equal(bus_take(n->bus, t, c, rig_instant(r)), OK);
    return c;
}

bus_client rig_fetch(struct rig *r, unsigned node, const struct bus_fetch *f)
{
    struct rig_node *n = &r->node[node];
    bus_client c = ++n->next_client;
    assert_int_equal(bus_fetch(n->bus, f, c, rig_instant(r)), OK);
    return c;
}

bus_client rig_settle(struct rig *r, unsigned node, enum bus_settle_kind kind,
                      const struct bus_token *tokens, size_t n, int64_t ms)
{
    struct rig_node *at = &r->node[node];
    bus_client c = ++at->next_client;
    assert_int_equal(bus_settle(at->bus, kind, tokens, n, ms, c, rig_instant(r)), OK);
    return c;
}

int rig_change(struct rig *r, unsigned node, const struct topic_change *c)
{
    bus_client client = ++r->node[node].next_client;
    assert_int_equal(bus_topic_change(r->node[node].bus, c, client, rig_instant(r)), OK);
    rig_run(r, 50 * USEC_MS);
    struct rig_answer *a = rig_answer(r, node, client, BUS_OUT_CHANGED);
    assert_non_null(a);
    return a->rc;
}

void rig_rule(struct rig *r, unsigned node, const char *topic, const char *source)
{
    struct topic_change c = {.kind = source ? TOPIC_ALLOW : TOPIC_ADD};
    c.topic.len = (uint8_t)strlen(topic);
    memcpy(c.topic.b, topic, c.topic.len);
    if (source)
        assert_int_equal(topic_source_parse(source, &c.source), OK);
    assert_int_equal(rig_change(r, node, &c), OK);
}

void rig_accept(struct rig *r, unsigned node, bool accept)
{
    struct topic_change c = {.kind = TOPIC_DEFAULT, .accept = accept};
    assert_int_equal(rig_change(r, node, &c), OK);
}

bus_client rig_take(struct rig *r, unsigned node, int64_t wait_ms)
{
    struct bus_take t = {.any_topic = true, .wait_ms = wait_ms};
    return rig_take_ex(r, node, &t);
}

struct rig_answer *rig_answer(struct rig *r, unsigned node, bus_client client,
                              enum bus_out_kind kind)
{
    struct rig_node *n = &r->node[node];
    for (size_t i = n->n_answers; i > 0; i--)
        if (n->answers[i - 1].client == client && n->answers[i - 1].kind == kind)
            return &n->answers[i - 1];
    return NULL;
}

enum out_state rig_status(struct rig *r, unsigned node, const struct msg_id *id)
{
    struct rig_node *n = &r->node[node];
    bus_client c = ++n->next_client;
    assert_int_equal(bus_status(n->bus, id, c, rig_instant(r)), OK);
    rig_run(r, 10 * USEC_MS);
    struct rig_answer *a = rig_answer(r, node, c, BUS_OUT_STATUS);
    assert_non_null(a);
    assert_int_equal(a->rc, OK);
    return a->status.state;
}

void rig_inject(struct rig *r, unsigned to, const struct ip6 *src, const void *bytes, size_t len)
{
    static const uint8_t key[MSG_KEY_BYTES] = {9};
    struct rig_node *n = &r->node[to];
    bus_recv(n->bus, src, &n->addr, key, wire_rd_of(bytes, len), rig_instant(r));
}

struct rig_packet *rig_log_pop(struct rig *r)
{
    struct rig_packet *p = list_first(&r->log, struct rig_packet, link);
    if (p)
        list_del(&p->link);
    return p;
}

struct blob *rig_pattern(size_t len)
{
    struct blob *b = blob_new(len);
    for (size_t i = 0; i < len; i++)
        b->data[i] = (uint8_t)(7 * i + 3);
    return b;
}

struct blob *rig_random(struct rig *r, size_t len)
{
    struct blob *b = blob_new(len);
    rng_bytes(&r->rng, b->data, len);
    return b;
}
