#include "clients/message_answer.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "clients/escape.h"

void message_fini(struct message *m)
{
    json_decref(m->json);
    free(m->topic);
    free(m->payload);
    *m = (struct message){0};
}

static int base64_field(json_t *json, const char *key, char **ret, size_t *ret_len)
{
    const json_t *v = json_object_get(json, key);
    size_t len = json_string_length(v);
    if (!json_is_string(v))
        return ERR_MALFORMED;
    char *bytes = malloc(len / 4 * 3 + 1);
    if (!bytes)
        return ERR_NOMEM;
    int rc = b64_decode(json_string_value(v), len, bytes, len / 4 * 3, ret_len, NULL);
    if (rc != OK) {
        free(bytes);
        return ERR_MALFORMED;
    }
    *ret = bytes;
    return OK;
}

int message_read(json_t *json, struct message *ret)
{
    struct message m = {.json = json};
    int rc = json_unpack(json, "{s:s,s:s,s:s,s:s,s:s}", "id", &m.id, "srcIp", &m.src_ip, "srcPk",
                         &m.src_pk, "dstIp", &m.dst_ip, "dstPk", &m.dst_pk) == 0
                 ? OK
                 : ERR_MALFORMED;
    const json_t *topic = json_object_get(json, "topic");
    if (rc == OK && topic && !json_is_null(topic))
        rc = base64_field(json, "topic", &m.topic, &m.topic_len);
    if (rc == OK)
        rc = base64_field(json, "payload", &m.payload, &m.payload_len);
    if (rc != OK) {
        message_fini(&m);
        return rc;
    }
    *ret = m;
    return OK;
}

static void key_write(FILE *out, const char *before, const char *key, const char *value)
{
    fprintf(out, "%s\"%s\":", before, key);
    json_string_write(out, value, strlen(value));
}

/* Returns whether base64 had to be used. */
static bool bytes_write(FILE *out, const char *key, const char *bytes, size_t len)
{
    bool text = utf8_valid(bytes, len);
    fprintf(out, ",\"%s\":", key);
    if (text) {
        json_string_write(out, bytes, len);
    } else {
        fputc('"', out);
        base64_write(out, bytes, len);
        fputc('"', out);
    }
    return !text;
}

void message_print(FILE *out, const struct message *m, bool with_payload)
{
    bool topic_b64 = false, payload_b64 = false;
    key_write(out, "{", "id", m->id);
    key_write(out, ",", "srcIp", m->src_ip);
    key_write(out, ",", "srcPk", m->src_pk);
    key_write(out, ",", "dstIp", m->dst_ip);
    key_write(out, ",", "dstPk", m->dst_pk);
    if (m->topic)
        topic_b64 = bytes_write(out, "topic", m->topic, m->topic_len);
    if (with_payload)
        payload_b64 = bytes_write(out, "payload", m->payload, m->payload_len);
    if (payload_b64)
        fputs(",\"encoding\":\"base64\"", out);
    if (topic_b64)
        fputs(",\"topicEncoding\":\"base64\"", out);
    fputs("}\n", out);
}
