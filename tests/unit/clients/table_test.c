#include "clients/table.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/unit/unit.h"

static char *printed(const struct table *t)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    assert_non_null(f);
    assert_int_equal(table_print(t, f), OK);
    assert_int_equal(fclose(f), 0);
    return text;
}

static void expect_table(const struct table *t, const char *expected)
{
    char *text = printed(t);
    assert_string_equal(text, expected);
    free(text);
}

static void test_rows(void **state)
{
    struct table t;
    (void)state;
    table_init(&t, 2);
    table_cell(&t, "Subnet");
    table_cell(&t, "%s", "Seq No");
    expect_table(&t, "+--------+--------+\n"
                     "| Subnet | Seq No |\n"
                     "+--------+--------+\n");
    table_cell(&t, "%s", "400::/64");
    table_cell(&t, "%d", 7);
    expect_table(&t, "+----------+--------+\n"
                     "| Subnet   | Seq No |\n"
                     "+----------+--------+\n"
                     "| 400::/64 | 7      |\n"
                     "+----------+--------+\n");
    table_fini(&t);
}

static void test_half_a_row_is_not_shown(void **state)
{
    struct table t;
    (void)state;
    table_init(&t, 2);
    table_cell(&t, "a");
    table_cell(&t, "b");
    table_cell(&t, "a cell that is wider");
    expect_table(&t, "+---+---+\n| a | b |\n+---+---+\n");
    table_fini(&t);
}

static void test_width_counts_characters(void **state)
{
    struct table t;
    (void)state;
    table_init(&t, 1);
    table_cell(&t, "%s", "\xc3\xbc\xe2\x82\xac");
    table_cell(&t, "abc");
    expect_table(&t, "+-----+\n| \xc3\xbc\xe2\x82\xac  |\n+-----+\n| abc |\n+-----+\n");
    table_fini(&t);
}

static void test_control_characters(void **state)
{
    struct table t;
    (void)state;
    table_init(&t, 1);
    table_cell(&t, "%s", "a\nb\x1b[31m\x7f");
    expect_table(&t, "+-----------+\n| a?b?[31m? |\n+-----------+\n");
    table_fini(&t);
}

static void test_many_cells(void **state)
{
    struct table t;
    char *text;
    (void)state;
    table_init(&t, 4);
    for (int i = 0; i < 4000; i++)
        table_cell(&t, "%04d", i);
    text = printed(&t);
    assert_int_equal(strlen(text), (1000 + 1001) * 30);
    assert_non_null(strstr(text, "| 3996 | 3997 | 3998 | 3999 |\n"));
    free(text);
    table_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_half_a_row_is_not_shown),
        cmocka_unit_test(test_width_counts_characters),
        cmocka_unit_test(test_control_characters),
        cmocka_unit_test(test_many_cells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
