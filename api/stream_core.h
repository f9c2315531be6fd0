/* stream_core.h - inside of a stream: stream.c (life, what the bus says), stream_ops.c (what the
 * client asks) and stream_frames.c (what it is told). Private to these. */
#pragma once
#include "api/client_numbers.h"
#include "api/stream.h"

/* A stream has 256 of the numbers with STREAM_CLIENT, by what they are for. */
#define STREAM_LANE_BITS 8
#define STREAM_LANE_SUBS STREAM_REQUESTS /* from here on: subscriptions and taps */
#define STREAM_LANE_OWN  (STREAM_REQUESTS + STREAM_SUBS_MAX) /* what no request of it asked for */
#define STREAM_LANES     (1u << STREAM_LANE_BITS)

enum stream_op {
    STREAM_NONE, /* the place is free */
    STREAM_ACK,
    STREAM_NACK,
    STREAM_TERM,
    STREAM_RENEW,
    STREAM_SEND,
    STREAM_CANCEL
};

/* A request that waits for the bus. */
struct stream_waits {
    enum stream_op op;
    char *ref;                /* NULL: none; heap */
    struct bus_token *tokens; /* of the settling ones; heap */
    bool watch;               /* SEND: follow what becomes of it */
};

struct stream_sub {
    char name[STREAM_NAME_MAX + 1]; /* "": the only one of a carrier without names */
    bool tap;
};

struct stream {
    struct list link; /* streams.all */
    struct hnode by_number;
    uint64_t number;
    struct api *api;
    const struct stream_carrier *carrier;
    void *ctx;
    struct asked asked;
    char consumer[BUS_CONSUMER_MAX + 1];
    struct stream_waits waits[STREAM_REQUESTS];
    unsigned n_waits;
    struct stream_sub *subs[STREAM_SUBS_MAX];
    unsigned n_subs;
    bool paused;  /* the carrier is blocked: its subscriptions are, too */
    bool holding; /* the carrier reads no requests */
    bool ended;   /* being freed */
    /* Changes of the outbox */
    bool watch_all, watching;
    uint64_t seen; /* index */
    struct msg_id *watched;
    size_t n_watched;
    uint64_t live_before; /* of the list of what lives, while it is being told; 0: it is not */
};

bus_client stream_client(const struct stream *s, unsigned lane);

/* A request of the client, answered. ref NULL: none. */
void stream_ok(struct stream *s, const char *ref, struct json_out *fields); /* ends fields */
void stream_err(struct stream *s, const char *ref, enum problem p, const char *detail);
void stream_say(struct stream *s, const char *op, struct json_out *fields, uint64_t id); /* ends */

/* Writers of fields. */
void fields_ref(struct json_out *o, const char *ref); /* with a comma behind it, or nothing */
void fields_welcome(struct json_out *o, const struct stream *s, uint32_t resumed);
void fields_message(struct json_out *o, const struct stream *s, const char *sub, bool tap,
                    const struct bus_message *m);
void fields_change(struct json_out *o, const struct bus_change *c);
void fields_live(struct json_out *o, const struct bus_status_info *e, uint64_t index);

/* A free lane for a request; NULL: none. */
struct stream_waits *stream_lane(struct stream *s, unsigned *ret_lane);
/* The request in this lane was answered, or never asked. */
void stream_lane_free(struct stream *s, struct stream_waits *w);
/* -1: no subscription of this name. */
int stream_sub_find(const struct stream *s, const char *name);
int stream_sub_open(struct stream *s, const char *name, json_t *o, struct json_fault *fault);
void stream_sub_close(struct stream *s, unsigned at, enum bus_sub_end how);
/* What comes is not blocked: the changes that it has not seen. */
void stream_changes(struct stream *s);
void stream_watch_on(struct stream *s);
/* Is the carrier blocked? Then nothing is taken for it until it is not. */
bool stream_full(struct stream *s);
