/* spool_file.h - the files of the spool as its thread sees them: which are open, how far each is
 * hashed, how much is still to come.
 *
 * Internal to storage/. Thread: the spool's. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/blake3.h"
#include "base/hmap.h"
#include "base/list.h"
#include "storage/spool.h"

struct spool_file {
    struct hnode hash;
    struct list idle; /* nobody has it pinned */
    uint64_t number;
    int fd;
    uint32_t pins;
    bool named;   /* its name is on disk */
    bool dropped; /* has no name any more */
    bool broken;  /* a sync failed */
    uint64_t announced, written, looked_at;
    struct blake3 sum;
    uint64_t hashed;
};

struct spool_files {
    struct hmap map;
    struct list idle; /* used least recently first */
    size_t n_idle;
    int dir_fd;
    struct spool_io io;
    uint64_t free_bytes;
    unsigned free_share;
    uint64_t announced; /* of all, still to come */
};

/* dir_fd is the caller's. */
MUST_CHECK int spool_files_init(struct spool_files *t, const struct spool_conf *c, int dir_fd);
void spool_files_fini(struct spool_files *t);

/* The operation's result is in it then. */
void spool_file_run(struct spool_files *t, struct spool_op *op);

#define SPOOL_NAME_MAX 17
void spool_name(uint64_t number, char ret[static SPOOL_NAME_MAX]);
