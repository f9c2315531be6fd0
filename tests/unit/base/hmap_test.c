#include "base/hmap.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/rng.h"
#include "tests/unit/unit.h"

#define KEYS 2000

struct entry {
    struct hnode node;
    uint32_t key;
    bool in;
    bool seen;
};

/* A few bits of the hash only, so that entries share hashes and not only slots. */
static uint64_t hash_of(const struct hmap *m, uint32_t key)
{
    return hmap_hash(m, &key, sizeof(key)) & 0x3ff;
}

static struct entry *find(const struct hmap *m, uint32_t key)
{
    uint64_t h = hash_of(m, key);
    for (struct hnode *n = hmap_first(m, h); n; n = hmap_next(n, h)) {
        struct entry *e = container_of(n, struct entry, node);
        if (e->key == key)
            return e;
    }
    return NULL;
}

static size_t count_each(const struct hmap *m)
{
    size_t slot = 0, count = 0;
    for (struct hnode *n = hmap_each(m, &slot, NULL); n; n = hmap_each(m, &slot, n)) {
        struct entry *e = container_of(n, struct entry, node);
        assert_true(e->in);
        assert_false(e->seen);
        e->seen = true;
        count++;
    }
    return count;
}

static void test_against_twin(void **state)
{
    (void)state;
    static struct entry twin[KEYS]; /* indexed by the key: the naive map */
    struct rng r;
    struct hmap m;
    size_t in = 0;
    rng_init_seeded(&r, 21);
    assert_int_equal(hmap_init(&m, &r), OK);
    for (uint32_t i = 0; i < KEYS; i++)
        twin[i].key = i;
    for (int step = 0; step < 100000; step++) {
        uint32_t key = (uint32_t)rng_below(&r, KEYS);
        struct entry *e = &twin[key];
        assert_ptr_equal(find(&m, key), e->in ? e : NULL);
        /* more additions in the first half, more removals in the second */
        bool add = rng_below(&r, 10) < (step < 50000 ? 7u : 3u);
        if (add && !e->in) {
            hmap_add(&m, &e->node, hash_of(&m, key));
            e->in = true;
            in++;
        } else if (!add && e->in) {
            hmap_del(&m, &e->node);
            e->in = false;
            in--;
        }
        assert_int_equal(m.count, in);
        assert_true(m.count <= m.mask + 1); /* load at most 1 */
        if (step % 5000 == 0) {
            assert_int_equal(count_each(&m), in);
            for (uint32_t i = 0; i < KEYS; i++) {
                assert_true(twin[i].seen == twin[i].in);
                twin[i].seen = false;
            }
        }
    }
    hmap_fini(&m);
    assert_int_equal(count_each(&m), 0); /* of a map that is gone */
}

/* The published vector of SipHash-2-4: key 00..0f, input 00..3e, little endian output. */
static void test_siphash(void **state)
{
    (void)state;
    struct rng r;
    struct hmap m;
    uint8_t in[64];
    rng_init_seeded(&r, 1);
    assert_int_equal(hmap_init(&m, &r), OK);
    for (unsigned i = 0; i < sizeof(m.secret); i++)
        m.secret[i] = (uint8_t)i;
    for (unsigned i = 0; i < sizeof(in); i++)
        in[i] = (uint8_t)i;
    assert_true(hmap_hash(&m, in, 0) == 0x726fdb47dd0e0e31u);
    assert_true(hmap_hash(&m, in, 1) == 0x74f839c593dc67fdu);
    assert_true(hmap_hash(&m, in, 15) == 0xa129ca6149be45e5u);
    assert_true(hmap_hash(&m, in, 63) == 0x958a324ceb064572u);
    hmap_fini(&m);
}

static void test_secret_differs(void **state)
{
    (void)state;
    struct rng r;
    struct hmap a, b;
    rng_init_seeded(&r, 2);
    assert_int_equal(hmap_init(&a, &r), OK);
    assert_int_equal(hmap_init(&b, &r), OK);
    assert_true(hmap_hash(&a, "key", 3) != hmap_hash(&b, "key", 3));
    assert_true(hmap_hash(&a, "key", 3) == hmap_hash(&a, "key", 3));
    hmap_fini(&a);
    hmap_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_twin),
        cmocka_unit_test(test_siphash),
        cmocka_unit_test(test_secret_differs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
