/* Patterns, beside a naive twin that cuts both sides into lists of levels first. */
#include "bus/pattern.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/rng.h"
#include "tests/unit/unit.h"

static bool matches(const char *pattern, const char *topic)
{
    const uint8_t *p = (const uint8_t *)pattern;
    assert_int_equal(pattern_check(p, strlen(pattern)), OK);
    return pattern_match(p, strlen(pattern), (const uint8_t *)topic, strlen(topic));
}

static void test_rules(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *topic;
        bool match;
    } v[] = {
        {"a", "a", true},         {"a", "b", false},       {"a", "", false},
        {"a", "ab", false},       {"ab", "a", false},      {"a", "a/", false},
        {"a/", "a", false},       {"a/", "a/", true},      {"/a", "/a", true},
        {"/a", "a", false},       {"a//b", "a//b", true},  {"a//b", "a/b", false},
        {"+", "a", true},         {"+", "", true},         {"+", "a/b", false},
        {"+", "/", false},        {"+/+", "/", true},      {"/+", "/a", true},
        {"/+", "/", true},        {"/+", "a", false},      {"a/+", "a/b", true},
        {"a/+", "a/", true},      {"a/+", "a", false},     {"a/+", "a/b/c", false},
        {"+/b", "a/b", true},     {"+/b", "/b", true},     {"+/b", "b", false},
        {"a/+/c", "a/b/c", true}, {"a/+/c", "a//c", true}, {"a/+/c", "a/c", false},
        {"#", "", true},          {"#", "a", true},        {"#", "/", true},
        {"#", "a/b/c", true},     {"a/#", "a", true},      {"a/#", "a/", true},
        {"a/#", "a/b/c", true},   {"a/#", "ab", false},    {"a/#", "b/a", false},
        {"/#", "", true},         {"/#", "/a", true},      {"/#", "a", false},
        {"+/#", "", true},        {"+/#", "a/b", true},    {"+/+/#", "a", false},
        {"a/+/#", "a/b", true},   {"a/+/#", "a", false},   {"$SYS/#", "$SYS/x", true},
        {"#", "$SYS/x", true},    {"+/+/+", "a/b", false}, {"+/x/+", "a/b/c", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(v); i++)
        if (matches(v[i].pattern, v[i].topic) != v[i].match)
            fail_msg("%s and %s", v[i].pattern, v[i].topic);
    /* Bytes, not text: zeros too. */
    static const uint8_t zeros[] = {0, '/', '+'}, topic[] = {0, '/', 0xff, 0}, other[] = {1, '/'};
    assert_int_equal(pattern_check(zeros, sizeof(zeros)), OK);
    assert_true(pattern_match(zeros, sizeof(zeros), topic, sizeof(topic)));
    assert_false(pattern_match(zeros, sizeof(zeros), other, sizeof(other)));
    assert_true(pattern_match(zeros + 2, 1, NULL, 0));
    assert_false(pattern_match(zeros, sizeof(zeros), NULL, 0));
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",   "a+",   "+a",   "a/+b", "a+/b",  "++",
                                      "a#", "#a",   "#/",   "#/a",  "a/#/b", "##",
                                      "+#", "a/b#", "a/#/", "#+",   "a/+#",  "/#/"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (pattern_check((const uint8_t *)bad[i], strlen(bad[i])) != ERR_INVAL)
            fail_msg("taken: %s", bad[i]);
    uint8_t longest[PATTERN_MAX + 1];
    memset(longest, '/', sizeof(longest));
    assert_int_equal(pattern_check(longest, PATTERN_MAX), OK);
    assert_int_equal(pattern_check(longest, PATTERN_MAX + 1), ERR_INVAL);
}

/* --- the twin ----------------------------------------------------------------------------- */

struct text {
    size_t len;
    uint8_t b[PATTERN_MAX];
};

struct cut {
    size_t n;
    struct text level[PATTERN_MAX + 1];
};

static void cut(const struct text *t, struct cut *ret)
{
    memset(ret, 0, sizeof(*ret));
    for (size_t i = 0; i < t->len; i++) {
        struct text *l = &ret->level[ret->n];
        if (t->b[i] == '/')
            ret->n++;
        else
            l->b[l->len++] = t->b[i];
    }
    ret->n++;
}

static bool is(const struct text *t, char c)
{
    return t->len == 1 && t->b[0] == (uint8_t)c;
}

static bool twin_check(const struct text *p)
{
    static struct cut c;
    cut(p, &c);
    for (size_t i = 0; i < c.n; i++) {
        const struct text *l = &c.level[i];
        for (size_t k = 0; k < l->len; k++)
            if ((l->b[k] == '+' || l->b[k] == '#') && l->len > 1)
                return false;
        if (is(l, '#') && i + 1 < c.n)
            return false;
    }
    return p->len > 0;
}

static bool twin_match(const struct cut *p, size_t at, const struct cut *t)
{
    if (at < p->n && is(&p->level[at], '#'))
        return true;
    if (at == p->n || at == t->n)
        return p->n == t->n;
    const struct text *l = &p->level[at], *k = &t->level[at];
    bool same = is(l, '+') || (l->len == k->len && memcmp(l->b, k->b, l->len) == 0);
    return same && twin_match(p, at + 1, t);
}

/* Few different bytes, so that much of it is alike. */
static void random_text(struct rng *r, struct text *ret)
{
    static const char bytes[] = "ab/////++#";
    ret->len = rng_below(r, 12);
    for (size_t i = 0; i < ret->len; i++)
        ret->b[i] = (uint8_t)bytes[rng_below(r, sizeof(bytes) - 1)];
}

static void test_twin(void **state)
{
    (void)state;
    static struct cut pc, tc;
    struct text p, t;
    struct rng r;
    size_t patterns = 0, matched = 0;
    rng_init_seeded(&r, 11);
    for (unsigned i = 0; i < 300000; i++) {
        random_text(&r, &p);
        bool good = twin_check(&p);
        if ((pattern_check(p.b, p.len) == OK) != good)
            fail_msg("check of %.*s", (int)p.len, (const char *)p.b);
        if (!good)
            continue;
        patterns++;
        random_text(&r, &t);
        cut(&p, &pc);
        cut(&t, &tc);
        bool match = twin_match(&pc, 0, &tc);
        matched += match;
        if (pattern_match(p.b, p.len, t.b, t.len) != match)
            fail_msg("%.*s and %.*s", (int)p.len, (const char *)p.b, (int)t.len, (const char *)t.b);
    }
    assert_true(patterns > 30000 && matched > 1000);
}

/* Every beginning of a pattern and of a topic, in memory that ends there. */
static void test_cut(void **state)
{
    (void)state;
    static const char pattern[] = "one/+/three//+/#", topic[] = "one/two/three///last/of/all";
    static struct cut pc, tc;
    for (size_t n = 0; n < sizeof(pattern); n++) {
        uint8_t *p = malloc(n + 1);
        memcpy(p, pattern, n);
        p = realloc(p, n > 0 ? n : 1);
        struct text pt = {.len = n};
        memcpy(pt.b, pattern, n);
        assert_int_equal(pattern_check(p, n) == OK, twin_check(&pt));
        for (size_t k = 0; n > 0 && k < sizeof(topic); k++) {
            uint8_t *t = malloc(k > 0 ? k : 1);
            struct text tt = {.len = k};
            memcpy(t, topic, k);
            memcpy(tt.b, topic, k);
            cut(&pt, &pc);
            cut(&tt, &tc);
            assert_int_equal(pattern_match(p, n, t, k), twin_match(&pc, 0, &tc));
            free(t);
        }
        free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_twin),
        cmocka_unit_test(test_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
