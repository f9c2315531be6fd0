/* What a client asks for: one object, one answer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json_lease.h"
#include "api/push.h"
#include "api/query.h"
#include "api/sending.h"
#include "api/stream_core.h"
#include "base/err.h"
#include "base/text.h"

/* A request under way. */
struct ask {
    struct stream *s;
    json_t *o;
    const char *ref; /* lent by o */
    struct blob *payload;
    struct json_fault fault;
};

/* The text of a field; NULL, and refused unless it may be missing: none, or not as it has to be. */
static const char *line(struct ask *q, const char *key, size_t max, bool must)
{
    const json_t *v = json_object_get(q->o, key);
    const char *text = json_is_string(v) ? json_line(v) : NULL;

    if (!v && !must)
        return NULL;
    if (!v)
        (void)json_missing(&q->fault, key);
    else if (!text || *text == '\0' || strlen(text) > max)
        (void)json_wrong_shape(&q->fault, key, "expected a text, not empty and not too long");
    else
        return text;
    return NULL;
}

static int whole(struct ask *q, const char *key, uint64_t min, uint64_t max, uint64_t *ret)
{
    const json_t *v = json_object_get(q->o, key);

    return v ? json_whole(&q->fault, key, v, min, max, ret) : OK;
}

static void refuse(struct ask *q)
{
    const struct json_fault *f = &q->fault;

    q->s->api->stats.refused_body++;
    stream_err(q->s, q->ref, f->problem ? f->problem : problem_of_status(f->status), f->text);
}

static void refuse_rc(struct ask *q, int rc)
{
    stream_err(q->s, q->ref, problem_of_error(rc), err_str(rc));
}

static void ok(struct ask *q)
{
    struct json_out o = {0};

    stream_ok(q->s, q->ref, &o);
}

/* A place for a request that the bus will answer; NULL: refused. */
static struct stream_waits *wait_for(struct ask *q, enum stream_op op, bus_client *ret)
{
    char *ref = q->ref ? strdup(q->ref) : NULL;
    struct stream_waits *w = NULL;
    unsigned lane = 0;

    if (ref || !q->ref)
        w = stream_lane(q->s, &lane);
    if (!w) {
        free(ref);
        refuse_rc(q, ref || !q->ref ? ERR_LIMIT : ERR_NOMEM);
        return NULL;
    }
    w->op = op;
    w->ref = ref;
    *ret = stream_client(q->s, lane);
    return w;
}

/* The bus was asked and said rc at once. */
static void asked(struct ask *q, struct stream_waits *w, int rc)
{
    if (rc == OK)
        return;
    refuse_rc(q, rc);
    stream_lane_free(q->s, w);
}

/* --- subscriptions ---------------------------------------------------------------------------- */

static void op_hello(struct ask *q)
{
    const json_t *name = json_object_get(q->o, "consumer");
    char consumer[BUS_CONSUMER_MAX + 1] = "";
    struct json_out o = {0};
    uint32_t resumed = 0;

    if (name && json_consumer(&q->fault, name, consumer) < 0) {
        refuse(q);
        return;
    }
    if (*consumer && strcmp(consumer, q->s->consumer) != 0) {
        if (q->s->n_subs > 0 || *q->s->consumer) {
            stream_err(q->s, q->ref, PROBLEM_BAD_REQUEST, "hello with a consumer comes first");
            return;
        }
        resumed = stream_consumer(q->s, consumer);
    }
    fields_ref(&o, q->ref);
    fields_welcome(&o, q->s, resumed);
    stream_say(q->s, "welcome", &o, 0);
}

void stream_welcome(struct stream *s)
{
    struct json_out o = {0};

    fields_welcome(&o, s, 0);
    stream_say(s, "welcome", &o, 0);
}

/* Reads what a subscription is to take. */
static int read_sub(struct json_fault *f, json_t *o, struct bus_sub_conf *c, bool *ret_tap)
{
    static const char *const filters[] = {"topic", "prefix", "pattern"};
    const json_t *mode = json_object_get(o, "mode"), *v;
    const char *word = json_is_string(mode) ? json_line(mode) : NULL;
    bool all = json_is_true(json_object_get(o, "all"));
    uint64_t credit = STREAM_CREDIT, bytes = STREAM_CREDIT_BYTES, lease = 0;
    int rc = OK;

    for (size_t i = 0; i < ARRAY_LEN(filters); i++)
        if (rc == OK && (v = json_object_get(o, filters[i])))
            rc = json_filter(f, filters[i], v, &c->filter);
    if (rc == OK && all == (c->filter.kind != BUS_ANY))
        rc = json_wrong_shape(f, "", "expected one of topic, prefix, pattern and all");
    if (rc == OK && (v = json_object_get(o, "credit")))
        rc = json_whole(f, "credit", v, 0, BUS_CREDIT_MAX, &credit);
    if (rc == OK && (v = json_object_get(o, "creditBytes")))
        rc = json_whole(f, "creditBytes", v, 1, STREAM_CREDIT_BYTES_MAX, &bytes);
    if (rc == OK && (v = json_object_get(o, "leaseMs")))
        rc = json_whole(f, "leaseMs", v, BUS_LEASE_MIN_MS, BUS_LEASE_MAX_MS, &lease);
    *ret_tap = word && strcmp(word, "tap") == 0;
    if (rc == OK && mode && !*ret_tap && !(word && strcmp(word, "queue") == 0))
        rc = json_wrong_shape(f, "mode", "expected queue or tap");
    c->credit = (uint32_t)credit;
    c->credit_bytes = bytes;
    c->lease_ms = (int64_t)lease;
    return rc;
}

static int sub_begin(struct stream *s, const struct bus_sub_conf *c, bool tap, unsigned at)
{
    struct bus *b = s->api->conf.bus;
    bus_client client = stream_client(s, STREAM_LANE_SUBS + at);
    int rc = tap ? bus_tap(b, &c->filter, client) : bus_subscribe(b, c, client, instant_now());

    if (rc == OK && s->paused && tap)
        bus_tap_pause(b, client, true);
    else if (rc == OK && s->paused)
        bus_sub_pause(b, client, true);
    return rc;
}

int stream_sub_open(struct stream *s, const char *name, json_t *o, struct json_fault *fault)
{
    struct bus_sub_conf c = {.session = s->number};
    struct stream_sub *sub;
    unsigned at = 0;
    bool tap = false;
    int rc = read_sub(fault, o, &c, &tap);

    if (rc < 0)
        return rc;
    if (stream_sub_find(s, name) >= 0)
        return json_wrong_shape(fault, "sub", "there is one with this name");
    while (at < STREAM_SUBS_MAX && s->subs[at])
        at++;
    if (at == STREAM_SUBS_MAX)
        return json_problem(fault, PROBLEM_TOO_MANY, "too many subscriptions");
    sub = calloc(1, sizeof(*sub));
    if (!sub)
        return ERR_NOMEM;
    memcpy(c.consumer, s->consumer, sizeof(c.consumer));
    (void)snprintf(sub->name, sizeof(sub->name), "%s", name); /* fits: line() */
    sub->tap = tap;
    rc = sub_begin(s, &c, tap, at);
    if (rc < 0) {
        free(sub);
        return rc;
    }
    s->subs[at] = sub;
    s->n_subs++;
    return OK;
}

int stream_subscribe(struct stream *s, json_t *o, struct json_fault *fault)
{
    *fault = (struct json_fault){0};
    return stream_sub_open(s, "", o, fault);
}

static void op_sub(struct ask *q)
{
    const char *name = line(q, "sub", STREAM_NAME_MAX, true);
    int rc = name ? stream_sub_open(q->s, name, q->o, &q->fault) : ERR_INVAL;

    if (rc < 0 && q->fault.status)
        refuse(q);
    else if (rc < 0)
        refuse_rc(q, rc);
    else
        ok(q);
}

/* The subscription that is meant; -1, refused: none. */
static int sub_named(struct ask *q)
{
    const char *name = line(q, "sub", STREAM_NAME_MAX, true);
    int at = name ? stream_sub_find(q->s, name) : -1;

    if (!name)
        refuse(q);
    else if (at < 0)
        stream_err(q->s, q->ref, PROBLEM_NOT_FOUND, "no subscription of this name");
    return at;
}

static void op_unsub(struct ask *q)
{
    int at = sub_named(q);

    if (at < 0)
        return;
    stream_sub_close(q->s, (unsigned)at, BUS_SUB_RETURN);
    ok(q);
}

static void op_credit(struct ask *q)
{
    uint64_t credit = STREAM_CREDIT, bytes = STREAM_CREDIT_BYTES;
    int at = sub_named(q);

    if (at < 0)
        return;
    if (whole(q, "credit", 0, BUS_CREDIT_MAX, &credit) < 0 ||
        whole(q, "creditBytes", 1, STREAM_CREDIT_BYTES_MAX, &bytes) < 0) {
        refuse(q);
        return;
    }
    if (!q->s->subs[at]->tap && /* it is there */
        bus_sub_credit(q->s->api->conf.bus, stream_client(q->s, STREAM_LANE_SUBS + (unsigned)at),
                       (uint32_t)credit, bytes) < 0) {
        refuse_rc(q, ERR_NOENT);
        return;
    }
    ok(q);
}

static void settle(struct ask *q, enum stream_op op, enum bus_settle_kind kind)
{
    struct settle_body b = {0};
    struct stream_waits *w;
    bus_client client;

    if (settle_json_read(q->o, kind, &b, &q->fault) < 0) {
        refuse(q);
        return;
    }
    w = wait_for(q, op, &client);
    if (!w) {
        free(b.tokens);
        return;
    }
    w->tokens = b.tokens;
    asked(q, w, bus_settle(q->s->api->conf.bus, kind, b.tokens, b.n, b.ms, client, instant_now()));
}

static void op_ack(struct ask *q)
{
    settle(q, STREAM_ACK, BUS_ACK);
}

static void op_nack(struct ask *q)
{
    settle(q, STREAM_NACK, BUS_NACK);
}

static void op_term(struct ask *q)
{
    settle(q, STREAM_TERM, BUS_TERM);
}

static void op_renew(struct ask *q)
{
    settle(q, STREAM_RENEW, BUS_RENEW);
}

/* --- sending ---------------------------------------------------------------------------------- */

static int bus_asked(struct ask *q, const struct bus_send *m, const struct push_dsts *d,
                     bus_client client)
{
    struct bus *b = q->s->api->conf.bus;
    size_t at;

    return d->n > 0 ? bus_send_many(b, m, d->v, d->n, client, instant_now(), &at)
                    : bus_send(b, m, client, instant_now());
}

static void op_send(struct ask *q)
{
    const char *key = line(q, "idempotencyKey", IDEM_KEY_MAX, false);
    bool watch = json_is_true(json_object_get(q->o, "watch"));
    struct push_dsts dsts = {0};
    struct idem_key idem = {0};
    struct bus_send m = {0};
    struct stream_waits *w = NULL;
    bus_client client;

    if (q->fault.status || push_key_read(key, &idem, &q->fault) < 0) {
        refuse(q);
        return;
    }
    (void)json_object_del(q->o, "idempotencyKey"); /* the rest is that of POST */
    (void)json_object_del(q->o, "watch");
    if (push_json_read(q->o, q->payload, &m, &dsts, &q->fault) < 0) {
        refuse(q);
        return;
    }
    m.idem = idem;
    w = wait_for(q, STREAM_SEND, &client);
    if (w) {
        w->watch = watch;
        asked(q, w, bus_asked(q, &m, &dsts, client));
    }
    blob_unref(m.payload);
    free(dsts.v);
}

/* `to` becomes what a send has. */
static void op_reply(struct ask *q)
{
    json_t *to = json_object_get(q->o, "to");
    json_t *dst = json_object_get(to, "dst"), *id = json_object_get(to, "id");
    const char *text = json_is_string(dst) ? json_line(dst) : NULL;

    if (!json_is_string(id) || !(json_is_object(dst) || text)) {
        (void)json_wrong_shape(&q->fault, "to", "expected an object with id and dst");
        refuse(q);
        return;
    }
    dst = text ? json_pack("{s:s}", strlen(text) == (size_t)2 * MSG_KEY_BYTES ? "pk" : "ip", text)
               : json_incref(dst);
    if (json_object_set_new(q->o, "dst", dst) < 0 || json_object_set(q->o, "replyTo", id) < 0 ||
        json_object_del(q->o, "to") < 0) {
        refuse_rc(q, ERR_NOMEM);
        return;
    }
    op_send(q);
}

static void op_cancel(struct ask *q)
{
    const json_t *seq = json_object_get(q->o, "seq");
    const char *id = seq ? NULL : line(q, "id", (size_t)2 * MSG_ID_BYTES, true);
    struct bus_out_ref ref = {0};
    struct stream_waits *w;
    bus_client client;

    if (seq && json_whole(&q->fault, "seq", seq, 1, UINT64_C(1) << 53, &ref.seq) == OK)
        id = NULL;
    else if (id && (strlen(id) != (size_t)2 * MSG_ID_BYTES ||
                    hex_decode(id, strlen(id), ref.id.b, MSG_ID_BYTES) < 0))
        (void)json_wrong_shape(&q->fault, "id", "expected 16 hex digits");
    if (q->fault.status) {
        refuse(q);
        return;
    }
    w = wait_for(q, STREAM_CANCEL, &client);
    if (w)
        asked(q, w, bus_out_cancel(q->s->api->conf.bus, &ref, client, instant_now()));
}

/* --- status ----------------------------------------------------------------------------------- */

static int read_ids(struct ask *q, struct msg_id **ret, size_t *ret_n)
{
    const json_t *v = json_object_get(q->o, "ids");
    size_t n = json_array_size(v);

    if (n == 0)
        return json_wrong_shape(&q->fault, "", "expected ids, or all");
    if (n > STREAM_WATCHED_MAX)
        return json_problem(&q->fault, PROBLEM_TOO_MANY, "too many ids");
    *ret = calloc(n, sizeof(**ret));
    if (!*ret)
        return json_refuse(&q->fault, 503, "out of memory");
    for (size_t i = 0; i < n; i++) {
        const json_t *id = json_array_get(v, i);
        if (!json_is_string(id) || json_string_length(id) != (size_t)2 * MSG_ID_BYTES ||
            hex_decode(json_string_value(id), (size_t)2 * MSG_ID_BYTES, (*ret)[i].b, MSG_ID_BYTES) <
                0)
            return json_wrong_shape(&q->fault, "ids", "expected 16 hex digits each");
    }
    *ret_n = n;
    return OK;
}

/* Takes the place of an earlier watch. */
static void op_watch(struct ask *q)
{
    struct stream *s = q->s;
    bool all = json_is_true(json_object_get(q->o, "all"));
    const char *epoch = line(q, "epoch", STREAM_NAME_MAX, false);
    uint64_t last = bus_changes_last(s->api->conf.bus), index = last;
    struct msg_id *ids = NULL;
    struct json_out o = {0};
    size_t n = 0;

    if (q->fault.status || (!all && read_ids(q, &ids, &n) < 0) ||
        whole(q, "index", 0, UINT64_C(1) << 53, &index) < 0) {
        free(ids);
        refuse(q);
        return;
    }
    if (index > last || (epoch && strcmp(epoch, streams_epoch(s->api)) != 0))
        index = last; /* of another process: what it missed cannot be told */
    free(s->watched);
    s->watched = ids;
    s->n_watched = n;
    s->watch_all = all;
    s->seen = index;
    json_put(&o, "\"epoch\":");
    json_quoted(&o, streams_epoch(s->api));
    json_put(&o, ",\"index\":");
    json_u64(&o, index);
    stream_ok(s, q->ref, &o);
    stream_watch_on(s);
    stream_changes(s);
}

static void op_ping(struct ask *q)
{
    struct json_out o = {0};
    int64_t ms = instant_now().wall_ms;

    fields_ref(&o, q->ref);
    json_put(&o, "\"time\":");
    json_u64(&o, ms > 0 ? (uint64_t)ms : 0);
    stream_say(q->s, "pong", &o, 0);
}

/* --- all of them ------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    void (*run)(struct ask *q);
    unsigned scope; /* one of these is needed; 0: none */
} ops[] = {
    {"hello", op_hello, 0},
    {"sub", op_sub, SCOPE_RECEIVE},
    {"unsub", op_unsub, SCOPE_RECEIVE},
    {"credit", op_credit, SCOPE_RECEIVE},
    {"ack", op_ack, SCOPE_RECEIVE},
    {"nack", op_nack, SCOPE_RECEIVE},
    {"term", op_term, SCOPE_RECEIVE},
    {"renew", op_renew, SCOPE_RECEIVE},
    {"send", op_send, SCOPE_SEND},
    {"reply", op_reply, SCOPE_SEND},
    {"watch", op_watch, SCOPE_READ},
    {"cancel", op_cancel, SCOPE_ADMIN},
    {"ping", op_ping, 0},
};

void stream_request(struct stream *s, json_t *o, struct blob *payload)
{
    struct ask q = {.s = s, .o = o, .payload = payload};
    const char *op = line(&q, "op", STREAM_NAME_MAX, true);
    json_t *ref;
    size_t at = 0;

    q.ref = line(&q, "ref", STREAM_NAME_MAX, false);
    if (q.fault.status) {
        refuse(&q);
        return;
    }
    while (at < ARRAY_LEN(ops) && strcmp(ops[at].name, op) != 0)
        at++;
    if (at == ARRAY_LEN(ops)) {
        stream_err(s, q.ref, PROBLEM_BAD_REQUEST, "no such op");
        return;
    }
    if (ops[at].scope && !(s->asked.scopes & ops[at].scope)) {
        stream_err(s, q.ref, PROBLEM_FORBIDDEN, "the token is not for this");
        return;
    }
    ref = json_incref(json_object_get(o, "ref")); /* it lends q.ref */
    (void)json_object_del(o, "ref");
    (void)json_object_del(o, "op");
    ops[at].run(&q);
    json_decref(ref);
    s->api->conf.kick(s->api->conf.ctx);
}
