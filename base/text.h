/* text.h - hex and base64 with strict readers, and what counts as UTF-8.
 *
 * Base64 is the standard alphabet with required padding and zero unused bits: what the API of the
 * network takes (docs/protocol/api.md). */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

/* Lower-case digits and a zero byte: needs 2 * len + 1 bytes. Returns out. */
char *hex_encode(const void *bytes, size_t len, char *out);
/* Exactly 2 * len digits of either case in text[0..text_len). ERR_INVAL. */
MUST_CHECK int hex_decode(const char *text, size_t text_len, void *ret, size_t len);

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

/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool utf8_valid(const char *text, size_t len);
