/* message send and message receive. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/ip6.h"
#include "base/text.h"
#include "clients/answer_stream.h"
#include "clients/call.h"
#include "clients/commands.h"
#include "clients/escape.h"
#include "clients/message_answer.h"
#include "clients/message_bus.h"
#include "clients/payload_file.h"

#define TOPIC_MAX_BYTES 255
/* What "for ever" means to the API: a year. */
#define WAIT_FOREVER_S 31536000
/* Longer answers are written out while they come: into a file, and as a line of JSON. */
#define STREAM_BYTES  ((size_t)1024 * 1024)
#define KEEP_BYTES    ((size_t)96 * 1024 * 1024)
#define KEY_HEX_CHARS 64

#define SEND_WHAT    "send the message"
#define RECEIVE_WHAT "receive a message"

/* --- send ------------------------------------------------------------------------------------ */

/* "pk" or "ip" for the request, NULL and *ret_status when the destination is none. */
static const char *destination_kind(const char *text, int *ret_status)
{
    uint8_t key[KEY_HEX_CHARS / 2];
    struct ip6 ip;
    *ret_status = 1;
    if (strlen(text) == KEY_HEX_CHARS) {
        if (hex_decode(text, KEY_HEX_CHARS, key, sizeof(key)) == OK)
            return "pk";
        command_fail("cannot " SEND_WHAT ": the destination is no hex encoded public key");
    } else if (ip6_parse(text, &ip) != OK) {
        command_fail("cannot " SEND_WHAT
                     ": the destination is neither a public key nor an IPv6 address");
    } else if (!ip6_in_overlay(&ip)) {
        command_fail("cannot " SEND_WHAT ": the destination is not a part of 400::/7");
    } else {
        return "ip";
    }
    return NULL;
}

/* NULL when out of memory. */
static char *send_body(const char *kind, const struct send_args *a, const char *payload,
                       size_t payload_len, size_t *ret_len)
{
    char *body = NULL;
    FILE *f = open_memstream(&body, ret_len);
    if (!f)
        return NULL;
    fprintf(f, "{\"dst\":{\"%s\":\"%s\"}", kind, a->destination);
    if (a->topic) {
        fputs(",\"topic\":\"", f);
        base64_write(f, a->topic, strlen(a->topic));
        fputc('"', f);
    }
    fputs(",\"payload\":\"", f);
    base64_write(f, payload, payload_len);
    fputs("\"}", f);
    bool bad = ferror(f);
    if (fclose(f) == 0 && !bad)
        return body;
    free(body);
    return NULL;
}

/* An answer to a sent message: its id, or the reply that was waited for, or nothing. */
static int send_answer(const struct http_reply *r)
{
    struct message m = {0};
    const char *id;
    if (r->status == 204)
        return 0;
    json_t *json = json_loadb(r->body, r->body_len, 0, NULL);
    if (json && json_object_get(json, "payload")) {
        if (message_read(json, &m) != OK)
            return command_fail_shape(SEND_WHAT);
        message_print(stdout, &m, true);
        message_fini(&m);
        return command_flush();
    }
    if (!json || json_unpack(json, "{s:s}", "id", &id) != 0) {
        json_decref(json);
        return command_fail_shape(SEND_WHAT);
    }
    fputs("{\"id\":", stdout);
    json_string_write(stdout, id, strlen(id));
    fputs("}\n", stdout);
    json_decref(json);
    return command_flush();
}

static int send_path(const struct send_args *a, uint64_t wait_s, char *buf, size_t cap)
{
    int used = snprintf(buf, cap, "/messages%s", a->reply_to ? "/reply/" : "");
    if (a->reply_to && !url_escape(a->reply_to, buf + used, cap - (size_t)used))
        return command_fail("cannot " SEND_WHAT ": the id to reply to is too long");
    if (a->wait)
        snprintf(buf + used, cap - (size_t)used, "?reply_timeout=%" PRIu64, wait_s);
    return 0;
}

static int send_check(const struct send_args *a)
{
    if (a->reply_to && a->wait)
        return command_fail("cannot " SEND_WHAT ": only one of --reply-to and --wait is possible");
    if (a->topic && strlen(a->topic) > TOPIC_MAX_BYTES)
        return command_fail("cannot " SEND_WHAT ": the topic is longer than 255 bytes");
    if (!a->msg_path && !a->message)
        return command_fail("cannot " SEND_WHAT ": a message or --msg-path is needed");
    return 0;
}

int command_message_send(const struct api_target *t, const struct send_args *a)
{
    char path[1024], *from_file = NULL, *body = NULL;
    uint64_t wait_s = a->has_timeout ? a->timeout_s : WAIT_FOREVER_S;
    size_t len = a->message ? strlen(a->message) : 0, body_len = 0;
    struct http_reply r = {0};
    int status = send_check(a);
    const char *kind = status == 0 ? destination_kind(a->destination, &status) : NULL;
    if (!kind)
        return status;
    if (message_bus_wanted(a)) {
        status = message_bus_send(t, a, len);
        if (status != MESSAGE_BUS_NONE)
            return status;
    }
    status = send_path(a, wait_s, path, sizeof(path));
    if (status == 0 && a->msg_path)
        status = payload_read(a->msg_path, &from_file, &len);
    if (status != 0)
        return status;
    body = send_body(kind, a, a->msg_path ? from_file : a->message, len, &body_len);
    free(from_file);
    if (!body)
        return command_fail("cannot " SEND_WHAT ": %s", err_str(ERR_NOMEM));
    const struct call_args call = {
        .method = "POST",
        .path = path,
        .body = body,
        .body_len = body_len,
        .wait_s = a->wait ? wait_s : 0,
        .accept = a->wait ? 408 : 0, /* no reply in time: the message is on its way all the same */
        .what = SEND_WHAT,
    };
    status = api_call(t, &call, &r) == OK ? send_answer(&r) : 1;
    http_reply_fini(&r);
    free(body);
    return status;
}

/* --- receive --------------------------------------------------------------------------------- */

static int receive_path(const struct receive_args *a, uint64_t wait_s, char *buf, size_t cap)
{
    char topic[B64_LEN(TOPIC_MAX_BYTES) + 1];
    int used = snprintf(buf, cap, "/messages?timeout=%" PRIu64, wait_s);
    if (!a->topic)
        return 0;
    if (strlen(a->topic) > TOPIC_MAX_BYTES)
        return command_fail("cannot " RECEIVE_WHAT ": the topic is longer than 255 bytes");
    b64_encode(a->topic, strlen(a->topic), topic);
    used += snprintf(buf + used, cap - (size_t)used, "&topic=");
    if (!url_escape(topic, buf + used, cap - (size_t)used))
        return command_fail("cannot " RECEIVE_WHAT ": the topic is too long");
    return 0;
}

/* The message is ours alone from here on: what cannot go where it should is shown instead. */
static int receive_show(const struct receive_args *a, struct payload_sink *sink,
                        const struct message *m)
{
    int status = 0;
    if (a->msg_path)
        status = payload_sink_write(sink, m->payload, m->payload_len, false);
    if (!a->raw || status != 0) {
        message_print(stdout, m, !a->msg_path || status != 0);
    } else if (!a->msg_path) {
        fwrite(m->payload, 1, m->payload_len, stdout);
        fputc('\n', stdout);
    }
    return command_flush() != 0 ? 1 : status;
}

int command_message_receive(const struct api_target *t, const struct receive_args *a)
{
    char path[1400];
    uint64_t wait_s = a->has_timeout ? a->timeout_s : WAIT_FOREVER_S;
    struct payload_sink sink = {.fd = -1};
    struct http_reply r = {0};
    struct message m = {0};
    int status = receive_path(a, wait_s, path, sizeof(path));
    if (status == 0 && a->ack)
        return message_bus_receive(t, a, wait_s);
    if (status == 0 && a->msg_path)
        status = payload_sink_open(&sink, a->msg_path);
    if (status != 0)
        return status;
    struct answer_stream in = {.sink = a->msg_path ? &sink : NULL,
                               .raw = a->raw,
                               .limit = a->msg_path || a->raw ? STREAM_BYTES : KEEP_BYTES};
    const struct http_query more = {.sink = answer_stream_take, .ctx = &in};
    const struct call_args call = {
        .path = path, .wait_s = wait_s, .more = &more, .what = RECEIVE_WHAT};
    status = 1;
    if (api_call(t, &call, &r) != OK) {
        if (in.streaming)
            fputs(
                "The message was taken from the inbox; --ack leaves it there until it is written.\n",
                stderr);
    } else if (r.status == 204) {
        status = a->fail_empty ? EXIT_EMPTY : 0;
    } else if (in.streaming) {
        status = answer_stream_end(&in);
    } else if (message_read(json_loadb(in.buf ? in.buf : "", in.len, 0, NULL), &m) == OK) {
        status = receive_show(a, &sink, &m);
    } else {
        status = command_fail_shape(RECEIVE_WHAT);
    }
    answer_stream_fini(&in);
    message_fini(&m);
    http_reply_fini(&r);
    payload_sink_drop(&sink);
    return status;
}
