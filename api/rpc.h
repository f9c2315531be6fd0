/* rpc.h - JSON-RPC 2.0 envelopes: a body as calls, one after the other, and what is answered to
 * each.
 *
 * A body is one object or a list of them (a batch). A member is a call, a notification (no id, or
 * one that is none: nothing is done and nothing answered), or no request at all. Ids are null,
 * texts, and whole numbers from 0 to 2^63 - 1; they come back as they were.
 *
 * Bytes in, values out: knows no method, no socket. The values of a body live in the library's tree
 * until rpc_body_fini(). Protocol: docs/protocol/api.md, "JSON-RPC". */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/json_out.h"
#include "base/macros.h"

#define RPC_BATCH_MAX 1000 /* members of a batch; more: RPC_BATCH_TOO_LONG */

/* Codes that are no method's own. */
enum rpc_code {
    RPC_NO_JSON = -32700,
    RPC_NO_REQUEST = -32600,
    RPC_NO_METHOD = -32601,
    RPC_BAD_PARAMS = -32602,
    RPC_INTERNAL = -32603,
    RPC_REQUEST_TOO_BIG = -32007,
    RPC_ANSWER_TOO_BIG = -32008,
    RPC_BATCH_TOO_LONG = -32010,
};
const char *rpc_code_str(int code); /* "Server error" where there is nothing better */

struct rpc_body {
    json_t *root;
    size_t n; /* members; 1 if it is no batch */
    bool batch;
    bool reals; /* all numbers were read as such */
};

/* ERR_INVAL with *ret_code: it is answered as a whole, with id null. */
MUST_CHECK int rpc_body_read(const uint8_t *text, size_t len, struct rpc_body *ret, int *ret_code);
void rpc_body_fini(struct rpc_body *b); /* fine on zeroed */
/* Does a body begin like one? What does not is no JSON-RPC in the eyes of HTTP (400). */
bool rpc_body_begins(const uint8_t *text, size_t len);

struct rpc_member {
    enum rpc_kind { RPC_CALL, RPC_NOTIFICATION, RPC_REFUSED } kind;
    int code;           /* REFUSED */
    const json_t *id;   /* CALL; REFUSED: or NULL, which is told as null */
    const char *method; /* CALL: method_len bytes */
    size_t method_len;
    json_t *params; /* CALL: list or object; NULL: none */
};
/* Lends from b. */
struct rpc_member rpc_member(const struct rpc_body *b, size_t at);

/* --- answers --------------------------------------------------------------------------------- */

/* Up to and with `"result":`; a value and "}" follow. id NULL: null. */
void rpc_result_begin(struct json_out *o, const json_t *id);
/* A whole answer. message NULL: that of the code. data: a JSON value as it is to stand there, or
 * NULL. */
void rpc_error(struct json_out *o, const json_t *id, int code, const char *message,
               const struct json_out *data);
