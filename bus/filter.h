/* filter.h - does one client want this topic? Topics are bytes. For many clients: filter_index.h.
 * Protocol: docs/protocol/messages.md, "Filters". */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/bus.h"

MUST_CHECK int filter_check(const struct bus_filter *f); /* ERR_INVAL: no pattern */
bool filter_match(const struct bus_filter *f, const uint8_t *topic, size_t len);
