#include "bus/settle.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "bus/bus_core.h"
#include "bus/client.h"

/* --- life --------------------------------------------------------------------------------- */

static void settle_free(struct settle *s)
{
    free(s->unknown);
    free(s->items);
    free(s);
}

static struct settle *settle_new(size_t n)
{
    struct settle *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->n = n;
    s->unknown = calloc(n, sizeof(*s->unknown));
    s->items = calloc(n, sizeof(*s->items));
    if (!s->unknown || !s->items) {
        settle_free(s);
        return NULL;
    }
    return s;
}

void settle_end(struct call *call)
{
    struct settle *s = call->settle;
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++)
        list_del(&s->items[i].link);
    settle_free(s);
    call->settle = NULL;
}

static int begin(struct bus *b, size_t n, bus_client client, struct call **ret)
{
    int rc = call_begin(b, client, CALL_SETTLE, ret);
    if (rc < 0)
        return rc;
    (*ret)->settle = settle_new(n);
    if ((*ret)->settle)
        return OK;
    call_free(&b->calls, *ret);
    return ERR_NOMEM;
}

static void answer_if_done(struct bus *b, struct call *call)
{
    if (call->settle->open > 0)
        return;
    call->last_due = true;
    call_due(&b->calls, call);
}

/* Entry `at` of the call is answered when m's removal, or its present state, is durable. */
static void wait_for(struct call *call, size_t at, struct in_msg *m, bool state)
{
    struct settle_item *i = &call->settle->items[at];
    i->call = call;
    i->state = state;
    i->version = m->version;
    i->at = at;
    list_push_back(&m->waiting, &i->link);
    call->settle->open++;
}

static void item_done(struct bus *b, struct settle_item *i, int rc)
{
    struct settle *s = i->call->settle;
    list_del(&i->link);
    s->open--;
    if (rc == OK)
        s->done++;
    else if (rc == ERR_NOENT)
        s->unknown[i->at] = true;
    else
        i->call->rc = rc;
    answer_if_done(b, i->call);
}

void settle_stored(struct bus *b, struct in_msg *m, int rc, bool gone)
{
    list_foreach_safe (l, &m->waiting) {
        struct settle_item *i = list_entry(l, struct settle_item, link);
        if (gone || (i->state && i->version <= m->flying_version))
            item_done(b, i, rc);
    }
}

void settle_part_stored(struct bus *b, struct call *call, int rc)
{
    struct settle *s = call->settle;
    s->open--;
    s->done += rc == OK;
    call->rc = rc;
    answer_if_done(b, call);
}

/* --- tokens ------------------------------------------------------------------------------- */

/* By whatever token: the client has done its work. */
static void ack(struct bus *b, struct call *call, size_t at, struct in_msg *m)
{
    m->acked = true;
    wait_for(call, at, m, false);
    b->stats.acked++;
    if (!m->going)
        inbox_go(b, m);
}

static bool is_lease(const struct in_msg *m, const struct bus_token *t)
{
    return lease_is(m, t->generation) && memcmp(m->nonce, t->tag, TOKEN_NONCE) == 0;
}

/* By the last token only: a later client may be able to do what this one could not. */
static bool term(struct bus *b, struct call *call, size_t at, struct in_msg *m,
                 const struct bus_token *t, struct instant now)
{
    if (m->going || m->generation != t->generation || (m->state == IN_LEASED && !is_lease(m, t)))
        return false;
    if (m->state == IN_LEASED)
        lease_detach(b, m);
    if (m->state != IN_DEAD)
        inbox_die(b, m, now);
    else if (m->version != m->stored_version)
        op_want(&b->ops, &m->op); /* it may have failed before */
    if (m->going || m->version != m->stored_version)
        wait_for(call, at, m, true);
    else
        call->settle->done++;
    return true;
}

/* False: the token names nothing. */
static bool settle_one(struct bus *b, struct call *call, size_t at, enum bus_settle_kind kind,
                       const struct bus_token *t, int64_t ms, struct instant now)
{
    struct in_msg *m = inbox_find(b, t->seq);
    if (!m || !token_ok(b->token_key, t, &m->id))
        return false;
    switch (kind) {
    case BUS_ACK:
        ack(b, call, at, m);
        return true;
    case BUS_TERM:
        return term(b, call, at, m, t, now);
    case BUS_NACK:
        if (!is_lease(m, t))
            return false;
        b->stats.nacked++;
        lease_fail(b, m, ms, false, now);
        break;
    case BUS_RENEW:
        if (!is_lease(m, t))
            return false;
        lease_renew(b, m, ms > 0 ? ms : b->limits.lease_default_ms, now);
        break;
    }
    call->settle->done++;
    return true;
}

static bool ms_ok(enum bus_settle_kind kind, int64_t ms)
{
    switch (kind) {
    case BUS_NACK:
        return ms >= 0 && ms <= BUS_DELAY_MAX_MS;
    case BUS_RENEW:
        return ms == 0 || (ms >= BUS_LEASE_MIN_MS && ms <= BUS_LEASE_MAX_MS);
    case BUS_ACK:
    case BUS_TERM:
        break;
    }
    return true;
}

int bus_settle(struct bus *b, enum bus_settle_kind kind, const struct bus_token *tokens, size_t n,
               int64_t ms, bus_client client, struct instant now)
{
    struct call *call;
    if (n == 0 || n > BUS_SETTLE_MAX || !ms_ok(kind, ms))
        return ERR_INVAL;
    int rc = begin(b, n, client, &call);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < n; i++)
        call->settle->unknown[i] = !settle_one(b, call, i, kind, &tokens[i], ms, now);
    answer_if_done(b, call);
    return OK;
}

/* --- operators ---------------------------------------------------------------------------- */

static int drop_part(struct bus *b, uint64_t seq, bus_client client, struct instant now)
{
    struct call *call;
    int rc = parts_have(b, seq);
    if (rc == OK)
        rc = begin(b, 1, client, &call);
    if (rc < 0)
        return rc;
    call->part_seq = seq;
    call->id = parts_find(b, seq)->id;
    b->stats.in_dropped++;
    parts_take_out(b, seq, now);
    call->settle->open = 1;
    op_want(&b->ops, &call->op);
    return OK;
}

int bus_inbox_drop(struct bus *b, uint64_t seq, bus_client client, struct instant now)
{
    struct in_msg *m = inbox_find(b, seq);
    struct call *call;
    if (!m)
        return drop_part(b, seq, client, now);
    int rc = begin(b, 1, client, &call);
    if (rc < 0)
        return rc;
    wait_for(call, 0, m, false);
    if (!m->going) {
        b->stats.in_dropped++;
        inbox_go(b, m);
    }
    return OK;
}

int bus_inbox_requeue(struct bus *b, uint64_t seq, bus_client client, struct instant now)
{
    struct in_msg *m = inbox_find(b, seq);
    struct call *call;
    if (!m || m->going)
        return ERR_NOENT;
    int rc = begin(b, 1, client, &call);
    if (rc < 0)
        return rc;
    bool there = in_msg_queued(m) && m->tries == 0;
    if (!there) {
        b->stats.requeued++;
        m->tries = 0;
        m->since_ms = now.wall_ms;
        inbox_requeue(b, m, now);
    }
    if (m->going || m->version != m->stored_version)
        wait_for(call, 0, m, true);
    else
        call->settle->done = 1;
    answer_if_done(b, call);
    return OK;
}
