#include "former.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* EXTRA: it is on disk for good. */
static const char sql[] =
    "PRAGMA synchronous=EXTRA;"
    "PRAGMA page_size=4096; PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL;"
    "BEGIN IMMEDIATE;"
    "CREATE TABLE meta(k TEXT PRIMARY KEY, v ANY NOT NULL) STRICT, WITHOUT ROWID;"
    "INSERT INTO meta VALUES('out_seq', 0), ('in_seq', 0);"
    "CREATE TABLE outbox(seq INTEGER PRIMARY KEY, id INTEGER NOT NULL,"
    "  src BLOB NOT NULL, dst BLOB NOT NULL,"
    "  reply INTEGER NOT NULL, state INTEGER NOT NULL, policy INTEGER NOT NULL,"
    "  created_ms INTEGER NOT NULL, deadline_ms INTEGER NOT NULL, final_ms INTEGER,"
    "  len INTEGER NOT NULL, sum BLOB NOT NULL, topic BLOB NOT NULL) STRICT;"
    "CREATE INDEX outbox_id ON outbox(id);"
    "CREATE INDEX outbox_done ON outbox(created_ms) WHERE final_ms IS NOT NULL;"
    "CREATE TABLE outbody(seq INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;"
    "CREATE TABLE inbox(seq INTEGER PRIMARY KEY, state INTEGER NOT NULL,"
    "  src BLOB NOT NULL, dst BLOB NOT NULL, src_key BLOB NOT NULL,"
    "  id INTEGER NOT NULL, reply INTEGER NOT NULL,"
    "  recv_ms INTEGER NOT NULL, expire_ms INTEGER NOT NULL,"
    "  len INTEGER NOT NULL, sum BLOB NOT NULL, topic BLOB NOT NULL,"
    "  chunks_seen INTEGER NOT NULL, got BLOB, body BLOB) STRICT;"
    "CREATE TABLE seen(expire_ms INTEGER NOT NULL, seq INTEGER NOT NULL,"
    "  node INTEGER NOT NULL, id INTEGER NOT NULL, reply INTEGER NOT NULL, sum BLOB NOT NULL,"
    "  len INTEGER NOT NULL, count INTEGER NOT NULL,"
    "  PRIMARY KEY(expire_ms, seq)) STRICT, WITHOUT ROWID;"
    "PRAGMA application_id=1296193585; PRAGMA user_version=1;"
    "INSERT INTO outbox VALUES(3, 11, zeroblob(16), zeroblob(16), 0, 0, 0, 1000, 301000, NULL,"
    "  2, zeroblob(32), x'');"
    "INSERT INTO outbody VALUES(3, x'6869');"
    "INSERT INTO inbox VALUES(5, 2, zeroblob(16), zeroblob(16), zeroblob(32), 12, 0, 1000, 0,"
    "  2, zeroblob(32), x'', 1, NULL, x'796f');"
    "INSERT INTO seen VALUES(9000, 5, 13, 12, 0, zeroblob(32), 2, 1);"
    "UPDATE meta SET v=4 WHERE k='out_seq'; UPDATE meta SET v=6 WHERE k='in_seq';"
    "INSERT INTO meta VALUES('owner', CAST(x'01010101010101010101010101010101010101010101010101"
    "01010101010101' AS BLOB)), ('owner_text', CAST('400::1' AS BLOB));"
    "COMMIT";

void former_store(const char *db)
{
    sqlite3 *h = NULL;
    int fd = open(db, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || close(fd) != 0 || sqlite3_open(db, &h) != SQLITE_OK ||
        sqlite3_exec(h, sql, NULL, NULL, NULL) != SQLITE_OK || sqlite3_close(h) != SQLITE_OK) {
        (void)fprintf(stderr, "%s: %s\n", db, h ? sqlite3_errmsg(h) : "not made");
        abort();
    }
}
