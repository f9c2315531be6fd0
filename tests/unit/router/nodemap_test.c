/* The hash of nodes against a naive twin: a list that is searched from end to end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the ones above */
#include <cmocka.h>
#include <sodium.h>
#include <string.h>

#include "base/err.h"
#include "base/rng.h"
#include "router/nodemap.h"

#define KEYS 3000

struct record {
    uint8_t key[NODEMAP_KEY_BYTES];
    uint32_t number;
};

struct fx {
    struct rng rng;
    struct arena records;
    struct nodemap n;
    uint8_t keys[KEYS][NODEMAP_KEY_BYTES];
    uint32_t names[KEYS]; /* the twin; 0: not in the map */
};

static void fx_init(struct fx *f, uint64_t seed)
{
    memset(f, 0, sizeof(*f));
    rng_init_seeded(&f->rng, seed);
    assert_int_equal(arena_init(&f->records, sizeof(struct record), KEYS), OK);
    assert_int_equal(nodemap_init(&f->n, &f->records, &f->rng), OK);
    rng_bytes(&f->rng, f->keys, sizeof(f->keys));
}

static void fx_fini(struct fx *f)
{
    nodemap_fini(&f->n);
    arena_fini(&f->records);
}

static void add(struct fx *f, size_t i)
{
    uint32_t name = arena_new(&f->records);
    assert_int_not_equal(name, 0);
    struct record *rec = arena_at(&f->records, name);
    memcpy(rec->key, f->keys[i], NODEMAP_KEY_BYTES);
    rec->number = (uint32_t)i;
    assert_int_equal(nodemap_add(&f->n, name), OK);
    f->names[i] = name;
}

static void del(struct fx *f, size_t i)
{
    nodemap_del(&f->n, f->names[i]);
    arena_free(&f->records, f->names[i]);
    f->names[i] = 0;
}

static void check_all(const struct fx *f)
{
    static bool seen[KEYS];
    size_t count = 0, walked = 0, pos = 0;
    uint32_t name;
    memset(seen, 0, sizeof(seen));
    for (size_t i = 0; i < KEYS; i++) {
        assert_int_equal(nodemap_find(&f->n, f->keys[i]), f->names[i]);
        count += f->names[i] != 0;
    }
    while ((name = nodemap_each(&f->n, &pos)) != 0) {
        const struct record *rec = arena_at(&f->records, name);
        assert_false(seen[rec->number]);
        assert_int_equal(f->names[rec->number], name);
        seen[rec->number] = true;
        walked++;
    }
    assert_int_equal(f->n.count, count);
    assert_int_equal(walked, count);
}

/* Waves of mostly adding and mostly removing, so that it grows and shrinks over and over. */
static void same_as_twin(void **state)
{
    (void)state;
    static struct fx f;
    size_t two_tables = 0;
    fx_init(&f, 5);
    for (unsigned step = 0; step < 60000; step++) {
        size_t i = (size_t)rng_below(&f.rng, KEYS);
        bool filling = step / 10000 % 2 == 0;
        bool want = rng_below(&f.rng, 16) == 0 ? !filling : filling;
        if (want && !f.names[i])
            add(&f, i);
        else if (!want && f.names[i])
            del(&f, i);
        assert_int_equal(nodemap_find(&f.n, f.keys[i]), f.names[i]);
        two_tables += f.n.old.v != NULL;
        if (step % 997 == 0)
            check_all(&f);
    }
    assert_true(two_tables > 100); /* both were looked at while entries moved */
    check_all(&f);
    for (size_t i = 0; i < KEYS; i++)
        if (f.names[i])
            del(&f, i);
    check_all(&f);
    assert_true(nodemap_bytes(&f.n) <= 4096); /* it has given its memory back */
    fx_fini(&f);
}

/* No change touches more than a piece of the table: entries move a few at a time. */
static void grows_in_pieces(void **state)
{
    (void)state;
    static struct fx f;
    fx_init(&f, 6);
    size_t doubled = 0;
    for (size_t i = 0; i < KEYS; i++) {
        size_t moved = f.n.moved, cap = f.n.now.cap;
        bool moving = f.n.old.v != NULL;
        add(&f, i);
        if (f.n.now.cap != cap) {
            assert_int_equal(f.n.now.cap, cap * 2);
            assert_non_null(f.n.old.v);
            assert_int_equal(f.n.moved, 0);
            assert_false(moving && f.n.old.cap != cap); /* the one before was through */
            doubled++;
        } else if (moving && f.n.old.v) {
            assert_true(f.n.moved - moved <= NODEMAP_PIECE);
        }
        assert_true(f.n.count * 4 <= f.n.now.cap * 3);
    }
    assert_int_equal(doubled, 6); /* 64 to 4096 */
    for (unsigned turns = 0; f.n.old.v; turns++) {
        assert_true(turns < 4096 / NODEMAP_PIECE);
        nodemap_settle(&f.n);
    }
    nodemap_settle(&f.n); /* nothing is left to do */
    check_all(&f);
    fx_fini(&f);
}

/* The metric tells how far the worst entry was pushed from its place: a key aimed at the hash would
 * show there. */
static void longest_probe(void **state)
{
    (void)state;
    static struct fx f;
    fx_init(&f, 8);
    assert_int_equal(f.n.longest_probe, 0);
    size_t most = 0;
    for (size_t i = 0; i < KEYS; i++) {
        size_t mask;
        add(&f, i);
        mask = f.n.now.cap - 1;
        for (size_t k = 0; !f.n.old.v && k <= mask; k++) /* nothing was removed: they stand still */
            if (f.n.now.v[k].name != 0)
                most = MAX(most, (k - f.n.now.v[k].hash) & mask);
        assert_true(f.n.longest_probe >= most);
        assert_true(f.n.longest_probe < 100); /* at most three quarters full */
    }
    assert_true(most > 0);
    for (size_t i = 0; i < KEYS; i++)
        del(&f, i);
    assert_true(f.n.longest_probe >= most);
    fx_fini(&f);

    /* Keys that all belong to the first place of the smallest table. */
    enum { AIMED = 20 };
    fx_init(&f, 9);
    for (size_t i = 0, tries = 0; i < AIMED; tries++) {
        assert_true(tries < 100000);
        rng_bytes(&f.rng, f.keys[i], NODEMAP_KEY_BYTES);
        add(&f, i);
        size_t mask = f.n.now.cap - 1, k = 0;
        while (f.n.now.v[k].name != f.names[i])
            k++;
        if ((f.n.now.v[k].hash & mask) == 0)
            i++;
        else
            del(&f, i);
    }
    assert_true(f.n.longest_probe >= AIMED - 1);
    fx_fini(&f);
}

static void hash_is_siphash(void **state)
{
    (void)state;
    struct rng rng;
    rng_init_seeded(&rng, 7);
    for (int i = 0; i < 100; i++) {
        uint8_t key[NODEMAP_KEY_BYTES], raw[16], out[crypto_shorthash_BYTES];
        uint64_t secret[2] = {0, 0}, want = 0;
        rng_bytes(&rng, key, sizeof(key));
        rng_bytes(&rng, raw, sizeof(raw));
        for (unsigned k = 0; k < 16; k++)
            secret[k / 8] |= (uint64_t)raw[k] << (8 * (k % 8));
        assert_int_equal(crypto_shorthash(out, key, sizeof(key), raw), 0);
        for (unsigned k = 0; k < 8; k++)
            want |= (uint64_t)out[k] << (8 * k);
        assert_true(nodemap_siphash24(secret, key) == want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_as_twin), cmocka_unit_test(grows_in_pieces),
        cmocka_unit_test(longest_probe), cmocka_unit_test(hash_is_siphash)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
