/* store_glue.c - the bus asks for durability in its own words; the store answers in its own.
 *
 * Both sides declare the records they need, so that neither knows the other; here they are copied
 * field by field. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "node/glue.h"
#include "node/rule_rows.h"

#define LOG_TARGET "store"

/* In column `policy`: struct bus_out_row, forced. */
#define POLICY_FORCED 16

static_assert(MSG_TOPIC_MAX == STORE_TOPIC_MAX, "topics of the bus and of the store");
static_assert(IDEM_KEY_MAX == STORE_IDEM_MAX, "keys of the bus and of the store");
static_assert(BUS_TOKEN_KEY == STORE_SECRET, "the secret of the store is the key of the tokens");

static int out_to_store(const struct bus_out_row *r, struct store_out *s)
{
    s->seq = r->seq;
    memcpy(s->id, r->id.b, sizeof(s->id));
    s->src = r->src;
    s->dst = r->dst;
    s->reply = r->reply;
    s->state = (int)r->state;
    s->policy = (int)r->policy | (r->forced ? POLICY_FORCED : 0);
    s->prio = r->prio;
    s->ordered = r->ordered;
    s->many = r->many;
    s->reason = (int)r->reason;
    s->idem_len = r->idem.len;
    memcpy(s->idem, r->idem.b, r->idem.len);
    s->created_ms = r->created_ms;
    s->deadline_ms = r->deadline_ms;
    s->final_ms = r->final_ms;
    s->len = r->len;
    memcpy(s->sum, r->sum, sizeof(s->sum));
    s->topic_len = r->topic.len;
    memcpy(s->topic, r->topic.b, r->topic.len);
    s->body = blob_ref(r->body);
    s->file = r->file;
    if (r->acked_len == 0)
        return OK;
    s->acked = blob_copy(r->acked, r->acked_len);
    return s->acked ? OK : ERR_NOMEM;
}

static void out_from_store(const struct store_out *s, struct bus_out_row *r)
{
    memset(r, 0, sizeof(*r));
    r->seq = s->seq;
    memcpy(r->id.b, s->id, sizeof(r->id.b));
    r->src = s->src;
    r->dst = s->dst;
    r->reply = s->reply;
    r->state = (enum out_state)s->state;
    r->policy = (enum out_policy)(s->policy & ~POLICY_FORCED);
    r->forced = s->policy & POLICY_FORCED;
    r->prio = s->prio;
    r->ordered = s->ordered;
    r->many = s->many;
    r->reason = (enum out_reason)s->reason;
    r->idem.len = s->idem_len;
    memcpy(r->idem.b, s->idem, s->idem_len);
    r->file = s->file;
    r->acked = s->acked ? s->acked->data : NULL;
    r->acked_len = s->acked ? s->acked->len : 0;
    r->created_ms = s->created_ms;
    r->deadline_ms = s->deadline_ms;
    r->final_ms = s->final_ms;
    r->len = s->len;
    memcpy(r->sum, s->sum, sizeof(r->sum));
    r->topic.len = s->topic_len;
    memcpy(r->topic.b, s->topic, s->topic_len);
    r->body = s->body;
}

static int in_to_store(const struct bus_in_row *r, struct store_in *s)
{
    s->seq = r->seq;
    s->state = (int)r->state;
    s->src = r->src;
    s->dst = r->dst;
    memcpy(s->src_key, r->src_key, sizeof(s->src_key));
    memcpy(s->id, r->id.b, sizeof(s->id));
    s->reply = r->reply;
    s->recv_ms = r->recv_ms;
    s->expire_ms = r->expire_ms;
    s->len = r->len;
    memcpy(s->sum, r->sum, sizeof(s->sum));
    s->topic_len = r->topic.len;
    memcpy(s->topic, r->topic.b, r->topic.len);
    s->chunks_seen = r->chunks_seen;
    s->tries = r->tries;
    s->offers = r->offers;
    s->since_ms = r->since_ms;
    s->body = blob_ref(r->body);
    s->file = r->file;
    if (r->got_len > 0) {
        s->got = blob_copy(r->got, r->got_len);
        if (!s->got)
            return ERR_NOMEM;
    }
    return OK;
}

static void in_from_store(const struct store_in *s, struct bus_in_row *r)
{
    memset(r, 0, sizeof(*r));
    r->seq = s->seq;
    r->state = (enum in_state)s->state;
    r->src = s->src;
    r->dst = s->dst;
    memcpy(r->src_key, s->src_key, sizeof(r->src_key));
    memcpy(r->id.b, s->id, sizeof(r->id.b));
    r->reply = s->reply;
    r->recv_ms = s->recv_ms;
    r->expire_ms = s->expire_ms;
    r->len = s->len;
    memcpy(r->sum, s->sum, sizeof(r->sum));
    r->topic.len = s->topic_len;
    memcpy(r->topic.b, s->topic, s->topic_len);
    r->chunks_seen = s->chunks_seen;
    r->tries = s->tries;
    r->offers = s->offers;
    r->since_ms = s->since_ms;
    r->body = s->body;
    r->file = s->file;
    r->got = s->got ? s->got->data : NULL;
    r->got_len = s->got ? s->got->len : 0;
}

static void seen_to_store(const struct bus_seen_row *r, struct store_seen *s)
{
    s->seq = r->seq;
    s->node = r->node;
    memcpy(s->id, r->id.b, sizeof(s->id));
    s->reply = r->reply;
    s->ours = r->ours;
    memcpy(s->sum, r->sum, sizeof(s->sum));
    s->len = r->len;
    s->count = r->count;
    s->expire_ms = r->expire_ms;
}

static void list_to_store(const struct bus_out_filter *f, struct store_list *l)
{
    l->states = f->states;
    l->by_dst = f->by_dst;
    l->dst = f->dst;
    l->by_id = f->by_id;
    memcpy(l->id, f->id.b, sizeof(l->id));
    l->before = f->before;
    l->limit = f->limit;
}

/* The rows of a list in the bus's words; NULL: no memory, or none. For free(). */
static struct bus_out_row *list_from_store(const struct store_list *l)
{
    struct bus_out_row *rows = l->count > 0 ? calloc(l->count, sizeof(*rows)) : NULL;
    for (size_t i = 0; rows && i < l->count; i++)
        out_from_store(&l->rows[i], &rows[i]);
    return rows;
}

static int load_out(void *ctx, const struct store_out *row)
{
    struct node *n = ctx;
    struct bus_out_row r;
    out_from_store(row, &r);
    if (r.file != 0 && !spool_claim(n->spool, r.file, r.len))
        r.file = 0;
    return bus_load_out(n->bus, &r, instant_now());
}

static int load_in(void *ctx, const struct store_in *row)
{
    struct node *n = ctx;
    struct bus_in_row r;
    in_from_store(row, &r);
    uint64_t len = r.state >= IN_READY ? r.len : 0;
    if (r.file != 0 && !spool_claim(n->spool, r.file, len))
        r.file = 0;
    return bus_load_in(n->bus, &r, instant_now());
}

static int load_seen(void *ctx, const struct store_seen *row)
{
    struct node *n = ctx;
    struct bus_seen_row r = {
        .seq = row->seq,
        .node = row->node,
        .reply = row->reply,
        .ours = row->ours,
        .len = row->len,
        .count = row->count,
        .expire_ms = row->expire_ms,
    };
    memcpy(r.id.b, row->id, sizeof(r.id.b));
    memcpy(r.sum, row->sum, sizeof(r.sum));
    return bus_load_seen(n->bus, &r, instant_now());
}

static int load_contact(void *ctx, const struct store_contact *row)
{
    struct node *n = ctx;
    contacts_load(n->contacts, row, instant_now().wall_ms);
    return OK;
}

static int load_rule(void *ctx, const struct store_rule *row)
{
    struct node *n = ctx;
    struct topic_rule *r;
    int rc = rule_row_read(row, &r);
    if (rc < 0)
        return rc;
    rc = bus_load_rule(n->bus, r);
    topic_rule_free(r);
    if (rc == ERR_LIMIT)
        log_error("the topic rules of the file and of the store are too many together", "limit=%d",
                  TOPICS_MAX);
    return rc;
}

static void load_rule_default(void *ctx, bool accept)
{
    struct node *n = ctx;
    bus_load_rule_default(n->bus, accept);
}

int store_glue_load(struct node *n)
{
    struct store_visitor v = {.out = load_out,
                              .in = load_in,
                              .seen = load_seen,
                              .contact = load_contact,
                              .rule = load_rule,
                              .rule_default = load_rule_default,
                              .ctx = n};
    uint64_t out_seq = 0, in_seq = 0;
    struct instant now = instant_now();
    int64_t run_ms = store_run_ms(n->store);
    if (run_ms == 0) /* a new store, or one whose rows expire by the wall clock */
        run_ms = now.wall_ms;
    bus_load_run_ms(n->bus, run_ms, now);
    int rc = store_load(n->store, &v, LOAD_BODY_BYTES, run_ms, &out_seq, &in_seq);
    if (rc != OK)
        return rc;
    uint8_t secret[STORE_SECRET];
    store_secret(n->store, secret);
    bus_load_key(n->bus, secret);
    bus_load_end(n->bus, out_seq, in_seq, now);
    return OK;
}

static int keys_to_store(const struct bus_store_op *op, struct store_op *s)
{
    if (op->n_keys == 0)
        return OK;
    s->keys = blob_new(op->n_keys * sizeof(struct store_seen_key));
    if (!s->keys)
        return ERR_NOMEM;
    for (size_t i = 0; i < op->n_keys; i++) {
        struct store_seen_key k = {op->keys[i].expire_ms, op->keys[i].seq};
        memcpy(s->keys->data + i * sizeof(k), &k, sizeof(k));
    }
    return OK;
}

static int copies_to_store(const struct bus_store_op *op, struct store_op *s)
{
    struct store_out_copy c;
    if (op->n_copies == 0)
        return OK;
    s->copies = blob_new(op->n_copies * sizeof(c));
    if (!s->copies)
        return ERR_NOMEM;
    for (size_t i = 0; i < op->n_copies; i++) {
        memset(&c, 0, sizeof(c));
        c.seq = op->copies[i].seq;
        memcpy(c.id, op->copies[i].id.b, sizeof(c.id));
        c.dst = op->copies[i].dst;
        c.final = op->copies[i].here;
        memcpy(s->copies->data + i * sizeof(c), &c, sizeof(c));
    }
    return OK;
}

static int rule_to_store(const struct bus_store_op *op, struct store_op *s)
{
    s->accept = op->rule.accept;
    if (op->kind != BUS_STORE_RULE_PUT && op->kind != BUS_STORE_RULE_DROP)
        return OK;
    s->rule = calloc(1, sizeof(*s->rule));
    if (!s->rule)
        return ERR_NOMEM;
    if (op->kind == BUS_STORE_RULE_PUT)
        return rule_row_write(op->rule.rule, s->rule);
    s->rule->topic_len = op->rule.topic->len;
    memcpy(s->rule->topic, op->rule.topic->b, op->rule.topic->len);
    return OK;
}

/* The two lists of kinds name the same operations. */
static enum store_kind kind_of(enum bus_store_kind k)
{
    switch (k) {
    case BUS_STORE_OUT_PUT:
        return STORE_OUT_PUT;
    case BUS_STORE_OUT_STATE:
        return STORE_OUT_STATE;
    case BUS_STORE_OUT_READ:
        return STORE_OUT_READ;
    case BUS_STORE_OUT_BODY:
        return STORE_OUT_BODY;
    case BUS_STORE_OUT_FIND:
        return STORE_OUT_FIND;
    case BUS_STORE_OUT_GET:
        return STORE_OUT_GET;
    case BUS_STORE_OUT_LIST:
        return STORE_OUT_LIST;
    case BUS_STORE_IN_PART:
        return STORE_IN_PART;
    case BUS_STORE_IN_READY:
        return STORE_IN_READY;
    case BUS_STORE_IN_TAKE:
        return STORE_IN_TAKE;
    case BUS_STORE_IN_BODY:
        return STORE_IN_BODY;
    case BUS_STORE_IN_DROP:
        return STORE_IN_DROP;
    case BUS_STORE_SEEN_DROP:
        return STORE_SEEN_DROP;
    case BUS_STORE_IN_STATE:
        return STORE_IN_STATE;
    case BUS_STORE_RULE_PUT:
        return STORE_RULE_PUT;
    case BUS_STORE_RULE_DROP:
        return STORE_RULE_DROP;
    case BUS_STORE_RULE_DEFAULT:
        return STORE_RULE_DEFAULT;
    case BUS_STORE_SWEEP:
        return STORE_SWEEP;
    case BUS_STORE_OUT_ACKED:
        return STORE_OUT_ACKED;
    case BUS_STORE_FILE_CREATE:
    case BUS_STORE_FILE_WRITE:
    case BUS_STORE_FILE_SYNC:
    case BUS_STORE_FILE_READ:
    case BUS_STORE_FILE_SUM:
    case BUS_STORE_FILE_DROP:
        break; /* the spool's */
    }
    return STORE_SWEEP; /* not reached: every kind is above */
}

/* False: not one of the spool. */
static bool spool_kind_of(enum bus_store_kind k, enum spool_kind *ret)
{
    static const struct {
        enum bus_store_kind bus;
        enum spool_kind spool;
    } same[] = {{BUS_STORE_FILE_CREATE, SPOOL_CREATE}, {BUS_STORE_FILE_WRITE, SPOOL_WRITE},
                {BUS_STORE_FILE_SYNC, SPOOL_SYNC},     {BUS_STORE_FILE_READ, SPOOL_READ},
                {BUS_STORE_FILE_SUM, SPOOL_SUM},       {BUS_STORE_FILE_DROP, SPOOL_DROP}};
    for (size_t i = 0; i < ARRAY_LEN(same); i++) {
        if (same[i].bus == k) {
            *ret = same[i].spool;
            return true;
        }
    }
    return false;
}

static void failed_at_once(struct node *n, uint64_t tag, int rc)
{
    struct bus_store_result res = {.tag = tag, .rc = rc};
    bus_stored(n->bus, &res, instant_now());
}

static void spool_glue_submit(struct node *n, const struct bus_store_op *op, enum spool_kind kind)
{
    struct spool_op *s = spool_op_new(kind, op->file.number);
    if (!s) {
        failed_at_once(n, op->tag, ERR_NOMEM);
        return;
    }
    s->user = SPOOL_FOR_BUS;
    s->tag = op->tag;
    s->offset = op->file.offset;
    s->len = op->file.len;
    s->solid = op->file.solid;
    s->data = blob_ref(op->file.data);
    spool_submit(n->spool, s);
}

void spool_glue_results(struct node *n)
{
    struct mail *m = mailbox_take_all(&n->spooled);
    struct instant now = instant_now();
    for (struct mail *next; m; m = next) {
        struct spool_op *s = container_of(m, struct spool_op, mail);
        next = m->next;
        struct bus_store_result res = {
            .tag = s->tag, .rc = s->rc, .body = s->data, .hashed = s->hashed, .sum = s->sum};
        if (s->user == SPOOL_FOR_API)
            api_spooled(n->api, s);
        else
            bus_stored(n->bus, &res, now);
        spool_op_free(s);
    }
}

void store_glue_submit(struct node *n, const struct bus_store_op *op)
{
    enum spool_kind kind;
    if (spool_kind_of(op->kind, &kind)) {
        spool_glue_submit(n, op, kind);
        return;
    }
    struct store_op *s = store_op_new(kind_of(op->kind));
    int rc = s ? OK : ERR_NOMEM;
    if (rc == OK) {
        s->tag = op->tag;
        s->part_seq = op->part_seq;
        s->after_seq = op->after_seq;
        s->want_body = op->want_body;
        s->before_ms = op->before_ms;
        s->run_ms = op->run_ms;
        s->has_in = op->has_in;
        s->has_seen = op->has_seen;
        rc = out_to_store(&op->out, &s->out);
        if (rc == OK)
            rc = in_to_store(&op->in, &s->in);
        if (rc == OK)
            rc = keys_to_store(op, s);
        if (rc == OK)
            rc = copies_to_store(op, s);
        if (rc == OK)
            rc = rule_to_store(op, s);
        seen_to_store(&op->seen, &s->seen);
        list_to_store(&op->filter, &s->list);
    }
    if (rc != OK) {
        store_op_free(s);
        failed_at_once(n, op->tag, rc);
        return;
    }
    store_submit(n->store, s);
}

void store_glue_results(struct node *n)
{
    struct mail *m = mailbox_take_all(&n->results);
    struct instant now = instant_now();
    while (m) {
        struct store_op *s = container_of(m, struct store_op, mail);
        struct bus_store_result res = {
            .tag = s->tag, .rc = s->rc, .body = s->body, .more = s->swept >= STORE_SWEEP_ROWS};
        m = m->next;
        if (s->kind == STORE_CONTACTS_PUT) {
            if (s->rc != OK)
                contacts_failed(n->contacts);
            store_op_free(s);
            continue;
        }
        if ((s->kind == STORE_OUT_FIND || s->kind == STORE_OUT_GET) && s->rc == OK)
            out_from_store(&s->out, &res.out);
        if (s->found && s->rc == ERR_EXIST)
            out_from_store(s->found, &res.out);
        struct bus_out_row *rows = NULL;
        bool group = s->kind == STORE_OUT_PUT && s->rc == ERR_EXIST && s->list.count > 0;
        if (group || (s->kind == STORE_OUT_LIST && s->rc == OK)) {
            res.rows = rows = list_from_store(&s->list);
            res.n_rows = s->list.count;
            res.next_before = s->list.next_before;
            if (res.n_rows > 0 && !rows)
                res.rc = ERR_NOMEM;
        }
        bus_stored(n->bus, &res, now);
        free(rows);
        store_op_free(s);
    }
}

/* False: nothing is left to be written, or there is no memory for it now. */
static bool write_contacts(struct node *n)
{
    struct store_op *s = store_op_new(STORE_CONTACTS_PUT);
    if (s)
        s->contacts = calloc(STORE_CONTACTS_ROWS, sizeof(*s->contacts));
    if (s && s->contacts)
        s->contacts_count = contacts_changed(n->contacts, s->contacts, STORE_CONTACTS_ROWS);
    if (!s || s->contacts_count == 0) {
        store_op_free(s);
        return false;
    }
    store_submit(n->store, s);
    return true;
}

void store_glue_contacts(struct node *n, struct instant now)
{
    contacts_refresh(n->contacts, now.wall_ms);
    router_each_contact(n->router, CONTACTS_MAX, contacts_seen, n->contacts);
    while (write_contacts(n))
        ;
}
