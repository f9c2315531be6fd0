/* dir.h - the state directory: made, locked, and where damaged files are kept.
 * Internal to storage/. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/macros.h"

struct state_dir {
    char *path;
    char *db;    /* <path>/bus.db */
    int lock_fd; /* -1: not locked; held as long as the store is open */
};

#define STATE_DIR_INIT                                                                             \
    {                                                                                              \
        .path = NULL, .db = NULL, .lock_fd = -1                                                    \
    }

/* Where a message for a person goes. */
struct why {
    char text[1024];
};
/* (struct why *w, format, ...); a long path is cut. */
#define why_set(w, ...) ((void)snprintf((w)->text, sizeof((w)->text), __VA_ARGS__))

/* Makes the directory (0700) and an empty database file (0600) if they are missing, and locks. w
 * tells what is wrong. d is to be closed in any case. */
MUST_CHECK int state_dir_open(struct state_dir *d, const char *path, struct why *w);
/* Of the file of the log, as it is on disk; 0: none. */
uint64_t state_dir_log_bytes(const struct state_dir *d);
/* Renames the database and its log; w tells to what. The files must be closed. */
void state_dir_set_aside(const struct state_dir *d, struct why *w);
void state_dir_close(struct state_dir *d);
