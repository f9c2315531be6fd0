/* seq_index.h - objects by their sequence number, in order.
 *
 * A sorted array: numbers rise, so that entries are appended; removed ones stay as holes until half
 * of the array is holes. Thread: the owner's. Cost: O(log n) to find; adding and removing are O(1)
 * spread over many, as long as numbers rise. Does not own what it holds. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

struct seq_entry {
    uint64_t seq;
    void *what; /* NULL: a hole */
};

struct seq_index {
    struct seq_entry *v;
    size_t len, cap, holes;
};

void seq_index_fini(struct seq_index *x);
/* ERR_NOMEM; ERR_EXIST: the number is there. */
MUST_CHECK int seq_index_add(struct seq_index *x, uint64_t seq, void *what);
void seq_index_del(struct seq_index *x, uint64_t seq);        /* fine when it is not there */
void *seq_index_get(const struct seq_index *x, uint64_t seq); /* lends; NULL: not there */
/* Position of the first entry above seq (holes count); x->len: none. Valid until x changes. */
size_t seq_index_above(const struct seq_index *x, uint64_t seq);
