/* Neighbours of another kind, which keep silent where a node of this program answers.
 * docs/protocol/routing.md, "Neighbours of another kind". */
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

static peer_id up_foreign(void)
{
    peer_id p = fx_up_foreign(&f);
    fx_hello(&f, p); /* its first has seqno 0 */
    fx_forget(&f);
    return p;
}

static void told_apart(void **state)
{
    (void)state;
    peer_id a = fx_up_foreign(&f), b = fx_up_foreign(&f);
    fx_hello_seqno(&f, a, HELLO_SEQNO_FIRST);
    fx_hello_seqno(&f, b, 0);
    fx_hello_seqno(&f, b, HELLO_SEQNO_FIRST); /* only the first one counts */
    assert_true(neighbour_find(f.r, a)->on_request);
    assert_false(neighbour_find(f.r, b)->on_request);
}

/* It tells nobody about a seqno but who asked for exactly that, and once: so it is asked for its
 * route some times, until the answer is there. */
static void chased(void **state)
{
    (void)state;
    peer_id a = up_foreign(), b = fx_up_quiet(&f);
    struct subnet x = fx_subnet_of(&fx_x);
    fx_update(&f, a, &fx_x, 10, 0);
    fx_forget(&f);
    fx_seqno_request(&f, b, &fx_x, 1, 64);
    fx_expect_seqno_request(&f, a, &fx_x, 1, 63);
    fx_advance(&f, CHASE_FIRST - USEC_MS);
    fx_expect_silence(&f);
    for (int i = 0; i < CHASES; i++) {
        fx_advance(&f, i == 0 ? USEC_MS : CHASE_FIRST << 2 * i);
        fx_expect_route_request(&f, a, &x, GENERATION_LIMIT - 1);
        fx_expect_silence(&f);
    }
    fx_advance(&f, 3 * USEC_SEC);
    fx_expect_silence(&f);
    fx_advance(&f, 2 * USEC_SEC);
    fx_seqno_request(&f, b, &fx_x, 5, 64);
    fx_expect_seqno_request(&f, a, &fx_x, 5, 63);
    fx_update(&f, a, &fx_x, 10, 5);
    fx_expect_update(&f, b, &fx_x, 1020, 5);
    fx_advance(&f, 2 * USEC_SEC); /* nothing is open any more */
    fx_expect_silence(&f);
}

/* A request that it has seen in this minute, from us or before us, it does not look at: the next
 * seqno is asked for. What comes then is news for who asked, also when it asked for more. */
static void later_seqno(void **state)
{
    (void)state;
    peer_id a = up_foreign(), b = fx_up_quiet(&f), c = fx_up_quiet(&f);
    fx_seqno_request(&f, a, &fx_x, 1, 64); /* nothing known: told so */
    fx_update(&f, a, &fx_x, 10, 0);
    fx_forget(&f);
    fx_seqno_request(&f, b, &fx_x, 1, 64);
    fx_expect_seqno_request(&f, a, &fx_x, 1, 63);
    fx_advance(&f, SEQNO_REPEAT_GUARD);
    fx_forget(&f);
    fx_seqno_request(&f, b, &fx_x, 1, 64);
    fx_expect_seqno_request(&f, a, &fx_x, 2, 63);
    fx_expect_silence(&f);
    fx_seqno_request(&f, a, &fx_x, 3, 64); /* its own wish; nobody can fulfil it */
    fx_advance(&f, SEQNO_REPEAT_GUARD);
    fx_forget(&f);
    fx_seqno_request(&f, c, &fx_x, 3, 64);
    fx_expect_seqno_request(&f, a, &fx_x, 4, 63);
    fx_update(&f, a, &fx_x, 10, 1); /* one step */
    fx_expect_update(&f, b, &fx_x, 1020, 1);
    fx_expect_update(&f, c, &fx_x, 1020, 1);
    fx_expect_silence(&f);
}

/* It does not repeat what it asked for: the request is repeated for it. */
static void repeated_for_it(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f), b = up_foreign();
    fx_update(&f, a, &fx_x, 10, 0);
    fx_forget(&f);
    fx_seqno_request(&f, b, &fx_x, 1, 64);
    fx_expect_seqno_request(&f, a, &fx_x, 1, 63);
    fx_advance(&f, SEQNO_RETRY_FIRST);
    fx_expect_seqno_request(&f, a, &fx_x, 2, 64);
    fx_expect_silence(&f);
    fx_update(&f, a, &fx_x, 10, 1);
    fx_expect_update(&f, b, &fx_x, 1020, 1);
    fx_advance(&f, 10 * USEC_SEC);
    fx_expect_silence(&f);
}

/* What it cannot use is shown again whenever it is chased: that is no reason to ask again. */
static void no_echo(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f), b = up_foreign();
    struct subnet x = fx_subnet_of(&fx_x);
    fx_want(&f, b, &fx_x);
    fx_update(&f, a, &fx_x, 10, 0);
    fx_down(&f, a);
    fx_forget(&f);
    size_t requests = 0;
    for (int i = 0; i < 100; i++) {
        fx_update(&f, b, &fx_x, 1500, 0);
        fx_advance(&f, 10 * USEC_MS);
        requests += fx_count(&f, b);
        fx_forget(&f);
    }
    assert_in_range(requests, 1, 1 + CHASES);
    assert_false(fx_reachable(&f, &x));
}

/* After a retraction it searches nothing for a while, nor does it pass on who searches: our
 * neighbours are asked for it, and it is told. Nobody passes that question on. */
static void lost_there(void **state)
{
    (void)state;
    peer_id a = up_foreign(), b = fx_up_quiet(&f), c = fx_up_quiet(&f);
    struct subnet x = fx_subnet_of(&fx_x), y = fx_subnet_of(&fx_y);
    fx_update(&f, a, &fx_x, 10, 3);
    fx_forget(&f);
    fx_update(&f, a, &fx_x, METRIC_INFINITE, 0);
    fx_expect_route_request(&f, b, &x, GENERATION_LIMIT - 1);
    fx_expect_route_request(&f, c, &x, GENERATION_LIMIT - 1);
    fx_expect_silence(&f);
    fx_update(&f, b, &fx_x, 50, 3);
    fx_expect_update(&f, a, &fx_x, 1060, 3);
    /* It had a better route with this seqno, and does not always say so. */
    fx_expect_seqno_request(&f, b, &fx_x, 4, 63);
    fx_expect_silence(&f);
    fx_update(&f, b, &fx_x, 50, 4);
    fx_expect_update(&f, a, &fx_x, 1060, 4);
    fx_expect_silence(&f);

    fx_update(&f, a, &fx_y, METRIC_INFINITE, 0); /* what we did not know */
    fx_expect_route_request(&f, b, &y, GENERATION_LIMIT - 1);
    fx_expect_route_request(&f, c, &y, GENERATION_LIMIT - 1);
    fx_route_request(&f, c, &y, 0); /* a search goes on all the same */
    fx_expect_route_request(&f, a, &y, 1);
    fx_expect_route_request(&f, b, &y, 1);
    fx_expect_silence(&f);

    fx_update(&f, b, &fx_z, 10, 0); /* nodes of this program ask for what they want */
    fx_forget(&f);
    fx_update(&f, b, &fx_z, METRIC_INFINITE, 0);
    fx_expect_silence(&f);
}

/* With what it lost it may have had a newer seqno than we know; and when it asks for what it was
 * told, it cannot use it. */
static void cannot_use_it(void **state)
{
    (void)state;
    peer_id a = up_foreign(), b = fx_up_quiet(&f);
    struct subnet x = fx_subnet_of(&fx_x);
    fx_update(&f, b, &fx_x, 50, 2);
    fx_update(&f, a, &fx_x, 10, 2); /* selected */
    fx_ihu(&f, a);
    fx_want(&f, a, &fx_x);
    fx_forget(&f);
    fx_update(&f, a, &fx_x, METRIC_INFINITE, 0);
    fx_expect_update(&f, a, &fx_x, 1060, 2);
    fx_expect_seqno_request(&f, b, &fx_x, 3, 63);
    fx_expect_silence(&f);
    fx_update(&f, b, &fx_x, 50, 3);
    fx_expect_update(&f, a, &fx_x, 1060, 3);
    fx_forget(&f);
    fx_route_request(&f, a, &x, 0);
    fx_expect_update(&f, a, &fx_x, 1060, 3);
    fx_expect_seqno_request(&f, b, &fx_x, 4, 63);
    fx_expect_silence(&f);
}

/* It was told that our route is lost: it is told when there is one again. */
static void lost_here(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f), b = up_foreign(), c = fx_up_quiet(&f);
    struct subnet x = fx_subnet_of(&fx_x);
    fx_want(&f, b, &fx_x);
    fx_update(&f, a, &fx_x, 10, 0);
    fx_forget(&f);
    fx_down(&f, a);
    fx_expect_retraction(&f, b, &x, 0);
    fx_expect_silence(&f);
    fx_update(&f, c, &fx_x, 10, 1);
    fx_expect_update(&f, b, &fx_x, 1020, 1);
    fx_expect_silence(&f);
}

/* Whatever it retracts, it makes us ask so much and no more. */
static void bounded(void **state)
{
    (void)state;
    peer_id a = up_foreign(), b = fx_up_quiet(&f);
    size_t asked = 0;
    for (unsigned i = 0; i < 3000; i++) {
        struct router_id rid = {{(uint8_t)i, (uint8_t)(i >> 8), 7}};
        fx_update(&f, a, &rid, METRIC_INFINITE, 0);
        asked += fx_count(&f, b);
        fx_forget(&f);
    }
    assert_int_equal(asked, LOST_LOOKS_BURST);
    assert_int_equal(fx_stats(&f).queries, LOST_LOOKS_BURST);
    fx_advance(&f, QUERY_LIFE);
    assert_int_equal(fx_stats(&f).queries, 0);
}

/* It does not look whether its links are alive: a link that brings data is one in use. */
static void brings_data(void **state)
{
    (void)state;
    peer_id a = up_foreign(), b = fx_up_quiet(&f);
    struct ip6 src = fx_subnet_of(&fx_y).net, dst = fx_subnet_of(&fx_x).net;
    struct pkt *p = pkt_new(60);
    assert_non_null(p);
    memset(p->data, 1, p->len);
    data_encode(p, 10, &src, &dst);
    fx_update(&f, b, &fx_x, 5, 0);
    fx_forget(&f);
    fx_advance(&f, 2 * USEC_SEC);
    fx_expect_silence(&f);
    fx_bytes(&f, a, p->data, p->len);
    pkt_free(p);
    fx_forget(&f);
    fx_advance(&f, 1200 * USEC_MS);
    assert_true(fx_count(&f, a) > 0);
    fx_advance(&f, 7 * USEC_SEC); /* nothing is heard; 1 s counts as its round trip */
    assert_true(neighbour_find(f.r, a)->silent);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(told_apart), T(chased),        T(later_seqno), T(repeated_for_it), T(no_echo),
        T(lost_there), T(cannot_use_it), T(lost_here),   T(bounded),         T(brings_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
