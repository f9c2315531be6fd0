#include "bus/mem_rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "bus/bus_core.h"

struct mem_row {
    struct hnode by_id, by_idem;
    struct list ended;
    uint64_t seq;
    struct msg_id id;
    struct ip6 dst;
    uint8_t sum[MSG_SUM_BYTES];
    int64_t created_ms, deadline_ms, final_ms;
    uint32_t len;
    bool reply;
    uint8_t state, policy, prio, reason;
    uint32_t many;
    uint8_t topic_len, idem_len;
    uint8_t topic[]; /* idem_len bytes of the key behind it */
};

/* Rows looked at for one page. */
#define LIST_ROWS 5000
/* Numbers of a later process must be others, although nothing tells it of these: the millisecond of
 * the start comes first, then room for a thousand messages per millisecond since. */
#define SEQ_BITS_PER_MS 10

int mem_rows_init(struct bus *b, struct instant now)
{
    struct mem_rows *r = &b->mem;
    list_init(&r->ended);
    r->seq = BUS_SEQ_MEMORY | ((uint64_t)now.wall_ms << SEQ_BITS_PER_MS & (BUS_SEQ_MEMORY - 1));
    int rc = hmap_init(&r->by_id, b->rng);
    return rc == OK ? hmap_init(&r->by_idem, b->rng) : rc;
}

static void row_free(struct mem_rows *r, struct mem_row *m)
{
    hmap_del(&r->by_id, &m->by_id);
    if (m->idem_len > 0)
        hmap_del(&r->by_idem, &m->by_idem);
    seq_index_del(&r->by_seq, m->seq);
    r->n_ended -= list_linked(&m->ended);
    list_del(&m->ended);
    free(m);
}

void mem_rows_fini(struct mem_rows *r)
{
    for (size_t i = 0; i < r->by_seq.len; i++)
        free(r->by_seq.v[i].what);
    seq_index_fini(&r->by_seq);
    hmap_fini(&r->by_id);
    hmap_fini(&r->by_idem);
    free(r->page);
}

/* --- looking up --------------------------------------------------------------------------- */

static uint64_t id_hash(const struct mem_rows *r, const struct msg_id *id)
{
    return hmap_hash(&r->by_id, id->b, MSG_ID_BYTES);
}

static const uint8_t *row_idem(const struct mem_row *m)
{
    return m->topic + m->topic_len;
}

static uint64_t idem_hash(const struct mem_rows *r, const void *key, size_t len)
{
    return hmap_hash(&r->by_idem, key, len);
}

static struct mem_row *find_idem(const struct mem_rows *r, const struct idem_key *key)
{
    if (key->len == 0)
        return NULL;
    uint64_t hash = idem_hash(r, key->b, key->len);
    for (struct hnode *h = hmap_first(&r->by_idem, hash); h; h = hmap_next(h, hash)) {
        struct mem_row *m = container_of(h, struct mem_row, by_idem);
        if (m->idem_len == key->len && memcmp(row_idem(m), key->b, key->len) == 0)
            return m;
    }
    return NULL;
}

/* Of those with this id: the newest; or the oldest RECEIVED one to this node. */
static struct mem_row *find_id(const struct mem_rows *r, const struct msg_id *id,
                               const struct ip6 *received_by)
{
    struct mem_row *found = NULL;
    uint64_t hash = id_hash(r, id);
    for (struct hnode *h = hmap_first(&r->by_id, hash); h; h = hmap_next(h, hash)) {
        struct mem_row *m = container_of(h, struct mem_row, by_id);
        if (memcmp(m->id.b, id->b, MSG_ID_BYTES) != 0)
            continue;
        if (received_by && !(m->state == OUT_RECEIVED && ip6_same_node(&m->dst, received_by)))
            continue;
        if (!found || (m->seq < found->seq) == (received_by != NULL))
            found = m;
    }
    return found;
}

static void row_tell(const struct bus *b, const struct mem_row *m, struct bus_out_row *ret)
{
    *ret = (struct bus_out_row){.seq = m->seq,
                                .id = m->id,
                                .src = b->self,
                                .dst = m->dst,
                                .reply = m->reply,
                                .state = m->state,
                                .policy = m->policy,
                                .prio = m->prio,
                                .reason = m->reason,
                                .created_ms = m->created_ms,
                                .deadline_ms = m->deadline_ms,
                                .final_ms = m->final_ms,
                                .len = m->len,
                                .many = m->many};
    memcpy(ret->sum, m->sum, sizeof(ret->sum));
    ret->topic.len = m->topic_len;
    memcpy(ret->topic.b, m->topic, m->topic_len);
    ret->idem.len = m->idem_len;
    memcpy(ret->idem.b, row_idem(m), m->idem_len);
}

/* --- operations --------------------------------------------------------------------------- */

static int put_row(struct mem_rows *r, const struct bus_out_row *o)
{
    struct mem_row *m = calloc(1, sizeof(*m) + o->topic.len + o->idem.len);
    if (!m || seq_index_add(&r->by_seq, o->seq, m) != OK) {
        free(m);
        return ERR_NOMEM;
    }
    m->seq = o->seq;
    m->id = o->id;
    m->dst = o->dst;
    memcpy(m->sum, o->sum, sizeof(m->sum));
    m->created_ms = o->created_ms;
    m->deadline_ms = o->deadline_ms;
    m->len = (uint32_t)o->len;
    m->reply = o->reply;
    m->state = (uint8_t)o->state;
    m->policy = (uint8_t)o->policy;
    m->prio = o->prio;
    m->many = o->many;
    m->topic_len = o->topic.len;
    m->idem_len = o->idem.len;
    memcpy(m->topic, o->topic.b, o->topic.len);
    memcpy(m->topic + m->topic_len, o->idem.b, o->idem.len);
    hmap_add(&r->by_id, &m->by_id, id_hash(r, &m->id));
    if (m->idem_len > 0)
        hmap_add(&r->by_idem, &m->by_idem, idem_hash(r, o->idem.b, o->idem.len));
    return OK;
}

/* The rows of the push that has the key of this one. */
static int tell_group(struct bus *b, const struct mem_row *first, struct bus_store_result *ret)
{
    struct mem_rows *r = &b->mem;
    free(r->page);
    r->page = calloc(first->many, sizeof(*r->page));
    if (!r->page)
        return ERR_NOMEM;
    for (uint64_t seq = first->seq; seq < first->seq + first->many; seq++) {
        const struct mem_row *m = seq_index_get(&r->by_seq, seq);
        if (m)
            row_tell(b, m, &r->page[ret->n_rows++]);
    }
    ret->rows = r->page;
    return ERR_EXIST;
}

/* All of them or none. */
static int put(struct bus *b, const struct bus_store_op *op, struct bus_store_result *ret)
{
    struct mem_rows *r = &b->mem;
    const struct mem_row *known = find_idem(r, &op->out.idem);
    if (known) {
        row_tell(b, known, &ret->out);
        return known->many > 0 ? tell_group(b, known, ret) : ERR_EXIST;
    }
    struct bus_out_row row = op->out;
    int rc = put_row(r, &row);
    row.many = 0;
    row.idem.len = 0;
    size_t n = 0;
    for (; rc == OK && n < op->n_copies; n++) {
        row.seq = op->copies[n].seq;
        row.id = op->copies[n].id;
        row.dst = op->copies[n].dst;
        rc = put_row(r, &row);
    }
    for (uint64_t seq = op->out.seq; rc < 0 && seq <= op->out.seq + n; seq++)
        if (seq_index_get(&r->by_seq, seq))
            row_free(r, seq_index_get(&r->by_seq, seq));
    return rc;
}

static int set_state(struct bus *b, const struct bus_out_row *o)
{
    struct mem_rows *r = &b->mem;
    struct mem_row *m = seq_index_get(&r->by_seq, o->seq);
    if (!m)
        return ERR_NOENT;
    m->state = (uint8_t)o->state;
    if (!out_state_final(o->state))
        return OK;
    m->final_ms = o->final_ms;
    m->reason = (uint8_t)o->reason;
    list_push_back(&r->ended, &m->ended);
    if (++r->n_ended > b->limits.out_memory_ended)
        row_free(r, list_first(&r->ended, struct mem_row, ended));
    return OK;
}

static int get(const struct bus *b, const struct mem_row *m, struct bus_out_row *ret)
{
    if (!m)
        return ERR_NOENT;
    row_tell(b, m, ret);
    return OK;
}

static bool list_wants(const struct bus_out_filter *f, const struct mem_row *m)
{
    return (f->states == 0 || f->states >> m->state & 1) &&
           (!f->by_dst || ip6_same_node(&f->dst, &m->dst)) &&
           (!f->by_id || memcmp(f->id.b, m->id.b, MSG_ID_BYTES) == 0);
}

/* False: none of these is meant, those of the store follow. */
static bool list_page(struct bus *b, const struct bus_out_filter *f, struct bus_store_result *ret)
{
    struct mem_rows *r = &b->mem;
    if (f->before != 0 && f->before <= BUS_SEQ_MEMORY)
        return false;
    size_t at = f->before == 0 ? r->by_seq.len : seq_index_above(&r->by_seq, f->before - 1);
    free(r->page);
    r->page = NULL;
    size_t end = at - MIN(at, LIST_ROWS);
    while (at > end && ret->n_rows < f->limit) {
        const struct mem_row *m = r->by_seq.v[--at].what;
        if (at == end)
            ret->next_before = r->by_seq.v[at].seq;
        if (!m || !list_wants(f, m))
            continue;
        if (!r->page) {
            r->page = calloc(f->limit, sizeof(*r->page));
            ret->rc = r->page ? OK : ERR_NOMEM;
        }
        if (!r->page)
            return true;
        row_tell(b, m, &r->page[ret->n_rows++]);
        ret->next_before = m->seq;
    }
    ret->rows = r->page;
    if (at == 0)
        ret->next_before = BUS_SEQ_MEMORY; /* the store goes on */
    return ret->n_rows > 0 || at > 0;
}

bool mem_rows_run(struct bus *b, const struct bus_store_op *op, struct bus_store_result *ret)
{
    struct mem_rows *r = &b->mem;
    bool mine = op->out.seq >= BUS_SEQ_MEMORY;
    struct mem_row *m;
    *ret = (struct bus_store_result){.tag = op->tag};
    switch (op->kind) {
    case BUS_STORE_OUT_PUT:
        ret->rc = mine ? put(b, op, ret) : OK;
        return mine;
    case BUS_STORE_OUT_STATE:
        ret->rc = mine ? set_state(b, &op->out) : OK;
        return mine;
    case BUS_STORE_OUT_GET:
        ret->rc = get(b, mine ? seq_index_get(&r->by_seq, op->out.seq) : NULL, &ret->out);
        return mine;
    case BUS_STORE_OUT_FIND:
        ret->rc = get(b, find_id(r, &op->out.id, NULL), &ret->out);
        return ret->rc == OK;
    case BUS_STORE_OUT_READ:
        m = find_id(r, &op->out.id, &op->out.dst);
        if (m)
            m->state = OUT_READ;
        return m != NULL;
    case BUS_STORE_OUT_LIST:
        return list_page(b, &op->filter, ret);
    case BUS_STORE_OUT_BODY: /* a living message has it */
    case BUS_STORE_IN_PART:
    case BUS_STORE_IN_READY:
    case BUS_STORE_IN_TAKE:
    case BUS_STORE_IN_BODY:
    case BUS_STORE_IN_DROP:
    case BUS_STORE_SEEN_DROP:
    case BUS_STORE_IN_STATE:
    case BUS_STORE_RULE_PUT:
    case BUS_STORE_RULE_DROP:
    case BUS_STORE_RULE_DEFAULT:
    case BUS_STORE_SWEEP:
    case BUS_STORE_OUT_ACKED:
    case BUS_STORE_FILE_CREATE:
    case BUS_STORE_FILE_WRITE:
    case BUS_STORE_FILE_SYNC:
    case BUS_STORE_FILE_READ:
    case BUS_STORE_FILE_SUM:
    case BUS_STORE_FILE_DROP:
        break;
    }
    return false;
}

void mem_rows_sweep(struct bus *b, int64_t before_ms)
{
    struct mem_row *m;
    while ((m = list_first(&b->mem.ended, struct mem_row, ended)) && m->created_ms < before_ms)
        row_free(&b->mem, m);
}
