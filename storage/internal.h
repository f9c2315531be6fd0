/* internal.h - struct store, shared by the files of storage/ and by nobody else.
 *
 * writer: the connection `db` belongs to the writer thread (before store_start(): to the opener).
 * checkpointer: has `ckpt`. The gate keeps the two from writing at the same time. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "storage/db.h"
#include "storage/dir.h"
#include "storage/store.h"

/* How long a connection waits for another program that holds the lock (a backup, a shell). The
 * checkpointer holds up the writer meanwhile. */
#define WRITER_BUSY_MS     5000
#define CHECKPOINT_BUSY_MS 50
#define WAL_FRAME_HEADER   24
/* Pages given back to the file system at a time, with the writer held up; below the second number
 * free pages stay for later use. */
#define VACUUM_PAGES      128
#define VACUUM_FREE_PAGES 2048

/* Who may write: the writer for a group, or the checkpointer for what stops all writing. The latter
 * goes first when it asks, else a busy writer would never let it in. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t turn;
    bool busy, asked;
};

/* What the writer tells the checkpointer. */
struct wal_watch {
    pthread_mutex_t lock;
    pthread_cond_t wake; /* on the monotonic clock */
    uint64_t frames;     /* in the log, moved into the database or not */
    uint64_t moved;      /* of these: moved */
    uint64_t generation; /* how often the log began anew */
    usec_t last_commit;
    bool asleep;    /* until woken; else it looks by itself when the next step is due */
    bool scarce;    /* little room on the disk: the log is to stay short */
    bool restarted; /* the next commit begins the log anew */
    bool stop;
};

/* Raised by what is stored. */
struct op_tops {
    uint64_t out_seq, in_seq;
    int64_t run_ms;
};

struct store {
    struct state_dir dir;
    struct db db;
    struct db ckpt;
    struct mailbox in;
    struct mailbox *results;
    pthread_t writer, checkpointer;
    bool started;

    /* writer */
    struct op_tops tops; /* highest stored */
    uint8_t secret[STORE_SECRET];
    bool scarce;      /* as found at the last group */
    usec_t reopen_at; /* db is closed: not before this */
    struct log_budget log_budget;

    struct gate gate;
    struct wal_watch wal;
    uint32_t frame_bytes;
    struct store_pace pace;

    pthread_mutex_t stats_lock;
    struct store_stats stats; /* without queued */
    atomic_uint_fast64_t queued;
};

/* op.c: one operation inside a transaction. */
enum op_end {
    OP_DONE,    /* op->rc says how; if it failed, it changed nothing */
    OP_PARTIAL, /* op->rc says how; it failed after a change: the caller must undo that */
    OP_FATAL,   /* op->rc says why the transaction is lost */
};
enum op_end op_run(struct db *d, struct store_op *op, struct op_tops *tops);
void op_forget(
    struct store_op *op); /* what a run left in op, before another run or after a failure */
size_t op_bytes(const struct store_op *op);
bool op_adds(const struct store_op *op); /* Does it add rows? */

/* writer.c */
void *writer_main(void *store);
void writer_drain(struct store *s, struct mail *list); /* takes the list; hands all of it back */
/* Both on the writer's connection: the hook that feeds wal_watch. */
void writer_watch_wal(struct store *s);

/* checkpoint.c */
MUST_CHECK int gate_init(struct gate *g);
void gate_fini(struct gate *g);
void gate_enter(struct gate *g); /* writer */
void gate_force(struct gate *g); /* checkpointer: next */
void gate_leave(struct gate *g);
MUST_CHECK int wal_watch_init(struct wal_watch *w);
void wal_watch_fini(struct wal_watch *w);
void wal_watch_stop(struct wal_watch *w);
void wal_watch_commit(struct store *s, uint64_t frames, usec_t now); /* writer */
uint64_t wal_watch_unmoved(struct store *s); /* bytes of the log still to be moved */
void wal_watch_scarce(struct store *s, bool scarce);
void *checkpoint_main(void *store);
