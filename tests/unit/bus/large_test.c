/* large_test.c - large messages from node to node, on virtual time: both kinds of peers, loss, slow
 * links, restarts of either end in the middle, disks that fail or are full. */
#include <stdlib.h>
#include <string.h>

#include "base/blake3.h"
#include "base/err.h"
#include "bus/recv_file.h"
#include "bus/recv_transfer.h"
#include "bus/send_chunks.h"
#include "bus/send_file.h"
#include "tests/unit/bus/rig.h"
#include "tests/unit/unit.h"

#define MB 1000000u

/* What to expect of memory for payloads, whatever the length. */
static void assert_bounded(struct rig *r)
{
    for (unsigned i = 0; i < 2; i++) {
        struct bus_stats st;
        if (!r->node[i].bus)
            continue;
        bus_stats(r->node[i].bus, &st);
        assert_true(st.in_write_bytes <= r->node[i].limits.in_write_bytes);
        assert_true(st.out_read_bytes <= r->node[i].limits.out_read_bytes);
    }
}

static void setup(struct rig *r, uint64_t seed, bool plain_sender, bool plain_receiver)
{
    rig_init(r, seed);
    r->node[0].plain = plain_sender;
    r->node[1].plain = plain_receiver;
    for (unsigned i = 0; i < 2; i++)
        rig_start(r, i);
}

static struct bus_stats stats(struct rig *r, unsigned node)
{
    struct bus_stats st;
    bus_stats(r->node[node].bus, &st);
    return st;
}

/* Runs until the message is delivered; how long that took. */
static usec_t run_until_delivered(struct rig *r, uint64_t messages, usec_t at_most)
{
    usec_t began = r->now;
    while (stats(r, 0).delivered < messages && r->now - began < at_most) {
        rig_run(r, 20 * USEC_MS);
        assert_bounded(r);
    }
    assert_int_equal(stats(r, 0).delivered, messages);
    return r->now - began;
}

/* The receiver's client takes it: the same bytes, and no file is left at the sender. */
static void assert_arrived(struct rig *r, uint64_t len, const uint8_t sum[static MSG_SUM_BYTES])
{
    uint8_t have[MSG_SUM_BYTES];
    struct bus_take peek = {.any_topic = true, .peek = true};
    bus_client c = rig_take_ex(r, 1, &peek);
    rig_run(r, 20 * USEC_MS);
    struct rig_answer *a = rig_answer(r, 1, c, BUS_OUT_TAKEN);
    assert_true(a->has_message);
    assert_int_equal(a->len, len);
    const struct fake_file *f = fake_file_find(&r->node[1].spool, a->file);
    assert_non_null(f);
    assert_true(fake_file_durable(f, 0, len));
    blake3(f->bytes, len, have);
    assert_memory_equal(have, sum, MSG_SUM_BYTES);
    c = rig_take(r, 1, 0);
    rig_run(r, 100 * USEC_MS);
    assert_true(rig_answer(r, 1, c, BUS_OUT_TAKEN)->has_message);
    assert_int_equal(fake_file_count(&r->node[1].spool), 0);
    assert_int_equal(fake_file_count(&r->node[0].spool), 0);
    assert_int_equal(stats(r, 1).in_files, 0);
    assert_int_equal(stats(r, 1).in_files_bytes, 0);
    assert_int_equal(stats(r, 1).in_parts_bytes, 0);
    assert_int_equal(stats(r, 1).in_write_bytes, 0);
    assert_int_equal(stats(r, 0).out_read_bytes, 0);
}

static void sent_sum(struct rig *r, uint8_t ret[static MSG_SUM_BYTES])
{
    const struct fake_file *f = list_first(&r->node[0].spool.files, struct fake_file, link);
    blake3(f->bytes, f->size, ret);
}

/* Sends one, waits for its end, checks it. */
static usec_t transfer(struct rig *r, uint64_t len)
{
    uint8_t sum[MSG_SUM_BYTES];
    assert_true(rig_send_file(r, 0, &r->node[1].addr, len, OUT_AT_LEAST_ONCE) != 0);
    sent_sum(r, sum);
    usec_t took = run_until_delivered(r, 1, 1800 * USEC_SEC);
    assert_arrived(r, len, sum);
    return took;
}

static const bool kinds[][2] = {{false, false}, {true, false}, {false, true}, {true, true}};

static void test_lengths(void **state)
{
    (void)state;
    static const uint64_t lens[] = {MSG_LEN_MAX + 1, 100 * 1300, 300 * 1300 + 1, 332800,
                                    3 * MB + 7};
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
            struct rig r;
            setup(&r, 1 + i, kinds[k][0], kinds[k][1]);
            (void)transfer(&r, lens[i]);
            uint64_t n = (lens[i] + 1299) / 1300;
            assert_int_equal(r.count[12], n); /* each chunk once */
            rig_fini(&r);
        }
    }
}

static void test_loss(void **state)
{
    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        struct rig r;
        setup(&r, 40 + k, kinds[k][0], kinds[k][1]);
        r.loss_ppm = 20000;
        r.dup_ppm = 10000;
        r.delay_min = 5 * USEC_MS;
        r.delay_max = 15 * USEC_MS;
        (void)transfer(&r, 4 * MB);
        rig_fini(&r);
    }
}

/* No loss over 300 ms: nothing is sent twice. */
static void test_far(void **state)
{
    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        struct rig r;
        setup(&r, 3, kinds[k][0], kinds[k][1]);
        r.delay_min = r.delay_max = 150 * USEC_MS;
        (void)transfer(&r, 2 * MB);
        assert_int_equal(r.count[15], 1); /* INIT */
        assert_int_equal(r.count[12], (2 * MB + 1299) / 1300);
        assert_int_equal(r.count[14], 1); /* DONE */
        rig_fini(&r);
    }
}

/* 1 MB over 1 MB/s. */
static void test_slow_link(void **state)
{
    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        struct rig r;
        setup(&r, 3, kinds[k][0], kinds[k][1]);
        r.delay_min = r.delay_max = 10 * USEC_MS;
        r.link_bytes_per_s = MB;
        usec_t took = transfer(&r, MB);
        print_message("1 MB over 1 MB/s: %.2f s, %zu chunks\n", (double)took / USEC_SEC,
                      r.count[12]);
        assert_true(took < 1300 * USEC_MS);
        assert_true(r.count[12] <= 770 * 105 / 100);
        rig_fini(&r);
    }
}

/* What small messages take, one after the other. */
enum { LOSSY_SEEDS = 2, SMALLS = 60, ALL_SMALLS = LOSSY_SEEDS * SMALLS };

static void small_times(struct rig *r, usec_t ret[static SMALLS])
{
    struct blob *payload = rig_pattern(1000);
    for (size_t i = 0; i < SMALLS; i++) {
        usec_t sent = r->now;
        bus_client t = rig_take(r, 1, 60000);
        struct bus_send s = {.dst = r->node[1].addr, .payload = payload};
        assert_true(rig_send_ex(r, 0, &s) != 0);
        while (!rig_answer(r, 1, t, BUS_OUT_TAKEN) && r->now - sent < 10 * USEC_SEC)
            rig_run(r, 1 * USEC_MS);
        assert_non_null(rig_answer(r, 1, t, BUS_OUT_TAKEN));
        ret[i] = r->now - sent;
        rig_run(r, 50 * USEC_MS);
    }
    blob_unref(payload);
}

static int earlier(const void *a, const void *b)
{
    const usec_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void lossy_path(struct rig *r, uint64_t seed, uint64_t rate)
{
    setup(r, seed, false, false);
    r->delay_min = r->delay_max = 50 * USEC_MS;
    r->loss_ppm = 10000;
    r->link_bytes_per_s = rate;
}

/* A lossy path of 100 ms carries a large message at half of its capacity at least. One TCP
 * connection that halves its window at each loss reaches
 * MSS / RTT * sqrt(3 / 2 / p) = 1460 / 0.1 s * 12.2 = 179 kB/s there, however much the path
 * carries: the comparison is with the smaller of the two. */
static void large_beside(struct rig *r, usec_t ret_smalls[static SMALLS])
{
    const uint64_t len = 100 * MB;
    const double rate = 10 * MB, tcp = 1460 / 0.1 * 12.2;
    assert_true(rig_send_file(r, 0, &r->node[1].addr, len, OUT_AT_LEAST_ONCE) != 0);
    usec_t began = r->now;
    rig_run(r, 2 * USEC_SEC);
    small_times(r, ret_smalls);
    (void)run_until_delivered(r, 1 + SMALLS, 600 * USEC_SEC);
    double took = (double)(r->now - began), got = (double)len * 1e6 / took;
    print_message("100 MB, 1 %% loss, 100 ms: %.1f s, %.0f kB/s, %.2f of the link, TCP model %.0f "
                  "kB/s; %zu chunks for %u\n",
                  took / 1e6, got / 1e3, got / rate, tcp / 1e3, r->count[12],
                  (unsigned)((len + 1299) / 1300) + SMALLS);
    assert_true(got >= 0.5 * rate);
    assert_true(got >= 0.5 * tcp);
}

/* And it delays the small ones that are sent meanwhile by less than two round trips, beside those
 * that have the same path for themselves: in the middle, for the slowest tenth, and there are not
 * more among them that lost one of their three packets. */
static void test_lossy_path(void **state)
{
    (void)state;
    usec_t alone[ALL_SMALLS], beside[ALL_SMALLS];
    unsigned late_alone = 0, late = 0;
    for (size_t i = 0; i < LOSSY_SEEDS; i++) {
        struct rig r;
        lossy_path(&r, 5 + i, 10 * MB);
        rig_run(&r, 2 * USEC_SEC);
        small_times(&r, &alone[i * SMALLS]);
        rig_fini(&r);
        lossy_path(&r, 5 + i, 10 * MB);
        large_beside(&r, &beside[i * SMALLS]);
        rig_fini(&r);
    }
    qsort(alone, ALL_SMALLS, sizeof(*alone), earlier);
    qsort(beside, ALL_SMALLS, sizeof(*beside), earlier);
    for (size_t i = 0; i < ALL_SMALLS; i++) {
        late += beside[i] > 250 * USEC_MS; /* half a round trip, and two more */
        late_alone += alone[i] > 250 * USEC_MS;
    }
    const size_t middle = ALL_SMALLS / 2, tenth = ALL_SMALLS - ALL_SMALLS / 10;
    print_message(
        "small ones: median %.0f ms (alone %.0f), nine of ten within %.0f (%.0f), later than "
        "250 ms %u (%u) of %u, slowest %.0f (%.0f)\n",
        (double)beside[middle] / 1e3, (double)alone[middle] / 1e3, (double)beside[tenth] / 1e3,
        (double)alone[tenth] / 1e3, late, late_alone, ALL_SMALLS,
        (double)beside[ALL_SMALLS - 1] / 1e3, (double)alone[ALL_SMALLS - 1] / 1e3);
    assert_true(beside[middle] - alone[middle] < 200 * USEC_MS);
    assert_true(beside[tenth] - alone[tenth] < 200 * USEC_MS);
    assert_true(late <= late_alone + ALL_SMALLS / 50);
}

/* Over a stream that has to repeat one packet in a hundred, and keeps the others back meanwhile:
 * loss shows as delay, which must not be taken for a queue. */
static void test_stream_path(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 4; seed++) {
        const uint64_t len = 50 * MB, rate = 10 * MB;
        struct rig r;
        setup(&r, seed, false, false);
        r.delay_min = r.delay_max = 50 * USEC_MS;
        r.stream_loss_ppm = 10000;
        r.link_bytes_per_s = rate;
        usec_t took = transfer(&r, len);
        double share = (double)len * 1e6 / (double)took / (double)rate;
        print_message(
            "50 MB over a stream, 1 %% loss, 100 ms: %.1f s, %.2f of the link; %zu chunks "
            "for %u\n",
            (double)took / 1e6, share, r.count[12], (unsigned)((len + 1299) / 1300));
        assert_true(share >= 0.5);
        assert_true(r.count[12] <= (len + 1299) / 1300 * 101 / 100);
        rig_fini(&r);
    }
}

/* --- restarts ----------------------------------------------------------------------------- */

/* One of the two is gone in the middle for a while. What is sent twice: at most 1 % and a window.
 */
static void crash_run(bool plain_sender, bool plain_receiver, unsigned victim, bool power,
                      uint64_t len, usec_t when)
{
    struct rig r;
    uint8_t sum[MSG_SUM_BYTES];
    setup(&r, 11, plain_sender, plain_receiver);
    r.delay_min = r.delay_max = 5 * USEC_MS;
    r.link_bytes_per_s = 4 * MB;
    r.node[victim].power_cuts = power;
    assert_true(rig_send_file(&r, 0, &r.node[1].addr, len, OUT_AT_LEAST_ONCE) != 0);
    sent_sum(&r, sum);
    rig_run(&r, when);
    uint64_t n = (len + 1299) / 1300;
    assert_true(r.count[12] > n / 10 && r.count[12] < n); /* in the middle */
    rig_crash(&r, victim);
    rig_run(&r, 300 * USEC_MS);
    rig_start(&r, victim);
    rig_run(&r, 10 * USEC_MS);
    (void)run_until_delivered(&r, 1, 600 * USEC_SEC);
    uint64_t twice = r.count[12] - n;
    /* The window is twice what the path holds: 10 ms, and what ACKs wait, at 4 MB/s; and what was
     * sent to nobody before the silence was noticed. */
    uint64_t window = 2 * 4 * MB / 1300 * 60 / 1000 + 4 * MB / 1300 * 3 / 10;
    print_message("%s to %s, %s of the %s: %llu of %llu chunks twice\n",
                  plain_sender ? "plain" : "ours", plain_receiver ? "plain" : "ours",
                  power ? "power cut" : "kill -9", victim ? "receiver" : "sender",
                  (unsigned long long)twice, (unsigned long long)n);
    assert_true(twice <= n / 100 + window);
    assert_arrived(&r, len, sum);
    rig_fini(&r);
}

static void test_receiver_restart(void **state)
{
    (void)state;
    crash_run(false, false, 1, false, 40 * MB, 5 * USEC_SEC);
    crash_run(false, false, 1, true, 40 * MB, 5 * USEC_SEC);
    crash_run(true, false, 1, false, 40 * MB, 5 * USEC_SEC);
    crash_run(true, false, 1, true, 40 * MB, 5 * USEC_SEC);
}

static void test_sender_restart(void **state)
{
    (void)state;
    crash_run(false, false, 0, false, 40 * MB, 5 * USEC_SEC);
    crash_run(false, false, 0, true, 40 * MB, 5 * USEC_SEC);
    crash_run(true, false, 0, false, 40 * MB, 5 * USEC_SEC); /* it finds a plain one */
    crash_run(true, true, 0, true, 40 * MB, 5 * USEC_SEC);
}

/* The receiver is back before anybody noticed that it was gone, and without what its last row did
 * not name: that was acknowledged, and must come again although no INIT asks for a map. The link is
 * fast enough for a map that does not reach from the first gap to what is on its way. */
static void test_receiver_back_at_once(void **state)
{
    (void)state;
    static const unsigned gone_ms[] = {0, 50, 200, 1000};
    const uint64_t len = 40 * MB, n = (len + 1299) / 1300, rate = 20 * MB;
    for (size_t k = 0; k < ARRAY_LEN(gone_ms); k++) {
        unsigned gone = gone_ms[k];
        struct rig r;
        uint8_t sum[MSG_SUM_BYTES];
        setup(&r, 30 + k, false, false);
        r.delay_min = r.delay_max = 5 * USEC_MS;
        r.link_bytes_per_s = rate;
        r.node[1].power_cuts = k % 2 == 1;
        assert_true(rig_send_file(&r, 0, &r.node[1].addr, len, OUT_AT_LEAST_ONCE) != 0);
        sent_sum(&r, sum);
        rig_run(&r, 700 * USEC_MS);
        assert_true(r.count[12] > n / 10 && r.count[12] < n / 2);
        usec_t began = r.now;
        rig_crash(&r, 1);
        rig_run(&r, gone * USEC_MS);
        rig_start(&r, 1);
        (void)run_until_delivered(&r, 1, 600 * USEC_SEC);
        usec_t took = r.now - began;
        uint64_t twice = r.count[12] - n;
        /* As in crash_run(), and with silence noticed after one timer. */
        uint64_t window = 2 * rate / 1300 * 60 / 1000 + rate / 1300 * 3 / 10;
        print_message("back after %u ms%s: %.2f s, %llu of %llu chunks twice, INITs %zu\n", gone,
                      k % 2 ? " without power" : "", (double)took / 1e6, (unsigned long long)twice,
                      (unsigned long long)n, r.count[15]);
        assert_true(twice <= n / 100 + window);
        assert_true(took < 4 * USEC_SEC);
        assert_arrived(&r, len, sum);
        rig_fini(&r);
    }
}

/* What is loaded lives as long as its sender goes on, INIT or not; and no longer than that. */
static void test_loaded_lives(void **state)
{
    (void)state;
    const uint64_t len = 18 * MB, n = (len + 1299) / 1300;
    struct rig r;
    uint8_t sum[MSG_SUM_BYTES];
    setup(&r, 31, false, false);
    r.delay_min = r.delay_max = 5 * USEC_MS;
    r.link_bytes_per_s = MB / 20;
    assert_true(rig_send_file(&r, 0, &r.node[1].addr, len, OUT_AT_LEAST_ONCE) != 0);
    sent_sum(&r, sum);
    rig_run(&r, 20 * USEC_SEC);
    rig_crash(&r, 1);
    rig_start(&r, 1);
    usec_t took = run_until_delivered(&r, 1, 600 * USEC_SEC);
    assert_true(took > PART_LIFE_MS * USEC_MS);
    assert_int_equal(r.count[15], 1);
    assert_true(r.count[12] - n <= n / 10); /* 1 MiB and more was not in a row */
    assert_arrived(&r, len, sum);

    assert_true(rig_send_file(&r, 0, &r.node[1].addr, len, OUT_AT_LEAST_ONCE) != 0);
    rig_run(&r, 30 * USEC_SEC);
    rig_crash(&r, 0);
    rig_crash(&r, 1);
    rig_start(&r, 1);
    rig_run(&r, PART_LIFE_MS * USEC_MS - USEC_SEC);
    assert_int_equal(stats(&r, 1).in_files, 1);
    rig_run(&r, 2 * USEC_SEC);
    assert_int_equal(stats(&r, 1).in_files, 0);
    rig_fini(&r);
}

/* Both, again and again, under loss. */
static void test_restarts(void **state)
{
    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        struct rig r;
        uint8_t sum[MSG_SUM_BYTES];
        setup(&r, 90 + k, kinds[k][0], kinds[k][1]);
        r.delay_min = 1 * USEC_MS;
        r.delay_max = 9 * USEC_MS;
        r.loss_ppm = 10000;
        r.link_bytes_per_s = 4 * MB;
        assert_true(rig_send_file(&r, 0, &r.node[1].addr, 12 * MB, OUT_AT_LEAST_ONCE) != 0);
        sent_sum(&r, sum);
        for (unsigned i = 0; i < 12; i++) {
            rig_run(&r, (usec_t)(100 + rng_below(&r.rng, 500)) * USEC_MS);
            unsigned v = (unsigned)rng_below(&r.rng, 2);
            r.node[v].power_cuts = rng_below(&r.rng, 2);
            rig_crash(&r, v);
            rig_run(&r, (usec_t)rng_below(&r.rng, 1000) * USEC_MS);
            rig_start(&r, v);
        }
        usec_t began = r.now;
        struct bus_take peek = {.any_topic = true, .peek = true, .wait_ms = 600000};
        bus_client c = rig_take_ex(&r, 1, &peek);
        while (!rig_answer(&r, 1, c, BUS_OUT_TAKEN) && r.now - began < 600 * USEC_SEC)
            rig_run(&r, 100 * USEC_MS);
        rig_run(&r, 60 * USEC_SEC);
        assert_arrived(&r, 12 * MB, sum);
        rig_fini(&r);
    }
}

/* More holes than a map shows: what the receiver has is not sent again. */
static bool every_third(struct rig *r, const struct rig_packet *p)
{
    if (p->from != 0 || p->flags != MSG_CHUNK || !r->filter_ctx)
        return false;
    uint8_t low = p->bytes[MSG_HEADER_BYTES + 7];
    bool early = p->bytes[MSG_HEADER_BYTES + 6] < 0x60 && p->bytes[MSG_HEADER_BYTES + 5] == 0;
    return early && low % 32 == 1;
}

static void test_many_holes(void **state)
{
    (void)state;
    struct rig r;
    uint8_t sum[MSG_SUM_BYTES];
    const uint64_t n = 30000, len = n * 1300;
    setup(&r, 21, false, false);
    r.delay_min = r.delay_max = 100 * USEC_MS;
    r.filter = every_third;
    r.filter_ctx = &r;
    assert_true(rig_send_file(&r, 0, &r.node[1].addr, len, OUT_AT_LEAST_ONCE) != 0);
    sent_sum(&r, sum);
    for (uint64_t before = 1; r.node[1].spool.written != before;) {
        before = r.node[1].spool.written;
        rig_run(&r, USEC_SEC);
    }
    rig_crash(&r, 0); /* it forgets what was acknowledged */
    uint64_t had = r.node[1].spool.written / 1300;
    r.filter_ctx = NULL;
    r.count[12] = 0;
    rig_run(&r, 100 * USEC_MS);
    rig_start(&r, 0);
    (void)run_until_delivered(&r, 1, 600 * USEC_SEC);
    print_message("resumed with %llu of %llu chunks there: %zu sent\n", (unsigned long long)had,
                  (unsigned long long)n, r.count[12]);
    assert_true(had > 8 * TRAILER_MAP_ALL * 3 / 2);
    assert_true(r.count[12] <= n - had + 64);
    assert_arrived(&r, len, sum);
    rig_fini(&r);
}

/* --- disks -------------------------------------------------------------------------------- */

static void test_full_disk(void **state)
{
    (void)state;
    for (size_t k = 0; k < 2; k++) {
        struct rig r;
        setup(&r, 8, k == 1, false);
        r.node[1].spool.full = true;
        assert_true(rig_send_file(&r, 0, &r.node[1].addr, MB, OUT_AT_LEAST_ONCE) != 0);
        rig_run(&r, 5 * USEC_SEC);
        assert_int_equal(r.count[12], 0); /* no INIT ACK */
        assert_int_equal(stats(&r, 1).in_files, 0);
        assert_int_equal(stats(&r, 1).told_busy > 0, k == 0);
        r.node[1].spool.full = false;
        (void)run_until_delivered(&r, 1, 120 * USEC_SEC);
        rig_fini(&r);
    }
}

static void test_failing_disk(void **state)
{
    (void)state;
    for (unsigned what = 0; what < 6; what++) {
        struct rig r;
        uint8_t sum[MSG_SUM_BYTES];
        setup(&r, 8, what >= 3, false);
        r.delay_min = r.delay_max = 5 * USEC_MS;
        r.link_bytes_per_s = 4 * MB;
        assert_true(rig_send_file(&r, 0, &r.node[1].addr, 6 * MB, OUT_AT_LEAST_ONCE) != 0);
        sent_sum(&r, sum);
        rig_run(&r, 700 * USEC_MS);
        r.node[1].spool.fail_writes = what % 3 == 0;
        r.node[1].spool.fail_syncs = what % 3 == 1;
        r.node[0].spool.fail_reads = what % 3 == 2;
        (void)run_until_delivered(&r, 1, 300 * USEC_SEC);
        assert_arrived(&r, 6 * MB, sum);
        rig_fini(&r);
    }
}

/* --- limits ------------------------------------------------------------------------------- */

static void test_too_large(void **state)
{
    (void)state;
    for (size_t k = 0; k < 3; k++) { /* ours refuses; plain: known too late, then known before */
        struct rig r;
        setup(&r, 8, false, k > 0);
        if (k == 0) {
            bus_free(r.node[1].bus);
            r.node[1].limits.len_max = MB - 1;
            rig_start(&r, 1);
        } else {
            bus_free(r.node[0].bus);
            r.node[0].limits.len_plain_max = MB - 1;
            rig_start(&r, 0);
        }
        struct bus_send s = {.dst = r.node[1].addr, .file = {.number = 9, .len = MB}};
        fake_file_make(&r.node[0].spool, 9, calloc(1, MB), MB);
        bus_client c = rig_send_ex(&r, 0, &s);
        rig_run(&r, 2 * USEC_SEC);
        struct msg_id id = rig_answer(&r, 0, c, BUS_OUT_ACCEPTED)->id;
        assert_int_equal(rig_status(&r, 0, &id), k == 0 ? OUT_REFUSED : OUT_ABORTED);
        assert_int_equal(stats(&r, 0).out_too_large, k > 0);
        assert_int_equal(r.count[12], 0);
        assert_int_equal(stats(&r, 1).in_files, 0);
        assert_int_equal(fake_file_count(&r.node[0].spool), 0);
        assert_int_equal(fake_file_count(&r.node[1].spool), 0);
        if (k == 2) { /* now it is known what it is */
            assert_int_equal(bus_send(r.node[0].bus, &s, 99, rig_instant(&r)), ERR_TOOBIG);
            (void)transfer(&r, MB); /* forced */
        }
        rig_fini(&r);
    }
}

/* Ten large ones: at most four at a time from a plain sender; all arrive. */
static void test_many(void **state)
{
    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        struct rig r;
        setup(&r, 8, kinds[k][0], kinds[k][1]);
        r.delay_min = r.delay_max = 5 * USEC_MS;
        r.link_bytes_per_s = 4 * MB;
        for (unsigned i = 0; i < 10; i++)
            assert_true(rig_send_file(&r, 0, &r.node[1].addr, MB, OUT_AT_LEAST_ONCE) != 0);
        uint64_t most = 0;
        while (stats(&r, 0).delivered < 10 && r.now < 1200 * USEC_SEC) {
            rig_run(&r, 5 * USEC_MS);
            most = MAX(most, stats(&r, 1).in_files);
        }
        assert_int_equal(stats(&r, 0).delivered, 10);
        assert_true(most > 0 && most <= r.node[0].limits.out_files_node);
        rig_fini(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_loss),
        cmocka_unit_test(test_far),
        cmocka_unit_test(test_slow_link),
        cmocka_unit_test(test_receiver_restart),
        cmocka_unit_test(test_receiver_back_at_once),
        cmocka_unit_test(test_loaded_lives),
        cmocka_unit_test(test_sender_restart),
        cmocka_unit_test(test_restarts),
        cmocka_unit_test(test_many_holes),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_failing_disk),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_lossy_path),
        cmocka_unit_test(test_stream_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
