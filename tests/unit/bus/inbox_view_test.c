/* The inbox as operators see it, and its limits per topic. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/unit/bus/rig.h"
#include "tests/unit/unit.h"

static struct topic topic_of(const char *text)
{
    struct topic t = {.len = (uint8_t)strlen(text)};
    memcpy(t.b, text, t.len);
    return t;
}

static void start(struct rig *r, uint64_t seed)
{
    rig_init(r, seed);
    rig_start(r, 0);
    rig_start(r, 1);
}

static void send(struct rig *r, const char *topic, uint8_t byte, size_t len)
{
    struct bus_send s = {.dst = r->node[1].addr, .topic = topic_of(topic)};
    s.payload = rig_pattern(len);
    s.payload->data[0] = byte;
    assert_int_not_equal(rig_send_ex(r, 0, &s), 0);
    blob_unref(s.payload);
    rig_run(r, 300 * USEC_MS);
}

static struct bus_stats stats(struct rig *r)
{
    struct bus_stats st;
    bus_stats(r->node[1].bus, &st);
    return st;
}

static struct bus_inbox_list everything(uint32_t limit)
{
    return (struct bus_inbox_list){
        .receiving = true, .ready = true, .leased = true, .dead = true, .limit = limit};
}

static struct bus_inbox_entry entries[BUS_LIST_MAX];

static size_t list(struct rig *r, const struct bus_inbox_list *l, uint64_t *ret_next)
{
    size_t n = 0;
    uint64_t next = 0;
    assert_int_equal(bus_inbox_list(r->node[1].bus, l, rig_instant(r), entries, &n, &next), OK);
    if (ret_next)
        *ret_next = next;
    return n;
}

static struct bus_message fetch_one(struct rig *r, const char *topic)
{
    struct bus_fetch f = {.max = 1, .max_bytes = 1 << 20};
    f.filter.kind = topic ? BUS_TOPIC : BUS_ANY;
    if (topic)
        f.filter.topic = topic_of(topic);
    bus_client c = rig_fetch(r, 1, &f);
    rig_run(r, 20 * USEC_MS);
    struct rig_answer *a = rig_answer(r, 1, c, BUS_OUT_FETCHED);
    assert_non_null(a);
    assert_int_equal(a->n, 1);
    return a->messages[0];
}

static void settle(struct rig *r, enum bus_settle_kind kind, const struct bus_token *t, int64_t ms)
{
    bus_client c = rig_settle(r, 1, kind, t, 1, ms);
    rig_run(r, 20 * USEC_MS);
    struct rig_answer *a = rig_answer(r, 1, c, BUS_OUT_SETTLED);
    assert_true(a && a->rc == OK && a->done == 1);
}

typedef int operation(struct bus *b, uint64_t seq, bus_client client, struct instant now);

static int operate(struct rig *r, operation *call, uint64_t seq)
{
    bus_client c = ++r->node[1].next_client;
    int rc = call(r->node[1].bus, seq, c, rig_instant(r));
    if (rc < 0)
        return rc;
    rig_run(r, 20 * USEC_MS);
    struct rig_answer *a = rig_answer(r, 1, c, BUS_OUT_SETTLED);
    assert_non_null(a);
    return a->rc != OK ? a->rc : a->done == 1 ? OK : ERR_NOENT;
}

/* Messages of more than one chunk do not get beyond the first. */
static bool only_beginnings(struct rig *r, const struct rig_packet *p)
{
    (void)r;
    if (p->flags == MSG_CHUNK)
        return p->bytes[MSG_HEADER_BYTES + 7] != 0;
    return p->flags == MSG_DONE && p->bytes[MSG_HEADER_BYTES + 7] != 1;
}

static bool nothing(struct rig *r, const struct rig_packet *p)
{
    (void)r;
    (void)p;
    return true;
}

static void test_list(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 1);
    assert_int_equal(list(&r, &(struct bus_inbox_list){.ready = true, .limit = 1}, NULL), 0);
    send(&r, "a", 1, 10);
    send(&r, "ab", 2, 20);
    r.filter = only_beginnings;
    send(&r, "ac", 3, 4000);
    send(&r, "b", 4, 40);
    send(&r, "a", 5, 50);
    struct bus_message leased = fetch_one(&r, "b"), dead = fetch_one(&r, "ab");
    settle(&r, BUS_TERM, &dead.token, 0);
    size_t reads = r.count[11];

    struct bus_inbox_list l = everything(100);
    uint64_t next = 9;
    assert_int_equal(list(&r, &l, &next), 5);
    assert_int_equal(next, 0);
    static const enum in_state states[] = {IN_READY, IN_DEAD, IN_PART, IN_LEASED, IN_READY};
    static const uint64_t lens[] = {10, 20, 4000, 40, 50};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(entries[i].state, states[i]);
        assert_int_equal(entries[i].len, lens[i]);
        assert_true(i == 0 || entries[i].seq > entries[i - 1].seq);
        assert_int_equal(entries[i].have < entries[i].len, i == 2);
        assert_true(ip6_eq(&entries[i].src, &r.node[0].addr));
    }
    assert_int_equal(entries[2].have, 1000);
    assert_true(entries[2].expire_ms > entries[2].recv_ms);
    assert_true(entries[1].expire_ms > entries[1].recv_ms + 6 * 24 * 3600 * INT64_C(1000));
    assert_int_equal(entries[3].offers, 1);
    assert_int_equal(entries[3].lease_ms, leased.lease_ms);
    assert_int_equal(entries[0].expire_ms, 0);

    /* By state, by topic, page by page. */
    l = (struct bus_inbox_list){.leased = true, .limit = 10};
    assert_int_equal(list(&r, &l, NULL), 1);
    l = everything(10);
    l.filter.kind = BUS_PREFIX;
    l.filter.topic = topic_of("a");
    assert_int_equal(list(&r, &l, NULL), 4);
    l.filter.kind = BUS_TOPIC;
    assert_int_equal(list(&r, &l, NULL), 2);
    l.filter.kind = BUS_PATTERN;
    l.filter.topic = topic_of("+");
    assert_int_equal(list(&r, &l, NULL), 5);
    l.filter.topic = topic_of("a/#");
    assert_int_equal(list(&r, &l, NULL), 2);
    l.filter.topic = topic_of("a#");
    size_t n;
    assert_int_equal(bus_inbox_list(r.node[1].bus, &l, rig_instant(&r), entries, &n, &next),
                     ERR_INVAL);
    l = everything(2);
    uint64_t seen[5];
    size_t total = 0, pages = 0;
    do {
        n = list(&r, &l, &next);
        for (size_t i = 0; i < n; i++)
            seen[total++] = entries[i].len;
        l.after = next;
        pages++;
    } while (next);
    assert_int_equal(total, 5);
    assert_memory_equal(seen, lens, sizeof(seen));
    assert_true(pages <= 4);
    l.limit = 0;
    assert_int_equal(bus_inbox_list(r.node[1].bus, &l, rig_instant(&r), entries, &n, &next),
                     ERR_INVAL);
    l.limit = BUS_LIST_MAX + 1;
    assert_int_equal(bus_inbox_list(r.node[1].bus, &l, rig_instant(&r), entries, &n, &next),
                     ERR_INVAL);
    assert_int_equal(r.count[11], reads); /* nobody was told anything */
    rig_fini(&r);
}

/* Many that are not wanted: a page ends early, and the next one goes on. */
static void test_long_list(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 2);
    struct bus_in_row row = {.state = IN_READY, .len = 1};
    for (uint64_t i = 1; i <= BUS_LIST_SCAN_MAX + 100; i++) {
        row.seq = i;
        row.topic = topic_of(i % 10000 == 0 ? "rare" : "usual");
        assert_int_equal(bus_load_in(r.node[1].bus, &row, rig_instant(&r)), OK);
    }
    struct bus_inbox_list l = everything(100);
    l.filter.kind = BUS_TOPIC;
    l.filter.topic = topic_of("none");
    uint64_t next = 0;
    assert_int_equal(list(&r, &l, &next), 0);
    assert_int_equal(next, BUS_LIST_SCAN_MAX);
    l.after = next;
    assert_int_equal(list(&r, &l, &next), 0);
    assert_int_equal(next, 0);
    l.after = 0;
    l.filter.topic = topic_of("rare");
    assert_int_equal(list(&r, &l, &next), 2);
    rig_fini(&r);
}

static void test_body_drop_requeue(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r, 3);
    r.node[1].limits.in_cache_bytes = 60;
    rig_start(&r, 0);
    rig_start(&r, 1);
    send(&r, "", 1, 50);
    send(&r, "", 2, 50); /* not in memory */
    r.filter = only_beginnings;
    send(&r, "", 3, 4000);
    r.filter = nothing;
    struct bus_inbox_list l = everything(10);
    assert_int_equal(list(&r, &l, NULL), 3);
    uint64_t seq[3] = {entries[0].seq, entries[1].seq, entries[2].seq};
    size_t reads = r.count[11];
    for (size_t i = 0; i < 2; i++) {
        bus_client c = ++r.node[1].next_client;
        assert_int_equal(bus_inbox_body(r.node[1].bus, seq[i], c, rig_instant(&r)), OK);
        rig_run(&r, 20 * USEC_MS);
        struct rig_answer *a = rig_answer(&r, 1, c, BUS_OUT_BODY);
        assert_true(a && a->rc == OK && a->payload && a->payload->len == 50);
        assert_int_equal(a->payload->data[0], i + 1);
    }
    assert_int_equal(bus_inbox_body(r.node[1].bus, seq[2], 999, rig_instant(&r)), ERR_NOENT);
    assert_int_equal(operate(&r, bus_inbox_requeue, seq[2]), ERR_NOENT);
    assert_int_equal(operate(&r, bus_inbox_requeue, seq[0]), OK); /* it is ready */
    /* Taken away from who has it on lease; that one may still finish. */
    struct bus_message m = fetch_one(&r, NULL);
    assert_int_equal(m.seq, seq[0]);
    assert_int_equal(operate(&r, bus_inbox_requeue, seq[0]), OK);
    struct bus_message again = fetch_one(&r, NULL);
    assert_int_equal(again.seq, seq[0]);
    assert_int_equal(again.redelivered, 1);
    /* A delay ends early. */
    settle(&r, BUS_NACK, &again.token, 60000);
    assert_int_equal(operate(&r, bus_inbox_requeue, seq[0]), OK);
    m = fetch_one(&r, NULL);
    assert_int_equal(m.seq, seq[0]);
    assert_int_equal(operate(&r, bus_inbox_drop, seq[0]), OK); /* on lease */
    assert_int_equal(operate(&r, bus_inbox_drop, seq[1]), OK); /* ready */
    assert_int_equal(operate(&r, bus_inbox_drop, seq[2]), OK); /* coming */
    assert_int_equal(operate(&r, bus_inbox_drop, seq[2]), ERR_NOENT);
    assert_int_equal(r.count[11], reads);
    struct bus_stats st = stats(&r);
    assert_int_equal(st.in_bytes + st.in_ready + st.in_leased + st.in_cached_bytes, 0);
    assert_int_equal(r.node[1].store.in.count, 0);
    rig_fini(&r);
}

/* --- limits ------------------------------------------------------------------------------- */

static void set(struct rig *r, const char *topic, struct bus_topic_limits l)
{
    struct topic t = topic_of(topic);
    assert_int_equal(bus_topic_limits_set(r->node[1].bus, &t, &l, rig_instant(r)), OK);
}

static void test_topic_refuses(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 4);
    set(&r, "few", (struct bus_topic_limits){.max_msgs = 2});
    set(&r, "small", (struct bus_topic_limits){.max_bytes = 100});
    for (uint8_t i = 0; i < 4; i++)
        send(&r, "other", i, 40);
    for (uint8_t i = 0; i < 4; i++) {
        send(&r, "few", i, 10);
        send(&r, "small", i, 40);
    }
    rig_run(&r, 40 * USEC_SEC);
    struct bus_inbox_list l = everything(100);
    assert_int_equal(list(&r, &l, NULL), 2 + 2 + 4);
    assert_true(stats(&r).refused_limit > 0);
    /* On lease they count, dead they do not; then the others arrive. */
    struct bus_message m = fetch_one(&r, "few");
    rig_run(&r, 20 * USEC_SEC);
    assert_int_equal(list(&r, &l, NULL), 8);
    settle(&r, BUS_TERM, &m.token, 0);
    rig_run(&r, 60 * USEC_SEC);
    assert_int_equal(list(&r, &l, NULL), 9);
    m = fetch_one(&r, "small");
    settle(&r, BUS_ACK, &m.token, 0);
    rig_run(&r, 60 * USEC_SEC);
    assert_int_equal(list(&r, &l, NULL), 9);
    /* Without limits of its own. */
    struct topic t = topic_of("few");
    assert_int_equal(bus_topic_limits_set(r.node[1].bus, &t, NULL, rig_instant(&r)), OK);
    rig_run(&r, 60 * USEC_SEC);
    assert_int_equal(list(&r, &l, NULL), 10);
    rig_fini(&r);
}

/* Messages that come at the same time have their places before they are there. */
static void test_places_are_reserved(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 5);
    set(&r, "few", (struct bus_topic_limits){.max_msgs = 3});
    struct bus_send s = {.dst = r.node[1].addr, .topic = topic_of("few")};
    s.payload = rig_pattern(3000);
    for (int i = 0; i < 10; i++)
        assert_int_not_equal(rig_send_ex(&r, 0, &s), 0);
    s.dst = r.node[1].addr;
    for (int i = 0; i < 10; i++) { /* and its own */
        bus_client c = ++r.node[1].next_client;
        int rc = bus_send(r.node[1].bus, &s, c, rig_instant(&r));
        assert_int_equal(rc, i < 3 ? OK : ERR_LIMIT);
    }
    blob_unref(s.payload);
    rig_run(&r, 20 * USEC_SEC);
    assert_int_equal(stats(&r).in_ready, 3);
    rig_fini(&r);
}

static void test_drop_oldest(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 6);
    set(&r, "news", (struct bus_topic_limits){.max_msgs = 3, .drop_oldest = true});
    for (uint8_t i = 1; i <= 6; i++)
        send(&r, "news", i, 10);
    assert_int_equal(stats(&r).in_ready, 3);
    assert_int_equal(stats(&r).in_pushed, 3);
    assert_int_equal(fake_ready_count(&r.node[1].store), 3);
    struct bus_message m = fetch_one(&r, "news");
    assert_int_equal(m.payload->data[0], 4);
    /* What is on lease is not pushed out; when all of it is, nothing new comes in. */
    (void)fetch_one(&r, "news");
    (void)fetch_one(&r, "news");
    send(&r, "news", 7, 10);
    assert_int_equal(stats(&r).in_leased, 3);
    assert_int_equal(stats(&r).in_ready, 0);
    settle(&r, BUS_ACK, &m.token, 0);
    rig_run(&r, 10 * USEC_SEC);
    assert_int_equal(stats(&r).in_ready, 1);
    /* A lower limit takes effect at once. */
    rig_run(&r, 40 * USEC_SEC);
    assert_int_equal(stats(&r).in_ready, 3);
    set(&r, "news", (struct bus_topic_limits){.max_msgs = 1, .drop_oldest = true});
    rig_run(&r, USEC_SEC);
    assert_int_equal(fetch_one(&r, "news").payload->data[0], 7);
    rig_fini(&r);
}

static void test_expiry(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 7);
    send(&r, "old", 1, 10); /* is there before the limit */
    set(&r, "old", (struct bus_topic_limits){.expire_ms = 60000});
    rig_run(&r, 30 * USEC_SEC);
    send(&r, "old", 2, 10);
    send(&r, "other", 3, 10);
    struct bus_message m = fetch_one(&r, "old");
    settle(&r, BUS_RENEW, &m.token, 120000); /* who has it may finish */
    rig_run(&r, 40 * USEC_SEC);
    assert_int_equal(stats(&r).in_expired, 0);
    rig_run(&r, 30 * USEC_SEC);
    assert_int_equal(stats(&r).in_expired, 1);
    assert_int_equal(stats(&r).in_leased, 1);
    rig_run(&r, 60 * USEC_SEC);
    assert_int_equal(stats(&r).in_leased, 0);
    assert_int_equal(stats(&r).in_expired, 2);
    assert_int_equal(stats(&r).in_ready, 1);
    assert_int_equal(fake_ready_count(&r.node[1].store), 1);
    assert_int_equal(r.count[11], 0); /* nobody read them */
    /* A removal that fails is tried again. */
    set(&r, "other", (struct bus_topic_limits){.expire_ms = 1});
    r.node[1].store.fail_next = 1;
    rig_run(&r, USEC_SEC);
    assert_int_equal(fake_ready_count(&r.node[1].store), 1);
    rig_run(&r, 20 * USEC_SEC);
    assert_int_equal(fake_ready_count(&r.node[1].store), 0);
    rig_fini(&r);
}

static void test_topic_table(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r, 8);
    r.node[1].limits.topics = 2;
    rig_start(&r, 1);
    const struct bus_topic_limits l = {.max_msgs = 1};
    struct bus *b = r.node[1].bus;
    struct topic t[3] = {topic_of("1"), topic_of("2"), topic_of("3")};
    assert_int_equal(bus_topic_limits_set(b, &t[0], &l, rig_instant(&r)), OK);
    assert_int_equal(bus_topic_limits_set(b, &t[1], &l, rig_instant(&r)), OK);
    assert_int_equal(bus_topic_limits_set(b, &t[1], &l, rig_instant(&r)), OK);
    assert_int_equal(bus_topic_limits_set(b, &t[2], &l, rig_instant(&r)), ERR_LIMIT);
    assert_int_equal(bus_topic_limits_set(b, &t[2], NULL, rig_instant(&r)), OK);
    assert_int_equal(bus_topic_limits_set(b, &t[0], NULL, rig_instant(&r)), OK);
    assert_int_equal(bus_topic_limits_set(b, &t[2], &l, rig_instant(&r)), OK);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_long_list),
        cmocka_unit_test(test_body_drop_requeue),
        cmocka_unit_test(test_topic_refuses),
        cmocka_unit_test(test_places_are_reserved),
        cmocka_unit_test(test_drop_oldest),
        cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_topic_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
