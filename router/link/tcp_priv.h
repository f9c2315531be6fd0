/* tcp_priv.h - what tcp.c (listener), tcp_link.c (open connections), tcp_tls.c (those of a private
 * network), tcp_dial.c (attempts) share.
 *
 * The includer includes <uv.h> first: the library is known only to those files. Every uv
 * handle and every hold of the dialler counts in struct tcp.pending; tcp_release() after tcp_free()
 * gives the memory back with the last one. */
#pragma once
#include "base/list.h"
#include "base/log.h"
#include "router/link/dial.h"
#include "router/link/link_ops.h"
#include "router/link/tcp.h"
#include "router/link/tls.h"

/* At once: as many of the smallest packets as may be handled before another link has its turn. */
#define TCP_READ_BYTES (16 * 1024)
/* Packets per system call. */
#define TCP_IOVECS 64

struct tcp {
    struct tcp_conf c;
    uv_poll_t listener; /* we accept ourselves: bounded work, a pause when descriptors run out */
    uv_timer_t pause;
    uv_timer_t shaking; /* looks for handshakes that take too long */
    uv_idle_t later;    /* runs while `later_links` holds something, once per turn of the loop */
    int listen_fd;      /* -1: none */
    uint16_t port;
    bool freed;     /* by the owner: no events any more */
    size_t pending; /* what will still call back */
    struct dialler dialler;
    struct list links, later_links;
    struct list shakes; /* accepted, no handshake yet; oldest first */
    struct log_budget log_budget;
    struct tcp_stats stats;
    uint8_t read_buf[TCP_READ_BYTES]; /* one for all: cut into packets inside the callback */
    uint8_t plain_buf[TLS_RECORD];    /* what comes out of a session, or goes into one */
};

/* A connection, or an attempt at one. */
struct tcp_link {
    struct link base;
    uv_tcp_t stream;
    uv_connect_t connect;
    uv_write_t write;
    size_t writing_bytes; /* of the pinned packet, with the loop; 0: none */
    size_t read_left;     /* of this wake-up's budget */
    bool opened, reading;
    struct tls *tls;   /* in a private network */
    uint8_t *sealed;   /* with the loop; NULL: nothing is */
    uint64_t shake_by; /* on the clock of the loop */
    struct list in_shakes;
    struct tcp *t;
    struct attempt attempt;
    struct list in_links; /* of the transport, from its opening until it is freed */
    struct list in_later;
};

extern const struct dialler_ops tcp_dialler_ops;

void tcp_release(struct tcp *t); /* one thing less that will call back */

/* NULL: out of memory. Its stream is not initialised: tcp_link_discard() undoes this. Once it is,
 * count it in pending, and link_close() is the way out. */
struct tcp_link *tcp_link_new(struct tcp *t);
void tcp_link_discard(struct tcp_link *tl);
/* The stream is connected: name, cost, options; enters t->links. 0 or a UV_E*. */
int tcp_link_connected(struct tcp_link *tl);
/* Packets may flow: the owner learns of the link. */
void tcp_link_ready(struct tcp_link *tl);
void tcp_accepted(struct tcp_link *tl);
void tcp_link_read(struct tcp_link *tl); /* starts reading unless it was closed meanwhile */
/* For what must not happen inside a call of the owner, and for what exceeds this turn's budget. */
void tcp_link_later(struct tcp_link *tl);

/* --- tcp_tls.c --- */

/* The connection is there: the handshake begins; tcp_link_ready() follows, or it is closed. */
void tcp_tls_begin(struct tcp_link *tl, bool server);
void tcp_tls_input(struct tcp_link *tl, const uint8_t *bytes, size_t len);
/* As in struct link_ops. */
void tcp_tls_flush(struct link *l);
/* The connection ended, or its handshake failed. */
void tcp_tls_failed(struct tcp_link *tl, const char *why);
void tcp_tls_stop(struct tcp_link *tl); /* it is being closed */
