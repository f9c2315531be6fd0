#include "base/ip6.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>

#include "base/err.h"

static bool is_mapped(const struct ip6 *a)
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(a->b, prefix, sizeof(prefix)) == 0;
}

/* The 16 bits between two colons; i is 0 to 7. */
static unsigned group(const struct ip6 *a, size_t i)
{
    return (unsigned)a->b[2 * i] << 8 | a->b[2 * i + 1];
}

const char *ip6_str(const struct ip6 *a, char buf[static IP6_STR_MAX])
{
    static const char digits[] = "0123456789abcdef";

    if (is_mapped(a)) {
        (void)snprintf(buf, IP6_STR_MAX, "::ffff:%u.%u.%u.%u", a->b[12], a->b[13], a->b[14],
                       a->b[15]); /* fits: 7 + 15 + 1 */
        return buf;
    }

    /* The longest run of zero groups, the first of equal ones; a single group is not shortened. */
    unsigned best = 0, best_len = 1;
    for (unsigned i = 0; i < 8;) {
        unsigned n = 0;
        while (i + n < 8 && group(a, i + n) == 0)
            n++;
        if (n > best_len) {
            best = i;
            best_len = n;
        }
        i += n ? n : 1;
    }

    char *p = buf;
    for (unsigned i = 0; i < 8;) {
        if (best_len > 1 && i == best) {
            *p++ = ':';
            *p++ = ':';
            i += best_len;
            continue;
        }
        if (p > buf && p[-1] != ':')
            *p++ = ':';
        unsigned v = group(a, i);
        for (unsigned shift = 16; shift > 0; shift -= 4)
            if (v >> (shift - 4) || shift == 4)
                *p++ = digits[v >> (shift - 4) & 15];
        i++;
    }
    *p = '\0';
    return buf;
}

const char *subnet_str(const struct subnet *s, char buf[static SUBNET_STR_MAX])
{
    (void)ip6_str(&s->net, buf);
    size_t n = strlen(buf);
    (void)snprintf(buf + n, SUBNET_STR_MAX - n, "/%u", s->plen);
    return buf;
}

int ip6_parse(const char *text, struct ip6 *ret)
{
    struct in6_addr in; /* inet_pton takes neither brackets nor zones nor zeros before an octet */
    if (inet_pton(AF_INET6, text, &in) != 1)
        return ERR_INVAL;
    memcpy(ret->b, in.s6_addr, sizeof(ret->b));
    return OK;
}

struct ip6 ip6_mask(const struct ip6 *a, unsigned plen)
{
    assert(plen <= 128);
    struct ip6 r = *a;
    for (unsigned i = 0; i < 16; i++) {
        unsigned keep = plen > 8 * i ? MIN(plen - 8 * i, 8u) : 0;
        r.b[i] = (uint8_t)(r.b[i] & 0xff00u >> keep);
    }
    return r;
}

bool subnet_contains(const struct subnet *s, const struct ip6 *a)
{
    struct ip6 net = ip6_mask(a, s->plen);
    return ip6_eq(&net, &s->net);
}

bool subnet_eq(const struct subnet *a, const struct subnet *b)
{
    return a->plen == b->plen && ip6_eq(&a->net, &b->net);
}

struct subnet subnet_of_node(const struct ip6 *a)
{
    return (struct subnet){.net = ip6_mask(a, 64), .plen = 64};
}
