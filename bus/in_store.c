/* The half of inbox.h that talks to the store: what it is asked for, and what its answers change.
 */
#include "base/err.h"
#include "bus/bus_core.h"
#include "bus/codec.h"
#include "bus/inbox.h"
#include "bus/settle.h"

bool inbox_fill(struct bus *b, struct in_msg *m, struct bus_store_op *op)
{
    (void)b;
    op->has_in = true;
    op->in.seq = m->seq;
    op->in.id = m->id;
    op->in.src = m->src;
    op->in.dst = m->dst;
    op->in.state = m->state;
    if (m->going) {
        m->flying = IN_OP_TAKE;
        op->kind = BUS_STORE_IN_TAKE;
        op->want_body = m->taker && in_msg_unread(m);
        return true;
    }
    if (m->version == m->stored_version)
        return false;
    m->flying = IN_OP_STATE;
    m->flying_version = m->version;
    op->kind = BUS_STORE_IN_STATE;
    op->in.tries = m->tries;
    op->in.offers = m->offers;
    op->in.since_ms = m->since_ms;
    return true;
}

static void tell_sender(struct bus *b, const struct in_msg *m, struct instant now)
{
    if (bus_is_self(b, &m->src)) {
        b->stats.read++;
        bus_note(b, BUS_STORE_OUT_READ, 0, &m->id, &m->dst);
        return;
    }
    bus_control(b, &m->dst, &m->src, msg_read(&m->id));
    b->stats.sent_read++;
    bool ours = kin_get(&b->kins, ip6_node(&m->src), now.mono) == KIN_OURS;
    reads_add(&b->reads, &m->dst, &m->src, &m->id, ours, now.mono);
}

static void take_stored(struct bus *b, struct in_msg *m, const struct bus_store_result *res,
                        struct instant now)
{
    struct call *call = m->taker;
    bool gone = res->rc == OK || res->rc == ERR_NOENT;
    int rc = res->rc;
    if (rc == OK && !m->payload && res->body)
        m->payload = blob_ref(res->body);
    if (rc == OK && call && m->file == 0 && (!m->payload || m->payload->len != m->len))
        rc = ERR_CORRUPT; /* the row went, but its payload was not what it said */
    m->taker = NULL;
    if (call) {
        call->rc = rc;
        call->last_due = true;
        call_due(&b->calls, call);
        if (rc != OK) {
            call->msg = NULL;
            in_msg_release(m); /* the inbox has it still */
        }
    }
    settle_stored(b, m, gone ? OK : res->rc, true);
    if (!gone) {
        inbox_put_back(b, m);
        return;
    }
    if (m->acked || (call && rc == OK))
        tell_sender(b, m, now);
    m->gone = true;
    inbox_remove(b, m);
}

void inbox_stored(struct bus *b, struct in_msg *m, const struct bus_store_result *res,
                  struct instant now)
{
    enum in_op was = m->flying;
    m->flying = IN_OP_NONE;
    if (was == IN_OP_TAKE) {
        take_stored(b, m, res, now);
        return;
    }
    if (res->rc == OK)
        m->stored_version = m->flying_version;
    settle_stored(b, m, res->rc, false);
    if (res->rc == ERR_NOENT && !m->going)
        inbox_go(b, m); /* there is nothing to keep it for: the store does not have it */
}
