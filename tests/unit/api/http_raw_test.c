/* Connections that were taken over, on a real loop and real sockets: the server runs in a thread of
 * its own, the tests are blocking clients. */
#include "api/http_raw.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/err.h"
#include "tests/unit/api/http_peer.h"

#define BIG (8u << 20) /* more than the sockets of both sides hold */

static struct {
    uv_loop_t loop;
    uv_async_t stop;
    pthread_t thread;
    struct http_server *http;
    uint16_t port;
    http_id id; /* of the one that was taken over last */
    char kept[16];
    atomic_uint gone, ticks, writable;
    struct http_stats stats;
} node;

static void answer(http_id id, const char *body)
{
    struct http_response r = {
        .status = 200, .content_type = "text/plain", .body = body, .body_len = strlen(body)};
    (void)http_answer(node.http, id, &r);
}

/* 'q' closes, 'h' takes one byte and no more until /more, 'b' sends much, 'g' says 1 2 3 in one
 * write; everything else is sent back. */
static size_t on_bytes(void *ctx, const uint8_t *in, size_t len)
{
    static char big[BIG];
    (void)ctx;
    if (in[0] == 'q') {
        (void)http_raw_write(node.http, node.id, "bye", 3);
        http_raw_close(node.http, node.id, 300);
        return len;
    }
    if (in[0] == 'h' || in[0] == 'H')
        return in[0] == 'h' ? 0 : 1;
    if (in[0] == 'b') {
        memset(big, 'b', sizeof(big));
        (void)http_raw_write(node.http, node.id, big, sizeof(big));
        assert_true(http_raw_blocked(node.http, node.id));
        http_raw_want(node.http, node.id);
        return 1;
    }
    (void)http_raw_write(node.http, node.id, in, len);
    return len;
}

static void on_writable(void *ctx)
{
    (void)ctx;
    atomic_fetch_add(&node.writable, 1);
    (void)http_raw_write(node.http, node.id, "W", 1);
    http_raw_more(node.http, node.id);
}

static void on_tick(void *ctx, usec_t now)
{
    (void)ctx;
    assert_true(now > 0);
    atomic_fetch_add(&node.ticks, 1);
}

static void on_closed(void *ctx)
{
    assert_ptr_equal(ctx, &node);
    atomic_fetch_add(&node.gone, 1);
}

static void on_request(void *ctx, const struct http_request *r)
{
    static const struct http_raw_handler h = {.bytes = on_bytes,
                                              .writable = on_writable,
                                              .tick = on_tick,
                                              .closed = on_closed,
                                              .ctx = &node};
    static const struct http_header field = {"upgrade", "raw"};
    struct http_response head = {.status = 101, .extra = &field, .extra_count = 1};
    (void)ctx;
    if (strcmp(r->path, "/raw") == 0 || strcmp(r->path, "/stream") == 0) {
        if (http_raw_full(node.http)) {
            answer(r->id, "full");
            return;
        }
        if (r->path[1] == 's')
            head = (struct http_response){.status = 200, .content_type = "text/x"};
        node.id = r->id;
        assert_true(http_raw_begin(node.http, r->id, &head, &h));
        return;
    }
    if (strcmp(r->path, "/say") == 0) {
        assert_true(http_raw_cork(node.http, node.id) == false); /* this request is gathered */
        (void)http_raw_write(node.http, node.id, "1", 1);
        (void)http_raw_write(node.http, node.id, "23", 2);
    }
    if (strcmp(r->path, "/more") == 0)
        http_raw_more(node.http, node.id);
    if (strcmp(r->path, "/stats") == 0)
        http_stats(node.http, &node.stats);
    answer(r->id, "ok");
}

static void on_gone(void *ctx, http_id id)
{
    (void)ctx;
    (void)id;
    fail_msg("a request that was taken over is not told as gone");
}

static void on_stop(uv_async_t *h)
{
    http_server_free(node.http);
    uv_close((uv_handle_t *)h, NULL);
}

static void *run(void *arg)
{
    (void)arg;
    uv_run(&node.loop, UV_RUN_DEFAULT);
    return NULL;
}

static int start(void **state)
{
    const struct http_limits limits = {
        .connections = 16,
        .connections_peer = 4,
        .raw = 3,
        .body_bytes = 300000,
        .head_ms = 200,
        .body_ms = 200,
        .idle_ms = 200,
        .linger_ms = 200,
    };
    struct http_conf c = {
        .addr = "127.0.0.1",
        .handler = {.request = on_request, .gone = on_gone},
        .limits = &limits,
    };
    (void)state;
    memset(&node, 0, sizeof(node));
    assert_int_equal(uv_loop_init(&node.loop), 0);
    c.loop = (struct uv_loop_s *)&node.loop;
    assert_int_equal(uv_async_init(&node.loop, &node.stop, on_stop), 0);
    assert_int_equal(http_server_new(&c, &node.http), OK);
    node.port = http_server_port(node.http);
    assert_int_equal(pthread_create(&node.thread, NULL, run, NULL), 0);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    assert_int_equal(uv_async_send(&node.stop), 0);
    assert_int_equal(pthread_join(node.thread, NULL), 0);
    assert_int_equal(uv_loop_close(&node.loop), 0);
    return 0;
}

/* --- tests ----------------------------------------------------------------------------------- */

static void expect_bytes(int fd, const char *want)
{
    char got[64] = {0};
    size_t len = strlen(want), n = 0;
    while (n < len) {
        ssize_t k = recv(fd, got + n, len - n, 0);
        assert_true(k > 0);
        n += (size_t)k;
    }
    assert_string_equal(got, want);
}

static void ask(const char *path)
{
    char text[64];
    int fd = dial(node.port);
    (void)snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nConnection: close\r\n\r\n", path);
    say(fd, text);
    expect(fd, 200, "ok");
    expect_end(fd);
}

/* Reads the head of an answer without a length. */
static void head_of(int fd, char *head, size_t cap)
{
    size_t n = 0;
    while (n < 4 || memcmp(head + n - 4, "\r\n\r\n", 4) != 0) {
        assert_true(n < cap - 1);
        assert_int_equal(recv(fd, head + n++, 1, 0), 1);
    }
    head[n] = '\0';
}

static int take_over(const char *path)
{
    char text[128], head[1024];
    int fd = dial(node.port);
    (void)snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n\r\n", path);
    say(fd, text);
    head_of(fd, head, sizeof(head));
    assert_null(strstr(head, "content-length"));
    if (path[1] == 's') {
        assert_int_equal(strncmp(head, "HTTP/1.1 200 OK\r\n", 17), 0);
        assert_non_null(strstr(head, "\r\nconnection: close\r\n"));
        assert_non_null(strstr(head, "\r\ncontent-type: text/x\r\n"));
    } else {
        assert_int_equal(strncmp(head, "HTTP/1.1 101 Switching Protocols\r\n", 34), 0);
        assert_non_null(strstr(head, "\r\nconnection: upgrade\r\n"));
        assert_non_null(strstr(head, "\r\nupgrade: raw\r\n"));
    }
    return fd;
}

static void wait_for(const atomic_uint *n, unsigned want)
{
    for (int i = 0; i < 1000 && atomic_load(n) < want; i++)
        usleep(10000);
    assert_true(atomic_load(n) >= want);
}

static void test_bytes(void **state)
{
    (void)state;
    int fd = take_over("/raw");
    say(fd, "GET / is no request any more");
    expect_bytes(fd, "GET / is no request any more");
    ask("/say");
    expect_bytes(fd, "123");
    close(fd);
    wait_for(&node.gone, 1);
}

/* Bytes behind the head, in the same packet, belong to who takes over. */
static void test_behind_head(void **state)
{
    char head[1024];
    (void)state;
    int fd = dial(node.port);
    say(fd, "GET /first HTTP/1.1\r\n\r\nGET /raw HTTP/1.1\r\n\r\nthere");
    expect(fd, 200, "ok");
    head_of(fd, head, sizeof(head));
    expect_bytes(fd, "there");
    close(fd);
    wait_for(&node.gone, 1);
}

/* The limits of requests are not its own, and it has a clock. */
static void test_lasts(void **state)
{
    (void)state;
    int fd = take_over("/stream");
    wait_for(&node.ticks, 10); /* the idle time is four of them */
    assert_true(quiet(fd, 0));
    ask("/say");
    expect_bytes(fd, "123");
    assert_int_equal(atomic_load(&node.gone), 0);
    close(fd);
}

static void test_close(void **state)
{
    (void)state;
    int fd = take_over("/raw");
    say(fd, "quit");
    expect_bytes(fd, "bye");
    char c;
    assert_int_equal(recv(fd, &c, 1, 0), 0); /* shut, but what we still send does no harm */
    say(fd, "more");
    close(fd);
    assert_int_equal(atomic_load(&node.gone), 0);
}

/* What is not taken comes again, in order and whole. */
static void test_more(void **state)
{
    enum { LEN = 100000 };
    static char bytes[LEN], got[LEN];
    (void)state;
    int fd = take_over("/raw");
    for (size_t i = 0; i < LEN; i++)
        bytes[i] = (char)('0' + i % 10);
    say(fd, "H"); /* one is taken */
    say(fd, "h"); /* none is taken */
    assert_true(quiet(fd, 50));
    ask("/more"); /* asked again, and says no again */
    assert_true(quiet(fd, 50));
    say_bytes(fd, bytes, 1000);
    assert_true(quiet(fd, 50));
    assert_int_equal(atomic_load(&node.gone), 0);
    close(fd);
    wait_for(&node.gone, 1);
    fd = take_over("/raw");
    say(fd, "b"); /* blocked: it is not read */
    say_bytes(fd, bytes, LEN);
    for (size_t n = 0; n < BIG;) {
        ssize_t k = recv(fd, got, MIN(sizeof(got), BIG - n), 0);
        assert_true(k > 0);
        n += (size_t)k;
    }
    size_t n = 0;
    while (n < LEN) {
        ssize_t k = recv(fd, got + n, LEN - n, 0);
        assert_true(k > 0);
        n += (size_t)k;
        if (got[0] == 'W') /* writable() came before the rest was read */
            memmove(got, got + 1, --n);
    }
    assert_memory_equal(got, bytes, LEN);
    assert_int_equal(atomic_load(&node.writable), 1);
    close(fd);
}

static void test_limit(void **state)
{
    int fds[3];
    (void)state;
    for (int i = 0; i < 3; i++)
        fds[i] = take_over("/raw");
    int fd = dial(node.port);
    say(fd, "GET /raw HTTP/1.1\r\n\r\n");
    expect(fd, 200, "full");
    ask("/stats");
    assert_int_equal(node.stats.raw, 3);
    close(fds[0]);
    wait_for(&node.gone, 1);
    close(fd);
    fds[0] = take_over("/raw");
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    wait_for(&node.gone, 4);
    ask("/stats");
    assert_int_equal(node.stats.raw, 0);
    assert_int_equal(node.stats.open_requests, 1); /* /stats itself */
}

/* The server goes: who took over hears of it. */
static void test_server_free(void **state)
{
    int fd = take_over("/raw");
    stop(state);
    assert_int_equal(atomic_load(&node.gone), 1);
    close(fd);
    start(state);
}

int main(void)
{
#define EACH(f) cmocka_unit_test_setup_teardown(f, start, stop)
    const struct CMUnitTest tests[] = {
        EACH(test_bytes), EACH(test_behind_head), EACH(test_lasts),       EACH(test_close),
        EACH(test_more),  EACH(test_limit),       EACH(test_server_free),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
