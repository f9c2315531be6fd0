/* tlv.h - the five TLVs of the routing protocol: values, decoder, encoder.
 *
 * On receipt a control packet may hold several TLVs, Pad1, PadN and sub-TLVs: they are walked up to
 * the body length. We send exactly one TLV per packet with exact lengths, because that is all that
 * other nodes of the network read.
 * Decoders do not log, allocate or look at node state. Protocol: docs/protocol/packets.md. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ip6.h"
#include "base/macros.h"
#include "base/pkt.h"
#include "base/wire.h"
#include "router/identity.h"

enum tlv_type {
    TLV_PAD1 = 0,
    TLV_PADN = 1,
    TLV_HELLO = 4,
    TLV_IHU = 5,
    TLV_UPDATE = 8,
    TLV_ROUTE_REQUEST = 9,
    TLV_SEQNO_REQUEST = 10,
};

#define METRIC_INFINITE    0xffff
#define HELLO_FLAG_UNICAST 0x8000

struct tlv_hello {
    uint16_t flags, seqno;
    uint16_t interval_cs; /* hundredths of a second, as all intervals on the wire */
};

struct tlv_ihu {
    uint16_t rx_cost, interval_cs;
};

struct tlv_update {
    uint16_t interval_cs, seqno, metric;
    struct subnet subnet;
    struct router_id router_id;
};

struct tlv_route_request {
    uint8_t generation; /* times forwarded */
    bool wildcard;      /* whole table; subnet unused */
    struct subnet subnet;
};

struct tlv_seqno_request {
    uint16_t seqno;
    uint8_t hop_count;
    struct subnet subnet;
    struct router_id router_id;
};

struct tlv {
    enum tlv_type type;
    union {
        struct tlv_hello hello;
        struct tlv_ihu ihu;
        struct tlv_update update;
        struct tlv_route_request route_request;
        struct tlv_seqno_request seqno_request;
    };
};

/* Walks the TLVs of one control packet (whole frame with outer header):
 *
 *     struct tlv_iter it;
 *     if (tlv_iter_init(&it, frame) == OK)
 *         while ((rc = tlv_next(&it, &tlv)) != ERR_NOENT)
 *             if (rc == OK) ...
 *
 * tlv_iter_init: ERR_MALFORMED for wrong magic, version or length.
 * tlv_next: OK; ERR_NOENT at the end; ERR_MALFORMED for a TLV to be dropped and counted (unknown
 * type, short body, AE other than IPv6 (wildcard for requests), prefix length above 128, bits set
 * behind the prefix, hop count 0, generation above 14 is left to the caller): the walk goes on
 * behind it, and always ends. Pad1 and PadN are skipped silently. */
struct tlv_iter {
    struct wire_rd rd;
};
MUST_CHECK int tlv_iter_init(struct tlv_iter *it, struct wire_rd frame);
MUST_CHECK int tlv_next(struct tlv_iter *it, struct tlv *ret);

/* A whole packet with outer and Babel header. NULL when out of memory. */
struct pkt *tlv_encode(const struct tlv *t);
