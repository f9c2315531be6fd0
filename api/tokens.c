#include "api/tokens.h"

#include <sodium.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"

#define HASH_PREFIX  "sha256:"
#define SECRET_BYTES 32

static const struct {
    const char *word;
    unsigned scope;
} words[] = {
    {"read", SCOPE_READ},
    {"send", SCOPE_SEND},
    {"receive", SCOPE_RECEIVE},
    {"admin", SCOPE_ADMIN},
};

unsigned scope_named(const char *word, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strlen(words[i].word) == len && memcmp(words[i].word, word, len) == 0)
            return words[i].scope;
    return 0;
}

const char *scopes_str(unsigned scopes, char buf[static SCOPES_TEXT_MAX])
{
    char *at = buf;

    if (scopes == SCOPE_ALL)
        return "all";
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (scopes & words[i].scope) {
            if (at > buf)
                *at++ = ' ';
            at = stpcpy(at, words[i].word); /* all of them fit */
        }
    *at = '\0';
    return buf;
}

void token_new(char out[static TOKEN_CHARS + 1])
{
    uint8_t secret[SECRET_BYTES];

    randombytes_buf(secret, sizeof(secret));
    memcpy(out, TOKEN_PREFIX, sizeof(TOKEN_PREFIX));
    sodium_bin2base64(out + sizeof(TOKEN_PREFIX) - 1, TOKEN_CHARS + 1 - (sizeof(TOKEN_PREFIX) - 1),
                      secret, sizeof(secret), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    sodium_memzero(secret, sizeof(secret));
}

static bool is_base64url(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!((s[i] >= 'A' && s[i] <= 'Z') || (s[i] >= 'a' && s[i] <= 'z') ||
              (s[i] >= '0' && s[i] <= '9') || s[i] == '-' || s[i] == '_'))
            return false;
    return true;
}

int token_hash(const char *token, size_t len, uint8_t ret[static TOKEN_HASH_BYTES])
{
    static const size_t prefix = sizeof(TOKEN_PREFIX) - 1;

    if (len != TOKEN_CHARS || memcmp(token, TOKEN_PREFIX, prefix) != 0 ||
        !is_base64url(token + prefix, len - prefix))
        return ERR_MALFORMED;
    crypto_hash_sha256(ret, (const uint8_t *)token, len);
    return OK;
}

/* --- the file -------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of the line; its length, 0 at the end. */
static size_t next_word(const char **at, const char *end)
{
    size_t n = 0;

    while (*at < end && is_blank(**at))
        (*at)++;
    while (*at + n < end && !is_blank((*at)[n]))
        n++;
    return n;
}

static int read_secret(const char *word, size_t len, uint8_t ret[static TOKEN_HASH_BYTES])
{
    static const size_t prefix = sizeof(HASH_PREFIX) - 1;

    if (len > prefix && memcmp(word, HASH_PREFIX, prefix) == 0)
        return hex_decode(word + prefix, len - prefix, ret, TOKEN_HASH_BYTES);
    return token_hash(word, len, ret);
}

static bool is_known(const struct tokens *t, const uint8_t hash[static TOKEN_HASH_BYTES])
{
    for (size_t i = 0; i < t->count; i++)
        if (memcmp(t->t[i].hash, hash, TOKEN_HASH_BYTES) == 0)
            return true;
    return false;
}

/* One line with a token. NULL, or what is wrong with it. */
static const char *read_line(const char *text, const char *line, const char *end, struct token *ret)
{
    const char *at = line;
    size_t n = next_word(&at, end);

    if (read_secret(at, n, ret->hash) < 0)
        return "neither a token (mxt_...) nor sha256: and 64 hex digits";
    for (at += n; (n = next_word(&at, end)) > 0; at += n) {
        unsigned scope = scope_named(at, n);
        if (*at == '#') {
            ret->note_at = (size_t)(at + 1 - text);
            ret->note_len = (size_t)(end - at - 1);
            break;
        }
        if (!scope)
            return "a scope is read, send, receive or admin; a comment begins with #";
        ret->scopes |= scope;
    }
    if (ret->scopes == 0)
        ret->scopes = SCOPE_ALL;
    return NULL;
}

static int refuse(struct tokens_error *err, unsigned line, const char *text, int rc)
{
    *err = (struct tokens_error){.line = line, .text = text};
    return rc;
}

int tokens_parse(const char *text, size_t len, struct tokens *ret, struct tokens_error *err)
{
    const char *line = text, *all_end = text + len;

    ret->count = 0;
    if (len > TOKENS_TEXT_MAX)
        return refuse(err, 1, "the file is too long", ERR_TOOBIG);
    for (unsigned number = 1; line < all_end; number++) {
        const char *end = memchr(line, '\n', (size_t)(all_end - line)), *at = line, *why;
        struct token t = {.at = (size_t)(line - text)};
        if (!end)
            end = all_end;
        t.len = (size_t)(end - line);
        if (next_word(&at, end) > 0 && *at != '#') {
            why = read_line(text, line, end, &t);
            if (why)
                return refuse(err, number, why, ERR_MALFORMED);
            if (is_known(ret, t.hash))
                return refuse(err, number, "the same token stands in an earlier line",
                              ERR_MALFORMED);
            if (ret->count == TOKENS_MAX)
                return refuse(err, number, "more than 256 tokens", ERR_LIMIT);
            ret->t[ret->count++] = t;
        }
        line = end < all_end ? end + 1 : all_end;
    }
    return OK;
}

const char *tokens_first(const struct tokens *t, const char *text)
{
    for (size_t i = 0; i < t->count; i++) {
        const char *at = text + t->t[i].at;
        (void)next_word(&at, at + t->t[i].len);
        if (*at != *HASH_PREFIX)
            return at;
    }
    return NULL;
}

/* Never 0. */
static uint64_t id_of(const uint8_t hash[static TOKEN_HASH_BYTES])
{
    uint64_t id;

    memcpy(&id, hash, sizeof(id));
    return MAX(id, 1);
}

unsigned tokens_scopes(const struct tokens *t, const char *token, uint64_t *ret_id)
{
    uint8_t hash[TOKEN_HASH_BYTES];
    unsigned scopes = 0;

    if (token_hash(token, strlen(token), hash) < 0)
        return 0;
    /* All of them, whichever it is. */
    for (size_t i = 0; i < t->count; i++)
        if (sodium_memcmp(t->t[i].hash, hash, sizeof(hash)) == 0)
            scopes = t->t[i].scopes;
    if (scopes && ret_id)
        *ret_id = id_of(hash);
    return scopes;
}

unsigned tokens_scopes_of(const struct tokens *t, uint64_t id)
{
    for (size_t i = 0; i < t->count; i++)
        if (id_of(t->t[i].hash) == id)
            return t->t[i].scopes;
    return 0;
}
