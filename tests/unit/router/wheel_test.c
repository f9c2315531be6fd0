/* The timer wheel against a naive twin: an array of deadlines. */
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
#include "router/wheel.h"

#define RECORDS 500

struct record {
    uint32_t other;
    struct wheel_node timer;
};

struct fx {
    struct rng rng;
    struct arena records;
    struct wheel w;
    usec_t now;
    usec_t when[RECORDS + 1]; /* the twin, by name; USEC_NEVER: not in the wheel */
};

static void fx_init(struct fx *f, uint64_t seed, usec_t now)
{
    memset(f, 0, sizeof(*f));
    rng_init_seeded(&f->rng, seed);
    f->now = now;
    assert_int_equal(arena_init(&f->records, sizeof(struct record), RECORDS), OK);
    wheel_init(&f->w, &f->records, offsetof(struct record, timer), now);
    f->when[0] = USEC_NEVER;
    for (uint32_t i = 1; i <= RECORDS; i++) {
        assert_int_equal(arena_new(&f->records), i);
        f->when[i] = USEC_NEVER;
    }
}

static usec_t twin_first(const struct fx *f)
{
    usec_t first = USEC_NEVER;
    for (uint32_t i = 1; i <= RECORDS; i++)
        first = MIN(first, f->when[i]);
    return first;
}

/* Everything due comes, and in the order of time; nothing comes early. */
static void run_until(struct fx *f, usec_t now)
{
    uint32_t name;
    unsigned steps = 0;
    assert_true(now >= f->now);
    f->now = now;
    while (wheel_step(&f->w, now, &name)) {
        assert_true(++steps < 1000000);
        assert_true(wheel_next(&f->w) <= twin_first(f) || name);
        if (!name)
            continue;
        assert_true(f->when[name] <= now);
        assert_true(f->when[name] == twin_first(f));
        f->when[name] = USEC_NEVER;
    }
    assert_true(twin_first(f) > now);
    assert_true(wheel_next(&f->w) > now);
    assert_true(wheel_next(&f->w) <= twin_first(f));
}

static usec_t any_span(struct rng *rng)
{
    unsigned bits = (unsigned)rng_below(rng, 43); /* microseconds to weeks */
    return (usec_t)rng_below(rng, (UINT64_C(1) << bits) + 1);
}

static void same_as_twin(void **state)
{
    (void)state;
    static struct fx f;
    static const usec_t starts[] = {0, 1, 999999937, (usec_t)1 << 42, ((usec_t)1 << 48) - 5};
    for (size_t run = 0; run < ARRAY_LEN(starts); run++) {
        fx_init(&f, run, starts[run]);
        for (unsigned step = 0; step < 20000; step++) {
            uint32_t name = 1 + (uint32_t)rng_below(&f.rng, RECORDS);
            uint64_t what = rng_below(&f.rng, 10);
            if (what < 7) {
                f.when[name] = f.now + 1 + any_span(&f.rng);
                wheel_set(&f.w, name, f.when[name]);
            } else if (what < 8) {
                f.when[name] = USEC_NEVER;
                wheel_del(&f.w, name);
            } else {
                run_until(&f, f.now + any_span(&f.rng) / 64);
            }
            assert_true(wheel_next(&f.w) <= twin_first(&f));
        }
        run_until(&f, f.now + ((usec_t)1 << 43));
        assert_true(wheel_next(&f.w) == USEC_NEVER);
        arena_fini(&f.records);
    }
}

/* One deadline, looked at whenever the wheel says so: exact, after few looks. */
static void few_moves(void **state)
{
    (void)state;
    static struct fx f;
    for (uint64_t seed = 0; seed < 200; seed++) {
        uint32_t name;
        unsigned looks = 0;
        fx_init(&f, seed, (usec_t)(seed * 777777));
        usec_t when = f.now + 1 + any_span(&f.rng);
        wheel_set(&f.w, 1, when);
        do {
            assert_true(wheel_next(&f.w) <= when);
            f.now = MAX(f.now, wheel_next(&f.w));
            assert_true(wheel_step(&f.w, f.now, &name));
            looks++;
        } while (!name);
        assert_true(f.now == when);
        assert_true(looks <= WHEEL_LEVELS);
        arena_fini(&f.records);
    }
}

/* A later deadline moves nothing until the old place is reached; an earlier one moves at once. */
static void renewal_only_writes(void **state)
{
    (void)state;
    static struct fx f;
    fx_init(&f, 1, 1000);
    wheel_set(&f.w, 1, 5000);
    usec_t before = wheel_next(&f.w);
    for (usec_t when = 6000; when < 1000000; when += 1000)
        wheel_set(&f.w, 1, when);
    assert_true(wheel_next(&f.w) == before);
    wheel_set(&f.w, 1, 1001);
    assert_true(wheel_next(&f.w) <= 1001);
    f.when[1] = 1001;
    run_until(&f, 1001);
    assert_true(wheel_next(&f.w) == USEC_NEVER);
    wheel_del(&f.w, 1);     /* not there any more: fine */
    wheel_set(&f.w, 2, 10); /* in the past: due at once */
    f.when[2] = 10;
    run_until(&f, 1001);
    arena_fini(&f.records);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_as_twin), cmocka_unit_test(few_moves),
                                       cmocka_unit_test(renewal_only_writes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
