#include "router/link/beacon.h"

#include <string.h>

#include "base/err.h"
#include "base/wire.h"

static const uint8_t magic[8] = {'m', 'y', 'c', 'e', 'l', 'i', 'u', 'm'};

void beacon_encode(const struct beacon *b, uint8_t ret[static BEACON_BYTES])
{
    struct wire_wr w = wire_wr_of(ret, BEACON_BYTES);
    wire_put(&w, magic, sizeof(magic));
    wire_put_u16(&w, b->port);
    wire_put(&w, b->from.b, sizeof(b->from.b));
}

int beacon_decode(const uint8_t *bytes, size_t len, struct beacon *ret)
{
    struct wire_rd r = wire_rd_of(bytes, len);
    struct beacon b;
    uint8_t head[sizeof(magic)];
    if (len != BEACON_BYTES)
        return ERR_MALFORMED;
    wire_copy(&r, head, sizeof(head));
    b.port = wire_u16(&r);
    wire_copy(&r, b.from.b, sizeof(b.from.b));
    if (!wire_done(&r) || memcmp(head, magic, sizeof(magic)) != 0 || b.port == 0)
        return ERR_MALFORMED;
    *ret = b;
    return OK;
}
