/* file.h - small files, whole. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macros.h"

/* Writes through a temporary name beside `path`: O_EXCL, fsync, rename, fsync of the folder.
 * Either the old or the whole new content exists at any time. `mode` is exact, the umask does not
 * count. All functions here leave errno set as it was when the ERR_* they return came up. */
MUST_CHECK int file_write_atomic(const char *path, const void *bytes, size_t len, mode_t mode);

/* The same, but ERR_EXIST when there is something at `path` already, without a gap in between. */
MUST_CHECK int file_write_new(const char *path, const void *bytes, size_t len, mode_t mode);

/* Reads at most cap bytes; *ret_size is the size of the file, which may be larger. */
MUST_CHECK int file_read(const char *path, void *buf, size_t cap, size_t *ret_len,
                         uint64_t *ret_size);

/* mkdir with parents. */
MUST_CHECK int dir_create(const char *path, mode_t mode);

/* rename() that never replaces what is there. 0, or -1 with errno (EEXIST: it is). */
MUST_CHECK int file_rename_new(const char *from, const char *to);
