/* json_admin.h - the node, its peers and routes as JSON.
 *
 * Protocol: docs/protocol/api.md, "Node". */
#pragma once
#include "api/json_out.h"
#include "base/clock.h"
#include "router/endpoint.h"
#include "router/identity.h"
#include "router/peers.h"
#include "router/router.h"

struct json_fault;

void json_info(struct json_out *o, const struct pubkey *key, int64_t start_wall_s);
void json_pubkey(struct json_out *o, const struct pubkey *key);

/* Lists: one call for each entry between "[" and "]". */
void json_peer(struct json_out *o, const struct peer_info *p, usec_t now);
void json_route(struct json_out *o, const struct route_info *r);
void json_query(struct json_out *o, const struct subnet *s, usec_t ends, usec_t now);
void json_traffic(struct json_out *o, const struct ip6 *addr, uint64_t packets, uint64_t bytes);

/* {"endpoint": text}. ERR_INVAL with *fault filled: 400, 413 or 422. */
MUST_CHECK int endpoint_body_read(const uint8_t *json, size_t len, struct endpoint *ret,
                                  struct json_fault *fault);
