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
    fx_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_as_twin)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
