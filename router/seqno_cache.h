/* seqno_cache.h - seqno requests of the last minute: who asked us, whom we asked, who has seen
 * them. docs/protocol/routing.md, "Seqno requests".
 *
 * Only seqnos.c and the file of this name include it. Owns: the entries; each hangs on its
 * destination. Limits: SEQNO_PER_DEST_MAX, router_limits.seqno_entries; the oldest goes. */
#pragma once
#include "router/core.h"

struct seqno_entry {
    struct list in_dest;
    struct list by_age; /* in router.seqno_entries, oldest first */
    struct dest *dest;  /* with an extra, in which it hangs */
    struct router_id rid;
    uint16_t seqno;
    usec_t used;
    /* neighbour_bit() of those of another kind that have seen this request, from us or before us:
     * for a minute they keep silent about it. */
    uint32_t seen_by;
    /* Who asked us, and whom we asked. When full, the one longest ago goes. */
    struct seqno_peers {
        uint8_t len;
        struct seqno_peer {
            peer_id peer;
            usec_t at;
        } v[SEQNO_PEERS_MAX];
    } requesters, targets;
};

/* NULL: none. */
struct seqno_entry *seqno_entry_find(const struct extra *x, const struct router_id *rid,
                                     uint16_t seqno);
/* Found, and a minute of life given again, or made. The caller holds d. NULL: no memory. */
struct seqno_entry *seqno_entry_get(struct router *r, struct dest *d, const struct router_id *rid,
                                    uint16_t seqno, usec_t now);
void seqno_peers_add(struct seqno_peers *p, const struct neighbour *nb, usec_t now);
void seqno_peers_del(struct seqno_peers *p, const struct neighbour *nb);
bool seqno_peers_lately(const struct seqno_peers *p, const struct neighbour *nb, usec_t now);
