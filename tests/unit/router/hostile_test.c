/* Neighbours that follow the letter of the protocol to do harm: floods of subnets, seqnos from
 * nowhere, retractions of what others have, readers that do not read. docs/protocol/routing.md,
 * "Limits". */
#include <string.h>

#include "fixture.h"
#include "router/core.h"
#include "router/packet.h"

#define ANNOUNCEMENTS_BURST 2000 /* by default */

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

static void with_limits(uint32_t routes, uint32_t sources, uint32_t new_subnets_per_sec)
{
    struct router_limits l;
    router_limits_default(&l);
    l.routes = routes;
    l.sources = sources;
    l.new_subnets_per_sec = new_subnets_per_sec;
    fx_fini(&f);
    fx_init(&f, &l);
}

static struct router_id rid_of(unsigned i)
{
    struct router_id rid = fx_router_id((uint8_t)i);
    rid.b[30] = (uint8_t)(i >> 16);
    rid.b[31] = (uint8_t)(i >> 8);
    return rid;
}

static struct ip6 address_of(unsigned i)
{
    struct router_id rid = rid_of(i);
    return fx_subnet_of(&rid).net;
}

static void tell(peer_id from, unsigned i, uint16_t metric)
{
    struct router_id rid = rid_of(i);
    fx_update(&f, from, &rid, metric, 0);
    fx_forget(&f);
}

static bool known(unsigned i)
{
    struct ip6 a = address_of(i);
    return router_next_hop(f.r, &a) != 0;
}

/* --- new subnets ------------------------------------------------------------------------------ */

static void new_subnets_are_paced(void **state)
{
    (void)state;
    with_limits(1000, 1000, 5);
    f.auto_ihu = true;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    tell(a, 0, 0); /* its own: no token */
    for (unsigned i = 1; i <= 200; i++)
        tell(a, i, 1);
    assert_int_equal(fx_stats(&f).routes, 1 + 50);
    assert_int_equal(fx_stats(&f).limit_new_subnets, 150);
    assert_int_equal(fx_stats(&f).update_denied, 0);
    for (unsigned i = 1; i <= 50; i++) /* what is known costs nothing */
        tell(a, i, 2);
    assert_int_equal(fx_stats(&f).limit_new_subnets, 150);
    tell(b, 50, 3); /* for nobody, and others have their own */
    tell(b, 100, 3);
    assert_int_equal(fx_stats(&f).routes, 1 + 50 + 2);
    fx_advance(&f, USEC_SEC);
    for (unsigned i = 51; i < 100; i++)
        tell(a, i, 1);
    assert_int_equal(fx_stats(&f).routes, 1 + 50 + 2 + 5);
}

static void forged_subnets_cost_tokens_too(void **state)
{
    (void)state;
    with_limits(1000, 1000, 5);
    peer_id a = fx_up_quiet(&f);
    tell(a, 0, 0);
    for (unsigned i = 1; i <= 200; i++) {
        struct tlv t = {.type = TLV_UPDATE, .update = {.interval_cs = 30000, .metric = 1}};
        t.update.router_id = fx_x;
        t.update.subnet = (struct subnet){.net = address_of(i), .plen = 64};
        fx_tlv(&f, a, &t);
    }
    assert_int_equal(fx_stats(&f).update_denied, 50);
    assert_int_equal(fx_stats(&f).limit_new_subnets, 150);
}

static void wanted_subnets_always_pass(void **state)
{
    (void)state;
    with_limits(1000, 1000, 5);
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    tell(a, 0, 0);
    for (unsigned i = 1; i <= 60; i++)
        tell(a, i, 1);
    struct ip6 wanted = address_of(200), searched = address_of(201);
    router_want(f.r, &wanted, f.now);
    struct subnet s = {.net = searched, .plen = 64};
    fx_route_request(&f, b, &s, 0); /* somebody else asks */
    fx_forget(&f);
    tell(a, 200, 1);
    tell(a, 201, 1);
    tell(a, 202, 1);
    assert_true(known(200));
    assert_true(known(201));
    assert_false(known(202));
    /* Lost, and still in use. */
    tell(a, 200, METRIC_INFINITE);
    fx_advance(&f, 7 * USEC_SEC);
    fx_forget(&f);
    for (unsigned i = 300; i <= 400; i++)
        tell(a, i, 1);
    tell(a, 200, 1);
    assert_true(known(200));
}

/* --- full tables ------------------------------------------------------------------------------ */

/* Who floods pays alone; the others, their own subnets and what is in use stay. */
static void flood_pays_for_itself(void **state)
{
    (void)state;
    enum { MAX_ROUTES = 400 };
    with_limits(MAX_ROUTES, MAX_ROUTES, 1000000);
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    tell(a, 0, 0);
    tell(b, 1, 0);
    for (unsigned i = 10; i < 110; i++)
        tell(b, i, 1);
    struct ip6 used = address_of(500);
    tell(a, 500, 1);
    router_want(f.r, &used, f.now);
    for (unsigned i = 1000; i < 6000; i++)
        tell(a, i, 1);
    assert_int_equal(fx_stats(&f).routes, MAX_ROUTES);
    assert_true(fx_stats(&f).sources <= MAX_ROUTES);
    assert_true(fx_stats(&f).evicted_routes > 4000);
    assert_int_equal(fx_stats(&f).limit_routes, 0);
    for (unsigned i = 10; i < 110; i++)
        assert_true(known(i));
    assert_true(known(0));
    assert_true(known(1));
    assert_true(known(500));
    assert_true(known(5999));
    assert_false(known(1000)); /* the oldest went */

    /* One below its share takes from who has most. */
    uint64_t evicted = fx_stats(&f).evicted_routes;
    for (unsigned i = 110; i < 160; i++)
        tell(b, i, 1);
    for (unsigned i = 10; i < 160; i++)
        assert_true(known(i));
    assert_int_equal(fx_stats(&f).evicted_routes, evicted + 50);
    assert_true(known(0));
    assert_true(known(500));

    /* Above it, it pays itself. */
    for (unsigned i = 200; i < 400; i++)
        tell(b, i, 1);
    unsigned left = 0;
    for (unsigned i = 1000; i < 6000; i++)
        left += known(i);
    assert_in_range(left, MAX_ROUTES / 2 - 10, MAX_ROUTES / 2);
    fx_down(&f, a);
    fx_down(&f, b);
    fx_advance(&f, USEC_SEC);
    assert_int_equal(fx_stats(&f).routes, 0);
}

/* Nobody is told, also who knows the routes: packets that come after all start a search. */
static void eviction_is_quiet(void **state)
{
    (void)state;
    struct router_out o;
    with_limits(10, 10, 1000000);
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    for (unsigned i = 0; i < 10; i++) {
        struct router_id known_to_b = rid_of(i);
        tell(a, i, 1);
        fx_want(&f, b, &known_to_b);
    }
    while (fx_event(&f, ROUTER_OUT_REACHABLE, &o))
        continue;
    struct router_id rid = rid_of(20);
    fx_update(&f, a, &rid, 1, 0);
    assert_true(fx_event(&f, ROUTER_OUT_REACHABLE, &o)); /* but the rest of the node is */
    assert_false(o.reachable);
    assert_true(fx_event(&f, ROUTER_OUT_REACHABLE, &o));
    assert_true(o.reachable);
    fx_expect_silence(&f);
    assert_int_equal(fx_stats(&f).evicted_routes, 1);
    assert_int_equal(fx_stats(&f).evicted_sources, 1);
}

static void all_in_use(void **state)
{
    (void)state;
    with_limits(10, 10, 1000000);
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    for (unsigned i = 0; i < 10; i++) {
        struct ip6 used = address_of(i);
        tell(a, i, 1);
        router_want(f.r, &used, f.now);
    }
    tell(a, 20, 1);
    tell(b, 21, 1);
    assert_false(known(20));
    assert_false(known(21));
    assert_int_equal(fx_stats(&f).limit_sources, 2);
    for (unsigned i = 0; i < 10; i++)
        assert_true(known(i));
    f.auto_ihu = true;
    fx_advance(&f, USED_FOR); /* nobody uses them any more */
    fx_forget(&f);
    tell(b, 21, 1);
    assert_true(known(21));
}

/* A packet that a neighbour sends to where it says it leads itself is no use of the route. */
static void own_traffic_is_no_use(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    struct ip6 to = address_of(1), src = address_of(2);
    struct subnet s = subnet_of_node(&to);
    tell(a, 1, 1);
    for (int i = 0; i < 2; i++) {
        struct pkt *p = pkt_copy("0123456789012345678901234567890123456789", 40);
        assert_non_null(p);
        data_encode(p, 60, &src, &to);
        fx_bytes(&f, i == 0 ? a : b, p->data, p->len);
        pkt_free(p);
        fx_forget(&f);
        assert_int_equal(dest_in_use(f.r, dest_find(f.r, &s), f.now), i == 1);
    }
}

/* Feasibility distances without a route go first; a restarted origin never finds the table full. */
static void old_distances_go(void **state)
{
    (void)state;
    with_limits(100, 100, 1000000);
    f.auto_ihu = true;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    for (unsigned i = 0; i < 100; i++) {
        struct router_id rid = rid_of(i);
        tell(a, i, 1);
        fx_want(&f, b, &rid);
    }
    for (unsigned i = 0; i < 50; i++)
        tell(a, i, METRIC_INFINITE);
    fx_advance(&f, 7 * USEC_SEC);
    fx_forget(&f);
    assert_int_equal(fx_stats(&f).routes, 50);
    assert_int_equal(fx_stats(&f).sources, 100);
    for (unsigned i = 200; i < 250; i++)
        tell(a, i, 1);
    assert_int_equal(fx_stats(&f).routes, 100);
    assert_int_equal(fx_stats(&f).evicted_routes, 0);
    assert_int_equal(fx_stats(&f).evicted_sources, 50);
    for (unsigned i = 50; i < 100; i++)
        assert_true(known(i));
}

/* Fewer sources than routes: who has most routes pays here too. */
static void only_sources_are_full(void **state)
{
    (void)state;
    with_limits(1000, 100, 1000000);
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    for (unsigned i = 0; i < 1000; i++)
        tell(a, i, 1);
    assert_true(known(999));
    for (unsigned i = 1000; i < 1050; i++)
        tell(b, i, 1);
    for (unsigned i = 1000; i < 1050; i++)
        assert_true(known(i));
    assert_int_equal(fx_stats(&f).limit_sources, 0);
    assert_int_equal(fx_stats(&f).sources, 100);
}

/* More neighbours than are looked at for one eviction. */
static void many_neighbours(void **state)
{
    (void)state;
    enum { N = 100, EACH = 10 };
    with_limits(N * EACH, N * EACH, 1000000);
    static peer_id peers[N];
    for (unsigned i = 0; i < N; i++)
        peers[i] = fx_up_quiet(&f);
    for (unsigned i = 0; i < N * EACH; i++)
        tell(peers[0], i, 1);
    for (unsigned p = 1; p < N; p++)
        for (unsigned i = 0; i < EACH; i++)
            tell(peers[p], 2000 + p * EACH + i, 1);
    for (unsigned p = 1; p < N; p++)
        for (unsigned i = 0; i < EACH; i++)
            assert_true(known(2000 + p * EACH + i));
    assert_int_equal(fx_stats(&f).routes, N * EACH);
    fx_down(&f, peers[0]);
    fx_advance(&f, USEC_SEC);
    fx_forget(&f);
}

/* --- seqnos ----------------------------------------------------------------------------------- */

static void bounded_seqno_steps(void **state)
{
    (void)state;
    struct subnet x = fx_subnet_of(&fx_x);
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    fx_want(&f, fx_up_quiet(&f), &fx_x);
    fx_update(&f, a, &fx_x, 10, 60000);
    fx_forget(&f);
    fx_update(&f, b, &fx_x, 0, (uint16_t)(60000 + SEQNO_STEP_MAX + 1));
    fx_expect_silence(&f);
    assert_int_equal(fx_stats(&f).seqno_too_far, 1);
    assert_int_equal(router_next_hop(f.r, &x.net), a);
    fx_update(&f, b, &fx_x, 0, (uint16_t)(60000 + 32767)); /* the furthest that is still ahead */
    assert_int_equal(fx_stats(&f).seqno_too_far, 2);
    fx_update(&f, a, &fx_x, 90, (uint16_t)(60000 + SEQNO_STEP_MAX)); /* a whole step, around zero */
    assert_int_equal(fx_stats(&f).seqno_too_far, 2);
    fx_forget(&f);
    fx_update(&f, a, &fx_x, 9, (uint16_t)(60000 + 2 * SEQNO_STEP_MAX)); /* and from there on */
    assert_int_equal(fx_stats(&f).seqno_too_far, 2);
    fx_forget(&f);

    /* With no other way nothing is lost by believing it. */
    fx_update(&f, a, &fx_x, METRIC_INFINITE, 0);
    assert_false(fx_reachable(&f, &x));
    fx_update(&f, b, &fx_x, 10, 16000);
    assert_true(fx_reachable(&f, &x));
    assert_int_equal(fx_stats(&f).seqno_too_far, 2);
}

/* Each for another seqno, so that none is the repeat of one before. */
static void seqno_requests_are_limited(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f), c = fx_up_quiet(&f);
    fx_update(&f, a, &fx_x, 10, 0);
    fx_forget(&f);
    for (uint16_t i = 1; i <= 3000; i++)
        fx_seqno_request(&f, b, &fx_x, i, 64);
    assert_int_equal(fx_count(&f, a), SEQNO_FORWARDS_BURST);
    assert_int_equal(fx_stats(&f).limit_seqno_requests, 3000 - SEQNO_FORWARDS_BURST);
    fx_forget(&f);
    fx_seqno_request(&f, c, &fx_x, 4000, 64);
    fx_expect_seqno_request(&f, a, &fx_x, 4000, 63);
    fx_expect_silence(&f);
}

/* Of what changes all the time the neighbours hear once a second, and the last word. */
static void changes_of_mind(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    struct subnet x = fx_subnet_of(&fx_x);
    size_t told = 0;
    fx_want(&f, b, &fx_x);
    for (unsigned i = 0; i < 3 * ANNOUNCEMENTS_BURST; i++) {
        fx_update(&f, a, &fx_x, i % 2 ? 100 : 300, (uint16_t)(i / 50));
        told += fx_count(&f, b);
        fx_forget(&f);
    }
    assert_in_range(told, ANNOUNCEMENTS_BURST, ANNOUNCEMENTS_BURST + 1);
    assert_true(fx_stats(&f).limit_announcements > 0);
    fx_update(&f, a, &fx_x, 700, 6 * ANNOUNCEMENTS_BURST / 100 + 1);
    fx_expect_none(&f, b);
    fx_advance(&f, ANNOUNCE_LATER);
    fx_expect_update(&f, b, &fx_x, 1710, 6 * ANNOUNCEMENTS_BURST / 100 + 1);
    fx_expect_silence(&f);

    /* A route that comes and goes is not retracted more often than it is announced. */
    told = 0;
    for (unsigned i = 0; i < 3 * ANNOUNCEMENTS_BURST; i++) {
        fx_update(&f, a, &fx_x, i % 2 ? METRIC_INFINITE : 300, 200);
        told += fx_count(&f, b);
        fx_forget(&f);
    }
    assert_true(told <= 2 * ANNOUNCEMENTS_BURST);
    assert_false(fx_reachable(&f, &x));
}

/* --- retractions and intervals ---------------------------------------------------------------- */

static void retraction_of(peer_id from, const struct router_id *rid, const struct subnet *s)
{
    struct tlv t = {.type = TLV_UPDATE,
                    .update = {.interval_cs = 30000, .metric = METRIC_INFINITE, .subnet = *s}};
    t.update.router_id = *rid;
    fx_tlv(&f, from, &t);
}

static void forged_retractions(void **state)
{
    (void)state;
    struct subnet x = fx_subnet_of(&fx_x);
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f), c = fx_up_quiet(&f);
    fx_update(&f, a, &fx_x, 10, 0);
    fx_forget(&f);
    /* From a neighbour without an entry, by whatever name: it is told our route, no more. */
    const struct router_id *names[] = {&fx_x, &fx_y, router_self(f.r)};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        retraction_of(c, names[i], &x);
        fx_expect_silence(&f);
        assert_int_equal(router_next_hop(f.r, &x.net), a);
        assert_int_equal(fx_stats(&f).route_retracted, 0);
    }
    fx_advance(&f, 200 * USEC_MS);
    fx_expect_update(&f, c, &fx_x, 1020, 0);
    fx_expect_silence(&f);
    /* From one with an entry: its own goes, that of the others stays. */
    fx_update(&f, b, &fx_x, 500, 0);
    fx_forget(&f);
    assert_int_equal(fx_stats(&f).routes, 2);
    retraction_of(b, &fx_x, &x);
    fx_expect_silence(&f);
    assert_int_equal(fx_stats(&f).route_retracted, 1);
    assert_int_equal(router_next_hop(f.r, &x.net), a);
    /* Of what nobody knows: nothing is made for it. */
    struct subnet y = fx_subnet_of(&fx_y);
    retraction_of(c, &fx_y, &y);
    assert_null(dest_find(f.r, &y));
    assert_int_equal(fx_stats(&f).sources, 1);
}

/* Who promises to be silent for eleven minutes gets the life of the others, until it is used. */
static void long_intervals(void **state)
{
    (void)state;
    f.auto_ihu = true;
    struct subnet x = fx_subnet_of(&fx_x), y = fx_subnet_of(&fx_y), z = fx_subnet_of(&fx_z);
    peer_id a = fx_up_quiet(&f);
    fx_update_interval(&f, a, &fx_x, 10, 0, 65535);
    fx_update_interval(&f, a, &fx_y, 10, 0, 65535);
    fx_update_interval(&f, a, &fx_y, 10, 0, 65535); /* renewed, not used */
    fx_update_interval(&f, a, &fx_z, 10, 0, 65535);
    fx_advance(&f, 1000 * USEC_SEC);
    fx_forget(&f);
    assert_true(fx_reachable(&f, &x) && fx_reachable(&f, &y) && fx_reachable(&f, &z));
    router_want(f.r, &z.net, f.now);
    fx_update_interval(&f, a, &fx_z, 10, 0, 65535); /* both */
    fx_advance(&f, 50 * USEC_SEC);
    fx_forget(&f);
    assert_false(fx_reachable(&f, &x));
    assert_false(fx_reachable(&f, &y));
    for (unsigned s = 50; s < 2290; s += 10) {
        assert_true(fx_reachable(&f, &z));
        fx_advance(&f, 10 * USEC_SEC);
        fx_forget(&f);
    }
    fx_advance(&f, 10 * USEC_SEC);
    assert_false(fx_reachable(&f, &z));
}

/* --- table dumps ------------------------------------------------------------------------------ */

/* The other end of a link that reads slowly: as the glue of the daemon does it. */
struct slow {
    peer_id peer;
    size_t queued, most, got;
    bool full;
};

#define SLOW_MAX ((size_t)64 * 1024)

static void slow_take(struct slow *s)
{
    struct router_out o;
    while (router_next(f.r, &o)) {
        if (o.kind == ROUTER_OUT_FRAME && o.peer == s->peer) {
            s->queued += o.pkt->len;
            s->got++;
        }
        pkt_free(o.pkt);
    }
    s->most = MAX(s->most, s->queued);
    if (!s->full && s->queued > SLOW_MAX) {
        s->full = true;
        router_peer_full(f.r, s->peer, f.now);
    }
}

static void slow_run(struct slow *s, usec_t by, size_t bytes_per_ms)
{
    for (usec_t end = f.now + by; f.now < end; f.now += USEC_MS) {
        while (router_deadline(f.r) <= f.now) {
            router_tick(f.r, f.now);
            slow_take(s);
        }
        s->queued -= MIN(s->queued, bytes_per_ms);
        if (s->full && s->queued < SLOW_MAX / 2) {
            s->full = false;
            router_peer_ready(f.r, s->peer, f.now);
            slow_take(s);
        }
    }
}

static void dump_waits_for_the_reader(void **state)
{
    (void)state;
    enum { N = 20000 };
    with_limits(2 * N, 2 * N, 1000000);
    peer_id a = fx_up_quiet(&f);
    for (unsigned i = 0; i < N; i++)
        tell(a, i, 1);
    fx_advance(&f, 2 * ANNOUNCE_LATER);
    fx_forget(&f);
    struct slow s = {.peer = fx_up_quiet(&f)};
    const struct tlv t = {.type = TLV_ROUTE_REQUEST, .route_request = {.wildcard = true}};
    struct pkt *p = tlv_encode(&t);
    assert_non_null(p);
    router_recv(f.r, s.peer, wire_rd_of(p->data, p->len), f.now);
    slow_take(&s);
    slow_run(&s, 5 * USEC_SEC, 0); /* reads nothing at all */
    assert_true(s.full);
    size_t begun = s.got;
    assert_true(begun < 2000);
    slow_run(&s, 5 * USEC_SEC, 0);
    assert_int_equal(s.got, begun);
    router_recv(f.r, s.peer, wire_rd_of(p->data, p->len), f.now); /* once more is no dump more */
    slow_take(&s);
    assert_int_equal(s.got, begun);
    assert_int_equal(fx_stats(&f).limit_dumps, 1);
    slow_run(&s, 14 * USEC_SEC, 200); /* 200 kB/s */
    assert_true(s.got > N);
    assert_in_range(s.got, N + 1, N + 3); /* and the own /64, Hellos */
    assert_true(s.most < SLOW_MAX + (size_t)DUMP_PIECE * 80);
    router_peer_ready(f.r, s.peer, f.now); /* nothing was waiting */
    router_peer_full(f.r, 12345, f.now);
    router_peer_ready(f.r, 12345, f.now);
    slow_take(&s);
    assert_in_range(s.got, N + 1, N + 3);
    pkt_free(p);
}

/* Records come and go under it; those that stay are all told. */
static void dump_while_tables_change(void **state)
{
    (void)state;
    enum { N = 3000 };
    static unsigned told[2 * N];
    static struct ip6 nets[2 * N];
    peer_id a = fx_up_quiet(&f), c = fx_up_quiet(&f), b = fx_up_quiet(&f);
    for (unsigned i = 0; i < 2 * N; i++)
        nets[i] = address_of(i);
    for (unsigned i = 0; i < N; i++)
        tell(i % 2 ? a : c, i, 1);
    fx_route_request(&f, b, NULL, 0);
    fx_down(&f, c);
    for (unsigned i = N; i < 2 * N && fx_count(&f, b) < FX_FRAMES / 2; i++) {
        struct router_id rid = rid_of(i);
        fx_update(&f, a, &rid, 1, 0);
        if (i % 50 == 0)
            fx_advance(&f, DUMP_PIECE_EVERY);
        struct pkt *p;
        while ((p = fx_take(&f, b)) != NULL) {
            for (unsigned k = 0; p->data[8] == TLV_UPDATE && k < 2 * N; k++)
                told[k] += memcmp(p->data + 20, nets[k].b, 8) == 0;
            pkt_free(p);
        }
        fx_forget(&f);
    }
    for (unsigned i = 1; i < N; i += 2)
        assert_int_equal(told[i], 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(new_subnets_are_paced),
        T(forged_subnets_cost_tokens_too),
        T(wanted_subnets_always_pass),
        T(flood_pays_for_itself),
        T(eviction_is_quiet),
        T(all_in_use),
        T(own_traffic_is_no_use),
        T(old_distances_go),
        T(only_sources_are_full),
        T(many_neighbours),
        T(bounded_seqno_steps),
        T(seqno_requests_are_limited),
        T(changes_of_mind),
        T(forged_retractions),
        T(long_intervals),
        T(dump_waits_for_the_reader),
        T(dump_while_tables_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
