#include "api/query.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/json_outbox.h"
#include "api/push.h"
#include "base/err.h"
#include "base/text.h"
#include "bus/bus.h"
#include "bus/pattern.h"

int percent_decode(const char *text, size_t len, bool plus, char *ret, size_t cap, size_t *ret_len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '%' && len - i > 2 && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0) {
            c = (char)(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        if (n == cap)
            return ERR_TOOBIG;
        ret[n++] = c;
    }
    *ret_len = n;
    return OK;
}

bool query_next(const char **at, struct query_pair *ret)
{
    const char *p = *at + strspn(*at, "&");
    size_t len = strcspn(p, "&");
    size_t key = 0;

    if (len == 0)
        return false;
    *at = p + len;
    while (key < len && p[key] != '=')
        key++;
    if (percent_decode(p, key, true, ret->key, sizeof(ret->key), &ret->key_len) < 0)
        ret->key_len = 0; /* longer than any that is known */
    ret->value = key < len ? p + key + 1 : p + len;
    ret->value_len = key < len ? len - key - 1 : 0;
    return true;
}

static bool key_is(const struct query_pair *p, const char *key)
{
    return p->key_len == strlen(key) && memcmp(p->key, key, p->key_len) == 0;
}

const char *b64_error_str(const struct b64_error *e, char buf[static B64_TEXT_MAX])
{
    switch (e->fault) {
    case B64_SYMBOL:
        (void)snprintf(buf, B64_TEXT_MAX, "Invalid symbol %u, offset %zu.", e->symbol, e->offset);
        break; /* fits, as below: two numbers */
    case B64_LAST_SYMBOL:
        (void)snprintf(buf, B64_TEXT_MAX, "Invalid last symbol %u, offset %zu.", e->symbol,
                       e->offset);
        break;
    case B64_LENGTH:
        (void)snprintf(buf, B64_TEXT_MAX, "Invalid input length: %zu", e->offset);
        break;
    case B64_PADDING:
    case B64_OK:
        (void)snprintf(buf, B64_TEXT_MAX, "Invalid padding");
        break;
    }
    return buf;
}

static int refuse(char *text, const char *key, const char *why)
{
    (void)snprintf(text, QUERY_TEXT_MAX, "Failed to deserialize query string: %s: %s", key, why);
    return ERR_INVAL; /* a cut text is still a text */
}

static int twice(char *text, const char *key)
{
    (void)snprintf(text, QUERY_TEXT_MAX, "Failed to deserialize query string: duplicate field `%s`",
                   key);
    return ERR_INVAL;
}

/* Decodes a value and reads a number from it. */
static int read_number(const struct query_pair *p, const char *key, uint64_t *ret, char *text)
{
    char v[QUERY_VALUE_MAX];
    size_t len, sign;
    int rc = percent_decode(p->value, p->value_len, true, v, sizeof(v), &len);

    if (rc == OK && len == 0)
        return refuse(text, key, "cannot parse integer from empty string");
    if (rc == OK) {
        sign = len > 1 && *v == '+';
        rc = decimal_parse(v + sign, len - sign, UINT64_MAX, ret);
    }
    if (rc == OK)
        return OK;
    return refuse(text, key,
                  rc == ERR_TOOBIG ? "number too large to fit in target type"
                                   : "invalid digit found in string");
}

static int read_bool(const struct query_pair *p, const char *key, bool *ret, char *text)
{
    char v[8];
    size_t len;

    if (percent_decode(p->value, p->value_len, true, v, sizeof(v), &len) == OK) {
        if (len == 4 && memcmp(v, "true", 4) == 0) {
            *ret = true;
            return OK;
        }
        if (len == 5 && memcmp(v, "false", 5) == 0) {
            *ret = false;
            return OK;
        }
    }
    return refuse(text, key, "provided string was not `true` or `false`");
}

static int read_topic(const struct query_pair *p, const char *key, struct topic *ret, char *text)
{
    char v[QUERY_VALUE_MAX], why[B64_TEXT_MAX];
    uint8_t bytes[QUERY_VALUE_MAX];
    struct b64_error e;
    size_t len, n;
    int rc;

    if (percent_decode(p->value, p->value_len, true, v, sizeof(v), &len) < 0)
        return refuse(text, key, "topic is longer than 255 bytes");
    rc = b64_decode(v, len, bytes, sizeof(bytes), &n, &e);
    if (rc == ERR_INVAL)
        return refuse(text, key, b64_error_str(&e, why));
    if (rc < 0 || n > MSG_TOPIC_MAX)
        return refuse(text, key, "topic is longer than 255 bytes");
    ret->len = (uint8_t)n;
    memcpy(ret->b, bytes, n);
    return OK;
}

int take_query_read(const char *query, struct take_query *ret, char text[static QUERY_TEXT_MAX])
{
    struct take_query q = {0};
    bool has_peek = false, has_timeout = false;
    struct query_pair p;
    int rc = OK;

    while (rc == OK && query_next(&query, &p)) {
        if (key_is(&p, "peek")) {
            rc = has_peek ? twice(text, "peek") : read_bool(&p, "peek", &q.peek, text);
            has_peek = true;
        } else if (key_is(&p, "timeout")) {
            rc = has_timeout ? twice(text, "timeout")
                             : read_number(&p, "timeout", &q.timeout_s, text);
            has_timeout = true;
        } else if (key_is(&p, "topic")) {
            rc = q.has_topic ? twice(text, "topic") : read_topic(&p, "topic", &q.topic, text);
            q.has_topic = true;
        }
    }
    if (rc == OK)
        *ret = q;
    return rc;
}

int send_query_read(const char *query, struct send_query *ret, char text[static QUERY_TEXT_MAX])
{
    struct send_query q = {0};
    struct query_pair p;
    int rc = OK;

    while (rc == OK && query_next(&query, &p)) {
        if (!key_is(&p, "reply_timeout"))
            continue;
        rc = q.has_reply_timeout ? twice(text, "reply_timeout")
                                 : read_number(&p, "reply_timeout", &q.reply_timeout_s, text);
        q.has_reply_timeout = true;
    }
    if (rc == OK)
        *ret = q;
    return rc;
}

/* --- the inbox ------------------------------------------------------------------------------- */

#define INBOX_LIMIT 100 /* entries of a page that does not say how many */

static int read_state(const struct query_pair *p, struct bus_inbox_list *l, char *text)
{
    const struct {
        const char *name;
        bool *at;
    } states[] = {{"receiving", &l->receiving},
                  {"ready", &l->ready},
                  {"leased", &l->leased},
                  {"dead", &l->dead}};
    char v[16];
    size_t len;

    if (percent_decode(p->value, p->value_len, true, v, sizeof(v), &len) == OK)
        for (size_t i = 0; i < ARRAY_LEN(states); i++)
            if (len == strlen(states[i].name) && memcmp(v, states[i].name, len) == 0) {
                *states[i].at = true;
                return OK;
            }
    return refuse(text, "state", "expected `receiving`, `ready`, `leased` or `dead`");
}

static int refuse_pattern(char *text, const char *why)
{
    (void)snprintf(text, QUERY_TEXT_MAX, "%s", why); /* fits */
    return ERR_MALFORMED;
}

static int read_pattern(const struct query_pair *p, struct topic *ret, char *text)
{
    char v[QUERY_VALUE_MAX];
    size_t len;

    if (percent_decode(p->value, p->value_len, true, v, sizeof(v), &len) < 0 || len == 0 ||
        len > PATTERN_MAX)
        return refuse_pattern(text, PATTERN_LENGTH_TEXT);
    if (!utf8_valid(v, len))
        return refuse_pattern(text, "a pattern is UTF-8");
    ret->len = (uint8_t)len;
    memcpy(ret->b, v, len);
    return pattern_check(ret->b, len) == OK ? OK : refuse_pattern(text, PATTERN_LEVELS_TEXT);
}

static int read_range(const struct query_pair *p, const char *key, uint64_t min, uint64_t max,
                      uint64_t *ret, char *text)
{
    int rc = read_number(p, key, ret, text);

    if (rc == OK && (*ret < min || *ret > max))
        return refuse(text, key, "number out of range");
    return rc;
}

static int read_filter(const struct query_pair *p, enum bus_filter_kind kind,
                       struct bus_filter *ret, char *text)
{
    if (ret->kind != BUS_ANY)
        return refuse(text, "topic", "only one of topic, prefix and pattern may be given");
    ret->kind = kind;
    if (kind == BUS_PATTERN)
        return read_pattern(p, &ret->topic, text);
    return read_topic(p, kind == BUS_TOPIC ? "topic" : "prefix", &ret->topic, text);
}

static int read_inbox_pair(const struct query_pair *p, struct bus_inbox_list *l, uint64_t *limit,
                           unsigned *seen, char *text)
{
    static const char *const keys[] = {"state", "limit", "after"};

    for (unsigned i = 0; i < ARRAY_LEN(keys); i++) {
        if (!key_is(p, keys[i]))
            continue;
        if (*seen & 1u << i)
            return twice(text, keys[i]);
        *seen |= 1u << i;
    }
    if (key_is(p, "state"))
        return read_state(p, l, text);
    if (key_is(p, "limit"))
        return read_range(p, "limit", 1, BUS_LIST_MAX, limit, text);
    if (key_is(p, "after"))
        return read_range(p, "after", 0, INT64_MAX, &l->after, text);
    if (key_is(p, "topic"))
        return read_filter(p, BUS_TOPIC, &l->filter, text);
    if (key_is(p, "prefix"))
        return read_filter(p, BUS_PREFIX, &l->filter, text);
    if (key_is(p, "pattern"))
        return read_filter(p, BUS_PATTERN, &l->filter, text);
    return OK;
}

int inbox_query_read(const char *query, struct bus_inbox_list *ret,
                     char text[static QUERY_TEXT_MAX])
{
    struct bus_inbox_list l = {0};
    uint64_t limit = INBOX_LIMIT;
    unsigned seen = 0;
    struct query_pair p;
    int rc = OK;

    while (rc == OK && query_next(&query, &p))
        rc = read_inbox_pair(&p, &l, &limit, &seen, text);
    if (rc < 0)
        return rc;
    if (!l.receiving && !l.ready && !l.leased && !l.dead)
        l.receiving = l.ready = l.leased = l.dead = true;
    l.limit = (uint32_t)limit;
    *ret = l;
    return OK;
}

/* --- the outbox ------------------------------------------------------------------------------ */

#define OUTBOX_LIMIT 100 /* entries of a page that does not say how many */

/* A value of at most max bytes, without zero bytes, as a string. */
static bool read_line(const struct query_pair *p, char *ret, size_t max)
{
    size_t len;

    if (percent_decode(p->value, p->value_len, true, ret, max, &len) < 0 || memchr(ret, '\0', len))
        return false;
    ret[len] = '\0';
    return true;
}

static int read_outbox_pair(const struct query_pair *p, struct bus_out_filter *f, uint64_t *limit,
                            unsigned *seen, char *text)
{
    static const char *const keys[] = {"state", "dst", "id", "limit", "before"};
    char v[2 * MSG_KEY_BYTES + 1];
    unsigned which = 0;

    while (which < ARRAY_LEN(keys) && !key_is(p, keys[which]))
        which++;
    if (which == ARRAY_LEN(keys))
        return OK;
    if (*seen & 1u << which)
        return twice(text, keys[which]);
    *seen |= 1u << which;
    switch (which) {
    case 0:
        f->states = read_line(p, v, sizeof(v) - 1) ? out_states_of(v) : 0;
        return f->states ? OK : refuse(text, "state", "no such state");
    case 1:
        f->by_dst = true;
        if (read_line(p, v, sizeof(v) - 1) && destination_parse(v, &f->dst) == OK)
            return OK;
        return refuse(text, "dst", "neither an address of the network nor a public key");
    case 2:
        f->by_id = true;
        if (read_line(p, v, sizeof(v) - 1) && strlen(v) == (size_t)2 * MSG_ID_BYTES &&
            hex_decode(v, strlen(v), f->id.b, MSG_ID_BYTES) == OK)
            return OK;
        return refuse(text, "id", "expected 16 hex digits");
    case 3:
        return read_range(p, "limit", 1, BUS_OUT_LIST_MAX, limit, text);
    default:
        return read_range(p, "before", 1, INT64_MAX, &f->before, text);
    }
}

int outbox_query_read(const char *query, struct bus_out_filter *ret,
                      char text[static QUERY_TEXT_MAX])
{
    struct bus_out_filter f = {0};
    uint64_t limit = OUTBOX_LIMIT;
    unsigned seen = 0;
    struct query_pair p;
    int rc = OK;

    while (rc == OK && query_next(&query, &p))
        rc = read_outbox_pair(&p, &f, &limit, &seen, text);
    if (rc < 0)
        return rc;
    f.limit = (uint32_t)limit;
    *ret = f;
    return OK;
}

/* A number and ms, s or m. */
static bool read_duration(char *v, int64_t *ret)
{
    size_t digits = strspn(v, "0123456789");
    uint64_t n;
    int64_t unit = 0;

    if (strcmp(v + digits, "ms") == 0)
        unit = 1;
    else if (strcmp(v + digits, "s") == 0)
        unit = 1000;
    else if (strcmp(v + digits, "m") == 0)
        unit = 60000;
    if (unit == 0 || decimal_parse(v, digits, ENTRY_WAIT_MAX_MS, &n) < 0)
        return false;
    *ret = MIN((int64_t)n * unit, ENTRY_WAIT_MAX_MS);
    return true;
}

int entry_query_read(const char *query, struct entry_query *ret, char text[static QUERY_TEXT_MAX])
{
    struct entry_query e = {.wait_ms = ENTRY_WAIT_DEFAULT_MS};
    struct query_pair p;
    char v[16 + 1];

    while (query_next(&query, &p)) {
        if (key_is(&p, "index")) {
            if (e.has_index)
                return twice(text, "index");
            e.has_index = true;
            if (read_range(&p, "index", 0, UINT32_MAX, &e.index, text) < 0)
                return ERR_INVAL;
        } else if (key_is(&p, "wait")) {
            if (!read_line(&p, v, sizeof(v) - 1) || !read_duration(v, &e.wait_ms))
                return refuse(text, "wait", "expected a number and ms, s or m");
        }
    }
    *ret = e;
    return OK;
}
