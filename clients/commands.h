/* commands.h - the commands that talk to a running node over its REST API.
 *
 * They use nothing of the daemon: an address in, text out. Each returns the exit status and has
 * written one line to standard error when it is not 0. Surface: docs/protocol/api.md, "Command
 * line". */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "clients/target.h"

/* Exit status besides 0, 1 (failed) and 2 (usage). */
#define EXIT_EMPTY 3 /* nothing came */
#define EXIT_NOT_REACHED                                                                           \
    4 /* the state that was waited for was not reached, or cannot be any more */

/* How far a message has come. */
enum message_until { UNTIL_ACCEPTED, UNTIL_RECEIVED, UNTIL_READ };

struct send_args {
    const char *destination; /* 64 hex digits: a public key; else an address in 400::/7 */
    const char *message;     /* NULL with msg_path */
    const char *topic;       /* NULL: none */
    const char *msg_path;    /* wins over message */
    const char *reply_to;    /* NULL: not a reply */
    bool wait;
    bool has_timeout;
    uint64_t timeout_s;
    /* what only nodes of this program have; nothing of it: the call that every node has */
    int64_t ttl_ms;              /* 0: the node's own */
    const char *priority;        /* "0" to "3"; NULL */
    const char *policy;          /* NULL */
    const char *idempotency_key; /* NULL */
    bool ordered;
    enum message_until until;
    bool has_until;
};
int command_message_send(const struct api_target *t, const struct send_args *a);

struct receive_args {
    const char *topic, *msg_path;
    bool raw;
    bool ack;        /* on lease, settled when the output is written; nodes of this program only */
    bool fail_empty; /* EXIT_EMPTY when nothing came */
    bool has_timeout;
    uint64_t timeout_s;
};
int command_message_receive(const struct api_target *t, const struct receive_args *a);

struct subscribe_args {
    const char *topic, *prefix, *pattern; /* one of them, or none: everything */
    const char *consumer;                 /* NULL */
    const char *exec;                     /* run for each message; NULL: a line of JSON for each */
    bool tap;                             /* copies; takes nothing */
    uint64_t count;                       /* ends after so many; 0: never */
};
int command_message_subscribe(const struct api_target *t, const struct subscribe_args *a);

int command_peers_list(const struct api_target *t, bool json);
int command_peers_add(const struct api_target *t, char *const *endpoints, size_t n);
int command_peers_remove(const struct api_target *t, char *const *endpoints, size_t n);

enum route_list { ROUTES_SELECTED, ROUTES_FALLBACK, ROUTES_QUERIED };
int command_routes(const struct api_target *t, enum route_list which, bool json);

int command_stats_packets(const struct api_target *t, bool json);

int command_proxy_list(const struct api_target *t, bool json);
int command_proxy_connect(const struct api_target *t, const char *remote,
                          bool json); /* NULL: any */
int command_proxy_disconnect(const struct api_target *t);
int command_proxy_probe(const struct api_target *t, bool start);

/* 0: the node can do its work; 1: not, or it does not answer. peers: it shall have a live one. */
int command_health(const struct api_target *t, bool peers);
/* How the node is; on a terminal again and again, unless `once`. */
int command_top(const struct api_target *t, bool json, bool once);
/* What became of a message of this node, as JSON. */
int command_message_status(const struct api_target *t, const char *id);
/* Each state that it comes to, as the outbox has it, one line each, until `until` or its end. */
int command_message_watch(const struct api_target *t, const char *ref, enum message_until until,
                          const uint64_t *timeout_s); /* NULL: no limit */

enum queue_kind { QUEUE_OUTBOX, QUEUE_INBOX };
/* All pages. state NULL: every one. */
int command_queue_list(const struct api_target *t, enum queue_kind which, const char *state,
                       bool json);
/* Each change of the outbox on a line. */
int command_outbox_watch(const struct api_target *t);
/* Of the outbox: show, cancel, retry; of the inbox: show, drop, requeue. */
enum queue_verb { QUEUE_SHOW, QUEUE_REMOVE, QUEUE_AGAIN };
/* ref: as the API takes it: an id or `~` and a seq; a seq in the inbox. */
int command_queue_entry(const struct api_target *t, enum queue_kind which, enum queue_verb verb,
                        const char *ref);

/* Topics as clients/topic_text.h has them. */
int command_topics_list(const struct api_target *t, bool json);
int command_topics_default(const struct api_target *t, const char *action);
int command_topics_add(const struct api_target *t, const char *topic);
int command_topics_remove(const struct api_target *t, const char *topic);
int command_topics_allow(const struct api_target *t, const char *topic, const char *source);
int command_topics_deny(const struct api_target *t, const char *topic, const char *source);
int command_topics_forward(const struct api_target *t, const char *topic,
                           const char *socket); /* NULL: none */

/* Asks a running node for its public key. Says nothing on standard error. ERR_* of http_request(),
 * ERR_MALFORMED for an answer of another form. */
MUST_CHECK int node_pubkey_ask(const struct api_target *t, uint8_t ret_key[static 32]);
