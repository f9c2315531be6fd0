/* link_ops.h - the inside of a link, for the transports only.
 *
 * A transport embeds a struct link in its own, fills a struct link_ops, hands bytes in by
 * link_input() and takes bytes out by link_gather() and link_sent(), or packets by link_pop(). The
 * queue, its limits, the framer and the events are the same for all of them and live in link.c.
 *
 * A link ends in two steps. link_fail() (from the transport) or link_close() (from the owner) marks
 * it and calls ops->close(); when nothing in the loop refers to it any more, the transport calls
 * link_gone(), which tells the owner unless he closed it himself, and then frees its memory. So the
 * owner is never called from inside a call of his. */
#pragma once
#include <sys/socket.h>
#include <sys/uio.h>

#include "router/framer.h"
#include "router/link/link.h"

/* "TCP ", " <-> " and two texts of SOCKADDR_STR_MAX, rounded up; real names stay below 128. */
#define LINK_NAME_CHARS 144

struct link_ops {
    /* Something may be queued: write what can be written now, and arrange for the rest. */
    void (*flush)(struct link *l);
    /* Start closing; later link_gone(). Called once. The queue stays until then, because a write in
     * progress may refer to it. */
    void (*close)(struct link *l);
};

enum link_state {
    LINK_NEW,    /* not open yet (a dial in progress); leaves by: link_open, link_close */
    LINK_OPEN,   /* packets flow;                      leaves by: link_fail, link_close */
    LINK_BROKEN, /* closing, down() will follow;       leaves by: link_gone, link_close */
    LINK_CLOSED, /* closing, no event follows;         the end */
};

struct link_queue {
    struct pkt *head, **tail;
};

struct link {
    const struct link_ops *ops;
    const struct link_events *events; /* borrowed from the transport */
    void *events_ctx, *user;
    enum link_state state;
    const char *why; /* in LINK_BROKEN */
    char name[LINK_NAME_CHARS];
    struct sockaddr_storage remote;
    uint16_t static_cost;
    struct framer framer;
    struct link_queue control, data;
    struct pkt *pinned;  /* goes before both queues: begun or handed to the loop */
    size_t pinned_at;    /* bytes of it that are sent */
    size_t queued_bytes; /* in all three */
    bool over_soft;      /* since the last drained(): was above LINK_QUEUE_SOFT, or is awaited */
    uint64_t rx, tx;     /* bytes since link_take_traffic() */
    uint64_t rx_packets; /* ever; for the transport, which shares its time between links */
};

/* For memory that is zeroed or was never a link. The caller sets name, remote and static_cost. */
void link_init(struct link *l, const struct link_ops *ops, const struct link_events *events,
               void *ctx);
void link_open(struct link *l);
void link_fail(struct link *l, const char *why); /* fine in every state; why is a constant */
/* The transport has let go of l: tells down() where due, and frees what the link holds, not l. */
void link_gone(struct link *l);

/* Bytes of the stream came in: cuts packets and hands them on until the link is no longer open. */
void link_input(struct link *l, const uint8_t *bytes, size_t len);
/* A whole packet came in by a datagram. */
void link_input_frame(struct link *l, const uint8_t *frame, size_t len);

/* What goes next, control before data: fills up to max pieces of together about max_bytes (the last
 * piece may go beyond). Returns the number of pieces; they stay valid until the next change. */
unsigned link_gather(const struct link *l, struct iovec *v, unsigned max, size_t max_bytes);
/* The next piece, fixed in its place until link_sent() has consumed it. The queue must not be
 * empty. */
struct iovec link_pin(struct link *l);
/* The first n bytes of what link_gather() or link_pin() gave are gone. */
void link_sent(struct link *l, size_t n);
/* Takes the first packet of one class out, for transports that send packets; NULL: none. The caller
 * owns it and counts it in l->tx. Not to be mixed with link_gather(). */
struct pkt *link_pop(struct link *l, bool control);
/* Is drained() due? The transport calls it from the loop, never inside link_send() or link_flush().
 */
bool link_drained_due(const struct link *l);
void link_tell_drained(struct link *l);
