/* mem_rows.h - the rows of messages that only memory has.
 *
 * It stands where the store stands: what is asked of the store about such a message is done here at
 * once, so that everybody else treats both kinds of messages alike. Such a message is lost with the
 * process, and so is its row. Payloads stay with the living messages.
 *
 * Owns: the rows. Thread: loop. Never: asks the store. Limits: those that live are limited by
 * outbox.h; out_memory_ended of struct bus_limits for those that ended, the oldest goes.
 * Protocol: docs/protocol/messages.md, "Messages in memory". */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/hmap.h"
#include "base/list.h"
#include "bus/bus.h"
#include "bus/seq_index.h"

struct mem_rows {
    struct hmap by_id, by_idem;
    struct seq_index by_seq;
    struct list ended; /* in the order of their ends */
    uint32_t n_ended;
    uint64_t seq;             /* the last that was given */
    struct bus_out_row *page; /* of the last OUT_LIST */
};

MUST_CHECK int mem_rows_init(struct bus *b, struct instant now);
void mem_rows_fini(struct mem_rows *r);

/* False: the operation is one for the store. Else it is done, and the result filled in; lends what
 * that points at until the next call. */
bool mem_rows_run(struct bus *b, const struct bus_store_op *op, struct bus_store_result *ret);
/* Those that ended, created before this wall time, are no longer of interest. */
void mem_rows_sweep(struct bus *b, int64_t before_ms);
