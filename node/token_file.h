/* token_file.h - the file with the tokens of the API: found, read, made, changed.
 *
 * A node reads it at start and at SIGHUP; the commands `token new|list|revoke` change it. Always
 * replaced as a whole, mode 0600. Format: docs/protocol/api.md, "Tokens". */
#pragma once
#include "api/tokens.h"
#include "base/macros.h"
#include "node/options.h"

#define TOKEN_FILE_WHY_MAX 512

struct token_file {
    char path[PATH_TEXT_MAX];
    char *text; /* heap; wiped when it is freed */
    size_t len;
    struct tokens tokens;
};

/* The file of the options, else api-token in the state directory. */
MUST_CHECK int token_file_path(const struct options *o, char path[static PATH_TEXT_MAX]);
/* ERR_NOENT: there is none, and nothing is to be freed. On any error *why is "PATH:LINE: ..." or
 * "PATH: ...". A file that others can read is warned about. */
MUST_CHECK int token_file_load(const char *path, struct token_file **ret,
                               char why[static TOKEN_FILE_WHY_MAX]);
void token_file_free(struct token_file *f); /* NULL is fine */
/* A new file: with one token that may do everything, or without any. ERR_EXIST. */
MUST_CHECK int token_file_create(const char *path, bool with_token,
                                 char why[static TOKEN_FILE_WHY_MAX]);
/* Writes the file without the bytes [at, at + len), and with `more` (may be "") behind it. */
MUST_CHECK int token_file_change(const struct token_file *f, size_t at, size_t len,
                                 const char *more, char why[static TOKEN_FILE_WHY_MAX]);
