/* The sender: against a hand-made receiver (a plain one, as recorded), and over links that lose,
 * delay and throttle. Numbers of packets are exact where the protocol says so. */
#include "bus/send_transfer.h"
#include "tests/unit/bus/rig.h"
#include "tests/unit/unit.h"
#include "tests/unit/vectors.h"

#define USER_HEADER        4
#define INIT_TRAILER_BYTES 72

static const struct ip6 peer = {.b = {0x05, 0xa6, 0xf0, 0xc6, 0xf3, 0x65, 1, 0x7d, 9, 9}};

/* --- a hand-made receiver ----------------------------------------------------------------- */

static struct rig_packet *await(struct rig *r, usec_t for_time)
{
    usec_t until = r->now + for_time;
    while (list_empty(&r->log) && r->now < until)
        rig_run(r, USEC_MS);
    return rig_log_pop(r);
}

/* The next packet has these flags; its id and time. */
static struct rig_packet *expect(struct rig *r, uint16_t flags, usec_t for_time)
{
    struct rig_packet *p = await(r, for_time);
    if (!p)
        fail_msg("no packet, flags %04x awaited", flags);
    if (p->flags != flags)
        fail_msg("packet %04x instead of %04x", p->flags, flags);
    return p;
}

static usec_t expect_at(struct rig *r, uint16_t flags, usec_t for_time)
{
    struct rig_packet *p = expect(r, flags, for_time);
    usec_t at = p->at;
    free(p);
    return at;
}

static void nothing(struct rig *r, usec_t for_time)
{
    struct rig_packet *p = await(r, for_time);
    if (p)
        fail_msg("packet %04x where none belongs", p->flags);
}

static void inject(struct rig *r, struct pkt *p)
{
    rig_inject(r, 0, &peer, p->data, p->len);
    pkt_free(p);
}

static struct msg_id packet_id(const struct rig_packet *p)
{
    struct msg_id id;
    memcpy(id.b, p->bytes, sizeof(id.b));
    return id;
}

/* Answers as a plain receiver would; DONE only if `done`. */
static void answer(struct rig *r, const struct rig_packet *p, bool done)
{
    struct msg_packet m;
    assert_int_equal(msg_decode(wire_rd_of(p->bytes, p->len), &m), OK);
    if (m.kind == MSG_KIND_INIT)
        inject(r, msg_init_ack(&m.id, m.reply, m.len, (uint8_t)wire_left(&m.topic)));
    else if (m.kind == MSG_KIND_CHUNK)
        inject(r, msg_chunk_ack(&m.id, m.index, m.offset, m.size));
    else if (m.kind == MSG_KIND_DONE && done)
        inject(r, msg_done_ack(&m.id, m.count, m.sum));
}

static void start(struct rig *r, uint64_t seed)
{
    rig_init(r, seed);
    rig_start(r, 0);
}

/* A message to the peer, its INIT answered; the node counts as one that answers. */
static struct msg_id begin_to_peer(struct rig *r, size_t len, enum out_policy policy)
{
    assert_int_not_equal(rig_send(r, 0, &peer, rig_pattern(len), policy), 0);
    struct rig_packet *p = expect(r, MSG_INIT, USEC_SEC);
    struct msg_id id = packet_id(p);
    answer(r, p, false);
    free(p);
    return id;
}

static void chunks_answered(struct rig *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct rig_packet *p = expect(r, MSG_CHUNK, USEC_SEC);
        answer(r, p, false);
        free(p);
    }
}

/* --- recorded scripts --------------------------------------------------------------------- */

static void run_script(const json_t *row, enum out_state final)
{
    struct rig r;
    size_t i;
    json_t *step;
    struct msg_id id = {.b = {0}};
    start(&r, 3);
    (void)rig_send(&r, 0, &peer,
                   rig_pattern((size_t)json_integer_value(json_object_get(row, "payload_len"))),
                   OUT_AT_LEAST_ONCE);
    bool over = false;
    json_array_foreach(json_object_get(row, "steps"), i, step)
    {
        size_t len;
        if (json_object_get(step, "recv") && !over) {
            uint8_t *want = vectors_hex(step, "recv", &len);
            uint16_t flags = (uint16_t)(want[12] << 8 | want[13]);
            struct rig_packet *p = expect(&r, flags, 2 * USEC_SEC);
            size_t more = flags == MSG_INIT ? INIT_TRAILER_BYTES : 0;
            assert_int_equal(p->len, len - USER_HEADER + more);
            id = packet_id(p);
            free(p);
            free(want);
        } else if (json_object_get(step, "answer")) {
            uint8_t *bytes = vectors_hex(step, "answer", &len);
            memcpy(bytes + USER_HEADER, id.b, sizeof(id.b));
            over = over || (bytes[12] & (MSG_DONE | MSG_READ) >> 8);
            rig_inject(&r, 0, &peer, bytes + USER_HEADER, len - USER_HEADER);
            free(bytes);
        }
    }
    rig_run(&r, 250 * USEC_MS);
    assert_int_equal(rig_status(&r, 0, &id), final);
    nothing(&r, 20 * USEC_SEC);
    rig_fini(&r);
}

static void test_scripts(void **state)
{
    static const struct {
        const char *name;
        enum out_state final;
    } scripts[] = {
        {"init_ack_then_done_ack", OUT_RECEIVED}, {"empty_ack_bodies", OUT_RECEIVED},
        {"done_ack_in_init_ignored", OUT_READ}, /* ours believes DONE ACK and READ in any state */
        {"read_in_sending_ignored", OUT_READ},    {"chunk_ack_oob", OUT_RECEIVED},
    };
    (void)state;
    json_t *root = vectors_load("messages.json");
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(root, "sender_behaviour_captured"), i, row)
    {
        assert_true(i < ARRAY_LEN(scripts));
        assert_string_equal(vectors_str(row, "name"), scripts[i].name);
        run_script(row, scripts[i].final);
    }
    assert_int_equal(i, ARRAY_LEN(scripts));
    json_decref(root);
}

/* --- a lost DONE ACK ---------------------------------------------------------------------- */

static void test_done_ack_lost(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 4);
    struct msg_id id = begin_to_peer(&r, 3000, OUT_AT_LEAST_ONCE);
    chunks_answered(&r, 3);
    usec_t a = expect_at(&r, MSG_DONE, USEC_SEC);
    usec_t b = expect_at(&r, MSG_DONE, 2 * USEC_SEC);
    usec_t c = expect_at(&r, MSG_DONE, 3 * USEC_SEC);
    assert_true(c - b > b - a); /* growing gaps */
    struct rig_packet *p = expect(&r, MSG_CHUNK, 5 * USEC_SEC);
    assert_int_equal(p->bytes[MSG_HEADER_BYTES + 7], 0); /* index 0 */
    free(p);
    (void)expect_at(&r, MSG_CHUNK, 5 * USEC_SEC);
    (void)expect_at(&r, MSG_CHUNK, 5 * USEC_SEC);
    usec_t last = r.now;
    (void)expect_at(&r, MSG_DONE, 3 * USEC_SEC); /* its node is silent, and it asks for all */
    usec_t init = expect_at(&r, MSG_INIT, 10 * USEC_SEC);
    assert_true(init - last >= 2 * USEC_SEC);
    usec_t gap = 0, before = init;
    for (int i = 0; i < 6; i++) { /* 1, 2, 4 .. 30 s */
        usec_t at = expect_at(&r, MSG_INIT, 40 * USEC_SEC);
        assert_true(at - before > gap);
        gap = at - before - USEC_MS;
        before = at;
    }
    assert_true(gap >= 29 * USEC_SEC);
    inject(&r, msg_read(&id));
    rig_run(&r, 20 * USEC_MS);
    assert_int_equal(rig_status(&r, 0, &id), OUT_READ);
    nothing(&r, 100 * USEC_SEC);
    rig_fini(&r);
}

/* The probe is answered: the receiver lacks something, all chunks go again. */
static void test_probe_answered(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 5);
    struct msg_id id = begin_to_peer(&r, 3000, OUT_AT_LEAST_ONCE);
    chunks_answered(&r, 3);
    for (int i = 0; i < 3; i++)
        (void)expect_at(&r, MSG_DONE, 5 * USEC_SEC);
    chunks_answered(&r, 1); /* the probe */
    chunks_answered(&r, 3);
    struct rig_packet *p = expect(&r, MSG_DONE, USEC_SEC);
    answer(&r, p, true);
    free(p);
    rig_run(&r, 20 * USEC_MS);
    assert_int_equal(rig_status(&r, 0, &id), OUT_RECEIVED);
    inject(&r, msg_read(&id)); /* the entry is in the store only */
    rig_run(&r, 20 * USEC_MS);
    assert_int_equal(rig_status(&r, 0, &id), OUT_READ);
    rig_fini(&r);
}

/* At most once: DONE is not sent before it is recorded, and nothing begins anew behind it. */
static void test_at_most_once(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 6);
    struct bus_send s = {.dst = peer, .ttl_ms = 120000, .policy = OUT_AT_MOST_ONCE};
    s.payload = rig_pattern(2000);
    (void)rig_send_ex(&r, 0, &s);
    blob_unref(s.payload);
    struct rig_packet *p = expect(&r, MSG_INIT, USEC_SEC);
    struct msg_id id = packet_id(p);
    answer(&r, p, false);
    free(p);
    chunks_answered(&r, 2);
    size_t dones = 0, aborts = 0;
    usec_t until = r.now + 130 * USEC_SEC;
    while (r.now < until) {
        p = await(&r, USEC_SEC);
        if (!p)
            continue;
        assert_true(p->flags == MSG_DONE || p->flags == MSG_CHUNK || p->flags == MSG_ABORT);
        dones += p->flags == MSG_DONE;
        aborts += p->flags == MSG_ABORT;
        free(p);
    }
    assert_true(dones >= 4);
    assert_int_equal(aborts, 1);
    assert_int_equal(rig_status(&r, 0, &id), OUT_UNKNOWN);
    rig_fini(&r);
}

/* A restart with DONE_SENT recorded: the probe, not INIT. */
static void test_restart_done_sent(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 7);
    struct msg_id id = begin_to_peer(&r, 2000, OUT_AT_MOST_ONCE);
    chunks_answered(&r, 2);
    (void)expect_at(&r, MSG_DONE, USEC_SEC);
    rig_crash(&r, 0);
    rig_start(&r, 0);
    chunks_answered(&r, 1);
    chunks_answered(&r, 2);
    struct rig_packet *p = expect(&r, MSG_DONE, USEC_SEC);
    answer(&r, p, true);
    free(p);
    rig_run(&r, 20 * USEC_MS);
    assert_int_equal(rig_status(&r, 0, &id), OUT_RECEIVED);
    rig_fini(&r);
}

/* A restart before that: INIT, with the time that is left. */
static void test_restart_queued(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 8);
    struct msg_id id = begin_to_peer(&r, 2000, OUT_AT_LEAST_ONCE);
    usec_t began = r.now;
    chunks_answered(&r, 1);
    rig_crash(&r, 0);
    while (!list_empty(&r.log))
        free(rig_log_pop(&r));
    rig_run(&r, 100 * USEC_SEC);
    rig_start(&r, 0);
    usec_t abort_at = 0;
    size_t inits = 0;
    while (abort_at == 0) {
        struct rig_packet *p = await(&r, 60 * USEC_SEC);
        assert_non_null(p);
        assert_true(p->flags == MSG_INIT || p->flags == MSG_ABORT);
        inits += p->flags == MSG_INIT;
        if (p->flags == MSG_ABORT)
            abort_at = p->at;
        free(p);
    }
    assert_true(inits >= 5);
    assert_true(abort_at - began > 299 * USEC_SEC && abort_at - began < 301 * USEC_SEC);
    rig_run(&r, 20 * USEC_MS);
    assert_int_equal(rig_status(&r, 0, &id), OUT_ABORTED);
    nothing(&r, 60 * USEC_SEC);
    rig_fini(&r);
}

/* INIT is answered, chunks vanish: INIT again after silence, later smaller chunks. */
static void test_smaller_chunks(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 9);
    struct bus_send s = {.dst = peer, .ttl_ms = 3600000, .payload = rig_pattern(13000)};
    (void)rig_send_ex(&r, 0, &s);
    blob_unref(s.payload);
    size_t inits = 0, largest = 0;
    while (inits < 7) {
        struct rig_packet *p = await(&r, 60 * USEC_SEC);
        assert_non_null(p);
        if (p->flags == MSG_INIT) {
            inits++;
            largest = 0;
            answer(&r, p, false);
        } else {
            largest = MAX(largest, p->len - MSG_HEADER_BYTES - MSG_CHUNK_MIN_BYTES);
            if (inits <= 5)
                assert_int_equal(largest, 1300);
            else
                assert_int_equal(largest, 1000);
        }
        free(p);
    }
    assert_true(largest <= 1000);
    rig_fini(&r);
}

/* --- routes ------------------------------------------------------------------------------- */

static void test_no_route(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r, 10);
    r.routes = false;
    rig_start(&r, 0);
    for (int i = 0; i < 50; i++)
        (void)rig_send(&r, 0, &peer, rig_pattern(10), OUT_AT_LEAST_ONCE);
    usec_t began = r.now;
    nothing(&r, 299 * USEC_SEC);
    struct rig_node *n = &r.node[0];
    assert_int_equal(n->wants, 4); /* 0, 15 s, 1 min, 2 min later; 4 min is beyond the deadline */
    static const usec_t gaps[] = {15, 60, 120};
    assert_true(n->want_at[0] - began < 10 * USEC_MS);
    for (size_t i = 0; i < 3; i++) {
        usec_t gap = n->want_at[i + 1] - n->want_at[i];
        assert_in_range(gap, gaps[i] * USEC_SEC * 3 / 4, gaps[i] * USEC_SEC * 5 / 4);
    }
    bus_peer_up(n->bus, rig_instant(&r));
    rig_run(&r, 10 * USEC_MS);
    assert_int_equal(n->wants, 5);
    nothing(&r, 30 * USEC_SEC); /* not even ABORT: nothing was sent */
    struct bus_stats st;
    bus_stats(n->bus, &st);
    assert_int_equal(st.aborted, 50);
    assert_int_equal(st.out_live, 0);
    rig_fini(&r);
}

static void test_route_comes_and_goes(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r, 11);
    r.routes = false;
    rig_start(&r, 0);
    (void)rig_send(&r, 0, &peer, rig_pattern(2000), OUT_AT_LEAST_ONCE);
    nothing(&r, 20 * USEC_SEC);
    bus_route(r.node[0].bus, &peer, true, rig_instant(&r));
    struct rig_packet *p = expect(&r, MSG_INIT, 10 * USEC_MS);
    answer(&r, p, false);
    free(p);
    (void)expect_at(&r, MSG_CHUNK, USEC_SEC);
    (void)expect_at(&r, MSG_CHUNK, USEC_SEC);
    bus_route(r.node[0].bus, &peer, false, rig_instant(&r));
    nothing(&r, 60 * USEC_SEC);
    bus_route(r.node[0].bus, &peer, true, rig_instant(&r));
    chunks_answered(&r, 2);
    p = expect(&r, MSG_DONE, USEC_SEC);
    answer(&r, p, true);
    free(p);
    nothing(&r, 60 * USEC_SEC);
    rig_fini(&r);
}

static bool no_room(void *ctx, const struct ip6 *dst)
{
    (void)dst;
    size_t *room = (size_t *)ctx;
    if (*room == 0)
        return false;
    --*room;
    return true;
}

static void test_blocked_link(void **state)
{
    (void)state;
    struct rig r;
    size_t room = 3;
    start(&r, 12);
    bus_set_room(r.node[0].bus, no_room, &room);
    (void)begin_to_peer(&r, 6500, OUT_AT_LEAST_ONCE);
    (void)expect_at(&r, MSG_CHUNK, USEC_SEC);
    (void)expect_at(&r, MSG_CHUNK, USEC_SEC);
    nothing(&r, 5 * USEC_SEC);
    room = 1;
    bus_unblocked(r.node[0].bus, rig_instant(&r));
    (void)expect_at(&r, MSG_CHUNK, 10 * USEC_MS);
    nothing(&r, 5 * USEC_SEC);
    rig_fini(&r);
}

/* A node that was silent for long is asked by one message at least, also when all that were under
 * way have reached their deadlines. */
static void test_silent_node_is_asked(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 14);
    struct bus_send s = {.dst = peer, .ttl_ms = 20000};
    s.payload = rig_pattern(10);
    (void)rig_send_ex(&r, 0, &s);
    rig_run(&r, 10 * USEC_SEC);
    s.ttl_ms = 200000;
    (void)rig_send_ex(&r, 0, &s);
    blob_unref(s.payload);
    rig_run(&r, 11 * USEC_SEC);
    struct rig_packet *p;
    struct msg_id first = {.b = {0}};
    size_t inits = 0, others = 0;
    while ((p = rig_log_pop(&r))) {
        struct msg_id id = packet_id(p);
        first = inits == 0 ? id : first;
        inits += p->flags == MSG_INIT;
        others += memcmp(id.b, first.b, sizeof(id.b)) != 0;
        free(p);
    }
    assert_true(inits >= 3);
    assert_true(others >= 1); /* the second message, once the first is aborted */
    rig_fini(&r);
}

/* Transfers without a slot, too, go on when the route comes back. */
static void test_route_lost_while_late(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 15);
    struct msg_id id = begin_to_peer(&r, 3000, OUT_AT_LEAST_ONCE);
    chunks_answered(&r, 3);
    (void)expect_at(&r, MSG_DONE, USEC_SEC);
    (void)expect_at(&r, MSG_DONE, 5 * USEC_SEC);
    (void)expect_at(&r, MSG_DONE, 5 * USEC_SEC);
    for (int i = 0; i < 3; i++)
        (void)expect_at(&r, MSG_CHUNK, 5 * USEC_SEC);
    (void)expect_at(&r, MSG_DONE, 5 * USEC_SEC);
    (void)expect_at(&r, MSG_INIT, 10 * USEC_SEC);
    r.routes = false;
    bus_route(r.node[0].bus, &peer, false, rig_instant(&r));
    nothing(&r, 60 * USEC_SEC);
    bus_route(r.node[0].bus, &peer, true, rig_instant(&r));
    (void)expect_at(&r, MSG_INIT, 31 * USEC_SEC);
    inject(&r, msg_read(&id));
    rig_run(&r, 20 * USEC_MS);
    assert_int_equal(rig_status(&r, 0, &id), OUT_READ);
    rig_fini(&r);
}

/* The first of the queue turns out to have no payload: the next one does not wait for an event. */
static void test_payload_gone(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r, 16);
    r.routes = false;
    r.node[0].limits.out_cache_bytes = 3000;
    rig_start(&r, 0);
    bus_client first = rig_send(&r, 0, &peer, rig_pattern(5000), OUT_AT_LEAST_ONCE);
    bus_client next = rig_send(&r, 0, &peer, rig_pattern(10), OUT_AT_LEAST_ONCE);
    rig_run(&r, USEC_SEC);
    struct rig_answer *a = rig_answer(&r, 0, first, BUS_OUT_ACCEPTED);
    struct fake_out *row = fake_out_find(&r.node[0].store, &a->id, ip6_node(&peer));
    blob_unref(row->body);
    row->body = NULL;
    bus_route(r.node[0].bus, &peer, true, rig_instant(&r));
    struct rig_packet *p = expect(&r, MSG_INIT, USEC_SEC);
    struct msg_id id = packet_id(p);
    free(p);
    a = rig_answer(&r, 0, next, BUS_OUT_ACCEPTED);
    assert_memory_equal(id.b, a->id.b, sizeof(id.b));
    a = rig_answer(&r, 0, first, BUS_OUT_ACCEPTED);
    id = a->id;
    rig_run(&r, 100 * USEC_MS);
    assert_int_equal(rig_status(&r, 0, &id), OUT_ABORTED);
    rig_fini(&r);
}

/* Payloads of transfers that gave up their slot stay within the limit: the others keep it, and
 * nothing new starts. */
static void test_late_payloads_limited(void **state)
{
    (void)state;
    struct rig r;
    struct bus_stats st;
    rig_init(&r, 17);
    r.node[0].limits.out_cache_bytes = 7000;
    r.node[0].limits.out_transfers_node = 2;
    rig_start(&r, 0);
    for (int i = 0; i < 8; i++)
        (void)rig_send(&r, 0, &peer, rig_pattern(3000), OUT_AT_LEAST_ONCE);
    uint8_t known[64][MSG_HEADER_BYTES + 8]; /* what was answered: nothing is twice */
    size_t n_known = 0, i;
    uint64_t late_max = 0;
    usec_t until = r.now + 250 * USEC_SEC;
    while (r.now < until) {
        struct rig_packet *p = await(&r, USEC_SEC);
        if (!p)
            continue;
        bus_stats(r.node[0].bus, &st);
        late_max = MAX(late_max, st.out_late_bytes);
        for (i = 0; i < n_known && memcmp(known[i], p->bytes, sizeof(known[i])) != 0;)
            i++;
        if (i == n_known && n_known < 64 && p->len >= sizeof(known[i])) {
            memcpy(known[n_known++], p->bytes, sizeof(known[i]));
            answer(&r, p, false);
        }
        free(p);
    }
    assert_int_equal(late_max, 6000);
    rig_run(&r, 60 * USEC_SEC);
    bus_stats(r.node[0].bus, &st);
    assert_int_equal(st.out_late_bytes, 0);
    assert_int_equal(st.out_live, 0);
    rig_fini(&r);
}

/* All live messages together, whatever their size. */
static void test_messages_limited(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r, 18);
    r.routes = false;
    r.node[0].limits.out_messages = 3;
    rig_start(&r, 0);
    struct bus_send s = {.dst = peer};
    for (uint8_t i = 0; i < 5; i++) {
        s.dst.b[7] = i; /* another node each */
        int rc = bus_send(r.node[0].bus, &s, 1000 + i, rig_instant(&r));
        assert_int_equal(rc, i < 3 ? OK : ERR_LIMIT);
    }
    rig_run(&r, USEC_SEC);
    rig_fini(&r);
}

/* One sweep removes a limited number of rows: while rows are left, the next one follows at once. */
static void test_sweep_goes_on(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 19);
    struct fake_store *s = &r.node[0].store;
    s->sweeps_full = 50;
    rig_run(&r, 5 * USEC_SEC); /* the first one comes soon after the start */
    assert_int_equal(s->sweeps, 51);
    rig_run(&r, 10 * USEC_SEC);
    assert_int_equal(s->sweeps, 52);
    rig_fini(&r);
}

static void test_foreign_answers(void **state)
{
    (void)state;
    struct rig r;
    struct ip6 other = peer;
    other.b[7] ^= 1;
    start(&r, 13);
    (void)rig_send(&r, 0, &peer, rig_pattern(10), OUT_AT_LEAST_ONCE);
    struct rig_packet *p = expect(&r, MSG_INIT, USEC_SEC);
    struct msg_id id = packet_id(p);
    free(p);
    struct pkt *read = msg_read(&id);
    rig_inject(&r, 0, &other, read->data, read->len);
    rig_run(&r, 20 * USEC_MS);
    assert_int_equal(rig_status(&r, 0, &id), OUT_INIT_SENT);
    struct ip6 same = peer;
    same.b[15] ^= 1; /* another address of the node */
    rig_inject(&r, 0, &same, read->data, read->len);
    pkt_free(read);
    rig_run(&r, 20 * USEC_MS);
    assert_int_equal(rig_status(&r, 0, &id), OUT_READ);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scripts),
        cmocka_unit_test(test_done_ack_lost),
        cmocka_unit_test(test_probe_answered),
        cmocka_unit_test(test_at_most_once),
        cmocka_unit_test(test_restart_done_sent),
        cmocka_unit_test(test_restart_queued),
        cmocka_unit_test(test_smaller_chunks),
        cmocka_unit_test(test_no_route),
        cmocka_unit_test(test_route_comes_and_goes),
        cmocka_unit_test(test_blocked_link),
        cmocka_unit_test(test_silent_node_is_asked),
        cmocka_unit_test(test_route_lost_while_late),
        cmocka_unit_test(test_payload_gone),
        cmocka_unit_test(test_late_payloads_limited),
        cmocka_unit_test(test_messages_limited),
        cmocka_unit_test(test_sweep_goes_on),
        cmocka_unit_test(test_foreign_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
