/* writer.c - the writer thread: groups of operations, one transaction and one sync each.
 *
 * While a commit waits for the disk the mailbox fills, and the next group takes all of it: groups
 * grow with the load and nobody waits on purpose. What is told to the loop happened after COMMIT
 * returned.
 *
 * Failures. A statement that fails for a reason of its own fails alone. Everything else (I/O, full
 * disk, damage, no memory) rolls the group back and fails all of it, reads included: they may have
 * seen rows of the group. The connection is then opened anew, because after a failed sync nothing
 * is known about what the system kept in memory; the checkpointer's connection stays open meanwhile
 * and with it the index of the log, which does not list the frames of the failed commit, so that
 * they are written over instead of found again. A power cut before that may still bring such a
 * group back: as a whole. A damaged file is not written any more; the next start checks it and sets
 * it aside. */
#include <inttypes.h>
#include <sys/statvfs.h>

#include "base/err.h"
#include "storage/internal.h"
#include "storage/row.h"

#define LOG_TARGET "storage"

struct batch {
    struct store_op *v[STORE_BATCH_OPS];
    size_t n;
    size_t bytes;
    bool guarded; /* a savepoint around each operation */
    bool scarce;  /* nothing may be added */
    struct op_tops tops;
};

static int run_plain(struct db *d, enum stmt n)
{
    int e = sqlite3_step(d->st[n]);
    (void)sqlite3_reset(d->st[n]); /* repeats e */
    return db_err(d, e);
}

static int on_commit(void *arg, sqlite3 *h, const char *name, int frames)
{
    (void)h;
    (void)name;
    struct store *s = arg;
    wal_watch_commit(s, frames > 0 ? (uint64_t)frames : 0, usec_now());
    return SQLITE_OK;
}

void writer_watch_wal(struct store *s)
{
    (void)sqlite3_wal_hook(s->db.h, on_commit, s); /* returns the argument of the one before */
}

static void set_state(struct store *s, int rc)
{
    pthread_mutex_lock(&s->stats_lock);
    s->stats.rc = rc;
    pthread_mutex_unlock(&s->stats_lock);
}

/* --- the connection ----------------------------------------------------------------------- */

static int reopen(struct store *s)
{
    usec_t now = usec_now();
    if (now < s->reopen_at)
        return s->stats.rc; /* the writer's own last word */
    int rc = db_open(&s->db, s->dir.db, WRITER_BUSY_MS);
    if (rc == OK)
        rc = db_prepare(&s->db);
    if (rc == OK)
        writer_watch_wal(s);
    else
        db_close(&s->db);
    s->reopen_at = usec_now() + STORE_REOPEN_USEC;
    set_state(s, rc);
    log_remote(rc == OK ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, &s->log_budget, now,
               "database reopened", "path=%s result=\"%s\"", s->dir.db, err_str(rc));
    pthread_mutex_lock(&s->stats_lock);
    s->stats.reopens += rc == OK;
    pthread_mutex_unlock(&s->stats_lock);
    return rc;
}

/* After a transaction was lost to rc. */
static void give_up_connection(struct store *s, int rc)
{
    log_remote(LOG_LEVEL_ERROR, &s->log_budget, usec_now(), "operations not stored",
               "path=%s why=\"%s\" detail=\"%s\"", s->dir.db, err_str(rc), db_err_text(&s->db));
    db_close(&s->db);
    set_state(s, rc);
    s->reopen_at = 0;
}

/* --- a group ------------------------------------------------------------------------------ */

static int begin(struct store *s)
{
    if (s->stats.rc == ERR_CORRUPT)
        return ERR_CORRUPT;
    int rc = s->db.h ? OK : reopen(s);
    return rc == OK ? run_plain(&s->db, STMT_BEGIN) : rc;
}

/* Is there so little room that rows may only go? The log itself is on the disk already, but the
 * database may have to grow by as much when it is moved. */
static bool is_scarce(struct store *s)
{
    struct statvfs st;
    if (statvfs(s->dir.path, &st) < 0)
        return false; /* a commit will tell */
    uint64_t have = (uint64_t)st.f_bavail * st.f_frsize;
    bool scarce = have < s->pace.free_bytes || have - s->pace.free_bytes < wal_watch_unmoved(s);
    if (scarce != s->scarce)
        log_remote(scarce ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, &s->log_budget, usec_now(),
                   scarce ? "disk nearly full: nothing new is stored" : "room on the disk again",
                   "path=%s free_bytes=%" PRIu64, s->dir.path, have);
    s->scarce = scarce;
    wal_watch_scarce(s, scarce);
    return scarce;
}

/* Runs v[i]; ERR_*: the transaction is lost. OP_PARTIAL only when not guarded. */
static int run_one(struct store *s, struct batch *b, size_t i, enum op_end *ret)
{
    *ret = OP_DONE;
    if (b->scarce && op_adds(b->v[i])) {
        b->v[i]->rc = ERR_NOSPACE;
        return OK;
    }
    int rc = b->guarded ? run_plain(&s->db, STMT_GUARD) : OK;
    if (rc < 0)
        return rc;
    enum op_end end = op_run(&s->db, b->v[i], &b->tops);
    if (end == OP_FATAL)
        return b->v[i]->rc;
    if (b->guarded && end == OP_PARTIAL) {
        rc = run_plain(&s->db, STMT_UNDO);
        end = OP_DONE;
    }
    if (b->guarded && rc == OK)
        rc = run_plain(&s->db, STMT_RELEASE);
    *ret = end;
    return rc;
}

/* One operation failed half way: undoes the group so far and runs it again, each on its own
 * footing. Nothing of it was committed yet. */
static int redo_guarded(struct store *s, struct batch *b)
{
    b->guarded = true;
    b->tops = s->tops;
    int rc = run_plain(&s->db, STMT_ROLLBACK);
    if (rc == OK)
        rc = run_plain(&s->db, STMT_BEGIN);
    for (size_t i = 0; i < b->n && rc == OK; i++) {
        enum op_end end;
        op_forget(b->v[i]);
        rc = run_one(s, b, i, &end);
    }
    return rc;
}

/* Takes operations off the list (and the mailbox behind it) and runs them, up to the limits. */
static int fill(struct store *s, struct batch *b, struct mail **list)
{
    usec_t until = usec_now() + STORE_BATCH_USEC;
    b->scarce = is_scarce(s);
    int rc = begin(s);
    bool hopeless = rc < 0; /* then everything that waits gets the same answer */
    do {
        if (!*list)
            *list = mailbox_take_all(&s->in);
        struct mail *m = *list;
        if (!m)
            break;
        *list = m->next;
        struct store_op *op = container_of(m, struct store_op, mail);
        b->v[b->n++] = op;
        b->bytes += op_bytes(op);
        enum op_end end = OP_DONE;
        if (rc == OK)
            rc = run_one(s, b, b->n - 1, &end);
        if (rc == OK && end == OP_PARTIAL)
            rc = redo_guarded(s, b);
        /* A transaction lost half way does not take those down that were not yet in it. */
    } while ((rc == OK || hopeless) && b->n < STORE_BATCH_OPS && b->bytes < STORE_BATCH_BYTES &&
             usec_now() < until);
    return rc;
}

static int put_top(struct store *s, const char *key, uint64_t seq)
{
    struct row_wr w = row_wr_of(s->db.st[STMT_TOP]);
    int e = sqlite3_bind_text(w.st, 1, key, -1, SQLITE_STATIC);
    w.at = 1;
    row_put_u64(&w, seq);
    if (e == SQLITE_OK)
        e = w.rc;
    if (e == SQLITE_OK)
        e = sqlite3_step(w.st);
    (void)sqlite3_reset(w.st); /* repeats e */
    return db_err(&s->db, e);
}

static int commit(struct store *s, const struct batch *b)
{
    int rc = OK;
    if (b->tops.out_seq > s->tops.out_seq)
        rc = put_top(s, "out_seq", b->tops.out_seq);
    if (rc == OK && b->tops.in_seq > s->tops.in_seq)
        rc = put_top(s, "in_seq", b->tops.in_seq);
    if (rc == OK && b->tops.run_ms > s->tops.run_ms)
        rc = put_top(s, "run_ms", (uint64_t)b->tops.run_ms);
    if (rc == OK)
        rc = run_plain(&s->db, STMT_COMMIT);
    if (rc == OK)
        s->tops = b->tops;
    return rc;
}

static void count(struct store *s, const struct batch *b, int rc, usec_t took)
{
    uint64_t failed = 0, refused = 0;
    for (size_t i = 0; i < b->n; i++) {
        refused += b->scarce && op_adds(b->v[i]);
        failed += rc == OK && b->v[i]->rc < 0 && b->v[i]->rc != ERR_NOENT;
    }
    pthread_mutex_lock(&s->stats_lock);
    struct store_stats *t = &s->stats;
    t->ops += b->n;
    t->statement_failures += failed;
    t->refused_full += refused;
    t->batch_max = MAX(t->batch_max, b->n);
    if (rc == OK) {
        t->commits++;
        histogram_add(&t->commit, took);
        t->commit_usec_max = MAX(t->commit_usec_max, (uint64_t)took);
    } else {
        t->commit_failures++;
    }
    pthread_mutex_unlock(&s->stats_lock);
}

/* One group from the list, or from the mailbox if the list is empty. */
static void run_batch(struct store *s, struct mail **list)
{
    struct batch b = {.n = 0, .tops = s->tops};
    gate_enter(&s->gate);
    int rc = fill(s, &b, list);
    usec_t start = usec_now();
    if (rc == OK)
        rc = commit(s, &b);
    usec_t took = usec_now() - start;
    bool open = s->db.h != NULL;
    if (rc < 0 && open)
        give_up_connection(s, rc);
    gate_leave(&s->gate);

    if (rc < 0) {
        for (size_t i = 0; i < b.n; i++) {
            op_forget(b.v[i]);
            b.v[i]->rc = rc;
        }
    }
    count(s, &b, rc, took);
    for (size_t i = 0; i < b.n; i++) {
        atomic_fetch_sub_explicit(&s->queued, 1, memory_order_relaxed);
        mailbox_post(s->results, &b.v[i]->mail);
    }
}

void writer_drain(struct store *s, struct mail *list)
{
    while (list)
        run_batch(s, &list);
}

void *writer_main(void *store)
{
    struct store *s = store;
    for (;;) {
        struct mail *list = mailbox_wait(&s->in);
        if (!list)
            return NULL; /* closed and empty */
        writer_drain(s, list);
    }
}
