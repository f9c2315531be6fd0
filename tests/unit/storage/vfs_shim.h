/* vfs_shim.h - a SQLite file layer over the system's that fails on command or remembers everything.
 *
 * Thread: any; the store's threads call it, the test commands it. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void shim_install(void); /* as the default, once */

/* The nth call (1: the next) that writes, cuts or syncs a file fails with this result of SQLite;
 * all later ones too if `forever`. 0: none fails. A write that fails has written its first half.
 * Starts the count anew. */
void shim_fail(long nth, int result, bool forever);
long shim_calls(void); /* since shim_fail() */

/* What happened to the files of a directory, in order. */
enum shim_what { SHIM_WRITE, SHIM_CUT, SHIM_SYNC, SHIM_DELETE, SHIM_MARK };
struct shim_event {
    enum shim_what what;
    int file;       /* index into shim_name() */
    uint64_t at;    /* WRITE: offset; CUT: size; DELETE: 1: the directory was synced; MARK: the
                       caller's number */
    uint32_t len;   /* WRITE */
    uint8_t *bytes; /* WRITE */
};
void shim_record(bool on); /* on: forgets what was recorded before */
void shim_mark(uint64_t number);
size_t shim_events(const struct shim_event **ret);
/* Name without directory; NULL: no such file. */
const char *shim_name(int file);
