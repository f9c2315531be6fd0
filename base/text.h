/* text.h - hex, decimal numbers and base64 with strict readers, and what counts as UTF-8.
 *
 * Base64 is the standard alphabet with required padding and zero unused bits: what the API of the
 * network takes (docs/protocol/api.md). */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

int hex_digit(char c); /* its value in either case; -1: none */
/* Lower-case digits and a zero byte: needs 2 * len + 1 bytes. Returns out. */
char *hex_encode(const void *bytes, size_t len, char *out);
/* Exactly 2 * len digits of either case in text[0..text_len). ERR_INVAL. */
MUST_CHECK int hex_decode(const char *text, size_t text_len, void *ret, size_t len);

/* All of text[0..len) as a decimal number, any number of leading zeros. ERR_INVAL: empty, or not
 * only digits; ERR_TOOBIG: above max. Of two faults the first from the left. */
MUST_CHECK int decimal_parse(const char *text, size_t len, uint64_t max, uint64_t *ret);

#define B64_LEN(n) (((size_t)(n) + 2) / 3 * 4) /* characters, without a zero byte */
/* Writes B64_LEN(len) characters and a zero byte; returns the characters. */
size_t b64_encode(const void *bytes, size_t len, char *out);

enum b64_fault { B64_OK, B64_SYMBOL, B64_PADDING, B64_LAST_SYMBOL, B64_LENGTH };
struct b64_error {
    enum b64_fault fault;
    uint8_t symbol; /* B64_SYMBOL, B64_LAST_SYMBOL: the byte */
    size_t offset;  /* where it stands; B64_LENGTH: the number of characters */
};
/* At most cap bytes into ret (cap >= text_len / 4 * 3 suffices). ERR_INVAL with *err filled (err
 * may be NULL), ERR_TOOBIG. */
MUST_CHECK int b64_decode(const char *text, size_t text_len, void *ret, size_t cap, size_t *ret_len,
                          struct b64_error *err);

/* The same for a text that comes in pieces. Faults have the offset from the beginning of all. */
struct b64_in {
    uint64_t at;  /* characters before those of the tail */
    char tail[4]; /* the last 0 to 4 of what came: padding may only be there */
    size_t tail_len;
};
/* ret: room for text_len + 3 bytes. The same b zeroed begins anew. ERR_INVAL with *err filled. */
MUST_CHECK int b64_in_feed(struct b64_in *b, const char *text, size_t text_len, uint8_t *ret,
                           size_t *ret_len, struct b64_error *err);
/* There is no more text: the last bytes, at most 3. */
MUST_CHECK int b64_in_end(struct b64_in *b, uint8_t ret[static 3], size_t *ret_len,
                          struct b64_error *err);

/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool utf8_valid(const char *text, size_t len);
