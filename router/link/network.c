#include "router/link/network.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
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
    n->name_len = len;
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
    uint8_t more[NETWORK_KEY_BYTES + 1];
    size_t got = 0;
    ssize_t n = 1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_from_errno(errno);
    while (got < sizeof(more) && n > 0) {
        n = read(fd, more + got, sizeof(more) - got);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n > 0)
            got += (size_t)n;
    }
    int rc = n < 0 ? err_from_errno(errno) : got < NETWORK_KEY_BYTES ? ERR_MALFORMED : OK;
    *ret_warnings = got > NETWORK_KEY_BYTES ? NETWORK_KEY_LONG : 0;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 077))
        *ret_warnings |= NETWORK_KEY_READABLE;
    if (rc == OK)
        memcpy(ret, more, NETWORK_KEY_BYTES);
    sodium_memzero(more, sizeof(more));
    (void)close(fd);
    return rc;
}
