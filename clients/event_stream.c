#include "clients/event_stream.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "clients/call.h"
#include "clients/http_client.h"

#define PAUSE_MIN_MS 250
#define PAUSE_MAX_MS 30000
#define ID_MAX       64

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

bool event_stream_stopped(void)
{
    return stopped != 0;
}

struct reading {
    const struct event_stream *s;
    struct event_text text;
    char last_id[ID_MAX];
    int status; /* EVENT_GO_ON */
    bool any;   /* an event came over the present connection */
};

static int on_bytes(void *ctx, unsigned status, const char *bytes, size_t len)
{
    struct reading *r = ctx;
    struct event e;
    (void)status;
    int rc = event_text_feed(&r->text, bytes, len);
    if (rc != OK)
        return rc;
    while (r->status == EVENT_GO_ON && !stopped && event_text_next(&r->text, &e)) {
        r->any = true;
        if (e.id[0] && strlen(e.id) < sizeof(r->last_id))
            memcpy(r->last_id, e.id, strlen(e.id) + 1);
        r->status = r->s->take(r->s->ctx, &e);
    }
    if (r->s->pause) {
        int paused = r->s->pause(r->s->ctx);
        if (r->status == EVENT_GO_ON || r->status == 0)
            r->status = paused == EVENT_GO_ON ? r->status : paused;
    }
    return r->status == EVENT_GO_ON && !stopped ? OK : ERR_STATE;
}

/* One connection: OK when the node ended it, or ERR_*; a refusal ends all of it. */
static int connection(const struct api_target *t, struct reading *r)
{
    struct http_reply reply = {0};
    struct http_query more = {.sink = on_bytes, .ctx = r, .stop = &stopped};
    event_text_fini(&r->text); /* half an event of the connection before */
    r->any = false;
    if (r->s->resume && r->last_id[0]) {
        more.header = "last-event-id:";
        more.value = r->last_id;
    }
    const struct call_args a = {.base = CALL_BUS, .what = r->s->what};
    char path[2048];
    int rc = ERR_TOOBIG;
    if (snprintf(path, sizeof(path), "/bus/v1%s", r->s->path) < (int)sizeof(path)) {
        more.path = path;
        rc = http_exchange(t, &more, &reply);
    }
    if (rc == OK && reply.status != 200 && reply.status != 503 && reply.status != 429)
        r->status = api_call_refused(&a, &reply);
    http_reply_fini(&reply);
    return rc;
}

/* Something that another connection may get over? */
static bool passes(int rc)
{
    return rc == OK || rc == ERR_IO || rc == ERR_CLOSED || rc == ERR_TIMEOUT;
}

int event_stream_run(const struct api_target *t, const struct event_stream *s)
{
    struct sigaction act = {.sa_handler = on_signal}; /* without SA_RESTART: waiting ends */
    struct reading *r = calloc(1, sizeof(*r));
    int pause_ms = PAUSE_MIN_MS;
    bool ever = false;
    if (!r)
        return command_fail("cannot %s: %s", s->what, err_str(ERR_NOMEM));
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    r->s = s;
    r->status = EVENT_GO_ON;
    while (r->status == EVENT_GO_ON && !stopped) {
        int rc = connection(t, r);
        ever = ever || r->any || rc == ERR_CLOSED || rc == OK;
        if (r->status != EVENT_GO_ON || stopped)
            break;
        if (!ever || !passes(rc)) {
            r->status = api_call_unanswered(t, s->what, rc);
            break;
        }
        if (r->any)
            pause_ms = PAUSE_MIN_MS;
        fprintf(stderr, "connection lost (%s); again in %d.%d s\n",
                rc == OK ? "the node ended it" : err_str(rc), pause_ms / 1000,
                pause_ms % 1000 / 100);
        (void)poll(NULL, 0, pause_ms); /* a signal ends it early */
        pause_ms = MIN(pause_ms * 2, PAUSE_MAX_MS);
    }
    int status = r->status == EVENT_GO_ON ? 0 : r->status;
    event_text_fini(&r->text);
    free(r);
    return status;
}
