/* usage.h - what this process takes of the machine. */
#pragma once
#include <stdint.h>

struct usage {
    uint64_t resident;    /* bytes, now */
    uint64_t page_tables; /* likewise; not in `resident` */
};
struct usage usage_now(void);
/* Since the start of the process. */
uint64_t usage_resident_max(void);
double usage_cpu_s(void);
