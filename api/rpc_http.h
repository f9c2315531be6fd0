/* rpc_http.h - JSON-RPC as requests of HTTP: POST, on its own listener with any path, and as /rpc.
 *
 * Private to api/. Thread: loop. Protocol: docs/protocol/api.md, "JSON-RPC". */
#pragma once
#include "api/rpc_run.h"

#define RPC_PATH          "/rpc"
#define RPC_CONTENT_TYPE  "application/json; charset=utf-8"
#define RPC_TOO_BUSY_TEXT "Too many connections. Please try again later."

/* What can be refused by its head is; as http_handler.head. */
struct http_want rpc_http_head(struct api *a, const struct asked *q, const struct http_request *r);
void rpc_http_request(struct api *a, const struct asked *q, const struct http_request *r);
/* A whole body, whose large payload was taken out. Takes what `large` owns; NULL: none was. */
void rpc_http_body(struct api *a, const struct rpc_from *from, const uint8_t *text, size_t len,
                   struct rpc_large *large);
/* It turns out while it comes. */
void rpc_http_no_json(struct api *a, const struct asked *q);
/* 413: longer than max bytes. */
void rpc_http_too_big(struct api *a, const struct asked *q, uint64_t max);
