#include "base/lift.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"

#define TEXT_FIRST 512 /* bytes; doubled as needed */

void lift_init(struct lift *l, const char *key, size_t text_max)
{
    *l = (struct lift){.key = key, .text_max = text_max};
}

void lift_fini(struct lift *l)
{
    free(l->text);
    *l = (struct lift){0};
}

static int keep(struct lift *l, uint8_t c)
{
    if (l->text_len == l->text_max)
        return ERR_TOOBIG;
    if (l->text_len == l->text_cap) {
        size_t cap = MIN(l->text_cap ? l->text_cap * 2 : TEXT_FIRST, l->text_max);
        char *grown = realloc(l->text, cap);
        if (!grown)
            return ERR_NOMEM;
        l->text = grown;
        l->text_cap = cap;
    }
    l->text[l->text_len++] = (char)c;
    return OK;
}

/* A quote outside of strings. */
static void begin_string(struct lift *l)
{
    bool outermost = l->object && l->depth == 1;

    if (outermost && !l->want_key && l->hit && !l->found) {
        l->found = true;
        l->state = LIFT_VALUE;
        return;
    }
    l->state = LIFT_STRING;
    l->is_key = outermost && l->want_key;
    l->key_ok = true;
    l->key_at = 0;
}

static void text_byte(struct lift *l, uint8_t c)
{
    switch (c) {
    case '"':
        begin_string(l);
        break;
    case '{':
    case '[':
        if (l->depth++ == 0)
            l->object = l->want_key = c == '{';
        break;
    case '}':
    case ']':
        l->depth -= l->depth > 0;
        break;
    case ',':
        if (l->depth == 1) {
            l->want_key = l->object;
            l->hit = false;
        }
        break;
    case ':':
        if (l->depth == 1)
            l->want_key = false;
        break;
    default:
        break;
    }
}

static void string_byte(struct lift *l, uint8_t c)
{
    if (c == '"') {
        l->state = LIFT_TEXT;
        if (l->is_key)
            l->hit = l->key_ok && l->key[l->key_at] == '\0';
    } else if (c == '\\') {
        l->state = LIFT_STRING_ESC;
        l->key_ok = false;
    } else {
        l->key_ok = l->key_ok && c != '\0' && (uint8_t)l->key[l->key_at] == c;
        l->key_at += l->key_ok;
    }
}

/* Behind a backslash in the value: what stands for itself, or the beginning of "\u". */
static int escape(struct lift *l, uint8_t c, char *ret)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *at = c ? strchr(from, c) : NULL;

    l->state = LIFT_VALUE;
    if (at) {
        *ret = to[at - from];
        return 1;
    }
    if (c != 'u')
        return ERR_MALFORMED;
    l->state = LIFT_VALUE_HEX;
    l->code = l->digits = 0;
    return 0;
}

static int hex(struct lift *l, uint8_t c, char *ret)
{
    int digit = hex_digit((char)c);

    if (digit < 0)
        return ERR_MALFORMED;
    l->code = l->code * 16 + (unsigned)digit;
    if (++l->digits < 4)
        return 0;
    l->state = LIFT_VALUE;
    *ret = (char)(l->code < 0x80 ? l->code : 0xff);
    return 1;
}

/* One byte of the value, or its end: how many characters it gives, or ERR_*. */
static int value_byte(struct lift *l, uint8_t c, char *ret)
{
    if (l->state == LIFT_VALUE_ESC)
        return escape(l, c, ret);
    if (l->state == LIFT_VALUE_HEX)
        return hex(l, c, ret);
    if (c < 0x20)
        return ERR_MALFORMED;
    if (c == '\\') {
        l->state = LIFT_VALUE_ESC;
        return 0;
    }
    *ret = (char)c;
    return 1;
}

/* How many bytes from here on are characters of the value as they stand? */
static size_t plain_run(const uint8_t *in, size_t len)
{
    size_t n = 0;

    while (n < len && in[n] >= 0x20 && in[n] != '"' && in[n] != '\\')
        n++;
    return n;
}

/* A byte that is kept. */
static int kept_byte(struct lift *l, uint8_t c)
{
    if (l->state == LIFT_TEXT)
        text_byte(l, c);
    else if (l->state == LIFT_STRING)
        string_byte(l, c);
    else
        l->state = LIFT_STRING;
    return keep(l, c);
}

int lift_feed(struct lift *l, const uint8_t *in, size_t len, char *value, size_t *ret_value_len)
{
    size_t at = 0, out = 0;

    while (at < len) {
        size_t run = l->state == LIFT_VALUE ? plain_run(in + at, len - at) : 0;
        int rc;
        if (run > 0) {
            memcpy(value + out, in + at, run);
            at += run;
            out += run;
            continue;
        }
        if (l->state < LIFT_VALUE) {
            rc = kept_byte(l, in[at]);
        } else if (l->state == LIFT_VALUE && in[at] == '"') {
            l->state = LIFT_TEXT;
            rc = keep(l, '"');
        } else {
            rc = value_byte(l, in[at], value + out);
            if (rc > 0)
                out += (size_t)rc;
        }
        if (rc < 0)
            return rc;
        at++;
    }
    *ret_value_len = out;
    return OK;
}
