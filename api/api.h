/* api.h - the REST surface: routes under /api/v1 and /bus/v1 as calls of the bus and the router.
 *
 * Owns: pending requests (client number -> request). A client number of the bus is the http_id of
 * the request that waits. Thread: loop. Never: keeps a rule of the bus or the router; it parses,
 * checks who asks, translates, answers. Surface: docs/protocol/api.md. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/guard.h"
#include "api/http.h"
#include "base/clock.h"
#include "base/macros.h"
#include "bus/bus.h"
#include "router/peers.h"
#include "router/router.h"

struct api;
struct spool;
struct spool_op;
struct metrics;
struct tokens;

struct api_conf {
    struct bus *bus; /* all borrowed for the api's life */
    struct router *router;
    struct peers *peers;
    struct pubkey self_key;
    int64_t start_wall_s;
    struct spool *spool;      /* of the files of large messages; NULL: none */
    int spool_user;           /* of the operations that api_spooled() gets back */
    uint64_t max_len;         /* of a payload, as the bus takes them; 0: MSG_LEN_MAX */
    uint64_t max_body;        /* of a JSON body with a payload; 0: as of any other */
    const char *const *hosts; /* more names allowed in Host, NULL-terminated; may be NULL */
    const char *const *origins;
    enum guard_auth auth;
    /* Work was put into a core: the glue drains it in this loop turn. */
    void (*kick)(void *ctx);
    /* The numbers for /metrics, gathered now. */
    void (*metrics)(void *ctx, struct metrics *ret);
    bool metrics_here; /* /metrics is a path of the API too */
    void *ctx;
};
MUST_CHECK int api_new(const struct api_conf *c, struct api **ret);
void api_free(struct api *a);

/* The tokens from here on; borrowed until the next call. NULL: none. */
void api_set_tokens(struct api *a, const struct tokens *t);

/* The handler to put into http_conf, of as many servers as there are to be. */
struct http_handler api_handler(struct api *a);

/* The same for a listener where every path is JSON-RPC. */
struct http_handler api_rpc_handler(struct api *a);

/* The same for a listener that has /metrics and nothing else. */
struct http_handler api_metrics_handler(struct api *a);

/* BUS_OUT_ACCEPTED, _TAKEN and _STATUS whose client number is the api's. */
void api_bus_answer(struct api *a, const struct bus_out *out);

/* An operation of the spool came back; borrows it. */
void api_spooled(struct api *a, const struct spool_op *op);

/* Stopping: every new request gets 503. */
void api_stop(struct api *a);

struct api_stats {
    uint64_t refused_token, refused_guard; /* 401 and 429, 403 */
    uint64_t refused_body; /* no JSON, of the wrong shape, too long: 400, 413, 422 */
    uint32_t pending;      /* requests that wait for the bus */
    uint32_t rpc_open;     /* bodies of JSON-RPC under way */
    uint64_t rpc_calls, rpc_errors;
    uint32_t streams;      /* WebSockets and event streams, now */
    uint64_t answers_lost; /* their client had gone before */
    /* Large messages. Refused: by UPLOADS_MAX, DOWNLOADS_MAX. Broken: not read to their end. */
    uint32_t uploads, downloads; /* now */
    uint64_t uploads_refused, downloads_refused, downloads_broken;
    uint64_t upload_bytes, download_bytes; /* of bodies; of files */
};
void api_stats(const struct api *a, struct api_stats *ret);
