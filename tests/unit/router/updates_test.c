/* Updates received, selection, expiry and loss: docs/protocol/routing.md, "Receiving an Update" to
 * "Sending Updates". */
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

static void feasibility(void **state)
{
    (void)state;
    struct source s = {.announced = true, .seqno = 1, .metric = 10};
    assert_true(source_feasible(&s, 1, 9));
    assert_true(source_feasible(&s, 2, 200));
    assert_true(source_feasible(&s, 0, 65535));
    assert_false(source_feasible(&s, 1, 10));
    assert_false(source_feasible(&s, 1, 11));
    assert_false(source_feasible(&s, 0, 1));
    assert_true(source_feasible(NULL, 0, 1));
    s.announced = false;
    assert_true(source_feasible(&s, 0, 1));
}

static void update_of(const struct subnet *s, const struct router_id *rid, uint16_t metric,
                      peer_id from)
{
    struct tlv t = {.type = TLV_UPDATE,
                    .update = {.interval_cs = 30000, .metric = metric, .subnet = *s}};
    t.update.router_id = *rid;
    fx_tlv(&f, from, &t);
}

static void filters(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    struct subnet x = fx_subnet_of(&fx_x), wider = {.net = ip6_mask(&x.net, 63), .plen = 63};
    struct subnet outside = {.net = {{0x20, 0x01}}, .plen = 64};
    struct subnet y = fx_subnet_of(&fx_y);
    update_of(&wider, &fx_x, 0, a);
    update_of(&outside, &fx_x, 0, a);
    update_of(&y, &fx_x, 0, a);
    update_of(&wider, &fx_x, METRIC_INFINITE, a);
    assert_int_equal(fx_stats(&f).update_denied, 4);
    assert_int_equal(fx_stats(&f).routes, 0);
    assert_int_equal(fx_stats(&f).sources, 0);
    fx_expect_silence(&f);

    /* All of the key's own prefixes pass: /64 to /128. */
    struct pubkey key;
    memcpy(key.b, fx_x.b, sizeof(key.b));
    struct subnet host = {.net = address_of_key(&key), .plen = 128};
    fx_want(&f, b, &fx_x);
    update_of(&host, &fx_x, 5, a);
    update_of(&x, &fx_x, 5, a);
    assert_int_equal(fx_stats(&f).routes, 2);
    assert_int_equal(fx_count(&f, b), 2);
    fx_forget(&f);
}

static void own_subnet(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f);
    struct subnet own = fx_own(&f);
    for (uint16_t seqno = 0; seqno < 3; seqno++) {
        update_of(&own, router_self(f.r), 0, a);
        update_of(&own, router_self(f.r), METRIC_INFINITE, a);
        update_of(&own, router_self(f.r), 1010, a);
    }
    struct router_id other = *router_self(f.r);
    other.b[39] ^= 1; /* same key, another start */
    update_of(&own, &other, 40, a);
    fx_expect_silence(&f);
    assert_int_equal(fx_stats(&f).routes, 0);
    assert_int_equal(fx_stats(&f).self_links, 3);
    assert_int_equal(fx_stats(&f).own_subnet_claimed, 1);
}

static void hysteresis(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f), c = fx_up_quiet(&f);
    fx_want(&f, a, &fx_x);
    fx_want(&f, b, &fx_x);
    fx_want(&f, c, &fx_x);
    fx_update(&f, a, &fx_x, 900, 0);
    fx_expect_update(&f, b, &fx_x, 1910, 0);
    fx_expect_update(&f, c, &fx_x, 1910, 0);
    fx_update(&f, b, &fx_x, 100, 0); /* much better */
    fx_expect_update(&f, a, &fx_x, 1110, 0);
    fx_expect_update(&f, c, &fx_x, 1110, 0);
    fx_update(&f, a, &fx_x, 95, 0); /* not enough better */
    fx_expect_silence(&f);
    fx_update(&f, a, &fx_x, 0, 0); /* the origin itself */
    fx_expect_update(&f, b, &fx_x, 1010, 0);
    fx_expect_update(&f, c, &fx_x, 1010, 0);
    fx_expect_silence(&f);
}

/* A restarted origin has a new router id: everybody who knows it is told at once. */
static void new_router_id(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    struct router_id again = fx_x;
    again.b[39] ^= 1;
    fx_want(&f, b, &fx_x);
    fx_update(&f, a, &fx_x, 3, 9);
    fx_expect_update(&f, b, &fx_x, 1013, 9);
    fx_update(&f, a, &again, 3, 0);
    fx_expect_update(&f, b, &again, 1013, 0);
    fx_expect_silence(&f);
}

/* One key can not flood the network with router ids. */
static void many_router_ids(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    struct router_id rid = fx_x;
    fx_want(&f, b, &rid);
    for (uint8_t i = 0; i < 100; i++) {
        rid.b[39] = i;
        fx_update(&f, a, &rid, 3, 0);
    }
    assert_int_equal(fx_count(&f, b), 1 + RIDS_BURST);
    assert_int_equal(fx_stats(&f).sources, 1 + RIDS_BURST);
    assert_int_equal(fx_stats(&f).limit_sources, 99 - RIDS_BURST);
    fx_forget(&f);
    f.auto_ihu = true;
    for (uint8_t i = 0; i < 20; i++) { /* restarts every so often pass; old ids make room */
        rid.b[38] = (uint8_t)(i + 1);
        fx_advance(&f, RID_EVERY);
        fx_forget(&f);
        fx_update(&f, a, &rid, 3, 0);
        assert_int_equal(fx_count(&f, b), 1);
    }
    assert_int_equal(fx_stats(&f).sources, RIDS_PER_DEST);
}

/* A neighbour that is restarted again and again is heard each time. */
static void restarted_neighbour(void **state)
{
    (void)state;
    peer_id b = fx_up_quiet(&f);
    struct router_id rid = fx_x;
    struct subnet x = fx_subnet_of(&fx_x);
    for (uint8_t i = 0; i < 100; i++) {
        peer_id a = fx_up_quiet(&f);
        rid.b[39] = i;
        fx_update(&f, a, &rid, 0, 0);
        assert_true(fx_reachable(&f, &x));
        rid.b[38] = 1; /* over the same link others need their token */
        for (uint8_t k = 0; i == 99 && k < 100; k++) {
            rid.b[37] = k;
            fx_update(&f, a, &rid, 0, 0);
        }
        fx_down(&f, a);
        assert_false(fx_reachable(&f, &x));
        rid.b[38] = 0;
        fx_forget(&f);
    }
    assert_true(fx_stats(&f).limit_sources >= 100 - RIDS_BURST - 1);
    assert_true(fx_stats(&f).sources <= RIDS_PER_DEST);
    fx_down(&f, b);
}

static void short_interval(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    struct subnet x = fx_subnet_of(&fx_x);
    router_want(f.r, &x.net, f.now); /* in use, or it would end without a word */
    fx_want(&f, b, &fx_x);
    fx_update_interval(&f, a, &fx_x, 0, 0, 100);
    fx_advance(&f, 3499 * USEC_MS);
    fx_forget(&f);
    assert_true(fx_reachable(&f, &x));
    fx_advance(&f, USEC_MS); /* 3.5 s */
    fx_expect_retraction(&f, b, &x, 0);
    fx_expect_silence(&f);
    assert_false(fx_reachable(&f, &x));
    fx_advance(&f, 5999 * USEC_MS); /* all were asked when it had less than 15 s left */
    assert_int_equal(fx_stats(&f).routes, 1);
    fx_advance(&f, USEC_MS); /* 9.5 s */
    assert_int_equal(fx_stats(&f).routes, 0);
    fx_expect_silence(&f);

    /* Below a second an interval promises nothing: no storm of announcements and retractions. */
    fx_update_interval(&f, a, &fx_y, 0, 0, 0);
    fx_forget(&f);
    f.auto_ihu = true;
    fx_advance(&f, 34 * USEC_SEC);
    struct subnet y = fx_subnet_of(&fx_y);
    assert_true(fx_reachable(&f, &y));
    fx_advance(&f, 2 * USEC_SEC);
    assert_false(fx_reachable(&f, &y));
}

static void expect_reachable(const struct subnet *s, bool reachable)
{
    struct router_out o;
    assert_true(fx_event(&f, ROUTER_OUT_REACHABLE, &o));
    assert_true(ip6_eq(&o.dst, &s->net));
    assert_int_equal(o.reachable, reachable);
}

static void reachability_events(void **state)
{
    (void)state;
    struct router_out o;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    struct subnet x = fx_subnet_of(&fx_x);
    fx_update(&f, a, &fx_x, 100, 0);
    expect_reachable(&x, true);
    fx_update(&f, b, &fx_x, 200, 0);
    fx_update(&f, a, &fx_x, METRIC_INFINITE, 0); /* b goes on: not an event */
    assert_false(fx_event(&f, ROUTER_OUT_REACHABLE, &o));
    assert_true(fx_reachable(&f, &x));
    fx_down(&f, b);
    expect_reachable(&x, false);
    assert_false(fx_event(&f, ROUTER_OUT_REACHABLE, &o));
    fx_forget(&f);
}

/* Who retracts is told another route, also when nothing was heard from it before; but only if it is
 * still there a moment later. */
static void retraction_is_answered(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f), c = fx_up_quiet(&f);
    struct subnet x = fx_subnet_of(&fx_x);
    fx_update(&f, a, &fx_x, 0, 0);
    fx_forget(&f);
    fx_update(&f, b, &fx_x, METRIC_INFINITE, 0);
    fx_expect_silence(&f);
    fx_advance(&f, 200 * USEC_MS);
    fx_expect_update(&f, b, &fx_x, 1010, 0);
    fx_expect_silence(&f);

    fx_update(&f, c, &fx_x, METRIC_INFINITE, 0);
    fx_update(&f, a, &fx_x, METRIC_INFINITE, 0); /* the wave has come this way too */
    fx_expect_retraction(&f, b, &x, 0);
    fx_expect_silence(&f);
    fx_advance(&f, 300 * USEC_MS);
    fx_expect_silence(&f);
}

/* The key stays known when the route is lost, and is not that of the node that retracts. */
static void key_outlives_route(void **state)
{
    (void)state;
    struct pubkey key;
    peer_id a = fx_up_quiet(&f);
    struct subnet x = fx_subnet_of(&fx_x);
    assert_int_equal(router_pubkey(f.r, &x.net, &key), ERR_NOENT);
    fx_want(&f, fx_up_quiet(&f), &fx_x);
    fx_update(&f, a, &fx_x, 10, 0);
    assert_int_equal(router_pubkey(f.r, &x.net, &key), OK);
    assert_memory_equal(key.b, fx_x.b, KEY_BYTES);
    update_of(&x, &fx_y, METRIC_INFINITE, a);
    memset(&key, 0, sizeof(key));
    assert_int_equal(router_pubkey(f.r, &x.net, &key), OK);
    assert_memory_equal(key.b, fx_x.b, KEY_BYTES);
    fx_advance(&f, 10 * USEC_SEC); /* the entry has gone too */
    assert_int_equal(fx_stats(&f).routes, 0);
    assert_int_equal(router_pubkey(f.r, &x.net, &key), OK);
    assert_memory_equal(key.b, fx_x.b, KEY_BYTES);
    struct ip6 own = router_address(f.r);
    assert_int_equal(router_pubkey(f.r, &own, &key), OK);
    assert_memory_equal(key.b, router_self(f.r)->b, KEY_BYTES);
}

static void loss_of_a_neighbour(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f), c = fx_up_quiet(&f);
    struct subnet y = fx_subnet_of(&fx_y);
    fx_want(&f, c, &fx_x);
    fx_want(&f, b, &fx_y);
    fx_want(&f, c, &fx_y);
    fx_update(&f, a, &fx_x, 10, 0);
    fx_update(&f, b, &fx_x, 11, 0); /* fallback: feasible under what was announced */
    fx_update(&f, a, &fx_y, 10, 0);
    fx_forget(&f);
    fx_down(&f, a);
    fx_expect_update(&f, c, &fx_x, 1021, 0); /* announced though it hardly changed */
    fx_expect_retraction(&f, b, &y, 0);
    fx_expect_retraction(&f, c, &y, 0);
    fx_expect_silence(&f);
    fx_bytes(&f, a, "\x01\x01", 2); /* what was under way on a dead link */
    fx_update(&f, a, &fx_y, 10, 0);
    assert_false(fx_reachable(&f, &y));
    fx_expect_silence(&f);
}

/* Longer than what we announced: the way may lead through ourselves. */
static void unfeasible_is_never_used(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    struct subnet x = fx_subnet_of(&fx_x);
    fx_want(&f, b, &fx_x);
    fx_update(&f, a, &fx_x, 10, 5); /* announced with 1020 */
    fx_update(&f, b, &fx_x, 1020, 5);
    assert_int_equal(fx_stats(&f).routes, 1);
    fx_forget(&f);
    fx_down(&f, a);
    fx_forget(&f);
    fx_update(&f, b, &fx_x, 1020, 5); /* nothing is selected: a newer seqno is asked for */
    fx_expect_seqno_request(&f, b, &fx_x, 6, 64);
    fx_expect_silence(&f);
    assert_false(fx_reachable(&f, &x));
    fx_update(&f, b, &fx_x, 1020, 6);
    assert_true(fx_reachable(&f, &x));
}

static void limits(void **state)
{
    (void)state;
    struct router_limits l;
    fx_fini(&f);
    router_limits_default(&l);
    l.routes = 10;
    fx_init(&f, &l);
    peer_id a = fx_up_quiet(&f);
    for (uint8_t i = 1; i <= 20; i++) {
        struct router_id rid = fx_router_id(i);
        fx_update(&f, a, &rid, 1, 0);
    }
    assert_int_equal(fx_stats(&f).routes, 10);
    assert_int_equal(fx_stats(&f).sources, 10); /* nothing was announced: nothing to remember */
    assert_int_equal(fx_stats(&f).evicted_routes, 10);
    assert_int_equal(fx_stats(&f).limit_routes, 0);
    fx_down(&f, a);
    assert_int_equal(fx_stats(&f).routes, 0);
}

/* Many routes over one neighbour go in slices; until then none of them is used. */
static void loss_in_slices(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    for (unsigned i = 0; i < 1500; i++) {
        struct router_id rid = fx_router_id((uint8_t)i);
        rid.b[31] = (uint8_t)(i >> 8);
        fx_update(&f, a, &rid, 1, 0);
        fx_forget(&f);
    }
    struct router_id last = fx_router_id((uint8_t)1499);
    last.b[31] = (uint8_t)(1499 >> 8);
    struct subnet s = fx_subnet_of(&last);
    assert_true(fx_reachable(&f, &s));
    fx_down(&f, a);
    assert_int_equal(fx_stats(&f).routes, 1500 - SLICE);
    assert_false(fx_reachable(&f, &s));
    fx_update(&f, b, &last, 1, 0); /* in the middle of it */
    assert_true(fx_reachable(&f, &s));
    fx_advance(&f, 0);
    assert_int_equal(fx_stats(&f).routes, 1);
    assert_true(fx_reachable(&f, &s));
}

/* Sources go half an hour after their last announcement; then nothing is left. */
static void everything_ages(void **state)
{
    (void)state;
    f.auto_ihu = true;
    peer_id a = fx_up_quiet(&f);
    fx_want(&f, fx_up_quiet(&f), &fx_x);
    fx_update(&f, a, &fx_x, 1, 0);
    fx_update(&f, a, &fx_y, 1, 0); /* of which nobody hears: gone with its route */
    fx_advance(&f, 1050 * USEC_SEC);
    assert_int_equal(fx_stats(&f).selected_expired, 2);
    assert_int_equal(fx_stats(&f).routes, 0);
    assert_int_equal(fx_stats(&f).sources, 1);
    fx_advance(&f, 751 * USEC_SEC);
    assert_int_equal(fx_stats(&f).sources, 0);
    assert_int_equal(fx_stats(&f).source_expired, 1);
    assert_int_equal(f.r->nodes.count, 0);
}

/* A neighbour hears of a destination when it has asked for it, and then of all that becomes of it.
 */
static void only_askers_are_told(void **state)
{
    (void)state;
    f.auto_ihu = true;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f), c = fx_up_quiet(&f);
    struct subnet x = fx_subnet_of(&fx_x);
    fx_update(&f, a, &fx_x, 500, 0);
    fx_expect_silence(&f); /* nobody has asked */
    assert_int_equal(fx_stats(&f).triggered_updates, 0);
    fx_route_request(&f, b, &x, 0);
    fx_expect_update(&f, b, &fx_x, 510, 0);
    fx_expect_silence(&f);
    fx_advance(&f, 2 * QUERY_LIFE);
    fx_forget(&f);
    fx_update(&f, a, &fx_x, 495, 1); /* hardly changed */
    fx_expect_silence(&f);
    fx_update(&f, a, &fx_x, 300, 1);
    fx_expect_update(&f, b, &fx_x, 310, 1);
    fx_expect_silence(&f);
    struct router_id again = fx_x;
    again.b[39] ^= 1;
    fx_update(&f, a, &again, 300, 0);
    fx_expect_update(&f, b, &again, 310, 0);
    fx_expect_silence(&f);
    fx_update(&f, a, &again, METRIC_INFINITE, 0);
    fx_expect_retraction(&f, b, &x, 0);
    fx_expect_silence(&f);

    fx_advance(&f, 2 * QUERY_LIFE); /* the retraction ended it: b would have to ask again */
    fx_forget(&f);
    fx_update(&f, a, &again, 300, 1);
    fx_expect_silence(&f);
    fx_route_request(&f, c, &x, 0);
    fx_expect_update(&f, c, &again, 310, 1);
    fx_down(&f, a);
    fx_expect_retraction(&f, c, &x, 0);
    fx_expect_silence(&f);
}

/* What was announced limits what may be used; what nobody was told does not. */
static void unannounced_limits_nothing(void **state)
{
    (void)state;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    struct subnet x = fx_subnet_of(&fx_x);
    fx_update(&f, a, &fx_x, 10, 5);
    fx_update(&f, b, &fx_x, 3000, 5);
    fx_down(&f, a);
    assert_true(fx_reachable(&f, &x));
    fx_expect_silence(&f);
    peer_id c = fx_up_quiet(&f);
    fx_want(&f, c, &fx_x); /* told 4010 */
    fx_update(&f, c, &fx_x, 4010, 5);
    fx_down(&f, b);
    fx_expect_retraction(&f, c, &x, 0);
    assert_false(fx_reachable(&f, &x));
}

/* A route that nobody uses ends without a word; who was told and sends or asks makes us search. */
static void unused_ends_quietly(void **state)
{
    (void)state;
    f.auto_ihu = true;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f), c = fx_up_quiet(&f);
    struct subnet x = fx_subnet_of(&fx_x);
    fx_want(&f, b, &fx_x);
    fx_update_interval(&f, a, &fx_x, 5, 0, 1000); /* lives 35 s */
    fx_advance(&f, 34 * USEC_SEC);
    fx_forget(&f);
    fx_advance(&f, 2 * USEC_SEC);
    assert_false(fx_reachable(&f, &x));
    assert_int_equal(fx_stats(&f).routes, 0);
    assert_int_equal(fx_stats(&f).selected_expired, 1);
    fx_expect_silence(&f);

    struct ip6 src = fx_subnet_of(&fx_y).net; /* b still has a route from us */
    struct pkt *p = pkt_copy("data", 4);
    assert_non_null(p);
    data_encode(p, 64, &src, &x.net);
    fx_bytes(&f, b, p->data, p->len);
    fx_expect_route_request(&f, a, &x, 0);
    fx_expect_route_request(&f, b, &x, 0);
    fx_expect_route_request(&f, c, &x, 0);
    fx_expect_silence(&f);
    fx_update(&f, a, &fx_x, 4, 0);
    struct pkt *sent = fx_take(&f, a);
    assert_non_null(sent);
    assert_int_equal(sent->data[1], OUTER_DATA);
    pkt_free(sent);
    fx_expect_update(&f, b, &fx_x, 14, 0);
    fx_expect_silence(&f);

    /* In use: who was told hears of the end. */
    fx_down(&f, a);
    fx_expect_retraction(&f, b, &x, 0);
    fx_forget(&f);

    /* A search in vain ends what b believes of a route that ended quietly. */
    fx_advance(&f, USED_FOR);
    fx_update_interval(&f, c, &fx_x, 5, 1, 1000);
    fx_want(&f, b, &fx_x);
    fx_advance(&f, 40 * USEC_SEC);
    fx_forget(&f);
    fx_bytes(&f, b, p->data, p->len);
    fx_forget(&f);
    fx_advance(&f, QUERY_LIFE - USEC_MS);
    fx_forget(&f);
    fx_advance(&f, USEC_MS);
    fx_expect_retraction(&f, b, &x, 0);
    fx_expect_silence(&f);
    pkt_free(p);
}

/* The next best route takes over from one that ends unused; nobody is bothered when it is as good.
 */
static void unused_is_replaced(void **state)
{
    (void)state;
    f.auto_ihu = true;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f), c = fx_up_quiet(&f);
    struct subnet x = fx_subnet_of(&fx_x);
    fx_want(&f, c, &fx_x);
    fx_update_interval(&f, a, &fx_x, 5, 0, 1000);
    fx_update_interval(&f, b, &fx_x, 7, 0, 2000);
    fx_advance(&f, 34 * USEC_SEC);
    fx_forget(&f);
    fx_advance(&f, 2 * USEC_SEC);
    assert_int_equal(router_next_hop(f.r, &x.net), b);
    assert_int_equal(fx_stats(&f).routes, 1);
    fx_expect_silence(&f);
}

/* A neighbour whose own way is much longer than the one over us is told, asked or not, when there
 * is traffic; and again when a newer seqno may let it use what it could not. */
static void who_gains_is_told(void **state)
{
    (void)state;
    f.auto_ihu = true;
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f), c = fx_up_quiet(&f);
    struct subnet x = fx_subnet_of(&fx_x);
    fx_update(&f, b, &fx_x, 120, 0);
    fx_update(&f, c, &fx_x, 155, 0);
    fx_update(&f, a, &fx_x, 100, 0);
    fx_expect_silence(&f);    /* nobody uses it */
    fx_advance(&f, USEC_SEC); /* new neighbours are asked about what is in use: not now */
    router_want(f.r, &x.net, f.now);
    fx_advance(&f, LOOK_DELAY * 2);
    fx_expect_silence(&f);          /* all have shown their routes */
    fx_update(&f, a, &fx_x, 90, 0); /* over us 110: b would not take it */
    fx_expect_update(&f, c, &fx_x, 100, 0);
    fx_expect_silence(&f);
    fx_update(&f, a, &fx_x, 90, 1);
    fx_expect_update(&f, c, &fx_x, 100, 1);
    fx_expect_silence(&f);
    fx_update(&f, a, &fx_x, 90, 1);
    fx_expect_silence(&f);
}

/* 40 neighbours share 32 bits: who asked is always among those who are told. */
static void shared_bits(void **state)
{
    (void)state;
    enum { N = 40 };
    peer_id p[N];
    struct subnet x = fx_subnet_of(&fx_x);
    for (int i = 0; i < N; i++)
        p[i] = fx_up_quiet(&f);
    fx_update(&f, p[0], &fx_x, 500, 0);
    fx_want(&f, p[36], &fx_x);
    fx_update(&f, p[0], &fx_x, 300, 0);
    fx_expect_update(&f, p[36], &fx_x, 1310, 0);
    fx_expect_update(&f, p[4], &fx_x, 1310, 0); /* one Update too many */
    fx_expect_silence(&f);
    fx_want(&f, p[32], &fx_x); /* has the bit of the next hop */
    fx_update(&f, p[0], &fx_x, METRIC_INFINITE, 0);
    fx_expect_retraction(&f, p[36], &x, 0);
    fx_expect_retraction(&f, p[32], &x, 0);
    fx_forget(&f);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(feasibility),
        T(filters),
        T(own_subnet),
        T(hysteresis),
        T(new_router_id),
        T(many_router_ids),
        T(restarted_neighbour),
        T(short_interval),
        T(reachability_events),
        T(retraction_is_answered),
        T(key_outlives_route),
        T(loss_of_a_neighbour),
        T(unfeasible_is_never_used),
        T(limits),
        T(loss_in_slices),
        T(everything_ages),
        T(only_askers_are_told),
        T(unannounced_limits_nothing),
        T(unused_ends_quietly),
        T(unused_is_replaced),
        T(who_gains_is_told),
        T(shared_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
