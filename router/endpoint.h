/* endpoint.h - where a peer is dialled: scheme, numeric address or host name, port.
 *
 * Text: `tcp://1.2.3.4:9651`, `quic://[::1]:9651`, `vsock://2:9651`. A host name is taken for tcp,
 * tls and quic. Two endpoints are the same when scheme, address (or name) and port are the same.
 * Protocol: docs/protocol/connections.md, "Endpoints". */
#pragma once
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/macros.h"

enum endpoint_proto { PROTO_TCP, PROTO_TLS, PROTO_QUIC, PROTO_VSOCK };

#define ENDPOINT_HOST_MAX 254
#define ENDPOINT_STR_MAX  (ENDPOINT_HOST_MAX + 24)
#define SOCKADDR_STR_MAX  64 /* "[" 39 "%" 10 "]:" 5, and the terminating zero */

struct endpoint {
    enum endpoint_proto proto;
    struct sockaddr_storage addr; /* AF_INET or AF_INET6; with a host name: the address in use,
                                     AF_UNSPEC before the first resolution */
    char host[ENDPOINT_HOST_MAX]; /* lower case; "" for numeric endpoints */
    uint16_t port;                /* of a host name */
    uint32_t cid, vsock_port;     /* vsock */
};

/* ERR_INVAL with *ret_text set to the text that users of the network know ("missing leading
 * protocol identifier", ...), a constant. */
MUST_CHECK int endpoint_parse(const char *text, struct endpoint *ret, const char **ret_text);
bool endpoint_eq(const struct endpoint *a, const struct endpoint *b);

const char *endpoint_proto_str(enum endpoint_proto p); /* "tcp" */
/* "1.2.3.4:80", "[::1]:80", "[fe80::1%2]:80"; cut at cap. Other families: "[::]:0". */
const char *sockaddr_str(const struct sockaddr *a, char *buf, size_t cap);
/* What lists show: the numeric address in use, "2:9651" for vsock, "[::]:port" for a host name
 * before its first resolution. */
const char *endpoint_addr_str(const struct endpoint *e, char buf[static ENDPOINT_STR_MAX]);
/* With scheme, and with the host name where there is one: endpoint_parse() of it gives an equal
 * endpoint. */
const char *endpoint_str(const struct endpoint *e, char buf[static ENDPOINT_STR_MAX]);

/* The numeric endpoint of an address, such as that of a peer that connected to us. The family is
 * AF_INET or AF_INET6; others give an endpoint that equals no parsed one. */
struct endpoint endpoint_of(enum endpoint_proto proto, const struct sockaddr *a);
