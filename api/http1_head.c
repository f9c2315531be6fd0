#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/http1.h"
#include "base/text.h"

/* tchar of RFC 9110, section 5.6.2 */
static bool is_token(unsigned char c)
{
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return true;
    return c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static bool all_token(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!is_token((unsigned char)s[i]))
            return false;
    return len > 0;
}

static enum http_method method_of(const char *s)
{
    static const char *const names[] = {
        [HTTP_GET] = "GET", [HTTP_HEAD] = "HEAD",     [HTTP_POST] = "POST",
        [HTTP_PUT] = "PUT", [HTTP_DELETE] = "DELETE", [HTTP_OPTIONS] = "OPTIONS",
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(s, names[i]) == 0)
            return (enum http_method)i;
    return HTTP_OTHER;
}

/* "HTTP/1.1" */
static unsigned read_version(const char *s, struct http1_head *h)
{
    if (strncmp(s, "HTTP/", 5) != 0 || s[5] < '0' || s[5] > '9' || s[6] != '.' || s[7] < '0' ||
        s[7] > '9' || s[8] != '\0')
        return 400;
    if (s[5] != '1')
        return 505;
    h->old = s[7] == '0';
    h->keep_alive = !h->old;
    return 0;
}

/* scheme://authority/path: the authority counts as the Host. Its bytes move one to the left, over a
 * slash, to make room for the zero. */
static bool read_absolute(char *target, struct http1_head *h)
{
    char *auth = strstr(target, "://");
    size_t len;

    if (!auth ||
        (strncasecmp(target, "http://", 7) != 0 && strncasecmp(target, "https://", 8) != 0))
        return false;
    auth += 3;
    len = strcspn(auth, "/?");
    if (len == 0)
        return false;
    h->path = auth[len] == '/' ? auth + len : "/";
    if (auth[len] == '?')
        h->query = auth + len + 1;
    memmove(auth - 1, auth, len);
    auth[len - 1] = '\0';
    h->host = auth - 1;
    return true;
}

static unsigned read_target(char *target, struct http1_head *h)
{
    char *q;

    for (const char *p = target; *p; p++)
        if ((unsigned char)*p <= 0x20 || *p == 0x7f)
            return 400;
    target[strcspn(target, "#")] = '\0';
    h->query = "";
    if (*target == '/' || strcmp(target, "*") == 0)
        h->path = target;
    else if (!read_absolute(target, h))
        return 400;
    if (*h->query != '\0')
        return 0;
    q = strchr(h->path, '?');
    if (q) {
        *q = '\0';
        h->query = q + 1;
    }
    return 0;
}

static unsigned read_request_line(char *line, struct http1_head *h)
{
    char *target = strchr(line, ' ');
    char *version = target ? strchr(target + 1, ' ') : NULL;
    unsigned status;

    if (!version || !all_token(line, (size_t)(target - line)))
        return 400;
    *target++ = '\0';
    *version++ = '\0';
    h->method = method_of(line);
    status = read_version(version, h);
    return status ? status : read_target(target, h);
}

/* --- fields ---------------------------------------------------------------------------------- */

static unsigned read_length(const char *v, struct http1_head *h)
{
    if (h->has_length || decimal_parse(v, strlen(v), UINT64_MAX, &h->length) < 0)
        return 400;
    h->has_length = true;
    return 0;
}

static void read_connection(const char *v, struct http1_head *h)
{
    while (*v) {
        size_t n = strcspn(v, ", \t");
        if (n == 5 && strncasecmp(v, "close", n) == 0)
            h->keep_alive = false;
        else if (n == 10 && strncasecmp(v, "keep-alive", n) == 0 && h->old)
            h->keep_alive = true;
        else if (n == 7 && strncasecmp(v, "upgrade", n) == 0)
            h->upgrading = true;
        v += n;
        v += strspn(v, ", \t");
    }
}

/* Once only: what the guard looks at must have one meaning. */
static unsigned set_once(const char **at, const char *v)
{
    if (*at)
        return 400;
    *at = v;
    return 0;
}

/* Sec-WebSocket-...: the rest of the name. */
static unsigned read_websocket(const char *name, size_t len, const char *v, struct http1_head *h)
{
    if (len == 3 && strncasecmp(name, "key", len) == 0)
        return set_once(&h->ws_key, v);
    if (len == 7 && strncasecmp(name, "version", len) == 0)
        return set_once(&h->ws_version, v);
    if (len == 8 && strncasecmp(name, "protocol", len) == 0)
        return set_once(&h->ws_protocol, v);
    return 0;
}

static unsigned read_field(const char *name, size_t len, const char *v, struct http1_head *h,
                           const char **text)
{
#define IS(s) (len == sizeof(s) - 1 && strncasecmp(name, s, sizeof(s) - 1) == 0)
    if (IS("host"))
        return set_once(&h->host, v);
    if (IS("origin"))
        return set_once(&h->origin, v);
    if (IS("referer"))
        return set_once(&h->referer, v);
    if (IS("user-agent"))
        return set_once(&h->user_agent, v);
    if (IS("sec-fetch-site"))
        return set_once(&h->sec_fetch_site, v);
    if (IS("range"))
        return set_once(&h->range, v);
    if (IS("idempotency-key"))
        return set_once(&h->idempotency_key, v);
    if (IS("authorization"))
        return set_once(&h->authorization, v);
    if (IS("last-event-id"))
        return set_once(&h->last_event_id, v);
    if (IS("upgrade"))
        return set_once(&h->upgrade, v);
    if (len > 14 && strncasecmp(name, "sec-websocket-", 14) == 0)
        return read_websocket(name + 14, len - 14, v, h);
    if (IS("content-type"))
        return set_once(&h->content_type, v);
    if (IS("content-length"))
        return read_length(v, h);
    if (IS("transfer-encoding")) {
        if (h->chunked || h->old)
            return 400;
        if (strcasecmp(v, "chunked") != 0) {
            *text = "transfer encoding not supported";
            return 501;
        }
        h->chunked = true;
        return 0;
    }
    if (IS("connection")) {
        read_connection(v, h);
        return 0;
    }
    if (IS("expect")) {
        if (strcasecmp(v, "100-continue") != 0)
            return 417;
        h->expect = !h->old;
        return 0;
    }
    h->forwarded = h->forwarded || IS("forwarded") || IS("x-forwarded-for") || IS("via");
    return 0;
#undef IS
}

static unsigned read_field_line(char *line, struct http1_head *h, const char **text)
{
    char *colon = strchr(line, ':');
    char *v, *end;

    if (!colon || !all_token(line, (size_t)(colon - line)))
        return 400; /* also folded lines: they begin with a space */
    v = colon + 1 + strspn(colon + 1, " \t");
    end = v + strlen(v);
    while (end > v && (end[-1] == ' ' || end[-1] == '\t'))
        *--end = '\0';
    for (const char *p = v; *p; p++)
        if (((unsigned char)*p < 0x20 && *p != '\t') || *p == 0x7f)
            return 400;
    return read_field(line, (size_t)(colon - line), v, h, text);
}

/* Ends the line at `nl` (line feed) with a zero in place of CR LF. False: a zero byte inside. */
static bool end_line(char *line, const char *nl)
{
    size_t len = (size_t)(nl - line);

    if (len > 0 && line[len - 1] == '\r')
        len--;
    line[len] = '\0';
    return strlen(line) == len;
}

/* An absolute target wins over the Host field, which may be there once. */
static unsigned read_fields(char *line, char *end, struct http1_head *h, const char **text)
{
    const char *authority = h->host;
    unsigned count = 0, status;
    char *nl;

    h->host = NULL;
    for (; (nl = memchr(line, '\n', (size_t)(end - line))) != NULL; line = nl + 1) {
        if (!end_line(line, nl))
            return 400;
        if (*line == '\0')
            break;
        if (++count > HTTP1_FIELDS_MAX)
            return 431;
        status = read_field_line(line, h, text);
        if (status)
            return status;
    }
    if (authority)
        h->host = authority;
    return 0;
}

unsigned http1_parse_head(char *head, size_t len, struct http1_head *ret, const char **ret_text)
{
    char *end = head + len;
    char *nl = memchr(head, '\n', len);
    unsigned status;

    memset(ret, 0, sizeof(*ret));
    if (!nl || !end_line(head, nl))
        return 400;
    status = read_request_line(head, ret);
    if (!status)
        status = read_fields(nl + 1, end, ret, ret_text);
    if (status)
        return status;
    if (ret->chunked && ret->has_length)
        return 400;
    if (!ret->content_type)
        ret->content_type = "";
    return 0;
}
