/* Hello, IHU, link cost, coming and going: docs/protocol/routing.md, "Constants and timers". */
#include <string.h>

#include "fixture.h"
#include "router/core.h"

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

static void rounds(void **state)
{
    (void)state;
    f.auto_ihu = true;
    peer_id a = fx_up(&f);
    fx_expect_own(&f, a, 0);
    fx_expect_hello(&f, a, 0);
    for (uint16_t i = 1; i < 15; i++) {
        fx_advance(&f, 20 * USEC_SEC - 1);
        fx_expect_silence(&f);
        fx_advance(&f, 1);
        fx_expect_hello(&f, a, i);
        fx_expect_silence(&f);
    }
    fx_advance(&f, 20 * USEC_SEC); /* 300 s after the start: the own /64 again */
    assert_int_equal(fx_count(&f, a), 2);
    fx_forget(&f);
    fx_advance(&f, 600 * USEC_SEC);
    assert_int_equal(fx_count(&f, a), 30 + 2);
}

static void every_hello_is_answered(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f);
    fx_hello(&f, a);
    fx_hello(&f, a);
    fx_expect_ihu(&f, a, 1010);
    fx_expect_ihu(&f, a, 1010);
    /* Several TLVs in one packet, with padding: none of us sends that, but it is Babel. */
    fx_hex(&f, a,
           "010100002a030017"
           "04068000000007d0"
           "00"
           "01020000"
           "0406800000010001"
           "0000");
    fx_expect_ihu(&f, a, 1010);
    fx_expect_ihu(&f, a, 1010);
    fx_expect_silence(&f);
}

/* The first Hello leaves at once and its answer counts in full: 500 + 10, not 950 + 10 as from a
 * node that mixes it into the initial 1000. */
static void first_sample(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f);
    fx_advance(&f, 500 * USEC_MS);
    fx_ihu(&f, a);
    fx_hello(&f, a);
    fx_expect_ihu(&f, a, 510);
}

static void unasked_answers(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f);
    fx_advance(&f, 500 * USEC_MS);
    for (unsigned i = 0; i < 200; i++) {
        fx_advance(&f, USEC_MS);
        fx_ihu(&f, a);
    }
    fx_hello(&f, a);
    fx_expect_ihu(&f, a, 511);
    /* The answer to an earlier Hello can not be measured against a later one. */
    peer_id b = fx_up_quiet(&f);
    fx_advance(&f, 20 * USEC_SEC);
    fx_forget(&f);
    fx_ihu(&f, b);
    fx_hello(&f, b);
    fx_expect_ihu(&f, b, 5010);
}

static void silent_neighbour(void **state)
{
    (void)state;
    struct router_out o;
    peer_id a = fx_up_quiet(&f);
    f.auto_ihu = true;
    peer_id b = fx_up_quiet(&f);
    f.auto_ihu = false;
    struct subnet x = fx_subnet_of(&fx_x);
    fx_want(&f, b, &fx_x);
    fx_update(&f, a, &fx_x, 0, 0);
    fx_hello(&f, a); /* says nothing about whether it hears us */
    usec_t start = f.now;
    while (f.now < start + 43 * USEC_SEC) {
        fx_advance(&f, USEC_SEC);
        fx_ihu(&f, b);
    }
    assert_false(fx_event(&f, ROUTER_OUT_CLOSE, &o));
    fx_forget(&f);
    fx_advance(&f, USEC_SEC);
    assert_true(fx_event(&f, ROUTER_OUT_CLOSE, &o));
    assert_int_equal(o.peer, a);
    assert_false(fx_event(&f, ROUTER_OUT_CLOSE, &o));
    fx_expect_retraction(&f, b, &x, 0);
    assert_int_equal(fx_stats(&f).peer_died, 1);
    assert_int_equal(fx_stats(&f).peers, 1);
    fx_down(&f, a); /* the link reports its end too */
    assert_int_equal(fx_stats(&f).peer_removed, 1);
}

static void send_to(const struct subnet *s)
{
    struct ip6 src = router_address(f.r), dst = s->net;
    dst.b[15] = 1;
    int rc = router_send(f.r, &src, &dst, USER_MESSAGE, 64, pkt_copy("x", 1), f.now);
    assert_int_equal(rc, OK);
    fx_advance(&f, 0);
}

/* A new neighbour hears of what is in use and, when it has had time for that, is asked about it. */
static void new_neighbour(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f);
    struct subnet x = fx_subnet_of(&fx_x), z = fx_subnet_of(&fx_z);
    fx_update(&f, a, &fx_x, 5, 0);
    fx_update(&f, a, &fx_y, 5, 0); /* known, not in use */
    send_to(&x);
    send_to(&z); /* not known: searched */
    fx_forget(&f);
    peer_id b = fx_up(&f);
    fx_expect_own(&f, b, 0);
    fx_expect_hello(&f, b, 0);
    fx_expect_route_request(&f, b, &z, 0);
    fx_expect_update(&f, b, &fx_x, 1015, 0);
    fx_expect_silence(&f);
    fx_advance(&f, NEW_PEER_ASK_AFTER);
    fx_expect_route_request(&f, b, &x, 15);
    fx_expect_silence(&f);
    fx_update(&f, b, &fx_x, 1, 0); /* a second path: kept for later */
    fx_down(&f, a);
    assert_true(fx_reachable(&f, &x));
}

/* What is in use follows a link that became much better. */
static void cost_change(void **state)
{
    (void)state;
    struct ip6 dst = fx_subnet_of(&fx_x).net;
    peer_id a = fx_up_quiet(&f);
    fx_advance(&f, 100 * USEC_MS);
    fx_ihu(&f, a); /* 110 */
    peer_id b = fx_up_quiet(&f);
    peer_id c = fx_up_quiet(&f);
    fx_want(&f, c, &fx_x);
    fx_want(&f, a, &fx_x);
    fx_update(&f, a, &fx_x, 50, 0);
    fx_update(&f, b, &fx_x, 51, 0);
    struct subnet x = fx_subnet_of(&fx_x);
    send_to(&x);
    fx_forget(&f);
    assert_int_equal(router_next_hop(f.r, &dst), a);
    fx_advance(&f, 5 * USEC_MS);
    fx_ihu(&f, b); /* 15 instead of 1010 */
    fx_advance(&f, 0);
    assert_int_equal(router_next_hop(f.r, &dst), b);
    fx_expect_update(&f, c, &fx_x, 66, 0);
    fx_expect_update(&f, a, &fx_x, 66, 0);
    fx_expect_silence(&f);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(rounds),           T(every_hello_is_answered), T(first_sample), T(unasked_answers),
        T(silent_neighbour), T(new_neighbour),           T(cost_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
