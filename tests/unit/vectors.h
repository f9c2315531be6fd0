/* vectors.h - reading the JSON files of tests/vectors/ in unit tests. A fault in a file fails the
 * test. */
#pragma once
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "tests/unit/unit.h"

/* The whole file; the caller gives it back with json_decref(). */
static inline json_t *vectors_load(const char *name)
{
    char path[1024];
    json_error_t e;
    (void)snprintf(path, sizeof(path), "%s/%s", TEST_VECTORS, name);
    json_t *root = json_load_file(path, 0, &e);
    if (!root)
        fail_msg("%s:%d: %s", path, e.line, e.text);
    return root;
}

/* NULL when there is no such key. */
static inline const char *vectors_str(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* Heap bytes of a field in hex; the caller frees them. */
static inline uint8_t *vectors_hex(const json_t *object, const char *key, size_t *ret_len)
{
    const char *text = vectors_str(object, key);
    if (!text) {
        fail_msg("no field %s", key);
        abort(); /* not reached; said for readers that do not know fail_msg() */
    }
    size_t len = strlen(text) / 2;
    uint8_t *bytes = malloc(len + 1);
    assert_non_null(bytes);
    assert_int_equal(hex_decode(text, strlen(text), bytes, len), OK);
    *ret_len = len;
    return bytes;
}

/* Exactly len bytes of a field in hex. */
static inline void vectors_bytes(const json_t *object, const char *key, void *ret, size_t len)
{
    const char *text = vectors_str(object, key);
    if (!text) {
        fail_msg("no field %s", key);
        abort(); /* not reached; said for readers that do not know fail_msg() */
    }
    assert_int_equal(hex_decode(text, strlen(text), ret, len), OK);
}
