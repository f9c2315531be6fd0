/* Each content has one base64 text; hex and addresses survive a round trip. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/ip6.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_b64(const char *text, size_t len)
{
    struct b64_error e;
    size_t n;
    uint8_t *bytes = malloc(len / 4 * 3 + 1);
    char *again = malloc(len + 1);
    if (!bytes || !again)
        abort();
    int rc = b64_decode(text, len, bytes, len / 4 * 3, &n, &e);
    if (rc == OK) {
        assert(e.fault == B64_OK);
        assert(b64_encode(bytes, n, again) == len && memcmp(again, text, len) == 0);
    } else {
        /* ERR_TOOBIG: a text whose length is no multiple of four is wrong in another way as well */
        assert(rc == ERR_TOOBIG || e.fault != B64_OK);
        if (e.fault == B64_SYMBOL || e.fault == B64_LAST_SYMBOL)
            assert(e.offset < len && (uint8_t)text[e.offset] == e.symbol);
    }
    free(bytes);
    free(again);
}

/* In pieces: the same bytes, or refused too. */
static void check_b64_in(const char *text, size_t len, size_t step)
{
    struct b64_in in = {0};
    struct b64_error err;
    size_t whole_len = 0, got = 0, n = 0;
    uint8_t *whole = malloc(len + 3), *bytes = malloc(len + 6);
    int whole_rc, rc = OK;
    if (!whole || !bytes)
        abort();
    whole_rc = b64_decode(text, len, whole, len, &whole_len, NULL);
    for (size_t at = 0; rc == OK && at < len; at += step) {
        size_t piece = step < len - at ? step : len - at;
        rc = b64_in_feed(&in, text + at, piece, bytes + got, &n, &err);
        got += rc == OK ? n : 0;
    }
    if (rc == OK)
        rc = b64_in_end(&in, bytes + got, &n, &err);
    assert(rc == whole_rc);
    if (rc == OK)
        assert(got + n == whole_len && memcmp(bytes, whole, whole_len) == 0);
    free(whole);
    free(bytes);
}

static void check_hex(const char *text, size_t len)
{
    uint8_t *bytes = malloc(len / 2 + 1), *back = malloc(len / 2 + 1);
    char *again = malloc(len + 1);
    if (!bytes || !back || !again)
        abort();
    if (hex_decode(text, len, bytes, len / 2) == OK) {
        (void)hex_encode(bytes, len / 2, again);
        assert(strlen(again) == len);
        assert(hex_decode(again, len, back, len / 2) == OK);
        assert(memcmp(bytes, back, len / 2) == 0);
    }
    free(bytes);
    free(back);
    free(again);
}

static void check_ip6(const char *text, size_t len)
{
    struct ip6 a, b;
    char buf[IP6_STR_MAX], *s = strndup(text, len);
    if (!s)
        abort();
    if (ip6_parse(s, &a) == OK) {
        (void)ip6_str(&a, buf);
        assert(ip6_parse(buf, &b) == OK && ip6_eq(&a, &b));
    }
    free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_b64((const char *)data, size);
    for (size_t step = 1; step < 12; step += 2)
        check_b64_in((const char *)data, size, step);
    check_hex((const char *)data, size);
    check_ip6((const char *)data, size);
    return 0;
}
