#include "clients/message_bus.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/text.h"
#include "clients/call.h"
#include "clients/escape.h"
#include "clients/follow.h"
#include "clients/lease.h"
#include "clients/payload_file.h"

#define SEND_WHAT    "send the message"
#define RECEIVE_WHAT "receive a message"
#define TOPIC_MAX    255
/* A file above this is read while it is sent. */
#define STREAM_BYTES ((off_t)1024 * 1024)
/* What every node takes as JSON. */
#define PLAIN_BYTES ((uint64_t)64 * 1024 * 1024)
/* Longest that one fetch waits. */
#define FETCH_WAIT_S 600

/* --- send ------------------------------------------------------------------------------------ */

/* What another node could not do. */
static bool asks_for_more(const struct send_args *a)
{
    return a->ttl_ms > 0 || a->priority || a->policy || a->idempotency_key || a->ordered ||
           a->has_until;
}

bool message_bus_wanted(const struct send_args *a)
{
    struct stat st;
    if (asks_for_more(a))
        return true;
    return a->msg_path && stat(a->msg_path, &st) == 0 && S_ISREG(st.st_mode) &&
           st.st_size > STREAM_BYTES && (!a->wait || (uint64_t)st.st_size > PLAIN_BYTES);
}

static int send_path(const struct send_args *a, char *path, size_t cap)
{
    char topic[B64_LEN(TOPIC_MAX) + 1], ttl[24];
    if (a->topic)
        b64_encode(a->topic, strlen(a->topic), topic);
    snprintf(ttl, sizeof(ttl), "%" PRId64, a->ttl_ms);
    snprintf(path, cap, "/messages");
    if (url_query_add(path, cap, "dst", a->destination) &&
        url_query_add(path, cap, "topic", a->topic ? topic : NULL) &&
        url_query_add(path, cap, "replyTo", a->reply_to) &&
        url_query_add(path, cap, "ttlMs", a->ttl_ms > 0 ? ttl : NULL) &&
        url_query_add(path, cap, "priority", a->priority) &&
        url_query_add(path, cap, "policy", a->policy) &&
        url_query_add(path, cap, "ordered", a->ordered ? "true" : NULL))
        return 0;
    return command_fail("cannot " SEND_WHAT ": the id to reply to is too long");
}

/* Prints what the node said of the message, and waits for it as long as was asked for. */
static int sent(const struct api_target *t, const struct send_args *a, const struct http_reply *r)
{
    const char *id, *state;
    json_int_t seq, deadline;
    char ref[32];
    json_t *json = json_loadb(r->body, r->body_len, 0, NULL);
    if (json_unpack(json, "{s:s,s:s,s:I,s:I}", "id", &id, "state", &state, "seq", &seq,
                    "deadlineMs", &deadline) != 0) {
        json_decref(json);
        return command_fail_shape(SEND_WHAT);
    }
    bool more = asks_for_more(a);
    if (more || !a->reply_to) {
        fputs("{\"id\":", stdout);
        json_string_write(stdout, id, strlen(id));
        if (more)
            printf(",\"seq\":%" JSON_INTEGER_FORMAT ",\"deadlineMs\":%" JSON_INTEGER_FORMAT, seq,
                   deadline);
        fputs("}\n", stdout);
    }
    json_decref(json);
    int status = command_flush();
    if (status != 0 || !a->has_until)
        return status;
    snprintf(ref, sizeof(ref), "~%" JSON_INTEGER_FORMAT, seq);
    const struct follow_args f = {
        .ref = ref, .until = a->until, .has_timeout = a->has_timeout, .timeout_s = a->timeout_s};
    return follow_entry(t, &f);
}

/* A node without these calls. */
static int unknown_call(const struct send_args *a, uint64_t length)
{
    if (asks_for_more(a))
        return command_fail("cannot " SEND_WHAT
                            ": the node is of another program and has none of --ttl, --priority, "
                            "--policy, --ordered, --idempotency-key, --until; leave them out");
    if (length > PLAIN_BYTES)
        return command_fail("cannot " SEND_WHAT ": %s is larger than 64 MiB, and the node is of "
                            "another program, which takes no more",
                            a->msg_path);
    return MESSAGE_BUS_NONE;
}

int message_bus_send(const struct api_target *t, const struct send_args *a, size_t len)
{
    char path[1600], *read = NULL;
    struct payload_source file = {.fd = -1};
    struct http_reply r = {0};
    struct http_query more = {
        .type = "application/octet-stream", .body = a->message, .body_len = len};
    if (a->wait)
        return command_fail("cannot " SEND_WHAT
                            ": --wait goes with messages up to 64 MiB and without options of this "
                            "program; use --until, and receive the reply");
    int status = send_path(a, path, sizeof(path));
    if (status == 0 && a->msg_path)
        status = payload_source_open(&file, a->msg_path);
    if (status == 0 && a->msg_path && file.length == 0)
        status = payload_read(a->msg_path, &read, &len);
    if (status != 0)
        goto out;
    if (file.length > 0) {
        more.source = payload_source_next;
        more.length = file.length;
        more.ctx = &file;
    } else if (a->msg_path) {
        more.body = read;
        more.body_len = len;
    }
    if (a->idempotency_key) {
        more.header = "idempotency-key:";
        more.value = a->idempotency_key;
    }
    const struct call_args call = {.method = "POST",
                                   .base = CALL_BUS,
                                   .path = path,
                                   .more = &more,
                                   .accept = 404,
                                   .what = SEND_WHAT};
    if (api_call(t, &call, &r) != OK)
        status = 1;
    else if (r.status == 404)
        status = unknown_call(a, MAX(file.length, (uint64_t)len));
    else
        status = sent(t, a, &r);
out:
    payload_source_close(&file);
    http_reply_fini(&r);
    free(read);
    return status;
}

/* --- receive --------------------------------------------------------------------------------- */

/* One fetch; *ret NULL: nothing came. ERR_*, told. */
static int fetch_once(const struct api_target *t, const struct receive_args *a, uint64_t wait_s,
                      json_t **ret)
{
    char body[600], topic[B64_LEN(TOPIC_MAX) + 1];
    struct http_reply r = {0};
    int used = snprintf(body, sizeof(body), "{\"max\":1,\"waitMs\":%" PRIu64 ",\"leaseMs\":%d",
                        wait_s * 1000, LEASE_MS);
    if (a->topic) {
        b64_encode(a->topic, strlen(a->topic), topic);
        used += snprintf(body + used, sizeof(body) - (size_t)used, ",\"topic\":\"%s\"", topic);
    }
    snprintf(body + used, sizeof(body) - (size_t)used, "}");
    const struct call_args call = {.method = "POST",
                                   .base = CALL_BUS,
                                   .path = "/messages/fetch",
                                   .body = body,
                                   .body_len = strlen(body),
                                   .wait_s = wait_s,
                                   .accept = 404,
                                   .what = RECEIVE_WHAT};
    *ret = NULL;
    int rc = api_call(t, &call, &r);
    if (rc != OK)
        return rc;
    if (r.status == 404) {
        command_fail("cannot " RECEIVE_WHAT ": the node is of another program and gives nothing on "
                     "lease; leave --ack out");
        rc = ERR_UNSUPPORTED;
    } else if (r.status == 200) {
        json_t *all = json_loadb(r.body, r.body_len, 0, NULL);
        *ret = json_incref(json_array_get(json_object_get(all, "messages"), 0));
        json_decref(all);
        if (!*ret) {
            command_fail_shape(RECEIVE_WHAT);
            rc = ERR_MALFORMED;
        }
    }
    http_reply_fini(&r);
    return rc;
}

static int fetch(const struct api_target *t, const struct receive_args *a, uint64_t wait_s,
                 json_t **ret)
{
    usec_t began = usec_now();
    uint64_t left = wait_s;
    while (true) {
        int rc = fetch_once(t, a, MIN(left, (uint64_t)FETCH_WAIT_S), ret);
        uint64_t gone = (uint64_t)MAX((usec_now() - began) / USEC_SEC, 0);
        if (rc != OK || *ret || gone >= wait_s)
            return rc;
        left = wait_s - gone;
    }
}

static int to_stdout(void *ctx, const char *bytes, size_t len)
{
    (void)ctx;
    return fwrite(bytes, 1, len, stdout) == len ? 0 : command_flush();
}

static int show(const struct receive_args *a, struct payload_sink *sink, struct lease *l)
{
    int status = 0;
    if (a->msg_path) {
        status = payload_sink_begin(sink);
        if (status == 0)
            status = lease_payload(l, payload_sink_take, sink);
        if (status == 0)
            status = payload_sink_end(sink, true);
    } else if (a->raw) {
        status = lease_payload(l, to_stdout, NULL);
        if (status == 0)
            fputc('\n', stdout);
    } else if (l->large && (uint64_t)l->len > PLAIN_BYTES) {
        status = command_fail("cannot " RECEIVE_WHAT
                              ": it is larger than 64 MiB and stays in the inbox; use --msg-path");
    } else if (l->large) {
        status = lease_payload_whole(l);
    }
    if (status == 0 && !a->raw)
        message_print(stdout, &l->m, !a->msg_path);
    return command_flush() != 0 ? 1 : status;
}

int message_bus_receive(const struct api_target *t, const struct receive_args *a, uint64_t wait_s)
{
    struct payload_sink sink = {.fd = -1};
    struct lease l = {0};
    json_t *json = NULL;
    int status = a->msg_path ? payload_sink_open(&sink, a->msg_path) : 0;
    if (status != 0)
        return status;
    if (fetch(t, a, wait_s, &json) != OK)
        status = 1;
    else if (!json)
        status = a->fail_empty ? EXIT_EMPTY : 0;
    else if (lease_read(t, json, &l) != OK)
        status = command_fail_shape(RECEIVE_WHAT);
    else {
        status = show(a, &sink, &l);
        int settled = lease_settle_one(&l, status == 0 ? LEASE_ACK : LEASE_NACK, 0);
        status = status != 0 ? status : settled;
    }
    lease_fini(&l);
    payload_sink_drop(&sink);
    return status;
}
