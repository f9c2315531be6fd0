#include "storage/row.h"

#include <limits.h>
#include <string.h>

#include "base/err.h"

/* Column `reply` of seen. */
enum { SEEN_REPLY = 1, SEEN_OURS = 2 };

int64_t row_id_int(const uint8_t id[static 8])
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++)
        v = v << 8 | id[i];
    return (int64_t)v;
}

/* --- binding ------------------------------------------------------------------------------ */

void row_put_int(struct row_wr *w, int64_t v)
{
    if (w->rc == SQLITE_OK)
        w->rc = sqlite3_bind_int64(w->st, ++w->at, v);
}

void row_put_u64(struct row_wr *w, uint64_t v)
{
    if (w->rc == SQLITE_OK && v > INT64_MAX)
        w->rc = SQLITE_TOOBIG;
    row_put_int(w, (int64_t)v);
}

void row_put_id(struct row_wr *w, const uint8_t id[static 8])
{
    row_put_int(w, row_id_int(id));
}

void row_put_bytes(struct row_wr *w, const void *bytes, size_t len)
{
    if (w->rc == SQLITE_OK)
        w->rc = sqlite3_bind_blob64(w->st, ++w->at, bytes, len, SQLITE_STATIC);
}

void row_put_blob(struct row_wr *w, const struct blob *b)
{
    if (b)
        row_put_bytes(w, b->data, b->len);
    else if (w->rc == SQLITE_OK)
        w->rc = sqlite3_bind_null(w->st, ++w->at);
}

void row_put_out(struct row_wr *w, const struct store_out *o)
{
    row_put_u64(w, o->seq);
    row_put_id(w, o->id);
    row_put_bytes(w, o->src.b, sizeof(o->src.b));
    row_put_bytes(w, o->dst.b, sizeof(o->dst.b));
    row_put_int(w, o->reply);
    row_put_int(w, o->state);
    row_put_int(w, o->policy);
    row_put_int(w, o->created_ms);
    row_put_int(w, o->deadline_ms);
    if (o->state < STORE_OUT_FINAL)
        row_put_blob(w, NULL); /* NULL keeps live rows out of the sweeper's index */
    else
        row_put_int(w, o->final_ms);
    row_put_u64(w, o->len);
    row_put_bytes(w, o->sum, sizeof(o->sum));
    row_put_bytes(w, o->topic, o->topic_len);
    row_put_int(w, o->prio);
    if (o->idem_len > 0)
        row_put_bytes(w, o->idem, o->idem_len);
    else
        row_put_blob(w, NULL); /* NULL keeps it out of the index of keys */
    row_put_int(w, o->reason);
    row_put_int(w, o->ordered);
    row_put_int(w, o->many);
}

void row_put_in(struct row_wr *w, const struct store_in *in)
{
    row_put_u64(w, in->seq);
    row_put_int(w, in->state);
    row_put_bytes(w, in->src.b, sizeof(in->src.b));
    row_put_bytes(w, in->dst.b, sizeof(in->dst.b));
    row_put_bytes(w, in->src_key, sizeof(in->src_key));
    row_put_id(w, in->id);
    row_put_int(w, in->reply);
    row_put_int(w, in->recv_ms);
    row_put_int(w, in->expire_ms);
    row_put_u64(w, in->len);
    row_put_bytes(w, in->sum, sizeof(in->sum));
    row_put_bytes(w, in->topic, in->topic_len);
    row_put_u64(w, in->chunks_seen);
    row_put_blob(w, in->got);
}

void row_put_seen(struct row_wr *w, const struct store_seen *s)
{
    row_put_int(w, s->expire_ms);
    row_put_int(w, (int64_t)s->node);
    row_put_id(w, s->id);
    row_put_int(w, (s->reply ? SEEN_REPLY : 0) | (s->ours ? SEEN_OURS : 0));
    row_put_bytes(w, s->sum, sizeof(s->sum));
    row_put_u64(w, s->len);
    row_put_u64(w, s->count);
}

void row_put_rule(struct row_wr *w, const struct store_rule *rule)
{
    row_put_bytes(w, rule->topic, rule->topic_len);
    row_put_blob(w, rule->sources);
    if (rule->socket_len > 0)
        row_put_bytes(w, rule->socket, rule->socket_len);
    else
        row_put_blob(w, NULL);
    row_put_int(w, rule->half_close);
    row_put_int(w, rule->reply_ms);
}

void row_put_contact(struct row_wr *w, const struct store_contact *c)
{
    row_put_int(w, (int64_t)c->node);
    row_put_int(w, (int64_t)c->via);
    row_put_int(w, c->used_ms);
}

/* --- reading ------------------------------------------------------------------------------ */

int64_t row_int(struct row_rd *r)
{
    return sqlite3_column_int64(r->st, r->at++);
}

uint64_t row_u64(struct row_rd *r)
{
    int64_t v = row_int(r);
    r->bad = r->bad || v < 0;
    return (uint64_t)v;
}

static int row_small(struct row_rd *r)
{
    int64_t v = row_int(r);
    r->bad = r->bad || v < 0 || v > INT_MAX;
    return r->bad ? 0 : (int)v;
}

void row_id(struct row_rd *r, uint8_t ret[static 8])
{
    uint64_t v = (uint64_t)row_int(r);
    for (int i = 0; i < 8; i++)
        ret[i] = (uint8_t)(v >> (8 * (7 - i)));
}

void row_fixed(struct row_rd *r, void *ret, size_t len)
{
    const void *p = sqlite3_column_blob(r->st, r->at);
    int n = sqlite3_column_bytes(r->st, r->at++);
    r->bad = r->bad || !p || n < 0 || (size_t)n != len;
    if (!r->bad)
        memcpy(ret, p, len);
}

/* Up to max bytes; NULL is read as none. */
static uint8_t row_short(struct row_rd *r, uint8_t *ret, uint8_t max)
{
    const void *p = sqlite3_column_blob(r->st, r->at); /* NULL when empty */
    int n = sqlite3_column_bytes(r->st, r->at++);
    r->bad = r->bad || n < 0 || n > max;
    if (r->bad || n == 0)
        return 0;
    memcpy(ret, p, (size_t)n);
    return (uint8_t)n;
}

int row_blob(struct row_rd *r, struct blob **ret)
{
    struct blob *b = NULL;
    if (sqlite3_column_type(r->st, r->at) != SQLITE_NULL) {
        const void *p = sqlite3_column_blob(r->st, r->at); /* NULL: empty, or out of memory */
        int n = sqlite3_column_bytes(r->st, r->at);
        if (!p && n > 0)
            return ERR_NOMEM;
        b = blob_copy(p, (size_t)n);
        if (!b)
            return ERR_NOMEM;
    }
    r->at++;
    *ret = b;
    return OK;
}

void row_out(struct row_rd *r, struct store_out *ret)
{
    ret->seq = row_u64(r);
    row_id(r, ret->id);
    row_fixed(r, ret->src.b, sizeof(ret->src.b));
    row_fixed(r, ret->dst.b, sizeof(ret->dst.b));
    ret->reply = row_int(r) != 0;
    ret->state = row_small(r);
    ret->policy = row_small(r);
    ret->created_ms = row_int(r);
    ret->deadline_ms = row_int(r);
    ret->final_ms = row_int(r); /* NULL reads as 0 */
    ret->len = row_u64(r);
    row_fixed(r, ret->sum, sizeof(ret->sum));
    ret->topic_len = row_short(r, ret->topic, STORE_TOPIC_MAX);
    int prio = row_small(r);
    r->bad = r->bad || prio > UINT8_MAX;
    ret->prio = (uint8_t)prio;
    ret->idem_len = row_short(r, ret->idem, STORE_IDEM_MAX);
    ret->reason = row_small(r);
    ret->ordered = row_int(r) != 0;
    ret->many = (uint32_t)row_small(r);
}

int row_in(struct row_rd *r, struct store_in *ret)
{
    ret->seq = row_u64(r);
    ret->state = row_small(r);
    row_fixed(r, ret->src.b, sizeof(ret->src.b));
    row_fixed(r, ret->dst.b, sizeof(ret->dst.b));
    row_fixed(r, ret->src_key, sizeof(ret->src_key));
    row_id(r, ret->id);
    ret->reply = row_int(r) != 0;
    ret->recv_ms = row_int(r);
    ret->expire_ms = row_int(r);
    ret->len = row_u64(r);
    row_fixed(r, ret->sum, sizeof(ret->sum));
    ret->topic_len = row_short(r, ret->topic, STORE_TOPIC_MAX);
    ret->chunks_seen = row_u64(r);
    return row_blob(r, &ret->got);
}

void row_seen(struct row_rd *r, struct store_seen *ret)
{
    ret->expire_ms = row_int(r);
    ret->node = (uint64_t)row_int(r);
    row_id(r, ret->id);
    int64_t flags = row_int(r);
    ret->reply = flags & SEEN_REPLY;
    ret->ours = flags & SEEN_OURS;
    row_fixed(r, ret->sum, sizeof(ret->sum));
    ret->len = row_u64(r);
    ret->count = row_u64(r);
    ret->seq = row_u64(r);
}

int row_rule(struct row_rd *r, struct store_rule *ret)
{
    ret->topic_len = row_short(r, ret->topic, STORE_TOPIC_MAX);
    int rc = row_blob(r, &ret->sources);
    ret->socket_len = row_short(r, ret->socket, STORE_SOCKET_MAX);
    ret->half_close = row_int(r) != 0;
    ret->reply_ms = (uint32_t)row_small(r);
    return rc;
}

void row_contact(struct row_rd *r, struct store_contact *ret)
{
    ret->node = (uint64_t)row_int(r);
    ret->via = (uint64_t)row_int(r);
    ret->used_ms = row_int(r);
}

bool row_offered(struct row_rd *r, struct store_in *ret)
{
    int state = row_small(r);
    int tries = row_small(r);
    int offers = row_small(r);
    int64_t since_ms = row_int(r);
    if (r->bad || state < STORE_IN_COMPLETE)
        return false;
    ret->state = state;
    ret->tries = (uint32_t)tries;
    ret->offers = (uint32_t)offers;
    ret->since_ms = since_ms;
    return true;
}
