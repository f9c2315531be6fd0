/* For tests with an HTTP server of their own in which no connection is taken over. */
#pragma once
#include "api/http_raw.h"
#include "tests/unit/unit.h"

bool http_raw_full(const struct http_server *s)
{
    (void)s;
    return true; /* streams are refused */
}

bool http_raw_begin(struct http_server *s, http_id id, const struct http_response *r,
                    const struct http_raw_handler *h)
{
    (void)s;
    (void)id;
    (void)r;
    (void)h;
    fail();
    return false;
}

bool http_raw_write(struct http_server *s, http_id id, const void *bytes, size_t len)
{
    (void)s;
    (void)id;
    (void)bytes;
    (void)len;
    fail();
    return false;
}

bool http_raw_cork(struct http_server *s, http_id id)
{
    (void)s;
    (void)id;
    fail();
    return false;
}

void http_raw_uncork(struct http_server *s, http_id id)
{
    (void)s;
    (void)id;
    fail();
}

bool http_raw_blocked(const struct http_server *s, http_id id)
{
    (void)s;
    (void)id;
    fail();
    return false;
}

uint64_t http_raw_taken(const struct http_server *s, http_id id)
{
    (void)s;
    (void)id;
    fail();
    return 0;
}

void http_raw_want(struct http_server *s, http_id id)
{
    (void)s;
    (void)id;
    fail();
}

void http_raw_more(struct http_server *s, http_id id)
{
    (void)s;
    (void)id;
    fail();
}

void http_raw_close(struct http_server *s, http_id id, uint32_t wait_ms)
{
    (void)s;
    (void)id;
    (void)wait_ms;
    fail();
}
