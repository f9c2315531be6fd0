#include "api/json_rd.h"

#include <stdlib.h>
#include <string.h>

#include "api/query.h"

void json_text_fini(struct json_text *t)
{
    free(t->own);
    *t = (struct json_text){0};
}

bool json_text_is(const struct json_text *t, const char *want)
{
    return strlen(want) == t->len && memcmp(t->p, want, t->len) == 0;
}

bool json_text_copy(const struct json_text *t, char *out, size_t cap)
{
    if (t->len >= cap || memchr(t->p, '\0', t->len))
        return false;
    memcpy(out, t->p, t->len);
    out[t->len] = '\0';
    return true;
}

struct json_rd json_rd_of(const uint8_t *text, size_t len)
{
    static const uint8_t nothing[1];
    const uint8_t *p = len > 0 ? text : nothing;

    return (struct json_rd){.start = p, .p = p, .end = p + len};
}

void json_rd_fail(struct json_rd *r, const char *fault)
{
    if (!r->fault)
        r->fault = fault;
}

/* The next byte behind spaces; -1 at the end and behind a fault. */
static int next_byte(struct json_rd *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r'))
        r->p++;
    return r->p < r->end && !r->fault ? *r->p : -1;
}

enum json_kind json_rd_kind(struct json_rd *r)
{
    int c = next_byte(r);

    switch (c) {
    case '{':
        return JSON_KIND_OBJECT;
    case '[':
        return JSON_KIND_ARRAY;
    case '"':
        return JSON_KIND_STRING;
    case 't':
    case 'f':
        return JSON_KIND_BOOL;
    case 'n':
        return JSON_KIND_NULL;
    default:
        return c == '-' || (c >= '0' && c <= '9') ? JSON_KIND_NUMBER : JSON_KIND_NONE;
    }
}

/* --- strings --------------------------------------------------------------------------------- */

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits behind \u; -1: fewer. */
static int32_t read_u4(const char *p, const char *end)
{
    int32_t v = 0;

    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_value((uint8_t)p[i]);
        if (digit < 0)
            return -1;
        v = v * 16 + digit;
    }
    return v;
}

static char *put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        *out++ = (char)c;
    } else if (c < 0x800) {
        *out++ = (char)(0xc0 | c >> 6);
        *out++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *out++ = (char)(0xe0 | c >> 12);
        *out++ = (char)(0x80 | (c >> 6 & 0x3f));
        *out++ = (char)(0x80 | (c & 0x3f));
    } else {
        *out++ = (char)(0xf0 | c >> 18);
        *out++ = (char)(0x80 | (c >> 12 & 0x3f));
        *out++ = (char)(0x80 | (c >> 6 & 0x3f));
        *out++ = (char)(0x80 | (c & 0x3f));
    }
    return out;
}

/* \uXXXX, or two of them for what is above U+FFFF. *p stands behind the u. */
static const char *unescape_u(const char **p, const char *end, char **out)
{
    int32_t c = read_u4(*p, end), low;

    if (c < 0)
        return "invalid escape";
    *p += 4;
    if (c >= 0xdc00 && c <= 0xdfff)
        return "lone surrogate found";
    if (c >= 0xd800 && c <= 0xdbff) {
        if (end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u')
            return "lone surrogate found";
        low = read_u4(*p + 2, end);
        if (low < 0xdc00 || low > 0xdfff)
            return "lone surrogate found";
        *p += 6;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    *out = put_utf8(*out, (uint32_t)c);
    return NULL;
}

/* Into t->own; no escape is shorter than what it stands for. NULL, or the fault. */
static const char *unescape(const char *p, const char *end, struct json_text *t)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char *out = t->own;

    while (p < end) {
        const char *at, *fault;
        if (*p != '\\') {
            *out++ = *p++;
            continue;
        }
        p++; /* something follows: else the quote had been escaped */
        at = *p ? strchr(from, *p) : NULL;
        if (at) {
            *out++ = to[at - from];
            p++;
        } else if (*p != 'u') {
            return "invalid escape";
        } else {
            p++;
            fault = unescape_u(&p, end, &out);
            if (fault)
                return fault;
        }
    }
    t->p = t->own;
    t->len = (size_t)(out - t->own);
    return NULL;
}

/* What ends the quick walk through a string: the quote, escapes, control characters. */
static inline bool is_plain(uint8_t c)
{
    return c >= 0x20 && c != '"' && c != '\\';
}

/* r->p stands on the opening quote. `keep` false: the content is only checked. */
static bool read_string(struct json_rd *r, bool keep, struct json_text *ret)
{
    const uint8_t *from = ++r->p;
    uint8_t bits = 0; /* of all bytes: is there one above 0x7f? */
    bool escapes = false;
    struct json_text t = {0};
    const char *fault;

    for (;;) {
        while (r->p < r->end && is_plain(*r->p))
            bits |= *r->p++;
        if (r->p < r->end && *r->p == '\\' && r->end - r->p > 1) {
            escapes = true;
            r->p += 2;
            continue;
        }
        break;
    }
    if (r->p == r->end || *r->p == '\\') {
        json_rd_fail(r, "EOF while parsing a string");
        return false;
    }
    if (*r->p != '"') {
        json_rd_fail(r, "control character (\\u0000-\\u001F) found while parsing a string");
        return false;
    }
    t.p = (const char *)from;
    t.len = (size_t)(r->p - from);
    r->p++;
    if (bits & 0x80 && !utf8_valid(t.p, t.len)) {
        json_rd_fail(r, "invalid unicode code point");
        return false;
    }
    if (escapes) {
        t.own = malloc(t.len);
        if (!t.own) {
            r->no_memory = true;
            json_rd_fail(r, "out of memory");
            return false;
        }
        fault = unescape(t.p, t.p + t.len, &t);
        if (fault || !keep)
            json_text_fini(&t);
        if (fault) {
            json_rd_fail(r, fault);
            return false;
        }
    }
    if (keep)
        *ret = t;
    return true;
}

bool json_rd_text(struct json_rd *r, struct json_text *ret)
{
    if (json_rd_kind(r) != JSON_KIND_STRING) {
        json_rd_fail(r, "expected value");
        return false;
    }
    return read_string(r, true, ret);
}

/* --- objects --------------------------------------------------------------------------------- */

bool json_rd_open(struct json_rd *r)
{
    if (json_rd_kind(r) == JSON_KIND_OBJECT)
        r->p++;
    else
        json_rd_fail(r, "expected value");
    return true;
}

/* A key in quotes and its colon. */
static bool read_key(struct json_rd *r, bool *first, bool keep, struct json_text *ret)
{
    int c = next_byte(r);

    if (c == '}') {
        r->p++;
        return false;
    }
    if (!*first) {
        if (c != ',') {
            json_rd_fail(r, c < 0 ? "EOF while parsing an object" : "expected `,` or `}`");
            return false;
        }
        r->p++;
        c = next_byte(r);
    }
    *first = false;
    if (c != '"') {
        json_rd_fail(r, c < 0 ? "EOF while parsing an object" : "key must be a string");
        return false;
    }
    if (!read_string(r, keep, ret))
        return false;
    if (next_byte(r) != ':') {
        json_rd_fail(r, "expected `:`");
        if (keep)
            json_text_fini(ret);
        return false;
    }
    r->p++;
    return true;
}

bool json_rd_key(struct json_rd *r, bool *first, struct json_text *ret)
{
    return read_key(r, first, true, ret);
}

/* --- values that nobody looks at ------------------------------------------------------------- */

static void skip_digits(struct json_rd *r)
{
    if (r->p == r->end || *r->p < '0' || *r->p > '9')
        json_rd_fail(r, "invalid number");
    while (r->p < r->end && *r->p >= '0' && *r->p <= '9')
        r->p++;
}

static void skip_number(struct json_rd *r)
{
    if (*r->p == '-')
        r->p++;
    if (r->p < r->end && *r->p == '0') {
        r->p++;
        if (r->p < r->end && *r->p >= '0' && *r->p <= '9')
            json_rd_fail(r, "invalid number");
    } else {
        skip_digits(r);
    }
    if (r->p < r->end && *r->p == '.') {
        r->p++;
        skip_digits(r);
    }
    if (r->p < r->end && (*r->p | 0x20) == 'e') {
        r->p++;
        if (r->p < r->end && (*r->p == '+' || *r->p == '-'))
            r->p++;
        skip_digits(r);
    }
}

static void skip_word(struct json_rd *r, const char *word)
{
    size_t len = strlen(word);

    if ((size_t)(r->end - r->p) < len || memcmp(r->p, word, len) != 0)
        json_rd_fail(r, "expected ident");
    else
        r->p += len;
}

static void skip_value(struct json_rd *r, unsigned depth);

static void skip_object(struct json_rd *r, unsigned depth)
{
    for (bool first = json_rd_open(r); read_key(r, &first, false, NULL);)
        skip_value(r, depth + 1);
}

static void skip_array(struct json_rd *r, unsigned depth)
{
    int c;

    r->p++;
    if (next_byte(r) == ']') {
        r->p++;
        return;
    }
    do {
        skip_value(r, depth + 1);
        c = next_byte(r);
        if (c >= 0)
            r->p++;
    } while (c == ',');
    if (c != ']')
        json_rd_fail(r, c < 0 ? "EOF while parsing a list" : "expected `,` or `]`");
}

static void skip_value(struct json_rd *r, unsigned depth)
{
    if (depth >= JSON_DEPTH_MAX)
        json_rd_fail(r, "recursion limit exceeded");
    switch (json_rd_kind(r)) {
    case JSON_KIND_OBJECT:
        skip_object(r, depth);
        break;
    case JSON_KIND_ARRAY:
        skip_array(r, depth);
        break;
    case JSON_KIND_STRING:
        (void)read_string(r, false, NULL); /* the fault sticks */
        break;
    case JSON_KIND_NUMBER:
        skip_number(r);
        break;
    case JSON_KIND_BOOL:
        skip_word(r, *r->p == 't' ? "true" : "false");
        break;
    case JSON_KIND_NULL:
        skip_word(r, "null");
        break;
    case JSON_KIND_NONE:
        json_rd_fail(r, r->p == r->end ? "EOF while parsing a value" : "expected value");
        break;
    }
}

void json_rd_skip(struct json_rd *r)
{
    skip_value(r, 1);
}

void json_rd_end(struct json_rd *r)
{
    if (next_byte(r) >= 0)
        json_rd_fail(r, "trailing characters");
}
