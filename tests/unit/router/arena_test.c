/* Arenas of records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>
#include <string.h>

#include "base/err.h"
#include "base/rng.h"
#include "router/arena.h"

#define RECORD 44

static void names_and_places(void **state)
{
    (void)state;
    struct arena a;
    assert_int_equal(arena_init(&a, RECORD, 300000), OK);
    for (uint32_t i = 1; i <= 300000; i++) { /* past what is opened at first */
        assert_int_equal(arena_new(&a), i);
        uint8_t *rec = arena_at(&a, i);
        for (int k = 0; k < RECORD; k++)
            assert_int_equal(rec[k], 0);
        memset(rec, 0xff, RECORD);
        assert_int_equal(arena_name(&a, rec), i);
        assert_int_equal(arena_name(&a, rec + RECORD - 1), i);
    }
    assert_int_equal(arena_new(&a), 0); /* full */
    assert_int_equal(a.live, 300000);
    assert_true(arena_bytes(&a) < 300002 * (size_t)RECORD);
    arena_fini(&a);
    arena_fini(&a);
}

static void freed_ones_first(void **state)
{
    (void)state;
    struct arena a;
    struct rng rng;
    bool there[101] = {false};
    uint32_t live = 0;
    rng_init_seeded(&rng, 3);
    assert_int_equal(arena_init(&a, RECORD, 100), OK);
    for (unsigned step = 0; step < 10000; step++) {
        uint32_t i = 1 + (uint32_t)rng_below(&rng, 100);
        if (there[i]) {
            arena_free(&a, i);
            there[i] = false;
            live--;
            continue;
        }
        uint32_t name = arena_new(&a);
        if (live == 100) {
            assert_int_equal(name, 0);
            continue;
        }
        assert_in_range(name, 1, 100);
        assert_false(there[name]);
        const uint8_t *rec = arena_at(&a, name);
        for (int k = 0; k < RECORD; k++)
            assert_int_equal(rec[k], 0);
        memset(arena_at(&a, name), 0xff, RECORD);
        there[name] = true;
        live++;
        assert_int_equal(a.live, live);
    }
    arena_fini(&a);
}

/* Every record that stays is met once by a walk in pieces, while others come and go. */
static void walk_among_changes(void **state)
{
    (void)state;
    enum { N = 5000 };
    static bool there[N + 1], fixed[N + 1];
    struct arena a;
    struct rng rng;
    uint32_t pos = 0, budget = 100, met = 0, pieces = 0;
    rng_init_seeded(&rng, 4);
    assert_int_equal(arena_init(&a, RECORD, N), OK);
    assert_int_equal(arena_next(&a, &pos, &budget), 0); /* empty */
    assert_int_equal(pos, a.used);
    for (uint32_t i = 1; i <= N; i++) {
        assert_int_equal(arena_new(&a), i);
        there[i] = true;
        fixed[i] = i % 3 == 0;
    }
    pos = 0;
    while (pos < a.used) {
        budget = 5;
        uint32_t name, in_piece = 0;
        while ((name = arena_next(&a, &pos, &budget)) != 0) {
            assert_true(there[name] && arena_in_use(&a, name));
            met += fixed[name];
            in_piece++;
        }
        assert_true(in_piece <= 6 * 64);
        pieces++;
        for (unsigned k = 0; k < 50; k++) {
            uint32_t i = 1 + (uint32_t)rng_below(&rng, N);
            if (fixed[i])
                continue;
            if (there[i]) {
                arena_free(&a, i);
                there[i] = false;
                assert_false(arena_in_use(&a, i));
            } else {
                name = arena_new(&a);
                assert_int_not_equal(name, 0);
                there[name] = true;
            }
        }
    }
    assert_int_equal(met, N / 3);
    assert_true(pieces >= N / 64 / 6);
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names_and_places),
                                       cmocka_unit_test(freed_ones_first),
                                       cmocka_unit_test(walk_among_changes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
