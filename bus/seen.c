#include "bus/seen.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/list.h"

int seen_init(struct seen *s, size_t limit, struct rng *r, usec_t now)
{
    memset(s, 0, sizeof(*s));
    s->last = &s->first;
    s->limit = limit;
    s->zero = now;
    return hmap_init(&s->map, r);
}

static uint64_t key_hash(const struct seen *s, uint64_t node, const struct msg_id *id,
                         const uint8_t *sum)
{
    uint8_t key[8 + MSG_ID_BYTES + MSG_SUM_BYTES];
    memcpy(key, &node, 8);
    memcpy(key + 8, id->b, MSG_ID_BYTES);
    if (sum) /* a reply */
        memcpy(key + 8 + MSG_ID_BYTES, sum, MSG_SUM_BYTES);
    return hmap_hash(&s->map, key, sum ? sizeof(key) : 8 + MSG_ID_BYTES);
}

static void entry_hide(struct seen *s, struct seen_entry *e)
{
    if (!e->gone)
        hmap_del(&s->map, &e->hash);
    e->gone = true;
}

static void first_drop(struct seen *s)
{
    struct seen_entry *e = s->first;
    s->first = e->next;
    if (!s->first)
        s->last = &s->first;
    entry_hide(s, e);
    s->count--;
    free(e);
}

void seen_fini(struct seen *s)
{
    if (!s->last)
        return;
    while (s->first)
        first_drop(s);
    hmap_fini(&s->map);
}

static uint32_t seconds(const struct seen *s, usec_t now)
{
    return (uint32_t)((now - s->zero) / USEC_SEC);
}

/* The queue is by age, and all live equally long. Loaded entries may stand a little out of order:
 * they go a little late. */
static void drop_before(struct seen *s, uint32_t expire_s)
{
    while (s->first && s->first->expire_s < expire_s)
        first_drop(s);
}

void seen_expire(struct seen *s, usec_t now)
{
    drop_before(s, seconds(s, now));
}

bool seen_room(struct seen *s, size_t more, usec_t now)
{
    seen_expire(s, now);
    if (s->count + more >= s->limit)
        drop_before(s, seconds(s, now) + (SEEN_LIFE_MS - SEEN_KEEP_MS) / 1000);
    return s->count + more < s->limit;
}

static struct seen_entry *find(struct seen *s, uint64_t node, const struct msg_id *id,
                               const uint8_t *sum, usec_t now)
{
    uint64_t hash = key_hash(s, node, id, sum);
    for (struct hnode *h = hmap_first(&s->map, hash); h; h = hmap_next(h, hash)) {
        struct seen_entry *e = container_of(h, struct seen_entry, hash);
        if (e->node != node || memcmp(e->id.b, id->b, MSG_ID_BYTES) != 0 || e->reply != !!sum)
            continue;
        if (sum && memcmp(e->sum, sum, MSG_SUM_BYTES) != 0)
            continue;
        if (e->expire_s >= seconds(s, now))
            return e;
    }
    return NULL;
}

int seen_add(struct seen *s, uint64_t node, const struct msg_id *id, bool reply,
             const uint8_t sum[static MSG_SUM_BYTES], uint32_t len, uint32_t count, int64_t life_ms,
             usec_t now)
{
    if (life_ms <= 0)
        return OK;
    life_ms = MIN(life_ms, (int64_t)SEEN_LIFE_MS);
    struct seen_entry *e = calloc(1, sizeof(*e));
    if (!e)
        return ERR_NOMEM;
    struct seen_entry *old = find(s, node, id, reply ? sum : NULL, now);
    if (old)
        entry_hide(s, old);
    e->node = node;
    e->id = *id;
    memcpy(e->sum, sum, MSG_SUM_BYTES);
    e->len = len;
    e->count = count;
    e->reply = reply;
    e->expire_s = seconds(s, now + life_ms * USEC_MS) + 1;
    *s->last = e;
    s->last = &e->next;
    s->count++;
    hmap_add(&s->map, &e->hash, key_hash(s, node, id, reply ? sum : NULL));
    return OK;
}

struct seen_entry *seen_find(struct seen *s, uint64_t node, const struct msg_id *id, usec_t now)
{
    return find(s, node, id, NULL, now);
}

struct seen_entry *seen_find_sum(struct seen *s, uint64_t node, const struct msg_id *id,
                                 const uint8_t sum[static MSG_SUM_BYTES], usec_t now)
{
    struct seen_entry *e = find(s, node, id, NULL, now);
    if (e && memcmp(e->sum, sum, MSG_SUM_BYTES) == 0)
        return e;
    return find(s, node, id, sum, now);
}

bool seen_answer(struct seen *s, struct seen_entry *e, usec_t gap, usec_t now)
{
    uint32_t ms = (uint32_t)((now - s->zero) / USEC_MS) + 1;
    if (e->answered_ms != 0 && ms - e->answered_ms < (uint32_t)(gap / USEC_MS))
        return false;
    e->answered_ms = ms;
    return true;
}
