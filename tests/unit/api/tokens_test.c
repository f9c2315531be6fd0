#include "api/tokens.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "tests/unit/unit.h"

/* "mxt_" and 43 characters; its SHA-256, computed elsewhere. */
#define TOKEN "mxt_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
#define HASH  "534a044cb5f4dabc1f992b1b8dce1a53c44446fe4d40aa8132419a9ede89b138"

static struct tokens tokens;
static struct tokens_error error;

static int parse(const char *text)
{
    return tokens_parse(text, strlen(text), &tokens, &error);
}

static void test_lines(void **state)
{
    (void)state;
    assert_int_equal(parse(""), OK);
    assert_int_equal(tokens.count, 0);
    assert_int_equal(parse("# nothing\n\n \t\r\n"), OK);
    assert_int_equal(tokens.count, 0);
    assert_int_equal(parse("# one\n" TOKEN "\n"), OK);
    assert_int_equal(tokens.count, 1);
    assert_int_equal(tokens.t[0].scopes, SCOPE_ALL);
    assert_int_equal(tokens.t[0].at, 6);
    assert_int_equal(tokens.t[0].len, TOKEN_CHARS);
    assert_int_equal(parse(" " TOKEN "\tread  send # mine\r\n"), OK);
    assert_int_equal(tokens.t[0].scopes, SCOPE_READ | SCOPE_SEND);
    assert_int_equal(parse("sha256:" HASH " receive admin #x"), OK);
    assert_int_equal(tokens.t[0].scopes, SCOPE_RECEIVE | SCOPE_ADMIN);
    assert_int_equal(tokens.t[0].note_len, 1);
}

static void test_hash(void **state)
{
    char hex[2 * TOKEN_HASH_BYTES + 1];
    uint64_t id = 0;
    (void)state;
    assert_int_equal(parse(TOKEN), OK);
    assert_string_equal(hex_encode(tokens.t[0].hash, TOKEN_HASH_BYTES, hex), HASH);
    assert_int_equal(parse("sha256:" HASH " send"), OK);
    assert_int_equal(tokens_scopes(&tokens, TOKEN, &id), SCOPE_SEND);
    assert_int_equal(tokens_scopes_of(&tokens, id), SCOPE_SEND);
    assert_int_equal(tokens_scopes_of(&tokens, id + 1), 0);
    assert_int_equal(tokens_scopes(&tokens, "", NULL), 0);
    assert_int_equal(tokens_scopes(&tokens, HASH, NULL), 0);
    assert_int_equal(tokens_scopes(&tokens, "sha256:" HASH, NULL), 0);
    assert_int_equal(tokens_scopes(&tokens, TOKEN "x", NULL), 0);
}

static void test_bad_lines(void **state)
{
    static const struct {
        const char *text;
        unsigned line;
    } rows[] = {
        {"mxt_short", 1},
        {"\n\nmxt_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+", 3},
        {"MXT_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", 1},
        {"sha256:00", 1},
        {"sha256:", 1},
        {TOKEN " write", 1},
        {TOKEN " Read", 1},
        {TOKEN " read,send", 1},
        {TOKEN "\nsha256:" HASH, 2}, /* the same one */
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (parse(rows[i].text) != ERR_MALFORMED)
            fail_msg("taken: %s", rows[i].text);
        assert_int_equal(error.line, rows[i].line);
        assert_non_null(error.text);
    }
}

static void test_limits(void **state)
{
    const size_t line = TOKEN_CHARS + 1;
    char *text = malloc((TOKENS_MAX + 1) * line), *long_text = malloc(TOKENS_TEXT_MAX + 1);
    (void)state;
    assert_non_null(text);
    assert_non_null(long_text);
    for (size_t i = 0; i <= TOKENS_MAX; i++) {
        char token[TOKEN_CHARS + 1];
        token_new(token);
        memcpy(text + i * line, token, TOKEN_CHARS);
        text[i * line + TOKEN_CHARS] = '\n';
    }
    assert_int_equal(tokens_parse(text, TOKENS_MAX * line, &tokens, &error), OK);
    assert_int_equal(tokens.count, TOKENS_MAX);
    assert_int_equal(tokens_parse(text, (TOKENS_MAX + 1) * line, &tokens, &error), ERR_LIMIT);
    assert_int_equal(error.line, TOKENS_MAX + 1);
    memset(long_text, '#', TOKENS_TEXT_MAX + 1);
    assert_int_equal(tokens_parse(long_text, TOKENS_TEXT_MAX, &tokens, &error), OK);
    assert_int_equal(tokens_parse(long_text, TOKENS_TEXT_MAX + 1, &tokens, &error), ERR_TOOBIG);
    free(text);
    free(long_text);
}

/* Cut anywhere, a file gives the tokens whose lines are whole, or is refused. */
static void test_cut(void **state)
{
    static const char whole[] = "# c\n" TOKEN " read # n\nsha256:" HASH "\n";
    (void)state;
    for (size_t len = 0; len < sizeof(whole); len++) {
        char *exact = malloc(len + 1);
        assert_non_null(exact);
        memcpy(exact, whole, len);
        exact = realloc(exact, len ? len : 1);
        int rc = tokens_parse(exact, len, &tokens, &error);
        if (rc == OK)
            assert_true(tokens.count <= 1); /* the second line is the first token again */
        free(exact);
    }
}

static void test_new(void **state)
{
    char a[TOKEN_CHARS + 1], b[TOKEN_CHARS + 1];
    uint8_t hash[TOKEN_HASH_BYTES];
    (void)state;
    token_new(a);
    token_new(b);
    assert_string_not_equal(a, b);
    assert_int_equal(strlen(a), TOKEN_CHARS);
    assert_int_equal(token_hash(a, strlen(a), hash), OK);
    assert_int_equal(parse(a), OK);
    assert_int_equal(tokens_scopes(&tokens, a, NULL), SCOPE_ALL);
    assert_int_equal(tokens_scopes(&tokens, b, NULL), 0);
    assert_ptr_equal(tokens_first(&tokens, a), a);
    assert_int_equal(parse("sha256:" HASH), OK);
    assert_null(tokens_first(&tokens, "sha256:" HASH));
}

static void test_words(void **state)
{
    char text[SCOPES_TEXT_MAX];
    (void)state;
    assert_string_equal(scopes_str(SCOPE_ALL, text), "all");
    assert_string_equal(scopes_str(SCOPE_READ | SCOPE_ADMIN, text), "read admin");
    assert_string_equal(scopes_str(SCOPE_READ | SCOPE_SEND | SCOPE_RECEIVE, text),
                        "read send receive");
    assert_int_equal(scope_named("receive", 7), SCOPE_RECEIVE);
    assert_int_equal(scope_named("receiver", 7), SCOPE_RECEIVE);
    assert_int_equal(scope_named("rece", 4), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),     cmocka_unit_test(test_hash),
        cmocka_unit_test(test_bad_lines), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_cut),       cmocka_unit_test(test_new),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
