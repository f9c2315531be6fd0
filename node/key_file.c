#include "node/key_file.h"

#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"

#define LOG_TARGET "node"

static int copy_path(const char *from, char path[static PATH_TEXT_MAX])
{
    size_t len = strlen(from);
    if (len >= PATH_TEXT_MAX)
        return ERR_TOOBIG;
    memcpy(path, from, len + 1);
    return OK;
}

int key_file_path(const char *option, char path[static PATH_TEXT_MAX])
{
    bool legacy = false;
    if (option)
        return copy_path(option, path);
    int rc = path_key(path, PATH_TEXT_MAX, &legacy);
    if (rc == OK && legacy)
        log_warn("using the key file of the working directory", "path=%s", path);
    return rc;
}

int key_file_load(const char *path, struct identity **ret)
{
    unsigned warnings = 0;
    int rc = identity_load(path, ret, &warnings);
    if (rc != OK)
        return rc;
    if (warnings & KEY_WARN_LONG)
        log_warn("key file is longer than 32 bytes: only the first 32 count", "path=%s", path);
    if (warnings & KEY_WARN_ZERO)
        log_warn("key file holds only zero bytes: anyone has this key", "path=%s", path);
    if (warnings & KEY_WARN_HEX)
        log_warn("key file looks like hex text, but is read as raw bytes", "path=%s", path);
    if (warnings & KEY_WARN_READABLE)
        log_warn("key file can be read by others", "path=%s fix=\"chmod 600 %s\"", path, path);
    return OK;
}

int key_file_create(const char *option, bool replace, char path[static PATH_TEXT_MAX],
                    struct identity **ret)
{
    char folder[PATH_TEXT_MAX];
    struct identity *id = NULL;
    int rc = option ? copy_path(option, path) : path_default_key(path, PATH_TEXT_MAX);
    if (rc == OK && !option) {
        rc = path_folder(path, folder, sizeof(folder));
        if (rc == OK)
            rc = dir_create(folder, 0700);
    }
    if (rc == OK)
        rc = identity_generate(&id);
    if (rc == OK)
        rc = identity_save(id, path, replace);
    if (rc == OK) {
        *ret = id;
        id = NULL;
    }
    identity_free(id);
    return rc;
}
