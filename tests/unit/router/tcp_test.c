#include "tests/unit/router/tcp_fixture.h"

static void test_names_and_costs(void **state)
{
    struct fixture *f = *state;
    struct seen *a, *b;
    char want[128];
    unsigned port_b;
    connect_sides(f, &a, &b);
    assert_int_equal(b->dial, 7);
    assert_int_equal(sscanf(b->name, "TCP 127.0.0.1:%u <->", &port_b), 1);
    (void)snprintf(want, sizeof(want), "TCP 127.0.0.1:%u <-> 127.0.0.1:%u", port_b,
                   tcp_port(f->a.t));
    assert_string_equal(b->name, want);
    (void)snprintf(want, sizeof(want), "TCP [::ffff:127.0.0.1]:%u <-> [::ffff:127.0.0.1]:%u",
                   tcp_port(f->a.t), port_b);
    if (strncmp(a->name, "TCP [", 5) != 0) /* a host without IPv6 */
        (void)snprintf(want, sizeof(want), "TCP 127.0.0.1:%u <-> 127.0.0.1:%u", tcp_port(f->a.t),
                       port_b);
    assert_string_equal(a->name, want);
    assert_int_equal(link_static_cost(a->l), 15);
    assert_int_equal(link_static_cost(b->l), 15);
    assert_int_equal(tcp_stats(f->a.t).accepted, 1);
    assert_int_equal(tcp_stats(f->a.t).links, 1);

    struct endpoint e = at("[::1]", tcp_port(f->a.t));
    assert_int_equal(tcp_dial(f->b.t, 8, &e, 5000), OK);
    RUN_UNTIL(f, (f->b.count > 1 && f->a.count > 1) || f->b.failed);
    if (f->b.failed) { /* the same */
        assert_string_equal(f->b.why, "address not available");
        return;
    }
    assert_int_equal(link_static_cost(f->b.seen[1]->l), 10);
    assert_int_equal(link_static_cost(f->a.seen[1]->l), 10);
    assert_non_null(strstr(f->b.seen[1]->name, " <-> [::1]:"));
}

static void test_odd_cuts(void **state)
{
    struct fixture *f = *state;
    struct seen *s;
    enum { PACKETS = 400 };
    static uint8_t stream[PACKETS * 2000], back[sizeof(stream)];
    size_t len = 0;
    int fd = raw_connect(f, &s);
    for (unsigned i = 0; i < PACKETS; i++) {
        size_t body = (size_t)rng_below(&f->rng, 1900);
        struct pkt *p = i % 3 ? data_pkt(&f->rng, body) : control_pkt(&f->rng, body % 600);
        memcpy(stream + len, p->data, p->len);
        len += p->len;
        assert_int_equal(link_send(s->l, p, false), OK); /* the same bytes the other way */
    }
    link_flush(s->l);
    size_t sent = 0, got = 0;
    while (sent < len || got < len) {
        size_t piece = (size_t)rng_below(&f->rng, 700) + 1;
        ssize_t n = send(fd, stream + sent, MIN(piece, len - sent), MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        n = recv(fd, back + got, MIN(sizeof(back) - got, 500), 0);
        got += n > 0 ? (size_t)n : 0;
        (void)uv_run(&f->loop, UV_RUN_NOWAIT);
    }
    RUN_UNTIL(f, s->frames == PACKETS);
    assert_int_equal(s->bytes, len);
    assert_true(s->sum == sum_bytes(1, stream, len));
    assert_memory_equal(back, stream, len);
    uint64_t rx, tx;
    link_take_traffic(s->l, &rx, &tx);
    assert_int_equal(rx, len);
    assert_int_equal(tx, len);
    link_take_traffic(s->l, &rx, &tx);
    assert_int_equal(rx + tx, 0);
    (void)close(fd);
    RUN_UNTIL(f, f->a.down == 1);
    assert_string_equal(s->why, "closed by the peer");
}

/* Largest packets both ways at once; no wake-up takes more than its budget from one link. */
static void test_largest(void **state)
{
    struct fixture *f = *state;
    struct seen *a, *b;
    enum { PACKETS = 60 };
    uint64_t sum = 1;
    size_t most = 0;
    connect_sides(f, &a, &b);
    for (unsigned i = 0; i < PACKETS; i++) {
        struct pkt *p = data_pkt(&f->rng, 65535);
        struct pkt *q = pkt_copy(p->data, p->len);
        assert_int_equal(p->len, PKT_MAX);
        assert_non_null(q);
        sum = sum_bytes(sum, p->data, p->len);
        assert_int_equal(link_send(a->l, p, false), OK);
        assert_int_equal(link_send(b->l, q, false), OK);
    }
    link_flush(a->l);
    link_flush(b->l);
    assert_int_equal(a->drained + b->drained, 0); /* never inside a call */
    while (a->frames < PACKETS || b->frames < PACKETS || !a->drained || !b->drained) {
        size_t before = a->bytes;
        (void)uv_run(&f->loop, UV_RUN_ONCE);
        most = MAX(most, a->bytes - before);
    }
    assert_true(most <= TCP_READ_BUDGET + PKT_MAX);
    assert_int_equal(a->max_frame, PKT_MAX);
    assert_int_equal(a->bytes, (size_t)PACKETS * PKT_MAX);
    assert_true(a->sum == sum && b->sum == sum);
    assert_int_equal(link_queued_bytes(a->l), 0);
    assert_int_equal(a->drained, 1);
    assert_int_equal(b->drained, 1);
}

/* Small packets take time too: a link full of them has a short turn, and another one does not wait
 * until it has said all. */
static void test_many_small(void **state)
{
    struct fixture *f = *state;
    struct seen *loud, *calm;
    enum { PACKETS = 20000, BODY = 8 };
    int fd = raw_connect(f, &loud), other = raw_connect(f, &calm);
    struct pkt *p = control_pkt(&f->rng, BODY);
    size_t at = 0, whole = PACKETS * p->len, most = 0, before = 0;
    uint8_t *stream = malloc(whole);
    assert_non_null(stream);
    for (size_t i = 0; i < PACKETS; i++)
        memcpy(stream + i * p->len, p->data, p->len);
    while (loud->frames < PACKETS) {
        ssize_t n = at < whole ? send(fd, stream + at, whole - at, MSG_NOSIGNAL) : 0;
        at += n > 0 ? (size_t)n : 0;
        if (calm->frames == 0 && at > 0 && before == 0) {
            assert_int_equal(send(other, p->data, p->len, MSG_NOSIGNAL), p->len);
            before = 1 + loud->frames;
        }
        unsigned frames = loud->frames;
        (void)uv_run(&f->loop, UV_RUN_NOWAIT);
        most = MAX(most, loud->frames - frames);
        if (calm->frames > 0 && before > 0 && before != SIZE_MAX) {
            assert_true(loud->frames - (before - 1) < PACKETS / 2);
            before = SIZE_MAX;
        }
    }
    assert_int_equal(calm->frames, 1);
    assert_true(most <= 2 * (16 * 1024 / p->len + 1));
    free(stream);
    pkt_free(p);
    (void)close(fd);
    (void)close(other);
    RUN_UNTIL(f, f->a.down == 2);
}

static void test_bad_stream(void **state)
{
    struct fixture *f = *state;
    static const uint8_t bad[][5] = {{2, 0, 0, 0, 0}, {1, 2, 0, 0, 0}, {0}, "GET /"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct seen *s;
        struct pkt *p = control_pkt(&f->rng, 8);
        int fd = raw_connect(f, &s);
        uint8_t byte;
        assert_int_equal(send(fd, p->data, p->len, MSG_NOSIGNAL), p->len);
        assert_int_equal(send(fd, bad[i], sizeof(bad[i]), MSG_NOSIGNAL), sizeof(bad[i]));
        RUN_UNTIL(f, f->a.down == i + 1);
        assert_int_equal(s->frames, 1);
        assert_string_equal(s->why, "malformed stream");
        RUN_UNTIL(f, recv(fd, &byte, 1, 0) >= 0 || errno != EAGAIN); /* closed here too */
        (void)close(fd);
        pkt_free(p);
    }
    assert_int_equal(tcp_stats(f->a.t).links, 0);
}

/* The other end does not read: data is refused at the limit, control is not and goes first, and
 * when the reader wakes up everything arrives and the owner is told. */
static void test_slow_reader(void **state)
{
    struct fixture *f = *state;
    struct seen *s;
    static uint8_t buf[1 << 20];
    size_t accepted = 0, got = 0, control_at = 0, at = 0;
    struct pkt *p;
    int rc, fd = raw_connect(f, &s);
    for (;;) {
        p = data_pkt(&f->rng, 9000);
        rc = link_send(s->l, p, false);
        if (rc != OK)
            break;
        accepted += p->len;
        link_flush(s->l);
        if (accepted % 13 == 0)
            (void)uv_run(&f->loop, UV_RUN_NOWAIT);
    }
    assert_int_equal(rc, ERR_LIMIT);
    pkt_free(p); /* still ours */
    assert_in_range(link_queued_bytes(s->l), LINK_QUEUE_MAX - 10000, LINK_QUEUE_MAX);
    run_ms(f, 20);
    p = control_pkt(&f->rng, 8);
    assert_int_equal(link_send(s->l, p, true), OK);
    link_flush(s->l);
    size_t behind = link_queued_bytes(s->l);
    accepted += 16;
    assert_int_equal(s->drained, 0);
    size_t frame_left = 0, head = 0;
    uint8_t header[8] = {0};
    while (got < accepted) { /* finds where the control packet comes in the stream */
        ssize_t n = recv(fd, buf, sizeof(buf), 0);
        for (ssize_t i = 0; i < n; i++, at++) {
            if (frame_left > 0) {
                frame_left--;
                continue;
            }
            header[head++] = buf[i];
            if (head == 8) {
                head = 0;
                frame_left = header[1] ? header[7] : 32u + (size_t)(header[5] << 8 | header[6]);
                if (header[1])
                    control_at = at;
            }
        }
        got += (size_t)MAX(n, 0);
        (void)uv_run(&f->loop, UV_RUN_NOWAIT);
    }
    RUN_UNTIL(f, s->drained == 1);
    assert_int_equal(link_queued_bytes(s->l), 0);
    assert_int_equal(got, accepted);
    /* Before it: what the kernel had, and at most the one packet that had been begun. */
    assert_in_range(control_at, 1, accepted - behind + 9040 + 16);
    (void)close(fd);
    RUN_UNTIL(f, f->a.down == 1);
    assert_int_equal(s->drained, 1);
}

static void test_control_overflow(void **state)
{
    struct fixture *f = *state;
    struct seen *s;
    struct pkt *p;
    int rc, fd = raw_connect(f, &s);
    struct link *l = s->l;
    do {
        p = control_pkt(&f->rng, 500);
        rc = link_send(l, p, true);
        link_flush(l);
    } while (rc == OK);
    assert_int_equal(rc, ERR_LIMIT);
    pkt_free(p);
    assert_int_equal(f->a.down, 0); /* never inside a call */
    p = data_pkt(&f->rng, 1);
    assert_int_equal(link_send(l, p, false), ERR_CLOSED);
    pkt_free(p);
    link_flush(l);
    RUN_UNTIL(f, f->a.down == 1);
    assert_string_equal(s->why, "send queue full");
    (void)close(fd);
}

static void test_reset(void **state)
{
    struct fixture *f = *state;
    struct seen *s;
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    int fd = raw_connect(f, &s);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    (void)close(fd);
    RUN_UNTIL(f, f->a.down == 1);
    assert_string_equal(s->why, "connection reset");

    /* While a write waits for a reader. */
    fd = raw_connect(f, &s);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    while (link_queued_bytes(s->l) < LINK_QUEUE_MAX / 2) {
        assert_int_equal(link_send(s->l, data_pkt(&f->rng, 60000), false), OK);
        link_flush(s->l);
    }
    run_ms(f, 20);
    (void)close(fd);
    RUN_UNTIL(f, f->a.down == 2);
    assert_non_null(s->why);
}

/* In the middle of a packet. */
static void test_cut_off(void **state)
{
    struct fixture *f = *state;
    struct seen *s;
    int fd = raw_connect(f, &s);
    struct pkt *p = data_pkt(&f->rng, 1000);
    assert_int_equal(send(fd, p->data, p->len - 1, MSG_NOSIGNAL), p->len - 1);
    pkt_free(p);
    (void)close(fd);
    RUN_UNTIL(f, f->a.down == 1);
    assert_int_equal(s->frames, 0);
}

static void test_close(void **state)
{
    struct fixture *f = *state;
    struct seen *s, *a, *b;
    int fd = raw_connect(f, &s);
    while (link_queued_bytes(s->l) < LINK_QUEUE_MAX - 100000) {
        assert_int_equal(link_send(s->l, data_pkt(&f->rng, 1400), false), OK);
        link_flush(s->l);
    }
    link_close(s->l); /* a write is in progress, megabytes wait */
    run_ms(f, 20);
    assert_int_equal(f->a.down, 0); /* no event */
    assert_int_equal(tcp_stats(f->a.t).links, 0);
    (void)close(fd);

    /* By the owner in the middle of a burst of packets: no packet after that. */
    f->a.close_after = 5;
    connect_sides(f, &a, &b);
    for (int i = 0; i < 20; i++)
        assert_int_equal(link_send(b->l, data_pkt(&f->rng, 100), false), OK);
    link_flush(b->l);
    RUN_UNTIL(f, f->b.down == 1);
    assert_int_equal(a->frames, 5);
    assert_int_equal(f->a.down, 0);
    f->a.close_after = 0;

    /* Refused in the accepted() callback. */
    f->a.refuse = true;
    connect_sides(f, &a, &b);
    RUN_UNTIL(f, f->b.down == 2);
    assert_int_equal(f->a.down, 0);
    f->a.refuse = false;

    /* The whole transport from inside a callback. */
    f->a.free_at_frame = true;
    connect_sides(f, &a, &b);
    assert_int_equal(link_send(b->l, data_pkt(&f->rng, 100), false), OK);
    assert_int_equal(link_send(b->l, data_pkt(&f->rng, 100), false), OK);
    link_flush(b->l);
    RUN_UNTIL(f, f->b.down == 3);
    assert_int_equal(a->frames, 1);
    assert_null(f->a.t);
}

/* A broken link whose transport goes before the loop came round: no event. */
static void test_free_broken(void **state)
{
    struct fixture *f = *state;
    struct seen *s;
    struct pkt *p;
    int rc, fd = raw_connect(f, &s);
    do {
        p = control_pkt(&f->rng, 500);
        rc = link_send(s->l, p, true);
    } while (rc == OK);
    pkt_free(p);
    tcp_free(f->a.t);
    f->a.t = NULL;
    run_ms(f, 20);
    assert_int_equal(f->a.down, 0);
    (void)close(fd);
}

static size_t received(const struct side *side)
{
    size_t bytes = 0;
    for (size_t i = 0; i < side->count; i++)
        bytes += side->seen[i]->bytes;
    return bytes;
}

static void test_many(void **state)
{
    struct fixture *f = *state;
    enum { LINKS = 1000 };
    struct endpoint e = at("127.0.0.1", tcp_port(f->a.t));
    struct rlimit lim;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &lim), 0);
    lim.rlim_cur = lim.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &lim), 0);
    if (lim.rlim_cur < 2 * LINKS + 50)
        skip();
    for (unsigned i = 0; i < LINKS; i++)
        assert_int_equal(tcp_dial(f->b.t, i, &e, 10000), OK);
    RUN_UNTIL(f, f->b.count + f->b.failed == LINKS && f->a.count == LINKS);
    assert_int_equal(f->b.failed, 0);
    for (unsigned i = 0; i < LINKS; i++) {
        assert_int_equal(link_send(f->b.seen[i]->l, data_pkt(&f->rng, i), false), OK);
        link_flush(f->b.seen[i]->l);
    }
    RUN_UNTIL(f, received(&f->a) == LINKS * 40 + (size_t)LINKS * (LINKS - 1) / 2);
    for (unsigned i = 0; i < LINKS; i += 2)
        link_close(f->b.seen[i]->l);
    RUN_UNTIL(f, f->a.down == LINKS / 2);
    assert_int_equal(tcp_stats(f->a.t).links, LINKS / 2);
}

/* No descriptor left: accepting pauses, and goes on later. */
static void test_descriptors(void **state)
{
    struct fixture *f = *state;
    struct rlimit old, low;
    struct seen *s;
    int first = raw_connect(f, &s);
    int extra = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(tcp_port(f->a.t))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(extra >= 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = old;
    low.rlim_cur = (rlim_t)extra + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    assert_int_equal(connect(extra, (struct sockaddr *)&to, sizeof(to)), 0);
    uint64_t start = uv_hrtime();
    while (tcp_stats(f->a.t).accept_pauses == 0 && uv_hrtime() - start < 5000000000u)
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    uint64_t errors = tcp_stats(f->a.t).accept_errors;
    run_ms(f, TCP_ACCEPT_PAUSE_MS / 2);
    uint64_t later = tcp_stats(f->a.t).accept_errors;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(errors, 1);
    assert_int_equal(later, 1); /* it rests */
    RUN_UNTIL(f, f->a.count == 2);
    (void)close(first);
    (void)close(extra);
    RUN_UNTIL(f, f->a.down == 2);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_names_and_costs), T(test_odd_cuts),    T(test_largest),          T(test_many_small),
        T(test_bad_stream),      T(test_slow_reader), T(test_control_overflow), T(test_reset),
        T(test_cut_off),         T(test_close),       T(test_free_broken),      T(test_many),
        T(test_descriptors),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("router/tcp", tests, NULL, NULL);
}
