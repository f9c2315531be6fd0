/* spool_test.c - the files of large messages: what is written is read, summed and kept; what fails
 * says so; what no row names goes. */
#include "storage/spool.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../unit.h"
#include "base/blake3.h"
#include "base/err.h"
#include "fixture.h"

struct sp {
    struct spool *s;
    struct mailbox results;
    struct mail *taken;
    char *dir;
};

static void sp_open(struct sp *f, const struct spool_conf *more)
{
    struct spool_conf c = more ? *more : (struct spool_conf){.dir = NULL};
    c.dir = f->dir;
    c.results = &f->results;
    if (!more)
        c.free_bytes = c.free_share = 1u << 30; /* whatever the machine has */
    f->taken = NULL;
    assert_int_equal(mailbox_init(&f->results, NULL, NULL), OK);
    assert_int_equal(spool_open(&c, &f->s), OK);
}

static void sp_start(struct sp *f, const struct spool_conf *more)
{
    f->dir = dir_new(true);
    sp_open(f, more);
    assert_int_equal(spool_start(f->s), OK);
}

static void sp_stop(struct sp *f)
{
    spool_close(f->s);
    f->s = NULL;
    for (int i = 0; i < 2; i++) {
        for (struct mail *next; f->taken; f->taken = next) {
            next = f->taken->next;
            spool_op_free(container_of(f->taken, struct spool_op, mail));
        }
        f->taken = mailbox_take_all(&f->results);
    }
    mailbox_fini(&f->results);
}

static char *sp_path(const struct sp *f, uint64_t file)
{
    char *path = NULL;
    if (asprintf(&path, "%s/" SPOOL_FOLDER "/%016llx", f->dir, (unsigned long long)file) < 0)
        abort();
    return path;
}

static bool sp_there(const struct sp *f, uint64_t file, struct stat *ret)
{
    char *path = sp_path(f, file);
    bool there = stat(path, ret) == 0;
    free(path);
    return there;
}

static void sp_end(struct sp *f)
{
    char *path = NULL;
    sp_stop(f);
    if (asprintf(&path, "%s/" SPOOL_FOLDER, f->dir) < 0)
        abort();
    dir_remove(path);
    dir_remove(f->dir);
    free(path);
    free(f->dir);
}

static struct spool_op *take(struct sp *f)
{
    if (!f->taken)
        f->taken = mailbox_wait(&f->results);
    struct spool_op *op = container_of(f->taken, struct spool_op, mail);
    f->taken = f->taken->next;
    return op;
}

static struct spool_op *ask(struct sp *f, struct spool_op *op)
{
    spool_submit(f->s, op);
    return take(f);
}

static int done(struct spool_op *op)
{
    int rc = op->rc;
    spool_op_free(op);
    return rc;
}

static int simple(struct sp *f, enum spool_kind kind, uint64_t file)
{
    return done(ask(f, spool_op_new(kind, file)));
}

static int create(struct sp *f, uint64_t file, uint64_t len)
{
    struct spool_op *op = spool_op_new(SPOOL_CREATE, file);
    op->len = len;
    return done(ask(f, op));
}

static uint8_t pattern(uint64_t at)
{
    return (uint8_t)(at * 7 + at / 251 + 3);
}

static struct spool_op *write_op(uint64_t file, uint64_t at, size_t n, uint64_t solid)
{
    struct spool_op *op = spool_op_new(SPOOL_WRITE, file);
    op->offset = at;
    op->solid = solid;
    op->data = blob_new(n);
    for (size_t i = 0; i < n; i++)
        op->data->data[i] = pattern(at + i);
    return op;
}

static int write_at(struct sp *f, uint64_t file, uint64_t at, size_t n, uint64_t solid)
{
    return done(ask(f, write_op(file, at, n, solid)));
}

static void assert_read(struct sp *f, uint64_t file, uint64_t at, size_t n, size_t have)
{
    struct spool_op *op = spool_op_new(SPOOL_READ, file);
    op->offset = at;
    op->len = n;
    op = ask(f, op);
    assert_int_equal(op->rc, OK);
    assert_int_equal(op->data->len, have);
    for (size_t i = 0; i < have; i++)
        assert_int_equal(op->data->data[i], pattern(at + i));
    spool_op_free(op);
}

/* Asks until it is ready; returns how often. */
static int assert_sum(struct sp *f, uint64_t file, uint64_t len)
{
    uint8_t want[32], *all = malloc(len);
    for (uint64_t i = 0; i < len; i++)
        all[i] = pattern(i);
    blake3(all, len, want);
    free(all);
    for (int times = 1;; times++) {
        struct spool_op *op = spool_op_new(SPOOL_SUM, file);
        op->len = len;
        op = ask(f, op);
        assert_int_equal(op->rc, OK);
        bool ready = op->hashed == len;
        if (ready)
            assert_memory_equal(op->sum, want, sizeof(want));
        spool_op_free(op);
        if (ready)
            return times;
    }
}

static void test_write_read(void **state)
{
    (void)state;
    struct sp f;
    struct stat st;
    sp_start(&f, NULL);
    uint64_t n = spool_number();
    assert_true(n > 0 && n <= INT64_MAX && n != spool_number());
    assert_int_equal(create(&f, n, 100000), OK);
    assert_int_equal(create(&f, n, 100000), ERR_EXIST);
    assert_int_equal(create(&f, 0, 1), ERR_INVAL);
    assert_int_equal(create(&f, (uint64_t)INT64_MAX + 1, 1), ERR_INVAL);
    assert_int_equal(write_at(&f, n, 0, 60000, 60000), OK);
    assert_int_equal(write_at(&f, n, 60000, 40000, 100000), OK);
    assert_int_equal(simple(&f, SPOOL_SYNC, n), OK);
    assert_read(&f, n, 0, 100000, 100000);
    assert_read(&f, n, 59999, 2, 2);
    assert_read(&f, n, 99990, 100, 10);
    assert_read(&f, n, 200000, 100, 0);
    assert_int_equal(assert_sum(&f, n, 100000), 1);
    assert_true(sp_there(&f, n, &st));
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_size, 100000);
    char *folder = NULL;
    assert_true(asprintf(&folder, "%s/" SPOOL_FOLDER, f.dir) > 0);
    assert_int_equal(stat(folder, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    free(folder);

    struct spool_op *op = spool_op_new(SPOOL_READ, n);
    op->len = SPOOL_READ_MAX + 1;
    assert_int_equal(done(ask(&f, op)), ERR_INVAL);
    assert_int_equal(simple(&f, SPOOL_READ, n + 1), ERR_NOENT);
    assert_int_equal(write_at(&f, n + 1, 0, 1, 0), ERR_NOENT);
    assert_int_equal(simple(&f, SPOOL_SYNC, n + 1), ERR_NOENT);
    assert_int_equal(simple(&f, SPOOL_DROP, n + 1), OK);
    op = spool_op_new(SPOOL_SUM, n);
    op->len = 100001;
    assert_int_equal(done(ask(&f, op)), ERR_NOENT); /* longer than it is */

    struct spool_stats s;
    spool_stats(f.s, &s);
    assert_int_equal(s.files, 1);
    assert_int_equal(s.written, 100000);
    assert_int_equal(s.syncs, 2);
    assert_int_equal(s.announced, 0);
    assert_int_equal(simple(&f, SPOOL_DROP, n), OK);
    assert_false(sp_there(&f, n, &st));
    spool_stats(f.s, &s);
    assert_int_equal(s.files, 0);
    assert_int_equal(s.open, 0);
    sp_end(&f);
}

static void test_pinned(void **state)
{
    (void)state;
    struct sp f;
    struct stat st;
    sp_start(&f, NULL);
    assert_int_equal(create(&f, 5, 0), OK);
    assert_int_equal(write_at(&f, 5, 0, 5000, 5000), OK);
    struct spool_op *op = ask(&f, spool_op_new(SPOOL_OPEN, 5));
    assert_int_equal(op->rc, OK);
    assert_int_equal(op->size, 5000);
    spool_op_free(op);
    assert_int_equal(simple(&f, SPOOL_OPEN, 5), OK); /* twice */
    assert_int_equal(simple(&f, SPOOL_DROP, 5), OK);
    assert_false(sp_there(&f, 5, &st));
    assert_read(&f, 5, 10, 4000, 4000);
    assert_int_equal(simple(&f, SPOOL_CLOSE, 5), OK);
    assert_read(&f, 5, 10, 4000, 4000);
    assert_int_equal(simple(&f, SPOOL_CLOSE, 5), OK);
    assert_int_equal(simple(&f, SPOOL_READ, 5), ERR_NOENT);
    assert_int_equal(simple(&f, SPOOL_CLOSE, 5), ERR_NOENT);
    assert_int_equal(simple(&f, SPOOL_OPEN, 5), ERR_NOENT);
    sp_end(&f);
}

/* What arrives in another order, and again, and other bytes for what was hashed. */
static void test_sum(void **state)
{
    (void)state;
    struct sp f;
    const size_t piece = 64 * 1024, pieces = 200; /* more than one step */
    const uint64_t len = piece * pieces;
    sp_start(&f, NULL);
    assert_int_equal(create(&f, 1, len), OK);
    for (size_t i = 1; i < pieces; i++)
        assert_int_equal(write_at(&f, 1, i * piece, piece, 0), OK);
    assert_int_equal(write_at(&f, 1, 0, piece, len), OK);
    assert_int_equal(assert_sum(&f, 1, len), 2); /* 1 MiB of 12.5 was hashed on the way */

    assert_int_equal(create(&f, 2, len), OK);
    for (size_t i = 0; i < pieces; i++)
        assert_int_equal(write_at(&f, 2, i * piece, piece, (i + 1) * piece), OK);
    assert_int_equal(assert_sum(&f, 2, len), 1); /* nothing was left to read */
    struct spool_op *op = write_op(2, 10, 1, len);
    op->data->data[0] ^= 1;
    assert_int_equal(done(ask(&f, op)), OK);
    op = spool_op_new(SPOOL_SUM, 2);
    op->len = piece;
    op = ask(&f, op);
    assert_int_equal(op->hashed, piece);
    uint8_t other[32];
    memcpy(other, op->sum, sizeof(other));
    spool_op_free(op);
    assert_int_equal(write_at(&f, 2, 10, 1, len), OK);
    op = spool_op_new(SPOOL_SUM, 2);
    op->len = piece;
    op = ask(&f, op);
    assert_memory_not_equal(other, op->sum, sizeof(other));
    spool_op_free(op);
    (void)assert_sum(&f, 2, len);
    /* What was closed since is read anew. */
    for (uint64_t i = 100; i < 100 + SPOOL_OPEN_MAX + 10; i++)
        assert_int_equal(create(&f, i, 0), OK);
    struct spool_stats s;
    spool_stats(f.s, &s);
    assert_int_equal(s.open, SPOOL_OPEN_MAX);
    assert_int_equal(assert_sum(&f, 1, len), 2);
    sp_end(&f);
}

static void test_orphans(void **state)
{
    (void)state;
    struct sp f;
    struct stat st;
    sp_start(&f, NULL);
    for (uint64_t i = 1; i <= 4; i++) {
        assert_int_equal(create(&f, i, 0), OK);
        assert_int_equal(write_at(&f, i, 0, 1000, 0), OK);
    }
    sp_stop(&f);
    char *other = NULL; /* not ours: stays */
    assert_true(asprintf(&other, "%s/" SPOOL_FOLDER "/note", f.dir) > 0);
    FILE *note = fopen(other, "w");
    assert_non_null(note);
    assert_int_equal(fclose(note), 0);
    sp_open(&f, NULL);
    assert_true(spool_claim(f.s, 1, 1000));
    assert_true(spool_claim(f.s, 3, 0));
    assert_false(spool_claim(f.s, 4, 1001)); /* too short, but somebody's */
    assert_false(spool_claim(f.s, 9, 0));
    assert_int_equal(spool_start(f.s), OK);
    assert_read(&f, 1, 0, 1000, 1000);
    assert_false(sp_there(&f, 2, &st));
    assert_true(sp_there(&f, 3, &st));
    assert_true(sp_there(&f, 4, &st));
    assert_int_equal(stat(other, &st), 0);
    struct spool_stats s;
    spool_stats(f.s, &s);
    assert_int_equal(s.orphans, 1);
    assert_int_equal(s.files, 3);
    free(other);
    sp_end(&f);
}

static void test_queue_limit(void **state)
{
    (void)state;
    struct sp f;
    f.dir = dir_new(true);
    sp_open(&f, NULL); /* no thread yet: everything waits */
    struct spool_op *op;
    uint64_t waiting = 0;
    while (spool_room(f.s, SPOOL_READ_MAX)) {
        op = spool_op_new(SPOOL_READ, 7);
        op->len = SPOOL_READ_MAX;
        spool_submit(f.s, op);
        waiting += SPOOL_READ_MAX;
    }
    assert_int_equal(waiting, SPOOL_QUEUE_BYTES);
    op = write_op(7, 0, 1, 0);
    assert_int_equal(done(ask(&f, op)), ERR_BUSY);
    spool_submit(f.s, spool_op_new(SPOOL_SYNC, 7)); /* moves nothing: is taken */
    struct spool_stats s;
    spool_stats(f.s, &s);
    assert_int_equal(s.queued_bytes, SPOOL_QUEUE_BYTES);
    assert_int_equal(s.refused_busy, 1);
    assert_int_equal(spool_start(f.s), OK);
    for (uint64_t i = 0; i <= waiting / SPOOL_READ_MAX; i++)
        assert_int_equal(done(take(&f)), ERR_NOENT);
    assert_true(spool_room(f.s, SPOOL_READ_MAX));
    sp_end(&f);
}

static void test_full(void **state)
{
    (void)state;
    struct sp f;
    struct spool_conf none = {.free_bytes = 1ull << 60};
    sp_start(&f, &none);
    assert_int_equal(create(&f, 1, 1), ERR_NOSPACE);
    struct spool_stats s;
    spool_stats(f.s, &s);
    assert_int_equal(s.refused_full, 1);
    assert_int_equal(s.files, 0);
    sp_end(&f);
    struct spool_conf some = {.free_bytes = 1, .free_share = 1u << 30};
    sp_start(&f, &some);
    assert_int_equal(create(&f, 1, 1ull << 60), ERR_NOSPACE);
    assert_int_equal(create(&f, 1, 1ull << 20), OK);
    spool_stats(f.s, &s);
    assert_int_equal(s.announced, 1 << 20);
    assert_int_equal(write_at(&f, 1, 0, 1 << 10, 0), OK);
    spool_stats(f.s, &s);
    assert_int_equal(s.announced, (1 << 20) - (1 << 10));
    assert_int_equal(simple(&f, SPOOL_DROP, 1), OK);
    spool_stats(f.s, &s);
    assert_int_equal(s.announced, 0);
    sp_end(&f);
}

/* --- faults ------------------------------------------------------------------------------- */

static atomic_int fail_write, fail_sync, fail_dir; /* the nth from now; 0: none */
static atomic_int dir_syncs;

static bool counted(atomic_int *n)
{
    return atomic_load(n) > 0 && atomic_fetch_sub(n, 1) == 1;
}

static ssize_t faulty_pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    if (counted(&fail_write)) {
        errno = ENOSPC;
        return -1;
    }
    return pwrite(fd, bytes, n > 1000 ? 1000 : n, at); /* and by halves */
}

static int faulty_fdatasync(int fd)
{
    if (counted(&fail_sync)) {
        errno = EIO;
        return -1;
    }
    return fdatasync(fd);
}

static int faulty_fsync(int fd)
{
    atomic_fetch_add(&dir_syncs, 1);
    if (counted(&fail_dir)) {
        errno = EIO;
        return -1;
    }
    return fsync(fd);
}

static void test_faults(void **state)
{
    (void)state;
    static const struct spool_io io = {faulty_pwrite, faulty_fdatasync, faulty_fsync};
    struct spool_conf c = {.io = &io, .free_bytes = 1, .free_share = 1u << 30};
    struct sp f;
    sp_start(&f, &c);
    assert_int_equal(create(&f, 1, 10000), OK);
    assert_int_equal(write_at(&f, 1, 0, 5000, 5000), OK);
    fail_write = 3; /* in the middle of one */
    assert_int_equal(write_at(&f, 1, 5000, 5000, 10000), ERR_NOSPACE);
    assert_int_equal(write_at(&f, 1, 5000, 5000, 10000), OK);
    assert_int_equal(assert_sum(&f, 1, 10000), 1);
    assert_int_equal(simple(&f, SPOOL_SYNC, 1), OK);
    assert_int_equal(dir_syncs, 1);
    assert_int_equal(simple(&f, SPOOL_SYNC, 1), OK);
    assert_int_equal(dir_syncs, 1); /* the name is on disk */
    fail_sync = 1;
    assert_int_equal(simple(&f, SPOOL_SYNC, 1), ERR_IO);
    assert_int_equal(simple(&f, SPOOL_SYNC, 1), ERR_IO); /* for good */
    assert_int_equal(simple(&f, SPOOL_DROP, 1), OK);
    assert_int_equal(create(&f, 2, 1), OK);
    assert_int_equal(write_at(&f, 2, 0, 1, 1), OK);
    fail_dir = 1;
    assert_int_equal(simple(&f, SPOOL_SYNC, 2), ERR_IO);
    assert_int_equal(simple(&f, SPOOL_SYNC, 2), ERR_IO);
    struct spool_stats s;
    spool_stats(f.s, &s);
    assert_int_equal(s.failures, 5);
    sp_end(&f);
}

static void test_quiet(void **state)
{
    (void)state;
    struct sp f;
    sp_start(&f, NULL);
    assert_int_equal(create(&f, 1, 1), OK);
    struct spool_op *op = spool_op_new(SPOOL_DROP, 1);
    op->quiet = true;
    spool_submit(f.s, op);
    op = spool_op_new(SPOOL_OPEN, 1); /* the next result is this one's */
    op->user = 3;
    op->tag = 99;
    op = ask(&f, op);
    assert_int_equal(op->kind, SPOOL_OPEN);
    assert_int_equal(op->user, 3);
    assert_int_equal(op->tag, 99);
    assert_int_equal(done(op), ERR_NOENT);
    sp_end(&f);
}

int main(void)
{
    log_nothing();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_read),  cmocka_unit_test(test_pinned),
        cmocka_unit_test(test_sum),         cmocka_unit_test(test_orphans),
        cmocka_unit_test(test_queue_limit), cmocka_unit_test(test_full),
        cmocka_unit_test(test_faults),      cmocka_unit_test(test_quiet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
