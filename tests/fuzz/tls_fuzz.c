/* What a stranger says to a listener of a private network, in pieces of any size: it never gets in,
 * and what it is answered stays short. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "router/link/network.h"
#include "router/link/tls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t key[NETWORK_KEY_BYTES] = {1, 2, 3};
    static struct network *n;
    enum tls_step s = TLS_MORE;
    struct tls *t;
    if (!n && network_new("fuzz", key, &n) != OK)
        abort();
    if (size < 2 || tls_new(n, true, &t) != OK)
        return 0;
    size_t piece = (size_t)data[0] * 8 + 1;
    for (size_t at = 1, len; at < size && s == TLS_MORE; at += len) {
        const char *why = NULL;
        len = MIN(piece, size - at);
        uint8_t *exact = malloc(len);
        if (!exact)
            abort();
        memcpy(exact, data + at, len);
        tls_input(t, exact, len);
        s = tls_handshake(t, &why);
        free(exact);
        assert(s != TLS_OK && (s == TLS_MORE || why));
        assert(tls_out_len(t) < 4096);
    }
    tls_free(t);
    return 0;
}
