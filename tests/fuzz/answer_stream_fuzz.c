/* An answer with a message in pieces, beyond its limit: what comes out of its payload is what
 * reading it as a whole gives, or an error. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "clients/answer_stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Into a file in memory; its length, or -1. */
static ssize_t streamed(const char *text, size_t len, size_t piece, char *ret, size_t cap)
{
    struct payload_sink sink = {.path = "memory", .fd = memfd_create("payload", 0)};
    struct answer_stream s = {.sink = &sink, .raw = true, .limit = 1};
    int rc = OK;
    ssize_t n = -1;
    if (sink.fd < 0)
        abort();
    for (size_t at = 0; at < len && rc == OK; at += piece)
        rc = answer_stream_take(&s, 200, text + at, MIN(piece, len - at));
    int fd = dup(sink.fd);
    if (rc == OK && s.streaming && s.ended && answer_stream_end(&s) == 0)
        n = pread(fd, ret, cap, 0);
    close(fd);
    payload_sink_drop(&sink);
    answer_stream_fini(&s);
    return n;
}

/* Only texts, as nodes write a message: what a key inside of another one says is not looked at. */
static bool flat(json_t *o)
{
    const char *key;
    json_t *v;
    json_object_foreach(o, key, v)
    {
        if (!json_is_string(v))
            return false;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static char got[65536];
    struct message m;
    size_t piece =
        len > 0 ? (size_t)data[0] % 13 + len : 1; /* the limit is reached with the head */
    ssize_t n = streamed((const char *)data, len, piece, got, sizeof(got));
    if (n < 0 ||
        message_read(json_loadb((const char *)data, len, JSON_REJECT_DUPLICATES, NULL), &m) != OK)
        return 0;
    bool same = (size_t)n == m.payload_len && memcmp(got, m.payload, (size_t)n) == 0;
    if (flat(m.json) && !same)
        abort();
    message_fini(&m);
    return 0;
}
