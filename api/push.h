/* push.h - what POST /bus/v1/messages asks for: a message, from a JSON body or from a query.
 *
 * Protocol: docs/protocol/api.md, "Sending". */
#pragma once
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "api/json_in.h"
#include "base/macros.h"
#include "bus/bus.h"

#define PUSH_TTL_MIN_MS 1000
#define PUSH_TTL_MAX_MS INT64_C(2592000000)

/* An address or a public key in hex. ERR_INVAL: neither, or outside of the network. */
MUST_CHECK int destination_parse(const char *text, struct ip6 *ret);

/* `dsts` of a body; v is malloc(), the taker's. n 0: it has `dst`. */
struct push_dsts {
    struct ip6 *v;
    size_t n;
};
#define PUSH_DST_NAME_MAX 32
/* How a problem names one of them. */
void push_dst_name(size_t at, char ret[static PUSH_DST_NAME_MAX]);

/* All return ERR_INVAL with *fault filled; else ret->payload is the taker's. Fields that are not
 * given have their defaults. */
MUST_CHECK int push_body_read(const uint8_t *json, size_t len, struct bus_send *ret,
                              struct push_dsts *ret_dsts, struct json_fault *fault);
/* The same, of a value that was parsed; payload: it came beside it (takes a reference of its own),
 * or NULL. */
MUST_CHECK int push_json_read(json_t *o, struct blob *payload, struct bus_send *ret,
                              struct push_dsts *ret_dsts, struct json_fault *fault);
/* The payload is the body as it is; body NULL: it comes later, and ret->payload is NULL. */
MUST_CHECK int push_query_read(const char *query, const uint8_t *body, size_t len,
                               struct bus_send *ret, struct json_fault *fault);
/* What the answer waits for, from the query: sets reply_wait_ms, or index_wait_ms and index. */
#define PUSH_WAIT_DEFAULT_MS 30000
#define PUSH_WAIT_MAX_MS     600000
MUST_CHECK int push_wait_read(const char *query, struct bus_send *ret, struct json_fault *fault);
/* The header field; NULL: none. 1 to IDEM_KEY_MAX visible ASCII characters. */
MUST_CHECK int push_key_read(const char *field, struct idem_key *ret, struct json_fault *fault);
