/* The JSON bodies of calls. What is refused says why; what is taken is within the limits and means
 * the same when it is written again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/json_admin.h"
#include "api/json_in.h"
#include "api/json_message.h"
#include "base/err.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void check_fault(const struct json_fault *f)
{
    check(f->status >= 400 && f->status < 500);
    check(memchr(f->text, '\0', sizeof(f->text)) && utf8_valid(f->text, strlen(f->text)));
}

static void check_value(const uint8_t *data, size_t size)
{
    struct json_fault fault = {0};
    json_t *v = json_body(data, size, &fault), *back;
    char *text;

    if (!v) {
        check_fault(&fault);
        return;
    }
    text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
    check(text != NULL);
    if (strlen(text) <= JSON_BODY_MAX) {
        back = json_body((const uint8_t *)text, strlen(text), &fault);
        check(back && json_equal(v, back));
        json_decref(back);
    }
    free(text);
    json_decref(v);
}

static void write_send(struct json_out *o, const struct send_body *b)
{
    json_put(o, "{\"payload\":");
    json_b64(o, b->payload->data, b->payload->len);
    json_put(o, ",\"topic\":");
    json_b64(o, b->topic.b, b->topic.len);
    json_put(o, ",\"dst\":{\"ip\":");
    json_ip(o, &b->dst);
    json_put(o, "}}");
    check(!o->bad);
}

static void check_send(const uint8_t *data, size_t size)
{
    struct json_fault fault = {0};
    struct send_body b = {0}, again = {0};
    struct json_out o = {0};

    if (send_body_read(data, size, &b, &fault) < 0) {
        check(!b.payload);
        check_fault(&fault);
        return;
    }
    check(b.payload && b.payload->len <= MSG_LEN_MAX && ip6_in_overlay(&b.dst));
    write_send(&o, &b);
    check(send_body_read((const uint8_t *)o.p, o.len, &again, &fault) == OK);
    check(ip6_eq(&b.dst, &again.dst));
    check(b.topic.len == again.topic.len && memcmp(b.topic.b, again.topic.b, b.topic.len) == 0);
    check(b.payload->len == again.payload->len &&
          memcmp(b.payload->data, again.payload->data, b.payload->len) == 0);
    json_out_fini(&o);
    send_body_fini(&again);
    send_body_fini(&b);
}

static void check_endpoint(const uint8_t *data, size_t size)
{
    struct json_fault fault = {0};
    struct endpoint e, again;
    struct json_out o = {0};
    char text[ENDPOINT_STR_MAX];

    if (endpoint_body_read(data, size, &e, &fault) < 0) {
        check_fault(&fault);
        return;
    }
    json_put(&o, "{\"endpoint\":");
    json_quoted(&o, endpoint_str(&e, text));
    json_put(&o, "}");
    check(!o.bad && endpoint_body_read((const uint8_t *)o.p, o.len, &again, &fault) == OK);
    check(endpoint_eq(&e, &again));
    json_out_fini(&o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_value(data, size);
    check_send(data, size);
    check_endpoint(data, size);
    return 0;
}
