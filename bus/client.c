#include "bus/client.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "bus/bus_core.h"
#include "bus/filter.h"
#include "bus/many.h"
#include "bus/out_calls.h"
#include "bus/settle.h"
#include "bus/timer.h"

void call_end(struct bus *b, struct call *c, struct instant now)
{
    inbox_leave(b, c);
    call_reply_del(&b->calls, c);
    call_watch_del(&b->calls, c);
    if (c->reply_wait || c->watch_ms > 0)
        b->calls.waiting--;
    if (c->out)
        c->out->call = NULL;
    if (c->group)
        c->group->call = NULL;
    list_del(&c->twin);
    if (c->msg)
        inbox_forget(b, c, now);
    fetch_end(b, c);
    settle_end(c);
    rule_change_end(b, c);
    blob_unref(c->body);
    free(c->entries);
    op_drop(&b->ops, &c->op);
    if (b->lent_call == c)
        b->lent_call = NULL;
    call_free(&b->calls, c);
}

/* --- calls -------------------------------------------------------------------------------- */

int call_begin(struct bus *b, bus_client client, enum call_kind kind, struct call **ret)
{
    if (client == 0)
        return ERR_INVAL;
    if (call_find(&b->calls, client))
        return ERR_BUSY;
    struct call *c = call_new(&b->calls, client, kind);
    if (!c)
        return ERR_NOMEM;
    *ret = c;
    return OK;
}

static int send_check(struct bus *b, const struct bus_send *m)
{
    if (!ip6_in_overlay(&m->dst) || m->ttl_ms < 0 || m->ttl_ms > b->limits.ttl_max_ms)
        return ERR_INVAL;
    if (m->index_wait_ms < 0 || (m->index_wait_ms > 0 && m->reply_wait_ms > 0))
        return ERR_INVAL;
    if (m->reply_wait_ms < 0 || (m->reply && m->reply_wait_ms > 0))
        return ERR_INVAL;
    if (m->ordered && m->in_memory)
        return ERR_INVAL;
    if (m->prio >= OUT_PRIOS || m->idem.len > IDEM_KEY_MAX)
        return ERR_INVAL;
    if (m->payload && (m->payload->len > MSG_LEN_MAX || m->file.number != 0))
        return m->file.number != 0 ? ERR_INVAL : ERR_TOOBIG;
    if (m->file.number != 0 && m->in_memory)
        return ERR_TOOBIG;
    if (m->file.number != 0 && (m->file.len <= MSG_LEN_MAX || m->in_memory))
        return ERR_INVAL; /* belongs into a row */
    if (m->file.len > MIN(b->limits.len_max, MSG_LEN_CEILING))
        return ERR_TOOBIG;
    if (m->file.len > b->limits.len_plain_max && !m->force && !bus_is_self(b, &m->dst) &&
        kin_get(&b->kins, ip6_node(&m->dst), b->next_at.mono) == KIN_PLAIN)
        return ERR_TOOBIG;
    const uint8_t *topic = m->topic.b;
    size_t topic_len = m->reply ? 0 : m->topic.len; /* a reply has none */
    if (bus_is_self(b, &m->dst) &&
        !bus_admits(b, &b->self, b->self_key, &m->reply_to, m->reply, topic, topic_len))
        return ERR_PERM;
    if (m->reply_wait_ms + m->index_wait_ms > 0 && b->calls.waiting >= b->limits.waiters)
        return ERR_LIMIT;
    return OK;
}

int bus_send(struct bus *b, const struct bus_send *m, bus_client client, struct instant now)
{
    struct call *c;
    int rc = send_check(b, m);
    if (rc == OK)
        rc = call_begin(b, client, CALL_SEND, &c);
    if (rc < 0)
        return rc;
    if (m->reply_wait_ms > 0) {
        c->reply_wait = true;
        c->reply_wait_ms = MIN(m->reply_wait_ms, b->limits.ttl_max_ms);
        c->node = ip6_node(&m->dst);
        b->calls.waiting++;
    }
    if (m->index_wait_ms > 0) {
        c->watch_ms = m->index_wait_ms;
        c->index = m->index;
        b->calls.waiting++;
    }
    rc = outbox_send(b, m, c, now);
    if (rc < 0)
        call_end(b, c, now);
    else if (c->reply_wait)
        call_reply_add(&b->calls, c);
    return rc;
}

static int many_check(struct bus *b, const struct bus_send *m, const struct ip6 *dsts, size_t n,
                      size_t *ret_at)
{
    struct bus_send one = *m;
    bool here = false;
    *ret_at = n;
    if (n < 2 || n > BUS_DSTS_MAX || m->reply || m->reply_wait_ms > 0 || m->index_wait_ms > 0)
        return ERR_INVAL;
    if (m->file.number != 0)
        return ERR_TOOBIG;
    for (size_t i = 0; i < n; i++) {
        one.dst = dsts[i];
        bool self = bus_is_self(b, &dsts[i]);
        int rc = self && here ? ERR_EXIST : send_check(b, &one);
        if (rc < 0) {
            *ret_at = i;
            return rc;
        }
        here = here || self;
    }
    return OK;
}

int bus_send_many(struct bus *b, const struct bus_send *m, const struct ip6 *dsts, size_t n,
                  bus_client client, struct instant now, size_t *ret_at)
{
    struct call *c = NULL;
    int rc = many_check(b, m, dsts, n, ret_at);
    if (rc == OK)
        rc = call_begin(b, client, CALL_SEND, &c);
    if (rc < 0)
        return rc;
    rc = many_send(b, m, dsts, n, c, now, ret_at);
    if (rc < 0)
        call_end(b, c, now);
    return rc;
}

int bus_take(struct bus *b, const struct bus_take *t, bus_client client, struct instant now)
{
    struct call *c;
    int rc = call_begin(b, client, CALL_TAKE, &c);
    if (rc < 0)
        return rc;
    rc = inbox_take(b, c, t, now);
    if (rc < 0)
        call_free(&b->calls, c);
    return rc;
}

static int fetch_check(const struct bus_fetch *f)
{
    bool lease =
        f->lease_ms == 0 || (f->lease_ms >= BUS_LEASE_MIN_MS && f->lease_ms <= BUS_LEASE_MAX_MS);
    if (f->max == 0 || f->max > BUS_FETCH_MAX || f->wait_ms < 0 || !lease ||
        !memchr(f->consumer, '\0', sizeof(f->consumer)))
        return ERR_INVAL;
    return filter_check(&f->filter);
}

int bus_fetch(struct bus *b, const struct bus_fetch *f, bus_client client, struct instant now)
{
    struct call *c = NULL;
    int rc = fetch_check(f);
    if (rc == OK)
        rc = call_begin(b, client, CALL_FETCH, &c);
    if (rc < 0)
        return rc;
    rc = fetch_new(b, f, &c->fetch);
    if (rc == OK)
        rc = fetch_begin(b, c, f, now);
    if (rc < 0)
        call_end(b, c, now);
    return rc;
}

int bus_inbox_body(struct bus *b, uint64_t seq, bus_client client, struct instant now)
{
    struct in_msg *m = inbox_find(b, seq);
    struct call *c;
    (void)now;
    if (!m)
        return ERR_NOENT;
    int rc = call_begin(b, client, CALL_BODY, &c);
    if (rc < 0)
        return rc;
    m->refs++;
    c->msg = m;
    call_body(b, c);
    return OK;
}

void call_body(struct bus *b, struct call *c)
{
    const struct in_msg *m = c->msg;
    if (in_msg_unread(m)) {
        op_want(&b->ops, &c->op);
        return;
    }
    c->body = blob_ref(m->payload);
    if (!c->body && m->file == 0)
        c->rc = ERR_NOENT; /* lost: its file was not there at the start */
    c->last_due = true;
    call_due(&b->calls, c);
}

void bus_forget_client(struct bus *b, bus_client client)
{
    struct call *c = call_find(&b->calls, client);
    if (c)
        call_end(b, c, b->next_at);
}

int bus_status(struct bus *b, const struct msg_id *id, bus_client client, struct instant now)
{
    (void)now;
    struct call *c;
    int rc = call_begin(b, client, CALL_STATUS, &c);
    if (rc < 0)
        return rc;
    c->id = *id;
    const struct out_msg *m = outbox_newest(b, id);
    if (m) {
        outbox_status(m, &c->status);
        c->last_due = true;
        call_due(&b->calls, c);
    } else {
        op_want(&b->ops, &c->op);
    }
    return OK;
}

/* --- store -------------------------------------------------------------------------------- */

bool client_fill(struct call *c, struct bus_store_op *op)
{
    if (c->kind == CALL_OUT || c->kind == CALL_OUT_LIST)
        return out_call_fill(c, op);
    if (c->kind == CALL_STATUS) {
        op->kind = BUS_STORE_OUT_FIND;
        op->out.id = c->id;
    } else if (c->kind == CALL_SETTLE) {
        op->kind = BUS_STORE_IN_DROP;
        op->in.seq = c->part_seq;
        op->in.id = c->id;
    } else {
        op->kind = BUS_STORE_IN_BODY; /* of a peek, or for itself */
        op->in.seq = c->msg->seq;
        op->in.id = c->msg->id;
    }
    return true;
}

void client_stored(struct bus *b, struct call *c, const struct bus_store_result *res,
                   struct instant now)
{
    if (c->kind == CALL_OUT || c->kind == CALL_OUT_LIST) {
        out_call_stored(b, c, res, now);
        return;
    }
    c->rc = res->rc;
    if (c->kind == CALL_SETTLE) {
        settle_part_stored(b, c, res->rc);
        return;
    }
    if (c->kind == CALL_STATUS) {
        if (res->rc == OK)
            outbox_row_status(&res->out, &c->status);
    } else if (res->rc == OK) {
        if (res->body && res->body->len == c->msg->len)
            c->body = blob_ref(res->body);
        else
            c->rc = ERR_CORRUPT;
    }
    c->last_due = true;
    call_due(&b->calls, c);
}

/* --- time --------------------------------------------------------------------------------- */

void client_tick(struct bus *b, struct instant now)
{
    struct heap_node *h;
    while ((h = timer_fire(&b->calls.expires, now.mono))) {
        struct call *c = container_of(h, struct call, expire);
        if (c->kind == CALL_OUT) {
            out_call_expire(b, c);
            continue;
        }
        inbox_leave(b, c);
        call_reply_del(&b->calls, c);
        c->last_due = true; /* without a message */
        call_due(&b->calls, c);
    }
}

/* --- answers ------------------------------------------------------------------------------ */

void client_message(const struct in_msg *m, struct blob *body, struct bus_message *r)
{
    memset(r, 0, sizeof(*r));
    r->seq = m->seq;
    r->id = m->id;
    r->src = m->src;
    r->dst = m->dst;
    memcpy(r->src_key, m->src_key, sizeof(r->src_key));
    r->topic.len = m->topic_len;
    memcpy(r->topic.b, m->topic, m->topic_len);
    r->payload = body;
    r->file = m->file;
    r->len = m->len;
    r->reply = m->reply;
    r->recv_ms = m->recv_ms;
}

/* The answers that are no message in `message`. */
static void answer_fill(struct bus *b, struct call *c, struct bus_out *ret)
{
    switch (c->kind) {
    case CALL_STATUS:
        ret->kind = BUS_OUT_STATUS;
        ret->status = c->rc == OK ? &c->status : NULL;
        break;
    case CALL_OUT:
        ret->kind = BUS_OUT_STATUS;
        ret->status = c->rc == OK || c->rc == ERR_STATE ? &c->status : NULL;
        break;
    case CALL_OUT_LIST:
        ret->kind = BUS_OUT_ENTRIES;
        ret->page = (struct bus_out_page){
            .entries = c->entries, .n = c->n_entries, .next_before = c->next_before};
        break;
    case CALL_FETCH:
        ret->kind = BUS_OUT_FETCHED;
        ret->n_messages = fetch_answer(b, c, b->next_at);
        ret->messages = c->fetch->messages;
        break;
    case CALL_SETTLE:
        ret->kind = BUS_OUT_SETTLED;
        ret->settled = (struct bus_settled){
            .done = c->settle->done, .n = c->settle->n, .unknown = c->settle->unknown};
        break;
    case CALL_RULE:
        ret->kind = BUS_OUT_CHANGED;
        break;
    case CALL_BODY:
        ret->kind = BUS_OUT_BODY;
        ret->body = c->rc == OK ? c->body : NULL;
        ret->file = c->rc == OK ? c->msg->file : 0;
        ret->file_len = c->msg->len;
        break;
    case CALL_SEND:
    case CALL_TAKE:
        break;
    }
}

bool client_next(struct bus *b, struct bus_out *ret)
{
    struct call *c = list_first(&b->calls.due, struct call, due);
    if (!c)
        return false;
    list_del(&c->due);
    ret->client = c->client;
    ret->id = c->id;
    if (c->accept_due) {
        c->accept_due = false;
        ret->kind = BUS_OUT_ACCEPTED;
        ret->rc = c->accept_rc;
        ret->replayed = c->replayed;
        ret->status = c->accept_rc == OK ? &c->status : NULL;
        ret->page = (struct bus_out_page){.entries = c->entries, .n = c->n_entries};
        if (c->last_due)
            call_due(&b->calls, c);
        else if (c->accept_rc == OK && c->watch_ms > 0)
            out_call_watch(b, c, b->next_at);
        else if (!c->reply_wait || c->accept_rc != OK)
            b->lent_call = c; /* that was all */
        return true;
    }
    ret->rc = c->rc;
    b->lent_call = c;
    if (c->kind != CALL_SEND && c->kind != CALL_TAKE) {
        answer_fill(b, c, ret);
        return true;
    }
    ret->kind = BUS_OUT_TAKEN;
    ret->status = c->kind == CALL_SEND ? &c->status : NULL;
    if (c->msg && c->rc == OK) {
        client_message(c->msg, c->body ? c->body : c->msg->payload, &b->message);
        ret->message = &b->message;
        if (c->kind == CALL_TAKE)
            ret->id = c->msg->id;
    }
    return true;
}

void client_lent_end(struct bus *b)
{
    if (b->lent_call)
        call_end(b, b->lent_call, b->next_at);
}

void client_end_all(struct bus *b)
{
    struct hnode *h;
    size_t slot = 0;
    while ((h = hmap_each(&b->calls.by_client, &slot, NULL))) {
        call_end(b, container_of(h, struct call, by_client), b->next_at);
        slot = 0;
    }
}
