/* fake_store.h - a store that keeps only what was committed.
 *
 * Operations wait for their commit; a crash forgets those that wait. Results come back after the
 * commit. It checks the rules of its interface (a seq is used once, what is removed was there). */
#pragma once
#include <stdbool.h>

#include "base/hmap.h"
#include "base/list.h"
#include "base/rng.h"
#include "bus/bus.h"
#include "bus/topic_rules.h"

struct fake_out {
    struct hnode by_id;
    struct bus_out_row row;
    struct blob *body;
    uint8_t *acked;
};
struct fake_in {
    struct hnode by_id;
    struct bus_in_row row;
    struct blob *body;
    uint8_t *got;
};
struct fake_seen {
    struct hnode by_id;
    struct bus_seen_row row;
};
struct fake_op {
    struct list link;
    struct bus_store_op op;
    struct blob *out_body, *in_body;
    uint8_t *got, *acked;
    struct bus_seen_key *keys;
    struct bus_out_copy *copies;
    struct topic_rule *rule; /* RULE_PUT */
    struct topic rule_topic; /* RULE_DROP */
    usec_t commit_at;
    struct bus_out_row *rows;
    struct bus_store_result res;
    bool done;
};

struct fake_store {
    struct hmap out, in, seen; /* by id */
    struct list waiting;       /* fake_op, by commit_at */
    struct list results;
    size_t ops, commits, puts, readies, part_writes, states;
    unsigned fail_next; /* this many operations fail with ERR_IO */
    size_t sweeps;
    size_t sweeps_full; /* this many sweeps leave rows for another one */
    struct topics *rules;
    uint64_t out_seq, in_seq;
    struct fake_spool *spool; /* the rows that name files are checked against it */
    size_t acked_writes;
    int64_t run_ms; /* 0: none yet */
    struct rng rng; /* for the maps only */
};

void fake_store_init(struct fake_store *s);
void fake_store_fini(struct fake_store *s);
void fake_store_add(struct fake_store *s, const struct bus_store_op *op, usec_t commit_at);
usec_t fake_store_deadline(const struct fake_store *s);
void fake_store_commit(struct fake_store *s, usec_t now); /* what is due */
/* Next result; false: none. The body is lent until the next call. */
bool fake_store_result(struct fake_store *s, struct bus_store_result *ret);
/* The first `committed` operations that wait were committed, but nobody was told; the rest is lost.
 */
void fake_store_crash(struct fake_store *s, size_t committed);
void fake_store_load(struct fake_store *s, struct bus *b, struct instant now);

struct fake_out *fake_out_find(const struct fake_store *s, const struct msg_id *id, uint64_t node);
struct fake_in *fake_in_find(const struct fake_store *s, const struct msg_id *id, uint64_t node,
                             bool ready);
bool fake_seen_has(const struct fake_store *s, const struct msg_id *id, uint64_t node);
bool fake_file_named(const struct fake_store *s, uint64_t number); /* by a row */
/* Files that no row names go, as at a start. */
void fake_store_orphans(struct fake_store *s);
size_t fake_ready_count(const struct fake_store *s);
