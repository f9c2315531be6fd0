/* The table of destinations against a naive twin: a list of prefixes that is searched from end to
 * end. */
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "router/core.h"

#define PREFIXES 300

struct twin {
    struct subnet s[PREFIXES];
    bool there[PREFIXES];
};

/* Longest match, or -1. */
static int twin_match(const struct twin *t, const struct ip6 *a)
{
    int best = -1;
    for (int i = 0; i < PREFIXES; i++)
        if (t->there[i] && subnet_contains(&t->s[i], a) &&
            (best < 0 || t->s[i].plen > t->s[best].plen))
            best = i;
    return best;
}

static void tell(struct fx *f, peer_id from, const struct router_id *rid, const struct subnet *s,
                 uint16_t metric)
{
    struct tlv t = {
        .type = TLV_UPDATE,
        .update = {
            .interval_cs = 30000, .seqno = 0, .metric = metric, .subnet = *s, .router_id = *rid}};
    fx_tlv(f, from, &t);
    fx_forget(f);
}

struct order {
    size_t n;
    struct subnet last;
};

static void in_order(void *ctx, const struct route_info *i)
{
    struct order *o = ctx;
    if (o->n++ > 0) {
        int c = memcmp(o->last.net.b, i->subnet.net.b, 16);
        assert_true(c < 0 || (c == 0 && o->last.plen < i->subnet.plen));
    }
    o->last = i->subnet;
}

static void nothing_lives(const struct fx *f)
{
    assert_int_equal(f->r->nodes.count, 0);
    assert_int_equal(f->r->dests.live, 0);
    assert_int_equal(f->r->routes.live, 0);
    assert_int_equal(f->r->sources.live, 0);
    assert_int_equal(f->r->rids.live, 0);
    assert_int_equal(f->r->extras.live, 0);
}

static void same_as_twin(void **state)
{
    (void)state;
    static struct fx f;
    static struct twin t;
    struct router_id rids[PREFIXES];
    struct ip6 hosts[PREFIXES];
    fx_init(&f, NULL);
    peer_id a = fx_up_quiet(&f);
    struct rng *rng = &f.rng;

    for (int i = 0; i < PREFIXES; i++) { /* some nodes with many prefixes each */
        struct pubkey key;
        rids[i] = fx_router_id((uint8_t)(1 + rng_below(rng, 40)));
        memcpy(key.b, rids[i].b, sizeof(key.b));
        hosts[i] = address_of_key(&key);
        uint8_t plen = rng_below(rng, 3) ? (uint8_t)(64 + rng_below(rng, 65)) : 64;
        t.s[i] = (struct subnet){.net = ip6_mask(&hosts[i], plen), .plen = plen};
    }
    for (unsigned step = 0; step < 4000; step++) {
        size_t i = (size_t)rng_below(rng, PREFIXES);
        bool there = rng_below(rng, 2) == 0;
        for (int k = 0; k < PREFIXES; k++) /* the same prefix may stand in several places */
            if (subnet_eq(&t.s[k], &t.s[i]))
                t.there[k] = there;
        tell(&f, a, &rids[i], &t.s[i], there ? 1 : METRIC_INFINITE);

        struct ip6 where = hosts[rng_below(rng, PREFIXES)];
        size_t bit = 64 + (size_t)rng_below(rng, 64);
        where.b[bit / 8] ^= (uint8_t)(0x80 >> (bit % 8));
        int want = twin_match(&t, &where);
        const struct dest *got = dest_towards(f.r, &where);
        assert_int_equal(got != NULL, want >= 0);
        if (got)
            assert_true(subnet_eq(&got->subnet, &t.s[want]));
        if (step % 100 == 0) {
            struct order o = {0};
            router_each_selected(f.r, in_order, &o);
        }
    }
    fx_down(&f, a);
    fx_advance(&f, SOURCE_LIFE + USEC_SEC);
    assert_int_equal(f.r->nodes.count, 0);
    assert_int_equal(fx_stats(&f).sources, 0);
    nothing_lives(&f);
    fx_fini(&f);
}

/* A router id is kept once for all prefixes of its node, as long as one names it. */
static void router_ids_are_shared(void **state)
{
    (void)state;
    static struct fx f;
    fx_init(&f, NULL);
    peer_id a = fx_up_quiet(&f);
    struct pubkey key;
    memcpy(key.b, fx_x.b, sizeof(key.b));
    struct ip6 host = address_of_key(&key);
    for (uint8_t plen = 64; plen <= 128; plen += 16) {
        struct subnet s = {.net = ip6_mask(&host, plen), .plen = plen};
        tell(&f, a, &fx_x, &s, 1);
    }
    tell(&f, a, &fx_y, &(struct subnet){.net = fx_subnet_of(&fx_y).net, .plen = 64}, 1);
    assert_int_equal(f.r->dests.live, 6);
    assert_int_equal(f.r->routes.live, 6);
    assert_int_equal(f.r->sources.live, 6);
    assert_int_equal(f.r->rids.live, 2);
    struct router_id restarted = fx_x;
    restarted.b[ROUTER_ID_BYTES - 1] ^= 1;
    tell(&f, a, &restarted, &(struct subnet){.net = fx_subnet_of(&fx_x).net, .plen = 64}, 1);
    assert_int_equal(f.r->rids.live, 3);
    fx_down(&f, a);
    fx_advance(&f, SOURCE_LIFE + USEC_SEC);
    nothing_lives(&f);
    fx_fini(&f);
}

/* Use costs memory only while it matters. */
static void extras_are_given_back(void **state)
{
    (void)state;
    static struct fx f;
    fx_init(&f, NULL);
    f.auto_ihu = true;
    peer_id a = fx_up_quiet(&f);
    struct subnet x = fx_subnet_of(&fx_x);
    fx_update(&f, a, &fx_x, 1, 0);
    assert_int_equal(f.r->extras.live, 0);
    router_want(f.r, &x.net, f.now);
    assert_int_equal(f.r->extras.live, 1);
    for (usec_t at = 0; at < USED_FOR; at += 100 * USEC_SEC) {
        fx_update(&f, a, &fx_x, 1, 0);
        assert_int_equal(f.r->extras.live, 1);
        fx_advance(&f, 100 * USEC_SEC);
    }
    fx_update(&f, a, &fx_x, 1, 0); /* and until somebody looks */
    assert_int_equal(f.r->extras.live, 0);
    assert_true(fx_reachable(&f, &x));
    fx_fini(&f);
}

/* Whole tables that come and go: the hash grows and shrinks under the router. */
static void many_come_and_go(void **state)
{
    (void)state;
    static struct fx f;
    enum { N = 3000 };
    static struct router_id rids[N];
    fx_init(&f, NULL);
    for (unsigned i = 0; i < N; i++)
        rng_bytes(&f.rng, rids[i].b, KEY_BYTES);
    for (int round = 0; round < 3; round++) {
        peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
        for (unsigned i = 0; i < N; i++) {
            struct subnet s = fx_subnet_of(&rids[i]);
            tell(&f, a, &rids[i], &s, 1);
            if (i % 2 == 0)
                tell(&f, b, &rids[i], &s, 1000);
        }
        assert_int_equal(fx_stats(&f).routes, N + N / 2);
        fx_forget(&f);
        router_peer_down(f.r, a, f.now);
        for (unsigned turns = 0; router_deadline(f.r) <= f.now; turns++) {
            struct router_out o;
            assert_true(turns < N);
            router_tick(f.r, f.now);
            while (router_next(f.r, &o))
                pkt_free(o.pkt);
        }
        for (unsigned i = 0; i < N; i++) {
            struct subnet s = fx_subnet_of(&rids[i]);
            assert_int_equal(router_next_hop(f.r, &s.net), i % 2 == 0 ? b : 0);
        }
        router_peer_down(f.r, b, f.now);
        fx_forget(&f);
        for (usec_t at = 0; at <= SOURCE_LIFE; at += USEC_SEC) { /* outputs taken in between */
            struct router_out o;
            f.now += USEC_SEC;
            while (router_deadline(f.r) <= f.now) {
                router_tick(f.r, f.now);
                while (router_next(f.r, &o))
                    pkt_free(o.pkt);
            }
        }
        nothing_lives(&f);
    }
    fx_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_as_twin),
        cmocka_unit_test(router_ids_are_shared),
        cmocka_unit_test(extras_are_given_back),
        cmocka_unit_test(many_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
