/* Beacons of local discovery: the bytes that the network's nodes send, and nothing else. */
#include "router/link/beacon.h"

#include <string.h>

#include "base/err.h"
#include "tests/unit/unit.h"

/* As captured from another node, whose key file was all zero. */
static const uint8_t captured[] = {0x6d, 0x79, 0x63, 0x65, 0x6c, 0x69, 0x75, 0x6d, 0x25, 0xb3,
                                   0x2f, 0xe5, 0x7d, 0xa3, 0x47, 0xcd, 0x62, 0x43, 0x15, 0x28,
                                   0xda, 0xac, 0x5f, 0xbb, 0x29, 0x07, 0x30, 0xff, 0xf6, 0x84,
                                   0xaf, 0xc4, 0xcf, 0xc2, 0xed, 0x90, 0x99, 0x5f, 0x58, 0xcb,
                                   0x3b, 0x74, 0x00, 0x00, 0x12, 0x22, 0x4a, 0x55, 0xfc, 0x37};

static void test_captured(void **state)
{
    struct beacon b;
    uint8_t again[BEACON_BYTES];
    (void)state;
    assert_int_equal(sizeof(captured), BEACON_BYTES);
    assert_int_equal(beacon_decode(captured, sizeof(captured), &b), OK);
    assert_int_equal(b.port, 9651);
    assert_memory_equal(b.from.b, captured + 10, sizeof(b.from.b));
    beacon_encode(&b, again);
    assert_memory_equal(again, captured, sizeof(again));
}

static void test_bad(void **state)
{
    struct beacon b = {.port = 7};
    uint8_t bytes[BEACON_BYTES + 1] = {0};
    (void)state;
    memcpy(bytes, captured, sizeof(captured));
    for (size_t len = 0; len <= sizeof(bytes); len++)
        assert_int_equal(beacon_decode(bytes, len, &b), len == BEACON_BYTES ? OK : ERR_MALFORMED);
    for (size_t i = 0; i < 8; i++) {
        bytes[i] ^= 1;
        assert_int_equal(beacon_decode(bytes, BEACON_BYTES, &b), ERR_MALFORMED);
        bytes[i] ^= 1;
    }
    bytes[8] = bytes[9] = 0;
    assert_int_equal(beacon_decode(bytes, BEACON_BYTES, &b), ERR_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_captured),
        cmocka_unit_test(test_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
