#include "api/stream_bin.h"

#include "base/err.h"
#include "base/wire.h"

int stream_bin_read(const uint8_t *frame, size_t len, struct stream_bin *ret)
{
    struct wire_rd r = wire_rd_of(frame, len);
    uint32_t json_len = wire_u32(&r);
    struct stream_bin b = {.json_len = json_len};

    b.json = wire_take(&r, json_len);
    if (r.bad || json_len < STREAM_BIN_JSON_MIN || json_len > STREAM_BIN_JSON_MAX)
        return ERR_MALFORMED;
    b.rest_len = wire_left(&r);
    b.rest = wire_take(&r, b.rest_len);
    *ret = b;
    return OK;
}

void stream_bin_head(uint8_t out[static STREAM_BIN_HEAD], size_t json_len)
{
    struct wire_wr w = wire_wr_of(out, STREAM_BIN_HEAD);

    wire_put_u32(&w, (uint32_t)json_len);
}
