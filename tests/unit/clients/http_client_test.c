#include "clients/http_client.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "tests/unit/clients/fake_node.h"
#include "tests/unit/unit.h"

/* One request to a node with one answer. */
static int exchange(struct fake_node *n, const char *answer, const char *method, const char *body,
                    size_t body_len, struct http_reply *r)
{
    fake_node_start(n, &answer, 1, false);
    int rc = http_request(&n->target, method, "/x?y=%2B", body, body_len, 0, r);
    fake_node_stop(n);
    return rc;
}

static void expect_answer(const char *answer, unsigned status, const char *body)
{
    static struct fake_node n;
    struct http_reply r = {0};
    assert_int_equal(exchange(&n, answer, "GET", NULL, 0, &r), OK);
    assert_int_equal(r.status, status);
    assert_string_equal(r.body, body);
    assert_int_equal(r.body_len, strlen(body));
    http_reply_fini(&r);
    assert_null(r.body);
}

static void test_answers(void **state)
{
    (void)state;
    expect_answer("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", 200, "hello");
    expect_answer("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200, "");
    expect_answer("HTTP/1.1 204 No Content\r\n\r\n", 204, "");
    expect_answer("HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno", 404, "no");
    expect_answer("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n7\r\n "
                  "world!\r\n0\r\n\r\n",
                  200, "hello world!");
    expect_answer("HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, "until the end");
    expect_answer("HTTP/1.0 200 OK\r\n\r\nold", 200, "old");
    /* A redirect is an answer like any other: payloads go to the node and nowhere else. */
    expect_answer("HTTP/1.1 307 T\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 1\r\n\r\nr",
                  307, "r");
}

static void expect_error(const char *answer, int expected)
{
    static struct fake_node n;
    struct http_reply r = {.status = 77};
    assert_int_equal(exchange(&n, answer, "GET", NULL, 0, &r), expected);
    assert_int_equal(r.status, 77); /* written on success only */
}

static void test_broken_answers(void **state)
{
    (void)state;
    expect_error("", ERR_CLOSED);
    expect_error("HTTP/1.1 200 OK\r\ncontent-", ERR_CLOSED);
    expect_error("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello", ERR_CLOSED);
    expect_error("no HTTP at all\r\n\r\n", ERR_CLOSED);
}

static void test_request(void **state)
{
    static struct fake_node n;
    struct http_reply r = {0};
    char host[40];
    const char *body = "{\"a\":1}";
    (void)state;
    assert_int_equal(exchange(&n, "HTTP/1.1 201 C\r\ncontent-length: 2\r\n\r\nok", "POST", body,
                              strlen(body), &r),
                     OK);
    assert_int_equal(r.status, 201);
    snprintf(host, sizeof(host), "Host: 127.0.0.1:%u\r\n", n.target.port);
    assert_memory_equal(n.request, "POST /x?y=%2B HTTP/1.1\r\n", 24);
    assert_non_null(strstr(n.request, host));
    assert_non_null(strstr(n.request, "content-type: application/json\r\n"));
    assert_non_null(strstr(n.request, "content-length: 7\r\n"));
    assert_non_null(strstr(n.request, "\r\n\r\n{\"a\":1}"));
    http_reply_fini(&r);

    assert_int_equal(exchange(&n, "HTTP/1.1 204 N\r\n\r\n", "DELETE", NULL, 0, &r), OK);
    assert_memory_equal(n.request, "DELETE /x?y=%2B HTTP/1.1\r\n", 26);
    assert_null(strstr(n.request, "content-type"));
    http_reply_fini(&r);
}

static void test_large_bodies(void **state)
{
    static struct fake_node n;
    struct http_reply r = {0};
    size_t len = (size_t)20 * 1024 * 1024;
    char *body = malloc(len), *answer = malloc(len + 128);
    (void)state;
    assert_non_null(body);
    assert_non_null(answer);
    memset(body, 'b', len);
    int head = snprintf(answer, 128, "HTTP/1.1 200 OK\r\ncontent-length: %zu\r\n\r\n", len);
    memset(answer + head, 'a', len);
    answer[(size_t)head + len] = '\0';
    assert_int_equal(exchange(&n, answer, "POST", body, len, &r), OK);
    assert_int_equal(r.body_len, len);
    assert_int_equal(r.body[len - 1], 'a');
    assert_true(n.request_bytes > len);
    http_reply_fini(&r);
    free(body);
    free(answer);
}

static void test_early_refusal(void **state)
{
    static struct fake_node n;
    struct http_reply r = {0};
    const char *answer = "HTTP/1.1 413 T\r\ncontent-length: 9\r\n\r\ntoo large";
    size_t len = (size_t)30 * 1024 * 1024;
    char *body = calloc(1, len);
    (void)state;
    assert_non_null(body);
    fake_node_start(&n, &answer, 1, true);
    assert_int_equal(http_request(&n.target, "POST", "/", body, len, 0, &r), OK);
    fake_node_stop(&n);
    assert_int_equal(r.status, 413);
    assert_string_equal(r.body, "too large");
    assert_true(n.request_bytes < len);
    http_reply_fini(&r);
    free(body);
}

static void test_nobody_there(void **state)
{
    static struct fake_node n;
    struct http_reply r = {0};
    (void)state;
    fake_node_start(&n, NULL, 0, false);
    fake_node_stop(&n);
    assert_int_equal(http_request(&n.target, "GET", "/", NULL, 0, 0, &r), ERR_IO);
    assert_int_equal(http_request(&(struct api_target){.host = "::1", .port = n.target.port}, "GET",
                                  "/", NULL, 0, 0, &r),
                     ERR_IO);
}

static void test_proxies_are_ignored(void **state)
{
    (void)state;
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
    setenv("socks_proxy", "127.0.0.1:1", 1);
    expect_answer("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", 200, "ok");
}

/* A node that takes the request and says nothing. */
static void test_patience(void **state)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    struct http_reply r = {0};
    struct instant begin = instant_now();
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    http_patience_set(1);
    assert_int_equal(
        http_request(&(struct api_target){.host = "127.0.0.1", .port = ntohs(a.sin_port)}, "GET",
                     "/", NULL, 0, 0, &r),
        ERR_TIMEOUT);
    assert_in_range(usec_now() - begin.mono, USEC_SEC * 9 / 10, 3 * USEC_SEC);
    begin = instant_now();
    assert_int_equal(/* what was asked of the node comes on top */
                     http_request(
                         &(struct api_target){.host = "127.0.0.1", .port = ntohs(a.sin_port)},
                         "GET", "/", NULL, 0, 1, &r),
                     ERR_TIMEOUT);
    assert_in_range(usec_now() - begin.mono, USEC_SEC * 19 / 10, 5 * USEC_SEC);
    http_patience_set(30);
    close(fd);
}

static void test_limits(void **state)
{
    char path[4000];
    struct http_reply r = {0};
    (void)state;
    memset(path, 'a', sizeof(path));
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(http_request(&(struct api_target){.host = "127.0.0.1", .port = 1}, "GET", path,
                                  NULL, 0, 0, &r),
                     ERR_TOOBIG);
    path[200] = '\0';
    assert_int_equal(
        http_request(&(struct api_target){.host = path + 1, .port = 1}, "GET", "/", NULL, 0, 0, &r),
        ERR_TOOBIG);
}

struct pieces {
    char got[256];
    size_t got_len, given;
    unsigned status;
    int rc; /* what the callbacks return, if not OK */
};

static int give(void *ctx, void *buf, size_t cap, size_t *ret_len)
{
    struct pieces *p = ctx;
    assert_true(cap >= 1);
    memcpy(buf, &"0123456"[p->given % 7], 1); /* less than there is room for */
    p->given++;
    *ret_len = 1;
    return p->rc;
}

static int take(void *ctx, unsigned status, const char *bytes, size_t len)
{
    struct pieces *p = ctx;
    assert_true(p->got_len + len <= sizeof(p->got));
    memcpy(p->got + p->got_len, bytes, len);
    p->got_len += len;
    p->status = status;
    return p->rc;
}

static int exchange_pieces(const char *answer, struct pieces *p, char **ret_request,
                           struct http_reply *r)
{
    static struct fake_node n;
    const struct http_query q = {.method = "POST",
                                 .path = "/x",
                                 .type = "application/octet-stream",
                                 .header = "range:",
                                 .value = "bytes=5-",
                                 .source = give,
                                 .length = 20,
                                 .sink = take,
                                 .ctx = p};
    fake_node_start(&n, &answer, 1, false);
    int rc = http_exchange(&n.target, &q, r);
    fake_node_stop(&n);
    *ret_request = n.request;
    return rc;
}

static void test_pieces(void **state)
{
    struct pieces p = {.rc = OK};
    struct http_reply r = {0};
    char *request;
    (void)state;
    assert_int_equal(
        exchange_pieces("HTTP/1.1 206 P\r\ncontent-length: 5\r\n\r\nhello", &p, &request, &r), OK);
    assert_non_null(strstr(request, "\r\ncontent-length: 20\r\n"));
    assert_non_null(strstr(request, "\r\ncontent-type: application/octet-stream\r\n"));
    assert_non_null(strstr(request, "\r\nrange: bytes=5-\r\n"));
    assert_non_null(strstr(request, "\r\n\r\n01234560123456012345"));
    assert_int_equal(p.given, 20);
    assert_int_equal(p.got_len, 5);
    assert_memory_equal(p.got, "hello", 5);
    assert_int_equal(p.status, 206);
    assert_int_equal(r.body_len, 0);
    http_reply_fini(&r);
    /* A refusal is not for the sink. */
    p = (struct pieces){.rc = OK};
    assert_int_equal(
        exchange_pieces("HTTP/1.1 404 N\r\ncontent-length: 2\r\n\r\nno", &p, &request, &r), OK);
    assert_string_equal(r.body, "no");
    assert_int_equal(p.got_len, 0);
    http_reply_fini(&r);
}

static void test_pieces_that_fail(void **state)
{
    static struct fake_node n;
    const char *answer = "HTTP/1.1 200 O\r\ncontent-length: 5\r\n\r\nhello";
    struct pieces p = {.rc = ERR_NOSPACE};
    const struct http_query q = {.path = "/x", .sink = take, .ctx = &p};
    struct http_reply r = {.status = 77};
    char *request;
    (void)state;
    fake_node_start(&n, &answer, 1, false);
    assert_int_equal(http_exchange(&n.target, &q, &r), ERR_NOSPACE);
    fake_node_stop(&n);
    assert_int_equal(exchange_pieces("", &p, &request, &r), ERR_NOSPACE); /* of the source */
    assert_int_equal(r.status, 77);
}

/* A request that waits for its answer ends when it is told to. */
static void test_stop(void **state)
{
    static const volatile sig_atomic_t stop = 1;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    struct http_reply r = {0};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    (void)state;
    assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
    assert_int_equal(listen(fd, 4), 0); /* takes connections, and says nothing */
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    const struct api_target t = {.host = "127.0.0.1", .port = ntohs(a.sin_port)};
    const struct http_query q = {.path = "/x", .wait_s = 3600, .stop = &stop};
    assert_int_equal(http_exchange(&t, &q, &r), ERR_STATE);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),         cmocka_unit_test(test_pieces_that_fail),
        cmocka_unit_test(test_stop),           cmocka_unit_test(test_answers),
        cmocka_unit_test(test_broken_answers), cmocka_unit_test(test_request),
        cmocka_unit_test(test_large_bodies),   cmocka_unit_test(test_early_refusal),
        cmocka_unit_test(test_nobody_there),   cmocka_unit_test(test_proxies_are_ignored),
        cmocka_unit_test(test_patience),       cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
