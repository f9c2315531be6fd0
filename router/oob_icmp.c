#include "router/oob_icmp.h"

#include <assert.h>

#include "base/err.h"

#define IP6_HEADER_BYTES   40
#define ICMP6_HEADER_BYTES 8
#define NEXT_HEADER_ICMP6  58
#define ICMP6_CHECKSUM_AT  (16 + IP6_HEADER_BYTES + 2)

/* Internet checksum, one run over bytes; an odd last byte is padded with zero. */
static uint32_t sum_bytes(uint32_t sum, const uint8_t *p, size_t len)
{
    for (size_t i = 0; i + 1 < len; i += 2)
        sum += (uint32_t)p[i] << 8 | p[i + 1];
    if (len & 1)
        sum += (uint32_t)p[len - 1] << 8;
    return sum;
}

static uint16_t icmp6_checksum(const struct oob_icmp *o, const uint8_t *icmp, size_t len)
{
    uint32_t sum = sum_bytes(0, o->src.b, sizeof(o->src.b));
    sum = sum_bytes(sum, o->dst.b, sizeof(o->dst.b));
    sum += (uint32_t)len + NEXT_HEADER_ICMP6; /* len is below 2^16 here */
    sum = sum_bytes(sum, icmp, len);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

struct pkt *oob_icmp_encode(const struct oob_icmp *o)
{
    size_t quote_len = o->quote_len > OOB_ICMP_QUOTE_MAX ? 0 : o->quote_len;
    size_t icmp_len = ICMP6_HEADER_BYTES + quote_len;
    struct pkt *p = pkt_new(OOB_ICMP_HEADER_BYTES + quote_len);
    if (!p)
        return NULL;
    struct wire_wr w = wire_wr_of(p->data, p->len);
    wire_put(&w, o->lost_dst.b, sizeof(o->lost_dst.b));
    wire_put_u32(&w, 0x60000000); /* version 6, traffic class 0, flow label 0 */
    wire_put_u16(&w, (uint16_t)icmp_len);
    wire_put_u8(&w, NEXT_HEADER_ICMP6);
    wire_put_u8(&w, 64);
    wire_put(&w, o->src.b, sizeof(o->src.b));
    wire_put(&w, o->dst.b, sizeof(o->dst.b));
    wire_put_u8(&w, o->type);
    wire_put_u8(&w, o->code);
    wire_put_u16(&w, 0); /* checksum: below */
    wire_put_u32(&w, 0);
    wire_put(&w, o->quote, quote_len);
    assert(!w.bad && wire_len(&w) == p->len);

    uint16_t sum = icmp6_checksum(o, p->data + 16 + IP6_HEADER_BYTES, icmp_len);
    p->data[ICMP6_CHECKSUM_AT] = (uint8_t)(sum >> 8);
    p->data[ICMP6_CHECKSUM_AT + 1] = (uint8_t)sum;
    return p;
}

int oob_icmp_decode(struct wire_rd body, struct oob_icmp *ret)
{
    struct oob_icmp o = {0};
    if (wire_left(&body) > OOB_ICMP_BODY_MAX)
        return ERR_MALFORMED;
    wire_copy(&body, o.lost_dst.b, sizeof(o.lost_dst.b));
    uint8_t version = (uint8_t)(wire_u32(&body) >> 28);
    uint16_t payload_len = wire_u16(&body);
    uint8_t next_header = wire_u8(&body);
    (void)wire_u8(&body); /* hop limit: that of the outer packet counts */
    wire_copy(&body, o.src.b, sizeof(o.src.b));
    wire_copy(&body, o.dst.b, sizeof(o.dst.b));
    if (payload_len == 0)
        payload_len = (uint16_t)wire_left(&body);
    const uint8_t *payload = wire_take(&body, payload_len); /* what follows is ignored */
    if (body.bad || version != 6 || next_header != NEXT_HEADER_ICMP6)
        return ERR_MALFORMED;

    struct wire_rd icmp = wire_rd_of(payload, payload_len);
    o.type = wire_u8(&icmp);
    o.code = wire_u8(&icmp);
    (void)wire_u16(&icmp); /* checksum */
    (void)wire_u32(&icmp); /* unused or MTU: stays in the body */
    o.quote_len = wire_left(&icmp);
    o.quote = wire_take(&icmp, o.quote_len);
    if (icmp.bad || o.type < OOB_UNREACHABLE || o.type > OOB_PARAMETER)
        return ERR_MALFORMED; /* errors only: anything else is made up by the sender */
    *ret = o;
    return OK;
}
