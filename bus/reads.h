/* reads.h - READ packets that are told again, since nothing acknowledges them.
 *
 * A READ leaves when a client took a message, and once more after 1 and after 5 seconds; the
 * receiver ignores copies. A node that speaks our extension answers with FORGET: until then it is
 * told some more times, more and more rarely. Owns: its entries. Thread: loop. Limit: READS_MAX;
 * beyond it a READ is told once. Protocol: docs/protocol/messages.md, "READ". */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/heap.h"
#include "base/hmap.h"
#include "base/ip6.h"
#include "base/macros.h"
#include "bus/message.h"

#define READS_MAX 16384

struct reads {
    struct heap due;
    struct hmap map; /* by (node, id) */
    size_t count;
};

struct rng;
MUST_CHECK int reads_init(struct reads *r, struct rng *rng);
void reads_fini(struct reads *r);

/* The first READ was just sent; `ours`: FORGET will answer it. */
void reads_add(struct reads *r, const struct ip6 *src, const struct ip6 *dst,
               const struct msg_id *id, bool ours, usec_t now);
/* FORGET came: it has been heard. False: none of these was told. */
bool reads_forget(struct reads *r, uint64_t node, const struct msg_id *id);
/* The next copy that is due: true and filled in. */
bool reads_next(struct reads *r, struct ip6 *src, struct ip6 *dst, struct msg_id *id, usec_t now);
usec_t reads_deadline(const struct reads *r);
