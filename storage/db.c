#include "storage/db.h"

#include <errno.h>
#include <stddef.h>

#include "base/err.h"

/* Pages of the writer that stay in memory. */
#define CACHE_KIB "32768"

static const char *const stmt_sql[] = {
#define X(name, sql) [STMT_##name] = (sql),
    STMT_LIST(X)
#undef X
};
_Static_assert(ARRAY_LEN(stmt_sql) == STMT_END, "one text per statement");

/* synchronous=EXTRA: in WAL mode the commit is on disk when COMMIT returns, as with FULL (NORMAL
 * would not sync); besides, the journal of the first moments, before the file is in WAL mode, does
 * not come back from the dead to undo them. The checkpoint thread replaces the automatic
 * checkpoint, which would run inside a commit. */
static const char connection_pragmas[] = "PRAGMA synchronous=EXTRA;"
                                         "PRAGMA wal_autocheckpoint=0;"
                                         "PRAGMA journal_size_limit=67108864;"
                                         "PRAGMA temp_store=MEMORY;"
                                         "PRAGMA trusted_schema=OFF;"
                                         "PRAGMA cache_size=-" CACHE_KIB ";";

int db_open(struct db *d, const char *path, int busy_ms)
{
    *d = (struct db){0};
    int e = sqlite3_open_v2(path, &d->h, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    int rc = d->h ? db_err(d, e) : ERR_NOMEM;
    if (rc < 0)
        goto out;
    (void)sqlite3_extended_result_codes(d->h, 1); /* cannot fail on an open handle */
    (void)sqlite3_busy_timeout(d->h, busy_ms);    /* the same */
    /* A damaged file is to be kept as it was found, with its log. */
    (void)sqlite3_db_config(d->h, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    rc = db_exec(d, connection_pragmas);
out:
    if (rc < 0)
        db_close(d);
    return rc;
}

int db_prepare(struct db *d)
{
    for (int i = 0; i < STMT_END; i++) {
        int e =
            sqlite3_prepare_v3(d->h, stmt_sql[i], -1, SQLITE_PREPARE_PERSISTENT, &d->st[i], NULL);
        if (e != SQLITE_OK)
            return db_err(d, e);
    }
    return OK;
}

void db_close(struct db *d)
{
    for (int i = 0; i < STMT_END; i++) {
        (void)sqlite3_finalize(d->st[i]); /* repeats the error of the last step; known */
        d->st[i] = NULL;
    }
    (void)sqlite3_close_v2(d->h); /* all statements are gone: cannot be busy */
    d->h = NULL;
}

void db_close_checkpointed(struct db *d)
{
    if (d->h)
        (void)sqlite3_db_config(d->h, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    db_close(d);
}

int db_exec(struct db *d, const char *sql)
{
    return db_err(d, sqlite3_exec(d->h, sql, NULL, NULL, NULL));
}

int db_int(struct db *d, const char *sql, int64_t *ret)
{
    sqlite3_stmt *st = NULL;
    int e = sqlite3_prepare_v2(d->h, sql, -1, &st, NULL);
    if (e == SQLITE_OK)
        e = sqlite3_step(st);
    int rc = e == SQLITE_DONE ? ERR_NOENT : db_err(d, e);
    if (rc == OK)
        *ret = sqlite3_column_int64(st, 0);
    (void)sqlite3_finalize(st); /* the error was taken from the step */
    return rc;
}

int db_err(const struct db *d, int sqlite_rc)
{
    switch (sqlite_rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return OK;
    case SQLITE_NOMEM:
        return ERR_NOMEM;
    case SQLITE_FULL:
        return ERR_NOSPACE;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_CORRUPT;
    case SQLITE_CONSTRAINT:
        return ERR_EXIST;
    case SQLITE_TOOBIG:
        return ERR_TOOBIG;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_BUSY;
    case SQLITE_IOERR: {
        if (sqlite_rc == SQLITE_IOERR_NOMEM)
            return ERR_NOMEM;
        /* A quota or a full device can show at the sync only. */
        int e = sqlite3_system_errno(d->h);
        return e == ENOSPC || e == EDQUOT ? ERR_NOSPACE : ERR_IO;
    }
    default:
        return ERR_IO;
    }
}

bool db_err_is_local(const struct db *d, int sqlite_rc)
{
    int kind = sqlite_rc & 0xff;
    return (kind == SQLITE_CONSTRAINT || kind == SQLITE_TOOBIG) && !sqlite3_get_autocommit(d->h);
}

const char *db_err_text(const struct db *d)
{
    return d->h ? sqlite3_errmsg(d->h) : "not open";
}
