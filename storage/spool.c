#include "storage/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/rng.h"
#include "storage/spool_file.h"

#define LOG_TARGET "spool"

/* A file that was there at the start. */
struct found {
    uint64_t number, size;
    bool claimed;
};

struct spool {
    struct mailbox in;
    struct mailbox *results;
    struct spool_files files; /* the thread's */
    int dir_fd;
    pthread_t thread;
    bool started;
    struct log_budget log_budget;
    struct found *found; /* sorted by number; until the start */
    size_t n_found;

    atomic_uint_fast64_t queued_bytes, refused_busy;
    pthread_mutex_t stats_lock;
    struct spool_stats stats; /* without those two */
};

/* --- operations --------------------------------------------------------------------------- */

struct spool_op *spool_op_new(enum spool_kind kind, uint64_t file)
{
    struct spool_op *op = calloc(1, sizeof(*op));
    if (op) {
        op->kind = kind;
        op->file = file;
    }
    return op;
}

void spool_op_free(struct spool_op *op)
{
    if (!op)
        return;
    blob_unref(op->data);
    free(op);
}

uint64_t spool_number(void)
{
    struct rng rng;
    rng_init_system(&rng);
    uint64_t n;
    do
        n = rng_u64(&rng) & INT64_MAX;
    while (n == 0);
    return n;
}

/* Bytes that it moves. */
static uint64_t op_weight(const struct spool_op *op)
{
    if (op->kind == SPOOL_WRITE)
        return op->data ? op->data->len : 0;
    return op->kind == SPOOL_READ ? op->len : 0;
}

static void hand_back(struct spool *s, struct spool_op *op)
{
    if (op->quiet)
        spool_op_free(op);
    else
        mailbox_post(s->results, &op->mail);
}

bool spool_room(const struct spool *s, uint64_t bytes)
{
    uint64_t queued = atomic_load_explicit(&s->queued_bytes, memory_order_relaxed);
    return bytes <= SPOOL_QUEUE_BYTES && queued <= SPOOL_QUEUE_BYTES - bytes;
}

void spool_submit(struct spool *s, struct spool_op *op)
{
    uint64_t weight = op_weight(op);
    op->rc = OK;
    if (weight > 0 && !spool_room(s, weight)) {
        op->rc = ERR_BUSY;
        atomic_fetch_add_explicit(&s->refused_busy, 1, memory_order_relaxed);
        hand_back(s, op);
        return;
    }
    atomic_fetch_add_explicit(&s->queued_bytes, weight, memory_order_relaxed);
    mailbox_post(&s->in, &op->mail);
}

/* --- the thread --------------------------------------------------------------------------- */

static void count(struct spool *s, const struct spool_op *op, usec_t took)
{
    pthread_mutex_lock(&s->stats_lock);
    struct spool_stats *t = &s->stats;
    t->ops++;
    t->failures += op->rc < 0 && op->rc != ERR_NOENT;
    t->refused_full += op->kind != SPOOL_SYNC && op->rc == ERR_NOSPACE;
    if (op->kind == SPOOL_WRITE && op->rc == OK)
        t->written += op->data->len;
    if (op->kind == SPOOL_READ && op->rc == OK)
        t->read += op->data->len;
    if (op->kind == SPOOL_SYNC) {
        t->syncs++;
        t->sync_usec_total += (uint64_t)took;
        t->sync_usec_max = MAX(t->sync_usec_max, (uint64_t)took);
    }
    t->files += op->kind == SPOOL_CREATE && op->rc == OK;
    t->files -= op->kind == SPOOL_DROP && op->rc == OK && op->size > 0;
    t->open = s->files.map.count;
    t->announced = s->files.announced;
    pthread_mutex_unlock(&s->stats_lock);
}

static void run(struct spool *s, struct spool_op *op)
{
    uint64_t weight = op_weight(op);
    usec_t start = usec_now();
    spool_file_run(&s->files, op);
    usec_t end = usec_now();
    count(s, op, end - start);
    if (op->rc < 0 && op->rc != ERR_NOENT)
        log_remote(LOG_LEVEL_ERROR, &s->log_budget, end, "large message not stored",
                   "file=%016llx operation=%d why=\"%s\"", (unsigned long long)op->file,
                   (int)op->kind, err_str(op->rc));
    atomic_fetch_sub_explicit(&s->queued_bytes, weight, memory_order_relaxed);
    hand_back(s, op);
}

static void run_list(struct spool *s, struct mail *m)
{
    for (struct mail *next; m; m = next) {
        next = m->next;
        run(s, container_of(m, struct spool_op, mail));
    }
}

static void *spool_main(void *spool)
{
    struct spool *s = spool;
    struct mail *m;
    while ((m = mailbox_wait(&s->in)))
        run_list(s, m);
    return NULL; /* closed and empty */
}

/* --- start and stop ----------------------------------------------------------------------- */

static int by_number(const void *va, const void *vb)
{
    const struct found *a = (const struct found *)va;
    const struct found *b = (const struct found *)vb;
    return a->number < b->number ? -1 : a->number > b->number;
}

/* False: not one of ours. */
static bool name_number(const char *name, uint64_t *ret)
{
    if (strlen(name) != SPOOL_NAME_MAX - 1 ||
        strspn(name, "0123456789abcdef") != SPOOL_NAME_MAX - 1)
        return false;
    *ret = strtoull(name, NULL, 16);
    return *ret > 0 && *ret <= INT64_MAX;
}

static int look(struct spool *s)
{
    size_t cap = 0;
    int fd = dup(s->dir_fd); /* closedir() closes what it was given */
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int rc = err_from_errno(errno);
        if (fd >= 0)
            (void)close(fd); /* read only */
        return rc;
    }
    int rc = OK;
    struct dirent *e;
    while ((e = readdir(dir))) { /* NOLINT(concurrency-mt-unsafe): a stream of our own */
        struct stat st;
        uint64_t number;
        if (!name_number(e->d_name, &number) ||
            fstatat(s->dir_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
            continue;
        if (s->n_found == cap) {
            cap = cap ? cap * 2 : 64;
            struct found *v = reallocarray(s->found, cap, sizeof(*v));
            if (!v) {
                rc = ERR_NOMEM;
                break;
            }
            s->found = v;
        }
        s->found[s->n_found++] = (struct found){.number = number, .size = (uint64_t)st.st_size};
    }
    (void)closedir(dir); /* read only */
    if (s->n_found > 0)
        qsort(s->found, s->n_found, sizeof(*s->found), by_number);
    s->stats.files = s->n_found;
    return rc;
}

static int open_folder(struct spool *s, const char *dir)
{
    char *path = NULL;
    if (asprintf(&path, "%s/" SPOOL_FOLDER, dir) < 0)
        return ERR_NOMEM;
    int rc = dir_create(path, 0700);
    if (rc == OK) {
        s->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        rc = s->dir_fd < 0 ? err_from_errno(errno) : OK;
    }
    /* A folder whose name is not on disk would take the files in it along. */
    int parent = rc == OK ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (rc == OK && (parent < 0 || (fsync(parent) < 0 && errno != EINVAL)))
        rc = err_from_errno(errno);
    if (parent >= 0)
        (void)close(parent); /* nothing was written through it */
    free(path);
    return rc;
}

static void spool_free(struct spool *s)
{
    spool_files_fini(&s->files);
    if (s->dir_fd >= 0)
        (void)close(s->dir_fd);                  /* read only */
    (void)pthread_mutex_destroy(&s->stats_lock); /* nobody is left to hold it */
    mailbox_fini(&s->in);
    free(s->found);
    free(s);
}

int spool_open(const struct spool_conf *c, struct spool **ret)
{
    struct spool *s = calloc(1, sizeof(*s));
    if (!s)
        return ERR_NOMEM;
    s->results = c->results;
    s->dir_fd = -1;
    s->log_budget = (struct log_budget)LOG_BUDGET_INIT;
    atomic_init(&s->queued_bytes, 0);
    atomic_init(&s->refused_busy, 0);
    int rc = mailbox_init(&s->in, NULL, NULL);
    if (rc < 0) {
        free(s);
        return rc;
    }
    int e = pthread_mutex_init(&s->stats_lock, NULL);
    if (e != 0) {
        mailbox_fini(&s->in);
        free(s);
        return err_from_errno(e);
    }
    rc = open_folder(s, c->dir);
    if (rc == OK)
        rc = spool_files_init(&s->files, c, s->dir_fd);
    if (rc == OK)
        rc = look(s);
    if (rc < 0) {
        int kept = errno;
        spool_free(s);
        errno = kept;
        return rc;
    }
    *ret = s;
    return OK;
}

bool spool_claim(struct spool *s, uint64_t file, uint64_t len)
{
    const struct found key = {.number = file};
    struct found *f = NULL;
    if (s->n_found > 0)
        f = bsearch(&key, s->found, s->n_found, sizeof(key), by_number);
    if (!f)
        return false;
    f->claimed = true;
    return f->size >= len;
}

int spool_start(struct spool *s)
{
    for (size_t i = 0; i < s->n_found; i++) {
        char name[SPOOL_NAME_MAX];
        if (s->found[i].claimed)
            continue;
        spool_name(s->found[i].number, name);
        if (unlinkat(s->dir_fd, name, 0) == 0) {
            s->stats.orphans++;
            s->stats.files--;
        }
    }
    free(s->found);
    s->found = NULL;
    s->n_found = 0;
    if (s->stats.orphans > 0)
        log_info("files of no message removed", "count=%llu", (unsigned long long)s->stats.orphans);
    int e = pthread_create(&s->thread, NULL, spool_main, s);
    if (e != 0)
        return err_from_errno(e);
    s->started = true;
    return OK;
}

void spool_close(struct spool *s)
{
    if (!s)
        return;
    mailbox_close(&s->in);
    if (s->started)
        (void)pthread_join(s->thread, NULL); /* a thread of ours: cannot fail */
    else
        run_list(s, mailbox_take_all(&s->in));
    spool_free(s);
}

void spool_stats(struct spool *s, struct spool_stats *ret)
{
    pthread_mutex_lock(&s->stats_lock);
    *ret = s->stats;
    pthread_mutex_unlock(&s->stats_lock);
    ret->queued_bytes = atomic_load_explicit(&s->queued_bytes, memory_order_relaxed);
    ret->refused_busy = atomic_load_explicit(&s->refused_busy, memory_order_relaxed);
}
