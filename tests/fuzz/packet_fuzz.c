/* What decodes as a data packet encodes to the same bytes, reserved ones aside. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "router/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct data_header h;
    struct wire_rd body;
    if (data_decode(wire_rd_of(data, size), &h, &body) != OK)
        return 0;
    assert(size == DATA_HEADER_BYTES + (size_t)h.len && wire_left(&body) == h.len);
    struct pkt *p = pkt_copy(wire_take(&body, h.len), h.len);
    if (!p)
        abort();
    data_encode(p, h.hop_limit, &h.src, &h.dst);
    assert(p->len == size);
    assert(memcmp(p->data, data, 2) == 0);
    assert(memcmp(p->data + 2, "\0\0\0", 3) == 0);
    assert(memcmp(p->data + 5, data + 5, size - 5) == 0);
    pkt_free(p);
    return 0;
}
