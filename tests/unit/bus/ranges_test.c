/* ranges_test.c - runs of chunks against a naive twin, their map, and their way through the store.
 */
#include "bus/ranges.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/rng.h"
#include "tests/unit/unit.h"

#define CHUNKS 400u
#define SIZE   10u

static struct range chunk(uint32_t i)
{
    return (struct range){i * SIZE, (i + 1) * SIZE, i, i};
}

static void check_twin(const struct ranges *r, const bool *there)
{
    uint32_t missing = 0, last = 0, runs = 0;
    uint8_t map[CHUNKS / 8];
    uint64_t bytes = 0;
    while (missing < CHUNKS && there[missing])
        missing++;
    for (uint32_t i = 0; i < CHUNKS; i++) {
        struct range x = chunk(i);
        assert_int_equal(ranges_check(r, &x), there[i] ? RANGES_KNOWN : RANGES_NEW);
        runs += there[i] && (i == 0 || !there[i - 1]);
        bytes += there[i] ? SIZE : 0;
        last = there[i] ? i : last;
    }
    assert_int_equal(r->n, runs);
    assert_int_equal(ranges_missing(r), missing);
    assert_int_equal(ranges_solid(r), missing * SIZE);
    assert_int_equal(ranges_bytes(r), bytes);
    size_t n = ranges_map(r, map, sizeof(map));
    assert_int_equal(n, last > missing ? (last - missing - 1) / 8 + 1 : 1);
    for (uint32_t i = missing + 1; i <= last; i++)
        assert_int_equal(map[(i - missing - 1) / 8] >> (i - missing - 1) % 8 & 1, there[i]);
}

static void check_store(const struct ranges *r)
{
    uint8_t buf[CHUNKS * RANGES_ENTRY];
    struct ranges again = {.v = NULL};
    size_t n = ranges_encode(r, buf, sizeof(buf));
    assert_int_equal(n, r->n * RANGES_ENTRY);
    assert_int_equal(ranges_decode(&again, buf, n, CHUNKS * SIZE), OK);
    assert_int_equal(again.n, r->n);
    if (r->n > 0)
        assert_memory_equal(again.v, r->v, r->n * sizeof(*r->v));
    for (size_t cut = 0; cut < n; cut++) { /* what is whole of it */
        uint8_t *exact = malloc(cut ? cut : 1);
        memcpy(exact, buf, cut);
        assert_int_equal(ranges_decode(&again, exact, cut, CHUNKS * SIZE), OK);
        assert_int_equal(again.n, cut / RANGES_ENTRY);
        free(exact);
    }
    ranges_fini(&again);
}

static void test_twin(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct ranges r = {.v = NULL};
        bool there[CHUNKS] = {false};
        struct rng rng;
        rng_init_seeded(&rng, seed);
        for (unsigned n = 0; n < CHUNKS * 6; n++) {
            uint32_t i = (uint32_t)rng_below(&rng, CHUNKS);
            struct range x = chunk(i);
            if (!there[i])
                assert_int_equal(ranges_add(&r, &x), OK);
            there[i] = true;
            if (n % 97 == 0)
                check_twin(&r, there);
        }
        check_store(&r);
        for (uint32_t i = 0; i < CHUNKS; i++) {
            struct range x = chunk(i);
            if (!there[i])
                assert_int_equal(ranges_add(&r, &x), OK);
        }
        assert_int_equal(r.n, 1);
        assert_int_equal(ranges_missing(&r), CHUNKS);
        ranges_fini(&r);
    }
}

static void test_contradictions(void **state)
{
    (void)state;
    static const struct {
        struct range x;
        enum ranges_fit fit;
    } rows[] = {
        {{100, 200, 10, 19}, RANGES_KNOWN},
        {{120, 130, 12, 12}, RANGES_KNOWN},
        {{120, 130, 20, 20}, RANGES_OTHER}, /* those bytes under another index */
        {{190, 210, 19, 19}, RANGES_OTHER}, /* half of it is there */
        {{200, 210, 20, 20}, RANGES_NEW},
        {{200, 210, 21, 21}, RANGES_OTHER}, /* no gap in bytes */
        {{210, 220, 20, 20}, RANGES_OTHER}, /* no gap in indices */
        {{210, 220, 21, 21}, RANGES_NEW},
        {{300, 310, 5, 5}, RANGES_OTHER}, /* wrong order */
        {{0, 10, 0, 0}, RANGES_NEW},
        {{0, 10, 1, 1}, RANGES_OTHER},
        {{5, 10, 0, 0}, RANGES_OTHER},
        {{90, 100, 9, 9}, RANGES_NEW},
    };
    struct ranges r = {.v = NULL};
    struct range first = {100, 200, 10, 19};
    assert_int_equal(ranges_add(&r, &first), OK);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (ranges_check(&r, &rows[i].x) != rows[i].fit)
            fail_msg("row %zu", i);
    ranges_fini(&r);
}

static void test_limit(void **state)
{
    (void)state;
    struct ranges r = {.v = NULL};
    for (uint32_t i = 0; i < RANGES_MAX; i++) {
        struct range x = chunk(2 * i);
        assert_int_equal(ranges_add(&r, &x), OK);
    }
    struct range one_more = chunk(2 * RANGES_MAX + 2), between = chunk(1);
    assert_int_equal(ranges_check(&r, &one_more), RANGES_FULL);
    assert_int_equal(ranges_check(&r, &between), RANGES_NEW); /* joins two */
    assert_int_equal(ranges_add(&r, &between), OK);
    assert_int_equal(ranges_check(&r, &one_more), RANGES_NEW);
    ranges_fini(&r);
}

/* Rows that this program did not write give nothing. */
static void test_bad_rows(void **state)
{
    (void)state;
    static const uint8_t rows[][2 * RANGES_ENTRY] = {
        {0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 1},  /* empty */
        {0, 0, 0, 9, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1},  /* beyond the end */
        {0, 0, 0, 9, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0, 2}, /* indices */
        {0, 0, 0, 9, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0, 3,  /* and the same again */
         0, 0, 0, 9, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0, 3},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ranges r = {.v = NULL};
        size_t n = i == 3 ? 2 * RANGES_ENTRY : RANGES_ENTRY;
        assert_int_equal(ranges_decode(&r, rows[i], n, 100), OK);
        assert_int_equal(r.n, 0);
        ranges_fini(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_twin),
        cmocka_unit_test(test_contradictions),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_bad_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
