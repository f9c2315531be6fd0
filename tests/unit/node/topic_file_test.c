#include "node/topic_file.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "tests/unit/unit.h"

static struct rng rng;
static char why[TOPIC_FILE_WHY_MAX];

static int parse(const char *text, struct topics **ret)
{
    why[0] = '\0';
    return topic_file_parse("f.toml", text, strlen(text), &rng, ret, why);
}

static struct topics *good(const char *text)
{
    struct topics *t = NULL;
    if (parse(text, &t) != OK)
        fail_msg("%s", why);
    return t;
}

static size_t sources(const struct topics *t, const char *topic)
{
    const struct topic_rule *r = topics_find(t, (const uint8_t *)topic, strlen(topic));
    size_t n = 999;
    if (r)
        (void)topic_rule_sources(r, &n);
    return n;
}

static const char example[] =
    "default = \"Reject\" # everything else\n"
    "old = [\"400::/7\", \"5f4:1::7\"]\n"
    "[\"some.topic\"]\n"
    "subnets = [\n  \"400::/7\",\n"
    "  \"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\" ]\n"
    "extra = 1\n"
    "[nobody]\n"
    "[\"\"]\n"
    "subnets = [\"10.0.0.0/8\"]\n";

static void test_example(void **state)
{
    (void)state;
    struct topics *t = good(example);
    assert_false(topics_accept(t));
    assert_int_equal(topics_count(t), 4);
    assert_int_equal(sources(t, "old"), 2);
    assert_int_equal(sources(t, "some.topic"), 2);
    assert_int_equal(sources(t, "nobody"), 0);
    assert_int_equal(sources(t, ""), 1);
    topics_free(t);
    t = good("");
    assert_true(topics_accept(t));
    assert_int_equal(topics_count(t), 0);
    topics_free(t);
    t = good("[some.topic]\nsubnets=[\"400::/7\"]"); /* a warning, and a topic that refuses all */
    assert_int_equal(sources(t, "some"), 0);
    topics_free(t);
}

static void test_limits(void **state)
{
    (void)state;
    struct topics *t = good("[a]\nmax_msgs = 4294967295\nmax_bytes = 7\n[b]\nmax_age = 316224000\n"
                            "discard = \"old\"\n[c]\ndiscard = \"new\"\n[d]\n");
    const struct bus_topic_limits *l = topic_rule_limits(topics_find(t, (const uint8_t *)"a", 1));
    assert_int_equal(l->max_msgs, UINT32_MAX);
    assert_int_equal(l->max_bytes, 7);
    assert_int_equal(l->expire_ms, 0);
    assert_false(l->drop_oldest);
    l = topic_rule_limits(topics_find(t, (const uint8_t *)"b", 1));
    assert_int_equal(l->max_msgs, 0);
    assert_int_equal(l->expire_ms, BUS_EXPIRE_MAX_MS);
    assert_true(l->drop_oldest);
    assert_false(topic_rule_limits(topics_find(t, (const uint8_t *)"c", 1))->drop_oldest);
    assert_null(topic_rule_limits(topics_find(t, (const uint8_t *)"d", 1)));
    topics_free(t);
}

static void test_forward(void **state)
{
    (void)state;
    struct topics *t = good("[a]\nforward_socket = \"/run/x\"\n[b]\nforward_half_close = true\n"
                            "forward_reply_timeout = 5\nforward_socket = \"/y\"\n[c]\n");
    const struct topic_forward *f = topic_rule_forward(topics_find(t, (const uint8_t *)"a", 1));
    assert_string_equal(f->path, "/run/x");
    assert_false(f->half_close);
    assert_int_equal(f->reply_ms, TOPIC_REPLY_MS);
    f = topic_rule_forward(topics_find(t, (const uint8_t *)"b", 1));
    assert_string_equal(f->path, "/y");
    assert_true(f->half_close);
    assert_int_equal(f->reply_ms, 5000);
    assert_null(topic_rule_forward(topics_find(t, (const uint8_t *)"c", 1)));
    topics_free(t);
}

static void test_errors(void **state)
{
    (void)state;
    char long_topic[300];
    static const struct {
        const char *text, *want;
    } v[] = {
        {"default = \"accept\"", "f.toml:1: default is"},
        {"\ndefault = true", "f.toml:2: default is"},
        {"[default]", "f.toml:1: default is"},
        {"a = 1", "f.toml:1: a topic is a table"},
        {"[[a]]", "f.toml:1: not a subnet"},
        {"[a]\nsubnets = \"400::/7\"", "f.toml:2: the subnets of a topic"},
        {"[a]\nsubnets = [\"400::/7\",\n\"x\"]", "f.toml:3: not a subnet"},
        {"[a]\nsubnets = [\"400::/7\\u0000\"]", "f.toml:2: not a subnet"},
        {"[a]\nsubnets = [4]", "f.toml:2: not a subnet"},
        {"[a]\nforward_socket = \"\"", "f.toml:2: a forward_socket is a path"},
        {"[a]\nforward_socket = 1", "f.toml:2: a forward_socket is a path"},
        {"[a]\nforward_socket = \"/x\\u0000\"", "f.toml:2: a forward_socket is a path"},
        {"[a]\nforward_socket = \"/x\"\nforward_half_close = 1", "f.toml:3: forward_half_close is"},
        {"[a]\nforward_socket = \"/x\"\nforward_reply_timeout = 0", "f.toml:3: forward_reply"},
        {"[a]\nforward_socket = \"/x\"\nforward_reply_timeout = 3001", "f.toml:3: forward_reply"},
        {"[a]\nmax_msgs = 0", "f.toml:2: max_msgs is"},
        {"[a]\nmax_msgs = 4294967296", "f.toml:2: max_msgs is"},
        {"[a]\nmax_bytes = -1", "f.toml:2: max_bytes is"},
        {"[a]\nmax_bytes = \"1\"", "f.toml:2: max_bytes is"},
        {"[a]\nmax_age = 316224001", "f.toml:2: max_age is"},
        {"[a]\ndiscard = \"oldest\"", "f.toml:2: discard is"},
        {"[a]\nforward_half_close = true", "f.toml:1: settings of a forward_socket"},
        {"[a]\nsubnets = [\n", "f.toml:3:1: a value is missing"},
    };
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        struct topics *t = NULL;
        if (parse(v[i].text, &t) == OK)
            fail_msg("taken: %s", v[i].text);
        assert_null(t);
        if (strncmp(why, v[i].want, strlen(v[i].want)) != 0)
            fail_msg("%s instead of %s", why, v[i].want);
    }
    struct topics *t = NULL;
    memset(long_topic, 'a', sizeof(long_topic));
    memcpy(long_topic + 256, "=[]", 4);
    assert_int_equal(parse(long_topic, &t), ERR_TOOBIG);
    t = good(long_topic + 1);
    assert_int_equal(topics_count(t), 1);
    topics_free(t);
}

static void test_cut(void **state)
{
    (void)state;
    size_t taken = 0;
    for (size_t n = 0; n < sizeof(example); n++) {
        struct topics *t = NULL;
        char *cut = malloc(n + 1);
        memcpy(cut, example, n);
        cut[n] = '"';
        if (topic_file_parse("f", cut, n, &rng, &t, why) == OK)
            taken++;
        else
            assert_null(t);
        topics_free(t);
        free(cut);
    }
    assert_true(taken > 5 && taken < sizeof(example) / 2);
}

static void test_file(void **state)
{
    (void)state;
    char path[] = "/tmp/topic_file_XXXXXX";
    struct topics *t = NULL;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, example, sizeof(example) - 1), sizeof(example) - 1);
    assert_int_equal(topic_file_read(path, &rng, &t, why), OK);
    assert_int_equal(topics_count(t), 4);
    topics_free(t);
    t = NULL;
    assert_int_equal(ftruncate(fd, (1 << 20) + 1), 0);
    assert_true(topic_file_read(path, &rng, &t, why) < 0);
    assert_non_null(strstr(why, "too long"));
    close(fd);
    unlink(path);
    assert_int_equal(topic_file_read(path, &rng, &t, why), ERR_NOENT);
    assert_non_null(strstr(why, "No such file"));
    assert_null(t);
}

int main(void)
{
    rng_init_seeded(&rng, 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example), cmocka_unit_test(test_forward),
        cmocka_unit_test(test_limits),  cmocka_unit_test(test_errors),
        cmocka_unit_test(test_cut),     cmocka_unit_test(test_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
