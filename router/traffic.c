#include "router/traffic.h"

#include <stdlib.h>

#include "base/err.h"

struct traffic_entry {
    struct hnode by_addr;
    struct list recent;
    struct ip6 addr;
    uint64_t packets, bytes;
};

int traffic_init(struct traffic *t, struct rng *rng, uint32_t max)
{
    *t = (struct traffic){.max = max};
    list_init(&t->recent);
    return hmap_init(&t->by_addr, rng);
}

static void entry_free(struct traffic *t, struct traffic_entry *e)
{
    hmap_del(&t->by_addr, &e->by_addr);
    list_del(&e->recent);
    free(e);
}

void traffic_fini(struct traffic *t)
{
    struct traffic_entry *e;
    if (!t->recent.next)
        return;
    while ((e = list_first(&t->recent, struct traffic_entry, recent)))
        entry_free(t, e);
    hmap_fini(&t->by_addr);
}

static struct traffic_entry *entry_find(const struct traffic *t, const struct ip6 *addr,
                                        uint64_t hash)
{
    for (struct hnode *n = hmap_first(&t->by_addr, hash); n; n = hmap_next(n, hash)) {
        struct traffic_entry *e = container_of(n, struct traffic_entry, by_addr);
        if (ip6_eq(&e->addr, addr))
            return e;
    }
    return NULL;
}

void traffic_count(struct traffic *t, const struct ip6 *addr, uint64_t bytes)
{
    uint64_t hash = hmap_hash(&t->by_addr, addr->b, sizeof(addr->b));
    struct traffic_entry *e = entry_find(t, addr, hash);
    if (t->max == 0)
        return;
    if (!e) {
        struct traffic_entry *oldest = list_first(&t->recent, struct traffic_entry, recent);
        if (oldest && t->by_addr.count >= t->max)
            entry_free(t, oldest);
        e = calloc(1, sizeof(*e));
        if (!e)
            return;
        e->addr = *addr;
        hmap_add(&t->by_addr, &e->by_addr, hash);
    }
    list_del(&e->recent);
    list_push_back(&t->recent, &e->recent);
    e->packets++;
    e->bytes += bytes;
}

void traffic_each(const struct traffic *t, traffic_visit *v, void *ctx)
{
    list_foreach (pos, &t->recent) {
        const struct traffic_entry *e = list_entry(pos, struct traffic_entry, recent);
        v(ctx, &e->addr, e->packets, e->bytes);
    }
}
