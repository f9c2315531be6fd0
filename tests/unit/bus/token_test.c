/* Tokens, filters, and the index by sequence number. */
#include "bus/token.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/rng.h"
#include "bus/filter.h"
#include "bus/seq_index.h"
#include "tests/unit/unit.h"

static const uint8_t key[BUS_TOKEN_KEY] = {1, 2, 3};
static const uint8_t nonce[TOKEN_NONCE] = {9, 8, 7, 6};
static const struct msg_id id = {{0xaa, 0xbb}};

static void test_text(void **state)
{
    (void)state;
    static const struct {
        uint64_t seq;
        uint32_t generation;
    } v[] = {{0, 0}, {1, 1}, {17, 3}, {INT64_MAX, UINT32_MAX}};
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        struct bus_token t = token_make(key, v[i].seq, v[i].generation, nonce, &id), back;
        char text[BUS_TOKEN_STR_MAX];
        bus_token_str(&t, text);
        assert_int_equal(bus_token_parse(text, strlen(text), &back), OK);
        assert_true(back.seq == t.seq && back.generation == t.generation);
        assert_memory_equal(back.tag, t.tag, sizeof(t.tag));
        for (size_t cut = 0; cut < strlen(text); cut++)
            assert_int_equal(bus_token_parse(text, cut, &back), ERR_INVAL);
        assert_int_equal(bus_token_parse(text, strlen(text) + 1, &back), ERR_INVAL);
    }
    static const char *const bad[] = {"",
                                      ".",
                                      "..",
                                      "1",
                                      "1.1",
                                      "1.1.",
                                      "17.1.zz3qzz3qzz3qzz3qzz3qzz3q",
                                      "-1.1.000000000000000000000000",
                                      "1.-1.000000000000000000000000",
                                      "01.1.000000000000000000000000",
                                      "1.01.000000000000000000000000",
                                      "9223372036854775808.1.000000000000000000000000",
                                      "1.4294967296.000000000000000000000000",
                                      "1.1.00000000000000000000000",
                                      "1.1.0000000000000000000000000",
                                      "1.1.000000000000.00000000000",
                                      " 1.1.000000000000000000000000"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct bus_token t;
        assert_int_equal(bus_token_parse(bad[i], strlen(bad[i]), &t), ERR_INVAL);
    }
}

static void test_made_by_whom(void **state)
{
    (void)state;
    struct bus_token t = token_make(key, 5, 1, nonce, &id), other;
    static const uint8_t other_key[BUS_TOKEN_KEY] = {1, 2, 4};
    const struct msg_id other_id = {{0xaa, 0xbc}};
    assert_true(token_ok(key, &t, &id));
    assert_false(token_ok(other_key, &t, &id));
    assert_false(token_ok(key, &t, &other_id));
    other = t;
    other.seq++;
    assert_false(token_ok(key, &other, &id));
    other = t;
    other.generation++;
    assert_false(token_ok(key, &other, &id));
    for (size_t i = 0; i < BUS_TOKEN_TAG; i++) {
        other = t;
        other.tag[i] ^= 0x80;
        assert_false(token_ok(key, &other, &id));
    }
}

static bool match(enum bus_filter_kind kind, const char *want, const char *topic)
{
    struct bus_filter f = {.topic.len = (uint8_t)strlen(want)};
    f.kind = kind;
    memcpy(f.topic.b, want, f.topic.len);
    return filter_match(&f, (const uint8_t *)topic, strlen(topic));
}

static void test_filter(void **state)
{
    (void)state;
    assert_true(match(BUS_ANY, "", "x") && match(BUS_ANY, "y", ""));
    assert_true(match(BUS_TOPIC, "ab", "ab") && match(BUS_TOPIC, "", ""));
    assert_false(match(BUS_TOPIC, "ab", "abc") || match(BUS_TOPIC, "ab", "a"));
    assert_false(match(BUS_TOPIC, "", "a") || match(BUS_TOPIC, "a", ""));
    assert_true(match(BUS_PREFIX, "ab", "ab") && match(BUS_PREFIX, "ab", "abc"));
    assert_true(match(BUS_PREFIX, "", "") && match(BUS_PREFIX, "", "x"));
    assert_false(match(BUS_PREFIX, "ab", "a") || match(BUS_PREFIX, "ab", "ba"));
    assert_true(match(BUS_PATTERN, "a/+", "a/b") && match(BUS_PATTERN, "#", ""));
    assert_false(match(BUS_PATTERN, "a/+", "a/b/c"));
    struct bus_filter f = {.kind = BUS_PATTERN};
    assert_int_equal(filter_check(&f), ERR_INVAL);
    f.kind = BUS_ANY;
    assert_int_equal(filter_check(&f), OK);
}

/* Against a plain array, with the numbers coming and going as those of messages do. */
static void test_index(void **state)
{
    (void)state;
    static uint8_t there[5000];
    static char things[5000];
    struct seq_index x = {0};
    struct rng rng;
    size_t count = 0, top = 1;
    rng_init_seeded(&rng, 3);
    memset(there, 0, sizeof(there));
    while (top < ARRAY_LEN(there)) {
        size_t at = (size_t)rng_below(&rng, top);
        switch (rng_below(&rng, 4)) {
        case 0:
        case 1:
            assert_int_equal(seq_index_add(&x, top, &things[top]), OK);
            assert_int_equal(seq_index_add(&x, top, &things[top]), ERR_EXIST);
            there[top++] = 1;
            count++;
            break;
        case 2:
            seq_index_del(&x, at);
            count -= there[at];
            there[at] = 0;
            break;
        default:
            if (at > 0 && !there[at]) { /* comes back */
                assert_int_equal(seq_index_add(&x, at, &things[at]), OK);
                there[at] = 1;
                count++;
            }
        }
        assert_ptr_equal(seq_index_get(&x, at), there[at] ? &things[at] : NULL);
        size_t above = seq_index_above(&x, at);
        assert_true(above == x.len || x.v[above].seq > at);
        assert_true(above == 0 || x.v[above - 1].seq <= at);
        assert_int_equal(x.len - x.holes, count);
        assert_true(x.holes <= 64 || x.holes <= x.len / 2);
    }
    for (size_t i = 1; i < x.len; i++)
        assert_true(x.v[i].seq > x.v[i - 1].seq);
    seq_index_fini(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_made_by_whom),
        cmocka_unit_test(test_filter),
        cmocka_unit_test(test_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
