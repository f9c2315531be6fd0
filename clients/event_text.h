/* event_text.h - server-sent events from bytes that come in pieces.
 *
 * Feed and drain: bytes go in, whole events come out. Comments, `retry` and unknown fields are left
 * out. Limits: EVENT_TEXT_MAX bytes that make up no whole event yet. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

#define EVENT_TEXT_MAX  ((size_t)4 * 1024 * 1024)
#define EVENT_FIELD_MAX 64

struct event_text {
    char *buf; /* [start, len): not looked at yet */
    size_t start, len, cap;
    char name[EVENT_FIELD_MAX], id[EVENT_FIELD_MAX]; /* of the last event */
};
/* An event's fields, zero-terminated; "" where it has none, or a name or id that is too long. */
struct event {
    const char *name, *data, *id;
};

/* ERR_TOOBIG, ERR_NOMEM: the bytes are not taken. */
MUST_CHECK int event_text_feed(struct event_text *t, const char *bytes, size_t len);
/* The next whole event; lends until the next call. false: more bytes are needed. */
bool event_text_next(struct event_text *t, struct event *ret);
void event_text_fini(struct event_text *t); /* and it begins anew */
