/* router_bench.c - what the routing tables cost: memory, lookups, Updates, loss of a neighbour,
 * beside what the machine gives by itself.
 *
 *     router_bench [routes]         default: 1000000
 *
 * Keys are random, as in the network. Time is virtual, what it takes is measured. "Longest
 * call" counts the time on the processor. "independent": lookups that the processor may overlap;
 * "dependent": each waits for the one before. */
#include <inttypes.h>
#include <limits.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/hmap.h"
#include "router/router.h"

#define LOOKUPS (1U << 20)
#define BATCH   10000 /* packets encoded beforehand */
#define LONG_US 2000

struct bench {
    struct rng rng;
    struct identity *id;
    struct router *r;
    usec_t now;
    size_t n;
    struct router_id *rids;
    struct subnet *subnets;
    struct ip6 *wanted; /* LOOKUPS addresses with a route, in random order */
    struct ip6 *others; /* and without */
};

static void fail(const char *what)
{
    (void)fprintf(stderr, "router_bench: %s\n", what);
    exit(1);
}

static void *take(size_t n, size_t size)
{
    void *p = calloc(n, size);
    if (!p)
        fail("out of memory");
    return p;
}

static double ns_each(usec_t took, size_t n)
{
    return (double)took * 1e3 / (double)n;
}

static double millions(usec_t took, size_t n)
{
    return (double)n / (double)MAX(took, 1);
}

/* Memory of the whole process that is not from files; so nothing is forgotten. */
static size_t resident(void)
{
    char line[256];
    size_t kib = 0;
    FILE *f = fopen("/proc/self/status", "re");
    if (!f)
        fail("/proc/self/status cannot be read");
    while (fgets(line, sizeof(line), f))
        if (strncmp(line, "RssAnon:", 8) == 0)
            kib = strtoul(line + 8, NULL, 10);
    (void)fclose(f);
    return kib << 10;
}

static void drain(struct bench *b)
{
    struct router_out o;
    while (router_next(b->r, &o))
        pkt_free(o.pkt);
}

/* Of this thread on the processor: what others on the machine take away is not ours. */
static usec_t cpu_now(void)
{
    struct timespec t;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) < 0)
        fail("no clock of the processor");
    return (usec_t)t.tv_sec * USEC_SEC + t.tv_nsec / 1000;
}

/* --- the network ----------------------------------------------------------------------------- */

static void make_keys(struct bench *b)
{
    b->rids = take(b->n, sizeof(*b->rids));
    b->subnets = take(b->n, sizeof(*b->subnets));
    b->wanted = take(LOOKUPS, sizeof(*b->wanted));
    b->others = take(LOOKUPS, sizeof(*b->others));
    for (size_t i = 0; i < b->n; i++) {
        struct pubkey key;
        rng_bytes(&b->rng, key.b, sizeof(key.b));
        memcpy(b->rids[i].b, key.b, sizeof(key.b));
        struct ip6 a = address_of_key(&key);
        b->subnets[i] = subnet_of_node(&a);
    }
    for (size_t i = 0; i < LOOKUPS; i++) {
        b->wanted[i] = b->subnets[rng_below(&b->rng, b->n)].net;
        b->wanted[i].b[15] = 1;
        rng_bytes(&b->rng, b->others[i].b, sizeof(b->others[i].b));
        b->others[i].b[0] = 4;
    }
}

static void start_with(struct bench *b, size_t routes, size_t sources)
{
    struct router_conf c = {.identity = b->id, .rng = &b->rng};
    router_limits_default(&c.limits);
    c.limits.announcements_per_sec = UINT32_MAX;
    c.limits.new_subnets_per_sec = UINT32_MAX; /* no limit: the tables are what is measured */
    c.limits.routes = (uint32_t)routes;
    c.limits.sources = (uint32_t)sources;
    b->now = 1000 * USEC_SEC;
    if (router_new(&c, b->now, &b->r) < 0)
        fail("no router");
}

static void start(struct bench *b)
{
    start_with(b, b->n * 4, b->n * 2);
}

static void stop(struct bench *b)
{
    router_free(b->r);
    b->r = NULL;
}

static peer_id up(struct bench *b, uint16_t cost)
{
    struct router_link link = {.static_cost = cost, .name = "bench"};
    peer_id p;
    if (router_peer_up(b->r, &link, b->now, &p) < 0)
        fail("no neighbour");
    drain(b);
    return p;
}

struct took {
    usec_t all;
    usec_t longest;
};

/* An Update with this interval, or a route request (0). */
#define REQUEST 0
static struct pkt *encode(const struct bench *b, size_t i, uint16_t interval_cs)
{
    struct tlv update = {.type = TLV_UPDATE,
                         .update = {.interval_cs = interval_cs,
                                    .seqno = 0,
                                    .metric = 100,
                                    .subnet = b->subnets[i],
                                    .router_id = b->rids[i]}};
    struct tlv request = {.type = TLV_ROUTE_REQUEST, .route_request = {.subnet = b->subnets[i]}};
    struct pkt *p = tlv_encode(interval_cs == REQUEST ? &request : &update);
    if (!p)
        fail("out of memory");
    return p;
}

static void encode_ahead(const struct bench *b)
{
    static struct pkt *batch[BATCH];
    for (size_t i = 0; i < BATCH; i++)
        batch[i] = encode(b, i % b->n, 30000);
    for (size_t i = 0; i < BATCH; i++)
        pkt_free(batch[i]);
}

/* One packet for each subnet, with all that comes out. each: watch single calls too. */
static struct took tell_all(struct bench *b, peer_id from, uint16_t interval_cs, bool each)
{
    static struct pkt *batch[BATCH];
    struct took took = {0, 0};
    for (size_t at = 0; at < b->n; at += BATCH) {
        size_t len = MIN(BATCH, b->n - at);
        for (size_t i = 0; i < len; i++)
            batch[i] = encode(b, at + i, interval_cs);
        usec_t begun = usec_now(), last = each ? cpu_now() : 0;
        for (size_t i = 0; i < len; i++) {
            router_recv(b->r, from, wire_rd_of(batch[i]->data, batch[i]->len), ++b->now);
            if (each) {
                usec_t t = cpu_now();
                took.longest = MAX(took.longest, t - last);
                last = t;
            }
            if (i % 64 == 0)
                drain(b);
        }
        drain(b);
        took.all += usec_now() - begun;
        for (size_t i = 0; i < len; i++)
            pkt_free(batch[i]);
    }
    return took;
}

/* Everything that is due, call by call. Outputs are taken between calls, outside of the time. */
static struct took work_off(struct bench *b, usec_t first, size_t *ret_long)
{
    struct took took = {first, first};
    *ret_long = first > LONG_US;
    drain(b);
    while (router_deadline(b->r) <= b->now) {
        usec_t begun = cpu_now();
        router_tick(b->r, b->now);
        usec_t t = cpu_now() - begun;
        took.all += t;
        took.longest = MAX(took.longest, t);
        *ret_long += t > LONG_US;
        drain(b);
    }
    return took;
}

static void expect(const struct bench *b, size_t routes)
{
    struct router_stats st;
    router_stats(b->r, &st);
    if (st.routes != routes)
        fail("the table is not what it should be");
}

/* --- lookups --------------------------------------------------------------------------------- */

static uint64_t look_independent(const struct router *r, const struct ip6 *v)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < LOOKUPS; i++)
        sum += router_next_hop(r, &v[i]);
    return sum;
}

static uint64_t look_dependent(const struct router *r, const struct ip6 *v)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < LOOKUPS; i++) {
        struct ip6 a = v[i];
        a.b[0] ^= (uint8_t)(sum >> 56); /* zero, but only the result tells */
        sum += router_next_hop(r, &a);
    }
    return sum;
}

static void bench_lookups(const struct bench *b)
{
    double best[3] = {1e9, 1e9, 1e9};
    for (int round = 0; round < 3; round++) {
        usec_t t0 = usec_now();
        uint64_t hits = look_independent(b->r, b->wanted);
        usec_t t1 = usec_now();
        uint64_t same = look_dependent(b->r, b->wanted);
        usec_t t2 = usec_now();
        uint64_t none = look_independent(b->r, b->others);
        usec_t t3 = usec_now();
        if (hits == 0 || hits != same || none != 0)
            fail("lookups went wrong");
        best[0] = MIN(best[0], ns_each(t1 - t0, LOOKUPS));
        best[1] = MIN(best[1], ns_each(t2 - t1, LOOKUPS));
        best[2] = MIN(best[2], ns_each(t3 - t2, LOOKUPS));
    }
    printf("  lookup to the next hop       %7.1f ns independent %7.1f ns dependent %7.1f ns miss\n",
           best[0], best[1], best[2]);
}

/* --- yardsticks ------------------------------------------------------------------------------ */

struct twin {
    struct hnode node;
    struct ip6 net;
};

static const struct twin *twin_find(const struct hmap *m, const struct ip6 *a)
{
    uint64_t hash = hmap_hash(m, a->b, 8);
    for (struct hnode *n = hmap_first(m, hash); n; n = hmap_next(n, hash)) {
        const struct twin *t = container_of(n, struct twin, node);
        if (ip6_same_node(&t->net, a))
            return t;
    }
    return NULL;
}

/* The same keys in a chained hash map, nothing else in the entries. */
static void yard_hmap(struct bench *b)
{
    struct hmap m;
    uint64_t sum = 0;
    if (hmap_init(&m, &b->rng) < 0)
        fail("out of memory");
    size_t before = resident();
    usec_t t0 = usec_now();
    for (size_t i = 0; i < b->n; i++) {
        struct twin *t = take(1, sizeof(*t));
        t->net = b->subnets[i].net;
        hmap_add(&m, &t->node, hmap_hash(&m, t->net.b, 8));
    }
    usec_t t1 = usec_now();
    size_t bytes = resident() - before;
    for (size_t i = 0; i < LOOKUPS; i++)
        sum += twin_find(&m, &b->wanted[i]) != NULL;
    usec_t t2 = usec_now();
    if (sum != LOOKUPS)
        fail("the yardstick went wrong");
    printf("  yardstick, keys in a chained hash map: %.0f bytes each, added %.2f million/s, "
           "lookup %.1f ns\n",
           (double)bytes / (double)b->n, millions(t1 - t0, b->n), ns_each(t2 - t1, LOOKUPS));
    size_t slot = 0;
    struct hnode *n;
    while ((n = hmap_each(&m, &slot, NULL)) != NULL) {
        hmap_del(&m, n);
        free(container_of(n, struct twin, node));
    }
    hmap_fini(&m);
}

static void yard_memory(struct bench *b)
{
    uint8_t *copy = take(b->n, sizeof(*b->rids));
    uint32_t *where = take(LOOKUPS, sizeof(*where));
    for (size_t i = 0; i < LOOKUPS; i++)
        where[i] = (uint32_t)rng_below(&b->rng, b->n);
    usec_t t0 = usec_now();
    memcpy(copy, b->rids, b->n * sizeof(*b->rids));
    usec_t t1 = usec_now();
    uint64_t sum = 0;
    for (size_t i = 0; i < LOOKUPS; i++) /* one random line of it each, dependent */
        sum += copy[(where[i] ^ (uint32_t)(sum >> 32)) * sizeof(*b->rids)];
    usec_t t2 = usec_now();
    printf("  yardstick, router ids alone: copied in %.1f ns each, a random one read in %.1f ns "
           "(%" PRIu64 ")\n",
           ns_each(t1 - t0, b->n), ns_each(t2 - t1, LOOKUPS), sum & 1);
    free(copy);
    free(where);
}

/* --- runs ------------------------------------------------------------------------------------- */

static void print_took(const char *what, struct took t, size_t n)
{
    printf("  %-28s %7.2f million/s\n", what, millions(t.all, n));
}

static void print_slices(const char *what, struct took t, size_t n, size_t longer)
{
    printf("  %-28s %7.2f million/s, longest call %" PRId64 " us, %zu calls above %d us\n", what,
           millions(t.all, n), t.longest, longer, LONG_US);
}

static void bench_table(struct bench *b)
{
    start(b);
    peer_id first = up(b, 10);
    encode_ahead(b); /* so that the packets' memory is not taken for the tables' */
    size_t before = resident();
    struct took t = tell_all(b, first, 30000, false);
    size_t one = resident();
    expect(b, b->n);
    printf("  %-28s %7.1f bytes\n", "a route, one neighbour",
           (double)(one - before) / (double)b->n);
    print_took("new routes", t, b->n);
    print_took("renewals", tell_all(b, first, 30000, false), b->n);
    bench_lookups(b);
    peer_id second = up(b, 200);
    before = resident();
    t = tell_all(b, second, 30000, false);
    one = resident();
    expect(b, 2 * b->n);
    printf("  %-28s %7.1f bytes\n", "each further neighbour",
           (double)(one - before) / (double)b->n);
    print_took("fallback routes", t, b->n);
    print_took("renewals, announced to none", tell_all(b, second, 30000, false), b->n);
    stop(b);
}

/* The same once more, every call watched: the tables grow without anybody waiting for it. */
static void bench_stalls(struct bench *b)
{
    start(b);
    peer_id first = up(b, 10);
    peer_id second = up(b, 10);
    struct took t = tell_all(b, first, 30000, true);
    printf("  new routes, call by call     %7.2f million/s, longest call %" PRId64 " us\n",
           millions(t.all, b->n), t.longest);
    t = tell_all(b, second, REQUEST, true);
    printf("  told to another that asks    %7.2f million/s, longest call %" PRId64 " us\n",
           millions(t.all, b->n), t.longest);
    stop(b);
}

/* Another neighbour knows all of these routes from us. alternative: a third one has them too. */
static void bench_loss(struct bench *b, bool alternative)
{
    size_t longer;
    start(b);
    peer_id first = up(b, 10), second = up(b, 200), told = up(b, 10);
    (void)tell_all(b, first, 30000, false);
    (void)tell_all(b, told, REQUEST, false);
    if (alternative)
        (void)tell_all(b, second, 30000, false);
    usec_t begun = cpu_now();
    router_peer_down(b->r, first, b->now);
    struct took t = work_off(b, cpu_now() - begun, &longer);
    expect(b, alternative ? b->n : 0);
    print_slices(alternative ? "neighbour lost, other ways" : "neighbour lost, no other way", t,
                 b->n, longer);
    stop(b);
}

/* Twice as many routes as the tables hold: one that nobody uses goes for each new one. */
static void bench_eviction(struct bench *b)
{
    start_with(b, b->n / 2, b->n / 2);
    struct took t = tell_all(b, up(b, 10), 30000, true);
    expect(b, b->n / 2);
    printf("  half of them into full tables %6.2f million/s, longest call %" PRId64 " us\n",
           millions(t.all, b->n), t.longest);
    stop(b);
}

/* The whole table told to one neighbour that asks for it: pieces with pauses, which cost nothing
 * here. */
static void bench_dump(struct bench *b)
{
    size_t longer = 0, calls = 1, told = 0;
    start(b);
    peer_id first = up(b, 10), asks = up(b, 10);
    (void)tell_all(b, first, 30000, false);
    struct pkt *p =
        tlv_encode(&(struct tlv){.type = TLV_ROUTE_REQUEST, .route_request = {.wildcard = true}});
    if (!p)
        fail("out of memory");
    usec_t begun = cpu_now(), t;
    router_recv(b->r, asks, wire_rd_of(p->data, p->len), b->now);
    struct took took = {cpu_now() - begun, cpu_now() - begun};
    while (told < b->n && calls < 2 * b->n + 1000) {
        struct router_out o;
        while (router_next(b->r, &o)) {
            told += o.peer == asks && o.pkt && o.pkt->data[8] == TLV_UPDATE;
            pkt_free(o.pkt);
        }
        b->now = MAX(b->now, MIN(router_deadline(b->r), b->now + USEC_MS));
        begun = cpu_now();
        router_tick(b->r, b->now);
        t = cpu_now() - begun;
        calls++;
        took.all += t;
        took.longest = MAX(took.longest, t);
        longer += t > LONG_US;
        for (peer_id alive = first; alive <= asks; alive++) { /* each Hello has its answer */
            struct pkt *ihu = tlv_encode(&(struct tlv){.type = TLV_IHU});
            if (!ihu)
                fail("out of memory");
            if (calls % 1000 == 0)
                router_recv(b->r, alive, wire_rd_of(ihu->data, ihu->len), b->now);
            pkt_free(ihu);
        }
    }
    pkt_free(p);
    if (told < b->n)
        fail("the dump is not whole");
    print_slices("whole table told", took, b->n, longer);
    stop(b);
}

static void bench_expiry(struct bench *b)
{
    size_t longer;
    start(b);
    peer_id first = up(b, 10);
    (void)tell_all(b, first, 500, false); /* 17.5 s */
    b->now += 18 * USEC_SEC;
    struct took t = work_off(b, 0, &longer);
    expect(b, 0);
    print_slices("unused routes end", t, b->n, longer);
    stop(b);
}

static void run(struct bench *b, size_t n, bool all)
{
    b->n = n;
    make_keys(b);
    printf("%zu routes\n", n);
    bench_table(b);
    if (all) {
        bench_stalls(b);
        bench_loss(b, false);
        bench_loss(b, true);
        bench_expiry(b);
        bench_dump(b);
        bench_eviction(b);
    }
    yard_hmap(b);
    yard_memory(b);
    free(b->rids);
    free(b->subnets);
    free(b->wanted);
    free(b->others);
}

int main(int argc, char **argv)
{
    static const uint8_t secret[KEY_BYTES] = {42};
    struct bench b = {0};
    long n = argc > 1 ? strtol(argv[1], NULL, 10) : 1000000;
    if (n < 1 || n > 100000000)
        fail("that is no number of routes");
    /* Freed memory stays with malloc, large blocks excepted: only the tables change the size. */
    (void)mallopt(M_TRIM_THRESHOLD, INT_MAX);
    (void)mallopt(M_MMAP_THRESHOLD, 128 << 10);
    rng_init_seeded(&b.rng, 1);
    if (identity_new(secret, &b.id) < 0)
        fail("no identity");
    if (n > 100000)
        run(&b, 100000, false);
    run(&b, (size_t)n, true);
    identity_free(b.id);
    return 0;
}
