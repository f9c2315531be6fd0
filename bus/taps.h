/* taps.h - copies of messages that become complete, for clients that only watch.
 *
 * A message is copied once, with its payload shared, however many taps want it. A tap that does not
 * take what it has loses the oldest, and hears how many. Owns: its entries and copies. Thread:
 * loop. Limits: BUS_TAPS_MAX, BUS_TAP_MESSAGES, BUS_TAP_BYTES.
 * Protocol: docs/protocol/streams.md, "Taps". */
#pragma once
#include "base/hmap.h"
#include "base/list.h"
#include "bus/bus_streams.h"
#include "bus/filter_index.h"

struct in_msg;
struct tap_copy;

struct taps {
    struct hmap by_client;
    struct filter_index filtered;
    struct list due;       /* struct tap: they have something, and are not paused */
    struct tap_copy *lent; /* by the last taps_next() */
    uint32_t count;
};

MUST_CHECK int taps_init(struct bus *b);
void taps_fini(struct bus *b);

/* m became complete: before any client has it. */
void taps_see(struct bus *b, const struct in_msg *m);
/* Next copy; false: none. What it lends is taken back by taps_lent_end(). */
bool taps_next(struct bus *b, struct bus_out *ret);
void taps_lent_end(struct bus *b);
