#include "clients/units.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/macros.h"

const char *bytes_text(uint64_t bytes, char buf[static UNITS_TEXT_MAX])
{
    static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    unsigned unit = 0;
    while (unit + 1 < ARRAY_LEN(names) && bytes >> (10 * (unit + 1)) > 0)
        unit++;
    snprintf(buf, UNITS_TEXT_MAX, "%.2f %s", (double)bytes / (double)(UINT64_C(1) << (10 * unit)),
             names[unit]);
    return buf;
}

const char *duration_text(uint64_t seconds, char buf[static UNITS_TEXT_MAX])
{
    uint64_t s = seconds % 60, m = seconds / 60 % 60, h = seconds / 3600 % 24, d = seconds / 86400;
    if (d > 0)
        snprintf(buf, UNITS_TEXT_MAX, "%" PRIu64 "d %" PRIu64 "h %" PRIu64 "m %" PRIu64 "s", d, h,
                 m, s);
    else if (h > 0)
        snprintf(buf, UNITS_TEXT_MAX, "%" PRIu64 "h %" PRIu64 "m %" PRIu64 "s", h, m, s);
    else if (m > 0)
        snprintf(buf, UNITS_TEXT_MAX, "%" PRIu64 "m %" PRIu64 "s", m, s);
    else
        snprintf(buf, UNITS_TEXT_MAX, "%" PRIu64 "s", s);
    return buf;
}
