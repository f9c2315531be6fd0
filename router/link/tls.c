#include "router/link/tls.h"

#include <assert.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "router/link/network_priv.h"

/* Bytes of one message of a handshake; real ones, without certificates, have some hundred. */
#define HANDSHAKE_MAX 8192

struct tls {
    gnutls_session_t session;
    const uint8_t *in; /* lent */
    size_t in_len;
    uint8_t *out;
    size_t out_len, out_cap;
    bool full, nomem; /* why the session could not write */
};

/* --- the two sides of the library --------------------------------------------------------- */

static ssize_t pull(gnutls_transport_ptr_t ptr, void *to, size_t cap)
{
    struct tls *t = ptr;
    size_t n = MIN(cap, t->in_len);
    if (n == 0) {
        gnutls_transport_set_errno(t->session, EAGAIN);
        return -1;
    }
    memcpy(to, t->in, n);
    t->in += n;
    t->in_len -= n;
    return (ssize_t)n;
}

static int pull_timeout(gnutls_transport_ptr_t ptr, unsigned ms)
{
    const struct tls *t = ptr;
    (void)ms;
    return t->in_len > 0;
}

static ssize_t push(gnutls_transport_ptr_t ptr, const void *bytes, size_t len)
{
    struct tls *t = ptr;
    t->full = t->full || t->out_len + len > TLS_OUT_MAX;
    if (!t->full && t->out_len + len > t->out_cap) {
        size_t cap = MAX(t->out_len + len, t->out_cap * 2);
        uint8_t *p = realloc(t->out, cap);
        t->nomem = !p;
        t->out = p ? p : t->out;
        t->out_cap = p ? cap : t->out_cap;
    }
    if (t->full || t->nomem) {
        gnutls_transport_set_errno(t->session, EPIPE);
        return -1;
    }
    memcpy(t->out + t->out_len, bytes, len);
    t->out_len += len;
    return (ssize_t)len;
}

/* --- life --------------------------------------------------------------------------------- */

int tls_new(struct network *n, bool server, struct tls **ret)
{
    struct tls *t = calloc(1, sizeof(*t));
    if (!t)
        return ERR_NOMEM;
    unsigned flags = (server ? GNUTLS_SERVER : GNUTLS_CLIENT) | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL |
                     GNUTLS_NO_TICKETS;
    if (gnutls_init(&t->session, flags) < 0) {
        free(t);
        return ERR_NOMEM;
    }
    int rc = gnutls_priority_set(t->session, n->priority);
    if (rc == 0)
        rc = server ? gnutls_credentials_set(t->session, GNUTLS_CRD_PSK, n->server)
                    : gnutls_credentials_set(t->session, GNUTLS_CRD_PSK, n->client);
    if (rc < 0) {
        tls_free(t);
        return ERR_NOMEM;
    }
    gnutls_handshake_set_max_packet_length(t->session, HANDSHAKE_MAX);
    gnutls_session_set_ptr(t->session, n);
    gnutls_transport_set_ptr(t->session, t);
    gnutls_transport_set_pull_function(t->session, pull);
    gnutls_transport_set_pull_timeout_function(t->session, pull_timeout);
    gnutls_transport_set_push_function(t->session, push);
    *ret = t;
    return OK;
}

void tls_free(struct tls *t)
{
    if (!t)
        return;
    gnutls_deinit(t->session);
    free(t->out);
    free(t);
}

/* --- bytes -------------------------------------------------------------------------------- */

void tls_input(struct tls *t, const uint8_t *bytes, size_t len)
{
    assert(t->in_len == 0); /* those before are used */
    t->in = bytes;
    t->in_len = len;
}

static const char *why_of(const struct tls *t, int rc)
{
    switch (rc) {
    case 0:
    case GNUTLS_E_PREMATURE_TERMINATION:
        return "closed by the peer";
    case GNUTLS_E_FATAL_ALERT_RECEIVED:
        switch ((int)gnutls_alert_get(t->session)) {
        case GNUTLS_A_ILLEGAL_PARAMETER:
        case GNUTLS_A_DECRYPT_ERROR:
        case GNUTLS_A_BAD_RECORD_MAC:
            return "the peer has another network key";
        case GNUTLS_A_HANDSHAKE_FAILURE:
        case GNUTLS_A_UNKNOWN_PSK_IDENTITY:
        case GNUTLS_A_INTERNAL_ERROR:
            return "the peer is in another network";
        default:
            return "TLS alert from the peer";
        }
    case GNUTLS_E_UNEXPECTED_PACKET:
    case GNUTLS_E_UNEXPECTED_PACKET_LENGTH:
    case GNUTLS_E_RECORD_OVERFLOW:
    case GNUTLS_E_UNSUPPORTED_VERSION_PACKET:
        return "the peer does not speak TLS";
    case GNUTLS_E_SRP_PWD_ERROR: /* what it makes of a name that key_of() does not know */
    case GNUTLS_E_NO_CIPHER_SUITES:
    case GNUTLS_E_INSUFFICIENT_CREDENTIALS:
    case GNUTLS_E_NO_COMMON_KEY_SHARE:
        return "the peer is in another network";
    case GNUTLS_E_RECEIVED_ILLEGAL_PARAMETER:
    case GNUTLS_E_DECRYPTION_FAILED:
        return "the peer has another network key";
    default:
        return "TLS failed";
    }
}

static enum tls_step ended(const struct tls *t, int rc, const char **ret_why)
{
    if (t->full || t->nomem) {
        *ret_why = t->full ? "the peer does not read" : "out of memory";
        return TLS_END;
    }
    *ret_why = why_of(t, rc);
    return TLS_END;
}

enum tls_step tls_handshake(struct tls *t, const char **ret_why)
{
    for (;;) {
        size_t before = t->in_len;
        int rc = gnutls_handshake(t->session);
        if (rc == GNUTLS_E_SUCCESS)
            return TLS_OK;
        if (!gnutls_error_is_fatal(rc)) {
            if (t->in_len > 0 && t->in_len < before)
                continue;
            t->in_len = 0;
            return TLS_MORE;
        }
        t->in_len = 0;
        if (rc == GNUTLS_E_SRP_PWD_ERROR) /* what others say then */
            (void)gnutls_alert_send(t->session, GNUTLS_AL_FATAL, GNUTLS_A_HANDSHAKE_FAILURE);
        else if (rc != GNUTLS_E_FATAL_ALERT_RECEIVED)
            (void)gnutls_alert_send_appropriate(t->session, rc);
        return ended(t, rc, ret_why);
    }
}

enum tls_step tls_read(struct tls *t, uint8_t *ret, size_t cap, size_t *ret_len,
                       const char **ret_why)
{
    for (;;) {
        size_t before = t->in_len;
        ssize_t n = gnutls_record_recv(t->session, ret, cap);
        if (n > 0) {
            *ret_len = (size_t)n;
            return TLS_OK;
        }
        if (n == 0 || gnutls_error_is_fatal((int)n)) {
            t->in_len = 0;
            return ended(t, (int)n, ret_why);
        }
        if (t->in_len == 0 || t->in_len == before) { /* else a record that was not for us */
            t->in_len = 0;
            return TLS_MORE;
        }
    }
}

int tls_write(struct tls *t, const uint8_t *bytes, size_t len)
{
    size_t at = 0;
    assert(len > 0 && len <= TLS_RECORD);
    while (at < len) {
        ssize_t n = gnutls_record_send(t->session, bytes + at, len - at);
        if (n <= 0)
            return t->nomem ? ERR_NOMEM : ERR_CLOSED;
        at += (size_t)n;
    }
    return OK;
}

size_t tls_out_len(const struct tls *t)
{
    return t->out_len;
}

uint8_t *tls_out_take(struct tls *t, size_t *ret_len)
{
    uint8_t *p = t->out_len > 0 ? t->out : NULL;
    *ret_len = t->out_len;
    if (p) {
        t->out = NULL;
        t->out_len = t->out_cap = 0;
    }
    return p;
}
