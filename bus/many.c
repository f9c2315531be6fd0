#include "bus/many.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/blake3.h"
#include "base/err.h"
#include "bus/bus_core.h"
#include "bus/idem.h"
#include "bus/outbox.h"

/* The id of the one at this place in a group. */
static struct msg_id id_at(const struct msg_id *first, size_t at)
{
    uint8_t from[MSG_ID_BYTES + 4], sum[MSG_SUM_BYTES];
    struct msg_id id = *first;
    if (at == 0)
        return id;
    memcpy(from, first->b, MSG_ID_BYTES);
    for (int i = 0; i < 4; i++)
        from[MSG_ID_BYTES + i] = (uint8_t)(at >> (8 * i));
    blake3(from, sizeof(from), sum);
    memcpy(id.b, sum, sizeof(id.b));
    return id;
}

static void group_free(struct bus *b, struct many *g)
{
    op_drop(&b->ops, &g->op);
    list_del(&g->link);
    if (g->call)
        g->call->group = NULL;
    free(g->copies);
    free(g);
}

static void drop_messages(struct bus *b, struct many *g, usec_t now)
{
    for (size_t i = 0; i < g->n; i++) {
        outbox_drop_body(b, g->m[i]);
        outbox_free(b, g->m[i], now);
    }
}

void many_fini(struct bus *b)
{
    struct many *g;
    while ((g = list_first(&b->out.groups, struct many, link)))
        group_free(b, g);
}

static struct many *group_new(size_t n)
{
    struct many *g = calloc(1, sizeof(*g) + n * sizeof(struct out_msg *));
    if (g)
        g->copies = calloc(n - 1, sizeof(*g->copies));
    if (g && g->copies)
        return g;
    free(g);
    return NULL;
}

int many_send(struct bus *b, const struct bus_send *s, const struct ip6 *dsts, size_t n,
              struct call *call, struct instant now, size_t *ret_at)
{
    struct bus_send one = *s;
    int rc = OK;
    *ret_at = n;
    assert(n >= 2); /* checked by the caller */
    struct many *g = group_new(n);
    if (!g)
        return ERR_NOMEM;
    g->op.owner = OP_MANY;
    g->idem = s->idem;
    one.idem.len = 0; /* the row of the first has it; the store compares */
    for (size_t i = 0; i < n && rc == OK; i++) {
        one.dst = dsts[i];
        rc = outbox_make(b, &one, i > 0 ? g->m[0] : NULL, now, &g->m[i]);
        if (rc == OK)
            g->n++;
        else if (rc != ERR_NOMEM)
            *ret_at = i;
    }
    if (rc < 0) {
        drop_messages(b, g, now.mono);
        group_free(b, g);
        return rc;
    }
    uint64_t *seq = s->in_memory ? &b->mem.seq : &b->out_seq;
    g->m[0]->many = (uint32_t)n;
    for (size_t i = 0; i < n; i++) {
        struct out_msg *m = g->m[i];
        outbox_id_del(b, m);
        m->id = id_at(&g->m[0]->id, i);
        outbox_id_add(b, m);
        m->seq = ++*seq;
        if (i > 0)
            g->copies[i - 1] = (struct bus_out_copy){
                .seq = m->seq, .id = m->id, .dst = m->dst, .here = m->local && !m->in_memory};
    }
    g->call = call;
    call->group = g;
    call->id = g->m[0]->id;
    list_push_back(&b->out.groups, &g->link);
    op_want(&b->ops, &g->op);
    return OK;
}

bool many_fill(struct bus *b, struct many *g, struct bus_store_op *op)
{
    op->kind = BUS_STORE_OUT_PUT;
    op->has_out = true;
    outbox_row(g->m[0], &op->out);
    op->out.idem = g->idem;
    op->out.body = g->m[0]->body;
    op->copies = g->copies;
    op->n_copies = g->n - 1;
    for (size_t i = 0; i < g->n; i++)
        if (g->m[i]->local && !g->m[i]->in_memory)
            outbox_local_fill(b, g->m[i], op);
    if (g->m[0]->local && !g->m[0]->in_memory) {
        op->out.state = OUT_RECEIVED;
        op->out.final_ms = g->m[0]->created_ms;
    }
    return true;
}

/* What came of the push that had the key before; false: it was another one. */
static bool told_again(struct bus *b, const struct many *g, const struct bus_store_result *res,
                       struct bus_status_info *ret)
{
    if (!idem_same(g->m[0], &res->out))
        return false;
    for (size_t i = 0; i < g->n; i++) { /* as if its entry was gone */
        ret[i] = (struct bus_status_info){.seq = res->out.seq + i,
                                          .id = id_at(&res->out.id, i),
                                          .dst = g->m[i]->dst,
                                          .state = OUT_UNKNOWN,
                                          .created_ms = res->out.created_ms,
                                          .deadline_ms = res->out.deadline_ms};
    }
    for (size_t i = 0; i < res->n_rows; i++) {
        const struct bus_out_row *row = &res->rows[i];
        uint64_t at = row->seq - res->out.seq;
        if (at >= g->n)
            continue;
        if (!ip6_eq(&row->dst, &g->m[at]->dst))
            return false;
        outbox_entry(b, row, &ret[at]);
    }
    return true;
}

void many_stored(struct bus *b, struct many *g, const struct bus_store_result *res,
                 struct instant now)
{
    int rc = res->rc;
    bool known = rc == ERR_EXIST && g->idem.len > 0 && res->out.seq != 0;
    struct bus_status_info *st = g->call ? calloc(g->n, sizeof(*st)) : NULL;
    if (g->call && !st && (rc == OK || known)) /* it stays accepted, but we cannot say so */
        rc = rc == OK ? ERR_NOMEM : rc;
    else if (known && st)
        rc = told_again(b, g, res, st) ? OK : ERR_EXIST;
    else if (rc == ERR_EXIST && !known)
        rc = ERR_CORRUPT; /* a number was used before: the store is not what it was */
    if (res->rc == OK) {
        for (size_t i = 0; i < g->n; i++) {
            outbox_accept(g->m[i]);
            if (st)
                outbox_status(g->m[i], &st[i]);
        }
    }
    if (g->call) {
        g->call->entries = st;
        g->call->n_entries = rc == OK ? g->n : 0;
        if (rc == OK)
            g->call->status = st[0];
        call_accepted(b, g->call, rc, known, now);
    }
    if (res->rc == OK) {
        for (size_t i = 0; i < g->n; i++)
            outbox_begin(b, g->m[i], now);
    } else {
        drop_messages(b, g, now.mono);
    }
    group_free(b, g);
}
