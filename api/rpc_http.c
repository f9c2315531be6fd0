#include "api/rpc_http.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/rpc_ws.h"
#include "api/upload.h"
#include "base/text.h"

/* Longest body that is collected; longer ones have a payload that may become a file. */
#define WHOLE_MAX B64_LEN(MSG_LEN_MAX)

/* Exactly one of these, as clients of the network send them. */
static bool right_type(const char *content_type)
{
    static const char *const types[] = {"application/json", "application/json-rpc"};
    static const char *const rests[] = {"", ";charset=utf-8", "; charset=utf-8"};

    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        size_t len = strlen(types[i]);
        if (strncasecmp(content_type, types[i], len) != 0)
            continue;
        for (size_t k = 0; k < ARRAY_LEN(rests); k++)
            if (strcasecmp(content_type + len, rests[k]) == 0)
                return true;
    }
    return false;
}

static void answer_plain(struct api *a, const struct asked *q, unsigned status, const char *text)
{
    struct json_out o = {0};

    json_put(&o, text);
    answer_typed(a, q, status, "text/plain", &o);
}

static void answer_code(struct api *a, const struct asked *q, unsigned status, int code,
                        const char *data)
{
    struct json_out o = {0}, d = {0};

    if (data)
        json_quoted(&d, data);
    a->stats.rpc_errors++;
    rpc_error(&o, NULL, code, NULL, data ? &d : NULL);
    json_out_fini(&d);
    answer_typed(a, q, status, RPC_CONTENT_TYPE, &o);
}

void rpc_http_too_big(struct api *a, const struct asked *q, uint64_t max)
{
    char text[64];

    a->stats.refused_body++;
    (void)snprintf(text, sizeof(text), "Exceeded max limit of %" PRIu64, max); /* fits */
    answer_code(a, q, 413, RPC_REQUEST_TOO_BIG, text);
}

void rpc_http_no_json(struct api *a, const struct asked *q)
{
    answer_code(a, q, 200, RPC_NO_JSON, NULL);
}

/* False: answered. */
static bool admit(struct api *a, const struct asked *q, const struct http_request *r)
{
    if (rpc_ws_wanted(r)) {
        rpc_ws_request(a, q, r);
        return false;
    }
    if (r->method != HTTP_POST) {
        answer_plain(a, q, 405, "Used HTTP Method is not allowed. POST is required\n");
        return false;
    }
    if (right_type(r->content_type))
        return true;
    answer_plain(
        a, q, 415,
        "Supplied content type is not allowed. Content-Type: application/json is required\n");
    return false;
}

struct http_want rpc_http_head(struct api *a, const struct asked *q, const struct http_request *r)
{
    if (!admit(a, q, r))
        return (struct http_want){.kind = HTTP_BODY_NONE};
    if (r->length <= WHOLE_MAX) /* which an unknown one is not */
        return (struct http_want){HTTP_BODY_WHOLE, WHOLE_MAX};
    return upload_begin_rpc(a, q, r);
}

void rpc_http_request(struct api *a, const struct asked *q, const struct http_request *r)
{
    const struct rpc_from from = {.http = *q, .connection = r->connection};

    if (admit(a, q, r))
        rpc_http_body(a, &from, r->body, r->body_len, NULL);
}

void rpc_http_body(struct api *a, const struct rpc_from *from, const uint8_t *text, size_t len,
                   struct rpc_large *large)
{
    if (!rpc_body_begins(text, len))
        answer_code(a, &from->http, 400, RPC_NO_JSON, NULL);
    else
        rpc_start(a, from, text, len, large);
}
