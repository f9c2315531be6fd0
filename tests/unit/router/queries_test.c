/* Route requests and the renewal of routes: docs/protocol/routing.md, "Route requests and
 * queries". */
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

static struct ip6 host_in(const struct subnet *s)
{
    struct ip6 a = s->net;
    a.b[15] = 9;
    return a;
}

static int send_to(const struct subnet *s)
{
    struct ip6 src = router_address(f.r), dst = host_in(s);
    int rc = router_send(f.r, &src, &dst, USER_MESSAGE, 64, pkt_copy("x", 1), f.now);
    fx_advance(&f, 0);
    return rc;
}

static size_t take_data(peer_id p)
{
    size_t n = 0;
    struct pkt *pkt;
    while ((pkt = fx_take(&f, p)) != NULL) {
        n += pkt->data[1] == OUTER_DATA;
        pkt_free(pkt);
    }
    return n;
}

static void requests_for_own(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f);
    struct subnet own = fx_own(&f);
    struct ip6 host = host_in(&own);
    for (uint8_t plen = 64; plen <= 128; plen += 8) {
        struct subnet s = {.net = ip6_mask(&host, plen), .plen = plen};
        fx_route_request(&f, a, &s, 0);
        fx_expect_own(&f, a, 0);
    }
    fx_expect_silence(&f);
}

/* A longer prefix is answered with what covers it, and leaves nothing that stands in its way. */
static void longer_prefixes(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    struct subnet x = fx_subnet_of(&fx_x), y = fx_subnet_of(&fx_y);
    struct subnet x128 = {.net = host_in(&x), .plen = 128};
    struct subnet y128 = {.net = host_in(&y), .plen = 128};
    fx_update(&f, a, &fx_x, 10, 0);
    fx_forget(&f);
    fx_route_request(&f, b, &x128, 0);
    fx_expect_update(&f, b, &fx_x, 1020, 0);
    fx_expect_silence(&f);
    assert_int_equal(send_to(&x), OK);
    assert_int_equal(take_data(a), 1);
    fx_route_request(&f, b, &y128, 3); /* unknown: its /64 is searched */
    fx_expect_route_request(&f, a, &y, 4);
    fx_expect_silence(&f);
    assert_int_equal(fx_stats(&f).queries, 1);
}

/* Prefixes that cover many nodes are nobody's: they are not searched and hide nothing. */
static void wide_prefixes(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    struct subnet x = fx_subnet_of(&fx_x);
    struct subnet all = {.net = {{0x04}}, .plen = 7}, zero = {.plen = 0};
    struct subnet half = {.net = ip6_mask(&x.net, 63), .plen = 63};
    struct subnet outside = {.net = {{0x20, 0x01}}, .plen = 64};
    fx_route_request(&f, a, &all, 0);
    fx_route_request(&f, a, &zero, 0);
    fx_route_request(&f, a, &half, 0);
    fx_route_request(&f, a, &outside, 0);
    fx_expect_silence(&f);
    assert_int_equal(fx_stats(&f).queries, 0);
    assert_int_equal(send_to(&x), OK);
    fx_expect_route_request(&f, a, &x, 0);
    fx_expect_route_request(&f, b, &x, 0);
    fx_expect_silence(&f);
    struct ip6 far = outside.net, src = router_address(f.r), own = fx_own(&f).net;
    assert_int_equal(router_send(f.r, &src, &far, USER_L3, 64, pkt_copy("x", 1), f.now),
                     ERR_NOROUTE);
    assert_int_equal(router_send(f.r, &src, &own, USER_L3, 64, pkt_copy("x", 1), f.now),
                     ERR_NOROUTE);
    assert_int_equal(router_send(f.r, &src, &x.net, USER_L3, 1, pkt_copy("x", 1), f.now),
                     ERR_INVAL);
    fx_advance(&f, 0);
    fx_expect_silence(&f);
}

static void generations(void **state)
{
    (void)state;
    static const struct {
        uint8_t in;
        int out;
    } rows[] = {{0, 1}, {13, 14}, {14, 15}, {15, -1}, {254, -1}, {255, -1}};
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct router_id rid = fx_router_id((uint8_t)(i + 1));
        struct subnet s = fx_subnet_of(&rid);
        fx_route_request(&f, a, &s, rows[i].in);
        if (rows[i].out >= 0)
            fx_expect_route_request(&f, b, &s, (uint8_t)rows[i].out);
        fx_expect_silence(&f);
        /* Being searched: only who was not asked is asked now; unless that search went no further
         * than to our neighbours. */
        bool far = rows[i].out >= 0 && rows[i].out < GENERATION_LIMIT - 1;
        fx_route_request(&f, b, &s, 0);
        if (rows[i].out >= 0) {
            fx_expect_route_request(&f, a, &s, far ? (uint8_t)rows[i].out : 1);
            fx_expect_silence(&f);
            fx_route_request(&f, b, &s, 0);
            fx_expect_silence(&f);
        }
        fx_forget(&f);
    }
}

static void nobody_answers(void **state)
{
    (void)state;
    struct router_out o;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    struct subnet x = fx_subnet_of(&fx_x);
    assert_int_equal(send_to(&x), OK);
    fx_expect_route_request(&f, a, &x, 0);
    fx_expect_route_request(&f, b, &x, 0);
    assert_int_equal(send_to(&x), OK); /* asked once */
    fx_advance(&f, 14999 * USEC_MS);
    fx_expect_silence(&f);
    assert_false(fx_event(&f, ROUTER_OUT_UNSENT, &o));
    fx_advance(&f, USEC_MS);
    for (int i = 0; i < 2; i++) { /* both come back as they were given */
        assert_true(fx_event(&f, ROUTER_OUT_UNSENT, &o));
        assert_int_equal(o.pkt->len, 1);
        assert_int_equal(o.pkt->data[0], 'x');
        assert_int_equal(o.user_type, USER_MESSAGE);
        assert_int_equal(o.hop_limit, 64);
        pkt_free(o.pkt);
    }
    fx_expect_silence(&f);
    assert_int_equal(fx_stats(&f).queries, 0);
    assert_int_equal(f.r->nodes.count, 0); /* nothing is left of it */
    assert_int_equal(f.r->parked_bytes, 0);
    assert_int_equal(send_to(&x), OK); /* a new one may start */
    fx_expect_route_request(&f, a, &x, 0);
}

static void new_peer_is_asked(void **state)
{
    (void)state;
    struct subnet x = fx_subnet_of(&fx_x);
    struct ip6 dst = host_in(&x);
    router_want(f.r, &dst, f.now); /* before any link is up */
    peer_id a = fx_up(&f);
    fx_expect_own(&f, a, 0);
    fx_expect_hello(&f, a, 0);
    fx_expect_route_request(&f, a, &x, 0);
    fx_expect_silence(&f);
    router_want(f.r, &dst, f.now);
    fx_advance(&f, USEC_SEC);
    fx_expect_silence(&f);
}

/* One neighbour can not start any number of floods. */
static void token_bucket(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    for (unsigned i = 0; i < 1000; i++) {
        struct subnet s = {.net = {{4, (uint8_t)(i >> 8), (uint8_t)i}}, .plen = 64};
        fx_route_request(&f, a, &s, 0);
    }
    assert_int_equal(fx_count(&f, b), 100);
    assert_int_equal(fx_stats(&f).limit_requests, 900);
    fx_forget(&f);
    fx_advance(&f, USEC_SEC);
    for (unsigned i = 0; i < 1000; i++) {
        struct subnet s = {.net = {{5, (uint8_t)(i >> 8), (uint8_t)i}}, .plen = 64};
        fx_route_request(&f, a, &s, 0);
    }
    assert_int_equal(fx_count(&f, b), 20);
    fx_forget(&f);
    struct subnet x = fx_subnet_of(&fx_x);
    fx_route_request(&f, b, &x, 0); /* others are not held back by that */
    fx_expect_route_request(&f, a, &x, 1);
}

static void oldest_query_goes(void **state)
{
    (void)state;
    struct router_out o;
    struct router_limits l;
    fx_fini(&f);
    router_limits_default(&l);
    l.queries = 3;
    fx_init(&f, &l);
    for (uint8_t i = 1; i <= 5; i++) {
        struct router_id rid = fx_router_id(i);
        struct subnet s = fx_subnet_of(&rid);
        assert_int_equal(send_to(&s), OK);
    }
    assert_int_equal(fx_stats(&f).queries, 3);
    assert_int_equal(fx_stats(&f).limit_queries, 2);
    for (uint8_t i = 1; i <= 2; i++) {
        struct router_id rid = fx_router_id(i);
        struct subnet s = fx_subnet_of(&rid);
        assert_true(fx_event(&f, ROUTER_OUT_UNSENT, &o));
        assert_true(ip6_same_node(&o.dst, &s.net));
        pkt_free(o.pkt);
    }
    assert_false(fx_event(&f, ROUTER_OUT_UNSENT, &o));
}

/* Whoever was searched in vain before leaves tokens to who was not. */
static void new_before_old(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f);
    unsigned asked[2] = {0};
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 1; i <= 100; i++) {
            struct router_id rid = fx_router_id((uint8_t)i);
            struct subnet s = fx_subnet_of(&rid);
            router_want(f.r, &s.net, f.now);
            fx_advance(&f, 0);
            asked[round] += (unsigned)fx_count(&f, a);
            fx_forget(&f);
        }
        if (round == 0) {
            fx_advance(&f, QUERY_LIFE);
            fx_forget(&f);
        }
    }
    assert_int_equal(asked[0], 100);
    assert_in_range(asked[1], 40, 55);
    struct subnet x = fx_subnet_of(&fx_x);
    router_want(f.r, &x.net, f.now);
    fx_advance(&f, 0);
    fx_expect_route_request(&f, a, &x, 0);
}

/* Who fills the table pays for it. */
static void most_pays(void **state)
{
    (void)state;
    struct router_out o;
    struct router_limits l;
    fx_fini(&f);
    router_limits_default(&l);
    l.queries = 40;
    fx_init(&f, &l);
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f), c = fx_up_quiet(&f);
    struct subnet x = fx_subnet_of(&fx_x), y = fx_subnet_of(&fx_y), z = fx_subnet_of(&fx_z);
    assert_int_equal(send_to(&x), OK);
    fx_route_request(&f, b, &y, 0);
    for (uint8_t i = 1; i <= 90; i++) {
        struct router_id rid = fx_router_id(i);
        struct subnet s = fx_subnet_of(&rid);
        fx_route_request(&f, i <= 20 ? c : a, &s, 0);
        fx_forget(&f);
    }
    assert_int_equal(fx_stats(&f).queries, 40);
    assert_false(fx_event(&f, ROUTER_OUT_UNSENT, &o));
    fx_update(&f, c, &fx_y, 10, 0);
    fx_expect_update(&f, b, &fx_y, 1020, 0); /* is remembered */
    fx_forget(&f);
    fx_down(&f, c); /* nobody waits for what it wanted */
    fx_forget(&f);
    fx_route_request(&f, b, &z, 0);
    fx_route_request(&f, b, &z, 0);
    for (uint8_t i = 101; i <= 110; i++) {
        struct router_id rid = fx_router_id(i);
        struct subnet s = fx_subnet_of(&rid);
        fx_route_request(&f, a, &s, 0);
        fx_forget(&f);
    }
    assert_int_equal(fx_stats(&f).queries, 40);
    assert_false(fx_event(&f, ROUTER_OUT_UNSENT, &o));
}

static void short_life(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    struct subnet x = fx_subnet_of(&fx_x);
    fx_update_interval(&f, a, &fx_x, 0, 0, 400); /* lives 14 s: always in its last 15 */
    fx_forget(&f);
    for (unsigned i = 0; i < 2000; i++)
        assert_int_equal(send_to(&x), OK);
    fx_expect_route_request(&f, b, &x, 0);
    fx_expect_none(&f, b);
    assert_int_equal(fx_count(&f, a), 2001);
    fx_expect_route_request(&f, a, &x, 0);
    assert_int_equal(take_data(a), 2000);
}

static unsigned take_requests(peer_id from)
{
    unsigned n = 0;
    struct pkt *p;
    while ((p = fx_take(&f, from)) != NULL) {
        n += p->data[1] == OUTER_CONTROL && p->data[8] == TLV_ROUTE_REQUEST;
        pkt_free(p);
    }
    return n;
}

/* The next hop does not renew its route, another neighbour answers whenever it is asked: its
 * answers are no reason to ask again. */
static void renewal_in_vain(void **state)
{
    (void)state;
    f.auto_ihu = true;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    struct subnet x = fx_subnet_of(&fx_x);
    unsigned asked = 0, answered = 0;
    fx_advance(&f, USEC_SEC);
    fx_update(&f, a, &fx_x, 5, 0);
    for (unsigned s = 0; s < 1045; s++) {
        if (s % 60 == 0)
            assert_int_equal(send_to(&x), OK);
        fx_advance(&f, USEC_SEC);
        asked += take_requests(a);
        for (unsigned n = take_requests(b); n > 0; n--) {
            fx_update(&f, b, &fx_x, 10, 0);
            answered++;
            assert_in_range(answered, 1, 4);
        }
    }
    assert_in_range(asked, 2, 3); /* at 60 to 90 % of its life, and shortly before the end */
    fx_advance(&f, 10 * USEC_SEC);
    assert_true(router_next_hop(f.r, &x.net) == b);
}

/* A route in use is renewed by its next hop at 60 to 90 % of its life, when others are asked for
 * what they have, as when it came into use; everybody is asked when that one is silent. One that is
 * not in use dies. */
static void renewal(void **state)
{
    (void)state;
    f.auto_ihu = true;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    struct subnet x = fx_subnet_of(&fx_x), y = fx_subnet_of(&fx_y);
    fx_advance(&f, USEC_SEC); /* a new neighbour is asked for what is in use: not now */
    fx_update(&f, a, &fx_x, 5, 0);
    fx_update(&f, a, &fx_y, 5, 0);
    usec_t learned = f.now, asked = 0;
    unsigned looks = 0;
    for (unsigned s = 0; s < 1034; s++) {
        if (s % 60 == 0)
            assert_int_equal(send_to(&x), OK);
        fx_forget(&f);
        fx_advance(&f, USEC_SEC);
        struct pkt *p;
        while ((p = fx_take(&f, a)) != NULL) {
            if (p->data[1] == OUTER_CONTROL && p->data[8] == TLV_ROUTE_REQUEST) {
                assert_int_equal(asked, 0);
                asked = f.now;
            }
            pkt_free(p);
        }
        while ((p = fx_take(&f, b)) != NULL) {
            if (p->data[8] == TLV_ROUTE_REQUEST) {
                assert_int_equal(p->data[10], GENERATION_LIMIT - 1); /* goes no further */
                assert_true(looks == 0 ? s < 2 : asked == f.now);
                looks++;
            }
            pkt_free(p);
        }
    }
    assert_in_range((asked - learned) / USEC_SEC, 630, 946);
    assert_int_equal(looks, 2);
    fx_forget(&f);
    fx_advance(&f, 2 * USEC_SEC); /* 15 s before the end */
    fx_expect_route_request(&f, a, &x, 0);
    fx_expect_route_request(&f, b, &x, 0);
    fx_expect_silence(&f);
    fx_update(&f, a, &fx_x, 5, 0); /* the answer */
    fx_expect_silence(&f);
    fx_advance(&f, 16 * USEC_SEC);
    assert_true(fx_reachable(&f, &x));
    assert_false(fx_reachable(&f, &y));
}

/* A destination in use that lost its last route is searched, after the retractions. */
static void lost_in_use(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    struct subnet x = fx_subnet_of(&fx_x), y = fx_subnet_of(&fx_y);
    fx_want(&f, b, &fx_x);
    fx_want(&f, b, &fx_y);
    fx_update(&f, a, &fx_x, 5, 0);
    fx_update(&f, a, &fx_y, 5, 0);
    assert_int_equal(send_to(&x), OK);
    fx_forget(&f);
    fx_update(&f, a, &fx_x, METRIC_INFINITE, 0);
    fx_update(&f, a, &fx_y, METRIC_INFINITE, 0);
    fx_expect_retraction(&f, b, &x, 0);
    fx_expect_retraction(&f, b, &y, 0);
    fx_forget(&f);
    assert_int_equal(send_to(&x), OK); /* waits, without asking at once */
    fx_expect_silence(&f);
    fx_advance(&f, LOST_QUERY_JITTER);
    fx_expect_route_request(&f, a, &x, 0);
    fx_expect_route_request(&f, b, &x, 0);
    fx_expect_silence(&f);
    fx_update(&f, b, &fx_x, 7, 0);
    assert_int_equal(take_data(b), 1);
}

/* A request that comes while the only routes are gone is passed on. */
static void request_without_route(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    struct subnet x = fx_subnet_of(&fx_x);
    fx_update(&f, a, &fx_x, 5, 0);
    fx_update(&f, a, &fx_x, METRIC_INFINITE, 0);
    fx_forget(&f);
    fx_route_request(&f, b, &x, 0);
    fx_expect_route_request(&f, a, &x, 1);
    fx_expect_silence(&f);
    fx_update(&f, a, &fx_x, 6, 1);
    fx_expect_update(&f, b, &fx_x, 1016, 1); /* who asked is told */
    fx_expect_silence(&f);
}

/* All who ask while the search lasts are told, and what they asked is not asked again. */
static void askers_are_remembered(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f), c = fx_up_quiet(&f), d = fx_up_quiet(&f);
    struct subnet x = fx_subnet_of(&fx_x);
    fx_route_request(&f, b, &x, 0);
    fx_expect_route_request(&f, a, &x, 1);
    fx_expect_route_request(&f, c, &x, 1);
    fx_expect_route_request(&f, d, &x, 1);
    fx_advance(&f, 10 * USEC_SEC);
    fx_route_request(&f, c, &x, 5);
    fx_expect_route_request(&f, b, &x, 1); /* it was not asked, and c may need what it finds */
    fx_expect_silence(&f);
    fx_route_request(&f, c, &x, 15); /* too old to be passed on, not to be remembered */
    fx_expect_silence(&f);
    fx_update(&f, a, &fx_x, 5, 0);
    fx_expect_update(&f, b, &fx_x, 1015, 0);
    fx_expect_update(&f, c, &fx_x, 1015, 0);
    fx_expect_silence(&f); /* d wants nothing */

    /* An answer that comes after the search, but soon after the question. */
    struct subnet y = fx_subnet_of(&fx_y);
    fx_update(&f, a, &fx_y, 5, 0);
    fx_want(&f, d, &fx_y);
    fx_update(&f, a, &fx_y, METRIC_INFINITE, 0);
    fx_forget(&f);
    fx_route_request(&f, b, &y, 0);
    fx_forget(&f);
    fx_advance(&f, 10 * USEC_SEC);
    fx_route_request(&f, c, &y, 15);
    fx_forget(&f);
    fx_advance(&f, 6 * USEC_SEC);
    assert_int_equal(fx_stats(&f).queries, 0);
    fx_update(&f, a, &fx_y, 5, 1);
    fx_expect_update(&f, b, &fx_y, 1015, 1); /* prolonged by c */
    fx_expect_update(&f, c, &fx_y, 1015, 1);
    fx_expect_silence(&f);
}

/* Who wants the same when a search is old has another one after it, once, and pays for it. */
static void late_ones_have_a_search(void **state)
{
    (void)state;
    f.auto_ihu = true;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    struct subnet x = fx_subnet_of(&fx_x);
    assert_int_equal(send_to(&x), OK);
    fx_advance(&f, QUERY_LATE - USEC_MS);
    fx_route_request(&f, b, &x, 3); /* soon enough to be of the same search */
    fx_advance(&f, QUERY_LIFE + USEC_SEC);
    assert_int_equal(fx_stats(&f).queries, 0);
    fx_forget(&f);

    assert_int_equal(send_to(&x), OK);
    fx_forget(&f);
    fx_advance(&f, QUERY_LATE);
    fx_route_request(&f, b, &x, 15); /* too old to be passed on */
    fx_route_request(&f, b, &x, 7);
    fx_route_request(&f, b, &x, 3);
    fx_route_request(&f, b, &x, 4);
    fx_expect_silence(&f);
    fx_advance(&f, QUERY_LIFE - QUERY_LATE - USEC_MS);
    fx_forget(&f);
    fx_advance(&f, USEC_MS);
    assert_int_equal(fx_stats(&f).queries, 1);
    fx_expect_route_request(&f, a, &x, 4);
    fx_expect_route_request(&f, b, &x, 4);
    fx_expect_silence(&f);
    fx_advance(&f, 6 * USEC_SEC);
    for (unsigned i = 0; i < 1000; i++) { /* without a token there is none */
        struct subnet s = {.net = {{4, (uint8_t)(i >> 8), (uint8_t)i}}, .plen = 64};
        fx_route_request(&f, b, &s, 0);
        fx_forget(&f);
    }
    fx_route_request(&f, b, &x, 3);
    fx_advance(&f, QUERY_LIFE - 6 * USEC_SEC - USEC_MS);
    fx_forget(&f);
    fx_advance(&f, USEC_MS);
    fx_expect_none(&f, a);
}

/* The next hop of a route has asked for it as well: it hears of it when another one takes over. */
static void former_next_hop(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    fx_want(&f, a, &fx_x);
    fx_update(&f, a, &fx_x, 50, 0);
    fx_update(&f, b, &fx_x, 30, 0);
    fx_expect_update(&f, a, &fx_x, 1040, 0);
    fx_expect_silence(&f);
}

/* Also for what was searched before, a neighbour that comes during a search is asked once. */
static void one_request_to_a_new_neighbour(void **state)
{
    (void)state;
    f.auto_ihu = true;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    struct subnet x = fx_subnet_of(&fx_x);
    fx_want(&f, b, &fx_x);
    fx_update(&f, a, &fx_x, 5, 0);
    fx_down(&f, a);
    fx_down(&f, b);
    fx_advance(&f, 20 * USEC_SEC);
    fx_forget(&f);
    router_want(f.r, &x.net, f.now);
    fx_advance(&f, 0); /* with nobody to ask */
    peer_id c = fx_up(&f);
    fx_expect_own(&f, c, 0);
    fx_expect_hello(&f, c, 0);
    fx_expect_route_request(&f, c, &x, 0);
    fx_advance(&f, 10 * USEC_SEC);
    fx_expect_silence(&f);
}

static void count_info(void *ctx, const struct route_info *i)
{
    unsigned *n = ctx;
    assert_non_null(strstr(i->next_hop, "TCP [::1]:"));
    assert_int_equal(i->metric, 1);
    (*n)++;
}

/* The whole table comes in pieces, each route once, without what was learned from who asks. */
static void dump(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    unsigned n = 0;
    for (unsigned i = 0; i < 700; i++) {
        struct router_id rid = fx_router_id((uint8_t)i);
        rid.b[31] = (uint8_t)(i >> 8);
        fx_update(&f, a, &rid, 1, 0);
        fx_forget(&f);
    }
    fx_route_request(&f, a, NULL, 200);
    fx_advance(&f, USEC_SEC);
    fx_expect_own(&f, a, 0);
    fx_expect_silence(&f);
    fx_route_request(&f, b, NULL, 0);
    assert_int_equal(fx_count(&f, b), DUMP_PIECE);
    fx_advance(&f, USEC_SEC);
    assert_int_equal(fx_count(&f, b), 701);
    static struct ip6 told[700];
    for (unsigned i = 0; i < 700; i++) {
        struct pkt *p = fx_take(&f, b);
        assert_non_null(p);
        memcpy(told[i].b, p->data + 20, 8);
        for (unsigned k = 0; k < i; k++)
            assert_false(ip6_same_node(&told[i], &told[k]));
        pkt_free(p);
    }
    fx_expect_own(&f, b, 0);
    fx_expect_silence(&f);
    fx_route_request(&f, b, NULL, 0);
    fx_expect_silence(&f);
    router_each_selected(f.r, count_info, &n);
    assert_int_equal(n, 700);
    n = 0;
    router_each_fallback(f.r, count_info, &n);
    assert_int_equal(n, 0);
    fx_advance(&f, 30 * USEC_SEC);
    fx_ihu(&f, b); /* stays alive */
    fx_advance(&f, 30 * USEC_SEC);
    fx_forget(&f);
    fx_route_request(&f, b, NULL, 0);
    assert_int_equal(fx_count(&f, b), 1); /* a died meanwhile: nothing but the own /64 */
    fx_down(&f, b);
}

/* A neighbour of another kind does not ask while it searches itself, which our
 * request makes it do: it is told what we find. One that asks is told when it asks. */
static void who_searches_is_told(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f), b = fx_up_foreign(&f);
    struct subnet x = fx_subnet_of(&fx_x), y = fx_subnet_of(&fx_y);
    fx_forget(&f);
    router_want(f.r, &x.net, f.now);
    fx_advance(&f, 0);
    fx_expect_route_request(&f, a, &x, 0);
    fx_expect_route_request(&f, b, &x, 0);
    fx_update(&f, a, &fx_x, 5, 0);
    fx_expect_update(&f, b, &fx_x, 1015, 0);
    fx_expect_silence(&f);
    fx_hello_seqno(&f, b, HELLO_SEQNO_FIRST); /* ours after all */
    fx_forget(&f);
    router_want(f.r, &y.net, f.now);
    fx_advance(&f, 0);
    fx_forget(&f);
    fx_update(&f, a, &fx_y, 5, 0);
    fx_expect_silence(&f);

    peer_id c = fx_up_foreign(&f);
    struct subnet z = fx_subnet_of(&fx_z);
    fx_hello(&f, c); /* of another kind */
    fx_forget(&f);
    fx_route_request(&f, a, &z, GENERATION_LIMIT - 2);
    fx_expect_route_request(&f, b, &z, GENERATION_LIMIT - 1);
    fx_expect_route_request(&f, c, &z, GENERATION_LIMIT - 1);
    fx_update(&f, b, &fx_z, 5, 0);
    fx_expect_update(&f, a, &fx_z, 1015, 0);
    fx_expect_silence(&f); /* c passes nothing on, and so does not search */
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(requests_for_own),
        T(longer_prefixes),
        T(wide_prefixes),
        T(generations),
        T(nobody_answers),
        T(new_peer_is_asked),
        T(token_bucket),
        T(oldest_query_goes),
        T(most_pays),
        T(new_before_old),
        T(short_life),
        T(renewal),
        T(renewal_in_vain),
        T(lost_in_use),
        T(request_without_route),
        T(askers_are_remembered),
        T(late_ones_have_a_search),
        T(former_next_hop),
        T(one_request_to_a_new_neighbour),
        T(dump),
        T(who_searches_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
