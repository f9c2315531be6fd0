/* A ring in which every second node follows the plain rules (plain.h), and two nodes that talk.
 *
 *     mixed_sim ring event seeds [first seed] [trace]
 *
 * ring: mixed (taking turns), slow (likewise, over slow and lossy links), random; plain or ours for
 * one kind alone. event: reset, silent, death. Each seed is a ring of its own, in which something
 * on the way breaks several times, and is mended in between: how long until packets arrive again in
 * both directions. Prints all figures; fails when one is above the bound of its event, or when a
 * seed took more than REQUESTS_MAX. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "network.h"

#define RING        10
#define AWAY        3 /* links between the two */
#define ROUNDS      5
#define SEND_EVERY  (100 * USEC_MS)
#define DOUBT_AFTER (1500 * USEC_MS)
#define WAIT_MAX    (90 * USEC_SEC)
/* Nobody asks all the time: about twice the most that was seen. */
#define REQUESTS_MAX (200 * RING)
#define NOT_WHOLE    (-1) /* even before anything broke */

struct event {
    const char *name;
    usec_t bound; /* of the worst round */
};
static const struct event events[] = {
    {"reset", 7 * USEC_SEC}, {"silent", 18 * USEC_SEC}, {"death", 7 * USEC_SEC}};

struct talk {
    struct network *n;
    bool plain[RING];
    size_t end[2];
    usec_t broken; /* when; a packet counts that was sent after it */
    usec_t back[2];
    usec_t answered[2];
};

/* What is sent: when. */
static void arrived(void *ctx, size_t node, const struct router_out *o)
{
    struct talk *t = ctx;
    usec_t sent;
    if (o->pkt->len != sizeof(sent))
        return;
    memcpy(&sent, o->pkt->data, sizeof(sent));
    for (int i = 0; i < 2; i++) {
        if (t->end[i] != node)
            continue;
        t->answered[i] = network_now(t->n);
        if (sent >= t->broken)
            t->back[i] = MIN(t->back[i], network_now(t->n) - t->broken);
    }
}

static void talk_for(struct talk *t, usec_t by, bool until_back)
{
    usec_t end = network_now(t->n) + by;
    while (network_now(t->n) < end && !(until_back && MAX(t->back[0], t->back[1]) != USEC_NEVER)) {
        usec_t now = network_now(t->n);
        for (int i = 0; i < 2; i++) {
            (void)network_send_bytes(t->n, t->end[i], t->end[!i], &now, sizeof(now));
            if (now - t->answered[i] >= DOUBT_AFTER) {
                t->answered[i] = now;
                network_doubt(t->n, t->end[i], t->end[!i]);
            }
        }
        network_run(t->n, SEND_EVERY);
    }
}

static void watch(struct talk *t)
{
    t->broken = network_now(t->n);
    t->back[0] = t->back[1] = USEC_NEVER;
}

/* The link in the middle of the way, or the node at its near end. */
static void destroy(struct talk *t, const char *what, size_t links[NETWORK_HOPS_MAX], int hops,
                    size_t *ret_link, size_t *ret_node)
{
    size_t at = t->end[0];
    for (int i = 0; i < hops / 2; i++) {
        const struct network_link *l = network_link_at(t->n, links[i]);
        at = l->a == at ? l->b : l->a;
    }
    *ret_node = at;
    *ret_link = links[hops / 2];
    char text[64], name[NETWORK_NAME_MAX];
    (void)snprintf(text, sizeof(text), "%s: link %zu, node %s", what, *ret_link,
                   network_name(at, name));
    network_trace_note(t->n, text);
    if (strcmp(what, "reset") == 0)
        network_cut(t->n, *ret_link);
    else if (strcmp(what, "silent") == 0)
        network_silence(t->n, *ret_link);
    else
        network_kill(t->n, at);
}

static void mend(struct talk *t, size_t link, size_t node)
{
    network_revive(t->n, node);
    if (network_link_at(t->n, link)->silent)
        network_cut(t->n, link);
    network_restore(t->n, link);
}

static void ends(struct talk *t, size_t first)
{
    t->end[0] = first % RING;
    t->end[1] = (first + AWAY) % RING;
    t->answered[0] = t->answered[1] = network_now(t->n);
}

static usec_t one_round(struct talk *t, const char *what)
{
    struct rng *g = network_rng(t->n);
    size_t links[NETWORK_HOPS_MAX], back[NETWORK_HOPS_MAX], link, node;
    watch(t);
    talk_for(t, WAIT_MAX, true);
    talk_for(t, (usec_t)(2000 + rng_below(g, 4000)) * USEC_MS, false);
    int hops = network_way(t->n, t->end[0], t->end[1], links);
    if (hops < 2 || network_way(t->n, t->end[1], t->end[0], back) < 2)
        return NOT_WHOLE;
    watch(t);
    destroy(t, what, links, hops, &link, &node);
    talk_for(t, WAIT_MAX, true);
    usec_t worst = MAX(t->back[0], t->back[1]);
    talk_for(t, (usec_t)rng_below(g, 5000) * USEC_MS, false);
    network_trace_note(t->n, "mended");
    mend(t, link, node);
    network_run(t->n, (usec_t)(1000 + rng_below(g, 9000)) * USEC_MS);
    return worst;
}

static void add_link(struct network *n, size_t i, bool slow)
{
    usec_t delay = (usec_t)(100 + rng_below(network_rng(n), slow ? 60000 : 2000));
    size_t link = network_link(n, i, (i + 1) % RING, delay);
    network_link_at(n, link)->loss_permille = slow ? 100 : 0;
}

static bool run(uint64_t seed, const char *ring, const struct event *e, bool trace)
{
    struct talk t = {0};
    bool good = true, slow = ring[0] == 's';
    usec_t bound = slow ? 2 * e->bound : e->bound;
    for (size_t i = 0; i < RING; i++)
        t.plain[i] = ring[0] == 'p' || ((ring[0] == 'm' || slow) && i % 2 == 1) ||
                     (ring[0] == 'r' && (seed * 0x9e3779b97f4a7c15 >> (20 + i) & 1));
    t.n = network_new_mixed(seed, RING, t.plain);
    network_loops(t.n, NETWORK_LOOPS_WATCH);
    if (trace)
        network_trace_to(t.n, stdout);
    network_on_local(t.n, arrived, &t);
    struct rng *g = network_rng(t.n);
    for (size_t i = 0; i < RING; i++)
        add_link(t.n, i, slow);
    network_run(t.n, (usec_t)(5000 + rng_below(g, 60000)) * USEC_MS);
    printf("%s %" PRIu64 ":", e->name, seed);
    for (size_t k = 0; k < ROUNDS; k++) {
        ends(&t, (size_t)rng_below(g, RING));
        usec_t worst = one_round(&t, e->name);
        good = good && worst <= bound && worst != NOT_WHOLE;
        if (worst == NOT_WHOLE)
            printf(" not-whole");
        else if (worst == USEC_NEVER)
            printf(" never");
        else
            printf(" %.2f", (double)worst / (double)USEC_SEC);
    }
    const struct network_counts *c = network_counts(t.n);
    printf(", %" PRIu64 " loops, %" PRIu64 " lasting, %" PRIu64 " requests\n", c->loops,
           c->loops_lasting, c->route_request + c->seqno_request);
    good = good && c->route_request + c->seqno_request <= REQUESTS_MAX;
    network_free(t.n);
    return good;
}

int main(int argc, char **argv)
{
    const struct event *e = NULL;
    for (size_t i = 0; argc > 3 && i < ARRAY_LEN(events); i++)
        if (strcmp(argv[2], events[i].name) == 0)
            e = &events[i];
    if (!e)
        return EXIT_FAILURE;
    uint64_t seeds = strtoull(argv[3], NULL, 10),
             first = argc > 4 ? strtoull(argv[4], NULL, 10) : 1;
    bool good = true;
    for (uint64_t seed = first; seed < first + seeds; seed++)
        good = run(seed, argv[1], e, argc > 5) && good;
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
