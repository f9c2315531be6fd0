/* One request, one libwebsockets context, one connection; http_request() drives the loop until the
 * answer is there or the deadline passes.
 *
 * Time: the library's own timeouts cover a whole phase (the upload of a body counts as one), so
 * they are put out of reach and one timer of ours takes their place. It is set again with every
 * piece sent or received: 30 s without progress, and once the request is out, 30 s more than the
 * wait the caller asked the server for.
 *
 * Early answers: a server may refuse a body before it has read all of it. While a body is being
 * sent the library leaves arriving bytes alone, so we look at the socket ourselves, stop sending
 * and let it read the answer. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/http_client.h"

#define ERR_STATE openssl_err_state /* a type in headers that come along, an error code in ours */
#include <libwebsockets.h>
#undef ERR_STATE

#include "base/err.h"

#define REPLY_MAX ((size_t)128 * 1024 * 1024)
/* The library builds the request line in 2048 bytes and cuts it there. */
#define PATH_MAX_BYTES 1900
/* Longest token that is sent. */
#define TOKEN_MAX 256
/* Longest path that a Unix socket has. */
#define SOCKET_MAX 107
/* Behind every wait: a year and more. */
#define LIBRARY_TIMEOUT_S 0x3fffffff
/* Small enough to go into a writable socket whole: what the library has to keep for later would be
 * sent before it looks at an early answer. */
#define SEND_PIECE 8192
#define READ_PIECE 65536
/* How often a request that may be stopped looks whether it is. */
#define STOP_LOOK_MS 100

/* Seconds without progress before a call is given up. */
static unsigned patience_s = 30;

struct call {
    struct lws_context *context;
    struct lws *wsi;
    lws_sorted_usec_list_t deadline, stop_look;
    const struct http_query *q;
    const char *token;     /* NULL: none */
    uint64_t length, sent; /* of the body */
    bool tls;
    bool connected; /* the request head has been asked for */
    bool sending;   /* parts of the body are still ours */
    bool done;      /* rc is final */
    int rc;
    struct http_reply reply;
    size_t reply_cap;
    unsigned char piece[LWS_PRE + READ_PIECE];
};

static void call_finish(struct call *c, int rc)
{
    if (!c->done) {
        c->done = true;
        c->rc = rc;
    }
}

static void on_deadline(lws_sorted_usec_list_t *sul)
{
    struct call *c = container_of(sul, struct call, deadline);
    call_finish(c, ERR_TIMEOUT);
    lws_cancel_service(c->context); /* else the library goes on to sleep until something arrives */
}

static void deadline_set(struct call *c, uint64_t seconds)
{
    if (seconds > LIBRARY_TIMEOUT_S)
        seconds = LIBRARY_TIMEOUT_S;
    lws_sul_schedule(c->context, 0, &c->deadline, on_deadline,
                     (lws_usec_t)seconds * LWS_USEC_PER_SEC);
}

static void on_stop_look(lws_sorted_usec_list_t *sul)
{
    struct call *c = container_of(sul, struct call, stop_look);
    if (*c->q->stop) {
        call_finish(c, ERR_STATE);
        lws_cancel_service(c->context);
    } else {
        lws_sul_schedule(c->context, 0, sul, on_stop_look, STOP_LOOK_MS * LWS_US_PER_MS);
    }
}

static void sending_stop(struct call *c)
{
    c->sending = false;
    lws_client_http_body_pending(c->wsi, 0);
    deadline_set(c, c->q->wait_s + patience_s);
}

/* Over TLS what has arrived may be no answer. */
static bool answer_waits(struct call *c)
{
    if (c->tls)
        return false;
    struct pollfd p = {.fd = lws_get_socket_fd(c->wsi), .events = POLLIN};
    return p.fd >= 0 && poll(&p, 1, 0) > 0 && (p.revents & POLLIN);
}

/* Headers of a request with a body, or nothing to add. */
static int on_request_head(struct call *c, unsigned char **p, size_t room)
{
    char len_text[24], bearer[TOKEN_MAX + 8];
    unsigned char *end = *p + room;
    c->connected = true;
    if (c->token) {
        int len = snprintf(bearer, sizeof(bearer), "Bearer %s", c->token); /* fits: looked at */
        if (lws_add_http_header_by_token(c->wsi, WSI_TOKEN_HTTP_AUTHORIZATION,
                                         (const unsigned char *)bearer, len, p, end))
            return -1;
    }
    if (c->q->header && lws_add_http_header_by_name(c->wsi, (const unsigned char *)c->q->header,
                                                    (const unsigned char *)c->q->value,
                                                    (int)strlen(c->q->value), p, end))
        return -1;
    bool has_body = c->length > 0 || c->q->type;
    if (!has_body || c->length == 0)
        deadline_set(c, c->q->wait_s + patience_s);
    if (!has_body)
        return 0;
    const char *type = c->q->type ? c->q->type : "application/json";
    int n = snprintf(len_text, sizeof(len_text), "%" PRIu64, c->length);
    if (lws_add_http_header_by_token(c->wsi, WSI_TOKEN_HTTP_CONTENT_TYPE,
                                     (const unsigned char *)type, (int)strlen(type), p, end) ||
        lws_add_http_header_by_token(c->wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH,
                                     (const unsigned char *)len_text, n, p, end))
        return -1;
    if (c->length == 0)
        return 0;
    c->sending = true;
    lws_client_http_body_pending(c->wsi, 1);
    lws_callback_on_writable(c->wsi);
    return 0;
}

/* At most *n bytes of the body; *n says how many it were. */
static int piece_take(struct call *c, size_t *n)
{
    if (c->q->source)
        return c->q->source(c->q->ctx, c->piece + LWS_PRE, *n, n);
    memcpy(c->piece + LWS_PRE, c->q->body + c->sent, *n);
    return OK;
}

static int on_writable(struct call *c)
{
    if (!c->sending)
        return 0;
    if (answer_waits(c)) {
        sending_stop(c);
        return 0;
    }
    size_t n = (size_t)MIN(c->length - c->sent, (uint64_t)SEND_PIECE);
    int rc = piece_take(c, &n);
    if (rc != OK) {
        call_finish(c, rc);
        return -1;
    }
    bool last = c->sent + n == c->length;
    c->sent += n;
    /* A short count cannot happen: the library keeps what the socket does not take. An error may
     * mean that the node refused and closed; its answer may be there to be read all the same. */
    if (lws_write(c->wsi, c->piece + LWS_PRE, n, last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) < 0)
        last = true;
    if (last) {
        sending_stop(c);
    } else {
        deadline_set(c, patience_s);
        lws_callback_on_writable(c->wsi);
    }
    return 0;
}

static int on_answer_head(struct call *c)
{
    c->reply.status = lws_http_client_http_response(c->wsi);
    deadline_set(c, patience_s);
    /* These have no body whatever the headers say, and need not announce that. */
    if (c->reply.status == 204 || c->reply.status == 304) {
        call_finish(c, OK);
        return -1; /* closes */
    }
    return 0;
}

/* Keeps one byte more than the body for the closing zero. */
static int reply_grow(struct call *c, size_t more)
{
    size_t need = c->reply.body_len + more + 1, cap = c->reply_cap ? c->reply_cap : 4096;
    if (more > REPLY_MAX || need > REPLY_MAX + 1)
        return ERR_TOOBIG;
    if (need <= c->reply_cap)
        return OK;
    while (cap < need)
        cap *= 2;
    char *body = realloc(c->reply.body, cap);
    if (!body)
        return ERR_NOMEM;
    c->reply.body = body;
    c->reply_cap = cap;
    return OK;
}

static int reply_add(struct call *c, const char *bytes, size_t len)
{
    int rc = reply_grow(c, len);
    if (rc != OK)
        return rc;
    memcpy(c->reply.body + c->reply.body_len, bytes, len);
    c->reply.body_len += len;
    return OK;
}

static int on_answer_bytes(struct call *c, const char *bytes, size_t len)
{
    bool good = c->reply.status == 200 || c->reply.status == 206;
    int rc = good && c->q->sink ? c->q->sink(c->q->ctx, c->reply.status, bytes, len)
                                : reply_add(c, bytes, len);
    if (rc != OK) {
        call_finish(c, rc);
        return -1;
    }
    deadline_set(c, patience_s); /* behind the sink: the time that it takes is its own */
    return 0;
}

static int on_readable(struct call *c)
{
    char *p = (char *)c->piece + LWS_PRE;
    int len = READ_PIECE;
    return lws_http_client_read(c->wsi, &p, &len) < 0 ? -1 : 0;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t len)
{
    struct call *c = lws_context_user(lws_get_context(wsi));
    (void)user;
    if (!c || c->done)
        return 0;
    switch ((int)reason) { /* int: most of the library's events are for others */
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
        c->wsi = wsi;
        return on_request_head(c, in, len);
    case LWS_CALLBACK_CLIENT_HTTP_WRITEABLE:
        return on_writable(c);
    case LWS_CALLBACK_ESTABLISHED_CLIENT_HTTP:
        return on_answer_head(c);
    case LWS_CALLBACK_RECEIVE_CLIENT_HTTP:
        return on_readable(c);
    case LWS_CALLBACK_RECEIVE_CLIENT_HTTP_READ:
        return on_answer_bytes(c, in, len);
    case LWS_CALLBACK_COMPLETED_CLIENT_HTTP:
        call_finish(c, OK);
        return -1; /* one connection, one request */
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
    case LWS_CALLBACK_CLOSED_CLIENT_HTTP:
        call_finish(c, c->connected ? ERR_CLOSED : ERR_IO);
        return 0;
    default:
        return 0;
    }
}

static const struct lws_protocols protocols[] = {
    {.name = "http", .callback = on_event},
    {.name = NULL},
};

static int call_open(struct call *c, const struct api_target *to)
{
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = protocols,
        .user = c,
        .timeout_secs = LIBRARY_TIMEOUT_S,
        .timeout_secs_ah_idle = LIBRARY_TIMEOUT_S,
        .connect_timeout_secs = patience_s,
        .fd_limit_per_thread = 8, /* else tables are sized by the limit on open files */
    };
    if (c->tls) {
        info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
        info.client_ssl_ca_filepath = to->tls_cert;
    }
    lws_set_log_level(0, NULL);
    /* The library would send everything through what these name. */
    unsetenv("http_proxy");  /* NOLINT(concurrency-mt-unsafe): commands have one thread */
    unsetenv("socks_proxy"); /* NOLINT(concurrency-mt-unsafe): as above */
    c->context = lws_create_context(&info);
    return c->context ? OK : ERR_NOMEM;
}

/* What would end the header field, or stand in another one. */
static bool token_is_clean(const char *token)
{
    for (; *token; token++)
        if (*token <= ' ' || *token > '~')
            return false;
    return true;
}

static int call_start(struct call *c, const struct api_target *to)
{
    char host_header[96], unix_path[SOCKET_MAX + 2];
    struct in6_addr ip6;
    const char *host = to->socket ? "localhost" : to->host;
    size_t bare = strcspn(host, "%"); /* a zone is no part of the header */
    if (strlen(c->q->path) > PATH_MAX_BYTES || bare > 64 ||
        (to->socket && strlen(to->socket) > SOCKET_MAX) ||
        (c->token && strlen(c->token) > TOKEN_MAX))
        return ERR_TOOBIG;
    if (c->token && !token_is_clean(c->token))
        return ERR_INVAL;
    if (strcmp(host, "localhost") == 0)
        host = "127.0.0.1"; /* the node's default address, whatever comes first in hosts */
    bool v6 = inet_pton(AF_INET6, host, &ip6) == 1 || host[strcspn(host, "%")] == '%';
    snprintf(host_header, sizeof(host_header), v6 ? "[%.*s]:%u" : "%.*s:%u",
             (int)strcspn(host, "%"), host, to->port);
    /* A plus sign is how the library is told of a Unix socket. */
    snprintf(unix_path, sizeof(unix_path), "+%s", to->socket ? to->socket : "");
    struct lws_client_connect_info info = {
        .context = c->context,
        .address = to->socket ? unix_path : host,
        .port = to->port,
        .path = c->q->path,
        .host = host_header,
        .method = c->q->method ? c->q->method : "GET",
        .protocol = protocols[0].name,
        /* Nodes are asked by their addresses, which certificates seldom name. */
        .ssl_connection = LCCSCF_HTTP_NO_FOLLOW_REDIRECT |
                          (c->tls ? LCCSCF_USE_SSL | LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK : 0),
        .pwsi = &c->wsi,
    };
    deadline_set(c, patience_s);
    if (c->q->stop)
        lws_sul_schedule(c->context, 0, &c->stop_look, on_stop_look, 1);
    if (!lws_client_connect_via_info(&info))
        call_finish(c, ERR_IO);
    return OK;
}

void http_patience_set(unsigned seconds)
{
    patience_s = seconds;
}

int http_exchange(const struct api_target *to, const struct http_query *q, struct http_reply *ret)
{
    struct call *c = calloc(1, sizeof(*c));
    if (!c)
        return ERR_NOMEM;
    c->q = q;
    c->length = q->source ? q->length : q->body_len;
    c->token = to->token;
    c->tls = to->tls_cert && !to->socket;
    int rc = call_open(c, to);
    if (rc == OK)
        rc = call_start(c, to);
    while (rc == OK && !c->done) {
        if (lws_service(c->context, 0) < 0)
            call_finish(c, ERR_IO);
        else if (!c->done && c->sending && answer_waits(c))
            sending_stop(c);
    }
    if (rc == OK)
        rc = c->rc;
    if (rc == OK)
        rc = reply_grow(c, 0);
    if (c->context) {
        c->done = true; /* what the library still tells while it closes is of no interest */
        lws_sul_cancel(&c->deadline);
        lws_sul_cancel(&c->stop_look);
        lws_context_destroy(c->context);
    }
    if (rc == OK) {
        c->reply.body[c->reply.body_len] = '\0';
        *ret = c->reply;
    } else {
        free(c->reply.body);
    }
    free(c);
    return rc;
}

int http_request(const struct api_target *to, const char *method, const char *path,
                 const char *body, size_t body_len, uint64_t wait_s, struct http_reply *ret)
{
    const struct http_query q = {
        .method = method, .path = path, .body = body, .body_len = body_len, .wait_s = wait_s};
    return http_exchange(to, &q, ret);
}

void http_reply_fini(struct http_reply *r)
{
    free(r->body);
    *r = (struct http_reply){0};
}
