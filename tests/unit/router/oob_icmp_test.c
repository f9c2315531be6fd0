#include "router/oob_icmp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include "base/err.h"

static struct oob_icmp sample(const uint8_t *quote, size_t len)
{
    return (struct oob_icmp){.lost_dst = {{5, 1, 2}},
                             .type = OOB_TIME_EXCEEDED,
                             .code = 0,
                             .src = {{4, 7}},
                             .dst = {{5, 9, 9}},
                             .quote = quote,
                             .quote_len = len};
}

static void round_trip(void **state)
{
    (void)state;
    uint8_t quote[OOB_ICMP_QUOTE_MAX + 1] = {1, 2, 3};
    static const size_t lens[] = {0, 1, 2, 31, 1231, 1232, 1233};
    for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
        struct oob_icmp in = sample(quote, lens[i]), out;
        struct pkt *p = oob_icmp_encode(&in);
        size_t want = lens[i] > OOB_ICMP_QUOTE_MAX ? 0 : lens[i]; /* all or nothing */
        assert_non_null(p);
        assert_int_equal(p->len, OOB_ICMP_HEADER_BYTES + want);
        assert_int_equal(oob_icmp_decode(wire_rd_of(p->data, p->len), &out), OK);
        assert_true(ip6_eq(&out.lost_dst, &in.lost_dst));
        assert_true(ip6_eq(&out.src, &in.src));
        assert_true(ip6_eq(&out.dst, &in.dst));
        assert_int_equal(out.type, in.type);
        assert_int_equal(out.quote_len, want);
        assert_memory_equal(out.quote, quote, want);
        pkt_free(p);
    }
}

static void every_cut(void **state)
{
    (void)state;
    struct oob_icmp in = sample((const uint8_t *)"quote", 5), out;
    struct pkt *p = oob_icmp_encode(&in);
    assert_non_null(p);
    for (size_t n = 0; n < p->len; n++) {
        uint8_t *cut = malloc(n ? n : 1);
        assert_non_null(cut);
        memcpy(cut, p->data, n);
        assert_int_equal(oob_icmp_decode(wire_rd_of(cut, n), &out), ERR_MALFORMED);
        free(cut);
    }
    pkt_free(p);
}

static int decode_with(size_t at, uint8_t value)
{
    struct oob_icmp in = sample((const uint8_t *)"quote", 5), out;
    struct pkt *p = oob_icmp_encode(&in);
    assert_non_null(p);
    p->data[at] = value;
    int rc = oob_icmp_decode(wire_rd_of(p->data, p->len), &out);
    pkt_free(p);
    return rc;
}

static void refused(void **state)
{
    (void)state;
    assert_int_equal(decode_with(16, 0x45), ERR_MALFORMED);   /* IPv4 */
    assert_int_equal(decode_with(16 + 6, 17), ERR_MALFORMED); /* not ICMPv6 */
    assert_int_equal(decode_with(56, 0), ERR_MALFORMED);      /* not an error */
    assert_int_equal(decode_with(56, 5), ERR_MALFORMED);
    assert_int_equal(decode_with(56, 128), ERR_MALFORMED);
    assert_int_equal(decode_with(16 + 5, 14), ERR_MALFORMED); /* payload longer than the body */
    assert_int_equal(decode_with(16 + 5, 7), ERR_MALFORMED);  /* shorter than its header */
    assert_int_equal(decode_with(16 + 5, 12), OK);            /* what follows is ignored */
    assert_int_equal(decode_with(16 + 5, 0), OK);             /* all of the rest */
    assert_int_equal(decode_with(58, 1), OK);                 /* checksum: not looked at */
    assert_int_equal(decode_with(56, OOB_TOO_BIG), OK);

    uint8_t long_body[OOB_ICMP_BODY_MAX + 1] = {0};
    struct oob_icmp out;
    assert_int_equal(oob_icmp_decode(wire_rd_of(long_body, sizeof(long_body)), &out),
                     ERR_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(round_trip), cmocka_unit_test(every_cut),
                                       cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
