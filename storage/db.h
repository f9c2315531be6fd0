/* db.h - one connection to the database, its prepared statements, and SQLite's errors as ours.
 *
 * Thread: one at a time per connection. Internal to storage/. */
#pragma once
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

/* X(name, sql): what the writer runs, prepared once per connection. The queries repeat the literal
 * condition of a partial index: that is what makes the planner use it. */
#define STMT_LIST(X)                                                                               \
    X(BEGIN, "BEGIN IMMEDIATE")                                                                    \
    X(COMMIT, "COMMIT")                                                                            \
    X(ROLLBACK, "ROLLBACK")                                                                        \
    X(GUARD, "SAVEPOINT op")                                                                       \
    X(UNDO, "ROLLBACK TO op")                                                                      \
    X(RELEASE, "RELEASE op")                                                                       \
    X(OUT_PUT, "INSERT INTO outbox(" OUT_COLUMNS ") VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)")  \
    X(OUT_KEY, "SELECT " OUT_COLUMNS " FROM outbox WHERE idem=?")                                  \
    X(OUT_PUT_BODY, "INSERT INTO outbody(seq,body) VALUES(?,?)")                                   \
    X(OUT_STATE, "UPDATE outbox SET state=?2, final_ms=?3, reason=?4 WHERE seq=?1")                \
    X(OUT_DROP_BODY, "DELETE FROM outbody WHERE seq=?")                                            \
    X(OUT_SHARE, "INSERT INTO outshare(seq,body) VALUES(?,?)")                                     \
    X(OUT_DROP_SHARE, "DELETE FROM outshare WHERE seq=? RETURNING body")                           \
    X(OUT_DROP_SHARED, "DELETE FROM outbody WHERE seq=?1 AND NOT EXISTS(SELECT 1 FROM outshare "   \
                       "WHERE body=?1)")                                                           \
    X(OUT_READ, "UPDATE outbox SET state=5 WHERE seq=(SELECT seq FROM outbox WHERE id=?1 AND "     \
                "state=4 AND substr(dst,1,8)=?2 ORDER BY seq LIMIT 1)")                            \
    X(OUT_PUT_FILE, "INSERT INTO outfile(seq,file) VALUES(?,?)")                                   \
    X(OUT_DROP_FILE, "DELETE FROM outfile WHERE seq=?")                                            \
    X(OUT_ACKED, "UPDATE outfile SET acked=?2 WHERE seq=?1")                                       \
    X(OUT_BODY, OUT_BODY_SELECT)                                                                   \
    X(OUT_FIND, "SELECT " OUT_COLUMNS " FROM outbox WHERE id=? ORDER BY seq DESC LIMIT 1")         \
    X(OUT_GET, "SELECT " OUT_COLUMNS " FROM outbox WHERE seq=?")                                   \
    X(OUT_PAGE, "SELECT " OUT_COLUMNS " FROM outbox WHERE seq<? ORDER BY seq DESC LIMIT ?")        \
    X(OUT_PAGE_ID,                                                                                 \
      "SELECT " OUT_COLUMNS " FROM outbox WHERE seq<? AND id=?3 ORDER BY seq DESC LIMIT ?2")       \
    X(IN_PUT, "INSERT INTO inbox(" IN_COLUMNS ",body) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)")      \
    X(IN_PART,                                                                                     \
      "INSERT OR REPLACE INTO inbox(" IN_COLUMNS ",body) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)")   \
    X(IN_DROP, "DELETE FROM inbox WHERE seq=?")                                                    \
    X(IN_PUT_FILE, "INSERT OR REPLACE INTO infile(seq,file) VALUES(?,?)")                          \
    X(IN_DROP_FILE, "DELETE FROM infile WHERE seq=?")                                              \
    X(IN_THERE, "SELECT 1 FROM inbox WHERE seq=?")                                                 \
    X(IN_BODY, "SELECT body FROM inbox WHERE seq=?")                                               \
    X(IN_STATE, "INSERT OR REPLACE INTO offered(seq,state,tries,offers,since_ms) "                 \
                "SELECT ?1,?2,?3,?4,?5 WHERE EXISTS(SELECT 1 FROM inbox WHERE seq=?1)")            \
    X(IN_FORGET, "DELETE FROM offered WHERE seq=?")                                                \
    X(SEEN_PUT, "INSERT OR REPLACE INTO seen(" SEEN_COLUMNS ",seq) VALUES(?,?,?,?,?,?,?,?)")       \
    X(SEEN_DROP, "DELETE FROM seen WHERE expire_ms=? AND seq=?")                                   \
    X(SWEEP_OUT, "DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox WHERE final_ms IS NOT "  \
                 "NULL AND created_ms<?1 ORDER BY created_ms LIMIT ?2)")                           \
    X(SWEEP_SEEN, "DELETE FROM seen WHERE (expire_ms,seq) IN (SELECT expire_ms,seq FROM seen "     \
                  "WHERE expire_ms<?1 ORDER BY expire_ms,seq LIMIT ?2)")                           \
    X(CONTACT_PUT, "INSERT OR REPLACE INTO contacts(" CONTACT_COLUMNS ") VALUES(?,?,?)")           \
    X(CONTACTS_TRIM, "DELETE FROM contacts WHERE node IN (SELECT node FROM contacts ORDER BY "     \
                     "used_ms DESC, node LIMIT -1 OFFSET ?)")                                      \
    X(RULE_PUT, "INSERT OR REPLACE INTO rules(" RULE_COLUMNS                                       \
                ") VALUES(?,CAST(? AS TEXT),CAST(? AS TEXT),?,?)")                                 \
    X(RULE_DROP, "DELETE FROM rules WHERE topic=?")                                                \
    X(RULE_DEFAULT, "INSERT OR REPLACE INTO meta VALUES('topic_accept',?)")                        \
    X(TOP, "INSERT OR REPLACE INTO meta(k,v) VALUES(?1,?2)")

/* Of a row that has it for itself, or with others. */
#define OUT_BODY_SELECT                                                                            \
    "SELECT body FROM outbody WHERE "                                                              \
    "seq=coalesce((SELECT body FROM outshare WHERE seq=?1),?1)"

/* In the order in which row.c binds and reads them. */
#define OUT_COLUMNS                                                                                \
    "seq,id,src,dst,reply,state,policy,created_ms,deadline_ms,final_ms,len,sum,topic,prio,"        \
    "idem,reason,ordered,many"
#define IN_COLUMNS                                                                                 \
    "seq,state,src,dst,src_key,id,reply,recv_ms,expire_ms,len,sum,topic,chunks_seen,got"
#define SEEN_COLUMNS    "expire_ms,node,id,reply,sum,len,count"
#define CONTACT_COLUMNS "node,via,used_ms"
#define RULE_COLUMNS    "topic,sources,socket,half_close,reply_ms"

enum stmt {
#define X(name, sql) STMT_##name,
    STMT_LIST(X)
#undef X
        STMT_END
};

struct db {
    sqlite3 *h;                 /* NULL: closed */
    sqlite3_stmt *st[STMT_END]; /* NULL before db_prepare() */
};

/* Opens an existing file (an empty one is fine) and sets what belongs to the connection, not to the
 * file. Nothing is written. Closing never checkpoints unless db_close_checkpointed() is asked to.
 * On failure d is closed. */
MUST_CHECK int db_open(struct db *d, const char *path, int busy_ms);
MUST_CHECK int db_prepare(struct db *d);
void db_close(struct db *d); /* fine when closed */
void db_close_checkpointed(
    struct db *d); /* also moves the log into the database, if it is the last */

MUST_CHECK int db_exec(struct db *d, const char *sql);
/* First column of the first row as a number; ERR_NOENT without a row. */
MUST_CHECK int db_int(struct db *d, const char *sql, int64_t *ret);

/* SQLite's result as ERR_*; OK for SQLITE_OK, _ROW and _DONE. */
int db_err(const struct db *d, int sqlite_rc);
/* Does this error concern one statement, with the transaction intact? */
bool db_err_is_local(const struct db *d, int sqlite_rc);
/* What SQLite says about the last error; lends until the next call on d. */
const char *db_err_text(const struct db *d);
