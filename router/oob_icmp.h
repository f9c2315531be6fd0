/* oob_icmp.h - out-of-band ICMP: the errors that a node on the way sends about sealed packets.
 *
 * Bytes in, value out, and back; sealing and routing are done by the caller.
 * Body: destination of the lost packet 16 | IPv6 header 40 | ICMPv6 header 8 | the lost packet's
 * raw data, or nothing. Protocol: docs/protocol/packets.md, "Out-of-band ICMP". */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ip6.h"
#include "base/macros.h"
#include "base/pkt.h"
#include "base/wire.h"

#define OOB_ICMP_HEADER_BYTES 64
/* Quotes above this would make the error larger than the smallest IPv6 MTU: left out as a whole,
 * because sealed data can not be cut. */
#define OOB_ICMP_QUOTE_MAX 1232
#define OOB_ICMP_BODY_MAX  (OOB_ICMP_HEADER_BYTES + OOB_ICMP_QUOTE_MAX)

enum oob_icmp_type {
    OOB_UNREACHABLE = 1,
    OOB_TOO_BIG = 2,
    OOB_TIME_EXCEEDED = 3,
    OOB_PARAMETER = 4
};

struct oob_icmp {
    struct ip6 lost_dst; /* where the lost packet was going */
    uint8_t type, code;
    struct ip6 src, dst;  /* of the embedded IPv6 header: who reports, to whom */
    const uint8_t *quote; /* raw data of the lost packet; borrowed */
    size_t quote_len;
};

/* A packet whose data is the body, with head- and tailroom. A quote above OOB_ICMP_QUOTE_MAX is
 * left out. NULL when out of memory. */
struct pkt *oob_icmp_encode(const struct oob_icmp *o);
/* ERR_MALFORMED for what is not an ICMPv6 error in an IPv6 packet. Bytes behind the announced
 * payload are ignored; a payload length of 0 means all of the rest. The checksum is not looked at:
 * the seal has vouched for the bytes. */
MUST_CHECK int oob_icmp_decode(struct wire_rd body, struct oob_icmp *ret);
