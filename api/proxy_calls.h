/* proxy_calls.h - the calls on proxies (SOCKS5 servers) of the network, as its other node has them.
 *
 * Proxies are reached through addresses of the network, which a node without a tunnel cannot dial:
 * none is ever known here, looking for them finds none, and connecting fails as it does where none
 * is known. Private to api/. Thread: loop. Protocol: docs/protocol/api.md, "Node". */
#pragma once
#include <jansson.h>

#include "api/calls.h"

struct json_fault;

/* `remote` of a request: missing, null or a socket address. ERR_INVAL with *fault. */
MUST_CHECK int proxy_remote_read(const json_t *v, struct json_fault *fault);

void call_proxies(struct api *a, const struct asked *q);
void call_proxy_connect(struct api *a, const struct asked *q, const struct http_request *r);
void ask_proxy_connect(struct api *a, const struct asked *q);
/* Disconnecting, looking for proxies and no longer doing so: there is nothing that would change. */
void call_proxy_nothing(struct api *a, const struct asked *q);
