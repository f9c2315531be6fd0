/* docs/protocol/routing.md, "Seqno requests". */
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

static void own_seqno(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    const struct router_id *self = router_self(f.r);
    fx_advance(&f, 500 * USEC_MS);
    fx_seqno_request(&f, a, self, 0, 64); /* reached: answered */
    fx_expect_own(&f, a, 0);
    fx_seqno_request(&f, a, self, 1, 64); /* soon after the start: nobody waits for the hold-down */
    fx_expect_own(&f, a, 1);
    fx_expect_own(&f, b, 1);
    for (uint16_t i = 2; i <= SEQNO_BUMPS_BURST; i++) { /* again at once: links can go in a row */
        fx_seqno_request(&f, a, self, i, 64);
        fx_expect_own(&f, a, i);
        fx_expect_own(&f, b, i);
    }
    fx_seqno_request(&f, a, self, 4, 64);
    fx_expect_silence(&f);
    fx_advance(&f, 4 * USEC_SEC);
    fx_seqno_request(&f, a, self, 9, 64); /* one step, whatever was asked for */
    fx_expect_own(&f, a, 4);
    fx_expect_own(&f, b, 4);
    fx_seqno_request(&f, a, self, 9, 64);
    fx_expect_silence(&f);
    fx_advance(&f, 4200 * USEC_MS);
    fx_seqno_request(&f, b, self, 9, 1); /* the hop count does not matter at the origin */
    fx_expect_own(&f, a, 5);
    fx_expect_own(&f, b, 5);
    fx_expect_silence(&f);
    assert_int_equal(fx_stats(&f).seqno_bump, 5);
}

static void hop_count(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    fx_update(&f, a, &fx_x, 10, 0);
    fx_forget(&f);
    fx_seqno_request(&f, b, &fx_x, 1, 1);
    fx_expect_silence(&f);
    assert_int_equal(fx_stats(&f).seqno_ttl_expired, 1);
    fx_seqno_request(&f, b, &fx_x, 1, 2);
    fx_expect_seqno_request(&f, a, &fx_x, 1, 1);
    fx_expect_silence(&f);
    fx_seqno_request(&f, b, &fx_x, 2, 0);
    fx_expect_silence(&f);
    assert_int_equal(fx_stats(&f).malformed_tlvs, 1);
}

/* The answer carries the cost of the way, not that of the link to who asks; and a request that is
 * under way is not sent twice, but the second asker gets the answer too. */
static void requesters(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f), c = fx_up_quiet(&f);
    fx_ihu(&f, b); /* b is near, a is not measured */
    fx_update(&f, a, &fx_x, 10, 3);
    fx_forget(&f);
    fx_seqno_request(&f, b, &fx_x, 3, 64);
    fx_expect_update(&f, b, &fx_x, 1020, 3);
    fx_seqno_request(&f, b, &fx_x, 4, 64);
    fx_expect_seqno_request(&f, a, &fx_x, 4, 63);
    fx_seqno_request(&f, c, &fx_x, 4, 64);
    fx_seqno_request(&f, b, &fx_x, 4, 64);
    fx_expect_silence(&f);
    fx_update(&f, a, &fx_x, 10, 4);
    fx_expect_update(&f, b, &fx_x, 1020, 4);
    fx_expect_update(&f, c, &fx_x, 1020, 4);
    fx_expect_silence(&f);
    fx_seqno_request(&f, c, &fx_x, 4, 64); /* known now: answered, whatever was remembered */
    fx_expect_update(&f, c, &fx_x, 1020, 4);
    fx_expect_silence(&f);
}

/* A neighbour that asked and then found a way itself can pass on what others ask for. */
static void asker_becomes_next_hop(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f), c = fx_up_quiet(&f);
    fx_update(&f, a, &fx_x, 300, 3);
    fx_seqno_request(&f, b, &fx_x, 4, 64);
    fx_expect_seqno_request(&f, a, &fx_x, 4, 63);
    fx_seqno_request(&f, c, &fx_x, 4, 64);
    fx_expect_silence(&f);
    fx_update(&f, b, &fx_x, 50, 3); /* better, and not new enough for c */
    fx_expect_seqno_request(&f, b, &fx_x, 4, 64);
    fx_expect_silence(&f);
    fx_update(&f, b, &fx_x, 50, 4);
    fx_expect_update(&f, c, &fx_x, 1060, 4);
    fx_expect_silence(&f);
}

/* Another origin of the same /64 satisfies any request; a route over who asks does not. */
static void answer_rules(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    struct router_id again = fx_x;
    again.b[39] ^= 1;
    fx_update(&f, a, &fx_x, 10, 3);
    fx_forget(&f);
    fx_seqno_request(&f, b, &again, 60, 64);
    fx_expect_update(&f, b, &fx_x, 1020, 3);
    fx_seqno_request(&f, a, &fx_x, 3, 64);
    fx_expect_silence(&f);
    assert_int_equal(fx_stats(&f).seqno_unhandled, 1);
}

/* Who asks for a newer seqno has a route over us. It is told when there is none. */
static void asked_without_route(void **state)
{
    (void)state;
    f.auto_ihu = true;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    struct subnet x = fx_subnet_of(&fx_x), y = fx_subnet_of(&fx_y), own = fx_own(&f);
    struct subnet wide = {.net = x.net, .plen = 32};
    fx_seqno_request(&f, b, &fx_y, 1, 64); /* never heard of it */
    fx_expect_retraction(&f, b, &y, 0);
    fx_want(&f, b, &fx_x);
    fx_update(&f, a, &fx_x, 10, 3);
    fx_forget(&f);
    fx_advance(&f, 1060 * USEC_SEC); /* it ended, unused; what was announced is remembered */
    fx_forget(&f);
    assert_false(fx_reachable(&f, &x));
    fx_seqno_request(&f, b, &fx_x, 4, 64);
    fx_expect_retraction(&f, b, &x, 0);
    fx_expect_silence(&f);
    assert_int_equal(fx_stats(&f).seqno_unhandled, 2);
    struct tlv t = {.type = TLV_SEQNO_REQUEST, /* what is never announced is not retracted */
                    .seqno_request = {.seqno = 1, .hop_count = 64, .router_id = fx_x}};
    t.seqno_request.subnet = wide;
    fx_tlv(&f, b, &t);
    t.seqno_request.subnet = own;
    fx_tlv(&f, b, &t);
    fx_expect_silence(&f);
    assert_int_equal(fx_stats(&f).seqno_unhandled, 4);
}

/* Repeated after 2, 4 and 8 s while packets wait and nothing is feasible; each time for one more,
 * as who passed it on keeps silent about the same one. */
static void repeats(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    struct subnet x = fx_subnet_of(&fx_x);
    fx_want(&f, b, &fx_x);
    fx_update(&f, a, &fx_x, 10, 0);
    fx_down(&f, a);
    fx_forget(&f);
    struct ip6 src = router_address(f.r), dst = x.net;
    struct pkt *p = pkt_copy("hello", 5);
    assert_int_equal(router_send(f.r, &src, &dst, USER_MESSAGE, 64, p, f.now), OK);
    fx_update(&f, b, &fx_x, 1020, 0); /* not feasible: asked at once */
    fx_expect_route_request(&f, b, &x, 0);
    fx_expect_seqno_request(&f, b, &fx_x, 1, 64);
    static const usec_t after[] = {SEQNO_RETRY_FIRST, SEQNO_RETRY_SECOND, SEQNO_RETRY_LAST};
    for (uint16_t i = 1; i <= ARRAY_LEN(after); i++) {
        fx_advance(&f, after[i - 1] - USEC_MS);
        fx_expect_silence(&f);
        fx_advance(&f, USEC_MS);
        fx_expect_seqno_request(&f, b, &fx_x, (uint16_t)(1 + i), 64);
        fx_expect_silence(&f);
    }
    fx_update(&f, b, &fx_x, 1020, 1);
    struct pkt *sent = fx_take(&f, b);
    assert_non_null(sent);
    assert_int_equal(sent->data[1], OUTER_DATA);
    assert_int_equal(sent->data[7], 63);
    pkt_free(sent);
    fx_expect_silence(&f);
    fx_advance(&f, 60 * USEC_SEC); /* entries go after a minute */
    assert_int_equal(f.r->seqno_entries_len, 0);
}

static void bounded(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    fx_update(&f, a, &fx_x, 10, 0);
    for (uint16_t i = 1; i < 1000; i++) {
        fx_seqno_request(&f, b, &fx_x, i, 64);
        fx_forget(&f);
    }
    assert_int_equal(f.r->seqno_entries_len, SEQNO_PER_DEST_MAX);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(own_seqno),    T(hop_count),           T(requesters), T(asker_becomes_next_hop),
        T(answer_rules), T(asked_without_route), T(repeats),    T(bounded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
