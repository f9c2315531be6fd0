/* The HTTP server on libwebsockets and libuv.
 *
 * libwebsockets 4.1 carries the connections (buffering of what the kernel does not take, flow
 * control, later TLS and WebSocket) in its "raw-skt" role. Its HTTP role is not used: the routes
 * need a path as it was sent ("%2F" is no slash), chunked bodies, and a status for every refusal.
 * Requests are read by http1.c; what a connection does with them is in http_conn.c. */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define ERR_STATE openssl_err_state /* a type in headers that come along, an error code in ours */
#include <libwebsockets.h>
#undef ERR_STATE

#include "api/http.h"
#include "api/http_conn.h"
#include "api/http_listen.h"
#include "base/err.h"
#include "base/ip6.h"
#include "base/rng.h"

#define LOG_TARGET "api"
#include "base/log.h"

#define READ_BYTES  32768 /* most that one wake-up reads from a connection */
#define REFUSE_MAX  64    /* connections above the limit that are told so */
#define TICK_MS_MAX 1000

static_assert(OUT_HEADROOM >= LWS_PRE, "room that the library wants in front of what it writes");

void http_limits_default(struct http_limits *l)
{
    *l = (struct http_limits){
        .connections = 2048,
        .connections_peer = 64,
        .raw = 1024,
        .body_bytes = 16u << 20,
        .head_ms = 10000,
        .body_ms = 30000,
        .idle_ms = 75000,
        .linger_ms = 2000,
    };
}

/* --- carrying a connection -------------------------------------------------------------------- */

bool carrier_write(struct http_conn *c, uint8_t *bytes, size_t len)
{
    return lws_write(c->wsi, bytes, len, LWS_WRITE_RAW) >= 0;
}

bool carrier_blocked(const struct http_conn *c)
{
    return lws_partial_buffered(c->wsi) != 0;
}

void carrier_want_writable(struct http_conn *c)
{
    (void)lws_callback_on_writable(c->wsi); /* fails only for sockets that are closed */
}

bool carrier_reading(struct http_conn *c, bool on)
{
    return lws_rx_flow_control(c->wsi, on) >= 0;
}

void carrier_shutdown(struct http_conn *c, int how)
{
    (void)shutdown(lws_get_socket_fd(c->wsi), how); /* the peer may have gone already */
}

/* Of a Unix socket: what it holds that the other end has not read, from above, so that the number
 * rises as it should. */
static uint64_t local_taken(int fd)
{
    int waiting = 0;

    return ioctl(fd, SIOCOUTQ, &waiting) == 0 ? UINT32_MAX - (uint64_t)waiting : 0;
}

uint64_t carrier_taken(const struct http_conn *c)
{
    struct tcp_info i = {0};
    socklen_t len = sizeof(i);

    if (getsockopt(lws_get_socket_fd(c->wsi), IPPROTO_TCP, TCP_INFO, &i, &len) < 0)
        return local_taken(lws_get_socket_fd(c->wsi));
    return i.tcpi_bytes_acked;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t len)
{
    struct http_conn *c = wsi ? lws_get_opaque_user_data(wsi) : NULL;
    bool ok = true;

    (void)user;
    if (!c)
        return 0;
    if (reason == LWS_CALLBACK_RAW_CLOSE || reason == LWS_CALLBACK_WSI_DESTROY) {
        lws_set_opaque_user_data(wsi, NULL);
        conn_free(c);
        return 0;
    }
    if (!c->server)
        return 0; /* the server is going away: so will the connection */
    if (reason == LWS_CALLBACK_RAW_ADOPT) {
        c->wsi = wsi;
        /* Before the handshake nothing can be said. */
        ok = !(c->refused && lws_is_ssl(wsi)) && conn_adopted(c);
    } else if (reason == LWS_CALLBACK_RAW_RX) {
        ok = conn_read(c, in, len);
    } else if (reason == LWS_CALLBACK_RAW_WRITEABLE) {
        ok = conn_writable(c);
    }
    return ok ? 0 : -1;
}

static const struct lws_protocols protocols[] = {
    {.name = "mycelium-http", .callback = on_event, .tx_packet_size = 1 << 20},
    {.name = NULL},
};

static void on_log(int level, const char *line)
{
    static struct log_budget budget = LOG_BUDGET_INIT;
    size_t len = strcspn(line, "\n");

    (void)level; /* only errors are asked for */
    log_remote(LOG_LEVEL_WARN, &budget, usec_now(), "libwebsockets", "text=\"%.*s\"", (int)len,
               line);
}

/* On a loop that is not its own the library closes everything when its context is destroyed (which
 * must happen once only), but keeps the context's memory. One per listener and process: the leak
 * checker need not tell. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LEAKS_KNOWN
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define LEAKS_KNOWN
#endif
#ifdef LEAKS_KNOWN
#include <sanitizer/lsan_interface.h>
#endif

static void leaks_known(bool on)
{
#ifdef LEAKS_KNOWN
    if (on)
        __lsan_disable();
    else
        __lsan_enable();
#else
    (void)on;
#endif
}

static int context_new(struct http_server *s, struct uv_loop_s *loop)
{
    void *loops[] = {loop};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .protocols = protocols,
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
                   LWS_SERVER_OPTION_UV_NO_SIGSEGV_SIGFPE_SPIN,
        .foreign_loops = loops,
        .pt_serv_buf_size = READ_BYTES,
        .timeout_secs = (s->limits.head_ms + 999) / 1000, /* of a handshake */
        .vhost_name = "api",
    };

    if (s->tls)
        info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;

    lws_set_log_level(LLL_ERR, on_log);
    leaks_known(true);
    s->context = lws_create_context(&info);
    if (s->context)
        s->vhost = lws_create_vhost(s->context, &info);
    if (s->vhost && s->tls) {
        info.vhost_name = "api-tls";
        info.alpn = "http/1.1";
        info.ssl_cert_filepath = s->tls->cert;
        info.ssl_private_key_filepath = s->tls->key;
        info.ssl_options_set = SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 | SSL_OP_NO_RENEGOTIATION;
        s->vhost_tls = lws_create_vhost(s->context, &info);
    }
    leaks_known(false);
    return s->vhost && (!s->tls || s->vhost_tls) ? OK : ERR_UNSUPPORTED; /* why: in the log */
}

/* --- accepting ------------------------------------------------------------------------------- */

static struct ip6 address_of(const struct sockaddr *a)
{
    struct ip6 r = {{0}};

    if (a->sa_family == AF_INET) {
        r.b[10] = r.b[11] = 0xff;
        memcpy(r.b + 12, &((const struct sockaddr_in *)(const void *)a)->sin_addr, 4);
    } else if (a->sa_family == AF_INET6) {
        memcpy(r.b, &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr, 16);
    }
    return r;
}

static uint16_t port_of(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)(const void *)a)->sin_port);
    if (a->sa_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)(const void *)a)->sin6_port);
    return 0;
}

static bool is_mapped(const struct ip6 *a)
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

    return memcmp(a->b, prefix, sizeof(prefix)) == 0;
}

static bool is_loopback(const struct ip6 *a)
{
    static const struct ip6 one = {{[15] = 1}};

    return ip6_eq(a, &one) || (is_mapped(a) && a->b[12] == 127);
}

static bool peer_has_room(const struct http_server *s, const struct http_conn *c)
{
    uint32_t n = 0;

    if (c->loopback || c->port->local)
        return true;
    list_foreach (i, &s->conns) {
        const struct http_conn *other = list_entry(i, struct http_conn, link);
        n += !other->served && ip6_eq(&other->peer, &c->peer);
    }
    return n < s->limits.connections_peer;
}

static void conn_local(struct http_conn *c, int fd)
{
    struct sockaddr_storage ss = {0};
    socklen_t len = sizeof(ss);
    struct ip6 a;

    if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
        return; /* no name: nothing matches it */
    a = address_of((struct sockaddr *)&ss);
    if (is_mapped(&a))
        (void)inet_ntop(AF_INET, a.b + 12, c->local_addr, sizeof(c->local_addr));
    else
        (void)inet_ntop(AF_INET6, a.b, c->local_addr, sizeof(c->local_addr));
    c->local_port = port_of((struct sockaddr *)&ss);
}

/* Who came in by a Unix socket. */
static void log_caller(int fd)
{
    static struct log_budget budget = LOG_BUDGET_INIT;
    struct ucred cred = {0};
    socklen_t len = sizeof(cred);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0)
        log_remote(LOG_LEVEL_INFO, &budget, usec_now(), "local client", "pid=%ld uid=%ld gid=%ld",
                   (long)cred.pid, (long)cred.uid, (long)cred.gid);
}

static struct http_conn *conn_new(struct http_port *port, int fd, const struct sockaddr *peer)
{
    struct http_server *s = port->server;
    struct http_conn *c;

    if (s->free_count == 0 || port->open >= s->limits.connections + REFUSE_MAX)
        return NULL;
    c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    c->port = port;
    c->peer = address_of(peer);
    c->loopback = is_loopback(&c->peer);
    c->refused = port->open >= s->limits.connections || s->free_count <= REFUSE_MAX;
    if (!peer_has_room(s, c)) {
        free(c);
        return NULL;
    }
    if (port->local)
        log_caller(fd);
    else
        conn_local(c, fd);
    http1_init(&c->in, &s->pool);
    c->server = s;
    port->open++;
    c->number = ++s->conn_seq;
    c->slot = s->free_slots[--s->free_count];
    s->slots[c->slot] = c;
    list_push_back(&s->conns, &c->link);
    s->stats.open_connections++;
    return c;
}

static void on_accepted(void *ctx, int fd, const struct sockaddr *peer)
{
    struct http_port *port = ctx;
    struct http_server *s = port->server;
    struct http_conn *c = conn_new(port, fd, peer);
    uint16_t slot = c ? c->slot : 0;
    bool tls = s->tls && !port->local;
    lws_adopt_desc_t desc = {
        .vh = tls ? s->vhost_tls : s->vhost,
        .type = tls ? LWS_ADOPT_SOCKET | LWS_ADOPT_ALLOW_SSL : LWS_ADOPT_SOCKET,
        .fd = {.sockfd = fd},
        .vh_prot_name = protocols[0].name,
        .opaque = c,
    };

    if (!c) {
        s->stats.refused_connections++;
        close(fd);
        return;
    }
    if (c->refused)
        s->stats.refused_connections++;
    else
        s->stats.connections++;
    c->phase = PHASE_IDLE;
    c->deadline = USEC_NEVER;
    /* On failure the library has closed the socket and told on_event(), which freed c and its slot;
     * or it could not make anything of it, and both are still ours. */
    if (!lws_adopt_descriptor_vhost_via_info(&desc) && s->slots[slot] == c) {
        conn_free(c);
        close(fd);
    }
}

/* --- time ------------------------------------------------------------------------------------ */

static void on_tick(void *ctx)
{
    struct http_port *port = ctx;
    struct http_server *s = port->server;
    usec_t now = usec_now();

    list_foreach_safe (i, &s->conns) {
        struct http_conn *c = list_entry(i, struct http_conn, link);
        if (c->port != port || !c->wsi)
            continue;
        if (now >= c->deadline)
            conn_expired(c);
        else
            raw_tick(c, now);
    }
}

static uint32_t tick_ms(const struct http_limits *l)
{
    uint32_t least = MIN(MIN(l->head_ms, l->body_ms), MIN(l->idle_ms, l->linger_ms));

    return MAX(MIN(least / 4, TICK_MS_MAX), 10);
}

/* --- public ---------------------------------------------------------------------------------- */

static void on_closed(void *ctx)
{
    struct http_port *port = ctx;

    if (--port->server->open_ports == 0)
        free(port->server);
}

static int port_open(struct http_server *s, struct http_listen_conf *c, struct http_port **ret)
{
    struct http_port *p = s->ports;
    int rc;

    while (p < s->ports + HTTP_PORTS_MAX && p->listen)
        p++;
    if (p == s->ports + HTTP_PORTS_MAX)
        return ERR_LIMIT;
    c->loop = s->loop;
    c->tick_ms = tick_ms(&s->limits);
    c->accepted = on_accepted;
    c->tick = on_tick;
    c->closed = on_closed;
    c->ctx = p;
    rc = http_listen_new(c, &p->listen);
    if (rc < 0)
        return rc;
    p->server = s;
    p->local = !c->addr;
    s->open_ports++;
    *ret = p;
    return OK;
}

int http_server_listen(struct http_server *s, const char *addr, uint16_t port, uint16_t *ret_port)
{
    struct http_listen_conf lc = {.addr = addr, .port = port};
    struct http_port *p;
    int rc = port_open(s, &lc, &p);

    if (rc == OK)
        *ret_port = http_listen_port(p->listen);
    return rc;
}

int http_server_listen_path(struct http_server *s, const char *path, gid_t group)
{
    struct http_listen_conf lc = {.path = path, .group = group};
    struct http_port *p;

    return port_open(s, &lc, &p);
}

int http_server_new(const struct http_conf *c, struct http_server **ret)
{
    struct http_server *s = calloc(1, sizeof(*s));
    struct rng rng;
    uint16_t port;
    int rc;

    if (!s)
        return ERR_NOMEM;
    list_init(&s->conns);
    rng_init_system(&rng);
    s->conn_seq = rng_u64(&rng);
    s->seq = rng_u64(&rng) >> (64 - SEQ_FIRST_BITS);
    s->loop = c->loop;
    s->tls = c->tls;
    s->handler = c->handler;
    s->max_body = c->max_body;
    if (c->limits)
        s->limits = *c->limits;
    else
        http_limits_default(&s->limits);
    s->limits.connections = MIN(s->limits.connections, SLOTS - REFUSE_MAX);
    s->pool.max = MAX(s->limits.body_bytes, s->max_body);
    for (uint32_t i = 0; i < SLOTS; i++)
        s->free_slots[s->free_count++] = (uint16_t)(SLOTS - 1 - i);
    rc = c->addr ? http_server_listen(s, c->addr, c->port, &port) : OK;
    if (rc < 0) {
        int saved = errno;
        free(s);
        errno = saved;
        return rc;
    }
    rc = context_new(s, c->loop);
    if (rc < 0) {
        http_server_free(s);
        return rc;
    }
    *ret = s;
    return OK;
}

int http_server_tls_again(struct http_server *s)
{
    if (!s->tls)
        return OK;
    if (lws_tls_cert_updated(s->context, s->tls->cert, s->tls->key, NULL, 0, NULL, 0) != 0)
        return ERR_INVAL;
    return OK;
}

uint16_t http_server_port(const struct http_server *s)
{
    return http_listen_port(s->ports[0].listen);
}

/* The last of them frees the server, from the loop. */
static void ports_close(struct http_server *s)
{
    for (size_t i = 0; i < HTTP_PORTS_MAX; i++)
        if (s->ports[i].listen)
            http_listen_close(s->ports[i].listen);
}

void http_server_free(struct http_server *s)
{
    if (!s)
        return;
    list_foreach_safe (i, &s->conns) {
        struct http_conn *c = list_entry(i, struct http_conn, link);
        if (c->raw_on)
            raw_gone(c);
        list_del(&c->link);
        http1_fini(&c->in);
        c->server = NULL; /* freed when the library closes it, which it does below */
    }
    if (s->context)
        lws_context_destroy(s->context);
    if (s->open_ports == 0)
        free(s);
    else
        ports_close(s); /* frees s */
}

void http_stats(const struct http_server *s, struct http_stats *ret)
{
    *ret = s->stats;
    ret->body_bytes = s->pool.used;
}
