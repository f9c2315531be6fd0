/* follow.h - an entry of the outbox, waited for from one state to the next. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "clients/commands.h"

struct follow_args {
    const char *ref; /* an id, or `~` and a seq */
    enum message_until until;
    bool has_timeout;
    uint64_t timeout_s;
    bool show; /* each state on a line of standard output */
};
/* 0 once `until` is reached; EXIT_NOT_REACHED: not in time, or never; 1. What is not 0 is told. */
MUST_CHECK int follow_entry(const struct api_target *t, const struct follow_args *a);
