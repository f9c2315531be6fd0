/* A random network whose links are cut and come back, with traffic all the time.
 *
 *     cuts_sim [nodes] [rounds] [seed] [trace]
 *
 * Never a forwarding loop (checked at every event), and every destination in use that can be
 * reached within 16 hops is reached again one second after a clean cut. Prints its seed. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "network.h"

#define MS       USEC_MS
#define DEGREE   3 /* links by node, about */
#define PAIRS    4 /* conversations by node */
#define HOPS_MAX 16

struct pair {
    size_t from, to;
};

struct cuts {
    struct network *n;
    size_t nodes;
    struct pair *pairs;
    size_t pairs_len;
    unsigned lost; /* pairs that should have a way and had none */
};

static size_t below(struct cuts *c, size_t bound)
{
    return (size_t)rng_below(network_rng(c->n), bound);
}

static void build(struct cuts *c)
{
    for (size_t i = 1; i < c->nodes; i++)
        (void)network_link(c->n, i, below(c, i), (usec_t)(1 + below(c, 20)) * MS);
    while (network_links(c->n) < c->nodes * DEGREE / 2) {
        size_t a = below(c, c->nodes), b = below(c, c->nodes);
        if (a == b)
            continue;
        size_t l = network_link(c->n, a, b, (usec_t)(1 + below(c, 20)) * MS);
        network_link_at(c->n, l)->loss_permille = (unsigned)below(c, 20);
    }
    c->pairs_len = c->nodes * PAIRS;
    c->pairs = malloc(c->pairs_len * sizeof(*c->pairs));
    if (!c->pairs)
        abort();
    for (size_t i = 0; i < c->pairs_len; i++) {
        struct pair *p = &c->pairs[i];
        do {
            *p = (struct pair){below(c, c->nodes), below(c, c->nodes)};
        } while (p->from == p->to);
    }
}

static void talk(struct cuts *c)
{
    for (size_t i = 0; i < c->pairs_len; i++)
        (void)network_send(c->n, c->pairs[i].from, c->pairs[i].to); /* full queues are part of it */
}

/* Until no origin has made a new seqno for longer than its hold-down: within that it would not make
 * another, and what depends on one takes that long. */
static void settle(struct cuts *c)
{
    uint64_t before = 0, bumps;
    unsigned calm_s = 0;
    for (unsigned s = 0; s < 60 && calm_s < 5; s++) {
        network_run(c->n, USEC_SEC);
        bumps = 0;
        for (size_t i = 0; i < c->nodes; i++) {
            struct router_stats stats;
            router_stats(network_router(c->n, i), &stats);
            bumps += stats.seqno_bump;
        }
        calm_s = bumps == before ? calm_s + 1 : 0;
        before = bumps;
    }
}

/* What was said about one destination since the last cut. */
static void print_trace_about(struct cuts *c, const char *name)
{
    char about[NETWORK_NAME_MAX + 3];
    (void)snprintf(about, sizeof(about), "(%s,", name);
    for (const char *line = network_trace_text(c->n); *line;) {
        size_t len = strcspn(line, "\n") + 1;
        const char *at = strstr(line, about);
        if (at && at < line + len)
            printf("%.*s", (int)len, line);
        line += len;
    }
}

static void check(struct cuts *c, const char *when)
{
    for (size_t i = 0; i < c->pairs_len; i++) {
        const struct pair *p = &c->pairs[i];
        int hops = network_hops(c->n, p->from, p->to);
        if (hops < 0 || hops > HOPS_MAX || network_path(c->n, p->from, p->to) >= 0)
            continue;
        char from[NETWORK_NAME_MAX], to[NETWORK_NAME_MAX];
        printf("%.3f %s: no way from %s to %s (%d hops)\n",
               (double)network_now(c->n) / (double)USEC_SEC, when, network_name(p->from, from),
               network_name(p->to, to), hops);
        print_trace_about(c, to);
        c->lost++;
    }
}

int main(int argc, char **argv)
{
    struct cuts c = {.nodes = argc > 1 ? strtoul(argv[1], NULL, 10) : 40};
    unsigned long rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 40;
    uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 20240611;
    if (c.nodes < 2)
        return EXIT_FAILURE;
    printf("nodes %zu, rounds %lu, seed %" PRIu64 "\n", c.nodes, rounds, seed);
    clock_t start = clock();
    c.n = network_new(seed, c.nodes);
    network_trace(c.n, argc > 4);
    build(&c);
    network_run(c.n, 2 * USEC_SEC);
    talk(&c);
    network_run(c.n, 2 * USEC_SEC);
    check(&c, "at first");
    for (unsigned long i = 0; i < rounds; i++) {
        size_t l = below(&c, network_links(c.n));
        talk(&c);
        settle(&c);
        network_trace_reset(c.n);
        network_cut(c.n, l);
        network_run(c.n, USEC_SEC);
        check(&c, "after a cut");
        network_run(c.n, (usec_t)below(&c, 20) * USEC_SEC + 5 * USEC_SEC);
        talk(&c);
        if (below(&c, 3) > 0)
            network_restore(c.n, l);
        for (size_t back = 0; back < network_links(c.n); back++)
            if (below(&c, 20) == 0)
                network_restore(c.n, back);
        network_run(c.n, 5 * USEC_SEC);
        check(&c, "after a return");
    }
    const struct network_counts *k = network_counts(c.n);
    printf("%.0f s of virtual time in %.2f s: %" PRIu64 " updates, %" PRIu64
           " retractions, %" PRIu64 " route requests, %" PRIu64 " seqno requests, %" PRIu64
           " of %" PRIu64 " packets delivered\n",
           (double)network_now(c.n) / (double)USEC_SEC, (double)(clock() - start) / CLOCKS_PER_SEC,
           k->update, k->retraction, k->route_request, k->seqno_request, network_delivered(c.n),
           network_delivered(c.n) + network_unsent(c.n));
    network_free(c.n);
    free(c.pairs);
    return c.lost ? EXIT_FAILURE : EXIT_SUCCESS;
}
