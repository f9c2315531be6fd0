#include "bus/out_calls.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/rng.h"
#include "bus/bus_core.h"
#include "bus/client.h"
#include "bus/send_transfer.h"
#include "bus/timer.h"

static void finish(struct bus *b, struct call *c, int rc)
{
    c->rc = rc;
    c->last_due = true;
    call_due(&b->calls, c);
}

/* What an entry in this state says to the call. */
static int verdict(enum out_call ask, enum out_state state)
{
    if (ask == OUT_CALL_ENTRY || ask == OUT_CALL_WAIT ||
        (ask == OUT_CALL_CANCEL && state == OUT_CANCELLED))
        return OK;
    return ERR_STATE;
}

/* --- one entry ---------------------------------------------------------------------------- */

/* The entry is as far as it was asked for, or the time is over; else the call waits on. */
static bool watch_done(struct bus *b, struct call *c)
{
    if (c->ask != OUT_CALL_WAIT || c->watch_over || bus_out_index(c->status.state) > c->index)
        return true;
    c->seq = c->status.seq;
    c->id = c->status.id;
    call_watch_add(&b->calls, c);
    return false;
}

/* The call concerns m, which is in memory. A cancel is answered when the end is durable, whoever
 * decided it. */
static void ask_live(struct bus *b, struct call *c, struct out_msg *m, struct instant now)
{
    bool ending = m->final != OUT_QUEUED;
    if (c->ask == OUT_CALL_CANCEL) {
        if (!ending)
            outbox_finish(b, m, OUT_CANCELLED, now);
        list_push_back(&m->twins, &c->twin);
        return;
    }
    if (c->ask == OUT_CALL_RETRY && !ending)
        outbox_retry(b, m, now);
    outbox_status(m, &c->status);
    if (watch_done(b, c))
        finish(b, c, c->ask == OUT_CALL_RETRY && ending ? ERR_STATE : OK);
}

static void look(struct bus *b, struct call *c, struct instant now)
{
    struct out_msg *m = c->seq == 0 ? outbox_accepted(b, 0, &c->id) : NULL;
    if (m)
        ask_live(b, c, m, now);
    else
        op_want(&b->ops, &c->op); /* by seq too: the row tells the id, and that finds it */
}

static int ask(struct bus *b, enum out_call kind, const struct bus_out_ref *ref, bus_client client,
               struct instant now)
{
    struct call *c;
    int rc = call_begin(b, client, CALL_OUT, &c);
    if (rc < 0)
        return rc;
    c->ask = kind;
    c->id = ref->id;
    c->seq = ref->seq;
    look(b, c, now);
    return OK;
}

static void watch_begin(struct bus *b, struct call *c, struct instant now)
{
    int64_t ms = MIN(c->watch_ms, b->limits.ttl_max_ms);
    ms += (int64_t)rng_below(b->rng, (uint64_t)ms / 16 + 1); /* not all at one time */
    c->kind = CALL_OUT;
    c->ask = OUT_CALL_WAIT;
    timer_set(&b->calls.expires, &c->expire, now.mono + ms * USEC_MS);
    look(b, c, now);
}

int bus_out_wait(struct bus *b, const struct bus_out_ref *ref, uint32_t index, int64_t wait_ms,
                 bus_client client, struct instant now)
{
    struct call *c;
    if (wait_ms <= 0)
        return ERR_INVAL;
    if (b->calls.waiting >= b->limits.waiters)
        return ERR_LIMIT;
    int rc = call_begin(b, client, CALL_OUT, &c);
    if (rc < 0)
        return rc;
    c->id = ref->id;
    c->seq = ref->seq;
    c->index = index;
    c->watch_ms = wait_ms;
    b->calls.waiting++;
    watch_begin(b, c, now);
    return OK;
}

void out_call_watch(struct bus *b, struct call *c, struct instant now)
{
    c->seq = c->status.seq;
    watch_begin(b, c, now);
}

void out_call_expire(struct bus *b, struct call *c)
{
    c->watch_over = true;
    call_watch_del(&b->calls, c);
    op_want(&b->ops, &c->op); /* what it is now */
}

void out_calls_changed(struct bus *b, const struct msg_id *id)
{
    struct call *c;
    while ((c = call_watch_find(&b->calls, id))) {
        call_watch_del(&b->calls, c);
        op_want(&b->ops, &c->op);
    }
}

int bus_out_entry(struct bus *b, const struct bus_out_ref *ref, bus_client client,
                  struct instant now)
{
    return ask(b, OUT_CALL_ENTRY, ref, client, now);
}

int bus_out_cancel(struct bus *b, const struct bus_out_ref *ref, bus_client client,
                   struct instant now)
{
    return ask(b, OUT_CALL_CANCEL, ref, client, now);
}

int bus_out_retry(struct bus *b, const struct bus_out_ref *ref, bus_client client,
                  struct instant now)
{
    return ask(b, OUT_CALL_RETRY, ref, client, now);
}

void out_calls_answer(struct bus *b, struct out_msg *m, int rc)
{
    struct call *c;
    while ((c = list_first(&m->twins, struct call, twin))) {
        list_del(&c->twin);
        outbox_status(m, &c->status);
        finish(b, c, rc == OK ? verdict(c->ask, m->state) : rc);
    }
}

/* --- lists -------------------------------------------------------------------------------- */

#define STATES_LIVE 0x0fu

int bus_out_list(struct bus *b, const struct bus_out_filter *f, bus_client client,
                 struct instant now)
{
    struct call *c;
    (void)now;
    if (f->limit == 0 || f->limit > BUS_OUT_LIST_MAX)
        return ERR_INVAL;
    int rc = call_begin(b, client, CALL_OUT_LIST, &c);
    if (rc < 0)
        return rc;
    c->filter = *f;
    op_want(&b->ops, &c->op);
    return OK;
}

/* Rows know of a living message only that it lives; memory knows how far it is. */
void outbox_entry(struct bus *b, const struct bus_out_row *row, struct bus_status_info *ret)
{
    const struct out_msg *m =
        out_state_final(row->state) ? NULL : outbox_accepted(b, row->seq, &row->id);
    if (m)
        outbox_status(m, ret);
    else
        outbox_row_status(row, ret);
}

static bool entry_of(struct bus *b, const struct bus_out_filter *f, const struct bus_out_row *row,
                     struct bus_status_info *ret)
{
    outbox_entry(b, row, ret);
    return f->states == 0 || f->states & 1u << ret->state;
}

static void list_stored(struct bus *b, struct call *c, const struct bus_store_result *res)
{
    int rc = res->rc;
    if (rc == OK && res->n_rows > 0) {
        c->entries = calloc(res->n_rows, sizeof(*c->entries));
        rc = c->entries ? OK : ERR_NOMEM;
    }
    for (size_t i = 0; rc == OK && i < res->n_rows; i++)
        c->n_entries += entry_of(b, &c->filter, &res->rows[i], &c->entries[c->n_entries]);
    c->next_before = res->next_before;
    finish(b, c, rc);
}

/* --- store -------------------------------------------------------------------------------- */

bool out_call_fill(struct call *c, struct bus_store_op *op)
{
    if (c->kind == CALL_OUT_LIST) {
        op->kind = BUS_STORE_OUT_LIST;
        op->filter = c->filter;
        if (op->filter.states & STATES_LIVE)
            op->filter.states |= STATES_LIVE;
        return true;
    }
    op->kind = c->seq != 0 ? BUS_STORE_OUT_GET : BUS_STORE_OUT_FIND;
    op->out.seq = c->seq;
    op->out.id = c->id;
    return true;
}

void out_call_stored(struct bus *b, struct call *c, const struct bus_store_result *res,
                     struct instant now)
{
    if (c->kind == CALL_OUT_LIST) {
        list_stored(b, c, res);
        return;
    }
    if (res->rc != OK) {
        finish(b, c, res->rc);
        return;
    }
    struct out_msg *m = NULL;
    if (!out_state_final(res->out.state))
        m = outbox_accepted(b, res->out.seq, &res->out.id);
    if (m) {
        ask_live(b, c, m, now);
        return;
    }
    outbox_row_status(&res->out, &c->status);
    if (watch_done(b, c))
        finish(b, c, verdict(c->ask, res->out.state)); /* a living one would be in memory */
}
