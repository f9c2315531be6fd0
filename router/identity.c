#include "router/identity.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/blake3.h"
#include "base/err.h"
#include "base/file.h"

/* Lies as a whole in sodium_malloc() memory: locked, between guard pages, read only once it is
 * filled, wiped when it is freed. Bytes only, as that allocator does not align. */
struct identity {
    uint8_t secret[KEY_BYTES]; /* as drawn or read; clamped by each use */
    struct pubkey pubkey;
    struct ip6 address;
};

_Static_assert(KEY_BYTES == crypto_scalarmult_BYTES, "public keys and secrets of X25519");
_Static_assert(KEY_BYTES == crypto_scalarmult_SCALARBYTES, "secret keys of X25519");

#define HEX_KEY_CHARS ((size_t)2 * KEY_BYTES)

/* docs/protocol/addresses.md, "Address and subnet": the first byte says 400::/7 and keeps the
 * parity of the hash byte that it replaces. */
static struct ip6 address_of_hash(const uint8_t hash[16])
{
    struct ip6 a;
    memcpy(a.b, hash, sizeof(a.b));
    a.b[0] = (uint8_t)(0x04 | (__builtin_popcount(hash[0]) & 1));
    return a;
}

struct ip6 address_of_key(const struct pubkey *key)
{
    uint8_t hash[BLAKE3_OUT_LEN];
    blake3(key->b, sizeof(key->b), hash);
    return address_of_hash(hash);
}

struct ip6 legacy_address_of_key(const struct pubkey *key)
{
    uint8_t hash[16];
    /* cannot fail with this length and no key */
    (void)crypto_generichash(hash, sizeof(hash), key->b, sizeof(key->b), NULL, 0);
    return address_of_hash(hash);
}

int identity_new(const uint8_t secret[static KEY_BYTES], struct identity **ret)
{
    if (sodium_init() < 0)
        return ERR_STATE;
    struct identity *id = sodium_malloc(sizeof(*id));
    if (!id)
        return ERR_NOMEM;
    memcpy(id->secret, secret, sizeof(id->secret));
    (void)crypto_scalarmult_base(id->pubkey.b, id->secret); /* fails for no scalar: it is clamped */
    id->address = address_of_key(&id->pubkey);
    (void)sodium_mprotect_readonly(id); /* a second line of defence only */
    *ret = id;
    return OK;
}

int identity_generate(struct identity **ret)
{
    uint8_t secret[KEY_BYTES];
    if (sodium_init() < 0)
        return ERR_STATE;
    randombytes_buf(secret, sizeof(secret));
    int rc = identity_new(secret, ret);
    sodium_memzero(secret, sizeof(secret));
    return rc;
}

void identity_free(struct identity *id)
{
    sodium_free(id); /* wipes */
}

const struct pubkey *identity_pubkey(const struct identity *id)
{
    return &id->pubkey;
}

struct ip6 identity_address(const struct identity *id)
{
    return id->address;
}

int identity_exchange(const struct identity *id, const struct pubkey *other,
                      uint8_t ret_secret[static KEY_BYTES])
{
    uint8_t shared[KEY_BYTES];
    int rc = ERR_CRYPTO;
    if (crypto_scalarmult(shared, id->secret, other->b) == 0) {
        memcpy(ret_secret, shared, sizeof(shared));
        rc = OK;
    }
    sodium_memzero(shared, sizeof(shared));
    return rc;
}

static bool is_hex(const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!((p[i] >= '0' && p[i] <= '9') || (p[i] >= 'a' && p[i] <= 'f') ||
              (p[i] >= 'A' && p[i] <= 'F')))
            return false;
    return true;
}

/* buf: the first min(size, HEX_KEY_CHARS) bytes of a file with this size and mode. */
static unsigned key_warnings(const uint8_t *buf, uint64_t size, mode_t mode)
{
    unsigned warn = 0;
    if (size > KEY_BYTES)
        warn |= KEY_WARN_LONG;
    if (sodium_is_zero(buf, KEY_BYTES))
        warn |= KEY_WARN_ZERO;
    if (size >= HEX_KEY_CHARS && is_hex(buf, HEX_KEY_CHARS))
        warn |= KEY_WARN_HEX;
    if (mode & (S_IRGRP | S_IROTH))
        warn |= KEY_WARN_READABLE;
    return warn;
}

int identity_load(const char *path, struct identity **ret, unsigned *ret_warn)
{
    uint8_t buf[HEX_KEY_CHARS]; /* more than a key, to recognise text */
    size_t len;
    uint64_t size;
    struct stat st;
    unsigned warn = 0;

    int rc = file_read(path, buf, sizeof(buf), &len, &size);
    if (rc < 0)
        goto out;
    if (len < KEY_BYTES) {
        rc = ERR_MALFORMED;
        goto out;
    }
    /* The mode only decides about a warning; a file that is gone by now has none. */
    warn = key_warnings(buf, size, stat(path, &st) == 0 ? st.st_mode : 0);
    rc = identity_new(buf, ret);
out:;
    int kept = errno;
    sodium_memzero(buf, sizeof(buf));
    errno = kept;
    if (rc == OK && ret_warn)
        *ret_warn = warn;
    return rc;
}

/* True also when there is nothing to keep. EPERM: no second names on this file system; then the new
 * file follows a moment after the old one went. */
static bool link_or_rename(const char *path, const char *old)
{
    return link(path, old) == 0 || errno == ENOENT || (errno == EPERM && rename(path, old) == 0);
}

/* Gives the file at path the second name `<path>.old`; path itself is never missing meanwhile. */
static int keep_old(const char *path)
{
    char *old = NULL;
    if (asprintf(&old, "%s.old", path) < 0)
        return ERR_NOMEM; /* old is undefined then */
    bool kept_it = (unlink(old) == 0 || errno == ENOENT) && link_or_rename(path, old);
    int rc = kept_it ? OK : err_from_errno(errno);
    int kept = errno;
    free(old);
    errno = kept;
    return rc;
}

int identity_save(const struct identity *id, const char *path, bool replace)
{
    if (!replace)
        return file_write_new(path, id->secret, sizeof(id->secret), 0600);
    int rc = keep_old(path);
    if (rc < 0)
        return rc;
    return file_write_atomic(path, id->secret, sizeof(id->secret), 0600);
}
