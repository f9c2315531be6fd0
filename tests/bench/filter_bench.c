/* filter_bench.c - what it costs to find out who wants a topic.
 *
 *     filter_bench [waiters]         default: 10000
 *
 * One pattern beside comparing bytes and fnmatch(3); many filters in the index beside a list that
 * is asked one by one; and a message that arrives in a bus where so many clients wait, beside one
 * where nobody does. Time on the processor; the best of five runs. */
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/rng.h"
#include "bus/bus.h"
#include "bus/filter.h"
#include "bus/filter_index.h"

#define RUNS     5
#define MATCHES  2000000
#define ARRIVALS 5000
#define BURST    64 /* arrivals of one turn */

static void fail(const char *what)
{
    (void)fprintf(stderr, "filter_bench: %s\n", what);
    exit(1);
}

/* Of this thread on the processor: what others on the machine take away is not ours. */
static double cpu_ns(void)
{
    struct timespec t;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) < 0)
        fail("no clock of the processor");
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static struct bus_filter filter_of(enum bus_filter_kind kind, const char *text)
{
    struct bus_filter f = {.kind = kind, .topic.len = (uint8_t)strlen(text)};
    memcpy(f.topic.b, text, f.topic.len);
    if (filter_check(&f) < 0)
        fail("no filter");
    return f;
}

/* --- one filter ------------------------------------------------------------------------------ */

static bool by_fnmatch(const char *pattern, const char *topic)
{
    return fnmatch(pattern, topic, FNM_PATHNAME) == 0;
}

static double run_filter(const struct bus_filter *f, const char *const *topics)
{
    double best = 0;
    size_t lens[2] = {strlen(topics[0]), strlen(topics[1])};
    for (unsigned run = 0; run < RUNS; run++) {
        volatile unsigned hits = 0;
        double from = cpu_ns();
        for (unsigned i = 0; i < MATCHES; i++)
            hits += filter_match(f, (const uint8_t *)topics[i & 1], lens[i & 1]);
        double took = (cpu_ns() - from) / MATCHES;
        best = run == 0 || took < best ? took : best;
    }
    return best;
}

static double run_fnmatch(const char *pattern, const char *const *topics)
{
    double best = 0;
    for (unsigned run = 0; run < RUNS; run++) {
        volatile unsigned hits = 0;
        double from = cpu_ns();
        for (unsigned i = 0; i < MATCHES / 10; i++)
            hits += by_fnmatch(pattern, topics[i & 1]);
        double took = (cpu_ns() - from) / (MATCHES / 10.0);
        best = run == 0 || took < best ? took : best;
    }
    return best;
}

static void bench_one(void)
{
    static const char *const topics[] = {"building/floor-12/room-1207/temperature",
                                         "building/floor-12/room-1207/humidity"};
    static const struct {
        enum bus_filter_kind kind;
        const char *text, *glob;
    } v[] = {
        {BUS_TOPIC, "building/floor-12/room-1207/temperature", NULL},
        {BUS_PREFIX, "building/floor-12/room-1207/", NULL},
        {BUS_PATTERN, "building/floor-12/room-1207/temperature",
         "building/floor-12/room-1207/temperature"},
        {BUS_PATTERN, "building/+/+/temperature", "building/*/*/temperature"},
        {BUS_PATTERN, "+/+/+/+", "*/*/*/*"},
        {BUS_PATTERN, "building/floor-12/#", NULL},
    };
    static const char *const names[] = {"any", "exact", "prefix", "pattern"};
    printf(
        "one filter, two topics of 39 and 36 bytes, ns each (fnmatch of the same in brackets)\n");
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        struct bus_filter f = filter_of(v[i].kind, v[i].text);
        printf("  %-8s %-42s %6.1f", names[v[i].kind], v[i].text, run_filter(&f, topics));
        if (v[i].glob)
            printf("  (%.1f)", run_fnmatch(v[i].glob, topics));
        printf("\n");
    }
}

/* --- many filters ---------------------------------------------------------------------------- */

struct sub {
    struct list link;
    struct bus_filter filter;
    uint8_t other[400]; /* what else belongs to a client that waits */
};

/* The n-th client: a tenth of them share wide patterns, the others want their own. */
static struct bus_filter nth(size_t n)
{
    char text[96];
    if (n % 10 == 0)
        (void)snprintf(text, sizeof(text), "site/+/device-%zu/#", n % 97);
    else if (n % 10 == 1)
        (void)snprintf(text, sizeof(text), "+/area-%zu/+/state", n % 89);
    else
        (void)snprintf(text, sizeof(text), "site/area-%zu/device-%zu/+", n % 89, n);
    return filter_of(BUS_PATTERN, text);
}

static size_t ask_list(struct list *all, const char *topic, size_t len)
{
    size_t n = 0;
    list_foreach (l, all)
        n += filter_match(&list_entry(l, struct sub, link)->filter, (const uint8_t *)topic, len);
    return n;
}

static size_t ask_index(const struct filter_index *x, const char *topic, size_t len)
{
    struct filter_walk w;
    struct list *l;
    size_t n = 0;
    filter_walk_begin(&w, x, (const uint8_t *)topic, len);
    while ((l = filter_walk_next(&w)))
        list_foreach (p, l)
            n++;
    return n;
}

static void bench_many(size_t waiters)
{
    static const char *const topics[] = {"site/area-3/device-7/state", "site/area-88/device-x/log",
                                         "other/thing"};
    struct filter_index x;
    struct list all;
    struct rng rng;
    struct sub *v = calloc(waiters, sizeof(*v));
    struct filter_node *at;
    rng_init_seeded(&rng, 1);
    list_init(&all);
    if (!v || filter_index_init(&x, &rng) < 0)
        fail("out of memory");
    for (size_t i = 0; i < waiters; i++) {
        v[i].filter = nth(i);
        list_push_back(&all, &v[i].link);
    }
    size_t expect[ARRAY_LEN(topics)];
    double slow[ARRAY_LEN(topics)], fast[ARRAY_LEN(topics)];
    for (size_t t = 0; t < ARRAY_LEN(topics); t++) {
        double from = cpu_ns();
        for (unsigned i = 0; i < 100; i++)
            expect[t] = ask_list(&all, topics[t], strlen(topics[t]));
        slow[t] = (cpu_ns() - from) / 100;
    }
    for (size_t i = 0; i < waiters; i++) {
        list_del(&v[i].link);
        if (filter_index_get(&x, &v[i].filter, &at) < 0)
            fail("the index is full");
        list_push_back(filter_waiters(at), &v[i].link);
    }
    printf("%zu patterns, %zu nodes: which of them mean a topic, ns\n", waiters, x.count);
    for (size_t t = 0; t < ARRAY_LEN(topics); t++) {
        size_t n = 0;
        double from = cpu_ns();
        for (unsigned i = 0; i < 100000; i++)
            n = ask_index(&x, topics[t], strlen(topics[t]));
        fast[t] = (cpu_ns() - from) / 100000;
        if (n != expect[t])
            fail("the index is wrong");
        printf("  %-30s %4zu match  list %10.0f  index %8.0f\n", topics[t], n, slow[t], fast[t]);
    }
    for (size_t i = 0; i < waiters; i++) {
        if (filter_index_get(&x, &v[i].filter, &at) < 0)
            fail("lost");
        list_del(&v[i].link);
        filter_index_settle(&x, at);
    }
    filter_index_fini(&x);
    free(v);
}

/* --- a bus ----------------------------------------------------------------------------------- */

struct target {
    struct bus *bus;
    struct rng rng;
    struct instant now;
    bus_client client;
    size_t fetched;
};

/* The store says yes at once. */
static void drain(struct target *t)
{
    struct bus_out o;
    while (bus_next(t->bus, t->now, &o)) {
        if (o.kind == BUS_OUT_STORE) {
            struct bus_store_result res = {.tag = o.store->tag};
            bus_stored(t->bus, &res, t->now);
        } else if (o.kind == BUS_OUT_PACKET) {
            pkt_free(o.pkt);
        } else if (o.kind == BUS_OUT_FETCHED && o.n_messages > 0) {
            t->fetched++;
        }
    }
}

static void begin(struct target *t, size_t waiters)
{
    struct bus_conf c = {.rng = &t->rng};
    memset(t, 0, sizeof(*t));
    rng_init_seeded(&t->rng, 2);
    if (ip6_parse("400::1", &c.self) < 0)
        fail("no address");
    bus_limits_default(&c.limits);
    c.limits.waiters = (uint32_t)waiters + 1;
    t->now = (struct instant){.mono = USEC_SEC, .wall_ms = 1000};
    if (bus_new(&c, t->now, &t->bus) < 0)
        fail("no bus");
    for (size_t i = 0; i < waiters; i++) {
        struct bus_fetch f = {.max = 1, .max_bytes = 1000, .wait_ms = 3600000, .filter = nth(i)};
        if (bus_fetch(t->bus, &f, ++t->client, t->now) < 0)
            fail("a client cannot wait");
    }
    drain(t);
}

static double run_bus(size_t waiters)
{
    static const char topic[] = "site/area-88/device-x/log"; /* nobody wants it */
    double best = 0;
    for (unsigned run = 0; run < RUNS; run++) {
        struct target t;
        begin(&t, waiters);
        struct bus_send s = {.payload = blob_new(100), .topic.len = sizeof(topic) - 1};
        memcpy(s.topic.b, topic, sizeof(topic) - 1);
        if (!s.payload || ip6_parse("400::1", &s.dst) < 0)
            fail("no message");
        double from = cpu_ns();
        for (unsigned i = 0; i < ARRIVALS; i += BURST) {
            for (unsigned k = 0; k < BURST; k++)
                if (bus_send(t.bus, &s, ++t.client, t.now) < 0)
                    fail("a message was refused");
            drain(&t);
        }
        double took = (cpu_ns() - from) / ARRIVALS;
        best = run == 0 || took < best ? took : best;
        if (t.fetched > 0)
            fail("somebody wanted it");
        blob_unref(s.payload);
        bus_free(t.bus);
    }
    return best;
}

int main(int argc, char **argv)
{
    size_t waiters = argc > 1 ? strtoul(argv[1], NULL, 10) : 10000;
    bench_one();
    bench_many(waiters);
    double alone = run_bus(0), crowd = run_bus(waiters);
    printf("a message arrives that nobody wants, ns: nobody waits %.0f, %zu clients wait %.0f\n",
           alone, waiters, crowd);
    return 0;
}
