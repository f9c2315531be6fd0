/* seen.h - ids of messages received in the last minutes: a repeat is answered, not delivered again.
 *
 * A message that is no reply is known by (node, id); a reply, which has the id of what it answers,
 * by (node, id, checksum), since there may be several. In memory as a whole, so that nothing asks
 * the disk about a message that was never here. Owns: its entries. Thread: loop. Limit: seen_limit,
 * then seen_room() says no. Protocol: docs/protocol/durability.md, "Repeats". */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/hmap.h"
#include "base/macros.h"
#include "bus/message.h"

#define SEEN_LIFE_MS 600000 /* a plain sender gives up 300 s after it began */
/* Younger entries are never dropped for room. */
#define SEEN_KEEP_MS 330000

struct seen_entry {
    struct hnode hash;
    struct seen_entry *next; /* by expiry */
    uint64_t node;           /* /64 of the sender */
    struct msg_id id;
    uint8_t sum[MSG_SUM_BYTES];
    uint32_t len;
    uint32_t count;
    uint32_t expire_s;    /* monotonic seconds since seen_init(), rounded up */
    uint32_t answered_ms; /* when a repeat was last answered, same zero, rounded; 0: never */
    bool reply;
    bool gone; /* replaced by a newer one; waits for its turn in the queue */
};

struct seen {
    struct hmap map;
    struct seen_entry *first, **last;
    size_t count; /* entries in memory */
    size_t limit;
    usec_t zero;
};

struct rng;
MUST_CHECK int seen_init(struct seen *s, size_t limit, struct rng *r, usec_t now);
void seen_fini(struct seen *s);

/* Room for `more` further entries? Drops what is old enough first. */
bool seen_room(struct seen *s, size_t more, usec_t now);
/* life_ms is what is left of the entry's life. ERR_NOMEM. Not refused at the limit: what is durable
 * must be known; seen_room() is asked before a message is taken on. */
MUST_CHECK int seen_add(struct seen *s, uint64_t node, const struct msg_id *id, bool reply,
                        const uint8_t sum[static MSG_SUM_BYTES], uint32_t len, uint32_t count,
                        int64_t life_ms, usec_t now);
/* A message that is no reply; NULL: not seen. Lends until the next call that changes s. */
struct seen_entry *seen_find(struct seen *s, uint64_t node, const struct msg_id *id, usec_t now);
/* By checksum: a reply, or a message that is none. */
struct seen_entry *seen_find_sum(struct seen *s, uint64_t node, const struct msg_id *id,
                                 const uint8_t sum[static MSG_SUM_BYTES], usec_t now);
/* May a repeat of this one be answered now, `gap` after the last answer? Notes the answer. */
bool seen_answer(struct seen *s, struct seen_entry *e, usec_t gap, usec_t now);
void seen_expire(struct seen *s, usec_t now);
