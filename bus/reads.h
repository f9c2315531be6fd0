/* reads.h - READ packets that are told again, since nothing acknowledges them.
 *
 * A READ leaves when a client took a message, and once more after 1 and after 5 seconds; the
 * receiver ignores copies. Owns: its entries. Thread: loop. Limit: READS_MAX; beyond it a READ is
 * told once. Protocol: docs/protocol/messages.md, "READ". */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/heap.h"
#include "base/ip6.h"
#include "base/macros.h"
#include "bus/message.h"

#define READS_MAX 16384

struct reads {
    struct heap due;
    size_t count;
};

void reads_init(struct reads *r);
void reads_fini(struct reads *r);

/* The first READ was just sent. */
void reads_add(struct reads *r, const struct ip6 *src, const struct ip6 *dst,
               const struct msg_id *id, usec_t now);
/* The next copy that is due: true and filled in. */
bool reads_next(struct reads *r, struct ip6 *src, struct ip6 *dst, struct msg_id *id, usec_t now);
usec_t reads_deadline(const struct reads *r);
