#include "storage/store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "storage/internal.h"
#include "storage/schema.h"

#define LOG_TARGET "storage"

/* For store_open() only, which runs once per process and in one thread. */
static struct why why;

/* --- operations --------------------------------------------------------------------------- */

struct store_op *store_op_new(enum store_kind kind)
{
    struct store_op *op = calloc(1, sizeof(*op));
    if (op)
        op->kind = kind;
    return op;
}

void store_op_free(struct store_op *op)
{
    if (!op)
        return;
    blob_unref(op->out.body);
    blob_unref(op->out.acked);
    blob_unref(op->in.body);
    blob_unref(op->in.got);
    blob_unref(op->body);
    blob_unref(op->keys);
    blob_unref(op->copies);
    free(op->contacts);
    if (op->rule)
        blob_unref(op->rule->sources);
    free(op->rule);
    free(op->found);
    free(op->list.rows);
    free(op);
}

/* --- opening ------------------------------------------------------------------------------ */

static void explain_version(int64_t version, const char *path)
{
    if (version > 0)
        why_set(&why,
                "%s has version %lld, this program reads up to %d: it was written by a later "
                "version of the program; use that one, or another state directory",
                path, (long long)version, SCHEMA_VERSION);
    else
        why_set(&why, "%s is a database of another program; use another state directory", path);
}

/* The highest numbers ever used. The rows count too: they are what must never be met again. */
static int read_tops(struct store *s)
{
    int64_t out = 0, in = 0, run = 0, page = 0;
    int rc = db_int(
        &s->db,
        "SELECT max(v, (SELECT coalesce(max(seq),0) FROM outbox)) FROM meta WHERE k='out_seq'",
        &out);
    if (rc == OK)
        rc = db_int(
            &s->db,
            "SELECT max(v, (SELECT coalesce(max(seq),0) FROM inbox)) FROM meta WHERE k='in_seq'",
            &in);
    if (rc == OK)
        rc = db_int(&s->db, "SELECT coalesce(max(v),0) FROM meta WHERE k='run_ms'", &run);
    if (rc == OK)
        rc = db_int(&s->db, "PRAGMA page_size", &page);
    if (rc < 0)
        return rc;
    s->tops = (struct op_tops){(uint64_t)out, (uint64_t)in, run};
    s->frame_bytes = (uint32_t)page + WAL_FRAME_HEADER;
    return OK;
}

/* No harm if it fails, but a longer log. */
static void shorten_log(struct store *s)
{
    uint64_t bytes = state_dir_log_bytes(&s->dir);
    if (bytes <= s->pace.wal_open)
        return;
    (void)sqlite3_busy_timeout(s->db.h, CHECKPOINT_BUSY_MS); /* cannot fail on an open handle */
    int e = sqlite3_wal_checkpoint_v2(s->db.h, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    int rc = db_err(&s->db, e);
    (void)sqlite3_busy_timeout(s->db.h, WRITER_BUSY_MS); /* the same */
    if (rc < 0)
        log_warn("log not moved into the database", "path=%s why=\"%s\" detail=\"%s\"", s->dir.db,
                 err_str(rc), db_err_text(&s->db));
    else
        log_info("log moved into the database", "path=%s bytes=%llu", s->dir.db,
                 (unsigned long long)bytes);
}

/* Opens the file in its locked directory; why tells about a failure. */
static int open_db(struct store *s, const struct store_conf *c)
{
    int64_t version = 0;
    char other[SCHEMA_OWNER_MAX];
    int rc = db_open(&s->db, s->dir.db, WRITER_BUSY_MS);
    if (rc == OK)
        rc = schema_setup(&s->db, !c->no_check, &version);
    if (rc == ERR_UNSUPPORTED) {
        explain_version(version, s->dir.db);
        return rc;
    }
    if (rc == OK && version > 0) /* before anything is changed */
        rc = schema_owner(&s->db, c, other);
    if (rc == OK)
        rc = schema_migrate(&s->db, version);
    if (rc == OK && version == 0)
        rc = schema_owner(&s->db, c, other);
    if (rc == ERR_PERM) {
        why_set(&why,
                "the state directory %s belongs to another node (%s); this one is %s; give each "
                "node a directory of its own",
                s->dir.path, other, c->owner_text ? c->owner_text : "not told");
        return rc;
    }
    if (rc == OK)
        rc = schema_secret(&s->db, s->secret);
    if (rc == OK)
        rc = db_prepare(&s->db);
    if (rc == OK)
        rc = read_tops(s);
    if (rc == OK)
        shorten_log(s);
    if (rc < 0)
        why_set(&why, "cannot open the database %s: %s (%s)", s->dir.db, err_str(rc),
                db_err_text(&s->db));
    if (rc == ERR_CORRUPT) {
        db_close(&s->db);
        state_dir_set_aside(&s->dir, &why);
    }
    return rc;
}

static const struct store_pace default_pace = {.wal_open = STORE_WAL_OPEN,
                                               .wal_passive = STORE_WAL_PASSIVE,
                                               .wal_restart = STORE_WAL_RESTART,
                                               .free_bytes = STORE_FREE_BYTES,
                                               .checkpoint_usec = STORE_CHECKPOINT_USEC,
                                               .idle_usec = STORE_IDLE_USEC};

static int store_init(struct store *s)
{
    int rc = mailbox_init(&s->in, NULL, NULL);
    if (rc < 0)
        return rc;
    rc = gate_init(&s->gate);
    if (rc < 0)
        goto no_gate;
    rc = wal_watch_init(&s->wal);
    if (rc < 0)
        goto no_watch;
    int e = pthread_mutex_init(&s->stats_lock, NULL);
    if (e == 0)
        return OK;
    rc = err_from_errno(e);
    wal_watch_fini(&s->wal);
no_watch:
    gate_fini(&s->gate);
no_gate:
    mailbox_fini(&s->in);
    return rc;
}

static void store_free(struct store *s)
{
    db_close(&s->ckpt);
    db_close(&s->db);
    state_dir_close(&s->dir);
    (void)pthread_mutex_destroy(&s->stats_lock); /* nobody is left to hold it */
    wal_watch_fini(&s->wal);
    gate_fini(&s->gate);
    mailbox_fini(&s->in);
    free(s);
}

int store_open(const struct store_conf *c, struct store **ret, const char **ret_text)
{
    why_set(&why, "out of memory");
    *ret_text = why.text;
    struct store *s = calloc(1, sizeof(*s));
    if (!s)
        return ERR_NOMEM;
    s->results = c->results;
    s->pace = c->pace ? *c->pace : default_pace;
    s->log_budget = (struct log_budget)LOG_BUDGET_INIT;
    atomic_init(&s->queued, 0);
    int rc = store_init(s);
    if (rc < 0) {
        free(s);
        return rc;
    }
    rc = state_dir_open(&s->dir, c->dir, &why);
    if (rc == OK)
        rc = open_db(s, c);
    if (rc < 0) {
        store_free(s);
        return rc;
    }
    why_set(&why, "%s", "");
    *ret = s;
    return OK;
}

/* --- running ------------------------------------------------------------------------------ */

int store_start(struct store *s)
{
    assert(!s->started);
    int rc = db_open(&s->ckpt, s->dir.db, CHECKPOINT_BUSY_MS);
    if (rc < 0)
        return rc;
    writer_watch_wal(s);
    int e = pthread_create(&s->checkpointer, NULL, checkpoint_main, s);
    if (e != 0)
        goto no_checkpointer;
    e = pthread_create(&s->writer, NULL, writer_main, s);
    if (e != 0)
        goto no_writer;
    s->started = true;
    return OK;
no_writer:
    wal_watch_stop(&s->wal);
    (void)pthread_join(s->checkpointer, NULL); /* a thread of ours: cannot fail */
no_checkpointer:
    db_close(&s->ckpt);
    return err_from_errno(e);
}

int64_t store_run_ms(const struct store *s)
{
    return s->tops.run_ms;
}

void store_secret(const struct store *s, uint8_t ret[static STORE_SECRET])
{
    memcpy(ret, s->secret, sizeof(s->secret));
}

void store_submit(struct store *s, struct store_op *op)
{
    op->rc = OK;
    op->body = NULL;
    atomic_fetch_add_explicit(&s->queued, 1, memory_order_relaxed);
    mailbox_post(&s->in, &op->mail);
}

void store_close(struct store *s)
{
    if (!s)
        return;
    mailbox_close(&s->in);
    if (s->started) {
        (void)pthread_join(s->writer, NULL); /* threads of ours: cannot fail */
        wal_watch_stop(&s->wal);
        (void)pthread_join(s->checkpointer, NULL);
    } else {
        writer_drain(s, mailbox_take_all(&s->in));
    }
    db_close(&s->ckpt);
    /* A long log is left to the next start: stopping must not take long. */
    uint64_t left = (s->wal.frames - MIN(s->wal.moved, s->wal.frames)) * s->frame_bytes;
    if (s->stats.rc == OK && left <= 2 * STORE_WAL_PASSIVE)
        db_close_checkpointed(&s->db);
    store_free(s);
}

void store_stats(struct store *s, struct store_stats *ret)
{
    pthread_mutex_lock(&s->stats_lock);
    *ret = s->stats;
    pthread_mutex_unlock(&s->stats_lock);
    pthread_mutex_lock(&s->wal.lock);
    ret->wal_bytes = s->wal.frames * s->frame_bytes;
    pthread_mutex_unlock(&s->wal.lock);
    ret->queued = atomic_load_explicit(&s->queued, memory_order_relaxed);
}
