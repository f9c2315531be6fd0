#include "storage/spool_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/err.h"
#include "base/rng.h"

/* Read at a time for hashing. */
#define HASH_BUFFER (256u * 1024)

static const struct spool_io system_io = {.pwrite = pwrite, .fdatasync = fdatasync, .fsync = fsync};

void spool_name(uint64_t number, char ret[static SPOOL_NAME_MAX])
{
    (void)snprintf(ret, SPOOL_NAME_MAX, "%016" PRIx64, number); /* fits */
}

int spool_files_init(struct spool_files *t, const struct spool_conf *c, int dir_fd)
{
    struct rng rng;
    rng_init_system(&rng);
    *t = (struct spool_files){.dir_fd = dir_fd,
                              .io = c->io ? *c->io : system_io,
                              .free_bytes = c->free_bytes ? c->free_bytes : SPOOL_FREE_BYTES,
                              .free_share = c->free_share ? c->free_share : SPOOL_FREE_SHARE};
    list_init(&t->idle);
    return hmap_init(&t->map, &rng);
}

/* --- the table ---------------------------------------------------------------------------- */

static uint64_t to_come(const struct spool_file *f)
{
    return f->announced - MIN(f->announced, f->written);
}

static void file_close(struct spool_files *t, struct spool_file *f)
{
    t->announced -= to_come(f);
    t->n_idle -= list_linked(&f->idle);
    list_del(&f->idle);
    hmap_del(&t->map, &f->hash);
    (void)close(f->fd); /* what had to be on disk was synced */
    free(f);
}

void spool_files_fini(struct spool_files *t)
{
    for (size_t i = 0; t->map.slots && i <= t->map.mask; i++)
        while (t->map.slots[i])
            file_close(t, container_of(t->map.slots[i], struct spool_file, hash));
    if (t->map.slots)
        hmap_fini(&t->map);
}

static uint64_t key_hash(const struct spool_files *t, uint64_t number)
{
    return hmap_hash(&t->map, &number, sizeof(number));
}

static struct spool_file *find(struct spool_files *t, uint64_t number)
{
    uint64_t hash = key_hash(t, number);
    for (struct hnode *h = hmap_first(&t->map, hash); h; h = hmap_next(h, hash)) {
        struct spool_file *f = container_of(h, struct spool_file, hash);
        if (f->number == number)
            return f;
    }
    return NULL;
}

/* Where it belongs now. Who is closed here loses no more than its running hash: whether its name is
 * on disk is found out anew, and one that is broken, or still to be written, stays. */
static void settle(struct spool_files *t, struct spool_file *f)
{
    bool idle = f->pins == 0;
    t->n_idle -= list_linked(&f->idle);
    list_del(&f->idle);
    if (!idle)
        return;
    list_push_back(&t->idle, &f->idle);
    t->n_idle++;
    struct list *l = t->idle.next;
    while (t->n_idle > SPOOL_OPEN_MAX && l != &t->idle) {
        struct spool_file *old = list_entry(l, struct spool_file, idle);
        l = l->next;
        if (old != f && !old->broken && to_come(old) == 0)
            file_close(t, old);
    }
}

static int file_enter(struct spool_files *t, uint64_t number, int fd, struct spool_file **ret)
{
    struct spool_file *f = calloc(1, sizeof(*f));
    if (!f) {
        (void)close(fd); /* nothing was written through it */
        return ERR_NOMEM;
    }
    f->number = number;
    f->fd = fd;
    blake3_init(&f->sum);
    hmap_add(&t->map, &f->hash, key_hash(t, number));
    *ret = f;
    return OK;
}

/* An existing one. */
static int file_get(struct spool_files *t, uint64_t number, struct spool_file **ret)
{
    char name[SPOOL_NAME_MAX];
    struct spool_file *f = find(t, number);
    if (f) {
        *ret = f;
        return OK;
    }
    spool_name(number, name);
    int fd = openat(t->dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? err_from_errno(errno) : file_enter(t, number, fd, ret);
}

/* --- room --------------------------------------------------------------------------------- */

/* Would so much more, besides what others still have to write, leave too little? */
static bool is_full(const struct spool_files *t, uint64_t more)
{
    struct statvfs st;
    if (fstatvfs(t->dir_fd, &st) < 0)
        return false; /* a write will tell */
    uint64_t have = (uint64_t)st.f_bavail * st.f_frsize;
    uint64_t keep = (uint64_t)st.f_blocks / t->free_share * st.f_frsize;
    keep = MAX(keep, t->free_bytes) + t->announced;
    return have < keep || have - keep < more;
}

/* --- operations --------------------------------------------------------------------------- */

static int create(struct spool_files *t, struct spool_op *op)
{
    char name[SPOOL_NAME_MAX];
    struct spool_file *f = NULL;
    if (op->file == 0 || op->file > INT64_MAX)
        return ERR_INVAL;
    if (is_full(t, op->len))
        return ERR_NOSPACE;
    spool_name(op->file, name);
    int fd = openat(t->dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_from_errno(errno);
    int rc = file_enter(t, op->file, fd, &f);
    if (rc < 0) {
        (void)unlinkat(t->dir_fd, name, 0); /* else the next start does */
        return rc;
    }
    f->announced = op->len;
    t->announced += op->len;
    settle(t, f);
    return OK;
}

/* Reads on, up to `to`, at most `step` bytes. ERR_NOENT: it ends before. */
static int hash_to(struct spool_file *f, uint64_t to, uint64_t step)
{
    uint64_t end = MIN(to, f->hashed + step);
    if (f->hashed >= end)
        return OK;
    uint8_t *buf = malloc(HASH_BUFFER);
    int rc = buf ? OK : ERR_NOMEM;
    while (rc == OK && f->hashed < end) {
        size_t want = (size_t)MIN(end - f->hashed, HASH_BUFFER);
        ssize_t n = pread(f->fd, buf, want, (off_t)f->hashed);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            rc = n < 0 ? err_from_errno(errno) : ERR_NOENT;
            break;
        }
        blake3_update(&f->sum, buf, (size_t)n);
        f->hashed += (uint64_t)n;
    }
    free(buf);
    return rc;
}

static int write_all(const struct spool_files *t, int fd, const struct blob *b, uint64_t at)
{
    for (size_t done = 0; done < b->len;) {
        ssize_t n = t->io.pwrite(fd, b->data + done, b->len - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? err_from_errno(errno) : ERR_IO;
        done += (size_t)n;
    }
    return OK;
}

static int write_op(struct spool_files *t, struct spool_file *f, struct spool_op *op)
{
    const struct blob *b = op->data;
    if (!b || op->offset > INT64_MAX - (uint64_t)b->len)
        return ERR_INVAL;
    if (f->written + b->len > MAX(f->announced, f->looked_at + SPOOL_LOOK_BYTES)) {
        f->looked_at = f->written;
        if (is_full(t, b->len))
            return ERR_NOSPACE;
    }
    if (op->offset < f->hashed) { /* other bytes for what was hashed */
        blake3_init(&f->sum);
        f->hashed = 0;
    }
    int rc = write_all(t, f->fd, b, op->offset);
    if (rc < 0)
        return rc;
    t->announced -= to_come(f);
    f->written += b->len;
    t->announced += to_come(f);
    if (op->offset == f->hashed && op->offset + b->len <= op->solid) {
        blake3_update(&f->sum, b->data, b->len);
        f->hashed += b->len;
    }
    return hash_to(f, op->solid, SPOOL_WRITE_STEP);
}

static int sync_op(struct spool_files *t, struct spool_file *f)
{
    if (f->broken)
        return ERR_IO;
    int rc = t->io.fdatasync(f->fd) < 0 ? err_from_errno(errno) : OK;
    if (rc == OK && !f->named && t->io.fsync(t->dir_fd) < 0 && errno != EINVAL)
        rc = err_from_errno(errno); /* EINVAL: cannot be synced here */
    f->named = rc == OK;
    f->broken = rc < 0;
    return rc;
}

static int read_op(struct spool_file *f, struct spool_op *op)
{
    if (op->len > SPOOL_READ_MAX || op->offset > INT64_MAX)
        return ERR_INVAL;
    struct blob *b = blob_new((size_t)op->len);
    if (!b)
        return ERR_NOMEM;
    size_t done = 0;
    while (done < op->len) {
        ssize_t n =
            pread(f->fd, b->data + done, (size_t)op->len - done, (off_t)(op->offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int rc = err_from_errno(errno);
            blob_unref(b);
            return rc;
        }
        if (n == 0)
            break;
        done += (size_t)n;
    }
    b->len = (uint32_t)done; /* nobody else has it yet */
    op->data = b;
    return OK;
}

static int sum_op(struct spool_file *f, struct spool_op *op)
{
    if (f->hashed > op->len) { /* of less than is hashed already */
        blake3_init(&f->sum);
        f->hashed = 0;
    }
    int rc = hash_to(f, op->len, SPOOL_SUM_STEP);
    if (rc < 0)
        return rc;
    op->hashed = f->hashed;
    if (f->hashed == op->len)
        blake3_final(&f->sum, op->sum);
    return OK;
}

static int drop(struct spool_files *t, struct spool_op *op)
{
    char name[SPOOL_NAME_MAX];
    struct spool_file *f = find(t, op->file);
    spool_name(op->file, name);
    int rc = unlinkat(t->dir_fd, name, 0) < 0 ? err_from_errno(errno) : OK;
    op->size = rc == OK; /* one less */
    if (rc == ERR_NOENT)
        rc = OK;
    if (!f)
        return rc;
    t->announced -= to_come(f);
    f->announced = 0;
    f->dropped = true;
    if (f->pins == 0)
        file_close(t, f);
    return rc;
}

static int unpin(struct spool_files *t, struct spool_op *op)
{
    struct spool_file *f = find(t, op->file);
    if (!f || f->pins == 0)
        return ERR_NOENT;
    f->pins--;
    if (f->pins == 0 && f->dropped)
        file_close(t, f);
    else
        settle(t, f);
    return OK;
}

static int size_op(struct spool_file *f, struct spool_op *op)
{
    struct stat st;
    if (fstat(f->fd, &st) < 0)
        return err_from_errno(errno);
    op->size = (uint64_t)st.st_size;
    f->pins++;
    return OK;
}

static int on_file(struct spool_files *t, struct spool_op *op)
{
    struct spool_file *f = NULL;
    int rc = file_get(t, op->file, &f);
    if (rc < 0)
        return rc;
    switch (op->kind) {
    case SPOOL_OPEN:
        rc = size_op(f, op);
        break;
    case SPOOL_WRITE:
        rc = write_op(t, f, op);
        break;
    case SPOOL_SYNC:
        rc = sync_op(t, f);
        break;
    case SPOOL_READ:
        rc = read_op(f, op);
        break;
    case SPOOL_SUM:
        rc = sum_op(f, op);
        break;
    case SPOOL_CREATE:
    case SPOOL_CLOSE:
    case SPOOL_DROP:
        break;
    }
    settle(t, f);
    return rc;
}

void spool_file_run(struct spool_files *t, struct spool_op *op)
{
    switch (op->kind) {
    case SPOOL_CREATE:
        op->rc = create(t, op);
        break;
    case SPOOL_CLOSE:
        op->rc = unpin(t, op);
        break;
    case SPOOL_DROP:
        op->rc = drop(t, op);
        break;
    case SPOOL_OPEN:
    case SPOOL_WRITE:
    case SPOOL_SYNC:
    case SPOOL_READ:
    case SPOOL_SUM:
        op->rc = on_file(t, op);
        break;
    }
}
