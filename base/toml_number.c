/* Numbers, and the few other values that are a bare word. */
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/toml_tree.h"

static bool is_digit(int c, unsigned base)
{
    int d = hex_digit((char)c);
    return d >= 0 && (unsigned)d < base;
}

/* Digits with single underscores between them, without these to *to. False: not so. */
static bool digits(const char **from, unsigned base, char **to)
{
    const char *p = *from;
    if (!is_digit(*p, base))
        return false;
    for (; is_digit(*p, base) || (*p == '_' && is_digit(p[1], base)); p++)
        if (*p != '_')
            *(*to)++ = *p;
    *from = p;
    return true;
}

static bool integer_of(const char *text, bool negative, int base, int64_t *ret)
{
    errno = 0;
    unsigned long long u = strtoull(text, NULL, base);
    if (errno != 0 || u > (unsigned long long)INT64_MAX + negative)
        return false;
    *ret = negative ? -(int64_t)(u - (u > 0)) - (u > 0) : (int64_t)u;
    return true;
}

/* strtod() follows the locale of the process, which may write a comma. */
static double real_of(const char *text)
{
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    double d = c ? strtod_l(text, NULL, c) : strtod(text, NULL);
    if (c)
        freelocale(c);
    return d;
}

static const char *number_based(const char *word, struct toml_value *v)
{
    unsigned base = word[1] == 'x' ? 16 : word[1] == 'o' ? 8 : 2;
    char plain[TOML_WORD_MAX + 1], *to = plain;
    word += 2;
    if (!digits(&word, base, &to) || *word)
        return "not a number";
    *to = '\0';
    v->kind = TOML_INTEGER;
    return integer_of(plain, false, (int)base, &v->integer) ? NULL : "the number is too large";
}

/* The digits of word as a number; NULL, or what is wrong. */
static const char *number_decimal(const char *word, struct toml_value *v)
{
    char plain[TOML_WORD_MAX + 2], *to = plain;
    bool negative = *word == '-';
    bool real = false;
    if (*word == '+' || *word == '-')
        *to++ = *word++;
    const char *first = to;
    if (!digits(&word, 10, &to))
        return "a value is missing, or is none";
    if (*first == '0' && to - first > 1)
        return "a number does not begin with 0";
    if (*word == '.') {
        *to++ = *word++;
        real = true;
        if (!digits(&word, 10, &to))
            return "a digit is missing";
    }
    if (*word == 'e' || *word == 'E') {
        *to++ = *word++;
        real = true;
        if (*word == '+' || *word == '-')
            *to++ = *word++;
        if (!digits(&word, 10, &to))
            return "a digit is missing";
    }
    if (*word)
        return "not a number";
    *to = '\0';
    v->kind = real ? TOML_REAL : TOML_INTEGER;
    if (real)
        v->real = real_of(plain);
    else if (!integer_of(first, negative, 10, &v->integer))
        return "the number is too large";
    return NULL;
}

static bool is_date(const char *w)
{
    size_t n = strspn(w, "0123456789");
    return (n == 4 && w[4] == '-') || (n == 2 && w[2] == ':');
}

const char *toml_word(const char *word, struct toml_value *v)
{
    const char *bare = word + (*word == '+' || *word == '-');
    bool yes = strcmp(word, "true") == 0;
    if (yes || strcmp(word, "false") == 0) {
        v->kind = TOML_BOOL;
        v->boolean = yes;
        return NULL;
    }
    if (strcmp(bare, "inf") == 0 || strcmp(bare, "nan") == 0) {
        v->kind = TOML_REAL;
        v->real = real_of(word);
        return NULL;
    }
    if (is_date(word))
        return "dates and times are not supported";
    if (strncmp(word, "0x", 2) == 0 || strncmp(word, "0o", 2) == 0 || strncmp(word, "0b", 2) == 0)
        return number_based(word, v);
    return number_decimal(word, v);
}
