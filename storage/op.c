/* op.c - what each operation does to the database.
 *
 * An operation of several statements runs the one first that can fail for a reason of its own (a
 * seq that is there already), so that nothing needs undoing in the usual case; where a later one
 * fails that way all the same, OP_PARTIAL lets the writer run the group again under savepoints. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "storage/internal.h"
#include "storage/row.h"

struct run {
    struct db *d;
    struct store_op *op;
    int e;        /* SQLite's result so far */
    bool changed; /* a statement of this operation has succeeded */
};

static struct row_wr run_bind(const struct run *r, enum stmt n)
{
    return row_wr_of(r->d->st[n]);
}

/* Runs a bound statement that returns no row, unless something failed before. */
static void run_step(struct run *r, const struct row_wr *w)
{
    if (r->e == SQLITE_OK)
        r->e = w->rc;
    if (r->e != SQLITE_OK)
        return;
    int e = sqlite3_step(w->st);
    (void)sqlite3_reset(w->st); /* repeats e */
    if (e != SQLITE_DONE)
        r->e = e;
    else
        r->changed = true;
}

static int64_t run_changes(const struct run *r)
{
    return r->e == SQLITE_OK ? sqlite3_changes64(r->d->h) : 0;
}

/* A statement with nothing but a seq. */
static void run_seq(struct run *r, enum stmt n, uint64_t seq)
{
    struct row_wr w = run_bind(r, n);
    row_put_u64(&w, seq);
    run_step(r, &w);
}

static void run_two(struct run *r, enum stmt n, uint64_t seq, uint64_t file)
{
    struct row_wr w = run_bind(r, n);
    row_put_u64(&w, seq);
    row_put_u64(&w, file);
    run_step(r, &w);
}

static void run_in(struct run *r, enum stmt n)
{
    const struct store_in *in = &r->op->in;
    struct row_wr w = run_bind(r, n);
    row_put_in(&w, in);
    row_put_blob(&w, in->body);
    run_step(r, &w);
    if (in->file != 0)
        run_two(r, STMT_IN_PUT_FILE, in->seq, in->file);
}

/* The row and what else there is of it. */
static void run_in_drop(struct run *r, uint64_t seq)
{
    run_seq(r, STMT_IN_DROP_FILE, seq);
    run_seq(r, STMT_IN_DROP, seq);
}

/* Is a row with the idempotency key of the operation there? It goes to op->found. */
static int out_known(struct run *r)
{
    struct store_op *op = r->op;
    struct row_wr w = run_bind(r, STMT_OUT_KEY);
    row_put_bytes(&w, op->out.idem, op->out.idem_len);
    r->e = w.rc;
    if (r->e != SQLITE_OK)
        return OK;
    int rc = OK;
    int e = sqlite3_step(w.st);
    if (e == SQLITE_ROW) {
        struct row_rd rd = row_rd_of(w.st);
        op->found = calloc(1, sizeof(*op->found));
        if (op->found)
            row_out(&rd, op->found);
        rc = !op->found ? ERR_NOMEM : rd.bad ? ERR_CORRUPT : ERR_EXIST;
    } else if (e != SQLITE_DONE) {
        r->e = e;
    }
    (void)sqlite3_reset(w.st); /* repeats e */
    return rc;
}

/* The rows of the push to many that has the key of the operation, newest first. */
static int out_group(struct run *r)
{
    const struct store_out *first = r->op->found;
    struct store_list *l = &r->op->list;
    struct row_wr w = run_bind(r, STMT_OUT_PAGE);
    row_put_u64(&w, first->seq + first->many);
    row_put_int(&w, first->many);
    r->e = w.rc;
    if (r->e != SQLITE_OK)
        return OK;
    l->rows = calloc(first->many, sizeof(*l->rows));
    int rc = l->rows ? ERR_EXIST : ERR_NOMEM;
    int e = SQLITE_DONE;
    while (rc == ERR_EXIST && l->count < first->many && (e = sqlite3_step(w.st)) == SQLITE_ROW) {
        struct row_rd rd = row_rd_of(w.st);
        row_out(&rd, &l->rows[l->count]);
        if (rd.bad)
            rc = ERR_CORRUPT;
        else if (l->rows[l->count].seq < first->seq)
            break;
        l->count++;
    }
    if (e != SQLITE_DONE && e != SQLITE_ROW)
        r->e = e;
    (void)sqlite3_reset(w.st); /* repeats e */
    return rc;
}

/* Further rows like the first one. All that live share its payload. */
static void out_put_copies(struct run *r, const struct blob *copies)
{
    const struct store_out *first = &r->op->out;
    struct store_out o = *first;
    if (first->state < STORE_OUT_FINAL)
        run_two(r, STMT_OUT_SHARE, first->seq, first->seq);
    o.idem_len = 0;
    o.many = 0;
    for (size_t at = 0; at + sizeof(struct store_out_copy) <= copies->len;) {
        struct store_out_copy c;
        memcpy(&c, copies->data + at, sizeof(c));
        at += sizeof(c);
        o.seq = c.seq;
        o.dst = c.dst;
        o.state = c.final ? STORE_OUT_FINAL : 0;
        o.final_ms = o.created_ms;
        memcpy(o.id, c.id, sizeof(o.id));
        struct row_wr w = run_bind(r, STMT_OUT_PUT);
        row_put_out(&w, &o);
        run_step(r, &w);
        if (!c.final)
            run_two(r, STMT_OUT_SHARE, c.seq, first->seq);
    }
}

static int out_put(struct run *r)
{
    const struct store_out *o = &r->op->out;
    int rc = o->idem_len > 0 ? out_known(r) : OK;
    if (rc == ERR_EXIST && r->op->found->many > 0)
        rc = out_group(r);
    if (rc < 0 || r->e != SQLITE_OK)
        return rc;
    struct row_wr w = run_bind(r, STMT_OUT_PUT);
    row_put_out(&w, o);
    run_step(r, &w);
    if (r->op->copies)
        out_put_copies(r, r->op->copies);
    if (o->body && (o->state < STORE_OUT_FINAL || r->op->copies)) {
        w = run_bind(r, STMT_OUT_PUT_BODY);
        row_put_u64(&w, o->seq);
        row_put_blob(&w, o->body);
        run_step(r, &w);
    }
    if (o->file != 0 && o->state < STORE_OUT_FINAL)
        run_two(r, STMT_OUT_PUT_FILE, o->seq, o->file);
    if (r->op->has_in)
        run_in(r, STMT_IN_PUT);
    return OK;
}

/* The payload, unless others need it still. */
static void out_drop_body(struct run *r, uint64_t seq)
{
    struct row_wr w = run_bind(r, STMT_OUT_DROP_SHARE);
    row_put_u64(&w, seq);
    if (r->e == SQLITE_OK)
        r->e = w.rc;
    if (r->e != SQLITE_OK)
        return;
    int e = sqlite3_step(w.st);
    bool shared = e == SQLITE_ROW;
    uint64_t body = shared ? (uint64_t)sqlite3_column_int64(w.st, 0) : seq;
    while (e == SQLITE_ROW)
        e = sqlite3_step(w.st);
    (void)sqlite3_reset(w.st); /* repeats e */
    if (e != SQLITE_DONE) {
        r->e = e;
        return;
    }
    run_seq(r, shared ? STMT_OUT_DROP_SHARED : STMT_OUT_DROP_BODY, body);
}

static int out_state(struct run *r)
{
    const struct store_out *o = &r->op->out;
    struct row_wr w = run_bind(r, STMT_OUT_STATE);
    row_put_u64(&w, o->seq);
    row_put_int(&w, o->state);
    if (o->state < STORE_OUT_FINAL)
        row_put_blob(&w, NULL);
    else
        row_put_int(&w, o->final_ms);
    row_put_int(&w, o->reason);
    run_step(r, &w);
    if (run_changes(r) == 0)
        return ERR_NOENT;
    if (o->state >= STORE_OUT_FINAL) {
        out_drop_body(r, o->seq);
        run_seq(r, STMT_OUT_DROP_FILE, o->seq);
    }
    return OK;
}

static int out_acked(struct run *r)
{
    struct row_wr w = run_bind(r, STMT_OUT_ACKED);
    row_put_u64(&w, r->op->out.seq);
    row_put_blob(&w, r->op->out.acked);
    run_step(r, &w);
    return run_changes(r) == 0 ? ERR_NOENT : OK;
}

static void out_read(struct run *r)
{
    struct row_wr w = run_bind(r, STMT_OUT_READ);
    row_put_id(&w, r->op->out.id);
    row_put_bytes(&w, r->op->out.dst.b, 8); /* the /64 */
    run_step(r, &w);
}

/* The row of a bound statement, if it finds one, to op->out. */
static int out_read_row(struct run *r, const struct row_wr *w)
{
    r->e = w->rc;
    if (r->e != SQLITE_OK)
        return OK;
    int rc = OK;
    int e = sqlite3_step(w->st);
    if (e == SQLITE_ROW) {
        struct row_rd rd = row_rd_of(w->st);
        struct store_out o = {.body = NULL};
        row_out(&rd, &o);
        o.body = r->op->out.body; /* the caller's, whatever it is */
        if (rd.bad)
            rc = ERR_CORRUPT;
        else
            r->op->out = o;
    } else if (e == SQLITE_DONE) {
        rc = ERR_NOENT;
    } else {
        r->e = e;
    }
    (void)sqlite3_reset(w->st); /* repeats e */
    return rc;
}

static int out_find(struct run *r)
{
    struct row_wr w = run_bind(r, STMT_OUT_FIND);
    row_put_id(&w, r->op->out.id);
    return out_read_row(r, &w);
}

static int out_get(struct run *r)
{
    struct row_wr w = run_bind(r, STMT_OUT_GET);
    row_put_u64(&w, r->op->out.seq);
    return out_read_row(r, &w);
}

static bool list_wants(const struct store_list *l, const struct store_out *o)
{
    bool state = l->states == 0 || (o->state < 32 && l->states >> o->state & 1);
    return state && (!l->by_dst || ip6_same_node(&l->dst, &o->dst));
}

static int out_list(struct run *r)
{
    struct store_list *l = &r->op->list;
    struct row_wr w = run_bind(r, l->by_id ? STMT_OUT_PAGE_ID : STMT_OUT_PAGE);
    row_put_int(&w, l->before == 0 || l->before > INT64_MAX ? INT64_MAX : (int64_t)l->before);
    row_put_int(&w, STORE_LIST_ROWS);
    if (l->by_id)
        row_put_id(&w, l->id);
    r->e = w.rc;
    if (r->e != SQLITE_OK)
        return OK;
    l->rows = calloc(l->limit, sizeof(*l->rows));
    int rc = l->rows ? OK : ERR_NOMEM;
    int e = SQLITE_DONE;
    uint64_t last = 0; /* looked at, and the limit lets us go no further */
    for (uint32_t looked = 0; rc == OK && (e = sqlite3_step(w.st)) == SQLITE_ROW;) {
        struct row_rd rd = row_rd_of(w.st);
        struct store_out *o = &l->rows[l->count];
        memset(o, 0, sizeof(*o));
        row_out(&rd, o);
        rc = rd.bad ? ERR_CORRUPT : OK;
        last = ++looked == STORE_LIST_ROWS ? o->seq : 0;
        l->count += list_wants(l, o);
        if (l->count == l->limit) {
            last = l->rows[l->count - 1].seq;
            break;
        }
    }
    l->next_before = last;
    if (e != SQLITE_DONE && e != SQLITE_ROW)
        r->e = e;
    (void)sqlite3_reset(w.st); /* repeats e */
    return rc;
}

static int read_body(struct run *r, enum stmt n, uint64_t seq)
{
    struct row_wr w = run_bind(r, n);
    row_put_u64(&w, seq);
    r->e = w.rc;
    if (r->e != SQLITE_OK)
        return OK;
    int rc = OK;
    int e = sqlite3_step(w.st);
    if (e == SQLITE_ROW) {
        struct row_rd rd = row_rd_of(w.st);
        rc = row_blob(&rd, &r->op->body);
    } else if (e == SQLITE_DONE) {
        rc = ERR_NOENT;
    } else {
        r->e = e;
    }
    (void)sqlite3_reset(w.st); /* repeats e */
    return rc;
}

static bool in_there(struct run *r, uint64_t seq)
{
    struct row_wr w = run_bind(r, STMT_IN_THERE);
    row_put_u64(&w, seq);
    int e = w.rc == SQLITE_OK ? sqlite3_step(w.st) : w.rc;
    (void)sqlite3_reset(w.st); /* repeats e */
    if (e != SQLITE_ROW && e != SQLITE_DONE)
        r->e = e;
    return e == SQLITE_ROW;
}

static int in_ready(struct run *r)
{
    struct store_op *op = r->op;
    if (op->after_seq != 0 && !in_there(r, op->after_seq))
        return ERR_NOENT;
    run_in(r, STMT_IN_PUT);
    if (op->has_seen) {
        struct row_wr w = run_bind(r, STMT_SEEN_PUT);
        row_put_seen(&w, &op->seen);
        row_put_u64(&w, op->in.seq);
        run_step(r, &w);
    }
    if (op->part_seq != 0)
        run_in_drop(r, op->part_seq);
    return OK;
}

static int in_take(struct run *r)
{
    int rc = OK;
    if (r->op->want_body)
        rc = read_body(r, STMT_IN_BODY, r->op->in.seq);
    if (rc < 0 || r->e != SQLITE_OK)
        return rc;
    run_in_drop(r, r->op->in.seq);
    if (run_changes(r) == 0)
        return ERR_NOENT;
    run_seq(r, STMT_IN_FORGET, r->op->in.seq);
    return OK;
}

static int in_state(struct run *r)
{
    const struct store_in *in = &r->op->in;
    struct row_wr w = run_bind(r, STMT_IN_STATE);
    row_put_u64(&w, in->seq);
    row_put_int(&w, in->state);
    row_put_u64(&w, in->tries);
    row_put_u64(&w, in->offers);
    row_put_int(&w, in->since_ms);
    run_step(r, &w);
    return run_changes(r) == 0 ? ERR_NOENT : OK;
}

static void seen_drop(struct run *r)
{
    const struct blob *keys = r->op->keys;
    for (size_t at = 0; keys && at + sizeof(struct store_seen_key) <= keys->len;) {
        struct store_seen_key k;
        memcpy(&k, keys->data + at, sizeof(k));
        at += sizeof(k);
        struct row_wr w = run_bind(r, STMT_SEEN_DROP);
        row_put_int(&w, k.expire_ms);
        row_put_u64(&w, k.seq);
        run_step(r, &w);
    }
}

static void sweep(struct run *r)
{
    const struct {
        enum stmt n;
        int64_t before_ms;
    } part[] = {{STMT_SWEEP_OUT, r->op->before_ms}, {STMT_SWEEP_SEEN, r->op->run_ms}};
    for (size_t i = 0; i < ARRAY_LEN(part); i++) {
        struct row_wr w = run_bind(r, part[i].n);
        row_put_int(&w, part[i].before_ms);
        row_put_int(&w, STORE_SWEEP_ROWS);
        run_step(r, &w);
        uint32_t gone = (uint32_t)run_changes(r);
        r->op->swept = MAX(r->op->swept, gone);
    }
}

static void contacts_put(struct run *r)
{
    for (size_t i = 0; i < r->op->contacts_count; i++) {
        struct row_wr w = run_bind(r, STMT_CONTACT_PUT);
        row_put_contact(&w, &r->op->contacts[i]);
        run_step(r, &w);
    }
    struct row_wr w = run_bind(r, STMT_CONTACTS_TRIM);
    row_put_int(&w, STORE_CONTACTS_MAX);
    run_step(r, &w);
}

static void rule_put(struct run *r)
{
    struct row_wr w = run_bind(r, STMT_RULE_PUT);
    row_put_rule(&w, r->op->rule);
    run_step(r, &w);
}

static void rule_drop(struct run *r)
{
    struct row_wr w = run_bind(r, STMT_RULE_DROP);
    row_put_bytes(&w, r->op->rule->topic, r->op->rule->topic_len);
    run_step(r, &w);
}

static void rule_default(struct run *r)
{
    struct row_wr w = run_bind(r, STMT_RULE_DEFAULT);
    row_put_int(&w, r->op->accept);
    run_step(r, &w);
}

static int dispatch(struct run *r)
{
    switch (r->op->kind) {
    case STORE_OUT_PUT:
        return out_put(r);
    case STORE_OUT_STATE:
        return out_state(r);
    case STORE_OUT_ACKED:
        return out_acked(r);
    case STORE_OUT_READ:
        out_read(r);
        return OK;
    case STORE_OUT_BODY:
        return read_body(r, STMT_OUT_BODY, r->op->out.seq);
    case STORE_OUT_FIND:
        return out_find(r);
    case STORE_OUT_GET:
        return out_get(r);
    case STORE_OUT_LIST:
        return out_list(r);
    case STORE_IN_PART:
        run_in(r, STMT_IN_PART);
        return OK;
    case STORE_IN_READY:
        return in_ready(r);
    case STORE_IN_TAKE:
        return in_take(r);
    case STORE_IN_BODY:
        return read_body(r, STMT_IN_BODY, r->op->in.seq);
    case STORE_IN_DROP:
        run_in_drop(r, r->op->in.seq);
        return OK;
    case STORE_SEEN_DROP:
        seen_drop(r);
        return OK;
    case STORE_IN_STATE:
        return in_state(r);
    case STORE_SWEEP:
        sweep(r);
        return OK;
    case STORE_RULE_PUT:
        rule_put(r);
        return OK;
    case STORE_RULE_DROP:
        rule_drop(r);
        return OK;
    case STORE_RULE_DEFAULT:
        rule_default(r);
        return OK;
    case STORE_CONTACTS_PUT:
        contacts_put(r);
        return OK;
    }
    assert(false); /* kind is one of the above */
    return ERR_INVAL;
}

static void raise_tops(const struct store_op *op, struct op_tops *tops)
{
    bool puts_out = op->kind == STORE_OUT_PUT;
    bool puts_in =
        op->kind == STORE_IN_PART || op->kind == STORE_IN_READY || (puts_out && op->has_in);
    size_t copies = op->copies ? op->copies->len / sizeof(struct store_out_copy) : 0;
    if (puts_out) /* their numbers follow each other */
        tops->out_seq = MAX(tops->out_seq, op->out.seq + copies);
    if (puts_in)
        tops->in_seq = MAX(tops->in_seq, op->in.seq);
    if (puts_in || op->swept > 0)
        tops->run_ms = MAX(tops->run_ms, op->run_ms);
}

enum op_end op_run(struct db *d, struct store_op *op, struct op_tops *tops)
{
    struct run r = {.d = d, .op = op, .e = SQLITE_OK, .changed = false};
    op->rc = dispatch(&r);
    if (r.e != SQLITE_OK) {
        op->rc = db_err(d, r.e);
        if (!db_err_is_local(d, r.e))
            return OP_FATAL;
        return r.changed ? OP_PARTIAL : OP_DONE;
    }
    if (op->rc == OK)
        raise_tops(op, tops);
    return OP_DONE;
}

void op_forget(struct store_op *op)
{
    blob_unref(op->body);
    op->body = NULL;
    free(op->found);
    op->found = NULL;
    free(op->list.rows);
    op->list.rows = NULL;
    op->list.count = 0;
    op->swept = 0;
}

bool op_adds(const struct store_op *op)
{
    return op->kind == STORE_OUT_PUT || op->kind == STORE_IN_PART || op->kind == STORE_IN_READY ||
           op->kind == STORE_RULE_PUT || op->kind == STORE_CONTACTS_PUT;
}

size_t op_bytes(const struct store_op *op)
{
    size_t n = sizeof(*op) + op->contacts_count * sizeof(*op->contacts);
    const struct blob *const blobs[] = {op->out.body,
                                        op->out.acked,
                                        op->in.body,
                                        op->in.got,
                                        op->keys,
                                        op->copies,
                                        op->rule ? op->rule->sources : NULL};
    for (size_t i = 0; i < ARRAY_LEN(blobs); i++)
        n += blobs[i] ? blobs[i]->len : 0;
    return n;
}
