/* How a request is answered: fields, bodies, refusals, each in the way of the surface that it came
 * in by. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "api/calls.h"
#include "api/rpc_run.h"
#include "base/err.h"
#include "base/text.h"

#define EXTRA_MAX 6

static void add_field(struct http_header *fields, size_t *count, const char *name,
                      const char *value)
{
    assert(*count < EXTRA_MAX);
    fields[(*count)++] = (struct http_header){name, value};
}

/* The fields besides those that the server adds to any answer; returns their number. */
static size_t fields_of(const struct asked *q, unsigned status, const struct http_header *more,
                        size_t n_more, struct http_header fields[static EXTRA_MAX])
{
    size_t n = 0;

    if (status == 429 || status == 503 || status == 507)
        add_field(fields, &n, "retry-after", "1");
    for (size_t i = 0; i < n_more; i++)
        add_field(fields, &n, more[i].name, more[i].value);
    if (q->origin) {
        add_field(fields, &n, "access-control-allow-origin", q->origin);
        add_field(fields, &n, "access-control-expose-headers",
                  "location, retry-after, content-range, x-mycelium-index, idempotent-replayed");
        add_field(fields, &n, "vary", "origin");
    }
    return n;
}

bool answer_begin(const struct asked *q, unsigned status, const char *content_type, uint64_t len,
                  const struct http_header *more, size_t n_more)
{
    struct http_header fields[EXTRA_MAX];
    struct http_response r = {
        .status = status,
        .content_type = content_type,
        .body_len = (size_t)len,
        .extra = fields,
        .extra_count = fields_of(q, status, more, n_more, fields),
    };

    return http_answer_begin(q->server, q->id, &r);
}

static void answer(struct api *a, const struct asked *q, unsigned status, const char *content_type,
                   const void *body, size_t len, const struct http_header *more, size_t n_more)
{
    struct http_header fields[EXTRA_MAX];
    struct http_response r = {
        .status = status,
        .content_type = content_type,
        .body = body,
        .body_len = len,
        .extra = fields,
        .extra_count = fields_of(q, status, more, n_more, fields),
    };

    if (q->rpc)
        rpc_answered(q->rpc, status, content_type, body, len);
    else
        a->stats.answers_lost += !http_answer(q->server, q->id, &r);
}

void answer_empty(struct api *a, const struct asked *q, unsigned status)
{
    answer(a, q, status, NULL, NULL, 0, NULL, 0);
}

void answer_text(struct api *a, const struct asked *q, unsigned status, const char *text)
{
    answer(a, q, status, "text/plain; charset=utf-8", text, strlen(text), NULL, 0);
}

void answer_json(struct api *a, const struct asked *q, unsigned status, const void *json,
                 size_t len)
{
    answer(a, q, status, "application/json", json, len, NULL, 0);
}

void answer_bytes(struct api *a, const struct asked *q, unsigned status, const void *bytes,
                  size_t len, const struct http_header *more, size_t n_more)
{
    answer(a, q, status, "application/octet-stream", bytes, len, more, n_more);
}

static void answer_built(struct api *a, const struct asked *q, unsigned status,
                         const char *content_type, struct json_out *o,
                         const struct http_header *more)
{
    if (o->bad)
        answer_error(a, q, ERR_NOMEM);
    else
        answer(a, q, status, content_type, o->p, o->len, more, more != NULL);
    json_out_fini(o);
}

void answer_out_with(struct api *a, const struct asked *q, unsigned status, struct json_out *o,
                     const struct http_header *more)
{
    answer_built(a, q, status, "application/json", o, more);
}

void answer_typed(struct api *a, const struct asked *q, unsigned status, const char *content_type,
                  struct json_out *o)
{
    answer_built(a, q, status, content_type, o, NULL);
}

void answer_bad_method(struct api *a, const struct asked *q, const char *allow)
{
    const struct http_header field = {"allow", allow};

    if (q->problems)
        answer_problem_with(a, q, PROBLEM_BAD_METHOD, NULL, &field);
    else
        answer(a, q, 405, NULL, NULL, 0, &field, 1);
}

void answer_out(struct api *a, const struct asked *q, unsigned status, struct json_out *o)
{
    answer_out_with(a, q, status, o, NULL);
}

void answer_problem_with(struct api *a, const struct asked *q, enum problem p, const char *detail,
                         const struct http_header *more)
{
    struct json_out o = {0};

    if (q->rpc) {
        rpc_problem(q->rpc, p, detail);
        return;
    }
    problem_write(&o, p, detail);
    if (o.bad) /* no memory for the words: the status has to do */
        answer(a, q, problem_status(p), NULL, NULL, 0, more, more != NULL);
    else
        answer(a, q, problem_status(p), PROBLEM_CONTENT_TYPE, o.p, o.len, more, more != NULL);
    json_out_fini(&o);
}

void answer_problem(struct api *a, const struct asked *q, enum problem p, const char *detail)
{
    answer_problem_with(a, q, p, detail, NULL);
}

void answer_fault(struct api *a, const struct asked *q, const struct json_fault *f)
{
    a->stats.refused_body++;
    if (q->problems)
        answer_problem(a, q, f->problem ? f->problem : problem_of_status(f->status), f->text);
    else if (*f->text)
        answer_text(a, q, f->status, f->text);
    else
        answer_empty(a, q, f->status);
}

void answer_error(struct api *a, const struct asked *q, int rc)
{
    if (q->problems) {
        answer_problem(a, q, problem_of_error(rc), err_str(rc));
        return;
    }
    switch (rc) {
    case ERR_LIMIT:
        answer_text(a, q, 429, "too many messages: a limit is reached");
        break;
    case ERR_NOSPACE:
        answer_text(a, q, 507, "no space left for messages");
        break;
    case ERR_TOOBIG:
        answer_text(a, q, 413, "the message is longer than allowed");
        break;
    case ERR_PERM:
        answer_text(a, q, 403, "the topic rules of this node refuse the message");
        break;
    case ERR_INVAL:
        answer_text(a, q, 400, "the message cannot be sent to this destination");
        break;
    default:
        answer_text(a, q, 503, err_str(rc));
        break;
    }
}

void answer_bad_param(struct api *a, const struct asked *q, const struct match *m, const char *why)
{
    char text[PARAM_MAX + 128];

    (void)snprintf(text, sizeof(text), "Invalid URL: Cannot parse `%s` with value `%s`: %s",
                   m->param_name, m->param, why); /* may be cut: for people */
    if (q->problems)
        answer_problem(a, q, PROBLEM_BAD_REQUEST, utf8_valid(text, strlen(text)) ? text : why);
    else
        answer_text(a, q, 400, text);
}

bool body_is_json(struct api *a, const struct asked *q, const struct http_request *r)
{
    static const char text[] = "Expected request with `Content-Type: application/json`";

    if (json_content_type(r->content_type))
        return true;
    if (q->problems)
        answer_problem(a, q, PROBLEM_UNSUPPORTED_MEDIA_TYPE, text);
    else
        answer_text(a, q, 415, text);
    return false;
}

void answer_preflight(struct api *a, const struct asked *q)
{
    const struct http_header fields[] = {
        {"access-control-allow-origin", q->origin},
        {"access-control-allow-methods", "GET, HEAD, POST, PUT, DELETE"},
        {"access-control-allow-headers", "content-type, authorization"},
        {"vary", "origin"},
    };
    struct http_response r = {.status = 204, .extra = fields, .extra_count = ARRAY_LEN(fields)};

    a->stats.answers_lost += !http_answer(q->server, q->id, &r);
}

void answer_guard(struct api *a, const struct asked *q, const struct guard_verdict *v)
{
    const struct http_header bearer = {"www-authenticate", "Bearer realm=\"mycelium\""};

    if (v->status == 401 || v->status == 429)
        a->stats.refused_token++;
    else
        a->stats.refused_guard++;
    if (q->problems)
        answer_problem_with(a, q, v->problem, v->text, v->status == 401 ? &bearer : NULL);
    else
        answer(a, q, v->status, "text/plain; charset=utf-8", v->text, strlen(v->text), &bearer,
               v->status == 401);
}

bool asked_may(struct api *a, const struct asked *q, enum scope needed)
{
    const struct guard_verdict v = {
        .status = 403, .text = "the token is not for this", .problem = PROBLEM_FORBIDDEN};

    if (q->scopes & needed)
        return true;
    answer_guard(a, q, &v);
    return false;
}
