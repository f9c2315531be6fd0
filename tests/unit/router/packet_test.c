#include "router/packet.h"

#include "tests/unit/unit.h"
#include "tests/unit/vectors.h"

static uint8_t *bytes_of(const char *hex, size_t *ret_len)
{
    size_t len = strlen(hex) / 2;
    uint8_t *b = malloc(len ? len : 1); /* exact, so that a sanitizer sees a step too far */
    assert_non_null(b);
    assert_int_equal(hex_decode(hex, strlen(hex), b, len), OK);
    *ret_len = len;
    return b;
}

static const char with_body[] = "0100000000000440048bd6eb3d58d96d56d73a893ce0096d"
                                "05b548cc8ecbaa89ed4bd6c46db4003b00112233";
static const char no_body[] = "0100000000000002048bd6eb3d58d96d56d73a893ce0096d"
                              "05b548cc8ecbaa89ed4bd6c46db4003b";

static void test_decode(void **state)
{
    (void)state;
    size_t len;
    struct data_header h;
    struct wire_rd body;
    char buf[IP6_STR_MAX];
    uint8_t *b = bytes_of(with_body, &len);
    assert_int_equal(data_decode(wire_rd_of(b, len), &h, &body), OK);
    assert_int_equal(h.hop_limit, 64);
    assert_int_equal(h.len, 4);
    assert_string_equal(ip6_str(&h.src, buf), "48b:d6eb:3d58:d96d:56d7:3a89:3ce0:96d");
    assert_string_equal(ip6_str(&h.dst, buf), "5b5:48cc:8ecb:aa89:ed4b:d6c4:6db4:3b");
    assert_int_equal(wire_left(&body), 4);
    assert_ptr_equal(body.p, b + DATA_HEADER_BYTES); /* borrowed, not copied */
    b[2] = b[3] = b[4] = 0xff;                       /* reserved: not looked at */
    assert_int_equal(data_decode(wire_rd_of(b, len), &h, &body), OK);
    free(b);

    b = bytes_of(no_body, &len);
    assert_int_equal(data_decode(wire_rd_of(b, len), &h, &body), OK);
    assert_int_equal(h.hop_limit, 2);
    assert_int_equal(h.len, 0);
    assert_true(wire_done(&body));
    free(b);
}

static void test_every_cut(void **state)
{
    (void)state;
    size_t len;
    struct data_header h = {.hop_limit = 99};
    struct wire_rd body;
    uint8_t *whole = bytes_of(with_body, &len);
    for (size_t cut = 0; cut < len; cut++) {
        uint8_t *b = malloc(cut ? cut : 1);
        assert_non_null(b);
        memcpy(b, whole, cut);
        assert_int_equal(data_decode(wire_rd_of(b, cut), &h, &body), ERR_MALFORMED);
        free(b);
    }
    assert_int_equal(h.hop_limit, 99);
    whole = realloc(whole, len + 1);
    assert_non_null(whole);
    whole[len] = 0;
    assert_int_equal(data_decode(wire_rd_of(whole, len + 1), &h, &body), ERR_MALFORMED);
    whole[0] = 2;
    assert_int_equal(data_decode(wire_rd_of(whole, len), &h, &body), ERR_MALFORMED);
    whole[0] = 1;
    whole[1] = 1;
    assert_int_equal(data_decode(wire_rd_of(whole, len), &h, &body), ERR_MALFORMED);
    free(whole);
}

static void test_encode(void **state)
{
    (void)state;
    static const char *const v[] = {with_body, no_body};
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        size_t len;
        struct data_header h;
        struct wire_rd body;
        uint8_t *b = bytes_of(v[i], &len);
        assert_int_equal(data_decode(wire_rd_of(b, len), &h, &body), OK);
        struct pkt *p = pkt_copy(body.p, h.len);
        assert_non_null(p);
        data_encode(p, h.hop_limit, &h.src, &h.dst);
        assert_int_equal(p->len, len);
        assert_memory_equal(p->data, b, len);
        pkt_free(p);
        free(b);
    }
}

static void test_largest(void **state)
{
    (void)state;
    struct ip6 a = {{4}}, z = {{5}};
    struct data_header h;
    struct wire_rd body;
    struct pkt *p = pkt_new(UINT16_MAX);
    assert_non_null(p);
    memset(p->data, 7, p->len);
    data_encode(p, 255, &a, &z);
    assert_int_equal(p->len, PKT_MAX);
    assert_int_equal(data_decode(wire_rd_of(p->data, p->len), &h, &body), OK);
    assert_int_equal(h.len, UINT16_MAX);
    assert_int_equal(h.hop_limit, 255);
    assert_true(ip6_eq(&h.src, &a) && ip6_eq(&h.dst, &z));
    pkt_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_encode),
        cmocka_unit_test(test_largest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
