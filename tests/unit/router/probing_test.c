/* Hellos of links in use, silent neighbours, link cost with many Hellos under way:
 * docs/protocol/routing.md, "Silent neighbours". */
#include <string.h>

#include "fixture.h"
#include "router/core.h"

#define MS USEC_MS

static struct fx f;

static int setup(void **state)
{
    (void)state;
    fx_init(&f, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fx_fini(&f);
    return 0;
}

static void send_to(const struct router_id *rid)
{
    struct ip6 src = router_address(f.r), dst = fx_subnet_of(rid).net;
    dst.b[15] = 1;
    int rc = router_send(f.r, &src, &dst, USER_MESSAGE, 64, pkt_copy("x", 1), f.now);
    assert_int_equal(rc, OK);
    fx_advance(&f, 0);
}

static bool is_hello(const struct pkt *p)
{
    return p->len == 16 && p->data[1] == OUTER_CONTROL && p->data[8] == TLV_HELLO;
}

/* Takes the requests of generation 15: neighbours are asked about what comes into use. */
static void skip_looks(peer_id to)
{
    struct subnet x = fx_subnet_of(&fx_x);
    fx_expect_route_request(&f, to, &x, GENERATION_LIMIT - 1);
}

/* Hellos to this neighbour since the last look; the other frames go. */
static unsigned hellos(peer_id to)
{
    unsigned n = 0;
    struct pkt *p;
    while ((p = fx_take(&f, to)) != NULL) {
        n += is_hello(p);
        pkt_free(p);
    }
    return n;
}

static peer_id next_hop(const struct router_id *rid)
{
    struct ip6 dst = fx_subnet_of(rid).net;
    return router_next_hop(f.r, &dst);
}

/* A neighbour whose link has been measured: its round trip. */
static peer_id up_measured(usec_t round_trip)
{
    peer_id p = fx_up_quiet(&f);
    fx_advance(&f, round_trip);
    fx_ihu(&f, p);
    fx_advance(&f, NEW_PEER_ASK_AFTER); /* it has been asked what it knows */
    fx_forget(&f);
    return p;
}

/* --- when Hellos go --------------------------------------------------------------------------- */

static void idle(void **state)
{
    (void)state;
    f.auto_ihu = true;
    peer_id a = up_measured(0);
    fx_update(&f, a, &fx_x, 5, 0);
    fx_advance(&f, 200 * USEC_SEC);
    assert_int_equal(hellos(a), 10);
    struct ip6 dst = fx_subnet_of(&fx_x).net;
    router_want(f.r, &dst, f.now); /* nothing is sent: the link is not in use */
    fx_advance(&f, 20 * USEC_SEC);
    assert_int_equal(hellos(a), 1);
}

static void in_use(void **state)
{
    (void)state;
    f.auto_ihu = true;
    peer_id a = up_measured(0), b = up_measured(0);
    fx_update(&f, a, &fx_x, 5, 0);
    fx_advance(&f, 5 * USEC_SEC);
    fx_forget(&f);
    send_to(&fx_x);
    assert_int_equal(hellos(a), 1); /* at once */
    for (unsigned i = 0; i < 20; i++) {
        send_to(&fx_x);
        fx_advance(&f, USEC_SEC);
        unsigned n = hellos(a);
        assert_true(n == 1 || n == 2);
    }
    fx_advance(&f, LINK_USED_FOR);
    unsigned n = hellos(a);
    assert_true(n >= 10 && n <= 13);
    fx_advance(&f, 10 * USEC_SEC);
    fx_forget(&f);
    fx_advance(&f, 200 * USEC_SEC);
    assert_int_equal(hellos(a), 10);
    assert_int_equal(hellos(b), 10); /* never in use */
}

static struct pkt *passing_packet(void)
{
    struct ip6 src = fx_subnet_of(&fx_y).net, dst = fx_subnet_of(&fx_x).net;
    struct pkt *p = pkt_new(60);
    assert_non_null(p);
    memset(p->data, 1, p->len);
    data_encode(p, 10, &src, &dst);
    return p;
}

static void packets_of_others(void **state)
{
    (void)state;
    f.auto_ihu = true;
    peer_id a = up_measured(0), b = up_measured(0);
    fx_update(&f, a, &fx_x, 5, 0);
    fx_advance(&f, 5 * USEC_SEC);
    fx_forget(&f);
    struct pkt *p = passing_packet();
    fx_bytes(&f, b, p->data, p->len);
    pkt_free(p);
    fx_advance(&f, 5 * USEC_SEC);
    assert_true(hellos(a) >= 5);
    assert_int_equal(hellos(b), 0); /* it was only heard */
}

/* --- silence ---------------------------------------------------------------------------------- */

/* x over a, and over b at a higher cost; x is in use. */
static void two_ways(peer_id *a, peer_id *b)
{
    *a = up_measured(0);
    *b = up_measured(20 * MS);
    fx_update(&f, *a, &fx_x, 5, 0);
    fx_update(&f, *b, &fx_x, 6, 0);
    send_to(&fx_x);
    assert_int_equal(next_hop(&fx_x), *a);
    fx_advance(&f, 0);
    fx_forget(&f);
}

static void silence(void **state)
{
    (void)state;
    peer_id a, b;
    two_ways(&a, &b);
    peer_id c = up_measured(0);
    fx_want(&f, c, &fx_x);
    usec_t start = f.now;
    while (next_hop(&fx_x) == a) {
        fx_advance(&f, 10 * MS);
        fx_ihu(&f, b);
    }
    assert_true(f.now - start >= SILENT_AFTER && f.now - start <= SILENT_AFTER + PROBE_EVERY);
    assert_int_equal(next_hop(&fx_x), b);
    assert_int_equal(fx_stats(&f).links_silent, 1);
    assert_int_equal(fx_stats(&f).route_removed, 0);
    assert_int_equal(fx_stats(&f).routes, 2);
    (void)hellos(b);
    skip_looks(c);
    fx_expect_update(&f, c, &fx_x, 36, 0);
    fx_expect_none(&f, c);
    /* It is probed on, although nothing is sent over it, until it is heard. */
    (void)hellos(a);
    fx_advance(&f, 3 * USEC_SEC);
    assert_true(hellos(a) >= 3);
    fx_ihu(&f, a);
    fx_advance(&f, 0);
    assert_int_equal(next_hop(&fx_x), a);
    assert_int_equal(fx_stats(&f).links_heard_again, 1);
    fx_expect_update(&f, c, &fx_x, 15, 0);
}

static void anything_counts_as_heard(void **state)
{
    (void)state;
    peer_id a, b;
    two_ways(&a, &b);
    for (unsigned i = 0; i < 10; i++) {
        fx_advance(&f, 1500 * MS);
        fx_hex(&f, a,
               i % 2 ? "01"
                     : "010100002a030017"
                       "00"); /* malformed, and padding */
        fx_ihu(&f, b);
        send_to(&fx_x);
    }
    assert_int_equal(next_hop(&fx_x), a);
    assert_int_equal(fx_stats(&f).links_silent, 0);
    /* But the link ends without IHU all the same. */
    struct router_out o;
    for (unsigned i = 0; i < 20; i++) {
        fx_advance(&f, 1500 * MS);
        fx_hello(&f, a);
        fx_ihu(&f, b);
        send_to(&fx_x);
    }
    assert_true(fx_event(&f, ROUTER_OUT_CLOSE, &o));
    assert_int_equal(o.peer, a);
    assert_int_equal(fx_stats(&f).links_silent, 0);
}

static void closed_when_silent(void **state)
{
    (void)state;
    struct router_out o;
    peer_id a, b;
    two_ways(&a, &b);
    usec_t start = f.now;
    while (!fx_event(&f, ROUTER_OUT_CLOSE, &o)) {
        fx_advance(&f, 50 * MS);
        fx_ihu(&f, b);
        fx_forget(&f);
        assert_true(f.now - start < 20 * USEC_SEC || fx_stats(&f).peers == 1);
        if (fx_stats(&f).peers == 1)
            break;
    }
    assert_true(f.now - start >= PROBED_SILENT_MAX &&
                f.now - start <= PROBED_SILENT_MAX + 2 * PROBE_EVERY);
    assert_int_equal(fx_stats(&f).peer_died, 1);
    assert_int_equal(fx_stats(&f).routes, 1);
}

/* No other way: retracted and searched like a lost one, and there again afterwards. */
static void only_way(void **state)
{
    (void)state;
    peer_id a = up_measured(0), b = up_measured(0);
    struct subnet x = fx_subnet_of(&fx_x);
    fx_want(&f, b, &fx_x);
    fx_update(&f, a, &fx_x, 5, 0);
    send_to(&fx_x);
    fx_forget(&f);
    fx_advance(&f, SILENT_AFTER + PROBE_EVERY);
    assert_false(fx_reachable(&f, &x));
    skip_looks(b);
    fx_expect_retraction(&f, b, &x, 0);
    fx_advance(&f, LOST_QUERY_JITTER);
    fx_expect_route_request(&f, b, &x, 0);
    struct router_out o;
    assert_true(fx_event(&f, ROUTER_OUT_REACHABLE, &o));
    assert_true(fx_event(&f, ROUTER_OUT_REACHABLE, &o) || !o.reachable);
    send_to(&fx_x); /* waits */
    fx_forget(&f);
    fx_ihu(&f, a);
    fx_advance(&f, 0);
    assert_true(fx_reachable(&f, &x));
    fx_expect_update(&f, b, &fx_x, 15, 0);
    assert_int_equal(fx_stats(&f).out_dequeued, 1);
}

/* What nobody uses costs nothing, however often a link pauses; a packet meanwhile finds out. */
static void unused_destinations(void **state)
{
    (void)state;
    peer_id a, b;
    two_ways(&a, &b);
    peer_id c = up_measured(0);
    fx_want(&f, c, &fx_x);
    fx_want(&f, c, &fx_y);
    struct subnet y = fx_subnet_of(&fx_y), z = fx_subnet_of(&fx_z);
    fx_update(&f, a, &fx_y, 5, 0);
    fx_update(&f, b, &fx_y, 6, 0);
    fx_update(&f, a, &fx_z, 5, 0);
    fx_forget(&f);
    uint64_t told = fx_stats(&f).triggered_updates;
    fx_advance(&f, SILENT_AFTER + PROBE_EVERY);
    fx_ihu(&f, b);
    assert_int_equal(next_hop(&fx_x), b);
    assert_int_equal(fx_stats(&f).triggered_updates, told + 1);
    fx_expect_none(&f, b);
    assert_false(fx_reachable(&f, &y));
    assert_false(fx_reachable(&f, &z));
    send_to(&fx_y); /* the first packet mends it */
    assert_int_equal(next_hop(&fx_y), b);
    fx_forget(&f);
    fx_ihu(&f, a);
    fx_advance(&f, 0);
    assert_true(fx_reachable(&f, &z));
    assert_int_equal(next_hop(&fx_z), a);
}

/* Many destinations are worked off in slices. */
static void slices(void **state)
{
    (void)state;
    enum { DESTS = 240 * 3 }; /* no multiple of a slice */
    struct router_limits l;
    router_limits_default(&l);
    fx_fini(&f);
    fx_init(&f, &l);
    peer_id a = up_measured(0), b = up_measured(20 * MS);
    struct router_id rids[DESTS];
    for (unsigned i = 0; i < DESTS; i++) {
        rids[i] = fx_router_id((uint8_t)i);
        rids[i].b[0] = (uint8_t)(i >> 8);
        rids[i].b[1] = (uint8_t)i;
        fx_update(&f, a, &rids[i], 5, 0);
        fx_update(&f, b, &rids[i], 6, 0);
        send_to(&rids[i]);
        fx_forget(&f);
    }
    fx_ihu(&f, a);
    send_to(&rids[0]);
    while (fx_stats(&f).links_silent == 0) {
        f.now = MAX(f.now, router_deadline(f.r));
        router_tick(f.r, f.now);
    }
    unsigned turns = 1, moved = 0;
    for (;; turns++) {
        unsigned before = moved;
        moved = 0;
        for (unsigned i = 0; i < DESTS; i++)
            moved += next_hop(&rids[i]) == b;
        assert_true(moved - before <= SLICE);
        if (moved == DESTS)
            break;
        assert_true(router_deadline(f.r) <= f.now);
        router_tick(f.r, f.now);
    }
    assert_true(turns >= DESTS / SLICE && turns <= DESTS / SLICE + 2);
    fx_advance(&f, 0);
    fx_forget(&f);
    fx_ihu(&f, a);
    fx_advance(&f, 0);
    for (unsigned i = 0; i < DESTS; i++)
        assert_int_equal(next_hop(&rids[i]), a);
}

/* A long round trip is waited for. */
static void slow_link(void **state)
{
    (void)state;
    peer_id a = up_measured(900 * MS);
    fx_update(&f, a, &fx_x, 5, 0);
    fx_advance(&f, USEC_SEC);
    send_to(&fx_x);
    fx_advance(&f, SILENT_AFTER + SILENT_ROUND_TRIPS * 900 * MS - MS);
    assert_int_equal(fx_stats(&f).links_silent, 0);
    fx_advance(&f, 2 * MS);
    assert_int_equal(fx_stats(&f).links_silent, 1);
}

/* An answer that takes seconds once makes us wait longer next time. */
static void once_bitten(void **state)
{
    (void)state;
    peer_id a = up_measured(10 * MS);
    fx_update(&f, a, &fx_x, 5, 0);
    fx_advance(&f, USEC_SEC);
    send_to(&fx_x);
    fx_advance(&f, 2500 * MS);
    assert_int_equal(fx_stats(&f).links_silent, 1);
    for (unsigned i = 0; i < 4; i++)
        fx_ihu(&f, a);
    send_to(&fx_x);
    assert_int_equal(fx_stats(&f).links_heard_again, 1);
    fx_advance(&f, 8 * USEC_SEC);
    assert_int_equal(fx_stats(&f).links_silent, 1);
    fx_advance(&f, 4 * USEC_SEC);
    assert_int_equal(fx_stats(&f).links_silent, 2);
}

/* This node slept: what the neighbour said may not have been read yet. */
static void own_delay(void **state)
{
    (void)state;
    peer_id a, b;
    two_ways(&a, &b);
    f.now += 10 * USEC_SEC;
    router_tick(f.r, f.now);
    assert_int_equal(fx_stats(&f).links_silent, 0);
    fx_ihu(&f, a);
    fx_ihu(&f, b);
    fx_advance(&f, USEC_SEC);
    fx_ihu(&f, a);
    assert_int_equal(fx_stats(&f).links_silent, 0);
    send_to(&fx_x);
    fx_advance(&f, USEC_SEC);
    f.now += 10 * USEC_SEC; /* but it is no excuse for ever */
    router_tick(f.r, f.now);
    assert_int_equal(fx_stats(&f).links_silent, 0);
    fx_advance(&f, SILENT_LATE);
    assert_int_equal(fx_stats(&f).links_silent, 1);
}

/* --- cost ------------------------------------------------------------------------------------- */

static uint16_t cost_of(peer_id p)
{
    uint16_t cost = neighbour_cost(neighbour_find(f.r, p));
    return (uint16_t)(cost - 10);
}

/* Sends on, and answers every Hello after `round_trip`; *worse: this many of the first ones take
 * a second longer. */
static void answer_for(peer_id p, usec_t by, usec_t round_trip, unsigned worse)
{
    usec_t due[64];
    unsigned first = 0, len = 0;
    for (usec_t end = f.now + by; f.now < end;) {
        send_to(&fx_x);
        for (unsigned n = hellos(p); n > 0; n--) {
            usec_t at = f.now + round_trip + (worse > 0 ? USEC_SEC : 0);
            worse -= worse > 0;
            due[(first + len) % 64] = len ? MAX(at, due[(first + len - 1) % 64]) : at;
            len++;
        }
        for (; len > 0 && due[first % 64] <= f.now; first++, len--)
            fx_ihu(&f, p);
        fx_forget(&f);
        fx_advance(&f, 10 * MS);
    }
}

/* Answers belong to their own Hello, with several under way. */
static void several_under_way(void **state)
{
    (void)state;
    peer_id a = up_measured(3400 * MS);
    fx_update(&f, a, &fx_x, 5, 0);
    answer_for(a, 90 * USEC_SEC, 3500 * MS, 0);
    assert_in_range(cost_of(a), 3400, 3560);
    assert_int_equal(fx_stats(&f).links_silent, 0);
}

/* One sample each 20 s, the least of that time. */
static void samples(void **state)
{
    (void)state;
    peer_id a = up_measured(100 * MS);
    fx_update(&f, a, &fx_x, 5, 0);
    assert_int_equal(cost_of(a), 100);
    answer_for(a, 15 * USEC_SEC, 300 * MS, 10);
    assert_int_equal(cost_of(a), 100); /* not yet */
    answer_for(a, 8 * USEC_SEC, 300 * MS, 0);
    assert_in_range(cost_of(a), 300, 310);
    answer_for(a, 42 * USEC_SEC, 200 * MS, 0);
    assert_in_range(cost_of(a), 200, 210);
    answer_for(a, 21 * USEC_SEC, 300 * MS, 0); /* smoothed from here on */
    assert_in_range(cost_of(a), 200, 230);
    for (unsigned i = 0; i < 10; i++)
        answer_for(a, 21 * USEC_SEC, 300 * MS, 0);
    assert_in_range(cost_of(a), 260, 290);
}

/* An answer that never came does not spoil all later ones. */
static void lost_answer(void **state)
{
    (void)state;
    peer_id a = up_measured(10 * MS);
    fx_update(&f, a, &fx_x, 5, 0);
    fx_advance(&f, 990 * MS);
    send_to(&fx_x);
    (void)hellos(a); /* nobody answers this one */
    answer_for(a, 120 * USEC_SEC, 10 * MS, 0);
    assert_true(neighbour_find(f.r, a)->hellos.len <= 1);
    answer_for(a, 250 * USEC_SEC, 10 * MS, 0);
    assert_in_range(cost_of(a), 10, 400);
    assert_int_equal(fx_stats(&f).links_silent, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(idle),
        T(in_use),
        T(packets_of_others),
        T(silence),
        T(anything_counts_as_heard),
        T(closed_when_silent),
        T(only_way),
        T(unused_destinations),
        T(slices),
        T(slow_link),
        T(once_bitten),
        T(own_delay),
        T(several_under_way),
        T(samples),
        T(lost_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
