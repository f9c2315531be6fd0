/* message subscribe: one line for each message, or one run of a command.
 *
 * A message is acknowledged when its line is written out, or its command has ended with 0. Lines
 * that came together are acknowledged together. A command gets one message at a time, which stays
 * on lease as long as it runs; what fails is offered again, later with each time. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "clients/call.h"
#include "clients/child.h"
#include "clients/commands.h"
#include "clients/escape.h"
#include "clients/event_stream.h"
#include "clients/lease.h"
#include "clients/payload_file.h"
#include "clients/topic_text.h"

#define WHAT                  "subscribe"
#define CREDIT                32
#define INLINE_MAX            ((json_int_t)64 * 1024 * 1024) /* of a payload on a line */
#define NACK_MIN_MS           UINT64_C(1000)
#define NACK_MAX_MS           UINT64_C(60000)
#define STATUS_NOT_EXECUTABLE 126
#define STATUS_NOT_FOUND      127

struct subscription {
    const struct api_target *target;
    const struct subscribe_args *a;
    json_t *tokens; /* of lines that are written and not acknowledged yet */
    uint64_t count;
};

/* --- one message ------------------------------------------------------------------------------ */

static int print_line(struct subscription *s, struct lease *l)
{
    bool whole = !l->large || (l->token && l->len <= INLINE_MAX);
    if (l->large && l->token && !whole) {
        fprintf(stderr, "message %s is larger than 64 MiB: left in the inbox; use --exec\n",
                l->m.id);
        return lease_settle_one(l, LEASE_NACK, NACK_MAX_MS);
    }
    if (l->large && whole && lease_payload_whole(l) != 0)
        return 1;
    message_print(stdout, &l->m, whole);
    if (!l->token)
        return 0;
    if (!s->tokens)
        s->tokens = json_array();
    if (!s->tokens || json_array_append_new(s->tokens, json_string(l->token)) != 0)
        return command_fail("cannot " WHAT ": %s", err_str(ERR_NOMEM));
    return 0;
}

/* A file without a name that holds the payload, at its beginning; -1, told. */
static int payload_fd(struct lease *l)
{
    const char *folder = getenv("TMPDIR"); /* NOLINT(concurrency-mt-unsafe): one thread */
    struct payload_sink s = {.path = folder && folder[0] ? folder : "/tmp"};
    s.fd = open(s.path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (s.fd < 0) {
        char why[96];
        command_fail("cannot " WHAT ": no file in %s: %s", s.path,
                     strerror_r(errno, why, sizeof(why)));
        return -1;
    }
    if (lease_payload(l, payload_sink_take, &s) == 0 && lseek(s.fd, 0, SEEK_SET) == 0)
        return s.fd;
    close(s.fd);
    return -1;
}

struct variables {
    char *v[CHILD_ENV_MAX + 1];
    size_t count;
    bool bad;
};

static void variable(struct variables *vs, const char *name, const char *value)
{
    if (vs->count == CHILD_ENV_MAX || asprintf(&vs->v[vs->count], "%s=%s", name, value) < 0) {
        vs->bad = true;
        vs->v[vs->count] = NULL;
    } else {
        vs->count++;
    }
}

static void variable_number(struct variables *vs, const char *name, json_int_t n)
{
    char text[24];
    snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, n);
    variable(vs, name, text);
}

static void variables_of(const struct lease *l, struct variables *vs)
{
    char topic[TOPIC_TEXT_MAX];
    const char *base64 = json_string_value(json_object_get(l->m.json, "topic"));
    variable(vs, "MYCELIUM_ID", l->m.id);
    variable(vs, "MYCELIUM_SRC_IP", l->m.src_ip);
    variable(vs, "MYCELIUM_SRC_PK", l->m.src_pk);
    variable(vs, "MYCELIUM_DST_IP", l->m.dst_ip);
    variable(vs, "MYCELIUM_DST_PK", l->m.dst_pk);
    variable(vs, "MYCELIUM_TOPIC", base64 && topic_text(base64, topic) ? topic : "");
    variable_number(vs, "MYCELIUM_SEQ", l->seq);
    variable_number(vs, "MYCELIUM_LEN", l->len);
    variable_number(vs, "MYCELIUM_REDELIVERED", l->redelivered);
    variable(vs, "MYCELIUM_REPLY", l->reply ? "true" : "false");
}

/* Runs the command with the message: its exit status, or -1, told. */
static int run_with(struct subscription *s, struct lease *l, int input)
{
    struct variables vs = {.count = 0};
    struct child c;
    int status = -1, rc = ERR_NOMEM;
    variables_of(l, &vs);
    if (!vs.bad)
        rc = child_start(&c, s->a->exec, input, vs.v);
    if (rc != OK)
        command_fail("cannot run the command: %s", err_str(rc));
    while (rc == OK && !child_wait(&c, LEASE_RENEW_S * 1000, &status))
        lease_keep(l);
    for (size_t i = 0; i < vs.count; i++)
        free(vs.v[i]);
    return status;
}

static int run_command(struct subscription *s, struct lease *l)
{
    int fd = payload_fd(l);
    int status = fd >= 0 ? run_with(s, l, fd) : -1;
    if (fd >= 0)
        close(fd);
    if (status == 0)
        return lease_settle_one(l, LEASE_ACK, 0);
    uint64_t delay = NACK_MIN_MS << MIN(MAX(l->redelivered, 0), 6);
    int settled = lease_settle_one(l, LEASE_NACK, MIN(delay, NACK_MAX_MS));
    if (status < 0)
        return 1;
    if (status == STATUS_NOT_FOUND || status == STATUS_NOT_EXECUTABLE)
        return command_fail("the command cannot be run (%d); the message stays in the inbox",
                            status);
    fprintf(stderr, "the command ended with %d for message %s\n", status, l->m.id);
    return settled;
}

/* --- events ----------------------------------------------------------------------------------- */

static int on_message(struct subscription *s, const struct event *e)
{
    struct lease l;
    if (lease_read(s->target, json_loads(e->data, 0, NULL), &l) != OK)
        return command_fail_shape(WHAT);
    int status = s->a->exec ? run_command(s, &l) : print_line(s, &l);
    lease_fini(&l);
    if (status != 0)
        return status;
    s->count++;
    return s->a->count > 0 && s->count >= s->a->count ? 0 : EVENT_GO_ON;
}

static int on_event(void *ctx, const struct event *e)
{
    if (strcmp(e->name, "msg") == 0)
        return on_message(ctx, e);
    if (strcmp(e->name, "gap") == 0)
        fprintf(stderr, "messages were left out: %s\n", e->data);
    if (strcmp(e->name, "bye") == 0 && strstr(e->data, "taken-over"))
        return command_fail("another client with this consumer's name has taken over");
    return EVENT_GO_ON;
}

/* What was written leaves before it is acknowledged. */
static int on_pause(void *ctx)
{
    struct subscription *s = ctx;
    if (command_flush() != 0)
        return 1;
    if (json_array_size(s->tokens) == 0)
        return EVENT_GO_ON;
    int status = lease_settle(s->target, LEASE_ACK, s->tokens, 0);
    json_array_clear(s->tokens);
    return status == 0 ? EVENT_GO_ON : status;
}

/* --- the command -------------------------------------------------------------------------------
 */

int command_message_subscribe(const struct api_target *t, const struct subscribe_args *a)
{
    char path[1800], text[TOPIC_TEXT_MAX];
    struct subscription s = {.target = t, .a = a};
    const char *filter = a->topic ? a->topic : a->prefix;
    if ((a->topic != NULL) + (a->prefix != NULL) + (a->pattern != NULL) > 1)
        return command_fail("cannot " WHAT
                            ": only one of --topic, --prefix and --pattern is possible");
    if (a->tap && a->exec)
        return command_fail("cannot " WHAT ": a tap takes nothing that a command could settle; "
                            "leave out --tap or --exec");
    if (filter && topic_base64(filter, text) != OK)
        return command_fail("cannot " WHAT ": the topic is longer than 255 bytes, or no base64");
    snprintf(path, sizeof(path), "/events?credit=%d", a->exec || a->count > 0 ? 1 : CREDIT);
    const char *prefix = a->prefix ? text : NULL, *topic = a->topic ? text : NULL;
    if (!url_query_add(path, sizeof(path), "topic", topic) ||
        !url_query_add(path, sizeof(path), "prefix", prefix) ||
        !url_query_add(path, sizeof(path), "pattern", a->pattern) ||
        !url_query_add(path, sizeof(path), "consumer", a->consumer) ||
        !url_query_add(path, sizeof(path), "mode", a->tap ? "tap" : NULL))
        return command_fail("cannot " WHAT ": the pattern or the consumer's name is too long");
    const struct event_stream stream = {
        .path = path, .what = WHAT, .take = on_event, .pause = on_pause, .ctx = &s};
    int status = event_stream_run(t, &stream);
    json_decref(s.tokens);
    return status;
}

/* --- outbox watch ------------------------------------------------------------------------------
 */

static int on_change(void *ctx, const struct event *e)
{
    (void)ctx;
    if (strcmp(e->name, "status") == 0)
        puts(e->data);
    return EVENT_GO_ON;
}

static int on_changes(void *ctx)
{
    (void)ctx;
    return command_flush() == 0 ? EVENT_GO_ON : 1;
}

int command_outbox_watch(const struct api_target *t)
{
    const struct event_stream stream = {.path = "/outbox/events",
                                        .what = "watch the outbox",
                                        .resume = true,
                                        .take = on_change,
                                        .pause = on_changes};
    return event_stream_run(t, &stream);
}
