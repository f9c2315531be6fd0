#include "api/http1.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

#define BODY_MAX 1000

static enum http1_mode mode; /* of all bodies */

struct outcome {
    enum http1_event event; /* the last one that is not MORE */
    unsigned status, requests, expects, pieces;
    struct http1_head req;
    char path[64], query[64], host[64];
    char body[BODY_MAX + 1];
    size_t body_len, used;
};

static void keep(struct outcome *o, const struct http1 *p)
{
    o->req = p->req;
    (void)snprintf(o->path, sizeof(o->path), "%s", p->req.path);
    (void)snprintf(o->query, sizeof(o->query), "%s", p->req.query);
    (void)snprintf(o->host, sizeof(o->host), "%s", p->req.host ? p->req.host : "(none)");
}

static void add_body(struct outcome *o, const struct http1 *p)
{
    assert_true(o->body_len + p->body_len <= BODY_MAX);
    if (p->body_len > 0)
        memcpy(o->body + o->body_len, p->body, p->body_len);
    o->body_len += p->body_len;
    o->body[o->body_len] = '\0';
}

/* Feeds `text` in pieces of `step` bytes (each in memory of its own, for the sanitizers). */
static struct outcome feed(const char *text, size_t len, size_t step)
{
    struct http1_pool pool = {.max = 1 << 20};
    struct outcome o = {0};
    struct http1 p;
    http1_init(&p, &pool);
    for (size_t at = 0; at < len && o.event != HTTP1_REFUSED;) {
        size_t n = step < len - at ? step : len - at;
        uint8_t *piece = malloc(n);
        size_t done = 0;
        assert_non_null(piece);
        memcpy(piece, text + at, n);
        while (done < n && o.event != HTTP1_REFUSED) {
            size_t used;
            enum http1_event e = http1_feed(&p, piece + done, n - done, &used);
            done += used;
            if (e == HTTP1_BODY_NEXT) {
                o.expects += p.req.expect;
                e = http1_body(&p, mode, BODY_MAX);
                o.body_len = 0;
            }
            if (e == HTTP1_PIECE) {
                o.pieces++;
                assert_true(p.body_len > 0);
                add_body(&o, &p);
                e = HTTP1_MORE;
            }
            if (e == HTTP1_REQUEST) {
                o.requests++;
                keep(&o, &p);
                if (mode == HTTP1_COLLECT)
                    o.body_len = 0;
                add_body(&o, &p);
                http1_next(&p);
                assert_false(http1_begun(&p));
            }
            if (e != HTTP1_MORE)
                o.event = e;
            o.status = p.status;
        }
        at += done;
        o.used = at;
        free(piece);
    }
    http1_fini(&p);
    assert_int_equal(pool.used, 0);
    return o;
}

static struct outcome all(const char *text)
{
    return feed(text, strlen(text), strlen(text));
}

static void test_plain(void **state)
{
    (void)state;
    struct outcome o = all("\r\nGET /a%2Fb?x=1&y HTTP/1.1\r\nHost: h:1\r\nX-Other:  v \r\n\r\n");
    assert_int_equal(o.event, HTTP1_REQUEST);
    assert_int_equal(o.req.method, HTTP_GET);
    assert_string_equal(o.path, "/a%2Fb");
    assert_string_equal(o.query, "x=1&y");
    assert_string_equal(o.host, "h:1");
    assert_true(o.req.keep_alive);
    assert_false(o.req.old);
    assert_false(o.req.forwarded);
    assert_int_equal(o.body_len, 0);

    o = all("GET / HTTP/1.0\n\n"); /* no Host, bare line feeds */
    assert_int_equal(o.event, HTTP1_REQUEST);
    assert_string_equal(o.host, "(none)");
    assert_false(o.req.keep_alive);
    assert_true(o.req.old);
    assert_true(all("GET / HTTP/1.0\r\nConnection: x, Keep-Alive\r\n\r\n").req.keep_alive);
    assert_false(all("GET / HTTP/1.1\r\nconnection: close\r\n\r\n").req.keep_alive);
    assert_true(all("GET / HTTP/1.1\r\nvia: 1.1 x\r\n\r\n").req.forwarded);
    assert_true(all("GET / HTTP/1.1\r\nX-Forwarded-For: x\r\n\r\n").req.forwarded);
    assert_true(all("GET / HTTP/1.1\r\nForwarded: x\r\n\r\n").req.forwarded);
}

static void test_methods(void **state)
{
    (void)state;
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char text[64];
        (void)snprintf(text, sizeof(text), "%s /x HTTP/1.1\r\n\r\n", names[i]);
        struct outcome o = all(text);
        assert_int_equal(o.event, HTTP1_REQUEST);
        assert_int_equal(o.req.method, i);
    }
    assert_int_equal(all("get /x HTTP/1.1\r\n\r\n").req.method, HTTP_OTHER);
}

static void test_targets(void **state)
{
    (void)state;
    struct outcome o = all("GET http://localhost:8989/p?q HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    assert_string_equal(o.path, "/p");
    assert_string_equal(o.query, "q");
    assert_string_equal(o.host, "localhost:8989");
    o = all("GET http://localhost?q HTTP/1.1\r\n\r\n");
    assert_string_equal(o.path, "/");
    assert_string_equal(o.query, "q");
    assert_string_equal(o.host, "localhost");
    o = all("OPTIONS * HTTP/1.1\r\n\r\n");
    assert_string_equal(o.path, "*");
    o = all("GET /a#b?c HTTP/1.1\r\n\r\n");
    assert_string_equal(o.path, "/a");
    assert_string_equal(o.query, "");
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned status;
    } v[] = {
        {"garbage\r\n\r\n", 400},
        {"GET /\r\n\r\n", 400},
        {"GET  / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1 x\r\n\r\n", 400},
        {"GET x HTTP/1.1\r\n\r\n", 400},
        {"GET /\x01 HTTP/1.1\r\n\r\n", 400},
        {"G(T / HTTP/1.1\r\n\r\n", 400},
        {" / HTTP/1.1\r\n\r\n", 400},
        {"CONNECT a:1 HTTP/1.1\r\n\r\n", 400},
        {"GET http:///x HTTP/1.1\r\n\r\n", 400},
        {"GET ftp://a/x HTTP/1.1\r\n\r\n", 400},
        {"PRI * HTTP/2.0\r\n\r\n", 505},
        {"GET / HTTP/1.1x\r\n\r\n", 400},
        {"GET / http/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nname : v\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n: v\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\na: b\r\n folded\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\na: b\rc\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\na: b\x7f\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nOrigin: a\r\norigin: a\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nContent-Length:\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n", 413},
        {"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
        {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n", 400},
        {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nExpect: other\r\n\r\n", 417},
    };
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        size_t len = strlen(v[i].text);
        for (size_t step = 1; step <= len; step += len - 1) {
            struct outcome o = feed(v[i].text, len, step);
            assert_int_equal(o.event, HTTP1_REFUSED);
            assert_int_equal(o.status, v[i].status);
            assert_int_equal(o.requests, 0);
        }
    }
    assert_int_equal(feed("GET / HTTP/1.1\r\na: b\0\r\n\r\n", 26, 26).status, 400);
    assert_int_equal(feed("GET /\0 HTTP/1.1\r\n\r\n", 20, 20).status, 400);
    assert_int_equal(feed("GET / HTTP/1.1\0\n\n", 17, 17).status, 400);
}

static void test_head_limits(void **state)
{
    (void)state;
    static char text[80000];
    int n = snprintf(text, sizeof(text), "GET /%070000d HTTP/1.1\r\n\r\n", 0);
    assert_int_equal(feed(text, (size_t)n, 4096).status, 414);
    n = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\na: %017000d\r\n\r\n", 0);
    assert_int_equal(feed(text, (size_t)n, 4096).status, 431);
    n = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\na: %016360d\r\n\r\n", 0);
    assert_int_equal(n, 16383);
    assert_int_equal(feed(text, (size_t)n, 4096).event, HTTP1_REQUEST);
    for (int fields = 100; fields <= 101; fields++) {
        n = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n");
        for (int i = 0; i < fields; i++)
            n += snprintf(text + n, sizeof(text) - (size_t)n, "a: b\r\n");
        n += snprintf(text + n, sizeof(text) - (size_t)n, "\r\n");
        struct outcome o = feed(text, (size_t)n, (size_t)n);
        assert_int_equal(o.event, fields == 100 ? HTTP1_REQUEST : HTTP1_REFUSED);
        assert_int_equal(o.status, fields == 100 ? 0 : 431);
    }
    memset(text, '\n', 100); /* empty lines in front, without end */
    assert_int_equal(feed(text, 100, 100).status, 400);
}

static void test_counted_body(void **state)
{
    (void)state;
    static const char text[] = "POST /p HTTP/1.1\r\nContent-Type: application/json\r\n"
                               "Content-Length: 5\r\n\r\nhelloGET /q HTTP/1.1\r\n\r\n";
    for (size_t step = 1; step < sizeof(text); step++) {
        struct outcome o = feed(text, sizeof(text) - 1, step);
        assert_int_equal(o.requests, 2);
        assert_string_equal(o.path, "/q");
    }
    struct outcome o = feed(text, sizeof(text) - 1 - 19, 7);
    assert_string_equal(o.body, "hello");
    o = all("POST /p HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab");
    assert_int_equal(o.expects, 1);
    assert_string_equal(o.body, "ab");
    assert_int_equal(all("GET /p HTTP/1.1\r\nExpect: 100-continue\r\n\r\n").expects, 0);
    assert_int_equal(all("POST /p HTTP/1.1\r\nContent-Length: 0\r\n\r\n").requests, 1);
}

static void test_chunked_body(void **state)
{
    (void)state;
    static const char text[] =
        "POST /p HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n"
        "3\r\nhel\r\n02 ; x=\"y\"\r\nlo\r\n0\r\nTrailer: x\r\n\r\nGET /q HTTP/1.1\r\n\r\n";
    for (size_t step = 1; step < sizeof(text); step++)
        assert_int_equal(feed(text, sizeof(text) - 1, step).requests, 2);
    struct outcome o = feed(text, sizeof(text) - 1 - 19, sizeof(text));
    assert_string_equal(o.body, "hello");
    static const struct {
        const char *chunks;
        unsigned status; /* 0: goes through */
    } v[] = {
        {"0\r\n\r\n", 0},
        {"3e8\r\n", 413}, /* set to 1001 below */
        {"\r\n", 400},
        {"x\r\n", 400},
        {"-1\r\n", 400},
        {"1\na\r\n0\r\n\r\n", 400},
        {"1\r\nab\r\n", 400},
        {"1\r\na\n", 400},
        {"1;\x01\r\n", 400},
        {" 1\r\na\r\n", 400},
        {"0\r\nx\n\r\n", 400},
        {"0\r\n\rx", 400},
        {"ffffffffffffffffff\r\n", 413},
        {"1\rx", 400},
    };
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        char request[512];
        int n = snprintf(request, sizeof(request),
                         "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n%s",
                         i == 1 ? "3e9\r\n" : v[i].chunks);
        o = feed(request, (size_t)n, 1);
        assert_int_equal(o.status, v[i].status);
        assert_int_equal(o.event, v[i].status ? HTTP1_REFUSED : HTTP1_REQUEST);
    }
}

static void test_chunk_limits(void **state)
{
    (void)state;
    static char text[8192];
    int n = snprintf(text, sizeof(text),
                     "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;%0300d\r\n", 0);
    assert_int_equal(feed(text, (size_t)n, 100).status, 400);
    n = snprintf(text, sizeof(text),
                 "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\na: %05000d\r\n", 0);
    assert_int_equal(feed(text, (size_t)n, 100).status, 431);
    /* many chunks may not be more than one body */
    n = snprintf(text, sizeof(text), "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 501; i++)
        n += snprintf(text + n, sizeof(text) - (size_t)n, "2\r\nab\r\n");
    assert_int_equal(feed(text, (size_t)n, 100).status, 413);
}

/* The announced length costs nothing; the pool is what all readers together may hold. */
static void test_pool(void **state)
{
    (void)state;
    struct http1_pool pool = {.max = 6000};
    struct http1 a, b;
    static const char head[] = "POST / HTTP/1.1\r\nContent-Length: 5000\r\n\r\n";
    static const uint8_t bytes[3000];
    size_t used;
    http1_init(&a, &pool);
    http1_init(&b, &pool);
    assert_int_equal(http1_feed(&a, (const uint8_t *)head, sizeof(head) - 1, &used),
                     HTTP1_BODY_NEXT);
    assert_int_equal(http1_body(&a, HTTP1_COLLECT, 1 << 20), HTTP1_MORE);
    assert_int_equal(pool.used, 0);
    assert_int_equal(http1_feed(&a, bytes, 3000, &used), HTTP1_MORE);
    assert_true(pool.used >= 3000 && pool.used <= 4096);
    assert_int_equal(http1_feed(&b, (const uint8_t *)head, sizeof(head) - 1, &used),
                     HTTP1_BODY_NEXT);
    assert_int_equal(http1_body(&b, HTTP1_COLLECT, 1 << 20), HTTP1_MORE);
    assert_int_equal(http1_feed(&b, bytes, 3000, &used), HTTP1_REFUSED);
    assert_int_equal(b.status, 503);
    assert_int_equal(http1_feed(&a, bytes, 2000, &used), HTTP1_REQUEST);
    assert_int_equal(a.body_len, 5000);
    http1_next(&a);
    assert_int_equal(pool.used, 0);
    http1_fini(&a);
    http1_fini(&b);
    assert_int_equal(pool.used, 0);
}

/* Nothing is held of a streamed body, and its end comes with or behind its last byte. */
static void test_streamed(void **state)
{
    (void)state;
    static const char counted[] = "POST /p HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello";
    static const char chunked[] = "POST /p HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                                  "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
    static const char *const texts[] = {counted, chunked};
    mode = HTTP1_STREAM;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        size_t len = strlen(texts[i]);
        for (size_t step = 1; step <= len; step++) {
            struct outcome o = feed(texts[i], len, step);
            assert_int_equal(o.requests, 1);
            assert_string_equal(o.body, "hello");
        }
    }
    assert_int_equal(feed(counted, sizeof(counted) - 1, 1).pieces, 4);
    assert_int_equal(all(counted).pieces, 0); /* the one piece is the last */
    assert_int_equal(all(chunked).pieces, 2);
    assert_int_equal(all("POST / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n").status, 413);
    /* one that does not say its length, and passes the limit on the way */
    static char text[2048];
    int n = snprintf(text, sizeof(text),
                     "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1f4\r\n%0500d\r\n"
                     "1f4\r\n%0500d\r\n1\r\n",
                     0, 0);
    struct outcome o = feed(text, (size_t)n, 100);
    assert_int_equal(o.status, 413);
    assert_int_equal(o.body_len, 1000);
    mode = HTTP1_COLLECT;
}

static void test_discarded(void **state)
{
    (void)state;
    static const char text[] =
        "POST /p HTTP/1.1\r\nContent-Length: 5\r\n\r\nhelloPOST /r HTTP/1.1\r\n"
        "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
        "GET /q HTTP/1.1\r\n\r\n";
    mode = HTTP1_DISCARD;
    for (size_t step = 1; step < sizeof(text); step++) {
        struct outcome o = feed(text, sizeof(text) - 1, step);
        assert_int_equal(o.requests, 1);
        assert_string_equal(o.path, "/q");
    }
    mode = HTTP1_COLLECT;
}

static void test_cut(void **state)
{
    (void)state;
    static const char chunked[] =
        "POST http://a/p?q HTTP/1.1\r\nHost: b\r\nOrigin: c\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nhel\r\n0\r\nT: x\r\n\r\n";
    static const char counted[] = "POST /p HTTP/1.1\r\nExpect: 100-continue\r\n"
                                  "Content-Length: 7\r\n\r\n0123456";
    static const char *const texts[] = {chunked, counted};
    for (unsigned m = HTTP1_COLLECT; m <= HTTP1_STREAM; m++) {
        mode = (enum http1_mode)m;
        for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
            for (size_t len = 0; len < strlen(texts[i]); len++) {
                struct outcome o = feed(texts[i], len, len ? len : 1);
                assert_int_equal(o.requests, 0);
                assert_int_not_equal(o.event, HTTP1_REFUSED);
            }
            assert_int_equal(all(texts[i]).requests, 1);
        }
    }
    mode = HTTP1_COLLECT;
}

static void test_answer(void **state)
{
    (void)state;
    const struct http_header extra = {"allow", "GET,HEAD"};
    struct http_response r = {.status = 405, .extra = &extra, .extra_count = 1};
    char out[1024], date[HTTP1_DATE_MAX];
    http1_date(784111777, date);
    assert_string_equal(date, "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_true(http1_answer_cap(&r) < sizeof(out));
    size_t n = http1_answer_head(out, sizeof(out), &r, date, true, false);
    out[n] = '\0';
    assert_string_equal(out, "HTTP/1.1 405 Method Not Allowed\r\n"
                             "allow: GET,HEAD\r\n"
                             "x-content-type-options: nosniff\r\n"
                             "cross-origin-resource-policy: same-origin\r\n"
                             "cache-control: no-store\r\n"
                             "content-length: 0\r\n"
                             "connection: close\r\n"
                             "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n");
    r = (struct http_response){.status = 204};
    n = http1_answer_head(out, sizeof(out), &r, date, false, true);
    out[n] = '\0';
    assert_null(strstr(out, "content-length"));
    assert_non_null(strstr(out, "connection: keep-alive\r\n"));
    r = (struct http_response){
        .status = 200, .content_type = "application/json", .body_len = 12345};
    n = http1_answer_head(out, sizeof(out), &r, date, false, false);
    out[n] = '\0';
    assert_non_null(strstr(out, "content-type: application/json\r\n"));
    assert_non_null(strstr(out, "content-length: 12345\r\n"));
    assert_null(strstr(out, "connection"));
    assert_true(n <= http1_answer_cap(&r));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_targets),      cmocka_unit_test(test_refused),
        cmocka_unit_test(test_head_limits),  cmocka_unit_test(test_counted_body),
        cmocka_unit_test(test_chunked_body), cmocka_unit_test(test_chunk_limits),
        cmocka_unit_test(test_pool),         cmocka_unit_test(test_streamed),
        cmocka_unit_test(test_discarded),    cmocka_unit_test(test_cut),
        cmocka_unit_test(test_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
