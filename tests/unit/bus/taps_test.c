/* Taps: copies for all that match, nothing taken, and a count of what was lost. */
#include "bus/taps.h"

#include <string.h>

#include "base/err.h"
#include "tests/unit/bus/rig.h"
#include "tests/unit/unit.h"

#define TAP 1000

static void start(struct rig *r, uint64_t seed)
{
    rig_init(r, seed);
    rig_start(r, 1);
}

static struct bus_filter filter_of(enum bus_filter_kind kind, const char *text)
{
    struct bus_filter f = {.kind = kind, .topic.len = (uint8_t)strlen(text)};
    memcpy(f.topic.b, text, f.topic.len);
    return f;
}

static void tap(struct rig *r, enum bus_filter_kind kind, const char *text, bus_client client)
{
    struct bus_filter f = filter_of(kind, text);
    assert_int_equal(bus_tap(r->node[1].bus, &f, client), OK);
}

static void send_one(struct rig *r, const char *topic, size_t len, uint32_t number)
{
    struct bus_send s = {.dst = r->node[1].addr, .in_memory = true};
    s.topic = filter_of(BUS_TOPIC, topic).topic;
    s.payload = rig_pattern(len);
    memcpy(s.payload->data, &number, sizeof(number));
    assert_int_not_equal(rig_send_ex(r, 1, &s), 0);
    blob_unref(s.payload);
    rig_run(r, 10 * USEC_MS);
}

/* Copies for this client so far; the numbers of the last one, and what was dropped in all. */
static size_t tapped(struct rig *r, bus_client client, uint32_t *ret_last, uint64_t *ret_dropped)
{
    size_t n = 0;
    uint64_t dropped = 0;
    for (size_t i = 0; i < r->node[1].n_answers; i++) {
        const struct rig_answer *a = &r->node[1].answers[i];
        if (a->client != client || a->kind != BUS_OUT_TAPPED)
            continue;
        assert_true(a->has_message);
        assert_non_null(a->payload);
        if (ret_last)
            memcpy(ret_last, a->payload->data, sizeof(*ret_last));
        dropped += a->dropped;
        n++;
    }
    if (ret_dropped)
        *ret_dropped = dropped;
    return n;
}

static void test_filters(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 1);
    tap(&r, BUS_ANY, "", TAP);
    tap(&r, BUS_TOPIC, "a/b", TAP + 1);
    tap(&r, BUS_PREFIX, "a/", TAP + 2);
    tap(&r, BUS_PATTERN, "+/b", TAP + 3);
    tap(&r, BUS_TOPIC, "a/b", TAP + 4); /* the same once more */
    send_one(&r, "a/b", 10, 1);
    send_one(&r, "a/c", 10, 2);
    send_one(&r, "x/b", 10, 3);
    send_one(&r, "x", 10, 4);
    static const size_t want[] = {4, 1, 2, 2, 1};
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(tapped(&r, TAP + i, NULL, NULL), want[i]);
    /* Nothing was taken. */
    struct bus_stats st;
    bus_stats(r.node[1].bus, &st);
    assert_int_equal(st.in_ready, 4);
    assert_int_equal(st.in_leased, 0);
    bus_untap(r.node[1].bus, TAP + 1);
    bus_untap(r.node[1].bus, TAP + 1);
    send_one(&r, "a/b", 10, 5);
    assert_int_equal(tapped(&r, TAP + 1, NULL, NULL), 1);
    assert_int_equal(tapped(&r, TAP + 4, NULL, NULL), 2);
    rig_fini(&r);
}

/* A tap that takes nothing keeps the newest; another one is not disturbed. */
static void test_dropped(void **state)
{
    (void)state;
    struct rig r;
    uint32_t last = 0;
    uint64_t dropped;
    start(&r, 2);
    tap(&r, BUS_ANY, "", TAP);
    tap(&r, BUS_ANY, "", TAP + 1);
    bus_tap_pause(r.node[1].bus, TAP, true);
    for (uint32_t i = 1; i <= BUS_TAP_MESSAGES + 44; i++)
        send_one(&r, "t", 10, i);
    assert_int_equal(tapped(&r, TAP, NULL, NULL), 0);
    assert_int_equal(tapped(&r, TAP + 1, &last, &dropped), BUS_TAP_MESSAGES + 44);
    assert_int_equal(dropped, 0);
    bus_tap_pause(r.node[1].bus, TAP, false);
    rig_run(&r, USEC_MS);
    assert_int_equal(tapped(&r, TAP, &last, &dropped), BUS_TAP_MESSAGES);
    assert_int_equal(dropped, 44);
    assert_int_equal(last, BUS_TAP_MESSAGES + 44);
    struct bus_stats st;
    bus_stats(r.node[1].bus, &st);
    assert_int_equal(st.taps, 2);
    assert_int_equal(st.tap_copies, 2 * (BUS_TAP_MESSAGES + 44));
    assert_int_equal(st.tap_dropped, 44);
    /* By bytes. */
    bus_tap_pause(r.node[1].bus, TAP, true);
    for (uint32_t i = 1; i <= 40; i++)
        send_one(&r, "t", 60000, i);
    bus_tap_pause(r.node[1].bus, TAP, false);
    rig_run(&r, USEC_MS);
    assert_int_equal(tapped(&r, TAP, &last, &dropped), BUS_TAP_MESSAGES + BUS_TAP_BYTES / 60000);
    assert_int_equal(dropped, 44 + 40 - BUS_TAP_BYTES / 60000);
    assert_int_equal(last, 40);
    rig_fini(&r);
}

static void test_refused(void **state)
{
    (void)state;
    struct rig r;
    start(&r, 3);
    struct bus *b = r.node[1].bus;
    struct bus_filter f = filter_of(BUS_PATTERN, "a+");
    assert_int_equal(bus_tap(b, &f, TAP), ERR_INVAL);
    f = filter_of(BUS_ANY, "");
    assert_int_equal(bus_tap(b, &f, 0), ERR_INVAL);
    for (unsigned i = 0; i < BUS_TAPS_MAX; i++)
        assert_int_equal(bus_tap(b, &f, TAP + i), OK);
    assert_int_equal(bus_tap(b, &f, TAP), ERR_EXIST);
    assert_int_equal(bus_tap(b, &f, TAP + BUS_TAPS_MAX), ERR_LIMIT);
    bus_tap_pause(b, TAP, true);
    send_one(&r, "t", 10, 1);
    assert_int_equal(tapped(&r, TAP + 1, NULL, NULL), 1);
    rig_fini(&r); /* with copies left */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_dropped),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
