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

void lift_init_deep(struct lift *l, const char *key, size_t text_max, const char *mark, size_t min)
{
    lift_init(l, key, text_max);
    l->deep = true;
    l->mark = mark;
    l->min = min;
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

/* Are keys looked at where we are? */
static bool in_object(const struct lift *l)
{
    return l->depth > 0 && l->depth <= (l->deep ? LIFT_DEPTH : 1) &&
           l->objects >> (l->depth - 1) & 1;
}

static void open(struct lift *l, bool object)
{
    l->depth++;
    if (l->depth <= LIFT_DEPTH) {
        l->objects &= ~(UINT64_C(1) << (l->depth - 1));
        l->objects |= (uint64_t)object << (l->depth - 1);
    }
    l->want_key = in_object(l);
    l->hit = false;
}

/* A quote outside of strings. */
static void begin_string(struct lift *l)
{
    bool looked_at = in_object(l);

    if (looked_at && !l->want_key && l->hit && !l->found) {
        l->found = !l->deep;
        l->state = l->deep ? LIFT_STRING : LIFT_VALUE;
        l->value_at = l->text_len + 1; /* behind the quote, which is kept next */
        l->is_key = false;
        return;
    }
    l->value_at = 0;
    l->state = LIFT_STRING;
    l->is_key = looked_at && l->want_key;
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
        open(l, c == '{');
        break;
    case '}':
    case ']':
        l->depth -= l->depth > 0;
        l->want_key = l->hit = false;
        break;
    case ',':
        l->want_key = in_object(l);
        l->hit = false;
        break;
    case ':':
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

/* A string that is long enough: takes what was kept of it out of the text again. */
static int take_back(struct lift *l, char *value, size_t *ret_len)
{
    size_t at = l->value_at, out = 0;
    int rc = OK;

    l->found = true;
    l->state = LIFT_VALUE;
    for (size_t i = at; i < l->text_len && rc >= 0; i++) {
        rc = value_byte(l, (uint8_t)l->text[i], value + out);
        out += rc > 0 ? (size_t)rc : 0;
    }
    l->text_len = at;
    *ret_len = out;
    return rc < 0 ? rc : OK;
}

static int end_value(struct lift *l)
{
    int rc = OK;

    for (const char *c = l->mark; c && *c && rc == OK; c++)
        rc = keep(l, (uint8_t)*c);
    return rc == OK ? keep(l, '"') : rc;
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
            size_t n = 0;
            rc = kept_byte(l, in[at]);
            if (rc == OK && l->deep && !l->found && l->state > LIFT_TEXT && l->value_at > 0 &&
                l->text_len > l->value_at + l->min) {
                rc = take_back(l, value + out, &n);
                out += n;
            }
        } else if (l->state == LIFT_VALUE && in[at] == '"') {
            l->state = LIFT_TEXT;
            rc = end_value(l);
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
