#include "node/token_file.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "node/paths.h"

#define LOG_TARGET "node"

#define FILE_NAME "api-token"
static const char header[] =
    "# Tokens of the API: one a line, then scopes (read send receive admin; "
    "none: all), then # and a note.\n";

int token_file_path(const struct options *o, char path[static PATH_TEXT_MAX])
{
    char dir[PATH_TEXT_MAX];
    int rc = OK, n;
    if (!o->token_file)
        rc = path_state(o->state_dir, o->key_file, dir, sizeof(dir));
    if (rc != OK)
        return rc;
    n = o->token_file ? snprintf(path, PATH_TEXT_MAX, "%s", o->token_file)
                      : snprintf(path, PATH_TEXT_MAX, "%s/" FILE_NAME, dir);
    return n >= 0 && n < PATH_TEXT_MAX ? OK : ERR_TOOBIG;
}

static int tell(const char *path, int rc, char why[static TOKEN_FILE_WHY_MAX])
{
    /* may be cut: for people */
    (void)snprintf(why, TOKEN_FILE_WHY_MAX, "%.400s: %s", path,
                   errno ? strerrordesc_np(errno) : err_str(rc));
    return rc;
}

static int read_all(struct token_file *f, char why[static TOKEN_FILE_WHY_MAX])
{
    uint64_t size = 0;
    struct tokens_error e = {.line = 0};
    errno = 0;
    int rc = file_read(f->path, f->text, TOKENS_TEXT_MAX + 1, &f->len, &size);
    if (rc != OK)
        return tell(f->path, rc, why);
    rc = tokens_parse(f->text, f->len, &f->tokens, &e);
    if (rc != OK)
        (void)snprintf(why, TOKEN_FILE_WHY_MAX, "%.400s:%u: %s", (const char *)f->path, e.line,
                       e.text); /* may be cut: for people */
    return rc;
}

int token_file_load(const char *path, struct token_file **ret, char why[static TOKEN_FILE_WHY_MAX])
{
    struct stat st;
    struct token_file *f = calloc(1, sizeof(*f));
    int rc = ERR_NOMEM;
    errno = 0;
    if (f)
        f->text = malloc(TOKENS_TEXT_MAX + 1);
    if (!f || !f->text) {
        token_file_free(f);
        return tell(path, ERR_NOMEM, why);
    }
    int n = snprintf(f->path, sizeof(f->path), "%s", path);
    rc = n >= 0 && n < PATH_TEXT_MAX ? read_all(f, why) : tell(path, ERR_TOOBIG, why);
    if (rc != OK) {
        token_file_free(f);
        return rc;
    }
    if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & (S_IRWXG | S_IRWXO)))
        log_warn("token file can be read by others", "path=%s fix=\"chmod 600 %s\"", path, path);
    *ret = f;
    return OK;
}

void token_file_free(struct token_file *f)
{
    if (!f)
        return;
    if (f->text)
        sodium_memzero(f->text, TOKENS_TEXT_MAX + 1);
    free(f->text);
    free(f);
}

int token_file_create(const char *path, bool with_token, char why[static TOKEN_FILE_WHY_MAX])
{
    char text[sizeof(header) + TOKEN_CHARS + 2], token[TOKEN_CHARS + 1], dir[PATH_TEXT_MAX];
    int rc = path_folder(path, dir, sizeof(dir));
    errno = 0;
    if (rc == OK)
        rc = dir_create(dir, 0700);
    token_new(token);
    (void)snprintf(text, sizeof(text), "%s%s%s", header, with_token ? token : "",
                   with_token ? "\n" : ""); /* fits */
    if (rc == OK)
        rc = file_write_new(path, text, strlen(text), 0600);
    sodium_memzero(token, sizeof(token));
    sodium_memzero(text, sizeof(text));
    return rc == OK ? OK : tell(path, rc, why);
}

int token_file_change(const struct token_file *f, size_t at, size_t len, const char *more,
                      char why[static TOKEN_FILE_WHY_MAX])
{
    size_t cap = f->len + strlen(more) + 2; /* with a line feed between them */
    char *text = malloc(cap);
    errno = 0;
    if (!text)
        return tell(f->path, ERR_NOMEM, why);
    memcpy(text, f->text, at);
    memcpy(text + at, f->text + at + len, f->len - at - len);
    size_t n = f->len - len;
    if (n > 0 && text[n - 1] != '\n' && *more)
        text[n++] = '\n';
    for (; *more; more++)
        text[n++] = *more;
    int rc = n <= TOKENS_TEXT_MAX ? file_write_atomic(f->path, text, n, 0600) : ERR_TOOBIG;
    sodium_memzero(text, cap);
    free(text);
    return rc == OK ? OK : tell(f->path, rc, why);
}
