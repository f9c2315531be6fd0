/* fake_spool.h - the files of large messages, in memory, on virtual time.
 *
 * Operations are done one after the other, each takes its time. What was written and not synced is
 * overwritten with other bytes by a power cut; a kill -9 leaves it. It knows what is on disk, so
 * that the rows of the fake store can be checked against it. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/list.h"
#include "bus/bus.h"

struct fake_write {
    uint64_t offset, end;
};
struct fake_file {
    struct list link;
    uint64_t number;
    uint8_t *bytes;
    uint64_t size, cap;
    struct fake_write *loose; /* since the last sync */
    size_t n_loose, cap_loose;
    bool broken;
};
struct fake_spool_op {
    struct list link;
    struct bus_store_op op;
    struct blob *data;
    usec_t done_at;
    bool done;
    struct bus_store_result res;
    uint8_t sum[MSG_SUM_BYTES];
};

struct fake_spool {
    struct list files, waiting, results;
    usec_t free_at;
    usec_t op_usec, sync_usec;                    /* how long each takes */
    uint64_t bytes_per_s;                         /* of writes and reads; 0: no time */
    bool full;                                    /* nothing new */
    unsigned fail_writes, fail_syncs, fail_reads; /* so many of the next */
    uint64_t creates, writes, syncs, reads, sums, drops;
    uint64_t written, read; /* bytes */
};

void fake_spool_init(struct fake_spool *s);
void fake_spool_fini(struct fake_spool *s);
void fake_spool_add(struct fake_spool *s, const struct bus_store_op *op, usec_t now);
usec_t fake_spool_deadline(const struct fake_spool *s);
void fake_spool_run(struct fake_spool *s, usec_t now); /* what is due */
/* Next result; false: none. Its data is lent until the next call. */
bool fake_spool_result(struct fake_spool *s, struct bus_store_result *ret);
/* What waits is lost, in order; power: so is what was not synced. */
void fake_spool_crash(struct fake_spool *s, bool power);

struct fake_file *fake_file_find(const struct fake_spool *s, uint64_t number);
/* A file with these bytes, synced. Takes bytes, of malloc(). */
void fake_file_make(struct fake_spool *s, uint64_t number, uint8_t *bytes, uint64_t size);
/* Is all of this on disk? */
bool fake_file_durable(const struct fake_file *f, uint64_t offset, uint64_t end);
size_t fake_file_count(const struct fake_spool *s);
