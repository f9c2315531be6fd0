/* store_bench.c - operations per second of the store, beside what disk and database give by
 * themselves.
 *
 *     store_bench [directory]       default: a new directory below the present one
 *
 * "window" operations are kept under way: half of it comes back, half is submitted anew, so that a
 * group has between half a window and a window of operations. */
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "storage/store.h"

#define BODY_BYTES 1024
#define SYNCS      300

static void fail(const char *what, const char *why)
{
    (void)fprintf(stderr, "store_bench: %s: %s\n", what, why);
    exit(1);
}

static double rate(uint64_t n, usec_t took)
{
    return (double)n * 1e6 / (double)(took > 0 ? took : 1);
}

/* --- yardsticks --------------------------------------------------------------------------- */

static void bench_sync(const char *dir)
{
    char path[4096];
    static const uint8_t page[8192] = {1};
    (void)snprintf(path, sizeof(path), "%s/sync", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        fail(path, "cannot be opened");
    for (int round = 0; round < 2; round++) { /* the file grows, then it does not */
        usec_t start = usec_now();
        for (int i = 0; i < SYNCS; i++)
            if (pwrite(fd, page, sizeof(page), (off_t)i * (off_t)sizeof(page)) < 0 ||
                fdatasync(fd) < 0)
                fail(path, "cannot be written");
        usec_t took = usec_now() - start;
        printf("fdatasync of 8 KiB, %-14s %8.0f us\n",
               round == 0 ? "appended:" : "overwritten:", (double)took / SYNCS);
    }
    (void)close(fd);
    (void)unlink(path);
}

static void bare_exec(sqlite3 *h, const char *sql)
{
    if (sqlite3_exec(h, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail(sql, sqlite3_errmsg(h));
}

/* Nothing but a number and a body per row: what an insert costs at the least. */
static void bench_bare(const char *dir, int batch, int total)
{
    char path[4096];
    static const uint8_t body[BODY_BYTES] = {1};
    sqlite3 *h = NULL;
    sqlite3_stmt *st = NULL;
    (void)snprintf(path, sizeof(path), "%s/bare.db", dir);
    if (sqlite3_open(path, &h) != SQLITE_OK)
        fail(path, "cannot be opened");
    bare_exec(h, "PRAGMA page_size=8192; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                 "PRAGMA wal_autocheckpoint=4000; DROP TABLE IF EXISTS t;"
                 "CREATE TABLE t(seq INTEGER PRIMARY KEY, body BLOB)");
    (void)sqlite3_prepare_v2(h, "INSERT INTO t VALUES(?,?)", -1, &st, NULL);
    usec_t start = usec_now();
    for (int i = 0; i < total; i++) {
        if (i % batch == 0)
            bare_exec(h, "BEGIN IMMEDIATE");
        (void)sqlite3_bind_int64(st, 1, i + 1);
        (void)sqlite3_bind_blob(st, 2, body, sizeof(body), SQLITE_STATIC);
        if (sqlite3_step(st) != SQLITE_DONE)
            fail("insert", sqlite3_errmsg(h));
        (void)sqlite3_reset(st);
        if (i % batch == batch - 1 || i == total - 1)
            bare_exec(h, "COMMIT");
    }
    usec_t took = usec_now() - start;
    (void)sqlite3_finalize(st);
    (void)sqlite3_close(h);
    (void)unlink(path);
    printf("bare SQLite insert     batch %4d        %8.0f /s\n", batch,
           rate((uint64_t)total, took));
}

/* --- store -------------------------------------------------------------------------------- */

struct bench {
    struct store *s;
    struct mailbox results;
    struct blob *body;
    uint64_t out_seq, in_seq, random;
};

static void fill_id(struct bench *b, uint8_t id[8])
{
    b->random = b->random * 6364136223846793005u + 1442695040888963407u;
    memcpy(id, &b->random, 8);
}

static struct store_op *new_op(enum store_kind kind)
{
    struct store_op *op = store_op_new(kind);
    if (!op)
        fail("store_op_new", "out of memory");
    return op;
}

static struct store_op *op_put(struct bench *b, uint64_t i)
{
    struct store_op *op = new_op(STORE_OUT_PUT);
    op->out.seq = ++b->out_seq;
    op->out.created_ms = (int64_t)(1700000000000u + i);
    op->out.len = BODY_BYTES;
    op->out.topic_len = 8;
    op->out.body = blob_ref(b->body);
    fill_id(b, op->out.id);
    return op;
}

static struct store_op *op_final(struct bench *b, uint64_t i)
{
    (void)b;
    struct store_op *op = new_op(STORE_OUT_STATE);
    op->out.seq = i + 1;
    op->out.state = 4;
    op->out.final_ms = (int64_t)(1700000300000u + i);
    return op;
}

static struct store_op *op_ready(struct bench *b, uint64_t i)
{
    struct store_op *op = new_op(STORE_IN_READY);
    op->in.seq = ++b->in_seq;
    op->in.state = 2;
    op->in.len = BODY_BYTES;
    op->in.topic_len = 8;
    op->in.body = blob_ref(b->body);
    fill_id(b, op->in.id);
    op->has_seen = true;
    memcpy(op->seen.id, op->in.id, sizeof(op->seen.id));
    op->seen.node = i % 7;
    op->seen.expire_ms = (int64_t)(1700000600000u + i);
    return op;
}

/* A message comes in, one that came 512 before is taken. */
static struct store_op *op_ready_take(struct bench *b, uint64_t i)
{
    if (i % 2 == 0 || b->in_seq < 512)
        return op_ready(b, i);
    struct store_op *op = new_op(STORE_IN_TAKE);
    op->in.seq = b->in_seq - 511;
    return op;
}

static uint64_t take_results(struct bench *b)
{
    uint64_t n = 0;
    for (struct mail *m = mailbox_wait(&b->results), *next; m; m = next) {
        next = m->next;
        struct store_op *op = container_of(m, struct store_op, mail);
        if (op->rc < 0)
            fail("operation", err_str(op->rc));
        store_op_free(op);
        n++;
    }
    return n;
}

static void bench_ops(struct bench *b, const char *name, uint64_t window, uint64_t total,
                      struct store_op *(*make)(struct bench *b, uint64_t i))
{
    struct store_stats before, after;
    store_stats(b->s, &before);
    usec_t start = usec_now();
    for (uint64_t sent = 0, back = 0; back < total;) {
        while (sent < total && sent - back < window)
            store_submit(b->s, make(b, sent++));
        back += take_results(b);
    }
    usec_t took = usec_now() - start;
    store_stats(b->s, &after);
    uint64_t commits = after.commits - before.commits;
    printf("%-22s window %4" PRIu64 "       %8.0f /s   %5.0f per commit, commit %5.0f us\n", name,
           window, rate(total, took), (double)total / (double)commits,
           (double)(after.commit.usec - before.commit.usec) / (double)commits);
}

static void bench_store(const char *dir)
{
    struct bench b = {.random = 1};
    const char *text;
    if (mailbox_init(&b.results, NULL, NULL) < 0)
        fail("mailbox", "cannot be made");
    b.body = blob_new(BODY_BYTES);
    if (!b.body)
        fail("body", "out of memory");
    memset(b.body->data, 'x', BODY_BYTES);
    struct store_conf c = {.dir = dir, .results = &b.results};
    if (store_open(&c, &b.s, &text) < 0)
        fail("store_open", text);
    if (store_start(b.s) < 0)
        fail("store_start", "no thread");
    static const uint64_t windows[] = {1, 64, 256, 512};
    for (size_t i = 0; i < ARRAY_LEN(windows); i++) {
        uint64_t w = windows[i], total = w == 1 ? 2000 : 50000, first = b.out_seq;
        bench_ops(&b, "OUT_PUT", w, total, op_put);
        if (w == 512 && first > 0)
            bench_ops(&b, "OUT_STATE final", w, b.out_seq, op_final);
        bench_ops(&b, "IN_READY + seen", w, total, op_ready);
        bench_ops(&b, "IN_READY, IN_TAKE", w, 2 * total, op_ready_take);
    }
    struct store_stats st;
    store_stats(b.s, &st);
    printf("checkpoints %" PRIu64 ", log %" PRIu64 " MiB, longest commit %" PRIu64
           " us, largest group %" PRIu64 "\n",
           st.checkpoints, st.wal_bytes >> 20, st.commit_usec_max, st.batch_max);
    usec_t start = usec_now();
    store_close(b.s);
    printf("close: %" PRId64 " ms\n", (usec_now() - start) / USEC_MS);
    blob_unref(b.body);
    mailbox_fini(&b.results);
}

int main(int argc, char **argv)
{
    char made[] = "store_bench.XXXXXX";
    const char *dir = argc > 1 ? argv[1] : mkdtemp(made);
    if (!dir)
        fail("directory", "cannot be made");
    bench_sync(dir);
    bench_bare(dir, 64, 50000);
    bench_bare(dir, 256, 50000);
    bench_store(dir);
    return 0;
}
