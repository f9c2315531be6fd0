#include "base/pkt.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

static void test_room(void **state)
{
    (void)state;
    struct pkt *p = pkt_copy("abc", 3);
    assert_non_null(p);
    assert_int_equal(p->len, 3);

    uint8_t *h = pkt_push(p, PKT_HEADROOM);
    assert_non_null(h);
    assert_ptr_equal(h, p->data);
    memset(h, 'h', PKT_HEADROOM);
    assert_null(pkt_push(p, 1));
    assert_non_null(pkt_push(p, 0));

    uint8_t *t = pkt_put(p, PKT_TAILROOM);
    assert_non_null(t);
    memset(t, 't', PKT_TAILROOM);
    assert_null(pkt_put(p, 1));
    assert_int_equal(p->len, PKT_HEADROOM + 3 + PKT_TAILROOM);
    assert_memory_equal(p->data + PKT_HEADROOM, "abc", 3);
    assert_null(pkt_push(p, SIZE_MAX));
    assert_null(pkt_put(p, SIZE_MAX));

    pkt_pull(p, PKT_HEADROOM);
    pkt_trim(p, PKT_TAILROOM);
    assert_int_equal(p->len, 3);
    assert_memory_equal(p->data, "abc", 3);
    pkt_pull(p, 1);
    pkt_trim(p, 1);
    assert_int_equal(p->len, 1);
    assert_int_equal(p->data[0], 'b');
    assert_non_null(pkt_put(p, 1)); /* what was cut off is room again */
    pkt_free(p);
}

static void test_sizes(void **state)
{
    (void)state;
    struct pkt *p = pkt_new(0);
    assert_non_null(p);
    assert_int_equal(p->len, 0);
    pkt_pull(p, 0);
    pkt_free(p);
    p = pkt_new(PKT_MAX);
    assert_non_null(p);
    memset(p->data, 0, p->len);
    assert_non_null(pkt_push(p, PKT_HEADROOM));
    assert_non_null(pkt_put(p, PKT_TAILROOM));
    pkt_free(p);
    assert_null(pkt_new(PKT_MAX + 1));
    assert_null(pkt_new(SIZE_MAX));
    assert_null(pkt_copy("", PKT_MAX + 1));
    p = pkt_copy(NULL, 0);
    assert_non_null(p);
    pkt_free(p);
    pkt_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
