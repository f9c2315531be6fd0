#include "api/json_message.h"

#include <arpa/inet.h>
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

/* What was seen on the way through the body. */
struct body_rd {
    struct json_rd rd;
    struct json_fault *fault;
    struct send_body body;
    bool has_dst, has_topic, has_payload;
    bool dst_outside, topic_long, payload_long; /* the right shape, refused all the same */
};

static int read_ip(struct body_rd *b, const struct json_text *t)
{
    char text[IP6_STR_MAX + 1];
    struct in_addr v4;

    if (!json_text_copy(t, text, sizeof(text)))
        return json_wrong_shape(b->fault, "dst.ip", "invalid IP address syntax");
    if (inet_pton(AF_INET, text, &v4) == 1) {
        b->dst_outside = true;
        return OK;
    }
    if (ip6_parse(text, &b->body.dst) < 0)
        return json_wrong_shape(b->fault, "dst.ip", "invalid IP address syntax");
    b->dst_outside = !ip6_in_overlay(&b->body.dst);
    return OK;
}

static int read_pk(struct body_rd *b, const struct json_text *t)
{
    struct pubkey key;

    if (t->len != (size_t)2 * KEY_BYTES)
        return json_wrong_shape(b->fault, "dst.pk", "Public key is 64 characters long");
    if (hex_decode(t->p, t->len, key.b, KEY_BYTES) < 0)
        return json_wrong_shape(b->fault, "dst.pk", "PublicKey is not valid hex");
    b->body.dst = address_of_key(&key);
    return OK;
}

static int unknown_variant(struct body_rd *b, const struct json_text *key)
{
    char why[96], name[33] = "";

    (void)json_text_copy(key, name, sizeof(name)); /* a long one stays unnamed */
    (void)snprintf(why, sizeof(why), "unknown variant `%s`, expected `ip` or `pk`",
                   name); /* fits */
    return json_wrong_shape(b->fault, "dst", why);
}

/* {"ip": address} or {"pk": key}, one key only. */
static int read_dst(struct body_rd *b)
{
    struct json_text key, value;
    bool first, ip;
    int rc;

    if (json_rd_kind(&b->rd) != JSON_KIND_OBJECT)
        return json_wrong_kind(b->fault, "dst", &b->rd, "an object with ip or pk");
    first = json_rd_open(&b->rd);
    if (!json_rd_key(&b->rd, &first, &key)) {
        json_rd_fail(&b->rd, "dst: expected value");
        return json_no_json(b->fault, &b->rd);
    }
    ip = json_text_is(&key, "ip");
    if (!ip && !json_text_is(&key, "pk")) {
        rc = unknown_variant(b, &key);
    } else if (json_rd_kind(&b->rd) != JSON_KIND_STRING) {
        rc = json_wrong_kind(b->fault, ip ? "dst.ip" : "dst.pk", &b->rd, "a string");
    } else if (!json_rd_text(&b->rd, &value)) {
        rc = json_no_json(b->fault, &b->rd);
    } else {
        rc = ip ? read_ip(b, &value) : read_pk(b, &value);
        json_text_fini(&value);
    }
    json_text_fini(&key);
    if (rc == OK && json_rd_key(&b->rd, &first, &key)) {
        json_text_fini(&key);
        json_rd_fail(&b->rd, "dst: expected value");
    }
    return rc < 0 || !b->rd.fault ? rc : json_no_json(b->fault, &b->rd);
}

static int b64_fault(struct body_rd *b, const char *path, const struct b64_error *e)
{
    char why[B64_TEXT_MAX];

    return json_wrong_shape(b->fault, path, b64_error_str(e, why));
}

/* Missing, null and "" are no topic. */
static int read_topic(struct body_rd *b)
{
    uint8_t bytes[MSG_TOPIC_MAX + 3];
    struct json_text t;
    struct b64_error e;
    size_t len = 0;
    int rc;

    if (json_rd_kind(&b->rd) == JSON_KIND_NULL) {
        json_rd_skip(&b->rd);
        return b->rd.fault ? json_no_json(b->fault, &b->rd) : OK;
    }
    if (json_rd_kind(&b->rd) != JSON_KIND_STRING)
        return json_wrong_kind(b->fault, "topic", &b->rd, "a string");
    if (!json_rd_text(&b->rd, &t))
        return json_no_json(b->fault, &b->rd);
    rc = b64_decode(t.p, t.len, bytes, sizeof(bytes), &len, &e);
    json_text_fini(&t);
    if (rc == ERR_INVAL)
        return b64_fault(b, "topic", &e);
    b->topic_long = rc < 0 || len > MSG_TOPIC_MAX;
    if (b->topic_long)
        return OK;
    b->body.topic.len = (uint8_t)len;
    memcpy(b->body.topic.b, bytes, len);
    return OK;
}

static int decode_payload(struct body_rd *b, const struct json_text *t)
{
    struct b64_error e;
    struct blob *blob;
    size_t len;
    int rc;

    if (t->len > B64_LEN(MSG_LEN_MAX)) {
        b->payload_long = true;
        return OK;
    }
    blob = blob_new(t->len / 4 * 3 + 3);
    if (!blob)
        return json_refuse(b->fault, 503, "out of memory");
    rc = b64_decode(t->p, t->len, blob->data, blob->len, &len, &e);
    if (rc < 0) {
        blob_unref(blob);
        return b64_fault(b, "payload", &e);
    }
    b->payload_long = len > MSG_LEN_MAX;
    blob->len = (uint32_t)len; /* nobody else knows it yet; the last bytes stay unused */
    b->body.payload = blob;
    return OK;
}

static int read_payload(struct body_rd *b)
{
    struct json_text t;
    int rc;

    if (json_rd_kind(&b->rd) != JSON_KIND_STRING)
        return json_wrong_kind(b->fault, "payload", &b->rd, "a string");
    if (!json_rd_text(&b->rd, &t))
        return json_no_json(b->fault, &b->rd);
    rc = decode_payload(b, &t);
    json_text_fini(&t);
    return rc;
}

static int once(struct body_rd *b, bool *has, const char *name, int (*read)(struct body_rd *))
{
    if (*has)
        return json_twice(b->fault, name);
    *has = true;
    return read(b);
}

static int read_fields(struct body_rd *b)
{
    struct json_text key;
    int rc = OK;

    if (json_rd_kind(&b->rd) != JSON_KIND_OBJECT)
        return json_wrong_kind(b->fault, "", &b->rd, "an object with dst and payload");
    for (bool first = json_rd_open(&b->rd); rc == OK && json_rd_key(&b->rd, &first, &key);
         json_text_fini(&key)) {
        if (json_text_is(&key, "dst"))
            rc = once(b, &b->has_dst, "dst", read_dst);
        else if (json_text_is(&key, "topic"))
            rc = once(b, &b->has_topic, "topic", read_topic);
        else if (json_text_is(&key, "payload"))
            rc = once(b, &b->has_payload, "payload", read_payload);
        else
            json_rd_skip(&b->rd);
    }
    return rc;
}

/* The right JSON of the right shape: may it be sent? */
static int check_meaning(struct body_rd *b)
{
    char text[96];

    if (!b->has_dst)
        return json_missing(b->fault, "dst");
    if (!b->has_payload)
        return json_missing(b->fault, "payload");
    if (b->dst_outside)
        return json_refuse(b->fault, 400, "dst.ip: not an address of the network (400::/7)");
    if (b->topic_long)
        return json_refuse(b->fault, 400, "");
    if (!b->payload_long)
        return OK;
    (void)snprintf(text, sizeof(text), "payload: longer than %u bytes", MSG_LEN_MAX); /* fits */
    return json_refuse(b->fault, 413, text);
}

int send_body_read(const uint8_t *json, size_t len, struct send_body *ret, struct json_fault *fault)
{
    struct body_rd b = {.rd = json_rd_of(json, len), .fault = fault};
    int rc;

    fault->status = 0;
    rc = read_fields(&b);
    if (rc == OK)
        json_rd_end(&b.rd);
    if (rc == OK && b.rd.fault)
        rc = json_no_json(fault, &b.rd);
    if (rc == OK)
        rc = check_meaning(&b);
    if (rc < 0)
        send_body_fini(&b.body);
    else
        *ret = b.body;
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
