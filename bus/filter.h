/* filter.h - which topics a client wants. Topics are bytes.
 * Protocol: docs/protocol/messages.md, "Filters". */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/bus.h"

/* ERR_UNSUPPORTED: a pattern. */
MUST_CHECK int filter_check(const struct bus_filter *f);
bool filter_match(const struct bus_filter *f, const uint8_t *topic, size_t len);
