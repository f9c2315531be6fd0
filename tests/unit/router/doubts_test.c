/* Next hops that do not deliver: docs/protocol/routing.md, "Doubted next hops". */
#include <string.h>

#include "fixture.h"
#include "router/core.h"

static struct fx f;
static struct ip6 x_addr;

static int setup(void **state)
{
    (void)state;
    fx_init(&f, NULL);
    f.auto_ihu = true;
    x_addr = fx_subnet_of(&fx_x).net;
    x_addr.b[15] = 1;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fx_fini(&f);
    return 0;
}

static peer_id up(void)
{
    peer_id p = fx_up_quiet(&f);
    fx_advance(&f, NEW_PEER_ASK_AFTER);
    fx_forget(&f);
    return p;
}

static void send_x(void)
{
    struct ip6 src = router_address(f.r);
    int rc = router_send(f.r, &src, &x_addr, USER_MESSAGE, 64, pkt_copy("x", 1), f.now);
    assert_int_equal(rc, OK);
    fx_advance(&f, 0);
}

/* Some time on, and what was sent meanwhile is forgotten. */
static void later(usec_t by)
{
    fx_advance(&f, by);
    fx_forget(&f);
}

static void doubt(void)
{
    router_doubt(f.r, &x_addr, f.now);
    fx_advance(&f, 0);
}

static peer_id hop(void)
{
    return router_next_hop(f.r, &x_addr);
}

/* Routes to x over three links, the first one the best. */
static void three_ways(peer_id v[3])
{
    for (uint16_t i = 0; i < 3; i++)
        v[i] = up();
    for (uint16_t i = 0; i < 3; i++)
        fx_update(&f, v[i], &fx_x, i, 0);
    send_x();
    later(2 * USEC_SEC);
    assert_int_equal(hop(), v[0]);
}

static void another_way(void **state)
{
    (void)state;
    peer_id v[3];
    three_ways(v);
    doubt();
    assert_int_equal(hop(), v[1]);
    assert_int_equal(fx_stats(&f).doubts, 1);
    assert_int_equal(fx_stats(&f).doubt_switches, 1);
    fx_expect_silence(&f); /* the figures hardly differ: nobody is told, nobody is asked */
    /* Updates do not bring it back. */
    fx_update(&f, v[0], &fx_x, 0, 0);
    fx_update(&f, v[1], &fx_x, 1, 0);
    assert_int_equal(hop(), v[1]);
    later(DOUBT_FOR - USEC_SEC);
    assert_int_equal(hop(), v[1]);
}

/* What was sent before a switch says nothing about the new next hop. */
static void settles(void **state)
{
    (void)state;
    peer_id v[3];
    three_ways(v);
    doubt();
    doubt();
    later(DOUBT_SETTLE - 1);
    doubt();
    assert_int_equal(hop(), v[1]);
    assert_int_equal(fx_stats(&f).doubts, 1);
    later(1);
    doubt();
    assert_int_equal(hop(), v[2]);
    assert_int_equal(fx_stats(&f).doubts, 2);
}

static void turns(void **state)
{
    (void)state;
    peer_id v[3];
    three_ways(v);
    for (unsigned i = 0; i < 7; i++) {
        assert_int_equal(hop(), v[i % 3]);
        doubt();
        later(2 * USEC_SEC);
    }
    assert_int_equal(fx_stats(&f).doubt_switches, 7);
}

/* 30 s, then 60 s, ... up to 600 s; nothing is left after as much trust. */
static void longer_each_time(void **state)
{
    (void)state;
    peer_id v[2];
    struct router_link slow = {.static_cost = 40};
    v[0] = up();
    assert_int_equal(router_peer_up(f.r, &slow, f.now, &v[1]), OK);
    later(USEC_SEC);
    fx_update(&f, v[0], &fx_x, 0, 0);
    fx_update(&f, v[1], &fx_x, 1, 0);
    send_x();
    later(2 * USEC_SEC);
    static const int spans_s[] = {30, 60, 120, 240, 480, 600, 600};
    for (size_t i = 0; i < ARRAY_LEN(spans_s); i++) {
        doubt();
        assert_int_not_equal(hop(), v[0]);
        for (int s = 0; s < spans_s[i]; s += 20) {
            fx_update(&f, v[0], &fx_x, 0, 0);
            fx_update(&f, v[1], &fx_x, 1, 0);
            later(MIN(20, spans_s[i] - s) * USEC_SEC - (s + 20 >= spans_s[i]));
        }
        assert_int_not_equal(hop(), v[0]);
        fx_advance(&f, 1);
        assert_int_equal(hop(), v[0]);
        later(2 * USEC_SEC);
    }
    for (int s = 0; s < 600; s += 20) {
        fx_update(&f, v[0], &fx_x, 0, 0);
        later(20 * USEC_SEC);
        send_x();
    }
    assert_null(dest_extra(f.r, dest_node(f.r, &x_addr))->doubts);
    doubt();
    fx_update(&f, v[1], &fx_x, 1, 0);
    assert_int_equal(hop(), v[1]);
    later(DOUBT_FOR);
    assert_int_equal(hop(), v[0]);
}

/* Who is trusted again is asked for its route as it is now. */
static void asked_when_trusted(void **state)
{
    (void)state;
    peer_id v[3];
    struct subnet x = fx_subnet_of(&fx_x);
    three_ways(v);
    doubt();
    later(DOUBT_FOR - 1);
    struct pkt *p;
    fx_advance(&f, 1);
    while ((p = fx_take(&f, v[0])) != NULL && p->data[8] == TLV_HELLO)
        pkt_free(p);
    struct tlv t = {.type = TLV_ROUTE_REQUEST, .route_request = {.subnet = x}};
    struct pkt *want = tlv_encode(&t);
    assert_non_null(p);
    assert_int_equal(p->len, want->len);
    assert_memory_equal(p->data, want->data, p->len);
    pkt_free(p);
    pkt_free(want);
}

/* The only feasible way stays, and the others are asked: for a newer seqno where there is a route,
 * for a route everywhere; not at every call. */
static void nothing_better(void **state)
{
    (void)state;
    struct subnet x = fx_subnet_of(&fx_x);
    peer_id a = up(), b = up(), c = up();
    fx_want(&f, c, &fx_x);
    fx_update(&f, a, &fx_x, 1, 1); /* announced: seqno 1, 11 */
    fx_update(&f, b, &fx_x, 5, 1);
    fx_update(&f, b, &fx_x, 2000, 1); /* not feasible */
    send_x();
    later(2 * USEC_SEC);
    assert_int_equal(hop(), a);
    doubt();
    assert_int_equal(hop(), a);
    fx_expect_seqno_request(&f, b, &fx_x, 2, 64);
    fx_expect_route_request(&f, b, &x, 0);
    fx_expect_route_request(&f, c, &x, 0);
    fx_expect_silence(&f);
    later(2 * USEC_SEC);
    doubt();
    fx_expect_silence(&f);
    assert_int_equal(fx_stats(&f).doubts, 2);
    later(DOUBT_ASK_EVERY);
    doubt();
    fx_expect_seqno_request(&f, b, &fx_x, 2, 64);
    fx_forget(&f);
    /* A newer seqno over the doubted one is used, not announced. */
    fx_update(&f, a, &fx_x, 900, 2);
    assert_int_equal(hop(), a);
    fx_expect_silence(&f);
    fx_update(&f, b, &fx_x, 2000, 2);
    assert_int_equal(hop(), b);
    assert_int_equal(fx_stats(&f).doubt_switches, 1);
    fx_expect_update(&f, c, &fx_x, 2010, 2);
    assert_int_equal(fx_stats(&f).route_retracted, 0);
}

/* An unfeasible answer of somebody new is worth a question too. */
static void unfeasible_answer(void **state)
{
    (void)state;
    peer_id a = up(), b = up();
    fx_want(&f, b, &fx_x);
    fx_update(&f, a, &fx_x, 1, 1); /* announced with 11 */
    send_x();
    later(2 * USEC_SEC);
    fx_update(&f, b, &fx_x, 2000, 1);
    fx_expect_silence(&f);
    doubt();
    fx_forget(&f);
    fx_update(&f, b, &fx_x, 2000, 1);
    fx_expect_seqno_request(&f, b, &fx_x, 2, 64);
    fx_update(&f, b, &fx_x, 2000, 2);
    assert_int_equal(hop(), b);
}

static void without_route(void **state)
{
    (void)state;
    struct ip6 own = router_address(f.r);
    doubt();
    router_doubt(f.r, &own, f.now);
    peer_id a = up();
    fx_update(&f, a, &fx_x, 1, 0);
    later(2 * USEC_SEC);
    fx_down(&f, a);
    doubt();
    assert_int_equal(fx_stats(&f).doubts, 0);
    fx_expect_silence(&f);
}

/* The doubted neighbour goes; another link to the same node is a new one. */
static void reconnected(void **state)
{
    (void)state;
    peer_id v[3];
    three_ways(v);
    doubt();
    fx_down(&f, v[0]);
    assert_int_equal(hop(), v[1]);
    peer_id again = up();
    fx_update(&f, again, &fx_x, 0, 0);
    assert_int_equal(hop(), again);
    later(DOUBT_FOR_MAX);
}

/* More next hops than places: the doubt that ends first goes. */
static void many(void **state)
{
    (void)state;
    peer_id v[FX_PEERS];
    struct router_limits l;
    router_limits_default(&l);
    for (uint16_t i = 0; i < FX_PEERS; i++)
        v[i] = up();
    for (uint16_t i = 0; i < FX_PEERS; i++)
        fx_update(&f, v[i], &fx_x, (uint16_t)(i * 2), 0);
    peer_id extra[4];
    for (uint16_t i = 0; i < 4; i++) {
        extra[i] = up();
        fx_update(&f, extra[i], &fx_x, (uint16_t)(20 + i), 0);
    }
    send_x();
    later(2 * USEC_SEC);
    for (unsigned i = 0; i < FX_PEERS + 4; i++) {
        doubt();
        assert_true(dest_extra(f.r, dest_node(f.r, &x_addr))->doubts->len <= DOUBTS_MAX);
        later(DOUBT_SETTLE);
    }
    assert_int_equal(fx_stats(&f).doubts, FX_PEERS + 4);
    assert_int_not_equal(hop(), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(another_way),
        T(settles),
        T(turns),
        T(longer_each_time),
        T(asked_when_trusted),
        T(nothing_better),
        T(unfeasible_answer),
        T(without_route),
        T(reconnected),
        T(many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
