/* load.c - all rows, once, before the threads start. */
#include "base/err.h"
#include "storage/internal.h"
#include "storage/row.h"

#define LOG_TARGET "storage"

struct load {
    struct db *d;
    const struct store_visitor *v;
    sqlite3_stmt *body; /* of the table at hand, by seq */
    sqlite3_stmt *offered;
    sqlite3_stmt *file;   /* of the table at hand, by seq; second column: acked */
    uint64_t budget_left; /* bytes of bodies */
};

static int prepare(struct db *d, const char *sql, sqlite3_stmt **ret)
{
    return db_err(d, sqlite3_prepare_v2(d->h, sql, -1, ret, NULL));
}

static int load_body(struct load *l, uint64_t seq, struct blob **ret)
{
    struct row_wr w = row_wr_of(l->body);
    row_put_u64(&w, seq);
    int e = w.rc == SQLITE_OK ? sqlite3_step(l->body) : w.rc;
    int rc = db_err(l->d, e);
    if (e == SQLITE_ROW) {
        struct row_rd r = row_rd_of(l->body);
        rc = row_blob(&r, ret);
    }
    (void)sqlite3_reset(l->body); /* repeats e */
    return rc;
}

/* What happened to a complete message since it came, if anything. */
static int load_offered(struct load *l, struct store_in *in)
{
    struct row_wr w = row_wr_of(l->offered);
    row_put_u64(&w, in->seq);
    int e = w.rc == SQLITE_OK ? sqlite3_step(l->offered) : w.rc;
    int rc = db_err(l->d, e);
    if (e == SQLITE_ROW) {
        struct row_rd r = row_rd_of(l->offered);
        if (!row_offered(&r, in))
            rc = ERR_CORRUPT;
    }
    (void)sqlite3_reset(l->offered); /* repeats e */
    return rc;
}

/* Where its payload is, if that is too large for a row. */
static int load_file(struct load *l, uint64_t seq, uint64_t *ret, struct blob **ret_acked)
{
    struct row_wr w = row_wr_of(l->file);
    row_put_u64(&w, seq);
    int e = w.rc == SQLITE_OK ? sqlite3_step(l->file) : w.rc;
    int rc = db_err(l->d, e);
    if (e == SQLITE_ROW) {
        struct row_rd r = row_rd_of(l->file);
        *ret = row_u64(&r);
        if (ret_acked)
            rc = row_blob(&r, ret_acked);
        if (rc == OK && r.bad)
            rc = ERR_CORRUPT;
    }
    (void)sqlite3_reset(l->file); /* repeats e */
    return rc;
}

/* Before its body is read: is there room? The first one that does not fit ends it for all, so that
 * what is in memory is the front of the queue. */
static bool take_budget(struct load *l, uint64_t len)
{
    bool fits = len < l->budget_left;
    l->budget_left = fits ? l->budget_left - len : 0;
    return fits;
}

static int bad_row(const char *table, uint64_t seq)
{
    log_error("damaged row", "table=%s seq=%llu", table, (unsigned long long)seq);
    return ERR_CORRUPT;
}

static int visit_out(struct load *l, sqlite3_stmt *st)
{
    struct store_out row = {.seq = 0};
    struct row_rd r = row_rd_of(st);
    row_out(&r, &row);
    if (r.bad)
        return bad_row("outbox", row.seq);
    int rc = OK;
    if (row.len > STORE_BODY_MAX)
        rc = load_file(l, row.seq, &row.file, &row.acked);
    else if (take_budget(l, row.len))
        rc = load_body(l, row.seq, &row.body);
    if (rc == OK)
        rc = l->v->out(l->v->ctx, &row);
    blob_unref(row.body);
    blob_unref(row.acked);
    return rc;
}

static int visit_in(struct load *l, sqlite3_stmt *st)
{
    struct store_in row = {.seq = 0};
    struct row_rd r = row_rd_of(st);
    int rc = row_in(&r, &row);
    if (rc == OK && r.bad)
        rc = bad_row("inbox", row.seq);
    bool part = row.state < STORE_IN_COMPLETE;
    if (rc == OK && !part)
        rc = load_offered(l, &row);
    if (rc == OK && row.len > STORE_BODY_MAX)
        rc = load_file(l, row.seq, &row.file, NULL);
    else if (rc == OK && (part || take_budget(l, row.len)))
        rc = load_body(l, row.seq, &row.body);
    if (rc == OK)
        rc = l->v->in(l->v->ctx, &row);
    blob_unref(row.body);
    blob_unref(row.got);
    return rc;
}

static int visit_seen(struct load *l, sqlite3_stmt *st)
{
    struct store_seen row = {.node = 0};
    struct row_rd r = row_rd_of(st);
    row_seen(&r, &row);
    return r.bad ? bad_row("seen", row.node) : l->v->seen(l->v->ctx, &row);
}

static int visit_rule(struct load *l, sqlite3_stmt *st)
{
    struct store_rule row = {.topic_len = 0};
    struct row_rd r = row_rd_of(st);
    int rc = row_rule(&r, &row);
    if (rc == OK && (r.bad || !row.sources))
        rc = bad_row("rules", 0);
    if (rc == OK)
        rc = l->v->rule(l->v->ctx, &row);
    blob_unref(row.sources);
    return rc;
}

static int visit_default(struct load *l, sqlite3_stmt *st)
{
    struct row_rd r = row_rd_of(st);
    l->v->rule_default(l->v->ctx, row_int(&r) != 0);
    return OK;
}

static int visit_contact(struct load *l, sqlite3_stmt *st)
{
    struct store_contact row;
    struct row_rd r = row_rd_of(st);
    row_contact(&r, &row);
    return l->v->contact(l->v->ctx, &row);
}

/* `bound` is bound to the only parameter of sql, if it has one. */
static int each(struct load *l, const char *sql, int64_t bound, const char *body_sql,
                const char *file_sql, int (*visit)(struct load *l, sqlite3_stmt *st))
{
    sqlite3_stmt *st = NULL;
    l->body = l->file = NULL;
    int rc = prepare(l->d, sql, &st);
    if (rc == OK && body_sql)
        rc = prepare(l->d, body_sql, &l->body);
    if (rc == OK && file_sql)
        rc = prepare(l->d, file_sql, &l->file);
    if (rc == OK && sqlite3_bind_parameter_count(st) == 1)
        rc = db_err(l->d, sqlite3_bind_int64(st, 1, bound));
    while (rc == OK) {
        int e = sqlite3_step(st);
        if (e == SQLITE_DONE)
            break;
        rc = e == SQLITE_ROW ? visit(l, st) : db_err(l->d, e);
    }
    (void)sqlite3_finalize(l->body); /* the errors were taken from the steps */
    (void)sqlite3_finalize(l->file);
    (void)sqlite3_finalize(st);
    return rc;
}

int store_load(struct store *s, const struct store_visitor *v, uint64_t body_budget, int64_t run_ms,
               uint64_t *ret_out_seq, uint64_t *ret_in_seq)
{
    struct load l = {.d = &s->db, .v = v, .budget_left = body_budget};
    int rc = each(&l, "SELECT " OUT_COLUMNS " FROM outbox WHERE state<4 ORDER BY seq", 0,
                  OUT_BODY_SELECT, "SELECT file,acked FROM outfile WHERE seq=?", visit_out);
    if (rc == OK)
        rc = prepare(&s->db, "SELECT state,tries,offers,since_ms FROM offered WHERE seq=?",
                     &l.offered);
    if (rc == OK)
        rc = each(&l, "SELECT " IN_COLUMNS " FROM inbox ORDER BY seq", 0,
                  "SELECT body FROM inbox WHERE seq=?", "SELECT file FROM infile WHERE seq=?",
                  visit_in);
    (void)sqlite3_finalize(l.offered); /* the errors were taken from the steps */
    if (rc == OK)
        rc = each(
            &l, "SELECT " SEEN_COLUMNS ",seq FROM seen WHERE expire_ms>=? ORDER BY expire_ms, seq",
            run_ms, NULL, NULL, visit_seen);
    if (rc == OK && v->contact)
        rc =
            each(&l, "SELECT " CONTACT_COLUMNS " FROM contacts ORDER BY used_ms DESC, node LIMIT ?",
                 STORE_CONTACTS_MAX, NULL, NULL, visit_contact);
    if (rc == OK && v->rule)
        rc = each(&l, "SELECT " RULE_COLUMNS " FROM rules ORDER BY topic", 0, NULL, NULL,
                  visit_rule);
    if (rc == OK && v->rule_default)
        rc = each(&l, "SELECT v FROM meta WHERE k='topic_accept'", 0, NULL, NULL, visit_default);
    if (rc < 0)
        return rc;
    *ret_out_seq = s->tops.out_seq;
    *ret_in_seq = s->tops.in_seq;
    return OK;
}
