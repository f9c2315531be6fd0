/* json_topic.h - the bodies of the calls about topic rules, in and out.
 *
 * Protocol: docs/protocol/api.md, "Topics". */
#pragma once
#include <stdbool.h>

#include "api/json_in.h"
#include "api/json_out.h"
#include "bus/topic_rules.h"

/* All write *fault on ERR_INVAL. */

/* {"accept":true} */
MUST_CHECK int accept_body_read(const uint8_t *json, size_t len, bool *ret,
                                struct json_fault *fault);
/* The bytes as an array of numbers, or as base64. */
MUST_CHECK int topic_body_read(const uint8_t *json, size_t len, struct topic *ret,
                               struct json_fault *fault);
/* {"subnet":"400::/7"}; a source of the wrong form: 400 without text. */
MUST_CHECK int source_body_read(const uint8_t *json, size_t len, struct topic_source *ret,
                                struct json_fault *fault);
/* {"socketPath":"/run/x.sock"}, also socket_path; besides halfClose, replyTimeoutMs. */
MUST_CHECK int forward_body_read(const uint8_t *json, size_t len, struct topic_forward *ret,
                                 struct json_fault *fault);
void json_forward(struct json_out *o, const struct topic_forward *f); /* the path, or null */

/* Entries of a list: with a comma in front, but for the first. */
void json_topic(struct json_out *o, const struct topic *t);
void json_source(struct json_out *o, const struct topic_source *s);
