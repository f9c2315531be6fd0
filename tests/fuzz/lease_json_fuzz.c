/* The JSON bodies of the calls around messages on lease, and tokens. What is taken is within the
 * limits and means the same when it is written again; what is refused says why. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json_in.h"
#include "api/json_lease.h"
#include "base/err.h"
#include "base/text.h"
#include "bus/pattern.h"

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

static void check_fetch(const uint8_t *data, size_t size)
{
    struct json_fault fault;
    struct bus_fetch f = {.session = 1};

    if (fetch_body_read(data, size, &f, &fault) < 0) {
        check_fault(&fault);
        return;
    }
    check(f.max >= 1 && f.max <= BUS_FETCH_MAX && f.session == 1);
    check(f.max_bytes >= 1 && f.max_bytes <= FETCH_BYTES_MAX);
    check(f.wait_ms >= 0 && f.wait_ms <= FETCH_WAIT_MAX);
    check(f.lease_ms == 0 || (f.lease_ms >= BUS_LEASE_MIN_MS && f.lease_ms <= BUS_LEASE_MAX_MS));
    check(memchr(f.consumer, '\0', sizeof(f.consumer)) != NULL);
    check(f.filter.kind != BUS_PATTERN ||
          pattern_check(f.filter.topic.b, f.filter.topic.len) == OK);
}

static void check_token(const struct bus_token *t)
{
    char text[BUS_TOKEN_STR_MAX];
    struct bus_token back;

    bus_token_str(t, text);
    check(bus_token_parse(text, strlen(text), &back) == OK);
    check(back.seq == t->seq && back.generation == t->generation);
    check(memcmp(back.tag, t->tag, sizeof(back.tag)) == 0);
}

static void check_settle(const uint8_t *data, size_t size, enum bus_settle_kind kind)
{
    struct json_fault fault;
    struct settle_body b;

    if (settle_body_read(data, size, kind, &b, &fault) < 0) {
        check_fault(&fault);
        return;
    }
    check(b.n >= 1 && b.n <= BUS_SETTLE_MAX && b.ms >= 0 && b.ms <= BUS_DELAY_MAX_MS);
    for (size_t i = 0; i < b.n; i++)
        check_token(&b.tokens[i]);
    free(b.tokens);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bus_token t;

    check_fetch(data, size);
    check_settle(data, size, BUS_ACK);
    check_settle(data, size, BUS_NACK);
    check_settle(data, size, BUS_RENEW);
    if (bus_token_parse((const char *)data, size, &t) == OK)
        check_token(&t);
    return 0;
}
