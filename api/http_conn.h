/* http_conn.h - one connection of the HTTP server: bytes -> requests -> answers -> bytes.
 *
 * Private to http_conn.c (what a connection does), http_write.c (what it says), http_raw.c (when it
 * was taken over) and http_lws.c (what carries it). The carrier calls conn_adopted(), conn_read(),
 * conn_writable(), conn_free(); the connection calls carrier_*().
 *
 * While a request is with the handler, or an answer waits for the socket, further bytes are stashed
 * and above STASH_MAX not read, so that pipelined requests cost bounded memory and are answered in
 * order; likewise the rest of a body while the handler has enough of it. Answers given inside the
 * handler are gathered and written once per wake-up. */
#pragma once
#include <arpa/inet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "api/http.h"
#include "api/http1.h"
#include "api/http_raw.h"
#include "base/clock.h"
#include "base/ip6.h"
#include "base/list.h"

#define STASH_MAX    4096  /* bytes behind an unanswered request, then reading stops */
#define DISCARD_MAX  65536 /* longest body that is read over behind an early answer */
#define OUT_BYTES    65536 /* answers gathered in one wake-up */
#define OUT_HEADROOM 64    /* in front of what is given to carrier_write() */
#define SLOT_BITS    12    /* of a http_id: the place of the connection */
#define SLOTS        (1 << SLOT_BITS)
/* The first request of a server has any number of so many bits, so that servers do not share
 * numbers and the highest bits of a http_id stay free. */
#define SEQ_FIRST_BITS 48

struct lws;
struct lws_context;
struct lws_vhost;
struct http_listen;

/* What a connection waits for, and until when. */
enum phase {
    PHASE_IDLE,   /* a request;                leaves by: first byte, idle_ms */
    PHASE_HEAD,   /* rest of a head;           leaves by: empty line, head_ms */
    PHASE_BODY,   /* rest of a body;           leaves by: last byte, body_ms without one */
    PHASE_OPEN,   /* the handler's answer, or for it to take or give more; leaves by: http_*() */
    PHASE_WRITE,  /* the client takes answers; leaves by: all taken, body_ms */
    PHASE_LINGER, /* at its end, reading on;      leaves by: client closes, linger_ms */
};

/* Where connections come in. */
struct http_port {
    struct http_server *server;
    struct http_listen *listen; /* NULL: place not used */
    uint32_t open;              /* connections */
    bool local;                 /* a Unix socket */
};

struct http_conn {
    struct list link; /* of server->conns */
    struct http_server *server;
    struct http_port *port; /* of the server */
    struct lws *wsi;
    struct http1 in;
    uint8_t *stash;
    size_t stash_len;
    http_id open;    /* the request with the handler; 0: none */
    uint64_t left;   /* of the open request's answer in pieces */
    uint64_t taken;  /* by the client, when the phase WRITE was last looked at */
    uint64_t number; /* of the connection */
    uint16_t slot;
    enum phase phase;
    usec_t deadline;
    struct ip6 peer;
    char local_addr[INET6_ADDRSTRLEN];
    uint16_t local_port;
    bool loopback;
    bool refused;                    /* above the limit: only told so */
    bool served;                     /* one request was finished */
    bool head_only, keep_alive, old; /* of the request under way */
    bool close_soon;                 /* once everything is written */
    bool linger, shut;
    bool reading_off;
    bool taking;    /* the body of the open request is still coming */
    bool paused;    /* .. and the handler has enough of it for now */
    bool answering; /* in pieces */
    bool asked;     /* .. the handler knows that the next one may come */
    /* Taken over: http_raw.c */
    struct http_raw_handler raw;
    bool raw_on;
    bool raw_full; /* it took less than all: no more for now */
    bool raw_want; /* it waits for writable() */
};

struct http_server {
    struct uv_loop_s *loop;
    struct http_limits limits;
    struct http_handler handler;
    size_t max_body;
    struct lws_context *context;
    struct lws_vhost *vhost, *vhost_tls; /* tls: NULL without */
    const struct http_tls *tls;
    struct http_port ports[HTTP_PORTS_MAX];
    uint32_t open_ports; /* whose handles are not closed yet */
    struct list conns;
    struct http1_pool pool;
    struct http_stats stats;
    struct http_conn *slots[SLOTS];
    uint16_t free_slots[SLOTS];
    uint32_t free_count;
    uint64_t seq, conn_seq; /* of requests, of connections: both begin anywhere, so that servers do
                               not share numbers */
    struct http_conn *gathering; /* its answers go into `out` */
    size_t out_used;
    time_t date_s;
    char date[HTTP1_DATE_MAX];
    uint8_t out[OUT_HEADROOM + OUT_BYTES];
};

/* The carrier. */
bool carrier_write(struct http_conn *c, uint8_t *bytes, size_t len); /* all, now or buffered */
bool carrier_blocked(const struct http_conn *c); /* part of what was written is still buffered */
void carrier_want_writable(struct http_conn *c); /* conn_writable() once everything is written */
bool carrier_reading(struct http_conn *c, bool on);
void carrier_shutdown(struct http_conn *c, int how); /* as shutdown() */
uint64_t carrier_taken(const struct http_conn *c); /* bytes that the client's system has received */

/* Writing. False: close it. What is gathered belongs to one connection at a time. */
bool gathered_write(struct http_server *s);
bool gather(struct http_server *s, const char *text, size_t len); /* at most OUT_BYTES */
/* Borrows bytes, which need no room in front of them. */
bool conn_write(struct http_conn *c, const void *bytes, size_t len);
bool conn_send(struct http_conn *c, const struct http_response *r, bool close);

/* What happened to the connection. False: close it. */
bool conn_adopted(struct http_conn *c);
bool conn_read(struct http_conn *c, const uint8_t *in, size_t len); /* borrows */
bool conn_writable(struct http_conn *c);
void conn_expired(struct http_conn *c); /* its deadline has passed */
/* It is closed. Tells the handler when a request was open; frees c. */
void conn_free(struct http_conn *c);

/* For http_raw.c. */
struct http_conn *conn_of(const struct http_server *s, http_id id); /* NULL: the client is gone */
void conn_phase(struct http_conn *c, enum phase p, uint32_t ms, usec_t now);
void conn_arm(struct http_conn *c);    /* says what is waited for now */
bool conn_linger(struct http_conn *c); /* nothing more is said: reads on for a while */
void conn_kill(struct http_conn *c);   /* closes it, from outside of its callbacks */
void conn_shut(struct http_conn *c);   /* the handler has nothing open any more */
/* The last of an answer was written, or could not be. */
bool conn_answered(struct http_conn *c, bool ok);
/* What happens to a connection that was taken over. */
size_t raw_bytes(struct http_conn *c, const uint8_t *in, size_t len); /* how many were taken */
void raw_writable(struct http_conn *c);
void raw_tick(struct http_conn *c, usec_t now);
void raw_gone(struct http_conn *c);
