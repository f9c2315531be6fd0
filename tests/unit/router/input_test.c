/* Input that breaks the rules: counted and dropped, the link goes on. Each row is followed by a
 * request that must be answered at once. docs/protocol/packets.md, "What bad input gets". */
#include <string.h>

#include "fixture.h"
#include "router/core.h"

#define RID "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f200000a1a2a3a4a5a6"

static const struct row {
    const char *name, *hex;
} rows[] = {
    {"wrong magic", "010100002b03000804068000000007d0"},
    {"wrong version", "010100002a02000804068000000007d0"},
    {"outer type 2", "010200002a03000804068000000007d0"},
    {"outer version 0", "000100002a03000804068000000007d0"},
    {"outer header only", "01010000"},
    {"nothing", ""},
    {"unknown TLV", "010100002a030004630200ff"},
    {"PadN", "010100002a03000401020000"},
    {"Pad1 alone", "010100002a03000100"},
    {"body length 0", "010100002a030000"},
    {"body length beyond the frame", "010100002a03000904068000000007d0"},
    {"body length within the frame", "010100002a03000704068000000007d0"},
    {"TLV over the end", "010100002a03000804ff8000000007d0"},
    {"short Hello", "010100002a030007040580000000d0"},
    {"short IHU", "010100002a030007050500000003f2"},
    {"IHU with AE 4", "010100002a0300080506040003f21770"},
    {"IHU AE 2 without address", "010100002a0300080506020003f21770"},
    {"Update AE 0 (::/0)", "010100002a030034083200000000753000070000" RID},
    {"Update AE 1", "010100002a0300380836010020007530000700000a000001" RID},
    {"Update AE 3", "010100002a03003c083a0300400075300007000004d184663caeb47e" RID},
    {"Update AE 9", "010100002a03003c083a0900400075300007000004d184663caeb47e" RID},
    {"Update plen 129", "010100002a03003c083a0200810075300007000004d184663caeb47e" RID},
    {"Update plen 255", "010100002a03003c083a0200ff0075300007000004d184663caeb47e" RID},
    {"Update /66 with bit 66 set",
     "010100002a03003d083b0200420075300007000004d184663caeb47e20" RID},
    {"Update without router id", "010100002a030014081202004000753000070000"
                                 "04d184663caeb47e"},
    {"Update outside the overlay", "010100002a03003c083a020040007530000700002001066300000000" RID},
    {"request AE 1", "010100002a0300090907000120"
                     "0a000001"},
    {"request AE 1, generation 14", "010100002a03000909070e0120"
                                    "0a000001"},
    {"request AE 3", "010100002a03000d090b00034004d184663caeb47e"},
    {"request plen 200", "010100002a03000d090b0002c804d184663caeb47e"},
    {"request /63 with bit 63 set", "010100002a03000d090b00023f04d184663caeb47f"},
    {"request /66 with bit 66 set", "010100002a03000e090c00024204d184663caeb47e20"},
    {"request without prefix", "010100002a0300050903000240"},
    {"request 400::/7", "010100002a0300060904000207"
                        "04"},
    {"request ::/0", "010100002a0300050903000200"},
    {"request generation 255", "010100002a03000d090bff024005ead9592820a86c"},
    {"seqno request hop 0", "010100002a0300380a360240000800000"
                            "102030405060708090a0b0c0d0e0f10111213"
                            "1415161718191a1b1c1d1e1f200000a1a2a3a4a5a604d184663caeb47e"},
    {"seqno request AE 1", "010100002a0300340a32012000084000" RID "0a000001"},
    {"seqno request AE 0", "010100002a0300300a2e000000084000" RID},
    {"seqno request short", "010100002a0300300a2e024000084000" RID},
    {"data header cut", "0100000000000440048bd6eb3d58d96d56d73a893ce0096d"},
    {"data longer than the frame", "0100000000000540"
                                   "048bd6eb3d58d96d56d73a893ce0096d"
                                   "05b548cc8ecbaa89ed4bd6c46db4003b00112233"},
    {"data shorter than the frame", "0100000000000340"
                                    "048bd6eb3d58d96d56d73a893ce0096d"
                                    "05b548cc8ecbaa89ed4bd6c46db4003b00112233"},
    {"data from outside the overlay", "0100000000000440"
                                      "20010db8000000000000000000000001"
                                      "05b548cc8ecbaa89ed4bd6c46db4003b00112233"},
};

static void each_row(void **state)
{
    (void)state;
    struct fx f;
    fx_init(&f, NULL);
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    struct subnet own = fx_own(&f);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        fx_hex(&f, a, rows[i].hex);
        if (fx_count(&f, a) + fx_count(&f, b) > 0 || f.events_len > 0)
            fail_msg("%s: something was sent", rows[i].name);
        fx_route_request(&f, a, &own, 0);
        fx_expect_own(&f, a, 0);
        fx_hello(&f, a);
        fx_expect_ihu(&f, a, 1010);
        fx_expect_silence(&f);
    }
    assert_int_equal(fx_stats(&f).routes, 0);
    assert_int_equal(fx_stats(&f).queries, 0);
    assert_int_equal(fx_stats(&f).peers, 2);
    assert_true(fx_stats(&f).malformed_tlvs + fx_stats(&f).malformed_packets > 30);
    fx_fini(&f);
}

/* What is odd but harmless is read as its sender means it. */
static void tolerated(void **state)
{
    (void)state;
    struct fx f;
    fx_init(&f, NULL);
    peer_id a = fx_up_quiet(&f), b = fx_up_quiet(&f);
    fx_hex(&f, a, "0101ffff2a03000804068000000007d0"); /* reserved bytes of the outer header */
    fx_expect_ihu(&f, a, 1010);
    fx_hex(&f, a, "010100002a03000804060000ffff0000"); /* no flag, any seqno, interval 0 */
    fx_expect_ihu(&f, a, 1010);
    fx_hex(&f, a, "010100002a03000c040a8000000007d0deadbeef"); /* sub-TLV */
    fx_expect_ihu(&f, a, 1010);
    fx_hex(&f, a, "010100002a03000f04068000000007d0050500000003f2"); /* the second one is short */
    fx_expect_ihu(&f, a, 1010);
    fx_want(&f, b, &fx_x);
    fx_hex(&f, a,
           "010100002a03003c083a02ff40077530000700ff"
           "04d184663caeb47e"
           "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20ffffa1a2a3a4a5a6");
    struct router_id zone = fx_x;
    zone.b[32] = zone.b[33] = 0xff;
    fx_expect_update(&f, b, &zone, 0xff + 1010, 7); /* passed on as it came, flags cleared */
    fx_hex(&f, b,
           "010100002a0300050903ff00"
           "80"); /* a wildcard with a prefix length */
    fx_expect_update(&f, b, &zone, 0xff + 1010, 7);
    fx_expect_own(&f, b, 0);
    fx_expect_silence(&f);
    fx_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_row), cmocka_unit_test(tolerated)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
