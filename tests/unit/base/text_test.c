#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/rng.h"
#include "tests/unit/unit.h"

static void test_hex(void **state)
{
    (void)state;
    char text[9];
    uint8_t b[4], before[4] = {1, 2, 3, 4};
    assert_string_equal(hex_encode("\x00\xff\x1a\xb0", 4, text), "00ff1ab0");
    assert_string_equal(hex_encode("", 0, text), "");
    assert_int_equal(hex_decode("00fF1aB0", 8, b, 4), OK);
    assert_memory_equal(b, "\x00\xff\x1a\xb0", 4);
    assert_int_equal(hex_decode("", 0, b, 0), OK);
    memcpy(b, before, 4);
    assert_int_equal(hex_decode("00ff1ab", 7, b, 4), ERR_INVAL);
    assert_int_equal(hex_decode("00ff1ab", 7, b, 3), ERR_INVAL);
    assert_int_equal(hex_decode("00ff1ab00", 9, b, 4), ERR_INVAL);
    assert_int_equal(hex_decode("00ff1ab0", 8, b, 3), ERR_INVAL);
    static const char bad[] = "/:@G`g \n\x80";
    for (size_t i = 0; i + 1 < sizeof(bad); i++)
        for (size_t at = 0; at < 8; at++) {
            char t[8] = {'0', '0', '0', '0', '0', '0', '0', '0'};
            t[at] = bad[i];
            assert_int_equal(hex_decode(t, 8, b, 4), ERR_INVAL);
        }
    assert_memory_equal(b, before, 4); /* nothing written on errors */
}

static void test_decimal(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t max;
        int rc;
        uint64_t value;
    } v[] = {
        {"0", 0, OK, 0},
        {"1", 0, ERR_TOOBIG, 0},
        {"0001", 1, OK, 1},
        {"65535", 65535, OK, 65535},
        {"65536", 65535, ERR_TOOBIG, 0},
        {"99999", 65535, ERR_TOOBIG, 0},
        {"18446744073709551615", UINT64_MAX, OK, UINT64_MAX},
        {"18446744073709551616", UINT64_MAX, ERR_TOOBIG, 0},
        {"99999999999999999999x", UINT64_MAX, ERR_TOOBIG, 0},
        {"x99999999999999999999", UINT64_MAX, ERR_INVAL, 0},
        {"", 9, ERR_INVAL, 0},
        {"+1", 9, ERR_INVAL, 0},
        {"-1", 9, ERR_INVAL, 0},
        {" 1", 9, ERR_INVAL, 0},
        {"1 ", 9, ERR_INVAL, 0},
        {"1.", 9, ERR_INVAL, 0},
        {"0x1", 9, ERR_INVAL, 0},
        {"/", 9, ERR_INVAL, 0},
        {":", 9, ERR_INVAL, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        uint64_t n = 77;
        if (decimal_parse(v[i].text, strlen(v[i].text), v[i].max, &n) != v[i].rc)
            fail_msg("%s up to %llu", v[i].text, (unsigned long long)v[i].max);
        assert_int_equal(n, v[i].rc == OK ? v[i].value : 77);
    }
    uint64_t n;
    assert_int_equal(decimal_parse("123", 2, 99, &n), OK);
    assert_int_equal(n, 12);
}

static void test_b64_rfc4648(void **state)
{
    (void)state;
    static const char *const v[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"test", "dGVzdA=="},
        {"~~~", "fn5+"},
        {"\xff\xff\xff", "////"},
    };
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        char text[16];
        uint8_t b[16];
        size_t len;
        assert_int_equal(b64_encode(v[i][0], strlen(v[i][0]), text), strlen(v[i][1]));
        assert_string_equal(text, v[i][1]);
        assert_int_equal(B64_LEN(strlen(v[i][0])), strlen(v[i][1]));
        assert_int_equal(b64_decode(text, strlen(text), b, sizeof(b), &len, NULL), OK);
        assert_int_equal(len, strlen(v[i][0]));
        assert_memory_equal(b, v[i][0], len);
    }
}

static void test_b64_faults(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum b64_fault fault;
        uint8_t symbol;
        size_t offset;
    } v[] = {
        /* what the API documents */
        {"A_==", B64_SYMBOL, '_', 1},
        {"AB==", B64_LAST_SYMBOL, 'B', 1}, /* 66 */
        {"QR==", B64_LAST_SYMBOL, 'R', 1},
        {"AAB=", B64_LAST_SYMBOL, 'B', 2},
        {"A", B64_LENGTH, 0, 1},
        {"dGVzdA", B64_PADDING, 0, 0},
        {"dGVzdA=", B64_PADDING, 0, 0},
        {"AAA", B64_PADDING, 0, 0},
        {"AA", B64_PADDING, 0, 0},
        {"AAAAA", B64_LENGTH, 0, 5},
        {"AAAAAAAAA", B64_LENGTH, 0, 9},
        /* a single wrong one at the end is named first */
        {"AAAA\n", B64_SYMBOL, '\n', 4},
        {"A_AA\n", B64_SYMBOL, '\n', 4},
        {"_", B64_SYMBOL, '_', 0},
        /* padding at the wrong place */
        {"=", B64_SYMBOL, '=', 0},
        {"====", B64_SYMBOL, '=', 0},
        {"A===", B64_SYMBOL, '=', 1},
        {"AA=A", B64_SYMBOL, '=', 2},
        {"AA==AAAA", B64_SYMBOL, '=', 2},
        {"AAAA====", B64_SYMBOL, '=', 4},
        {"AAAA=", B64_SYMBOL, '=', 4},
        {"AAAAAA==A", B64_SYMBOL, '=', 6},
        /* spaces, line feeds and the other alphabet */
        {"AA AA", B64_SYMBOL, ' ', 2},
        {"AAAA\nAAAA", B64_SYMBOL, '\n', 4},
        {"AA-A", B64_SYMBOL, '-', 2},
        {"AAA\x80", B64_SYMBOL, 0x80, 3},
    };
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        uint8_t b[16];
        size_t len = 99;
        struct b64_error e;
        assert_int_equal(b64_decode(v[i].text, strlen(v[i].text), b, sizeof(b), &len, &e),
                         ERR_INVAL);
        if (e.fault != v[i].fault || e.symbol != v[i].symbol || e.offset != v[i].offset)
            fail_msg("%s: fault %d symbol %d offset %zu", v[i].text, (int)e.fault, e.symbol,
                     e.offset);
        assert_int_equal(len, 99);
        assert_int_equal(b64_decode(v[i].text, strlen(v[i].text), b, sizeof(b), &len, NULL),
                         ERR_INVAL);
    }
    uint8_t b[4];
    size_t len;
    struct b64_error e;
    assert_int_equal(b64_decode("AA\0A", 4, b, sizeof(b), &len, &e), ERR_INVAL);
    assert_int_equal(e.symbol, 0);
    assert_int_equal(e.offset, 2);
}

/* Every length, every cut of the text, and every size of the output. */
/* In pieces of any length: the same bytes, the same faults. */
static void test_b64_pieces(void **state)
{
    (void)state;
    static const char *const v[] = {
        "",       "Zg==",       "Zm8=",     "Zm9v",      "Zm9vYg==", "Zm9vYmFyZm9vYmFy",
        "A_==",   "AB==",       "AAA",      "AA",        "A",        "====",
        "AA=A",   "AA==AAAA",   "AAAAAA==", "AAAAAAAA=", "AAAA\n",   "AAAA_AAA",
        "dGVzdA", "AAAAAAAB=A",
    };
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        size_t len = strlen(v[i]), want_len = 0;
        uint8_t want[32], got[64];
        struct b64_error want_err, err;
        int want_rc = b64_decode(v[i], len, want, sizeof(want), &want_len, &want_err);
        for (size_t step = 1; step <= len + 1; step++) {
            struct b64_in in = {0};
            size_t got_len = 0, n;
            int rc = OK;
            for (size_t at = 0; rc == OK && at < len; at += step) {
                rc = b64_in_feed(&in, v[i] + at, MIN(step, len - at), got + got_len, &n, &err);
                got_len += rc == OK ? n : 0;
            }
            if (rc == OK)
                rc = b64_in_end(&in, got + got_len, &n, &err);
            assert_int_equal(rc, want_rc);
            if (rc < 0) {
                assert_int_equal(err.fault, want_err.fault);
                assert_int_equal(err.offset, want_err.offset);
                assert_int_equal(err.symbol, want_err.symbol);
                continue;
            }
            assert_int_equal(got_len + n, want_len);
            assert_memory_equal(got, want, want_len);
        }
    }
}

static void test_b64_lengths(void **state)
{
    (void)state;
    struct rng r;
    rng_init_seeded(&r, 64);
    for (size_t len = 0; len < 70; len++) {
        uint8_t in[70], out[80];
        char text[B64_LEN(70) + 1];
        size_t got;
        rng_bytes(&r, in, len);
        size_t chars = b64_encode(in, len, text);
        assert_int_equal(chars, B64_LEN(len));
        assert_int_equal(strlen(text), chars);
        for (size_t cap = 0; cap < 75; cap++) {
            memset(out, 0xa5, sizeof(out));
            int rc = b64_decode(text, chars, out, cap, &got, NULL);
            assert_int_equal(rc, cap >= len ? OK : ERR_TOOBIG);
            for (size_t i = cap; i < sizeof(out); i++)
                assert_int_equal(out[i], 0xa5);
            if (rc == OK) {
                assert_int_equal(got, len);
                assert_memory_equal(out, in, len);
            }
        }
        for (size_t cut = 0; cut < chars; cut++) {
            int rc = b64_decode(text, cut, out, sizeof(out), &got, NULL);
            assert_int_equal(rc, cut % 4 == 0 ? OK : ERR_INVAL);
        }
    }
}

/* Exactly one text for each content: what decodes, encodes to itself. */
static void test_b64_canonical(void **state)
{
    (void)state;
    struct rng r;
    static const char pool[] = "ABQRgwz09+/=_- \n";
    unsigned good = 0;
    rng_init_seeded(&r, 65);
    for (int i = 0; i < 200000; i++) {
        char text[9], again[16];
        uint8_t out[8];
        size_t len = (size_t)rng_below(&r, 9), got;
        for (size_t k = 0; k < len; k++)
            text[k] = pool[rng_below(&r, sizeof(pool) - 1)];
        if (b64_decode(text, len, out, sizeof(out), &got, NULL) != OK)
            continue;
        good++;
        assert_int_equal(b64_encode(out, got, again), len);
        assert_memory_equal(again, text, len);
    }
    assert_true(good > 1000);
}

static void test_utf8(void **state)
{
    (void)state;
    static const char *const good[] = {"",
                                       "abc",
                                       "\xc3\xa4",
                                       "\xe2\x82\xac",
                                       "\xf0\x9f\x98\x80",
                                       "\xed\x9f\xbf",
                                       "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {
        "\xff",         "\xc0\x80",         "\xc3", "\xe2\x82",         "\xe0\x80\x80",
        "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x80", "\xf0\x80\x80\x80", "a\xc3z"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(utf8_valid(good[i], strlen(good[i])));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(utf8_valid(bad[i], strlen(bad[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hex),           cmocka_unit_test(test_decimal),
        cmocka_unit_test(test_b64_rfc4648),   cmocka_unit_test(test_b64_faults),
        cmocka_unit_test(test_b64_pieces),    cmocka_unit_test(test_b64_lengths),
        cmocka_unit_test(test_b64_canonical), cmocka_unit_test(test_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
