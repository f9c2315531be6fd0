#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>
#include <strings.h>

#include "api/ws.h"
#include "base/err.h"
#include "base/text.h"

#define KEY_BYTES  16
#define SHA1_BYTES 20

/* The next word of a list with commas; *ret_len 0: the end. */
static const char *next_word(const char **at, size_t *ret_len)
{
    const char *word = *at + strspn(*at, ", \t");

    *ret_len = strcspn(word, ", \t");
    *at = word + *ret_len;
    return word;
}

static bool has_word(const char *list, const char *want)
{
    size_t len;

    for (const char *w = next_word(&list, &len); len > 0; w = next_word(&list, &len))
        if (len == strlen(want) && strncasecmp(w, want, len) == 0)
            return true;
    return false;
}

static int choose(const char *asked, const char *const *protocols, struct ws_handshake *ret)
{
    size_t len;

    for (const char *w = next_word(&asked, &len); len > 0; w = next_word(&asked, &len))
        for (int i = 0; protocols[i]; i++)
            if (len == strlen(protocols[i]) && memcmp(w, protocols[i], len) == 0) {
                ret->protocol = i;
                ret->name = protocols[i];
                return OK;
            }
    return ERR_INVAL;
}

static int accept_of(const char *key, char ret[static WS_ACCEPT_MAX])
{
    static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455, 1.3 */
    uint8_t bytes[KEY_BYTES + 3], sum[SHA1_BYTES];
    char text[B64_LEN(KEY_BYTES) + sizeof(magic)];
    struct b64_error e;
    size_t len = 0;

    if (strlen(key) != B64_LEN(KEY_BYTES) ||
        b64_decode(key, strlen(key), bytes, sizeof(bytes), &len, &e) < 0 || len != KEY_BYTES)
        return ERR_INVAL;
    memcpy(text, key, B64_LEN(KEY_BYTES));
    memcpy(text + B64_LEN(KEY_BYTES), magic, sizeof(magic));
    if (gnutls_hash_fast(GNUTLS_DIG_SHA1, text, sizeof(text) - 1, sum) < 0)
        return ERR_UNSUPPORTED;
    (void)b64_encode(sum, sizeof(sum), ret);
    return OK;
}

int ws_handshake_read(const struct http_request *r, const char *const *protocols,
                      struct ws_handshake *ret, const char **ret_text)
{
    struct ws_handshake h = {.protocol = -1};

    *ret_text = "a WebSocket of version 13 is spoken here";
    if (!r->upgrading || !r->upgrade || !has_word(r->upgrade, "websocket") || r->old ||
        r->method != HTTP_GET || !r->ws_version || strcmp(r->ws_version, "13") != 0)
        return ERR_STATE;
    *ret_text = "Sec-WebSocket-Key: expected 16 bytes in base64";
    if (!r->ws_key || accept_of(r->ws_key, h.accept) < 0)
        return ERR_INVAL;
    *ret_text = "Sec-WebSocket-Protocol: none of these is spoken here";
    if (r->ws_protocol && choose(r->ws_protocol, protocols, &h) < 0)
        return ERR_INVAL;
    *ret = h;
    return OK;
}
