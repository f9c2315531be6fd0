/* json_outbox.h - entries of the outbox as JSON.
 *
 * Protocol: docs/protocol/api.md, "Sending" and "Outbox". */
#pragma once
#include "api/json_out.h"
#include "bus/bus.h"

const char *out_state_str(enum out_state s);
const char *out_reason_str(enum out_reason r); /* "": none */
/* The word of a state in a query: bit n for each enum out_state that it means. 0: no such word. */
unsigned out_states_of(const char *word);

void json_accepted(struct json_out *o, const struct bus_status_info *s);
/* reply: of a node with this key; NULL: none. */
void json_reached(struct json_out *o, const struct bus_status_info *s,
                  const struct bus_message *reply, const uint8_t self_key[static MSG_KEY_BYTES]);
void json_accepted_many(struct json_out *o, const struct bus_out_page *p);
void json_out_entry(struct json_out *o, const struct bus_status_info *s);
void json_out_page(struct json_out *o, const struct bus_out_page *p);
/* The same up to and with `"payload":` of the reply. */
void json_reached_begin(struct json_out *o, const struct bus_status_info *s,
                        const struct bus_message *reply,
                        const uint8_t self_key[static MSG_KEY_BYTES]);
