/* json_rd.h - JSON text read from front to back, without a tree: strings lie in the input.
 *
 * A reader is a small value. The first fault sticks, and every later access has no effect: the
 * caller reads what it knows, skips the rest, and checks at the end, with json_rd_end().
 *
 *     if (json_rd_kind(&rd) == JSON_KIND_OBJECT)
 *         for (bool first = json_rd_open(&rd); json_rd_key(&rd, &first, &key);
 * json_text_fini(&key))
 *             ... exactly one of json_rd_text(), json_rd_skip(), ...
 *
 * Grammar: RFC 8259, UTF-8 only, no lone surrogates, at most JSON_DEPTH_MAX values inside each
 * other. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

#define JSON_DEPTH_MAX 128

enum json_kind {
    JSON_KIND_OBJECT,
    JSON_KIND_ARRAY,
    JSON_KIND_STRING,
    JSON_KIND_NUMBER,
    JSON_KIND_BOOL,
    JSON_KIND_NULL,
    JSON_KIND_NONE, /* no value begins here */
};

struct json_rd {
    const uint8_t *start, *p, *end;
    const char *fault; /* NULL: none yet; a constant */
    bool no_memory;    /* the fault is ours */
};

/* A string without quotes and escapes; may hold zero bytes. */
struct json_text {
    const char *p; /* in the input, or own */
    size_t len;
    char *own;
};
void json_text_fini(struct json_text *t);
bool json_text_is(const struct json_text *t, const char *want);
/* With a terminating zero, for readers that want one. False: too long, or has a zero byte. */
bool json_text_copy(const struct json_text *t, char *out, size_t cap);

struct json_rd json_rd_of(const uint8_t *text, size_t len);
enum json_kind json_rd_kind(struct json_rd *r); /* of the value that comes next */
bool json_rd_open(struct json_rd *r);           /* '{'; the value for `first` */
/* The next key and its colon; false: the object is closed, or a fault. */
bool json_rd_key(struct json_rd *r, bool *first, struct json_text *ret);
bool json_rd_text(struct json_rd *r, struct json_text *ret); /* a string value */
void json_rd_skip(struct json_rd *r);                        /* one value of any kind */
void json_rd_end(struct json_rd *r);                         /* nothing but spaces may follow */
void json_rd_fail(struct json_rd *r, const char *fault);     /* unless there was one before */
