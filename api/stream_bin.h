/* stream_bin.h - the binary frame: JSON text with its length in front, the payload behind it.
 *
 * Protocol: docs/protocol/streams.md, "Binary frames". */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

#define STREAM_BIN_HEAD     4
#define STREAM_BIN_JSON_MIN 2
#define STREAM_BIN_JSON_MAX 65536

struct stream_bin {
    const uint8_t *json; /* borrowed from the frame */
    size_t json_len;
    const uint8_t *rest; /* to the end of the frame */
    size_t rest_len;
};
/* ERR_MALFORMED: no length, or one that is out of range or beyond the frame. */
MUST_CHECK int stream_bin_read(const uint8_t *frame, size_t len, struct stream_bin *ret);
void stream_bin_head(uint8_t out[static STREAM_BIN_HEAD], size_t json_len);
