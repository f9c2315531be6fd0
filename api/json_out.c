#include "api/json_out.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

void json_out_fini(struct json_out *o)
{
    free(o->p);
    memset(o, 0, sizeof(*o));
}

char *json_room(struct json_out *o, size_t n)
{
    if (!o->bad && o->cap - o->len < n) {
        size_t cap = MAX(o->cap * 2, o->len + n + 256);
        char *grown = cap <= JSON_OUT_MAX ? realloc(o->p, cap) : NULL;
        o->bad = !grown;
        if (grown) {
            o->p = grown;
            o->cap = cap;
        }
    }
    return o->bad ? NULL : o->p + o->len;
}

void json_put_bytes(struct json_out *o, const char *text, size_t len)
{
    char *at = json_room(o, len);

    if (!at)
        return;
    memcpy(at, text, len);
    o->len += len;
}

void json_put(struct json_out *o, const char *text)
{
    json_put_bytes(o, text, strlen(text));
}

void json_u64(struct json_out *o, uint64_t n)
{
    char digits[20];
    size_t at = sizeof(digits);

    do
        digits[--at] = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    json_put_bytes(o, digits + at, sizeof(digits) - at);
}

void json_quoted(struct json_out *o, const char *text)
{
    json_quoted_bytes(o, text, strlen(text));
}

void json_quoted_bytes(struct json_out *o, const char *text, size_t len)
{
    const char *end = text + len;

    json_put_bytes(o, "\"", 1);
    for (; text < end; text++) {
        char escaped[8];
        if (*text == '"' || *text == '\\') {
            json_put_bytes(o, "\\", 1);
        } else if ((unsigned char)*text < 0x20) {
            (void)snprintf(escaped, sizeof(escaped), "\\u%04x", (unsigned char)*text); /* fits */
            json_put(o, escaped);
            continue;
        }
        json_put_bytes(o, text, 1);
    }
    json_put_bytes(o, "\"", 1);
}

void json_hex(struct json_out *o, const uint8_t *bytes, size_t len)
{
    char *at = json_room(o, 2 * len + 3);

    if (!at)
        return;
    *at = '"';
    hex_encode(bytes, len, at + 1);
    at[2 * len + 1] = '"'; /* over the zero byte */
    o->len += 2 * len + 2;
}

void json_b64(struct json_out *o, const uint8_t *bytes, size_t len)
{
    char *at = json_room(o, B64_LEN(len) + 3);
    size_t n;

    if (!at)
        return;
    *at = '"';
    n = b64_encode(bytes, len, at + 1);
    at[n + 1] = '"';
    o->len += n + 2;
}

void json_ip(struct json_out *o, const struct ip6 *a)
{
    char text[IP6_STR_MAX];

    json_put_bytes(o, "\"", 1);
    json_put(o, ip6_str(a, text));
    json_put_bytes(o, "\"", 1);
}
