/* Server-sent events: the same events whatever pieces they come in, all of them readable text. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "clients/event_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct seen {
    size_t count;
    uint64_t sum; /* over all their bytes, in order */
};

static void text_add(struct seen *s, const char *text)
{
    for (; *text; text++)
        s->sum = s->sum * 31 + (unsigned char)*text;
    s->sum = s->sum * 31 + 256;
}

static struct seen read_all(const char *text, size_t len, size_t piece)
{
    struct event_text t = {0};
    struct seen s = {0};
    struct event e;
    for (size_t at = 0; at < len; at += piece) {
        if (event_text_feed(&t, text + at, MIN(piece, len - at)) != OK)
            abort(); /* inputs are short */
        while (event_text_next(&t, &e)) {
            s.count++;
            text_add(&s, e.name);
            text_add(&s, e.data);
            text_add(&s, e.id);
        }
    }
    event_text_fini(&t);
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct seen whole = read_all((const char *)data, len, len + 1);
    size_t piece = len > 0 ? (size_t)data[0] % 17 + 1 : 1;
    struct seen parts = read_all((const char *)data, len, piece);
    if (whole.count != parts.count || whole.sum != parts.sum)
        abort();
    return 0;
}
