/* Requests out of a stream of bytes. How the bytes are cut into reads must not change what is read.
 */
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

static uint64_t run(const uint8_t *data, size_t size, size_t step)
{
    struct http1_pool pool = {.max = 1 << 20};
    uint64_t h = 14695981039346656037u;
    struct http1 p;
    size_t at = 0;

    http1_init(&p, BODY_MAX, &pool);
    while (at < size && p.state != HTTP1_FAILED) {
        size_t used, n = step < size - at ? step : size - at;
        enum http1_event e = http1_feed(&p, data + at, n, &used);
        if (used > n || (e == HTTP1_MORE && used != n))
            abort();
        at += used;
        if (e == HTTP1_REQUEST) {
            h = mix(h, p.req.path, strlen(p.req.path));
            h = mix(h, p.req.query, strlen(p.req.query));
            h = mix(h, p.body, p.body_len);
            if (p.body_len > BODY_MAX)
                abort();
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
    uint64_t whole = run(data, size, size + 1);

    if (run(data, size, 1) != whole || run(data, size, 7) != whole)
        abort();
    return 0;
}
