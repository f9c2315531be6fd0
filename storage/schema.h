/* schema.h - the tables, how they came to be what they are, and whose they are.
 * Internal to storage/. */
#pragma once
#include <stdint.h>

#include "base/macros.h"
#include "storage/db.h"
#include "storage/store.h"

#define SCHEMA_VERSION 10

/* Finds out what an opened file is and whether it is whole. ERR_UNSUPPORTED: another program's
 * file, or a later version's; nothing was changed. ERR_CORRUPT: damaged, or (check) something is
 * wrong anywhere in it. *ret_version: what was found in the file, set with ERR_UNSUPPORTED too (0:
 * not ours at all; with OK: new, empty). */
MUST_CHECK int schema_setup(struct db *d, bool check, int64_t *ret_version);
/* Brings it from that version to the present one. */
MUST_CHECK int schema_migrate(struct db *d, int64_t version);

/* The random bytes that were made with the file. ERR_CORRUPT: they are not there. */
MUST_CHECK int schema_secret(struct db *d, uint8_t ret[static STORE_SECRET]);

/* Enters the owner in a new store, compares it in an old one. ERR_PERM fills other (key in hex and
 * the text, if there was one). */
#define SCHEMA_OWNER_MAX 200
MUST_CHECK int schema_owner(struct db *d, const struct store_conf *c,
                            char other[static SCHEMA_OWNER_MAX]);
