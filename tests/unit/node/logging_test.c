#include "node/logging.h"

#include "tests/unit/output.h"

static struct output output;
static struct options options;

static void expect_level(const char *text, enum log_level expected)
{
    enum log_level level = LOG_LEVEL_INFO;
    if (!log_filter_parse(text, &level))
        fail_msg("refused: %s", text);
    assert_int_equal(level, expected);
}

static void test_filters(void **state)
{
    (void)state;
    expect_level("error", LOG_LEVEL_ERROR);
    expect_level("warn", LOG_LEVEL_WARN);
    expect_level("info", LOG_LEVEL_INFO);
    expect_level("debug", LOG_LEVEL_DEBUG);
    expect_level("trace", LOG_LEVEL_DEBUG);
    expect_level("off", LOG_LEVEL_ERROR);
    expect_level("WARN", LOG_LEVEL_WARN);
    expect_level("2", LOG_LEVEL_WARN);
    expect_level("mycelium::router=debug,info", LOG_LEVEL_DEBUG);
    expect_level("warn,mycelium=error", LOG_LEVEL_WARN);
    expect_level("hyper=trace,warn", LOG_LEVEL_WARN); /* not ours */
    expect_level("mycelium_of_others=trace,warn", LOG_LEVEL_WARN);
    expect_level("hyper=trace", LOG_LEVEL_INFO); /* says nothing about us */
    expect_level("", LOG_LEVEL_INFO);
    expect_level("warn,", LOG_LEVEL_WARN);
}

static void test_malformed_filters(void **state)
{
    static const char *const bad[] = {"x",         "=debug", "mycelium=",    "mycelium=loud",
                                      "a b=debug", "warn,x", "[span]=debug", "debug=",
                                      "6",         "warnn",  "war"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        enum log_level level = LOG_LEVEL_WARN;
        if (log_filter_parse(bad[i], &level))
            fail_msg("taken: %s", bad[i]);
        assert_int_equal(level, LOG_LEVEL_WARN);
    }
}

static void setup(const char *rust_log, const char *own_log)
{
    unsetenv("RUST_LOG");
    unsetenv("MYCELIUM_LOG");
    if (rust_log)
        setenv("RUST_LOG", rust_log, 1);
    if (own_log)
        setenv("MYCELIUM_LOG", own_log, 1);
    output_begin(&output);
    logging_setup(&options);
    output_end(&output);
}

static void test_levels(void **state)
{
    (void)state;
    options = (struct options){
        .command = CMD_NODE, .log_level = LOG_LEVEL_INFO, .log_format = LOG_FORMAT_PLAIN};
    setup(NULL, NULL);
    assert_true(log_enabled(LOG_LEVEL_INFO));
    assert_false(log_enabled(LOG_LEVEL_DEBUG));
    options.debug = true;
    setup(NULL, NULL);
    assert_true(log_enabled(LOG_LEVEL_DEBUG));
    options.silent = true; /* wins */
    setup(NULL, NULL);
    assert_false(log_enabled(LOG_LEVEL_WARN));
    setup("warn", NULL); /* replaces both */
    assert_true(log_enabled(LOG_LEVEL_WARN));
    assert_false(log_enabled(LOG_LEVEL_INFO));
    setup("warn", "debug");
    assert_true(log_enabled(LOG_LEVEL_DEBUG));
    setup("", NULL);
    assert_false(log_enabled(LOG_LEVEL_WARN));
}

static void test_streams(void **state)
{
    (void)state;
    options = (struct options){
        .command = CMD_NODE, .log_level = LOG_LEVEL_INFO, .log_format = LOG_FORMAT_COMPACT};
    setup("nonsense", NULL);
    assert_non_null(strstr(output.out, "variable=RUST_LOG"));
    assert_null(strchr(output.out, '\x1b')); /* not a terminal */
    assert_string_equal(output.err, "");
    options.command = CMD_INSPECT;
    setup(NULL, "nonsense");
    assert_string_equal(output.out, "");
    assert_non_null(strstr(output.err, "variable=MYCELIUM_LOG"));
}

static void test_unserved(void **state)
{
    const char *why = NULL;
    (void)state;
    options = (struct options){
        .command = CMD_NODE, .log_level = LOG_LEVEL_INFO, .log_format = LOG_FORMAT_PLAIN};
    setup(NULL, NULL);
    output_begin(&output);
    logging_unserved(&options);
    output_end(&output);
    assert_string_equal(output.out, "");
    options.unserved = UNSERVED_QUIC | UNSERVED_TUNNEL | UNSERVED_PEERS;
    assert_int_equal(endpoint_parse("quic://1.2.3.4:5", &options.peers[0], &why), 0);
    assert_int_equal(endpoint_parse("tcp://1.2.3.4:5", &options.peers[1], &why), 0);
    options.peers_count = 2;
    output_begin(&output);
    logging_unserved(&options);
    output_end(&output);
    assert_non_null(strstr(output.out, "QUIC"));
    assert_non_null(strstr(output.out, "no tunnel"));
    assert_non_null(strstr(output.out, "quic://1.2.3.4:5"));
    assert_null(strstr(output.out, "tcp://1.2.3.4:5"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filters),  cmocka_unit_test(test_malformed_filters),
        cmocka_unit_test(test_levels),   cmocka_unit_test(test_streams),
        cmocka_unit_test(test_unserved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
