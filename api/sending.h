/* sending.h - a message that a client sends, whichever of the calls it comes by.
 *
 * What the head of a request says (path, query, header fields) is read before the payload; the rest
 * with it. Private to api/. Thread: loop. Protocol: docs/protocol/api.md, "Messages", "Sending". */
#pragma once
#include "api/calls.h"
#include "api/push.h"

struct sending {
    struct bus_send s;     /* payload and file: once they are known */
    struct push_dsts dsts; /* instead of s.dst; until sending_fini() */
    enum pending_kind kind;
    enum send_form {
        SEND_API_JSON,  /* of /api/v1 */
        SEND_BUS_JSON,  /* of /bus/v1 */
        SEND_BUS_BYTES, /* the body is the payload */
        SEND_RPC,       /* somewhere in calls of JSON-RPC: who sends it is read at the end */
    } form;
};

void sending_fini(struct sending *x); /* with the payload */
/* False, answered: refused by its head. */
bool sending_begin(struct api *a, const struct asked *q, const struct http_request *r,
                   const struct match *m, struct sending *ret);
/* The whole body of a message whose payload is not above MSG_LEN_MAX. Ends x. */
void sending_whole(struct api *a, const struct asked *q, struct sending *x, const uint8_t *body,
                   size_t len);
/* A message of /bus/v1 that was parsed; what the head said stays. ERR_INVAL with *fault. */
MUST_CHECK int sending_read_json(struct sending *x, json_t *v, struct json_fault *fault);
/* What of a JSON body is not its payload, which stands there as ""; large: that will be a file.
 * ERR_INVAL with *fault. */
MUST_CHECK int sending_rest(struct sending *x, bool large, const uint8_t *json, size_t len,
                            struct json_fault *fault);
/* To the bus, with the payload or the file that x->s has. Ends x. False, answered: it did not take
 * it. */
bool sending_hand_over(struct api *a, const struct asked *q, struct sending *x);
