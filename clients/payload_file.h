/* payload_file.h - files that payloads are read from and written to, and what goes to standard
 * output in their place. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/macros.h"
#include "clients/progress.h"

/* Whole content of a file of any kind (also a pipe), up to 64 MiB. 0, or the exit status, told. */
MUST_CHECK int payload_read(const char *path, char **ret, size_t *ret_len);

/* A regular file that is read while it is sent. */
struct payload_source {
    const char *path;
    int fd;
    uint64_t length;
    struct progress progress;
};
/* length 0: no regular file, or an empty one; nothing is open then. 0, or the exit status. */
MUST_CHECK int payload_source_open(struct payload_source *s, const char *path);
void payload_source_close(struct payload_source *s);
/* An http_source; ctx: struct payload_source. ERR_STATE, told. */
MUST_CHECK int payload_source_next(void *ctx, void *buf, size_t cap, size_t *ret_len);

/* Where a received payload goes. Opened before the message is taken from the node: a path that
 * cannot be written must not cost a message. */
struct payload_sink {
    const char *path;
    int fd;
    bool created;
};
MUST_CHECK int payload_sink_open(struct payload_sink *s, const char *path);
/* The former content goes. All return 0 or the exit status, told. */
MUST_CHECK int payload_sink_begin(struct payload_sink *s);
MUST_CHECK int payload_sink_add(struct payload_sink *s, const char *bytes, size_t len);
/* The same as a lease_take; ctx: struct payload_sink. */
MUST_CHECK int payload_sink_take(void *ctx, const char *bytes, size_t len);
/* sync: it is on the disk then. */
MUST_CHECK int payload_sink_end(struct payload_sink *s, bool sync);
/* All of it at once. */
MUST_CHECK int payload_sink_write(struct payload_sink *s, const char *bytes, size_t len, bool sync);
/* Without an end before: a file that was made for this goes, too. */
void payload_sink_drop(struct payload_sink *s);
