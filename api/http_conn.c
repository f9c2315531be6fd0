#include "api/http_conn.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "api/http1.h"

/* --- writing --------------------------------------------------------------------------------- */

/* Ends a connection from outside its callbacks: the socket becomes ready, and the callback closes.
 */
static void conn_kill(struct http_conn *c)
{
    c->close_soon = true;
    carrier_shutdown(c, SHUT_RDWR);
    carrier_want_writable(c);
}

static bool gathered_write(struct http_server *s)
{
    size_t len = s->out_used;

    s->out_used = 0;
    return len == 0 || carrier_write(s->gathering, s->out + OUT_HEADROOM, len);
}

/* Appends to what is gathered; there is room. */
static void gather(struct http_server *s, const char *text, size_t len)
{
    memcpy(s->out + OUT_HEADROOM + s->out_used, text, len);
    s->out_used += len;
}

static const char *date_now(struct http_server *s)
{
    time_t now = time(NULL);

    if (now != s->date_s) {
        http1_date(now, s->date);
        s->date_s = now;
    }
    return s->date;
}

static bool conn_send(struct http_conn *c, const struct http_response *r, bool close)
{
    struct http_server *s = c->server;
    size_t cap = http1_answer_cap(r);
    size_t body = r->content_type && !c->head_only ? r->body_len : 0;
    size_t used = s->out_used;
    uint8_t *mem = NULL, *at = s->out + OUT_HEADROOM + used;
    size_t len;
    bool ok;

    s->stats.answers[r->status / 100 % ARRAY_LEN(s->stats.answers)]++;
    if (cap + body > OUT_BYTES - used) {
        mem = malloc(OUT_HEADROOM + cap + body);
        if (!mem || (c == s->gathering && !gathered_write(s))) {
            free(mem);
            return false;
        }
        at = mem + OUT_HEADROOM;
    }
    len = http1_answer_head((char *)at, cap, r, date_now(s), close, c->old);
    if (body > 0)
        memcpy(at + len, r->body, body);
    len += body;
    if (!mem && c == s->gathering) {
        s->out_used += len;
        return true;
    }
    ok = carrier_write(c, at, len);
    free(mem);
    return ok;
}

/* --- life of a connection -------------------------------------------------------------------- */

static void conn_phase(struct http_conn *c, enum phase p, uint32_t ms, usec_t now)
{
    c->phase = p;
    c->deadline = now + (usec_t)ms * USEC_MS;
}

/* Says what is waited for now; heads have one deadline, whatever trickles in. */
static void conn_arm(struct http_conn *c)
{
    const struct http_limits *l = &c->server->limits;
    usec_t now = usec_now();

    if (c->linger) {
        if (c->phase != PHASE_LINGER)
            conn_phase(c, PHASE_LINGER, l->linger_ms, now);
    } else if (carrier_blocked(c)) {
        conn_phase(c, PHASE_WRITE, l->body_ms, now);
    } else if (c->open) {
        c->phase = PHASE_OPEN;
        c->deadline = USEC_NEVER;
    } else if (!http1_begun(&c->in)) {
        conn_phase(c, PHASE_IDLE, l->idle_ms, now);
    } else if (c->in.state != HTTP1_HEAD) {
        conn_phase(c, PHASE_BODY, l->body_ms, now);
    } else if (c->phase != PHASE_HEAD) {
        conn_phase(c, PHASE_HEAD, l->head_ms, now);
    }
}

/* An answer to what is no request. Reads on for a while behind it, because closing with unread
 * bytes would take the answer away from the client again. */
static bool conn_refuse(struct http_conn *c, unsigned status, const char *text)
{
    const struct http_header retry = {"retry-after", "1"};
    struct http_response r = {
        .status = status,
        .content_type = text ? "text/plain; charset=utf-8" : NULL,
        .body = text,
        .body_len = text ? strlen(text) : 0,
        .extra = &retry,
        .extra_count = status == 503 ? 1 : 0,
    };

    c->head_only = c->old = false;
    c->linger = true;
    carrier_want_writable(c);
    return conn_send(c, &r, true);
}

static void count_refusal(struct http_server *s, unsigned status)
{
    if (status == 413 || status == 503)
        s->stats.refused_body++;
    else
        s->stats.refused_header++;
}

/* Takes the request that p->in has put together to the handler. */
static void conn_request(struct http_conn *c)
{
    struct http_server *s = c->server;
    const struct http1_head *h = &c->in.req;
    struct http_request r = {
        .id = ++s->seq << SLOT_BITS | c->slot,
        .method = h->method,
        .path = h->path,
        .query = h->query,
        .content_type = h->content_type,
        .host = h->host,
        .origin = h->origin,
        .referer = h->referer,
        .user_agent = h->user_agent,
        .sec_fetch_site = h->sec_fetch_site,
        .range = h->range,
        .idempotency_key = h->idempotency_key,
        .connection = c->number,
        .forwarded = h->forwarded,
        .loopback = c->loopback,
        .local_addr = c->local_addr,
        .local_port = c->local_port,
        .body = c->in.body,
        .body_len = c->in.body_len,
    };

    c->open = r.id;
    c->head_only = h->method == HTTP_HEAD;
    c->keep_alive = h->keep_alive;
    c->old = h->old;
    s->stats.requests++;
    s->stats.open_requests++;
    s->handler.request(s->handler.ctx, &r);
    http1_next(&c->in);
}

static bool conn_stash(struct http_conn *c, const uint8_t *in, size_t len)
{
    uint8_t *grown;

    if (len == 0)
        return true;
    grown = realloc(c->stash, c->stash_len + len);
    if (!grown)
        return false;
    memcpy(grown + c->stash_len, in, len);
    c->stash = grown;
    c->stash_len += len;
    if (c->stash_len > STASH_MAX && !c->reading_off) {
        c->reading_off = true;
        return carrier_reading(c, false);
    }
    return true;
}

static bool conn_event(struct http_conn *c, enum http1_event e)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

    switch (e) {
    case HTTP1_MORE:
        return true;
    case HTTP1_CONTINUE:
        if (c->server->out_used + sizeof(go_on) > OUT_BYTES && !gathered_write(c->server))
            return false;
        gather(c->server, go_on, sizeof(go_on) - 1);
        return true;
    case HTTP1_REQUEST:
        conn_request(c);
        return true;
    case HTTP1_REFUSED:
        count_refusal(c->server, c->in.status);
        return conn_refuse(c, c->in.status, c->in.text);
    }
    return false;
}

static bool conn_busy(const struct http_conn *c)
{
    return c->open || c->close_soon || c->linger || carrier_blocked(c);
}

/* Reads requests out of `in` until one stays with the handler. False: close. */
static bool conn_process(struct http_conn *c, const uint8_t *in, size_t len)
{
    struct http_server *s = c->server;
    bool ok = true;

    s->gathering = c;
    while (ok && len > 0 && !conn_busy(c)) {
        size_t used;
        enum http1_event e = http1_feed(&c->in, in, len, &used);
        in += used;
        len -= used;
        ok = conn_event(c, e);
    }
    if (!gathered_write(s))
        ok = false;
    s->gathering = NULL;
    if (!ok || (c->close_soon && !carrier_blocked(c)))
        return false;
    if (!c->linger && !conn_stash(c, in, len))
        return false;
    conn_arm(c);
    return true;
}

bool conn_adopted(struct http_conn *c)
{
    bool ok = !c->refused || conn_refuse(c, 503, "too many connections");

    conn_arm(c);
    return ok;
}

bool conn_read(struct http_conn *c, const uint8_t *in, size_t len)
{
    if (c->linger || c->close_soon)
        return true; /* read over */
    if (c->stash_len > 0 || conn_busy(c))
        return conn_stash(c, in, len);
    return conn_process(c, in, len);
}

bool conn_writable(struct http_conn *c)
{
    uint8_t *in = c->stash;
    size_t len = c->stash_len;
    bool ok;

    if (c->close_soon)
        return false;
    if (c->linger) {
        if (!c->shut)
            carrier_shutdown(c, SHUT_WR);
        c->shut = true;
        return true;
    }
    if (len == 0 || c->open) {
        conn_arm(c);
        return true;
    }
    c->stash = NULL;
    c->stash_len = 0;
    ok = conn_process(c, in, len);
    free(in);
    if (ok && c->reading_off && c->stash_len <= STASH_MAX) {
        c->reading_off = false;
        ok = carrier_reading(c, true);
    }
    if (ok && c->stash_len > 0 && !c->open)
        carrier_want_writable(c);
    return ok;
}

void conn_free(struct http_conn *c)
{
    struct http_server *s = c->server;
    http_id open = c->open;

    if (s) {
        list_del(&c->link);
        s->slots[c->slot] = NULL;
        s->free_slots[s->free_count++] = c->slot;
        s->stats.open_connections--;
        c->open = 0;
        if (open)
            s->stats.open_requests--;
        if (open)
            s->handler.gone(s->handler.ctx, open);
        http1_fini(&c->in);
    }
    free(c->stash);
    free(c);
}

void conn_expired(struct http_conn *c)
{
    struct http_server *s = c->server;

    s->stats.timeouts += c->phase != PHASE_LINGER;
    if ((c->phase == PHASE_HEAD || c->phase == PHASE_BODY) &&
        conn_refuse(c, 408, "the request did not come in time")) {
        conn_arm(c);
        return;
    }
    c->deadline = USEC_NEVER;
    conn_kill(c);
}

bool http_answer(struct http_server *s, http_id id, const struct http_response *r)
{
    struct http_conn *c = s->slots[id & (SLOTS - 1)];
    bool ok;

    if (!c || id == 0 || c->open != id)
        return false;
    c->open = 0;
    c->served = true;
    s->stats.open_requests--;
    ok = conn_send(c, r, !c->keep_alive);
    c->close_soon = !ok || !c->keep_alive;
    if (c == s->gathering)
        return ok;
    if (!ok)
        conn_kill(c);
    else if (c->close_soon || c->stash_len > 0)
        carrier_want_writable(c);
    conn_arm(c);
    return ok;
}
