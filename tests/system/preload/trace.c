/* trace.c - loaded before a daemon (LD_PRELOAD): writes down, in one order, what it writes to files
 * and syncs, and what it sends and receives on sockets. lib/trace.py reads it.
 *
 *   TRACE_LOG       file for the record
 *   TRACE_LATE_MS   a sync returns at once and is done so much later: what a daemon that does not
 * wait for its disk looks like. For showing that the tests notice.
 *
 * A write is noted when it is done, a sync at its begin and its end, a send before it begins and
 * with its result: so a send that is noted after the end of a sync left after it, and no other
 * does. Begin and end of one sync carry the same number. Record: kind (1), inode (8), length (4),
 * bytes; host order. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define KNOWN_MAX      1024
#define NAME_MAX_BYTES 512

enum kind {
    NAME = 'N',
    WRITE = 'W',
    BEGIN = 'B',
    END = 'E',
    SEND = 'S',
    SENT = 's',
    RECEIVED = 'R'
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1;
static unsigned late_ms;
static struct {
    uint64_t inode;
    char name[NAME_MAX_BYTES];
} known[KNOWN_MAX];
static size_t known_count;

static void put(const void *bytes, size_t len)
{
    for (size_t off = 0; off < len;) {
        long n = syscall(SYS_write, log_fd, (const char *)bytes + off, len - off);
        if (n <= 0)
            abort();
        off += (size_t)n;
    }
}

static void note_locked(enum kind kind, uint64_t inode, const struct iovec *v, int n, size_t most)
{
    uint8_t head[13] = {(uint8_t)kind};
    uint32_t len = 0;
    for (int i = 0; i < n; i++)
        len += (uint32_t)v[i].iov_len;
    len = len < most ? len : (uint32_t)most;
    memcpy(head + 1, &inode, 8);
    memcpy(head + 9, &len, 4);
    put(head, sizeof(head));
    for (int i = 0; i < n && len > 0; i++) {
        uint32_t part = v[i].iov_len < len ? (uint32_t)v[i].iov_len : len;
        put(v[i].iov_base, part);
        len -= part;
    }
}

static void name_of(int fd, bool is_socket, char *ret, size_t cap)
{
    char link[64];
    if (is_socket) {
        struct sockaddr_storage here = {0}, there = {0};
        socklen_t n = sizeof(here), m = sizeof(there);
        getsockname(fd, (struct sockaddr *)&here, &n);
        getpeername(fd, (struct sockaddr *)&there, &m);
        /* The port stands at the same place for both families. */
        snprintf(ret, cap, "socket %u %u", ntohs(((struct sockaddr_in *)&here)->sin_port),
                 ntohs(((struct sockaddr_in *)&there)->sin_port));
    } else {
        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        ssize_t n = readlink(link, ret, cap - 1);
        ret[n > 0 ? n : 0] = 0;
    }
}

/* Notes the name of an inode when it is new, or another one: numbers are used again. */
static void name_locked(int fd, uint64_t inode, bool is_socket)
{
    char name[NAME_MAX_BYTES];
    size_t i = 0;
    while (i < known_count && known[i].inode != inode)
        i++;
    if (i < known_count && is_socket)
        return;
    name_of(fd, is_socket, name, sizeof(name));
    if (i < known_count && strcmp(known[i].name, name) == 0)
        return;
    if (i == KNOWN_MAX)
        abort();
    known_count = i == known_count ? i + 1 : known_count;
    known[i].inode = inode;
    memcpy(known[i].name, name, sizeof(name));
    note_locked(NAME, inode, &(struct iovec){name, strlen(name)}, 1, SIZE_MAX);
}

/* False: not a file or socket that is recorded. */
static bool look(int fd, uint64_t *inode, bool *is_socket)
{
    struct stat st;
    if (log_fd < 0 || fd == log_fd || fstat(fd, &st) < 0 ||
        (!S_ISREG(st.st_mode) && !S_ISSOCK(st.st_mode)))
        return false;
    *inode = (uint64_t)st.st_ino;
    *is_socket = S_ISSOCK(st.st_mode);
    return true;
}

static void note(enum kind kind, int fd, const struct iovec *v, int n, size_t most)
{
    int e = errno;
    uint64_t inode;
    bool is_socket;
    if (look(fd, &inode, &is_socket)) {
        pthread_mutex_lock(&lock);
        name_locked(fd, inode, is_socket);
        note_locked(kind, inode, v, n, most);
        pthread_mutex_unlock(&lock);
    }
    errno = e;
}

static bool is_socket(int fd)
{
    uint64_t inode;
    bool yes = false;
    int e = errno;
    bool known_fd = look(fd, &inode, &yes);
    errno = e;
    return known_fd && yes;
}

__attribute__((constructor)) static void start(void)
{
    const char *path = getenv("TRACE_LOG"), *late = getenv("TRACE_LATE_MS");
    late_ms = late ? (unsigned)atoi(late) : 0;
    if (path)
        log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

#define NEXT(name)                                                                                 \
    static __typeof__(name) *next;                                                                 \
    if (!next)                                                                                     \
    next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

/* --- out ---------------------------------------------------------------------------------- */

static void before_send(int fd, const struct iovec *v, int n)
{
    note(SEND, fd, v, n, SIZE_MAX);
}
static void after_send(int fd, ssize_t sent)
{
    int64_t n = sent;
    note(SENT, fd, &(struct iovec){&n, sizeof(n)}, 1, SIZE_MAX);
}
static void after_write(int fd, const struct iovec *v, int n, ssize_t written)
{
    if (written > 0)
        note(WRITE, fd, v, n, (size_t)written);
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    NEXT(write);
    struct iovec v = {(void *)bytes, len};
    bool sock = is_socket(fd);
    if (sock)
        before_send(fd, &v, 1);
    ssize_t n = next(fd, bytes, len);
    if (sock)
        after_send(fd, n);
    else
        after_write(fd, &v, 1, n);
    return n;
}

ssize_t writev(int fd, const struct iovec *v, int count)
{
    NEXT(writev);
    bool sock = is_socket(fd);
    if (sock)
        before_send(fd, v, count);
    ssize_t n = next(fd, v, count);
    if (sock)
        after_send(fd, n);
    else
        after_write(fd, v, count, n);
    return n;
}

ssize_t send(int fd, const void *bytes, size_t len, int flags)
{
    NEXT(send);
    struct iovec v = {(void *)bytes, len};
    before_send(fd, &v, 1);
    ssize_t n = next(fd, bytes, len, flags);
    after_send(fd, n);
    return n;
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
    NEXT(sendmsg);
    before_send(fd, m->msg_iov, (int)m->msg_iovlen);
    ssize_t n = next(fd, m, flags);
    after_send(fd, n);
    return n;
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    NEXT(pwrite);
    ssize_t n = next(fd, bytes, len, at);
    after_write(fd, &(struct iovec){(void *)bytes, len}, 1, n);
    return n;
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t at)
{
    NEXT(pwrite64);
    ssize_t n = next(fd, bytes, len, at);
    after_write(fd, &(struct iovec){(void *)bytes, len}, 1, n);
    return n;
}

/* --- in ----------------------------------------------------------------------------------- */

ssize_t read(int fd, void *bytes, size_t len)
{
    NEXT(read);
    ssize_t n = next(fd, bytes, len);
    if (n > 0 && is_socket(fd))
        note(RECEIVED, fd, &(struct iovec){bytes, (size_t)n}, 1, SIZE_MAX);
    return n;
}

ssize_t recv(int fd, void *bytes, size_t len, int flags)
{
    NEXT(recv);
    ssize_t n = next(fd, bytes, len, flags);
    if (n > 0 && !(flags & MSG_PEEK))
        note(RECEIVED, fd, &(struct iovec){bytes, (size_t)n}, 1, SIZE_MAX);
    return n;
}

/* --- syncs -------------------------------------------------------------------------------- */

struct late_sync {
    int fd;
    uint64_t number;
};

static void note_sync(enum kind kind, int fd, uint64_t number)
{
    note(kind, fd, &(struct iovec){&number, sizeof(number)}, 1, SIZE_MAX);
}

static void *sync_later(void *arg)
{
    struct late_sync *l = arg;
    usleep(late_ms * 1000);
    if (syscall(SYS_fdatasync, l->fd) == 0)
        note_sync(END, l->fd, l->number);
    close(l->fd);
    free(l);
    return NULL;
}

static int sync_of(int fd, int (*next)(int))
{
    static atomic_uint_fast64_t numbers;
    uint64_t number = atomic_fetch_add(&numbers, 1);
    note_sync(BEGIN, fd, number);
    if (late_ms > 0) {
        pthread_t t;
        struct late_sync *l = malloc(sizeof(*l));
        if (!l)
            abort();
        *l = (struct late_sync){.fd = dup(fd), .number = number};
        if (pthread_create(&t, NULL, sync_later, l) != 0)
            abort();
        pthread_detach(t);
        return 0;
    }
    int rc = next(fd);
    if (rc == 0)
        note_sync(END, fd, number);
    return rc;
}

int fdatasync(int fd)
{
    NEXT(fdatasync);
    return sync_of(fd, next);
}

int fsync(int fd)
{
    NEXT(fsync);
    return sync_of(fd, next);
}
