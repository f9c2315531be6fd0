/* guard.h - who may ask: checks on the head of a request, before anything else is looked at.
 *
 * Two questions. Does the caller need a token, and what may it do? And where none is needed: is it
 * a program of this machine? A web page in the user's browser must not reach the node, not even by
 * a name that it lets point to a loopback address. Owns: the memory of who failed. Thread: loop.
 * Protocol: docs/protocol/api.md, "Tokens" and "Host and Origin". */
#pragma once
#include "api/failures.h"
#include "api/http.h"
#include "api/problem.h"
#include "api/scope.h"

struct tokens;

struct guard {
    const char *const *hosts;   /* more names allowed in Host, NULL-terminated; may be NULL */
    const char *const *origins; /* foreign origins that may ask, likewise */
    enum guard_auth auth;
    const struct tokens *tokens; /* NULL: there are none, so nobody has one */
    struct failures failures;
};

struct guard_verdict {
    unsigned status;      /* 0: may pass; 401, 403 or 429 */
    const char *text;     /* of a refusal */
    enum problem problem; /* the same under /bus/v1 */
    const char *origin;   /* passes as an allowed foreign origin: to be named in the answer. Lends
                             from guard */
    unsigned scopes;      /* passes: bits of enum scope; 0: only what needs none */
    uint64_t token;       /* passes with this one (tokens_scopes()); 0: without */
};

struct guard_verdict guard_check(struct guard *g, const struct http_request *r, usec_t now);
