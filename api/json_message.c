#include "api/json_message.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "api/json_in.h"
#include "api/query.h"
#include "base/err.h"
#include "base/text.h"
#include "router/identity.h"

/* Every character of the longest message may be written as an escape of six. */
static_assert(JSON_BODY_MAX > 6 * (B64_LEN(MSG_LEN_MAX) + B64_LEN(MSG_TOPIC_MAX)) + 4096,
              "the longest message is within the limit");

void send_body_fini(struct send_body *b)
{
    blob_unref(b->payload);
    b->payload = NULL;
}

/* --- reading --------------------------------------------------------------------------------- */

/* What was seen on the way through the body. */
struct body_rd {
    struct json_fault *fault;
    struct send_body body;
    bool has_dst, has_payload;
    bool dst_outside, topic_long, payload_long; /* the right shape, refused all the same */
};

static int read_ip(struct body_rd *b, const json_t *v)
{
    const char *text = json_line(v);
    struct in_addr v4;

    if (text && inet_pton(AF_INET, text, &v4) == 1) {
        b->dst_outside = true;
        return OK;
    }
    if (!text || ip6_parse(text, &b->body.dst) < 0)
        return json_wrong_shape(b->fault, "dst.ip", "invalid IP address syntax");
    b->dst_outside = !ip6_in_overlay(&b->body.dst);
    return OK;
}

static int read_pk(struct body_rd *b, const json_t *v)
{
    struct pubkey key;

    if (json_string_length(v) != (size_t)2 * KEY_BYTES)
        return json_wrong_shape(b->fault, "dst.pk", "Public key is 64 characters long");
    if (hex_decode(json_string_value(v), json_string_length(v), key.b, KEY_BYTES) < 0)
        return json_wrong_shape(b->fault, "dst.pk", "PublicKey is not valid hex");
    b->body.dst = address_of_key(&key);
    return OK;
}

static int unknown_variant(struct body_rd *b, const char *key)
{
    char why[96];

    (void)snprintf(why, sizeof(why), "unknown variant `%s`, expected `ip` or `pk`",
                   strlen(key) > 32 ? "" : key); /* fits; a long one stays unnamed */
    return json_wrong_shape(b->fault, "dst", why);
}

/* {"ip": address} or {"pk": key}, one key only. Values are lent and not changed; the library's
 * iterators want them without const. */
static int read_dst(struct body_rd *b, json_t *v)
{
    void *first = json_object_iter(v); /* in the order of the text */
    const json_t *value = json_object_iter_value(first);
    bool ip;
    int rc;

    if (!json_is_object(v))
        return json_wrong_kind(b->fault, "dst", v, "an object with ip or pk");
    if (!first)
        return json_no_json(b->fault, "dst: expected value");
    ip = strcmp(json_object_iter_key(first), "ip") == 0;
    if (!ip && strcmp(json_object_iter_key(first), "pk") != 0)
        return unknown_variant(b, json_object_iter_key(first));
    if (!json_is_string(value))
        return json_wrong_kind(b->fault, ip ? "dst.ip" : "dst.pk", value, "a string");
    rc = ip ? read_ip(b, value) : read_pk(b, value);
    if (rc == OK && json_object_size(v) > 1)
        return json_no_json(b->fault, "dst: expected value");
    return rc;
}

static int b64_fault(struct body_rd *b, const char *path, const struct b64_error *e)
{
    char why[B64_TEXT_MAX];

    return json_wrong_shape(b->fault, path, b64_error_str(e, why));
}

/* Missing, null and "" are no topic. */
static int read_topic(struct body_rd *b, const json_t *v)
{
    uint8_t bytes[MSG_TOPIC_MAX + 3];
    struct b64_error e;
    size_t len = 0;
    int rc;

    if (json_is_null(v))
        return OK;
    if (!json_is_string(v))
        return json_wrong_kind(b->fault, "topic", v, "a string");
    rc = b64_decode(json_string_value(v), json_string_length(v), bytes, sizeof(bytes), &len, &e);
    if (rc == ERR_INVAL)
        return b64_fault(b, "topic", &e);
    b->topic_long = rc < 0 || len > MSG_TOPIC_MAX;
    if (b->topic_long)
        return OK;
    b->body.topic.len = (uint8_t)len;
    memcpy(b->body.topic.b, bytes, len);
    return OK;
}

static int read_payload(struct body_rd *b, const json_t *v)
{
    size_t text_len = json_string_length(v), len;
    struct b64_error e;
    struct blob *blob;
    int rc;

    if (!json_is_string(v))
        return json_wrong_kind(b->fault, "payload", v, "a string");
    if (text_len > B64_LEN(MSG_LEN_MAX)) {
        b->payload_long = true;
        return OK;
    }
    blob = blob_new(text_len / 4 * 3 + 3);
    if (!blob)
        return json_refuse(b->fault, 503, "out of memory");
    rc = b64_decode(json_string_value(v), text_len, blob->data, blob->len, &len, &e);
    if (rc < 0) {
        blob_unref(blob);
        return b64_fault(b, "payload", &e);
    }
    b->payload_long = len > MSG_LEN_MAX;
    blob->len = (uint32_t)len; /* nobody else knows it yet; the last bytes stay unused */
    b->body.payload = blob;
    return OK;
}

/* The first fault in the order of the text is the one that is told. */
static int read_fields(struct body_rd *b, json_t *body)
{
    const char *key;
    json_t *v;
    int rc = OK;

    if (!json_is_object(body))
        return json_wrong_kind(b->fault, "", body, "an object with dst and payload");
    json_object_foreach(body, key, v)
    {
        if (strcmp(key, "dst") == 0) {
            b->has_dst = true;
            rc = read_dst(b, v);
        } else if (strcmp(key, "topic") == 0) {
            rc = read_topic(b, v);
        } else if (strcmp(key, "payload") == 0) {
            b->has_payload = true;
            rc = read_payload(b, v);
        }
        if (rc < 0)
            return rc;
    }
    if (!b->has_dst)
        return json_missing(b->fault, "dst");
    return b->has_payload ? OK : json_missing(b->fault, "payload");
}

/* The right JSON of the right shape: may it be sent? */
static int check_meaning(struct body_rd *b)
{
    char text[96];

    if (b->dst_outside)
        return json_refuse(b->fault, 400, "dst.ip: not an address of the network (400::/7)");
    if (b->topic_long) {
        b->fault->problem = PROBLEM_BAD_TOPIC;
        return json_refuse(b->fault, 400, "");
    }
    if (!b->payload_long)
        return OK;
    (void)snprintf(text, sizeof(text), "payload: longer than %u bytes", MSG_LEN_MAX); /* fits */
    return json_refuse(b->fault, 413, text);
}

int send_json_read(json_t *v, struct send_body *ret, struct json_fault *fault)
{
    struct body_rd b = {.fault = fault};
    int rc = read_fields(&b, v);

    if (rc == OK)
        rc = check_meaning(&b);
    if (rc < 0)
        send_body_fini(&b.body);
    else
        *ret = b.body;
    return rc;
}

int send_body_read(const uint8_t *json, size_t len, struct send_body *ret, struct json_fault *fault)
{
    json_t *body;
    int rc;

    *fault = (struct json_fault){0};
    body = json_body(json, len, fault);
    if (!body)
        return ERR_INVAL;
    rc = send_json_read(body, ret, fault);
    json_decref(body);
    return rc;
}

/* --- writing --------------------------------------------------------------------------------- */

void json_message_begin(struct json_out *o, const struct bus_message *m,
                        const uint8_t self_key[static MSG_KEY_BYTES])
{
    json_put(o, "{\"id\":");
    json_hex(o, m->id.b, MSG_ID_BYTES);
    json_put(o, ",\"srcIp\":");
    json_ip(o, &m->src);
    json_put(o, ",\"srcPk\":");
    json_hex(o, m->src_key, MSG_KEY_BYTES);
    json_put(o, ",\"dstIp\":");
    json_ip(o, &m->dst);
    json_put(o, ",\"dstPk\":");
    json_hex(o, self_key, MSG_KEY_BYTES);
    if (m->topic.len > 0) {
        json_put(o, ",\"topic\":");
        json_b64(o, m->topic.b, m->topic.len);
    }
    json_put(o, ",\"payload\":");
}

void json_message(struct json_out *o, const struct bus_message *m,
                  const uint8_t self_key[static MSG_KEY_BYTES])
{
    /* The whole of it in one allocation: names, ids, addresses and keys stay below 512 bytes. */
    (void)json_room(o, 512 + B64_LEN(m->topic.len) + (m->payload ? B64_LEN(m->payload->len) : 0));
    json_message_begin(o, m, self_key);
    if (m->payload)
        json_b64(o, m->payload->data, m->payload->len);
    else
        json_put(o, "\"\"");
    json_put(o, "}");
}

void json_id(struct json_out *o, const struct msg_id *id)
{
    json_put(o, "{\"id\":");
    json_hex(o, id->b, MSG_ID_BYTES);
    json_put(o, "}");
}

static void json_state(struct json_out *o, const struct bus_status_info *s)
{
    switch (s->state) {
    case OUT_QUEUED:
    case OUT_INIT_SENT:
        json_put(o, "\"pending\"");
        break;
    case OUT_SENDING:
    case OUT_DONE_SENT:
        json_put(o, "{\"sending\":{\"pending\":");
        json_u64(o, s->chunks_pending);
        json_put(o, ",\"sent\":");
        json_u64(o, s->chunks_sent);
        json_put(o, ",\"acked\":");
        json_u64(o, s->chunks_acked);
        json_put(o, "}}");
        break;
    case OUT_RECEIVED:
        json_put(o, "\"received\"");
        break;
    case OUT_READ:
        json_put(o, "\"read\"");
        break;
    case OUT_ABORTED:
    case OUT_CANCELLED:
    case OUT_UNKNOWN:
    case OUT_REFUSED:
        json_put(o, "\"aborted\"");
        break;
    }
}

static uint64_t seconds(int64_t ms)
{
    return ms > 0 ? (uint64_t)ms / 1000 : 0;
}

void json_status(struct json_out *o, const struct bus_status_info *s)
{
    json_put(o, "{\"dst\":");
    json_ip(o, &s->dst);
    json_put(o, ",\"state\":");
    json_state(o, s);
    json_put(o, ",\"created\":");
    json_u64(o, seconds(s->created_ms));
    json_put(o, ",\"deadline\":");
    json_u64(o, seconds(s->deadline_ms));
    json_put(o, ",\"msgLen\":");
    json_u64(o, s->len);
    json_put(o, "}");
}
