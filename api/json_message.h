/* json_message.h - messages as JSON: the body of a send, a message, a status.
 *
 * Protocol: docs/protocol/api.md, "Messages". */
#pragma once
#include <jansson.h>

#include "api/json_out.h"
#include "base/blob.h"
#include "bus/bus.h"
#include "bus/message.h"

struct json_fault;

struct send_body {
    struct ip6 dst;
    struct topic topic;
    struct blob *payload; /* the taker's */
};

/* ERR_INVAL with *fault filled: 400 (no JSON; two keys in dst; an address outside the network), 422
 * (wrong shape; a key twice), 413 (payload above MSG_LEN_MAX, body above JSON_BODY_MAX), 400
 * without text (topic over 255 bytes). */
MUST_CHECK int send_body_read(const uint8_t *json, size_t len, struct send_body *ret,
                              struct json_fault *fault);
/* The same, of a value that was parsed. */
MUST_CHECK int send_json_read(json_t *v, struct send_body *ret, struct json_fault *fault);
void send_body_fini(struct send_body *b);

/* Up to and with `"payload":`. */
void json_message_begin(struct json_out *o, const struct bus_message *m,
                        const uint8_t self_key[static MSG_KEY_BYTES]);
void json_message(struct json_out *o, const struct bus_message *m,
                  const uint8_t self_key[static MSG_KEY_BYTES]);
void json_id(struct json_out *o, const struct msg_id *id);
void json_status(struct json_out *o, const struct bus_status_info *s);
