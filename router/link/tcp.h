/* tcp.h - TCP links on libuv, plain or, in a private network, TLS: listener, dialler, link.
 *
 * Owner of uv streams for peers. Callbacks come from the loop, never from inside a call of this
 * interface. The process must ignore SIGPIPE.
 * Thread: loop. Protocol: docs/protocol/connections.md, "TCP", "Private networks". */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "router/endpoint.h"
#include "router/link/link.h"

#define TCP_BACKLOG 1024
/* Connections taken per wake-up of the listener, the rest waits for the next turn of the loop. */
#define TCP_ACCEPT_BATCH 64
/* The listener rests for so long when the process has no descriptor or memory left. */
#define TCP_ACCEPT_PAUSE_MS 200
/* Bytes read from or written to one link per wake-up before the others have their turn. A packet
 * that is read takes time whatever its size: it counts as so many bytes more. */
#define TCP_READ_BUDGET  ((size_t)256 * 1024)
#define TCP_READ_PACKET  1024
#define TCP_WRITE_BUDGET ((size_t)512 * 1024)
/* Accepted connections whose handshake is not done, and the time each has for it. One more takes
 * the place of the oldest. */
#define TCP_HANDSHAKES_MAX 256
#define TCP_HANDSHAKE_MS   10000

struct network;
struct uv_loop_s;
struct tcp; /* the transport: one listener and any number of dials and links */

struct tcp_conf {
    struct uv_loop_s *loop;
    uint16_t listen_port;    /* dual stack, IPv4 alone where there is no IPv6; 0: the system chooses
                                (tests) */
    bool dial_only;          /* no listener: what remains when the port is taken */
    int firewall_mark;       /* SO_MARK before listen and connect; 0: none */
    struct network *network; /* every connection is a session in it; NULL: plain. Lent. */
    struct link_events events;
    /* A connection was accepted (and its handshake is done), or a dial ended (link NULL: failed,
     * why is a constant). The link may be used, and closed, at once; packets are read after the
     * call. `from` is borrowed. */
    void (*accepted)(void *ctx, struct link *l, const struct endpoint *from);
    void (*dialled)(void *ctx, uint64_t dial, struct link *l, const char *why);
    void *ctx; /* for the events too */
};
/* ERR_IO with errno set: the port is taken, the mark is not permitted, ... ERR_NOMEM. */
MUST_CHECK int tcp_new(const struct tcp_conf *c, struct tcp **ret);
uint16_t tcp_port(const struct tcp *t); /* the port it listens on; 0: dial_only */
/* `dial` is the caller's number, handed back in dialled(). Ends by itself after the time given.
 * ERR_UNSUPPORTED: not a tcp endpoint, or tls without a network. ERR_LIMIT, ERR_NOMEM, ERR_IO. */
MUST_CHECK int tcp_dial(struct tcp *t, uint64_t dial, const struct endpoint *e,
                        unsigned timeout_ms);
void tcp_dial_cancel(struct tcp *t, uint64_t dial); /* no event follows; fine when it has ended */
/* Closes everything; handles finish on the loop, then the memory goes. No events follow. NULL is
 * fine. */
void tcp_free(struct tcp *t);

struct tcp_stats {
    uint64_t accepted, accept_errors, accept_pauses, dials, dials_failed;
    uint64_t handshakes_failed;            /* of accepted ones */
    uint32_t links, dialling, handshaking; /* now; the last: accepted ones */
};
struct tcp_stats tcp_stats(const struct tcp *t);
