#include "node/process.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"

/* Fields of /proc/self/stat behind the name of the program, which may hold anything; proc(5). */
#define STAT_THREADS 17
#define STAT_START   19
#define STAT_VSIZE   20
#define STAT_RSS     21

static void read_stat(struct process_usage *u, int64_t *ret_start_ticks)
{
    char text[1024];
    size_t len = 0;
    uint64_t size = 0, v[STAT_RSS + 1] = {0};

    if (file_read("/proc/self/stat", text, sizeof(text) - 1, &len, &size) != OK)
        return;
    text[len] = '\0';
    char *p = strrchr(text, ')');
    /* The state is a letter and comes first. Negative fields in between are not used here. */
    p = p ? strchr(p + 1, ' ') : NULL;
    p = p ? strchr(p + 1, ' ') : NULL;
    for (size_t i = 1; p && i <= STAT_RSS; i++) {
        char *end = p;
        v[i] = strtoull(p, &end, 10);
        p = end > p ? end : NULL;
    }
    if (!p)
        return;
    u->threads = v[STAT_THREADS];
    u->virtual_bytes = v[STAT_VSIZE];
    u->resident_bytes = v[STAT_RSS] * (uint64_t)sysconf(_SC_PAGESIZE);
    *ret_start_ticks = (int64_t)v[STAT_START];
}

static uint64_t count_fds(void)
{
    uint64_t n = 0;
    DIR *d = opendir("/proc/self/fd");

    if (!d)
        return 0;
    for (const struct dirent *e; (e = readdir(d)) != NULL;) /* NOLINT(concurrency-mt-unsafe): own */
        n += e->d_name[0] != '.';
    (void)closedir(d);        /* nothing was written */
    return n > 0 ? n - 1 : 0; /* less the one that reads */
}

void process_usage(struct process_usage *ret)
{
    struct rusage ru;
    struct rlimit rl;
    struct timespec boot, wall;
    int64_t ticks = 0;

    memset(ret, 0, sizeof(*ret));
    read_stat(ret, &ticks);
    ret->fds = count_fds();
    if (getrusage(RUSAGE_SELF, &ru) == 0)
        ret->cpu_s = (uint64_t)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec +
                                (ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1000000);
    if (getrlimit(RLIMIT_NOFILE, &rl) == 0)
        ret->fds_max = rl.rlim_cur;
    if (ticks > 0 && clock_gettime(CLOCK_BOOTTIME, &boot) == 0 &&
        clock_gettime(CLOCK_REALTIME, &wall) == 0)
        ret->start_s = (uint64_t)(wall.tv_sec - boot.tv_sec + ticks / sysconf(_SC_CLK_TCK));
}
