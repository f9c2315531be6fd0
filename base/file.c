#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"

static int write_all(int fd, const uint8_t *p, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_from_errno(errno);
        p += n;
        len -= (size_t)n;
    }
    return OK;
}

/* The rename itself must survive a power cut. */
static int sync_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir = !slash ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
    if (!dir)
        return ERR_NOMEM;
    int rc = OK;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* EINVAL: a file system that cannot sync folders */
    if (fd < 0 || (fsync(fd) < 0 && errno != EINVAL))
        rc = err_from_errno(errno);
    int kept = errno;
    if (fd >= 0)
        (void)close(fd); /* nothing was written through it */
    free(dir);
    errno = kept;
    return rc;
}

int file_rename_new(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    /* The file system does not know the flag. A second name that stays does no harm. */
    if (link(from, to) == 0) {
        (void)unlink(from);
        return 0;
    }
    if (errno != EPERM && errno != EOPNOTSUPP)
        return -1;
    if (access(to, F_OK) == 0) { /* nor links: as good as it gets */
        errno = EEXIST;
        return -1;
    }
    return rename(from, to);
}

static int write_file(const char *path, const void *bytes, size_t len, mode_t mode, bool replace)
{
    int rc, fd = -1;
    char *tmp = NULL;
    bool made = false;

    if (asprintf(&tmp, "%s.XXXXXX", path) < 0)
        return ERR_NOMEM;          /* tmp is undefined then */
    fd = mkostemp(tmp, O_CLOEXEC); /* O_EXCL, mode 0600 */
    if (fd < 0)
        goto failed;
    made = true;
    rc = write_all(fd, bytes, len);
    if (rc < 0)
        goto out;
    if (fchmod(fd, mode) < 0 || fsync(fd) < 0)
        goto failed;
    int closed = close(fd);
    fd = -1;
    if (closed < 0 || (replace ? rename(tmp, path) : file_rename_new(tmp, path)) < 0)
        goto failed;
    made = false;
    rc = sync_folder_of(path);
    goto out;
failed:
    rc = err_from_errno(errno);
out:;
    int kept = errno;
    if (fd >= 0)
        (void)close(fd); /* the content is given up anyway */
    if (made)
        (void)unlink(tmp); /* best effort: the first error is the one to report */
    free(tmp);
    errno = kept;
    return rc;
}

int file_write_atomic(const char *path, const void *bytes, size_t len, mode_t mode)
{
    return write_file(path, bytes, len, mode, true);
}

int file_write_new(const char *path, const void *bytes, size_t len, mode_t mode)
{
    return write_file(path, bytes, len, mode, false);
}

int file_read(const char *path, void *buf, size_t cap, size_t *ret_len, uint64_t *ret_size)
{
    int rc = OK;
    size_t len = 0;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_from_errno(errno);
    if (fstat(fd, &st) < 0) {
        rc = err_from_errno(errno);
        goto out;
    }
    while (len < cap) {
        ssize_t n = read(fd, (uint8_t *)buf + len, cap - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            rc = err_from_errno(errno);
            goto out;
        }
        if (n == 0)
            break;
        len += (size_t)n;
    }
    *ret_len = len;
    /* Pipes and files of /proc have no size of their own. */
    *ret_size = st.st_size > (off_t)len ? (uint64_t)st.st_size : len;
out:;
    int kept = errno;
    (void)close(fd); /* read only */
    errno = kept;
    return rc;
}

static int make_one(const char *path, mode_t mode)
{
    struct stat st;
    if (mkdir(path, mode) == 0)
        return OK;
    int kept = errno;
    if (kept != ENOENT && stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return OK;
        kept = ENOTDIR;
    }
    errno = kept;
    return kept == ENOTDIR ? ERR_EXIST : err_from_errno(kept);
}

int dir_create(const char *path, mode_t mode)
{
    char *copy = strdup(path);
    if (!copy)
        return ERR_NOMEM;
    int rc = OK;
    for (char *p = copy + 1; copy[0] != '\0' && *p != '\0' && rc == OK; p++) {
        if (*p != '/' || p[-1] == '/')
            continue;
        *p = '\0';
        rc = make_one(copy, mode);
        *p = '/';
    }
    if (rc == OK)
        rc = make_one(copy, mode);
    int kept = errno;
    free(copy);
    errno = kept;
    return rc;
}
