/* discovery.h - beacons on the local networks: sends those of this node, hears those of others.
 *
 * Looks at the interfaces every DISCOVERY_LOOK_MS: those that are up, can multicast, are neither
 * loopback nor point-to-point (a tunnel is), and have an address in fe80::/64. On a new one a
 * beacon leaves at once, then one every DISCOVERY_EVERY_MS. Owner of one UDP socket. Events come
 * from the loop. Thread: loop. Protocol: docs/protocol/connections.md, "Local discovery". */
#pragma once
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "router/link/beacon.h"

#define DISCOVERY_EVERY_MS 60000
#define DISCOVERY_LOOK_MS  5000
/* Interfaces with beacons; further ones are left out. */
#define DISCOVERY_INTERFACES_MAX 64
/* Beacons of others that are looked at; more are not, anybody on the local network can send them.
 */
#define DISCOVERY_PER_SEC 20
#define DISCOVERY_BURST   100

struct uv_loop_s;
struct discovery;

struct discovery_conf {
    struct uv_loop_s *loop;
    uint16_t port;                 /* source, destination, and where it listens */
    const char *const *interfaces; /* only these; NULL behind the last; lent. None: all */
    struct beacon self;
    int firewall_mark; /* SO_MARK; 0: none */
    /* A node of the local network, not this one; its address has the scope. */
    void (*heard)(void *ctx, const struct sockaddr_in6 *from, const struct beacon *b);
    void *ctx;
};
/* ERR_IO with errno: no IPv6, the port is taken, the mark is not permitted. ERR_NOMEM. */
MUST_CHECK int discovery_new(const struct discovery_conf *c, struct discovery **ret);
/* Handles finish on the loop. No events follow. NULL is fine. */
void discovery_free(struct discovery *d);

struct discovery_stats {
    uint64_t sent, heard,
        ignored;         /* beacons; the last: malformed, not from a local network, too many */
    uint32_t interfaces; /* now */
};
struct discovery_stats discovery_stats(const struct discovery *d);
