/* Every limit that a client or another node can reach, one by one: what is refused, how it is told,
 * which counter shows it, and that it works again with room. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "bus/topic_rules.h"
#include "tests/unit/bus/rig.h"
#include "tests/unit/unit.h"

static struct bus_stats stats(const struct rig *r, unsigned node)
{
    struct bus_stats st;
    bus_stats(r->node[node].bus, &st);
    return st;
}

static struct topic topic_of(const char *text)
{
    struct topic t = {.len = (uint8_t)strlen(text)};
    memcpy(t.b, text, t.len);
    return t;
}

static int send(struct rig *r, const struct ip6 *dst, const char *topic, size_t len)
{
    struct bus_send s = {.dst = *dst, .topic = topic_of(topic), .payload = rig_pattern(len)};
    int rc = bus_send(r->node[0].bus, &s, ++r->node[0].next_client, rig_instant(r));
    blob_unref(s.payload);
    return rc;
}

/* --- the sender's own clients -------------------------------------------------------------- */

/* A limit of the outbox: how many of these messages it takes, and what it says to the next. */
static void check_outbox(void (*set)(struct bus_limits *l), bool spread, size_t takes, int want)
{
    struct rig r;
    rig_init(&r, 111);
    set(&r.node[0].limits);
    r.routes = false;
    rig_start(&r, 0);
    rig_start(&r, 1);
    rig_start(&r, 2);
    for (size_t i = 0; i < takes; i++)
        assert_int_equal(send(&r, &r.node[spread ? 1 + i % 2 : 1].addr, "", 100), OK);
    assert_int_equal(send(&r, &r.node[1].addr, "", 100), want);
    assert_int_equal(stats(&r, 0).refused_sends, 1);
    assert_int_equal(stats(&r, 0).out_live, takes);
    if (!spread) /* others are not concerned */
        assert_int_equal(send(&r, &r.node[2].addr, "", 100), OK);
    rig_run(&r, 20 * USEC_MS);
    for (unsigned i = 1; i < 3; i++)
        bus_route(r.node[0].bus, &r.node[i].addr, true, rig_instant(&r));
    rig_run(&r, 5 * USEC_SEC);
    assert_int_equal(send(&r, &r.node[1].addr, "", 100), OK);
    rig_fini(&r);
}

static void node_messages(struct bus_limits *l)
{
    l->out_messages_node = 3;
}
static void node_bytes(struct bus_limits *l)
{
    l->out_bytes_node = 450;
}
static void all_messages(struct bus_limits *l)
{
    l->out_messages = 4;
}
static void all_bytes(struct bus_limits *l)
{
    l->out_bytes = 550;
}

static void test_outbox(void **state)
{
    (void)state;
    check_outbox(node_messages, false, 3, ERR_LIMIT);
    check_outbox(node_bytes, false, 4, ERR_LIMIT);
    check_outbox(all_messages, true, 4, ERR_LIMIT);
    check_outbox(all_bytes, true, 5, ERR_NOSPACE);
}

static void test_deadline(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r, 112);
    rig_start(&r, 0);
    struct bus_send s = {.dst = r.node[1].addr, .ttl_ms = INT64_C(30) * 24 * 3600 * 1000};
    assert_int_equal(bus_send(r.node[0].bus, &s, 1, rig_instant(&r)), OK);
    s.ttl_ms++;
    assert_int_equal(bus_send(r.node[0].bus, &s, 2, rig_instant(&r)), ERR_INVAL);
    s.ttl_ms = -1;
    assert_int_equal(bus_send(r.node[0].bus, &s, 3, rig_instant(&r)), ERR_INVAL);
    rig_fini(&r);
}

/* --- transfers ----------------------------------------------------------------------------- */

static bool to_node_0(struct rig *r, const struct rig_packet *p)
{
    return ip6_same_node(&p->dst, &r->node[0].addr);
}

/* Nothing is answered: how many begin? */
static size_t begun(struct rig *r)
{
    struct rig_packet *p;
    struct msg_id seen[64];
    size_t n = 0;
    while ((p = rig_log_pop(r))) {
        struct msg_id id;
        bool known = false;
        memcpy(id.b, p->bytes, MSG_ID_BYTES);
        for (size_t i = 0; i < n; i++)
            known = known || memcmp(&seen[i], &id, sizeof(id)) == 0;
        if (!known && p->from == 0 && p->flags & MSG_INIT && n < ARRAY_LEN(seen))
            seen[n++] = id;
        free(p);
    }
    return n;
}

static void test_transfers(void **state)
{
    (void)state;
    for (int total = 0; total < 2; total++) {
        struct rig r;
        rig_init(&r, 113);
        r.node[0].limits.out_transfers_node = total ? 100 : 8;
        r.node[0].limits.out_transfers = total ? 8 : 100;
        r.filter = to_node_0;
        r.log_all = true;
        for (unsigned i = 0; i < 3; i++)
            rig_start(&r, i);
        for (size_t i = 0; i < 30; i++)
            assert_int_equal(send(&r, &r.node[1 + (total && i % 2)].addr, "", 100), OK);
        rig_run(&r, 400 * USEC_MS); /* before silence holds the others back */
        assert_int_equal(begun(&r), 8);
        r.filter = NULL;
        rig_run(&r, 60 * USEC_SEC);
        assert_int_equal(stats(&r, 0).delivered, 30);
        rig_fini(&r);
    }
}

/* --- the receiver -------------------------------------------------------------------------- */

/* What the receiver refuses: told busy to one of ours, silence to others; counted; delivered when
 * there is room. `other`: a topic that has some meanwhile. */
static void check_receiver(void (*set)(struct bus_limits *l), const char *topic, size_t len,
                           size_t takes, const char *other)
{
    for (int plain = 0; plain < 2; plain++) {
        struct rig r;
        rig_init(&r, 114);
        set(&r.node[1].limits);
        r.node[0].plain = plain;
        rig_start(&r, 0);
        rig_start(&r, 1);
        for (size_t i = 0; i < takes + 1; i++) {
            assert_int_equal(send(&r, &r.node[1].addr, topic, len), OK);
            rig_run(&r, 200 * USEC_MS);
        }
        rig_run(&r, USEC_SEC);
        assert_int_equal(stats(&r, 1).in_ready, takes);
        assert_int_equal(stats(&r, 0).out_live, 1);
        assert_true(stats(&r, 1).refused_limit >= 1);
        assert_int_equal(stats(&r, 1).told_busy > 0, !plain);
        assert_int_equal(stats(&r, 0).waited_busy > 0, !plain);
        if (other) { /* another topic has room */
            assert_int_equal(send(&r, &r.node[1].addr, other, len), OK);
            rig_run(&r, 40 * USEC_SEC);
            assert_int_equal(stats(&r, 1).in_ready, takes + 1);
        }
        bus_client c = rig_take(&r, 1, 0);
        rig_run(&r, 60 * USEC_SEC);
        assert_true(rig_answer(&r, 1, c, BUS_OUT_TAKEN)->has_message);
        assert_int_equal(stats(&r, 1).in_ready, takes + (other != NULL));
        assert_int_equal(stats(&r, 0).out_live, 0);
        rig_fini(&r);
    }
}

static void topic_messages(struct bus_limits *l)
{
    l->in_topic_messages = 3;
}
static void topic_bytes(struct bus_limits *l)
{
    l->in_topic_bytes = 350;
}
static void inbox_messages(struct bus_limits *l)
{
    l->in_messages = 4;
}
static void inbox_bytes(struct bus_limits *l)
{
    l->in_bytes = 450;
}

static void test_inbox(void **state)
{
    (void)state;
    check_receiver(topic_messages, "a", 100, 3, "b");
    check_receiver(topic_bytes, "a", 100, 3, "b");
    check_receiver(inbox_messages, "a", 100, 4, NULL);
    check_receiver(inbox_bytes, "a", 100, 4, NULL);
}

static struct rig_packet *inject_init(struct rig *r, const struct ip6 *src, uint8_t id,
                                      uint64_t len)
{
    const struct topic none = {.len = 0};
    const struct msg_id m = {.b = {id}};
    struct pkt *p = msg_init(&m, false, len, &none);
    rig_inject(r, 1, src, p->data, p->len);
    pkt_free(p);
    rig_run(r, 20 * USEC_MS);
    return rig_log_pop(r);
}

/* Incomplete messages of a node of another program: silence beyond the limit. */
static void test_parts(void **state)
{
    (void)state;
    for (int bytes = 0; bytes < 2; bytes++) {
        struct rig r;
        rig_init(&r, 115);
        r.node[1].limits.in_parts_node = bytes ? 100 : 3;
        r.node[1].limits.in_parts_bytes = bytes ? 3500 : 1000000;
        rig_start(&r, 1);
        const struct ip6 src = {.b = {5, 5}}, other = {.b = {5, 6}};
        for (uint8_t i = 1; i <= 3; i++) {
            struct rig_packet *ack = inject_init(&r, &src, i, 1000);
            assert_non_null(ack);
            assert_int_equal(ack->flags, MSG_INIT | MSG_ACK);
            free(ack);
        }
        assert_null(inject_init(&r, &src, 4, 1000));
        assert_int_equal(stats(&r, 1).refused_limit, 1);
        assert_int_equal(stats(&r, 1).in_parts, 3);
        assert_int_equal(stats(&r, 1).in_parts_bytes, 3000);
        struct rig_packet *ack = inject_init(&r, &other, 1, 1000);
        assert_int_equal(ack != NULL, !bytes); /* of all nodes, or of one */
        free(ack);
        rig_run(&r, 331 * USEC_SEC); /* their time is over */
        ack = inject_init(&r, &src, 5, 1000);
        assert_non_null(ack);
        free(ack);
        rig_fini(&r);
    }
}

/* More INITs per second than one node may send: silence, and others are not concerned. */
static void test_init_rate(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r, 116);
    r.node[1].limits.init_per_sec = 5;
    rig_start(&r, 1);
    const struct ip6 src = {.b = {5, 5}}, other = {.b = {5, 6}};
    const struct topic none = {.len = 0};
    for (uint8_t i = 0; i < 20; i++) {
        const struct msg_id m = {.b = {i}};
        struct pkt *p = msg_init(&m, false, 10, &none);
        rig_inject(&r, 1, &src, p->data, p->len);
        pkt_free(p);
    }
    assert_int_equal(stats(&r, 1).refused_rate, 15);
    assert_int_equal(stats(&r, 1).in_parts, 5);
    rig_run(&r, 100 * USEC_MS);
    while (true) {
        struct rig_packet *ack = rig_log_pop(&r);
        if (!ack)
            break;
        free(ack);
    }
    struct rig_packet *ack = inject_init(&r, &other, 1, 10);
    assert_non_null(ack);
    free(ack);
    rig_run(&r, USEC_SEC);
    ack = inject_init(&r, &src, 30, 10);
    assert_non_null(ack);
    free(ack);
    rig_fini(&r);
}

/* --- topics -------------------------------------------------------------------------------- */

static void test_topics(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r, 117);
    r.node[0].limits.topics = 2;
    rig_start(&r, 0);
    const struct bus_topic_limits l = {.max_msgs = 1};
    const struct topic a = topic_of("a"), b = topic_of("b"), c = topic_of("c");
    struct bus *bus = r.node[0].bus;
    assert_int_equal(bus_topic_limits_set(bus, &a, &l, rig_instant(&r)), OK);
    assert_int_equal(bus_topic_limits_set(bus, &b, &l, rig_instant(&r)), OK);
    assert_int_equal(bus_topic_limits_set(bus, &c, &l, rig_instant(&r)), ERR_LIMIT);
    assert_int_equal(bus_topic_limits_set(bus, &b, NULL, rig_instant(&r)), OK);
    assert_int_equal(bus_topic_limits_set(bus, &c, &l, rig_instant(&r)), OK);
    /* To this node itself: told at once. */
    assert_int_equal(send(&r, &r.node[0].addr, "a", 10), OK);
    assert_int_equal(send(&r, &r.node[0].addr, "a", 10), ERR_LIMIT);
    assert_int_equal(stats(&r, 0).refused_sends, 1);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outbox),    cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_transfers), cmocka_unit_test(test_inbox),
        cmocka_unit_test(test_parts),     cmocka_unit_test(test_init_rate),
        cmocka_unit_test(test_topics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
