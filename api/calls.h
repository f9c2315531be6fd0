/* calls.h - inside of api/: one request on its way through a call, and how it is answered.
 *
 * A call either answers with one of the answer_*() below or keeps the request with pending_add()
 * until the bus answers. Private to api.c and *_calls.c. */
#pragma once
#include "api/api.h"
#include "api/guard.h"
#include "api/json_in.h"
#include "api/json_out.h"
#include "api/problem.h"
#include "api/range.h"
#include "api/table.h"
#include "base/hmap.h"
#include "base/list.h"

/* What a waiting request asked for: decides what the answers of the bus mean to it. */
enum pending_kind {
    PENDING_TAKE,      /* leaves by: TAKEN */
    PENDING_LOOK,      /* HEAD; leaves by: TAKEN */
    PENDING_SEND,      /* leaves by: ACCEPTED */
    PENDING_SEND_WAIT, /* leaves by: ACCEPTED that failed, TAKEN (reply or time-out) */
    PENDING_REPLY,     /* leaves by: ACCEPTED */
    PENDING_STATUS,    /* leaves by: STATUS */
    PENDING_RULE,      /* a topic rule; leaves by: CHANGED */
    PENDING_FETCH,     /* leaves by: FETCHED; from here on the calls of /bus/v1 */
    PENDING_SETTLE,    /* leaves by: SETTLED */
    PENDING_CHANGE,    /* an operator's; leaves by: SETTLED */
    PENDING_PAYLOAD,   /* leaves by: BODY */
    PENDING_PUSH,      /* leaves by: ACCEPTED; from here on those around sending */
    PENDING_PUSH_WAIT, /* leaves by: ACCEPTED that failed, STATUS, TAKEN (reply or time-out) */
    PENDING_OUT_ENTRY, /* leaves by: STATUS */
    PENDING_OUT_LIST,  /* leaves by: ENTRIES */
};

struct rpc_run;

/* One request. */
struct asked {
    struct http_server *server; /* that it came in by */
    http_id id;
    const char *origin;  /* allowed foreign origin, to be named in the answer; or NULL */
    struct rpc_run *rpc; /* a call of JSON-RPC: what it is answered goes there; NULL: HTTP */
    unsigned scopes;     /* what the caller may do: bits of enum scope */
    uint64_t token;      /* that it showed (struct guard_verdict); 0: none */
    bool problems;       /* a call of /bus/v1: refusals are problems, not texts */
};

/* What the answer will need besides. */
struct pending_more {
    struct bus_token *tokens; /* SETTLE: in the order in which they were asked; heap */
    bool partial;             /* PAYLOAD: only this range */
    bool replayed;            /* PUSH_WAIT: the key was known */
    bool wait_read;           /* PUSH_WAIT: until it is read, not only received */
    struct byte_range range;
    unsigned status; /* RULE: of the answer, if all goes well */
};

struct pending {
    struct hnode node;
    struct asked asked;
    enum pending_kind kind;
    struct pending_more more;
};

#define STREAM_EPOCH_BYTES 8
struct streams {
    struct list all; /* struct stream */
    struct hmap by_number;
    uint64_t last;     /* number */
    uint32_t watching; /* changes of the outbox */
    char epoch[2 * STREAM_EPOCH_BYTES + 1];
};

struct api {
    struct api_conf conf;
    struct guard guard;
    struct hmap pending;            /* by http_id */
    struct hmap uploads, downloads; /* likewise */
    struct list rpcs;               /* bodies of JSON-RPC under way */
    struct list rpc_sockets;        /* struct rpc_ws */
    uint64_t rpc_seq;               /* of their calls */
    size_t rpc_batches;             /* bytes of text of those that are batches */
    struct streams streams;         /* stream.h */
    struct json_out info;           /* the answer to GET /admin: it never changes */
    struct api_stats stats;
    bool stopping;
};

void answer_empty(struct api *a, const struct asked *q, unsigned status);
void answer_text(struct api *a, const struct asked *q, unsigned status, const char *text);
void answer_json(struct api *a, const struct asked *q, unsigned status, const void *json,
                 size_t len);
/* The text that was built, or 503 when memory ran out; frees it. */
void answer_out(struct api *a, const struct asked *q, unsigned status, struct json_out *o);
/* The same with a further header field. */
void answer_out_with(struct api *a, const struct asked *q, unsigned status, struct json_out *o,
                     const struct http_header *more);
/* The refusals that both surfaces have; each is told in the way of its own. */
void answer_fault(struct api *a, const struct asked *q, const struct json_fault *f);
/* What an ERR_* of the bus means to a client. */
void answer_error(struct api *a, const struct asked *q, int rc);
/* Bytes as they are; n_more further header fields, at most 2. */
void answer_bytes(struct api *a, const struct asked *q, unsigned status, const void *bytes,
                  size_t len, const struct http_header *more, size_t n_more);
/* A refusal of /bus/v1; detail may be NULL; with a further header field, or NULL. */
void answer_problem_with(struct api *a, const struct asked *q, enum problem p, const char *detail,
                         const struct http_header *more);
void answer_problem(struct api *a, const struct asked *q, enum problem p, const char *detail);
/* The head of an answer of len bytes that come in pieces; n_more at most 2. As
 * http_answer_begin(). */
bool answer_begin(const struct asked *q, unsigned status, const char *content_type, uint64_t len,
                  const struct http_header *more, size_t n_more);
/* Text of this type. */
void answer_typed(struct api *a, const struct asked *q, unsigned status, const char *content_type,
                  struct json_out *o);
/* What the guard refused. */
void answer_guard(struct api *a, const struct asked *q, const struct guard_verdict *v);
/* False, answered with 403: the caller's token is not for this. */
bool asked_may(struct api *a, const struct asked *q, enum scope needed);
/* There are other tokens. False: the caller may no longer do all that it might. */
bool asked_recheck(const struct api *a, struct asked *q);
/* A browser asks whether a page of another origin may ask: only those of the configuration may. */
void answer_preflight(struct api *a, const struct asked *q);
/* 405. */
void answer_bad_method(struct api *a, const struct asked *q, const char *allow);
/* 400 with "Invalid URL: Cannot parse ..." */
void answer_bad_param(struct api *a, const struct asked *q, const struct match *m, const char *why);
/* False, answered with 415: the body is not said to be JSON. */
bool body_is_json(struct api *a, const struct asked *q, const struct http_request *r);

/* Takes more's tokens on OK; more may be NULL. ERR_NOMEM. */
MUST_CHECK int pending_add(struct api *a, const struct asked *q, enum pending_kind kind,
                           const struct pending_more *more);
void pending_drop(struct api *a, http_id id); /* fine when there is none */
/* The bus was asked and said rc at once: waits on, or is answered. */
void asked_bus(struct api *a, const struct asked *q, int rc);

void call_metrics(struct api *a, const struct asked *q);
/* Removes a file that no message has; without memory it goes at the next start. */
void drop_file(struct api *a, uint64_t file);
/* Takes op. Once the api was stopped nothing is done. */
void to_spool(struct api *a, struct spool_op *op);

/* call_*(): what a request of HTTP asks for; ask_*(): the same, already read by whichever front
 * end.
 */
struct take_query;
struct settle_body;

void call_peers(struct api *a, const struct asked *q);
void call_peer_add(struct api *a, const struct asked *q, const struct http_request *r);
void ask_peer_add(struct api *a, const struct asked *q, const struct endpoint *e);
void ask_peer_delete(struct api *a, const struct asked *q, const char *text);
void call_peer_delete(struct api *a, const struct asked *q, const struct match *m);
void call_routes(struct api *a, const struct asked *q, enum call which);
void call_packets(struct api *a, const struct asked *q);
#define PUBKEY_BAD_ADDRESS "invalid IP address syntax"
/* ERR_INVAL: no address; ERR_NOENT: of no node that is known. */
MUST_CHECK int pubkey_find(struct api *a, const char *text, struct pubkey *ret);
void call_pubkey(struct api *a, const struct asked *q, const struct match *m);

void call_take(struct api *a, const struct asked *q, const struct http_request *r, bool look);
/* look: HEAD, which takes nothing. max_len: as in struct bus_take. */
void ask_take(struct api *a, const struct asked *q, const struct take_query *query, bool look,
              uint64_t max_len);
/* POST of a message, by each of the calls that there are for it. */
void call_sending(struct api *a, const struct asked *q, const struct http_request *r,
                  const struct match *m);
/* Milliseconds of a wait that a client asked for. */
int64_t call_wait_ms(uint64_t seconds);
/* False, answered: the parameter is no id. */
bool read_msg_id(struct api *a, const struct asked *q, const struct match *m, struct msg_id *ret);
void call_status(struct api *a, const struct asked *q, const struct match *m);
void ask_status(struct api *a, const struct asked *q, const struct msg_id *id);

/* A topic as base64. ERR_INVAL: it is none, or too long. */
MUST_CHECK int topic_text_read(const char *text, size_t text_len, struct topic *ret);
/* status: of the answer, once it is durable. */
void ask_topic_change(struct api *a, const struct asked *q, const struct topic_change *c,
                      unsigned status);
void ask_topic_sources(struct api *a, const struct asked *q, const struct topic *t);
void ask_topic_forward(struct api *a, const struct asked *q, const struct topic *t);
void call_topic_default(struct api *a, const struct asked *q);
void call_topic_default_set(struct api *a, const struct asked *q, const struct http_request *r);
void call_topics(struct api *a, const struct asked *q);
void call_topic_add(struct api *a, const struct asked *q, const struct http_request *r);
void call_topic_remove(struct api *a, const struct asked *q, const struct match *m);
void call_topic_sources(struct api *a, const struct asked *q, const struct match *m);
void call_topic_source_add(struct api *a, const struct asked *q, const struct http_request *r,
                           const struct match *m);
void call_topic_source_remove(struct api *a, const struct asked *q, const struct match *m);

void call_topic_forward(struct api *a, const struct asked *q, const struct match *m);
void call_topic_forward_set(struct api *a, const struct asked *q, const struct http_request *r,
                            const struct match *m);
void call_topic_forward_remove(struct api *a, const struct asked *q, const struct match *m);
/* Streams: stream_ws.c, stream_sse.c. */
void call_ws(struct api *a, const struct asked *q, const struct http_request *r);
void call_events(struct api *a, const struct asked *q, const struct http_request *r);
void call_out_events(struct api *a, const struct asked *q, const struct http_request *r);

void topic_answer(struct api *a, const struct pending *p, const struct bus_out *out);

void message_answer(struct api *a, const struct asked *q, enum pending_kind kind,
                    const struct bus_out *out);

void call_fetch(struct api *a, const struct asked *q, const struct http_request *r);
void ask_fetch(struct api *a, const struct asked *q, const struct bus_fetch *f);
/* Takes b->tokens. */
void ask_settle(struct api *a, const struct asked *q, enum bus_settle_kind kind,
                const struct settle_body *b);
void call_settle(struct api *a, const struct asked *q, const struct http_request *r,
                 enum bus_settle_kind kind);
void call_inbox(struct api *a, const struct asked *q, const struct http_request *r);
void call_inbox_entry(struct api *a, const struct asked *q, const struct match *m);
void call_inbox_payload(struct api *a, const struct asked *q, const struct http_request *r,
                        const struct match *m);
void call_inbox_change(struct api *a, const struct asked *q, const struct match *m, bool drop);
/* The answer of the bus to one of these, which is no longer pending. */
void lease_answer(struct api *a, const struct pending *p, const struct bus_out *out);

void call_out_entry(struct api *a, const struct asked *q, const struct http_request *r,
                    const struct match *m);
void call_out_cancel(struct api *a, const struct asked *q, const struct match *m);
void call_out_retry(struct api *a, const struct asked *q, const struct match *m);
void call_out_list(struct api *a, const struct asked *q, const struct http_request *r);
void outbox_answer(struct api *a, const struct pending *p, const struct bus_out *out);
