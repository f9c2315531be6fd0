/* Bodies in pieces through the HTTP server, on a real loop and real sockets. */
#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#include "api/http.h"
#include "base/err.h"
#include "tests/unit/api/http_peer.h"

#define WHOLE_MAX 100000
#define UP_MAX    (1 << 24)

/* One request under way, by the loop thread only. */
struct flow {
    http_id id;
    char path[32];
    uint64_t got; /* bytes of the body */
    unsigned sum;
    uint64_t left; /* of the answer */
    bool asked;
};

static struct {
    uv_loop_t loop;
    uv_async_t stop, ask;
    pthread_t thread;
    struct http_server *http;
    uint16_t port;
    struct flow flows[8];
    struct http_stats stats;
    atomic_uint gone, ends, answered_ask;
    atomic_ullong got;   /* by the flow of /up-held */
    atomic_bool release; /* ask: let those go on that are held */
} node;

static unsigned sum_on(unsigned sum, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        sum = sum * 31 + bytes[i];
    return sum;
}

static uint8_t pattern(uint64_t at)
{
    return (uint8_t)(at * 7 + 3 + (at >> 9));
}

/* --- the server's side ----------------------------------------------------------------------- */

static void answer(http_id id, unsigned status, const char *text)
{
    struct http_response r = {.status = status,
                              .content_type = text ? "text/plain" : NULL,
                              .body = text,
                              .body_len = text ? strlen(text) : 0};
    (void)http_answer(node.http, id, &r);
}

static struct flow *flow_of(http_id id)
{
    for (size_t i = 0; i < ARRAY_LEN(node.flows); i++)
        if (node.flows[i].id == id)
            return &node.flows[i];
    return NULL;
}

static struct flow *flow_new(const struct http_request *r)
{
    struct flow *f = flow_of(0);
    assert_non_null(f);
    *f = (struct flow){.id = r->id};
    (void)snprintf(f->path, sizeof(f->path), "%s", r->path);
    return f;
}

static struct http_want on_head(void *ctx, const struct http_request *r)
{
    (void)ctx;
    if (strncmp(r->path, "/refuse", 7) == 0) {
        answer(r->id, 403, "no");
        return (struct http_want){.kind = HTTP_BODY_NONE};
    }
    if (strncmp(r->path, "/up", 3) != 0)
        return (struct http_want){HTTP_BODY_WHOLE, WHOLE_MAX};
    flow_new(r);
    return (struct http_want){HTTP_BODY_PIECES, UP_MAX};
}

static bool on_piece(void *ctx, http_id id, const uint8_t *bytes, size_t len)
{
    struct flow *f = flow_of(id);
    (void)ctx;
    assert_non_null(f);
    assert_true(len > 0);
    f->got += len;
    f->sum = sum_on(f->sum, bytes, len);
    if (strcmp(f->path, "/up-held") == 0) {
        atomic_store(&node.got, f->got);
        return atomic_load(&node.release);
    }
    if (strcmp(f->path, "/up-early") == 0) {
        f->id = 0;
        answer(id, 409, "enough");
    }
    return true;
}

static void on_end(void *ctx, http_id id)
{
    struct flow *f = flow_of(id);
    char text[64];
    (void)ctx;
    atomic_fetch_add(&node.ends, 1);
    assert_non_null(f);
    (void)snprintf(text, sizeof(text), "%llu/%u", (unsigned long long)f->got, f->sum);
    f->id = 0;
    answer(id, 201, text);
}

static void give(struct flow *f)
{
    static uint8_t piece[HTTP_PIECE_MAX];
    size_t n = MIN(f->left, 60000);
    http_id id = f->id;
    f->asked = false;
    for (size_t i = 0; i < n; i++)
        piece[i] = pattern(f->got + i);
    f->got += n;
    f->left -= n;
    if (f->left == 0)
        f->id = 0;
    bool more = http_answer_piece(node.http, id, piece, n);
    if (f->id)
        assert_true(more);
    else
        assert_false(more);
}

static void on_drained(void *ctx, http_id id)
{
    struct flow *f = flow_of(id);
    (void)ctx;
    assert_non_null(f);
    f->asked = true;
    if (strcmp(f->path, "/down-held") == 0 && !atomic_load(&node.release))
        return;
    if (strcmp(f->path, "/down-break") == 0 && f->got > 0) {
        f->id = 0;
        http_answer_break(node.http, id);
        return;
    }
    give(f);
}

static void on_request(void *ctx, const struct http_request *r)
{
    struct http_response big = {.status = 200, .content_type = "application/octet-stream"};
    (void)ctx;
    if (strncmp(r->path, "/down", 5) != 0) {
        char text[64];
        (void)snprintf(text, sizeof(text), "whole %zu", r->body_len);
        answer(r->id, 200, text);
        return;
    }
    struct flow *f = flow_new(r);
    f->left = big.body_len = (size_t)atoll(r->query);
    if (!http_answer_begin(node.http, r->id, &big))
        f->id = 0;
}

static void on_gone(void *ctx, http_id id)
{
    struct flow *f = flow_of(id);
    (void)ctx;
    assert_non_null(f);
    f->id = 0;
    atomic_fetch_add(&node.gone, 1);
}

static void on_stop(uv_async_t *h)
{
    http_server_free(node.http);
    uv_close((uv_handle_t *)h, NULL);
    uv_close((uv_handle_t *)&node.ask, NULL);
}

/* The tests' word to the loop: statistics, and who is held may go on. */
static void on_ask(uv_async_t *h)
{
    (void)h;
    http_stats(node.http, &node.stats);
    for (size_t i = 0; i < ARRAY_LEN(node.flows) && atomic_load(&node.release); i++) {
        struct flow *f = &node.flows[i];
        if (!f->id || !strstr(f->path, "-held"))
            continue;
        if (f->path[1] == 'u')
            http_more(node.http, f->id);
        else if (f->asked)
            give(f);
    }
    atomic_fetch_add(&node.answered_ask, 1);
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
        .head_ms = 400,
        .body_ms = 400,
        .idle_ms = 5000,
        .linger_ms = 400,
    };
    struct http_conf c = {
        .addr = "127.0.0.1",
        .handler = {.head = on_head,
                    .request = on_request,
                    .piece = on_piece,
                    .end = on_end,
                    .drained = on_drained,
                    .gone = on_gone},
        .limits = &limits,
    };
    memset(&node, 0, sizeof(node));
    assert_int_equal(uv_loop_init(&node.loop), 0);
    c.loop = (struct uv_loop_s *)&node.loop;
    assert_int_equal(uv_async_init(&node.loop, &node.stop, on_stop), 0);
    assert_int_equal(uv_async_init(&node.loop, &node.ask, on_ask), 0);
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

static void ask(void)
{
    unsigned before = atomic_load(&node.answered_ask);
    assert_int_equal(uv_async_send(&node.ask), 0);
    while (atomic_load(&node.answered_ask) == before)
        usleep(1000);
}

static bool comes_true(atomic_uint *counter, unsigned value)
{
    for (int i = 0; i < 300 && atomic_load(counter) != value; i++)
        usleep(10000);
    return atomic_load(counter) == value;
}

/* --- up -------------------------------------------------------------------------------------- */

static uint8_t *some_bytes(size_t len)
{
    uint8_t *p = malloc(len);
    assert_non_null(p);
    for (size_t i = 0; i < len; i++)
        p[i] = pattern(i);
    return p;
}

static void say_head(int fd, const char *target, size_t len)
{
    char head[128];
    (void)snprintf(head, sizeof(head), "POST %s HTTP/1.1\r\nContent-Length: %zu\r\n\r\n", target,
                   len);
    say(fd, head);
}

static void expect_sum(int fd, const uint8_t *bytes, size_t len)
{
    char want[64];
    (void)snprintf(want, sizeof(want), "%zu/%u", len, sum_on(0, bytes, len));
    expect(fd, 201, want);
}

static void test_up(void **state)
{
    (void)state;
    const size_t len = 3 << 20;
    uint8_t *bytes = some_bytes(len);
    int fd = dial(node.port);
    for (size_t n = 1; n <= len; n = n * 19 + 1) { /* one connection for all of them */
        say_head(fd, "/up", n);
        say_bytes(fd, bytes, n);
        expect_sum(fd, bytes, n);
    }
    say(fd, "POST /up HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (size_t at = 0; at < 300000; at += 1000) {
        say(fd, "3e8\r\n");
        say_bytes(fd, bytes + at, 1000);
        say(fd, "\r\n");
    }
    say(fd, "0\r\n\r\nGET /next HTTP/1.1\r\n\r\n");
    expect_sum(fd, bytes, 300000);
    expect(fd, 200, "whole 0");
    ask();
    assert_true(node.stats.pieces_in > len / 19);
    assert_int_equal(node.stats.body_bytes, 0);
    close(fd);
    free(bytes);
}

static void test_up_pipelined(void **state)
{
    (void)state;
    int fd = dial(node.port);
    say(fd, "POST /up HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcPOST /up HTTP/1.1\r\n"
            "Content-Length: 0\r\n\r\nPOST /x HTTP/1.1\r\nContent-Length: 2\r\n\r\nab"
            "POST /up HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n");
    expect_sum(fd, (const uint8_t *)"abc", 3);
    expect(fd, 200, "whole 0"); /* without a body it is a request like any other */
    expect(fd, 200, "whole 2");
    expect_sum(fd, (const uint8_t *)"a", 1);
    close(fd);
}

static void test_expect(void **state)
{
    (void)state;
    int fd = dial(node.port);
    say(fd, "POST /up HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    expect(fd, 100, NULL);
    say(fd, "ab");
    expect_sum(fd, (const uint8_t *)"ab", 2);
    /* who is refused is not told to go on; whether the body comes all the same cannot be known */
    say(fd, "POST /refuse HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    expect(fd, 403, "no");
    expect_end(fd);
}

/* Refused by its head: a short body is read over, a long one ends the connection. */
static void test_refused(void **state)
{
    (void)state;
    uint8_t *bytes = some_bytes(200000);
    int fd = dial(node.port);
    say_head(fd, "/refuse", 60000);
    expect(fd, 403, "no"); /* before the body */
    say_bytes(fd, bytes, 60000);
    say(fd, "GET /next HTTP/1.1\r\n\r\n");
    expect(fd, 200, "whole 0");
    say_head(fd, "/refuse", 200000);
    struct reply r = hear(fd, false);
    assert_int_equal(r.status, 403);
    assert_non_null(strstr(r.head, "connection: close\r\n"));
    free(r.body);
    say_bytes(fd, bytes, 200000); /* is read over, so that the answer arrives */
    expect_end(fd);
    fd = dial(node.port);
    say(fd, "POST /refuse HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    expect(fd, 403, "no");
    expect_end(fd);
    fd = dial(node.port);
    say(fd, "POST /refuse HTTP/1.1\r\nConnection: close\r\nContent-Length: 1\r\n\r\n");
    expect(fd, 403, "no");
    expect_end(fd);
    free(bytes);
}

static void test_too_long(void **state)
{
    (void)state;
    unsigned gone = atomic_load(&node.gone);
    int fd = dial(node.port);
    say_head(fd, "/up", UP_MAX + 1);
    expect(fd, 413, "Failed to buffer the request body: length limit exceeded");
    expect_end(fd);
    fd = dial(node.port);
    say(fd, "POST /up HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n1000000\r\n");
    expect(fd, 413, NULL);
    expect_end(fd);
    fd = dial(node.port);
    say_head(fd, "/whole", WHOLE_MAX + 1);
    expect(fd, 413, NULL);
    expect_end(fd);
    assert_int_equal(atomic_load(&node.gone), gone + 2); /* the handler is told of those it knew */
}

/* Answered in the middle of the body: no more pieces, and the answer arrives. */
static void test_early(void **state)
{
    (void)state;
    unsigned gone = atomic_load(&node.gone), ends = atomic_load(&node.ends);
    uint8_t *bytes = some_bytes(2 << 20);
    int fd = dial(node.port);
    say_head(fd, "/up-early", 2 << 20);
    say_bytes(fd, bytes, 2 << 20);
    struct reply r = hear(fd, false);
    assert_int_equal(r.status, 409);
    assert_non_null(strstr(r.head, "connection: close\r\n"));
    free(r.body);
    expect_end(fd);
    assert_int_equal(atomic_load(&node.gone), gone);
    assert_int_equal(atomic_load(&node.ends), ends);
    free(bytes);
}

/* A handler that has enough: the socket is not read, others go on, and nothing gets lost. */
static void test_up_held(void **state)
{
    (void)state;
    const size_t len = 12 << 20;
    uint8_t *bytes = some_bytes(len);
    int fd = dial(node.port), other = dial(node.port);
    size_t at = 0;
    atomic_store(&node.release, false);
    say_head(fd, "/up-held", len);
    for (;;) { /* until the kernels on both sides are full */
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        if (poll(&p, 1, 300) == 0)
            break;
        ssize_t n = send(fd, bytes + at, MIN(len - at, (size_t)65536), MSG_NOSIGNAL | MSG_DONTWAIT);
        assert_true(n > 0);
        at += (size_t)n;
        assert_true(at < len);
    }
    assert_true(atomic_load(&node.got) <= 32768); /* one read */
    say(other, "GET /next HTTP/1.1\r\n\r\n");
    expect(other, 200, "whole 0");
    usleep(500000); /* longer than a client may keep silent: but it is we who do not read */
    atomic_store(&node.release, true);
    ask();
    say_bytes(fd, bytes + at, len - at);
    expect_sum(fd, bytes, len);
    say(fd, "GET /next HTTP/1.1\r\n\r\n");
    expect(fd, 200, "whole 0");
    close(fd);
    close(other);
    free(bytes);
}

static void test_up_gone(void **state)
{
    (void)state;
    unsigned gone = atomic_load(&node.gone);
    int fd = dial(node.port), slow = dial(node.port);
    say_head(fd, "/up", 1000);
    say(fd, "abc");
    usleep(50000);
    close(fd);
    assert_true(comes_true(&node.gone, gone + 1));
    say_head(slow, "/up", 1000);
    say(slow, "abc"); /* and no more in time */
    expect(slow, 408, NULL);
    expect_end(slow);
    assert_int_equal(atomic_load(&node.gone), gone + 2);
    say_head(slow = dial(node.port), "/up", 4);
    for (int i = 0; i < 4; i++) { /* slow, but it goes on */
        usleep(250000);
        say(slow, "x");
    }
    expect_sum(slow, (const uint8_t *)"xxxx", 4);
    close(slow);
}

/* --- down ------------------------------------------------------------------------------------ */

static void say_get(int fd, const char *method, const char *path, size_t len)
{
    char head[128];
    (void)snprintf(head, sizeof(head), "%s %s?%zu HTTP/1.1\r\n\r\n", method, path, len);
    say(fd, head);
}

static void expect_pattern(int fd, size_t len)
{
    struct reply r = hear(fd, false);
    assert_int_equal(r.status, 200);
    assert_int_equal(r.body_len, len);
    for (size_t i = 0; i < len; i++)
        if ((uint8_t)r.body[i] != pattern(i))
            fail_msg("byte %zu", i);
    free(r.body);
}

static void test_down(void **state)
{
    (void)state;
    static const size_t lens[] = {1, 59999, 60000, 60001, 120000, 5 << 20};
    int fd = dial(node.port);
    for (size_t i = 0; i < ARRAY_LEN(lens); i++)
        say_get(fd, "GET", "/down", lens[i]);
    say(fd, "GET /next HTTP/1.1\r\n\r\n");
    for (size_t i = 0; i < ARRAY_LEN(lens); i++)
        expect_pattern(fd, lens[i]);
    expect(fd, 200, "whole 0");
    say_get(fd, "GET", "/down", 0);
    expect(fd, 200, "");
    say_get(fd, "HEAD", "/down", 12345);
    struct reply r = hear(fd, true);
    assert_non_null(strstr(r.head, "content-length: 12345\r\n"));
    free(r.body);
    say(fd, "GET /down?300000 HTTP/1.1\r\nConnection: close\r\n\r\n");
    expect_pattern(fd, 300000);
    expect_end(fd);
}

/* Who does not read holds up nobody, and has one piece waiting, not the whole. */
static void test_down_slow(void **state)
{
    (void)state;
    const size_t len = 64 << 20;
    int fd = dial(node.port), other = dial(node.port), small = 65536;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    ask();
    uint64_t before = node.stats.pieces_out;
    say_get(fd, "GET", "/down", len);
    usleep(200000);
    ask();
    assert_true(node.stats.pieces_out - before < len / 2); /* what the kernel takes, and a piece */
    say(other, "GET /next HTTP/1.1\r\n\r\n");
    expect(other, 200, "whole 0");
    close(other);
    /* Slow, but going on: a little, much less often than a piece could leave. */
    static char piece[200000]; /* more than what opens the window of a socket of this size */
    unsigned gone = atomic_load(&node.gone);
    for (int i = 0; i < 6; i++) {
        usleep(250000);
        assert_int_equal(recv(fd, piece, sizeof(piece), MSG_WAITALL), sizeof(piece));
    }
    ask();
    assert_int_equal(atomic_load(&node.gone), gone);
    uint64_t broken = node.stats.broken;
    assert_true(comes_true(&node.gone, gone + 1)); /* not at all any more */
    ask();
    assert_int_equal(node.stats.broken, broken + 1);
    close(fd);
}

static void test_down_held(void **state)
{
    (void)state;
    int fd = dial(node.port);
    atomic_store(&node.release, false);
    say_get(fd, "GET", "/down-held", 200000);
    usleep(600000); /* the handler has nothing yet, which is not the client's fault */
    atomic_store(&node.release, true);
    ask();
    expect_pattern(fd, 200000);
    close(fd);
    atomic_store(&node.release, false);
    unsigned gone = atomic_load(&node.gone);
    say_get(fd = dial(node.port), "GET", "/down-held", 200000);
    usleep(50000);
    close(fd);
    assert_true(comes_true(&node.gone, gone + 1));
}

static void test_down_broken(void **state)
{
    (void)state;
    char buf[65536];
    size_t got = 0;
    ssize_t n;
    unsigned gone = atomic_load(&node.gone);
    int fd = dial(node.port);
    say_get(fd, "GET", "/down-break", 200000);
    while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
        got += (size_t)n;
    assert_true(got > 0 && got < 200000);
    close(fd);
    assert_int_equal(atomic_load(&node.gone), gone);
}

static void test_stop_busy(void **state)
{
    (void)state;
    int up = dial(node.port), down = dial(node.port);
    atomic_store(&node.release, false);
    say_head(up, "/up", 100000);
    say(up, "abc");
    say_get(down, "GET", "/down-held", 100000);
    usleep(50000);
    assert_int_equal(stop(NULL), 0);
    close(up);
    close(down);
    assert_int_equal(start(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_up),        cmocka_unit_test(test_up_pipelined),
        cmocka_unit_test(test_expect),    cmocka_unit_test(test_refused),
        cmocka_unit_test(test_too_long),  cmocka_unit_test(test_early),
        cmocka_unit_test(test_up_held),   cmocka_unit_test(test_up_gone),
        cmocka_unit_test(test_down),      cmocka_unit_test(test_down_slow),
        cmocka_unit_test(test_down_held), cmocka_unit_test(test_down_broken),
        cmocka_unit_test(test_stop_busy),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
