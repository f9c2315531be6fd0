/* query.h - query strings: pairs of a form-encoded text, and the queries of the message calls.
 *
 * Keys that are not known are ignored, a known key twice is refused.
 * Protocol: docs/protocol/api.md, "HTTP rules". */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "base/text.h"
#include "bus/message.h"

/* Percent-decodes one time; `plus` makes a space of '+'. What is not two hex digits behind a '%'
 * stays as it is. Writes at most cap bytes (no zero). ERR_TOOBIG. */
MUST_CHECK int percent_decode(const char *text, size_t len, bool plus, char *ret, size_t cap,
                              size_t *ret_len);

/* Longest decoded value of a known key: a topic in base64. Longer ones are refused. */
#define QUERY_VALUE_MAX 344

struct query_pair {
    char key[32]; /* decoded; longer keys are cut and match none */
    size_t key_len;
    const char *value; /* still encoded, borrowed from the query */
    size_t value_len;
};
/* The next pair that is not empty; *at moves on. False: the end. */
bool query_next(const char **at, struct query_pair *ret);

/* GET and HEAD /messages */
struct take_query {
    bool peek;
    bool has_topic;
    struct topic topic;
    uint64_t timeout_s; /* 0: none */
};
/* POST /messages */
struct send_query {
    bool has_reply_timeout;
    uint64_t reply_timeout_s;
};

/* GET /bus/v1/inbox: the list that is asked for */
struct bus_inbox_list;

/* What is wrong with a pattern, for both places where one may stand. */
#define PATTERN_LENGTH_TEXT "a pattern has 1 to 255 bytes"
#define PATTERN_LEVELS_TEXT                                                                        \
    "`+` and `#` stand for whole levels between slashes, `#` only for the last"

/* ERR_INVAL with a sentence for the client in `text`. */
#define QUERY_TEXT_MAX 160
MUST_CHECK int take_query_read(const char *query, struct take_query *ret,
                               char text[static QUERY_TEXT_MAX]);
MUST_CHECK int send_query_read(const char *query, struct send_query *ret,
                               char text[static QUERY_TEXT_MAX]);

/* ERR_MALFORMED: the pattern is none. */
MUST_CHECK int inbox_query_read(const char *query, struct bus_inbox_list *ret,
                                char text[static QUERY_TEXT_MAX]);

/* GET /bus/v1/outbox: the entries that are asked for */
struct bus_out_filter;

MUST_CHECK int outbox_query_read(const char *query, struct bus_out_filter *ret,
                                 char text[static QUERY_TEXT_MAX]);

/* GET /bus/v1/outbox/{ref} */
struct entry_query {
    bool has_index;
    uint64_t index;
    int64_t wait_ms;
};
#define ENTRY_WAIT_DEFAULT_MS 30000
#define ENTRY_WAIT_MAX_MS     600000
MUST_CHECK int entry_query_read(const char *query, struct entry_query *ret,
                                char text[static QUERY_TEXT_MAX]);

/* What is wrong with a base64 text, in the words that users of the network know. */
struct b64_error;
#define B64_TEXT_MAX 64
const char *b64_error_str(const struct b64_error *e, char buf[static B64_TEXT_MAX]);
