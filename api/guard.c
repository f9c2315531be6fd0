#include "api/guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

/* A name or address and a port, as they stand in Host and Origin. */
struct authority {
    const char *host; /* with the brackets of an IPv6 address; not terminated */
    size_t host_len;
    unsigned port;
};

#define HTTP_PORT 80 /* where none is written */

static bool read_port(const char *s, size_t len, unsigned *ret)
{
    uint64_t port;

    if (decimal_parse(s, len, UINT16_MAX, &port) < 0)
        return false;
    *ret = (unsigned)port;
    return true;
}

/* host, host:port, [v6], [v6]:port, and nothing else. */
static bool read_authority(const char *s, size_t len, struct authority *ret)
{
    const char *close = *s == '[' ? memchr(s, ']', len) : NULL;
    const char *colon;
    size_t host;

    if (*s == '[' && !close)
        return false;
    colon = close ? close + 1 : memchr(s, ':', len);
    if (colon == s + len)
        colon = NULL;
    if (colon && *colon != ':')
        return false;
    host = colon ? (size_t)(colon - s) : len;
    *ret = (struct authority){.host = s, .host_len = host, .port = HTTP_PORT};
    if (host == 0 || (!close && memchr(s, '[', host)) || memchr(s, '@', len))
        return false;
    return !colon || read_port(colon + 1, len - host - 1, &ret->port);
}

static bool text_is(const char *s, size_t len, const char *want)
{
    return strlen(want) == len && strncasecmp(s, want, len) == 0;
}

static bool in_list(const char *const *list, const char *s, size_t len, const char **ret)
{
    for (; list && *list; list++)
        if (text_is(s, len, *list)) {
            *ret = *list;
            return true;
        }
    return false;
}

/* Copies a short host for inet_pton(), without brackets. */
static bool host_copy(const struct authority *a, char *out, size_t cap)
{
    bool v6 = a->host[0] == '[';
    size_t len = a->host_len - (v6 ? 2 : 0);

    if (len >= cap)
        return false;
    memcpy(out, a->host + v6, len);
    out[len] = '\0';
    return true;
}

static bool same_address(const char *text, const char *local_addr)
{
    struct in6_addr a, b;

    if (inet_pton(AF_INET6, text, &a) != 1 || inet_pton(AF_INET6, local_addr, &b) != 1)
        return strcmp(text, local_addr) == 0;
    return memcmp(&a, &b, sizeof(a)) == 0;
}

static bool host_allowed(const struct guard_conf *g, const struct authority *a,
                         const char *local_addr)
{
    static const char domain[] = ".localhost";
    static const size_t domain_len = sizeof(domain) - 1;
    char text[INET6_ADDRSTRLEN];
    struct in6_addr v6;
    struct in_addr v4;
    const char *unused;

    if (text_is(a->host, a->host_len, "localhost") ||
        (a->host_len > domain_len &&
         text_is(a->host + a->host_len - domain_len, domain_len, domain)))
        return true;
    if (in_list(g->hosts, a->host, a->host_len, &unused))
        return true;
    if (!host_copy(a, text, sizeof(text)))
        return false;
    if (a->host[0] == '[')
        return inet_pton(AF_INET6, text, &v6) == 1 &&
               (IN6_IS_ADDR_LOOPBACK(&v6) || same_address(text, local_addr));
    return inet_pton(AF_INET, text, &v4) == 1 &&
           (ntohl(v4.s_addr) >> 24 == 127 || same_address(text, local_addr));
}

/* The authority of an Origin or Referer: what stands between http:// and the path. Another scheme
 * is another origin. */
static bool read_origin(const char *s, struct authority *ret)
{
    static const char scheme[] = "http://";

    if (strncasecmp(s, scheme, sizeof(scheme) - 1) != 0)
        return false;
    s += sizeof(scheme) - 1;
    return read_authority(s, strcspn(s, "/?#"), ret);
}

static bool same_authority(const struct authority *a, const struct authority *b)
{
    return a->port == b->port && a->host_len == b->host_len &&
           strncasecmp(a->host, b->host, a->host_len) == 0;
}

/* Scheme and authority of a URL, as api_origins has them. */
static size_t origin_len(const char *url)
{
    const char *at = strstr(url, "://");

    return at ? (size_t)(at - url) + 3 + strcspn(at + 3, "/?#") : strlen(url);
}

/* Pages that a browser may open by itself. */
static bool browsable(const struct http_request *r)
{
    static const char *const paths[] = {
        "/",        "/ui",           "/livez",        "/readyz",      "/healthz",
        "/version", "/openapi.json", "/openapi.yaml", "/openrpc.json"};

    if (r->method != HTTP_GET && r->method != HTTP_HEAD)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        if (strcmp(r->path, paths[i]) == 0)
            return true;
    return strncmp(r->path, "/ui/", 4) == 0;
}

static struct guard_verdict refuse(enum problem p, const char *text)
{
    return (struct guard_verdict){.status = problem_status(p), .text = text, .problem = p};
}

struct guard_verdict guard_check(const struct guard_conf *g, const struct http_request *r)
{
    struct guard_verdict pass = {0};
    struct authority self = {0}, other;
    const char *referer = r->referer && *r->referer ? r->referer : NULL;
    bool self_known = false, referer_same = false;

    if (!r->loopback || r->forwarded)
        return refuse(PROBLEM_UNAUTHORIZED, "token required");
    if (r->host) {
        self_known = read_authority(r->host, strlen(r->host), &self);
        if (!self_known || !host_allowed(g, &self, r->local_addr))
            return refuse(PROBLEM_HOST_NOT_ALLOWED, "host not allowed");
    }
    if (r->origin &&
        !(self_known && read_origin(r->origin, &other) &&
          r->origin[origin_len(r->origin)] == '\0' && same_authority(&self, &other)) &&
        (strcasecmp(r->origin, "null") == 0 ||
         !in_list(g->origins, r->origin, strlen(r->origin), &pass.origin)))
        return refuse(PROBLEM_ORIGIN_NOT_ALLOWED, "origin not allowed");
    if (!r->origin && r->sec_fetch_site && strcasecmp(r->sec_fetch_site, "same-origin") != 0 &&
        strcasecmp(r->sec_fetch_site, "none") != 0)
        return refuse(PROBLEM_ORIGIN_NOT_ALLOWED, "request of another site not allowed");
    if (referer) {
        const char *unused;
        referer_same = self_known && read_origin(referer, &other) && same_authority(&self, &other);
        if (!referer_same && !in_list(g->origins, referer, origin_len(referer), &unused))
            return refuse(PROBLEM_ORIGIN_NOT_ALLOWED, "referer not allowed");
    }
    if (!r->origin && !r->sec_fetch_site && !referer_same && r->user_agent &&
        strncmp(r->user_agent, "Mozilla/", 8) == 0 && !browsable(r))
        return refuse(PROBLEM_ORIGIN_NOT_ALLOWED, "browser request without origin not allowed");
    return pass;
}
