/* rpc_run.h - a body of JSON-RPC being worked off: its calls one after the other, then one answer.
 *
 * The calls are those of the other front ends (calls.h): each gets a number of its own in place of
 * a request of HTTP, and what would be the answer to that request becomes the result or the error.
 * So the members of a batch see the effects of those before them, and a call that waits holds up
 * its own body only.
 *
 * Owns: the bodies under way of an api, with what has been answered of them. Thread: loop. Limits:
 * below. Protocol: docs/protocol/api.md, "JSON-RPC". */
#pragma once
#include "api/calls.h"
#include "api/download.h"
#include "api/rpc.h"
#include "base/list.h"

#define RPC_PARAMS_MAX 3
/* Of an answer that is put together in memory: of a batch, and of whatever comes over a WebSocket.
 * A call whose answer would make it longer is told so, and takes nothing. The answer to a single
 * call over HTTP may be longer. */
#define RPC_ANSWER_MAX ((size_t)10 << 20)
/* Text of all batches under way; a batch that would make it more is refused. What they are parsed
 * into takes up to 80 times as much. */
#define RPC_BATCHES_MAX ((size_t)2 << 20)

struct rpc_run;
struct rpc_ws;

/* One method: how it is asked, and what the answers of its call are here. */
struct rpc_method {
    const char *name;
    void (*call)(struct rpc_run *r);
    enum scope scope;                   /* that a caller needs for it */
    const char *params[RPC_PARAMS_MAX]; /* in their order; also by name, as here or in camel case */
    const char *none;                   /* the result where the call answers without a body */
    struct {
        unsigned status;
        int code;
    } codes[3];    /* of refusals that have a code of their own */
    bool problems; /* of /bus/v1: refusals come with the problem as data */
};
/* NULL: there is none of this name. */
const struct rpc_method *rpc_method_find(const char *name, size_t len);

/* A payload that was taken out of the text on its way in (upload.h). */
struct rpc_large {
    bool there;
    struct blob *payload; /* up to MSG_LEN_MAX; or */
    struct msg_file file;
    struct json_fault fault; /* .. or why it cannot be had */
};
/* Stands in the text in its place: no base64. */
#define RPC_LARGE_MARK "\\u0000"

/* Who gets the answer: a request of HTTP, or a WebSocket. */
struct rpc_from {
    struct asked http;
    struct rpc_ws *ws; /* NULL: HTTP; else of http only who asks */
    uint64_t connection;
};

struct rpc_run {
    struct list link; /* of api.rpcs */
    struct api *api;
    struct rpc_from from;
    struct rpc_body body;
    size_t batch_text; /* counted in api.rpc_batches */
    size_t at;         /* members begun */
    /* The member under way. */
    struct rpc_member member;
    const struct rpc_method *method;
    struct asked asked;
    bool begun, answered;
    struct json_out out;
    size_t mark; /* where its answer begins in out */
    struct rpc_large large;
};

/* Answers now or later. Takes what `large` owns (a file: only when a call takes it); NULL: nothing
 * was taken out. */
void rpc_start(struct api *a, const struct rpc_from *from, const uint8_t *text, size_t len,
               struct rpc_large *large);
/* The request has no client any more; fine when there is none of this number. */
void rpc_gone(struct api *a, http_id id);
void rpc_ws_gone(struct api *a, const struct rpc_ws *w); /* with all of its bodies */
void rpcs_free(struct api *a);

/* --- for what answers a call ------------------------------------------------------------------ */

/* What would be the answer to a request of HTTP: a problem; any other. */
void rpc_problem(struct rpc_run *r, enum problem p, const char *detail);
void rpc_answered(struct rpc_run *r, unsigned status, const char *content_type, const void *body,
                  size_t len);
/* May the result pass through in pieces? Then *c and *q become those of the request, and r is over.
 */
bool rpc_passes_on(struct rpc_run *r, struct download_conf *c, struct asked *q);
/* Else it is put together: begin, bytes.., end. */
void rpc_file_begin(struct rpc_run *r);
void rpc_file_bytes(struct rpc_run *r, const void *bytes, size_t len);
void rpc_file_end(struct rpc_run *r);

/* --- for methods ------------------------------------------------------------------------------ */

/* How long may a payload be that the call brings? UINT64_MAX: any. At least 1. */
uint64_t rpc_payload_room(const struct rpc_run *r);
/* Lends; NULL: missing, or null. */
json_t *rpc_arg(const struct rpc_run *r, size_t i);
/* A text without zero bytes. NULL: answered. */
const char *rpc_arg_text(struct rpc_run *r, size_t i, size_t *ret_len);
void rpc_fail(struct rpc_run *r, int code, const char *message, const char *data);
/* RPC_BAD_PARAMS: what a reader of JSON said, or that one is missing. */
void rpc_bad_params(struct rpc_run *r, const char *why);
void rpc_fault(struct rpc_run *r, const struct json_fault *f);
