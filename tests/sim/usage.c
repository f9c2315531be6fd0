#include "usage.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>

#include "base/macros.h"

struct usage usage_now(void)
{
    struct usage u = {0};
    char line[128];
    FILE *f = fopen("/proc/self/status", "r");
    if (!f)
        return u;
    while (fgets(line, sizeof(line), f)) {
        uint64_t kib;
        if (sscanf(line, "VmRSS: %" SCNu64, &kib) ==
            1) /* NOLINT(cert-err34-c): the kernel's text */
            u.resident = kib * 1024;
        if (sscanf(line, "VmPTE: %" SCNu64, &kib) == 1) /* NOLINT(cert-err34-c) */
            u.page_tables = kib * 1024;
    }
    (void)fclose(f);
    return u;
}

uint64_t usage_resident_max(void)
{
    struct rusage ru = {0};
    return getrusage(RUSAGE_SELF, &ru) == 0 ? (uint64_t)ru.ru_maxrss * 1024 : 0;
}

double usage_cpu_s(void)
{
    struct rusage ru = {0};
    if (getrusage(RUSAGE_SELF, &ru) < 0)
        return 0;
    return (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) +
           (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6;
}
