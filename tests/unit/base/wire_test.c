#include "base/wire.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

static const uint8_t bytes[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a};

/* One read of n bytes by the given kind. */
enum kind { U8, U16, U32, U64, TAKE3, COPY3, KIND_END };
static const size_t width[] = {1, 2, 4, 8, 3, 3};

static void read_one(struct wire_rd *r, enum kind k, uint64_t *ret)
{
    uint8_t three[3] = {0};
    const uint8_t *p;
    *ret = 0;
    switch (k) {
    case U8:
        *ret = wire_u8(r);
        return;
    case U16:
        *ret = wire_u16(r);
        return;
    case U32:
        *ret = wire_u32(r);
        return;
    case U64:
        *ret = wire_u64(r);
        return;
    case TAKE3:
        p = wire_take(r, 3);
        if (p)
            memcpy(three, p, 3);
        break;
    case COPY3:
        wire_copy(r, three, 3);
        break;
    case KIND_END:
        break;
    }
    *ret = (uint64_t)three[0] << 16 | (uint64_t)three[1] << 8 | three[2];
}

/* Every kind of read, at every offset of buffers of every length. */
static void test_read_at_every_edge(void **state)
{
    (void)state;
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        uint8_t *exact = malloc(len ? len : 1); /* so that a sanitizer sees a step too far */
        assert_non_null(exact);
        memcpy(exact, bytes, len);
        for (size_t off = 0; off <= len; off++) {
            for (enum kind k = U8; k < KIND_END; k++) {
                struct wire_rd r = wire_rd_of(exact, len);
                uint64_t v, expect = 0;
                assert_int_equal(wire_left(&r), len);
                assert_non_null(wire_take(&r, off));
                read_one(&r, k, &v);
                if (len - off < width[k]) {
                    assert_true(r.bad);
                    assert_true(v == 0);
                    assert_int_equal(wire_left(&r), 0);
                    assert_false(wire_done(&r));
                    continue;
                }
                for (size_t i = 0; i < width[k]; i++)
                    expect = expect << 8 | bytes[off + i];
                assert_false(r.bad);
                assert_true(v == expect);
                assert_int_equal(wire_left(&r), len - off - width[k]);
                assert_true(wire_done(&r) == (len - off == width[k]));
            }
        }
        free(exact);
    }
}

static void test_bad_sticks(void **state)
{
    (void)state;
    struct wire_rd r = wire_rd_of(bytes, 3);
    uint8_t untouched = 0x55;
    assert_int_equal(wire_u32(&r), 0);
    assert_true(r.bad);
    assert_int_equal(wire_u8(&r), 0); /* one byte would be there */
    assert_null(wire_take(&r, 0));
    wire_copy(&r, &untouched, 1);
    assert_int_equal(untouched, 0x55);
    struct wire_rd rest = wire_rest(&r);
    assert_int_equal(wire_left(&rest), 0);
    wire_skip_rest(&r);
    assert_true(r.bad);
    assert_false(wire_done(&r));
}

static void test_lengths_do_not_wrap(void **state)
{
    (void)state;
    static const uint64_t huge[] = {11, UINT32_MAX, (uint64_t)UINT32_MAX + 1, UINT64_MAX - 9,
                                    UINT64_MAX};
    for (size_t i = 0; i < sizeof(huge) / sizeof(huge[0]); i++) {
        struct wire_rd r = wire_rd_of(bytes, sizeof(bytes));
        assert_null(wire_take(&r, huge[i]));
        assert_true(r.bad);
    }
    uint8_t out[4];
    struct wire_wr w = wire_wr_of(out, sizeof(out));
    assert_null(wire_room(&w, SIZE_MAX));
    assert_true(w.bad);
}

static void test_rest(void **state)
{
    (void)state;
    struct wire_rd r = wire_rd_of(bytes, sizeof(bytes));
    (void)wire_take(&r, 4);
    struct wire_rd rest = wire_rest(&r);
    assert_true(wire_done(&r));
    assert_int_equal(wire_left(&rest), 6);
    assert_int_equal(wire_u8(&rest), 5);
    wire_skip_rest(&rest);
    assert_true(wire_done(&rest));
    rest = wire_rest(&r); /* of nothing */
    assert_true(wire_done(&rest));
}

static void test_no_buffer(void **state)
{
    (void)state;
    struct wire_rd r = wire_rd_of(NULL, 0);
    assert_true(wire_done(&r));
    assert_null(wire_take(&r, 0)); /* no bytes, and no fault */
    assert_true(wire_done(&r));
    struct wire_rd rest = wire_rest(&r);
    assert_true(wire_done(&rest));
    wire_copy(&r, NULL, 0);
    assert_true(wire_done(&r));
    assert_int_equal(wire_u8(&r), 0);
    assert_true(r.bad);
    struct wire_wr w = wire_wr_of(NULL, 0);
    wire_put(&w, NULL, 0);
    assert_false(w.bad);
    wire_put_u8(&w, 1);
    assert_true(w.bad);
    assert_int_equal(wire_len(&w), 0);
}

static void write_one(struct wire_wr *w, enum kind k)
{
    switch (k) {
    case U8:
        wire_put_u8(w, 0x01);
        return;
    case U16:
        wire_put_u16(w, 0x0102);
        return;
    case U32:
        wire_put_u32(w, 0x01020304);
        return;
    case U64:
        wire_put_u64(w, 0x0102030405060708);
        return;
    case TAKE3:
    case COPY3:
        wire_put(w, bytes, 3);
        return;
    case KIND_END:
        return;
    }
}

static void test_write_at_every_edge(void **state)
{
    (void)state;
    for (size_t cap = 0; cap <= 12; cap++) {
        for (size_t off = 0; off <= cap; off++) {
            for (enum kind k = U8; k < KIND_END; k++) {
                uint8_t buf[16];
                memset(buf, 0xa5, sizeof(buf));
                struct wire_wr w = wire_wr_of(buf, cap);
                assert_non_null(wire_room(&w, off));
                write_one(&w, k);
                bool fits = cap - off >= width[k];
                assert_true(w.bad == !fits);
                assert_int_equal(wire_len(&w), off + (fits ? width[k] : 0));
                for (size_t i = 0; i < sizeof(buf); i++) {
                    bool written = fits && i >= off && i < off + width[k];
                    assert_int_equal(buf[i], written ? bytes[i - off] : 0xa5);
                }
                if (!fits) { /* sticks, even where a byte would fit */
                    wire_put_u8(&w, 0xff);
                    wire_put(&w, bytes, 0);
                    assert_int_equal(wire_len(&w), off);
                    assert_null(wire_room(&w, 0));
                }
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_at_every_edge),  cmocka_unit_test(test_bad_sticks),
        cmocka_unit_test(test_lengths_do_not_wrap), cmocka_unit_test(test_rest),
        cmocka_unit_test(test_no_buffer),           cmocka_unit_test(test_write_at_every_edge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
