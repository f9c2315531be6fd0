#include <stdlib.h>
#include <string.h>

#include "api/http_conn.h"

bool gathered_write(struct http_server *s)
{
    size_t len = s->out_used;

    s->out_used = 0;
    return len == 0 || carrier_write(s->gathering, s->out + OUT_HEADROOM, len);
}

bool gather(struct http_server *s, const char *text, size_t len)
{
    if (s->out_used + len > OUT_BYTES && !gathered_write(s))
        return false;
    memcpy(s->out + OUT_HEADROOM + s->out_used, text, len);
    s->out_used += len;
    return true;
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

bool conn_write(struct http_conn *c, const void *bytes, size_t len)
{
    struct http_server *s = c->server;
    uint8_t *mem = NULL, *at = s->out + OUT_HEADROOM;
    bool ok;

    if (c == s->gathering && !gathered_write(s))
        return false;
    if (len > OUT_BYTES || s->out_used > 0) {
        mem = malloc(OUT_HEADROOM + len);
        if (!mem)
            return false;
        at = mem + OUT_HEADROOM;
    }
    memcpy(at, bytes, len);
    ok = carrier_write(c, at, len);
    free(mem);
    return ok;
}

bool conn_send(struct http_conn *c, const struct http_response *r, bool close)
{
    struct http_server *s = c->server;
    size_t cap = http1_answer_cap(r);
    size_t body = r->content_type && r->body && !c->head_only ? r->body_len : 0;
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
