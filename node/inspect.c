#include "node/inspect.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/text.h"
#include "node/key_file.h"

#define LOG_TARGET "node"

#define HEX_KEY_CHARS (2 * (size_t)KEY_BYTES)

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "Error: %s: %s\n", what, why);
    return 1;
}

static int key_fail(const char *path, int rc)
{
    char text[96];
    const char *why = rc == ERR_MALFORMED              ? "shorter than 32 bytes"
                      : rc == ERR_NOENT                ? "no such file"
                      : rc == ERR_TOOBIG || errno == 0 ? err_str(rc)
                                                       : strerror_r(errno, text, sizeof(text));
    return fail(path, why);
}

static int show(const struct pubkey *key, bool json, bool legacy)
{
    char hex[HEX_KEY_CHARS + 1], address[IP6_STR_MAX], old[IP6_STR_MAX];
    struct ip6 ip = address_of_key(key), old_ip = legacy_address_of_key(key);
    hex_encode(key->b, sizeof(key->b), hex);
    ip6_str(&ip, address);
    ip6_str(&old_ip, old);
    if (json && legacy)
        printf(
            "{\n  \"publicKey\": \"%s\",\n  \"address\": \"%s\",\n  \"legacyAddress\": \"%s\"\n}\n",
            hex, address, old);
    else if (json)
        printf("{\n  \"publicKey\": \"%s\",\n  \"address\": \"%s\"\n}\n", hex, address);
    else
        printf("Public key: %s\nAddress: %s\n", hex, address);
    if (!json && legacy)
        printf("Legacy address: %s\n", old);
    if (fflush(stdout) != 0 || ferror(stdout))
        return fail("standard output", "cannot be written");
    return 0;
}

static int key_of_argument(const char *text, struct pubkey *ret)
{
    size_t len = strlen(text);
    if (len != HEX_KEY_CHARS)
        return fail("a public key has 64 hex digits",
                    len < HEX_KEY_CHARS ? "this is shorter" : "this is longer");
    if (hex_decode(text, len, ret->b, sizeof(ret->b)) != OK)
        return fail("a public key has 64 hex digits", "another character is among them");
    return 0;
}

static int key_of_new_file(struct pubkey *ret)
{
    char path[PATH_TEXT_MAX] = "key file";
    struct identity *id = NULL;
    errno = 0;
    int rc = key_file_create(NULL, false, path, &id);
    if (rc != OK)
        return key_fail(path, rc);
    fprintf(stderr, "No key file was found and no node is running: a new key was made in %s\n",
            path);
    *ret = *identity_pubkey(id);
    identity_free(id);
    return 0;
}

static int key_of_machine(const struct options *o, inspect_ask *ask, struct pubkey *ret)
{
    char path[PATH_TEXT_MAX] = "key file";
    struct identity *id = NULL;
    errno = 0;
    int rc = key_file_path(o->key_file, path);
    if (rc == OK)
        rc = key_file_load(path, &id);
    if (rc == OK) {
        *ret = *identity_pubkey(id);
        identity_free(id);
        return 0;
    }
    if (rc != ERR_NOENT || o->key_file)
        return key_fail(path, rc);
    if (ask(o, ret->b) == OK) {
        log_info("no key file: this is the key of the running node", "missing=%s", path);
        return 0;
    }
    if (o->no_generate)
        return fail(path, "no such file, and no node is running");
    return key_of_new_file(ret);
}

int command_inspect(const struct options *o, inspect_ask *ask)
{
    struct pubkey key;
    int status = o->key ? key_of_argument(o->key, &key) : key_of_machine(o, ask, &key);
    return status == 0 ? show(&key, o->json, o->legacy) : status;
}

int command_generate_keys(const struct options *o)
{
    char path[PATH_TEXT_MAX] = "key file";
    struct identity *id = NULL;
    errno = 0;
    int rc = key_file_create(o->key_file, o->force, path, &id);
    if (rc == ERR_EXIST) {
        log_warn("the key file exists and is kept; --force replaces it", "path=%s", path);
        return 0;
    }
    if (rc != OK)
        return key_fail(path, rc);
    log_info("new keys made", "path=%s", path);
    identity_free(id);
    return 0;
}
