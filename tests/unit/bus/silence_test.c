/* A route that stands and brings no answers is doubted, at the times promised, and what waits is
 * sent again over another path before three seconds have passed. */
#include "bus/silence.h"

#include "base/err.h"
#include "bus/send_transfer.h"
#include "tests/unit/bus/rig.h"
#include "tests/unit/unit.h"

/* --- a path that swallows everything ------------------------------------------------------ */

struct hole {
    size_t after; /* packets of node 0 that still pass */
    bool open;    /* it swallows, both ways */
    usec_t since; /* first packet swallowed */
    usec_t mend;  /* swallows nothing from here on; 0: for ever */
    bool moves;   /* a doubt finds another path at once */
    bool one_way; /* mended only towards node 1 */
    usec_t finds; /* a doubt finds another path after this, and nobody tells; 0: not */
};

static bool swallow(struct rig *r, const struct rig_packet *p)
{
    struct hole *h = r->filter_ctx;
    if (h->mend != 0 && r->now >= h->mend && !(h->one_way && p->from == 1))
        return false;
    bool counts = p->from == 0 && p->flags != (MSG_READ | MSG_ACK); /* FORGET: nobody waits */
    if (!h->open && counts && h->after-- == 0)
        h->open = true;
    if (h->open && h->since == 0)
        h->since = r->now;
    return h->open;
}

static bool doubted(struct rig *r, unsigned node, const struct ip6 *dst)
{
    struct hole *h = r->filter_ctx;
    (void)node;
    (void)dst;
    if (h->mend == 0 && (h->moves || h->finds != 0))
        h->mend = r->now + h->finds;
    return h->moves;
}

static void start(struct rig *r, struct hole *h, uint64_t seed)
{
    rig_init(r, seed);
    rig_start(r, 0);
    rig_start(r, 1);
    r->filter = swallow;
    r->filter_ctx = h;
    r->doubted = doubted;
}

static struct msg_id send_to(struct rig *r, size_t len, enum out_policy policy)
{
    bus_client c = rig_send(r, 0, &r->node[1].addr, rig_pattern(len), policy);
    rig_run(r, 10 * USEC_MS);
    struct rig_answer *a = rig_answer(r, 0, c, BUS_OUT_ACCEPTED);
    assert_non_null(a);
    assert_int_equal(a->rc, OK);
    return a->id;
}

/* The receiver has answered before, and is fresh. */
static void warm_up(struct rig *r)
{
    struct msg_id id = send_to(r, 5000, OUT_AT_LEAST_ONCE);
    rig_run(r, USEC_SEC);
    assert_int_equal(rig_status(r, 0, &id), OUT_RECEIVED);
}

static uint64_t packets_sent(const struct rig *r)
{
    struct bus_stats s;
    bus_stats(r->node[0].bus, &s);
    return s.sent_init + s.sent_chunk + s.sent_done;
}

/* From the first packet swallowed to the delivery. */
static usec_t delivery_over_other_path(size_t len, size_t after, bool warm, bool moves,
                                       enum out_policy policy)
{
    struct rig r;
    struct hole h = {.after = SIZE_MAX, .moves = moves, .finds = moves ? 0 : 100 * USEC_MS};
    start(&r, &h, 1000 * len + after);
    if (warm)
        warm_up(&r);
    size_t before = fake_ready_count(&r.node[1].store);
    h.after = after;
    struct msg_id id = send_to(&r, len, policy);
    usec_t until = r.now + 10 * USEC_SEC;
    while (fake_ready_count(&r.node[1].store) == before && r.now < until)
        rig_run(&r, USEC_MS);
    usec_t took = h.open ? r.now - h.since : 0;
    rig_run(&r, USEC_SEC);
    if (h.open)
        assert_in_range(r.node[0].doubts, 1, 2);
    assert_int_equal(rig_status(&r, 0, &id), OUT_RECEIVED);
    rig_fini(&r);
    return took;
}

static void test_other_path_in_time(void **state)
{
    (void)state;
    static const size_t lens[] = {0, 10, 3000, 20000, 65536};
    usec_t longest[2] = {0, 0};
    for (size_t l = 0; l < ARRAY_LEN(lens); l++)
        for (size_t after = 0; after < 70; after += after < 8 ? 1 : 13)
            for (unsigned how = 0; how < 8; how++) {
                bool warm = how & 1, moves = how & 2;
                enum out_policy policy = how & 4 ? OUT_AT_MOST_ONCE : OUT_AT_LEAST_ONCE;
                usec_t took = delivery_over_other_path(lens[l], after, warm, moves, policy);
                longest[moves] = MAX(longest[moves], took);
                if (took >= 3 * USEC_SEC)
                    fail_msg("%lld ms: %zu bytes, hole after %zu packets, variant %u",
                             (long long)(took / USEC_MS), lens[l], after, how);
            }
    /* Told at once: the silence, a first timer before it, a round trip. */
    assert_true(longest[true] < 2200 * USEC_MS);
    print_message("other path at once: %lld ms; found in silence: %lld ms\n",
                  (long long)(longest[true] / USEC_MS), (long long)(longest[false] / USEC_MS));
}

/* Answers may still go into the void: small messages do not wait for any. */
static void test_answers_lost_longer(void **state)
{
    (void)state;
    struct rig r;
    struct hole h = {.after = SIZE_MAX, .moves = true, .one_way = true};
    start(&r, &h, 15);
    warm_up(&r);
    h.after = 0;
    for (int i = 0; i < 5; i++)
        (void)rig_send(&r, 0, &r.node[1].addr, rig_pattern(2000), OUT_AT_LEAST_ONCE);
    rig_run(&r, 1800 * USEC_MS);
    assert_int_equal(fake_ready_count(&r.node[1].store), 6);
    h.one_way = false;
    rig_run(&r, 35 * USEC_SEC);
    struct bus_stats s;
    bus_stats(r.node[0].bus, &s);
    assert_int_equal(s.out_live, 0);
    assert_int_equal(fake_ready_count(&r.node[1].store), 6);
    rig_fini(&r);
}

/* Many messages at once, of which one asks for all: the others follow as soon as it is answered. */
static void test_all_follow(void **state)
{
    (void)state;
    struct rig r;
    struct hole h = {.after = SIZE_MAX, .finds = 100 * USEC_MS};
    start(&r, &h, 5);
    warm_up(&r);
    h.after = 40;
    for (int i = 0; i < 200; i++)
        (void)rig_send(&r, 0, &r.node[1].addr, rig_pattern(3000), OUT_AT_LEAST_ONCE);
    rig_run(&r, 100 * USEC_MS);
    assert_true(h.open);
    rig_run(&r, 3500 * USEC_MS);
    assert_int_equal(fake_ready_count(&r.node[1].store), 201);
    assert_int_equal(r.node[0].doubts, 1);
    rig_fini(&r);
}

static void inject(struct rig *r, struct pkt *p)
{
    rig_inject(r, 0, &r->node[1].addr, p->data, p->len);
    pkt_free(p);
}

/* --- when --------------------------------------------------------------------------------- */

static void test_doubts_become_rare(void **state)
{
    (void)state;
    struct rig r;
    struct hole h = {.after = SIZE_MAX};
    start(&r, &h, 6);
    warm_up(&r);
    h.after = 0;
    (void)send_to(&r, 10, OUT_AT_LEAST_ONCE);
    rig_run(&r, 200 * USEC_SEC);
    const struct rig_node *n = &r.node[0];
    assert_int_equal(n->doubts, 5 + 3);
    assert_int_equal(n->doubt_at[0] - h.since, SILENCE_MIN);
    for (size_t i = 1; i < n->doubts; i++)
        assert_int_equal(n->doubt_at[i] - n->doubt_at[i - 1],
                         i < DOUBTS_QUICK ? DOUBT_EVERY : DOUBT_RARELY);
    h.mend = r.now;
    rig_run(&r, 31 * USEC_SEC); /* the longest timer */
    assert_int_equal(fake_ready_count(&r.node[1].store), 2);
    rig_run(&r, 120 * USEC_SEC);
    assert_int_equal(n->doubts, 8); /* answered: none any more */

    h.mend = 0; /* and it is a new row */
    h.since = 0;
    (void)send_to(&r, 10, OUT_AT_LEAST_ONCE);
    rig_run(&r, 4 * USEC_SEC);
    assert_int_equal(n->doubts, 10);
    assert_int_equal(n->doubt_at[8] - h.since, SILENCE_MIN);
    struct bus_stats s;
    bus_stats(n->bus, &s);
    assert_int_equal(s.doubts, 10);
    rig_fini(&r);
}

/* A receiver that is gone is not flooded, however much waits for it. */
static void test_dead_receiver(void **state)
{
    (void)state;
    struct rig r;
    struct hole h = {.after = SIZE_MAX};
    start(&r, &h, 7);
    warm_up(&r);
    h.after = 0;
    uint64_t before = packets_sent(&r);
    for (int i = 0; i < 1000; i++)
        (void)rig_send(&r, 0, &r.node[1].addr, rig_pattern(1000), OUT_AT_LEAST_ONCE);
    rig_run(&r, 15 * USEC_SEC);
    uint64_t quick = packets_sent(&r) - before;
    rig_run(&r, 60 * USEC_SEC);
    uint64_t later = packets_sent(&r) - before - quick;
    print_message("to a dead receiver: %llu packets in 15 s, %llu in the next 60 s\n",
                  (unsigned long long)quick, (unsigned long long)later);
    assert_true(quick < 700); /* what was under way, five times at most, and one that asks */
    assert_true(later < 200);
    rig_fini(&r);
}

/* Silence is held against a route only if it delivered before, or is new. */
static void test_node_that_never_answers(void **state)
{
    (void)state;
    struct rig r;
    struct hole h = {.after = 0};
    start(&r, &h, 8);
    struct bus_send s = {.dst = r.node[1].addr, .ttl_ms = 4000, .payload = rig_pattern(10)};
    assert_int_not_equal(rig_send_ex(&r, 0, &s), 0);
    rig_run(&r, 100 * USEC_SEC);
    assert_int_equal(r.node[0].doubts, 2); /* new: after 1.5 and 3.5 s */
    s.ttl_ms = 100000;
    assert_int_not_equal(rig_send_ex(&r, 0, &s), 0);
    rig_run(&r, 100 * USEC_SEC);
    assert_int_equal(r.node[0].doubts, 2);

    bus_route(r.node[0].bus, &s.dst, false, rig_instant(&r));
    bus_route(r.node[0].bus, &s.dst, true, rig_instant(&r)); /* new again */
    assert_int_not_equal(rig_send_ex(&r, 0, &s), 0);
    rig_run(&r, 3 * USEC_SEC);
    assert_int_equal(r.node[0].doubts, 3);
    blob_unref(s.payload);
    rig_fini(&r);
}

/* One lost packet is no silence, and neither are two with an hour between them. */
static void test_one_packet(void **state)
{
    (void)state;
    struct rig r;
    struct hole h = {.after = 0};
    start(&r, &h, 9);
    struct bus_send s = {.dst = r.node[1].addr, .ttl_ms = 300, .payload = rig_pattern(10)};
    for (int i = 0; i < 5; i++) { /* its INIT timer takes 500 ms: one packet each */
        assert_int_not_equal(rig_send_ex(&r, 0, &s), 0);
        rig_run(&r, 10 * USEC_SEC);
    }
    assert_int_equal(r.count[15], 5);
    assert_int_equal(r.node[0].doubts, 0);
    blob_unref(s.payload);
    rig_fini(&r);
}

static void test_without_route(void **state)
{
    (void)state;
    struct rig r;
    struct hole h = {.after = SIZE_MAX};
    start(&r, &h, 10);
    r.routes = false;
    (void)send_to(&r, 3000, OUT_AT_LEAST_ONCE);
    rig_run(&r, 20 * USEC_SEC);
    assert_int_equal(r.node[0].doubts, 0);
    h.after = 3;
    bus_route(r.node[0].bus, &r.node[1].addr, true, rig_instant(&r));
    rig_run(&r, USEC_SEC);
    bus_route(r.node[0].bus, &r.node[1].addr, false, rig_instant(&r));
    rig_run(&r, 20 * USEC_SEC);
    assert_int_equal(r.node[0].doubts, 0);
    bus_rerouted(r.node[0].bus, &r.node[1].addr, rig_instant(&r)); /* of no route: nothing */
    rig_run(&r, 10 * USEC_SEC);
    assert_int_equal(r.node[0].doubts, 0);
    rig_fini(&r);
}

/* What the node sends by itself may come over another way than the one that is in trouble: only
 * answers about messages under way count. */
static void test_only_answers_count(void **state)
{
    (void)state;
    struct rig r;
    struct hole h = {.after = SIZE_MAX};
    start(&r, &h, 11);
    warm_up(&r);
    h.after = 0;
    struct msg_id id = send_to(&r, 10, OUT_AT_LEAST_ONCE);
    for (uint8_t i = 0; i < 30; i++) {
        struct msg_id other = {.b = {1, 2, 3, 4, 5, i, 7, 8}};
        inject(&r, msg_abort(&other));
        inject(&r, msg_init_ack(&other, false, 10, 0));
        inject(&r, msg_read(&other));
        rig_run(&r, 100 * USEC_MS);
    }
    assert_int_equal(r.node[0].doubts, 1);
    for (int i = 0; i < 100; i++) {
        inject(&r, msg_init_ack(&id, false, 10, 0));
        rig_run(&r, USEC_SEC);
    }
    assert_int_equal(r.node[0].doubts, 1);
    rig_run(&r, 40 * USEC_SEC);
    assert_true(r.node[0].doubts > 1);
    rig_fini(&r);
}

/* What has ended waits for nothing. */
static void test_finished(void **state)
{
    (void)state;
    struct rig r;
    struct hole h = {.after = SIZE_MAX};
    start(&r, &h, 12);
    warm_up(&r);
    rig_run(&r, 60 * USEC_SEC);
    h.after = 0;
    struct bus_send s = {.dst = r.node[1].addr, .ttl_ms = 1000, .payload = rig_pattern(10)};
    assert_int_not_equal(rig_send_ex(&r, 0, &s), 0);
    rig_run(&r, 60 * USEC_SEC);
    assert_int_equal(r.node[0].doubts, 0);
    blob_unref(s.payload);
    rig_fini(&r);
}

/* A distant node is given four round trips, and a slow link all the time it needs. */
static void test_distant_and_slow(void **state)
{
    (void)state;
    struct rig r;
    struct hole h = {.after = SIZE_MAX};
    start(&r, &h, 13);
    r.delay_min = r.delay_max = 600 * USEC_MS;
    for (int i = 0; i < 5; i++) {
        (void)send_to(&r, 20000, OUT_AT_LEAST_ONCE);
        rig_run(&r, 20 * USEC_SEC);
    }
    assert_int_equal(fake_ready_count(&r.node[1].store), 5);
    assert_int_equal(r.node[0].doubts, 0);
    h.after = 0;
    (void)send_to(&r, 10, OUT_AT_LEAST_ONCE);
    rig_run(&r, 20 * USEC_SEC);
    assert_true(r.node[0].doubts > 0);
    assert_in_range(r.node[0].doubt_at[0] - h.since, 4 * 1200 * USEC_MS, 4 * 1400 * USEC_MS);
    rig_fini(&r);

    h = (struct hole){.after = SIZE_MAX};
    start(&r, &h, 14);
    r.link_bytes_per_s = 20000;
    for (int i = 0; i < 10; i++)
        (void)rig_send(&r, 0, &r.node[1].addr, rig_pattern(30000), OUT_AT_LEAST_ONCE);
    rig_run(&r, 100 * USEC_SEC);
    assert_int_equal(fake_ready_count(&r.node[1].store), 10);
    assert_int_equal(r.node[0].doubts, 0);
    rig_fini(&r);
}

/* Paths that change all the time lose and repeat nothing. */
static void test_rerouted_any_time(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct rig r;
        struct hole h = {.after = SIZE_MAX};
        start(&r, &h, 100 + seed);
        r.loss_ppm = seed % 2 ? 50000 : 0;
        r.delay_max = 20 * USEC_MS;
        for (int i = 0; i < 60; i++)
            (void)rig_send(&r, 0, &r.node[1].addr, rig_random(&r, (size_t)i * 997 % 40000),
                           i % 4 == 3 ? OUT_AT_MOST_ONCE : OUT_AT_LEAST_ONCE);
        for (int i = 0; i < 300; i++) {
            rig_run(&r, (usec_t)rng_below(&r.rng, 30 * USEC_MS));
            bus_rerouted(r.node[0].bus, &r.node[1].addr, rig_instant(&r));
        }
        rig_run(&r, 60 * USEC_SEC);
        assert_int_equal(fake_ready_count(&r.node[1].store), 60);
        struct bus_stats s;
        bus_stats(r.node[0].bus, &s);
        assert_int_equal(s.out_live, 0);
        rig_fini(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other_path_in_time), cmocka_unit_test(test_answers_lost_longer),
        cmocka_unit_test(test_all_follow),         cmocka_unit_test(test_doubts_become_rare),
        cmocka_unit_test(test_dead_receiver),      cmocka_unit_test(test_node_that_never_answers),
        cmocka_unit_test(test_one_packet),         cmocka_unit_test(test_without_route),
        cmocka_unit_test(test_only_answers_count), cmocka_unit_test(test_finished),
        cmocka_unit_test(test_distant_and_slow),   cmocka_unit_test(test_rerouted_any_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
