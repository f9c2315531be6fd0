#include "api/guard.h"

#include "tests/unit/unit.h"

static const char *const hosts[] = {"node.example", NULL};
static const char *const origins[] = {"https://panel.example", "http://other.example:3000", NULL};
static const struct guard_conf plain = {0};
static const struct guard_conf open_conf = {.hosts = hosts, .origins = origins};

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
    };
}

static unsigned host(const struct guard_conf *g, const char *text)
{
    struct http_request r = request();
    r.host = text;
    return guard_check(g, &r).status;
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
    assert_int_equal(guard_check(&plain, &r).status, 0);
    r.host = "10.1.2.4";
    assert_int_equal(guard_check(&plain, &r).status, 403);
    r.local_addr = "400::1";
    r.host = "[400:0:0::1]:8989";
    assert_int_equal(guard_check(&plain, &r).status, 0);
    r.local_addr = ""; /* not known: nothing matches */
    assert_int_equal(guard_check(&plain, &r).status, 403);
}

static struct guard_verdict origin(const struct guard_conf *g, const char *host_text,
                                   const char *text)
{
    struct http_request r = request();
    r.host = host_text;
    r.origin = text;
    return guard_check(g, &r);
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
    const struct guard_conf null_conf = {.origins = with_null};
    assert_int_equal(origin(&null_conf, "localhost:8989", "null").status, 403);
}

static void test_fetch_site(void **state)
{
    (void)state;
    struct http_request r = request();
    r.host = "localhost:8989";
    r.sec_fetch_site = "cross-site";
    assert_int_equal(guard_check(&plain, &r).status, 403);
    r.sec_fetch_site = "same-site";
    assert_int_equal(guard_check(&plain, &r).status, 403);
    r.sec_fetch_site = "same-origin";
    assert_int_equal(guard_check(&plain, &r).status, 0);
    r.sec_fetch_site = "none";
    r.user_agent = "Mozilla/5.0";
    assert_int_equal(guard_check(&plain, &r).status, 0);
}

static void test_browser_without_origin(void **state)
{
    (void)state;
    struct http_request r = request();
    r.host = "localhost:8989";
    r.user_agent = "Mozilla/5.0";
    assert_int_equal(guard_check(&plain, &r).status, 403);
    r.path = "/ui/";
    assert_int_equal(guard_check(&plain, &r).status, 0);
    r.path = "/livez";
    assert_int_equal(guard_check(&plain, &r).status, 0);
    r.method = HTTP_POST;
    assert_int_equal(guard_check(&plain, &r).status, 403);
    r = request();
    r.host = "localhost:8989";
    r.user_agent = "curl/7.88.1";
    assert_int_equal(guard_check(&plain, &r).status, 0);
    r.user_agent = "Mozilla/5.0";
    r.referer = "http://localhost:8989/ui/";
    assert_int_equal(guard_check(&plain, &r).status, 0);
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
        assert_int_equal(guard_check(&plain, &r).status, 403);
        r.origin = "http://localhost:8989"; /* does not help */
        assert_int_equal(guard_check(&plain, &r).status, 403);
        r.origin = NULL;
    }
    r.referer = "http://localhost:8989/ui/?a=b";
    assert_int_equal(guard_check(&plain, &r).status, 0);
    r.referer = "";
    assert_int_equal(guard_check(&plain, &r).status, 0);
    r.referer = "https://panel.example/page";
    assert_int_equal(guard_check(&plain, &r).status, 403);
    assert_int_equal(guard_check(&open_conf, &r).status, 0);
}

static void test_needs_token(void **state)
{
    (void)state;
    struct http_request r = request();
    r.loopback = false;
    assert_int_equal(guard_check(&plain, &r).status, 401);
    r = request();
    r.forwarded = true;
    assert_int_equal(guard_check(&plain, &r).status, 401);
    assert_non_null(guard_check(&plain, &r).text);
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
