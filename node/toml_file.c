#include "node/toml_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"

int toml_file_parse(const char *path, const char *text, size_t len, struct toml **ret,
                    char why[static TOML_FILE_WHY_MAX])
{
    struct toml_error e = {.line = 0};
    int rc = toml_parse(text, len, ret, &e);
    if (rc != OK && e.line > 0)
        (void)snprintf(why, TOML_FILE_WHY_MAX, "%s:%u:%u: %s", path, e.line, e.column,
                       e.text); /* may be cut: for people */
    else if (rc != OK)
        (void)snprintf(why, TOML_FILE_WHY_MAX, "%s: %s", path, err_str(rc));
    return rc;
}

int toml_file_read(const char *path, struct toml **ret, char why[static TOML_FILE_WHY_MAX])
{
    size_t len = 0;
    uint64_t size = 0;
    char *text = malloc(TOML_TEXT_MAX + 1);
    errno = 0;
    int rc = text ? file_read(path, text, TOML_TEXT_MAX + 1, &len, &size) : ERR_NOMEM;
    if (rc == OK)
        rc = toml_file_parse(path, text, len, ret, why); /* one byte too many: too long */
    else
        (void)snprintf(why, TOML_FILE_WHY_MAX, "%s: %s", path,
                       text && errno ? strerrordesc_np(errno) : err_str(rc));
    free(text);
    return rc;
}
