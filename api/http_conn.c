#include "api/http_conn.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "api/client_numbers.h"
#include "api/http1.h"

static_assert(UINT64_C(1) << (SEQ_FIRST_BITS + SLOT_BITS) < RPC_CLIENT,
              "a http_id is nobody else's number, for 2^60 requests");

/* Ends a connection from outside its callbacks: the socket becomes ready, and the callback closes.
 */
void conn_kill(struct http_conn *c)
{
    c->close_soon = true;
    carrier_shutdown(c, SHUT_RDWR);
    carrier_want_writable(c);
}

/* --- life of a connection -------------------------------------------------------------------- */

void conn_phase(struct http_conn *c, enum phase p, uint32_t ms, usec_t now)
{
    c->phase = p;
    c->deadline = now + (usec_t)ms * USEC_MS;
}

/* Says what is waited for now; heads have one deadline, whatever trickles in. */
void conn_arm(struct http_conn *c)
{
    const struct http_limits *l = &c->server->limits;
    usec_t now = usec_now();

    if (c->linger) {
        if (c->phase != PHASE_LINGER)
            conn_phase(c, PHASE_LINGER, l->linger_ms, now);
    } else if (!c->raw_on && (carrier_blocked(c) || (c->answering && !c->asked))) {
        conn_phase(c, PHASE_WRITE, l->body_ms, now);
        c->taken = carrier_taken(c);
    } else if (c->raw_on || (c->open && (!c->taking || c->paused))) {
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

/* Behind the last answer of the connection reads on for a while, because closing with unread bytes
 * would take the answer away from the client again. */
bool conn_linger(struct http_conn *c)
{
    c->linger = true;
    carrier_want_writable(c);
    if (!c->reading_off)
        return true;
    c->reading_off = false;
    return carrier_reading(c, true);
}

/* An answer to what is no request. */
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
    return conn_linger(c) && conn_send(c, &r, true);
}

static void count_refusal(struct http_server *s, unsigned status)
{
    if (status == 413 || status == 503)
        s->stats.refused_body++;
    else
        s->stats.refused_header++;
}

/* --- requests -------------------------------------------------------------------------------- */

/* A request goes to the handler: it is open from here on. */
static struct http_request conn_open(struct http_conn *c)
{
    struct http_server *s = c->server;
    const struct http1_head *h = &c->in.req;

    c->open = ++s->seq << SLOT_BITS | c->slot;
    c->head_only = h->method == HTTP_HEAD;
    c->keep_alive = h->keep_alive;
    c->old = h->old;
    s->stats.open_requests++;
    return (struct http_request){
        .server = s,
        .id = c->open,
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
        .authorization = h->authorization,
        .last_event_id = h->last_event_id,
        .upgrade = h->upgrade,
        .ws_key = h->ws_key,
        .ws_version = h->ws_version,
        .ws_protocol = h->ws_protocol,
        .upgrading = h->upgrading,
        .old = h->old,
        .connection = c->number,
        .forwarded = h->forwarded,
        .loopback = c->loopback,
        .local = c->port->local,
        .tls = c->server->tls && !c->port->local,
        .peer = &c->peer,
        .local_addr = c->local_addr,
        .local_port = c->local_port,
        .length = h->chunked ? HTTP_LENGTH_UNKNOWN : h->length,
    };
}

void conn_shut(struct http_conn *c)
{
    c->open = 0;
    c->taking = c->paused = c->answering = false;
    c->server->stats.open_requests--;
}

/* Takes the request that c->in has put together to the handler. */
static void conn_request(struct http_conn *c)
{
    struct http_server *s = c->server;
    struct http_request r = conn_open(c);

    r.body = c->in.body;
    r.body_len = c->in.body_len;
    s->stats.requests++;
    s->handler.request(s->handler.ctx, &r);
    http1_next(&c->in);
}

/* A body that nobody wants is only read over when that costs little and gains the connection. */
static bool short_rest(const struct http1_head *h)
{
    return h->keep_alive && !h->chunked && !h->expect && h->length <= DISCARD_MAX;
}

static bool conn_go_on(struct http_conn *c)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";

    return gather(c->server, text, sizeof(text) - 1);
}

static bool conn_event(struct http_conn *c, enum http1_event e);

/* A body follows: what is to become of it? */
static bool conn_head(struct http_conn *c)
{
    struct http_server *s = c->server;
    struct http_want want = {HTTP_BODY_WHOLE, s->max_body};
    enum http1_event e = HTTP1_MORE;

    if (s->handler.head) {
        struct http_request r = conn_open(c);
        c->taking = !short_rest(&c->in.req); /* an answer now ends the connection */
        want = s->handler.head(s->handler.ctx, &r);
        assert(want.kind != HTTP_BODY_NONE || c->open == 0);
    }
    switch (want.kind) {
    case HTTP_BODY_NONE:
        s->stats.requests++;
        return c->linger || http1_body(&c->in, HTTP1_DISCARD, UINT64_MAX) == HTTP1_MORE;
    case HTTP_BODY_WHOLE:
        if (c->open)
            conn_shut(c);
        e = http1_body(&c->in, HTTP1_COLLECT, want.max);
        break;
    case HTTP_BODY_PIECES:
        s->stats.requests++;
        c->taking = true;
        e = http1_body(&c->in, HTTP1_STREAM, want.max);
        break;
    }
    if (e != HTTP1_MORE)
        return conn_event(c, e);
    return !c->in.req.expect || conn_go_on(c);
}

static void conn_piece(struct http_conn *c, bool last)
{
    struct http_server *s = c->server;
    http_id id = c->open;
    bool more = true;

    s->stats.pieces_in += c->in.body_len;
    if (c->in.body_len > 0)
        more = s->handler.piece(s->handler.ctx, id, c->in.body, c->in.body_len);
    if (c->open != id)
        return; /* it has answered */
    c->paused = !more && !last;
    if (!last)
        return;
    c->taking = false;
    http1_next(&c->in);
    s->handler.end(s->handler.ctx, id);
}

/* The request that is open will not go on; the client is told why. */
static void conn_give_up(struct http_conn *c)
{
    struct http_server *s = c->server;
    http_id id = c->open;

    if (!id)
        return;
    if (c->raw_on) {
        raw_gone(c);
        return;
    }
    conn_shut(c);
    s->handler.gone(s->handler.ctx, id);
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
    if (c->raw_on && !c->raw_full) /* read on when what is written has left */
        carrier_want_writable(c);
    if (c->stash_len > STASH_MAX && !c->reading_off) {
        c->reading_off = true;
        return carrier_reading(c, false);
    }
    return true;
}

static bool conn_event(struct http_conn *c, enum http1_event e)
{
    switch (e) {
    case HTTP1_MORE:
        return true;
    case HTTP1_BODY_NEXT:
        return conn_head(c);
    case HTTP1_PIECE:
        conn_piece(c, false);
        return true;
    case HTTP1_REQUEST:
        if (c->taking)
            conn_piece(c, true);
        else
            conn_request(c);
        return true;
    case HTTP1_REFUSED:
        conn_give_up(c);
        count_refusal(c->server, c->in.status);
        return conn_refuse(c, c->in.status, c->in.text);
    }
    return false;
}

static bool conn_busy(const struct http_conn *c)
{
    bool open = c->raw_on ? c->raw_full : c->open && !c->taking;

    return open || c->paused || c->close_soon || c->linger || carrier_blocked(c);
}

/* Reads requests out of `in` until one stays with the handler. False: close. */
static bool conn_process(struct http_conn *c, const uint8_t *in, size_t len)
{
    struct http_server *s = c->server;
    bool ok = true;

    s->gathering = c;
    while (ok && len > 0 && !conn_busy(c)) {
        size_t used;
        enum http1_event e = HTTP1_MORE;
        if (c->raw_on)
            used = raw_bytes(c, in, len);
        else
            e = http1_feed(&c->in, in, len, &used);
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
    if (c->answering && !c->asked) {
        c->asked = true;
        c->server->handler.drained(c->server->handler.ctx, c->open);
    }
    if (c->raw_on)
        raw_writable(c);
    if (conn_busy(c)) {
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
    if (ok && c->stash_len > 0 && !conn_busy(c))
        carrier_want_writable(c);
    return ok;
}

void conn_free(struct http_conn *c)
{
    struct http_server *s = c->server;

    if (s) {
        list_del(&c->link);
        s->slots[c->slot] = NULL;
        s->free_slots[s->free_count++] = c->slot;
        s->stats.open_connections--;
        c->port->open--;
        s->stats.broken += c->answering;
        conn_give_up(c);
        http1_fini(&c->in);
    }
    free(c->stash);
    free(c);
}

void conn_expired(struct http_conn *c)
{
    struct http_server *s = c->server;

    if (c->phase == PHASE_WRITE && carrier_taken(c) != c->taken) {
        conn_arm(c); /* slow, but it goes on */
        return;
    }
    s->stats.timeouts += c->phase != PHASE_LINGER;
    if (c->phase == PHASE_BODY)
        conn_give_up(c);
    if ((c->phase == PHASE_HEAD || c->phase == PHASE_BODY) && c->in.mode != HTTP1_DISCARD &&
        conn_refuse(c, 408, "the request did not come in time")) {
        conn_arm(c);
        return;
    }
    c->deadline = USEC_NEVER;
    conn_kill(c);
}

/* --- answers --------------------------------------------------------------------------------- */

struct http_conn *conn_of(const struct http_server *s, http_id id)
{
    struct http_conn *c = s->slots[id & (SLOTS - 1)];

    return c && id && c->open == id ? c : NULL;
}

bool conn_answered(struct http_conn *c, bool ok)
{
    bool rest = c->taking;

    conn_shut(c);
    c->served = true;
    if (ok && rest)
        ok = conn_linger(c);
    c->close_soon = !ok || (!rest && !c->keep_alive);
    if (c == c->server->gathering)
        return ok;
    if (!ok)
        conn_kill(c);
    else if (c->close_soon || c->stash_len > 0 || c->reading_off)
        carrier_want_writable(c);
    conn_arm(c);
    return ok;
}

bool http_answer(struct http_server *s, http_id id, const struct http_response *r)
{
    struct http_conn *c = conn_of(s, id);

    return c && conn_answered(c, conn_send(c, r, c->taking || !c->keep_alive));
}

void http_more(struct http_server *s, http_id id)
{
    struct http_conn *c = conn_of(s, id);

    if (!c || !c->paused)
        return;
    c->paused = false;
    carrier_want_writable(c);
    conn_arm(c);
}

bool http_answer_begin(struct http_server *s, http_id id, const struct http_response *r)
{
    struct http_conn *c = conn_of(s, id);
    struct http_response head = *r;

    if (!c)
        return false;
    head.body = NULL;
    if (c->head_only || r->body_len == 0) {
        (void)http_answer(s, id, &head); /* over in any case */
        return false;
    }
    if (!conn_send(c, &head, c->taking || !c->keep_alive)) {
        http_answer_break(s, id);
        return false;
    }
    c->answering = true;
    c->asked = false;
    c->left = r->body_len;
    carrier_want_writable(c);
    if (c != s->gathering)
        conn_arm(c);
    return true;
}

bool http_answer_piece(struct http_server *s, http_id id, const void *bytes, size_t len)
{
    struct http_conn *c = conn_of(s, id);

    if (!c)
        return false;
    assert(c->answering && c->asked && len > 0 && len <= HTTP_PIECE_MAX && len <= c->left);
    c->left -= len;
    c->asked = false;
    s->stats.pieces_out += len;
    if (!conn_write(c, bytes, len)) {
        http_answer_break(s, id);
        return false;
    }
    if (c->left == 0) {
        (void)conn_answered(c, true); /* over in any case */
        return false;
    }
    carrier_want_writable(c);
    conn_arm(c);
    return true;
}

void http_answer_break(struct http_server *s, http_id id)
{
    struct http_conn *c = conn_of(s, id);

    if (!c)
        return;
    s->stats.broken++;
    (void)conn_answered(c, false); /* closes it */
}
