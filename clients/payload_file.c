#include "clients/payload_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "clients/call.h"

#define MESSAGE_MAX_BYTES ((size_t)64 * 1024 * 1024)
#define READ_WHAT         "read the message"
#define WRITE_WHAT        "write the message"

static int file_fail(const char *what, const char *path)
{
    char why[96];
    return command_fail("cannot %s: %s: %s", what, path, strerror_r(errno, why, sizeof(why)));
}

/* --- read ------------------------------------------------------------------------------------ */

int payload_read(const char *path, char **ret, size_t *ret_len)
{
    size_t len = 0, cap = 0;
    char *buf = NULL;
    int status = 1;
    FILE *f = fopen(path, "re");
    if (!f)
        return file_fail(READ_WHAT, path);
    do {
        if (len == cap) {
            cap = cap ? cap * 2 : 65536;
            char *grown = realloc(buf, cap);
            if (!grown) {
                status = command_fail("cannot " READ_WHAT ": %s", err_str(ERR_NOMEM));
                goto out;
            }
            buf = grown;
        }
        len += fread(buf + len, 1, cap - len, f);
    } while (!feof(f) && !ferror(f) && len <= MESSAGE_MAX_BYTES);
    if (ferror(f)) {
        status = file_fail(READ_WHAT, path);
    } else if (len > MESSAGE_MAX_BYTES) {
        status = command_fail("cannot send the message: %s is larger than 64 MiB", path);
    } else {
        *ret = buf;
        *ret_len = len;
        buf = NULL;
        status = 0;
    }
out:
    free(buf);
    (void)fclose(f); /* only read from */
    return status;
}

int payload_source_open(struct payload_source *s, const char *path)
{
    struct stat st;
    *s = (struct payload_source){.path = path, .fd = -1};
    /* A pipe must not be opened to be looked at: what is in it can be read once only. */
    if (stat(path, &st) != 0)
        return file_fail(READ_WHAT, path);
    if (!S_ISREG(st.st_mode) || st.st_size <= 0)
        return 0;
    s->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (s->fd < 0)
        return file_fail(READ_WHAT, path);
    s->length = (uint64_t)st.st_size;
    progress_begin(&s->progress, s->length);
    return 0;
}

void payload_source_close(struct payload_source *s)
{
    progress_end(&s->progress);
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

int payload_source_next(void *ctx, void *buf, size_t cap, size_t *ret_len)
{
    struct payload_source *s = ctx;
    ssize_t n;
    do
        n = read(s->fd, buf, cap);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        (void)file_fail(READ_WHAT, s->path);
    else if (n == 0)
        command_fail("cannot send the message: %s became shorter meanwhile", s->path);
    if (n <= 0)
        return ERR_STATE;
    progress_at(&s->progress, (uint64_t)lseek(s->fd, 0, SEEK_CUR));
    *ret_len = (size_t)n;
    return OK;
}

/* --- written ---------------------------------------------------------------------------------- */

int payload_sink_open(struct payload_sink *s, const char *path)
{
    s->path = path;
    s->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    s->created = s->fd >= 0;
    if (s->fd < 0 && errno == EEXIST)
        s->fd = open(path, O_WRONLY | O_CLOEXEC);
    return s->fd < 0 ? file_fail(WRITE_WHAT, path) : 0;
}

int payload_sink_begin(struct payload_sink *s)
{
    struct stat st;
    if (fstat(s->fd, &st) != 0 || (S_ISREG(st.st_mode) && ftruncate(s->fd, 0) != 0))
        return file_fail(WRITE_WHAT, s->path);
    return 0;
}

int payload_sink_add(struct payload_sink *s, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(s->fd, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return file_fail(WRITE_WHAT, s->path);
        bytes += n;
        len -= (size_t)n;
    }
    return 0;
}

int payload_sink_take(void *ctx, const char *bytes, size_t len)
{
    return payload_sink_add(ctx, bytes, len);
}

int payload_sink_end(struct payload_sink *s, bool sync)
{
    struct stat st;
    bool regular = fstat(s->fd, &st) == 0 && S_ISREG(st.st_mode); /* others have nothing to sync */
    if (sync && regular && fsync(s->fd) != 0)
        return file_fail(WRITE_WHAT, s->path);
    int rc = close(s->fd);
    s->fd = -1;
    s->created = false; /* it stays */
    return rc != 0 ? file_fail(WRITE_WHAT, s->path) : 0;
}

int payload_sink_write(struct payload_sink *s, const char *bytes, size_t len, bool sync)
{
    int status = payload_sink_begin(s);
    if (status == 0)
        status = payload_sink_add(s, bytes, len);
    return status == 0 ? payload_sink_end(s, sync) : status;
}

void payload_sink_drop(struct payload_sink *s)
{
    if (s->fd >= 0)
        close(s->fd);
    if (s->created)
        (void)unlink(s->path); /* an empty file left behind does no harm */
}
