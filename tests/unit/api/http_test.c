/* The HTTP server on a real loop and real sockets: the server runs in a thread of its own, the
 * tests are blocking clients. */
#include "api/http.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/err.h"
#include "tests/unit/api/http_peer.h"

#define BODY_MAX    100000
#define WAITING_MAX 8

static struct {
    uv_loop_t loop;
    uv_async_t stop;
    pthread_t thread;
    struct http_server *http;
    uint16_t port;
    http_id waiting[WAITING_MAX]; /* of /later */
    size_t waiting_count;
    atomic_uint gone;
    struct http_stats stats; /* as of /stats */
} node;

/* --- the server's side ----------------------------------------------------------------------- */

static void answer(http_id id, unsigned status, const char *body, size_t len)
{
    struct http_response r = {.status = status,
                              .content_type = body ? "text/plain" : NULL,
                              .body = body,
                              .body_len = len};
    (void)http_answer(node.http, id, &r);
}

static void on_request(void *ctx, const struct http_request *r)
{
    static char big[1 << 20];
    char text[512];
    (void)ctx;
    if (strcmp(r->path, "/later") == 0) {
        node.waiting[node.waiting_count++ % WAITING_MAX] = r->id;
        return;
    }
    if (strcmp(r->path, "/release") == 0) {
        for (size_t i = 0; i < node.waiting_count; i++)
            answer(node.waiting[i], 200, "late", 4);
        node.waiting_count = 0;
        answer(r->id, 204, NULL, 0);
        return;
    }
    if (strcmp(r->path, "/big") == 0) {
        memset(big, 'b', sizeof(big));
        answer(r->id, 200, big, (size_t)atol(r->query));
        return;
    }
    if (strcmp(r->path, "/stats") == 0) {
        http_stats(node.http, &node.stats);
        answer(r->id, 204, NULL, 0);
        return;
    }
    unsigned sum = 0;
    for (size_t i = 0; i < r->body_len; i++)
        sum = sum * 31 + r->body[i];
    int n =
        snprintf(text, sizeof(text), "%d %s ?%s type=%s host=%s body=%zu/%u %s %s:%u", r->method,
                 r->path, r->query, r->content_type, r->host ? r->host : "-", r->body_len, sum,
                 r->loopback ? "loopback" : "remote", r->local_addr, r->local_port);
    answer(r->id, 200, text, (size_t)n);
}

static void on_gone(void *ctx, http_id id)
{
    (void)ctx;
    for (size_t i = 0; i < node.waiting_count; i++)
        if (node.waiting[i] == id) {
            atomic_fetch_add(&node.gone, 1);
            node.waiting[i] = node.waiting[--node.waiting_count];
            break;
        }
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
    (void)state;
    const struct http_limits limits = {
        .connections = 16,
        .connections_peer = 4,
        .body_bytes = 300000,
        .head_ms = 300,
        .body_ms = 300,
        .idle_ms = 600,
        .linger_ms = 300,
    };
    struct http_conf c = {
        .addr = "127.0.0.1",
        .max_body = BODY_MAX,
        .handler = {.request = on_request, .gone = on_gone},
        .limits = &limits,
    };
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
    assert_int_equal(uv_loop_close(&node.loop), 0); /* no handle left open */
    return 0;
}

/* --- tests ----------------------------------------------------------------------------------- */

static void test_get(void **state)
{
    (void)state;
    int fd = dial(node.port);
    char want[256];
    say(fd, "GET /a%2Fb?x=%41 HTTP/1.1\r\nHost: h\r\n\r\n");
    struct reply r = hear(fd, false);
    (void)snprintf(want, sizeof(want),
                   "0 /a%%2Fb ?x=%%41 type= host=h body=0/0 loopback 127.0.0.1:%u", node.port);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body, want);
    assert_non_null(strstr(r.head, "\r\ncontent-type: text/plain\r\n"));
    assert_non_null(strstr(r.head, "\r\ndate: "));
    assert_non_null(strstr(r.head, "\r\nx-content-type-options: nosniff\r\n"));
    assert_non_null(strstr(r.head, "\r\ncross-origin-resource-policy: same-origin\r\n"));
    assert_non_null(strstr(r.head, "\r\ncache-control: no-store\r\n"));
    assert_null(strstr(r.head, "server"));
    assert_null(strstr(r.head, "Server"));
    free(r.body);
    say(fd, "DELETE /x HTTP/1.1\r\n\r\n"); /* the connection is kept; no Host */
    expect(fd, 200, NULL);
    say(fd, "OPTIONS /x HTTP/1.1\r\nConnection: close\r\n\r\n");
    r = hear(fd, false);
    assert_int_equal(r.body[0], '0' + HTTP_OPTIONS);
    assert_non_null(strstr(r.head, "connection: close\r\n"));
    free(r.body);
    expect_end(fd);
}

static void test_http10(void **state)
{
    (void)state;
    int fd = dial(node.port);
    say(fd, "GET /x HTTP/1.0\r\n\r\n");
    expect(fd, 200, NULL);
    expect_end(fd);
    fd = dial(node.port);
    say(fd, "GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    struct reply r = hear(fd, false);
    assert_non_null(strstr(r.head, "connection: keep-alive\r\n"));
    free(r.body);
    say(fd, "GET /x HTTP/1.0\r\n\r\n");
    expect(fd, 200, NULL);
    expect_end(fd);
}

static void test_head(void **state)
{
    (void)state;
    int fd = dial(node.port);
    say(fd, "HEAD /x HTTP/1.1\r\n\r\nGET /y HTTP/1.1\r\n\r\n");
    struct reply r = hear(fd, true);
    assert_int_equal(r.status, 200);
    assert_null(strstr(r.head, "content-length: 0\r\n"));
    free(r.body);
    expect(fd, 200, NULL); /* and no body in between */
    close(fd);
}

static void test_pipelined(void **state)
{
    (void)state;
    int fd = dial(node.port);
    say(fd, "GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\nPOST /3 HTTP/1.1\r\n"
            "Content-Length: 2\r\n\r\nabGET /4 HTTP/1.1\r\n\r\n");
    for (int i = 1; i <= 4; i++) {
        struct reply r = hear(fd, false);
        assert_int_equal(r.body[3], '0' + i);
        free(r.body);
    }
    close(fd);
}

/* Answers come in order, also when the first one comes late; others are not held up. */
static void test_later(void **state)
{
    (void)state;
    int fd = dial(node.port), other = dial(node.port);
    say(fd, "GET /later HTTP/1.1\r\n\r\nGET /after HTTP/1.1\r\n\r\n");
    assert_true(quiet(fd, 100));
    say(other, "GET /at-once HTTP/1.1\r\n\r\n");
    expect(other, 200, NULL);
    assert_true(quiet(fd, 1));
    say(other, "GET /release HTTP/1.1\r\n\r\n");
    expect(other, 204, NULL);
    expect(fd, 200, "late");
    struct reply r = hear(fd, false);
    assert_non_null(strstr(r.body, "/after"));
    free(r.body);
    close(fd);
    close(other);
}

/* More behind a waiting request than is stashed: reading stops, and everything is answered after.
 */
static void test_stash_overflow(void **state)
{
    (void)state;
    enum { COUNT = 2000 };
    static char requests[COUNT * 64];
    size_t len = 0;
    int fd = dial(node.port), other = dial(node.port);
    say(fd, "GET /later HTTP/1.1\r\n\r\n");
    for (int i = 0; i < COUNT; i++)
        len += (size_t)snprintf(requests + len, sizeof(requests) - len,
                                "GET /n/%d HTTP/1.1\r\nHost: localhost\r\n\r\n", i);
    say_bytes(fd, requests, len);
    assert_true(quiet(fd, 50));
    say(other, "GET /release HTTP/1.1\r\n\r\n");
    expect(other, 204, NULL);
    expect(fd, 200, "late");
    for (int i = 0; i < COUNT; i++) {
        char want[32];
        struct reply r = hear(fd, false);
        (void)snprintf(want, sizeof(want), "0 /n/%d ", i);
        assert_true(strncmp(r.body, want, strlen(want)) == 0);
        free(r.body);
    }
    close(fd);
    close(other);
}

static void test_gone(void **state)
{
    (void)state;
    int fd = dial(node.port);
    unsigned before = atomic_load(&node.gone);
    say(fd, "GET /later HTTP/1.1\r\n\r\n");
    assert_true(quiet(fd, 50));
    close(fd);
    for (int i = 0; i < 100 && atomic_load(&node.gone) == before; i++)
        usleep(10000);
    assert_int_equal(atomic_load(&node.gone), before + 1);
}

static unsigned sum_of(const char *bytes, size_t len)
{
    unsigned sum = 0;
    for (size_t i = 0; i < len; i++)
        sum = sum * 31 + (unsigned char)bytes[i];
    return sum;
}

static void expect_body(int fd, const char *bytes, size_t len)
{
    char want[64];
    struct reply r = hear(fd, false);
    (void)snprintf(want, sizeof(want), " body=%zu/%u ", len, sum_of(bytes, len));
    assert_int_equal(r.status, 200);
    assert_non_null(strstr(r.body, want));
    free(r.body);
}

static void test_bodies(void **state)
{
    (void)state;
    static char body[BODY_MAX + 1];
    char head[128];
    int fd = dial(node.port);
    for (size_t i = 0; i < sizeof(body); i++)
        body[i] = (char)('a' + i % 23);
    for (size_t len = 0; len <= BODY_MAX; len = len * 7 + 1) {
        int n = snprintf(head, sizeof(head), "POST / HTTP/1.1\r\nContent-Length: %zu\r\n\r\n", len);
        say_bytes(fd, head, (size_t)n);
        say_bytes(fd, body, len);
        expect_body(fd, body, len);
    }
    int n = snprintf(head, sizeof(head), "PUT / HTTP/1.1\r\nContent-Length: %d\r\n\r\n", BODY_MAX);
    say_bytes(fd, head, (size_t)n);
    say_bytes(fd, body, BODY_MAX);
    expect_body(fd, body, BODY_MAX);
    /* chunked, the same size */
    say(fd, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (size_t at = 0; at < BODY_MAX; at += 1000) {
        say(fd, "3e8\r\n");
        say_bytes(fd, body + at, 1000);
        say(fd, "\r\n");
    }
    say(fd, "0\r\n\r\n");
    expect_body(fd, body, BODY_MAX);
    close(fd);
}

static void test_body_too_large(void **state)
{
    (void)state;
    static const char text[] = "Failed to buffer the request body: length limit exceeded";
    static char body[BODY_MAX + 1];
    int fd = dial(node.port);
    memset(body, 'x', sizeof(body));
    say(fd, "POST / HTTP/1.1\r\nContent-Length: 100001\r\n\r\n");
    say_bytes(fd, body, sizeof(body)); /* is read over, so that the answer arrives */
    expect(fd, 413, text);
    expect_end(fd);
    fd = dial(node.port);
    say(fd, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n186a1\r\n");
    say_bytes(fd, body, sizeof(body));
    expect(fd, 413, text);
    expect_end(fd);
}

static void test_expect(void **state)
{
    (void)state;
    int fd = dial(node.port);
    say(fd, "POST / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    expect(fd, 100, NULL);
    say(fd, "ab");
    expect_body(fd, "ab", 2);
    close(fd);
}

static void test_refused(void **state)
{
    (void)state;
    static char line[20000];
    int fd = dial(node.port);
    say(fd, "nonsense\r\n\r\n");
    struct reply r = hear(fd, false);
    assert_int_equal(r.status, 400);
    assert_int_equal(r.body_len, 0);
    assert_null(strstr(r.head, "content-type:"));
    assert_non_null(strstr(r.head, "content-length: 0\r\n"));
    assert_non_null(strstr(r.head, "connection: close\r\n"));
    free(r.body);
    expect_end(fd);

    memset(line, 'a', sizeof(line) - 1);
    fd = dial(node.port);
    say(fd, "GET /");
    say(fd, line);
    expect(fd, 414, NULL);
    expect_end(fd);
    fd = dial(node.port);
    say(fd, "GET / HTTP/1.1\r\nx: ");
    say(fd, line);
    expect(fd, 431, NULL);
    expect_end(fd);
    /* what came before in the same bytes is still answered */
    fd = dial(node.port);
    say(fd, "GET /1 HTTP/1.1\r\n\r\nGET\r\n\r\n");
    expect(fd, 200, NULL);
    expect(fd, 400, NULL);
    expect_end(fd);
}

static void test_slow(void **state)
{
    (void)state;
    int fd = dial(node.port), trickle = dial(node.port), body = dial(node.port),
        idle = dial(node.port);
    say(fd, "GET / HTTP/1.1\r\n");
    say(body, "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\na");
    for (int i = 0; i < 4; i++) { /* bytes now and then do not help a head */
        say(trickle, "G");
        usleep(60000);
    }
    expect(fd, 408, NULL);
    expect_end(fd);
    expect(trickle, 408, NULL);
    expect_end(trickle);
    expect(body, 408, NULL);
    expect_end(body);
    expect_end(idle); /* nothing to answer */
    /* bytes now and then do help a body */
    fd = dial(node.port);
    say(fd, "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\n");
    for (int i = 0; i < 4; i++) {
        usleep(150000);
        say(fd, "x");
    }
    expect_body(fd, "xxxx", 4);
    close(fd);
}

static void test_big_answer(void **state)
{
    (void)state;
    int fd = dial(node.port);
    say(fd, "GET /big?1048576 HTTP/1.1\r\n\r\nGET /big?70000 HTTP/1.1\r\n\r\nGET /x HTTP/1.1\r\n"
            "\r\n");
    usleep(50000); /* the kernel does not take all of it */
    struct reply r = hear(fd, false);
    assert_int_equal(r.body_len, 1048576);
    assert_null(memchr(r.body, '\0', r.body_len));
    free(r.body);
    r = hear(fd, false);
    assert_int_equal(r.body_len, 70000);
    free(r.body);
    expect(fd, 200, NULL);
    close(fd);
    /* closed behind a large answer: all of it arrives */
    fd = dial(node.port);
    say(fd, "GET /big?1048576 HTTP/1.1\r\nConnection: close\r\n\r\n");
    usleep(50000);
    r = hear(fd, false);
    assert_int_equal(r.body_len, 1048576);
    free(r.body);
    expect_end(fd);
}

/* A client that does not take its answer is cut off. */
static void test_not_reading(void **state)
{
    (void)state;
    int fd = dial(node.port), small = 4096;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    for (int i = 0; i < 8; i++)
        say(fd, "GET /big?1048576 HTTP/1.1\r\n\r\n");
    struct http_stats s = {0};
    for (int i = 0; i < 100 && s.timeouts == 0; i++) {
        int other = dial(node.port);
        usleep(20000);
        say(other, "GET /stats HTTP/1.1\r\nConnection: close\r\n\r\n");
        expect(other, 204, NULL);
        expect_end(other);
        s = node.stats;
    }
    assert_true(s.timeouts > 0);
    close(fd);
}

static void test_connection_limit(void **state)
{
    (void)state;
    int fd[17];
    for (int i = 0; i < 16; i++) {
        fd[i] = dial(node.port);
        say(fd[i], "GET /x HTTP/1.1\r\n\r\n");
        expect(fd[i], 200, NULL);
    }
    fd[16] = dial(node.port);
    struct reply r = hear(fd[16], false);
    assert_int_equal(r.status, 503);
    assert_non_null(strstr(r.head, "retry-after: "));
    free(r.body);
    expect_end(fd[16]);
    say(fd[0], "GET /x HTTP/1.1\r\n\r\n");
    expect(fd[0], 200, NULL);
    for (int i = 0; i < 16; i++)
        close(fd[i]);
    usleep(50000);
    fd[0] = dial(node.port);
    say(fd[0], "GET /x HTTP/1.1\r\n\r\n");
    expect(fd[0], 200, NULL);
    close(fd[0]);
}

static void test_body_budget(void **state)
{
    (void)state;
    static char body[BODY_MAX];
    int fd[4];
    memset(body, 'x', sizeof(body));
    for (int i = 0; i < 4; i++) {
        fd[i] = dial(node.port);
        say(fd[i], "POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n");
        say_bytes(fd[i], body, 90000);
        usleep(30000); /* one after the other */
    }
    expect(fd[3], 503, NULL);
    expect_end(fd[3]);
    for (int i = 0; i < 3; i++) {
        say_bytes(fd[i], body, 10000);
        expect_body(fd[i], body, 100000);
        close(fd[i]);
    }
}

static void test_address_in_use(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct http_server *s = NULL;
    struct http_conf c = {.addr = "127.0.0.1", .port = node.port, .max_body = 1};
    assert_int_equal(uv_loop_init(&loop), 0);
    c.loop = (struct uv_loop_s *)&loop;
    errno = 0;
    assert_int_equal(http_server_new(&c, &s), ERR_IO);
    assert_int_equal(errno, EADDRINUSE);
    c.addr = "localhost";
    assert_int_equal(http_server_new(&c, &s), ERR_INVAL);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void test_ipv6(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct http_server *s = NULL;
    struct http_conf c = {.addr = "::1", .max_body = 1};
    assert_int_equal(uv_loop_init(&loop), 0);
    c.loop = (struct uv_loop_s *)&loop;
    int rc = http_server_new(&c, &s);
    if (rc == OK) {
        assert_true(http_server_port(s) > 0);
        http_server_free(s);
    } else {
        assert_int_equal(rc, ERR_IO); /* a machine without IPv6 */
        assert_true(errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* Stopping with requests under way and bytes in flight. */
static void test_stop_busy(void **state)
{
    (void)state;
    int fd[5];
    for (int i = 0; i < 5; i++)
        fd[i] = dial(node.port);
    say(fd[0], "GET /later HTTP/1.1\r\n\r\nGET /x HTTP/1.1\r\n\r\n");
    say(fd[1], "GET / HT");
    say(fd[2], "POST / HTTP/1.1\r\nContent-Length: 50000\r\n\r\nabc");
    say(fd[3], "bad\r\n\r\n");
    usleep(50000);
    assert_int_equal(stop(NULL), 0);
    for (int i = 0; i < 5; i++)
        close(fd[i]);
    assert_int_equal(start(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_http10),
        cmocka_unit_test(test_head),
        cmocka_unit_test(test_pipelined),
        cmocka_unit_test(test_later),
        cmocka_unit_test(test_stash_overflow),
        cmocka_unit_test(test_gone),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_body_too_large),
        cmocka_unit_test(test_expect),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_slow),
        cmocka_unit_test(test_big_answer),
        cmocka_unit_test(test_not_reading),
        cmocka_unit_test(test_body_budget),
        cmocka_unit_test(test_connection_limit),
        cmocka_unit_test(test_address_in_use),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_stop_busy),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
