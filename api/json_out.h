/* json_out.h - JSON text that grows: compact, keys in the order of the calls.
 *
 * The first failed allocation makes it `bad`; everything later has no effect. The caller checks
 * once, at the end. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ip6.h"
#include "base/macros.h"

/* Longest text: a list of all routes may not take more. Bad above. */
#define JSON_OUT_MAX ((size_t)64 << 20)

struct json_out {
    char *p; /* heap, not terminated */
    size_t len, cap;
    bool bad;
};

void json_out_fini(struct json_out *o);
/* Room for n more bytes at o->p + o->len, for a writer that knows its size. NULL: bad. */
char *json_room(struct json_out *o, size_t n);
void json_put(struct json_out *o, const char *text); /* as it is */
void json_put_bytes(struct json_out *o, const char *text, size_t len);
void json_u64(struct json_out *o, uint64_t n);
void json_quoted(struct json_out *o, const char *text); /* quoted and escaped */
void json_quoted_bytes(struct json_out *o, const char *text, size_t len);
/* Quoted: what cannot need an escape. */
void json_hex(struct json_out *o, const uint8_t *bytes, size_t len);
void json_b64(struct json_out *o, const uint8_t *bytes, size_t len);
void json_ip(struct json_out *o, const struct ip6 *a);
