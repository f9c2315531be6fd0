/* seen.h - ids of messages received lately: a repeat is answered, not delivered again.
 *
 * A message that is no reply is known by (node, id); a reply, which has the id of what it answers,
 * by (node, id, checksum), since there may be several. In memory as a whole, so that nothing asks
 * the disk about a message that was never here. How long: a plain sender gives up after 300 s, so
 * SEEN_LIFE_MS is enough; a node of this program says how long its message lives, and with FORGET
 * that it will not send it again, so that its entry goes SEEN_FORGET after that.
 * Owns: its entries. Thread: loop. Limit: seen_limit, then seen_room() says no.
 * Protocol: docs/protocol/durability.md, "Repeats". */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/heap.h"
#include "base/hmap.h"
#include "base/macros.h"
#include "bus/bus.h"
#include "bus/message.h"

#define SEEN_LIFE_MS 600000 /* a plain sender gives up 300 s after it began */
/* Younger entries of plain senders are never dropped for room, those of ours not at all. */
#define SEEN_KEEP_MS     330000
#define SEEN_AFTER_MS    60000                    /* behind the end of a message of ours */
#define SEEN_OURS_MAX_MS (INT64_C(31) * 86400000) /* whatever its sender says */
/* FORGET may overtake copies of what was sent before. */
#define SEEN_FORGET (60 * USEC_SEC)

struct seen_entry {
    struct hnode hash;
    struct heap_node expire; /* ours: in seen.ours; of plain senders only its time is used */
    struct seen_entry *next; /* of plain senders: by expiry */
    uint64_t node;           /* /64 of the sender */
    uint64_t seq;            /* with expire_ms the name of its row */
    int64_t expire_ms;       /* by bus_run_ms() */
    struct msg_id id;
    uint8_t sum[MSG_SUM_BYTES];
    uint32_t len;
    uint32_t count;
    uint32_t answered_ms; /* when a repeat was last answered, since seen_init(); 0: never */
    bool reply;
    bool ours;
    bool forgotten; /* FORGET came */
    bool gone;      /* replaced by a newer one; waits for its time */
};

struct seen {
    struct hmap map;
    struct seen_entry *first, **last; /* of plain senders */
    struct heap ours;
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
MUST_CHECK int seen_add(struct seen *s, const struct bus_seen_row *row, int64_t life_ms,
                        usec_t now);
/* A message that is no reply; NULL: not seen. Lends until the next call that changes s. */
struct seen_entry *seen_find(struct seen *s, uint64_t node, const struct msg_id *id, usec_t now);
/* By checksum: a reply, or a message that is none. */
struct seen_entry *seen_find_sum(struct seen *s, uint64_t node, const struct msg_id *id,
                                 const uint8_t sum[static MSG_SUM_BYTES], usec_t now);
/* May a repeat of this one be answered now, `gap` after the last answer? Notes the answer. */
bool seen_answer(struct seen *s, struct seen_entry *e, usec_t gap, usec_t now);
/* Its sender will not send it again. sum NULL: a message that is no reply. False: not known. */
bool seen_forget(struct seen *s, uint64_t node, const struct msg_id *id, const uint8_t *sum,
                 usec_t now);
/* Drops what is over. Rows of forgotten ones have time left: their names go to keys, at most cap of
 * them, and the store should remove them. Returns their number; cap: there may be more. */
size_t seen_expire(struct seen *s, struct bus_seen_key *keys, size_t cap, usec_t now,
                   int64_t run_ms);
