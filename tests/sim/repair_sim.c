/* How long traffic stops when something breaks: two nodes talk all the time, both ways, and the
 * longest pause between two packets that arrive is measured. docs/protocol/routing.md, "Silent
 * neighbours" and "Doubted next hops". */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include "base/err.h"
#include "network.h"

#define MS           USEC_MS
#define RING         10
#define SEEDS        20
#define SEND_EVERY   (50 * MS)
#define DOUBT_AFTER  (1500 * MS)
#define GAP_MAX      (5 * USEC_SEC)
#define HOLE_GAP_MAX (3 * USEC_SEC)

/* Two nodes that send to each other and answer what they get. */
struct talk {
    struct network *n;
    size_t end[2];
    bool doubts;       /* an end without answers doubts its route */
    usec_t arrived[2]; /* anything at this end */
    usec_t gap[2];
    usec_t answered[2]; /* or doubted: since then nothing */
};

static void arrived(void *ctx, size_t node, const struct router_out *o)
{
    struct talk *t = ctx;
    usec_t now = network_now(t->n);
    for (int i = 0; i < 2; i++) {
        if (t->end[i] != node)
            continue;
        t->gap[i] = MAX(t->gap[i], now - t->arrived[i]);
        t->arrived[i] = now;
        if (o->pkt->len > 0 && o->pkt->data[0] == 'a')
            t->answered[i] = now;
        else
            (void)network_send_bytes(t->n, node, t->end[!i], "answer", 6);
    }
}

static void talk_for(struct talk *t, usec_t by)
{
    for (usec_t end = network_now(t->n) + by; network_now(t->n) < end;) {
        for (int i = 0; i < 2; i++) {
            (void)network_send(t->n, t->end[i], t->end[!i]); /* while there is no way, it waits */
            if (t->doubts && network_now(t->n) - t->answered[i] >= DOUBT_AFTER) {
                t->answered[i] = network_now(t->n);
                network_doubt(t->n, t->end[i], t->end[!i]);
            }
        }
        network_run(t->n, SEND_EVERY);
    }
}

static void talk_init(struct talk *t, struct network *n, size_t a, size_t b)
{
    *t = (struct talk){.n = n, .end = {a, b}};
    network_on_local(n, arrived, t);
}

static void measure(struct talk *t)
{
    for (int i = 0; i < 2; i++) {
        t->arrived[i] = t->answered[i] = network_now(t->n);
        t->gap[i] = 0;
    }
}

static usec_t longest(const struct talk *t)
{
    usec_t open = network_now(t->n) - MIN(t->arrived[0], t->arrived[1]);
    return MAX(open, MAX(t->gap[0], t->gap[1]));
}

static struct router_stats all_stats(struct network *n)
{
    struct router_stats sum = {0}, s;
    for (size_t i = 0; i < network_nodes(n); i++) {
        if (!network_router(n, i))
            continue;
        router_stats(network_router(n, i), &s);
        sum.links_silent += s.links_silent;
        sum.links_heard_again += s.links_heard_again;
        sum.doubt_switches += s.doubt_switches;
    }
    return sum;
}

/* --- a ring, in which something on the way breaks ------------------------------------------------
 */

enum breakage { BREAK_RESET, BREAK_SILENT, BREAK_DEATH, BREAK_POWER };

/* away: hops between the two, and all links are alike; 0: anything. */
static void ring_new(struct talk *t, uint64_t seed, size_t away)
{
    struct network *n = network_new(seed, RING);
    struct rng *g = network_rng(n);
    for (size_t i = 0; i < RING; i++)
        (void)network_link(n, i, (i + 1) % RING,
                           away ? 5 * MS : (usec_t)(1 + rng_below(g, 20)) * MS);
    network_run(n, USEC_SEC);
    size_t a = (size_t)rng_below(g, RING);
    talk_init(t, n, a, (a + (away ? away : 2 + (size_t)rng_below(g, RING - 3))) % RING);
    talk_for(t, (usec_t)(5 + rng_below(g, 30)) * USEC_SEC);
    talk_for(t, (usec_t)rng_below(g, USEC_SEC)); /* any moment between two Hellos */
    measure(t);
}

/* A link of the way from one to the other; *ret_node: an end of it that does not talk. */
static size_t link_of_way(struct talk *t, size_t *ret_node)
{
    size_t links[NETWORK_HOPS_MAX];
    int hops = network_way(t->n, t->end[0], t->end[1], links);
    assert_true(hops >= 2);
    size_t link = links[rng_below(network_rng(t->n), (uint64_t)hops)];
    const struct network_link *l = network_link_at(t->n, link);
    *ret_node = l->a == t->end[0] || l->a == t->end[1] ? l->b : l->a;
    return link;
}

static void destroy(struct talk *t, enum breakage what)
{
    size_t node, link = link_of_way(t, &node);
    switch (what) {
    case BREAK_RESET:
        network_cut(t->n, link);
        return;
    case BREAK_SILENT:
        network_silence(t->n, link);
        return;
    case BREAK_DEATH:
        network_kill(t->n, node);
        return;
    case BREAK_POWER:
        for (size_t i = 0; i < network_links(t->n); i++) {
            const struct network_link *l = network_link_at(t->n, i);
            if (l->a == node || l->b == node)
                network_silence(t->n, i);
        }
        return;
    }
}

static void ring_breaks(enum breakage what, const char *name)
{
    usec_t worst = 0, sum = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct talk t;
        ring_new(&t, seed, 0);
        destroy(&t, what);
        talk_for(&t, 30 * USEC_SEC);
        usec_t gap = longest(&t);
        worst = MAX(worst, gap);
        sum += gap;
        if (gap > GAP_MAX)
            fail_msg("%s, seed %u: %.3f s", name, (unsigned)seed, (double)gap / (double)USEC_SEC);
        network_free(t.n);
    }
    printf("%s: mean %.3f s, worst %.3f s\n", name, (double)sum / SEEDS / (double)USEC_SEC,
           (double)worst / (double)USEC_SEC);
}

static void reset(void **state)
{
    (void)state;
    ring_breaks(BREAK_RESET, "reset");
}

static void silent(void **state)
{
    (void)state;
    ring_breaks(BREAK_SILENT, "silent cut");
}

static void death(void **state)
{
    (void)state;
    ring_breaks(BREAK_DEATH, "node death");
}

static void power(void **state)
{
    (void)state;
    ring_breaks(BREAK_POWER, "silent node death");
}

/* A pause of some seconds: nothing is closed, and the way is used again. */
static void pause_in_link(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct talk t;
        size_t node, links[NETWORK_HOPS_MAX], again[NETWORK_HOPS_MAX];
        ring_new(&t, seed, 3);
        size_t link = link_of_way(&t, &node);
        int hops = network_way(t.n, t.end[0], t.end[1], links);
        network_silence(t.n, link);
        talk_for(&t, 8 * USEC_SEC);
        assert_true(network_path(t.n, t.end[0], t.end[1]) >= RING - hops);
        network_resume(t.n, link);
        talk_for(&t, 5 * USEC_SEC);
        assert_true(longest(&t) <= GAP_MAX);
        assert_int_equal(network_way(t.n, t.end[0], t.end[1], again), hops);
        assert_memory_equal(links, again, (size_t)hops * sizeof(links[0]));
        assert_int_equal(all_stats(t.n).links_silent, 2);
        assert_int_equal(all_stats(t.n).links_heard_again, 2);
        assert_true(network_link_at(t.n, link)->up);
        network_free(t.n);
    }
}

/* Data fills a narrow link: its round trip takes seconds, but it is not silent. */
static void narrow(void **state)
{
    (void)state;
    struct talk t;
    struct network *n = network_new(9, 3);
    for (size_t i = 0; i < 2; i++)
        network_link_at(n, network_link(n, i, i + 1, 300 * MS))->bytes_per_sec = 2000;
    network_run(n, USEC_SEC);
    talk_init(&t, n, 0, 2);
    talk_for(&t, 120 * USEC_SEC);
    assert_true(network_counts(n)->backlog_dropped > 100);
    assert_int_equal(all_stats(n).links_silent, 0);
    network_free(n);
}

/* --- a node that passes nothing on
 * ---------------------------------------------------------------- */

/* Nodes in a circle: 0 and `far` talk, 1 on the better way between them is the hole. The links of
 * the other way have this delay, and its nodes use it. */
static void hole_in_circle(size_t nodes, size_t far, usec_t delay, uint64_t seed)
{
    struct talk t;
    struct network *n = network_new(seed, nodes);
    for (size_t i = 0; i < nodes; i++)
        (void)network_link(n, i, (i + 1) % nodes, i < far ? 2 * MS : delay);
    for (unsigned s = 0; s < 90; s++) {
        network_run(n, USEC_SEC);
        (void)network_send(n, nodes - 1, far);
        (void)network_send(n, far + 1, 0);
    }
    talk_init(&t, n, 0, far);
    t.doubts = true;
    measure(&t);
    talk_for(&t, 5 * USEC_SEC + (usec_t)rng_below(network_rng(n), USEC_SEC));
    assert_int_equal(network_path(n, 0, far), far);
    assert_int_equal(network_path(n, far, 0), far);
    assert_int_equal(all_stats(n).doubt_switches, 0);
    network_swallow(n, 1, true);
    measure(&t);
    talk_for(&t, 20 * USEC_SEC);
    assert_int_equal(network_path(n, 0, far), nodes - far);
    assert_int_equal(network_path(n, far, 0), nodes - far);
    assert_true(longest(&t) <= HOLE_GAP_MAX);
    assert_int_equal(all_stats(n).doubt_switches, 2);
    assert_int_equal(all_stats(n).links_silent, 0);
    /* The doubt ends, the short way is tried, and found wanting: the pause is no longer. */
    talk_for(&t, 30 * USEC_SEC);
    assert_true(all_stats(n).doubt_switches > 2);
    assert_int_equal(network_path(n, 0, far), nodes - far);
    assert_true(longest(&t) <= HOLE_GAP_MAX);
    network_swallow(n, 1, false);
    talk_for(&t, 120 * USEC_SEC);
    assert_int_equal(network_path(n, 0, far), far);
    network_free(n);
}

/* The other way is feasible as it is. */
static void hole(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        hole_in_circle(4, 2, 8 * MS, seed);
        hole_in_circle(RING, RING / 2, 3500, seed);
    }
}

/* The other way is longer: it takes a newer seqno. */
static void hole_unfeasible(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        hole_in_circle(5, 2, 3 * MS, seed);
}

/* Two of three ways lead nowhere: they take turns until the third is found. */
static void two_holes(void **state)
{
    (void)state;
    struct talk t;
    struct network *n = network_new(5, 5);
    for (size_t i = 2; i < 5; i++) {
        (void)network_link(n, 0, i, (usec_t)i * MS);
        (void)network_link(n, 1, i, (usec_t)i * MS);
    }
    network_run(n, USEC_SEC);
    talk_init(&t, n, 0, 1);
    t.doubts = true;
    measure(&t);
    talk_for(&t, 5 * USEC_SEC);
    network_swallow(n, 2, true);
    network_swallow(n, 3, true);
    measure(&t);
    talk_for(&t, 15 * USEC_SEC);
    assert_true(longest(&t) <= 2 * DOUBT_AFTER + USEC_SEC);
    size_t links[NETWORK_HOPS_MAX];
    assert_int_equal(network_way(n, 0, 1, links), 2);
    assert_int_equal(links[0], 4); /* over the last node */
    network_free(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reset), cmocka_unit_test(silent),          cmocka_unit_test(death),
        cmocka_unit_test(power), cmocka_unit_test(pause_in_link),   cmocka_unit_test(narrow),
        cmocka_unit_test(hole),  cmocka_unit_test(hole_unfeasible), cmocka_unit_test(two_holes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
