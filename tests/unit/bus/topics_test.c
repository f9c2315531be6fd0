/* The table of topic rules, and what the bus does with it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/rng.h"
#include "base/text.h"
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

/* The rule with one source more; source NULL: as it is, or a new one without. */
static int put(struct topics *t, const char *topic, const char *source)
{
    struct topic name = topic_of(topic);
    const struct topic_rule *old = topics_find(t, name.b, name.len);
    struct topic_rule *r = NULL;
    assert_int_equal(old ? topic_rule_copy(old, &r) : topic_rule_new(&name, &r), OK);
    int rc = OK;
    if (source) {
        struct topic_source s = source_of(source);
        rc = topic_rule_allow(r, &s);
    }
    if (rc == OK)
        rc = topics_fit(t, r);
    if (rc == OK)
        topics_put(t, r);
    else
        topic_rule_free(r);
    return rc;
}

static void allow(struct topics *t, const char *topic, const char *source)
{
    assert_int_equal(put(t, topic, source), OK);
}

/* How many sources; 999: no rule. */
static size_t sources(const struct topics *t, const char *topic)
{
    const struct topic_rule *r = topics_find(t, (const uint8_t *)topic, strlen(topic));
    size_t n = 999;
    if (r)
        (void)topic_rule_sources(r, &n);
    return n;
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
    assert_true(admits(t, "", "400::1", 0) && admits(t, "a", "500::1", 0));
    assert_int_equal(sources(t, "a"), 999);
    allow(t, "a", NULL);
    assert_int_equal(sources(t, "a"), 0);
    assert_false(admits(t, "a", "400::1", 0)); /* an empty list refuses all */
    assert_true(admits(t, "", "400::1", 0));
    assert_true(admits(t, "ab", "400::1", 0)); /* topics are equal or different */
    allow(t, "a", "401::5/16");
    allow(t, "a", "10.0.0.0/8");
    allow(t, "a", "1111111111111111111111111111111111111111111111111111111111111111");
    assert_true(admits(t, "a", "401:1::9", 0));
    assert_false(admits(t, "a", "402::1", 0));
    assert_true(admits(t, "a", "402::1", 0x11)); /* by its key */
    assert_false(topics_accept_set(t));
    topics_set_accept(t, false);
    assert_true(topics_accept_set(t));
    assert_false(admits(t, "", "401::1", 0x11));
    allow(t, "", "400::/7");
    assert_true(admits(t, "", "401::1", 0));
    topics_remove(t, &none);
    topics_remove(t, &none);
    assert_false(admits(t, "", "401::1", 0));
    struct topic_source s = source_of("401::/16");
    struct topic_rule *r;
    allow(t, "a", "401::/16");
    assert_int_equal(topic_rule_copy(topics_find(t, a.b, a.len), &r), OK);
    topic_rule_deny(r, &s); /* both of them */
    assert_true(admits(t, "a", "401:1::9", 0));
    topics_put(t, r);
    assert_false(admits(t, "a", "401:1::9", 0));
    assert_int_equal(sources(t, "a"), 2);
    assert_int_equal(topics_count(t), 1);
    topics_free(t);
}

static void test_limits(void **state)
{
    (void)state;
    struct topics *t = table();
    char text[16];
    for (unsigned i = 0; i < TOPICS_MAX; i++) {
        (void)snprintf(text, sizeof(text), "t%u", i);
        allow(t, text, NULL);
    }
    assert_int_equal(put(t, "last", NULL), ERR_LIMIT);
    for (unsigned i = 0; i < TOPICS_SOURCES_MAX; i++) {
        (void)snprintf(text, sizeof(text), "t%u", i / TOPIC_SOURCES_MAX);
        allow(t, text, "400::1");
    }
    struct topic full = topic_of("t0"), empty = topic_of("t4000");
    assert_int_equal(put(t, "t0", "400::1"), ERR_LIMIT);
    assert_int_equal(put(t, "t4000", "400::1"), ERR_LIMIT);
    topics_remove(t, &full);
    allow(t, "t4000", "400::1");
    topics_remove(t, &empty);
    assert_int_equal(topics_count(t), TOPICS_MAX - 2);
    topics_free(t);
}

/* What the first table says stays; the rest comes from the other. */
static void test_merge(void **state)
{
    (void)state;
    struct topics *file = table(), *kept = table();
    allow(file, "a", "400::1");
    allow(kept, "a", "400::2");
    allow(kept, "a", "400::3");
    allow(kept, "b", "400::2");
    topics_set_accept(kept, false);
    assert_int_equal(topics_merge(file, kept), OK);
    assert_int_equal(sources(file, "a"), 1);
    assert_int_equal(sources(file, "b"), 1);
    assert_false(topics_accept(file));
    topics_set_accept(kept, true);
    assert_int_equal(topics_merge(file, kept), OK);
    assert_false(topics_accept(file)); /* it says so itself now */
    char text[16];
    for (unsigned i = 0; topics_count(file) < TOPICS_MAX; i++) {
        (void)snprintf(text, sizeof(text), "t%u", i);
        allow(file, text, NULL);
    }
    allow(kept, "one more", NULL);
    assert_int_equal(topics_merge(file, kept), ERR_LIMIT);
    topics_free(file);
    topics_free(kept);
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
    char addr[IP6_STR_MAX];
    rig_init(&r, 3);
    r.node[0].plain = true; /* ours would be told, and give up */
    rig_start(&r, 0);
    rig_start(&r, 1);
    rig_accept(&r, 1, false);
    rig_rule(&r, 1, "ok", ip6_str(&r.node[0].addr, addr));
    bus_client refused = send_topic(&r, 0, &r.node[1].addr, "other");
    (void)send_topic(&r, 0, &r.node[1].addr, "ok");
    rig_run(&r, 3 * USEC_SEC);
    struct bus_stats st = stats_of(&r, 1);
    assert_int_equal(st.received, 1);
    assert_true(st.refused_topic > 0);
    assert_int_equal(st.in_parts, 0);
    /* Later the rule is there: the sender still asks. */
    rig_accept(&r, 1, true);
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
    rig_accept(&r, 0, false);
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
    char key[2 * MSG_KEY_BYTES + 1];
    struct topic ok = topic_of("ok");
    rig_accept(&r, 0, false);
    rig_rule(&r, 0, "ok", hex_encode(r.node[0].key, MSG_KEY_BYTES, key));
    struct bus_send m = {.dst = r.node[0].addr, .topic = topic_of("no")};
    assert_int_equal(bus_send(b, &m, 991, rig_instant(&r)), ERR_PERM);
    m.topic = ok;
    assert_int_equal(bus_send(b, &m, 992, rig_instant(&r)), OK);
    rig_drain(&r, 0);
    rig_run(&r, USEC_SEC);
    assert_int_equal(stats_of(&r, 0).local, 1);
    /* The rules of a file win; of the others nothing is lost. */
    struct topics *t = table();
    topics_set_accept(t, true);
    assert_int_equal(bus_set_topics(b, t, rig_instant(&r)), OK);
    assert_ptr_equal(bus_topics(b), t);
    assert_int_equal(sources(t, "ok"), 1);
    m.topic = topic_of("no");
    assert_int_equal(bus_send(b, &m, 993, rig_instant(&r)), OK);
    rig_fini(&r);
}

static struct topic_change change_of(enum topic_change_kind kind, const char *topic,
                                     const char *source)
{
    struct topic_change c = {.kind = kind, .topic = topic_of(topic)};
    if (source)
        c.source = source_of(source);
    return c;
}

/* Changes hold when they are durable, one after the other, and over a crash. */
static void test_changes(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r, 5);
    r.node[0].commit_min = r.node[0].commit_max = 10 * USEC_MS;
    rig_start(&r, 0);
    struct bus *b = r.node[0].bus;
    struct topic_change c = change_of(TOPIC_ALLOW, "a", "400::1");
    size_t ops = r.node[0].store.ops;
    for (bus_client i = 1; i <= 3; i++) /* at once: each is built on the one before */
        assert_int_equal(bus_topic_change(b, &c, 800 + i, rig_instant(&r)), OK);
    assert_int_equal(bus_topic_change(b, &c, 801, rig_instant(&r)), ERR_BUSY);
    bus_forget_client(b, 802); /* its change waited: nobody asks for it any more */
    rig_drain(&r, 0);
    assert_int_equal(sources(bus_topics(b), "a"), 999); /* not durable yet */
    assert_null(rig_answer(&r, 0, 801, BUS_OUT_CHANGED));
    bus_forget_client(b, 801); /* under way: it takes effect */
    rig_run(&r, 100 * USEC_MS);
    assert_int_equal(sources(bus_topics(b), "a"), 2);
    assert_null(rig_answer(&r, 0, 801, BUS_OUT_CHANGED));
    assert_int_equal(rig_answer(&r, 0, 803, BUS_OUT_CHANGED)->rc, OK);
    assert_int_equal(r.node[0].store.ops, ops + 2);

    /* What is so already asks nothing of the store. */
    rig_run(&r, USEC_SEC); /* the first sweep is over */
    ops = r.node[0].store.ops;
    c = change_of(TOPIC_ADD, "a", NULL);
    assert_int_equal(rig_change(&r, 0, &c), OK);
    c = change_of(TOPIC_REMOVE, "none", NULL);
    assert_int_equal(rig_change(&r, 0, &c), OK);
    c = change_of(TOPIC_DENY, "none", "400::1");
    assert_int_equal(rig_change(&r, 0, &c), OK);
    assert_int_equal(r.node[0].store.ops, ops);

    /* A store that fails changes nothing, also not for the next one. */
    r.node[0].store.fail_next = 1;
    c = change_of(TOPIC_REMOVE, "a", NULL);
    assert_int_equal(rig_change(&r, 0, &c), ERR_IO);
    assert_int_equal(sources(bus_topics(b), "a"), 2);
    r.node[0].store.fail_next = 1;
    c = (struct topic_change){.kind = TOPIC_DEFAULT};
    assert_int_equal(rig_change(&r, 0, &c), ERR_IO);
    assert_true(topics_accept(bus_topics(b)));
    rig_accept(&r, 0, false);
    rig_rule(&r, 0, "b", NULL);

    rig_crash(&r, 0);
    rig_start(&r, 0);
    b = r.node[0].bus;
    assert_int_equal(sources(bus_topics(b), "a"), 2);
    assert_int_equal(sources(bus_topics(b), "b"), 0);
    assert_false(topics_accept(bus_topics(b)));
    c = change_of(TOPIC_DENY, "a", "400::1");
    assert_int_equal(rig_change(&r, 0, &c), OK);
    c = change_of(TOPIC_REMOVE, "b", NULL);
    assert_int_equal(rig_change(&r, 0, &c), OK);
    rig_crash(&r, 0);
    rig_start(&r, 0);
    assert_int_equal(sources(bus_topics(r.node[0].bus), "a"), 0);
    assert_int_equal(sources(bus_topics(r.node[0].bus), "b"), 999);

    /* At a limit. */
    for (unsigned i = 0; i < TOPIC_SOURCES_MAX; i++)
        rig_rule(&r, 0, "c", "400::1");
    c = change_of(TOPIC_ALLOW, "c", "400::1");
    assert_int_equal(rig_change(&r, 0, &c), ERR_LIMIT);
    assert_int_equal(sources(bus_topics(r.node[0].bus), "c"), TOPIC_SOURCES_MAX);
    /* The end comes while one is under way and one waits. */
    assert_int_equal(bus_topic_change(r.node[0].bus, &(struct topic_change){.kind = TOPIC_DEFAULT},
                                      901, rig_instant(&r)),
                     OK);
    assert_int_equal(bus_topic_change(r.node[0].bus, &c, 902, rig_instant(&r)), OK);
    rig_drain(&r, 0);
    rig_fini(&r);
}

/* The limits of a file hold for the inbox until another file takes their place. */
static void test_inbox_limits(void **state)
{
    (void)state;
    struct rig r;
    begin(&r);
    struct bus *b = r.node[0].bus;
    struct bus_send m = {.dst = r.node[0].addr, .topic = topic_of("few")};
    const struct bus_topic_limits one = {.max_msgs = 1}, two = {.max_msgs = 2};
    for (int turn = 0; turn < 3; turn++) { /* one; two; the limit of every topic */
        struct topics *t = table();
        struct topic_rule *rule = NULL;
        topics_set_accept(t, true);
        assert_int_equal(topic_rule_new(&m.topic, &rule), OK);
        struct topic_source any;
        assert_int_equal(topic_source_parse("400::/7", &any), OK);
        assert_int_equal(topic_rule_allow(rule, &any), OK);
        if (turn < 2)
            topic_rule_set_limits(rule, turn == 0 ? &one : &two);
        topics_put(t, rule);
        assert_int_equal(bus_set_topics(b, t, rig_instant(&r)), OK);
        bus_client client = 900 + 10 * (bus_client)turn;
        assert_int_equal(bus_send(b, &m, client, rig_instant(&r)), OK);
        rig_drain(&r, 0);
        rig_run(&r, USEC_SEC);
        assert_int_equal(bus_send(b, &m, client + 1, rig_instant(&r)), turn < 2 ? ERR_LIMIT : OK);
        rig_drain(&r, 0);
        rig_run(&r, USEC_SEC);
    }
    assert_int_equal(stats_of(&r, 0).in_ready, 4);
    rig_fini(&r);
}

/* The rules of the store and of a file, whatever comes first at the start. */
static void test_load(void **state)
{
    (void)state;
    for (int file_first = 0; file_first < 2; file_first++) {
        struct rng rng;
        struct bus *b;
        struct bus_conf conf = {.rng = &rng};
        struct topics *file = table(), *rows = table();
        rng_init_seeded(&rng, 9);
        bus_limits_default(&conf.limits);
        assert_int_equal(bus_new(&conf, (struct instant){.mono = 1}, &b), OK);
        allow(file, "both", "400::1");
        allow(rows, "both", "400::2");
        allow(rows, "both", "400::3");
        allow(rows, "row", "400::2");
        if (file_first)
            assert_int_equal(bus_set_topics(b, file, (struct instant){.mono = 1}), OK);
        assert_int_equal(bus_load_rule(b, topics_find(rows, (const uint8_t *)"both", 4)), OK);
        assert_int_equal(bus_load_rule(b, topics_find(rows, (const uint8_t *)"row", 3)), OK);
        bus_load_rule_default(b, false);
        if (!file_first)
            assert_int_equal(bus_set_topics(b, file, (struct instant){.mono = 1}), OK);
        assert_int_equal(sources(bus_topics(b), "both"), 1);
        assert_int_equal(sources(bus_topics(b), "row"), 1);
        assert_false(topics_accept(bus_topics(b)));
        topics_free(rows);
        bus_free(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sources),    cmocka_unit_test(test_sources_cut),
        cmocka_unit_test(test_equal),      cmocka_unit_test(test_rules),
        cmocka_unit_test(test_limits),     cmocka_unit_test(test_asked),
        cmocka_unit_test(test_to_oneself), cmocka_unit_test(test_refused_is_silent),
        cmocka_unit_test(test_reply),      cmocka_unit_test(test_merge),
        cmocka_unit_test(test_changes),    cmocka_unit_test(test_inbox_limits),
        cmocka_unit_test(test_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
