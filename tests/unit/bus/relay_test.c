/* Two nodes and a relay between them that delays, throttles and loses: numbers of packets, times,
 * and what a small message feels of large ones. Each with a receiver that speaks the extension and
 * with one that does not. */
#include "base/err.h"
#include "bus/chunk_plan.h"
#include "bus/flow.h"
#include "tests/unit/bus/rig.h"
#include "tests/unit/unit.h"

enum { BIT_INIT = 15, BIT_DONE = 14, BIT_CHUNK = 12 };

static const char *kind(bool plain)
{
    return plain ? "plain" : "ours";
}

static void pair(struct rig *r, uint64_t seed, bool plain)
{
    rig_init(r, seed);
    r->node[1].plain = plain;
    rig_start(r, 0);
    rig_start(r, 1);
}

static struct bus_stats stats(const struct rig *r, unsigned node)
{
    struct bus_stats st;
    bus_stats(r->node[node].bus, &st);
    return st;
}

static bus_client send_one(struct rig *r, size_t len)
{
    return rig_send(r, 0, &r->node[1].addr, rig_pattern(len), OUT_AT_LEAST_ONCE);
}

static void until_received(struct rig *r, size_t n, usec_t step, usec_t most)
{
    usec_t began = r->now;
    while (stats(r, 1).received < n && r->now - began < most)
        rig_run(r, step);
    assert_int_equal(stats(r, 1).received, n);
}

/* --- packets ------------------------------------------------------------------------------ */

static bool drop_chunk_5(struct rig *r, const struct rig_packet *p)
{
    bool *dropped = (bool *)r->filter_ctx;
    if (*dropped || p->flags != MSG_CHUNK || p->bytes[MSG_HEADER_BYTES + 7] != 5)
        return false;
    *dropped = true;
    return true;
}

static void test_one_chunk_lost(void **state)
{
    (void)state;
    for (int plain = 0; plain < 2; plain++) {
        struct rig r;
        bool dropped = false;
        pair(&r, 14, plain);
        r.filter = drop_chunk_5;
        r.filter_ctx = &dropped;
        (void)send_one(&r, 30 * 1300);
        rig_run(&r, 5 * USEC_SEC);
        assert_true(dropped);
        assert_int_equal(stats(&r, 1).received, 1);
        assert_int_equal(r.count[BIT_INIT], 1);
        assert_int_equal(r.count[BIT_CHUNK], 31);
        assert_int_equal(r.count[BIT_DONE], 1);
        rig_fini(&r);
    }
}

static void test_long_way(void **state)
{
    (void)state;
    for (int plain = 0; plain < 2; plain++) {
        struct rig r;
        pair(&r, 15, plain);
        r.delay_min = r.delay_max = 150 * USEC_MS;
        (void)send_one(&r, 13000);
        rig_run(&r, 5 * USEC_SEC);
        assert_int_equal(stats(&r, 1).received, 1);
        assert_int_equal(r.count[BIT_INIT], 1);
        assert_int_equal(r.count[BIT_CHUNK], 10);
        assert_int_equal(r.count[BIT_DONE], 1);
        /* The node is known now: all in one go, one way and one commit later it is there. */
        (void)send_one(&r, 13000);
        rig_run(&r, 160 * USEC_MS);
        assert_int_equal(stats(&r, 1).received, 2);
        assert_int_equal(r.node[1].store.readies, 2);
        rig_run(&r, 5 * USEC_SEC);
        assert_int_equal(r.count[BIT_INIT], 2);
        assert_int_equal(r.count[BIT_CHUNK], 20);
        assert_int_equal(r.count[BIT_DONE], 2);
        rig_fini(&r);
    }
}

static void test_slow_link(void **state)
{
    (void)state;
    for (int plain = 0; plain < 2; plain++) {
        struct rig r;
        pair(&r, 16, plain);
        r.link_bytes_per_s = 1000000;
        usec_t began = r.now;
        for (int i = 0; i < 16; i++)
            (void)send_one(&r, 62500);
        until_received(&r, 16, 10 * USEC_MS, 10 * USEC_SEC);
        usec_t took = r.now - began;
        size_t need = 16 * chunk_plan(62500, 1300).count;
        print_message("%s: 1 MB over 1 MB/s: %d ms, %zu chunks for %zu, %zu ACKs\n", kind(plain),
                      (int)(took / 1000), r.count[BIT_CHUNK], need, (size_t)stats(&r, 1).sent_ack);
        assert_true(took < 1300 * USEC_MS);
        assert_true(r.count[BIT_CHUNK] * 100 <= need * 105);
        rig_fini(&r);
    }
}

static void test_500_at_once(void **state)
{
    (void)state;
    for (int plain = 0; plain < 2; plain++) {
        struct rig r;
        pair(&r, 17, plain);
        for (int i = 0; i < 500; i++)
            (void)send_one(&r, 1024);
        rig_run(&r, 10 * USEC_SEC);
        assert_int_equal(stats(&r, 1).received, 500);
        print_message("%s: 500 at once: %zu INIT, %zu CHUNK, %zu DONE, %zu writes of parts, %zu "
                      "commits\n",
                      kind(plain), r.count[BIT_INIT], r.count[BIT_CHUNK], r.count[BIT_DONE],
                      r.node[1].store.part_writes, r.node[1].store.commits);
        assert_true(r.count[BIT_INIT] <= 510);
        assert_true(r.count[BIT_CHUNK] <= 510);
        assert_true(r.count[BIT_DONE] <= 510);
        /* One store operation each; of plain senders three before the first answer. */
        assert_true(r.node[1].store.part_writes <= (plain ? 64 : 0));
        rig_fini(&r);
    }
}

/* --- a lost end --------------------------------------------------------------------------- */

struct trail {
    usec_t at[32];
    uint16_t flags[32];
    size_t n;
    bool lose; /* DONE ACKs */
};

static bool drop_done_acks(struct rig *r, const struct rig_packet *p)
{
    struct trail *t = (struct trail *)r->filter_ctx;
    if (p->from == 0 && t->n < ARRAY_LEN(t->at)) {
        t->at[t->n] = r->now;
        t->flags[t->n++] = p->flags;
    }
    return t->lose && p->flags == (MSG_DONE | MSG_ACK);
}

/* The DONE ACK never comes: DONE three times with growing gaps, then what tells more. */
static void test_done_ack_lost(void **state)
{
    (void)state;
    for (int plain = 0; plain < 2; plain++) {
        struct rig r;
        struct trail t = {.lose = true};
        pair(&r, 21, plain);
        r.filter = drop_done_acks;
        r.filter_ctx = &t;
        bus_client c = send_one(&r, 3000);
        rig_run(&r, 12 * USEC_SEC);
        size_t i = 4; /* INIT, 3 CHUNKs */
        for (size_t k = 0; k < 3; k++)
            assert_int_equal(t.flags[i + k], MSG_DONE);
        assert_true(t.at[i + 2] - t.at[i + 1] > t.at[i + 1] - t.at[i]);
        i += 3;
        struct msg_id id = rig_answer(&r, 0, c, BUS_OUT_ACCEPTED)->id;
        if (!plain) { /* the answer to INIT says that it is complete */
            assert_int_equal(t.flags[i], MSG_INIT);
            assert_int_equal(stats(&r, 0).known_there, 1);
            assert_int_equal(rig_status(&r, 0, &id), OUT_RECEIVED);
            assert_int_equal(r.count[BIT_CHUNK], 3);
        } else {
            for (size_t k = 0; k < 3; k++)
                assert_int_equal(t.flags[i++], MSG_CHUNK);
            usec_t probed = t.at[i - 1];
            assert_int_equal(t.flags[i++],
                             MSG_DONE); /* the one that asks for all of a silent node */
            assert_int_equal(t.flags[i], MSG_INIT);
            assert_true(t.at[i] - probed >= 2 * USEC_SEC);
            (void)rig_take(&r, 1, 0); /* READ ends it */
            rig_run(&r, 6 * USEC_SEC);
            assert_int_equal(rig_status(&r, 0, &id), OUT_READ);
        }
        assert_int_equal(stats(&r, 1).received, 1);
        rig_fini(&r);
    }
}

/* It is complete there, and the sender does not know: INIT is all that leaves. */
static void test_known_there(void **state)
{
    (void)state;
    for (int plain = 0; plain < 2; plain++) {
        struct rig r;
        struct trail t = {.lose = true};
        pair(&r, 22, plain);
        r.filter = drop_done_acks;
        r.filter_ctx = &t;
        bus_client c = send_one(&r, 20000);
        until_received(&r, 1, USEC_MS, USEC_SEC);
        struct msg_id id = rig_answer(&r, 0, c, BUS_OUT_ACCEPTED)->id;
        rig_crash(&r, 0);
        size_t chunks = r.count[BIT_CHUNK];
        t.lose = false;
        rig_start(&r, 0);
        rig_run(&r, 100 * USEC_MS);
        assert_int_equal(rig_status(&r, 0, &id), OUT_RECEIVED);
        assert_int_equal(r.count[BIT_INIT], 2);
        assert_int_equal(r.count[BIT_CHUNK], chunks);
        assert_int_equal(r.count[BIT_DONE], 1);
        rig_fini(&r);
    }
}

/* --- bulk --------------------------------------------------------------------------------- */

struct bulk {
    usec_t rtt;
    uint64_t bytes_per_s;
    unsigned loss_ppm;
    unsigned messages;
    double share; /* of the link's rate that payload must get at least */
};

/* Payload bytes per second, from the first message to the last DONE at the receiver. */
static double bulk_rate(const struct bulk *v, bool plain, struct rig *r)
{
    pair(r, 20, plain);
    r->delay_min = r->delay_max = v->rtt / 2;
    r->link_bytes_per_s = v->bytes_per_s;
    r->loss_ppm = v->loss_ppm;
    struct blob *body = rig_pattern(MSG_LEN_MAX);
    usec_t began = r->now;
    for (unsigned i = 0; i < v->messages; i++) {
        struct bus_send s = {.dst = r->node[1].addr, .payload = body, .ttl_ms = 3600000};
        assert_int_not_equal(rig_send_ex(r, 0, &s), 0);
    }
    blob_unref(body);
    until_received(r, v->messages, 10 * USEC_MS, 600 * USEC_SEC);
    return (double)v->messages * MSG_LEN_MAX * 1e6 / (double)(r->now - began);
}

/* What a TCP stream gets that takes loss for congestion: segment / RTT * sqrt(3 / 2 p) (Mathis and
 * others, 1997), at most the link's rate. */
static double mathis(const struct bulk *v)
{
    double p = v->loss_ppm / 1e6, root = 1;
    if (p <= 0)
        return (double)v->bytes_per_s;
    for (int i = 0; i < 50; i++) /* Newton, without the mathematics library */
        root = (root + 1.5 / p / root) / 2;
    return MIN(1300 * 1e6 / (double)v->rtt * root, (double)v->bytes_per_s);
}

static void test_bulk(void **state)
{
    static const struct bulk v[] = {
        {1 * USEC_MS, 10000000, 0, 400, 0.8},       {100 * USEC_MS, 10000000, 0, 600, 0.7},
        {100 * USEC_MS, 10000000, 10000, 600, 0.6}, {100 * USEC_MS, 1000000, 10000, 100, 0.6},
        {300 * USEC_MS, 10000000, 10000, 600, 0.4}, {20 * USEC_MS, 10000000, 30000, 400, 0.6},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(v); i++)
        for (int plain = 0; plain < 2; plain++) {
            struct rig r;
            double rate = bulk_rate(&v[i], plain, &r);
            size_t need = v[i].messages * chunk_plan(MSG_LEN_MAX, 1300).count;
            print_message("%s: RTT %d ms, link %.0f KB/s, loss %.1f %%: %.0f KB/s (a TCP stream "
                          "%.0f), %.3f chunks for one, %.3f ACKs\n",
                          kind(plain), (int)(v[i].rtt / 1000), (double)v[i].bytes_per_s / 1000,
                          v[i].loss_ppm / 1e4, rate / 1000, mathis(&v[i]) / 1000,
                          (double)r.count[BIT_CHUNK] / (double)need,
                          (double)stats(&r, 1).sent_ack / (double)need);
            assert_true(rate >= v[i].share * (double)v[i].bytes_per_s);
            double sent = 1 + 2.0 * v[i].loss_ppm / 1e6; /* each lost one again, and some more */
            assert_true((double)r.count[BIT_CHUNK] <= (double)need * (sent + 0.05));
            if (!plain) /* one for 16 or 10 ms, and INIT and DONE of each message */
                assert_true((double)stats(&r, 1).sent_ack <= 0.2 * (double)need);
            rig_fini(&r);
        }
}

/* --- small ones among large ones ---------------------------------------------------------- */

/* The longest time from acceptance to delivery of small messages, one every 250 ms. */
static usec_t small_delay(struct rig *r, unsigned large)
{
    static const uint8_t mark[] = {'s'};
    usec_t worst = 0;
    for (int i = 0; i < 40; i++) {
        for (uint64_t n = stats(r, 0).out_live; n < large; n++)
            (void)send_one(r, MSG_LEN_MAX);
        struct bus_send s = {.dst = r->node[1].addr, .payload = rig_pattern(1000)};
        s.topic = (struct topic){.len = sizeof(mark), .b = {mark[0]}};
        (void)rig_send_ex(r, 0, &s);
        blob_unref(s.payload);
        struct bus_take t = {.topic = s.topic, .wait_ms = 10000};
        usec_t sent = r->now;
        bus_client c = rig_take_ex(r, 1, &t);
        while (!rig_answer(r, 1, c, BUS_OUT_TAKEN))
            rig_run(r, USEC_MS);
        assert_true(rig_answer(r, 1, c, BUS_OUT_TAKEN)->has_message);
        worst = MAX(worst, r->now - sent);
        rig_run(r, MAX(250 * USEC_MS - (r->now - sent), 0));
    }
    return worst;
}

static void test_small_among_large(void **state)
{
    static const struct {
        usec_t rtt;
        uint64_t bytes_per_s;
        unsigned loss_ppm;
    } v[] = {
        {100 * USEC_MS, 1000000, 0}, {100 * USEC_MS, 10000000, 0}, {300 * USEC_MS, 1000000, 0}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(v); i++)
        for (int plain = 0; plain < 2; plain++) {
            usec_t worst[2];
            uint64_t received = 0;
            for (unsigned large = 0; large < 2; large++) {
                struct rig r;
                pair(&r, 23, plain);
                r.delay_min = r.delay_max = v[i].rtt / 2;
                r.link_bytes_per_s = v[i].bytes_per_s;
                (void)send_one(&r, 10); /* the nodes know each other */
                rig_run(&r, USEC_SEC);
                worst[large] = small_delay(&r, large * 100);
                received = stats(&r, 1).received;
                rig_fini(&r);
            }
            print_message("%s: RTT %d ms, link %d KB/s: alone %d ms, among large ones %d ms; %llu "
                          "messages\n",
                          kind(plain), (int)(v[i].rtt / 1000), (int)(v[i].bytes_per_s / 1000),
                          (int)(worst[0] / 1000), (int)(worst[1] / 1000),
                          (unsigned long long)received);
            /* A plain receiver of this program may hold each of its three kinds of ACKs. */
            usec_t hold = plain ? 3 * FLOW_ACK_DELAY : 0;
            assert_true(worst[1] <= worst[0] + 2 * v[i].rtt + hold);
        }
}

/* Many small ones do not stop a large one either. */
static void test_large_among_small(void **state)
{
    (void)state;
    for (int plain = 0; plain < 2; plain++) {
        struct rig r;
        pair(&r, 24, plain);
        r.delay_min = r.delay_max = 20 * USEC_MS;
        r.link_bytes_per_s = 1000000;
        (void)send_one(&r, 10);
        rig_run(&r, USEC_SEC);
        for (int i = 0; i < 3000; i++)
            (void)send_one(&r, 1000);
        usec_t began = r.now;
        (void)send_one(&r, MSG_LEN_MAX);
        struct bus_take t = {.any_topic = true};
        usec_t took = 0;
        while (took == 0 && r.now - began < 20 * USEC_SEC) {
            rig_run(&r, 10 * USEC_MS);
            bus_client c = rig_take_ex(&r, 1, &t);
            rig_run(&r, 5 * USEC_MS);
            const struct rig_answer *a = rig_answer(&r, 1, c, BUS_OUT_TAKEN);
            while (a && a->has_message && took == 0) {
                if (a->payload->len == MSG_LEN_MAX)
                    took = r.now - began;
                c = rig_take_ex(&r, 1, &t);
                rig_run(&r, 5 * USEC_MS);
                a = rig_answer(&r, 1, c, BUS_OUT_TAKEN);
            }
        }
        print_message("%s: 64 KiB among 3000 small ones: taken after %d ms, %llu were there\n",
                      kind(plain), (int)(took / 1000), (unsigned long long)stats(&r, 1).received);
        assert_true(took > 0);
        rig_fini(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_chunk_lost),
        cmocka_unit_test(test_long_way),
        cmocka_unit_test(test_slow_link),
        cmocka_unit_test(test_500_at_once),
        cmocka_unit_test(test_done_ack_lost),
        cmocka_unit_test(test_known_there),
        cmocka_unit_test(test_bulk),
        cmocka_unit_test(test_small_among_large),
        cmocka_unit_test(test_large_among_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
