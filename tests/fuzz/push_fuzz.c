/* What POST /bus/v1/messages takes, as JSON and as a query, and the key of its head. What is taken
 * is within the limits; what is refused says why. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_fault f;
    struct bus_send s;
    struct idem_key k;
    char *line = strndup((const char *)data, size); /* ends at the first zero byte, as in a head */

    if (!line)
        return 0;
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
