#include "base/list.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

struct item {
    int v;
    struct list l;
};

static void test_order_and_removal(void **state)
{
    (void)state;
    struct list head;
    struct item it[5] = {0};
    list_init(&head);
    assert_true(list_empty(&head));
    assert_null(list_first(&head, struct item, l));
    for (int i = 0; i < 5; i++) {
        it[i].v = i;
        assert_false(list_linked(&it[i].l));
        if (i < 3)
            list_push_back(&head, &it[i].l);
        else
            list_push_front(&head, &it[i].l);
        assert_true(list_linked(&it[i].l));
    }
    static const int order[] = {4, 3, 0, 1, 2};
    int n = 0;
    list_foreach (at, &head)
        assert_int_equal(list_entry(at, struct item, l)->v, order[n++]);
    assert_int_equal(n, 5);
    assert_int_equal(list_first(&head, struct item, l)->v, 4);

    list_del(&it[0].l);
    assert_false(list_linked(&it[0].l));
    list_del(&it[0].l); /* again: fine */
    struct item zeroed = {0};
    list_del(&zeroed.l);
    assert_false(list_linked(&zeroed.l));

    n = 0;
    list_foreach_safe (at, &head) {
        list_del(at);
        memset(at, 0xee, sizeof(*at)); /* as if freed */
        n++;
    }
    assert_int_equal(n, 4);
    assert_true(list_empty(&head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order_and_removal)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
