/* disk.c - loaded before a daemon (LD_PRELOAD): writes to the files of its database fail as the
 * file DISK_FILE says, four bytes in host order, at the moment of the call: 0 they work; 1 writes
 * fail with EIO; 2 writes fail with ENOSPC; 3 syncs fail with EIO. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum fault { WRITES_EIO = 1, WRITES_FULL, SYNCS_EIO };

static const volatile int32_t *fault;

__attribute__((constructor)) static void start(void)
{
    const char *path = getenv("DISK_FILE");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *p = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*fault), PROT_READ, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    if (p != MAP_FAILED)
        fault = p;
}

/* The fault for this file, if it is one of the database. */
static int fault_of(int fd)
{
    char link[64], name[512];
    if (!fault || *fault == 0)
        return 0;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, name, sizeof(name) - 1);
    name[n > 0 ? n : 0] = 0;
    const char *base = strrchr(name, '/');
    bool shm = n > 4 && strcmp(name + n - 4, "-shm") == 0; /* is memory, not disk */
    return base && strncmp(base, "/bus.db", 7) == 0 && !shm ? *fault : 0;
}

static bool write_fails(int fd)
{
    int f = fault_of(fd);
    if (f == WRITES_EIO)
        errno = EIO;
    else if (f == WRITES_FULL)
        errno = ENOSPC;
    return f == WRITES_EIO || f == WRITES_FULL;
}

static bool sync_fails(int fd)
{
    if (fault_of(fd) != SYNCS_EIO)
        return false;
    errno = EIO;
    return true;
}

#define NEXT(name)                                                                                 \
    static __typeof__(name) *next;                                                                 \
    if (!next)                                                                                     \
    next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    NEXT(pwrite);
    return write_fails(fd) ? -1 : next(fd, bytes, len, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t at)
{
    NEXT(pwrite64);
    return write_fails(fd) ? -1 : next(fd, bytes, len, at);
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    NEXT(write);
    return write_fails(fd) ? -1 : next(fd, bytes, len);
}

int fdatasync(int fd)
{
    NEXT(fdatasync);
    return sync_fails(fd) ? -1 : next(fd);
}

int fsync(int fd)
{
    NEXT(fsync);
    return sync_fails(fd) ? -1 : next(fd);
}
