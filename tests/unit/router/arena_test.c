/* Arenas of records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/rng.h"
#include "router/arena.h"

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#define POISONED(p) (__asan_address_is_poisoned(p) != 0)
#define SANITIZED   1
#else
#define POISONED(p) ((void)(p), false)
#define SANITIZED   0
#endif

#define RECORD 44
#define LARGE  300000U /* records: opened in pieces */
#define SMALL  20000U  /* open at once */

static void all_names(uint32_t max)
{
    struct arena a;
    assert_int_equal(arena_init(&a, RECORD, max), OK);
    for (uint32_t i = 1; i <= max; i++) { /* past what is opened at first */
        assert_int_equal(arena_new(&a), i);
        uint8_t *rec = arena_at(&a, i);
        for (int k = 0; k < RECORD; k++)
            assert_int_equal(rec[k], 0);
        memset(rec, 0xff, RECORD);
        assert_int_equal(arena_name(&a, rec), i);
        assert_int_equal(arena_name(&a, rec + RECORD - 1), i);
    }
    assert_int_equal(arena_new(&a), 0); /* full */
    assert_int_equal(a.live, max);
    assert_true(arena_bytes(&a) < (max + 2) * (size_t)RECORD);
    arena_fini(&a);
    arena_fini(&a);
}

static void names_and_places(void **state)
{
    (void)state;
    all_names(LARGE);
    all_names(SMALL);
    all_names(1);
}

static void freed_are_poisoned(void **state)
{
    (void)state;
    const uint32_t sizes[] = {SMALL, LARGE};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct arena a;
        assert_int_equal(arena_init(&a, RECORD, sizes[i]), OK);
        uint32_t kept = arena_new(&a), name = arena_new(&a);
        arena_free(&a, name);
        assert_int_equal(POISONED(arena_at(&a, name)), SANITIZED);
        assert_false(POISONED(arena_at(&a, kept)));
        assert_int_equal(arena_new(&a), name);
        assert_false(POISONED(arena_at(&a, name)));
        arena_free(&a, name);
        arena_fini(&a); /* the next one to get this place finds it usable */
        assert_int_equal(arena_init(&a, RECORD, sizes[i]), OK);
        assert_int_equal(arena_new(&a), kept);
        assert_int_equal(arena_new(&a), name);
        assert_false(POISONED(arena_at(&a, name)));
        arena_fini(&a);
    }
}

static size_t mappings(void)
{
    size_t lines = 0;
    FILE *f = fopen("/proc/self/maps", "r");
    assert_non_null(f);
    for (int c; (c = fgetc(f)) != EOF;)
        lines += c == '\n';
    (void)fclose(f);
    return lines;
}

static size_t resident_bytes(void)
{
    size_t size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%zu %zu", &size, &resident), 2); /* NOLINT(cert-err34-c) */
    (void)fclose(f);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

/* A process that has thousands of tables must not run out of mappings, nor of memory. */
static void many_small_ones(void **state)
{
    (void)state;
    static struct arena arenas[2000];
    size_t maps = mappings(), resident = resident_bytes();
    for (size_t i = 0; i < ARRAY_LEN(arenas); i++) {
        assert_int_equal(arena_init(&arenas[i], RECORD, SMALL), OK);
        assert_int_equal(arena_new(&arenas[i]), 1);
        memset(arena_at(&arenas[i], 1), 0xff, RECORD);
    }
    assert_true(mappings() <= maps + ARRAY_LEN(arenas)); /* usually they are one */
    if (!SANITIZED)                                      /* it has shadows of its own */
        assert_true(resident_bytes() < resident + ARRAY_LEN(arenas) * 3 * 4096);
    for (size_t i = 0; i < ARRAY_LEN(arenas); i++)
        arena_fini(&arenas[i]);
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_places), cmocka_unit_test(freed_are_poisoned),
        cmocka_unit_test(many_small_ones), cmocka_unit_test(freed_ones_first),
        cmocka_unit_test(walk_among_changes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
