#include "router/traffic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka needs the ones above */
#include <cmocka.h>

#include "base/err.h"

struct seen {
    unsigned n;
    uint8_t first;
    uint64_t packets, bytes;
};

static void see(void *ctx, const struct ip6 *addr, uint64_t packets, uint64_t bytes)
{
    struct seen *s = ctx;
    if (s->n++ == 0)
        s->first = addr->b[1];
    s->packets += packets;
    s->bytes += bytes;
}

static struct ip6 addr(uint8_t n)
{
    return (struct ip6){{4, n}};
}

static void counts_and_forgets(void **state)
{
    (void)state;
    struct rng rng;
    struct traffic t;
    rng_init_seeded(&rng, 1);
    assert_int_equal(traffic_init(&t, &rng, 3), OK);
    for (uint8_t i = 0; i < 3; i++) {
        struct ip6 a = addr(i);
        traffic_count(&t, &a, 100);
        traffic_count(&t, &a, 50);
    }
    struct ip6 again = addr(0), more = addr(9);
    traffic_count(&t, &again, 1);
    traffic_count(&t, &more, 7); /* 1 was used least recently */
    struct seen s = {0};
    traffic_each(&t, see, &s);
    assert_int_equal(s.n, 3);
    assert_int_equal(s.first, 2);
    assert_int_equal(s.packets, 2 + 3 + 1);
    assert_int_equal(s.bytes, 150 + 151 + 7);
    traffic_fini(&t);

    assert_int_equal(traffic_init(&t, &rng, 0), OK); /* switched off */
    traffic_count(&t, &again, 1);
    s = (struct seen){0};
    traffic_each(&t, see, &s);
    assert_int_equal(s.n, 0);
    traffic_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(counts_and_forgets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
