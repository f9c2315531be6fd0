/* The same bytes in one push and in pieces of any size give the same frames and the same fault. */
#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "router/framer.h"
#include "router/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct result {
    size_t bytes, frames;
    int rc;
};

static void drain(struct framer *f, const uint8_t *stream, struct result *r)
{
    const uint8_t *frame;
    size_t len;
    while ((r->rc = framer_next(f, &frame, &len)) == OK && frame) {
        assert(len >= BABEL_HEADER_BYTES && len <= PKT_MAX);
        assert(memcmp(frame, stream + r->bytes, len) == 0);
        r->bytes += len;
        r->frames++;
    }
}

/* Pieces of 1 + (next byte of sizes) bytes; all at once without sizes. */
static struct result run(const uint8_t *stream, size_t len, const uint8_t *sizes, size_t sizes_len)
{
    struct framer f;
    struct result r = {.rc = OK};
    size_t at = 0, turn = 0;
    framer_init(&f);
    while (at < len && r.rc == OK) {
        size_t n = sizes_len ? 1 + (size_t)sizes[turn++ % sizes_len] : len;
        n = MIN(n, len - at);
        uint8_t *piece = malloc(n);
        if (!piece)
            abort();
        memcpy(piece, stream + at, n);
        framer_push(&f, piece, n);
        drain(&f, stream, &r);
        free(piece);
        at += n;
        assert(f.held_cap <= MAX(2 * at, (size_t)256)); /* grows by what came */
    }
    framer_fini(&f);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 5)
        return 0;
    const uint8_t *stream = data + 4;
    struct result whole = run(stream, size - 4, NULL, 0);
    struct result pieces = run(stream, size - 4, data, 4);
    assert(whole.rc == pieces.rc);
    assert(whole.bytes == pieces.bytes && whole.frames == pieces.frames);
    return 0;
}
