/* http_client.h - one persistent HTTP/1.1 connection of a test client to a daemon on loopback: a
 * request at a time, an answer with Content-Length, base64 and the fields of flat JSON.
 *
 * A connection that breaks is reported, never repeated: what to do then is the caller's business.
 * Thread: one. Memory: two buffers per client, of the sizes that it was made with. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_client {
    int fd; /* -1: not connected */
    uint16_t port;
    bool asked; /* a request went out, at least in part, whose answer is not there */
    char *out, *in;
    size_t out_len, out_cap, in_len, in_cap;
};

struct http_answer {
    int status;
    const char *body; /* lent until the next call on the client; a 0 follows */
    size_t len;
};

enum http_event {
    HTTP_NOTHING, /* not the whole answer yet */
    HTTP_ANSWER,
    HTTP_BROKEN, /* the connection is gone, and is closed now */
};

/* Exits with 2 without memory. */
void http_init(struct http_client *c, uint16_t port, size_t out_cap, size_t in_cap);
void http_fini(struct http_client *c);

/* Connects and enters the socket in the epoll set with `tag`. False: nobody listens. */
bool http_connect(struct http_client *c, int epoll_fd, void *tag);
void http_close(struct http_client *c);

/* Writes the request into c->out. body_len bytes of the body are to follow with http_append() or
 * http_append_base64(). headers: whole lines, or "". Exits with 2 when it does not fit. */
void http_begin(struct http_client *c, const char *method, const char *path, const char *headers,
                size_t body_len);
void http_append(struct http_client *c, const char *text, size_t len);
void http_append_base64(struct http_client *c, const void *bytes, size_t len);

/* Sends c->out as it stands; may be called again for a repeat. A failure shows when reading. */
void http_send(struct http_client *c);
enum http_event http_read(struct http_client *c, struct http_answer *ret);

size_t base64_len(size_t len);
/* Returns the length; out has room for base64_len(len). */
size_t base64_encode(const void *bytes, size_t len, char *out);
/* The start of a text as bytes, as many as fit into cap and are there whole. SIZE_MAX: not base64.
 */
size_t base64_decode(const char *text, size_t len, uint8_t *ret, size_t cap);

/* A field of a flat JSON object without white space and escapes, as our daemon writes it; *ret_len
 * of a string excludes the quotes. NULL: not there before `end`. */
const char *json_text(const char *from, const char *end, const char *name, size_t *ret_len);
long long json_number(const char *from, const char *end, const char *name, long long otherwise);
