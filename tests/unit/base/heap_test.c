#include "base/heap.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/rng.h"
#include "tests/unit/unit.h"

#define NODES 300

/* The naive twin: look at all of them. */
static usec_t first_of_all(const struct heap_node *n, size_t len)
{
    usec_t first = USEC_NEVER;
    for (size_t i = 0; i < len; i++)
        if (heap_has(&n[i]) && n[i].when < first)
            first = n[i].when;
    return first;
}

static void check_shape(const struct heap *h)
{
    for (size_t i = 0; i < h->len; i++) {
        assert_int_equal(h->v[i].node->pos, i + 1);
        assert_true(h->v[i].node->when == h->v[i].when);
        if (i > 0)
            assert_true(h->v[(i - 1) / 4].when <= h->v[i].when);
    }
}

static void test_against_twin(void **state)
{
    (void)state;
    struct rng r;
    struct heap h;
    struct heap_node n[NODES] = {0};
    usec_t when[NODES];
    size_t in = 0;
    for (size_t i = 0; i < NODES; i++)
        when[i] = USEC_NEVER;
    rng_init_seeded(&r, 20);
    heap_init(&h);
    for (int step = 0; step < 20000; step++) {
        size_t i = (size_t)rng_below(&r, NODES);
        uint64_t what = rng_below(&r, 10);
        if (what < 7) {
            when[i] = (usec_t)rng_below(&r, 1000) - 500; /* many equal ones */
            assert_int_equal(heap_set(&h, &n[i], when[i]), OK);
        } else if (what < 8) {
            when[i] = USEC_NEVER;
            assert_int_equal(heap_set(&h, &n[i], USEC_NEVER), OK);
        } else {
            when[i] = USEC_NEVER;
            heap_del(&h, &n[i]);
        }
        in = 0;
        for (size_t k = 0; k < NODES; k++) {
            assert_true(heap_has(&n[k]) == (when[k] != USEC_NEVER));
            if (heap_has(&n[k])) {
                in++;
                assert_true(n[k].when == when[k]);
            }
        }
        assert_int_equal(h.len, in);
        assert_true(heap_deadline(&h) == first_of_all(n, NODES));
        if (step % 100 == 0)
            check_shape(&h);
    }
    heap_fini(&h);
}

static void test_due_in_order(void **state)
{
    (void)state;
    struct heap h;
    struct heap_node n[5] = {0};
    static const usec_t when[] = {50, 10, 40, 20, 30};
    heap_init(&h);
    assert_null(heap_due(&h, USEC_NEVER));
    assert_true(heap_deadline(&h) == USEC_NEVER);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(heap_set(&h, &n[i], when[i]), OK);
    assert_null(heap_due(&h, 9));
    assert_ptr_equal(heap_due(&h, 10), &n[1]);
    assert_ptr_equal(heap_due(&h, 10), &n[1]); /* left in the heap */
    usec_t last = 0;
    int count = 0;
    for (struct heap_node *d; (d = heap_due(&h, 45)) != NULL; count++) {
        assert_true(d->when > last);
        last = d->when;
        heap_del(&h, d);
        assert_false(heap_has(d));
        heap_del(&h, d); /* not in the heap: fine */
    }
    assert_int_equal(count, 4);
    assert_true(heap_deadline(&h) == 50);
    heap_fini(&h);
    assert_true(heap_deadline(&h) == USEC_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_twin),
        cmocka_unit_test(test_due_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
