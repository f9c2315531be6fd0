#include "api/http1.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define HEAD_FIRST 512  /* bytes; grows up to HTTP1_HEAD_MAX */
#define BODY_FIRST 4096 /* bytes */
#define BLANKS_MAX 64   /* bytes of empty lines in front of a request */

static const char text_body[] = "Failed to buffer the request body: length limit exceeded";

void http1_init(struct http1 *p, struct http1_pool *pool)
{
    memset(p, 0, sizeof(*p));
    p->pool = pool;
}

static void body_drop(struct http1 *p)
{
    p->pool->used -= p->store_cap;
    free(p->store);
    p->store = NULL;
    p->store_cap = 0;
    p->body = NULL;
    p->body_len = 0;
}

void http1_fini(struct http1 *p)
{
    if (p->pool)
        body_drop(p);
    free(p->head);
    p->head = NULL;
}

void http1_next(struct http1 *p)
{
    body_drop(p);
    p->state = HTTP1_HEAD;
    p->head_len = p->line_start = 0;
    p->lines = p->small = 0;
    p->body_read = 0;
    p->mode = HTTP1_COLLECT;
}

bool http1_begun(const struct http1 *p)
{
    return p->state != HTTP1_HEAD || p->head_len > 0;
}

static enum http1_event refuse(struct http1 *p, unsigned status, const char *text)
{
    body_drop(p);
    p->state = HTTP1_FAILED;
    p->status = status;
    p->text = text;
    return HTTP1_REFUSED;
}

static enum http1_event whole(struct http1 *p)
{
    if (p->mode == HTTP1_DISCARD) {
        http1_next(p);
        return HTTP1_MORE;
    }
    if (p->store)
        p->body = p->store;
    p->state = HTTP1_DONE;
    return HTTP1_REQUEST;
}

/* --- head ------------------------------------------------------------------------------------ */

static bool head_append(struct http1 *p, const uint8_t *bytes, size_t n)
{
    size_t cap = p->head_cap ? p->head_cap : HEAD_FIRST;

    while (cap < p->head_len + n)
        cap *= 2;
    if (cap != p->head_cap) {
        char *grown = realloc(p->head, cap);
        if (!grown)
            return false;
        p->head = grown;
        p->head_cap = cap;
    }
    memcpy(p->head + p->head_len, bytes, n);
    p->head_len += n;
    return true;
}

static enum http1_event head_done(struct http1 *p)
{
    const char *text = NULL;
    unsigned status = http1_parse_head(p->head, p->head_len, &p->req, &text);

    if (status)
        return refuse(p, status, text);
    p->small = 0;
    p->digits = p->ext = p->saw_cr = false;
    p->left = p->req.length;
    if (!p->req.chunked && p->req.length == 0)
        return whole(p);
    p->state = HTTP1_ASKED;
    return HTTP1_BODY_NEXT;
}

enum http1_event http1_body(struct http1 *p, enum http1_mode mode, uint64_t max)
{
    assert(p->state == HTTP1_ASKED);
    if (p->req.length > max)
        return refuse(p, 413, text_body);
    p->mode = mode;
    p->max_body = max;
    p->state = p->req.chunked ? HTTP1_CHUNK_SIZE : HTTP1_BODY;
    return HTTP1_MORE;
}

/* One line, or the beginning of one. HTTP1_MORE also when the head has become whole. */
static enum http1_event feed_head(struct http1 *p, const uint8_t *in, size_t len, size_t *used)
{
    const uint8_t *end = memchr(in, '\n', len);
    size_t n = end ? (size_t)(end - in) + 1 : len;
    size_t line;

    *used = n;
    if (n > HTTP1_HEAD_MAX - p->head_len) {
        if (p->lines == 0)
            return refuse(p, 414, NULL);
        return refuse(p, 431, NULL);
    }
    if (!head_append(p, in, n))
        return refuse(p, 503, "out of memory");
    if (!end)
        return HTTP1_MORE;
    line = p->head_len - p->line_start;
    if (line > 2 || (line == 2 && p->head[p->line_start] != '\r')) {
        p->line_start = p->head_len;
        p->lines++;
        return HTTP1_MORE;
    }
    if (p->lines > 0)
        return head_done(p);
    p->small += (uint32_t)line;
    p->head_len = p->line_start = 0;
    return p->small > BLANKS_MAX ? refuse(p, 400, NULL) : HTTP1_MORE;
}

/* --- body ------------------------------------------------------------------------------------ */

/* Appends to the body; it stays below max_body. */
static bool body_append(struct http1 *p, const uint8_t *bytes, size_t n)
{
    if (p->store_cap - p->body_len < n) {
        uint64_t room = p->pool->max - MIN(p->pool->used, p->pool->max) + p->store_cap;
        size_t want = p->body_len + n;
        size_t cap = MAX(p->store_cap + p->store_cap / 2, MAX(want, BODY_FIRST));
        uint8_t *grown;

        if (want > room)
            return false;
        cap = MAX((size_t)MIN((uint64_t)cap, MIN(p->max_body, room)), want);
        grown = realloc(p->store, cap);
        if (!grown)
            return false;
        p->pool->used += cap - p->store_cap;
        p->store = grown;
        p->store_cap = cap;
    }
    memcpy(p->store + p->body_len, bytes, n);
    p->body_len += n;
    return true;
}

static enum http1_event feed_data(struct http1 *p, const uint8_t *in, size_t len, size_t *used)
{
    size_t n = len < p->left ? len : (size_t)p->left;
    enum http1_event e = p->mode == HTTP1_STREAM ? HTTP1_PIECE : HTTP1_MORE;

    *used = n;
    p->left -= n;
    p->body_read += n;
    if (p->mode == HTTP1_STREAM || (p->state == HTTP1_BODY && p->body_read == n && p->left == 0)) {
        p->body = in; /* no copy */
        p->body_len = n;
    } else if (p->mode == HTTP1_COLLECT && !body_append(p, in, n)) {
        return refuse(p, 503, "too many request bodies under way");
    }
    if (p->left > 0)
        return e;
    if (p->state == HTTP1_BODY)
        return whole(p);
    p->state = HTTP1_CHUNK_END;
    return e;
}

static enum http1_event chunk_size_done(struct http1 *p)
{
    p->small = 0;
    p->line_len = 0;
    p->saw_cr = false;
    if (p->mode == HTTP1_STREAM)
        p->body_len = 0; /* the piece before was taken */
    p->state = p->left > 0 ? HTTP1_CHUNK_DATA : HTTP1_TRAILER;
    return HTTP1_MORE;
}

/* size [; extension] CR LF; one byte. */
static enum http1_event feed_size(struct http1 *p, uint8_t c)
{
    int digit = hex_digit((char)c);

    if (++p->small > HTTP1_CHUNK_LINE)
        return refuse(p, 400, NULL);
    if (p->saw_cr)
        return c == '\n' && p->digits ? chunk_size_done(p) : refuse(p, 400, NULL);
    if (c == '\r') {
        p->saw_cr = true;
    } else if (p->ext) {
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return refuse(p, 400, NULL);
    } else if (digit >= 0) {
        p->left = p->left * 16 + (uint64_t)digit;
        p->digits = true;
        if (p->left > p->max_body - p->body_read)
            return refuse(p, 413, text_body);
    } else if (p->digits && (c == ';' || c == ' ' || c == '\t')) {
        p->ext = true;
    } else {
        return refuse(p, 400, NULL);
    }
    return HTTP1_MORE;
}

static enum http1_event feed_chunk_end(struct http1 *p, uint8_t c)
{
    if (!p->saw_cr && c == '\r') {
        p->saw_cr = true;
        return HTTP1_MORE;
    }
    if (!p->saw_cr || c != '\n')
        return refuse(p, 400, NULL);
    p->saw_cr = p->digits = p->ext = false;
    p->left = 0;
    p->small = 0;
    p->state = HTTP1_CHUNK_SIZE;
    return HTTP1_MORE;
}

/* Fields behind the last chunk are read over. */
static enum http1_event feed_trailer(struct http1 *p, uint8_t c)
{
    if (++p->small > HTTP1_TRAILERS_MAX)
        return refuse(p, 431, NULL);
    if (p->saw_cr) {
        if (c != '\n')
            return refuse(p, 400, NULL);
        if (p->line_len == 0)
            return whole(p);
        p->saw_cr = false;
        p->line_len = 0;
    } else if (c == '\r') {
        p->saw_cr = true;
    } else if (c == '\n') {
        return refuse(p, 400, NULL);
    } else {
        p->line_len++;
    }
    return HTTP1_MORE;
}

enum http1_event http1_feed(struct http1 *p, const uint8_t *in, size_t len, size_t *ret_used)
{
    enum http1_event e = HTTP1_MORE;
    size_t at = 0, n;

    while (at < len && e == HTTP1_MORE) {
        n = 1;
        switch (p->state) {
        case HTTP1_HEAD:
            e = feed_head(p, in + at, len - at, &n);
            break;
        case HTTP1_BODY:
        case HTTP1_CHUNK_DATA:
            e = feed_data(p, in + at, len - at, &n);
            break;
        case HTTP1_CHUNK_SIZE:
            e = feed_size(p, in[at]);
            break;
        case HTTP1_CHUNK_END:
            e = feed_chunk_end(p, in[at]);
            break;
        case HTTP1_TRAILER:
            e = feed_trailer(p, in[at]);
            break;
        case HTTP1_ASKED:
        case HTTP1_DONE:
        case HTTP1_FAILED:
            *ret_used = at;
            return p->state == HTTP1_FAILED ? HTTP1_REFUSED : HTTP1_MORE;
        }
        at += n;
    }
    *ret_used = at;
    return e;
}
