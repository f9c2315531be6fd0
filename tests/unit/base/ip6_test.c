#include "base/ip6.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/rng.h"
#include "tests/unit/unit.h"

static struct ip6 addr(const char *text)
{
    struct ip6 a;
    assert_int_equal(ip6_parse(text, &a), OK);
    return a;
}

static void test_text(void **state)
{
    (void)state;
    static const char *const same[] = {
        "::",
        "::1",
        "1::",
        "5d7:ba6e:d7eb:3221:24d4:c045:c906:393d",
        "400::",
        "2001:db8::1:0:0:1",
        "2001:0:0:1::1",
        "1:2:3:4:5:6:7:0",
        "0:2:3:4:5:6:7:8",
        "1:0:3:0:5:0:7:0",
        "1::4:0:0:7:8",
        "::ffff:1.2.3.4",
        "::ffff:255.255.255.255",
        "::102:304",
        "::fffe:102:304",
        "::1:0:0",
        "fe80::708:90a:b0c:d0e",

        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "1:2:3:4:5:6::",
        "::ffff:0:102:304",
    };
    static const char *const other[][2] = {
        {"::1.2.3.4", "::102:304"},
        {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
        {"0:0:0:0:0:0:0:0", "::"},
        {"::FFFF:0102:0304", "::ffff:1.2.3.4"},
        {"05D7:0BA6:0000:0000:0000:0000:000a:0B00", "5d7:ba6::a:b00"},
        {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
        {"1::3:4:5:6:7:8", "1:0:3:4:5:6:7:8"},
        {"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"},
    };
    static const char *const bad[] = {
        "",
        ":",
        ":::",
        "1",
        "1.2.3.4",
        "[::1]",
        "::1%1",
        "::1/64",
        " ::1",
        "::1 ",
        "12345::",
        "1::2::3",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "1:2:3:4:5:6:7:8::",
        "::g",
        "::01.2.3.4",
        "::1.2.3",
        "::1.2.3.256",
        "::1.2.3.4.5",
        "1:2:3:4:5:6:7:1.2.3.4",
        "1::2:3:4:5:6:7:8",
        "::1:",
        ":1::2",
    };
    char buf[IP6_STR_MAX];
    for (size_t i = 0; i < ARRAY_LEN(same); i++) {
        struct ip6 a = addr(same[i]);
        assert_string_equal(ip6_str(&a, buf), same[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(other); i++) {
        struct ip6 a = addr(other[i][0]);
        assert_string_equal(ip6_str(&a, buf), other[i][1]);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct ip6 a = addr("1::1"), before = a;
        if (ip6_parse(bad[i], &a) != ERR_INVAL)
            fail_msg("taken: %s", bad[i]);
        assert_true(ip6_eq(&a, &before));
    }
}

/* Everything but the IPv4 forms equals what the C library writes. */
static void test_text_twin(void **state)
{
    (void)state;
    struct rng r;
    rng_init_seeded(&r, 6);
    for (int i = 0; i < 20000; i++) {
        struct ip6 a, back;
        char buf[IP6_STR_MAX], twin[INET6_ADDRSTRLEN];
        rng_bytes(&r, a.b, sizeof(a.b));
        uint64_t holes = rng_u64(&r);
        for (size_t k = 0; k < 8; k++)
            if (holes >> k & 1)
                a.b[2 * k] = a.b[2 * k + 1] = 0;
            else if (holes >> (8 + k) & 1)
                a.b[2 * k] = 0;
        (void)ip6_str(&a, buf);
        assert_int_equal(ip6_parse(buf, &back), OK);
        assert_true(ip6_eq(&a, &back));
        assert_non_null(inet_ntop(AF_INET6, a.b, twin, sizeof(twin)));
        if (!strchr(twin, '.'))
            assert_string_equal(buf, twin);
    }
}

static void test_subnets(void **state)
{
    (void)state;
    char buf[SUBNET_STR_MAX];
    struct ip6 a = addr("5d7:ba6e:d7eb:3221:24d4:c045:c906:393d");
    struct subnet s = subnet_of_node(&a);
    assert_string_equal(subnet_str(&s, buf), "5d7:ba6e:d7eb:3221::/64");
    assert_true(subnet_contains(&s, &a));
    assert_true(ip6_same_node(&s.net, &a));
    struct ip6 other = addr("5d7:ba6e:d7eb:3220:24d4:c045:c906:393d");
    assert_false(subnet_contains(&s, &other));
    assert_false(ip6_same_node(&other, &a));
    assert_true(ip6_node(&a) == 0x05d7ba6ed7eb3221u);

    struct subnet t = s;
    assert_true(subnet_eq(&s, &t));
    t.plen = 63;
    assert_false(subnet_eq(&s, &t));
    struct subnet all = {.plen = 0};
    assert_true(subnet_contains(&all, &other));
    assert_string_equal(subnet_str(&all, buf), "::/0");

    struct subnet longest = {.net = addr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), .plen = 128};
    assert_int_equal(strlen(subnet_str(&longest, buf)), 43);
    assert_true(subnet_contains(&longest, &longest.net));

    assert_true(ip6_in_overlay(&a));
    other = addr("400::");
    assert_true(ip6_in_overlay(&other));
    other = addr("600::");
    assert_false(ip6_in_overlay(&other));
    other = addr("3ff:ffff::");
    assert_false(ip6_in_overlay(&other));
}

static void test_mask_each_length(void **state)
{
    (void)state;
    struct ip6 ones;
    memset(ones.b, 0xff, sizeof(ones.b));
    for (unsigned plen = 0; plen <= 128; plen++) {
        struct ip6 m = ip6_mask(&ones, plen);
        for (unsigned bit = 0; bit < 128; bit++)
            assert_int_equal(m.b[bit / 8] >> (7 - bit % 8) & 1, bit < plen);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_text_twin),
        cmocka_unit_test(test_subnets),
        cmocka_unit_test(test_mask_each_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
