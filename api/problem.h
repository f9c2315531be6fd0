/* problem.h - what /bus/v1 says when it refuses: application/problem+json with a stable word.
 *
 * `code` is for programs and never changes its meaning; `detail` is a sentence for people. Under
 * /api/v1 errors stay plain text. Protocol: docs/protocol/api.md, "Problems". */
#pragma once
#include "api/json_out.h"

/* X(name, code, usual status, title) */
#define PROBLEM_LIST(X)                                                                            \
    X(BAD_REQUEST, "bad-request", 400, "Bad request")                                              \
    X(UNAUTHORIZED, "unauthorized", 401, "Token required")                                         \
    X(FORBIDDEN, "forbidden", 403, "Not allowed")                                                  \
    X(HOST_NOT_ALLOWED, "host-not-allowed", 403, "Host not allowed")                               \
    X(ORIGIN_NOT_ALLOWED, "origin-not-allowed", 403, "Origin not allowed")                         \
    X(NOT_FOUND, "not-found", 404, "Not found")                                                    \
    X(BAD_METHOD, "bad-request", 405, "Method not allowed")                                        \
    X(ALREADY_FINAL, "already-final", 409, "Already final")                                        \
    X(KEY_REUSED, "key-reused", 409, "Idempotency key used with other content")                    \
    X(TOO_LARGE, "too-large", 413, "Too large")                                                    \
    X(UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", 415, "Unsupported media type")             \
    X(UPGRADE, "bad-request", 426, "Upgrade required")                                             \
    X(RANGE, "range", 416, "Range not satisfiable")                                                \
    X(BAD_SHAPE, "bad-request", 422, "JSON of the wrong shape")                                    \
    X(BAD_DESTINATION, "bad-destination", 422, "Bad destination")                                  \
    X(BAD_TOPIC, "bad-topic", 422, "Bad topic")                                                    \
    X(BAD_PATTERN, "bad-pattern", 422, "Bad pattern")                                              \
    X(BAD_BASE64, "bad-base64", 422, "Bad base64")                                                 \
    X(BAD_TOKEN, "bad-token", 422, "Bad token")                                                    \
    X(TOO_MANY, "too-many", 429, "A limit is reached")                                             \
    X(PEER_QUOTA, "peer-quota", 429, "The limit of the destination is reached")                    \
    X(INTERNAL, "internal", 500, "Internal error")                                                 \
    X(UNSUPPORTED, "bad-request", 501, "Not supported")                                            \
    X(STORE_FAILED, "store-failed", 503, "The store failed")                                       \
    X(NOT_READY, "not-ready", 503, "Not ready")                                                    \
    X(STORE_FULL, "store-full", 507, "No space left")

enum problem {
    PROBLEM_NONE, /* what is refused tells by its status only: problem_of_status() */
#define X(name, code, status, title) PROBLEM_##name,
    PROBLEM_LIST(X)
#undef X
        PROBLEM_END
};

#define PROBLEM_CONTENT_TYPE "application/problem+json"

unsigned problem_status(enum problem p);
const char *problem_code(enum problem p);
const char *problem_title(enum problem p);
/* The most general one with this status. */
enum problem problem_of_status(unsigned status);
/* What an ERR_* of the bus or its store means to a client. */
enum problem problem_of_error(int rc);
/* {"type","title","status","detail"?,"code"}; detail is UTF-8, "" or NULL: none. */
void problem_write(struct json_out *o, enum problem p, const char *detail);
