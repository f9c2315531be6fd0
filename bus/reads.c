#include "bus/reads.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/list.h"

/* After the packet before. */
static const usec_t gaps[] = {1 * USEC_SEC,   4 * USEC_SEC,   30 * USEC_SEC,
                              120 * USEC_SEC, 600 * USEC_SEC, 1800 * USEC_SEC};
#define COPIES       ARRAY_LEN(gaps)
#define COPIES_BLIND 2 /* to a node that never answers */

struct read_again {
    struct heap_node due;
    struct hnode hash;
    struct ip6 src, dst;
    struct msg_id id;
    unsigned copies, left; /* sent after the first; to be sent */
};

int reads_init(struct reads *r, struct rng *rng)
{
    heap_init(&r->due);
    r->count = 0;
    return hmap_init(&r->map, rng);
}

static void drop(struct reads *r, struct read_again *a)
{
    heap_del(&r->due, &a->due);
    hmap_del(&r->map, &a->hash);
    r->count--;
    free(a);
}

void reads_fini(struct reads *r)
{
    struct heap_node *n;
    if (!r->map.slots)
        return;
    while ((n = heap_due(&r->due, USEC_NEVER)))
        drop(r, container_of(n, struct read_again, due));
    heap_fini(&r->due);
    hmap_fini(&r->map);
}

static uint64_t key_hash(const struct reads *r, uint64_t node, const struct msg_id *id)
{
    uint8_t key[8 + MSG_ID_BYTES];
    memcpy(key, &node, 8);
    memcpy(key + 8, id->b, MSG_ID_BYTES);
    return hmap_hash(&r->map, key, sizeof(key));
}

void reads_add(struct reads *r, const struct ip6 *src, const struct ip6 *dst,
               const struct msg_id *id, bool ours, usec_t now)
{
    if (r->count >= READS_MAX)
        return;
    struct read_again *a = calloc(1, sizeof(*a));
    if (!a)
        return; /* told once is enough for a status */
    a->src = *src;
    a->dst = *dst;
    a->id = *id;
    a->left = ours ? COPIES : COPIES_BLIND;
    if (heap_set(&r->due, &a->due, now + gaps[0]) != OK) {
        free(a);
        return;
    }
    hmap_add(&r->map, &a->hash, key_hash(r, ip6_node(dst), id));
    r->count++;
}

bool reads_forget(struct reads *r, uint64_t node, const struct msg_id *id)
{
    uint64_t hash = key_hash(r, node, id);
    for (struct hnode *h = hmap_first(&r->map, hash); h; h = hmap_next(h, hash)) {
        struct read_again *a = container_of(h, struct read_again, hash);
        if (ip6_node(&a->dst) == node && memcmp(a->id.b, id->b, MSG_ID_BYTES) == 0) {
            drop(r, a);
            return true;
        }
    }
    return false;
}

bool reads_next(struct reads *r, struct ip6 *src, struct ip6 *dst, struct msg_id *id, usec_t now)
{
    struct heap_node *n = heap_due(&r->due, now);
    if (!n)
        return false;
    struct read_again *a = container_of(n, struct read_again, due);
    *src = a->src;
    *dst = a->dst;
    *id = a->id;
    a->copies++;
    if (--a->left == 0 || heap_set(&r->due, n, now + gaps[a->copies]) != OK)
        drop(r, a);
    return true;
}

usec_t reads_deadline(const struct reads *r)
{
    return heap_deadline(&r->due);
}
