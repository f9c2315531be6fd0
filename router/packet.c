#include "router/packet.h"

#include <assert.h>

#include "base/err.h"

int data_decode(struct wire_rd frame, struct data_header *ret, struct wire_rd *ret_body)
{
    struct data_header h;
    uint8_t version = wire_u8(&frame);
    uint8_t type = wire_u8(&frame);
    (void)wire_u16(&frame); /* reserved */
    (void)wire_u8(&frame);  /* reserved */
    h.len = wire_u16(&frame);
    h.hop_limit = wire_u8(&frame);
    wire_copy(&frame, h.src.b, sizeof(h.src.b));
    wire_copy(&frame, h.dst.b, sizeof(h.dst.b));
    const uint8_t *body = wire_take(&frame, h.len);
    if (!wire_done(&frame) || version != OUTER_VERSION || type != OUTER_DATA)
        return ERR_MALFORMED;
    *ret = h;
    *ret_body = wire_rd_of(body, h.len);
    return OK;
}

void data_encode(struct pkt *p, uint8_t hop_limit, const struct ip6 *src, const struct ip6 *dst)
{
    uint32_t len = p->len;
    assert(len <= UINT16_MAX);
    uint8_t *head = pkt_push(p, DATA_HEADER_BYTES);
    assert(head); /* PKT_HEADROOM */
    struct wire_wr w = wire_wr_of(head, DATA_HEADER_BYTES);
    wire_put_u8(&w, OUTER_VERSION);
    wire_put_u8(&w, OUTER_DATA);
    wire_put_u16(&w, 0);
    wire_put_u8(&w, 0);
    wire_put_u16(&w, (uint16_t)len);
    wire_put_u8(&w, hop_limit);
    wire_put(&w, src->b, sizeof(src->b));
    wire_put(&w, dst->b, sizeof(dst->b));
    assert(!w.bad && wire_len(&w) == DATA_HEADER_BYTES);
}
