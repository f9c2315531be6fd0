/* guard.h - who may ask: checks on the head of a request, before anything else is looked at.
 *
 * Values in, verdict out; no state. A web page in the user's browser must not reach the node, not
 * even by a name that it lets point to a loopback address; programs on this machine must.
 * Protocol: docs/protocol/api.md, "Host and Origin". */
#pragma once
#include "api/http.h"
#include "api/problem.h"

struct guard_conf {
    const char *const *hosts;   /* more names allowed in Host, NULL-terminated; may be NULL */
    const char *const *origins; /* foreign origins that may ask, likewise */
};

struct guard_verdict {
    unsigned status;      /* 0: may pass; 401 or 403 */
    const char *text;     /* of a refusal */
    enum problem problem; /* the same under /bus/v1 */
    const char *origin;   /* passes as an allowed foreign origin: to be named in the answer. Lends
                             from guard_conf */
};

struct guard_verdict guard_check(const struct guard_conf *g, const struct http_request *r);
