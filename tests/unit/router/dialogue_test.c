/* A whole conversation with one router over two links, byte by byte. Where this router says more or
 * less than the other implementation of the network, the step says so. What differs most: a
 * neighbour that has not asked for a destination, or does not need it, hears nothing (3, 15, 17).
 */
#include "fixture.h"

#define STEP (350 * USEC_MS)

#define HELLO_0        "010100002a03000804068000000007d0"
#define OUR_HELLO      "010100002a03000804068000400007d0"
#define IHU_1010       "010100002a0300080506000003f21770"
#define UPDATE_HEAD    "010100002a03003c083a020040007530"
#define X_PREFIX       "04d184663caeb47e"
#define X_ID           "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f200000a1a2a3a4a5a6"
#define WILDCARD       "010100002a0300050903000000"
#define REQUEST_X_GEN0 "010100002a03000d090b00024004d184663caeb47e"
#define UPDATE_X_1010_7                                                                            \
    UPDATE_HEAD "000703f2" X_PREFIX                                                                \
                "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f200000a1a2a3a4a5a6"
#define SEQNO_REQUEST_HEAD "010100002a0300380a360240"
#define SEQNO_X_8_64                                                                               \
    SEQNO_REQUEST_HEAD "00084000"                                                                  \
                       "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f200000a1a2"  \
                       "a3a4a5a6" X_PREFIX

static void dialogue(void **state)
{
    (void)state;
    struct fx f;
    struct subnet own, x, y, z;
    fx_init(&f, NULL);
    own = fx_own(&f);
    x = fx_subnet_of(&fx_x);
    y = fx_subnet_of(&fx_y);
    z = fx_subnet_of(&fx_z);

    /* 0: own /64, and here the first Hello at once instead of up to 20 s later. */
    peer_id a = fx_up(&f);
    peer_id b = fx_up(&f);
    fx_expect_own(&f, a, 0);
    fx_expect_hex(&f, a, OUR_HELLO);
    fx_expect_own(&f, b, 0);
    fx_expect_hex(&f, b, OUR_HELLO);
    fx_expect_silence(&f);

    fx_advance(&f, STEP); /* 1 */
    fx_hex(&f, a, HELLO_0);
    fx_expect_hex(&f, a, IHU_1010);
    fx_expect_silence(&f);

    fx_advance(&f, STEP); /* 2 */
    fx_route_request(&f, a, &own, 0);
    fx_expect_own(&f, a, 0);
    fx_expect_silence(&f);

    fx_advance(&f, STEP); /* 3: here b, who has not asked, is not told */
    fx_hex(&f, a, UPDATE_HEAD "00070000" X_PREFIX X_ID);
    fx_expect_silence(&f);

    fx_advance(&f, STEP); /* 4 */
    fx_hex(&f, b, REQUEST_X_GEN0);
    fx_expect_hex(&f, b, UPDATE_X_1010_7);
    fx_expect_silence(&f);

    fx_advance(&f, STEP); /* 5: the next hop asks */
    fx_hex(&f, a, REQUEST_X_GEN0);
    fx_expect_silence(&f);

    fx_advance(&f, STEP); /* 6 */
    fx_route_request(&f, b, &y, 0);
    fx_expect_route_request(&f, a, &y, 1);
    fx_expect_silence(&f);

    fx_advance(&f, STEP); /* 7 */
    fx_route_request(&f, b, &z, 14);
    fx_expect_route_request(&f, a, &z, 15);
    fx_expect_silence(&f);

    fx_advance(&f, STEP); /* 8, and 255, which must not wrap */
    struct router_id other = fx_router_id(1);
    struct subnet w = fx_subnet_of(&other);
    fx_route_request(&f, b, &w, 15);
    fx_route_request(&f, b, &w, 254);
    fx_route_request(&f, b, &w, 255);
    fx_expect_silence(&f);

    fx_advance(&f, STEP); /* 9: who asked in 6 */
    fx_update(&f, a, &fx_y, 77, 0);
    fx_expect_update(&f, b, &fx_y, 1087, 0);
    fx_expect_silence(&f);

    fx_advance(&f, STEP); /* 10 */
    fx_seqno_request(&f, b, &fx_x, 7, 64);
    fx_expect_update(&f, b, &fx_x, 1010, 7);
    fx_expect_silence(&f);

    fx_advance(&f, STEP); /* 11 */
    fx_hex(&f, b, SEQNO_X_8_64);
    fx_expect_seqno_request(&f, a, &fx_x, 8, 63);
    fx_expect_silence(&f);

    fx_advance(&f, STEP); /* 12: only the requester */
    peer_id c = fx_up_quiet(&f);
    fx_update(&f, a, &fx_x, 0, 8);
    fx_expect_update(&f, b, &fx_x, 1010, 8);
    fx_expect_silence(&f);

    fx_advance(&f, STEP); /* 13: as far as what we announced: not feasible */
    fx_update(&f, a, &fx_x, 1010, 8);
    fx_expect_seqno_request(&f, a, &fx_x, 9, 64);
    fx_expect_silence(&f);

    fx_advance(&f, STEP); /* 14: a change of 10 is none, but b had asked */
    fx_update(&f, a, &fx_x, 10, 8);
    fx_expect_update(&f, b, &fx_x, 1020, 8);
    fx_expect_silence(&f);

    fx_advance(&f, STEP); /* 15: 5 less is no reason to switch; here b, with a route, is not told */
    fx_update(&f, b, &fx_x, 5, 8);
    fx_expect_silence(&f);

    fx_advance(&f, STEP); /* 16: b is selected. Here a is told of it, a moment later. */
    fx_update(&f, a, &fx_x, METRIC_INFINITE, 8);
    fx_expect_silence(&f);
    fx_advance(&f, 200 * USEC_MS);
    fx_expect_update(&f, a, &fx_x, 1015, 8);
    fx_expect_silence(&f);

    /* 17: here nobody is asked for X: nobody has a finite route any more; and the retraction goes
     * only to those who were told a route. */
    fx_advance(&f, STEP);
    fx_update(&f, b, &fx_x, METRIC_INFINITE, 8);
    fx_expect_retraction(&f, a, &x, 0);
    fx_expect_retraction(&f, b, &x, 0);
    fx_expect_silence(&f);

    fx_advance(&f, STEP); /* 18 */
    fx_seqno_request(&f, a, router_self(f.r), 1, 64);
    fx_expect_own(&f, a, 1);
    fx_expect_own(&f, b, 1);
    fx_expect_own(&f, c, 1);
    fx_expect_silence(&f);

    fx_advance(&f, STEP); /* 19 */
    fx_hex(&f, b, WILDCARD);
    fx_expect_update(&f, b, &fx_y, 1087, 0);
    fx_expect_own(&f, b, 1);
    fx_expect_silence(&f);
    fx_hex(&f, b, WILDCARD); /* here: once a minute */
    fx_expect_silence(&f);
    fx_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(dialogue)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
