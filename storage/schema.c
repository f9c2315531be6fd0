/* schema.c - the tables of the database, step by step.
 *
 * - meta: 'owner' is the key of the node, 'owner_text' its address, 'out_seq' and 'in_seq' the
 * highest seq ever stored in outbox and inbox, written with every commit that raises them, so that
 * numbers of removed rows are not used again; 'run_ms' is how late it was then by the clock that
 * expire_ms of inbox and seen go by; 'secret' is random and lives as long as the file.
 * - outbox: one row per accepted message, for its whole life and until the sweeper comes (status).
 * The caller gives seq, in rising order: inserts append. final_ms is NULL while the message lives.
 * - outbody: the payloads of the living ones. A table of its own: a state change then rewrites a
 * page of some 17 rows instead of a payload, finished rows stay packed, and freed payload pages
 * come back whole.
 * - outshare: rows of a push to several destinations, whose payload is in outbody once, under the
 * number of the first; gone with their final state, and the last of them takes the payload along.
 * - inbox: incomplete (0, 1) and complete (2) messages with their payload as last column. Taken
 *   messages are deleted.
 * - offered: complete messages that clients were given on lease, or that are put aside (dead). A
 * table of its own, as outbody is: these rows change often, and the payload stays where it is. Gone
 * with the message. A row says how often it failed, how often it was offered, and since when it is
 * what it is.
 * - seen: what was received, against repeats. The set is looked up in memory; the table is only
 * loaded at the start and swept by age, so it is ordered by age and has no other index: inserts
 * come close to appending. seq is the inbox number under which the message came. reply is 1 for a
 * reply, plus 2 where the sender says when it may be forgotten.
 * - outfile, infile (since version 6): the number of the file of the spool that has the payload,
 * for messages too large for a row. Tables of their own: few messages have one, how far a transfer
 * has come (acked) changes often, and a column behind the payload of inbox would be costly to read.
 * - rules (since version 9): topic rules that clients made, each as a whole (since version 10 with
 * its socket); the default action is in meta, where one was said.
 * - contacts (since version 2): nodes that were reached lately and the neighbour that was their
 * next hop, both as /64. Small and seldom written: no index for the order of use.
 *
 * Indexes besides: outbox_id for status by id and READ; outbox_done for the sweeper (partial: it
 * grows when a message becomes final, and a READ after that leaves it alone); outbox_idem keeps the
 * keys of clients apart (partial: most messages have none).
 *
 * Ids and node numbers are integers: 8 bytes big endian. No column has a default but prio,
 * reason, ordered and many, for the rows of before them, and none is checked here: one place in
 * row.c writes them, and reading checks the sizes. */
#include "storage/schema.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "storage/row.h"

#define APPLICATION_ID 1296193585 /* "MBX1" */
#define TEXT_(x)       #x
#define TEXT(x)        TEXT_(x)

/* Only possible before the first table, outside of a transaction. WAL stays set in the file.
 * Small pages, because the entries of outbox_id lie anywhere: each message writes a page of it. */
static const char file_pragmas[] = "PRAGMA page_size=4096;"
                                   "PRAGMA auto_vacuum=INCREMENTAL;";
static const char wal_pragma[] = "PRAGMA journal_mode=WAL";

/* Step n leads from version n to n + 1. Steps are never edited once released, only added. */
static const char *const step_sql[] = {
    "CREATE TABLE meta(k TEXT PRIMARY KEY, v ANY NOT NULL) STRICT, WITHOUT ROWID;"
    "INSERT INTO meta VALUES('out_seq', 0), ('in_seq', 0);"
    "CREATE TABLE outbox("
    "  seq INTEGER PRIMARY KEY, id INTEGER NOT NULL,"
    "  src BLOB NOT NULL, dst BLOB NOT NULL,"
    "  reply INTEGER NOT NULL, state INTEGER NOT NULL, policy INTEGER NOT NULL,"
    "  created_ms INTEGER NOT NULL, deadline_ms INTEGER NOT NULL, final_ms INTEGER,"
    "  len INTEGER NOT NULL, sum BLOB NOT NULL, topic BLOB NOT NULL) STRICT;"
    "CREATE INDEX outbox_id ON outbox(id);"
    "CREATE INDEX outbox_done ON outbox(created_ms) WHERE final_ms IS NOT NULL;"
    "CREATE TABLE outbody(seq INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;"
    "CREATE TABLE inbox("
    "  seq INTEGER PRIMARY KEY, state INTEGER NOT NULL," /* 0 PART, 1 PART_FULL, 2 READY */
    "  src BLOB NOT NULL, dst BLOB NOT NULL, src_key BLOB NOT NULL,"
    "  id INTEGER NOT NULL, reply INTEGER NOT NULL,"
    "  recv_ms INTEGER NOT NULL, expire_ms INTEGER NOT NULL,"
    "  len INTEGER NOT NULL, sum BLOB NOT NULL, topic BLOB NOT NULL,"
    "  chunks_seen INTEGER NOT NULL, got BLOB, body BLOB) STRICT;"
    "CREATE TABLE seen("
    "  expire_ms INTEGER NOT NULL, seq INTEGER NOT NULL,"
    "  node INTEGER NOT NULL, id INTEGER NOT NULL, reply INTEGER NOT NULL, sum BLOB NOT NULL,"
    "  len INTEGER NOT NULL, count INTEGER NOT NULL,"
    "  PRIMARY KEY(expire_ms, seq)) STRICT, WITHOUT ROWID;"
    "PRAGMA application_id=" TEXT(APPLICATION_ID),

    "CREATE TABLE contacts("
    "  node INTEGER PRIMARY KEY, via INTEGER NOT NULL, used_ms INTEGER NOT NULL) STRICT",

    "CREATE TABLE offered("
    "  seq INTEGER PRIMARY KEY, state INTEGER NOT NULL," /* 2 READY, 3 LEASED, 4 DEAD */
    "  tries INTEGER NOT NULL, offers INTEGER NOT NULL, since_ms INTEGER NOT NULL) STRICT;"
    "INSERT INTO meta VALUES('secret', randomblob(16))",

    "ALTER TABLE outbox ADD COLUMN prio INTEGER NOT NULL DEFAULT 1;"
    "ALTER TABLE outbox ADD COLUMN idem BLOB;"
    "CREATE UNIQUE INDEX outbox_idem ON outbox(idem) WHERE idem IS NOT NULL",

    "ALTER TABLE outbox ADD COLUMN reason INTEGER NOT NULL DEFAULT 0",

    "CREATE TABLE outfile(seq INTEGER PRIMARY KEY, file INTEGER NOT NULL, acked BLOB) STRICT;"
    "CREATE TABLE infile(seq INTEGER PRIMARY KEY, file INTEGER NOT NULL) STRICT",

    "ALTER TABLE outbox ADD COLUMN ordered INTEGER NOT NULL DEFAULT 0",

    "ALTER TABLE outbox ADD COLUMN many INTEGER NOT NULL DEFAULT 0;"
    "CREATE TABLE outshare(seq INTEGER PRIMARY KEY, body INTEGER NOT NULL) STRICT;"
    "CREATE INDEX outshare_body ON outshare(body)",

    "CREATE TABLE rules("
    "  topic BLOB PRIMARY KEY, sources TEXT NOT NULL) STRICT, WITHOUT ROWID",

    "ALTER TABLE rules ADD COLUMN socket TEXT;"
    "ALTER TABLE rules ADD COLUMN half_close INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE rules ADD COLUMN reply_ms INTEGER NOT NULL DEFAULT 0",
};

_Static_assert(ARRAY_LEN(step_sql) == SCHEMA_VERSION, "one step per version");

static int check_all(struct db *d)
{
    sqlite3_stmt *st = NULL;
    int e = sqlite3_prepare_v2(d->h, "PRAGMA quick_check(1)", -1, &st, NULL);
    if (e == SQLITE_OK)
        e = sqlite3_step(st);
    int rc = db_err(d, e);
    if (rc == OK) {
        const unsigned char *text = e == SQLITE_ROW ? sqlite3_column_text(st, 0) : NULL;
        if (!text || memcmp(text, "ok", 3) != 0)
            rc = text ? ERR_CORRUPT : ERR_NOMEM;
    }
    (void)sqlite3_finalize(st); /* the error was taken from the step */
    return rc;
}

/* Each step is a transaction of its own and includes the new number: it happens as a whole. */
int schema_migrate(struct db *d, int64_t version)
{
    int rc = OK;
    for (size_t v = (size_t)version; v < ARRAY_LEN(step_sql) && rc == OK; v++) {
        char number[48];
        (void)snprintf(number, sizeof(number), "PRAGMA user_version=%zu;COMMIT", v + 1); /* fits */
        rc = db_exec(d, "BEGIN IMMEDIATE");
        if (rc == OK)
            rc = db_exec(d, step_sql[v]);
        if (rc == OK)
            rc = db_exec(d, number);
        if (rc < 0 && !sqlite3_get_autocommit(d->h)) /* the first error is the one to report */
            (void)sqlite3_exec(d->h, "ROLLBACK", NULL, NULL, NULL);
    }
    return rc;
}

int schema_setup(struct db *d, bool check, int64_t *ret_version)
{
    int64_t app = 0, version = 0, tables = 0;
    int rc = db_int(d, "PRAGMA application_id", &app);
    if (rc == OK)
        rc = db_int(d, "PRAGMA user_version", &version);
    if (rc == OK)
        rc = db_int(d, "SELECT count(*) FROM sqlite_schema", &tables);
    if (rc < 0)
        return rc;
    bool fresh = app == 0 && version == 0 && tables == 0;
    bool ours = app == APPLICATION_ID;
    *ret_version = ours ? version : 0;
    if (!fresh && (!ours || version < 1 || version > (int64_t)ARRAY_LEN(step_sql)))
        return ERR_UNSUPPORTED;
    if (fresh)
        rc = db_exec(d, file_pragmas);
    else if (check)
        rc = check_all(d);
    if (rc == OK)
        rc = db_exec(d, wal_pragma);
    return rc;
}

static int meta_get(struct db *d, const char *key, char *buf, size_t cap, size_t *ret_len)
{
    sqlite3_stmt *st = NULL;
    int e = sqlite3_prepare_v2(d->h, "SELECT v FROM meta WHERE k=?", -1, &st, NULL);
    if (e == SQLITE_OK)
        e = sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
    if (e == SQLITE_OK)
        e = sqlite3_step(st);
    int rc = e == SQLITE_DONE ? ERR_NOENT : db_err(d, e);
    if (rc == OK) {
        const void *p = sqlite3_column_blob(st, 0);
        int n = sqlite3_column_bytes(st, 0);
        *ret_len = p && n > 0 ? MIN((size_t)n, cap) : 0;
        if (*ret_len > 0)
            memcpy(buf, p, *ret_len);
    }
    (void)sqlite3_finalize(st); /* the error was taken from the step */
    return rc;
}

static int meta_put(struct db *d, const char *key, const void *bytes, size_t len)
{
    sqlite3_stmt *st = NULL;
    int e = sqlite3_prepare_v2(d->h, "INSERT OR REPLACE INTO meta VALUES(?,?)", -1, &st, NULL);
    if (e == SQLITE_OK)
        e = sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
    if (e == SQLITE_OK)
        e = sqlite3_bind_blob64(st, 2, bytes, len, SQLITE_STATIC);
    if (e == SQLITE_OK)
        e = sqlite3_step(st);
    int rc = db_err(d, e);
    (void)sqlite3_finalize(st); /* the error was taken from the step */
    return rc;
}

int schema_secret(struct db *d, uint8_t ret[static STORE_SECRET])
{
    char bytes[STORE_SECRET];
    size_t len = 0;
    int rc = meta_get(d, "secret", bytes, sizeof(bytes), &len);
    if (rc == ERR_NOENT || (rc == OK && len != sizeof(bytes)))
        rc = ERR_CORRUPT;
    if (rc == OK)
        memcpy(ret, bytes, sizeof(bytes));
    return rc;
}

int schema_owner(struct db *d, const struct store_conf *c, char other[static SCHEMA_OWNER_MAX])
{
    char key[sizeof(c->owner_key)], text[64], hex[2 * sizeof(key) + 1];
    size_t key_len = 0, text_len = 0;
    int rc = meta_get(d, "owner", key, sizeof(key), &key_len);
    if (rc == ERR_NOENT) {
        /* The text first: a crash between the two must not leave an owner without it. */
        if (c->owner_text)
            rc = meta_put(d, "owner_text", c->owner_text, strlen(c->owner_text));
        else
            rc = OK;
        return rc < 0 ? rc : meta_put(d, "owner", c->owner_key, sizeof(c->owner_key));
    }
    if (rc < 0)
        return rc;
    if (key_len == sizeof(key) && memcmp(key, c->owner_key, sizeof(key)) == 0)
        return OK;
    rc = meta_get(d, "owner_text", text, sizeof(text), &text_len);
    if (rc < 0 && rc != ERR_NOENT)
        return rc;
    (void)snprintf(other, SCHEMA_OWNER_MAX, "%.*s%skey %s", (int)text_len, text,
                   text_len > 0 ? ", " : "", hex_encode(key, key_len, hex)); /* fits: 64 + 64 + 6 */
    return ERR_PERM;
}
