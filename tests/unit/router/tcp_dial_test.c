#include <uv.h>

#include "router/link/tcp_priv.h"
#include "tests/unit/router/tcp_fixture.h"

/* A bound socket that nobody listens on keeps its port from others. */
static uint16_t bound_socket(int *ret_fd, const char *ip, uint16_t port, int backlog)
{
    struct endpoint e = at(ip, port);
    socklen_t len =
        e.addr.ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    struct sockaddr_in sin;
    int fd = socket(e.addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&e.addr, len) < 0 ||
        (backlog >= 0 && listen(fd, backlog) < 0)) {
        if (fd >= 0)
            (void)close(fd);
        *ret_fd = -1;
        return 0;
    }
    assert_int_equal(getsockname(fd, (struct sockaddr *)&e.addr, &len), 0);
    memcpy(&sin, &e.addr, sizeof(sin));
    *ret_fd = fd;
    return ntohs(sin.sin_port);
}

static void test_refused(void **state)
{
    struct fixture *f = *state;
    int fd;
    uint16_t port = bound_socket(&fd, "127.0.0.1", 0, -1);
    struct endpoint e = at("127.0.0.1", port), vsock;
    const char *fault;
    assert_true(fd >= 0);
    assert_int_equal(tcp_dial(f->b.t, 99, &e, 5000), OK);
    assert_int_equal(f->b.failed, 0); /* never inside a call */
    assert_int_equal(tcp_stats(f->b.t).dialling, 1);
    RUN_UNTIL(f, f->b.failed == 1);
    assert_string_equal(f->b.why, "connection refused");
    assert_int_equal(f->b.failed_dial, 99);
    assert_int_equal(tcp_stats(f->b.t).dialling, 0);
    assert_int_equal(tcp_stats(f->b.t).dials_failed, 1);
    assert_int_equal(endpoint_parse("vsock://2:1", &vsock, &fault), OK);
    assert_int_equal(tcp_dial(f->b.t, 1, &vsock, 5000), ERR_UNSUPPORTED);
    (void)close(fd);
}

/* A listener whose queue is full: the system then drops what comes, so connecting takes for ever.
 */
struct full {
    int fd, filler[8];
    uint16_t port;
};

static bool full_listener(struct full *l, const char *ip, uint16_t port)
{
    l->port = bound_socket(&l->fd, ip, port, 0);
    for (size_t i = 0; i < ARRAY_LEN(l->filler); i++)
        l->filler[i] = -1;
    if (l->fd < 0)
        return false;
    struct endpoint e = at(ip, l->port);
    for (size_t i = 0; i < ARRAY_LEN(l->filler); i++) {
        l->filler[i] = socket(e.addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_true(l->filler[i] >= 0);
        (void)connect(l->filler[i], (struct sockaddr *)&e.addr,
                      e.addr.ss_family == AF_INET ? sizeof(struct sockaddr_in)
                                                  : sizeof(struct sockaddr_in6));
        (void)usleep(1000);
    }
    return true;
}

static void full_close(struct full *l)
{
    for (size_t i = 0; i < ARRAY_LEN(l->filler); i++)
        if (l->filler[i] >= 0)
            (void)close(l->filler[i]);
    if (l->fd >= 0)
        (void)close(l->fd);
}

static void test_dial_timeout(void **state)
{
    struct fixture *f = *state;
    struct full l;
    assert_true(full_listener(&l, "127.0.0.1", 0));
    struct endpoint e = at("127.0.0.1", l.port);
    uint64_t start = uv_hrtime();
    assert_int_equal(tcp_dial(f->b.t, 5, &e, 300), OK);
    assert_int_equal(tcp_dial(f->b.t, 6, &e, 5000), OK);
    RUN_UNTIL(f, f->b.failed == 1);
    uint64_t ms = (uv_hrtime() - start) / 1000000;
    assert_string_equal(f->b.why, "timed out");
    assert_int_equal(f->b.failed_dial, 5);
    assert_in_range(ms, 295, 2000);
    tcp_dial_cancel(f->b.t, 6);
    tcp_dial_cancel(f->b.t, 6); /* fine when it is gone */
    assert_int_equal(tcp_stats(f->b.t).dialling, 0);
    run_ms(f, 50);
    assert_int_equal(f->b.failed, 1); /* cancelled: no event */
    assert_int_equal(tcp_dial(f->b.t, 7, &e, 5000), OK);
    run_ms(f, 20); /* tcp_free() while it runs: teardown checks */
    full_close(&l);
}

static struct sockaddr_storage addr_of(const char *ip, uint16_t port)
{
    return at(ip, port).addr;
}

/* The first address is silent, the second joins after the stagger time; a refused one makes room
 * for the next at once. The first that connects wins, and the rest is closed. */
static void test_race(void **state)
{
    struct fixture *f = *state;
    struct full l;
    int refusing;
    assert_true(full_listener(&l, "127.0.0.1", 0));
    uint16_t none = bound_socket(&refusing, "127.0.0.1", 0, -1), port = tcp_port(f->a.t);
    assert_true(refusing >= 0);
    struct sockaddr_storage to[] = {addr_of("127.0.0.1", l.port), addr_of("127.0.0.1", none),
                                    addr_of("127.0.0.1", none), addr_of("127.0.0.1", port),
                                    addr_of("127.0.0.2", port)};
    uint64_t start = uv_hrtime();
    assert_int_equal(dialler_dial_list(&f->b.t->dialler, 1, to, ARRAY_LEN(to), 5000), OK);
    RUN_UNTIL(f, f->b.count == 1 && f->a.count == 1);
    uint64_t ms = (uv_hrtime() - start) / 1000000;
    assert_in_range(ms, DIAL_STAGGER_MS - 5, 2 * DIAL_STAGGER_MS - 5);
    assert_non_null(strstr(f->b.seen[0]->name, "<-> 127.0.0.1:"));
    run_ms(f, DIAL_STAGGER_MS + 50); /* the last address is not tried any more */
    assert_int_equal(f->a.count, 1);
    assert_int_equal(f->b.count, 1);
    assert_int_equal(f->b.failed, 0);

    assert_int_equal(dialler_dial_list(&f->b.t->dialler, 2, to, 3, 3 * DIAL_STAGGER_MS), OK);
    RUN_UNTIL(f, f->b.failed == 1);
    assert_string_equal(f->b.why, "timed out");
    assert_int_equal(dialler_dial_list(&f->b.t->dialler, 3, to + 1, 2, 5000), OK);
    RUN_UNTIL(f, f->b.failed == 2);
    assert_string_equal(f->b.why, "connection refused");
    assert_int_equal(dialler_dial_list(&f->b.t->dialler, 4, to, 0, 5000), OK);
    RUN_UNTIL(f, f->b.failed == 3);
    assert_string_equal(f->b.why, "no address");
    full_close(&l);
    (void)close(refusing);
}

static void test_order(void **state)
{
    static const char *const found_text[] = {"[2001:db8::1]", "[2001:db8::2]", "[2001:db8::3]",
                                             "192.0.2.1", "192.0.2.2"};
    static const char *const v6_first[] = {"[2001:db8::1]:7", "192.0.2.1:7", "[2001:db8::2]:7",
                                           "192.0.2.2:7", "[2001:db8::3]:7"};
    static const char *const v4_first[] = {"192.0.2.1:7", "[2001:db8::1]:7", "192.0.2.2:7",
                                           "[2001:db8::2]:7", "[2001:db8::3]:7"};
    struct sockaddr_storage sa[5], ret[5];
    struct addrinfo ai[5] = {0};
    char buf[SOCKADDR_STR_MAX];
    (void)state;
    for (size_t i = 0; i < 5; i++) {
        sa[i] = addr_of(found_text[i], 1);
        ai[i].ai_family = sa[i].ss_family;
        ai[i].ai_addr = (struct sockaddr *)&sa[i];
        ai[i].ai_next = i < 4 ? &ai[i + 1] : NULL;
    }
    assert_int_equal(dial_order(ai, 7, ret, 5), 5);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(sockaddr_str((struct sockaddr *)&ret[i], buf, sizeof(buf)),
                            v6_first[i]);
    assert_int_equal(dial_order(ai, 7, ret, 2), 2);
    ai[4].ai_next = &ai[0]; /* 192.0.2.1 192.0.2.2 2001:db8::1 ... */
    ai[2].ai_next = NULL;
    assert_int_equal(dial_order(&ai[3], 7, ret, 5), 5);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(sockaddr_str((struct sockaddr *)&ret[i], buf, sizeof(buf)),
                            v4_first[i]);
    assert_int_equal(dial_order(NULL, 7, ret, 5), 0);
}

static unsigned localhost_families(bool *ret_v6_first)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    unsigned v4 = 0, v6 = 0;
    if (getaddrinfo("localhost", NULL, &hints, &found) != 0)
        return 0;
    *ret_v6_first = found->ai_family == AF_INET6;
    for (struct addrinfo *i = found; i; i = i->ai_next) {
        v4 |= i->ai_family == AF_INET;
        v6 |= i->ai_family == AF_INET6;
    }
    freeaddrinfo(found);
    return v4 | v6 << 1;
}

static void test_host_name(void **state)
{
    struct fixture *f = *state;
    bool v6_first = false;
    unsigned families = localhost_families(&v6_first);
    if (!(families & 1))
        skip();
    /* Cancelled and timed out while the lookup runs. */
    struct endpoint e = at("localhost", tcp_port(f->a.t));
    assert_int_equal(tcp_dial(f->b.t, 1, &e, 5000), OK);
    tcp_dial_cancel(f->b.t, 1);
    assert_int_equal(tcp_dial(f->b.t, 2, &e, 5000), OK);
    RUN_UNTIL(f, f->b.count == 1);
    assert_int_equal(f->b.seen[0]->dial, 2);

    /* IPv6 refuses, if it is there: IPv4 follows at once. */
    int fd;
    uint16_t port = bound_socket(&fd, "127.0.0.1", 0, 10);
    assert_true(fd >= 0);
    e = at("localhost", port);
    assert_int_equal(tcp_dial(f->b.t, 3, &e, 5000), OK);
    RUN_UNTIL(f, f->b.count == 2);
    assert_int_equal(link_remote(f->b.seen[1]->l)->sa_family, AF_INET);

    /* IPv6 is silent: IPv4 joins after the stagger time, long before the end. */
    struct full l = {.fd = -1};
    if (families == 3 && v6_first && full_listener(&l, "[::1]", port)) {
        uint64_t start = uv_hrtime();
        assert_int_equal(tcp_dial(f->b.t, 4, &e, 5000), OK);
        RUN_UNTIL(f, f->b.count == 3);
        uint64_t ms = (uv_hrtime() - start) / 1000000;
        assert_int_equal(link_remote(f->b.seen[2]->l)->sa_family, AF_INET);
        assert_in_range(ms, DIAL_STAGGER_MS - 20, 2000);
        full_close(&l);
    }
    (void)close(fd);
}

static void test_listener(void **state)
{
    struct fixture *f = *state;
    struct tcp_conf c = conf(f, &f->b);
    struct tcp *t = NULL;
    c.listen_port = tcp_port(f->a.t);
    assert_true(c.listen_port != 0);
    errno = 0;
    assert_int_equal(tcp_new(&c, &t), ERR_IO);
    assert_int_equal(errno, EADDRINUSE);
    assert_null(t);
    assert_int_equal(tcp_port(f->b.t), 0); /* dial_only */
    c.listen_port = 0;
    c.firewall_mark = 77;
    int rc = tcp_new(&c, &t);
    if (rc != OK) {
        assert_int_equal(rc, ERR_IO);
        assert_int_equal(errno, EPERM); /* not privileged */
        return;
    }
    struct endpoint e = at("127.0.0.1", tcp_port(f->a.t));
    assert_int_equal(tcp_dial(t, 1, &e, 5000), OK);
    RUN_UNTIL(f, f->b.count == 1);
    tcp_free(t);
    run_ms(f, 20);
    assert_int_equal(f->b.down, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_refused),  T(test_dial_timeout), T(test_host_name),
        T(test_listener), T(test_race),         T(test_order),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("router/tcp_dial", tests, NULL, NULL);
}
