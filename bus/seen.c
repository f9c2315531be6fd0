#include "bus/seen.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/list.h"

int seen_init(struct seen *s, size_t limit, struct rng *r, usec_t now)
{
    memset(s, 0, sizeof(*s));
    s->last = &s->first;
    heap_init(&s->ours);
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

static void ours_drop(struct seen *s, struct seen_entry *e)
{
    heap_del(&s->ours, &e->expire);
    entry_hide(s, e);
    s->count--;
    free(e);
}

static struct seen_entry *ours_due(const struct seen *s, usec_t now)
{
    struct heap_node *n = heap_due(&s->ours, now);
    return n ? container_of(n, struct seen_entry, expire) : NULL;
}

void seen_fini(struct seen *s)
{
    if (!s->last)
        return;
    while (s->first)
        first_drop(s);
    struct seen_entry *e;
    while ((e = ours_due(s, USEC_NEVER)))
        ours_drop(s, e);
    heap_fini(&s->ours);
    hmap_fini(&s->map);
}

/* The queue is by age, and all live equally long. Loaded entries may stand a little out of order:
 * they go a little late. */
static void drop_before(struct seen *s, usec_t when)
{
    while (s->first && s->first->expire.when < when)
        first_drop(s);
}

size_t seen_expire(struct seen *s, struct bus_seen_key *keys, size_t cap, usec_t now,
                   int64_t run_ms)
{
    size_t n = 0;
    struct seen_entry *e;
    drop_before(s, now);
    while (n < cap && (e = ours_due(s, now))) {
        if (e->forgotten && e->expire_ms > run_ms)
            keys[n++] = (struct bus_seen_key){.expire_ms = e->expire_ms, .seq = e->seq};
        ours_drop(s, e);
    }
    return n;
}

bool seen_room(struct seen *s, size_t more, usec_t now)
{
    if (s->count + more < s->limit)
        return true;
    drop_before(s, now);
    if (s->count + more >= s->limit)
        drop_before(s, now + (SEEN_LIFE_MS - SEEN_KEEP_MS) * USEC_MS);
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
        if (e->expire.when >= now)
            return e;
    }
    return NULL;
}

/* Into the queue or the heap. */
static int entry_line_up(struct seen *s, struct seen_entry *e, usec_t when)
{
    if (e->ours)
        return heap_set(&s->ours, &e->expire, when);
    e->expire.when = when;
    *s->last = e;
    s->last = &e->next;
    return OK;
}

int seen_add(struct seen *s, const struct bus_seen_row *row, int64_t life_ms, usec_t now)
{
    if (life_ms <= 0)
        return OK;
    life_ms = MIN(life_ms, row->ours ? SEEN_OURS_MAX_MS : (int64_t)SEEN_LIFE_MS);
    struct seen_entry *e = calloc(1, sizeof(*e));
    if (!e)
        return ERR_NOMEM;
    e->ours = row->ours;
    if (entry_line_up(s, e, now + life_ms * USEC_MS) != OK) {
        free(e);
        return ERR_NOMEM;
    }
    const uint8_t *sum = row->reply ? row->sum : NULL;
    struct seen_entry *old = find(s, row->node, &row->id, sum, now);
    if (old)
        entry_hide(s, old);
    e->node = row->node;
    e->seq = row->seq;
    e->expire_ms = row->expire_ms;
    e->id = row->id;
    memcpy(e->sum, row->sum, sizeof(e->sum));
    e->len = (uint32_t)row->len;
    e->count = (uint32_t)row->count;
    e->reply = row->reply;
    s->count++;
    hmap_add(&s->map, &e->hash, key_hash(s, row->node, &row->id, sum));
    return OK;
}

bool seen_forget(struct seen *s, uint64_t node, const struct msg_id *id, const uint8_t *sum,
                 usec_t now)
{
    struct seen_entry *e = find(s, node, id, sum, now);
    if (!e || !e->ours)
        return false;
    if (!e->forgotten && e->expire.when > now + SEEN_FORGET &&
        heap_set(&s->ours, &e->expire, now + SEEN_FORGET) == OK) /* it is in it: cannot fail */
        e->forgotten = true;
    return true;
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
