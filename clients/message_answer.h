/* message_answer.h - a message as the API gives it and as the commands show it. */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/macros.h"

struct message {
    json_t *json; /* what the texts are borrowed from */
    const char *id, *src_ip, *src_pk, *dst_ip, *dst_pk;
    char *topic, *payload; /* decoded, heap; topic NULL: none */
    size_t topic_len, payload_len;
};

/* Takes json in any case, also NULL. ERR_MALFORMED for another form than a message's. */
MUST_CHECK int message_read(json_t *json, struct message *ret);
void message_fini(struct message *m);

/* One JSON object on one line. Topic and payload are shown as text when they are UTF-8, else as
 * base64, and then the keys "topicEncoding" and "encoding" say so. */
void message_print(FILE *out, const struct message *m, bool with_payload);
