/* JSON-RPC envelopes: what a body is made of, and what is written as its answer. */
#include "api/rpc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/unit/unit.h"

/* What a body is, as one line: C(id,method) N R(code,id); or the code of its refusal. */
static const char *seen(const char *text, size_t len)
{
    static char out[512];
    struct rpc_body b = {0};
    size_t at = 0;
    int code = 0;
    char *copy = malloc(len + 1); /* of its own, for the sanitizers; not terminated */

    assert_non_null(copy);
    memcpy(copy, text, len);
    out[0] = '\0';
    if (rpc_body_read((const uint8_t *)copy, len, &b, &code) < 0) {
        (void)snprintf(out, sizeof(out), "%d", code);
        free(copy);
        return out;
    }
    for (size_t i = 0; i < b.n && at < sizeof(out) - 64; i++) {
        struct rpc_member m = rpc_member(&b, i);
        struct json_out o = {0};
        rpc_result_begin(&o, m.id);
        assert_false(o.bad);
        /* between {"jsonrpc":"2.0","id": and ,"result": */
        int id_len = (int)(o.len - 22 - 10);
        if (m.kind == RPC_CALL)
            at += (size_t)snprintf(out + at, sizeof(out) - at, "C(%.*s,%.*s)%s ", id_len, o.p + 22,
                                   (int)m.method_len, m.method, m.params ? "p" : "");
        else if (m.kind == RPC_NOTIFICATION)
            at += (size_t)snprintf(out + at, sizeof(out) - at, "N ");
        else
            at += (size_t)snprintf(out + at, sizeof(out) - at, "R(%d,%.*s) ", m.code, id_len,
                                   o.p + 22);
        json_out_fini(&o);
    }
    rpc_body_fini(&b);
    free(copy);
    return out;
}

#define V "\"jsonrpc\":\"2.0\","

static void test_members(void **state)
{
    (void)state;
    static const struct {
        const char *in, *want;
    } v[] = {
        {"{" V "\"id\":1,\"method\":\"m\"}", "C(1,m) "},
        {"{" V "\"id\":\"a\\\"\\u00e9\\u0001\",\"method\":\"m\",\"params\":[]}",
         "C(\"a\\\"\xc3\xa9\\u0001\",m)p "},
        {"{" V "\"id\":null,\"method\":\"m\",\"params\":{}}", "C(null,m)p "},
        {"{" V "\"id\":0,\"method\":\"m\",\"params\":5}", "C(0,m) "},
        {"{" V "\"id\":9223372036854775807,\"method\":\"m\"}", "C(9223372036854775807,m) "},
        /* a number of more than 63 bits somewhere: ids are told all the same, or refused */
        {"{" V "\"id\":7,\"method\":\"m\",\"params\":[18446744073709551615]}", "C(7,m)p "},
        {"{" V "\"id\":18446744073709551615,\"method\":\"m\"}", "R(-32600,null) "},
        {"{" V "\"method\":\"m\"}", "N "},
        {"{" V "\"id\":1.5,\"method\":\"m\"}", "N "},
        {"{" V "\"id\":1.0,\"method\":\"m\"}", "N "},
        {"{" V "\"id\":-1,\"method\":\"m\"}", "N "},
        {"{" V "\"id\":true,\"method\":\"m\"}", "N "},
        {"{" V "\"id\":[1],\"method\":\"m\"}", "N "},
        {"{\"jsonrpc\":\"1.0\",\"id\":3,\"method\":\"m\"}", "R(-32600,3) "},
        {"{\"id\":3}", "R(-32600,3) "},
        {"{" V "\"id\":3,\"method\":5}", "R(-32600,3) "},
        {"{" V "\"id\":[3],\"method\":5}", "R(-32700,null) "},
        {"{}", "R(-32700,null) "},
        {"[]", "-32600"},
        {"[1]", "R(-32600,null) "},
        {"[{" V "\"id\":1,\"method\":\"a\"},{" V "\"method\":\"b\"},5,{},{\"id\":8}]",
         "C(1,a) N R(-32600,null) R(-32600,null) R(-32600,8) "},
        {"{", "-32700"},
        {"", "-32700"},
        {"{" V "\"id\":1,\"method\":\"m\"} x", "-32700"},
        {"{" V "\"id\":1,\"id\":2,\"method\":\"m\"}", "-32600"},
        {"{" V "\"id\":\"\xff\",\"method\":\"m\"}", "-32700"},
    };
    for (size_t i = 0; i < ARRAY_LEN(v); i++)
        assert_string_equal(seen(v[i].in, strlen(v[i].in)), v[i].want);
    assert_string_equal(seen("{\"id\":1\0}", 9), "-32700");
}

static void test_cut(void **state)
{
    (void)state;
    static const char *const v[] = {
        "{" V "\"id\":\"x\\u0041\",\"method\":\"m\",\"params\":{\"a\":[1,2.5e3,null,true]}}",
        "[{" V "\"id\":1,\"method\":\"a\"},{" V "\"method\":\"b\"},5]",
    };
    for (size_t i = 0; i < ARRAY_LEN(v); i++)
        for (size_t len = 0; len < strlen(v[i]); len++)
            assert_string_equal(seen(v[i], len), "-32700");
}

static void test_batch_limit(void **state)
{
    size_t n = RPC_BATCH_MAX + 1, len = 0;
    char *text = malloc(2 * n + 2);
    struct rpc_body b;
    int code = 0;

    (void)state;
    assert_non_null(text);
    text[len++] = '[';
    for (size_t i = 0; i < n; i++) {
        text[len++] = '5';
        text[len++] = i + 1 < n ? ',' : ']';
    }
    assert_int_equal(rpc_body_read((uint8_t *)text, len, &b, &code), ERR_INVAL);
    assert_int_equal(code, RPC_BATCH_TOO_LONG);
    text[len - 3] = ']';
    assert_int_equal(rpc_body_read((uint8_t *)text, len - 2, &b, &code), OK);
    assert_int_equal(b.n, RPC_BATCH_MAX);
    rpc_body_fini(&b);
    free(text);
}

static void test_begins(void **state)
{
    (void)state;
    assert_true(rpc_body_begins((const uint8_t *)" \t\r\n{", 5));
    assert_true(rpc_body_begins((const uint8_t *)"[", 1));
    assert_false(rpc_body_begins((const uint8_t *)" \t\r\n{", 4));
    assert_false(rpc_body_begins((const uint8_t *)"", 0));
    assert_false(rpc_body_begins((const uint8_t *)"null", 4));
}

static void test_errors(void **state)
{
    struct json_out o = {0}, data = {0};
    json_t *id = json_string("q");

    (void)state;
    rpc_error(&o, NULL, RPC_NO_JSON, NULL, NULL);
    json_put_bytes(&o, "", 1);
    assert_string_equal(
        o.p,
        "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,\"message\":\"Parse error\"}}");
    json_out_fini(&o);
    json_quoted(&data, "why");
    rpc_error(&o, id, 409, "Already \"final\"", &data);
    json_put_bytes(&o, "", 1);
    assert_string_equal(o.p,
                        "{\"jsonrpc\":\"2.0\",\"id\":\"q\",\"error\":{\"code\":409,\"message\":"
                        "\"Already \\\"final\\\"\",\"data\":\"why\"}}");
    json_out_fini(&o);
    json_out_fini(&data);
    json_decref(id);
    assert_string_equal(rpc_code_str(-32099), "Server error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members),     cmocka_unit_test(test_cut),
        cmocka_unit_test(test_batch_limit), cmocka_unit_test(test_begins),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
