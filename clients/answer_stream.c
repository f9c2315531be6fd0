#include "clients/answer_stream.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "clients/call.h"

#define WHAT "receive a message"
/* What stands before the payload is shorter: ids, keys, a topic of 255 bytes. */
#define HEAD_MAX 8192

void answer_stream_fini(struct answer_stream *s)
{
    message_fini(&s->m);
    free(s->buf);
    s->buf = NULL;
}

static int keep(struct answer_stream *s, const char *bytes, size_t len)
{
    if (s->len + len + 1 > s->cap) {
        size_t cap = MAX(s->cap * 2, s->len + len + 1);
        char *buf = realloc(s->buf, cap);
        if (!buf)
            return ERR_NOMEM;
        s->buf = buf;
        s->cap = cap;
    }
    memcpy(s->buf + s->len, bytes, len);
    s->len += len;
    s->buf[s->len] = '\0';
    return OK;
}

static int out(struct answer_stream *s, const void *bytes, size_t len)
{
    if (s->sink)
        s->status = payload_sink_add(s->sink, bytes, len);
    else if (fwrite(bytes, 1, len, stdout) != len)
        s->status = command_flush();
    return s->status == 0 ? OK : ERR_STATE;
}

/* Characters of base64. On a line they stay what they are, and are looked at all the same. */
static int payload_part(struct answer_stream *s, const char *text, size_t len)
{
    size_t n = 0;
    struct b64_error why;
    uint8_t *bytes = malloc(len + 3);
    if (!bytes)
        return ERR_NOMEM;
    int rc = b64_in_feed(&s->b64, text, len, bytes, &n, &why);
    if (rc == OK)
        rc = s->sink || s->raw ? out(s, bytes, n) : out(s, text, len);
    free(bytes);
    return rc;
}

static int payload_take(struct answer_stream *s, const char *text, size_t len)
{
    if (s->ended || len == 0)
        return OK; /* keys behind the payload are of no use here */
    const char *quote = memchr(text, '"', len);
    s->ended = quote != NULL;
    return payload_part(s, text, quote ? (size_t)(quote - text) : len);
}

/* The message on a line, up to its payload. */
static int line_begin(struct answer_stream *s)
{
    char *line = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&line, &len);
    if (!f)
        return ERR_NOMEM;
    message_print(f, &s->m, false);
    int rc =
        fclose(f) == 0 && len > 2 ? out(s, line, len - 2) : ERR_NOMEM; /* less `}` and the feed */
    free(line);
    return rc == OK ? out(s, ",\"payload\":\"", 12) : rc;
}

/* The limit is reached: what is kept is split into the message and the beginning of its payload. */
static int begin(struct answer_stream *s)
{
    static const char key[] = "\"payload\":\"", end[] = "\"}";
    size_t key_len = sizeof(key) - 1;
    char head[HEAD_MAX + sizeof(key) + sizeof(end)];
    const char *at = memmem(s->buf, MIN(s->len, (size_t)HEAD_MAX), key, key_len);
    if (!at)
        return ERR_MALFORMED;
    size_t head_len = (size_t)(at - s->buf) + key_len;
    memcpy(head, s->buf, head_len);
    memcpy(head + head_len, end, sizeof(end));
    int rc = message_read(json_loads(head, 0, NULL), &s->m);
    if (rc != OK)
        return rc;
    s->streaming = true;
    if (s->sink)
        s->status = payload_sink_begin(s->sink);
    else if (!s->raw)
        rc = line_begin(s);
    if (rc == OK && s->status == 0)
        rc = payload_take(s, s->buf + head_len, s->len - head_len);
    free(s->buf);
    s->buf = NULL;
    return s->status == 0 ? rc : ERR_STATE;
}

int answer_stream_take(void *ctx, unsigned status, const char *bytes, size_t len)
{
    struct answer_stream *s = ctx;
    (void)status;
    if (s->streaming)
        return payload_take(s, bytes, len);
    int rc = keep(s, bytes, len);
    return rc == OK && s->len > s->limit ? begin(s) : rc;
}

int answer_stream_end(struct answer_stream *s)
{
    static const char close[] = "\",\"encoding\":\"base64\"}\n";
    struct b64_error why;
    uint8_t last[3];
    size_t n = 0;
    if (!s->ended || b64_in_end(&s->b64, last, &n, &why) != OK)
        return command_fail_shape(WHAT);
    if (s->sink || s->raw)
        (void)out(s, last, n);
    else
        (void)out(s, close, sizeof(close) - 1);
    if (s->status == 0 && s->sink)
        s->status = payload_sink_end(s->sink, false);
    if (s->status == 0 && s->sink && !s->raw)
        message_print(stdout, &s->m, false);
    else if (s->status == 0 && s->raw && !s->sink)
        (void)out(s, "\n", 1);
    return command_flush() != 0 ? 1 : s->status;
}
