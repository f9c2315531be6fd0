/* link.h - one open connection to a neighbour, whatever the transport.
 *
 * A link turns bytes into packets and packets into bytes. It knows nothing of routes or messages.
 * Each transport fills a struct link_ops; the glue in node/ is told through struct link_events.
 * Queue: control packets first, then data in order; limits below. When the data queue is full,
 * link_send() refuses the packet and link_events.drained tells when there is room again.
 * Events come from the loop, never from inside a call of this interface.
 * Thread: loop. Protocol: docs/protocol/connections.md. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "base/pkt.h"
#include "router/endpoint.h"

/* Bytes queued in one link above which data is refused; control packets may use twice as much, a
 * link above that is closed (its reader is gone in all but name). */
#define LINK_QUEUE_MAX ((size_t)4 * 1024 * 1024)
/* Senders that can wait (message chunks) stop here: docs/protocol/messages.md, "Flow control". */
#define LINK_QUEUE_SOFT ((size_t)256 * 1024)

struct link;
struct link_events {
    /* One whole packet, borrowed for the call. */
    void (*frame)(void *ctx, struct link *l, const uint8_t *frame, size_t len);
    /* The link is gone; the last call for it, l ends with it. `why` is a constant for the log. */
    void (*down)(void *ctx, struct link *l, const char *why);
    /* The queue is below half of LINK_QUEUE_SOFT after it had been above LINK_QUEUE_SOFT, had
     * refused a packet, or link_want_drained() was called. */
    void (*drained)(void *ctx, struct link *l);
};

/* Takes p on OK. ERR_LIMIT: the queue is full (a control packet: the link is broken now, down()
 * follows); ERR_CLOSED. */
MUST_CHECK int link_send(struct link *l, struct pkt *p, bool control);
/* Hands what was queued since the last flush to the transport; once per loop turn. */
void link_flush(struct link *l);
/* Starts closing: what is queued is dropped, no event follows, l must not be used again. */
void link_close(struct link *l);

/* For senders that stop earlier: drained() comes although the queue was never above its limit. */
void link_want_drained(struct link *l);

size_t link_queued_bytes(const struct link *l);
const char *link_name(const struct link *l); /* "TCP local <-> remote"; lends */
const struct sockaddr *
link_remote(const struct link *l); /* lends; AF_UNSPEC: not an IP transport */
uint16_t link_static_cost(const struct link *l);
/* The caller's word on a link: the glue keeps its own record there. */
void link_set_user(struct link *l, void *user);
void *link_user(const struct link *l);
/* Bytes since the last call, for the peer's counters. */
void link_take_traffic(struct link *l, uint64_t *ret_rx, uint64_t *ret_tx);
