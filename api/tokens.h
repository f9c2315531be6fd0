/* tokens.h - the tokens of the API: a file of lines, and which of them a caller holds.
 *
 * A line is a token, or "sha256:" and the hex digits of its hash; then scopes (none: all of them);
 * then a comment behind "#". Only hashes are kept, and each is compared in constant time.
 * Never: reads a file. Protocol: docs/protocol/api.md, "Tokens". */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "api/scope.h"
#include "base/macros.h"

#define TOKEN_PREFIX     "mxt_"
#define TOKEN_CHARS      47 /* with the prefix: 32 random bytes as base64url */
#define TOKEN_HASH_BYTES 32
#define TOKENS_MAX       256   /* lines with a token: ERR_LIMIT */
#define TOKENS_TEXT_MAX  65536 /* bytes of the file: ERR_TOOBIG */

struct token {
    uint8_t hash[TOKEN_HASH_BYTES];
    unsigned scopes;          /* bits of enum scope; never 0 */
    size_t at, len;           /* of its line in the text, without the line feed */
    size_t note_at, note_len; /* of what stands behind "#" */
};
struct tokens {
    size_t count;
    struct token t[TOKENS_MAX];
};
struct tokens_error {
    unsigned line;
    const char *text;
};

/* ERR_MALFORMED, ERR_LIMIT, ERR_TOOBIG: *err says where and why. */
MUST_CHECK int tokens_parse(const char *text, size_t len, struct tokens *ret,
                            struct tokens_error *err);
/* What the holder of this text may do; 0: it is no token of these. *ret_id (if any) names the token
 * from here on, also among those that are read later; it tells nothing of the token. */
unsigned tokens_scopes(const struct tokens *t, const char *token, uint64_t *ret_id);
/* .. of the one with this id. */
unsigned tokens_scopes_of(const struct tokens *t, uint64_t id);

/* The token that the first line with a token itself has; NULL: only hashes. Lends TOKEN_CHARS bytes
 * of the text. */
const char *tokens_first(const struct tokens *t, const char *text);

/* Draws one. */
void token_new(char out[static TOKEN_CHARS + 1]);
/* ERR_MALFORMED: it has not the form of a token. */
MUST_CHECK int token_hash(const char *token, size_t len, uint8_t ret[static TOKEN_HASH_BYTES]);
/* The scope with this name; 0: none. */
unsigned scope_named(const char *word, size_t len);
/* "read send", or "all". */
#define SCOPES_TEXT_MAX 32
const char *scopes_str(unsigned scopes, char buf[static SCOPES_TEXT_MAX]);
