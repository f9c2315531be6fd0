#include "api/proxy_calls.h"

#include <stdio.h>

#include "api/json_in.h"
#include "base/err.h"
#include "router/endpoint.h"

int proxy_remote_read(const json_t *v, struct json_fault *fault)
{
    static const char bad[] = "invalid socket address syntax";
    char text[SOCKADDR_STR_MAX + sizeof("tcp://")];
    const char *remote, *why = "";
    struct endpoint e;

    if (!v || json_is_null(v))
        return OK;
    if (!json_is_string(v))
        return json_wrong_kind(fault, "remote", v, "a string");
    remote = json_line(v);
    if (!remote || snprintf(text, sizeof(text), "tcp://%s", remote) >= (int)sizeof(text) ||
        endpoint_parse(text, &e, &why) < 0 || e.host[0])
        return json_wrong_shape(fault, "remote", bad);
    return OK;
}

void ask_proxy_connect(struct api *a, const struct asked *q)
{
    answer_empty(a, q, 404);
}

void call_proxy_connect(struct api *a, const struct asked *q, const struct http_request *r)
{
    struct json_fault fault = {0};
    json_t *body;
    int rc;

    if (!body_is_json(a, q, r))
        return;
    body = json_body(r->body, r->body_len, &fault);
    if (!body)
        rc = ERR_INVAL;
    else if (!json_is_object(body))
        rc = json_wrong_kind(&fault, "", body, "an object with remote");
    else
        rc = proxy_remote_read(json_object_get(body, "remote"), &fault);
    json_decref(body);
    if (rc < 0)
        answer_fault(a, q, &fault);
    else
        ask_proxy_connect(a, q);
}

void call_proxies(struct api *a, const struct asked *q)
{
    answer_json(a, q, 200, "[]", 2);
}

void call_proxy_nothing(struct api *a, const struct asked *q)
{
    answer_empty(a, q, 204);
}
