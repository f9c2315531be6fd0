/* event_stream.h - a stream of events of a node, taken up again when it breaks off.
 *
 * Between two connections it waits, from a quarter of a second to half a minute; each break is a
 * line on standard error. SIGINT and SIGTERM end it between two events. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "clients/event_text.h"
#include "clients/target.h"

#define EVENT_GO_ON (-1)

/* Returns EVENT_GO_ON, or the exit status. */
typedef int event_take(void *ctx, const struct event *e);
/* After all events that came together; the same. */
typedef int event_pause(void *ctx);

struct event_stream {
    const char *path; /* with the query */
    const char *what; /* for messages: "watch the outbox" */
    bool resume;      /* shows the id of the last event when it connects again */
    event_take *take;
    event_pause *pause; /* NULL: nothing to do then */
    void *ctx;
};
/* The exit status: 0 after a signal, what take said, or 1, told. */
MUST_CHECK int event_stream_run(const struct api_target *t, const struct event_stream *s);
/* Has a signal asked for the end? */
bool event_stream_stopped(void);
