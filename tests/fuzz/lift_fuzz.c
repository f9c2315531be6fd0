/* A value taken out of JSON: how the text is cut must not change what comes out, and where the text
 * is JSON the parser must see the same without the value as with it. */
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/lift.h"

#define FLAGS (JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct lifted {
    int rc;
    struct lift l;
    char *value;
    size_t len;
};

#define DEEP_MIN 3

static struct lifted run(const uint8_t *data, size_t size, size_t step, bool deep)
{
    struct lifted r = {.value = malloc(size + DEEP_MIN + 1)};

    if (!r.value)
        abort();
    if (deep)
        lift_init_deep(&r.l, "payload", size + 8, "\\u0000", DEEP_MIN);
    else
        lift_init(&r.l, "payload", size);
    for (size_t at = 0; at < size && r.rc == OK; at += step) {
        size_t n = step < size - at ? step : size - at, got = 0;
        r.rc = lift_feed(&r.l, data + at, n, r.value + r.len, &got);
        r.len += r.rc == OK ? got : 0;
    }
    return r;
}

static void end(struct lifted *r)
{
    lift_fini(&r->l);
    free(r->value);
}

static bool ascii(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((signed char)text[i] < 0)
            return false;
    return true;
}

static void compare_parsed(const uint8_t *data, size_t size, const struct lifted *r)
{
    json_t *whole = json_loadb((const char *)data, size, FLAGS, NULL);
    json_t *rest, *value;

    if (!whole)
        return;
    if (r->rc != OK)
        abort(); /* what JSON allows is not refused */
    rest = json_loadb(r->l.text, r->l.text_len, FLAGS, NULL);
    if (!rest)
        abort();
    value = json_object_get(whole, "payload");
    if (r->l.found && !json_is_string(value))
        abort();
    if (r->l.found && ascii(json_string_value(value), json_string_length(value)) &&
        (json_string_length(value) != r->len ||
         memcmp(json_string_value(value), r->value, r->len) != 0))
        abort();
    if (r->l.found)
        (void)json_object_set_new(whole, "payload", json_string(""));
    if (!json_equal(whole, rest))
        abort();
    json_decref(whole);
    json_decref(rest);
}

/* At any depth: JSON stays JSON, and nothing is taken that is not longer than it has to be. */
static void check_deep(const uint8_t *data, size_t size, const struct lifted *r)
{
    json_t *whole = json_loadb((const char *)data, size, FLAGS, NULL);
    json_t *rest;

    if (!whole)
        return;
    if (r->rc != OK)
        abort();
    rest = json_loadb(r->l.text, r->l.text_len, FLAGS, NULL);
    if (!rest || (!r->l.found && !json_equal(whole, rest)) || (r->l.found && r->len == 0))
        abort();
    json_decref(whole);
    json_decref(rest);
}

static struct lifted run_cut(const uint8_t *data, size_t size, bool deep)
{
    struct lifted whole = run(data, size, size + 1, deep);

    for (size_t step = 1; step < 8; step += 3) {
        struct lifted r = run(data, size, step, deep);
        if (r.rc != whole.rc ||
            (r.rc == OK && (r.l.found != whole.l.found || r.l.text_len != whole.l.text_len ||
                            r.len != whole.len || memcmp(r.value, whole.value, r.len) != 0)))
            abort();
        end(&r);
    }
    return whole;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lifted whole = run_cut(data, size, true);

    check_deep(data, size, &whole);
    end(&whole);
    whole = run_cut(data, size, false);
    compare_parsed(data, size, &whole);
    end(&whole);
    return 0;
}
