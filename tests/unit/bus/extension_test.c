/* What nodes of this program say to each other and to no one else: who is taken for one of them,
 * what the statuses do, when ids are forgotten. */
#include <stdlib.h>
#include <string.h>

#include "base/blake3.h"
#include "base/err.h"
#include "bus/bus_core.h"
#include "bus/kin.h"
#include "tests/unit/bus/rig.h"
#include "tests/unit/unit.h"

enum { BIT_INIT = 15, BIT_CHUNK = 12, BIT_READ = 11 };

static const struct ip6 peer = {.b = {0x05, 0xa6, 0xf0, 0xc6, 0xf3, 0x65, 1, 0x7d, 9, 9}};
static const struct topic no_topic = {.len = 0};

static void pair(struct rig *r, uint64_t seed)
{
    rig_init(r, seed);
    rig_start(r, 0);
    rig_start(r, 1);
}

static struct bus_stats stats(const struct rig *r, unsigned node)
{
    struct bus_stats st;
    bus_stats(r->node[node].bus, &st);
    return st;
}

static struct msg_id sent_id(struct rig *r, bus_client c)
{
    rig_run(r, 10 * USEC_MS);
    const struct rig_answer *a = rig_answer(r, 0, c, BUS_OUT_ACCEPTED);
    assert_true(a && a->rc == OK);
    return a->id;
}

static struct msg_id deliver(struct rig *r, size_t len)
{
    bus_client c = rig_send(r, 0, &r->node[1].addr, rig_pattern(len), OUT_AT_LEAST_ONCE);
    struct msg_id id = sent_id(r, c);
    for (int i = 0; i < 100 && rig_status(r, 0, &id) < OUT_RECEIVED; i++)
        rig_run(r, 10 * USEC_MS);
    assert_int_equal(rig_status(r, 0, &id), OUT_RECEIVED);
    return id;
}

static bool taken(struct rig *r, unsigned node)
{
    bus_client c = rig_take(r, node, 0);
    rig_run(r, 10 * USEC_MS);
    const struct rig_answer *a = rig_answer(r, node, c, BUS_OUT_TAKEN);
    return a && a->has_message;
}

/* --- a hand-made node at the other end ---------------------------------------------------- */

/* The next packet of these flags to it, decoded; others are passed over. The packet is kept until
 * the next call. */
static struct msg_packet next(struct rig *r, uint16_t flags, usec_t for_time)
{
    static struct rig_packet *last;
    struct msg_packet m = {.kind = MSG_KIND_OTHER};
    usec_t until = r->now + for_time;
    free(last);
    last = NULL;
    rig_drain(r, 0);
    while (r->now <= until) {
        while ((last = rig_log_pop(r)) && last->flags != flags) {
            free(last);
            last = NULL;
        }
        if (last) {
            assert_int_equal(msg_decode(wire_rd_of(last->bytes, last->len), &m), OK);
            return m;
        }
        rig_run(r, USEC_MS);
    }
    return m;
}

static void inject(struct rig *r, struct pkt *p)
{
    rig_inject(r, 0, &peer, p->data, p->len);
    pkt_free(p);
}

static void answer_status(struct rig *r, const struct msg_packet *i, uint8_t status,
                          uint32_t wait_ms)
{
    struct trailer t = {.has_status = true,
                        .status = status,
                        .has_wait = wait_ms > 0,
                        .wait_ms = wait_ms,
                        .has_features = true,
                        .features = TRAILER_OURS};
    inject(r, msg_with_trailer(msg_init_ack(&i->id, i->reply, i->len, 0), &t));
}

static bus_client send_peer(struct rig *r, size_t len)
{
    struct bus_send s = {.dst = peer, .payload = rig_pattern(len), .ttl_ms = 3600000};
    bus_client c = rig_send_ex(r, 0, &s);
    blob_unref(s.payload);
    return c;
}

/* --- who speaks it ------------------------------------------------------------------------ */

static void test_kin(void **state)
{
    (void)state;
    struct kins k;
    assert_int_equal(kins_init(&k), OK);
    assert_int_equal(kin_get(&k, 5, 0), KIN_UNKNOWN);
    kin_set(&k, 5, KIN_OURS, 0, 100);
    assert_int_equal(kin_get(&k, 5, KIN_OURS_LIFE), KIN_OURS);
    assert_int_equal(kin_get(&k, 5, KIN_OURS_LIFE + 100), KIN_UNKNOWN);
    kin_set(&k, 5, KIN_MUTE, 0, 100);
    assert_int_equal(kin_get(&k, 5, KIN_MUTE_LIFE), KIN_MUTE);
    kin_set(&k, 5 + KIN_SLOTS, KIN_PLAIN, 0, 100); /* the same slot */
    assert_int_equal(kin_get(&k, 5, 200), KIN_UNKNOWN);
    assert_int_equal(kin_get(&k, 5 + KIN_SLOTS, 200), KIN_PLAIN);
    kin_set(&k, 5 + KIN_SLOTS, KIN_UNKNOWN, 0, 100);
    assert_int_equal(kin_get(&k, 5 + KIN_SLOTS, 200), KIN_UNKNOWN);
    kins_fini(&k);
}

static void test_plain_is_left_alone(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r, 1);
    rig_start(&r, 0);
    (void)send_peer(&r, 10);
    struct msg_packet m = next(&r, MSG_INIT, USEC_SEC);
    assert_true(m.trailer.there && m.trailer.has_sum && m.trailer.has_life);
    assert_int_equal(m.trailer.count, 1);
    assert_int_equal(m.trailer.attempt, 1);
    assert_int_equal(m.trailer.features, TRAILER_OURS);
    assert_true(m.trailer.life_ms > 3599000 && m.trailer.life_ms <= 3600000);
    inject(&r, msg_init_ack(&m.id, false, m.len, 0));
    for (int i = 0; i < 5; i++) {
        (void)send_peer(&r, 10);
        m = next(&r, MSG_INIT, USEC_SEC);
        assert_int_equal(m.kind, MSG_KIND_INIT);
        assert_false(m.trailer.there);
        rig_run(&r, 100 * USEC_SEC);
    }
    rig_run(&r, 120 * USEC_SEC); /* ten minutes after the answer it is asked again */
    while (!list_empty(&r.log))
        free(rig_log_pop(&r));
    (void)send_peer(&r, 10);
    m = next(&r, MSG_INIT, 60 * USEC_SEC);
    assert_true(m.trailer.there);
    inject(&r, msg_init_ack(&m.id, false, m.len, 0));
    (void)send_peer(&r, 20);
    for (int i = 0; i < 3 && m.len != 20; i++)
        m = next(&r, MSG_INIT, 60 * USEC_SEC);
    assert_false(m.trailer.there);
    rig_fini(&r);
}

/* Silence to INITs with a trailer from a node that lives: one goes without. */
static void test_mute(void **state)
{
    (void)state;
    for (int alive = 0; alive < 2; alive++) {
        struct rig r;
        rig_init(&r, 2);
        rig_start(&r, 0);
        (void)send_peer(&r, 10);
        struct msg_packet m = {.len = 0};
        struct msg_id other = {.b = {1}};
        for (int i = 0; i < 5; i++) {
            m = next(&r, MSG_INIT, 60 * USEC_SEC);
            assert_int_equal(m.kind, MSG_KIND_INIT);
            assert_int_equal(m.trailer.there, !alive || i < 3);
            if (alive)
                inject(&r, msg_read(&other)); /* of no message that is known */
        }
        inject(&r, msg_init_ack(&m.id, false, m.len, 0));
        (void)send_peer(&r, 20);
        for (int i = 0; i < 3 && m.len != 20; i++)
            m = next(&r, MSG_INIT, 60 * USEC_SEC);
        assert_int_equal(m.len, 20);
        assert_false(m.trailer.there);
        rig_run(&r, (alive ? 23 * 3600 : 1200) * USEC_SEC);
        while (!list_empty(&r.log))
            free(rig_log_pop(&r));
        (void)send_peer(&r, 30); /* mute for a day, plain for ten minutes */
        m = next(&r, MSG_INIT, 60 * USEC_SEC);
        assert_int_equal(m.kind, MSG_KIND_INIT);
        assert_int_equal(m.trailer.there, !alive);
        rig_fini(&r);
    }
}

static void test_trailer_marks(void **state)
{
    (void)state;
    struct rig r;
    pair(&r, 3);
    r.log_all = true;
    (void)deliver(&r, 100);
    (void)deliver(&r, 100);
    struct msg_packet m = next(&r, MSG_INIT, 0);
    assert_true(m.trailer.there);
    m = next(&r, MSG_INIT | MSG_ACK, 0);
    assert_true(m.trailer.there && m.trailer.has_status);
    assert_int_equal(m.trailer.status, TRAILER_NEW);
    m = next(&r, MSG_INIT, 0);
    assert_true(m.trailer.there);
    for (unsigned n = 0; n < 2; n++) /* both know, by INIT and by INIT ACK */
        assert_int_equal(kin_get(&r.node[n].bus->kins, ip6_node(&r.node[1 - n].addr), r.now),
                         KIN_OURS);
    /* A node of another program in its place: what is sent still arrives. */
    rig_crash(&r, 1);
    r.node[1].plain = true;
    rig_start(&r, 1);
    (void)deliver(&r, 20000);
    (void)deliver(&r, 100);
    assert_int_equal(kin_get(&r.node[0].bus->kins, ip6_node(&r.node[1].addr), r.now), KIN_PLAIN);
    /* And back: its own INIT shows it at once. */
    rig_crash(&r, 1);
    r.node[1].plain = false;
    rig_start(&r, 1);
    (void)rig_send(&r, 1, &r.node[0].addr, rig_pattern(10), OUT_AT_LEAST_ONCE);
    rig_run(&r, USEC_SEC);
    assert_int_equal(kin_get(&r.node[0].bus->kins, ip6_node(&r.node[1].addr), r.now), KIN_OURS);
    rig_fini(&r);
}

/* A trailer that is not right is none: a plain INIT, a plain answer, the row before the ACK. */
static void test_malformed(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r, 4);
    rig_start(&r, 0);
    struct trailer t = {.has_count = true, .count = 1};
    struct msg_id id = {.b = {1}};
    struct pkt *p = msg_with_trailer(msg_init(&id, false, 10, &no_topic), &t);
    p->data[p->len - 9] = 7; /* the length of its only item */
    rig_inject(&r, 0, &peer, p->data, p->len);
    pkt_free(p);
    struct msg_packet m = next(&r, MSG_INIT | MSG_ACK, USEC_SEC);
    assert_int_equal(m.kind, MSG_KIND_INIT_ACK);
    assert_false(m.trailer.there);
    assert_int_equal(r.node[0].store.part_writes, 1);
    assert_int_equal(kin_get(&r.node[0].bus->kins, ip6_node(&peer), r.now), KIN_UNKNOWN);
    rig_fini(&r);
}

/* --- statuses, as a sender ---------------------------------------------------------------- */

static void test_busy(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r, 5);
    rig_start(&r, 0);
    (void)send_peer(&r, 10);
    struct msg_packet m = next(&r, MSG_INIT, USEC_SEC);
    answer_status(&r, &m, TRAILER_BUSY, 4000);
    usec_t told = r.now;
    (void)send_peer(&r, 20);
    m = next(&r, MSG_INIT, 10 * USEC_SEC);
    assert_int_equal(m.trailer.attempt, 2);
    assert_int_equal(m.len, 10);
    assert_in_range(r.now - told, 4 * USEC_SEC, 5 * USEC_SEC);
    answer_status(&r, &m, TRAILER_NEW, 0);
    m = next(&r, MSG_INIT, USEC_SEC); /* the other one, which waited too */
    assert_int_equal(m.len, 20);
    answer_status(&r, &m, 77, 0); /* of a later release: as if nothing had come */
    m = next(&r, MSG_INIT, 3 * USEC_SEC);
    assert_int_equal(m.len, 20);
    answer_status(&r, &m, TRAILER_BUSY, UINT32_MAX);
    told = r.now;
    do
        m = next(&r, MSG_INIT, 60 * USEC_SEC);
    while (m.len == 10); /* that one was begun, and is not answered any more */
    assert_int_equal(m.len, 20);
    assert_in_range(r.now - told, 30 * USEC_SEC, 38 * USEC_SEC); /* not for ever */
    assert_int_equal(stats(&r, 0).waited_busy, 2);
    rig_fini(&r);
}

static void test_refused_and_complete(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r, 6);
    rig_start(&r, 0);
    struct msg_id id = sent_id(&r, send_peer(&r, 10));
    struct msg_packet m = next(&r, MSG_INIT, USEC_SEC);
    answer_status(&r, &m, TRAILER_REFUSED, 0);
    rig_run(&r, 10 * USEC_MS);
    assert_int_equal(rig_status(&r, 0, &id), OUT_REFUSED);
    assert_int_equal(fake_out_find(&r.node[0].store, &id, 0)->row.state, OUT_REFUSED);
    assert_int_equal(stats(&r, 0).refused, 1);
    id = sent_id(&r, send_peer(&r, 20000));
    m = next(&r, MSG_INIT, USEC_SEC);
    answer_status(&r, &m, TRAILER_COMPLETE, 0);
    rig_run(&r, 10 * USEC_MS);
    assert_int_equal(rig_status(&r, 0, &id), OUT_RECEIVED);
    assert_int_equal(r.count[BIT_CHUNK], 0);
    /* It is told to forget, a second later. */
    m = next(&r, MSG_READ | MSG_ACK, 2 * USEC_SEC);
    assert_int_equal(m.kind, MSG_KIND_FORGET);
    assert_memory_equal(m.id.b, id.b, sizeof(id.b));
    assert_false(m.has_sum);
    rig_fini(&r);
}

/* --- statuses, as a receiver -------------------------------------------------------------- */

static void test_topic_refused(void **state)
{
    (void)state;
    for (int plain = 0; plain < 2; plain++) {
        struct rig r;
        const struct topic x = {.len = 1, .b = {'x'}};
        rig_init(&r, 7);
        r.node[0].plain = plain;
        rig_start(&r, 0);
        rig_start(&r, 1);
        rig_rule(&r, 1, "x", NULL);
        struct bus_send s = {.dst = r.node[1].addr, .ttl_ms = 20000};
        s.topic = x;
        s.payload = rig_pattern(10);
        struct msg_id id = sent_id(&r, rig_send_ex(&r, 0, &s));
        blob_unref(s.payload);
        rig_run(&r, 30 * USEC_SEC);
        assert_int_equal(rig_status(&r, 0, &id), plain ? OUT_ABORTED : OUT_REFUSED);
        assert_int_equal(stats(&r, 1).told_refused, plain ? 0 : 1);
        assert_true(stats(&r, 1).refused_topic >= 1);
        (void)deliver(&r, 10); /* without topic: not refused */
        assert_true(taken(&r, 1));
        rig_fini(&r);
    }
}

/* An answer to a message of ours is not refused; what only says that it is one may be. */
static void test_replies_pass(void **state)
{
    (void)state;
    struct rig r;
    pair(&r, 8);
    struct msg_id id = deliver(&r, 10);
    rig_accept(&r, 0, false);
    struct bus_send s = {.dst = r.node[0].addr, .reply = true, .reply_to = id};
    s.payload = rig_pattern(30);
    (void)rig_send_ex(&r, 1, &s);
    rig_run(&r, USEC_SEC);
    assert_true(taken(&r, 0));
    s.reply_to.b[0] ^= 1; /* never asked */
    (void)rig_send_ex(&r, 1, &s);
    blob_unref(s.payload);
    rig_run(&r, USEC_SEC);
    assert_false(taken(&r, 0));
    assert_int_equal(stats(&r, 1).refused, 1);
    rig_fini(&r);
}

static void test_too_large(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r, 9);
    rig_start(&r, 0);
    struct trailer t = {.has_count = true, .count = UINT64_MAX};
    struct msg_id id = {.b = {1}};
    inject(&r, msg_with_trailer(msg_init(&id, false, UINT64_MAX, &no_topic), &t));
    struct msg_packet m = next(&r, MSG_INIT | MSG_ACK, USEC_SEC);
    assert_int_equal(m.trailer.status, TRAILER_REFUSED);
    inject(&r, msg_init(&id, false, UINT64_MAX, &no_topic));
    m = next(&r, MSG_INIT | MSG_ACK, USEC_SEC);
    assert_int_equal(m.kind, MSG_KIND_OTHER); /* none */
    assert_int_equal(stats(&r, 0).in_parts, 0);
    rig_fini(&r);
}

static void test_busy_inbox(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r, 10);
    r.node[1].limits.in_messages = 5;
    rig_start(&r, 0);
    rig_start(&r, 1);
    for (int i = 0; i < 12; i++)
        (void)rig_send(&r, 0, &r.node[1].addr, rig_pattern(100), OUT_AT_LEAST_ONCE);
    rig_run(&r, 10 * USEC_SEC);
    assert_int_equal(stats(&r, 1).received, 5);
    assert_true(stats(&r, 1).told_busy > 0);
    assert_true(stats(&r, 0).waited_busy > 0);
    assert_true(r.count[BIT_INIT] < 12 * 8);
    for (int i = 0; i < 60 && stats(&r, 1).received < 12; i++) {
        (void)taken(&r, 1);
        rig_run(&r, USEC_SEC);
    }
    assert_int_equal(stats(&r, 1).received, 12);
    assert_int_equal(r.node[1].store.readies, 12);
    rig_fini(&r);
}

/* --- crashes ------------------------------------------------------------------------------ */

static void test_sender_restarts(void **state)
{
    (void)state;
    struct rig r;
    pair(&r, 11);
    r.link_bytes_per_s = 100000;
    bus_client c = rig_send(&r, 0, &r.node[1].addr, rig_pattern(MSG_LEN_MAX), OUT_AT_LEAST_ONCE);
    struct msg_id id = sent_id(&r, c);
    rig_run(&r, 400 * USEC_MS);
    size_t before = r.count[BIT_CHUNK];
    assert_in_range(before, 20, 50);
    rig_crash(&r, 0);
    rig_run(&r, USEC_SEC); /* what is on its way arrives */
    rig_start(&r, 0);
    rig_run(&r, 3 * USEC_SEC);
    assert_int_equal(rig_status(&r, 0, &id), OUT_RECEIVED);
    assert_int_equal(r.count[BIT_CHUNK], 51); /* each once, over the restart */
    assert_int_equal(stats(&r, 0).resumed, 1);
    rig_fini(&r);
}

static void test_receiver_restarts(void **state)
{
    (void)state;
    struct rig r;
    pair(&r, 12);
    r.link_bytes_per_s = 100000;
    bus_client c = rig_send(&r, 0, &r.node[1].addr, rig_pattern(MSG_LEN_MAX), OUT_AT_LEAST_ONCE);
    struct msg_id id = sent_id(&r, c);
    rig_run(&r, 400 * USEC_MS);
    assert_int_equal(r.node[1].store.part_writes, 0); /* nothing of it is stored */
    rig_crash(&r, 1);
    rig_run(&r, 2 * USEC_SEC);
    rig_start(&r, 1);
    rig_run(&r, 10 * USEC_SEC);
    assert_int_equal(rig_status(&r, 0, &id), OUT_RECEIVED);
    assert_int_equal(r.node[1].store.readies, 1);
    assert_int_equal(r.node[1].store.part_writes, 0);
    rig_fini(&r);
}

/* --- CHUNK ACKs --------------------------------------------------------------------------- */

static struct trailer init_trailer(const struct blob *body, uint64_t life_ms, uint32_t features)
{
    struct trailer t = {.has_life = true,
                        .life_ms = life_ms,
                        .has_sum = true,
                        .has_features = true,
                        .features = features};
    blake3(body->data, body->len, t.sum);
    return t;
}

static void test_chunk_acks(void **state)
{
    (void)state;
    struct rig r;
    struct blob *body = rig_pattern(64 * 500);
    struct msg_id id = {.b = {3}};
    rig_init(&r, 13);
    rig_start(&r, 0);
    struct trailer t = init_trailer(body, 60000, TRAILER_OURS);
    inject(&r, msg_with_trailer(msg_init(&id, false, body->len, &no_topic), &t));
    (void)next(&r, MSG_INIT | MSG_ACK, USEC_SEC);
    for (unsigned i = 0; i < 20; i++) /* all but the third */
        if (i != 2)
            inject(&r, msg_chunk(&id, i, i * 500, body->data + i * 500, 500));
    rig_drain(&r, 0);
    struct msg_packet m = next(&r, MSG_CHUNK | MSG_ACK, 0);
    assert_true(m.trailer.there && m.trailer.has_map);
    assert_int_equal(m.index, 19); /* in one turn: all of it */
    assert_int_equal(m.trailer.missing, 2);
    assert_int_equal(wire_left(&m.trailer.map), 3);
    assert_int_equal(m.trailer.map.p[0], 0xff);
    assert_int_equal(m.trailer.map.p[1], 0xff);
    assert_int_equal(m.trailer.map.p[2], 0x01);
    /* A few wait for 10 ms. */
    inject(&r, msg_chunk(&id, 20, 20 * 500, body->data + 20 * 500, 500));
    usec_t at = r.now;
    m = next(&r, MSG_CHUNK | MSG_ACK, USEC_SEC);
    assert_in_range(r.now - at, 10 * USEC_MS, 12 * USEC_MS);
    /* What came twice is answered at once. */
    inject(&r, msg_chunk(&id, 20, 20 * 500, body->data + 20 * 500, 500));
    m = next(&r, MSG_CHUNK | MSG_ACK, 0);
    assert_int_equal(m.index, 20);
    /* INIT again: what is there is told. */
    rig_run(&r, 30 * USEC_MS);
    inject(&r, msg_with_trailer(msg_init(&id, false, body->len, &no_topic), &t));
    m = next(&r, MSG_INIT | MSG_ACK, 0);
    assert_int_equal(m.trailer.status, TRAILER_RESUMED);
    assert_int_equal(m.trailer.missing, 2);
    /* Another content under this id: from the beginning. */
    rig_run(&r, 30 * USEC_MS);
    t.sum[0] ^= 1;
    inject(&r, msg_with_trailer(msg_init(&id, false, body->len, &no_topic), &t));
    m = next(&r, MSG_INIT | MSG_ACK, 0);
    assert_int_equal(m.trailer.status, TRAILER_NEW);
    /* A sender without SACK: one by one, from memory. */
    r.node[0].memory_acks = true;
    t = init_trailer(body, 60000, 0);
    id.b[0] = 4;
    inject(&r, msg_with_trailer(msg_init(&id, false, body->len, &no_topic), &t));
    for (unsigned i = 0; i < 5; i++)
        inject(&r, msg_chunk(&id, i, i * 500, body->data + i * 500, 500));
    rig_drain(&r, 0);
    for (unsigned i = 0; i < 5; i++) {
        m = next(&r, MSG_CHUNK | MSG_ACK, 0);
        assert_int_equal(m.index, i);
        assert_false(m.trailer.there);
    }
    assert_int_equal(r.node[0].store.part_writes, 0);
    blob_unref(body);
    rig_fini(&r);
}

/* --- life --------------------------------------------------------------------------------- */

static void test_life(void **state)
{
    (void)state;
    struct rig r;
    struct blob *body = rig_pattern(5000);
    rig_init(&r, 14);
    rig_start(&r, 0);
    for (uint8_t i = 0; i < 2; i++) {
        struct trailer t = init_trailer(body, i == 0 ? 10000 : UINT64_MAX, TRAILER_OURS);
        struct msg_id id = {.b = {1, i}};
        inject(&r, msg_with_trailer(msg_init(&id, false, body->len, &no_topic), &t));
    }
    struct msg_id id = {.b = {1, 1}};
    rig_run(&r, 9 * USEC_SEC);
    assert_int_equal(stats(&r, 0).in_parts, 2);
    rig_run(&r, 2 * USEC_SEC);
    assert_int_equal(stats(&r, 0).in_parts, 1);
    rig_run(&r, 300 * USEC_SEC);
    inject(&r, msg_chunk(&id, 0, 0, body->data, 1000)); /* it is still being sent */
    rig_run(&r, 320 * USEC_SEC);
    assert_int_equal(stats(&r, 0).in_parts, 1);
    rig_run(&r, 20 * USEC_SEC);
    assert_int_equal(stats(&r, 0).in_parts, 0);
    blob_unref(body);
    rig_fini(&r);
}

/* --- FORGET ------------------------------------------------------------------------------- */

static bool drop_reads(struct rig *r, const struct rig_packet *p)
{
    const unsigned *lose = (const unsigned *)r->filter_ctx;
    return p->flags == MSG_READ && r->count[BIT_READ] <= *lose;
}

static bool drop_forgets(struct rig *r, const struct rig_packet *p)
{
    unsigned *lose = (unsigned *)r->filter_ctx;
    if (p->flags != (MSG_READ | MSG_ACK) || *lose == 0)
        return false;
    --*lose;
    return true;
}

static void expect_forgotten(struct rig *r)
{
    rig_run(r, 75 * USEC_SEC);
    for (unsigned n = 0; n < 2; n++) {
        assert_int_equal(stats(r, n).seen, 0);
        assert_int_equal(r->node[n].store.seen.count, 0);
    }
}

/* Taken at once: one READ, one FORGET, and the id is forgotten a minute later. */
static void test_forget(void **state)
{
    (void)state;
    struct rig r;
    pair(&r, 15);
    (void)rig_take(&r, 1, 5000);
    struct msg_id id =
        sent_id(&r, rig_send(&r, 0, &r.node[1].addr, rig_pattern(100), OUT_AT_LEAST_ONCE));
    rig_run(&r, 100 * USEC_MS);
    assert_int_equal(rig_status(&r, 0, &id), OUT_READ);
    assert_int_equal(stats(&r, 0).sent_forget, 1);
    assert_int_equal(stats(&r, 1).seen, 1);
    const struct fake_seen *row =
        container_of(hmap_each(&r.node[1].store.seen, &(size_t){0}, NULL), struct fake_seen, by_id);
    assert_true(row->row.ours);
    rig_run(&r, 50 * USEC_SEC);
    assert_int_equal(stats(&r, 1).seen, 1); /* copies may be on their way */
    expect_forgotten(&r);
    assert_int_equal(stats(&r, 0).sent_forget, 1);
    assert_int_equal(r.count[BIT_READ], 1);
    rig_fini(&r);
}

/* Not taken for long: FORGET follows the DONE ACK, and another one the READ. */
static void test_forget_unread(void **state)
{
    (void)state;
    struct rig r;
    pair(&r, 16);
    struct msg_id id = deliver(&r, 100);
    assert_int_equal(stats(&r, 0).sent_forget, 0);
    rig_run(&r, 1100 * USEC_MS);
    assert_int_equal(stats(&r, 0).sent_forget, 1);
    expect_forgotten(&r);
    assert_true(taken(&r, 1));
    rig_run(&r, 100 * USEC_MS);
    assert_int_equal(rig_status(&r, 0, &id), OUT_READ);
    assert_int_equal(stats(&r, 0).sent_forget, 2);
    assert_int_equal(stats(&r, 1).forgotten, 2);
    rig_run(&r, 100 * USEC_SEC);
    assert_int_equal(stats(&r, 1).sent_read, 1);
    rig_fini(&r);
}

/* READs are lost: they are told until one is answered. */
static void test_read_until_forget(void **state)
{
    (void)state;
    struct rig r;
    unsigned lose = 1000;
    pair(&r, 17);
    struct msg_id id = deliver(&r, 100);
    rig_run(&r, 2 * USEC_SEC);
    r.filter = drop_reads;
    r.filter_ctx = &lose;
    assert_true(taken(&r, 1));
    rig_run(&r, 40 * USEC_SEC);
    assert_int_equal(stats(&r, 1).sent_read, 4); /* after 0, 1, 5, 35 s */
    lose = 0;
    rig_run(&r, 125 * USEC_SEC);
    assert_int_equal(rig_status(&r, 0, &id), OUT_READ);
    assert_int_equal(stats(&r, 1).sent_read, 5);
    rig_run(&r, 3600 * USEC_SEC);
    assert_int_equal(stats(&r, 1).sent_read, 5);
    /* A FORGET is lost: the next READ brings another one. */
    id = deliver(&r, 200);
    rig_run(&r, 2 * USEC_SEC);
    r.filter = drop_forgets;
    lose = 2;
    uint64_t before = stats(&r, 1).sent_read;
    assert_true(taken(&r, 1));
    rig_run(&r, 3600 * USEC_SEC);
    assert_int_equal(stats(&r, 1).sent_read - before, 3);
    expect_forgotten(&r);
    rig_fini(&r);
}

/* Replies share their id: FORGET names the content, and each is forgotten for itself. */
static void test_forget_replies(void **state)
{
    (void)state;
    struct rig r;
    pair(&r, 18);
    struct msg_id id = deliver(&r, 10);
    for (uint8_t i = 0; i < 3; i++) {
        struct bus_send s = {.dst = r.node[0].addr, .reply = true, .reply_to = id};
        s.payload = rig_pattern(30);
        s.payload->data[0] = i;
        (void)rig_send_ex(&r, 1, &s);
        blob_unref(s.payload);
        rig_run(&r, USEC_SEC);
    }
    assert_int_equal(stats(&r, 0).received, 3);
    assert_int_equal(stats(&r, 0).seen, 3);
    assert_true(taken(&r, 0) && taken(&r, 0) && taken(&r, 0) && taken(&r, 1));
    expect_forgotten(&r);
    rig_fini(&r);
}

/* The removal of rows fails: it is tried again. */
static void test_forget_store_failure(void **state)
{
    (void)state;
    struct rig r;
    pair(&r, 19);
    (void)deliver(&r, 100);
    rig_run(&r, 55 * USEC_SEC);
    assert_int_equal(r.node[1].store.seen.count, 1);
    for (int i = 0; i < 30; i++) { /* whatever is asked for around that time */
        r.node[1].store.fail_next = 1;
        rig_run(&r, USEC_SEC);
    }
    r.node[1].store.fail_next = 0;
    rig_run(&r, 30 * USEC_SEC);
    assert_int_equal(r.node[1].store.seen.count, 0);
    rig_fini(&r);
}

/* The limit of remembered ids, a thousandth of the real one, at a rate a thousandth and a bit of
 * 3,000 per second, for an hour: nothing is held back between nodes of this program. */
static void test_seen_limit(void **state)
{
    (void)state;
    for (int plain = 0; plain < 2; plain++) {
        struct rig r;
        uint64_t most = 0;
        rig_init(&r, 20);
        r.node[0].plain = plain;
        r.node[1].limits.seen = 1000;
        rig_start(&r, 0);
        rig_start(&r, 1);
        for (int i = 0; i < 12000; i++) {
            (void)rig_send(&r, 0, &r.node[1].addr, rig_pattern(10), OUT_AT_LEAST_ONCE);
            rig_run(&r, 100 * USEC_MS); /* 10 per second */
            if (i % 10 == 0)
                while (taken(&r, 1))
                    ;
            most = MAX(most, stats(&r, 1).seen);
        }
        print_message("%s: 10 messages per second: %llu received, at most %llu remembered, %llu "
                      "held back\n",
                      plain ? "plain" : "ours", (unsigned long long)stats(&r, 1).received,
                      (unsigned long long)most, (unsigned long long)stats(&r, 1).refused_limit);
        if (plain) {
            assert_true(stats(&r, 1).refused_limit > 0);
        } else {
            assert_int_equal(stats(&r, 1).refused_limit, 0);
            assert_true(most < 900);
            assert_true(stats(&r, 1).received >= 11990);
        }
        rig_fini(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kin),
        cmocka_unit_test(test_plain_is_left_alone),
        cmocka_unit_test(test_mute),
        cmocka_unit_test(test_trailer_marks),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_busy),
        cmocka_unit_test(test_refused_and_complete),
        cmocka_unit_test(test_topic_refused),
        cmocka_unit_test(test_replies_pass),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_busy_inbox),
        cmocka_unit_test(test_sender_restarts),
        cmocka_unit_test(test_receiver_restarts),
        cmocka_unit_test(test_chunk_acks),
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_forget),
        cmocka_unit_test(test_forget_unread),
        cmocka_unit_test(test_read_until_forget),
        cmocka_unit_test(test_forget_replies),
        cmocka_unit_test(test_forget_store_failure),
        cmocka_unit_test(test_seen_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
