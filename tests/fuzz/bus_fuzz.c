/* A bus core driven by bytes: packets from a few nodes with a few ids, calls of clients, results of
 * the store in order or failing, routes, time. Nothing may crash, leak, or stand still; each first
 * byte chooses what happens next. Packets are also taken as they are (command 0), so that captured
 * ones are good seeds. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/blake3.h"
#include "base/err.h"
#include "bus/bus.h"
#include "bus/codec.h"
#include "bus/topic_rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OPS_MAX     256  /* store operations that wait for their result */
#define OUTPUTS_MAX 5000 /* that one event may cause */
#define TOKENS_MAX  32   /* the last ones that clients were given */

struct driver {
    struct bus *bus;
    struct rng rng;
    struct instant now;
    uint64_t tags[OPS_MAX];
    enum bus_store_kind kinds[OPS_MAX];
    uint64_t lens[OPS_MAX]; /* of reads of files, and of what is to be hashed */
    size_t first, n_tags;
    bus_client clients;
    bool room;
    struct msg_id last; /* of a message that left */
    struct bus_token tokens[TOKENS_MAX];
    size_t n_tokens; /* in all */
};

static const struct ip6 self = {.b = {4, 1, 2, 3, 4, 5, 6, 7, 8}};

static struct ip6 node_addr(uint8_t i)
{
    struct ip6 a = self;
    a.b[7] = (uint8_t)(a.b[7] + (i & 3)); /* 0: this node */
    a.b[15] = i >> 6;
    return a;
}

static bool room(void *ctx, const struct ip6 *dst)
{
    const struct driver *d = (const struct driver *)ctx;
    (void)dst;
    return d->room;
}

static void answer_op(struct driver *d, int rc, struct blob *body)
{
    if (d->n_tags == 0)
        return;
    static const uint8_t sum[MSG_SUM_BYTES]; /* of every file */
    struct bus_store_result res = {.tag = d->tags[d->first], .rc = rc, .body = body, .sum = sum};
    enum bus_store_kind kind = d->kinds[d->first];
    struct blob *piece = NULL;
    if (kind == BUS_STORE_FILE_SUM)
        res.hashed = d->lens[d->first];
    if (kind == BUS_STORE_FILE_READ && !body && (piece = blob_new(d->lens[d->first]))) {
        memset(piece->data, 0, piece->len);
        res.body = piece;
    }
    d->first = (d->first + 1) % OPS_MAX;
    d->n_tags--;
    bus_stored(d->bus, &res, d->now);
    blob_unref(piece);
}

static void drain(struct driver *d)
{
    struct bus_out out;
    unsigned n = 0;
    while (bus_next(d->bus, d->now, &out)) {
        assert(++n < OUTPUTS_MAX);
        if (out.kind == BUS_OUT_PACKET) {
            struct msg_packet m;
            assert(out.pkt && msg_decode(wire_rd_of(out.pkt->data, out.pkt->len), &m) == OK);
            assert(ip6_same_node(&out.src, &self) && !ip6_same_node(&out.dst, &self));
            if (m.kind == MSG_KIND_INIT)
                d->last = m.id;
            pkt_free(out.pkt);
        } else if (out.kind == BUS_OUT_STORE) {
            if (d->n_tags == OPS_MAX)
                answer_op(d, OK, NULL); /* the oldest, so that none is forgotten */
            size_t at = (d->first + d->n_tags++) % OPS_MAX;
            d->tags[at] = out.store->tag;
            d->kinds[at] = out.store->kind;
            d->lens[at] = out.store->file.len;
        } else if (out.kind == BUS_OUT_FETCHED) {
            for (size_t i = 0; i < out.n_messages; i++)
                d->tokens[d->n_tokens++ % TOKENS_MAX] = out.messages[i].token;
        } else if (out.kind == BUS_OUT_SETTLED && out.rc == OK) {
            size_t unknown = 0;
            for (size_t i = 0; i < out.settled.n; i++)
                unknown += out.settled.unknown[i];
            assert(out.settled.done + unknown == out.settled.n);
        }
    }
}

static void send_message(struct driver *d, struct wire_rd *r)
{
    uint8_t flags = wire_u8(r);
    struct bus_send s = {.dst = node_addr(wire_u8(r))};
    s.topic.len = flags & 3;
    s.policy = flags & 4 ? OUT_AT_MOST_ONCE : OUT_AT_LEAST_ONCE;
    s.reply = flags & 8;
    s.reply_to.b[0] = flags >> 6;
    s.reply_wait_ms = flags & 16 ? 3000 : 0;
    s.ttl_ms = flags & 32 ? 20000 : 0;
    s.prio = flags >> 6;
    uint16_t len = wire_u16(r);
    s.idem.len = (uint8_t)(len >> 14); /* 0 to 3: some have none, and keys come again */
    s.idem.b[0] = flags & 1;
    s.in_memory = len >> 13 & 1;
    s.ordered = !s.in_memory && len & 1;
    s.payload = blob_new(len % 5000);
    if (!s.payload)
        return;
    memset(s.payload->data, flags, s.payload->len);
    if ((len & 0x0700) == 0x0700) { /* a large one */
        blob_unref(s.payload);
        s.payload = NULL;
        s.file = (struct msg_file){.number = len, .len = MSG_LEN_MAX + 1 + (uint64_t)flags * 9000};
    }
    const struct ip6 dsts[] = {s.dst, node_addr((uint8_t)(flags >> 1)), node_addr(flags)};
    size_t at;
    bool many = (len & 0x1800) == 0x1800;
    int rc = many ? bus_send_many(d->bus, &s, dsts, 3, ++d->clients, d->now, &at)
                  : bus_send(d->bus, &s, ++d->clients, d->now);
    assert(rc <= OK);
    blob_unref(s.payload);
}

static void take_message(struct driver *d, struct wire_rd *r)
{
    uint8_t flags = wire_u8(r);
    struct bus_take t = {.any_topic = flags & 1, .peek = flags & 2};
    t.topic.len = (flags >> 2) & 3;
    t.wait_ms = (flags >> 4) * 100;
    int rc = bus_take(d->bus, &t, ++d->clients, d->now);
    assert(rc <= OK);
}

static void fetch(struct driver *d, struct wire_rd *r)
{
    uint8_t flags = wire_u8(r);
    struct bus_fetch f = {.max = 1 + (flags & 3), .session = flags >> 6};
    f.max_bytes = (flags & 4) ? 2000 : 100;
    f.wait_ms = (flags & 8) ? 5000 : 0;
    f.filter.kind = (flags & 16) ? BUS_PREFIX : (flags & 32) ? BUS_TOPIC : BUS_ANY;
    f.filter.topic.len = flags & 3;
    if (flags >> 7)
        f.consumer[0] = 'c';
    int rc = bus_fetch(d->bus, &f, ++d->clients, d->now);
    assert(rc <= OK);
}

static void settle(struct driver *d, struct wire_rd *r)
{
    uint8_t flags = wire_u8(r);
    size_t n = 1 + (flags >> 2 & 3);
    struct bus_token t[4];
    for (size_t i = 0; i < n; i++)
        t[i] = d->tokens[wire_u8(r) % TOKENS_MAX];
    int64_t ms = (flags & 3) == BUS_NACK ? (flags >> 4) * 100 : 0;
    int rc = bus_settle(d->bus, (enum bus_settle_kind)(flags & 3), t, n, ms, ++d->clients, d->now);
    assert(rc <= OK);
}

/* What the list shows is what the counters say, and each of it can be asked for. */
static void operate(struct driver *d, struct wire_rd *r)
{
    static struct bus_inbox_entry e[BUS_LIST_MAX];
    uint8_t flags = wire_u8(r);
    struct bus_inbox_list l = {
        .receiving = true, .ready = true, .leased = true, .dead = true, .limit = BUS_LIST_MAX};
    struct bus_stats st;
    size_t n;
    uint64_t next;
    assert(bus_inbox_list(d->bus, &l, d->now, e, &n, &next) == OK && next == 0);
    bus_stats(d->bus, &st);
    assert(n <= st.in_ready + st.in_leased + st.in_dead + st.in_parts);
    if (n == 0)
        return;
    struct bus_inbox_entry one;
    const struct bus_inbox_entry *at = &e[(flags >> 2) % n];
    assert(bus_inbox_get(d->bus, at->seq, d->now, &one) == OK && one.state == at->state);
    int rc = OK;
    switch (flags & 3) {
    case 0:
        rc = bus_inbox_drop(d->bus, at->seq, ++d->clients, d->now);
        break;
    case 1:
        rc = bus_inbox_requeue(d->bus, at->seq, ++d->clients, d->now);
        break;
    case 2:
        rc = bus_inbox_body(d->bus, at->seq, ++d->clients, d->now);
        break;
    case 3: {
        struct bus_topic_limits t = {.max_msgs = flags >> 6,
                                     .expire_ms = (flags >> 4 & 3) * 10000,
                                     .drop_oldest = flags & 8};
        rc = bus_topic_limits_set(d->bus, &at->topic, (flags & 4) ? &t : NULL, d->now);
        break;
    }
    }
    assert(rc <= OK);
}

/* A packet with a known id: header from few bytes, body from the input. */
static void short_packet(struct driver *d, struct wire_rd *r)
{
    uint8_t bytes[MSG_HEADER_BYTES + 255] = {0};
    static const uint8_t key[MSG_KEY_BYTES] = {1};
    struct ip6 src = node_addr(wire_u8(r));
    bytes[0] = wire_u8(r) & 3;
    bytes[8] = wire_u8(r);
    bytes[9] = wire_u8(r);
    uint8_t len = wire_u8(r);
    const uint8_t *body = wire_take(r, MIN((size_t)len, wire_left(r)));
    size_t n = r->bad || !body ? 0 : (size_t)(r->p - body);
    if (n > 0)
        memcpy(bytes + MSG_HEADER_BYTES, body, n);
    bus_recv(d->bus, &src, &self, key, wire_rd_of(bytes, MSG_HEADER_BYTES + n), d->now);
}

/* INIT, CHUNK and DONE of a small message that are right, or nearly. */
static void whole_message(struct driver *d, struct wire_rd *r)
{
    static const uint8_t key[MSG_KEY_BYTES] = {1};
    struct ip6 src = node_addr(wire_u8(r) | 1);
    struct msg_id id = {.b = {wire_u8(r) & 7}};
    uint8_t what = wire_u8(r), body[600], sum[MSG_SUM_BYTES];
    memset(body, what & 0x0f, sizeof(body));
    blake3(body, sizeof(body), sum);
    uint8_t ours = wire_u8(r); /* bits: with a trailer, and what it says */
    struct trailer t = {.has_life = ours & 2,
                        .life_ms = (uint64_t)ours << (ours & 63),
                        .has_sum = ours & 4,
                        .has_count = ours & 8,
                        .count = 2,
                        .has_features = true,
                        .features = ours & 16 ? TRAILER_OURS : 0};
    memcpy(t.sum, sum, sizeof(t.sum));
    struct pkt *init = msg_init(&id, what & 16, sizeof(body), &(struct topic){.len = what & 1});
    struct pkt *p[4] = {
        ours & 1 ? msg_with_trailer(init, &t) : init,
        msg_chunk(&id, 0, 0, body, 300),
        msg_chunk(&id, 1, 300, body, 300),
        msg_done(&id, 2, sum),
    };
    for (unsigned i = 0; i < 4; i++) {
        if (p[i] && !(what >> 5 == i + 1))
            bus_recv(d->bus, &src, &self, key, wire_rd_of(p[i]->data, p[i]->len), d->now);
        pkt_free(p[i]);
    }
}

/* Packets of a large message: INIT, some chunks anywhere, DONE. */
static void large_message(struct driver *d, struct wire_rd *r)
{
    static const uint8_t key[MSG_KEY_BYTES] = {1}, sum[MSG_SUM_BYTES], data[1300];
    struct ip6 src = node_addr(wire_u8(r) | 1);
    struct msg_id id = {.b = {wire_u8(r) & 3}};
    uint8_t what = wire_u8(r), first = wire_u8(r), n = wire_u8(r);
    uint64_t count = 60 + (what >> 4) * 8u, len = count * sizeof(data);
    struct trailer t = {.has_sum = true,
                        .has_count = what & 2,
                        .count = count,
                        .has_features = true,
                        .features = TRAILER_OURS};
    struct pkt *init = msg_init(&id, false, len, &(struct topic){.len = 0});
    struct pkt *p[2] = {what & 1 ? msg_with_trailer(init, &t) : init, msg_done(&id, count, sum)};
    if (p[0] && what & 4)
        bus_recv(d->bus, &src, &self, key, wire_rd_of(p[0]->data, p[0]->len), d->now);
    for (unsigned i = first; i < (unsigned)first + n; i++) {
        uint64_t at = what & 8 ? i * 3 % count : i;
        struct pkt *c = msg_chunk(&id, at, at * sizeof(data), data, sizeof(data));
        if (c)
            bus_recv(d->bus, &src, &self, key, wire_rd_of(c->data, c->len), d->now);
        pkt_free(c);
    }
    if (p[1])
        bus_recv(d->bus, &src, &self, key, wire_rd_of(p[1]->data, p[1]->len), d->now);
    pkt_free(p[0]);
    pkt_free(p[1]);
}

/* An answer to a message of ours, with a trailer that is right: any status, any map. */
static void answer_with_trailer(struct driver *d, struct wire_rd *r, const struct msg_id *id)
{
    static const uint8_t key[MSG_KEY_BYTES] = {1};
    struct ip6 src = node_addr(wire_u8(r) | 1);
    uint8_t what = wire_u8(r);
    struct trailer t = {.has_status = what & 1,
                        .status = what >> 5,
                        .has_map = what & 2,
                        .missing = wire_u8(r),
                        .has_wait = what & 4,
                        .wait_ms = (uint32_t)wire_u8(r) << 8};
    uint8_t len = wire_u8(r);
    size_t most = (size_t)len * (what & 4 ? 5 : 1); /* also in more than one item */
    const uint8_t *map = wire_take(r, MIN(most, MIN(wire_left(r), TRAILER_MAP_ALL)));
    t.map = wire_rd_of(map, map ? (size_t)(r->p - map) : 0);
    struct pkt *p = msg_with_trailer(
        what & 8 ? msg_chunk_ack(id, what >> 6, 0, 0) : msg_init_ack(id, what & 16, 5, 0), &t);
    if (p)
        bus_recv(d->bus, &src, &self, key, wire_rd_of(p->data, p->len), d->now);
    pkt_free(p);
}

static void event(struct driver *d, struct wire_rd *r)
{
    static const uint8_t key[MSG_KEY_BYTES] = {1};
    uint8_t command = wire_u8(r);
    uint8_t arg = command >> 4;
    struct ip6 addr = node_addr(arg);
    struct msg_id id = {.b = {arg}};
    switch (command & 15) {
    case 0: {
        struct wire_rd rest = wire_rest(r);
        bus_recv(d->bus, &addr, &self, key, rest, d->now);
        break;
    }
    case 1:
    case 2:
        short_packet(d, r);
        break;
    case 3:
        if (arg & 8)
            large_message(d, r);
        else
            whole_message(d, r);
        break;
    case 4:
        send_message(d, r);
        break;
    case 5:
        take_message(d, r);
        break;
    case 6:
        bus_forget_client(d->bus, d->clients > arg ? d->clients - arg : 1);
        break;
    case 7: {
        int rc = bus_status(d->bus, &id, ++d->clients, d->now);
        assert(rc <= OK);
        break;
    }
    case 8:
        bus_route(d->bus, &addr, arg & 8, d->now);
        break;
    case 9:
        answer_op(d, ERR_IO, NULL);
        break;
    case 10: {
        struct blob *body = blob_new(arg * 100u);
        if (body)
            memset(body->data, 0, body->len);
        answer_op(d, arg == 15 ? ERR_NOENT : OK, body);
        blob_unref(body);
        break;
    }
    case 11:
        for (unsigned i = 0; i < 1u + arg; i++)
            answer_op(d, OK, NULL);
        break;
    case 12:
        d->now.mono += (usec_t)arg * arg * arg * 10 * USEC_MS;
        break;
    case 13:
        if (bus_deadline(d->bus) != USEC_NEVER)
            d->now.mono = MAX(d->now.mono, bus_deadline(d->bus));
        break;
    case 14:
        d->room = arg & 1;
        if (d->room)
            bus_unblocked(d->bus, d->now);
        break;
    case 15:
        if (arg == 0)
            bus_peer_up(d->bus, d->now);
        else if (arg == 1)
            answer_with_trailer(d, r, &id);
        else if (arg == 2)
            answer_with_trailer(d, r, &d->last);
        else if (arg == 3)
            bus_rerouted(d->bus, &addr, d->now);
        else if (arg < 8)
            fetch(d, r);
        else if (arg < 12)
            settle(d, r);
        else
            operate(d, r);
        break;
    }
    d->now.wall_ms = 1700000000000 + d->now.mono / 1000;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct driver d = {.now = {.mono = 1000 * USEC_SEC, .wall_ms = 1700000000000}, .room = true};
    struct bus_conf c = {.self = self, .rng = &d.rng};
    struct wire_rd r = wire_rd_of(data, size);
    rng_init_seeded(&d.rng, 1);
    bus_limits_default(&c.limits);
    c.limits.out_cache_bytes = 4000; /* small, so that the edges are near */
    c.limits.in_cache_bytes = 1000;
    c.limits.in_messages = 20;
    c.limits.tries = 2;
    c.limits.dead_messages = 3;
    c.limits.out_messages_node = 50;
    c.limits.out_transfers_node = 4;
    c.limits.out_transfers = 6;
    if (bus_new(&c, d.now, &d.bus) != OK)
        return 0;
    bus_load_end(d.bus, 0, 0, d.now);
    bus_set_room(d.bus, room, &d);
    const struct topic refused = {.len = 1, .b = {7}};
    struct topic_rule *rule;
    if (topic_rule_new(&refused, &rule) != OK || bus_load_rule(d.bus, rule) != OK)
        abort();
    topic_rule_free(rule);
    while (wire_left(&r) > 0) {
        event(&d, &r);
        bus_tick(d.bus, d.now);
        drain(&d);
        bus_tick(d.bus, d.now); /* what is accepted from memory wants its route at once */
        drain(&d);
        assert(bus_deadline(d.bus) > d.now.mono);
    }
    bus_free(d.bus);
    return 0;
}
