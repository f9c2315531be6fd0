/* The receiver against recorded scripts: what was sent to a node of the network and what it
 * answered. Where ours answers differently on purpose, the script is written out here. */
#include "base/blake3.h"
#include "tests/unit/bus/rig.h"
#include "tests/unit/unit.h"
#include "tests/unit/vectors.h"

#define USER_HEADER 4

static const struct ip6 peer = {.b = {0x05, 0xa6, 0xf0, 0xc6, 0xf3, 0x65, 1, 0x7d, 9, 9}};

struct script {
    struct rig rig;
    size_t sent;
};

static void begin(struct script *s)
{
    memset(s, 0, sizeof(*s));
    rig_init(&s->rig, 7);
    rig_start(&s->rig, 0);
}

static void end(struct script *s)
{
    rig_fini(&s->rig);
}

static void send_bytes(struct script *s, const uint8_t *plain, size_t len)
{
    rig_inject(&s->rig, 0, &peer, plain + USER_HEADER, len - USER_HEADER);
    s->sent++;
}

/* {"prefix": hex, "len": n}: the prefix, then zero or letter bytes that the note describes. */
static void send_step(struct script *s, const json_t *step)
{
    size_t len;
    const json_t *v = json_object_get(step, "send");
    if (json_is_string(v)) {
        uint8_t *plain = vectors_hex(step, "send", &len);
        send_bytes(s, plain, len);
        free(plain);
        return;
    }
    uint8_t *prefix = vectors_hex(v, "prefix", &len);
    size_t total = (size_t)json_integer_value(json_object_get(v, "len"));
    uint8_t *plain = malloc(total);
    for (size_t i = 0; i < total; i++)
        plain[i] = (uint8_t)(7 * (i - len) + 3);
    memcpy(plain, prefix, len);
    send_bytes(s, plain, total);
    free(plain);
    free(prefix);
}

/* Takes p. */
static void inject(struct script *s, struct pkt *p)
{
    rig_inject(&s->rig, 0, &peer, p->data, p->len);
    pkt_free(p);
}

static void expect_bytes(struct script *s, const char *name, const uint8_t *want, size_t len)
{
    for (int i = 0; i < 200 && list_empty(&s->rig.log); i++)
        rig_run(&s->rig, USEC_MS);
    struct rig_packet *p = rig_log_pop(&s->rig);
    if (!p)
        fail_msg("%s: no answer", name);
    assert_int_equal(p->len, len - USER_HEADER);
    /* The two reserved bytes of the user header are not seen here. */
    if (memcmp(p->bytes, want + USER_HEADER, p->len) != 0)
        fail_msg("%s: another answer, flags %04x", name, p->flags);
    assert_true(ip6_eq(&p->dst, &peer));
    free(p);
}

static void expect_nothing(struct script *s, usec_t for_time)
{
    rig_run(&s->rig, for_time);
    struct rig_packet *p = rig_log_pop(&s->rig);
    if (p)
        fail_msg("an answer where none belongs, flags %04x", p->flags);
}

static void pop(struct script *s, bool peek)
{
    struct bus_take t = {.any_topic = true, .peek = peek};
    bus_client c = rig_take_ex(&s->rig, 0, &t);
    rig_run(&s->rig, 10 * USEC_MS);
    struct rig_answer *a = rig_answer(&s->rig, 0, c, BUS_OUT_TAKEN);
    assert_non_null(a);
    assert_true(a->has_message);
    assert_true(ip6_eq(&a->src, &peer));
}

static void run_script(const char *name, const json_t *steps)
{
    struct script s;
    size_t i;
    json_t *step;
    begin(&s);
    json_array_foreach(steps, i, step)
    {
        const char *api = vectors_str(step, "api");
        if (json_object_get(step, "send")) {
            if (i > 0 && !json_object_get(json_array_get(steps, i - 1), "send"))
                rig_run(&s.rig, 60 * USEC_MS); /* answered before: time passes */
            send_step(&s, step);
        } else if (json_object_get(step, "expect")) {
            size_t len;
            uint8_t *want = vectors_hex(step, "expect", &len);
            expect_bytes(&s, name, want, len);
            free(want);
        } else {
            assert_non_null(api);
            pop(&s, false);
        }
    }
    expect_nothing(&s, 100 * USEC_MS);
    end(&s);
}

static const json_t *script_steps(const json_t *root, const char *name)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(root, "receiver_behaviour_captured"), i, row)
    {
        if (strcmp(vectors_str(row, "name"), name) == 0)
            return json_object_get(row, "steps");
    }
    fail_msg("no script %s", name);
    return NULL;
}

static void test_same_answers(void **state)
{
    static const char *const same[] = {
        "eager", "reserved_echo", "init_trailer", "bad_checksum",    "bad_count",  "chunk_checks",
        "abort", "flag_priority", "unknown_ids",  "swapped_offsets", "early_done",
    };
    (void)state;
    json_t *root = vectors_load("messages.json");
    for (size_t i = 0; i < ARRAY_LEN(same); i++)
        run_script(same[i], script_steps(root, same[i]));
    json_decref(root);
}

static void send_nth(struct script *s, const json_t *steps, size_t nth)
{
    size_t i;
    json_t *step;
    json_array_foreach(steps, i, step)
    {
        if (json_object_get(step, "send") && nth-- == 0) {
            send_step(s, step);
            return;
        }
    }
    fail_msg("no such step");
}

static void expect_flags(struct script *s, uint16_t flags)
{
    for (int i = 0; i < 200 && list_empty(&s->rig.log); i++)
        rig_run(&s->rig, USEC_MS);
    struct rig_packet *p = rig_log_pop(&s->rig);
    if (!p)
        fail_msg("no packet with flags %04x", flags);
    assert_int_equal(p->flags, flags);
    free(p);
}

/* A repeat is answered from what was seen, before and after the pop, and never delivered again. */
static void test_repeats(void **state)
{
    (void)state;
    json_t *root = vectors_load("messages.json");
    const json_t *steps = script_steps(root, "dup_after_complete_unread");
    for (int popped = 0; popped < 2; popped++) {
        struct script s;
        begin(&s);
        for (size_t i = 0; i < 3; i++)
            send_nth(&s, steps, i);
        expect_flags(&s, MSG_INIT | MSG_ACK);
        expect_flags(&s, MSG_CHUNK | MSG_ACK);
        expect_flags(&s, MSG_DONE | MSG_ACK);
        if (popped) {
            pop(&s, false);
            expect_flags(&s, MSG_READ);
        }
        send_nth(&s, steps, 2); /* DONE */
        send_nth(&s, steps, 2); /* at most one answer in 50 ms */
        expect_flags(&s, MSG_DONE | MSG_ACK);
        send_nth(&s, steps, 1); /* CHUNK */
        expect_nothing(&s, 60 * USEC_MS);
        send_nth(&s, steps, 0); /* INIT */
        expect_flags(&s, MSG_INIT | MSG_ACK);
        expect_flags(&s, MSG_DONE | MSG_ACK);
        expect_nothing(&s, 60 * USEC_MS);
        assert_int_equal(fake_ready_count(&s.rig.node[0].store), popped ? 0 : 1);
        assert_int_equal(s.rig.node[0].store.readies, 1);
        /* After ten minutes it is a new message. */
        rig_run(&s.rig, 620 * USEC_SEC);
        while (!list_empty(&s.rig.log))
            free(rig_log_pop(&s.rig)); /* copies of READ */
        send_nth(&s, steps, 0);
        expect_flags(&s, MSG_INIT | MSG_ACK);
        expect_nothing(&s, 60 * USEC_MS);
        end(&s);
    }
    json_decref(root);
}

/* An equal INIT keeps the data: DONE is right as soon as all chunks came once. */
static void test_init_again(void **state)
{
    (void)state;
    json_t *root = vectors_load("messages.json");
    const json_t *steps = script_steps(root, "init_resets_partial");
    struct script s;
    begin(&s);
    send_nth(&s, steps, 0);
    send_nth(&s, steps, 1);
    expect_flags(&s, MSG_INIT | MSG_ACK);
    expect_flags(&s, MSG_CHUNK | MSG_ACK);
    rig_run(&s.rig, 60 * USEC_MS);
    for (size_t i = 2; i < 5; i++)
        send_nth(&s, steps, i);
    send_nth(&s, steps, 2); /* a second INIT within 20 ms is not answered on its own */
    expect_flags(&s, MSG_INIT | MSG_ACK);
    rig_run(&s.rig, 20 * USEC_MS);
    struct rig_packet *p = rig_log_pop(&s.rig);
    if (p && p->flags == (MSG_INIT | MSG_ACK)) { /* held for the end of the message */
        free(p);
        p = rig_log_pop(&s.rig);
    }
    assert_non_null(p);
    assert_int_equal(p->flags, MSG_CHUNK | MSG_ACK);
    free(p);
    expect_flags(&s, MSG_DONE | MSG_ACK);
    pop(&s, false);
    end(&s);
    json_decref(root);
}

static void test_chunk_sizes(void **state)
{
    (void)state;
    json_t *root = vectors_load("messages.json");
    struct script s;
    const json_t *steps = script_steps(root, "small_last_chunk");
    begin(&s);
    for (size_t i = 0; i < 3; i++)
        send_nth(&s, steps, i);
    expect_flags(&s, MSG_INIT | MSG_ACK);
    expect_flags(&s, MSG_CHUNK | MSG_ACK); /* ours takes both */
    expect_flags(&s, MSG_CHUNK | MSG_ACK);
    send_nth(&s, steps, 3); /* ABORT */
    expect_nothing(&s, 100 * USEC_MS);
    end(&s);

    /* 1350 bytes in one chunk: fewer chunks than a plain receiver would want. */
    struct blob *body = rig_pattern(1350);
    struct msg_id id = {.b = {1}};
    uint8_t sum[MSG_SUM_BYTES];
    blake3(body->data, body->len, sum);
    begin(&s);
    inject(&s, msg_init(&id, false, 1350, &(struct topic){.len = 0}));
    inject(&s, msg_chunk(&id, 0, 0, body->data, 1350));
    inject(&s, msg_done(&id, 1, sum));
    expect_flags(&s, MSG_INIT | MSG_ACK);
    expect_flags(&s, MSG_CHUNK | MSG_ACK);
    expect_flags(&s, MSG_DONE | MSG_ACK);
    end(&s);
    /* Two chunks, then the same message in one: the count is that of the last cut. */
    begin(&s);
    inject(&s, msg_init(&id, false, 1350, &(struct topic){.len = 0}));
    inject(&s, msg_chunk(&id, 0, 0, body->data, 700));
    inject(&s, msg_chunk(&id, 1, 700, body->data + 700, 650));
    expect_flags(&s, MSG_INIT | MSG_ACK);
    expect_flags(&s, MSG_CHUNK | MSG_ACK);
    expect_flags(&s, MSG_CHUNK | MSG_ACK);
    inject(&s, msg_done(&id, 1, sum));
    expect_nothing(&s, 20 * USEC_MS);
    inject(&s, msg_chunk(&id, 0, 0, body->data, 1350));
    inject(&s, msg_done(&id, 1, sum));
    expect_flags(&s, MSG_CHUNK | MSG_ACK);
    expect_flags(&s, MSG_DONE | MSG_ACK);
    end(&s);
    blob_unref(body);
    json_decref(root);
}

/* A message cut as 1300 + rest, the rest as short as it likes. */
static void test_reference_cut(void **state)
{
    static const size_t lens[] = {1, 249, 1300, 1301, 1400, 1549, 2601, 2849, 4000, 65535, 65536};
    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(lens); k++) {
        struct script s;
        begin(&s);
        struct blob *body = rig_pattern(lens[k]);
        struct msg_id id = {.b = {1, 2, 3, 4, 5, 6, 7, (uint8_t)k}};
        inject(&s, msg_init(&id, false, lens[k], &(struct topic){.len = 0}));
        expect_flags(&s, MSG_INIT | MSG_ACK);
        uint64_t n = (lens[k] + 1299) / 1300;
        for (uint64_t i = n; i-- > 0;) { /* last first */
            size_t size = MIN((size_t)1300, lens[k] - i * 1300);
            inject(&s, msg_chunk(&id, i, i * 1300, body->data + i * 1300, size));
        }
        for (uint64_t i = 0; i < n; i++)
            expect_flags(&s, MSG_CHUNK | MSG_ACK);
        uint8_t sum[MSG_SUM_BYTES];
        blake3(body->data, body->len, sum);
        inject(&s, msg_done(&id, n, sum));
        expect_flags(&s, MSG_DONE | MSG_ACK);
        bus_client c = rig_take(&s.rig, 0, 0);
        rig_run(&s.rig, 20 * USEC_MS);
        struct rig_answer *a = rig_answer(&s.rig, 0, c, BUS_OUT_TAKEN);
        assert_non_null(a);
        assert_int_equal(a->payload->len, lens[k]);
        assert_memory_equal(a->payload->data, body->data, lens[k]);
        blob_unref(body);
        end(&s);
    }
}

/* What a plain sender costs: one commit for the INIT, one for all chunks, one for DONE. Held ACKs
 * of an incomplete message leave after 50 ms. */
static void test_held_acks(void **state)
{
    (void)state;
    struct script s;
    struct msg_id id = {.b = {1}};
    uint8_t data[600] = {1};
    begin(&s);
    inject(&s, msg_init(&id, false, 600, &(struct topic){.len = 0}));
    expect_flags(&s, MSG_INIT | MSG_ACK);
    assert_int_equal(s.rig.node[0].store.part_writes, 1);
    rig_run(&s.rig, 20 * USEC_MS);
    usec_t sent = s.rig.now;
    inject(&s, msg_chunk(&id, 0, 0, data, 300));
    expect_nothing(&s, 45 * USEC_MS);
    expect_flags(&s, MSG_CHUNK | MSG_ACK);
    assert_true(s.rig.now - sent >= 50 * USEC_MS && s.rig.now - sent < 60 * USEC_MS);
    assert_int_equal(s.rig.node[0].store.part_writes, 2);
    /* The same chunk again is durable: answered at once, nothing stored. */
    inject(&s, msg_chunk(&id, 0, 0, data, 300));
    rig_drain(&s.rig, 0);
    expect_flags(&s, MSG_CHUNK | MSG_ACK);
    assert_int_equal(s.rig.node[0].store.part_writes, 2);
    /* A part that is never finished goes after 330 s. */
    assert_non_null(fake_in_find(&s.rig.node[0].store, &id, ip6_node(&peer), false));
    rig_run(&s.rig, 335 * USEC_SEC);
    assert_null(fake_in_find(&s.rig.node[0].store, &id, ip6_node(&peer), false));
    end(&s);
}

/* The store fails: no ACK; the repeat is acknowledged. */
static void test_store_failure(void **state)
{
    (void)state;
    json_t *root = vectors_load("messages.json");
    const json_t *steps = script_steps(root, "eager");
    struct script s;
    begin(&s);
    s.rig.node[0].store.fail_next = 1;
    for (size_t i = 0; i < 3; i++)
        send_nth(&s, steps, i);
    expect_nothing(&s, 200 * USEC_MS);
    send_nth(&s, steps, 1);
    send_nth(&s, steps, 2);
    expect_flags(&s, MSG_CHUNK | MSG_ACK);
    expect_flags(&s, MSG_DONE | MSG_ACK);
    pop(&s, false);
    struct bus_stats st;
    bus_stats(s.rig.node[0].bus, &st);
    assert_int_equal(st.store_errors, 1);
    end(&s);
    json_decref(root);
}

static void normal_message(struct script *s, const json_t *root)
{
    const json_t *steps = script_steps(root, "eager");
    for (size_t i = 0; i < 3; i++)
        send_nth(s, steps, i);
    expect_flags(s, MSG_INIT | MSG_ACK);
    expect_flags(s, MSG_CHUNK | MSG_ACK);
    expect_flags(s, MSG_DONE | MSG_ACK);
    pop(s, false);
}

static void test_bad_input(void **state)
{
    (void)state;
    json_t *root = vectors_load("messages.json");
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(json_object_get(root, "bad_input"), "rows"), i, row)
    {
        struct script s;
        size_t len;
        uint8_t *plain = vectors_hex(row, "plain", &len);
        begin(&s);
        if (plain[0] == 1 && plain[1] == 1) /* others do not reach the bus */
            send_bytes(&s, plain, len);
        expect_nothing(&s, 100 * USEC_MS);
        assert_int_equal(s.rig.node[0].store.ops, 0);
        normal_message(&s, root);
        free(plain);
        end(&s);
    }
    assert_true(i >= 11);
    json_decref(root);
}

static void test_limits(void **state)
{
    (void)state;
    struct script s;
    struct bus_stats st;
    begin(&s);
    for (unsigned i = 0; i < 300; i++) {
        struct msg_id id = {.b = {(uint8_t)i, (uint8_t)(i >> 8)}};
        inject(&s, msg_init(&id, false, 100, &(struct topic){.len = 0}));
        rig_run(&s.rig, 2 * USEC_MS);
    }
    bus_stats(s.rig.node[0].bus, &st);
    assert_int_equal(st.in_parts, 256);
    assert_int_equal(st.refused_limit, 44);
    /* Longer than any message may be. */
    for (unsigned i = 0; i < 1200; i++) {
        struct msg_id id = {.b = {1, 1, (uint8_t)i, (uint8_t)(i >> 8)}};
        inject(&s, msg_init(&id, false, UINT64_MAX, &(struct topic){.len = 0}));
    }
    bus_stats(s.rig.node[0].bus, &st);
    assert_int_equal(st.in_parts, 256);
    end(&s);
    /* More INITs in a second than allowed. */
    begin(&s);
    rig_crash(&s.rig, 0);
    s.rig.node[0].limits.init_per_sec = 1000;
    rig_start(&s.rig, 0);
    for (unsigned i = 0; i < 1500; i++) {
        struct msg_id id = {.b = {1, 1, (uint8_t)i, (uint8_t)(i >> 8)}};
        inject(&s, msg_init(&id, false, 10, &(struct topic){.len = 0}));
    }
    bus_stats(s.rig.node[0].bus, &st);
    assert_int_equal(st.refused_rate, 500);
    end(&s);
}

/* A store that stands still: what others begin and abort does not pile up in front of it. */
static void test_store_stands_still(void **state)
{
    (void)state;
    struct script s;
    struct bus_stats st;
    begin(&s);
    struct rig_node *n = &s.rig.node[0];
    n->commit_min = n->commit_max = 20 * USEC_SEC;
    for (unsigned i = 0; i < 20000; i++) {
        struct msg_id id = {.b = {(uint8_t)i, (uint8_t)(i >> 8), 1}};
        inject(&s, msg_init(&id, false, 100, &(struct topic){.len = 0}));
        rig_run(&s.rig, 0);
        inject(&s, msg_abort(&id));
        rig_run(&s.rig, i % 4 == 0 ? USEC_MS : 0);
    }
    bus_stats(n->bus, &st);
    assert_in_range(st.store_flying, 10000, 16384 + 16);
    assert_true(st.refused_limit > 0);
    uint64_t before = st.store_flying;
    struct msg_id unknown = {.b = {9, 9, 9}};
    inject(&s, msg_read(&unknown));
    rig_run(&s.rig, USEC_MS);
    bus_stats(n->bus, &st);
    assert_int_equal(st.store_flying, before);
    rig_run(&s.rig, 60 * USEC_SEC);
    bus_stats(n->bus, &st);
    assert_true(st.store_flying < 16);
    end(&s);
}

/* Remembered ids beyond the limit, as they may come from the store: the oldest go. */
static void test_load_seen_limit(void **state)
{
    (void)state;
    struct script s;
    struct bus_stats st;
    begin(&s);
    rig_crash(&s.rig, 0);
    s.rig.node[0].limits.seen = 10;
    rig_start(&s.rig, 0);
    struct instant now = rig_instant(&s.rig);
    for (uint8_t i = 0; i < 40; i++) {
        struct bus_seen_row row = {
            .node = 7, .id = {.b = {i, 5}}, .expire_ms = now.wall_ms + 10000 + i * 1000};
        assert_int_equal(bus_load_seen(s.rig.node[0].bus, &row, now), OK);
    }
    bus_stats(s.rig.node[0].bus, &st);
    assert_in_range(st.seen, 1, 10);
    end(&s);
}

/* Another node cannot touch the message, nor its parts. */
static void test_foreign(void **state)
{
    (void)state;
    json_t *root = vectors_load("messages.json");
    const json_t *steps = script_steps(root, "eager");
    struct script s;
    struct ip6 other = peer;
    other.b[3] ^= 1;
    begin(&s);
    send_nth(&s, steps, 0);
    send_nth(&s, steps, 1);
    expect_flags(&s, MSG_INIT | MSG_ACK);
    expect_flags(&s, MSG_CHUNK | MSG_ACK);
    struct msg_id id;
    size_t len;
    uint8_t *init = vectors_hex(json_array_get(steps, 0), "send", &len);
    memcpy(id.b, init + USER_HEADER, sizeof(id.b));
    free(init);
    struct pkt *p = msg_abort(&id);
    rig_inject(&s.rig, 0, &other, p->data, p->len);
    pkt_free(p);
    send_nth(&s, steps, 2);
    expect_flags(&s, MSG_DONE | MSG_ACK);
    pop(&s, false);
    end(&s);
    json_decref(root);
}

/* The wall clock jumps, by more than ids are remembered, while no node runs. They are remembered as
 * long as ever: for as long as a node ran. */
static void test_remembered_over_a_jump(void **state)
{
    (void)state;
    static const int64_t jump_ms[] = {3600000, -7200000};
    json_t *root = vectors_load("messages.json");
    const json_t *steps = script_steps(root, "dup_after_complete_unread");
    for (size_t k = 0; k < ARRAY_LEN(jump_ms); k++) {
        struct script s;
        begin(&s);
        for (size_t i = 0; i < 3; i++)
            send_nth(&s, steps, i);
        expect_flags(&s, MSG_INIT | MSG_ACK);
        expect_flags(&s, MSG_CHUNK | MSG_ACK);
        expect_flags(&s, MSG_DONE | MSG_ACK);
        rig_crash(&s.rig, 0);
        s.rig.wall_jump_ms += jump_ms[k];
        rig_run(&s.rig, USEC_SEC);
        rig_start(&s.rig, 0);
        pop(&s, false);
        expect_flags(&s, MSG_READ);
        rig_run(&s.rig, 500 * USEC_SEC);
        while (!list_empty(&s.rig.log))
            free(rig_log_pop(&s.rig)); /* copies of READ */
        send_nth(&s, steps, 0);
        expect_flags(&s, MSG_INIT | MSG_ACK);
        expect_flags(&s, MSG_DONE | MSG_ACK);
        rig_run(&s.rig, 120 * USEC_SEC);
        send_nth(&s, steps, 0);
        expect_flags(&s, MSG_INIT | MSG_ACK);
        expect_nothing(&s, 60 * USEC_MS);
        end(&s);
    }
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_answers),
        cmocka_unit_test(test_repeats),
        cmocka_unit_test(test_remembered_over_a_jump),
        cmocka_unit_test(test_init_again),
        cmocka_unit_test(test_chunk_sizes),
        cmocka_unit_test(test_reference_cut),
        cmocka_unit_test(test_held_acks),
        cmocka_unit_test(test_store_failure),
        cmocka_unit_test(test_bad_input),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_store_stands_still),
        cmocka_unit_test(test_load_seen_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
