#include "api/json_topic.h"

#include <string.h>

#include "api/query.h"
#include "base/err.h"
#include "base/text.h"

static int topic_too_long(struct json_fault *fault)
{
    return json_refuse(fault, 400, "a topic has at most 255 bytes");
}

/* --- in -------------------------------------------------------------------------------------- */

static int read_accept(const json_t *body, bool *ret, struct json_fault *fault)
{
    const json_t *v = json_object_get(body, "accept");

    if (!json_is_object(body))
        return json_wrong_kind(fault, "", body, "an object with accept");
    if (!v)
        return json_missing(fault, "accept");
    if (!json_is_boolean(v))
        return json_wrong_kind(fault, "accept", v, "a boolean");
    *ret = json_is_true(v);
    return OK;
}

int accept_body_read(const uint8_t *json, size_t len, bool *ret, struct json_fault *fault)
{
    json_t *body;
    int rc;

    fault->status = 0;
    body = json_body(json, len, fault);
    if (!body)
        return ERR_INVAL;
    rc = read_accept(body, ret, fault);
    json_decref(body);
    return rc;
}

static int read_bytes(const json_t *body, struct topic *ret, struct json_fault *fault)
{
    size_t n = json_array_size(body);

    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(body, i);
        double d = json_number_value(v);
        if (!json_is_number(v))
            return json_wrong_kind(fault, "", v, "a byte");
        if (!(d >= 0 && d <= 255) || d != (double)(uint8_t)d)
            return json_wrong_shape(fault, "", "invalid value: a byte is a number of 0 to 255");
        if (i < MSG_TOPIC_MAX)
            ret->b[i] = (uint8_t)d;
    }
    if (n > MSG_TOPIC_MAX)
        return topic_too_long(fault);
    ret->len = (uint8_t)n;
    return OK;
}

static int read_text(const json_t *body, struct topic *ret, struct json_fault *fault)
{
    uint8_t bytes[(MSG_TOPIC_MAX + 2) / 3 * 3];
    struct b64_error e;
    char why[B64_TEXT_MAX];
    size_t len = 0;
    int rc = b64_decode(json_string_value(body), json_string_length(body), bytes, sizeof(bytes),
                        &len, &e);

    if (rc == ERR_INVAL)
        return json_wrong_shape(fault, "", b64_error_str(&e, why));
    if (rc < 0 || len > MSG_TOPIC_MAX)
        return topic_too_long(fault);
    ret->len = (uint8_t)len;
    memcpy(ret->b, bytes, len);
    return OK;
}

int topic_body_read(const uint8_t *json, size_t len, struct topic *ret, struct json_fault *fault)
{
    struct topic t = {.len = 0};
    json_t *body;
    int rc;

    fault->status = 0;
    body = json_body(json, len, fault);
    if (!body)
        return ERR_INVAL;
    if (json_is_array(body))
        rc = read_bytes(body, &t, fault);
    else if (json_is_string(body))
        rc = read_text(body, &t, fault);
    else
        rc = json_wrong_kind(fault, "", body, "an array of bytes, or base64");
    json_decref(body);
    if (rc == OK)
        *ret = t;
    return rc;
}

static int read_source(const json_t *body, struct topic_source *ret, struct json_fault *fault)
{
    const json_t *v = json_object_get(body, "subnet");
    const char *text;

    if (!json_is_object(body))
        return json_wrong_kind(fault, "", body, "an object with subnet");
    if (!v)
        return json_missing(fault, "subnet");
    if (!json_is_string(v))
        return json_wrong_kind(fault, "subnet", v, "a string");
    text = json_line(v);
    if (!text || topic_source_parse(text, ret) < 0)
        return json_refuse(fault, 400, "");
    return OK;
}

int source_body_read(const uint8_t *json, size_t len, struct topic_source *ret,
                     struct json_fault *fault)
{
    json_t *body;
    int rc;

    fault->status = 0;
    body = json_body(json, len, fault);
    if (!body)
        return ERR_INVAL;
    rc = read_source(body, ret, fault);
    json_decref(body);
    return rc;
}

static int read_reply_timeout(const json_t *v, struct topic_forward *ret, struct json_fault *fault)
{
    double ms = json_number_value(v);

    if (!json_is_number(v))
        return json_wrong_kind(fault, "replyTimeoutMs", v, "a number");
    if (!(ms >= TOPIC_REPLY_MIN_MS && ms <= TOPIC_REPLY_MAX_MS))
        return json_wrong_shape(fault, "replyTimeoutMs", "expected 1000 to 3000000");
    ret->reply_ms = (uint32_t)ms;
    return OK;
}

static int read_forward(const json_t *body, struct topic_forward *ret, struct json_fault *fault)
{
    const json_t *v = json_object_get(body, "socketPath");
    const json_t *other = json_object_get(body, "socket_path");
    const json_t *half = json_object_get(body, "halfClose");
    const json_t *reply = json_object_get(body, "replyTimeoutMs");

    if (!json_is_object(body))
        return json_wrong_kind(fault, "", body, "an object with socketPath");
    if (v && other)
        return json_wrong_shape(fault, "", "duplicate field `socketPath`");
    v = v ? v : other;
    if (!v)
        return json_missing(fault, "socketPath");
    if (!json_is_string(v))
        return json_wrong_kind(fault, "socketPath", v, "a string");
    if (topic_forward_path(ret, json_string_value(v), json_string_length(v)) < 0)
        return json_refuse(fault, 400, "socketPath: a path has 1 to 107 bytes");
    if (half && !json_is_boolean(half))
        return json_wrong_kind(fault, "halfClose", half, "a boolean");
    ret->half_close = json_is_true(half);
    return reply ? read_reply_timeout(reply, ret, fault) : OK;
}

int forward_body_read(const uint8_t *json, size_t len, struct topic_forward *ret,
                      struct json_fault *fault)
{
    struct topic_forward f = TOPIC_FORWARD_INIT;
    json_t *body;
    int rc;

    fault->status = 0;
    body = json_body(json, len, fault);
    if (!body)
        return ERR_INVAL;
    rc = read_forward(body, &f, fault);
    json_decref(body);
    if (rc == OK)
        *ret = f;
    return rc;
}

/* --- out ------------------------------------------------------------------------------------- */

static void comma(struct json_out *o)
{
    if (o->len > 0 && o->p[o->len - 1] == '"')
        json_put(o, ",");
}

void json_topic(struct json_out *o, const struct topic *t)
{
    comma(o);
    json_b64(o, t->b, t->len);
}

void json_source(struct json_out *o, const struct topic_source *s)
{
    char text[TOPIC_SOURCE_STR_MAX];

    comma(o);
    json_quoted(o, topic_source_str(s, text));
}

void json_forward(struct json_out *o, const struct topic_forward *f)
{
    if (f)
        json_quoted(o, f->path);
    else
        json_put(o, "null");
}
