/* The table of topic rules, and what the bus does with it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/rng.h"
#include "bus/asked.h"
#include "bus/topic_rules.h"
#include "tests/unit/bus/rig.h"
#include "tests/unit/unit.h"

static struct topic topic_of(const char *text)
{
    struct topic t = {.len = (uint8_t)strlen(text)};
    memcpy(t.b, text, t.len);
    return t;
}

static struct topic_source source_of(const char *text)
{
    struct topic_source s;
    if (topic_source_parse(text, &s) != OK)
        fail_msg("refused: %s", text);
    return s;
}

static void allow(struct topics *t, const char *topic, const char *source)
{
    struct topic name = topic_of(topic);
    struct topic_source s = source_of(source);
    assert_int_equal(topics_add_source(t, &name, &s), OK);
}

static bool admits(const struct topics *t, const char *topic, const char *src, uint8_t key_byte)
{
    struct ip6 a;
    uint8_t key[MSG_KEY_BYTES];
    memset(key, key_byte, sizeof(key));
    assert_int_equal(ip6_parse(src, &a), OK);
    return topics_admit(t, (const uint8_t *)topic, strlen(topic), &a, key);
}

static struct topics *table(void)
{
    struct rng rng;
    struct topics *t = NULL;
    rng_init_seeded(&rng, 1);
    assert_int_equal(topics_new(&rng, &t), OK);
    return t;
}

static void test_sources(void **state)
{
    (void)state;
    static const char *const good[][2] = {
        {"400::/7", "400::/7"},
        {"503:5478:df06:d79a::5/64", "503:5478:df06:d79a::5/64"},
        {"::1", "::1/128"},
        {"::/0", "::/0"},
        {"10.1.2.3/24", "10.1.2.3/24"},
        {"1.2.3.4", "1.2.3.4/32"},
        {"00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff",
         "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"},
    };
    static const char *const bad[] = {
        "",
        "/",
        "400::/",
        "400::/129",
        "1.2.3.4/33",
        "400::/-1",
        "400::/7 ",
        " 400::",
        "400::/7/",
        "[400::]/7",
        "01.2.3.4",
        "400::%1",
        "x",
        "400::/0x7",
        "00112233445566778899aabbccddeeff00112233445566778899aabbccddee",
        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeef/"};
    char buf[TOPIC_SOURCE_STR_MAX];
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct topic_source s = source_of(good[i][0]);
        assert_string_equal(topic_source_str(&s, buf), good[i][1]);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct topic_source s;
        if (topic_source_parse(bad[i], &s) != ERR_INVAL)
            fail_msg("taken: %s", bad[i]);
    }
}

/* Every beginning of a text is a source or none; nothing is read behind it. */
static void test_sources_cut(void **state)
{
    (void)state;
    static const char *const v[] = {
        "503:5478:df06:d79a::5/64", "10.1.2.3/24",
        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"};
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        for (size_t n = 0; n < strlen(v[i]); n++) {
            char *cut = strndup(v[i], n);
            struct topic_source s;
            char buf[TOPIC_SOURCE_STR_MAX];
            if (topic_source_parse(cut, &s) == OK)
                assert_true(strncmp(topic_source_str(&s, buf), cut, n) == 0);
            free(cut);
        }
    }
}

static void test_equal(void **state)
{
    (void)state;
    struct topic_source a = source_of("10.1.2.3/24"), b = source_of("10.1.2.0/24");
    struct topic_source c = source_of("10.1.2.0/25"), d = source_of("a01:200::/24");
    assert_true(topic_source_eq(&a, &b));
    assert_false(topic_source_eq(&b, &c));
    assert_false(topic_source_eq(&b, &d));
}

static void test_rules(void **state)
{
    (void)state;
    struct topics *t = table();
    struct topic none = topic_of(""), a = topic_of("a");
    size_t n = 9;
    assert_true(admits(t, "", "400::1", 0) && admits(t, "a", "500::1", 0));
    assert_null(topics_sources(t, &a, &n));
    assert_int_equal(topics_add(t, &a), OK);
    assert_int_equal(topics_add(t, &a), OK);
    assert_non_null(topics_sources(t, &a, &n));
    assert_int_equal(n, 0);
    assert_false(admits(t, "a", "400::1", 0)); /* an empty list refuses all */
    assert_true(admits(t, "", "400::1", 0));
    assert_true(admits(t, "ab", "400::1", 0)); /* topics are equal or different */
    allow(t, "a", "401::5/16");
    allow(t, "a", "10.0.0.0/8");
    allow(t, "a", "1111111111111111111111111111111111111111111111111111111111111111");
    assert_true(admits(t, "a", "401:1::9", 0));
    assert_false(admits(t, "a", "402::1", 0));
    assert_true(admits(t, "a", "402::1", 0x11)); /* by its key */
    topics_set_accept(t, false);
    assert_false(admits(t, "", "401::1", 0x11));
    allow(t, "", "400::/7");
    assert_true(admits(t, "", "401::1", 0));
    topics_remove(t, &none);
    topics_remove(t, &none);
    assert_false(admits(t, "", "401::1", 0));
    struct topic_source s = source_of("401::/16");
    allow(t, "a", "401::/16");
    topics_remove_source(t, &a, &s); /* both of them */
    assert_false(admits(t, "a", "401:1::9", 0));
    assert_non_null(topics_sources(t, &a, &n));
    assert_int_equal(n, 2);
    assert_int_equal(topics_count(t), 1);
    topics_free(t);
}

static void test_limits(void **state)
{
    (void)state;
    struct topics *t = table();
    struct topic_source s = source_of("400::1");
    struct topic last = topic_of("last");
    char text[16];
    for (unsigned i = 0; i < TOPICS_MAX; i++) {
        (void)snprintf(text, sizeof(text), "t%u", i);
        struct topic name = topic_of(text);
        assert_int_equal(topics_add(t, &name), OK);
    }
    assert_int_equal(topics_add(t, &last), ERR_LIMIT);
    assert_int_equal(topics_add_source(t, &last, &s), ERR_LIMIT);
    for (unsigned i = 0; i < TOPICS_SOURCES_MAX; i++) {
        (void)snprintf(text, sizeof(text), "t%u", i / TOPIC_SOURCES_MAX);
        allow(t, text, "400::1");
    }
    struct topic full = topic_of("t0"), empty = topic_of("t4000");
    assert_int_equal(topics_add_source(t, &full, &s), ERR_LIMIT);
    assert_int_equal(topics_add_source(t, &empty, &s), ERR_LIMIT);
    topics_remove(t, &full);
    assert_int_equal(topics_add_source(t, &empty, &s), OK);
    topics_remove(t, &empty);
    assert_int_equal(topics_count(t), TOPICS_MAX - 2);
    topics_free(t);
}

static void test_asked(void **state)
{
    (void)state;
    struct rng rng;
    struct asked_ids a;
    struct msg_id id = {{0}};
    rng_init_seeded(&rng, 2);
    assert_int_equal(asked_init(&a, &rng), OK);
    for (uint32_t i = 0; i <= ASKED_MAX; i++) {
        memcpy(id.b, &i, sizeof(i));
        asked_note(&a, 7, &id, i == ASKED_MAX ? 2 * USEC_SEC : 0);
    }
    assert_true(asked_find(&a, 7, &id));
    assert_false(asked_find(&a, 8, &id));
    assert_int_equal(a.map.count, ASKED_MAX);
    assert_false(asked_find(&a, 7, &(struct msg_id){{0}})); /* the oldest went */
    asked_expire(&a, ASKED_LIFE);
    assert_int_equal(a.map.count, 1);
    asked_expire(&a, ASKED_LIFE + 2 * USEC_SEC);
    assert_int_equal(a.map.count, 0);
    asked_fini(&a);
}

/* --- the bus ------------------------------------------------------------------------------ */

static bus_client send_topic(struct rig *r, unsigned from, const struct ip6 *dst, const char *topic)
{
    struct bus_send s = {.dst = *dst, .topic = topic_of(topic)};
    return rig_send_ex(r, from, &s);
}

static struct bus_stats stats_of(struct rig *r, unsigned node)
{
    struct bus_stats st;
    bus_stats(r->node[node].bus, &st);
    return st;
}

static void begin(struct rig *r)
{
    rig_init(r, 3);
    rig_start(r, 0);
    rig_start(r, 1);
}

static void test_refused_is_silent(void **state)
{
    (void)state;
    struct rig r;
    struct topic ok = topic_of("ok");
    rig_init(&r, 3);
    r.node[0].plain = true; /* ours would be told, and give up */
    rig_start(&r, 0);
    rig_start(&r, 1);
    struct topics *t = bus_topics(r.node[1].bus);
    topics_set_accept(t, false);
    struct topic_source s = {.kind = TOPIC_SOURCE_IP6, .plen = 64};
    memcpy(s.b, r.node[0].addr.b, sizeof(r.node[0].addr.b));
    assert_int_equal(topics_add_source(t, &ok, &s), OK);
    bus_client refused = send_topic(&r, 0, &r.node[1].addr, "other");
    (void)send_topic(&r, 0, &r.node[1].addr, "ok");
    rig_run(&r, 3 * USEC_SEC);
    struct bus_stats st = stats_of(&r, 1);
    assert_int_equal(st.received, 1);
    assert_true(st.refused_topic > 0);
    assert_int_equal(st.in_parts, 0);
    /* Later the rule is there: the sender still asks. */
    topics_set_accept(t, true);
    rig_run(&r, 60 * USEC_SEC);
    assert_int_equal(stats_of(&r, 1).received, 2);
    assert_non_null(rig_answer(&r, 0, refused, BUS_OUT_ACCEPTED));
    rig_fini(&r);
}

static void test_reply(void **state)
{
    (void)state;
    struct rig r;
    begin(&r);
    topics_set_accept(bus_topics(r.node[0].bus), false);
    bus_client c = send_topic(&r, 0, &r.node[1].addr, "question");
    rig_run(&r, USEC_SEC);
    struct rig_answer *a = rig_answer(&r, 0, c, BUS_OUT_ACCEPTED);
    assert_non_null(a);
    struct bus_send s = {.dst = r.node[0].addr, .reply = true, .reply_to = a->id};
    (void)rig_send_ex(&r, 1, &s);
    rig_run(&r, USEC_SEC);
    assert_int_equal(stats_of(&r, 0).received, 1); /* it answers what was asked */
    s.reply_to.b[0] ^= 1;
    (void)rig_send_ex(&r, 1, &s);
    rig_run(&r, USEC_SEC);
    assert_int_equal(stats_of(&r, 0).received, 1); /* it answers nothing: the rules apply */
    assert_true(stats_of(&r, 0).refused_topic > 0);
    rig_fini(&r);
}

static void test_to_oneself(void **state)
{
    (void)state;
    struct rig r;
    begin(&r);
    struct bus *b = r.node[0].bus;
    topics_set_accept(bus_topics(b), false);
    struct topic ok = topic_of("ok");
    struct topic_source s = {.kind = TOPIC_SOURCE_KEY};
    memcpy(s.b, r.node[0].key, sizeof(s.b));
    assert_int_equal(topics_add_source(bus_topics(b), &ok, &s), OK);
    struct bus_send m = {.dst = r.node[0].addr, .topic = topic_of("no")};
    assert_int_equal(bus_send(b, &m, 991, rig_instant(&r)), ERR_PERM);
    m.topic = ok;
    assert_int_equal(bus_send(b, &m, 992, rig_instant(&r)), OK);
    rig_drain(&r, 0);
    rig_run(&r, USEC_SEC);
    assert_int_equal(stats_of(&r, 0).local, 1);
    /* other rules as a whole */
    struct topics *t = table();
    bus_set_topics(b, t);
    assert_ptr_equal(bus_topics(b), t);
    m.topic = topic_of("no");
    assert_int_equal(bus_send(b, &m, 993, rig_instant(&r)), OK);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sources),    cmocka_unit_test(test_sources_cut),
        cmocka_unit_test(test_equal),      cmocka_unit_test(test_rules),
        cmocka_unit_test(test_limits),     cmocka_unit_test(test_asked),
        cmocka_unit_test(test_to_oneself), cmocka_unit_test(test_refused_is_silent),
        cmocka_unit_test(test_reply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
