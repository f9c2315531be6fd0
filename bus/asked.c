#include "bus/asked.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

struct asked_id {
    struct hnode hash;
    struct list order;
    uint64_t node; /* /64 of the destination */
    struct msg_id id;
    usec_t until;
};

int asked_init(struct asked_ids *a, struct rng *r)
{
    list_init(&a->order);
    return hmap_init(&a->map, r);
}

static void drop_oldest(struct asked_ids *a)
{
    struct asked_id *e = list_first(&a->order, struct asked_id, order);
    list_del(&e->order);
    hmap_del(&a->map, &e->hash);
    free(e);
}

void asked_fini(struct asked_ids *a)
{
    while (a->map.count > 0)
        drop_oldest(a);
    hmap_fini(&a->map);
}

static uint64_t key_hash(const struct asked_ids *a, uint64_t node, const struct msg_id *id)
{
    uint8_t key[8 + MSG_ID_BYTES];
    memcpy(key, &node, 8);
    memcpy(key + 8, id->b, MSG_ID_BYTES);
    return hmap_hash(&a->map, key, sizeof(key));
}

bool asked_find(const struct asked_ids *a, uint64_t node, const struct msg_id *id)
{
    uint64_t hash = key_hash(a, node, id);
    for (struct hnode *h = hmap_first(&a->map, hash); h; h = hmap_next(h, hash)) {
        const struct asked_id *e = container_of(h, struct asked_id, hash);
        if (e->node == node && memcmp(e->id.b, id->b, MSG_ID_BYTES) == 0)
            return true;
    }
    return false;
}

void asked_note(struct asked_ids *a, uint64_t node, const struct msg_id *id, usec_t now)
{
    if (a->map.count >= ASKED_MAX)
        drop_oldest(a);
    struct asked_id *e = calloc(1, sizeof(*e));
    if (!e)
        return;
    e->node = node;
    e->id = *id;
    e->until = now + ASKED_LIFE;
    list_push_back(&a->order, &e->order);
    hmap_add(&a->map, &e->hash, key_hash(a, node, id));
}

void asked_expire(struct asked_ids *a, usec_t now)
{
    while (a->map.count > 0 && list_first(&a->order, struct asked_id, order)->until <= now)
        drop_oldest(a);
}
