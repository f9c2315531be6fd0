#include "api/guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#include "api/tokens.h"
#include "base/text.h"

/* A name or address and a port, as they stand in Host and Origin. */
struct authority {
    const char *host; /* with the brackets of an IPv6 address; not terminated */
    size_t host_len;
    unsigned port;
};

/* Where no port is written. */
#define HTTP_PORT  80
#define HTTPS_PORT 443

static bool read_port(const char *s, size_t len, unsigned *ret)
{
    uint64_t port;

    if (decimal_parse(s, len, UINT16_MAX, &port) < 0)
        return false;
    *ret = (unsigned)port;
    return true;
}

/* host, host:port, [v6], [v6]:port, and nothing else. */
static bool read_authority(const char *s, size_t len, bool tls, struct authority *ret)
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
    *ret = (struct authority){.host = s, .host_len = host, .port = tls ? HTTPS_PORT : HTTP_PORT};
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

static bool host_allowed(const struct guard *g, const struct authority *a, const char *local_addr)
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

/* The authority of an Origin or Referer: what stands between the scheme and the path. Another
 * scheme than that of the request is another origin. */
static bool read_origin(const char *s, bool tls, struct authority *ret)
{
    const char *scheme = tls ? "https://" : "http://";

    if (strncasecmp(s, scheme, strlen(scheme)) != 0)
        return false;
    s += strlen(scheme);
    return read_authority(s, strcspn(s, "/?#"), tls, ret);
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

/* What a caller needs no token for. */
static bool is_open(const struct http_request *r)
{
    static const char *const paths[] = {"/livez", "/readyz", "/healthz", "/version"};

    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        if (strcmp(r->path, paths[i]) == 0)
            return r->method == HTTP_GET || r->method == HTTP_HEAD;
    return false;
}

/* A browser asks for a page whether it may; it never has a token with it. */
static bool is_preflight(const struct guard *g, const struct http_request *r)
{
    const char *unused;

    return r->method == HTTP_OPTIONS && r->origin &&
           in_list(g->origins, r->origin, strlen(r->origin), &unused);
}

/* The token of "Authorization: Bearer ..."; NULL: none. */
static const char *bearer(const struct http_request *r)
{
    static const char scheme[] = "Bearer";
    static const size_t len = sizeof(scheme) - 1;
    const char *a = r->authorization;

    if (!a || strncasecmp(a, scheme, len) != 0 || (a[len] != ' ' && a[len] != '\0'))
        return NULL;
    return a + len + strspn(a + len, " ");
}

static bool needs_token(const struct guard *g, const struct http_request *r)
{
    if (g->auth == GUARD_AUTO)
        return !r->local && (!r->loopback || r->forwarded);
    return g->auth == GUARD_ALWAYS;
}

/* The request comes from where it says, or from a program of this machine. */
static struct guard_verdict check_page(const struct guard *g, const struct http_request *r)
{
    struct guard_verdict pass = {.scopes = SCOPE_ALL};
    struct authority self = {0}, other;
    const char *referer = r->referer && *r->referer ? r->referer : NULL;
    bool self_known = false, referer_same = false;

    if (r->host) {
        self_known = read_authority(r->host, strlen(r->host), r->tls, &self);
        /* No name leads a browser to a Unix socket. */
        if (!(r->local && !r->forwarded) && (!self_known || !host_allowed(g, &self, r->local_addr)))
            return refuse(PROBLEM_HOST_NOT_ALLOWED, "host not allowed");
    }
    if (r->origin &&
        !(self_known && read_origin(r->origin, r->tls, &other) &&
          r->origin[origin_len(r->origin)] == '\0' && same_authority(&self, &other)) &&
        (strcasecmp(r->origin, "null") == 0 ||
         !in_list(g->origins, r->origin, strlen(r->origin), &pass.origin)))
        return refuse(PROBLEM_ORIGIN_NOT_ALLOWED, "origin not allowed");
    if (!r->origin && r->sec_fetch_site && strcasecmp(r->sec_fetch_site, "same-origin") != 0 &&
        strcasecmp(r->sec_fetch_site, "none") != 0)
        return refuse(PROBLEM_ORIGIN_NOT_ALLOWED, "request of another site not allowed");
    if (referer) {
        const char *unused;
        referer_same =
            self_known && read_origin(referer, r->tls, &other) && same_authority(&self, &other);
        if (!referer_same && !in_list(g->origins, referer, origin_len(referer), &unused))
            return refuse(PROBLEM_ORIGIN_NOT_ALLOWED, "referer not allowed");
    }
    if (!r->origin && !r->sec_fetch_site && !referer_same && r->user_agent &&
        strncmp(r->user_agent, "Mozilla/", 8) == 0 && (r->upgrade || !browsable(r)))
        return refuse(PROBLEM_ORIGIN_NOT_ALLOWED, "browser request without origin not allowed");
    return pass;
}

/* Who cannot be let in is remembered. */
static struct guard_verdict fail(struct guard *g, const struct http_request *r, const char *text,
                                 usec_t now)
{
    if (failures_add(&g->failures, r->peer, now))
        return refuse(PROBLEM_TOO_MANY, "too many requests without a right token");
    return refuse(PROBLEM_UNAUTHORIZED, text);
}

struct guard_verdict guard_check(struct guard *g, const struct http_request *r, usec_t now)
{
    const char *token = bearer(r), *origin = NULL;
    struct guard_verdict v;

    if (token) {
        uint64_t id = 0;
        unsigned scopes = g->tokens ? tokens_scopes(g->tokens, token, &id) : 0;
        if (!scopes)
            return fail(g, r, "token not known", now);
        if (r->origin)
            (void)in_list(g->origins, r->origin, strlen(r->origin), &origin);
        v = (struct guard_verdict){.origin = origin};
        if (r->upgrading) /* what comes then is not looked at any more */
            v = check_page(g, r);
        v.scopes = scopes;
        v.token = id;
        return v;
    }
    if (!needs_token(g, r))
        return check_page(g, r);
    if (!is_open(r) && !is_preflight(g, r))
        return fail(g, r, "token required", now);
    if (r->origin)
        (void)in_list(g->origins, r->origin, strlen(r->origin), &origin);
    v = r->loopback ? check_page(g, r) : (struct guard_verdict){.origin = origin};
    v.scopes = 0;
    return v;
}
