#include "api/table.h"

#include <string.h>

#include "base/err.h"
#include "tests/unit/unit.h"

static void test_calls(void **state)
{
    (void)state;
    static const struct {
        enum http_method method;
        const char *path;
        enum call call;
        const char *param;
    } v[] = {
        {HTTP_GET, "/api/v1/admin", CALL_INFO, ""},
        {HTTP_HEAD, "/api/v1/admin", CALL_INFO, ""},
        {HTTP_GET, "/api/v1/admin/peers", CALL_PEERS, ""},
        {HTTP_POST, "/api/v1/admin/peers", CALL_PEER_ADD, ""},
        {HTTP_DELETE, "/api/v1/admin/peers/tcp%3A%2F%2F127.0.0.1%3A1", CALL_PEER_DELETE,
         "tcp://127.0.0.1:1"},
        {HTTP_DELETE, "/api/v1/admin/peers/foo", CALL_PEER_DELETE, "foo"},
        {HTTP_DELETE, "/api/v1/admin/peers/a%252Fb+c", CALL_PEER_DELETE, "a%2Fb+c"},
        {HTTP_GET, "/api/v1/admin/routes/selected", CALL_ROUTES_SELECTED, ""},
        {HTTP_GET, "/api/v1/admin/routes/fallback", CALL_ROUTES_FALLBACK, ""},
        {HTTP_GET, "/api/v1/admin/routes/queried", CALL_ROUTES_QUERIED, ""},
        {HTTP_GET, "/api/v1/admin/stats/packets", CALL_PACKETS, ""},
        {HTTP_GET, "/api/v1/pubkey/400::1", CALL_PUBKEY, "400::1"},
        {HTTP_GET, "/api/v1/messages", CALL_TAKE, ""},
        {HTTP_HEAD, "/api/v1/messages", CALL_LOOK, ""},
        {HTTP_POST, "/api/v1/messages", CALL_SEND, ""},
        {HTTP_POST, "/api/v1/messages/reply/0011223344556677", CALL_REPLY, "0011223344556677"},
        {HTTP_GET, "/api/v1/messages/status/00", CALL_STATUS, "00"},
        {HTTP_POST, "/bus/v1/messages", CALL_PUSH, ""},
        {HTTP_GET, "/bus/v1/outbox", CALL_OUTBOX, ""},
        {HTTP_GET, "/bus/v1/outbox/~1", CALL_OUT_GET, "~1"},
        {HTTP_DELETE, "/bus/v1/outbox/%7E1", CALL_OUT_DELETE, "~1"},
        {HTTP_POST, "/bus/v1/outbox/~1/retry", CALL_OUT_AGAIN, "~1"},
        {HTTP_POST, "/bus/v1/messages/fetch", CALL_FETCH_LEASES, ""},
        {HTTP_POST, "/bus/v1/messages/ack", CALL_ACK, ""},
        {HTTP_POST, "/bus/v1/messages/nack", CALL_NACK, ""},
        {HTTP_POST, "/bus/v1/messages/renew", CALL_RENEW, ""},
        {HTTP_POST, "/bus/v1/messages/term", CALL_TERM, ""},
        {HTTP_GET, "/bus/v1/inbox", CALL_INBOX, ""},
        {HTTP_GET, "/bus/v1/inbox/17", CALL_INBOX_ENTRY, "17"},
        {HTTP_DELETE, "/bus/v1/inbox/17", CALL_INBOX_DROP, "17"},
        {HTTP_GET, "/bus/v1/inbox/17/payload", CALL_INBOX_PAYLOAD, "17"},
        {HTTP_HEAD, "/bus/v1/inbox/17/payload", CALL_INBOX_PAYLOAD, "17"},
        {HTTP_POST, "/bus/v1/inbox/1%2F7/requeue", CALL_INBOX_REQUEUE, "1/7"},
        {HTTP_GET, "/api/v1/messages/topics/default", CALL_TOPIC_DEFAULT, ""},
        {HTTP_PUT, "/api/v1/messages/topics/default", CALL_TOPIC_DEFAULT_SET, ""},
        {HTTP_GET, "/api/v1/messages/topics", CALL_TOPICS, ""},
        {HTTP_POST, "/api/v1/messages/topics", CALL_TOPIC_ADD, ""},
        {HTTP_DELETE, "/api/v1/messages/topics/YQ==", CALL_TOPIC_REMOVE, "YQ=="},
        {HTTP_DELETE, "/api/v1/messages/topics/", CALL_TOPIC_REMOVE, ""},
        {HTTP_GET, "/api/v1/messages/topics/YQ%3D%3D/sources", CALL_TOPIC_SOURCES, "YQ=="},
        {HTTP_HEAD, "/api/v1/messages/topics//sources", CALL_TOPIC_SOURCES, ""},
        {HTTP_POST, "/api/v1/messages/topics/%2F%2F8=/sources", CALL_TOPIC_SOURCE_ADD, "//8="},
    };
    struct match m;
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        assert_int_equal(table_match(v[i].method, v[i].path, &m), OK);
        assert_int_equal(m.call, v[i].call);
        assert_string_equal(m.param, v[i].param);
        assert_int_equal(m.param_len, strlen(v[i].param));
    }
}

/* What has an effect never goes with the right to look. */
static void test_scopes(void **state)
{
    (void)state;
    static const struct {
        enum http_method method;
        const char *path;
        enum scope scope;
    } v[] = {
        {HTTP_GET, "/api/v1/admin", SCOPE_READ},
        {HTTP_HEAD, "/api/v1/messages", SCOPE_READ},
        {HTTP_GET, "/api/v1/messages", SCOPE_RECEIVE},
        {HTTP_POST, "/api/v1/messages", SCOPE_SEND},
        {HTTP_POST, "/api/v1/messages/reply/00", SCOPE_SEND},
        {HTTP_POST, "/bus/v1/messages", SCOPE_SEND},
        {HTTP_POST, "/bus/v1/messages/fetch", SCOPE_RECEIVE},
        {HTTP_POST, "/bus/v1/messages/ack", SCOPE_RECEIVE},
        {HTTP_GET, "/bus/v1/inbox/1/payload", SCOPE_RECEIVE},
        {HTTP_GET, "/bus/v1/inbox/1", SCOPE_READ},
        {HTTP_DELETE, "/bus/v1/inbox/1", SCOPE_ADMIN},
        {HTTP_DELETE, "/bus/v1/outbox/~1", SCOPE_ADMIN},
        {HTTP_POST, "/bus/v1/outbox/~1/retry", SCOPE_ADMIN},
        {HTTP_POST, "/api/v1/admin/peers", SCOPE_ADMIN},
        {HTTP_DELETE, "/api/v1/admin/peers/foo", SCOPE_ADMIN},
        {HTTP_PUT, "/api/v1/messages/topics/default", SCOPE_ADMIN},
        {HTTP_GET, "/api/v1/messages/topics/eA%3D%3D/sources", SCOPE_READ},
        {HTTP_POST, "/api/v1/messages/topics/eA%3D%3D/sources", SCOPE_ADMIN},
        {HTTP_DELETE, "/api/v1/messages/topics/eA%3D%3D/sources/x", SCOPE_ADMIN},
        {HTTP_PUT, "/api/v1/messages/topics/eA%3D%3D/forward", SCOPE_ADMIN},
    };
    struct match m;
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        assert_int_equal(table_match(v[i].method, v[i].path, &m), OK);
        if (m.scope != v[i].scope)
            fail_msg("%s: scope %d", v[i].path, (int)m.scope);
    }
}

static void test_two_params(void **state)
{
    (void)state;
    struct match m;
    const char *path = "/api/v1/messages/topics/YQ==/sources/400::%2F7";
    assert_int_equal(table_match(HTTP_DELETE, path, &m), OK);
    assert_int_equal(m.call, CALL_TOPIC_SOURCE_REMOVE);
    assert_string_equal(m.param, "YQ==");
    assert_string_equal(m.second, "400::/7");
    assert_int_equal(m.second_len, 7);
    assert_string_equal(m.param_name, "topic");
    assert_int_equal(table_match(HTTP_DELETE, "/api/v1/messages/topics/YQ==/sources/%ff", &m),
                     ERR_INVAL);
    assert_string_equal(m.param_name, "subnet");
    assert_int_equal(table_match(HTTP_DELETE, "/api/v1/messages/topics/%ff/sources/%ff", &m),
                     ERR_INVAL);
    assert_string_equal(m.param_name, "topic");
    assert_int_equal(table_match(HTTP_GET, path, &m), ERR_UNSUPPORTED);
    assert_string_equal(m.allow, "DELETE");
}

static void test_no_path(void **state)
{
    (void)state;
    static const char *const v[] = {"/",
                                    "",
                                    "*",
                                    "/api/v1",
                                    "/api/v1/",
                                    "/metrics",
                                    "/api/v1/admin/",
                                    "/api/v1/Admin",
                                    "/api/v1/%61dmin",
                                    "/api/v1/admin/peers/",
                                    "/api/v1/admin/peers/tcp://127.0.0.1:1",
                                    "/api/v1/admin/peers/a/b",
                                    "//api/v1/admin",
                                    "/api/v1/messages/status",
                                    "/api/v1/messages/status/",
                                    "/api/v1/messages/x",
                                    "/bus/v1/",
                                    "/bus/v1/inbox/",
                                    "/bus/v1/inbox//payload",
                                    "/bus/v1/inbox/1/payload/",
                                    "/bus/v1/inbox/1/other",
                                    "/bus/v1/admin",
                                    "/bus/v1/outbox/",
                                    "/bus/v1/outbox/~1/other",
                                    "/api/v1/inbox",
                                    "/api/v1/messages/topics/YQ==/",
                                    "/api/v1/messages/topics/YQ==/sourcesx",
                                    "/api/v1/messages/topics/YQ==/sources/",
                                    "/api/v1/messages/topics/YQ==/sources/a/b",
                                    "/api/v1/messages/topics/YQ==/x"};
    struct match m;
    for (size_t i = 0; i < ARRAY_LEN(v); i++)
        assert_int_equal(table_match(HTTP_GET, v[i], &m), ERR_NOENT);
}

static void test_surface(void **state)
{
    (void)state;
    assert_true(path_is_bus("/bus/v1") && path_is_bus("/bus/v1/") && path_is_bus("/bus/v1/x"));
    assert_false(path_is_bus("/bus/v11") || path_is_bus("/bus/v") || path_is_bus("/api/v1/bus/v1"));
    assert_false(path_is_bus("") || path_is_bus("/"));
}

static void test_wrong_method(void **state)
{
    (void)state;
    static const struct {
        enum http_method method;
        const char *path, *allow;
    } v[] = {
        {HTTP_OPTIONS, "/api/v1/admin/peers", "GET,HEAD,POST"},
        {HTTP_POST, "/api/v1/admin", "GET,HEAD"},
        {HTTP_OTHER, "/api/v1/messages", "GET,HEAD,POST"},
        {HTTP_GET, "/api/v1/admin/peers/x", "DELETE"},
        {HTTP_HEAD, "/api/v1/admin/peers/x", "DELETE"},
        {HTTP_PUT, "/api/v1/messages/reply/x", "POST"},
        {HTTP_DELETE, "/api/v1/messages/status/x", "GET,HEAD"},
        {HTTP_DELETE, "/api/v1/messages/topics/default", "GET,HEAD,PUT"},
        {HTTP_GET, "/api/v1/messages/topics/YQ==", "DELETE"},
        {HTTP_PUT, "/api/v1/messages/topics/YQ==/sources", "GET,HEAD,POST"},
    };
    struct match m;
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        assert_int_equal(table_match(v[i].method, v[i].path, &m), ERR_UNSUPPORTED);
        assert_string_equal(m.allow, v[i].allow);
    }
}

static void test_bad_param(void **state)
{
    (void)state;
    char path[PARAM_MAX + 64] = "/api/v1/admin/peers/";
    size_t at = strlen(path);
    struct match m;
    assert_int_equal(table_match(HTTP_DELETE, "/api/v1/admin/peers/%ff", &m), ERR_INVAL);
    assert_string_equal(m.param_name, "endpoint");
    assert_int_equal(table_match(HTTP_DELETE, "/api/v1/admin/peers/a%00b", &m), ERR_INVAL);
    memset(path + at, 'a', PARAM_MAX + 1);
    assert_int_equal(table_match(HTTP_DELETE, path, &m), ERR_INVAL);
    path[at + PARAM_MAX] = '\0';
    assert_int_equal(table_match(HTTP_DELETE, path, &m), OK);
    assert_int_equal(m.param_len, PARAM_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls),     cmocka_unit_test(test_no_path),
        cmocka_unit_test(test_surface),   cmocka_unit_test(test_wrong_method),
        cmocka_unit_test(test_scopes),    cmocka_unit_test(test_two_params),
        cmocka_unit_test(test_bad_param),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
