#include "node/token_commands.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/text.h"
#include "node/option_table.h"
#include "node/paths.h"
#include "node/token_file.h"

/* Digits of a token's hash that name it. */
#define NAME_DIGITS     12
#define NAME_DIGITS_MIN 4
#define LINE_MAX_BYTES  256

static int fail(const char *why)
{
    fprintf(stderr, "Error: %s\n", why);
    return 1;
}

static void name_of(const struct token *t, char out[static 2 * TOKEN_HASH_BYTES + 1])
{
    hex_encode(t->hash, sizeof(t->hash), out);
}

static int make_folder(const char *path)
{
    char dir[PATH_TEXT_MAX];
    int rc = path_folder(path, dir, sizeof(dir));
    return rc == OK ? dir_create(dir, 0700) : rc;
}

/* Two commands at a time would each write what the other has not seen. Held until the program ends.
 */
static int lock_folder(const char *path)
{
    char dir[PATH_TEXT_MAX];
    int rc = path_folder(path, dir, sizeof(dir));
    int fd = rc == OK ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd < 0 || flock(fd, LOCK_EX) == 0)
        return OK;   /* no folder: opening the file tells */
    (void)close(fd); /* nothing was written through it */
    return ERR_IO;
}

/* Opens the file of the options; made when `make`. */
static int open_file(const struct options *o, bool make, struct token_file **ret)
{
    char path[PATH_TEXT_MAX], why[TOKEN_FILE_WHY_MAX] = "";
    int rc = token_file_path(o, path);
    if (rc == OK && make)
        rc = make_folder(path);
    if (rc == OK)
        rc = lock_folder(path);
    if (rc != OK)
        return fail(err_str(rc));
    rc = token_file_load(path, ret, why);
    if (rc == ERR_NOENT && make) {
        rc = token_file_create(path, false, why);
        if (rc == OK)
            rc = token_file_load(path, ret, why);
    }
    return rc == OK ? 0 : fail(why);
}

static int scopes_of(const struct options *o, unsigned *ret)
{
    char text[128];
    unsigned scopes = 0;
    for (size_t i = 0; i < o->args_count; i++) {
        unsigned s = scope_named(o->args[i], strlen(o->args[i]));
        if (!s) {
            (void)snprintf(text, sizeof(text), "'%.40s' is no scope: read, send, receive or admin",
                           o->args[i]);
            return fail(text);
        }
        scopes |= s;
    }
    *ret = scopes ? scopes : SCOPE_ALL;
    return 0;
}

static void today(char out[static 16])
{
    time_t now = time(NULL);
    struct tm tm;
    out[0] = '\0';
    if (gmtime_r(&now, &tm))
        (void)strftime(out, 16, "%Y-%m-%d", &tm); /* fits */
}

static bool is_note(const char *note)
{
    for (; note && *note; note++)
        if ((unsigned char)*note < 0x20 || *note == 0x7f)
            return false;
    return true;
}

int command_token_new(const struct options *o)
{
    char token[TOKEN_CHARS + 1], hex[2 * TOKEN_HASH_BYTES + 1], scopes_text[SCOPES_TEXT_MAX];
    char line[LINE_MAX_BYTES], date[16], why[TOKEN_FILE_WHY_MAX];
    uint8_t hash[TOKEN_HASH_BYTES];
    struct token_file *f = NULL;
    unsigned scopes = 0;
    if (scopes_of(o, &scopes) != 0)
        return 1;
    if (!is_note(o->note) || (o->note && strlen(o->note) > 80))
        return fail("a note is one line of at most 80 bytes");
    if (open_file(o, true, &f) != 0)
        return 1;
    token_new(token);
    int rc = token_hash(token, strlen(token), hash);
    today(date);
    /* Who reads the file later cannot use it. */
    (void)snprintf(line, sizeof(line), "sha256:%s %s # %s%s%s\n",
                   hex_encode(hash, sizeof(hash), hex),
                   scopes == SCOPE_ALL ? "" : scopes_str(scopes, scopes_text), date,
                   o->note ? " " : "", o->note ? o->note : ""); /* fits */
    if (rc == OK && f->tokens.count >= TOKENS_MAX) {
        rc = ERR_LIMIT;
        (void)snprintf(why, sizeof(why), "there are %d tokens already", TOKENS_MAX); /* fits */
    } else if (rc == OK) {
        rc = token_file_change(f, 0, 0, line, why);
    }
    if (rc == OK) {
        printf("%s\n", token);
        fprintf(stderr,
                "Kept as a hash in %s: this is the only time that the token is shown. A node "
                "that runs takes it at SIGHUP.\n",
                f->path);
    }
    token_file_free(f);
    return rc == OK ? 0 : fail(why);
}

int command_token_list(const struct options *o)
{
    char hex[2 * TOKEN_HASH_BYTES + 1], scopes[SCOPES_TEXT_MAX];
    struct token_file *f = NULL;
    if (open_file(o, false, &f) != 0)
        return 1;
    for (size_t i = 0; i < f->tokens.count; i++) {
        const struct token *t = &f->tokens.t[i];
        name_of(t, hex);
        const char *note = f->text + t->note_at;
        int len = (int)t->note_len;
        for (; len > 0 && (*note == ' ' || *note == '\t'); len--)
            note++;
        printf("%.*s  %-*s  %.*s\n", NAME_DIGITS, hex, (int)sizeof("read send receive"),
               scopes_str(t->scopes, scopes), len, note);
    }
    token_file_free(f);
    return 0;
}

/* The one token that this names: itself, or digits of its hash. NULL: none, or several. */
static const struct token *named(const struct token_file *f, const char *name)
{
    char hex[2 * TOKEN_HASH_BYTES + 1];
    uint8_t hash[TOKEN_HASH_BYTES];
    const struct token *found = NULL;
    bool whole = token_hash(name, strlen(name), hash) == OK;
    if (!whole && strlen(name) < NAME_DIGITS_MIN)
        return NULL;
    for (size_t i = 0; i < f->tokens.count; i++) {
        const struct token *t = &f->tokens.t[i];
        name_of(t, hex);
        bool same = whole ? memcmp(t->hash, hash, sizeof(hash)) == 0
                          : strncmp(hex, name, strlen(name)) == 0;
        if (same && found)
            return NULL;
        if (same)
            found = t;
    }
    return found;
}

int command_token_revoke(const struct options *o)
{
    char why[TOKEN_FILE_WHY_MAX] = "no such token, or more than one; `token list` names them";
    struct token_file *f = NULL;
    if (open_file(o, false, &f) != 0)
        return 1;
    const struct token *t = named(f, o->token);
    int rc = ERR_NOENT;
    if (t) {
        size_t len = t->len + (t->at + t->len < f->len); /* with its line feed */
        rc = token_file_change(f, t->at, len, "", why);
    }
    token_file_free(f);
    return rc == OK ? 0 : fail(why);
}

int command_token(const struct options *o, const char **ret)
{
    static char token[TOKEN_CHARS + 1];
    char why[TOKEN_FILE_WHY_MAX] = "";
    struct token_file *f = NULL;
    const char *env = getenv("MYCELIUM_API_TOKEN"); /* NOLINT(concurrency-mt-unsafe): one thread */
    bool asked = option_source_of(o, offsetof(struct options, token_file)) == SOURCE_COMMAND_LINE;
    *ret = NULL;
    if (!asked && env && env[0]) {
        *ret = env;
        return 0;
    }
    if (!o->token_file)
        return 0;
    int rc = token_file_load(o->token_file, &f, why);
    const char *first = rc == OK ? tokens_first(&f->tokens, f->text) : NULL;
    if (first) {
        memcpy(token, first, TOKEN_CHARS);
        token[TOKEN_CHARS] = '\0';
        *ret = token;
    } else if (rc == OK) {
        (void)snprintf(why, sizeof(why), "%.400s: holds only hashes: no token to show to a node",
                       o->token_file);
        rc = ERR_NOENT;
    }
    token_file_free(f);
    return rc == OK || !asked ? 0 : fail(why); /* the file of the node need not be ours to read */
}
