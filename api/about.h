/* about.h - what a node says of itself: health, version, descriptions, limits and sizes of the bus.
 *
 * The paths of health, version and descriptions lie outside of the prefixes, need no scope, and are
 * answered while the node stops. Private to api/. Thread: loop.
 * Protocol: docs/protocol/api.md, "Health and descriptions". */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "api/calls.h"

/* Release of the network's other node that the compatible part follows. */
#define ABOUT_COMPATIBLE "0.7.10"

/* Is it one of those paths? */
bool about_has(const char *path);
void about_request(struct api *a, const struct asked *q, const struct http_request *r);

/* GET /bus/v1 and /bus/v1/stats. */
void call_bus_info(struct api *a, const struct asked *q);
void call_bus_stats(struct api *a, const struct asked *q);

/* The descriptions; made of docs/ by describe.py. */
extern const unsigned char openapi_yaml[], openapi_json[], openrpc_json[];
extern const size_t openapi_yaml_len, openapi_json_len, openrpc_json_len;
