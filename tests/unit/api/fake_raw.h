/* A connection that was taken over, without a socket: stands in for http_raw.c where a test or a
 * fuzz target wants every byte and no time. One at a time; included by one file of a program. */
#pragma once
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "api/http_raw.h"

static struct {
    struct http_raw_handler h;
    bool open;    /* begun, and not closed by either side */
    bool full;    /* it took less than all of `in` */
    bool wants;   /* http_raw_want() */
    bool blocked; /* what the test says */
    bool refuse;  /* the next http_raw_begin() finds the client gone */
    uint64_t taken;
    uint32_t closed_ms; /* of http_raw_close() */
    unsigned status;    /* of the head, or of an answer */
    char head[1024];    /* its fields, "name: value\n" each */
    uint8_t *in, *out;  /* not taken yet; written */
    size_t in_len, out_len;
} fake;

static inline void fake_reset(void)
{
    free(fake.in);
    free(fake.out);
    memset(&fake, 0, sizeof(fake));
}

static inline void fake_append(uint8_t **to, size_t *to_len, const void *bytes, size_t len)
{
    if (len == 0)
        return;
    uint8_t *grown = realloc(*to, *to_len + len);
    if (!grown)
        abort();
    memcpy(grown + *to_len, bytes, len);
    *to = grown;
    *to_len += len;
}

static inline void fake_feed(void)
{
    while (fake.open && !fake.full && fake.in_len > 0) {
        size_t used = fake.h.bytes(fake.h.ctx, fake.in, fake.in_len);
        if (used > fake.in_len)
            abort();
        fake.full = fake.open && used < fake.in_len;
        fake.in_len -= used;
        memmove(fake.in, fake.in + used, fake.in_len);
    }
}

/* Bytes of the client. */
static inline void fake_recv(const void *bytes, size_t len)
{
    fake_append(&fake.in, &fake.in_len, bytes, len);
    fake_feed();
}

static inline void fake_gone(void)
{
    if (!fake.open)
        return;
    fake.open = false;
    fake.h.closed(fake.h.ctx);
}

static void fake_head(const struct http_response *r)
{
    fake.status = r->status;
    fake.head[0] = '\0';
    for (size_t i = 0; i < r->extra_count; i++) {
        size_t n = strlen(fake.head);
        (void)snprintf(fake.head + n, sizeof(fake.head) - n, "%s: %s\n", r->extra[i].name,
                       r->extra[i].value);
    }
}

bool http_answer(struct http_server *s, http_id id, const struct http_response *r)
{
    (void)s;
    (void)id;
    fake_head(r);
    return true;
}

bool http_raw_full(const struct http_server *s)
{
    (void)s;
    return false;
}

bool http_raw_begin(struct http_server *s, http_id id, const struct http_response *r,
                    const struct http_raw_handler *h)
{
    (void)s;
    (void)id;
    if (fake.refuse)
        return false;
    fake_head(r);
    fake.h = *h;
    fake.open = true;
    return true;
}

bool http_raw_write(struct http_server *s, http_id id, const void *bytes, size_t len)
{
    (void)s;
    (void)id;
    if (!fake.open)
        abort();
    fake_append(&fake.out, &fake.out_len, bytes, len);
    return true;
}

bool http_raw_cork(struct http_server *s, http_id id)
{
    (void)s;
    (void)id;
    return false;
}

void http_raw_uncork(struct http_server *s, http_id id)
{
    (void)s;
    (void)id;
    abort(); /* never corked */
}

bool http_raw_blocked(const struct http_server *s, http_id id)
{
    (void)s;
    (void)id;
    return fake.blocked;
}

uint64_t http_raw_taken(const struct http_server *s, http_id id)
{
    (void)s;
    (void)id;
    return fake.taken;
}

void http_raw_want(struct http_server *s, http_id id)
{
    (void)s;
    (void)id;
    fake.wants = true;
}

void http_raw_more(struct http_server *s, http_id id)
{
    (void)s;
    (void)id;
    fake.full = false; /* the bytes come from the loop, later: fake_feed() */
}

void http_raw_close(struct http_server *s, http_id id, uint32_t wait_ms)
{
    (void)s;
    (void)id;
    if (!fake.open)
        abort();
    fake.open = false;
    fake.closed_ms = wait_ms;
}
