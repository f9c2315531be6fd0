/* The queue and the life of a link, on a transport that is only a record of calls. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "router/link/link_ops.h"
#include "tests/unit/unit.h"

struct fixture {
    struct link l;
    unsigned flushes, closes, frames, downs, drained;
    size_t bytes;
    const char *why;
    bool close_at_frame;
};

static struct fixture *fixture_of(struct link *l)
{
    return container_of(l, struct fixture, l);
}

static void op_flush(struct link *l)
{
    fixture_of(l)->flushes++;
}

static void op_close(struct link *l)
{
    fixture_of(l)->closes++;
}

static void on_frame(void *ctx, struct link *l, const uint8_t *frame, size_t len)
{
    struct fixture *f = ctx;
    assert_non_null(frame);
    f->frames++;
    f->bytes += len;
    if (f->close_at_frame)
        link_close(l);
}

static void on_down(void *ctx, struct link *l, const char *why)
{
    struct fixture *f = ctx;
    (void)l;
    f->downs++;
    f->why = why;
}

static void on_drained(void *ctx, struct link *l)
{
    (void)l;
    ((struct fixture *)ctx)->drained++;
}

static int setup(void **state)
{
    static const struct link_ops ops = {.flush = op_flush, .close = op_close};
    static const struct link_events events = {
        .frame = on_frame, .down = on_down, .drained = on_drained};
    struct fixture *f = calloc(1, sizeof(*f));
    if (!f)
        return -1;
    link_init(&f->l, &ops, &events, f);
    link_open(&f->l);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    link_close(&f->l);
    link_gone(&f->l); /* frees what is queued: the sanitizer counts */
    free(f);
    return 0;
}

/* A packet whose bytes are all `tag`. */
static void put(struct fixture *f, uint8_t tag, size_t len, bool control)
{
    struct pkt *p = pkt_new(len);
    assert_non_null(p);
    memset(p->data, tag, len);
    assert_int_equal(link_send(&f->l, p, control), OK);
}

/* The next n bytes of the queue, piece by piece, as tags. */
static void expect_tags(struct fixture *f, const char *tags)
{
    struct iovec v[16];
    unsigned n = link_gather(&f->l, v, ARRAY_LEN(v), SIZE_MAX);
    assert_int_equal(n, strlen(tags));
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(*(const char *)v[i].iov_base, tags[i]);
}

static void test_order(void **state)
{
    struct fixture *f = *state;
    struct iovec v[16];
    expect_tags(f, "");
    put(f, 'a', 100, false);
    put(f, 'b', 100, false);
    put(f, 'X', 10, true);
    expect_tags(f, "Xab");
    assert_int_equal(link_gather(&f->l, v, 2, SIZE_MAX), 2);
    assert_int_equal(link_gather(&f->l, v, 16, 11), 2); /* the last piece may go beyond */
    assert_int_equal(link_gather(&f->l, v, 16, 10), 1);
    assert_int_equal(link_gather(&f->l, v, 0, SIZE_MAX), 0);
    assert_int_equal(link_queued_bytes(&f->l), 210);

    link_sent(&f->l, 10 + 99); /* all of X, a but its last byte */
    expect_tags(f, "ab");
    put(f, 'Y', 10, true); /* not into the middle of a packet */
    expect_tags(f, "aYb");
    assert_int_equal(link_gather(&f->l, v, 16, SIZE_MAX), 3);
    assert_int_equal(v[0].iov_len, 1);
    assert_int_equal(link_queued_bytes(&f->l), 111);
    link_sent(&f->l, 1);
    expect_tags(f, "Yb");

    struct iovec pin = link_pin(&f->l);
    assert_int_equal(*(const char *)pin.iov_base, 'Y');
    put(f, 'Z', 10, true);
    expect_tags(f, "YZb"); /* what is pinned stays first */
    link_sent(&f->l, pin.iov_len);
    expect_tags(f, "Zb");
    pin = link_pin(&f->l);
    link_sent(&f->l, 4);
    pin = link_pin(&f->l);
    assert_int_equal(pin.iov_len, 6);
    link_sent(&f->l, 106);
    expect_tags(f, "");
    assert_int_equal(link_queued_bytes(&f->l), 0);

    uint64_t rx, tx;
    link_take_traffic(&f->l, &rx, &tx);
    assert_int_equal(tx, 10 + 100 + 10 + 10 + 100);
    assert_int_equal(rx, 0);
}

static void test_pop(void **state)
{
    struct fixture *f = *state;
    put(f, 'a', 100, false);
    put(f, 'X', 10, true);
    put(f, 'b', 100, false);
    struct pkt *p = link_pop(&f->l, false);
    assert_int_equal(p->data[0], 'a');
    assert_null(p->next);
    pkt_free(p);
    p = link_pop(&f->l, true);
    assert_int_equal(p->data[0], 'X');
    pkt_free(p);
    assert_null(link_pop(&f->l, true));
    put(f, 'Y', 10, true); /* an emptied queue works on */
    expect_tags(f, "Yb");
    assert_int_equal(link_queued_bytes(&f->l), 110);
}

static void test_limits(void **state)
{
    struct fixture *f = *state;
    struct pkt *p = pkt_new(0);
    assert_int_equal(link_send(&f->l, p, false), ERR_INVAL);
    pkt_free(p);
    while (link_queued_bytes(&f->l) + 65536 <= LINK_QUEUE_MAX)
        put(f, 'a', 65536, false);
    assert_int_equal(link_queued_bytes(&f->l), LINK_QUEUE_MAX); /* exactly full is allowed */
    p = pkt_new(1);
    assert_int_equal(link_send(&f->l, p, false), ERR_LIMIT);
    assert_int_equal(link_send(&f->l, p, true), OK);
    while (link_queued_bytes(&f->l) + 65536 <= 2 * LINK_QUEUE_MAX)
        put(f, 'X', 65536, true);
    assert_int_equal(f->closes, 0);
    p = pkt_new(65536);
    assert_int_equal(link_send(&f->l, p, true), ERR_LIMIT);
    assert_int_equal(f->closes, 1);
    assert_int_equal(f->downs, 0);
    assert_int_equal(link_send(&f->l, p, true), ERR_CLOSED);
    pkt_free(p);
    assert_false(link_drained_due(&f->l));
    link_gone(&f->l);
    assert_int_equal(f->downs, 1);
    assert_string_equal(f->why, "send queue full");
    assert_int_equal(link_queued_bytes(&f->l), 0);
}

static void test_drained(void **state)
{
    struct fixture *f = *state;
    for (int round = 1; round <= 2; round++) {
        put(f, 'a', 65536, false);
        put(f, 'a', 65000, false);
        link_sent(&f->l, 100000);
        link_tell_drained(&f->l);
        assert_int_equal(f->drained, round - 1); /* was never above the soft limit */
        while (link_queued_bytes(&f->l) <= LINK_QUEUE_SOFT)
            put(f, 'a', 65536, false);
        link_sent(&f->l, link_queued_bytes(&f->l) - LINK_QUEUE_SOFT / 2);
        assert_false(link_drained_due(&f->l));
        link_sent(&f->l, 1);
        assert_true(link_drained_due(&f->l));
        link_tell_drained(&f->l);
        link_tell_drained(&f->l);
        assert_int_equal(f->drained, round);
        link_sent(&f->l, link_queued_bytes(&f->l));
    }
    put(f, 'a', 65536, false); /* a sender that stops earlier asks for it */
    link_want_drained(&f->l);
    put(f, 'a', 65536, false);
    put(f, 'a', 1, false);
    assert_false(link_drained_due(&f->l));
    link_sent(&f->l, 2);
    link_tell_drained(&f->l);
    assert_int_equal(f->drained, 3);
    assert_false(link_drained_due(&f->l));
    link_flush(&f->l);
    assert_int_equal(f->flushes, 1);
}

static void test_input(void **state)
{
    struct fixture *f = *state;
    static const uint8_t hello[16] = {1, 1, 0, 0, 42, 3, 0, 8, 4, 6, 0x80, 0, 0, 0, 7, 0xd0};
    uint8_t two[32];
    uint64_t rx, tx;
    memcpy(two, hello, 16);
    memcpy(two + 16, hello, 16);
    link_input(&f->l, two, 20);
    assert_int_equal(f->frames, 1);
    link_input(&f->l, two + 20, 12);
    assert_int_equal(f->frames, 2);
    link_input_frame(&f->l, hello, sizeof(hello));
    assert_int_equal(f->frames, 3);
    assert_int_equal(f->bytes, 48);
    link_take_traffic(&f->l, &rx, &tx);
    assert_int_equal(rx, 48);
    f->close_at_frame = true;
    link_input(&f->l, two, 32);
    assert_int_equal(f->frames, 4); /* nothing after the owner closed it */
    assert_int_equal(f->closes, 1);
    link_input(&f->l, two, 32);
    link_input_frame(&f->l, hello, sizeof(hello));
    assert_int_equal(f->frames, 4);
    link_close(&f->l);
    link_fail(&f->l, "late");
    assert_int_equal(f->closes, 1);
    link_gone(&f->l);
    assert_int_equal(f->downs, 0);
}

static void test_malformed(void **state)
{
    struct fixture *f = *state;
    static const uint8_t wrong[] = {2, 1, 0, 0, 42, 3, 0, 8};
    link_input(&f->l, wrong, 1);
    assert_int_equal(f->closes, 1);
    link_fail(&f->l, "again");
    link_input(&f->l, wrong, sizeof(wrong));
    assert_int_equal(f->closes, 1);
    link_gone(&f->l);
    assert_int_equal(f->downs, 1);
    assert_string_equal(f->why, "malformed stream");
}

/* Broken, and then closed by its owner before the loop came round. */
static void test_closed_while_broken(void **state)
{
    struct fixture *f = *state;
    struct link *l = &f->l;
    int word = 0;
    assert_int_equal(link_remote(l)->sa_family, AF_UNSPEC);
    link_set_user(l, &word);
    assert_ptr_equal(link_user(l), &word);
    link_fail(l, "connection reset");
    link_close(l);
    assert_int_equal(f->closes, 1);
    link_gone(l);
    assert_int_equal(f->downs, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_order),
        T(test_pop),
        T(test_limits),
        T(test_drained),
        T(test_input),
        T(test_malformed),
        T(test_closed_while_broken),
    };
    return cmocka_run_group_tests_name("router/link", tests, NULL, NULL);
}
