/* process.h - what the system tells of this process. */
#pragma once
#include "api/metrics.h"

/* Reads /proc/self; what cannot be read is 0. Takes some tens of microseconds. */
void process_usage(struct process_usage *ret);
