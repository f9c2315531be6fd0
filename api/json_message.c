#include "api/json_message.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/json_in.h"
#include "api/query.h"
#include "base/err.h"
#include "base/text.h"
#include "router/identity.h"

void send_body_fini(struct send_body *b)
{
    blob_unref(b->payload);
    b->payload = NULL;
}

/* --- reading --------------------------------------------------------------------------------- */

static int read_ip(const json_t *v, struct ip6 *ret, struct json_fault *fault)
{
    const char *text = json_string_value(v);
    struct in_addr v4;

    if (inet_pton(AF_INET, text, &v4) != 1) {
        if (strlen(text) != json_string_length(v) || ip6_parse(text, ret) < 0)
            return json_wrong_shape(fault, "dst.ip", "invalid IP address syntax");
        if (ip6_in_overlay(ret))
            return OK;
    }
    return json_refuse(fault, 400, "dst.ip: not an address of the network (400::/7)");
}

static int read_pk(const json_t *v, struct ip6 *ret, struct json_fault *fault)
{
    struct pubkey key;

    if (json_string_length(v) != 2 * KEY_BYTES)
        return json_wrong_shape(fault, "dst.pk", "Public key is 64 characters long");
    if (hex_decode(json_string_value(v), 2 * KEY_BYTES, key.b, KEY_BYTES) < 0)
        return json_wrong_shape(fault, "dst.pk", "PublicKey is not valid hex");
    *ret = address_of_key(&key);
    return OK;
}

/* {"ip": address} or {"pk": key}, one key only. */
static int read_dst(json_t *dst, struct ip6 *ret, struct json_fault *fault)
{
    const char *key;
    json_t *v;
    char why[96];

    if (!json_is_object(dst))
        return json_wrong_type(fault, "dst", dst, "an object with ip or pk");
    if (json_object_size(dst) != 1)
        return json_refuse(fault, 400,
                           "Failed to parse the request body as JSON: dst: expected value");
    json_object_foreach(dst, key, v)
    {
        bool ip = strcmp(key, "ip") == 0;
        if (!ip && strcmp(key, "pk") != 0) {
            (void)snprintf(why, sizeof(why), "unknown variant `%.32s`, expected `ip` or `pk`", key);
            return json_wrong_shape(fault, "dst", why);
        }
        if (!json_is_string(v))
            return json_wrong_type(fault, ip ? "dst.ip" : "dst.pk", v, "a string");
        return ip ? read_ip(v, ret, fault) : read_pk(v, ret, fault);
    }
    return ERR_INVAL; /* not reached: there is one key */
}

static int b64_fault(struct json_fault *fault, const char *path, const struct b64_error *e)
{
    char why[B64_TEXT_MAX];

    return json_wrong_shape(fault, path, b64_error_str(e, why));
}

/* Missing, null and "" are no topic. *ret_long: valid, but longer than a topic can be. */
static int read_topic(const json_t *v, struct topic *ret, bool *ret_long, struct json_fault *fault)
{
    uint8_t bytes[MSG_TOPIC_MAX + 3];
    struct b64_error e;
    size_t len = 0;
    int rc;

    ret->len = 0;
    if (!v || json_is_null(v))
        return OK;
    if (!json_is_string(v))
        return json_wrong_type(fault, "topic", v, "a string");
    rc = b64_decode(json_string_value(v), json_string_length(v), bytes, sizeof(bytes), &len, &e);
    if (rc == ERR_INVAL)
        return b64_fault(fault, "topic", &e);
    if (rc < 0 || len > MSG_TOPIC_MAX) {
        *ret_long = true;
        return OK;
    }
    ret->len = (uint8_t)len;
    memcpy(ret->b, bytes, len);
    return OK;
}

static int too_long(struct json_fault *fault)
{
    char text[96];

    (void)snprintf(text, sizeof(text), "payload: longer than %u bytes", MSG_LEN_MAX); /* fits */
    return json_refuse(fault, 413, text);
}

static int read_payload(const json_t *v, struct blob **ret, struct json_fault *fault)
{
    struct b64_error e;
    struct blob *b;
    size_t text_len, len;
    int rc;

    if (!json_is_string(v))
        return json_wrong_type(fault, "payload", v, "a string");
    text_len = json_string_length(v);
    if (text_len / 4 * 3 > MSG_LEN_MAX + 2)
        return too_long(fault);
    b = blob_new(text_len / 4 * 3 + 3);
    if (!b)
        return json_refuse(fault, 503, "out of memory");
    rc = b64_decode(json_string_value(v), text_len, b->data, b->len, &len, &e);
    if (rc < 0)
        rc = b64_fault(fault, "payload", &e);
    else if (len > MSG_LEN_MAX)
        rc = too_long(fault);
    if (rc < 0) {
        blob_unref(b);
        return rc;
    }
    b->len = (uint32_t)len; /* nobody else knows it yet; the last bytes stay unused */
    *ret = b;
    return OK;
}

static int read_object(json_t *root, struct send_body *ret, struct json_fault *fault)
{
    json_t *dst, *payload;
    bool topic_long = false;
    int rc;

    if (!json_is_object(root))
        return json_wrong_type(fault, "", root, "an object with dst and payload");
    dst = json_object_get(root, "dst");
    payload = json_object_get(root, "payload");
    if (!dst)
        return json_missing(fault, "dst");
    if (!payload)
        return json_missing(fault, "payload");
    rc = read_topic(json_object_get(root, "topic"), &ret->topic, &topic_long, fault);
    if (rc == OK)
        rc = read_payload(payload, &ret->payload, fault);
    if (rc == OK)
        rc = read_dst(dst, &ret->dst, fault);
    if (rc == OK && topic_long)
        rc = json_refuse(fault, 400, "");
    return rc;
}

int send_body_read(const uint8_t *json, size_t len, struct send_body *ret, struct json_fault *fault)
{
    struct send_body b = {0};
    json_t *root = json_read(json, len, fault);
    int rc;

    if (!root)
        return ERR_INVAL;
    rc = read_object(root, &b, fault);
    json_decref(root);
    if (rc < 0)
        send_body_fini(&b);
    else
        *ret = b;
    return rc;
}

/* --- writing --------------------------------------------------------------------------------- */

void json_message(struct json_out *o, const struct bus_message *m,
                  const uint8_t self_key[static MSG_KEY_BYTES])
{
    /* The whole of it in one allocation: names, ids, addresses and keys stay below 512 bytes. */
    (void)json_room(o, 512 + B64_LEN(m->topic.len) + (m->payload ? B64_LEN(m->payload->len) : 0));
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
