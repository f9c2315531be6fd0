#include "tests/unit/bus/fake_store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "bus/ranges.h"
#include "tests/unit/bus/fake_spool.h"

void fake_store_init(struct fake_store *s)
{
    memset(s, 0, sizeof(*s));
    list_init(&s->waiting);
    list_init(&s->results);
    rng_init_seeded(&s->rng, 1);
    assert(hmap_init(&s->out, &s->rng) == OK && hmap_init(&s->in, &s->rng) == OK &&
           hmap_init(&s->seen, &s->rng) == OK && topics_new(&s->rng, &s->rules) == OK);
}

static uint64_t id_hash(const struct hmap *m, const struct msg_id *id)
{
    return hmap_hash(m, id->b, MSG_ID_BYTES);
}

static bool id_eq(const struct msg_id *a, const struct msg_id *b)
{
    return memcmp(a->b, b->b, MSG_ID_BYTES) == 0;
}

struct fake_out *fake_out_find(const struct fake_store *s, const struct msg_id *id, uint64_t node)
{
    struct fake_out *best = NULL;
    uint64_t hash = id_hash(&s->out, id);
    for (struct hnode *h = hmap_first(&s->out, hash); h; h = hmap_next(h, hash)) {
        struct fake_out *o = container_of(h, struct fake_out, by_id);
        if (id_eq(&o->row.id, id) && (node == 0 || ip6_node(&o->row.dst) == node))
            if (!best || o->row.seq > best->row.seq)
                best = o;
    }
    return best;
}

struct fake_in *fake_in_find(const struct fake_store *s, const struct msg_id *id, uint64_t node,
                             bool ready)
{
    uint64_t hash = id_hash(&s->in, id);
    for (struct hnode *h = hmap_first(&s->in, hash); h; h = hmap_next(h, hash)) {
        struct fake_in *i = container_of(h, struct fake_in, by_id);
        if (id_eq(&i->row.id, id) && ip6_node(&i->row.src) == node &&
            (i->row.state >= IN_READY) == ready)
            return i;
    }
    return NULL;
}

bool fake_seen_has(const struct fake_store *s, const struct msg_id *id, uint64_t node)
{
    uint64_t hash = id_hash(&s->seen, id);
    for (struct hnode *h = hmap_first(&s->seen, hash); h; h = hmap_next(h, hash)) {
        struct fake_seen *e = container_of(h, struct fake_seen, by_id);
        if (id_eq(&e->row.id, id) && e->row.node == node)
            return true;
    }
    return false;
}

static struct fake_out *out_by_seq(const struct fake_store *s, const struct msg_id *id,
                                   uint64_t seq)
{
    uint64_t hash = id_hash(&s->out, id);
    for (struct hnode *h = hmap_first(&s->out, hash); h; h = hmap_next(h, hash)) {
        struct fake_out *o = container_of(h, struct fake_out, by_id);
        if (o->row.seq == seq)
            return o;
    }
    return NULL;
}

static struct fake_in *in_by_seq(const struct fake_store *s, const struct msg_id *id, uint64_t seq)
{
    uint64_t hash = id_hash(&s->in, id);
    for (struct hnode *h = hmap_first(&s->in, hash); h; h = hmap_next(h, hash)) {
        struct fake_in *i = container_of(h, struct fake_in, by_id);
        if (i->row.seq == seq)
            return i;
    }
    return NULL;
}

static bool in_is_there(const struct fake_store *s, uint64_t seq)
{
    struct hnode *h = NULL;
    size_t slot = 0;
    while ((h = hmap_each(&s->in, &slot, h)))
        if (container_of(h, struct fake_in, by_id)->row.seq == seq)
            return true;
    return false;
}

static void in_free(struct fake_store *s, struct fake_in *i)
{
    hmap_del(&s->in, &i->by_id);
    blob_unref(i->body);
    free(i->got);
    free(i);
}

static void op_free(struct fake_op *o)
{
    list_del(&o->link);
    blob_unref(o->out_body);
    blob_unref(o->in_body);
    blob_unref(o->res.body);
    free(o->got);
    free(o->acked);
    free(o->keys);
    free(o->copies);
    topic_rule_free(o->rule);
    free(o->rows);
    free(o);
}

static void list_clear(struct list *l)
{
    struct fake_op *o;
    while ((o = list_first(l, struct fake_op, link)))
        op_free(o);
}

void fake_store_add(struct fake_store *s, const struct bus_store_op *op, usec_t commit_at)
{
    struct fake_op *o = calloc(1, sizeof(*o));
    o->op = *op;
    o->out_body = blob_ref(op->out.body);
    o->in_body = blob_ref(op->in.body);
    if (op->in.got_len > 0) {
        o->got = malloc(op->in.got_len);
        memcpy(o->got, op->in.got, op->in.got_len);
    }
    if (op->out.acked_len > 0) {
        o->acked = malloc(op->out.acked_len);
        memcpy(o->acked, op->out.acked, op->out.acked_len);
    }
    if (op->n_keys > 0) {
        o->keys = calloc(op->n_keys, sizeof(*o->keys));
        memcpy(o->keys, op->keys, op->n_keys * sizeof(*o->keys));
    }
    if (op->n_copies > 0) {
        o->copies = calloc(op->n_copies, sizeof(*o->copies));
        memcpy(o->copies, op->copies, op->n_copies * sizeof(*o->copies));
    }
    if (op->kind == BUS_STORE_RULE_PUT)
        assert(topic_rule_copy(op->rule.rule, &o->rule) == OK);
    if (op->kind == BUS_STORE_RULE_DROP)
        o->rule_topic = *op->rule.topic;
    struct fake_op *last =
        list_empty(&s->waiting) ? NULL : list_entry(s->waiting.prev, struct fake_op, link);
    o->commit_at = last ? MAX(last->commit_at, commit_at) : commit_at; /* in order */
    o->res.tag = op->tag;
    list_push_back(&s->waiting, &o->link);
    s->ops++;
}

usec_t fake_store_deadline(const struct fake_store *s)
{
    if (!list_empty(&s->results))
        return 0;
    return list_empty(&s->waiting) ? USEC_NEVER
                                   : list_entry(s->waiting.next, struct fake_op, link)->commit_at;
}

/* A row never names a file, or bytes of it, that are not on disk. */
static void check_file(const struct fake_store *s, uint64_t number, uint64_t len, bool whole,
                       const uint8_t *got, size_t got_len)
{
    assert((number != 0) == (len > MSG_LEN_MAX));
    if (number == 0)
        return;
    const struct fake_file *f = fake_file_find(s->spool, number);
    assert(f || !whole); /* of a part that was given up meanwhile: its row goes too */
    if (!f)
        return;
    assert(!whole || fake_file_durable(f, 0, len));
    struct ranges r = {.v = NULL};
    assert(ranges_decode(&r, got, whole ? 0 : got_len, (uint32_t)len) == OK);
    assert(whole || r.n == got_len / RANGES_ENTRY);
    for (uint32_t i = 0; i < r.n; i++)
        assert(fake_file_durable(f, r.v[i].offset, r.v[i].end));
    ranges_fini(&r);
}

static void in_put(struct fake_store *s, struct fake_op *o)
{
    check_file(s, o->op.in.file, o->op.in.len, o->op.in.state >= IN_READY, o->got,
               o->op.in.got_len);
    struct fake_in *i = in_by_seq(s, &o->op.in.id, o->op.in.seq);
    if (i) {
        assert(o->op.in.state < IN_READY && i->row.state < IN_READY);
        blob_unref(i->body);
        free(i->got);
    } else {
        i = calloc(1, sizeof(*i));
        hmap_add(&s->in, &i->by_id, id_hash(&s->in, &o->op.in.id));
    }
    i->row = o->op.in;
    i->body = blob_ref(o->in_body);
    i->got = o->got;
    o->got = NULL;
    i->row.body = i->body;
    i->row.got = i->got;
    s->in_seq = MAX(s->in_seq, i->row.seq);
}

static struct fake_out *out_by_key(const struct fake_store *s, const struct idem_key *key)
{
    if (key->len == 0)
        return NULL;
    for (size_t i = 0; i <= s->out.mask; i++)
        for (struct hnode *h = s->out.slots[i]; h; h = h->next) {
            struct fake_out *o = container_of(h, struct fake_out, by_id);
            if (o->row.idem.len == key->len && memcmp(o->row.idem.b, key->b, key->len) == 0)
                return o;
        }
    return NULL;
}

static void out_put_row(struct fake_store *s, struct fake_op *o, const struct bus_out_row *row)
{
    assert(row->seq > s->out_seq);
    s->out_seq = row->seq;
    check_file(s, row->file, row->len, true, NULL, 0);
    struct fake_out *r = calloc(1, sizeof(*r));
    r->row = *row;
    r->body = blob_ref(o->out_body);
    r->row.body = NULL;
    hmap_add(&s->out, &r->by_id, id_hash(&s->out, &r->row.id));
}

static void out_put(struct fake_store *s, struct fake_op *o)
{
    struct bus_out_row row = o->op.out;
    s->puts++;
    out_put_row(s, o, &row);
    row.idem.len = 0;
    row.many = 0;
    for (size_t i = 0; i < o->op.n_copies; i++) {
        row.seq = o->copies[i].seq;
        row.id = o->copies[i].id;
        row.dst = o->copies[i].dst;
        row.state = o->copies[i].here ? OUT_RECEIVED : OUT_QUEUED;
        row.final_ms = row.created_ms;
        out_put_row(s, o, &row);
    }
}

static struct fake_out *out_numbered(const struct fake_store *s, uint64_t seq)
{
    for (size_t i = 0; i <= s->out.mask; i++)
        for (struct hnode *h = s->out.slots[i]; h; h = h->next)
            if (container_of(h, struct fake_out, by_id)->row.seq == seq)
                return container_of(h, struct fake_out, by_id);
    return NULL;
}

static void out_list(struct fake_store *s, struct fake_op *o)
{
    const struct bus_out_filter *f = &o->op.filter;
    o->rows = calloc(f->limit, sizeof(*o->rows));
    uint64_t top = f->before ? MIN(f->before - 1, s->out_seq) : s->out_seq;
    for (uint64_t seq = top; seq > 0; seq--) {
        const struct fake_out *out = out_numbered(s, seq);
        if (!out || (f->states && !(f->states >> out->row.state & 1)) ||
            (f->by_dst && !ip6_same_node(&f->dst, &out->row.dst)) ||
            (f->by_id && !id_eq(&f->id, &out->row.id)))
            continue;
        o->rows[o->res.n_rows++] = out->row;
        if (o->res.n_rows == f->limit) {
            o->res.next_before = seq;
            break;
        }
    }
    o->res.rows = o->rows;
}

/* Those that are there of the push that has the key. */
static void out_group(struct fake_store *s, struct fake_op *o, const struct bus_out_row *first)
{
    o->rows = calloc(first->many + 1, sizeof(*o->rows));
    for (uint64_t seq = first->seq; seq < first->seq + first->many; seq++) {
        const struct fake_out *out = out_numbered(s, seq);
        if (out)
            o->rows[o->res.n_rows++] = out->row;
    }
    o->res.rows = o->rows;
}

static void seen_put(struct fake_store *s, const struct bus_seen_row *row)
{
    uint64_t hash = id_hash(&s->seen, &row->id);
    for (struct hnode *h = hmap_first(&s->seen, hash); h; h = hmap_next(h, hash)) {
        struct fake_seen *e = container_of(h, struct fake_seen, by_id);
        if (id_eq(&e->row.id, &row->id) && e->row.node == row->node && e->row.reply == row->reply &&
            memcmp(e->row.sum, row->sum, MSG_SUM_BYTES) == 0) {
            e->row = *row;
            return;
        }
    }
    struct fake_seen *e = calloc(1, sizeof(*e));
    e->row = *row;
    hmap_add(&s->seen, &e->by_id, hash);
}

/* By its name alone, as a store does that has no other index. */
static void seen_drop(struct fake_store *s, const struct bus_seen_key *key)
{
    size_t slot = 0;
    struct hnode *h = NULL;
    while ((h = hmap_each(&s->seen, &slot, h))) {
        struct fake_seen *e = container_of(h, struct fake_seen, by_id);
        if (e->row.seq != key->seq || e->row.expire_ms != key->expire_ms)
            continue;
        hmap_del(&s->seen, &e->by_id);
        free(e);
        return;
    }
}

static void apply(struct fake_store *s, struct fake_op *o)
{
    const struct bus_store_op *op = &o->op;
    struct fake_out *out;
    struct fake_in *in;
    assert(op->out.seq < BUS_SEQ_MEMORY);
    switch (op->kind) {
    case BUS_STORE_OUT_PUT:
        out = out_by_key(s, &op->out.idem);
        if (out) {
            o->res.rc = ERR_EXIST;
            o->res.out = out->row;
            out_group(s, o, &out->row);
            break;
        }
        out_put(s, o);
        if (op->has_in)
            in_put(s, o);
        break;
    case BUS_STORE_OUT_STATE:
        out = out_by_seq(s, &op->out.id, op->out.seq);
        assert(out && !out_state_final(out->row.state));
        out->row.state = op->out.state;
        out->row.final_ms = op->out.final_ms;
        out->row.reason = op->out.reason;
        if (out_state_final(op->out.state)) {
            blob_unref(out->body);
            out->body = NULL;
            out->row.file = 0;
        }
        break;
    case BUS_STORE_OUT_READ:
        out = fake_out_find(s, &op->out.id, ip6_node(&op->out.dst));
        if (out && out->row.state == OUT_RECEIVED)
            out->row.state = OUT_READ;
        break;
    case BUS_STORE_OUT_BODY:
        out = out_by_seq(s, &op->out.id, op->out.seq);
        assert(out);
        o->res.body = blob_ref(out->body);
        o->res.rc = out->body ? OK : ERR_NOENT;
        break;
    case BUS_STORE_OUT_FIND:
        out = fake_out_find(s, &op->out.id, 0);
        o->res.rc = out ? OK : ERR_NOENT;
        if (out)
            o->res.out = out->row;
        break;
    case BUS_STORE_OUT_GET:
        out = out_numbered(s, op->out.seq);
        o->res.rc = out ? OK : ERR_NOENT;
        if (out)
            o->res.out = out->row;
        break;
    case BUS_STORE_OUT_LIST:
        out_list(s, o);
        break;
    case BUS_STORE_IN_PART:
        in_put(s, o);
        s->part_writes++;
        break;
    case BUS_STORE_IN_READY:
        if (op->after_seq && !in_is_there(s, op->after_seq)) {
            o->res.rc = ERR_NOENT;
            break;
        }
        if (op->part_seq && (in = in_by_seq(s, &op->in.id, op->part_seq)))
            in_free(s, in);
        in_put(s, o);
        if (op->has_seen)
            seen_put(s, &op->seen);
        s->run_ms = MAX(s->run_ms, op->run_ms);
        s->readies++;
        break;
    case BUS_STORE_IN_TAKE:
    case BUS_STORE_IN_BODY:
        in = in_by_seq(s, &op->in.id, op->in.seq);
        o->res.rc = in ? OK : ERR_NOENT;
        if (in && (op->want_body || op->kind == BUS_STORE_IN_BODY))
            o->res.body = blob_ref(in->body);
        if (in && op->kind == BUS_STORE_IN_TAKE) {
            assert(in->row.state >= IN_READY);
            in_free(s, in);
        }
        break;
    case BUS_STORE_IN_DROP:
        in = in_by_seq(s, &op->in.id, op->in.seq);
        if (in) {
            assert(in->row.state < IN_READY);
            in_free(s, in);
        }
        break;
    case BUS_STORE_SEEN_DROP:
        for (size_t i = 0; i < op->n_keys; i++)
            seen_drop(s, &o->keys[i]);
        break;
    case BUS_STORE_IN_STATE:
        in = in_by_seq(s, &op->in.id, op->in.seq);
        assert(op->in.state >= IN_READY && (!in || in->row.state >= IN_READY));
        o->res.rc = in ? OK : ERR_NOENT;
        if (in) {
            in->row.state = op->in.state;
            in->row.tries = op->in.tries;
            in->row.offers = op->in.offers;
            in->row.since_ms = op->in.since_ms;
            s->states++;
        }
        break;
    case BUS_STORE_RULE_PUT:
        topics_put(s->rules, o->rule);
        o->rule = NULL;
        break;
    case BUS_STORE_RULE_DROP:
        topics_remove(s->rules, &o->rule_topic);
        break;
    case BUS_STORE_RULE_DEFAULT:
        topics_set_accept(s->rules, op->rule.accept);
        break;
    case BUS_STORE_SWEEP:
        s->sweeps++;
        o->res.more = s->sweeps_full > 0;
        s->sweeps_full -= s->sweeps_full > 0;
        break;
    case BUS_STORE_OUT_ACKED:
        out = out_by_seq(s, &op->out.id, op->out.seq);
        assert(out && out->row.file != 0);
        free(out->acked);
        out->acked = o->acked;
        o->acked = NULL;
        out->row.acked = out->acked;
        out->row.acked_len = op->out.acked_len;
        s->acked_writes++;
        break;
    case BUS_STORE_FILE_CREATE:
    case BUS_STORE_FILE_WRITE:
    case BUS_STORE_FILE_SYNC:
    case BUS_STORE_FILE_READ:
    case BUS_STORE_FILE_SUM:
    case BUS_STORE_FILE_DROP:
        assert(false); /* the spool's */
        break;
    }
}

void fake_store_commit(struct fake_store *s, usec_t now)
{
    struct fake_op *o;
    s->commits += fake_store_deadline(s) <= now;
    while ((o = list_first(&s->waiting, struct fake_op, link)) && o->commit_at <= now) {
        list_del(&o->link);
        if (s->fail_next > 0) {
            s->fail_next--;
            o->res.rc = ERR_IO;
        } else {
            apply(s, o);
        }
        list_push_back(&s->results, &o->link);
    }
}

void fake_store_crash(struct fake_store *s, size_t committed)
{
    struct fake_op *o;
    while (committed-- > 0 && (o = list_first(&s->waiting, struct fake_op, link))) {
        apply(s, o);
        op_free(o);
    }
    list_clear(&s->waiting);
    list_clear(&s->results);
}

void fake_store_fini(struct fake_store *s)
{
    fake_store_crash(s, 0);
    for (size_t i = 0; i <= s->out.mask; i++)
        for (struct hnode *h = s->out.slots[i], *n; h; h = n) {
            n = h->next;
            blob_unref(container_of(h, struct fake_out, by_id)->body);
            free(container_of(h, struct fake_out, by_id)->acked);
            free(container_of(h, struct fake_out, by_id));
        }
    for (size_t i = 0; i <= s->in.mask; i++)
        while (s->in.slots[i])
            in_free(s, container_of(s->in.slots[i], struct fake_in, by_id));
    for (size_t i = 0; i <= s->seen.mask; i++)
        for (struct hnode *h = s->seen.slots[i], *n; h; h = n) {
            n = h->next;
            free(container_of(h, struct fake_seen, by_id));
        }
    topics_free(s->rules);
    hmap_fini(&s->out);
    hmap_fini(&s->in);
    hmap_fini(&s->seen);
}

bool fake_store_result(struct fake_store *s, struct bus_store_result *ret)
{
    struct fake_op *o = list_first(&s->results, struct fake_op, link);
    if (o && o->done) {
        op_free(o);
        o = list_first(&s->results, struct fake_op, link);
    }
    if (!o)
        return false;
    o->done = true;
    *ret = o->res;
    return true;
}

static int by_out_seq(const void *a, const void *b)
{
    const struct fake_out *const *x = (const struct fake_out *const *)a;
    const struct fake_out *const *y = (const struct fake_out *const *)b;
    return (*x)->row.seq < (*y)->row.seq ? -1 : 1;
}

static int by_in_seq(const void *a, const void *b)
{
    const struct fake_in *const *x = (const struct fake_in *const *)a;
    const struct fake_in *const *y = (const struct fake_in *const *)b;
    return (*x)->row.seq < (*y)->row.seq ? -1 : 1;
}

/* As at a start: the number, if its file is there. */
static uint64_t claim(const struct fake_store *s, uint64_t number)
{
    return number != 0 && fake_file_find(s->spool, number) ? number : 0;
}

static void load_rule(void *ctx, const struct topic_rule *r)
{
    assert(bus_load_rule(ctx, r) == OK);
}

void fake_store_load(struct fake_store *s, struct bus *b, struct instant now)
{
    struct fake_out **out = calloc(s->out.count + 1, sizeof(struct fake_out *));
    struct fake_in **in = calloc(s->in.count + 1, sizeof(struct fake_in *));
    size_t n = 0;
    if (s->run_ms > 0)
        bus_load_run_ms(b, s->run_ms, now);
    for (size_t i = 0; i <= s->out.mask; i++)
        for (struct hnode *h = s->out.slots[i]; h; h = h->next)
            if (!out_state_final(container_of(h, struct fake_out, by_id)->row.state))
                out[n++] = container_of(h, struct fake_out, by_id);
    qsort(out, n, sizeof(struct fake_out *), by_out_seq);
    for (size_t i = 0; i < n; i++) {
        struct bus_out_row row = out[i]->row;
        row.file = claim(s, row.file);
        assert(bus_load_out(b, &row, now) == OK);
    }
    n = 0;
    for (size_t i = 0; i <= s->in.mask; i++)
        for (struct hnode *h = s->in.slots[i]; h; h = h->next)
            in[n++] = container_of(h, struct fake_in, by_id);
    qsort(in, n, sizeof(struct fake_in *), by_in_seq);
    for (size_t i = 0; i < n; i++) {
        struct bus_in_row row = in[i]->row;
        if (row.state >= IN_READY)
            row.body = NULL;
        row.file = claim(s, row.file);
        assert(bus_load_in(b, &row, now) == OK);
    }
    for (size_t i = 0; i <= s->seen.mask; i++)
        for (struct hnode *h = s->seen.slots[i]; h; h = h->next)
            assert(bus_load_seen(b, &container_of(h, struct fake_seen, by_id)->row, now) == OK);
    topics_each(s->rules, load_rule, b);
    if (topics_accept_set(s->rules))
        bus_load_rule_default(b, topics_accept(s->rules));
    bus_load_end(b, s->out_seq, s->in_seq, now);
    free(out);
    free(in);
}

size_t fake_ready_count(const struct fake_store *s)
{
    size_t n = 0;
    for (size_t i = 0; i <= s->in.mask; i++)
        for (struct hnode *h = s->in.slots[i]; h; h = h->next)
            n += container_of(h, struct fake_in, by_id)->row.state >= IN_READY;
    return n;
}

/* Is there a row that names it? */
bool fake_file_named(const struct fake_store *s, uint64_t number)
{
    for (size_t i = 0; i <= s->out.mask; i++)
        for (struct hnode *h = s->out.slots[i]; h; h = h->next)
            if (container_of(h, struct fake_out, by_id)->row.file == number)
                return true;
    for (size_t i = 0; i <= s->in.mask; i++)
        for (struct hnode *h = s->in.slots[i]; h; h = h->next)
            if (container_of(h, struct fake_in, by_id)->row.file == number)
                return true;
    return false;
}

void fake_store_orphans(struct fake_store *s)
{
    list_foreach_safe (l, &s->spool->files) {
        struct bus_store_op op = {.kind = BUS_STORE_FILE_DROP};
        op.file.number = list_entry(l, struct fake_file, link)->number;
        if (fake_file_named(s, op.file.number))
            continue;
        fake_spool_add(s->spool, &op, 0);
    }
    fake_spool_run(s->spool, USEC_NEVER);
    fake_spool_crash(s->spool, false); /* nobody waits for the results */
}
