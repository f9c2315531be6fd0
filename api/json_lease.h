/* json_lease.h - the JSON of /bus/v1 around the inbox: what is asked, messages on lease, entries.
 *
 * Protocol: docs/protocol/api.md, "Messages on lease" and "Inbox". */
#pragma once
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "api/json_in.h"
#include "api/json_out.h"
#include "base/macros.h"
#include "bus/bus.h"

/* Of an answer without maxBytes, and the most that may be asked for. */
#define FETCH_BYTES     (UINT64_C(8) << 20)
#define FETCH_BYTES_MAX (UINT64_C(64) << 20)
#define FETCH_WAIT_MAX  600000

/* Both: ERR_INVAL with *fault filled. fetch_body_read() leaves the session alone. */
MUST_CHECK int fetch_body_read(const uint8_t *json, size_t len, struct bus_fetch *ret,
                               struct json_fault *fault);

/* Of a value that was parsed. */
MUST_CHECK int fetch_json_read(json_t *v, struct bus_fetch *ret, struct json_fault *fault);
/* One value each, of the field that `key` names. */
MUST_CHECK int json_whole(struct json_fault *f, const char *key, const json_t *v, uint64_t min,
                          uint64_t max, uint64_t *ret); /* a whole number from min to max */
/* topic, prefix or pattern, which must be the only one of them. */
MUST_CHECK int json_filter(struct json_fault *f, const char *key, const json_t *v,
                           struct bus_filter *ret);
MUST_CHECK int json_consumer(struct json_fault *f, const json_t *v,
                             char ret[static BUS_CONSUMER_MAX + 1]);

struct settle_body {
    struct bus_token *tokens; /* heap */
    size_t n;
    int64_t ms; /* delayMs of a nack, leaseMs of a renew */
};
MUST_CHECK int settle_body_read(const uint8_t *json, size_t len, enum bus_settle_kind kind,
                                struct settle_body *ret, struct json_fault *fault);

MUST_CHECK int settle_json_read(const json_t *v, enum bus_settle_kind kind, struct settle_body *ret,
                                struct json_fault *fault);

/* What is between the braces of a message; leased: with token, redelivered, leaseUntilMs; payload:
 * with its payload, if it has one. */
void json_leased_fields(struct json_out *o, const struct bus_message *m,
                        const uint8_t self_key[static MSG_KEY_BYTES], bool leased, bool payload);
void json_settled_fields(struct json_out *o, const struct bus_settled *s,
                         const struct bus_token *tokens);
void json_fetched(struct json_out *o, const struct bus_message *messages, size_t n,
                  const uint8_t self_key[static MSG_KEY_BYTES]);
void json_settled(struct json_out *o, const struct bus_settled *s, const struct bus_token *tokens);
void json_inbox_entry(struct json_out *o, const struct bus_inbox_entry *e);
/* A page; next 0: the last one. */
void json_inbox_page(struct json_out *o, const struct bus_inbox_entry *e, size_t n, uint64_t next);
