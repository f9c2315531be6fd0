/* stream.h - one client that follows the bus: subscriptions, taps, status, and requests on the way.
 *
 * A session between a carrier (stream_ws.c, stream_sse.c) and the bus: what the client asks for
 * comes in as JSON objects, what it is told goes out as frames. It knows neither sockets nor how a
 * frame is written. While the carrier is blocked, nothing is taken from the bus for it.
 * Owns: struct stream, until stream_end(). Thread: loop. Limits: below; 1024 streams by
 * http_limits.raw. Protocol: docs/protocol/streams.md, "Frames". */
#pragma once
#include "api/calls.h"
#include "bus/bus_streams.h"

#define STREAM_REQUESTS         64   /* unanswered; then the client is not read */
#define STREAM_SUBS_MAX         64   /* err too-many */
#define STREAM_WATCHED_MAX      1000 /* ids; err too-many */
#define STREAM_NAME_MAX         64   /* bytes of a ref, of the name of a subscription */
#define STREAM_FRAME_MAX        (1u << 20)
#define STREAM_CREDIT           32
#define STREAM_CREDIT_BYTES     (UINT64_C(8) << 20)
#define STREAM_CREDIT_BYTES_MAX (UINT64_C(64) << 20)

struct stream;

/* One frame to the client: `{"op":OP,FIELDS}`, with a payload if its carrier sends those raw. */
struct stream_frame {
    const char *op;
    const struct json_out *fields; /* without braces */
    const struct blob *payload;    /* NULL: none, or in the fields */
    uint64_t id;                   /* of an event: seq or index; 0: none */
};
struct stream_carrier {
    void (*frame)(void *ctx, const struct stream_frame *f);
    bool (*blocked)(const void *ctx);
    /* stream_writable() follows, when it is not blocked any more. */
    void (*want)(void *ctx);
    /* No requests for now; and again. NULL: it has none. */
    void (*hold)(void *ctx, bool on);
    /* The stream was ended from here: closes, and forgets the stream. */
    void (*close)(void *ctx, unsigned code, const char *reason);
    bool raw_payloads;
};

/* q: who asks. NULL: no memory. */
struct stream *stream_new(struct api *a, const struct asked *q, const struct stream_carrier *c,
                          void *ctx);
/* One request of the client, an object, borrowed and changed; payload NULL: none came raw. */
void stream_request(struct stream *s, json_t *o, struct blob *payload);
void stream_welcome(struct stream *s); /* unasked, for carriers with requests */
void stream_writable(struct stream *s);
/* The carrier is at its end; frees s. */
void stream_end(struct stream *s, enum bus_sub_end how);
/* Says bye, ends s and closes its carrier. */
void stream_bye(struct stream *s, unsigned code, const char *why, enum bus_sub_end how);

/* --- for carriers without requests ------------------------------------------------------------ */

/* Goes on under this name: another stream that has it is closed. How many it has on lease. */
uint32_t stream_consumer(struct stream *s, const char *name);
/* A subscription without a name, from the fields of `sub`. ERR_* of the bus, or ERR_INVAL with
 * *fault. */
MUST_CHECK int stream_subscribe(struct stream *s, json_t *o, struct json_fault *fault);
/* Settles what is on lease under its name up to `seq`, in the order in which it was given out. */
void stream_settle(struct stream *s, uint64_t seq);
/* All changes of the outbox above `index`. False: they are not kept any more. */
bool stream_watch(struct stream *s, uint64_t index);
/* All changes from now on; what lives is told first. */
void stream_watch_live(struct stream *s);
const char *streams_epoch(const struct api *a); /* 16 hex digits */

/* --- all of them ------------------------------------------------------------------------------ */

MUST_CHECK int streams_init(struct api *a, struct rng *r);
void streams_fini(struct api *a);
void streams_stop(struct api *a);    /* bye to all */
void streams_recheck(struct api *a); /* .. to those whose token is not what it was */

extern const char *const ws_bus_protocols[]; /* that its WebSocket speaks; ends with NULL */
/* Is it an answer for a stream? Then it was taken. */
bool streams_bus_answer(struct api *a, const struct bus_out *out);
