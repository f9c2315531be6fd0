#include "clients/answer_stream.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "tests/unit/output.h"
#include "tests/unit/unit.h"

#define FROM_TO "\"srcIp\":\"430::1\",\"srcPk\":\"8f40\",\"dstIp\":\"437::1\",\"dstPk\":\"3580\""
#define HEAD    "{\"id\":\"b713833c2f9478ce\"," FROM_TO ",\"topic\":\"dGVzdA==\",\"payload\":\""
#define SHOWN   "{\"id\":\"b713833c2f9478ce\"," FROM_TO ",\"topic\":\"test\""

static const char answer[] = HEAD "aGVsbG8sIHdvcmxkIQ==\"}"; /* hello, world! */
static const size_t limit = sizeof(HEAD) + 1;                /* in the payload already */

/* The whole answer in pieces. The exit status, or ERR_*. */
static int run(struct answer_stream *s, const char *text, size_t len, size_t piece)
{
    int rc = OK;
    s->limit = limit;
    for (size_t at = 0; at < len && rc == OK; at += piece)
        rc = answer_stream_take(s, 200, text + at, MIN(piece, len - at));
    if (rc == OK && s->streaming)
        rc = answer_stream_end(s);
    answer_stream_fini(s);
    return rc;
}

static void test_line(void **state)
{
    static struct output o;
    (void)state;
    for (size_t piece = 1; piece < sizeof(answer); piece++) {
        struct answer_stream s = {0};
        output_begin(&o);
        int rc = run(&s, answer, sizeof(answer) - 1, piece);
        output_end(&o);
        assert_int_equal(rc, 0);
        assert_string_equal(o.out, SHOWN
                            ",\"payload\":\"aGVsbG8sIHdvcmxkIQ==\",\"encoding\":\"base64\"}\n");
    }
}

static void test_raw(void **state)
{
    static struct output o;
    (void)state;
    for (size_t piece = 1; piece < sizeof(answer); piece++) {
        struct answer_stream s = {.raw = true};
        output_begin(&o);
        int rc = run(&s, answer, sizeof(answer) - 1, piece);
        output_end(&o);
        assert_int_equal(rc, 0);
        assert_string_equal(o.out, "hello, world!\n");
    }
}

static void test_file(void **state)
{
    static struct output o;
    char path[] = "/tmp/answer-stream-XXXXXX", got[64] = "";
    int fd = mkstemp(path);
    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "something longer than that", 26), 26);
    for (size_t piece = 1; piece < sizeof(answer); piece++) {
        struct payload_sink sink;
        struct answer_stream s = {.sink = &sink};
        output_begin(&o);
        assert_int_equal(payload_sink_open(&sink, path), 0);
        int rc = run(&s, answer, sizeof(answer) - 1, piece);
        payload_sink_drop(&sink);
        output_end(&o);
        assert_int_equal(rc, 0);
        assert_string_equal(o.out, SHOWN "}\n");
        ssize_t n = pread(fd, got, sizeof(got) - 1, 0);
        assert_int_equal(n, 13);
        assert_memory_equal(got, "hello, world!", 13);
    }
    close(fd);
    unlink(path);
}

/* A part is never taken for the whole. */
static void test_cut_at_every_length(void **state)
{
    static struct output o;
    (void)state;
    for (size_t len = limit + 1; len < sizeof(answer) - 2; len++) {
        struct answer_stream s = {.raw = true};
        output_begin(&o);
        int rc = run(&s, answer, len, len);
        output_end(&o);
        assert_int_equal(rc, s.ended ? 0 : 1);
        assert_false(s.ended);
    }
}

static void test_bad_answers(void **state)
{
    static const char *const bad[] = {
        "{\"id\":\"1\",\"payload\":\"aGVsbG8sIHdvcmxkIQ==aGVsbG8sIHdvcmxkIQ==aGVsbG8sIHdvcmxkIQ==aGVsbG8s"
        "aGVsbG8sIHdvcmxkIQ==aGVsbG8sIHdvcmxkIQ==\"}",
        HEAD "aGVs\\u0062bG8sIHdvcmxkIQ==\"}",
        HEAD "a===bG8sIHdvcmxkIQ==\"}",
    };
    static struct output o;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct answer_stream s = {.raw = true};
        output_begin(&o);
        int rc = run(&s, bad[i], strlen(bad[i]), 7);
        output_end(&o);
        assert_true(rc != 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line),        cmocka_unit_test(test_raw),
        cmocka_unit_test(test_file),        cmocka_unit_test(test_cut_at_every_length),
        cmocka_unit_test(test_bad_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
