/* Requests out of a stream of bytes. How the bytes are cut into reads must not change what is read.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/http1.h"

#define BODY_MAX 5000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What came out, as a number: every request's head and body, and the refusal. */
static uint64_t mix(uint64_t h, const void *bytes, size_t len)
{
    const uint8_t *p = bytes;

    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * 1099511628211u;
    return h;
}

/* What becomes of a body: all of it or, by the length of the path, streamed or read over. */
static enum http1_mode mode_of(const struct http1 *p, bool collect)
{
    if (strlen(p->req.path) % 3 == 2)
        return HTTP1_DISCARD;
    return collect ? HTTP1_COLLECT : HTTP1_STREAM;
}

static uint64_t run(const uint8_t *data, size_t size, size_t step, bool collect)
{
    struct http1_pool pool = {.max = 1 << 20};
    uint64_t h = 14695981039346656037u;
    struct http1 p;
    size_t at = 0, body = 0;

    http1_init(&p, &pool);
    while (at < size && p.state != HTTP1_FAILED) {
        size_t used, n = step < size - at ? step : size - at;
        enum http1_event e = http1_feed(&p, data + at, n, &used);
        if (used > n || (e == HTTP1_MORE && used != n))
            abort();
        at += used;
        if (e == HTTP1_BODY_NEXT && http1_body(&p, mode_of(&p, collect), BODY_MAX) == HTTP1_MORE)
            h = mix(h, "body", 4);
        if (e != HTTP1_PIECE && e != HTTP1_REQUEST)
            continue;
        if (collect ? e == HTTP1_PIECE : pool.used > 0)
            abort();
        h = mix(h, p.body, p.body_len);
        body += p.body_len;
        if (body > BODY_MAX)
            abort();
        if (e == HTTP1_REQUEST) {
            h = mix(h, p.req.path, strlen(p.req.path));
            h = mix(h, p.req.query, strlen(p.req.query));
            body = 0;
            http1_next(&p);
        }
    }
    h = mix(h, &p.status, sizeof(p.status));
    http1_fini(&p);
    if (pool.used != 0)
        abort();
    return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int collect = 0; collect < 2; collect++) {
        uint64_t whole = run(data, size, size + 1, collect);
        if (run(data, size, 1, collect) != whole || run(data, size, 7, collect) != whole)
            abort();
    }
    return 0;
}
