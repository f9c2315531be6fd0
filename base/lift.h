/* lift.h - one string value of a JSON object, taken out while the text comes in.
 *
 * A message as JSON has a payload that may be very long, and little else. The value of one key of
 * the outermost object is handed on piece by piece; everything else is kept, with "" in its place,
 * for a parser of JSON, which decides whether it was JSON at all. So a body of any length costs the
 * memory of what is not its payload.
 *
 * Only the first such value is taken, only if it is a string and its key has no escapes: else it
 * stays in the text. Where the key may stand in an object at any depth, the first long value is
 * taken and a mark tells which one it was. Bytes in, bytes out; knows no message. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

enum lift_state {
    LIFT_TEXT,       /* between strings;               leaves by: quote */
    LIFT_STRING,     /* one that stays in the text;    leaves by: quote */
    LIFT_STRING_ESC, /* .. behind a backslash */
    LIFT_VALUE,      /* the one that is taken;         leaves by: quote */
    LIFT_VALUE_ESC,  /* .. behind a backslash */
    LIFT_VALUE_HEX,  /* .. behind "\u";                leaves by: four digits */
};

struct lift {
    char *text; /* heap: what is kept; not terminated */
    size_t text_len;
    bool found; /* the value has begun */
    /* below: private */
    enum lift_state state;
    const char *key;
    size_t text_cap, text_max;
    const char *mark;
    size_t min, value_at; /* value_at: where in the text one begins that may be it; 0: none */
    bool deep;
    unsigned depth;   /* objects and lists that are open */
    uint64_t objects; /* bit n: what is open at depth n + 1 is an object */
    bool want_key;    /* in an object that is looked at: a string now is a key */
    bool hit;         /* the last key was the one */
    bool is_key, key_ok;
    size_t key_at;
    unsigned code, digits; /* of "\u" */
};

/* key: borrowed for l's life. text_max: bytes that may be kept. */
void lift_init(struct lift *l, const char *key, size_t text_max);
/* The same, in objects down to LIFT_DEPTH, and only a value that takes more than `min` bytes of the
 * text (below text_max). mark: stands between the quotes instead of it, as JSON has it; borrowed.
 */
#define LIFT_DEPTH 64
void lift_init_deep(struct lift *l, const char *key, size_t text_max, const char *mark, size_t min);
void lift_fini(struct lift *l); /* fine on zeroed */

/* value: room for `min + len` bytes; gets what of the value was in this piece, without escapes
 * (0xff for what is not ASCII in an escape). ERR_TOOBIG: more to keep than text_max; ERR_MALFORMED:
 * a control character or an unknown escape in the value; ERR_NOMEM. All of them final. */
MUST_CHECK int lift_feed(struct lift *l, const uint8_t *in, size_t len, char *value,
                         size_t *ret_value_len);
