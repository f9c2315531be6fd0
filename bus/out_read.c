/* READs of receivers for messages whose row only the store has: each is written down once, and
 * FORGET goes when that is durable. docs/protocol/messages.md, "READ". */
#include "base/err.h"
#include "bus/bus_core.h"
#include "bus/out_calls.h"
#include "bus/outbox.h"

static uint64_t *read_slot(struct bus *b, const struct ip6 *dst, const struct msg_id *id,
                           uint64_t *ret_key)
{
    *ret_key = outbox_key_hash(b, ip6_node(dst), id) & ~UINT64_C(1);
    return &b->out.reads[(*ret_key >> 1) % OUTBOX_READS];
}

void outbox_read_entry(struct bus *b, struct node *n, const struct ip6 *dst,
                       const struct msg_id *id, struct instant now)
{
    uint64_t key;
    uint64_t *recent = read_slot(b, dst, id, &key);
    bool told = *recent == (key | 1);
    if (*recent == key)
        return; /* on its way to the store */
    if (!told && b->store_flying >= BUS_STORE_MAX) {
        b->stats.refused_limit++; /* a copy follows */
        return;
    }
    if (n && !bucket_take(&n->reads, NODE_READS_PER_SEC, NODE_READS_PER_SEC, now.mono)) {
        b->stats.refused_rate++;
        return;
    }
    if (told) {
        forgets_send(b, dst, id, NULL, now.mono); /* the one before was lost */
        return;
    }
    *recent = key;
    b->stats.read++;
    bus_note(b, BUS_STORE_OUT_READ, 0, id, dst);
}

void outbox_read_stored(struct bus *b, const struct ip6 *dst, const struct msg_id *id, int rc,
                        usec_t now)
{
    uint64_t key;
    uint64_t *recent = read_slot(b, dst, id, &key);
    if (rc != OK) {
        if (*recent == key)
            *recent = 0; /* a copy tries again */
        return;
    }
    *recent = key | 1;
    out_calls_changed(b, id);
    forgets_send(b, dst, id, NULL, now);
}

bool outbox_read_told(struct bus *b, const struct ip6 *dst, const struct msg_id *id)
{
    uint64_t key;
    const uint64_t *recent = read_slot(b, dst, id, &key);
    return *recent == (key | 1);
}
