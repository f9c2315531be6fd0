#include "bus/topics.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "bus/bus_core.h"

struct topic_queue *topic_find(struct bus *b, const uint8_t *topic, uint8_t len)
{
    uint64_t hash = hmap_hash(&b->in.topics, topic, len);
    for (struct hnode *h = hmap_first(&b->in.topics, hash); h; h = hmap_next(h, hash)) {
        struct topic_queue *q = container_of(h, struct topic_queue, hash);
        if (q->topic_len == len && (len == 0 || memcmp(q->topic, topic, len) == 0))
            return q;
    }
    return NULL;
}

struct topic_queue *topic_get(struct bus *b, const uint8_t *topic, uint8_t len)
{
    struct topic_queue *q = topic_find(b, topic, len);
    if (q)
        return q;
    q = calloc(1, sizeof(*q) + len);
    if (!q)
        return NULL;
    list_init(&q->messages);
    list_init(&q->waiters);
    list_init(&q->forward);
    q->topic_len = len;
    if (len > 0)
        memcpy(q->topic, topic, len);
    hmap_add(&b->in.topics, &q->hash, hmap_hash(&b->in.topics, topic, len));
    return q;
}

void topic_settle(struct bus *b, struct topic_queue *q)
{
    if (q->refs > 0 || q->configured || !list_empty(&q->waiters))
        return;
    list_del(&q->forward_turn);
    hmap_del(&b->in.topics, &q->hash);
    free(q);
}

/* --- limits ------------------------------------------------------------------------------- */

static uint64_t max_messages(const struct bus *b, const struct topic_queue *q)
{
    return q && q->limits.max_msgs ? q->limits.max_msgs : b->limits.in_topic_messages;
}

static uint64_t max_bytes(const struct bus *b, const struct topic_queue *q)
{
    return q && q->limits.max_bytes ? q->limits.max_bytes : b->limits.in_topic_bytes;
}

bool topic_full(const struct bus *b, const struct topic_queue *q)
{
    return q->count > max_messages(b, q) || q->bytes > max_bytes(b, q);
}

/* Older ones make room, unless clients have them all. */
static bool pushes(const struct bus *b, const struct topic_queue *q, uint64_t len)
{
    return q && q->limits.drop_oldest && q->leased < max_messages(b, q) && len <= max_bytes(b, q);
}

bool inbox_room(struct bus *b, const uint8_t *topic, uint8_t topic_len, uint64_t len,
                bool *ret_topic_only)
{
    if (ret_topic_only)
        *ret_topic_only = false;
    uint64_t coming = b->parts.count + b->out.live_local;
    if (b->in.count + coming >= b->limits.in_messages ||
        b->in.bytes + b->in.coming_bytes + len > b->limits.in_bytes)
        return false;
    const struct topic_queue *q = topic_find(b, topic, topic_len);
    if (pushes(b, q, len))
        return true;
    uint64_t count = q ? q->count + q->coming : 0;
    uint64_t bytes = q ? q->bytes + q->coming_bytes : 0;
    bool room = count < max_messages(b, q) && bytes + len <= max_bytes(b, q);
    if (ret_topic_only)
        *ret_topic_only = !room;
    return room;
}

struct topic_queue *topic_reserve(struct bus *b, const uint8_t *topic, uint8_t topic_len,
                                  uint64_t len)
{
    struct topic_queue *q = topic_get(b, topic, topic_len);
    if (!q)
        return NULL;
    q->refs++;
    q->coming++;
    q->coming_bytes += len;
    b->in.coming_bytes += len;
    return q;
}

void topic_release(struct bus *b, struct topic_queue *q, uint64_t len)
{
    if (!q)
        return;
    q->refs--;
    q->coming--;
    q->coming_bytes -= len;
    b->in.coming_bytes -= len;
    topic_settle(b, q);
}

int bus_topic_limits_set(struct bus *b, const struct topic *topic, const struct bus_topic_limits *l,
                         struct instant now)
{
    struct topic_queue *q = topic_find(b, topic->b, topic->len);
    if (l && (l->expire_ms < 0 || l->expire_ms > BUS_EXPIRE_MAX_MS))
        return ERR_INVAL;
    if (l && (!q || !q->configured) && b->in.configured >= b->limits.topics)
        return ERR_LIMIT;
    if (l && !q)
        q = topic_get(b, topic->b, topic->len);
    if (!q)
        return l ? ERR_NOMEM : OK;
    b->in.configured -= q->configured;
    q->configured = l != NULL;
    b->in.configured += q->configured;
    int64_t expire_ms = q->limits.expire_ms;
    q->limits = l ? *l : (struct bus_topic_limits){0};
    inbox_limits_changed(b, q, q->limits.expire_ms != expire_ms, now);
    topic_settle(b, q);
    return OK;
}
