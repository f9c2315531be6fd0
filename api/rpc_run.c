#include "api/rpc_run.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/client_numbers.h"
#include "api/rpc_http.h"
#include "api/rpc_ws.h"
#include "base/err.h"
#include "base/text.h"

/* Of what stands around a payload in an answer. */
#define AROUND 4096

static void run_on(struct rpc_run *r);

static void free_run(struct rpc_run *r)
{
    struct api *a = r->api;

    list_del(&r->link);
    a->stats.rpc_open--;
    a->rpc_batches -= r->batch_text;
    rpc_body_fini(&r->body);
    json_out_fini(&r->out);
    blob_unref(r->large.payload);
    if (r->large.file.number != 0) /* nobody took it */
        drop_file(a, r->large.file.number);
    free(r);
}

/* --- answers --------------------------------------------------------------------------------- */

static bool in_memory(const struct rpc_run *r)
{
    return r->body.batch || r->from.ws;
}

/* The answer to the member under way is to be written from here on. */
static void answer_anew(struct rpc_run *r)
{
    r->out.len = MIN(r->out.len, r->mark);
    if (r->body.batch)
        json_put(&r->out, r->mark == 0 ? "[" : ",");
}

/* It is written. */
static void answer_done(struct rpc_run *r)
{
    if (in_memory(r) && r->out.len > RPC_ANSWER_MAX) {
        answer_anew(r);
        rpc_error(&r->out, r->member.id, RPC_ANSWER_TOO_BIG, NULL, NULL);
    }
    r->mark = r->out.len;
    r->answered = true;
    if (!r->begun)
        run_on(r);
}

static void answer_code(struct rpc_run *r, int code, const char *message,
                        const struct json_out *data)
{
    r->api->stats.rpc_errors++;
    answer_anew(r);
    rpc_error(&r->out, r->member.id, code, message, data);
    answer_done(r);
}

void rpc_fail(struct rpc_run *r, int code, const char *message, const char *data)
{
    struct json_out o = {0};

    if (data)
        json_quoted(&o, data);
    answer_code(r, code, message, data ? &o : NULL);
    json_out_fini(&o);
}

void rpc_bad_params(struct rpc_run *r, const char *why)
{
    rpc_fail(r, RPC_BAD_PARAMS, NULL, why);
}

static int code_of(const struct rpc_run *r, unsigned status)
{
    for (size_t i = 0; i < ARRAY_LEN(r->method->codes); i++)
        if (r->method->codes[i].status == status)
            return r->method->codes[i].code;
    return status == 400 || status == 422 ? RPC_BAD_PARAMS
           : status == 500                ? RPC_INTERNAL
                                          : (int)status;
}

void rpc_fault(struct rpc_run *r, const struct json_fault *f)
{
    if (r->method->problems || code_of(r, f->status) != RPC_BAD_PARAMS) {
        answer_fault(r->api, &r->asked, f);
        return;
    }
    r->api->stats.refused_body++;
    rpc_bad_params(r, json_fault_why(f));
}

void rpc_problem(struct rpc_run *r, enum problem p, const char *detail)
{
    int code = code_of(r, problem_status(p));
    struct json_out data = {0};

    problem_write(&data, p, detail);
    answer_code(r, code, code < 0 ? NULL : problem_title(p), &data);
    json_out_fini(&data);
}

/* A refusal: the words of the call as the message. */
static void refused(struct rpc_run *r, unsigned status, const void *body, size_t len)
{
    char text[JSON_TEXT_MAX];

    if (len > 0) {
        (void)snprintf(text, sizeof(text), "%.*s", (int)MIN(len, sizeof(text)),
                       (const char *)body); /* may be cut: for people */
        rpc_fail(r, code_of(r, status), utf8_valid(text, strlen(text)) ? text : NULL, NULL);
    } else {
        rpc_fail(r, code_of(r, status), status == 404 ? "Not found" : NULL, NULL);
    }
}

void rpc_answered(struct rpc_run *r, unsigned status, const char *content_type, const void *body,
                  size_t len)
{
    if (status >= 300 && status != 408) {
        refused(r, status, body, len);
        return;
    }
    answer_anew(r);
    rpc_result_begin(&r->out, r->member.id);
    if (content_type)
        json_put_bytes(&r->out, body, len);
    else
        json_put(&r->out, r->method->none);
    json_put(&r->out, "}");
    answer_done(r);
}

bool rpc_passes_on(struct rpc_run *r, struct download_conf *c, struct asked *q)
{
    struct json_out head = {0};

    if (in_memory(r))
        return false;
    rpc_result_begin(&head, r->member.id);
    json_put_bytes(&head, c->head.p, c->head.len);
    head.bad = head.bad || c->head.bad;
    json_out_fini(&c->head);
    c->head = head;
    c->status = 200;
    c->content_type = RPC_CONTENT_TYPE;
    c->n_more = 0;
    c->close = "}";
    *q = r->from.http;
    free_run(r);
    return true;
}

void rpc_file_begin(struct rpc_run *r)
{
    answer_anew(r);
    rpc_result_begin(&r->out, r->member.id);
}

void rpc_file_bytes(struct rpc_run *r, const void *bytes, size_t len)
{
    json_put_bytes(&r->out, bytes, len);
}

void rpc_file_end(struct rpc_run *r)
{
    json_put(&r->out, "}");
    answer_done(r);
}

/* --- the calls of a body --------------------------------------------------------------------- */

static void finish(struct rpc_run *r)
{
    struct rpc_from from = r->from;
    struct api *a = r->api;
    struct json_out out = r->out;

    r->out = (struct json_out){0};
    if (r->body.batch && out.len > 0)
        json_put(&out, "]");
    free_run(r);
    if (from.ws) { /* which hears nothing of notifications */
        rpc_ws_answer(from.ws, &out);
        json_out_fini(&out);
        return;
    }
    if (out.len == 0)
        json_put(&out, "null");
    answer_typed(a, &from.http, 200, RPC_CONTENT_TYPE, &out);
}

/* False: there is nothing to wait for. */
static bool begin_call(struct rpc_run *r)
{
    struct api *a = r->api;
    struct json_fault fault = {0};

    r->answered = false;
    r->method = rpc_method_find(r->member.method, r->member.method_len);
    if (!r->method) {
        rpc_fail(r, RPC_NO_METHOD, NULL, NULL);
        return false;
    }
    r->asked = (struct asked){
        .id = RPC_CLIENT | ++a->rpc_seq,
        .scopes = r->from.http.scopes,
        .problems = r->method->problems,
        .rpc = r,
    };
    if (a->stopping) {
        (void)json_problem(&fault, PROBLEM_NOT_READY, "stopping");
        answer_fault(a, &r->asked, &fault);
    } else if (in_memory(r) && r->out.len > RPC_ANSWER_MAX - AROUND) {
        rpc_fail(r, RPC_ANSWER_TOO_BIG, NULL, NULL);
    } else if (asked_may(a, &r->asked, r->method->scope)) {
        r->method->call(r);
    }
    return !r->answered;
}

/* Until one has to wait, or all are answered. */
static void run_on(struct rpc_run *r)
{
    bool waits = false;

    r->begun = true;
    while (!waits && r->at < r->body.n) {
        r->member = rpc_member(&r->body, r->at++);
        r->api->stats.rpc_calls += r->member.kind == RPC_CALL;
        if (r->member.kind == RPC_REFUSED)
            rpc_fail(r, r->member.code, NULL, NULL);
        else if (r->member.kind == RPC_CALL)
            waits = begin_call(r);
    }
    r->begun = false;
    if (!waits)
        finish(r);
}

static void answer_whole(struct api *a, const struct rpc_from *from, int code, const char *message)
{
    struct json_out o = {0};

    a->stats.rpc_errors++;
    rpc_error(&o, NULL, code, message, NULL);
    if (from->ws) {
        rpc_ws_answer(from->ws, &o);
        json_out_fini(&o);
    } else {
        answer_typed(a, &from->http, 200, RPC_CONTENT_TYPE, &o);
    }
}

void rpc_start(struct api *a, const struct rpc_from *from, const uint8_t *text, size_t len,
               struct rpc_large *large)
{
    struct rpc_run *r = calloc(1, sizeof(*r));
    int code = RPC_INTERNAL;

    if (!r) {
        answer_whole(a, from, RPC_INTERNAL, err_str(ERR_NOMEM));
        return;
    }
    r->api = a;
    r->from = *from;
    list_push_back(&a->rpcs, &r->link);
    a->stats.rpc_open++;
    if (large) {
        r->large = *large;
        *large = (struct rpc_large){0};
    }
    if (rpc_body_read(text, len, &r->body, &code) < 0) {
        free_run(r);
        answer_whole(a, from, code, NULL);
        return;
    }
    if (r->body.batch && a->rpc_batches + len > RPC_BATCHES_MAX) {
        free_run(r);
        if (from->ws)
            answer_whole(a, from, 429, RPC_TOO_BUSY_TEXT);
        else
            answer_text(a, &from->http, 429, RPC_TOO_BUSY_TEXT);
        return;
    }
    r->batch_text = r->body.batch ? len : 0;
    a->rpc_batches += r->batch_text;
    run_on(r);
}

static void drop_call(struct rpc_run *r)
{
    struct api *a = r->api;
    http_id id = r->asked.id;

    pending_drop(a, id);
    download_gone(a, id);
    bus_forget_client(a->conf.bus, id);
    free_run(r);
}

void rpc_gone(struct api *a, http_id id)
{
    list_foreach_safe (i, &a->rpcs) {
        struct rpc_run *r = list_entry(i, struct rpc_run, link);
        if (!r->from.ws && r->from.http.id == id) {
            drop_call(r);
            return;
        }
    }
}

void rpc_ws_gone(struct api *a, const struct rpc_ws *w)
{
    list_foreach_safe (i, &a->rpcs) {
        struct rpc_run *r = list_entry(i, struct rpc_run, link);
        if (r->from.ws == w)
            drop_call(r);
    }
    a->conf.kick(a->conf.ctx);
}

void rpcs_free(struct api *a)
{
    list_foreach_safe (i, &a->rpcs)
        free_run(list_entry(i, struct rpc_run, link));
}

/* --- parameters ------------------------------------------------------------------------------ */

uint64_t rpc_payload_room(const struct rpc_run *r)
{
    size_t used = r->out.len + AROUND;

    if (!in_memory(r))
        return UINT64_MAX;
    return used < RPC_ANSWER_MAX ? MAX((RPC_ANSWER_MAX - used) / 4 * 3, (size_t)1) : 1;
}

static void camel(const char *name, char *ret, size_t cap)
{
    size_t n = 0;

    for (; *name && n + 1 < cap; name++) {
        bool up = *name == '_' && name[1];
        name += up;
        ret[n++] = (char)(up ? toupper((unsigned char)*name) : *name);
    }
    ret[n] = '\0';
}

json_t *rpc_arg(const struct rpc_run *r, size_t i)
{
    const char *name = r->method->params[i];
    json_t *params = r->member.params, *v;
    char other[32];

    if (json_is_array(params)) {
        v = json_array_get(params, i);
    } else {
        v = json_object_get(params, name);
        camel(name, other, sizeof(other));
        if (!v)
            v = json_object_get(params, other);
    }
    return json_is_null(v) ? NULL : v;
}

const char *rpc_arg_text(struct rpc_run *r, size_t i, size_t *ret_len)
{
    struct json_fault f = {0};
    const json_t *v = rpc_arg(r, i);
    const char *text = json_is_string(v) ? json_line(v) : NULL;

    if (!v)
        (void)json_missing(&f, r->method->params[i]);
    else if (!json_is_string(v))
        (void)json_wrong_kind(&f, r->method->params[i], v, "a string");
    else if (!text)
        (void)json_wrong_shape(&f, r->method->params[i], "a text without zero bytes");
    if (f.status) {
        rpc_bad_params(r, json_fault_why(&f));
        return NULL;
    }
    *ret_len = json_string_length(v);
    return text;
}
