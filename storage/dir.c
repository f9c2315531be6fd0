#include "storage/dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "storage/spool.h"

#define DB_NAME      "bus.db"
#define LOCK_NAME    "lock"
#define DAMAGED_PART DB_NAME ".damaged-"

static int why_errno(struct why *w, const char *what, const char *path)
{
    int e = errno;
    why_set(w, "cannot %s %s: %s", what, path, strerrordesc_np(e));
    return err_from_errno(e);
}

/* New names in a directory are on disk only once the directory is. */
static int sync_dir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return ERR_IO;
    int rc = fsync(fd) < 0 && errno != EINVAL ? ERR_IO : OK; /* EINVAL: cannot be synced here */
    int kept = errno;
    (void)close(fd); /* nothing was written through it */
    errno = kept;
    return rc;
}

/* Writes our pid, for the message of the one that comes second. */
static int lock_file(struct state_dir *d, struct why *w)
{
    char *path = NULL, pid[32] = "";
    if (asprintf(&path, "%s/" LOCK_NAME, d->path) < 0)
        return ERR_NOMEM;
    int rc;
    d->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (d->lock_fd < 0) {
        rc = why_errno(w, "open", path);
        goto out;
    }
    if (flock(d->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK) {
            rc = why_errno(w, "lock", path);
            goto out;
        }
        ssize_t n = pread(d->lock_fd, pid, sizeof(pid) - 1, 0);
        pid[n > 0 ? strspn(pid, "0123456789") : 0] = '\0';
        why_set(w,
                "another node uses the state directory %s (process %s holds %s); stop it, or give "
                "this one a directory of its own",
                d->path, pid[0] != '\0' ? pid : "unknown", path);
        rc = ERR_BUSY;
        goto out;
    }
    int len = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
    /* Only for the message: a lock without a number is a lock. */
    if (ftruncate(d->lock_fd, 0) < 0 || pwrite(d->lock_fd, pid, (size_t)len, 0) < 0)
        errno = 0;
    rc = OK;
out:
    free(path);
    return rc;
}

/* The newest name that a damaged file was given, for the caller to free; NULL: none. */
static char *find_damaged(const char *path)
{
    char *found = NULL;
    DIR *dir = opendir(path);
    if (!dir)
        return NULL;
    for (;;) {
        struct dirent *e = readdir(dir); /* NOLINT(concurrency-mt-unsafe): a stream of our own */
        if (!e)
            break;
        size_t len = strlen(e->d_name);
        if (strncmp(e->d_name, DAMAGED_PART, strlen(DAMAGED_PART)) != 0 ||
            (len > 4 && (strcmp(e->d_name + len - 4, "-wal") == 0 ||
                         strcmp(e->d_name + len - 4, "-shm") == 0)))
            continue;
        if (found && strcmp(found, e->d_name) >= 0)
            continue;
        free(found);
        found = strdup(e->d_name);
    }
    (void)closedir(dir); /* read only */
    return found;
}

/* Is there anything in the folder of large messages? */
static bool has_files(const char *path)
{
    char *name = NULL;
    bool found = false;
    if (asprintf(&name, "%s/" SPOOL_FOLDER, path) < 0)
        return false;
    DIR *dir = opendir(name);
    free(name);
    struct dirent *e;
    while (dir && !found && (e = readdir(dir))) /* NOLINT(concurrency-mt-unsafe): as above */
        found = e->d_name[0] != '.';
    if (dir)
        (void)closedir(dir); /* read only */
    return found;
}

/* Messages may wait in a file that was put aside, in a log whose database is gone, or in the folder
 * of large ones: starting empty over them would lose them without a word, so a person has to say
 * so. */
static int check_missing(const struct state_dir *d, struct why *w)
{
    struct stat st;
    char *log = NULL, *damaged = NULL;
    int rc = OK;
    if (stat(d->db, &st) == 0 && st.st_size > 0)
        return OK;
    if (asprintf(&log, "%s-wal", d->db) < 0)
        return ERR_NOMEM;
    damaged = find_damaged(d->path);
    if (damaged) {
        why_set(w,
                "the database was found damaged and is kept as %s/%s; repair it to %s, or move it "
                "to another directory to start with an empty store",
                d->path, damaged, d->db);
        rc = ERR_CORRUPT;
    } else if (stat(log, &st) == 0 && st.st_size > 0) {
        why_set(w,
                "%s is missing, but its log %s is there; bring the database back, or move the log "
                "to another directory to start with an empty store",
                d->db, log);
        rc = ERR_CORRUPT;
    } else if (has_files(d->path)) {
        why_set(w,
                "%s is missing, but there are messages in %s/" SPOOL_FOLDER
                "; bring the database back, or move that folder to another directory to start "
                "with an empty store",
                d->db, d->path);
        rc = ERR_CORRUPT;
    }
    free(damaged);
    free(log);
    return rc;
}

static int make_file(const struct state_dir *d, struct why *w)
{
    int fd = open(d->db, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return why_errno(w, "open", d->db);
    int rc = OK;
    if (fchmod(fd, 0600) < 0) /* payloads are nobody else's business */
        rc = why_errno(w, "change the mode of", d->db);
    (void)close(fd); /* before SQLite locks it: closing drops the locks of a process */
    if (rc == OK && sync_dir(d->path) < 0)
        rc = why_errno(w, "sync", d->path);
    return rc;
}

int state_dir_open(struct state_dir *d, const char *path, struct why *w)
{
    *d = (struct state_dir)STATE_DIR_INIT;
    struct stat st;
    char *parent = NULL;
    int rc = ERR_NOMEM;
    d->path = strdup(path);
    if (!d->path || asprintf(&d->db, "%s/" DB_NAME, path) < 0) {
        d->db = NULL; /* undefined after a failure */
        goto out;
    }
    if (asprintf(&parent, "%s/..", path) < 0) {
        parent = NULL;
        goto out;
    }
    bool made = stat(path, &st) < 0;
    if (dir_create(path, 0700) < 0 || (made && sync_dir(parent) < 0)) {
        rc = why_errno(w, "make the state directory", path);
        goto out;
    }
    rc = lock_file(d, w);
    if (rc == OK)
        rc = check_missing(d, w);
    if (rc == OK)
        rc = make_file(d, w);
out:
    free(parent);
    if (rc == ERR_NOMEM)
        why_set(w, "out of memory");
    return rc;
}

uint64_t state_dir_log_bytes(const struct state_dir *d)
{
    struct stat st;
    char path[4096];
    int n = snprintf(path, sizeof(path), "%s-wal", d->db);
    bool there = n > 0 && (size_t)n < sizeof(path) && stat(path, &st) == 0;
    return there ? (uint64_t)st.st_size : 0;
}

/* The database first: without it the log is not touched by anyone, while a database without its log
 * would open as if the last commits had never been. */
void state_dir_set_aside(const struct state_dir *d, struct why *w)
{
    static const char *const suffix[] = {"", "-wal", "-shm"};
    char stamp[32], from[4096], to[4096 + 64];
    time_t now = time(NULL);
    struct tm tm;
    (void)gmtime_r(&now, &tm);                                   /* fails only beyond year 2^31 */
    (void)strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm); /* fits */
    for (size_t i = 0; i < ARRAY_LEN(suffix); i++) {
        int a = snprintf(from, sizeof(from), "%s%s", d->db, suffix[i]);
        int b = snprintf(to, sizeof(to), "%s/" DAMAGED_PART "%s%s", d->path, stamp, suffix[i]);
        if (a < 0 || b < 0 || (size_t)a >= sizeof(from))
            continue; /* longer than any path the kernel takes */
        if (file_rename_new(from, to) < 0 && i == 0) {
            why_set(w,
                    "the database %s is damaged, and could not be renamed: %s; nothing was changed",
                    d->db, strerrordesc_np(errno));
            return;
        }
    }
    (void)sync_dir(d->path); /* else the old names come back, and this runs again */
    why_set(w,
            "the database %s is damaged; it is kept as %s/" DAMAGED_PART
            "%s with its log; repair it to %s, or move it to another directory to start with an "
            "empty store",
            d->db, d->path, stamp, d->db);
}

void state_dir_close(struct state_dir *d)
{
    if (d->lock_fd >= 0)
        (void)close(d->lock_fd); /* gives the lock back; nothing is buffered */
    free(d->path);
    free(d->db);
    *d = (struct state_dir)STATE_DIR_INIT;
}
