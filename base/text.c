#include "base/text.h"

#include <stdbool.h>
#include <string.h>

#include "base/err.h"

char *hex_encode(const void *bytes, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *p = bytes;
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
    out[2 * len] = '\0';
    return out;
}

int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int hex_decode(const char *text, size_t text_len, void *ret, size_t len)
{
    uint8_t *out = ret;
    if (text_len / 2 != len || text_len % 2 != 0)
        return ERR_INVAL;
    for (size_t i = 0; i < text_len; i++)
        if (hex_digit(text[i]) < 0)
            return ERR_INVAL;
    for (size_t i = 0; i < len; i++)
        out[i] =
            (uint8_t)((unsigned)hex_digit(text[2 * i]) << 4 | (unsigned)hex_digit(text[2 * i + 1]));
    return OK;
}

int decimal_parse(const char *text, size_t len, uint64_t max, uint64_t *ret)
{
    uint64_t n = 0;
    if (len == 0)
        return ERR_INVAL;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return ERR_INVAL;
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (digit > max || n > (max - digit) / 10)
            return ERR_TOOBIG;
        n = n * 10 + digit;
    }
    *ret = n;
    return OK;
}

size_t b64_encode(const void *bytes, size_t len, char *out)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        "="; /* the padding at 64 */
    const uint8_t *p = bytes;
    char *o = out;
    for (size_t i = 0; i < len; i += 3) {
        size_t n = len - i;
        uint32_t v = (uint32_t)p[i] << 16;
        if (n > 1)
            v |= (uint32_t)p[i + 1] << 8;
        if (n > 2)
            v |= p[i + 2];
        *o++ = alphabet[v >> 18];
        *o++ = alphabet[v >> 12 & 63];
        *o++ = alphabet[n > 1 ? v >> 6 & 63 : 64];
        *o++ = alphabet[n > 2 ? v & 63 : 64];
    }
    *o = '\0';
    return (size_t)(o - out);
}

#define BAD 0xff

/* Values of the characters, one more than they are, so that 0 (all others) becomes BAD. */
static const uint8_t b64_plus_one[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
};

static uint8_t b64_value(uint8_t c)
{
    return (uint8_t)(b64_plus_one[c] - 1);
}

/* What is wrong, and where, follows the messages that clients of the API see. */
static int fail(struct b64_error *err, enum b64_fault fault, size_t offset, uint8_t symbol)
{
    if (err)
        *err = (struct b64_error){.fault = fault, .symbol = symbol, .offset = offset};
    return ERR_INVAL;
}

/* The last 1 to 4 characters, the only ones that may hold padding. */
static int decode_tail(const uint8_t *in, size_t len, size_t at, uint8_t out[3], size_t *ret_len,
                       struct b64_error *err)
{
    size_t symbols = 0, pads = 0;
    uint32_t v = 0;
    for (size_t i = at; i < len; i++) {
        if (in[i] == '=') {
            if (i - at < 2)
                return fail(err, B64_SYMBOL, i, '=');
            pads++;
            continue;
        }
        if (pads > 0)
            return fail(err, B64_SYMBOL, at + symbols, '='); /* the first one */
        uint8_t m = b64_value(in[i]);
        if (m == BAD)
            return fail(err, B64_SYMBOL, i, in[i]);
        v |= (uint32_t)m << (18 - 6 * symbols);
        symbols++;
    }
    if (symbols < 2)
        return fail(err, B64_LENGTH, at + symbols, 0);
    if (symbols + pads != 4)
        return fail(err, B64_PADDING, 0, 0);
    size_t n = symbols * 6 / 8;
    if (v & 0xffffffu >> (8 * n))
        return fail(err, B64_LAST_SYMBOL, at + symbols - 1, in[at + symbols - 1]);
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)(v >> (16 - 8 * i));
    *ret_len = n;
    return OK;
}

/* len characters, a multiple of 4, none of them padding. */
static int decode_groups(const uint8_t *in, size_t len, uint8_t *out, size_t cap, size_t *ret_len,
                         struct b64_error *err)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i += 4) {
        uint32_t v = 0;
        for (size_t k = 0; k < 4; k++) {
            uint8_t m = b64_value(in[i + k]);
            if (m == BAD)
                return fail(err, B64_SYMBOL, i + k, in[i + k]);
            v = v << 6 | m;
        }
        if (cap - n < 3)
            return ERR_TOOBIG;
        out[n++] = (uint8_t)(v >> 16);
        out[n++] = (uint8_t)(v >> 8);
        out[n++] = (uint8_t)v;
    }
    *ret_len = n;
    return OK;
}

int b64_decode(const char *text, size_t text_len, void *ret, size_t cap, size_t *ret_len,
               struct b64_error *err)
{
    const uint8_t *in = (const uint8_t *)text;
    uint8_t *out = ret, tail[3];
    size_t len = 0, tail_len;

    if (err)
        *err = (struct b64_error){.fault = B64_OK};
    if (text_len == 0) {
        *ret_len = 0;
        return OK;
    }
    /* A last character that is alone and wrong, like a line feed, is named before any other fault.
     */
    uint8_t last = in[text_len - 1];
    if (text_len % 4 == 1 && last != '=' && b64_value(last) == BAD)
        return fail(err, B64_SYMBOL, text_len - 1, last);

    size_t at = (text_len - 1) / 4 * 4; /* where the last 1 to 4 characters begin */
    int rc = decode_groups(in, at, out, cap, &len, err);
    if (rc < 0)
        return rc;
    rc = decode_tail(in, text_len, at, tail, &tail_len, err);
    if (rc < 0)
        return rc;
    if (cap - len < tail_len)
        return ERR_TOOBIG;
    for (size_t i = 0; i < tail_len; i++)
        out[len + i] = tail[i];
    *ret_len = len + tail_len;
    return OK;
}

static int fail_in(const struct b64_in *b, struct b64_error *err)
{
    err->offset += b->at;
    return ERR_INVAL;
}

int b64_in_feed(struct b64_in *b, const char *text, size_t text_len, uint8_t *ret, size_t *ret_len,
                struct b64_error *err)
{
    size_t have = b->tail_len, len = 0, n = 0, groups;

    if (have > 0 && have + text_len > 4) { /* the group in between: the tail is none after all */
        size_t take = 4 - have;
        memcpy(b->tail + have, text, take);
        if (decode_groups((const uint8_t *)b->tail, 4, ret, 3, &len, err) < 0)
            return fail_in(b, err);
        b->at += 4;
        b->tail_len = have = 0;
        text += take;
        text_len -= take;
    }
    groups = have > 0 || text_len == 0 ? 0 : (text_len - 1) / 4 * 4;
    if (decode_groups((const uint8_t *)text, groups, ret + len, text_len, &n, err) < 0)
        return fail_in(b, err);
    b->at += groups;
    memcpy(b->tail + have, text + groups, text_len - groups);
    b->tail_len = have + text_len - groups;
    *ret_len = len + n;
    return OK;
}

int b64_in_end(struct b64_in *b, uint8_t ret[static 3], size_t *ret_len, struct b64_error *err)
{
    if (b64_decode(b->tail, b->tail_len, ret, 3, ret_len, err) == OK)
        return OK;
    return err->fault == B64_PADDING ? ERR_INVAL : fail_in(b, err);
}

/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool utf8_valid(const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text;

    for (size_t i = 0; i < len;) {
        unsigned char c = p[i++];
        unsigned char low = 0x80, high = 0xbf;
        int more;

        if (c < 0x80)
            continue;
        if (c < 0xc2 || c > 0xf4)
            return false;
        more = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
        if (c == 0xe0)
            low = 0xa0;
        else if (c == 0xed)
            high = 0x9f;
        else if (c == 0xf0)
            low = 0x90;
        else if (c == 0xf4)
            high = 0x8f;
        for (; more > 0; more--, low = 0x80, high = 0xbf)
            if (i == len || p[i] < low || p[i++] > high)
                return false;
    }
    return true;
}
