#include "api/json_lease.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/json_in.h"
#include "api/json_message.h"
#include "api/query.h"
#include "base/err.h"
#include "base/text.h"
#include "bus/pattern.h"

/* --- reading --------------------------------------------------------------------------------- */

int json_whole(struct json_fault *f, const char *path, const json_t *v, uint64_t min, uint64_t max,
               uint64_t *ret)
{
    char why[96];
    double d;

    if (!json_is_number(v))
        return json_wrong_kind(f, path, v, "a number");
    d = json_number_value(v);
    if (!(d >= (double)min && d <= (double)max) || floor(d) < d) {
        (void)snprintf(why, sizeof(why), "expected a whole number from %llu to %llu",
                       (unsigned long long)min, (unsigned long long)max); /* fits */
        return json_wrong_shape(f, path, why);
    }
    *ret = (uint64_t)d;
    return OK;
}

static int read_b64_topic(struct json_fault *f, const char *path, const json_t *v,
                          struct topic *ret)
{
    uint8_t bytes[MSG_TOPIC_MAX + 3];
    char why[B64_TEXT_MAX];
    struct b64_error e;
    size_t len = 0;
    int rc;

    if (!json_is_string(v))
        return json_wrong_kind(f, path, v, "a string");
    rc = b64_decode(json_string_value(v), json_string_length(v), bytes, sizeof(bytes), &len, &e);
    if (rc == ERR_INVAL)
        return json_problem(f, PROBLEM_BAD_BASE64, b64_error_str(&e, why));
    if (rc < 0 || len > MSG_TOPIC_MAX)
        return json_problem(f, PROBLEM_BAD_TOPIC, "topic is longer than 255 bytes");
    ret->len = (uint8_t)len;
    memcpy(ret->b, bytes, len);
    return OK;
}

static int read_pattern(struct json_fault *f, const json_t *v, struct topic *ret)
{
    size_t len = json_string_length(v);

    if (!json_is_string(v))
        return json_wrong_kind(f, "pattern", v, "a string");
    if (len == 0 || len > PATTERN_MAX)
        return json_problem(f, PROBLEM_BAD_PATTERN, PATTERN_LENGTH_TEXT);
    ret->len = (uint8_t)len;
    memcpy(ret->b, json_string_value(v), len);
    if (pattern_check(ret->b, len) < 0)
        return json_problem(f, PROBLEM_BAD_PATTERN, PATTERN_LEVELS_TEXT);
    return OK;
}

int json_filter(struct json_fault *f, const char *key, const json_t *v, struct bus_filter *ret)
{
    if (ret->kind != BUS_ANY)
        return json_wrong_shape(f, key, "only one of topic, prefix and pattern may be given");
    if (strcmp(key, "pattern") == 0) {
        ret->kind = BUS_PATTERN;
        return read_pattern(f, v, &ret->topic);
    }
    ret->kind = strcmp(key, "topic") == 0 ? BUS_TOPIC : BUS_PREFIX;
    return read_b64_topic(f, key, v, &ret->topic);
}

int json_consumer(struct json_fault *f, const json_t *v, char ret[static BUS_CONSUMER_MAX + 1])
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    const char *text = json_is_string(v) ? json_line(v) : NULL;
    size_t len = text ? strlen(text) : 0;

    if (!json_is_string(v))
        return json_wrong_kind(f, "consumer", v, "a string");
    if (len == 0 || len > BUS_CONSUMER_MAX || strspn(text, allowed) != len)
        return json_wrong_shape(f, "consumer", "a name has 1 to 64 of A-Z a-z 0-9 . _ -");
    memcpy(ret, text, len + 1);
    return OK;
}

static int read_fetch_field(struct json_fault *f, const char *key, const json_t *v,
                            struct bus_fetch *ret)
{
    uint64_t n = 0;
    int rc;

    if (strcmp(key, "topic") == 0 || strcmp(key, "prefix") == 0 || strcmp(key, "pattern") == 0)
        return json_filter(f, key, v, &ret->filter);
    if (strcmp(key, "consumer") == 0)
        return json_consumer(f, v, ret->consumer);
    if (strcmp(key, "max") == 0) {
        rc = json_whole(f, key, v, 1, BUS_FETCH_MAX, &n);
        ret->max = (uint32_t)n;
        return rc;
    }
    if (strcmp(key, "maxBytes") == 0)
        return json_whole(f, key, v, 1, FETCH_BYTES_MAX, &ret->max_bytes);
    if (strcmp(key, "waitMs") == 0) {
        rc = json_whole(f, key, v, 0, FETCH_WAIT_MAX, &n);
        ret->wait_ms = (int64_t)n;
        return rc;
    }
    if (strcmp(key, "leaseMs") == 0) {
        rc = json_whole(f, key, v, BUS_LEASE_MIN_MS, BUS_LEASE_MAX_MS, &n);
        ret->lease_ms = (int64_t)n;
        return rc;
    }
    return json_wrong_shape(f, "", "unknown field");
}

int fetch_json_read(json_t *body, struct bus_fetch *ret, struct json_fault *fault)
{
    struct bus_fetch f = {.max = 1, .max_bytes = FETCH_BYTES, .session = ret->session};
    const char *key;
    json_t *v;
    int rc = OK;

    if (!json_is_object(body))
        rc = json_wrong_kind(fault, "", body, "an object");
    json_object_foreach(body, key, v)
    {
        rc = read_fetch_field(fault, key, v, &f);
        if (rc < 0)
            break;
    }
    if (rc == OK)
        *ret = f;
    return rc;
}

int fetch_body_read(const uint8_t *json, size_t len, struct bus_fetch *ret,
                    struct json_fault *fault)
{
    json_t *body;
    int rc;

    *fault = (struct json_fault){0};
    body = json_body(json, len, fault);
    if (!body)
        return ERR_INVAL;
    rc = fetch_json_read(body, ret, fault);
    json_decref(body);
    return rc;
}

static int read_tokens(struct json_fault *f, const json_t *v, struct settle_body *b)
{
    size_t n = json_array_size(v);

    if (!json_is_array(v))
        return json_wrong_kind(f, "tokens", v, "a list of tokens");
    if (n == 0 || n > BUS_SETTLE_MAX)
        return json_wrong_shape(f, "tokens", "expected 1 to 1000 tokens");
    b->tokens = calloc(n, sizeof(*b->tokens));
    if (!b->tokens)
        return json_refuse(f, 503, "out of memory");
    b->n = n;
    for (size_t i = 0; i < n; i++) {
        const json_t *t = json_array_get(v, i);
        if (!json_is_string(t))
            return json_wrong_kind(f, "tokens", t, "a string");
        if (bus_token_parse(json_string_value(t), json_string_length(t), &b->tokens[i]) != OK)
            return json_problem(f, PROBLEM_BAD_TOKEN, "tokens: not a token of this API");
    }
    return OK;
}

static int read_settle(struct json_fault *f, const json_t *body, enum bus_settle_kind kind,
                       struct settle_body *b)
{
    const json_t *tokens = json_object_get(body, "tokens");
    const json_t *delay = kind == BUS_NACK ? json_object_get(body, "delayMs") : NULL;
    const json_t *lease = kind == BUS_RENEW ? json_object_get(body, "leaseMs") : NULL;
    uint64_t ms = 0;
    int rc;

    if (!json_is_object(body))
        return json_wrong_kind(f, "", body, "an object with tokens");
    rc = tokens ? read_tokens(f, tokens, b) : json_missing(f, "tokens");
    if (rc == OK && delay)
        rc = json_whole(f, "delayMs", delay, 0, BUS_DELAY_MAX_MS, &ms);
    if (rc == OK && lease)
        rc = json_whole(f, "leaseMs", lease, BUS_LEASE_MIN_MS, BUS_LEASE_MAX_MS, &ms);
    b->ms = (int64_t)ms;
    return rc;
}

int settle_json_read(const json_t *v, enum bus_settle_kind kind, struct settle_body *ret,
                     struct json_fault *fault)
{
    struct settle_body b = {0};
    int rc = read_settle(fault, v, kind, &b);

    if (rc < 0)
        free(b.tokens);
    else
        *ret = b;
    return rc;
}

int settle_body_read(const uint8_t *json, size_t len, enum bus_settle_kind kind,
                     struct settle_body *ret, struct json_fault *fault)
{
    json_t *body;
    int rc;

    *fault = (struct json_fault){0};
    body = json_body(json, len, fault);
    if (!body)
        return ERR_INVAL;
    rc = settle_json_read(body, kind, ret, fault);
    json_decref(body);
    return rc;
}

/* --- writing --------------------------------------------------------------------------------- */

static uint64_t positive(int64_t ms)
{
    return ms > 0 ? (uint64_t)ms : 0;
}

static void put_number(struct json_out *o, const char *key, uint64_t n)
{
    json_put(o, ",\"");
    json_put(o, key);
    json_put(o, "\":");
    json_u64(o, n);
}

static void put_topic(struct json_out *o, const struct topic *t)
{
    if (t->len == 0)
        return;
    json_put(o, ",\"topic\":");
    json_b64(o, t->b, t->len);
}

void json_leased_fields(struct json_out *o, const struct bus_message *m,
                        const uint8_t self_key[static MSG_KEY_BYTES], bool leased, bool payload)
{
    char token[BUS_TOKEN_STR_MAX];

    (void)json_room(o, 1024 + B64_LEN(m->topic.len) +
                           (payload && m->payload ? B64_LEN(m->payload->len) : 0));
    json_put(o, "\"id\":");
    json_hex(o, m->id.b, MSG_ID_BYTES);
    json_put(o, ",\"srcIp\":");
    json_ip(o, &m->src);
    json_put(o, ",\"srcPk\":");
    json_hex(o, m->src_key, MSG_KEY_BYTES);
    json_put(o, ",\"dstIp\":");
    json_ip(o, &m->dst);
    json_put(o, ",\"dstPk\":");
    json_hex(o, self_key, MSG_KEY_BYTES);
    put_topic(o, &m->topic);
    if (m->payload && payload) {
        json_put(o, ",\"payload\":");
        json_b64(o, m->payload->data, m->payload->len);
    } else if (!m->payload) {
        json_put(o, ",\"payloadHref\":\"/bus/v1/inbox/");
        json_u64(o, m->seq);
        json_put(o, "/payload\"");
    }
    put_number(o, "seq", m->seq);
    if (leased) {
        json_put(o, ",\"token\":");
        json_quoted(o, bus_token_str(&m->token, token));
    }
    json_put(o, m->reply ? ",\"reply\":true" : ",\"reply\":false");
    if (leased)
        put_number(o, "redelivered", m->redelivered);
    put_number(o, "receivedMs", positive(m->recv_ms));
    if (leased)
        put_number(o, "leaseUntilMs", positive(m->lease_ms));
    put_number(o, "len", m->len);
}

void json_fetched(struct json_out *o, const struct bus_message *messages, size_t n,
                  const uint8_t self_key[static MSG_KEY_BYTES])
{
    json_put(o, "{\"messages\":[");
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            json_put(o, ",");
        json_put(o, "{");
        json_leased_fields(o, &messages[i], self_key, true, true);
        json_put(o, "}");
    }
    json_put(o, "]}");
}

void json_settled_fields(struct json_out *o, const struct bus_settled *s,
                         const struct bus_token *tokens)
{
    char text[BUS_TOKEN_STR_MAX];
    bool first = true;

    json_put(o, "\"done\":");
    json_u64(o, s->done);
    json_put(o, ",\"unknown\":[");
    for (size_t i = 0; i < s->n; i++) {
        if (!s->unknown[i])
            continue;
        if (!first)
            json_put(o, ",");
        first = false;
        json_quoted(o, bus_token_str(&tokens[i], text));
    }
    json_put(o, "]");
}

void json_settled(struct json_out *o, const struct bus_settled *s, const struct bus_token *tokens)
{
    json_put(o, "{");
    json_settled_fields(o, s, tokens);
    json_put(o, "}");
}

static const char *state_str(enum in_state s)
{
    switch (s) {
    case IN_PART:
    case IN_PART_FULL:
        return "receiving";
    case IN_READY:
        return "ready";
    case IN_LEASED:
        return "leased";
    case IN_DEAD:
        return "dead";
    }
    return "";
}

void json_inbox_entry(struct json_out *o, const struct bus_inbox_entry *e)
{
    bool leased = e->state == IN_LEASED;

    json_put(o, "{\"seq\":");
    json_u64(o, e->seq);
    json_put(o, ",\"id\":");
    json_hex(o, e->id.b, MSG_ID_BYTES);
    json_put(o, ",\"srcIp\":");
    json_ip(o, &e->src);
    json_put(o, ",\"srcPk\":");
    json_hex(o, e->src_key, MSG_KEY_BYTES);
    put_topic(o, &e->topic);
    json_put(o, ",\"state\":");
    json_quoted(o, state_str(e->state));
    json_put(o, e->reply ? ",\"reply\":true" : ",\"reply\":false");
    put_number(o, "receivedMs", positive(e->recv_ms));
    if (e->expire_ms > 0)
        put_number(o, "expireMs", positive(e->expire_ms));
    if (leased && e->lease_ms > 0)
        put_number(o, "leaseUntilMs", positive(e->lease_ms));
    if (leased && *e->consumer) {
        json_put(o, ",\"consumer\":");
        json_quoted(o, e->consumer);
    }
    put_number(o, "redelivered", leased && e->offers > 0 ? e->offers - 1 : e->offers);
    put_number(o, "len", e->len);
    if (e->state < IN_READY)
        put_number(o, "haveBytes", e->have);
    json_put(o, "}");
}

void json_inbox_page(struct json_out *o, const struct bus_inbox_entry *e, size_t n, uint64_t next)
{
    json_put(o, "{\"entries\":[");
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            json_put(o, ",");
        json_inbox_entry(o, &e[i]);
    }
    json_put(o, "]");
    if (next > 0)
        put_number(o, "nextAfter", next);
    json_put(o, "}");
}
