/* trailer.h - what nodes of this program tell each other behind the bodies of INIT, INIT ACK and
 * CHUNK ACK, where every other node of the network looks at nothing.
 *
 * A value: decoded from a packet (borrows its bytes) or filled in and encoded. An item that is not
 * known is skipped; a list that does not fit its bytes, or a known item of another length than
 * ours, makes the whole trailer count as absent. Thread: any.
 * Protocol: docs/protocol/messages.md, "Extension". */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "base/wire.h"
#include "bus/message.h"

#define TRAILER_MAP_MAX  247u /* bytes of the map of chunks, 1976 of them behind the missing one */
#define TRAILER_MORE     4u   /* items that go on with it: as many chunks as a window may have */
#define TRAILER_MORE_MAX 255u
#define TRAILER_MAP_ALL  (TRAILER_MAP_MAX + TRAILER_MORE * TRAILER_MORE_MAX)
#define TRAILER_MAX      1400u /* bytes of the largest one we build */

enum trailer_feature {
    TRAILER_SACK = 1,   /* one CHUNK ACK speaks for many chunks */
    TRAILER_FORGET = 2, /* FORGET is sent and understood */
    TRAILER_RESUME = 4, /* INIT again keeps what arrived */
    TRAILER_ORDER = 8,  /* a message does not become complete before the one that INIT names */
};
#define TRAILER_OURS (TRAILER_SACK | TRAILER_FORGET | TRAILER_RESUME | TRAILER_ORDER)

/* What a receiver answers to INIT. Others may come one day: they mean nothing to us. */
enum trailer_status {
    TRAILER_NEW = 0,      /* begun now, nothing is there */
    TRAILER_RESUMED = 1,  /* begun before, the map tells what is there */
    TRAILER_COMPLETE = 2, /* it has the whole message, durable */
    TRAILER_BUSY = 3,     /* a limit is reached, again after wait_ms */
    TRAILER_REFUSED = 4,  /* a rule says no, or it is too large: do not ask again */
};

struct trailer {
    bool there;
    bool has_life, has_sum, has_count, has_attempt, has_status, has_map, has_wait, has_features,
        has_after;
    uint64_t life_ms;           /* INIT: what is left until the sender gives up */
    uint8_t sum[MSG_SUM_BYTES]; /* INIT: of the payload */
    uint64_t count;             /* INIT: chunks of this cut */
    uint32_t attempt;           /* INIT: 1, 2, .. */
    uint32_t features;          /* INIT, INIT ACK: enum trailer_feature */
    struct msg_id after;        /* INIT: of the same sender; this one comes behind it */
    uint8_t status;             /* INIT ACK: enum trailer_status */
    uint64_t missing;           /* INIT ACK, CHUNK ACK: first chunk that is not there */
    struct wire_rd map;         /* behind it: bit 0 of byte 0 is chunk missing + 1; borrowed */
    struct wire_rd more[TRAILER_MORE]; /* decoded: what goes on with it */
    uint32_t n_more;
    uint32_t wait_ms; /* INIT ACK: BUSY */
    bool topic_only;  /* INIT ACK: BUSY: other topics have room */
};

/* What stands behind a body. `there` tells whether it was a trailer. */
void trailer_decode(struct wire_rd r, struct trailer *ret);
/* The map with all that goes on with it: its bytes, and one bit, counted from 0. */
size_t trailer_map_len(const struct trailer *t);
bool trailer_map_bit(const struct trailer *t, uint64_t bit);
/* Bytes written; `map` may have up to TRAILER_MAP_ALL bytes (asserted), `more` is not looked at. */
MUST_CHECK size_t trailer_encode(const struct trailer *t, uint8_t ret[static TRAILER_MAX]);
