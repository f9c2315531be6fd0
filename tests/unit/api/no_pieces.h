/* For tests with an HTTP server of their own in which no body comes or goes in pieces. */
#pragma once
#include "api/http.h"
#include "tests/unit/unit.h"

void http_more(struct http_server *s, http_id id)
{
    (void)s;
    (void)id;
    fail();
}

bool http_answer_begin(struct http_server *s, http_id id, const struct http_response *r)
{
    (void)s;
    (void)id;
    (void)r;
    fail();
    return false;
}

bool http_answer_piece(struct http_server *s, http_id id, const void *bytes, size_t len)
{
    (void)s;
    (void)id;
    (void)bytes;
    (void)len;
    fail();
    return false;
}

void http_answer_break(struct http_server *s, http_id id)
{
    (void)s;
    (void)id;
    fail();
}
