/* contacts_test.c - what is remembered, in which order it is forgotten, and when it is written. */
#include "node/contacts.h"

#include "base/err.h"
#include "base/rng.h"
#include "tests/unit/unit.h"

#define HOUR INT64_C(3600000)

static const struct ip6 self = {.b = {0x05, 0, 0, 0, 0, 0, 0, 1, 9}};

static uint64_t node_of(uint64_t n)
{
    return UINT64_C(0x0400000000000000) + n;
}

static struct ip6 addr(uint64_t n)
{
    struct ip6 a = {.b = {0}};
    uint64_t v = node_of(n);
    for (int i = 0; i < 8; i++)
        a.b[i] = (uint8_t)(v >> (8 * (7 - i)));
    return a;
}

static struct contacts *start(void)
{
    struct contacts *c = NULL;
    static struct rng rng;
    rng_init_seeded(&rng, 1);
    assert_int_equal(contacts_new(&rng, &self, &c), OK);
    return c;
}

static void seen(struct contacts *c, uint64_t node, uint64_t via)
{
    struct contact_info i = {.node = addr(node), .via = addr(via)};
    contacts_seen(c, &i);
}

static size_t changed(struct contacts *c)
{
    static struct store_contact rows[CONTACTS_MAX + 10];
    return contacts_changed(c, rows, ARRAY_LEN(rows));
}

static void expect_via(struct contacts *c, uint64_t node, uint64_t via)
{
    struct ip6 got, want = addr(via), dst = addr(node);
    dst.b[15] = 77; /* any address of the /64 */
    assert_true(contacts_via(c, &dst, &got));
    assert_memory_equal(&got, &want, sizeof(got));
}

static bool knows(struct contacts *c, uint64_t node)
{
    struct ip6 got, dst = addr(node);
    return contacts_via(c, &dst, &got);
}

static void test_written_when_changed(void **state)
{
    (void)state;
    struct contacts *c = start();
    struct store_contact row;
    assert_false(knows(c, 1));
    contacts_refresh(c, 10 * HOUR);
    seen(c, 1, 2);
    expect_via(c, 1, 2);
    assert_int_equal(contacts_changed(c, &row, 1), 1);
    assert_int_equal(row.node, node_of(1));
    assert_int_equal(row.via, node_of(2));
    assert_int_equal(row.used_ms, 10 * HOUR);
    assert_int_equal(changed(c), 0);

    contacts_refresh(c, 11 * HOUR - 1); /* nothing new within the hour */
    seen(c, 1, 2);
    assert_int_equal(changed(c), 0);
    contacts_refresh(c, 11 * HOUR);
    seen(c, 1, 2);
    assert_int_equal(changed(c), 1);
    contacts_refresh(c, 11 * HOUR + 1); /* another neighbour: at once */
    seen(c, 1, 3);
    seen(c, 1, 3);
    expect_via(c, 1, 3);
    assert_int_equal(changed(c), 1);
    contacts_refresh(c, 2 * HOUR); /* the clock was put back */
    seen(c, 1, 3);
    assert_int_equal(changed(c), 1);
    contacts_refresh(c, 2 * HOUR + 1);
    seen(c, 1, 3);
    assert_int_equal(changed(c), 0);
    contacts_free(c);
}

static void test_not_a_contact(void **state)
{
    (void)state;
    struct contacts *c = start();
    struct contact_info i = {.node = addr(1)}; /* the next hop is unknown */
    contacts_refresh(c, HOUR);
    contacts_seen(c, &i);
    assert_false(knows(c, 1));
    i = (struct contact_info){.node = self, .via = addr(2)};
    contacts_seen(c, &i);
    i = (struct contact_info){.node = addr(1), .via = self};
    contacts_seen(c, &i);
    assert_false(knows(c, 1));

    seen(c, 1, 2);
    i = (struct contact_info){.node = addr(1)}; /* the known one is kept */
    contacts_seen(c, &i);
    expect_via(c, 1, 2);
    contacts_free(c);
}

static void test_foreign_rows(void **state)
{
    (void)state;
    struct contacts *c = start();
    static const struct store_contact bad[] = {
        {.node = 0, .via = UINT64_C(0x0400000000000002), .used_ms = 1},
        {.node = UINT64_C(0x0400000000000001), .via = 0, .used_ms = 1},
        {.node = UINT64_C(0x0600000000000001), .via = UINT64_C(0x0400000000000002), .used_ms = 1},
        {.node = UINT64_C(0x0400000000000001), .via = UINT64_MAX, .used_ms = 1},
        {.node = UINT64_C(0x0400000000000001), .via = UINT64_C(0x0400000000000002), .used_ms = -1},
        {.node = UINT64_C(0x0500000000000001), .via = UINT64_C(0x0400000000000002), .used_ms = 1},
        {.node = UINT64_C(0x0400000000000001), .via = UINT64_C(0x0500000000000001), .used_ms = 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        contacts_load(c, &bad[i], HOUR);
    struct contacts_stats st;
    contacts_stats(c, &st);
    assert_int_equal(st.known, 0);
    assert_int_equal(st.ignored, ARRAY_LEN(bad));

    struct store_contact row = {.node = node_of(1), .via = node_of(2), .used_ms = INT64_MAX};
    contacts_load(c, &row, HOUR); /* from a clock that was wrong: used, and put right when seen */
    row.via = node_of(3);
    contacts_load(c, &row, HOUR); /* twice: the first counts */
    expect_via(c, 1, 2);
    assert_int_equal(changed(c), 0);
    contacts_refresh(c, 2 * HOUR);
    seen(c, 1, 2);
    assert_int_equal(contacts_changed(c, &row, 1), 1);
    assert_int_equal(row.used_ms, 2 * HOUR);
    contacts_free(c);
}

static void test_loaded_then_seen(void **state)
{
    (void)state;
    struct contacts *c = start();
    struct store_contact row = {.node = node_of(1), .via = node_of(2), .used_ms = 5 * HOUR};
    contacts_load(c, &row, 5 * HOUR + 10);
    contacts_refresh(c, 5 * HOUR + 20);
    seen(c, 1, 2);
    assert_int_equal(changed(c), 0);
    contacts_refresh(c, 6 * HOUR);
    seen(c, 1, 2);
    assert_int_equal(changed(c), 1);
    contacts_free(c);
}

static void test_least_recently_used_goes(void **state)
{
    (void)state;
    struct contacts *c = start();
    struct contacts_stats st;
    for (uint64_t i = 0; i < CONTACTS_MAX + 5; i++) { /* 0 is the last used */
        struct store_contact row = {
            .node = node_of(i), .via = node_of(9), .used_ms = HOUR - (int64_t)i};
        contacts_load(c, &row, HOUR);
    }
    assert_true(knows(c, CONTACTS_MAX - 1));
    assert_false(knows(c, CONTACTS_MAX));
    contacts_refresh(c, 2 * HOUR);
    seen(c, CONTACTS_MAX - 1, 9); /* the oldest is used again */
    seen(c, 100000, 9);
    seen(c, 100001, 9);
    assert_true(knows(c, CONTACTS_MAX - 1));
    assert_true(knows(c, 100000));
    assert_true(knows(c, 100001));
    assert_true(knows(c, CONTACTS_MAX - 4));
    assert_false(knows(c, CONTACTS_MAX - 3));
    assert_false(knows(c, CONTACTS_MAX - 2));
    contacts_stats(c, &st);
    assert_int_equal(st.known, CONTACTS_MAX);
    assert_int_equal(st.evicted, 2);

    /* In a refresh with more than fit, the first are those that were used last. */
    contacts_refresh(c, 3 * HOUR);
    for (uint64_t i = 0; i < CONTACTS_MAX + 50; i++)
        seen(c, 200000 + i, 9);
    assert_true(knows(c, 200000));
    assert_true(knows(c, 200000 + CONTACTS_MAX - 1));
    assert_false(knows(c, 200000 + CONTACTS_MAX));
    contacts_stats(c, &st);
    assert_int_equal(st.known, CONTACTS_MAX);
    assert_int_equal(changed(c), CONTACTS_MAX);

    /* Next time the last of them goes first. */
    contacts_refresh(c, 4 * HOUR);
    seen(c, 1, 9);
    assert_false(knows(c, 200000 + CONTACTS_MAX - 1));
    assert_true(knows(c, 200000));
    contacts_free(c);
}

static void test_pieces_and_failure(void **state)
{
    (void)state;
    struct contacts *c = start();
    struct store_contact rows[STORE_CONTACTS_ROWS];
    contacts_refresh(c, HOUR);
    for (uint64_t i = 0; i < 600; i++)
        seen(c, i, 9);
    assert_int_equal(contacts_changed(c, rows, STORE_CONTACTS_ROWS), 256);
    assert_int_equal(rows[0].node, node_of(0));
    assert_int_equal(contacts_changed(c, rows, STORE_CONTACTS_ROWS), 256);
    assert_int_equal(contacts_changed(c, rows, STORE_CONTACTS_ROWS), 88);
    assert_int_equal(contacts_changed(c, rows, STORE_CONTACTS_ROWS), 0);
    contacts_failed(c);
    contacts_failed(c);
    assert_int_equal(changed(c), 600);
    assert_int_equal(changed(c), 0);
    struct contacts_stats st;
    contacts_stats(c, &st);
    assert_int_equal(st.written, 1200);
    assert_int_equal(st.failed, 2);
    contacts_free(c);
    contacts_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written_when_changed),
        cmocka_unit_test(test_not_a_contact),
        cmocka_unit_test(test_foreign_rows),
        cmocka_unit_test(test_loaded_then_seen),
        cmocka_unit_test(test_least_recently_used_goes),
        cmocka_unit_test(test_pieces_and_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
