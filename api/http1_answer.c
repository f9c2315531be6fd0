#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "api/http1.h"

static const char *reason(unsigned status)
{
    static const struct {
        unsigned status;
        const char *text;
    } table[] = {
        {100, "Continue"},
        {101, "Switching Protocols"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {302, "Found"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {413, "Payload Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Entity"},
        {426, "Upgrade Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (table[i].status == status)
            return table[i].text;
    return "Unknown";
}

static const char fixed_fields[] = "x-content-type-options: nosniff\r\n"
                                   "cross-origin-resource-policy: same-origin\r\n"
                                   "cache-control: no-store\r\n";

/* Status line, date, length and connection, with room. */
#define HEAD_BASE 256

size_t http1_answer_cap(const struct http_response *r)
{
    size_t n = HEAD_BASE + sizeof(fixed_fields);

    if (r->content_type)
        n += strlen(r->content_type) + 32;
    for (size_t i = 0; i < r->extra_count; i++)
        n += strlen(r->extra[i].name) + strlen(r->extra[i].value) + 4;
    return n;
}

static char *put(char *at, const char *s)
{
    size_t n = strlen(s);

    memcpy(at, s, n); /* NOLINT(bugprone-not-null-terminated-result): counted, not terminated */
    return at + n;
}

static char *put_field(char *at, const char *name, const char *value)
{
    at = put(at, name);
    at = put(at, ": ");
    at = put(at, value);
    return put(at, "\r\n");
}

static char *put_number(char *at, uint64_t n)
{
    char digits[20];
    size_t len = 0;

    do
        digits[len++] = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    while (len > 0)
        *at++ = digits[--len];
    return at;
}

size_t http1_answer_head(char *out, size_t cap, const struct http_response *r,
                         const char *http_date, bool close, bool old)
{
    char *at = out;

    assert(cap >= http1_answer_cap(r) && r->status >= 100 && r->status <= 599);
    at = put(at, "HTTP/1.1 ");
    at = put_number(at, r->status);
    *at++ = ' ';
    at = put(at, reason(r->status));
    at = put(at, "\r\n");
    if (r->content_type)
        at = put_field(at, "content-type", r->content_type);
    for (size_t i = 0; i < r->extra_count; i++)
        at = put_field(at, r->extra[i].name, r->extra[i].value);
    at = put(at, fixed_fields);
    if (r->status != 204 && r->body_len != HTTP_BODY_TO_END) {
        at = put(at, "content-length: ");
        at = put_number(at, r->content_type ? r->body_len : 0);
        at = put(at, "\r\n");
    }
    if (r->status == 101)
        at = put_field(at, "connection", "upgrade");
    else if (close)
        at = put_field(at, "connection", "close");
    else if (old)
        at = put_field(at, "connection", "keep-alive");
    at = put_field(at, "date", http_date);
    at = put(at, "\r\n");
    return (size_t)(at - out);
}

void http1_date(int64_t wall_s, char out[static HTTP1_DATE_MAX])
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t t = (time_t)wall_s;
    struct tm tm;

    if (!gmtime_r(&t, &tm) || tm.tm_year < 0 || tm.tm_year > 8099) {
        t = 0; /* a clock that no date stands for: the epoch */
        (void)gmtime_r(&t, &tm);
    }
    (void)snprintf(out, HTTP1_DATE_MAX, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
                   days + (ptrdiff_t)3 * tm.tm_wday, tm.tm_mday, months + (ptrdiff_t)3 * tm.tm_mon,
                   1900 + tm.tm_year, tm.tm_hour, tm.tm_min,
                   tm.tm_sec); /* fits: every number is bounded above */
}
