/* What POST /bus/v1/messages takes, as JSON and as a query, and the key of its head. What is taken
 * is within the limits; what is refused says why. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/body_lift.h"
#include "api/json_in.h"
#include "api/push.h"
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
    check(f->problem == PROBLEM_NONE || problem_status(f->problem) == f->status);
    check(memchr(f->text, '\0', sizeof(f->text)) && utf8_valid(f->text, strlen(f->text)));
}

static void check_send(int rc, struct bus_send *s, const struct json_fault *f)
{
    if (rc < 0) {
        check_fault(f);
        return;
    }
    check(ip6_in_overlay(&s->dst) && s->prio < OUT_PRIOS && s->idem.len == 0);
    check(s->ttl_ms == 0 || (s->ttl_ms >= PUSH_TTL_MIN_MS && s->ttl_ms <= PUSH_TTL_MAX_MS));
    check(s->payload && s->payload->len <= MSG_LEN_MAX && s->reply_wait_ms == 0);
    check(!s->reply || s->topic.len == 0);
    blob_unref(s->payload);
}

/* The payload taken out first, the rest parsed: the same as the whole. */
static void check_lifted(const uint8_t *data, size_t size)
{
    struct push_dsts d = {0}, whole_d = {0};
    struct bus_send s, whole_s;
    struct blob *payload;
    struct json_fault f;
    size_t rest_len;
    char *rest;
    int rc, whole;

    if (body_lift(data, size, &payload, &rest, &rest_len) < 0)
        return;
    rc = push_body_read((const uint8_t *)rest, rest_len, &s, &d, &f);
    whole = push_body_read(data, size, &whole_s, &whole_d, &f);
    check((rc == OK) == (whole == OK));
    if (rc == OK) {
        check(s.payload->len == 0 && payload->len == whole_s.payload->len && d.n == whole_d.n);
        check(memcmp(payload->data, whole_s.payload->data, payload->len) == 0);
        check(memcmp(&s.dst, &whole_s.dst, sizeof(s.dst)) == 0 && s.ttl_ms == whole_s.ttl_ms);
        blob_unref(s.payload);
        blob_unref(whole_s.payload);
        free(d.v);
        free(whole_d.v);
    }
    blob_unref(payload);
    free(rest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_fault f;
    struct bus_send s;
    struct idem_key k;
    char *line = strndup((const char *)data, size); /* ends at the first zero byte, as in a head */

    if (!line)
        return 0;
    check_lifted(data, size);
    struct push_dsts d = {0};
    check_send(push_body_read(data, size, &s, &d, &f), &s, &f);
    assert(d.n == 0 || (d.n >= 2 && d.n <= BUS_DSTS_MAX));
    free(d.v);
    check_send(push_query_read(line, data, size, &s, &f), &s, &f);
    f = (struct json_fault){0};
    if (push_key_read(line, &k, &f) == OK)
        check(k.len > 0 && k.len == strlen(line) && memcmp(k.b, line, k.len) == 0);
    else
        check_fault(&f);
    free(line);
    return 0;
}
