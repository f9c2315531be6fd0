#include "router/endpoint.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/unit/unit.h"

#define ADDRESS "failed to parse address: invalid socket address syntax"
#define VSOCK   "failed to parse vsock address component: "
#define DIGIT   VSOCK "invalid digit found in string"
#define LARGE   VSOCK "number too large to fit in target type"
#define EMPTY   VSOCK "cannot parse integer from empty string"
#define FORM    "vsock address must be in CID:PORT format"
#define MISSING "missing leading protocol identifier"
#define PROTO   "protocol for endpoint is not supported"

#define LABEL63 "a23456789012345678901234567890123456789012345678901234567890123"

static const struct row {
    const char *text;
    const char *fault; /* NULL: accepted, and then: */
    const char *shown; /* as endpoint_addr_str() shows it */
    const char *full;  /* as endpoint_str() writes it */
} rows[] = {
    {"TCP://127.0.0.1:1", NULL, "127.0.0.1:1", "tcp://127.0.0.1:1"},
    {"quic://127.0.0.1:00001", NULL, "127.0.0.1:1", "quic://127.0.0.1:1"},
    {"tcp://127.0.0.1:0", NULL, "127.0.0.1:0", "tcp://127.0.0.1:0"},
    {"tcp://255.255.255.255:65535", NULL, "255.255.255.255:65535", "tcp://255.255.255.255:65535"},
    {"vsock://+2:9", NULL, "2:9", "vsock://2:9"},
    {"vsock://4294967295:0004294967295", NULL, "4294967295:4294967295",
     "vsock://4294967295:4294967295"},
    {"tcp://[fe80::1%2]:9651", NULL, "[fe80::1%2]:9651", "tcp://[fe80::1%2]:9651"},
    {"tcp://[fe80::1%4294967295]:1", NULL, "[fe80::1%4294967295]:1",
     "tcp://[fe80::1%4294967295]:1"},
    {"tcp://[::1%0]:9651", NULL, "[::1]:9651", "tcp://[::1]:9651"},
    {"tcp://[::ffff:127.0.0.1]:1", NULL, "[::ffff:127.0.0.1]:1", "tcp://[::ffff:127.0.0.1]:1"},
    {"tcp://[::1.2.3.4]:1", NULL, "[::102:304]:1", "tcp://[::102:304]:1"},
    {"TlS://[2001:DB8:0:0:1:0:0:1]:9651", NULL, "[2001:db8::1:0:0:1]:9651",
     "tls://[2001:db8::1:0:0:1]:9651"},
    {"tcp://[1:2:3:4:5:6:7::]:9", NULL, "[1:2:3:4:5:6:7:0]:9", "tcp://[1:2:3:4:5:6:7:0]:9"},
    {"tcp://[::]:9651", NULL, "[::]:9651", "tcp://[::]:9651"},

    {"tcp://localhost:9651", NULL, "[::]:9651", "tcp://localhost:9651"},
    {"quic://Node-1.Example_x.COM.:07", NULL, "[::]:7", "quic://node-1.example_x.com.:7"},
    {"tls://1a.b2:65535", NULL, "[::]:65535", "tls://1a.b2:65535"},
    {"tcp://" LABEL63 "." LABEL63 "." LABEL63
     ".a2345678901234567890123456789012345678901234567890123"
     "45678901:1",
     NULL, "[::]:1", NULL}, /* 253 characters */
    {"tcp://" LABEL63 "." LABEL63 "." LABEL63
     ".a2345678901234567890123456789012345678901234567890123"
     "456789012:1",
     ADDRESS, NULL, NULL},
    {"tcp://" LABEL63 "4:1", ADDRESS, NULL, NULL},
    {"tcp://example.com", ADDRESS, NULL, NULL},
    {"tcp://example.com:", ADDRESS, NULL, NULL},
    {"tcp://example.com:65536", ADDRESS, NULL, NULL},
    {"tcp://example..com:1", ADDRESS, NULL, NULL},
    {"tcp://.example:1", ADDRESS, NULL, NULL},
    {"tcp://example..:1", ADDRESS, NULL, NULL},
    {"tcp://.:1", ADDRESS, NULL, NULL},
    {"tcp://-a.b:1", ADDRESS, NULL, NULL},
    {"tcp://a-.b:1", ADDRESS, NULL, NULL},
    {"tcp://a b:1", ADDRESS, NULL, NULL},
    {"tcp://a/b:1", ADDRESS, NULL, NULL},
    {"tcp://m\xc3\xbc.example:1", ADDRESS, NULL, NULL},
    {"tcp://1.2.3:1", ADDRESS, NULL, NULL},
    {"tcp://1:1", ADDRESS, NULL, NULL},
    {"tcp://a.0x7f:1", ADDRESS, NULL, NULL},
    {"tcp://a.0x:1", ADDRESS, NULL, NULL},
    {"tcp://256.1.1.1:1", ADDRESS, NULL, NULL},
    {"tcp://1.2.3.4.:1", ADDRESS, NULL, NULL},

    {"1.2.3.4:9651", MISSING, NULL, NULL},
    {"", MISSING, NULL, NULL},
    {"tcp:/1.2.3.4:1", MISSING, NULL, NULL},
    {"http://1.2.3.4:9651", PROTO, NULL, NULL},
    {"://", PROTO, NULL, NULL},
    {" tcp://1.2.3.4:1", PROTO, NULL, NULL},
    {"tcpx://1.2.3.4:1", PROTO, NULL, NULL},
    {"tc://1.2.3.4:1", PROTO, NULL, NULL},
    {"tcp://1.2.3.4", ADDRESS, NULL, NULL},
    {"tcp://1.2.3.4:70000", ADDRESS, NULL, NULL},
    {"tcp://1.2.3.4:+1", ADDRESS, NULL, NULL},
    {"tcp://1.2.3.4:", ADDRESS, NULL, NULL},
    {"tcp://1.2.3.4:1 ", ADDRESS, NULL, NULL},
    {"tcp://1.2.3.4:1:1", ADDRESS, NULL, NULL},
    {"tcp://", ADDRESS, NULL, NULL},
    {"tcp://::1:9651", ADDRESS, NULL, NULL},
    {"tcp://[::1]", ADDRESS, NULL, NULL},
    {"tcp://[::1]9", ADDRESS, NULL, NULL},
    {"tcp://[::1:9", ADDRESS, NULL, NULL},
    {"tcp://[]:9", ADDRESS, NULL, NULL},
    {"tcp://[1.2.3.4]:9", ADDRESS, NULL, NULL},
    {"tcp://[1::2::3]:9", ADDRESS, NULL, NULL},
    {"tcp://[1::2:3:4:5:6:7:8]:9", ADDRESS, NULL, NULL},
    {"tcp://[::00001]:9", ADDRESS, NULL, NULL},
    {"tcp://[::1%]:9", ADDRESS, NULL, NULL},
    {"tcp://[::1%4294967296]:9", ADDRESS, NULL, NULL},
    {"tcp://[fe80::1%eth0]:9651", ADDRESS, NULL, NULL},
    {"tcp:// 127.0.0.1:1", ADDRESS, NULL, NULL},
    {"tcp://127.0.0.01:1", ADDRESS, NULL, NULL},
    {"tcp://00.0.0.0:1", ADDRESS, NULL, NULL},
    {"vsock://2", FORM, NULL, NULL},
    {"vsock://", FORM, NULL, NULL},
    {"vsock://2:x", DIGIT, NULL, NULL},
    {"vsock://-1:1", DIGIT, NULL, NULL},
    {"vsock://2:9:9", DIGIT, NULL, NULL},
    {"vsock://+:1", DIGIT, NULL, NULL},
    {"vsock://++2:1", DIGIT, NULL, NULL},
    {"vsock://x:", DIGIT, NULL, NULL},
    {"vsock://4294967296:1", LARGE, NULL, NULL},
    {"vsock://42949672960x:1", LARGE, NULL, NULL},
    {"vsock://:1", EMPTY, NULL, NULL},
    {"vsock://2:", EMPTY, NULL, NULL},
};

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *r = &rows[i];
        struct endpoint e;
        const char *fault = NULL;
        char buf[ENDPOINT_STR_MAX];
        int rc = endpoint_parse(r->text, &e, &fault);
        if (rc != (r->fault ? ERR_INVAL : OK))
            print_error("row %zu: %s\n", i, r->text);
        assert_int_equal(rc, r->fault ? ERR_INVAL : OK);
        if (r->fault) {
            assert_string_equal(fault, r->fault);
            continue;
        }
        assert_string_equal(endpoint_addr_str(&e, buf), r->shown);
        if (r->full)
            assert_string_equal(endpoint_str(&e, buf), r->full);
    }
}

static struct endpoint parsed(const char *text)
{
    struct endpoint e;
    const char *fault = NULL;
    if (endpoint_parse(text, &e, &fault) < 0)
        fail_msg("%s: %s", text, fault);
    return e;
}

/* What is written can be read again and is the same. */
static void test_round_trip(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char buf[ENDPOINT_STR_MAX];
        if (rows[i].fault)
            continue;
        struct endpoint a = parsed(rows[i].text);
        struct endpoint b = parsed(endpoint_str(&a, buf));
        assert_true(endpoint_eq(&a, &b));
    }
}

/* No prefix of a text reads beyond it, and a refused text leaves the result alone. */
static void test_every_length(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t len = strlen(rows[i].text);
        for (size_t n = 0; n <= len; n++) {
            struct endpoint e, before;
            const char *fault = NULL;
            char *cut = malloc(n + 1); /* exact, for the sanitizer */
            assert_non_null(cut);
            memcpy(cut, rows[i].text, n);
            cut[n] = '\0';
            memset(&e, 0x5a, sizeof(e));
            before = e;
            int rc = endpoint_parse(cut, &e, &fault);
            assert_true(rc == OK || rc == ERR_INVAL);
            assert_int_equal(rc == OK, fault == NULL);
            if (rc != OK)
                assert_memory_equal(&e, &before, sizeof(e));
            free(cut);
        }
    }
}

static void test_equality(void **state)
{
    static const char *const different[] = {
        "tcp://127.0.0.1:1",  "tcp://127.0.0.1:2",   "tls://127.0.0.1:1",
        "tcp://127.0.0.2:1",  "tcp://[::1]:1",       "tcp://[::ffff:127.0.0.1]:1",
        "quic://127.0.0.1:1", "tcp://[fe80::1%1]:1", "tcp://[fe80::1%2]:1",
        "tcp://[fe80::1]:1",  "tcp://localhost:1",   "tcp://localhost:2",
        "tcp://localhost.:1", "quic://localhost:1",  "vsock://1:1",
        "vsock://1:2",        "vsock://2:1",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(different); i++)
        for (size_t j = 0; j < ARRAY_LEN(different); j++) {
            struct endpoint a = parsed(different[i]), b = parsed(different[j]);
            assert_int_equal(endpoint_eq(&a, &b), i == j);
        }
    struct endpoint a = parsed("tcp://LocalHost:1"), b = parsed("TCP://localhost:0001");
    assert_true(endpoint_eq(&a, &b));

    /* The address in use is no part of a name's identity. */
    struct endpoint c = parsed("tcp://127.0.0.1:1");
    b.addr = c.addr;
    assert_true(endpoint_eq(&a, &b));
    assert_false(endpoint_eq(&b, &c));
    char buf[ENDPOINT_STR_MAX];
    assert_string_equal(endpoint_addr_str(&b, buf), "127.0.0.1:1");
    assert_string_equal(endpoint_str(&b, buf), "tcp://localhost:1");
}

static void test_sockaddr(void **state)
{
    (void)state;
    char buf[SOCKADDR_STR_MAX];
    struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_port = htons(42294)};
    assert_int_equal(inet_pton(AF_INET6, "::ffff:127.0.0.1", &sin6.sin6_addr), 1);
    assert_string_equal(sockaddr_str((struct sockaddr *)&sin6, buf, sizeof(buf)),
                        "[::ffff:127.0.0.1]:42294");
    struct endpoint e = endpoint_of(PROTO_TCP, (struct sockaddr *)&sin6);
    struct endpoint same = parsed("tcp://[::ffff:127.0.0.1]:42294");
    assert_true(endpoint_eq(&e, &same));

    memset(&sin6.sin6_addr, 0xff, sizeof(sin6.sin6_addr)); /* the longest text fits exactly */
    sin6.sin6_scope_id = UINT32_MAX;
    sin6.sin6_port = htons(65535);
    assert_string_equal(sockaddr_str((struct sockaddr *)&sin6, buf, sizeof(buf)),
                        "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535");

    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(80)};
    sin.sin_addr.s_addr = htonl(0x0a0102ff);
    assert_string_equal(sockaddr_str((struct sockaddr *)&sin, buf, sizeof(buf)), "10.1.2.255:80");
    assert_string_equal(sockaddr_str((struct sockaddr *)&sin, buf, 5), "10.1");
    e = endpoint_of(PROTO_QUIC, (struct sockaddr *)&sin);
    same = parsed("quic://10.1.2.255:80");
    assert_true(endpoint_eq(&e, &same));
    assert_string_equal(endpoint_proto_str(PROTO_TCP), "tcp");
    assert_string_equal(endpoint_proto_str(PROTO_VSOCK), "vsock");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_every_length), cmocka_unit_test(test_equality),
        cmocka_unit_test(test_sockaddr),
    };
    return cmocka_run_group_tests_name("router/endpoint", tests, NULL, NULL);
}
