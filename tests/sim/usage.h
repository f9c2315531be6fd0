/* usage.h - what this process takes of the machine. */
#pragma once
#include <stdint.h>

struct usage {
    uint64_t resident;    /* bytes, now */
    uint64_t page_tables; /* likewise; not in `resident` */
};
struct usage usage_now(void);
uint64_t usage_resident_max(void); /* since the start of the process */
