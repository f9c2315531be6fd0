#include "clients/escape.h"

#include <stdint.h>
#include <string.h>

#include "base/macros.h"
#include "base/text.h"

/* A multiple of 3: no padding but at the end. */
#define BASE64_PIECE 3072

static bool url_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~", c));
}

bool url_escape(const char *text, char *buf, size_t cap)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t n = 0;
    for (; *text; text++) {
        unsigned char u = (unsigned char)*text;
        if (cap - n < 4) /* the longest form and the zero byte */
            return false;
        if (url_unreserved(*text)) {
            buf[n++] = *text;
        } else {
            buf[n++] = '%';
            buf[n++] = digits[u >> 4];
            buf[n++] = digits[u & 15];
        }
    }
    if (n == cap)
        return false;
    buf[n] = '\0';
    return true;
}

bool url_query_add(char *buf, size_t cap, const char *key, const char *value)
{
    size_t used = strlen(buf);
    if (!value)
        return true;
    int n = snprintf(buf + used, cap - used, "%c%s=", strchr(buf, '?') ? '&' : '?', key);
    return n > 0 && (size_t)n < cap - used &&
           url_escape(value, buf + used + n, cap - used - (size_t)n);
}

void json_string_write(FILE *out, const char *text, size_t len)
{
    static const char named[] = "\b\f\n\r\t\"\\", names[] = "bfnrt\"\\";
    size_t start = 0;
    fputc('"', out);
    for (size_t i = 0; i < len; i++) {
        unsigned char u = (unsigned char)text[i];
        if (u >= 0x20 && u != '"' && u != '\\')
            continue;
        fwrite(text + start, 1, i - start, out);
        start = i + 1;
        const char *known = u != '\0' ? strchr(named, u) : NULL;
        if (known)
            fprintf(out, "\\%c", names[known - named]);
        else
            fprintf(out, "\\u%04x", u);
    }
    fwrite(text + start, 1, len - start, out);
    fputc('"', out);
}

void base64_write(FILE *out, const char *bytes, size_t len)
{
    char text[B64_LEN(BASE64_PIECE) + 1];
    for (size_t n; len > 0; bytes += n, len -= n) {
        n = MIN(len, (size_t)BASE64_PIECE);
        b64_encode(bytes, n, text);
        fputs(text, out);
    }
}

char *text_make_printable(char *text)
{
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    return text;
}
