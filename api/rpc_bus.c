/* The methods of this program: the calls of /bus/v1, with the same objects. Parameters by name are
 * the object; a list holds the object. */
#include <stdio.h>
#include <string.h>

#include "api/json_lease.h"
#include "api/query.h"
#include "api/rpc_methods.h"
#include "api/sending.h"
#include "base/err.h"
#include "base/text.h"

#define QUERY_MAX 2048 /* bytes of a query made from parameters */

/* The object; NULL, answered: there is none. */
static json_t *object(struct rpc_run *r)
{
    json_t *p = r->member.params;
    json_t *v = json_is_array(p) ? json_array_get(p, 0) : p;

    if (json_is_object(v))
        return v;
    answer_problem(r->api, &r->asked, PROBLEM_BAD_SHAPE, "expected an object as parameters");
    return NULL;
}

/* --- as a query ------------------------------------------------------------------------------ */

/* What in a call of HTTP stands in its query. */
struct query_out {
    char text[QUERY_MAX];
    size_t len;
    bool bad;
};

static void put(struct query_out *q, const char *text)
{
    size_t len = strlen(text);

    q->bad = q->bad || len >= QUERY_MAX - q->len;
    if (q->bad)
        return;
    memcpy(q->text + q->len, text, len + 1);
    q->len += len;
}

static void put_escaped(struct query_out *q, const char *text, size_t len)
{
    char one[4];

    for (size_t i = 0; i < len && !q->bad; i++) {
        (void)snprintf(one, sizeof(one), "%%%02x", (unsigned char)text[i]); /* fits */
        put(q, one);
    }
}

/* key=value for a text, a number or a boolean; anything else is bad. Missing: nothing. */
static void put_pair(struct query_out *q, const json_t *params, const char *key)
{
    const json_t *v = json_object_get(params, key);
    char number[32];

    if (!v)
        return;
    put(q, "&");
    put(q, key);
    put(q, "=");
    if (json_is_string(v)) {
        put_escaped(q, json_string_value(v), json_string_length(v));
    } else if (json_is_boolean(v)) {
        put(q, json_is_true(v) ? "true" : "false");
    } else if (json_is_number(v)) { /* one with a fraction is none to those who read it */
        (void)snprintf(number, sizeof(number), "%.17g", json_number_value(v)); /* fits */
        put(q, number);
    } else {
        q->bad = true;
    }
}

/* False, answered: not of the form of a query. */
static bool query_of(struct rpc_run *r, const json_t *params, const char *const *keys,
                     struct query_out *ret)
{
    *ret = (struct query_out){0};
    for (; *keys; keys++)
        put_pair(ret, params, *keys);
    if (ret->bad)
        answer_problem(r->api, &r->asked, PROBLEM_BAD_SHAPE, "a parameter has the wrong type");
    return !ret->bad;
}

/* --- sending --------------------------------------------------------------------------------- */

static const char *const wait_keys[] = {"wait", "waitMs", NULL};

/* What stands beside the message. The object is the caller's own. */
static int read_beside(const char *query, json_t *v, struct sending *x, struct json_fault *f)
{
    const json_t *key = json_object_get(v, "idempotencyKey");
    const char *text = json_is_string(key) ? json_line(key) : NULL;
    struct idem_key idem = {0};
    int rc = OK;

    if (key && !text)
        return json_problem(f, PROBLEM_BAD_REQUEST, "idempotencyKey: expected a string");
    if (key)
        rc = push_key_read(text, &idem, f);
    if (rc == OK)
        rc = push_wait_read(query, &x->s, f);
    x->s.idem = idem;
    for (const char *const *k = wait_keys; *k; k++)
        (void)json_object_del(v, *k); /* fails only when it is not there */
    (void)json_object_del(v, "idempotencyKey");
    return rc;
}

void rpc_bus_send(struct rpc_run *r)
{
    struct sending x = {.form = SEND_BUS_JSON, .kind = PENDING_PUSH};
    json_t *given = object(r), *v;
    struct json_fault f = {0};
    struct query_out query;
    struct rpc_payload p;
    int rc;

    if (!given || !query_of(r, given, wait_keys, &query) || !rpc_payload_begin(r, given, &p))
        return;
    v = json_copy(p.message); /* not deep: fields are taken off it */
    rc = v ? read_beside(query.text, v, &x, &f) : json_problem(&f, PROBLEM_NOT_READY, "no memory");
    if (x.s.index_wait_ms > 0 || x.s.reply_wait_ms > 0)
        x.kind = PENDING_PUSH_WAIT;
    if (rc == OK)
        rc = sending_read_json(&x, v, &f);
    json_decref(v);
    json_decref(p.message);
    if (rc == OK && p.large && x.dsts.n > 0 && r->large.file.number != 0)
        rc = json_wrong_shape(&f, "dsts", "only with payloads of up to 65536 bytes");
    if (rc < 0) {
        sending_fini(&x);
        rpc_fault(r, &f);
        return;
    }
    rpc_payload_give(r, &p, &x.s);
    rpc_hand_over(r, &x);
}

/* --- on lease -------------------------------------------------------------------------------- */

void rpc_bus_fetch(struct rpc_run *r)
{
    struct bus_fetch f = {.session = r->from.connection};
    json_t *v = r->member.params ? object(r) : json_object();
    struct json_fault fault = {0};
    int rc;

    if (!v)
        return;
    rc = fetch_json_read(v, &f, &fault);
    if (!r->member.params)
        json_decref(v);
    if (rc < 0) {
        rpc_fault(r, &fault);
        return;
    }
    f.max_bytes = MIN(f.max_bytes, rpc_payload_room(r));
    ask_fetch(r->api, &r->asked, &f);
}

static void settle(struct rpc_run *r, enum bus_settle_kind kind)
{
    const json_t *v = object(r);
    struct json_fault fault = {0};
    struct settle_body b;

    if (!v)
        return;
    if (settle_json_read(v, kind, &b, &fault) < 0)
        rpc_fault(r, &fault);
    else
        ask_settle(r->api, &r->asked, kind, &b);
}

void rpc_bus_ack(struct rpc_run *r)
{
    settle(r, BUS_ACK);
}

void rpc_bus_nack(struct rpc_run *r)
{
    settle(r, BUS_NACK);
}

void rpc_bus_renew(struct rpc_run *r)
{
    settle(r, BUS_RENEW);
}

void rpc_bus_term(struct rpc_run *r)
{
    settle(r, BUS_TERM);
}

/* --- the outbox ------------------------------------------------------------------------------ */

/* `ref` in the place of the path's. False, answered. */
static bool read_ref(struct rpc_run *r, const json_t *v, struct match *ret)
{
    const json_t *ref = json_object_get(v, "ref");
    const char *text = json_is_string(ref) ? json_line(ref) : NULL;

    *ret = (struct match){.param_name = "ref"};
    if (text && strlen(text) <= PARAM_MAX) {
        ret->param_len = strlen(text);
        memcpy(ret->param, text, ret->param_len + 1);
        return true;
    }
    answer_problem(r->api, &r->asked, PROBLEM_BAD_SHAPE, "ref: expected an id, or ~ and a number");
    return false;
}

void rpc_bus_outbox(struct rpc_run *r)
{
    static const char *const list_keys[] = {"state", "dst", "id", "limit", "before", NULL};
    static const char *const entry_keys[] = {"index", "wait", NULL};
    json_t *v = r->member.params ? object(r) : NULL;
    bool one = json_object_get(v, "ref") != NULL;
    struct http_request request = {0};
    struct query_out query;
    struct match m;

    if ((r->member.params && !v) || !query_of(r, v, one ? entry_keys : list_keys, &query))
        return;
    request.query = query.text;
    if (!one)
        call_out_list(r->api, &r->asked, &request);
    else if (read_ref(r, v, &m))
        call_out_entry(r->api, &r->asked, &request, &m);
}

void rpc_bus_cancel(struct rpc_run *r)
{
    const json_t *v = object(r);
    struct match m;

    if (v && read_ref(r, v, &m))
        call_out_cancel(r->api, &r->asked, &m);
}

void rpc_bus_retry(struct rpc_run *r)
{
    const json_t *v = object(r);
    struct match m;

    if (v && read_ref(r, v, &m))
        call_out_retry(r->api, &r->asked, &m);
}
