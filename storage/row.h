/* row.h - our structs as rows of the database: bound to statements and read from them.
 *
 * Both sides are cursors with a sticky error, like base/wire.h. Ids and node numbers are stored as
 * integers (big-endian bytes, sign bit and all): half the cost of a blob in the index.
 * Internal to storage/. */
#pragma once
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/store.h"

struct row_wr {
    sqlite3_stmt *st;
    int at; /* last parameter that was bound */
    int rc; /* SQLite's */
};
struct row_rd {
    sqlite3_stmt *st;
    int at;   /* next column */
    bool bad; /* a blob of another size than ours: not written by us */
};

static inline struct row_wr row_wr_of(sqlite3_stmt *st)
{
    return (struct row_wr){.st = st, .at = 0, .rc = SQLITE_OK};
}
static inline struct row_rd row_rd_of(sqlite3_stmt *st)
{
    return (struct row_rd){.st = st, .at = 0, .bad = false};
}

int64_t row_id_int(const uint8_t id[static 8]); /* the integer form of an id */

/* The bytes are borrowed until the statement is bound again or dropped. */
void row_put_int(struct row_wr *w, int64_t v);
void row_put_u64(struct row_wr *w, uint64_t v); /* above INT64_MAX: w becomes SQLITE_TOOBIG */
void row_put_id(struct row_wr *w, const uint8_t id[static 8]);
void row_put_bytes(struct row_wr *w, const void *bytes, size_t len);
void row_put_blob(struct row_wr *w, const struct blob *b); /* NULL as NULL */

int64_t row_int(struct row_rd *r);
uint64_t row_u64(struct row_rd *r); /* negative: bad */
void row_id(struct row_rd *r, uint8_t ret[static 8]);
void row_fixed(struct row_rd *r, void *ret, size_t len);
/* A new reference, for the caller to drop. NULL as NULL. ERR_NOMEM. */
MUST_CHECK int row_blob(struct row_rd *r, struct blob **ret);

/* OUT_COLUMNS, IN_COLUMNS (without the body; got is read by row_in() as a new reference),
 * SEEN_COLUMNS (seq follows when reading), CONTACT_COLUMNS, RULE_COLUMNS of db.h. */
void row_put_out(struct row_wr *w, const struct store_out *o);
void row_put_in(struct row_wr *w, const struct store_in *in);
void row_put_seen(struct row_wr *w, const struct store_seen *s);
void row_put_contact(struct row_wr *w, const struct store_contact *c);
void row_put_rule(struct row_wr *w, const struct store_rule *rule);
void row_out(struct row_rd *r, struct store_out *ret);
MUST_CHECK int row_in(struct row_rd *r, struct store_in *ret);
void row_seen(struct row_rd *r, struct store_seen *ret);
void row_contact(struct row_rd *r, struct store_contact *ret);
MUST_CHECK int row_rule(struct row_rd *r, struct store_rule *ret); /* sources: a new reference */
/* state, tries, offers, since_ms. False: a row that this program did not write. */
MUST_CHECK bool row_offered(struct row_rd *r, struct store_in *ret);
