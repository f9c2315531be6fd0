/* tcp_priv.h - what tcp.c (listener), tcp_link.c (open connections), tcp_dial.c (attempts) share.
 *
 * The includer includes <uv.h> first: the library is known only to those three files. Every uv
 * handle and every hold of the dialler counts in struct tcp.pending; tcp_release() after tcp_free()
 * gives the memory back with the last one. */
#pragma once
#include "base/list.h"
#include "base/log.h"
#include "router/link/dial.h"
#include "router/link/link_ops.h"
#include "router/link/tcp.h"

/* At once: as many of the smallest packets as may be handled before another link has its turn. */
#define TCP_READ_BYTES (16 * 1024)

struct tcp {
    struct tcp_conf c;
    uv_poll_t listener; /* we accept ourselves: bounded work, a pause when descriptors run out */
    uv_timer_t pause;
    uv_idle_t later; /* runs while `later_links` holds something, once per turn of the loop */
    int listen_fd;   /* -1: none */
    uint16_t port;
    bool freed;     /* by the owner: no events any more */
    size_t pending; /* what will still call back */
    struct dialler dialler;
    struct list links, later_links;
    struct log_budget log_budget;
    struct tcp_stats stats;
    uint8_t read_buf[TCP_READ_BYTES]; /* one for all: cut into packets inside the callback */
};

/* A connection, or an attempt at one. */
struct tcp_link {
    struct link base;
    uv_tcp_t stream;
    uv_connect_t connect;
    uv_write_t write;
    size_t writing_bytes; /* of the pinned packet, with the loop; 0: none */
    size_t read_left;     /* of this wake-up's budget */
    bool opened;
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
int tcp_link_open(struct tcp_link *tl);
void tcp_link_read(struct tcp_link *tl); /* starts reading unless it was closed meanwhile */
