/* packet.h - the outer header and data packets. Control packets: tlv.h.
 *
 * Decoders borrow: the result points into the bytes given. Protocol: docs/protocol/packets.md. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ip6.h"
#include "base/macros.h"
#include "base/pkt.h"
#include "base/wire.h"

#define OUTER_VERSION      1
#define OUTER_DATA         0
#define OUTER_CONTROL      1
#define OUTER_BYTES        4
#define DATA_HEADER_BYTES  40 /* outer header included */
#define BABEL_HEADER_BYTES 8  /* outer header included */
#define BABEL_MAGIC        42
#define BABEL_VERSION      3
/* Largest control body we wait for; the largest that is ever sent is 68. */
#define CONTROL_BODY_MAX 1280

struct data_header {
    uint8_t hop_limit;
    uint16_t len; /* bytes of raw data */
    struct ip6 src, dst;
};

/* frame: one whole packet as cut out by the framer. */
MUST_CHECK int data_decode(struct wire_rd frame, struct data_header *ret, struct wire_rd *ret_body);
/* Prepends the 40 bytes to p, whose data is the body (at most 65535 bytes: asserted). */
void data_encode(struct pkt *p, uint8_t hop_limit, const struct ip6 *src, const struct ip6 *dst);
