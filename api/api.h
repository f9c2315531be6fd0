/* api.h - the REST surface: routes under /api/v1 and /bus/v1 as calls of the bus and the router.
 *
 * Owns: pending requests (client number -> request). A client number of the bus is the http_id of
 * the request that waits. Thread: loop. Never: keeps a rule of the bus or the router; it parses,
 * checks who asks, translates, answers. Surface: docs/protocol/api.md. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/http.h"
#include "base/clock.h"
#include "base/macros.h"
#include "bus/bus.h"
#include "router/peers.h"
#include "router/router.h"

struct api;
struct metrics;

struct api_conf {
    struct bus *bus; /* all borrowed for the api's life */
    struct router *router;
    struct peers *peers;
    struct pubkey self_key;
    int64_t start_wall_s;
    const char *const *hosts; /* more names allowed in Host, NULL-terminated; may be NULL */
    const char *const *origins;
    /* Work was put into a core: the glue drains it in this loop turn. */
    void (*kick)(void *ctx);
    /* The numbers for /metrics, gathered now. */
    void (*metrics)(void *ctx, struct metrics *ret);
    bool metrics_here; /* /metrics is a path of the API too */
    void *ctx;
};
MUST_CHECK int api_new(const struct api_conf *c, struct api **ret);
void api_free(struct api *a);

/* The handler to put into http_conf; then tell the api its server. */
struct http_handler api_handler(struct api *a);
void api_attach(struct api *a, struct http_server *s);

/* The same for a listener that has /metrics and nothing else. */
struct http_handler api_metrics_handler(struct api *a);
void api_attach_metrics(struct api *a, struct http_server *s);

/* BUS_OUT_ACCEPTED, _TAKEN and _STATUS whose client number is the api's. */
void api_bus_answer(struct api *a, const struct bus_out *out);

/* Stopping: every new request gets 503. */
void api_stop(struct api *a);

struct api_stats {
    uint64_t refused_token, refused_guard; /* 401, 403 */
    uint64_t refused_body; /* no JSON, of the wrong shape, too long: 400, 413, 422 */
    uint32_t pending;      /* requests that wait for the bus */
};
void api_stats(const struct api *a, struct api_stats *ret);
