#include "router/endpoint.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/ip6.h"

#define TEXT_NO_SCHEME     "missing leading protocol identifier"
#define TEXT_SCHEME        "protocol for endpoint is not supported"
#define TEXT_ADDRESS       "failed to parse address: invalid socket address syntax"
#define TEXT_VSOCK_FORM    "vsock address must be in CID:PORT format"
#define TEXT_VSOCK_PART    "failed to parse vsock address component: "
#define TEXT_INVALID_DIGIT TEXT_VSOCK_PART "invalid digit found in string"
#define TEXT_TOO_LARGE     TEXT_VSOCK_PART "number too large to fit in target type"
#define TEXT_EMPTY         TEXT_VSOCK_PART "cannot parse integer from empty string"

#define NAME_MAX_CHARS  253
#define LABEL_MAX_CHARS 63

static const char *const proto_text[] = {
    [PROTO_TCP] = "tcp",
    [PROTO_TLS] = "tls",
    [PROTO_QUIC] = "quic",
    [PROTO_VSOCK] = "vsock",
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char lower(char c)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
    if (c >= 'A' && c <= 'Z')
        return letters[c - 'A'];
    return c;
}

static bool is_alnum(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* All of text[0..len) as a decimal number up to max; any number of leading zeros. */
static bool parse_number(const char *text, size_t len, uint32_t max, uint32_t *ret)
{
    uint64_t v = 0;
    if (len == 0)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!is_digit(text[i]))
            return false;
        v = v * 10 + (uint64_t)(text[i] - '0');
        if (v > max)
            return false;
    }
    *ret = (uint32_t)v;
    return true;
}

static bool parse_port(const char *text, uint16_t *ret)
{
    uint32_t port;
    if (!parse_number(text, strlen(text), UINT16_MAX, &port))
        return false;
    *ret = (uint16_t)port;
    return true;
}

/* "1.2.3.4:80". inet_pton() refuses leading zeros in octets, as the syntax does. */
static bool parse_v4(const char *text, struct endpoint *e)
{
    char host[INET_ADDRSTRLEN];
    struct sockaddr_in sin = {.sin_family = AF_INET};
    uint16_t port;
    const char *colon = strchr(text, ':');
    if (!colon || (size_t)(colon - text) >= sizeof(host))
        return false;
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    if (inet_pton(AF_INET, host, &sin.sin_addr) != 1 || !parse_port(colon + 1, &port))
        return false;
    sin.sin_port = htons(port);
    memcpy(&e->addr, &sin, sizeof(sin));
    return true;
}

/* "[::1]:80", "[fe80::1%2]:80". The zone is a number: a name would mean something else on each
 * host. */
static bool parse_v6(const char *text, struct endpoint *e)
{
    char host[IP6_STR_MAX];
    struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6};
    struct ip6 ip;
    uint16_t port;
    if (text[0] != '[')
        return false;
    text++;
    const char *close = strchr(text, ']');
    if (!close || close[1] != ':')
        return false;
    size_t len = (size_t)(close - text);
    const char *zone = memchr(text, '%', len);
    if (zone) {
        if (!parse_number(zone + 1, (size_t)(close - zone - 1), UINT32_MAX, &sin6.sin6_scope_id))
            return false;
        len = (size_t)(zone - text);
    }
    if (len >= sizeof(host))
        return false;
    memcpy(host, text, len);
    host[len] = '\0';
    if (ip6_parse(host, &ip) < 0 || !parse_port(close + 2, &port))
        return false;
    memcpy(&sin6.sin6_addr, ip.b, sizeof(ip.b));
    sin6.sin6_port = htons(port);
    memcpy(&e->addr, &sin6, sizeof(sin6));
    return true;
}

/* One label of a name: letters, digits, `_`, and `-` inside. */
static bool is_label(const char *text, size_t len)
{
    if (len == 0 || len > LABEL_MAX_CHARS || text[0] == '-' || text[len - 1] == '-')
        return false;
    for (size_t i = 0; i < len; i++)
        if (!is_alnum(text[i]) && text[i] != '-' && text[i] != '_')
            return false;
    return true;
}

/* Would a resolver take a name that ends in this label for an IPv4 address? 127.0.0.01, 1.2.3 and
 * 0x7f.1 are neither addresses nor names for us. */
static bool is_numeric_label(const char *text, size_t len)
{
    size_t i = 0;
    if (len >= 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        for (i = 2; i < len; i++)
            if (!is_digit(text[i]) && !((text[i] | 0x20) >= 'a' && (text[i] | 0x20) <= 'f'))
                return false;
        return true;
    }
    while (i < len && is_digit(text[i]))
        i++;
    return i == len;
}

/* "example.com:80", "example.com.:80". */
static bool parse_name(const char *text, struct endpoint *e)
{
    const char *colon = strchr(text, ':'), *last = text;
    size_t len = colon ? (size_t)(colon - text) : 0, last_len = 0;
    if (len == 0 || !parse_port(colon + 1, &e->port))
        return false;
    size_t visible = text[len - 1] == '.' ? len - 1 : len; /* without the dot of the root */
    if (visible == 0 || visible > NAME_MAX_CHARS || len >= sizeof(e->host))
        return false;
    for (size_t at = 0; at <= visible; at += last_len + 1) {
        const char *dot = memchr(text + at, '.', visible - at);
        last = text + at;
        last_len = dot ? (size_t)(dot - last) : visible - at;
        if (!is_label(last, last_len))
            return false;
    }
    if (is_numeric_label(last, last_len))
        return false;
    for (size_t i = 0; i < len; i++)
        e->host[i] = lower(text[i]);
    e->host[len] = '\0';
    return true;
}

/* One half of a vsock address; NULL or the text of the fault. */
static const char *parse_vsock_part(const char *text, size_t len, uint32_t *ret)
{
    uint64_t v = 0;
    if (len == 0)
        return TEXT_EMPTY;
    size_t i = text[0] == '+' ? 1 : 0;
    if (i == len)
        return TEXT_INVALID_DIGIT;
    for (; i < len; i++) { /* the first fault from the left is named */
        if (!is_digit(text[i]))
            return TEXT_INVALID_DIGIT;
        v = v * 10 + (uint64_t)(text[i] - '0');
        if (v > UINT32_MAX)
            return TEXT_TOO_LARGE;
    }
    *ret = (uint32_t)v;
    return NULL;
}

static const char *parse_vsock(const char *text, struct endpoint *e)
{
    const char *colon = strchr(text, ':');
    if (!colon)
        return TEXT_VSOCK_FORM;
    const char *fault = parse_vsock_part(text, (size_t)(colon - text), &e->cid);
    if (!fault)
        fault = parse_vsock_part(colon + 1, strlen(colon + 1), &e->vsock_port);
    return fault;
}

/* NULL or the text of the fault. */
static const char *parse(const char *text, struct endpoint *e)
{
    const char *sep = strstr(text, "://");
    if (!sep)
        return TEXT_NO_SCHEME;
    size_t len = (size_t)(sep - text), p = 0;
    while (p < ARRAY_LEN(proto_text) &&
           (strlen(proto_text[p]) != len || strncasecmp(text, proto_text[p], len) != 0))
        p++;
    if (p == ARRAY_LEN(proto_text))
        return TEXT_SCHEME;
    e->proto = (enum endpoint_proto)p;
    text = sep + 3;
    if (e->proto == PROTO_VSOCK)
        return parse_vsock(text, e);
    if (parse_v4(text, e) || parse_v6(text, e) || parse_name(text, e))
        return NULL;
    return TEXT_ADDRESS;
}

int endpoint_parse(const char *text, struct endpoint *ret, const char **ret_text)
{
    struct endpoint e;
    memset(&e, 0, sizeof(e));
    e.addr.ss_family = AF_UNSPEC;
    const char *fault = parse(text, &e);
    if (fault) {
        *ret_text = fault;
        return ERR_INVAL;
    }
    *ret = e;
    return OK;
}

static bool sockaddr_eq(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    struct sockaddr_in a4, b4;
    struct sockaddr_in6 a6, b6;
    if (a->ss_family != b->ss_family)
        return false;
    if (a->ss_family == AF_INET) {
        memcpy(&a4, a, sizeof(a4));
        memcpy(&b4, b, sizeof(b4));
        return a4.sin_port == b4.sin_port && a4.sin_addr.s_addr == b4.sin_addr.s_addr;
    }
    memcpy(&a6, a, sizeof(a6));
    memcpy(&b6, b, sizeof(b6));
    return a6.sin6_port == b6.sin6_port && a6.sin6_scope_id == b6.sin6_scope_id &&
           a6.sin6_flowinfo == b6.sin6_flowinfo &&
           memcmp(&a6.sin6_addr, &b6.sin6_addr, sizeof(a6.sin6_addr)) == 0;
}

bool endpoint_eq(const struct endpoint *a, const struct endpoint *b)
{
    if (a->proto != b->proto)
        return false;
    if (a->proto == PROTO_VSOCK)
        return a->cid == b->cid && a->vsock_port == b->vsock_port;
    if (a->host[0] || b->host[0])
        return a->port == b->port && strcmp(a->host, b->host) == 0;
    return sockaddr_eq(&a->addr, &b->addr);
}

const char *endpoint_proto_str(enum endpoint_proto p)
{
    return proto_text[p];
}

const char *sockaddr_str(const struct sockaddr *a, char *buf, size_t cap)
{
    char ip[IP6_STR_MAX], zone[12] = "";
    struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6};
    if (a->sa_family == AF_INET) {
        struct sockaddr_in sin;
        memcpy(&sin, a, sizeof(sin));
        uint32_t v4 = ntohl(sin.sin_addr.s_addr);
        (void)snprintf(buf, cap, "%u.%u.%u.%u:%u", v4 >> 24, v4 >> 16 & 255, v4 >> 8 & 255,
                       v4 & 255, ntohs(sin.sin_port));
        return buf;
    }
    if (a->sa_family == AF_INET6)
        memcpy(&sin6, a, sizeof(sin6));
    struct ip6 ip6;
    memcpy(ip6.b, &sin6.sin6_addr, sizeof(ip6.b));
    if (sin6.sin6_scope_id != 0)
        (void)snprintf(zone, sizeof(zone), "%%%u", sin6.sin6_scope_id);
    (void)snprintf(buf, cap, "[%s%s]:%u", ip6_str(&ip6, ip), zone, ntohs(sin6.sin6_port));
    return buf;
}

const char *endpoint_addr_str(const struct endpoint *e, char buf[static ENDPOINT_STR_MAX])
{
    struct sockaddr_storage addr = e->addr;
    if (e->proto == PROTO_VSOCK) {
        (void)snprintf(buf, ENDPOINT_STR_MAX, "%u:%u", e->cid, e->vsock_port);
        return buf;
    }
    if (addr.ss_family == AF_UNSPEC) {
        struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(e->port)};
        memcpy(&addr, &any, sizeof(any));
    }
    return sockaddr_str((const struct sockaddr *)&addr, buf, ENDPOINT_STR_MAX);
}

const char *endpoint_str(const struct endpoint *e, char buf[static ENDPOINT_STR_MAX])
{
    char addr[ENDPOINT_STR_MAX];
    if (e->host[0])
        (void)snprintf(buf, ENDPOINT_STR_MAX, "%s://%s:%u", proto_text[e->proto], e->host, e->port);
    else
        (void)snprintf(buf, ENDPOINT_STR_MAX, "%s://%.*s", proto_text[e->proto],
                       SOCKADDR_STR_MAX - 1, endpoint_addr_str(e, addr));
    return buf;
}

struct endpoint endpoint_of(enum endpoint_proto proto, const struct sockaddr *a)
{
    struct endpoint e;
    memset(&e, 0, sizeof(e));
    e.proto = proto;
    e.addr.ss_family = AF_UNSPEC;
    if (a->sa_family == AF_INET)
        memcpy(&e.addr, a, sizeof(struct sockaddr_in));
    else if (a->sa_family == AF_INET6)
        memcpy(&e.addr, a, sizeof(struct sockaddr_in6));
    return e;
}
