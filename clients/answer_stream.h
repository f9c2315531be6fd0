/* answer_stream.h - a node's answer with a message that is too long to be held as a whole.
 *
 * Up to a limit it is kept, and read like any other. Beyond it the payload, which nodes write last,
 * is decoded as it comes, and goes where it should; on a line of JSON it stays base64 then. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"
#include "base/text.h"
#include "clients/message_answer.h"
#include "clients/payload_file.h"

struct answer_stream {
    struct payload_sink *sink; /* NULL: standard output */
    bool raw;                  /* the payload only */
    size_t limit;
    /* zero at first: */
    char *buf; /* zero-terminated; what is kept */
    size_t len, cap;
    bool streaming, ended; /* ended: behind the payload */
    struct b64_in b64;
    struct message m; /* without its payload */
    int status;       /* 0, or what is told already */
};

/* An http_sink; ctx: struct answer_stream. */
MUST_CHECK int answer_stream_take(void *ctx, unsigned status, const char *bytes, size_t len);
/* The answer is complete, and was longer than the limit. 0 or the exit status, told. */
MUST_CHECK int answer_stream_end(struct answer_stream *s);
void answer_stream_fini(struct answer_stream *s);
