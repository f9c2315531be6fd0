/* Small networks whose course is known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include "base/err.h"
#include "network.h"

#define MS USEC_MS
enum { A, B, C, D };

static bool said(struct network *n, const char *what)
{
    return strstr(network_trace_text(n), what) != NULL;
}

static void assert_said(struct network *n, const char *what)
{
    if (!said(n, what))
        fail_msg("not in the trace: %s\n%s", what, network_trace_text(n));
}

static void assert_not_said(struct network *n, const char *what)
{
    if (said(n, what))
        fail_msg("in the trace: %s\n%s", what, network_trace_text(n));
}

/* Two fresh nodes: each knows the other; nothing else flows but Hello, IHU and the own /64. */
static void two_nodes(void **state)
{
    (void)state;
    struct network *n = network_new(1, 2);
    network_trace(n, true);
    network_run(n, 5 * USEC_SEC);
    (void)network_link(n, A, B, 1 * MS);
    network_run(n, 60 * USEC_SEC);
    assert_string_equal(network_trace_text(n), "    5.000 A>B U(A,0,0,A)\n"
                                               "    5.000 B>A U(B,0,0,B)\n");
    assert_int_equal(network_counts(n)->hello, 8);
    assert_int_equal(network_counts(n)->ihu, 6); /* two are under way */
    assert_int_equal(network_path(n, A, B), 1);
    assert_int_equal(network_path(n, B, A), 1);
    network_run(n, 240 * USEC_SEC); /* 300 s after the start */
    assert_int_equal(network_counts(n)->update, 4);
    network_free(n);
}

/* A-B-C, started in this order, then B-C is cut. */
static void line(void **state)
{
    (void)state;
    struct network *n = network_new(2, 3);
    network_trace(n, true);
    (void)network_link(n, A, B, 1 * MS);
    network_run(n, 3 * USEC_SEC);
    network_trace_reset(n);
    size_t bc = network_link(n, B, C, 1 * MS);
    network_run(n, 3 * USEC_SEC);
    assert_string_equal(network_trace_text(n), "    3.000 B>C U(B,0,0,B)\n"
                                               "    3.000 C>B U(C,0,0,C)\n");
    assert_int_equal(network_path(n, A, C), -1); /* nobody told it, nobody has asked */
    assert_int_equal(network_path(n, C, A), -1);
    network_send(n, C, A);
    network_send(n, A, C);
    network_run(n, 100 * MS);
    assert_int_equal(network_path(n, A, C), 2);
    assert_int_equal(network_path(n, C, A), 2);
    assert_int_equal(network_delivered(n), 2);

    network_run(n, 10 * USEC_SEC);
    network_trace_reset(n);
    network_cut(n, bc);
    network_run(n, 5 * USEC_SEC);
    assert_said(n, "B>A U(C,inf,0,B)");
    assert_not_said(n, "A>B U(C,inf"); /* B heard of no way over A */
    assert_not_said(n, "S("); /* nobody has a finite route: nobody is asked for a newer one */
    assert_int_equal(network_path(n, A, C), -1);
    network_restore(n, bc); /* A has asked a moment ago: it is told */
    network_run(n, USEC_SEC);
    assert_int_equal(network_path(n, A, C), 2);

    network_cut(n, bc);
    network_run(n, 20 * USEC_SEC);
    network_restore(n, bc);
    network_run(n, USEC_SEC);
    assert_int_equal(network_path(n, A, C), -1); /* it has to ask again */
    network_send(n, A, C);
    network_run(n, 100 * MS);
    assert_int_equal(network_path(n, A, C), 2);
    assert_int_equal(network_delivered(n), 3);
    network_free(n);
}

/* The link D-C comes when A has long found a way to C: A never heard of the one over D. */
static struct network *square(size_t *bc)
{
    struct network *n = network_new(3, 4);
    network_trace(n, true);
    (void)network_link(n, A, B, 5 * MS);
    *bc = network_link(n, B, C, 5 * MS);
    (void)network_link(n, A, D, 5 * MS);
    network_run(n, USEC_SEC);
    assert_int_equal(network_send(n, A, C), OK);
    network_run(n, 20 * USEC_SEC);
    (void)network_link(n, D, C, 5 * MS);
    network_run(n, 60 * USEC_SEC);
    assert_int_equal(network_path(n, A, C), 2);
    assert_int_equal(network_delivered(n), 1);
    assert_not_said(n, "D>A U(C,");
    network_trace_reset(n);
    return n;
}

static void square_unheard_path(void **state)
{
    (void)state;
    size_t bc;
    struct network *n = square(&bc);
    network_cut(n, bc);
    network_run(n, 500 * MS);
    assert_said(n, "B>A U(C,inf,0,B)");
    assert_not_said(n, "A>D U(C,inf"); /* D was told nothing */
    assert_said(n, "A>D R(C,0)");
    assert_said(n, "D>A U(C,"); /* without a packet */
    assert_int_equal(network_path(n, A, C), 2);
    assert_int_equal(network_path(n, B, C), 3);
    assert_int_equal(network_path(n, C, B), -1); /* D never heard of B: a packet finds the way */
    assert_int_equal(network_send(n, C, B), OK);
    network_run(n, 200 * MS);
    assert_int_equal(network_path(n, C, B), 3);
    assert_int_equal(network_delivered(n), 2);
    network_run(n, 2000 * USEC_SEC);
    network_free(n);
}

/* A has asked for C, and both its neighbours answered. */
static void square_known_path(void **state)
{
    (void)state;
    struct network *n = network_new(4, 4);
    network_trace(n, true);
    (void)network_link(n, A, B, 5 * MS);
    (void)network_link(n, A, D, 5 * MS);
    network_run(n, 10 * USEC_SEC);
    size_t bc = network_link(n, B, C, 5 * MS);
    (void)network_link(n, D, C, 5 * MS);
    network_run(n, 10 * USEC_SEC);
    assert_int_equal(network_send(n, A, C), OK);
    network_run(n, 10 * USEC_SEC);
    assert_int_equal(network_path(n, A, C), 2);
    network_trace_reset(n);
    network_cut(n, bc);
    network_run(n, 500 * MS);
    assert_int_equal(network_path(n, A, C), 2);
    assert_int_equal(network_path(n, B, C), 3); /* A told B */
    assert_said(n, "A>B U(C,");
    network_free(n);
}

/* All bytes vanish on B-C, nothing is reset: found out after 43 s without IHU. */
static void silent_link(void **state)
{
    (void)state;
    size_t bc;
    struct network *n = square(&bc);
    network_silence(n, bc);
    network_run(n, 20 * USEC_SEC);
    assert_true(network_link_at(n, bc)->up);
    network_run(n, 44 * USEC_SEC);
    assert_false(network_link_at(n, bc)->up);
    assert_int_equal(network_path(n, A, C), 2);
    assert_int_equal(network_path(n, B, C), 3);
    network_free(n);
}

static void assert_all_paths(struct network *n, size_t nodes)
{
    for (size_t i = 0; i < nodes; i++)
        for (size_t j = 0; j < nodes; j++)
            if (i != j && network_path(n, i, j) < 0)
                fail_msg("no way from %zu to %zu", i, j);
}

static void use_all(struct network *n, size_t nodes)
{
    for (size_t i = 0; i < nodes; i++)
        for (size_t j = 0; j < nodes; j++)
            if (i != j)
                assert_int_equal(network_send(n, i, j), OK);
}

static void ring(void **state)
{
    (void)state;
    enum { N = 12 };
    struct network *n = network_new(5, N);
    for (size_t i = 0; i < N; i++)
        (void)network_link(n, i, (i + 1) % N, 3 * MS);
    network_run(n, USEC_SEC);
    use_all(n, N);
    network_run(n, USEC_SEC);
    assert_all_paths(n, N);
    assert_int_equal(network_delivered(n), N * (N - 1));
    for (size_t i = 0; i < N; i++) {
        network_cut(n, i);
        network_run(n, USEC_SEC);
        assert_all_paths(n, N);
        use_all(n, N);
        network_run(n, 10 * USEC_SEC);
        network_restore(n, i);
        network_run(n, 10 * USEC_SEC);
        assert_all_paths(n, N);
    }
    assert_int_equal(network_delivered(n), (N + 1) * N * (N - 1));
    network_free(n);
}

static void star(void **state)
{
    (void)state;
    enum { N = 16 };
    struct network *n = network_new(6, N);
    for (size_t i = 1; i < N; i++)
        (void)network_link(n, 0, i, 3 * MS);
    network_run(n, USEC_SEC);
    use_all(n, N);
    network_run(n, USEC_SEC);
    assert_all_paths(n, N);
    network_cut(n, 4); /* node 5 has no other way: its packets wait, and go when it is back */
    network_run(n, USEC_SEC);
    assert_int_equal(network_path(n, 1, 5), -1);
    assert_int_equal(network_send(n, 1, 5), OK);
    uint64_t before = network_delivered(n);
    network_run(n, 5 * USEC_SEC);
    network_restore(n, 4);
    network_run(n, USEC_SEC);
    assert_int_equal(network_delivered(n), before + 1);
    assert_int_equal(network_path(n, 1, 5), 2);
    network_free(n);
}

/* A tree with further random links. */
static struct network *meshed(uint64_t seed, size_t nodes, size_t connected, size_t links)
{
    struct network *n = network_new(seed, nodes);
    for (size_t i = 1; i < connected; i++)
        (void)network_link(n, i, (size_t)rng_below(network_rng(n), i), 2 * MS);
    while (network_links(n) < links) {
        size_t a = (size_t)rng_below(network_rng(n), connected);
        size_t b = (size_t)rng_below(network_rng(n), connected);
        if (a != b)
            (void)network_link(n, a, b, 2 * MS);
    }
    return n;
}

/* A search for nobody: each link carries the request at most once each way. */
static void search_cost(void **state)
{
    (void)state;
    enum { N = 24, LINKS = 35 };
    struct network *n = meshed(7, N + 1, N, LINKS); /* the last one is nobody's neighbour */
    network_run(n, 5 * USEC_SEC);
    network_counts_reset(n);
    assert_int_equal(network_send(n, 3, N), OK);
    network_run(n, 14 * USEC_SEC);
    assert_in_range(network_counts(n)->route_request, N - 1, 2 * LINKS);
    print_message("search for nobody: %u requests\n", (unsigned)network_counts(n)->route_request);
    network_run(n, 2 * USEC_SEC);
    assert_int_equal(network_unsent(n), 1);
    network_run(n, 20 * USEC_SEC);

    network_counts_reset(n);
    (void)network_link(n, N, 0, 2 * MS); /* it comes: nobody has asked, its neighbour knows */
    network_run(n, USEC_SEC);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(network_path(n, i, N), i == 0 ? 1 : -1);
    assert_int_equal(network_counts(n)->update, 2);

    network_counts_reset(n);
    assert_int_equal(network_send(n, 3, N), OK);
    network_run(n, USEC_SEC);
    assert_int_equal(network_delivered(n), 1);
    print_message("somebody asks: %u requests, %u updates\n",
                  (unsigned)network_counts(n)->route_request, (unsigned)network_counts(n)->update);
    assert_in_range(network_counts(n)->update, 1, 2 * (LINKS + 1) + N);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(network_send(n, i, N), OK);
    network_run(n, USEC_SEC);
    assert_int_equal(network_delivered(n), N + 1);
    for (size_t i = 0; i < N; i++)
        assert_true(network_path(n, i, N) > 0);

    network_run(n, 30 * USEC_SEC);
    network_counts_reset(n);
    network_cut(n, LINKS); /* and goes: two retractions on each link, few that come too late */
    network_run(n, 15 * USEC_SEC);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(network_path(n, i, N), -1);
    print_message("it goes: %u retractions, %u updates, %u seqno requests\n",
                  (unsigned)network_counts(n)->retraction, (unsigned)network_counts(n)->update,
                  (unsigned)network_counts(n)->seqno_request);
    assert_in_range(network_counts(n)->retraction, N - 1, 2 * LINKS);
    assert_in_range(network_counts(n)->update, 0, 2 * LINKS);
    network_free(n);
}

/* What was used once and no more goes everywhere without a word: a network without traffic sends
 * what its links need, and a node knows its neighbours. */
static void quiet_hour(void **state)
{
    (void)state;
    enum { N = 100, LINKS = 200 };
    struct network *n = meshed(8, N, N, LINKS);
    network_run(n, 10 * USEC_SEC);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(network_send(n, i, (i + N / 2) % N), OK);
    network_run(n, 10 * USEC_SEC);
    assert_int_equal(network_delivered(n), N);
    network_run(n, 280 * USEC_SEC);
    uint64_t first = network_counts(n)->control_bytes;
    network_counts_reset(n);
    network_run(n, 3600 * USEC_SEC);
    const struct network_counts *k = network_counts(n);
    print_message(
        "control bytes: %u in 300 s, %u in the hour after: %u retractions, %u route and %u "
        "seqno requests\n",
        (unsigned)first, (unsigned)k->control_bytes, (unsigned)k->retraction,
        (unsigned)k->route_request, (unsigned)k->seqno_request);
    assert_int_equal(k->retraction, 0);
    assert_int_equal(k->seqno_request, 0);
    assert_int_equal(k->route_request, 0);
    for (size_t i = 0; i < N; i++) {
        struct router_stats s;
        router_stats(network_router(n, i), &s);
        assert_int_equal(s.routes, network_degree(n, i));
        assert_int_equal(s.queries, 0);
    }
    network_counts_reset(n);
    network_run(n, 300 * USEC_SEC); /* Hello, IHU, own /64 */
    assert_int_equal(k->update, 2 * LINKS);
    assert_true(k->control_bytes <= 2 * LINKS * (16 * 32 + 68));
    network_free(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_nodes),
        cmocka_unit_test(line),
        cmocka_unit_test(square_unheard_path),
        cmocka_unit_test(square_known_path),
        cmocka_unit_test(silent_link),
        cmocka_unit_test(ring),
        cmocka_unit_test(star),
        cmocka_unit_test(search_cost),
        cmocka_unit_test(quiet_hour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
