#include "bus/rule_changes.h"

#include <assert.h>
#include <stdlib.h>

#include "base/err.h"
#include "bus/bus_core.h"
#include "bus/client.h"

struct rule_change {
    struct list link;
    struct call *call; /* NULL: the client went away, and the store has it already */
    struct topic_change what;
    struct topic_rule *rule, *kept; /* what comes into force, and its twin; NULL: is removed */
};

int rule_changes_init(struct bus *b)
{
    b->rules.op.owner = OP_RULES;
    list_init(&b->rules.waiting);
    return topics_new(b->rng, &b->rules.kept);
}

static void change_free(struct rule_change *c)
{
    list_del(&c->link);
    topic_rule_free(c->rule);
    topic_rule_free(c->kept);
    free(c);
}

void rule_changes_fini(struct bus *b)
{
    if (b->rules.flying)
        change_free(b->rules.flying);
    topics_free(b->rules.kept); /* nothing waits: no call is left */
}

/* --- calls -------------------------------------------------------------------------------- */

int bus_topic_change(struct bus *b, const struct topic_change *c, bus_client client,
                     struct instant now)
{
    struct call *call;
    (void)now;
    int rc = call_begin(b, client, CALL_RULE, &call);
    if (rc < 0)
        return rc;
    struct rule_change *n = calloc(1, sizeof(*n));
    if (!n) {
        call_free(&b->calls, call);
        return ERR_NOMEM;
    }
    n->what = *c;
    n->call = call;
    call->change = n;
    list_push_back(&b->rules.waiting, &n->link);
    op_want(&b->ops, &b->rules.op);
    return OK;
}

void rule_change_end(struct bus *b, struct call *call)
{
    struct rule_change *c = call->change;
    call->change = NULL;
    if (!c)
        return;
    if (c == b->rules.flying)
        c->call = NULL; /* it takes effect all the same */
    else
        change_free(c);
}

static void answer(struct bus *b, struct rule_change *c, int rc)
{
    if (c->call) {
        c->call->change = NULL;
        c->call->rc = rc;
        c->call->last_due = true;
        call_due(&b->calls, c->call);
    }
    change_free(c);
}

/* --- building ----------------------------------------------------------------------------- */

/* The rule as it is to be. */
static int build(struct rule_change *c, const struct topic_rule *old)
{
    int rc = old ? topic_rule_copy(old, &c->rule) : topic_rule_new(&c->what.topic, &c->rule);
    if (rc < 0)
        return rc;
    switch (c->what.kind) {
    case TOPIC_ALLOW:
        return topic_rule_allow(c->rule, &c->what.source);
    case TOPIC_DENY:
        topic_rule_deny(c->rule, &c->what.source);
        return OK;
    case TOPIC_FORWARD:
        return topic_rule_set_forward(c->rule, &c->what.forward);
    case TOPIC_UNFORWARD:
        return topic_rule_set_forward(c->rule, NULL);
    case TOPIC_ADD:
    case TOPIC_REMOVE:
    case TOPIC_DEFAULT:
        break;
    }
    return OK;
}

/* 1: there is something to be stored; OK: it is so already. ERR_NOENT: no rule for a socket. */
static int prepare(struct bus *b, struct rule_change *c)
{
    const struct topic *t = &c->what.topic;
    const struct topic_rule *old = topics_find(b->topics, t->b, t->len);
    bool known = old || topics_find(b->rules.kept, t->b, t->len);
    switch (c->what.kind) {
    case TOPIC_DEFAULT:
        return 1;
    case TOPIC_REMOVE:
        return known;
    case TOPIC_ADD:
        if (old)
            return OK;
        break;
    case TOPIC_DENY:
        if (!old)
            return OK;
        break;
    case TOPIC_FORWARD:
        if (!old)
            return ERR_NOENT;
        break;
    case TOPIC_UNFORWARD:
        if (!old || !topic_rule_forward(old))
            return OK;
        break;
    case TOPIC_ALLOW:
        break;
    }
    int rc = build(c, old);
    if (rc == OK)
        rc = topics_fit(b->topics, c->rule);
    if (rc == OK)
        rc = topics_fit(b->rules.kept, c->rule);
    if (rc == OK)
        rc = topic_rule_copy(c->rule, &c->kept);
    return rc < 0 ? rc : 1;
}

bool rule_changes_fill(struct bus *b, struct bus_store_op *op)
{
    struct rule_change *c;
    assert(!b->rules.flying);
    while ((c = list_first(&b->rules.waiting, struct rule_change, link))) {
        int rc = prepare(b, c);
        if (rc <= 0) {
            answer(b, c, rc);
            continue;
        }
        list_del(&c->link);
        b->rules.flying = c;
        op->rule.topic = &c->what.topic;
        op->rule.accept = c->what.accept;
        op->kind = BUS_STORE_RULE_DROP;
        if (c->what.kind == TOPIC_DEFAULT)
            op->kind = BUS_STORE_RULE_DEFAULT;
        else if (c->rule) {
            op->kind = BUS_STORE_RULE_PUT;
            op->rule.rule = c->rule;
        }
        return true;
    }
    return false;
}

void rule_changes_stored(struct bus *b, int rc, struct instant now)
{
    struct rule_change *c = b->rules.flying;
    (void)now;
    b->rules.flying = NULL;
    if (rc == OK && c->what.kind == TOPIC_DEFAULT) {
        topics_set_accept(b->topics, c->what.accept);
        topics_set_accept(b->rules.kept, c->what.accept);
    } else if (rc == OK && c->rule) {
        topics_put(b->topics, c->rule);
        topics_put(b->rules.kept, c->kept);
        c->rule = c->kept = NULL;
    } else if (rc == OK) {
        topics_remove(b->topics, &c->what.topic);
        topics_remove(b->rules.kept, &c->what.topic);
    }
    if (rc == OK && c->what.kind != TOPIC_DEFAULT)
        forward_rules_changed(b, &c->what.topic);
    answer(b, c, rc);
    if (!list_empty(&b->rules.waiting))
        op_want(&b->ops, &b->rules.op);
}

/* --- start -------------------------------------------------------------------------------- */

int bus_load_rule(struct bus *b, const struct topic_rule *r)
{
    int rc = topics_merge_rule(b->rules.kept, r);
    if (rc == OK)
        rc = topics_merge_rule(b->topics, r);
    if (rc == OK)
        forward_rules_changed(b, topic_rule_topic(r)); /* messages may have been loaded before */
    return rc;
}

void bus_load_rule_default(struct bus *b, bool accept)
{
    topics_set_accept(b->rules.kept, accept);
    if (!topics_accept_set(b->topics))
        topics_set_accept(b->topics, accept);
}

const struct topics *bus_topics(const struct bus *b)
{
    return b->topics;
}

/* Going through a table. */
struct limiting {
    struct bus *b;
    const struct topics *other;
    struct instant now;
    int rc;
};

static void limit_rule(void *ctx, const struct topic_rule *r)
{
    struct limiting *l = ctx;
    const struct bus_topic_limits *limits = topic_rule_limits(r);
    if (limits && l->rc == OK)
        l->rc = bus_topic_limits_set(l->b, topic_rule_topic(r), limits, l->now);
}

static void unlimit_rule(void *ctx, const struct topic_rule *r)
{
    struct limiting *l = ctx;
    const struct topic *t = topic_rule_topic(r);
    const struct topic_rule *next = topics_find(l->other, t->b, t->len);
    if (l->rc == OK && topic_rule_limits(r) && !(next && topic_rule_limits(next)))
        l->rc = bus_topic_limits_set(l->b, t, NULL, l->now);
}

int bus_set_topics(struct bus *b, struct topics *t, struct instant now)
{
    struct limiting l = {.b = b, .other = t, .now = now, .rc = topics_merge(t, b->rules.kept)};
    topics_each(b->topics, unlimit_rule, &l); /* first: they count */
    topics_each(t, limit_rule, &l);
    if (l.rc < 0)
        return l.rc;
    topics_free(b->topics);
    b->topics = t;
    forward_rules_changed(b, NULL);
    return OK;
}
