/* A node that floods its neighbours with one kind of packet, as fast as its links carry it, while
 * others talk to each other on ways that do not lead through it.
 *
 *     hostile_sim [seconds] [seed]
 *
 * On a ring and on a star: every packet of the others arrives, half of them in at most twice the
 * time that they take in peace, and no forwarding loop lasts. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "network.h"
#include "router/packet.h"
#include "router/tlv.h"

#define NODES     9
#define HOSTILE   1
#define DELAY     (5 * USEC_MS)
#define BANDWIDTH 1000000 /* bytes per second of each link */
#define EVERY     (50 * USEC_MS)
#define PEACE     (10 * USEC_SEC)
#define KEYS      500

enum kind {
    HELLOS,
    SUBNETS,
    FORGED,
    CHANGING,
    RETRACTING,
    ROUTE_REQUESTS,
    OWN_REQUESTS,
    SEQNO_REQUESTS,
    WILDCARDS,
    DATA_TO_NOBODY,
    DATA_TO_NEIGHBOURS,
    GARBAGE,
    KINDS
};

static const char *const names[KINDS] = {
    "hellos",  "subnets",        "forged",    "changing",       "retracting",     "route requests",
    "own /64", "seqno requests", "wildcards", "data to nobody", "data to others", "not a TLV",
};

struct talk {
    uint64_t number;
    usec_t sent;
};

struct hostile {
    struct network *n;
    size_t links[2], links_len; /* of the hostile node */
    struct router_id keys[KEYS];
    uint64_t made;
    uint64_t sent, arrived;
    usec_t *times; /* of the packets since the last look */
    size_t times_len, times_cap;
};

static void *must(void *p)
{
    if (!p)
        abort();
    return p;
}

/* --- the others ------------------------------------------------------------------------------- */

static void on_local(void *ctx, size_t node, const struct router_out *o)
{
    struct hostile *h = ctx;
    struct talk t;
    (void)node;
    if (o->user_type != USER_MESSAGE || o->pkt->len != sizeof(t))
        return;
    memcpy(&t, o->pkt->data, sizeof(t));
    if (h->times_len == h->times_cap) {
        h->times_cap = h->times_cap ? 2 * h->times_cap : 1024;
        h->times = must(reallocarray(h->times, h->times_cap, sizeof(*h->times)));
    }
    h->times[h->times_len++] = network_now(h->n) - t.sent;
    h->arrived++;
}

/* Everybody to who comes behind it, and to the one after that; not through the hostile node. */
static void talk(struct hostile *h)
{
    for (size_t a = 0; a < NODES; a++) {
        for (size_t by = 1; by <= 2; by++) {
            size_t b = a + by;
            if (a == HOSTILE || b >= NODES || b == HOSTILE || (a < HOSTILE && b > HOSTILE))
                continue;
            struct talk t = {.number = h->sent++, .sent = network_now(h->n)};
            (void)network_send_bytes(h->n, a, b, &t, sizeof(t)); /* counted where it arrives */
        }
    }
}

static int compare(const void *a, const void *b)
{
    const usec_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static usec_t median(struct hostile *h)
{
    if (h->times_len == 0)
        return USEC_NEVER;
    qsort(h->times, h->times_len, sizeof(*h->times), compare);
    return h->times[h->times_len / 2];
}

/* --- the hostile node --------------------------------------------------------------------------
 */

static void new_key(struct hostile *h, struct router_id *ret)
{
    *ret = (struct router_id){{0}};
    rng_bytes(network_rng(h->n), ret->b, KEY_BYTES);
}

static struct subnet subnet_of(const struct router_id *rid)
{
    struct pubkey key;
    memcpy(key.b, rid->b, sizeof(key.b));
    struct ip6 a = address_of_key(&key);
    return subnet_of_node(&a);
}

static struct subnet anywhere(struct hostile *h)
{
    struct subnet s = {.net = {{4}}, .plen = 64};
    rng_bytes(network_rng(h->n), s.net.b + 1, 7);
    return s;
}

static struct pkt *update(const struct router_id *rid, const struct subnet *s, uint16_t metric,
                          uint16_t seqno)
{
    struct tlv t = {.type = TLV_UPDATE,
                    .update = {.interval_cs = 30000,
                               .metric = metric,
                               .seqno = seqno,
                               .subnet = *s,
                               .router_id = *rid}};
    return tlv_encode(&t);
}

static struct pkt *request(const struct subnet *s, uint8_t generation)
{
    struct tlv t = {.type = TLV_ROUTE_REQUEST,
                    .route_request = {.generation = generation, .wildcard = !s}};
    if (s)
        t.route_request.subnet = *s;
    return tlv_encode(&t);
}

static struct pkt *data_to(struct hostile *h, const struct ip6 *dst)
{
    struct subnet from = anywhere(h);
    struct pkt *p = pkt_new(200);
    if (p) {
        rng_bytes(network_rng(h->n), p->data, p->len);
        data_encode(p, (uint8_t)(1 + rng_below(network_rng(h->n), 64)), &from.net, dst);
    }
    return p;
}

static struct pkt *next_packet(struct hostile *h, enum kind kind)
{
    struct router_id rid;
    struct subnet s;
    uint64_t i = h->made++;
    size_t other = 2 + i % (NODES - 2);
    struct router *r = network_router(h->n, other);
    struct ip6 address = router_address(r);
    struct pkt *p;
    switch (kind) {
    case HELLOS:
        return tlv_encode(&(struct tlv){.type = TLV_HELLO, .hello = {HELLO_FLAG_UNICAST, 0, 2000}});
    case SUBNETS:
        new_key(h, &rid);
        s = subnet_of(&rid);
        return update(&rid, &s, 100, 0);
    case FORGED:
        new_key(h, &rid);
        s = anywhere(h);
        return update(&rid, &s, 100, 0);
    case CHANGING:
        s = subnet_of(&h->keys[i % KEYS]);
        return update(&h->keys[i % KEYS], &s, (uint16_t)(rng_below(network_rng(h->n), 50000)),
                      (uint16_t)(i / KEYS));
    case RETRACTING:
        s = subnet_of(&h->keys[i % KEYS]);
        return update(&h->keys[i % KEYS], &s, i / KEYS % 2 ? METRIC_INFINITE : 100, 0);
    case ROUTE_REQUESTS:
        s = anywhere(h);
        return request(&s, (uint8_t)i);
    case OWN_REQUESTS:
        s = subnet_of_node(&address);
        return request(&s, 0);
    case SEQNO_REQUESTS:
        return tlv_encode(&(struct tlv){.type = TLV_SEQNO_REQUEST,
                                        .seqno_request = {.seqno = (uint16_t)i,
                                                          .hop_count = 64,
                                                          .subnet = subnet_of_node(&address),
                                                          .router_id = *router_self(r)}});
    case WILDCARDS:
        return request(NULL, 0);
    case DATA_TO_NOBODY:
        s = anywhere(h);
        return data_to(h, &s.net);
    case DATA_TO_NEIGHBOURS:
        return data_to(h, &address);
    case GARBAGE:
    case KINDS:
        break;
    }
    p = must(pkt_new(100));
    rng_bytes(network_rng(h->n), p->data, p->len);
    memcpy(p->data, (uint8_t[]){1, 1, 0, 0, 42, 3, 0, 92}, 8);
    return p;
}

/* What the links carry in this time. */
static void flood(struct hostile *h, enum kind kind, usec_t time)
{
    for (size_t i = 0; i < h->links_len; i++) {
        size_t left = (size_t)(BANDWIDTH * time / USEC_SEC);
        while (left > 0) {
            struct pkt *p = must(next_packet(h, kind));
            left -= MIN(left, p->len);
            network_inject(h->n, h->links[i], HOSTILE, p);
        }
    }
}

/* --- runs ------------------------------------------------------------------------------------- */

static void add_link(struct hostile *h, size_t a, size_t b)
{
    size_t l = network_link_add(h->n, a, b, DELAY);
    network_link_at(h->n, l)->bytes_per_sec = BANDWIDTH;
    network_restore(h->n, l);
    if (a == HOSTILE || b == HOSTILE)
        h->links[h->links_len++] = l;
}

static void start(struct hostile *h, bool star, uint64_t seed)
{
    *h = (struct hostile){.n = network_new(seed, NODES)};
    network_loops(h->n, NETWORK_LOOPS_WATCH);
    network_on_local(h->n, on_local, h);
    for (size_t i = 0; i < KEYS; i++)
        new_key(h, &h->keys[i]);
    for (size_t i = 1; i < NODES; i++)
        add_link(h, star ? 0 : i - 1, i);
    if (!star)
        add_link(h, NODES - 1, 0);
    network_run(h->n, 3 * USEC_SEC);
    talk(h); /* the ways are searched */
    network_run(h->n, 3 * USEC_SEC);
    h->sent = h->arrived = 0;
    h->times_len = 0;
}

static usec_t phase(struct hostile *h, enum kind kind, usec_t length)
{
    const usec_t step = USEC_MS;
    h->times_len = 0;
    for (usec_t at = 0; at < length; at += step) {
        if (at % EVERY == 0)
            talk(h);
        if (kind != KINDS)
            flood(h, kind, step);
        network_run(h->n, step);
    }
    return median(h);
}

static bool run(bool star, enum kind kind, usec_t length, uint64_t seed)
{
    struct hostile h;
    start(&h, star, seed);
    usec_t quiet = phase(&h, KINDS, PEACE);
    usec_t loud = phase(&h, kind, length);
    usec_t worst = h.times[h.times_len - 1];
    network_run(h.n, USEC_SEC); /* what is under way */
    const struct network_counts *k = network_counts(h.n);
    bool ok = h.arrived == h.sent && loud <= 2 * quiet && k->loops_lasting == 0;
    printf("%-4s %-14s %.2f ms -> %.2f ms (at most %.2f), %" PRIu64 " of %" PRIu64
           " arrived, %" PRIu64 " hostile packets, %" PRIu64 " kB of control, %" PRIu64
           " lasting loops%s\n",
           star ? "star" : "ring", names[kind], (double)quiet / 1e3, (double)loud / 1e3,
           (double)worst / 1e3, h.arrived, h.sent, h.made, k->control_bytes / 1000,
           k->loops_lasting, ok ? "" : "  WRONG");
    network_free(h.n);
    free(h.times);
    return ok;
}

int main(int argc, char **argv)
{
    usec_t length = (argc > 1 ? strtol(argv[1], NULL, 10) : 5) * USEC_SEC;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    bool ok = true;
    if (length <= 0)
        return EXIT_FAILURE;
    for (int star = 0; star <= 1; star++)
        for (int kind = 0; kind < KINDS; kind++)
            ok = run(star, (enum kind)kind, length, seed) && ok;
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
