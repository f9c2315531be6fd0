/* tcp_private_test.c - links of a private network: what plain ones do, and nobody else gets in. */
#include <sys/socket.h>

#include "tests/unit/router/tcp_fixture.h"

static int setup_same(void **state)
{
    return setup_private(state, 1);
}

static int setup_other(void **state)
{
    return setup_private(state, 2);
}

/* A plain socket to a, of which nothing is accepted yet; it does not block. */
static int stranger(struct fixture *f)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(tcp_port(f->a.t)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static void test_names(void **state)
{
    struct fixture *f = *state;
    struct seen *a, *b;
    char want[128];
    connect_sides(f, &a, &b);
    (void)snprintf(want, sizeof(want), " <-> 127.0.0.1:%u", tcp_port(f->a.t));
    assert_int_equal(strncmp(b->name, "TLS 127.0.0.1:", 14), 0);
    assert_non_null(strstr(b->name, want));
    assert_int_equal(strncmp(a->name, "TLS ", 4), 0);
    assert_int_equal(link_static_cost(a->l), 15);
    struct endpoint e = at("127.0.0.1", tcp_port(f->a.t));
    e.proto = PROTO_TLS; /* the same as tcp */
    assert_int_equal(tcp_dial(f->b.t, 8, &e, 5000), OK);
    RUN_UNTIL(f, f->a.count == 2 && f->b.count == 2);
    assert_int_equal(tcp_stats(f->a.t).handshaking, 0);
    assert_int_equal(tcp_stats(f->a.t).handshakes_failed, 0);
    e.proto = PROTO_QUIC;
    assert_int_equal(tcp_dial(f->b.t, 9, &e, 5000), ERR_UNSUPPORTED);
}

/* The largest packets and small ones, both ways at once. */
static void test_stream(void **state)
{
    struct fixture *f = *state;
    struct seen *a, *b;
    enum { PACKETS = 200 };
    uint64_t sum = 1;
    size_t bytes = 0;
    connect_sides(f, &a, &b);
    for (unsigned i = 0; i < PACKETS; i++) {
        struct pkt *p = i % 4 ? control_pkt(&f->rng, i % 90) : data_pkt(&f->rng, 65535 - i);
        struct pkt *q = pkt_copy(p->data, p->len);
        assert_non_null(q);
        sum = sum_bytes(sum, p->data, p->len);
        bytes += p->len;
        assert_int_equal(link_send(a->l, p, false), OK);
        assert_int_equal(link_send(b->l, q, false), OK);
    }
    link_flush(a->l);
    link_flush(b->l);
    RUN_UNTIL(f, a->frames == PACKETS && b->frames == PACKETS);
    assert_true(a->sum == sum && b->sum == sum);
    RUN_UNTIL(f, a->drained == 1 && b->drained == 1);
    assert_int_equal(link_queued_bytes(a->l), 0);
    uint64_t rx, tx;
    link_take_traffic(a->l, &rx, &tx);
    assert_int_equal(rx, bytes);
    assert_int_equal(tx, bytes);
    link_close(b->l);
    b->l = NULL;
    RUN_UNTIL(f, f->a.down == 1);
    assert_string_equal(a->why, "closed by the peer");
}

/* One that does not read: its queue fills up, and it is told when there is room again. */
static void test_full(void **state)
{
    struct fixture *f = *state;
    struct seen *a, *b;
    unsigned sent = 0;
    connect_sides(f, &a, &b);
    int rc = OK;
    while (rc == OK) {
        struct pkt *p = data_pkt(&f->rng, 60000);
        rc = link_send(a->l, p, false);
        sent += rc == OK;
        if (rc != OK)
            pkt_free(p);
    }
    assert_int_equal(rc, ERR_LIMIT);
    assert_true(link_queued_bytes(a->l) <= LINK_QUEUE_MAX);
    link_flush(a->l);
    RUN_UNTIL(f, b->frames == sent && a->drained == 1);
}

static void test_other_key(void **state)
{
    struct fixture *f = *state;
    struct endpoint e = at("127.0.0.1", tcp_port(f->a.t));
    assert_int_equal(tcp_dial(f->b.t, 7, &e, 5000), OK);
    RUN_UNTIL(f, f->b.failed == 1 && tcp_stats(f->a.t).handshakes_failed == 1);
    assert_int_equal(f->a.count + f->b.count, 0);
    assert_string_equal(f->b.why, "the peer has another network key");
    assert_int_equal(tcp_stats(f->a.t).handshaking, 0);
    RUN_UNTIL(f, tcp_stats(f->a.t).links == 0);
}

/* Who speaks plainly, or leaves in the middle, was never there. */
static void test_strangers(void **state)
{
    struct fixture *f = *state;
    struct pkt *p = control_pkt(&f->rng, 100);
    int fd = stranger(f), gone = stranger(f);
    char byte;
    assert_int_equal(send(fd, p->data, p->len, MSG_NOSIGNAL), p->len);
    assert_int_equal(send(gone, "\x16\x03", 2, MSG_NOSIGNAL), 2);
    (void)close(gone);
    pkt_free(p);
    RUN_UNTIL(f, tcp_stats(f->a.t).handshakes_failed == 2);
    assert_int_equal(f->a.count, 0);
    RUN_UNTIL(f, tcp_stats(f->a.t).links == 0);
    while (recv(fd, &byte, 1, 0) > 0) /* an alert, perhaps */
        continue;
    (void)close(fd);
}

/* Many who say nothing take no place from those who do. */
static void test_silent(void **state)
{
    struct fixture *f = *state;
    enum { MANY = TCP_HANDSHAKES_MAX + 50 };
    static int fd[MANY];
    struct seen *a, *b;
    for (size_t i = 0; i < MANY; i++) {
        fd[i] = stranger(f);
        (void)uv_run(&f->loop, UV_RUN_NOWAIT);
    }
    RUN_UNTIL(f, tcp_stats(f->a.t).accepted == MANY);
    assert_int_equal(tcp_stats(f->a.t).handshaking, TCP_HANDSHAKES_MAX);
    assert_int_equal(tcp_stats(f->a.t).handshakes_failed, MANY - TCP_HANDSHAKES_MAX);
    connect_sides(f, &a, &b);
    assert_int_equal(tcp_stats(f->a.t).handshaking, TCP_HANDSHAKES_MAX - 1);
    for (size_t i = 0; i < MANY; i++)
        (void)close(fd[i]);
    RUN_UNTIL(f, tcp_stats(f->a.t).handshaking == 0);
}

/* A dial is given up at every stage of its handshake, and a transport is freed in the middle. */
static void test_given_up(void **state)
{
    struct fixture *f = *state;
    struct endpoint e = at("127.0.0.1", tcp_port(f->a.t));
    for (unsigned turns = 0; turns < 12; turns++) {
        assert_int_equal(tcp_dial(f->b.t, turns, &e, 5000), OK);
        for (unsigned i = 0; i < turns; i++)
            (void)uv_run(&f->loop, UV_RUN_NOWAIT);
        tcp_dial_cancel(f->b.t, turns);
    }
    assert_int_equal(tcp_dial(f->b.t, 99, &e, 5000), OK);
    for (unsigned i = 0; i < 4; i++)
        (void)uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_int_equal(f->b.failed, 0);
}

#define T(f, s) cmocka_unit_test_setup_teardown(f, s, teardown)

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        T(test_names, setup_same),      T(test_stream, setup_same),    T(test_full, setup_same),
        T(test_other_key, setup_other), T(test_strangers, setup_same), T(test_silent, setup_same),
        T(test_given_up, setup_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
