#include "api/guard.h"

#include <stdio.h>
#include <string.h>

#include "api/tokens.h"
#include "base/err.h"
#include "base/ip6.h"
#include "tests/unit/unit.h"

#define NOW (1000 * USEC_SEC)

static const struct ip6 elsewhere = {{0x20, 1, [15] = 9}};

static const char *const hosts[] = {"node.example", NULL};
static const char *const origins[] = {"https://panel.example", "http://other.example:3000", NULL};
static struct guard plain = {0};
static struct guard open_conf = {.hosts = hosts, .origins = origins};

static struct http_request request(void)
{
    return (struct http_request){
        .id = 1,
        .method = HTTP_GET,
        .path = "/api/v1/messages",
        .query = "",
        .content_type = "",
        .loopback = true,
        .local_addr = "127.0.0.1",
        .local_port = 8989,
        .peer = &elsewhere,
    };
}

static unsigned host(struct guard *g, const char *text)
{
    struct http_request r = request();
    r.host = text;
    return guard_check(g, &r, NOW).status;
}

static void test_host(void **state)
{
    (void)state;
    static const char *const good[] = {"localhost:8989", "127.0.0.1",   "[::1]:8989",  NULL,
                                       "localhost",      "LOCALHOST:1", "a.localhost", "127.9.8.7",
                                       "[::1]",          "127.0.0.1:80"};
    static const char *const bad[] = {"evil.example",
                                      "127.0.0.1.evil.example",
                                      "localhost.evil.example",
                                      "",
                                      ":8989",
                                      "127.0.0.1:",
                                      "128.0.0.1",
                                      "127.1",
                                      "0.0.0.0",
                                      "evillocalhost",
                                      ".localhost",
                                      "localhost@evil.example",
                                      "localhost:8989@evil.example",
                                      "localhost:99999",
                                      "localhost:x",
                                      "::1",
                                      "[::1",
                                      "[::1]x",
                                      "[::2]",
                                      "[127.0.0.1]",
                                      "192.168.1.2",
                                      "node.example"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_int_equal(host(&plain, good[i]), 0);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(host(&plain, bad[i]), 403);
    assert_int_equal(host(&open_conf, "Node.Example:8989"), 0);
    assert_int_equal(host(&open_conf, "x.node.example"), 403);
}

/* The address that the request came in on is a name for this node. */
static void test_host_is_local_address(void **state)
{
    (void)state;
    struct http_request r = request();
    r.local_addr = "10.1.2.3";
    r.host = "10.1.2.3:8989";
    assert_int_equal(guard_check(&plain, &r, NOW).status, 0);
    r.host = "10.1.2.4";
    assert_int_equal(guard_check(&plain, &r, NOW).status, 403);
    r.local_addr = "400::1";
    r.host = "[400:0:0::1]:8989";
    assert_int_equal(guard_check(&plain, &r, NOW).status, 0);
    r.local_addr = ""; /* not known: nothing matches */
    assert_int_equal(guard_check(&plain, &r, NOW).status, 403);
}

static struct guard_verdict origin(struct guard *g, const char *host_text, const char *text)
{
    struct http_request r = request();
    r.host = host_text;
    r.origin = text;
    return guard_check(g, &r, NOW);
}

static void test_origin(void **state)
{
    (void)state;
    assert_int_equal(origin(&plain, "localhost:8989", "http://localhost:8989").status, 0);
    assert_int_equal(origin(&plain, "localhost", "http://localhost").status, 0);
    assert_int_equal(origin(&plain, "localhost", "http://localhost:80").status, 0);
    assert_int_equal(origin(&plain, "[::1]:8989", "http://[::1]:8989").status, 0);
    static const char *const bad[] = {"http://evil.example",
                                      "null",
                                      "http://localhost:8990",
                                      "http://127.0.0.1:8989",
                                      "https://localhost:8989",
                                      "localhost:8989",
                                      "",
                                      "http://localhost:8989/",
                                      "http://localhost:8989.evil.example",
                                      "http://localhost:8989@evil.example",
                                      "https://panel.example"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(origin(&plain, "localhost:8989", bad[i]).status, 403);
    assert_int_equal(origin(&plain, NULL, "http://127.0.0.1:8989").status, 403);

    struct guard_verdict v = origin(&open_conf, "localhost:8989", "https://panel.example");
    assert_int_equal(v.status, 0);
    assert_string_equal(v.origin, "https://panel.example");
    assert_null(origin(&open_conf, "localhost:8989", "http://localhost:8989").origin);
    assert_int_equal(origin(&open_conf, "localhost:8989", "http://panel.example").status, 403);
    assert_int_equal(origin(&open_conf, "localhost:8989", "null").status, 403);
    static const char *const with_null[] = {"null", NULL};
    struct guard null_conf = {.origins = with_null};
    assert_int_equal(origin(&null_conf, "localhost:8989", "null").status, 403);
}

static void test_fetch_site(void **state)
{
    (void)state;
    struct http_request r = request();
    r.host = "localhost:8989";
    r.sec_fetch_site = "cross-site";
    assert_int_equal(guard_check(&plain, &r, NOW).status, 403);
    r.sec_fetch_site = "same-site";
    assert_int_equal(guard_check(&plain, &r, NOW).status, 403);
    r.sec_fetch_site = "same-origin";
    assert_int_equal(guard_check(&plain, &r, NOW).status, 0);
    r.sec_fetch_site = "none";
    r.user_agent = "Mozilla/5.0";
    assert_int_equal(guard_check(&plain, &r, NOW).status, 0);
}

static void test_browser_without_origin(void **state)
{
    (void)state;
    struct http_request r = request();
    r.host = "localhost:8989";
    r.user_agent = "Mozilla/5.0";
    assert_int_equal(guard_check(&plain, &r, NOW).status, 403);
    r.path = "/ui/";
    assert_int_equal(guard_check(&plain, &r, NOW).status, 0);
    r.path = "/livez";
    assert_int_equal(guard_check(&plain, &r, NOW).status, 0);
    r.method = HTTP_POST;
    assert_int_equal(guard_check(&plain, &r, NOW).status, 403);
    r = request();
    r.host = "localhost:8989";
    r.user_agent = "curl/7.88.1";
    assert_int_equal(guard_check(&plain, &r, NOW).status, 0);
    r.user_agent = "Mozilla/5.0";
    r.referer = "http://localhost:8989/ui/";
    assert_int_equal(guard_check(&plain, &r, NOW).status, 0);
}

static void test_referer(void **state)
{
    (void)state;
    static const char *const bad[] = {"http://evil.example/", "http://localhost:8990/", "/ui/",
                                      "about:blank", "https://localhost:8989/x"};
    struct http_request r = request();
    r.host = "localhost:8989";
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        r.referer = bad[i];
        assert_int_equal(guard_check(&plain, &r, NOW).status, 403);
        r.origin = "http://localhost:8989"; /* does not help */
        assert_int_equal(guard_check(&plain, &r, NOW).status, 403);
        r.origin = NULL;
    }
    r.referer = "http://localhost:8989/ui/?a=b";
    assert_int_equal(guard_check(&plain, &r, NOW).status, 0);
    r.referer = "";
    assert_int_equal(guard_check(&plain, &r, NOW).status, 0);
    r.referer = "https://panel.example/page";
    assert_int_equal(guard_check(&plain, &r, NOW).status, 403);
    assert_int_equal(guard_check(&open_conf, &r, NOW).status, 0);
}

static void test_needs_token(void **state)
{
    (void)state;
    struct http_request r = request();
    r.loopback = false;
    assert_int_equal(guard_check(&plain, &r, NOW).status, 401);
    r = request();
    r.forwarded = true;
    assert_int_equal(guard_check(&plain, &r, NOW).status, 401);
    assert_non_null(guard_check(&plain, &r, NOW).text);
}

static struct tokens known;

/* A token that may do this; its text. */
static const char *token_for(const char *scopes)
{
    static char token[TOKEN_CHARS + 1];
    char text[256];
    struct tokens_error e;

    token_new(token);
    snprintf(text, sizeof(text), "%s %s", token, scopes);
    assert_int_equal(tokens_parse(text, strlen(text), &known, &e), OK);
    return token;
}

static struct http_request with_token(const char *token)
{
    static char header[128];
    struct http_request r = request();

    snprintf(header, sizeof(header), "Bearer %s", token);
    r.authorization = header;
    r.loopback = false;
    return r;
}

static void test_tokens(void **state)
{
    struct guard g = {.tokens = &known};
    struct http_request r = with_token(token_for("read send"));
    (void)state;
    assert_int_equal(guard_check(&g, &r, NOW).status, 0);
    assert_int_equal(guard_check(&g, &r, NOW).scopes, SCOPE_READ | SCOPE_SEND);
    /* Browsers do not make this header up: Host and Origin do not matter. */
    r.host = "evil.example";
    r.origin = "http://evil.example";
    assert_int_equal(guard_check(&g, &r, NOW).status, 0);
    assert_null(guard_check(&g, &r, NOW).origin);
    r.upgrading = true; /* a WebSocket is not for pages of others even so */
    assert_int_equal(guard_check(&g, &r, NOW).status, 403);
    r.host = "127.0.0.1:8989";
    r.origin = NULL;
    assert_int_equal(guard_check(&g, &r, NOW).status, 0);
    assert_int_equal(guard_check(&g, &r, NOW).scopes, SCOPE_READ | SCOPE_SEND);
    r.upgrading = false;
    r.forwarded = r.loopback = true;
    assert_int_equal(guard_check(&g, &r, NOW).status, 0);
    r = with_token(token_for("")); /* the other one is not known any more */
    assert_int_equal(guard_check(&g, &r, NOW).scopes, SCOPE_ALL);
    r = with_token("mxt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    assert_int_equal(guard_check(&g, &r, NOW).status, 401);
    r.loopback = true; /* a wrong one is wrong everywhere */
    assert_int_equal(guard_check(&g, &r, NOW).status, 401);
    r = with_token("");
    assert_int_equal(guard_check(&g, &r, NOW).status, 401);
    g.tokens = NULL;
    r = with_token(token_for(""));
    assert_int_equal(guard_check(&g, &r, NOW).status, 401);
}

static void test_auth(void **state)
{
    struct guard always = {.tokens = &known, .auth = GUARD_ALWAYS};
    struct guard off = {.tokens = &known, .auth = GUARD_OFF};
    struct http_request r = request();
    (void)state;
    assert_int_equal(guard_check(&always, &r, NOW).status, 401);
    r.local = true;
    assert_int_equal(guard_check(&always, &r, NOW).status, 401);
    assert_int_equal(guard_check(&plain, &r, NOW).status, 0);
    r.loopback = false; /* over a Unix socket nothing else counts */
    assert_int_equal(guard_check(&plain, &r, NOW).status, 0);
    r.host = "whatever"; /* no name leads a browser there */
    assert_int_equal(guard_check(&plain, &r, NOW).status, 0);
    r.forwarded = true;
    assert_int_equal(guard_check(&plain, &r, NOW).status, 403);
    r.forwarded = false;
    r.path = "/healthz";
    assert_int_equal(guard_check(&always, &r, NOW).status, 0);
    assert_int_equal(guard_check(&always, &r, NOW).scopes, 0);
    r.method = HTTP_POST;
    assert_int_equal(guard_check(&always, &r, NOW).status, 401);
    r = request();
    r.loopback = false;
    assert_int_equal(guard_check(&off, &r, NOW).scopes, SCOPE_ALL);
    r.host = "evil.example";
    assert_int_equal(guard_check(&off, &r, NOW).status, 403);
    r = request();
    r.path = "/version";
    r.host = "evil.example";
    assert_int_equal(guard_check(&always, &r, NOW).status, 403);
}

static void test_failures(void **state)
{
    struct guard g = {.tokens = &known};
    const char *token = token_for("");
    struct http_request wrong = with_token("wrong"), right, none = request();
    const struct ip6 same_net = {{0x20, 1, [15] = 10}}, other_net = {{0x20, 2, [15] = 9}};
    (void)state;
    none.loopback = false;
    for (int i = 0; i < FAILURES_MAX; i++) {
        struct guard_verdict v = guard_check(&g, i % 2 ? &wrong : &none, NOW + i);
        assert_int_equal(v.status, 401);
    }
    assert_int_equal(guard_check(&g, &wrong, NOW + 11).status, 429);
    wrong.peer = &same_net;
    assert_int_equal(guard_check(&g, &wrong, NOW + 12).status, 429);
    wrong.peer = &other_net;
    assert_int_equal(guard_check(&g, &wrong, NOW + 13).status, 401);
    right = with_token(token); /* who has one is let in */
    assert_int_equal(guard_check(&g, &right, NOW + 14).status, 0);
    wrong = with_token("wrong");
    assert_int_equal(guard_check(&g, &wrong, NOW + FAILURES_WINDOW).status, 401);
}

/* A full table forgets who came first. */
static void test_failures_full(void **state)
{
    static struct failures f;
    struct ip6 first = {{0x20, [7] = 1}}, second = {{0x20, [7] = 2}};
    (void)state;
    for (int i = 0; i <= FAILURES_MAX; i++)
        assert_int_equal(failures_add(&f, &first, NOW), i == FAILURES_MAX);
    for (int i = 0; i <= FAILURES_MAX; i++)
        assert_int_equal(failures_add(&f, &second, NOW + 1), i == FAILURES_MAX);
    for (int i = 0; i < FAILURES_ADDRESSES - 1; i++) {
        struct ip6 a = {{0x30, [6] = (uint8_t)(i >> 8), [7] = (uint8_t)i}};
        assert_false(failures_add(&f, &a, NOW + 2));
    }
    assert_true(failures_add(&f, &second, NOW + 3));
    assert_false(failures_add(&f, &first, NOW + 3));
}

/* Over TLS the node's own pages come from https. */
static void test_tls_origin(void **state)
{
    static const struct {
        const char *host, *origin;
        bool same;
    } rows[] = {
        {"localhost:8989", "https://localhost:8989", true},
        {"localhost:8989", "http://localhost:8989", false},
        {"localhost", "https://localhost", true},
        {"localhost", "https://localhost:443", true},
        {"localhost", "https://localhost:80", false},
        {"localhost:443", "https://localhost", true},
    };
    struct http_request r = request();
    (void)state;
    r.tls = true;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        r.host = rows[i].host;
        r.origin = rows[i].origin;
        assert_int_equal(guard_check(&plain, &r, NOW).status, rows[i].same ? 0 : 403);
    }
}

static void test_preflight(void **state)
{
    struct http_request r = request();
    (void)state;
    r.loopback = false;
    r.method = HTTP_OPTIONS;
    r.origin = "https://panel.example";
    struct guard_verdict v = guard_check(&open_conf, &r, NOW);
    assert_int_equal(v.status, 0);
    assert_int_equal(v.scopes, 0);
    assert_string_equal(v.origin, "https://panel.example");
    r.origin = "https://evil.example";
    assert_int_equal(guard_check(&open_conf, &r, NOW).status, 401);
    r.method = HTTP_GET;
    r.origin = "https://panel.example";
    assert_int_equal(guard_check(&open_conf, &r, NOW).status, 401);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_host),
        cmocka_unit_test(test_host_is_local_address),
        cmocka_unit_test(test_origin),
        cmocka_unit_test(test_fetch_site),
        cmocka_unit_test(test_browser_without_origin),
        cmocka_unit_test(test_referer),
        cmocka_unit_test(test_needs_token),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_auth),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_failures_full),
        cmocka_unit_test(test_tls_origin),
        cmocka_unit_test(test_preflight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
