/* body_lift.h - the payload of a short body of JSON, taken out of it before the rest is parsed.
 *
 * Most of a body is its payload in base64, of which the parser looks at every byte and copies it
 * twice: a fifth of what a POST of 1 KiB cost. Long bodies lose it on the way in (upload.h).
 * Thread: any. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/blob.h"
#include "base/macros.h"

#define BODY_LIFT_FROM 512 /* bytes of a body: for shorter ones it does not pay */

/* OK: *ret_payload is the taker's, *ret_rest (malloc(), not terminated) the body with "" in its
 * place. ERR_*: it has none that could be taken; who reads the whole body hears why, if there is a
 * fault. */
MUST_CHECK int body_lift(const uint8_t *json, size_t len, struct blob **ret_payload,
                         char **ret_rest, size_t *ret_rest_len);
