/* table.h - which call a path and a method name.
 *
 * Paths are compared as they were sent: only a parameter is unescaped, one time, after the path was
 * split, so that "%2F" is how a slash inside a parameter is written. No trailing slash, except
 * where a parameter may be empty: the topic of no bytes. Protocol: docs/protocol/api.md, "HTTP
 * rules" and "Calls". */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "api/http.h"
#include "api/scope.h"
#include "base/macros.h"

enum call {
    CALL_INFO,
    CALL_PEERS,
    CALL_PEER_ADD,
    CALL_PEER_DELETE,
    CALL_ROUTES_SELECTED,
    CALL_ROUTES_FALLBACK,
    CALL_ROUTES_QUERIED,
    CALL_PACKETS,
    CALL_PROXIES,
    CALL_PROXY_CONNECT,
    CALL_PROXY_DISCONNECT,
    CALL_PROXY_PROBE,
    CALL_PROXY_PROBE_STOP,
    CALL_PUBKEY,
    CALL_TAKE,
    CALL_LOOK, /* HEAD /messages */
    CALL_SEND,
    CALL_REPLY,
    CALL_STATUS,
    /* /bus/v1 */
    CALL_BUS_INFO,
    CALL_BUS_STATS,
    CALL_FETCH_LEASES,
    CALL_ACK,
    CALL_NACK,
    CALL_RENEW,
    CALL_TERM,
    CALL_INBOX,
    CALL_INBOX_ENTRY,
    CALL_INBOX_PAYLOAD,
    CALL_INBOX_DROP,
    CALL_INBOX_REQUEUE,
    CALL_PUSH,
    CALL_OUTBOX,
    CALL_OUT_GET,
    CALL_OUT_DELETE,
    CALL_OUT_AGAIN,
    CALL_TOPIC_DEFAULT,
    CALL_TOPIC_DEFAULT_SET,
    CALL_TOPICS,
    CALL_TOPIC_ADD,
    CALL_TOPIC_REMOVE,
    CALL_TOPIC_SOURCES,
    CALL_TOPIC_SOURCE_ADD,
    CALL_TOPIC_SOURCE_REMOVE,
    CALL_TOPIC_FORWARD,
    CALL_TOPIC_FORWARD_SET,
    CALL_TOPIC_FORWARD_REMOVE,
    CALL_WS,
    CALL_EVENTS,
    CALL_OUT_EVENTS,
};

#define PARAM_MAX 512 /* bytes, unescaped; longer ones are refused with 400 */

struct match {
    enum call call;
    enum scope scope;       /* that a caller needs for it */
    const char *allow;      /* ERR_UNSUPPORTED: the methods that the path has */
    const char *param_name; /* "" if the path has none; with ERR_INVAL the one that is wrong */
    char param[PARAM_MAX + 1];
    size_t param_len;
    char second[PARAM_MAX + 1]; /* "" if the path has only one */
    size_t second_len;
};

/* Is it a path of ours, where errors are told as problems (api/problem.h)? */
bool path_is_bus(const char *path);

/* Is its body JSON and nothing else (415)? */
bool call_wants_json(enum call c);

/* ERR_NOENT: no such path (404). ERR_UNSUPPORTED: not this method (405), ret->allow is set.
 * ERR_INVAL: the parameter is not UTF-8, has a zero byte or is too long (400); param_name is set.
 */
MUST_CHECK int table_match(enum http_method method, const char *path, struct match *ret);
