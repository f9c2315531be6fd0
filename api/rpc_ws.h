/* rpc_ws.h - JSON-RPC over WebSocket: a message is a body, and what is answered to it a text
 * message.
 *
 * On the paths of rpc_http.h. Several bodies of a connection may be under way; each is answered
 * when it is done, so a call that waits holds up nothing. Who asks for more than RPC_WS_OPEN at a
 * time is not read. Bodies up to JSON_BODY_MAX, answers up to RPC_ANSWER_MAX: larger ones go over
 * POST.
 *
 * Owns: the connections, until their end. Thread: loop.
 * Protocol: docs/protocol/api.md, "JSON-RPC". */
#pragma once
#include "api/rpc_run.h"

#define RPC_WS_OPEN 64

struct rpc_ws;

/* Is a WebSocket asked for? */
bool rpc_ws_wanted(const struct http_request *r);
void rpc_ws_request(struct api *a, const struct asked *q, const struct http_request *r);
/* The node stops: 1001 to each as soon as everything that came over it is answered. */
void rpc_ws_stop(struct api *a);
/* There are other tokens: 4003 to those whose own is not what it was. */
void rpc_ws_recheck(struct api *a);
/* For a body that came over it: its answer; "" : none. */
void rpc_ws_answer(struct rpc_ws *w, const struct json_out *answer);
