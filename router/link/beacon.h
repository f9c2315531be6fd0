/* beacon.h - what nodes tell the local network: "I listen on this port, and I am this one".
 *
 * A value; who hears it connects to the address that it came from.
 * Thread: any. Protocol: docs/protocol/connections.md, "Local discovery". */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "router/identity.h"

#define BEACON_BYTES 50u

struct beacon {
    uint16_t port; /* of its listener, never 0 in one that was decoded */
    struct router_id from;
};

void beacon_encode(const struct beacon *b, uint8_t ret[static BEACON_BYTES]);
/* ERR_MALFORMED: another length, no beacon, or port 0. */
MUST_CHECK int beacon_decode(const uint8_t *bytes, size_t len, struct beacon *ret);
