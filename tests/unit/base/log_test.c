#define LOG_TARGET "router"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/unit.h"

#define LOG_TARGET "router"

static int pipe_fd[2];
static char out[2 * LOG_LINE_MAX];

static void start(enum log_level level, enum log_format format, bool colour)
{
    assert_int_equal(pipe2(pipe_fd, O_NONBLOCK), 0);
    struct log_conf c = {.level = level, .format = format, .fd = pipe_fd[1], .colour = colour};
    log_setup(&c);
}

/* Everything logged since start(). */
static const char *finish(void)
{
    (void)close(pipe_fd[1]);
    ssize_t n = read(pipe_fd[0], out, sizeof(out) - 1);
    assert_true(n >= 0);
    (void)close(pipe_fd[0]);
    out[n] = '\0';
    return out;
}

/* Digits as 'd', so that a time has one form. */
static void expect_time(const char *s, const char *form)
{
    for (; *form; s++, form++)
        assert_int_equal(*s >= '0' && *s <= '9' ? 'd' : *s, *form);
}

static void test_compact(void **state)
{
    (void)state;
    start(LOG_LEVEL_INFO, LOG_FORMAT_COMPACT, false);
    log_write(LOG_LEVEL_INFO, "", "Started peer manager", " ");
    finish();
    expect_time(out, "dddd-dd-ddTdd:dd:dd.ddddddZ");
    assert_string_equal(out + 27, "  INFO mycelium: Started peer manager\n");

    start(LOG_LEVEL_INFO, LOG_FORMAT_COMPACT, false);
    log_warn("dropped packet", "peer=%d why=%s", 7, "malformed");
    assert_string_equal(finish() + 27,
                        "  WARN mycelium::router: dropped packet peer=7 why=malformed\n");
    start(LOG_LEVEL_INFO, LOG_FORMAT_COMPACT, false);
    log_error("gone", "");
    assert_string_equal(finish() + 27, " ERROR mycelium::router: gone\n");
}

static void test_colour(void **state)
{
    (void)state;
    start(LOG_LEVEL_INFO, LOG_FORMAT_COMPACT, true);
    log_info("up", "a=%d", 1);
    assert_string_equal(finish() + 4 + 27,
                        "\x1b[0m \x1b[32m INFO\x1b[0m \x1b[2mmycelium::router:\x1b[0m up a=1\n");
    start(LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT, true);
    log_info("up", "a=%d", 1);
    assert_non_null(strstr(finish(), "level=\x1b[32minfo\x1b[0m "));
    start(LOG_LEVEL_INFO, LOG_FORMAT_PLAIN, true);
    log_info("up", "a=%d", 1);
    assert_null(strchr(finish(), '\x1b'));
}

static void test_logfmt(void **state)
{
    (void)state;
    start(LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT, false);
    log_write(LOG_LEVEL_INFO, "", "Started peer manager", " ");
    finish();
    expect_time(out, "ts=dddd-dd-ddTdd:dd:dd.dddddddddZ");
    assert_string_equal(out + 33, " level=info target=mycelium message=\"Started peer manager\"\n");
    start(LOG_LEVEL_DEBUG, LOG_FORMAT_PLAIN, false);
    log_debug("one", "k=%s", "v");
    assert_string_equal(finish() + 33, " level=debug target=mycelium::router message=one k=v\n");
    start(LOG_LEVEL_DEBUG, LOG_FORMAT_PLAIN, false);
    log_debug("say \"it\"\\", "");
    assert_string_equal(finish() + 33,
                        " level=debug target=mycelium::router message=\"say \\\"it\\\"\\\\\"\n");
}

static void test_levels(void **state)
{
    (void)state;
    for (enum log_level limit = LOG_LEVEL_ERROR; limit <= LOG_LEVEL_DEBUG; limit++) {
        start(limit, LOG_FORMAT_COMPACT, false);
        log_error("e", "");
        log_warn("w", "");
        log_info("i", "");
        log_debug("d", "");
        finish();
        unsigned lines = 0;
        for (const char *p = out; *p; p++)
            lines += *p == '\n';
        assert_int_equal(lines, limit + 1);
        assert_true(log_enabled(LOG_LEVEL_ERROR));
        assert_true(log_enabled(LOG_LEVEL_DEBUG) == (limit == LOG_LEVEL_DEBUG));
    }
}

/* What others chose cannot begin a line of its own or move the cursor. */
static void test_one_line(void **state)
{
    (void)state;
    start(LOG_LEVEL_INFO, LOG_FORMAT_COMPACT, false);
    log_info("m\n1", "v=%s", "a\nb\x1b[2J\x7f\r");
    assert_string_equal(finish() + 27,
                        "  INFO mycelium::router: m\\n1 v=a\\nb\\x1b[2J\\x7f\\x0d\n");
}

static void test_long_line(void **state)
{
    (void)state;
    static char big[2 * LOG_LINE_MAX];
    memset(big, 'x', sizeof(big) - 1);
    for (size_t skip = 0; skip < sizeof(big) - 1; skip += 7) {
        start(LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT, true);
        log_info(big + skip, "v=%s", big + skip / 2);
        size_t n = strlen(finish());
        assert_true(n <= LOG_LINE_MAX);
        assert_int_equal(out[n - 1], '\n');
        if (sizeof(big) - skip > LOG_LINE_MAX)
            assert_string_equal(out + n - 5, "x...\n");
    }
}

static void test_errno_kept(void **state)
{
    (void)state;
    struct log_conf closed = {.level = LOG_LEVEL_INFO, .fd = -1};
    log_setup(&closed);
    errno = ENOSPC;
    log_info("nobody reads this", "");
    assert_int_equal(errno, ENOSPC);
}

static void test_budget(void **state)
{
    (void)state;
    struct log_budget b = LOG_BUDGET_INIT;
    usec_t now = 5 * USEC_SEC;
    for (int i = 0; i < 20; i++)
        assert_true(log_budget_pass(&b, now));
    for (int i = 0; i < 13; i++)
        assert_false(log_budget_pass(&b, now + i));
    start(LOG_LEVEL_INFO, LOG_FORMAT_COMPACT, false);
    log_remote(LOG_LEVEL_DEBUG, &b, now + USEC_SEC, "not enabled", "");
    log_remote(LOG_LEVEL_INFO, &b, now + USEC_SEC, "dropped", "n=%d", 1);
    log_remote(LOG_LEVEL_INFO, &b, now + USEC_SEC, "dropped", "n=%d", 2);
    log_info("other", "");
    finish();
    assert_non_null(strstr(out, "dropped n=1 suppressed=13\n"));
    assert_null(strstr(out, "n=2"));
    assert_non_null(strstr(out, "other\n"));
    assert_true(log_budget_pass(&b, now + 2 * USEC_SEC));
    assert_false(log_budget_pass(&b, now + 2 * USEC_SEC));
    assert_int_equal(b.suppressed, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compact),    cmocka_unit_test(test_colour),
        cmocka_unit_test(test_logfmt),     cmocka_unit_test(test_levels),
        cmocka_unit_test(test_one_line),   cmocka_unit_test(test_long_line),
        cmocka_unit_test(test_errno_kept), cmocka_unit_test(test_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
