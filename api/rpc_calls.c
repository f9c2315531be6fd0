/* The methods that every node of the network has. */
#include <string.h>

#include "api/about.h"
#include "api/json_admin.h"
#include "api/json_message.h"
#include "api/json_topic.h"
#include "api/proxy_calls.h"
#include "api/query.h"
#include "api/rpc_methods.h"
#include "api/sending.h"
#include "base/err.h"
#include "base/text.h"

#define TOPIC_TOO_LONG (-32015)
#define BAD_REPLY_ID   (-32018)
#define BAD_SUBNET     (-32023)

/* --- the node -------------------------------------------------------------------------------- */

void rpc_get_info(struct rpc_run *r)
{
    answer_json(r->api, &r->asked, 200, r->api->info.p, r->api->info.len);
}

void rpc_get_pubkey(struct rpc_run *r)
{
    json_t *other = json_object_get(r->member.params, "mycelium_ip"); /* as some documents say */
    struct json_out o = {0};
    struct pubkey key;
    const char *text;
    size_t len;
    int rc;

    if (other && !json_object_get(r->member.params, "ip"))
        (void)json_object_set(r->member.params, "ip", other); /* without memory: it is missing */
    text = rpc_arg_text(r, 0, &len);
    if (!text)
        return;
    rc = pubkey_find(r->api, text, &key);
    if (rc == OK) {
        json_hex(&o, key.b, KEY_BYTES);
        answer_out(r->api, &r->asked, 200, &o);
    } else if (rc == ERR_INVAL) {
        answer_text(r->api, &r->asked, 400, PUBKEY_BAD_ADDRESS);
    } else {
        answer_text(r->api, &r->asked, 404, "no route to this address");
    }
}

void rpc_get_peers(struct rpc_run *r)
{
    call_peers(r->api, &r->asked);
}

void rpc_add_peer(struct rpc_run *r)
{
    const char *why = "";
    struct endpoint e;
    size_t len;
    const char *text = rpc_arg_text(r, 0, &len);

    if (!text)
        return;
    if (endpoint_parse(text, &e, &why) < 0)
        answer_text(r->api, &r->asked, 400, why);
    else
        ask_peer_add(r->api, &r->asked, &e);
}

void rpc_delete_peer(struct rpc_run *r)
{
    size_t len;
    const char *text = rpc_arg_text(r, 0, &len);

    if (text)
        ask_peer_delete(r->api, &r->asked, text);
}

void rpc_get_selected(struct rpc_run *r)
{
    call_routes(r->api, &r->asked, CALL_ROUTES_SELECTED);
}

void rpc_get_fallback(struct rpc_run *r)
{
    call_routes(r->api, &r->asked, CALL_ROUTES_FALLBACK);
}

void rpc_get_queried(struct rpc_run *r)
{
    call_routes(r->api, &r->asked, CALL_ROUTES_QUERIED);
}

void rpc_get_packets(struct rpc_run *r)
{
    call_packets(r->api, &r->asked);
}

void rpc_get_proxies(struct rpc_run *r)
{
    call_proxies(r->api, &r->asked);
}

void rpc_connect_proxy(struct rpc_run *r)
{
    struct json_fault f = {0};

    if (proxy_remote_read(rpc_arg(r, 0), &f) < 0)
        rpc_fault(r, &f);
    else
        ask_proxy_connect(r->api, &r->asked);
}

void rpc_proxy_nothing(struct rpc_run *r)
{
    call_proxy_nothing(r->api, &r->asked);
}

/* --- messages -------------------------------------------------------------------------------- */

/* A whole number of seconds. */
static int read_seconds(const struct rpc_run *r, size_t i, const json_t *v, uint64_t *ret,
                        struct json_fault *f)
{
    double d = json_real_value(v);
    bool whole = json_is_integer(v) && json_integer_value(v) >= 0;

    if (whole) {
        *ret = (uint64_t)json_integer_value(v);
        return OK;
    }
    /* A real where all numbers are, because one of them has more than 63 bits. */
    if (r->body.reals && json_is_real(v) && d >= 0 && d < 18446744073709551616.0 &&
        (double)(uint64_t)d >= d) {
        *ret = (uint64_t)d;
        return OK;
    }
    return json_wrong_kind(f, r->method->params[i], v, "a whole number from 0 on");
}

/* The topic of a pop: missing is any, "" none. False, answered. */
static bool read_pop_topic(struct rpc_run *r, const json_t *v, struct take_query *query)
{
    query->has_topic = true;
    if (topic_text_read(json_string_value(v), json_string_length(v), &query->topic) == OK)
        return true;
    answer_text(r->api, &r->asked, 400, "the topic is no base64 of up to 255 bytes");
    return false;
}

void rpc_pop(struct rpc_run *r)
{
    const json_t *peek = rpc_arg(r, 0), *timeout = rpc_arg(r, 1), *topic = rpc_arg(r, 2);
    uint64_t room = rpc_payload_room(r);
    struct take_query query = {0};
    struct json_fault f = {0};
    int rc = OK;

    if (peek && !json_is_boolean(peek))
        rc = json_wrong_kind(&f, "peek", peek, "a boolean");
    else if (timeout)
        rc = read_seconds(r, 1, timeout, &query.timeout_s, &f);
    if (rc == OK && topic && !json_is_string(topic))
        rc = json_wrong_kind(&f, "topic", topic, "a string");
    if (rc < 0) {
        rpc_fault(r, &f);
        return;
    }
    query.peek = json_is_true(peek);
    if (!topic || read_pop_topic(r, topic, &query))
        ask_take(r->api, &r->asked, &query, false, room == UINT64_MAX ? 0 : room);
}

bool rpc_payload_begin(struct rpc_run *r, json_t *message, struct rpc_payload *ret)
{
    const json_t *v = json_object_get(message, "payload");
    struct json_fault fault = r->large.fault;

    *ret = (struct rpc_payload){.message = json_incref(message)};
    if (!r->large.there || !json_is_string(v) || json_string_length(v) != 1 ||
        *json_string_value(v) != '\0')
        return true;
    json_decref(ret->message);
    r->large.there = false;
    if (fault.status) {
        rpc_fault(r, &fault);
        return false;
    }
    ret->large = true;
    ret->message = json_copy(message);
    if (ret->message && json_object_set_new(ret->message, "payload", json_string("")) == 0)
        return true;
    json_decref(ret->message);
    answer_error(r->api, &r->asked, ERR_NOMEM);
    return false;
}

void rpc_payload_give(struct rpc_run *r, const struct rpc_payload *p, struct bus_send *s)
{
    if (!p->large)
        return;
    blob_unref(s->payload);
    s->payload = r->large.payload;
    s->file = r->large.file;
    r->large = (struct rpc_large){0};
}

/* The message of a parameter: topic, destination, payload. False, answered. */
static bool read_message(struct rpc_run *r, size_t i, struct sending *x)
{
    json_t *v = rpc_arg(r, i);
    struct json_fault f = {0};
    struct rpc_payload p;
    struct send_body b;
    int rc;

    if (!v) {
        (void)json_missing(&f, r->method->params[i]);
        rpc_fault(r, &f);
        return false;
    }
    if (!rpc_payload_begin(r, v, &p))
        return false;
    rc = send_json_read(p.message, &b, &f);
    json_decref(p.message);
    if (rc < 0 && f.problem == PROBLEM_BAD_TOPIC) {
        rpc_fail(r, TOPIC_TOO_LONG, "the topic is longer than 255 bytes", NULL);
    } else if (rc < 0) {
        rpc_fault(r, &f);
    } else {
        x->s.dst = b.dst;
        x->s.topic = b.topic;
        x->s.payload = b.payload;
        rpc_payload_give(r, &p, &x->s);
    }
    return rc == OK;
}

void rpc_push(struct rpc_run *r)
{
    struct sending x = {
        .s = {.policy = OUT_AT_LEAST_ONCE, .prio = OUT_PRIO_DEFAULT},
        .kind = PENDING_SEND,
    };
    const json_t *timeout = rpc_arg(r, 1);
    struct json_fault f = {0};
    uint64_t seconds = 0;

    if (timeout) {
        if (read_seconds(r, 1, timeout, &seconds, &f) < 0) {
            rpc_fault(r, &f);
            return;
        }
        x.kind = PENDING_SEND_WAIT;
        x.s.reply_wait_ms = MAX(call_wait_ms(seconds), 1);
    }
    if (read_message(r, 0, &x))
        rpc_hand_over(r, &x);
}

void rpc_hand_over(struct rpc_run *r, struct sending *x)
{
    uint64_t file = x->s.file.number;
    struct api *a = r->api;

    if (!sending_hand_over(a, &r->asked, x) && file != 0)
        drop_file(a, file);
}

static int id_read(const char *text, size_t len, struct msg_id *ret)
{
    if (len != (size_t)2 * MSG_ID_BYTES)
        return ERR_INVAL;
    return hex_decode(text, len, ret->b, MSG_ID_BYTES);
}

void rpc_push_reply(struct rpc_run *r)
{
    struct sending x = {
        .s = {.policy = OUT_AT_LEAST_ONCE, .prio = OUT_PRIO_DEFAULT, .reply = true},
        .kind = PENDING_REPLY,
    };
    size_t len;
    const char *id = rpc_arg_text(r, 0, &len);

    if (!id)
        return;
    if (id_read(id, len, &x.s.reply_to) < 0)
        rpc_fail(r, BAD_REPLY_ID, "an id has 16 hex digits", NULL);
    else if (read_message(r, 1, &x))
        rpc_hand_over(r, &x);
}

void rpc_get_status(struct rpc_run *r)
{
    struct msg_id id;
    size_t len;
    const char *text = rpc_arg_text(r, 0, &len);

    if (!text)
        return;
    if (id_read(text, len, &id) < 0)
        answer_text(r->api, &r->asked, 400, "an id has 16 hex digits");
    else
        ask_status(r->api, &r->asked, &id);
}

/* --- topics ---------------------------------------------------------------------------------- */

void rpc_get_default_action(struct rpc_run *r)
{
    const char *text = topics_accept(bus_topics(r->api->conf.bus)) ? "true" : "false";

    answer_json(r->api, &r->asked, 200, text, strlen(text));
}

void rpc_set_default_action(struct rpc_run *r)
{
    struct topic_change c = {.kind = TOPIC_DEFAULT};
    const json_t *v = rpc_arg(r, 0);
    struct json_fault f = {0};

    if (!v)
        (void)json_missing(&f, "accept");
    else if (!json_is_boolean(v))
        (void)json_wrong_kind(&f, "accept", v, "a boolean");
    if (f.status) {
        rpc_fault(r, &f);
        return;
    }
    c.accept = json_is_true(v);
    ask_topic_change(r->api, &r->asked, &c, 204);
}

void rpc_get_topics(struct rpc_run *r)
{
    call_topics(r->api, &r->asked);
}

/* False, answered. */
static bool read_topic(struct rpc_run *r, struct topic *ret)
{
    size_t len;
    const char *text = rpc_arg_text(r, 0, &len);

    if (!text)
        return false;
    if (topic_text_read(text, len, ret) == OK)
        return true;
    answer_text(r->api, &r->asked, 400, "the topic is no base64 of up to 255 bytes");
    return false;
}

static void change_topic(struct rpc_run *r, enum topic_change_kind kind)
{
    struct topic_change c = {.kind = kind};

    if (read_topic(r, &c.topic))
        ask_topic_change(r->api, &r->asked, &c, 204);
}

void rpc_add_topic(struct rpc_run *r)
{
    change_topic(r, TOPIC_ADD);
}

void rpc_remove_topic(struct rpc_run *r)
{
    change_topic(r, TOPIC_REMOVE);
}

void rpc_get_sources(struct rpc_run *r)
{
    struct topic t;

    if (read_topic(r, &t))
        ask_topic_sources(r->api, &r->asked, &t);
}

static void change_source(struct rpc_run *r, enum topic_change_kind kind)
{
    struct topic_change c = {.kind = kind};
    const char *text;
    size_t len;

    if (!read_topic(r, &c.topic))
        return;
    text = rpc_arg_text(r, 1, &len);
    if (!text)
        return;
    if (topic_source_parse(text, &c.source) < 0)
        rpc_fail(r, BAD_SUBNET, "neither a subnet nor an address nor a public key", NULL);
    else
        ask_topic_change(r->api, &r->asked, &c, 204);
}

void rpc_add_source(struct rpc_run *r)
{
    change_source(r, TOPIC_ALLOW);
}

void rpc_remove_source(struct rpc_run *r)
{
    change_source(r, TOPIC_DENY);
}

void rpc_get_forward(struct rpc_run *r)
{
    struct topic t;

    if (read_topic(r, &t))
        ask_topic_forward(r->api, &r->asked, &t);
}

void rpc_set_forward(struct rpc_run *r)
{
    struct topic_change c = {.kind = TOPIC_FORWARD, .forward = TOPIC_FORWARD_INIT};
    const char *path;
    size_t len;

    if (!read_topic(r, &c.topic))
        return;
    path = rpc_arg_text(r, 1, &len);
    if (!path)
        return;
    if (topic_forward_path(&c.forward, path, len) < 0)
        rpc_bad_params(r, "socket_path: a path has 1 to 107 bytes");
    else
        ask_topic_change(r->api, &r->asked, &c, 204);
}

void rpc_remove_forward(struct rpc_run *r)
{
    change_topic(r, TOPIC_UNFORWARD);
}

void rpc_discover(struct rpc_run *r)
{
    answer_json(r->api, &r->asked, 200, openrpc_json, openrpc_json_len);
}
