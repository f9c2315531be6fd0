/* ip6.h - IPv6 addresses and subnets as values, their text forms, and the overlay's ranges.
 *
 * Text follows RFC 5952 in the form that the API of the network uses (docs/protocol/addresses.md):
 * `::ffff:1.2.3.4` for mapped addresses, but `::102:304` for IPv4-compatible ones. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/macros.h"

struct ip6 {
    uint8_t b[16];
};

struct subnet {
    struct ip6 net; /* bits behind plen are zero */
    uint8_t plen;   /* 0..128 */
};

#define IP6_STR_MAX    46 /* with the terminating zero */
#define SUBNET_STR_MAX 50

/* Writes the text and returns buf. */
const char *ip6_str(const struct ip6 *a, char buf[static IP6_STR_MAX]);
const char *subnet_str(const struct subnet *s, char buf[static SUBNET_STR_MAX]);

/* IPv6 text without brackets and zone, nothing around it. ERR_INVAL. */
MUST_CHECK int ip6_parse(const char *text, struct ip6 *ret);

static inline bool ip6_eq(const struct ip6 *a, const struct ip6 *b)
{
    return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

/* First 64 bits as a number: what identifies a node (addresses, section "Address and subnet"). */
static inline uint64_t ip6_node(const struct ip6 *a)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++)
        v = v << 8 | a->b[i];
    return v;
}

/* Inside 400::/7? */
static inline bool ip6_in_overlay(const struct ip6 *a)
{
    return (a->b[0] & 0xfe) == 0x04;
}

static inline bool ip6_same_node(const struct ip6 *a, const struct ip6 *b)
{
    return memcmp(a->b, b->b, 8) == 0;
}

struct ip6 ip6_mask(const struct ip6 *a, unsigned plen); /* bits behind plen cleared; plen <= 128 */
bool subnet_contains(const struct subnet *s, const struct ip6 *a);
bool subnet_eq(const struct subnet *a, const struct subnet *b);
struct subnet subnet_of_node(const struct ip6 *a); /* the /64 around a */
