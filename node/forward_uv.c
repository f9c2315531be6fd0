#include "node/forward_uv.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/list.h"
#include "base/log.h"
#include "bus/topic_rules.h"

#define LOG_TARGET "forward"

/* The queue of a listening socket is full: asked again after this, until FORWARD_CONNECT_MS. */
#define RETRY_MS 50
/* What did not work with the bus is tried again after this. */
#define ASK_MS 1000

enum state {
    CONNECTING, /* leaves by: connected, failure, time */
    WAITING,    /* the other side's queue is full;  leaves by: time */
    WRITING,    /* leaves by: written, failure, time */
    READING,    /* leaves by: end of the reply, failure, time */
    REPLYING,   /* leaves by: ACCEPTED */
    SETTLING,   /* leaves by: SETTLED */
    CLOSING,    /* leaves by: the handles are closed */
};

struct connection {
    struct list link;
    struct forwarder *f;
    enum state state;
    uv_pipe_t pipe;
    uv_timer_t timer;
    uv_connect_t connect;
    uv_write_t write;
    uv_shutdown_t shutdown;
    unsigned handles; /* open */
    bool pipe_open, eof, acking;
    bus_client client; /* of the call under way */
    struct topic_forward to;
    struct blob *payload;
    struct bus_token token;
    struct msg_id id;
    struct ip6 src;
    uint64_t connect_until; /* loop time, ms */
    uint8_t *reply;         /* grows as it comes */
    size_t len, cap;
};

struct forwarder {
    uv_loop_t *loop;
    struct bus *bus;
    uv_timer_t again; /* to ask once more */
    bool again_open;
    bool stopping;
    bus_client asking; /* the fetch under way; 0: none */
    bus_client last;   /* number given out */
    struct list connections;
    struct forward_stats stats;
    struct log_budget budget;
};

static const char *const why_text[] = {
#define X(name) [FORWARD_WHY_##name] = #name,
    FORWARD_WHY_LIST(X)
#undef X
};

static bus_client next_client(struct forwarder *f)
{
    return f->last = (f->last + 1) | FORWARD_CLIENT;
}

/* --- end of a connection ------------------------------------------------------------------- */

static void ask(struct forwarder *f);

static void connection_gone(struct connection *c)
{
    struct forwarder *f = c->f;
    list_del(&c->link);
    f->stats.open--;
    blob_unref(c->payload);
    free(c->reply);
    free(c);
    ask(f);
}

static void on_closed(uv_handle_t *h)
{
    struct connection *c = h->data;
    if (--c->handles == 0)
        connection_gone(c);
}

static void close_pipe(struct connection *c)
{
    if (!c->pipe_open)
        return;
    c->pipe_open = false;
    uv_close((uv_handle_t *)&c->pipe, on_closed);
}

static void connection_close(struct connection *c)
{
    if (c->state == CLOSING)
        return;
    c->state = CLOSING;
    close_pipe(c);
    uv_close((uv_handle_t *)&c->timer, on_closed);
}

/* The message is for clients now. */
static void give_back(struct connection *c, enum forward_why why, int uv_rc)
{
    struct forwarder *f = c->f;
    f->stats.returned[why]++;
    log_remote(LOG_LEVEL_WARN, &f->budget, usec_now(),
               "a message was not forwarded: it is in the inbox", "socket=%s why=%s%s%s",
               c->to.path, why_text[why], uv_rc < 0 ? " error=" : "",
               uv_rc < 0 ? uv_strerror(uv_rc) : "");
    close_pipe(c);
    uv_timer_stop(&c->timer);
    c->state = SETTLING;
    c->acking = false;
    c->client = next_client(f);
    /* If it fails: the lease ends by itself. */
    if (bus_settle(f->bus, BUS_NACK, &c->token, 1, 0, c->client, instant_now()) < 0)
        connection_close(c);
}

/* --- the reply ----------------------------------------------------------------------------- */

static void send_reply(struct connection *c)
{
    struct forwarder *f = c->f;
    struct bus_send s = {
        .dst = c->src,
        .reply = true,
        .reply_to = c->id,
        .prio = OUT_PRIO_DEFAULT,
        .payload = blob_copy(c->reply, c->len),
    };
    close_pipe(c);
    uv_timer_stop(&c->timer);
    c->state = REPLYING;
    c->client = next_client(f);
    int rc = s.payload ? bus_send(f->bus, &s, c->client, instant_now()) : ERR_NOMEM;
    blob_unref(s.payload);
    if (rc < 0)
        give_back(c, FORWARD_WHY_refused, 0);
}

static void acknowledge(struct connection *c)
{
    struct forwarder *f = c->f;
    c->state = SETTLING;
    c->acking = true;
    c->client = next_client(f);
    if (bus_settle(f->bus, BUS_ACK, &c->token, 1, 0, c->client, instant_now()) < 0)
        give_back(c, FORWARD_WHY_store, 0);
}

/* --- reading ------------------------------------------------------------------------------- */

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    struct connection *c = h->data;
    (void)suggested;
    *buf = uv_buf_init(NULL, 0); /* the library then reports that there is no memory */
    if (c->len == c->cap) {
        size_t cap = c->cap ? c->cap * 2 : 4096;
        uint8_t *p = realloc(c->reply, cap);
        if (!p)
            return;
        c->reply = p;
        c->cap = cap;
    }
    *buf = uv_buf_init((char *)c->reply + c->len, (unsigned)(c->cap - c->len));
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    struct connection *c = s->data;
    (void)buf;
    if (n > 0) {
        c->len += (size_t)n;
        if (c->len > FORWARD_REPLY_MAX)
            give_back(c, FORWARD_WHY_too_long, 0);
    } else if (n == UV_EOF && c->len > 0) {
        send_reply(c); /* also if it did not want all of the payload */
    } else if (n == UV_EOF) {
        give_back(c, FORWARD_WHY_empty, 0);
    } else if (n < 0) {
        give_back(c, FORWARD_WHY_read, (int)n);
    }
}

static void on_shutdown(uv_shutdown_t *req, int rc)
{
    (void)req; /* what the other side makes of it shows when reading */
    (void)rc;
}

static void on_time(uv_timer_t *t);

static void on_written(uv_write_t *req, int rc)
{
    struct connection *c = req->handle->data;
    if (c->state != WRITING)
        return; /* closed meanwhile */
    if (rc < 0 && c->len == 0) {
        give_back(c, FORWARD_WHY_write, rc);
        return;
    }
    c->state = READING;
    uv_timer_start(&c->timer, on_time, c->to.reply_ms, 0);
    if (rc == 0 && c->to.half_close &&
        uv_shutdown(&c->shutdown, (uv_stream_t *)&c->pipe, on_shutdown) < 0)
        give_back(c, FORWARD_WHY_write, 0);
}

/* --- connecting ---------------------------------------------------------------------------- */

static void connect_now(struct connection *c);

static void on_connected(uv_connect_t *req, int rc)
{
    struct connection *c = req->handle->data;
    if (c->state != CONNECTING)
        return; /* closed meanwhile */
    if (rc == UV_EAGAIN && uv_now(c->f->loop) < c->connect_until) {
        c->state = WAITING;
        close_pipe(c);
        uv_timer_start(&c->timer, on_time, RETRY_MS, 0);
        return;
    }
    if (rc < 0) {
        give_back(c, FORWARD_WHY_connect, rc);
        return;
    }
    uv_buf_t buf = uv_buf_init((char *)c->payload->data, c->payload->len);
    uv_stream_t *s = (uv_stream_t *)&c->pipe;
    c->state = WRITING;
    uv_timer_start(&c->timer, on_time, FORWARD_WRITE_MS, 0);
    rc = uv_read_start(s, on_alloc, on_read); /* at once: it may answer before it has read all */
    if (rc == 0)
        rc = uv_write(&c->write, s, &buf, 1, on_written);
    if (rc < 0)
        give_back(c, FORWARD_WHY_write, rc);
}

static void connect_now(struct connection *c)
{
    uint64_t now = uv_now(c->f->loop);
    int rc = uv_pipe_init(c->f->loop, &c->pipe, 0);
    if (rc < 0) {
        give_back(c, FORWARD_WHY_connect, rc);
        return;
    }
    c->pipe.data = c;
    c->pipe_open = true;
    c->handles++;
    c->state = CONNECTING;
    uv_timer_start(&c->timer, on_time, c->connect_until > now ? c->connect_until - now : 1, 0);
    uv_pipe_connect(&c->connect, &c->pipe, c->to.path, on_connected);
}

static void on_time(uv_timer_t *t)
{
    struct connection *c = t->data;
    switch (c->state) {
    case WAITING:
        if (c->handles > 1)
            uv_timer_start(&c->timer, on_time, RETRY_MS, 0); /* the pipe is not closed yet */
        else
            connect_now(c);
        break;
    case CONNECTING:
        give_back(c, FORWARD_WHY_connect, UV_ETIMEDOUT);
        break;
    case WRITING:
        give_back(c, FORWARD_WHY_write, UV_ETIMEDOUT);
        break;
    case READING:
        give_back(c, FORWARD_WHY_timeout, 0);
        break;
    case REPLYING:
    case SETTLING:
    case CLOSING:
        break; /* the timer is stopped then */
    }
}

static void begin(struct forwarder *f, const struct bus_message *m)
{
    const struct topic_rule *r = topics_find(bus_topics(f->bus), m->topic.b, m->topic.len);
    const struct topic_forward *to = r ? topic_rule_forward(r) : NULL;
    struct connection *c = calloc(1, sizeof(*c));
    f->stats.taken++;
    if (!c || uv_timer_init(f->loop, &c->timer) < 0) {
        free(c);
        /* The lease ends by itself, and then clients have it. */
        f->stats.returned[FORWARD_WHY_connect]++;
        return;
    }
    c->timer.data = c;
    c->f = f;
    c->handles = 1;
    c->token = m->token;
    c->id = m->id;
    c->src = m->src;
    c->payload = blob_ref(m->payload);
    c->connect_until = uv_now(f->loop) + FORWARD_CONNECT_MS;
    if (to)
        c->to = *to;
    list_push_back(&f->connections, &c->link);
    f->stats.open++;
    if (!to)
        give_back(c, FORWARD_WHY_no_socket, 0);
    else if (!c->payload)
        give_back(c, FORWARD_WHY_too_large, 0);
    else
        connect_now(c);
}

/* --- the bus ------------------------------------------------------------------------------- */

static void on_again(uv_timer_t *t)
{
    ask(t->data);
}

/* For the next message, as long as there is room for its connection. */
static void ask(struct forwarder *f)
{
    struct bus_fetch q = {
        .socket = true,
        .max = 1,
        .max_bytes = FORWARD_PAYLOAD_MAX,
        .wait_ms = INT64_MAX / USEC_SEC,
        .lease_ms = BUS_LEASE_MAX_MS, /* longer than all times here together */
    };
    if (f->stopping || f->asking || f->stats.open >= FORWARDS_MAX)
        return;
    f->asking = next_client(f);
    if (bus_fetch(f->bus, &q, f->asking, instant_now()) < 0) {
        f->asking = 0;
        uv_timer_start(&f->again, on_again, ASK_MS, 0);
    }
}

static void fetched(struct forwarder *f, const struct bus_out *out)
{
    f->asking = 0;
    for (size_t i = 0; i < out->n_messages; i++)
        begin(f, &out->messages[i]);
    if (out->rc == OK)
        ask(f);
    else
        uv_timer_start(&f->again, on_again, ASK_MS, 0);
}

static struct connection *by_client(struct forwarder *f, bus_client client)
{
    list_foreach (l, &f->connections) {
        struct connection *c = list_entry(l, struct connection, link);
        if (c->client == client)
            return c;
    }
    return NULL;
}

void forwarder_answer(struct forwarder *f, const struct bus_out *out)
{
    struct connection *c;
    if (f->stopping)
        return;
    if (out->client == f->asking) {
        fetched(f, out);
        return;
    }
    c = by_client(f, out->client);
    if (!c)
        return;
    if (c->state == REPLYING && out->kind == BUS_OUT_ACCEPTED) {
        if (out->rc == OK)
            acknowledge(c);
        else
            give_back(c, FORWARD_WHY_store, 0);
    } else if (c->state == SETTLING && out->kind == BUS_OUT_SETTLED) {
        /* An acknowledgement that failed: clients see the message, though it was answered. */
        if (c->acking && out->rc < 0) {
            give_back(c, FORWARD_WHY_store, 0);
            return;
        }
        f->stats.replied += c->acking;
        connection_close(c);
    }
}

/* --- life ---------------------------------------------------------------------------------- */

int forwarder_new(uv_loop_t *loop, struct bus *bus, struct forwarder **ret)
{
    struct forwarder *f = calloc(1, sizeof(*f));
    if (!f)
        return ERR_NOMEM;
    if (uv_timer_init(loop, &f->again) < 0) {
        free(f);
        return ERR_NOMEM;
    }
    f->again.data = f;
    f->budget = (struct log_budget)LOG_BUDGET_INIT;
    f->again_open = true;
    f->loop = loop;
    f->bus = bus;
    list_init(&f->connections);
    *ret = f;
    return OK;
}

void forwarder_start(struct forwarder *f)
{
    ask(f);
}

static void on_again_closed(uv_handle_t *h)
{
    struct forwarder *f = h->data;
    f->again_open = false;
}

void forwarder_stop(struct forwarder *f)
{
    if (f->stopping)
        return;
    f->stopping = true;
    uv_close((uv_handle_t *)&f->again, on_again_closed);
    list_foreach_safe (l, &f->connections)
        connection_close(list_entry(l, struct connection, link));
}

bool forwarder_idle(const struct forwarder *f)
{
    return list_empty(&f->connections) && !f->again_open;
}

void forwarder_free(struct forwarder *f)
{
    free(f);
}

void forwarder_stats(const struct forwarder *f, struct forward_stats *ret)
{
    *ret = f->stats;
}
