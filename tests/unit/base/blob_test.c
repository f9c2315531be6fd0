#include "base/blob.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

#define THREADS 4
#define ROUNDS  20000

static void test_life(void **state)
{
    (void)state;
    struct blob *b = blob_copy("payload", 7);
    assert_non_null(b);
    assert_int_equal(b->len, 7);
    assert_memory_equal(b->data, "payload", 7);
    assert_ptr_equal(blob_ref(b), b);
    blob_unref(b);
    assert_memory_equal(b->data, "payload", 7);
    blob_unref(b);
    assert_null(blob_ref(NULL));
    blob_unref(NULL);
    b = blob_new(0);
    assert_non_null(b);
    assert_int_equal(b->len, 0);
    blob_unref(b);
    b = blob_copy(NULL, 0);
    assert_non_null(b);
    blob_unref(b);
    assert_null(blob_new((size_t)UINT32_MAX + 1));
}

static void *ref_and_unref(void *arg)
{
    struct blob *b = (struct blob *)arg;
    for (int i = 0; i < ROUNDS; i++)
        blob_unref(blob_ref(b));
    blob_unref(b);
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t t[THREADS];
    struct blob *b = blob_copy("x", 1);
    assert_non_null(b);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, ref_and_unref, blob_ref(b)), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(t[i], NULL), 0);
    assert_int_equal(atomic_load(&b->refs), 1);
    blob_unref(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
