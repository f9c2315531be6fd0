/* The index of filters, beside a list that asks every filter. */
#include "bus/filter_index.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/rng.h"
#include "bus/filter.h"
#include "tests/unit/unit.h"

struct sub {
    struct list link;
    struct filter_node *at; /* NULL: not in the index */
    struct bus_filter filter;
    unsigned seen; /* walks that gave it */
};

static struct filter_index x;

static void setup_index(uint64_t seed)
{
    struct rng r;
    rng_init_seeded(&r, seed);
    assert_int_equal(filter_index_init(&x, &r), OK);
}

static struct bus_filter filter_of(enum bus_filter_kind kind, const char *text)
{
    struct bus_filter f = {.kind = kind, .topic.len = (uint8_t)strlen(text)};
    memcpy(f.topic.b, text, f.topic.len);
    return f;
}

static void enter(struct sub *s)
{
    assert_int_equal(filter_index_get(&x, &s->filter, &s->at), OK);
    list_push_back(filter_waiters(s->at), &s->link);
}

static void leave(struct sub *s)
{
    list_del(&s->link);
    filter_index_settle(&x, s->at);
    s->at = NULL;
}

/* How many lists mean the topic; counts their entries. */
static size_t walk(const uint8_t *topic, size_t len)
{
    struct filter_walk w;
    struct list *l;
    size_t n = 0;
    filter_walk_begin(&w, &x, topic, len);
    for (; (l = filter_walk_next(&w)); n++) {
        assert_false(list_empty(l));
        list_foreach (p, l)
            list_entry(p, struct sub, link)->seen++;
    }
    return n;
}

static void test_kinds(void **state)
{
    (void)state;
    struct sub v[] = {
        {.filter = filter_of(BUS_ANY, "")},        {.filter = filter_of(BUS_TOPIC, "a/b")},
        {.filter = filter_of(BUS_TOPIC, "")},      {.filter = filter_of(BUS_PREFIX, "a/")},
        {.filter = filter_of(BUS_PATTERN, "a/+")}, {.filter = filter_of(BUS_PATTERN, "a/+")},
        {.filter = filter_of(BUS_PATTERN, "#")},   {.filter = filter_of(BUS_PATTERN, "a/b/#")},
    };
    static const struct {
        const char *topic;
        size_t lists;
        unsigned seen[ARRAY_LEN(v)];
    } want[] = {
        {"a/b", 6, {1, 1, 0, 1, 1, 1, 1, 1}},
        {"", 3, {1, 0, 1, 0, 0, 0, 1, 0}},
        {"a/b/c", 4, {1, 0, 0, 1, 0, 0, 1, 1}},
        {"a", 2, {1, 0, 0, 0, 0, 0, 1, 0}},
    };
    setup_index(1);
    for (size_t i = 0; i < ARRAY_LEN(v); i++)
        enter(&v[i]);
    for (size_t k = 0; k < ARRAY_LEN(want); k++) {
        for (size_t i = 0; i < ARRAY_LEN(v); i++)
            v[i].seen = 0;
        assert_int_equal(walk((const uint8_t *)want[k].topic, strlen(want[k].topic)),
                         want[k].lists);
        for (size_t i = 0; i < ARRAY_LEN(v); i++)
            assert_int_equal(v[i].seen, want[k].seen[i]);
    }
    struct bus_filter bad = filter_of(BUS_PATTERN, "a/#/b");
    struct filter_node *n;
    assert_int_equal(filter_index_get(&x, &bad, &n), ERR_INVAL);
    for (size_t i = 0; i < ARRAY_LEN(v); i++)
        leave(&v[i]);
    assert_int_equal(x.count, 0);
    assert_int_equal(walk((const uint8_t *)"a", 1), 0);
    filter_index_fini(&x);
}

static void random_filter(struct rng *r, struct bus_filter *ret)
{
    static const char bytes[] = "ab///+#";
    do {
        *ret = (struct bus_filter){.kind = (enum bus_filter_kind)rng_below(r, BUS_PATTERN + 1)};
        if (rng_below(r, 2) == 0)
            ret->kind = BUS_PATTERN;
        ret->topic.len = ret->kind == BUS_ANY ? 0 : (uint8_t)rng_below(r, 9);
        for (size_t i = 0; i < ret->topic.len; i++)
            ret->topic.b[i] = (uint8_t)bytes[rng_below(r, sizeof(bytes) - 1)];
    } while (filter_check(ret) != OK);
}

#define SUBS 400

static void test_twin(void **state)
{
    (void)state;
    static struct sub v[SUBS];
    struct rng r;
    size_t matches = 0;
    setup_index(2);
    rng_init_seeded(&r, 3);
    for (unsigned round = 0; round < 20000; round++) {
        struct sub *s = &v[rng_below(&r, SUBS)];
        if (s->at)
            leave(s);
        if (rng_below(&r, 3) > 0) {
            random_filter(&r, &s->filter);
            enter(s);
        }
        uint8_t topic[10];
        size_t len = rng_below(&r, sizeof(topic));
        for (size_t i = 0; i < len; i++)
            topic[i] = (uint8_t) "ab//+"[rng_below(&r, 5)];
        for (size_t i = 0; i < SUBS; i++)
            v[i].seen = 0;
        (void)walk(topic, len);
        for (size_t i = 0; i < SUBS; i++) {
            bool want = v[i].at && filter_match(&v[i].filter, topic, len);
            assert_int_equal(v[i].seen, want);
            matches += want;
        }
    }
    assert_true(matches > 100000);
    for (size_t i = 0; i < SUBS; i++)
        if (v[i].at)
            leave(&v[i]);
    assert_int_equal(x.count, 0);
    assert_true(x.lens[0] == 0 && x.topics == 0);
    filter_index_fini(&x);
}

#define DEEP 100
#define MANY 400

static struct bus_filter slashes(void)
{
    struct bus_filter f = {.kind = BUS_PATTERN, .topic.len = PATTERN_MAX};
    memset(f.topic.b, '/', PATTERN_MAX);
    return f;
}

/* The deepest topics, with branches at each level; the longest prefix; too many levels. */
static void test_bounds(void **state)
{
    (void)state;
    static struct sub deep[DEEP], many[MANY];
    struct sub prefix = {.filter = slashes()};
    struct topic topic = slashes().topic;
    setup_index(4);
    prefix.filter.kind = BUS_PREFIX;
    enter(&prefix);
    for (size_t i = 0; i < DEEP; i++) { /* '+' in one level, all others are empty */
        deep[i].filter = slashes();
        if (i > 0)
            deep[i].filter.topic.b[i] = '+';
        enter(&deep[i]);
    }
    size_t nodes = x.count, last = 0;
    assert_true(nodes > 20000 && nodes < FILTER_NODES_MAX);
    assert_int_equal(walk(topic.b, topic.len), 2);
    assert_true(prefix.seen == 1 && deep[0].seen == 1);
    assert_int_equal(walk(topic.b, topic.len - 1u), DEEP - 1); /* a level less: those with '+' */
    int rc = OK;
    for (; last < MANY && rc == OK; last++) {
        struct sub *s = &many[last];
        s->filter = slashes();
        s->filter.topic.b[0] = (uint8_t)('A' + last / 26);
        s->filter.topic.b[1] = (uint8_t)('a' + last % 26);
        rc = filter_index_get(&x, &s->filter, &s->at);
        if (rc == OK)
            list_push_back(filter_waiters(s->at), &s->link);
    }
    assert_int_equal(rc, ERR_LIMIT);
    assert_true(x.count <= FILTER_NODES_MAX && x.count > FILTER_NODES_MAX - 256);
    for (size_t i = 0; i < MANY; i++)
        if (many[i].at)
            leave(&many[i]);
    assert_int_equal(x.count, nodes); /* of what did not fit nothing is left */
    for (size_t i = 0; i < DEEP; i++)
        leave(&deep[i]);
    leave(&prefix);
    assert_int_equal(x.count, 0);
    filter_index_fini(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_twin),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
