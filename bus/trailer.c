#include "bus/trailer.h"

#include <assert.h>
#include <string.h>

#define MAGIC      0x4d425831u
#define HEAD_BYTES 6 /* magic, length of the list */

enum item {
    ITEM_LIFE = 0x01,
    ITEM_SUM = 0x02,
    ITEM_COUNT = 0x03,
    ITEM_ATTEMPT = 0x04,
    ITEM_FEATURES = 0x06,
    ITEM_AFTER = 0x07,
    ITEM_STATUS = 0x81,
    ITEM_MAP = 0x82,
    ITEM_WAIT = 0x83,
    ITEM_FEATURES_ACK = 0x84,
    ITEM_MORE = 0x85,
    ITEM_TOPIC_ONLY = 0x86,
};

static_assert(TRAILER_MAX >= HEAD_BYTES + (2 + 8) + (2 + MSG_SUM_BYTES) + (2 + 8) + (2 + 4) +
                                 (2 + 4) + (2 + MSG_ID_BYTES) + (2 + 1) +
                                 (2 + 8 + TRAILER_MAP_MAX) + (2 + 4) + 2 +
                                 TRAILER_MORE * (2 + TRAILER_MORE_MAX),
              "all items together");
static_assert(8 + TRAILER_MAP_MAX == UINT8_MAX, "the longest item");

/* v is one item's value; it must be used up. */
static void decode_item(uint8_t type, struct wire_rd *v, struct trailer *t)
{
    switch (type) {
    case ITEM_LIFE:
        t->has_life = true;
        t->life_ms = wire_u64(v);
        break;
    case ITEM_SUM:
        t->has_sum = true;
        wire_copy(v, t->sum, sizeof(t->sum));
        break;
    case ITEM_COUNT:
        t->has_count = true;
        t->count = wire_u64(v);
        break;
    case ITEM_ATTEMPT:
        t->has_attempt = true;
        t->attempt = wire_u32(v);
        break;
    case ITEM_FEATURES:
    case ITEM_FEATURES_ACK:
        t->has_features = true;
        t->features = wire_u32(v);
        break;
    case ITEM_AFTER:
        t->has_after = true;
        wire_copy(v, t->after.b, sizeof(t->after.b));
        break;
    case ITEM_STATUS:
        t->has_status = true;
        t->status = wire_u8(v);
        break;
    case ITEM_MAP:
        t->has_map = true;
        t->missing = wire_u64(v);
        t->map = wire_rest(v);
        break;
    case ITEM_MORE:
        if (t->n_more < TRAILER_MORE)
            t->more[t->n_more++] = wire_rest(v);
        else
            wire_skip_rest(v);
        break;
    case ITEM_WAIT:
        t->has_wait = true;
        t->wait_ms = wire_u32(v);
        break;
    case ITEM_TOPIC_ONLY:
        t->topic_only = true;
        break;
    default:
        wire_skip_rest(v); /* of a later release */
        break;
    }
}

void trailer_decode(struct wire_rd r, struct trailer *ret)
{
    memset(ret, 0, sizeof(*ret));
    if (wire_left(&r) < HEAD_BYTES || wire_u32(&r) != MAGIC)
        return;
    uint16_t len = wire_u16(&r);
    const uint8_t *bytes = wire_take(&r, len);
    struct wire_rd list = wire_rd_of(bytes, bytes ? len : 0);
    struct trailer t = {.there = bytes != NULL};
    while (t.there && wire_left(&list) > 0) {
        uint8_t type = wire_u8(&list);
        uint8_t item_len = wire_u8(&list);
        const uint8_t *item = wire_take(&list, item_len);
        struct wire_rd value = wire_rd_of(item, item ? item_len : 0);
        if (!list.bad)
            decode_item(type, &value, &t);
        t.there = !list.bad && wire_done(&value);
    }
    if (t.there)
        *ret = t;
}

size_t trailer_map_len(const struct trailer *t)
{
    size_t n = wire_left(&t->map);
    for (uint32_t i = 0; i < t->n_more; i++)
        n += wire_left(&t->more[i]);
    return n;
}

bool trailer_map_bit(const struct trailer *t, uint64_t bit)
{
    const struct wire_rd *r = &t->map;
    uint64_t at = bit / 8;
    for (uint32_t i = 0; at >= wire_left(r); i++) {
        if (i == t->n_more)
            return false;
        at -= wire_left(r);
        r = &t->more[i];
    }
    return r->p[at] >> bit % 8 & 1;
}

static void put_head(struct wire_wr *w, enum item type, size_t len)
{
    wire_put_u8(w, (uint8_t)type);
    wire_put_u8(w, (uint8_t)len);
}

static void put_u32(struct wire_wr *w, enum item type, uint32_t v)
{
    put_head(w, type, 4);
    wire_put_u32(w, v);
}

static void put_u64(struct wire_wr *w, enum item type, uint64_t v)
{
    put_head(w, type, 8);
    wire_put_u64(w, v);
}

size_t trailer_encode(const struct trailer *t, uint8_t ret[static TRAILER_MAX])
{
    struct wire_wr w = wire_wr_of(ret, TRAILER_MAX);
    bool ack = t->has_status || t->has_map;
    wire_put_u32(&w, MAGIC);
    uint8_t *len_at = wire_room(&w, 2);
    if (t->has_life)
        put_u64(&w, ITEM_LIFE, t->life_ms);
    if (t->has_sum) {
        put_head(&w, ITEM_SUM, sizeof(t->sum));
        wire_put(&w, t->sum, sizeof(t->sum));
    }
    if (t->has_count)
        put_u64(&w, ITEM_COUNT, t->count);
    if (t->has_attempt)
        put_u32(&w, ITEM_ATTEMPT, t->attempt);
    if (t->has_after) {
        put_head(&w, ITEM_AFTER, sizeof(t->after.b));
        wire_put(&w, t->after.b, sizeof(t->after.b));
    }
    if (t->has_status) {
        put_head(&w, ITEM_STATUS, 1);
        wire_put_u8(&w, t->status);
    }
    if (t->has_map) {
        size_t left = wire_left(&t->map), n = MIN(left, TRAILER_MAP_MAX);
        const uint8_t *p = t->map.p;
        assert(left <= TRAILER_MAP_ALL);
        put_head(&w, ITEM_MAP, 8 + n);
        wire_put_u64(&w, t->missing);
        wire_put(&w, p, n);
        while ((left -= n) > 0) {
            p += n;
            n = MIN(left, TRAILER_MORE_MAX);
            put_head(&w, ITEM_MORE, n);
            wire_put(&w, p, n);
        }
    }
    if (t->has_wait)
        put_u32(&w, ITEM_WAIT, t->wait_ms);
    if (t->topic_only)
        put_head(&w, ITEM_TOPIC_ONLY, 0);
    if (t->has_features)
        put_u32(&w, ack ? ITEM_FEATURES_ACK : ITEM_FEATURES, t->features);
    assert(!w.bad);
    struct wire_wr len = wire_wr_of(len_at, 2);
    wire_put_u16(&len, (uint16_t)(wire_len(&w) - HEAD_BYTES));
    return wire_len(&w);
}
