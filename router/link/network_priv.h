/* network_priv.h - the credentials of a private network, for its sessions (tls.c) only. */
#pragma once
#include <gnutls/gnutls.h>

#include "router/link/network.h"

struct network {
    gnutls_psk_client_credentials_t client;
    gnutls_psk_server_credentials_t server;
    gnutls_priority_t priority;
    uint8_t key[NETWORK_KEY_BYTES];
    char name[NETWORK_NAME_MAX + 1];
};
