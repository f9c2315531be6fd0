#include "api/http_raw.h"

#include <assert.h>

#include "api/http_conn.h"

bool http_raw_full(const struct http_server *s)
{
    return s->stats.raw >= s->limits.raw;
}

/* NULL: the id is over. */
static struct http_conn *raw_of(const struct http_server *s, http_id id)
{
    struct http_conn *c = conn_of(s, id);

    return c && c->raw_on ? c : NULL;
}

bool http_raw_begin(struct http_server *s, http_id id, const struct http_response *r,
                    const struct http_raw_handler *h)
{
    struct http_conn *c = conn_of(s, id);
    struct http_response head = *r;

    if (!c)
        return false;
    assert(!c->taking && !c->answering);
    head.body = NULL;
    head.body_len = HTTP_BODY_TO_END;
    if (!conn_send(c, &head, true)) {
        (void)conn_answered(c, false); /* closes it */
        return false;
    }
    c->served = true;
    c->raw = *h;
    c->raw_on = true;
    s->stats.raw++;
    if (c == s->gathering)
        return true;
    if (c->stash_len > 0)
        carrier_want_writable(c);
    conn_arm(c);
    return true;
}

size_t raw_bytes(struct http_conn *c, const uint8_t *in, size_t len)
{
    size_t used = len;

    if (c->raw.bytes)
        used = c->raw.bytes(c->raw.ctx, in, len);
    c->raw_full = c->raw_on && used < len;
    return used;
}

void raw_writable(struct http_conn *c)
{
    if (!c->raw_want || carrier_blocked(c))
        return;
    c->raw_want = false;
    c->raw.writable(c->raw.ctx);
}

void raw_tick(struct http_conn *c, usec_t now)
{
    if (c->raw_on && c->raw.tick)
        c->raw.tick(c->raw.ctx, now);
}

/* It is a connection like others again, with nothing open. */
static void raw_end(struct http_conn *c)
{
    c->raw_on = c->raw_full = c->raw_want = false;
    c->server->stats.raw--;
    conn_shut(c);
}

void raw_gone(struct http_conn *c)
{
    raw_end(c);
    c->raw.closed(c->raw.ctx);
}

bool http_raw_write(struct http_server *s, http_id id, const void *bytes, size_t len)
{
    struct http_conn *c = raw_of(s, id);
    bool ok;

    if (!c)
        return false;
    s->stats.raw_out += len;
    ok = c == s->gathering && len <= OUT_BYTES ? gather(s, bytes, len) : conn_write(c, bytes, len);
    if (!ok)
        conn_kill(c);
    return ok;
}

bool http_raw_cork(struct http_server *s, http_id id)
{
    struct http_conn *c = raw_of(s, id);

    if (!c || s->gathering)
        return false;
    s->gathering = c;
    return true;
}

void http_raw_uncork(struct http_server *s, http_id id)
{
    struct http_conn *c = raw_of(s, id);
    bool ok;

    if (!c || s->gathering != c)
        return;
    ok = gathered_write(s);
    s->gathering = NULL;
    if (!ok)
        conn_kill(c);
}

bool http_raw_blocked(const struct http_server *s, http_id id)
{
    const struct http_conn *c = raw_of(s, id);

    return c && carrier_blocked(c);
}

uint64_t http_raw_taken(const struct http_server *s, http_id id)
{
    const struct http_conn *c = raw_of(s, id);

    return c ? carrier_taken(c) : 0;
}

void http_raw_want(struct http_server *s, http_id id)
{
    struct http_conn *c = raw_of(s, id);

    if (!c)
        return;
    c->raw_want = true;
    carrier_want_writable(c);
}

void http_raw_more(struct http_server *s, http_id id)
{
    struct http_conn *c = raw_of(s, id);

    if (!c || !c->raw_full)
        return;
    c->raw_full = false;
    carrier_want_writable(c);
}

void http_raw_close(struct http_server *s, http_id id, uint32_t wait_ms)
{
    struct http_conn *c = raw_of(s, id);

    if (!c)
        return;
    raw_end(c);
    conn_phase(c, PHASE_LINGER, wait_ms, usec_now());
    if (!conn_linger(c))
        conn_kill(c);
}
