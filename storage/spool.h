/* spool.h - payloads too large for a row: one file each, in a folder of the state directory.
 *
 * A file is named by a number, for both directions: a message to this node itself moves from the
 * outbox to the inbox without being copied. Who creates a file chooses its number at random
 * (spool_number()); which message it belongs to stands in the rows of the store. A row names a file
 * only when SPOOL_SYNC of it came back with OK. A file that no row names is removed at the start.
 *
 * Operations are submitted from the loop, run by a thread of their own in the order of submission
 * and come back through a mailbox with their result. The store's writer never waits for a large
 * file.
 *
 * Owns: <state>/spool (0700), the files in it (0600), its thread. Thread: as said at each function.
 * Never: knows what a message means. docs/protocol/durability.md, "Files". */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/blob.h"
#include "base/macros.h"
#include "base/mailbox.h"

#define SPOOL_FOLDER "spool"
/* Bytes of writes and reads that wait for the thread. Beyond it they come back with ERR_BUSY: ask
 * spool_room() before. */
#define SPOOL_QUEUE_BYTES (64ull * 1024 * 1024)
/* Of one read. */
#define SPOOL_READ_MAX (1u << 20)
/* Hashed at most by one SPOOL_SUM, so that others do not wait for a long file; and besides the
 * bytes that it writes by one SPOOL_WRITE. */
#define SPOOL_SUM_STEP   (8ull * 1024 * 1024)
#define SPOOL_WRITE_STEP (1ull * 1024 * 1024)
/* Files kept open that nobody has pinned; the one used least recently is closed. */
#define SPOOL_OPEN_MAX 256
/* Nothing new is begun that would leave less than the larger of these free: bytes, and 1 in so many
 * of the file system. */
#define SPOOL_FREE_BYTES (1ull << 30)
#define SPOOL_FREE_SHARE 10
/* What was not announced is looked at so often against that. */
#define SPOOL_LOOK_BYTES (16ull * 1024 * 1024)

struct spool;

enum spool_kind {
    SPOOL_CREATE, /* file, len: as long as it will be (0: not known). ERR_EXIST: choose another
                     number. ERR_NOSPACE */
    SPOOL_OPEN,   /* pins it: it stays readable after SPOOL_DROP; -> size. ERR_NOENT */
    SPOOL_CLOSE,  /* unpins it */
    SPOOL_WRITE,  /* data at offset; solid: all bytes before this are there and stay what they are,
                     so that they can be hashed. ERR_NOSPACE, ERR_IO, ERR_NOENT: some of it may be
                     there */
    SPOOL_SYNC,   /* all that was written before is on disk, and the name too. After ERR_IO what is
                     on disk is unknown, and every later one fails as well: drop it */
    SPOOL_READ,   /* len bytes from offset on, fewer at the end -> data. ERR_NOENT, ERR_IO */
    SPOOL_SUM,    /* BLAKE3 of the first len bytes -> sum; what was hashed on the way is not read
                     again. -> hashed: less than len: not ready, submit it again. ERR_NOENT:
                     shorter than len */
    SPOOL_DROP, /* removes it, once nobody has it pinned its bytes too; fine when it is not there */
};

struct spool_op {
    struct mail mail; /* first */
    enum spool_kind kind;
    int user; /* the caller's, both: whose is it, and what */
    uint64_t tag;
    bool quiet; /* nobody wants the result: freed by the spool */
    uint64_t file;
    uint64_t offset, len, solid;
    struct blob *data; /* WRITE: to write; READ: result */
    /* result */
    int rc;
    uint64_t size; /* OPEN: of the file; DROP: files removed */
    uint64_t hashed;
    uint8_t sum[32];
};
struct spool_op *spool_op_new(enum spool_kind kind, uint64_t file); /* zeroed; NULL: no memory */
void spool_op_free(struct spool_op *op); /* with its data; NULL is fine */

/* What changes the disk, so that tests can let it fail. Results and errno as of the system calls.
 */
struct spool_io {
    ssize_t (*pwrite)(int fd, const void *bytes, size_t n, off_t at);
    int (*fdatasync)(int fd);
    int (*fsync)(int fd); /* of the folder */
};

struct spool_conf {
    const char *dir;           /* state directory; locked by the store before */
    struct mailbox *results;   /* gets the operations back; outlives the spool */
    const struct spool_io *io; /* NULL: the system's */
    uint64_t free_bytes;       /* 0: SPOOL_FREE_BYTES */
    unsigned free_share;       /* 0: SPOOL_FREE_SHARE */
};
/* Makes the folder, and looks what is in it. No thread yet; errno tells more about ERR_IO. */
MUST_CHECK int spool_open(const struct spool_conf *c, struct spool **ret);
/* Between open and start: a row names this file. False: it is not there, or is shorter. */
bool spool_claim(struct spool *s, uint64_t file, uint64_t len);
/* Removes the files that were not claimed, and starts the thread. */
MUST_CHECK int spool_start(struct spool *s);
/* Does what was submitted, hands back the results, ends the thread. NULL is fine. */
void spool_close(struct spool *s);

/* For a new file: random, never 0, fits a column of the store. Any thread. */
uint64_t spool_number(void);
void spool_submit(struct spool *s, struct spool_op *op); /* any thread; takes op */
/* Can so many more bytes be submitted? Any thread. */
bool spool_room(const struct spool *s, uint64_t bytes);

struct spool_stats {
    uint64_t ops, failures;
    uint64_t written, read; /* bytes */
    uint64_t syncs, sync_usec_total, sync_usec_max;
    uint64_t queued_bytes; /* now */
    uint64_t files, open;  /* now */
    uint64_t announced;    /* bytes still to come of files that are being written */
    uint64_t orphans;      /* removed at the start */
    uint64_t refused_full, refused_busy;
};
void spool_stats(struct spool *s, struct spool_stats *ret); /* any thread */
