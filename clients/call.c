#include "clients/call.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "clients/escape.h"

#define REASON_MAX 400

int command_fail(const char *fmt, ...)
{
    va_list ap;
    fputs("Error: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    return 1;
}

int command_fail_shape(const char *what)
{
    return command_fail("cannot %s: the node's answer has an unexpected form", what);
}

int command_flush(void)
{
    if (fflush(stdout) != 0 || ferror(stdout))
        return command_fail(
            "cannot write to standard output: %s",
            strerror(errno)); /* NOLINT(concurrency-mt-unsafe): commands have one thread */
    return 0;
}

int api_call_unanswered(const struct api_target *t, const char *what, int rc)
{
    bool v6 = !t->socket && strchr(t->host, ':') != NULL;
    const char *open = v6 ? "[" : "", *close = v6 ? "]" : "";
    const char *why = rc == ERR_IO        ? "no connection; is it running?"
                      : rc == ERR_CLOSED  ? "it closed the connection without an answer"
                      : rc == ERR_TIMEOUT ? "no answer in time"
                                          : err_str(rc);
    if (t->socket)
        return command_fail("cannot %s: node at %s: %s", what, t->socket, why);
    return command_fail("cannot %s: node at %s://%s%s%s:%u: %s", what,
                        t->tls_cert ? "https" : "http", open, t->host, close, t->port, why);
}

static const char *status_text(unsigned status)
{
    switch (status) {
    case 400:
        return "bad request";
    case 401:
        return "not authorised";
    case 403:
        return "forbidden";
    case 404:
        return "not found";
    case 405:
        return "method not allowed";
    case 409:
        return "conflict";
    case 413:
        return "too large";
    case 429:
        return "too many requests";
    case 500:
        return "internal error";
    case 503:
        return "not available";
    case 507:
        return "storage is full";
    default:
        return "refused";
    }
}

/* The node's own words, when it had any that fit on a line. */
int api_call_refused(const struct call_args *a, const struct http_reply *r)
{
    char reason[REASON_MAX + 4];
    json_t *problem = a->base == CALL_BUS ? json_loadb(r->body, r->body_len, 0, NULL) : NULL;
    const char *text = json_string_value(json_object_get(problem, "detail"));
    if (!text)
        text = json_string_value(json_object_get(problem, "title"));
    size_t len = text ? strlen(text) : r->body_len;
    text = text ? text : r->body;
    if (r->status == 404 && a->base != CALL_COMPATIBLE && len == 0) {
        json_decref(problem);
        return command_fail("cannot %s: the node is of another program, which does not offer this",
                            a->what);
    }
    int n = (int)MIN(len, (size_t)REASON_MAX);
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        n--;
    snprintf(reason, sizeof(reason), "%.*s%s", n, text, len > REASON_MAX ? "..." : "");
    json_decref(problem);
    text_make_printable(reason);
    const char *advice = r->status == 401 ? "; give --token-file, or MYCELIUM_API_TOKEN" : "";
    return command_fail("cannot %s: %u %s%s", a->what, r->status,
                        reason[0] ? reason : status_text(r->status), advice);
}

int api_call(const struct api_target *t, const struct call_args *a, struct http_reply *ret)
{
    struct http_reply r = {0};
    static const char *const bases[] = {
        [CALL_COMPATIBLE] = "/api/v1", [CALL_BUS] = "/bus/v1", [CALL_ROOT] = ""};
    char path[2048];
    int rc = ERR_TOOBIG;
    struct http_query q = a->more ? *a->more : (struct http_query){0};
    q.method = a->method;
    q.path = path;
    q.wait_s = a->wait_s;
    if (a->body) {
        q.body = a->body;
        q.body_len = a->body_len;
    }
    if (snprintf(path, sizeof(path), "%s%s", bases[a->base], a->path) < (int)sizeof(path))
        rc = http_exchange(t, &q, &r);
    if (rc != OK) {
        if (rc != ERR_STATE)
            api_call_unanswered(t, a->what, rc);
        return rc;
    }
    if ((r.status < 200 || r.status > 299) && (a->accept == 0 || r.status != a->accept)) {
        api_call_refused(a, &r);
        http_reply_fini(&r);
        return ERR_INVAL;
    }
    *ret = r;
    return OK;
}

int api_call_plain(const struct api_target *t, const struct call_args *a)
{
    struct http_reply r = {0};
    if (api_call(t, a, &r) != OK)
        return 1;
    http_reply_fini(&r);
    return 0;
}

int api_call_json(const struct api_target *t, const struct call_args *a, json_t **ret)
{
    struct http_reply r = {0};
    int rc = api_call(t, a, &r);
    if (rc != OK)
        return rc;
    *ret = json_loadb(r.body, r.body_len, JSON_DECODE_ANY, NULL);
    http_reply_fini(&r);
    if (*ret)
        return OK;
    command_fail_shape(a->what);
    return ERR_MALFORMED;
}
