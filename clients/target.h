/* target.h - the node that a command asks. */
#pragma once
#include <stdint.h>

struct api_target {
    const char *host; /* numeric or "localhost"; NULL with a socket */
    uint16_t port;
    const char *socket; /* path of a Unix socket; NULL: none */
    const char
        *tls_cert;     /* TLS, and this certificate is trusted besides the system's; NULL: no TLS */
    const char *token; /* shown to the node; NULL: none */
};
