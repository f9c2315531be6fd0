/* forgets.h - FORGET packets to nodes that speak our extension: this message ended here, durably,
 * and will not be sent again.
 *
 * After a READ it leaves at once. After a DONE ACK alone it waits a moment, because the READ often
 * follows, and then one FORGET is enough. Owns: those that wait. Thread: loop. Limit: FORGETS_MAX;
 * beyond it they leave at once. Protocol: docs/protocol/messages.md, "Extension". */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/list.h"
#include "bus/bus.h"

#define FORGETS_MAX   65536
#define FORGETS_DELAY (1 * USEC_SEC)

struct out_msg;

struct forgets {
    struct list waiting; /* first due first */
    size_t count;
};

void forgets_init(struct forgets *f);
void forgets_fini(struct forgets *f);

/* m's final state is durable. */
void forgets_end(struct bus *b, const struct out_msg *m, usec_t now);
/* Now, if the node speaks our extension. sum: of a reply, else NULL. */
void forgets_send(struct bus *b, const struct ip6 *dst, const struct msg_id *id, const uint8_t *sum,
                  usec_t now);
void forgets_tick(struct bus *b, usec_t now);
usec_t forgets_deadline(const struct forgets *f);
