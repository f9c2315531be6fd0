/* Which messages are here, and whose turn it is.
 *
 * Messages with the same node and id (several replies to one message) go one after the other, since
 * ACKs name nothing else: the first is in by_key, the others hang in its `followers` list. All live
 * ones are in by_id, newest first, for the status call. */
#include <string.h>

#include "bus/bus_core.h"
#include "bus/outbox.h"

uint64_t outbox_key_hash(const struct bus *b, uint64_t node, const struct msg_id *id)
{
    uint8_t key[8 + MSG_ID_BYTES];
    memcpy(key, &node, 8);
    memcpy(key + 8, id->b, MSG_ID_BYTES);
    return hmap_hash(&b->out.by_key, key, sizeof(key));
}

static bool id_eq(const struct msg_id *a, const struct msg_id *b)
{
    return memcmp(a->b, b->b, MSG_ID_BYTES) == 0;
}

struct out_msg *outbox_find_key(struct bus *b, uint64_t node, const struct msg_id *id)
{
    uint64_t hash = outbox_key_hash(b, node, id);
    for (struct hnode *h = hmap_first(&b->out.by_key, hash); h; h = hmap_next(h, hash)) {
        struct out_msg *m = container_of(h, struct out_msg, by_key);
        if (ip6_node(&m->dst) == node && id_eq(&m->id, id))
            return m;
    }
    return NULL;
}

struct out_msg *outbox_find(struct bus *b, const struct ip6 *node, const struct msg_id *id)
{
    return outbox_find_key(b, ip6_node(node), id);
}

struct out_msg *outbox_newest(struct bus *b, const struct msg_id *id)
{
    uint64_t hash = hmap_hash(&b->out.by_id, id->b, MSG_ID_BYTES);
    for (struct hnode *h = hmap_first(&b->out.by_id, hash); h; h = hmap_next(h, hash)) {
        struct out_msg *m = container_of(h, struct out_msg, by_id);
        if (id_eq(&m->id, id))
            return m;
    }
    return NULL;
}

struct out_msg *outbox_accepted(struct bus *b, uint64_t seq, const struct msg_id *id)
{
    struct out_msg *m = outbox_newest(b, id);
    while (m && (!m->accepted || (seq != 0 && m->seq != seq)))
        m = m->id_older;
    return m;
}

struct out_msg *outbox_received(struct bus *b, const struct ip6 *node, const struct msg_id *id)
{
    struct out_msg *oldest = NULL;
    for (struct out_msg *m = outbox_newest(b, id); m; m = m->id_older)
        if (m->final == OUT_RECEIVED && !m->read_late && ip6_same_node(&m->dst, node))
            oldest = m;
    return oldest;
}

void outbox_id_add(struct bus *b, struct out_msg *m)
{
    struct out_msg *old = outbox_newest(b, &m->id);
    if (old) {
        hmap_del(&b->out.by_id, &old->by_id);
        old->id_newer = m;
        m->id_older = old;
    }
    hmap_add(&b->out.by_id, &m->by_id, hmap_hash(&b->out.by_id, m->id.b, MSG_ID_BYTES));
    m->indexed = true;
}

void outbox_id_del(struct bus *b, struct out_msg *m)
{
    if (!m->indexed)
        return;
    if (m->id_newer) {
        m->id_newer->id_older = m->id_older;
        if (m->id_older)
            m->id_older->id_newer = m->id_newer;
    } else {
        hmap_del(&b->out.by_id, &m->by_id);
        if (m->id_older) {
            m->id_older->id_newer = NULL;
            hmap_add(&b->out.by_id, &m->id_older->by_id,
                     hmap_hash(&b->out.by_id, m->id.b, MSG_ID_BYTES));
        }
    }
    m->indexed = false;
}

static uint64_t *ended_slot(struct bus *b, uint64_t key)
{
    return &b->out.ended[key % OUTBOX_ENDED];
}

/* m is the one with its (node, id) whose turn it is. */
void outbox_turn_begin(struct bus *b, struct out_msg *m)
{
    uint64_t key = outbox_key_hash(b, m->node->key, &m->id);
    hmap_add(&b->out.by_key, &m->by_key, key);
    m->shared = m->reply && (m->loaded || *ended_slot(b, key) == key);
}

void outbox_turn_end(struct bus *b, struct out_msg *m)
{
    uint64_t key = outbox_key_hash(b, m->node->key, &m->id);
    hmap_del(&b->out.by_key, &m->by_key);
    *ended_slot(b, key) = key;
}

bool outbox_knows(struct bus *b, const struct ip6 *node, const struct msg_id *id)
{
    uint64_t key = outbox_key_hash(b, ip6_node(node), id);
    return outbox_find_key(b, ip6_node(node), id) || *ended_slot(b, key) == key;
}
