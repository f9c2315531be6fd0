#include "base/rng.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

/* The first outputs of xoshiro256** seeded through splitmix64 with 0 are published values:
 * splitmix64 gives e220a8397b1dcdaf first, and the state below follows. */
static void test_seed_expansion(void **state)
{
    (void)state;
    struct rng r;
    rng_init_seeded(&r, 0);
    assert_true(r.state[0] == 0xe220a8397b1dcdafu);
    assert_true(r.state[1] == 0x6e789e6aa1b965f4u);
    assert_true(r.state[2] == 0x06c45d188009454fu);
    assert_true(r.state[3] == 0xf88bb8a8724c81ecu);
}

/* State 1, 2, 3, 4: the reference values of the generator. */
static void test_xoshiro(void **state)
{
    (void)state;
    static const uint64_t expect[] = {
        11520, 0, 1509978240, 1215971899390074240u, 1216172134540287360u, 607988272756665600u};
    struct rng r;
    rng_init_seeded(&r, 1);
    for (unsigned i = 0; i < 4; i++)
        r.state[i] = i + 1;
    for (unsigned i = 0; i < sizeof(expect) / sizeof(expect[0]); i++)
        assert_true(rng_u64(&r) == expect[i]);
}

static void test_seeded_repeats(void **state)
{
    (void)state;
    struct rng a, b, c;
    uint8_t x[37], y[37], z[37];
    rng_init_seeded(&a, 42);
    rng_init_seeded(&b, 42);
    rng_init_seeded(&c, 43);
    rng_bytes(&a, x, sizeof(x));
    rng_bytes(&b, y, sizeof(y));
    rng_bytes(&c, z, sizeof(z));
    assert_memory_equal(x, y, sizeof(x));
    assert_memory_not_equal(x, z, sizeof(x));
}

static void test_bytes_stay_inside(void **state)
{
    (void)state;
    for (size_t len = 0; len < 40; len++) {
        uint8_t buf[48];
        struct rng r;
        rng_init_seeded(&r, len);
        memset(buf, 0xa5, sizeof(buf));
        rng_bytes(&r, buf, len);
        for (size_t i = len; i < sizeof(buf); i++)
            assert_int_equal(buf[i], 0xa5);
    }
}

static void test_below(void **state)
{
    (void)state;
    struct rng r;
    unsigned seen[7] = {0};
    rng_init_seeded(&r, 7);
    for (int i = 0; i < 7000; i++) {
        uint64_t v = rng_below(&r, 7);
        assert_true(v < 7);
        seen[v]++;
    }
    for (int i = 0; i < 7; i++)
        assert_in_range(seen[i], 850, 1150);
    assert_int_equal(rng_below(&r, 1), 0);
    for (int i = 0; i < 100; i++) {
        assert_true(rng_below(&r, UINT64_MAX) < UINT64_MAX);
        assert_true(rng_below(&r, (1ull << 63) + 1) <= 1ull << 63);
    }
}

static void test_system(void **state)
{
    (void)state;
    struct rng r;
    uint8_t a[32] = {0}, b[32] = {0};
    rng_init_system(&r);
    rng_bytes(&r, a, sizeof(a));
    rng_bytes(&r, b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seed_expansion), cmocka_unit_test(test_xoshiro),
        cmocka_unit_test(test_seeded_repeats), cmocka_unit_test(test_bytes_stay_inside),
        cmocka_unit_test(test_below),          cmocka_unit_test(test_system),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
