/* token.h - what a client shows to settle a message that it was given on lease.
 *
 * "seq.generation.tag": the number of the message, how often it had been given out, and bytes that
 * only this store can have made: 4 random ones of this lease, and a keyed hash over all of it and
 * the message's id. So a token stays good over a restart, and one of another store or message is
 * never taken for ours. Values only; no state. Protocol: docs/protocol/messages.md, "Leases". */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/bus.h"

#define TOKEN_NONCE 4

struct bus_token token_make(const uint8_t key[static BUS_TOKEN_KEY], uint64_t seq,
                            uint32_t generation, const uint8_t nonce[static TOKEN_NONCE],
                            const struct msg_id *id);
/* Was it made with this key for this message? */
bool token_ok(const uint8_t key[static BUS_TOKEN_KEY], const struct bus_token *t,
              const struct msg_id *id);
