#include "router/link/network.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/file.h"
#include "base/text.h"
#include "router/link/network_priv.h"

/* Only what goes with a key of 32 bytes and SHA-256. The first group is the one that others send a
 * share of: another would cost a round trip. */
#define PRIORITY                                                                                   \
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+ECDHE-PSK:-CIPHER-ALL:+CHACHA20-POLY1305:+AES-128-GCM" \
    ":-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1"

static int key_of(gnutls_session_t s, const char *name, gnutls_datum_t *ret)
{
    const struct network *n = gnutls_session_get_ptr(s);
    if (strcmp(name, n->name) != 0)
        return -1;
    ret->data = gnutls_malloc(sizeof(n->key));
    if (!ret->data)
        return -1;
    memcpy(ret->data, n->key, sizeof(n->key));
    ret->size = sizeof(n->key);
    return 0;
}

int network_new(const char *name, const uint8_t key[static NETWORK_KEY_BYTES], struct network **ret)
{
    size_t len = strlen(name);
    gnutls_datum_t k = {.data = (unsigned char *)(uintptr_t)key, .size = NETWORK_KEY_BYTES};
    if (len < NETWORK_NAME_MIN || len > NETWORK_NAME_MAX || !utf8_valid(name, len))
        return ERR_INVAL;
    struct network *n = calloc(1, sizeof(*n));
    if (!n)
        return ERR_NOMEM;
    memcpy(n->key, key, sizeof(n->key));
    memcpy(n->name, name, len);
    if (gnutls_psk_allocate_client_credentials(&n->client) < 0 ||
        gnutls_psk_set_client_credentials(n->client, n->name, &k, GNUTLS_PSK_KEY_RAW) < 0 ||
        gnutls_psk_allocate_server_credentials(&n->server) < 0 ||
        gnutls_priority_init(&n->priority, PRIORITY, NULL) < 0) {
        network_free(n);
        return ERR_NOMEM;
    }
    gnutls_psk_set_server_credentials_function(n->server, key_of);
    *ret = n;
    return OK;
}

void network_free(struct network *n)
{
    if (!n)
        return;
    if (n->client)
        gnutls_psk_free_client_credentials(n->client);
    if (n->server)
        gnutls_psk_free_server_credentials(n->server);
    if (n->priority)
        gnutls_priority_deinit(n->priority);
    sodium_memzero(n, sizeof(*n));
    free(n);
}

int network_key_read(const char *path, uint8_t ret[static NETWORK_KEY_BYTES],
                     unsigned *ret_warnings)
{
    struct stat st;
    uint8_t buf[NETWORK_KEY_BYTES + 1]; /* one more shows a longer one */
    size_t len = 0;
    uint64_t size;
    int rc = file_read(path, buf, sizeof(buf), &len, &size);
    if (rc == OK && len < NETWORK_KEY_BYTES)
        rc = ERR_MALFORMED;
    if (rc == OK) {
        memcpy(ret, buf, NETWORK_KEY_BYTES);
        *ret_warnings = len > NETWORK_KEY_BYTES ? NETWORK_KEY_LONG : 0;
        if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 077))
            *ret_warnings |= NETWORK_KEY_READABLE;
    }
    sodium_memzero(buf, sizeof(buf));
    return rc;
}
