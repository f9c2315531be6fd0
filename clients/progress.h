/* progress.h - how much of a payload has passed, on one line of standard error that is written over
 * and over. Only where that is a terminal, and only for what takes longer than a moment. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

struct progress {
    uint64_t total;
    usec_t next; /* when it is written again; 0: not begun */
    bool terminal, shown;
};

void progress_begin(struct progress *p, uint64_t total);
void progress_at(struct progress *p, uint64_t done);
/* Takes the line away. */
void progress_end(struct progress *p);
