/* dial.h - dialling, the same for every transport that has IP addresses: looks a host name up,
 * tries its addresses with staggered starts (RFC 8305); the first attempt that opens is the link.
 *
 * The transport makes the attempts: it embeds a struct dialler in itself and a struct attempt in
 * what may become a link. A dial ends once, by dialler_ops.ended or by being cancelled; never from
 * inside dialler_dial(). Owner of name lookups.
 * Thread: loop. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/list.h"
#include "base/macros.h"
#include "router/endpoint.h"

/* Addresses of a host name that are tried, and the time one attempt has before the next joins it
 * (RFC 8305, "Connection Attempt Delay"). */
#define DIAL_ADDRESSES_MAX 16
#define DIAL_STAGGER_MS    250
/* Dials of one transport at once; a dial beyond fails with ERR_LIMIT. */
#define DIALS_MAX 4096

struct addrinfo;
struct uv_loop_s;
struct dial;
struct dialler;

struct attempt {
    struct list in_dial;
    struct dial *dial; /* NULL: not an attempt, or no longer */
};

struct dialler_ops {
    /* Begins an attempt; it is the dialler's until it opened, failed or is stopped. NULL: it could
     * not, *ret_why is a constant. */
    struct attempt *(*start)(struct dialler *d, const struct sockaddr_storage *to,
                             const char **ret_why);
    void (*stop)(struct attempt *a); /* given up: the transport closes it */
    /* A dial ended. won: the attempt that opened, the transport's again; NULL: failed, why. */
    void (*ended)(struct dialler *d, uint64_t dial, struct attempt *won, const char *why);
    /* Something of the dialler will still call back, or no longer: the memory of the transport
     * stays as long as there is one more hold than release. */
    void (*hold)(struct dialler *d);
    void (*release)(struct dialler *d);
};

struct dialler {
    const struct dialler_ops *ops;
    struct uv_loop_s *loop;
    enum endpoint_proto proto; /* what it dials */
    struct list dials;
    uint64_t count, failed; /* ever */
    uint32_t dialling;      /* now */
};

void dialler_init(struct dialler *d, const struct dialler_ops *ops, struct uv_loop_s *loop,
                  enum endpoint_proto proto);
/* `dial` is the caller's number, handed back in ended(). Ends by itself after the time given.
 * ERR_UNSUPPORTED: an endpoint of another transport. ERR_LIMIT, ERR_NOMEM, ERR_IO. */
MUST_CHECK int dialler_dial(struct dialler *d, uint64_t dial, const struct endpoint *e,
                            unsigned timeout_ms);
/* The same for addresses that are known; borrows them. */
MUST_CHECK int dialler_dial_list(struct dialler *d, uint64_t dial,
                                 const struct sockaddr_storage *to, unsigned count,
                                 unsigned timeout_ms);
void dialler_cancel(struct dialler *d, uint64_t dial); /* fine when it has ended */
void dialler_cancel_all(struct dialler *d);

/* From the loop, for an attempt that was started and not stopped. In both cases it leaves its dial,
 * and is the transport's again; then ended() may be called. */
void attempt_opened(struct attempt *a);
void attempt_failed(struct attempt *a, const char *why); /* why: a constant */

/* What a lookup found as addresses to try: the resolver's order (RFC 6724) within each family, the
 * families alternating, the one that came first in front. Returns how many, at most max. */
unsigned dial_order(const struct addrinfo *found, uint16_t port, struct sockaddr_storage *ret,
                    unsigned max);
