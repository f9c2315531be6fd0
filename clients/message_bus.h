/* message_bus.h - sending and receiving by the calls that only nodes of this program have: what the
 * others do not offer, and payloads that do not fit into memory. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "clients/commands.h"

#define MESSAGE_BUS_NONE (-1) /* the node has no such calls, and the others will do */

/* Does a send ask for something that needs them, or is its file one that is better streamed? */
bool message_bus_wanted(const struct send_args *a);
/* a is checked. Returns the exit status, or MESSAGE_BUS_NONE. */
MUST_CHECK int message_bus_send(const struct api_target *t, const struct send_args *a, size_t len);
/* On lease, acknowledged once it is written out. Returns the exit status. */
MUST_CHECK int message_bus_receive(const struct api_target *t, const struct receive_args *a,
                                   uint64_t wait_s);
