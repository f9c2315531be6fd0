#include "node/paths.h"

#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"

#define KEY_NAME     "priv_key.bin"
#define FOLDER       "mycelium"
#define LEGACY_KEY   "./" KEY_NAME
#define KEY_BYTES    32
#define PASSWD_BYTES 16384

static int path_format(char *buf, size_t cap, const char *fmt, ...) PRINTF_LIKE(3, 4);
static int path_format(char *buf, size_t cap, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(buf, cap, fmt, ap);
    va_end(ap);
    return n >= 0 && (size_t)n < cap ? OK : ERR_TOOBIG;
}

/* NULL: not set, or empty. Paths are asked for at start, by one thread. */
static const char *env_text(const char *name)
{
    const char *v = getenv(name); /* NOLINT(concurrency-mt-unsafe): see above */
    return v && v[0] ? v : NULL;
}

/* $name, where a relative value counts as none. */
static const char *env_folder(const char *name)
{
    const char *v = env_text(name);
    return v && v[0] == '/' ? v : NULL;
}

/* $HOME, or the home that the user database knows; "" when there is none. */
static int home_folder(char *buf, size_t cap)
{
    struct passwd entry, *found = NULL;
    const char *home = env_text("HOME");
    if (home)
        return path_format(buf, cap, "%s", home);
    char *space = malloc(PASSWD_BYTES);
    if (!space)
        return ERR_NOMEM;
    int rc = OK;
    buf[0] = '\0';
    if (getpwuid_r(geteuid(), &entry, space, PASSWD_BYTES, &found) == 0 && found && found->pw_dir &&
        found->pw_dir[0])
        rc = path_format(buf, cap, "%s", found->pw_dir);
    free(space);
    return rc;
}

/* `$xdg/rest`, else `<home>/below_home/rest`; "" when there is neither. */
static int user_path(const char *xdg, const char *below_home, const char *rest, char *buf,
                     size_t cap)
{
    char home[PATH_TEXT_MAX];
    const char *base = env_folder(xdg);
    if (base)
        return path_format(buf, cap, "%s/%s", base, rest);
    int rc = home_folder(home, sizeof(home));
    if (rc != OK)
        return rc;
    if (!home[0])
        return path_format(buf, cap, "%s", "");
    return path_format(buf, cap, "%s/%s/%s", home, below_home, rest);
}

int path_default_key(char *buf, size_t cap)
{
    int rc = user_path("XDG_DATA_HOME", ".local/share", FOLDER "/" KEY_NAME, buf, cap);
    if (rc == OK && !buf[0])
        rc = path_format(buf, cap, "./" FOLDER "/" KEY_NAME);
    return rc;
}

int path_default_config(char *buf, size_t cap)
{
    return user_path("XDG_CONFIG_HOME", ".config", FOLDER "/mycelium.toml", buf, cap);
}

int path_config(char *buf, size_t cap)
{
    char path[PATH_TEXT_MAX];
    struct stat st;
    int rc = path_default_config(path, sizeof(path));
    if (rc != OK)
        return rc;
    if (path[0] && stat(path, &st) == 0)
        return path_format(buf, cap, "%s", path);
    return path_format(buf, cap, "%s", stat(SYSTEM_CONFIG, &st) == 0 ? SYSTEM_CONFIG : "");
}

/* Anyone who could put a key into the working directory would choose our address. */
static bool legacy_key_usable(void)
{
    struct stat st;
    return stat(LEGACY_KEY, &st) == 0 && S_ISREG(st.st_mode) && st.st_size >= KEY_BYTES &&
           st.st_uid == geteuid() && !(st.st_mode & (S_IWGRP | S_IWOTH));
}

int path_key(char *buf, size_t cap, bool *ret_legacy)
{
    char path[PATH_TEXT_MAX];
    struct stat st;
    int rc = path_default_key(path, sizeof(path));
    if (rc != OK)
        return rc;
    /* lstat: a link that leads nowhere is a mistake to be told, not a missing key */
    bool missing = lstat(path, &st) != 0 && (errno == ENOENT || errno == ENOTDIR);
    bool legacy = missing && legacy_key_usable();
    rc = path_format(buf, cap, "%s", legacy ? LEGACY_KEY : path);
    if (rc == OK)
        *ret_legacy = legacy;
    return rc;
}

int path_folder(const char *path, char *buf, size_t cap)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return path_format(buf, cap, ".");
    return path_format(buf, cap, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

int path_state(const char *option, const char *key_option, char *buf, size_t cap)
{
    char key[PATH_TEXT_MAX];
    const char *service = env_text("STATE_DIRECTORY");
    if (option)
        return path_format(buf, cap, "%s", option);
    if (service) /* a list with colons when the unit names several: the first is ours */
        return path_format(buf, cap, "%.*s", (int)strcspn(service, ":"), service);
    if (key_option)
        return path_format(buf, cap, "%s.state", key_option);
    int rc = path_default_key(key, sizeof(key));
    return rc == OK ? path_folder(key, buf, cap) : rc;
}

int path_api_socket(const char *option, char *buf, size_t cap)
{
    const char *service = env_text("RUNTIME_DIRECTORY");
    if (option)
        return path_format(buf, cap, "%s", strcmp(option, "off") == 0 ? "" : option);
    if (service) /* as with the state directory */
        return path_format(buf, cap, "%.*s/api.sock", (int)strcspn(service, ":"), service);
    return path_format(buf, cap, "%s", "");
}
