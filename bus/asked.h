/* asked.h - ids of messages that were sent: a reply to one of them passes the topic rules.
 *
 * Known by (node, id), from acceptance on, for ASKED_LIFE; at the limit the oldest go. Lives with
 * the process: after a restart it knows what is still in the outbox.
 * Owns: its entries. Thread: loop. Protocol: docs/protocol/messages.md, "Topics". */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/hmap.h"
#include "base/list.h"
#include "base/macros.h"
#include "bus/message.h"

#define ASKED_LIFE ((usec_t)24 * 3600 * USEC_SEC)
#define ASKED_MAX  262144 /* some 80 bytes of memory each */

struct asked_ids {
    struct hmap map;
    struct list order; /* oldest first */
};

struct rng;
MUST_CHECK int asked_init(struct asked_ids *a, struct rng *r);
void asked_fini(struct asked_ids *a);

/* Without memory it is not noted: its reply has to pass the rules. */
void asked_note(struct asked_ids *a, uint64_t node, const struct msg_id *id, usec_t now);
bool asked_find(const struct asked_ids *a, uint64_t node, const struct msg_id *id);
void asked_expire(struct asked_ids *a, usec_t now);
