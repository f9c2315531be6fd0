/* checkpoint.c - the thread that moves the log into the database, so that no commit has to.
 *
 * PASSIVE runs beside the writer and holds nobody up. Under a steady load the log never begins anew
 * by itself, because there is always a newer frame; from STORE_WAL_RESTART on the gate is closed,
 * the rest is moved while nothing is written, and the next commit begins at the front. When nothing
 * was committed for a while the log is cut to nothing and free pages go back to the file system. */
#include <stdio.h>

#include "base/err.h"
#include "storage/internal.h"

#define LOG_TARGET "storage"

enum step { STEP_PASSIVE, STEP_RESTART, STEP_TRUNCATE, STEP_STOP };

/* After a step that moved nothing: it fell into a group of the writer that had just begun the log
 * anew, or another program reads the log. */
#define STALLED_USEC (10 * USEC_MS)

/* --- gate --------------------------------------------------------------------------------- */

int gate_init(struct gate *g)
{
    *g = (struct gate){.busy = false};
    int e = pthread_mutex_init(&g->lock, NULL);
    if (e != 0)
        return err_from_errno(e);
    e = pthread_cond_init(&g->turn, NULL);
    if (e != 0)
        (void)pthread_mutex_destroy(&g->lock); /* unlocked: cannot fail */
    return e == 0 ? OK : err_from_errno(e);
}

void gate_fini(struct gate *g)
{
    (void)pthread_cond_destroy(&g->turn); /* nobody waits: cannot fail, nor the next */
    (void)pthread_mutex_destroy(&g->lock);
}

void gate_enter(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    while (g->busy || g->asked)
        pthread_cond_wait(&g->turn, &g->lock);
    g->busy = true;
    pthread_mutex_unlock(&g->lock);
}

void gate_force(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    g->asked = true;
    while (g->busy)
        pthread_cond_wait(&g->turn, &g->lock);
    g->asked = false;
    g->busy = true;
    pthread_mutex_unlock(&g->lock);
}

void gate_leave(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    g->busy = false;
    pthread_cond_broadcast(&g->turn);
    pthread_mutex_unlock(&g->lock);
}

/* --- watch -------------------------------------------------------------------------------- */

int wal_watch_init(struct wal_watch *w)
{
    *w = (struct wal_watch){.frames = 0};
    pthread_condattr_t attr;
    int e = pthread_condattr_init(&attr);
    if (e != 0)
        return err_from_errno(e);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC); /* a clock that exists */
    e = pthread_mutex_init(&w->lock, NULL);
    if (e == 0) {
        e = pthread_cond_init(&w->wake, &attr);
        if (e != 0)
            (void)pthread_mutex_destroy(&w->lock); /* unlocked: cannot fail */
    }
    (void)pthread_condattr_destroy(&attr); /* the same */
    return e == 0 ? OK : err_from_errno(e);
}

void wal_watch_fini(struct wal_watch *w)
{
    (void)pthread_cond_destroy(&w->wake); /* nobody waits: cannot fail, nor the next */
    (void)pthread_mutex_destroy(&w->lock);
}

void wal_watch_stop(struct wal_watch *w)
{
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

/* Frames that are still to be moved. */
static uint64_t unmoved(const struct wal_watch *w)
{
    return w->frames > w->moved ? w->frames - w->moved : 0;
}

static bool due_by_size(const struct store *s)
{
    uint64_t limit = s->pace.wal_passive;
    if (s->wal.scarce)
        limit = MIN(limit, s->pace.free_bytes / 4);
    return unmoved(&s->wal) * s->frame_bytes >= limit;
}

uint64_t wal_watch_unmoved(struct store *s)
{
    pthread_mutex_lock(&s->wal.lock);
    uint64_t bytes = unmoved(&s->wal) * s->frame_bytes;
    pthread_mutex_unlock(&s->wal.lock);
    return bytes;
}

void wal_watch_scarce(struct store *s, bool scarce)
{
    pthread_mutex_lock(&s->wal.lock);
    s->wal.scarce = scarce;
    pthread_mutex_unlock(&s->wal.lock);
}

void wal_watch_commit(struct store *s, uint64_t frames, usec_t now)
{
    struct wal_watch *w = &s->wal;
    pthread_mutex_lock(&w->lock);
    if (frames < w->frames || w->restarted) { /* began anew */
        w->moved = 0;
        w->generation++;
    }
    w->frames = frames;
    w->restarted = false;
    w->last_commit = now;
    if (w->asleep || due_by_size(s))
        pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

/* --- thread ------------------------------------------------------------------------------- */

struct pace {
    usec_t last_passive;
    usec_t not_before; /* after a failure */
};

static void wait_until(struct wal_watch *w, usec_t when)
{
    if (when == USEC_NEVER) {
        w->asleep = true;
        pthread_cond_wait(&w->wake, &w->lock);
        w->asleep = false;
        return;
    }
    struct timespec at = {.tv_sec = (time_t)(when / USEC_SEC),
                          .tv_nsec = (long)(when % USEC_SEC) * 1000};
    (void)pthread_cond_timedwait(&w->wake, &w->lock, &at); /* the caller looks at the time anyway */
}

/* What is due now, else *ret_when says when to look again. */
static bool next_step(const struct store *s, const struct pace *p, usec_t now, enum step *ret,
                      usec_t *ret_when)
{
    const struct wal_watch *w = &s->wal;
    usec_t when = USEC_NEVER;
    if (w->stop) {
        *ret = STEP_STOP;
        return true;
    }
    if (w->frames == 0) {
        *ret_when = USEC_NEVER;
        return false;
    }
    if (now < p->not_before) {
        *ret_when = p->not_before;
        return false;
    }
    uint64_t longest =
        w->scarce ? MIN(s->pace.wal_restart, s->pace.free_bytes / 2) : s->pace.wal_restart;
    if (w->frames * s->frame_bytes >= longest && !w->restarted) {
        *ret = STEP_RESTART;
        return true;
    }
    if (due_by_size(s) || (unmoved(w) > 0 && now - p->last_passive >= s->pace.checkpoint_usec)) {
        *ret = STEP_PASSIVE;
        return true;
    }
    if (now - w->last_commit >= s->pace.idle_usec) {
        *ret = STEP_TRUNCATE;
        return true;
    }
    when = w->last_commit + s->pace.idle_usec;
    if (unmoved(w) > 0)
        when = MIN(when, p->last_passive + s->pace.checkpoint_usec);
    *ret_when = when;
    return false;
}

static enum step wait_step(struct store *s, struct pace *p)
{
    enum step step = STEP_STOP;
    usec_t when = 0;
    pthread_mutex_lock(&s->wal.lock);
    while (!next_step(s, p, usec_now(), &step, &when)) {
        wait_until(&s->wal, when);
        if (when == USEC_NEVER)
            p->last_passive = usec_now(); /* the first commit after a rest starts the clock */
    }
    pthread_mutex_unlock(&s->wal.lock);
    return step;
}

/* Moves what there is; the mode says how far it goes. */
static int move(struct store *s, int mode)
{
    int frames = 0, moved = 0;
    pthread_mutex_lock(&s->wal.lock);
    uint64_t generation = s->wal.generation;
    pthread_mutex_unlock(&s->wal.lock);

    int e = sqlite3_wal_checkpoint_v2(s->ckpt.h, NULL, mode, &frames, &moved);
    int rc = db_err(&s->ckpt, e);

    pthread_mutex_lock(&s->wal.lock);
    if (rc == OK && s->wal.generation == generation && moved >= 0)
        s->wal.moved = (uint64_t)moved;
    if (rc == OK && mode == SQLITE_CHECKPOINT_RESTART)
        s->wal.restarted = true;
    if (rc == OK && mode == SQLITE_CHECKPOINT_TRUNCATE) {
        s->wal.frames = 0;
        s->wal.moved = 0;
        s->wal.generation++;
    }
    pthread_mutex_unlock(&s->wal.lock);

    pthread_mutex_lock(&s->stats_lock);
    if (rc == OK)
        s->stats.checkpoints++;
    else
        s->stats.checkpoint_failures++;
    pthread_mutex_unlock(&s->stats_lock);
    return rc;
}

/* Gives free pages back, a few per stop of the writer, and ends as soon as something is committed.
 */
static int vacuum(struct store *s)
{
    char sql[64];
    int rc = OK;
    (void)snprintf(sql, sizeof(sql), "PRAGMA incremental_vacuum(%d)", VACUUM_PAGES); /* fits */
    pthread_mutex_lock(&s->wal.lock);
    usec_t seen = s->wal.last_commit;
    pthread_mutex_unlock(&s->wal.lock);
    for (bool idle = true; idle && rc == OK;) {
        int64_t free_pages = 0;
        gate_force(&s->gate);
        rc = db_int(&s->ckpt, "PRAGMA freelist_count", &free_pages);
        if (rc == OK && free_pages > VACUUM_FREE_PAGES)
            rc = db_exec(&s->ckpt, sql);
        gate_leave(&s->gate);
        pthread_mutex_lock(&s->wal.lock);
        idle = s->wal.last_commit == seen && !s->wal.stop && free_pages > VACUUM_FREE_PAGES;
        pthread_mutex_unlock(&s->wal.lock);
    }
    return rc;
}

static int run_step(struct store *s, enum step step)
{
    int rc = OK;
    switch (step) {
    case STEP_PASSIVE:
        return move(s, SQLITE_CHECKPOINT_PASSIVE);
    case STEP_RESTART: /* most of it beside the writer, the rest alone */
        rc = move(s, SQLITE_CHECKPOINT_PASSIVE);
        if (rc < 0)
            return rc;
        gate_force(&s->gate);
        rc = move(s, SQLITE_CHECKPOINT_RESTART);
        gate_leave(&s->gate);
        return rc;
    case STEP_TRUNCATE:
        rc = vacuum(s);
        if (rc < 0)
            return rc;
        gate_force(&s->gate);
        rc = move(s, SQLITE_CHECKPOINT_TRUNCATE);
        gate_leave(&s->gate);
        return rc;
    case STEP_STOP:
        return OK;
    }
    return OK;
}

/* A damaged database is left as it was found. */
static bool damaged(struct store *s)
{
    pthread_mutex_lock(&s->stats_lock);
    int rc = s->stats.rc;
    pthread_mutex_unlock(&s->stats_lock);
    return rc == ERR_CORRUPT;
}

/* Changes whenever something was moved or the log began anew. */
static uint64_t position(struct store *s)
{
    pthread_mutex_lock(&s->wal.lock);
    uint64_t at = s->wal.generation << 32 | s->wal.moved << 1 | s->wal.restarted;
    pthread_mutex_unlock(&s->wal.lock);
    return at;
}

void *checkpoint_main(void *store)
{
    struct store *s = store;
    struct pace pace = {.last_passive = usec_now(), .not_before = 0};
    for (;;) {
        enum step step = wait_step(s, &pace);
        if (step == STEP_STOP)
            return NULL;
        if (damaged(s)) {
            pace.not_before = USEC_NEVER;
            continue;
        }
        uint64_t before = position(s);
        int rc = run_step(s, step);
        pace.last_passive = usec_now();
        /* Failed, or another program reads the log: no harm but a longer log. */
        pace.not_before = 0;
        if (rc < 0)
            pace.not_before = pace.last_passive + s->pace.checkpoint_usec;
        else if (position(s) == before)
            pace.not_before = pace.last_passive + STALLED_USEC;
        if (rc < 0)
            log_warn("log not moved into the database", "path=%s why=\"%s\" detail=\"%s\"",
                     s->dir.db, err_str(rc), db_err_text(&s->ckpt));
    }
}
