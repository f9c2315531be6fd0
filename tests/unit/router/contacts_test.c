/* Searches that ask one neighbour first, and who is talked to: docs/protocol/routing.md, "Route
 * requests and queries". */
#include <string.h>

#include "fixture.h"
#include "router/core.h"

static struct fx f;
static struct ip6 x_addr, y_addr;
static struct subnet x;

static int setup(void **state)
{
    (void)state;
    fx_init(&f, NULL);
    f.auto_ihu = true;
    x = fx_subnet_of(&fx_x);
    x_addr = x.net;
    x_addr.b[15] = 1;
    y_addr = fx_subnet_of(&fx_y).net;
    y_addr.b[15] = 1;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fx_fini(&f);
    return 0;
}

static void later(usec_t by)
{
    fx_advance(&f, by);
    fx_forget(&f);
}

/* A neighbour that has been asked what new neighbours are asked. */
static peer_id up(void)
{
    peer_id p = fx_up_quiet(&f);
    later(NEW_PEER_ASK_AFTER);
    return p;
}

static void want(const struct ip6 *via)
{
    router_want_via(f.r, &x_addr, via, f.now);
    fx_advance(&f, 0);
}

static void hint_answered(void **state)
{
    (void)state;
    peer_id a = up(), b = up();
    fx_update(&f, a, &fx_y, 0, 0);
    later(0);
    want(&y_addr);
    fx_expect_route_request(&f, a, &x, 0);
    fx_expect_silence(&f);
    fx_route_request(&f, b, &x, 0); /* it is remembered, though not asked yet */
    fx_expect_silence(&f);
    fx_advance(&f, CONTACT_GRACE - 1);
    fx_update(&f, a, &fx_x, 5, 0);
    assert_true(fx_reachable(&f, &x));
    fx_expect_update(&f, b, &fx_x, 15, 0);
    later(QUERY_LIFE + USEC_SEC);
    assert_int_equal(fx_stats(&f).hints_answered, 1);
    assert_int_equal(fx_stats(&f).hints_failed, 0);
    assert_int_equal(fx_stats(&f).queries, 0);
    fx_expect_silence(&f);
}

static void hint_in_vain(void **state)
{
    (void)state;
    peer_id a = up(), b = up(), c = up();
    fx_update(&f, a, &fx_y, 0, 0);
    later(0);
    want(&y_addr);
    fx_expect_route_request(&f, a, &x, 0);
    fx_advance(&f, CONTACT_GRACE - 1);
    want(&y_addr); /* the search is open */
    want(NULL);
    fx_expect_silence(&f);
    fx_advance(&f, 1);
    fx_expect_route_request(&f, b, &x, 0);
    fx_expect_route_request(&f, c, &x, 0);
    fx_expect_silence(&f);
    assert_int_equal(fx_stats(&f).hints_failed, 1);
    fx_update(&f, b, &fx_x, 5, 0);
    assert_true(fx_reachable(&f, &x));
    assert_int_equal(fx_stats(&f).hints_answered, 0);
}

/* Whom the hint names is not there: waited for, then everybody is asked. */
static void nobody_there(void **state)
{
    (void)state;
    peer_id a = up(), b = up();
    fx_update(&f, a, &fx_z, 0, 0);
    fx_update(&f, a, &fx_y, 7, 0); /* has a route there, but is not it */
    later(0);
    want(&y_addr);
    fx_expect_silence(&f);
    fx_advance(&f, CONTACT_WAIT - 1);
    fx_expect_silence(&f);
    fx_advance(&f, 1);
    fx_expect_route_request(&f, a, &x, 0);
    fx_expect_route_request(&f, b, &x, 0);
    fx_expect_silence(&f);
    later(QUERY_LIFE);
    assert_int_equal(fx_stats(&f).queries, 0);
    assert_int_equal(fx_stats(&f).hints_failed, 1);
}

/* It comes while it is waited for; others that come do not count. */
static void comes_late(void **state)
{
    (void)state;
    peer_id a = up();
    want(&y_addr);
    fx_advance(&f, USEC_SEC);
    fx_expect_silence(&f);
    peer_id b = fx_up(&f), c = fx_up(&f);
    fx_forget(&f);
    fx_update(&f, b, &fx_z, 0, 0);
    fx_forget(&f);
    fx_advance(&f, NEW_PEER_ASK_AFTER + 1);
    fx_expect_silence(&f); /* neither is asked, also as a newcomer */
    fx_update(&f, c, &fx_y, 0, 0);
    fx_expect_route_request(&f, c, &x, 0);
    fx_expect_silence(&f);
    fx_advance(&f, CONTACT_GRACE);
    fx_expect_route_request(&f, a, &x, 0);
    fx_expect_route_request(&f, b, &x, 0);
    fx_expect_silence(&f);
    peer_id d = fx_up(&f); /* the search is an ordinary one now */
    fx_expect_own(&f, d, 0);
    fx_expect_hello(&f, d, 0);
    fx_expect_route_request(&f, d, &x, 0);
}

static void no_hint(void **state)
{
    (void)state;
    peer_id a = up(), b = up();
    struct ip6 own = router_address(f.r), outside = {{0x20, 1}};
    want(NULL);
    fx_expect_route_request(&f, a, &x, 0);
    fx_expect_route_request(&f, b, &x, 0);
    later(QUERY_LIFE + USEC_SEC);
    want(&own);
    fx_expect_route_request(&f, a, &x, 0);
    fx_expect_route_request(&f, b, &x, 0);
    later(QUERY_LIFE + USEC_SEC);
    want(&outside);
    fx_expect_route_request(&f, a, &x, 0);
    fx_forget(&f);
    router_want_via(f.r, &own, &y_addr, f.now);
    fx_update(&f, b, &fx_x, 5, 0);
    fx_forget(&f);
    want(&y_addr); /* there is a route */
    fx_expect_silence(&f);
    assert_int_equal(fx_stats(&f).hints_failed + fx_stats(&f).hints_answered, 0);
}

/* The one that is waited for claims nothing about itself: the first announcement counts. */
static void first_announcement(void **state)
{
    (void)state;
    peer_id a = up();
    fx_update(&f, a, &fx_z, 0, 0);
    fx_update(&f, a, &fx_y, 0, 0); /* says now to be another node */
    later(0);
    want(&y_addr);
    fx_expect_silence(&f);
    later(QUERY_LIFE);
}

static void packet_waits_for_hint(void **state)
{
    (void)state;
    peer_id a = up();
    struct ip6 src = router_address(f.r);
    fx_update(&f, a, &fx_y, 0, 0);
    later(0);
    want(&y_addr);
    int rc = router_send(f.r, &src, &x_addr, USER_MESSAGE, 64, pkt_copy("x", 1), f.now);
    assert_int_equal(rc, OK);
    fx_expect_route_request(&f, a, &x, 0);
    fx_expect_silence(&f);
    fx_update(&f, a, &fx_x, 5, 0);
    assert_int_equal(fx_stats(&f).out_dequeued, 1);
}

/* --- who is talked to ------------------------------------------------------------------------- */

static struct contact_info seen[8];
static size_t seen_len;

static void see(void *ctx, const struct contact_info *i)
{
    (void)ctx;
    assert_true(seen_len < ARRAY_LEN(seen));
    seen[seen_len++] = *i;
}

static void send_to(const struct router_id *rid)
{
    struct ip6 src = router_address(f.r), dst = fx_subnet_of(rid).net;
    dst.b[15] = 1;
    int rc = router_send(f.r, &src, &dst, USER_MESSAGE, 64, pkt_copy("x", 1), f.now);
    assert_int_equal(rc, OK);
    fx_advance(&f, USEC_SEC);
}

static void expect_contact(size_t i, const struct router_id *node, const struct router_id *via)
{
    struct ip6 net = fx_subnet_of(node).net, none = {{0}};
    struct ip6 via_net = via ? fx_subnet_of(via).net : none;
    assert_true(i < seen_len);
    assert_memory_equal(seen[i].node.b, net.b, sizeof(net.b));
    assert_memory_equal(seen[i].via.b, via_net.b, sizeof(via_net.b));
}

static void contacts(void **state)
{
    (void)state;
    peer_id a = up(), b = up();
    struct router_id w = fx_router_id(9);
    fx_update(&f, a, &fx_y, 0, 0);
    fx_update(&f, a, &fx_x, 5, 0);
    fx_update(&f, b, &fx_z, 5, 0); /* has not said who it is */
    fx_update(&f, b, &w, 5, 0);    /* nothing is sent there */
    struct router_id gone = fx_router_id(10);
    send_to(&gone); /* no route */
    send_to(&fx_x);
    send_to(&fx_z);
    send_to(&fx_y);
    router_each_contact(f.r, 8, see, NULL);
    assert_int_equal(seen_len, 3);
    expect_contact(0, &fx_y, &fx_y);
    expect_contact(1, &fx_z, NULL);
    expect_contact(2, &fx_x, &fx_y);
    send_to(&fx_x);
    seen_len = 0;
    router_each_contact(f.r, 1, see, NULL);
    assert_int_equal(seen_len, 1);
    expect_contact(0, &fx_x, &fx_y);
    seen_len = 0;
    router_each_contact(f.r, 0, see, NULL);
    fx_down(&f, b);
    later(200 * USEC_SEC);
    send_to(&fx_y);
    later(USED_FOR - 100 * USEC_SEC);
    router_each_contact(f.r, 8, see, NULL);
    assert_int_equal(seen_len, 1); /* the others were long ago */
    expect_contact(0, &fx_y, &fx_y);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(hint_answered), T(hint_in_vain),       T(nobody_there),          T(comes_late),
        T(no_hint),       T(first_announcement), T(packet_waits_for_hint), T(contacts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
